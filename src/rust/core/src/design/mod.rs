//! The data of a model as passed by R: borrowed, and checked once.
//!
//! The linear predictor is `eta = X beta + Z b + offset`. Z is not formed: each term has its
//! columns and the level of each observation.
//!
//! | contents | file |
//! |---|---|
//! | columns of X or of a term: constants, doubles, integers | [`columns`] |
//! | columns, levels and covariance of one random-effects term | `term` |
//! | X, y, weights, offset and terms, with their validation | here, [`Design`] |

pub mod columns;
mod term;

pub use columns::{Column, Columns};
pub use term::ReTerm;

use crate::covariance::RelCov;
use crate::error::{check_length, Error, Result};
use columns::first_not_finite;

/// Response, fixed-effects matrix and random-effects terms of `n` observations.
#[derive(Debug, Clone)]
pub struct Design<'a> {
    /// Fixed-effects model matrix, `n x p`, of full column rank.
    pub x: Columns<'a>,
    /// Response, `n`.
    pub y: &'a [f64],
    /// Prior weights, `n`.
    pub weights: Option<&'a [f64]>,
    /// The number of identical observations that each row stands for, `n`; one if absent. Only
    /// generalized models use it.
    pub counts: Option<&'a [f64]>,
    /// Known part of the linear predictor, `n`.
    pub offset: Option<&'a [f64]>,
    /// Random-effects terms, one per grouping factor.
    pub terms: Vec<ReTerm<'a>>,
}

impl<'a> Design<'a> {
    /// The design without its fixed factors, and the indices of the remaining terms; `None` if
    /// there are no fixed factors.
    pub(crate) fn without_fixed(&self) -> Option<(Self, Vec<usize>)> {
        let all = 0..self.terms.len();
        let kept: Vec<usize> =
            all.filter(|&t| !self.terms[t].cov.is_fixed()).collect();
        if kept.len() == self.terms.len() {
            return None;
        }
        let terms = kept.iter().map(|&term| self.terms[term].clone());
        let alone = Self {
            terms: terms.collect(),
            ..self.clone()
        };
        Some((alone, kept))
    }
}

impl Design<'_> {
    /// Number of observations.
    pub fn n(&self) -> usize {
        self.y.len()
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.x.len()
    }

    /// Whether both designs borrow the same memory for the same model.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_same = |a: Option<&[f64]>, b: Option<&[f64]>| match (a, b) {
            (Some(a), Some(b)) => std::ptr::eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        let mut terms = self.terms.iter().zip(&other.terms);
        std::ptr::eq(self.y, other.y)
            && is_same(self.weights, other.weights)
            && is_same(self.offset, other.offset)
            && self.x.is_same(&other.x)
            && self.terms.len() == other.terms.len()
            && terms.all(|(a, b)| a.is_same(b))
    }

    /// Number of observations of positive weight.
    pub fn n_eff(&self) -> usize {
        if self.counts.is_some() {
            let counted = (0..self.n()).filter(|&i| self.weight(i) > 0.0);
            return counted.map(|i| self.count(i)).sum::<f64>() as usize;
        }
        let Some(weights) = self.weights else {
            return self.n();
        };
        weights.iter().filter(|&&w| w > 0.0).count()
    }

    /// The number of observations that row `i` stands for.
    #[inline]
    pub fn count(&self, i: usize) -> f64 {
        self.counts.map_or(1.0, |counts| counts[i])
    }

    /// Number of covariance parameters.
    pub fn n_theta(&self) -> usize {
        self.terms
            .iter()
            .map(|term| term.cov.theta_end())
            .max()
            .unwrap_or(0)
    }

    /// Prior weight of row `i`.
    #[inline]
    pub fn weight(&self, i: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[i])
    }

    /// Offset of row `i`.
    #[inline]
    pub fn offset(&self, i: usize) -> f64 {
        self.offset.map_or(0.0, |o| o[i])
    }

    /// Response of row `i` less the offset.
    #[inline]
    pub fn response(&self, i: usize) -> f64 {
        self.y[i] - self.offset(i)
    }

    /// The relative covariance factor of each term.
    pub fn covs(&self) -> Vec<RelCov> {
        self.terms.iter().map(|term| term.cov.clone()).collect()
    }

    /// Checks lengths, levels, finiteness and weights.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`, `Level`, `NegativeWeight`.
    pub fn validate(&self) -> Result<()> {
        let n = self.n();
        check_length("y", n.max(1), n)?;
        check_finite("y", self.y)?;
        self.x.validate("x", n)?;
        for (what, values) in [
            ("weights", self.weights),
            ("counts", self.counts),
            ("offset", self.offset),
        ] {
            if let Some(values) = values {
                check_length(what, n, values.len())?;
                check_finite(what, values)?;
            }
        }
        self.check_signs()?;
        let mut terms = self.terms.iter().enumerate();
        terms.try_for_each(|(t, term)| term.validate(t, n))
    }

    // Checks that weights and counts are not negative.
    fn check_signs(&self) -> Result<()> {
        for values in [self.weights, self.counts].into_iter().flatten() {
            if let Some(index) = values.iter().position(|&w| w < 0.0) {
                return Err(Error::NegativeWeight { index });
            }
        }
        Ok(())
    }
}

/// Checks that all values are finite.
///
/// # Errors
/// `NonFinite` with the index of the first one that is not.
pub(crate) fn check_finite(what: &'static str, values: &[f64]) -> Result<()> {
    match first_not_finite(values) {
        Some(index) => Err(Error::NonFinite { what, index }),
        None => Ok(()),
    }
}
