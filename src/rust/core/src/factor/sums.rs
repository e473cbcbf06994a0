//! Given sums that replace the rows of the data, from a database, a stream of chunks, or several
//! sites.
//!
//! Grouping by the levels of a term gives `Z_t'WZ_t`, `Z_t'WX` and `Z_t'Wr`; grouping by the pairs
//! of levels that occur together gives `Z_t'WZ_s`. X is centred and r is the residual response,
//! which avoids cancellation where means are large.

use crate::covariance::RelCov;
use crate::error::{check_length, Error, Result};
use crate::factor::blocks::Blocks;

/// The sufficient statistics of a linear mixed model.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    /// Number of observations of positive weight.
    pub n_eff: usize,
    /// `sum log w` over these observations.
    pub sum_log_weights: f64,
    /// The multiples of the first column of X that were subtracted from each column.
    pub shift: Vec<f64>,
    /// The least-squares coefficients, for these columns, whose fit was subtracted from the
    /// response: `r = y - X beta0`.
    pub beta0: Vec<f64>,
    /// `X'WX`, of which the lower triangle is read, `p x p`.
    pub xx: Vec<f64>,
    /// `X'Wr`.
    pub xr: Vec<f64>,
    /// `r'Wr`.
    pub rr: f64,
    /// `y'Wy` of the response less its offset.
    pub yy: f64,
    /// The terms in the order of the model.
    pub terms: Vec<TermSums>,
    /// Each pair of terms once.
    pub pairs: Vec<PairSums>,
}

/// The sums of one random-effects term, level after level.
#[derive(Debug, Clone, PartialEq)]
pub struct TermSums {
    /// Number of random effects per level.
    pub k: usize,
    /// Number of levels.
    pub n_levels: usize,
    /// `Z'WZ`, symmetric, `k x k` per level.
    pub zz: Blocks,
    /// `X'WZ`, `p x k` per level.
    pub xz: Blocks,
    /// `Z'Wr`, `k` values per level.
    pub zr: Vec<f64>,
}

/// The sums of two terms over the pairs of levels that occur together.
#[derive(Debug, Clone, PartialEq)]
pub struct PairSums {
    /// The indices of the terms.
    pub terms: (usize, usize),
    /// The pairs of levels, 0-based, in any order, each only once.
    pub levels: Vec<(u32, u32)>,
    /// `Z_a'WZ_b`, `k_a x k_b` per pair of levels.
    pub zz: Blocks,
}

impl Sums {
    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.shift.len()
    }

    /// The sums of a subset of the terms, in increasing order.
    pub(crate) fn of_terms(&self, kept: &[usize]) -> Self {
        let place = |term| kept.binary_search(&term).ok();
        let moved = |pair: &PairSums| {
            let (a, b) = pair.terms;
            Some(PairSums {
                terms: (place(a)?, place(b)?),
                ..pair.clone()
            })
        };
        Self {
            terms: kept.iter().map(|&t| self.terms[t].clone()).collect(),
            pairs: self.pairs.iter().filter_map(moved).collect(),
            ..self.clone()
        }
    }

    /// The shape (effects per level, number of levels) of each term.
    pub(crate) fn shapes(&self) -> Vec<(usize, usize)> {
        let shape = |term: &TermSums| (term.k, term.n_levels);
        self.terms.iter().map(shape).collect()
    }

    /// Checks that all arrays have the lengths implied by the shapes, that the levels exist, and
    /// that the terms have as many effects as their covariances.
    ///
    /// # Errors
    /// `Dimension` and `Level` if not.
    pub fn validate(&self, covs: &[RelCov]) -> Result<()> {
        let found: Vec<usize> = self.terms.iter().map(|term| term.k).collect();
        let expected: Vec<usize> = covs.iter().map(RelCov::vsize).collect();
        if found != expected {
            return Err(Error::Dimension {
                what: "terms",
                expected: expected.iter().sum(),
                found: found.iter().sum(),
            });
        }
        self.check_shapes()
    }

    /// Checks that all arrays have the lengths implied by the shapes, and that the levels exist.
    ///
    /// # Errors
    /// `Dimension` and `Level` if not.
    pub(super) fn check_shapes(&self) -> Result<()> {
        let p = self.p();
        check_length("beta0", p, self.beta0.len())?;
        check_length("xx", p * p, self.xx.len())?;
        check_length("xr", p, self.xr.len())?;
        check_length("terms", 1, self.terms.len().min(1))?;
        for term in &self.terms {
            let effects = term.k * term.n_levels;
            check_length("zz", effects * term.k, term.zz.values().len())?;
            check_length("xz", effects * p, term.xz.values().len())?;
            check_length("zr", effects, term.zr.len())?;
        }
        self.pairs.iter().try_for_each(|pair| self.check_pair(pair))
    }

    fn check_pair(&self, pair: &PairSums) -> Result<()> {
        let (a, b) = pair.terms;
        let n_terms = self.terms.len();
        check_length("pairs", n_terms, n_terms.max(a.max(b) + 1))?;
        let ta = &self.terms[a];
        let tb = &self.terms[b];
        let n_values = pair.levels.len() * ta.k * tb.k;
        check_length("zz", n_values, pair.zz.values().len())?;
        for (row, &(i, j)) in pair.levels.iter().enumerate() {
            if i as usize >= ta.n_levels || j as usize >= tb.n_levels {
                return Err(Error::Level {
                    term: a,
                    row,
                    level: i as i32,
                    n_levels: ta.n_levels,
                });
            }
        }
        Ok(())
    }
}
