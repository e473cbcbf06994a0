//! Fixed factors with many levels, whose dummy columns are no columns of X but a term of their own,
//! with [`RelCov::fixed`].
//!
//! Their coefficients alpha, of the columns F, are found with the modes. They are no modes, though:
//! nothing is integrated over them, so that `log |H|` in Laplace's approximation is that of the
//! random effects without them ([`Alone`]), and alpha minimizes the deviance with this
//! log-determinant and not the penalized deviance. PIRLS is led there by a linear term `c'alpha`
//! that is added to the penalized deviance: at its minimum the derivative of the deviance in alpha
//! is `r = F'rho` (see `gradient`), and `c + r` takes the place of c until r is zero. As
//! `log |H|` depends little on alpha, a few rounds do. The deviance is then a function of theta and
//! beta alone, with the derivatives that it has where alpha doesn't move. The term is kept by rows,
//! as `F'h` with a slope h_i in the linear predictor of each: rows that say nothing any more, those
//! of separated cells, have none, whatever the columns of F, and leave the rest of their level
//! alone.
//!
//! Where PIRLS finds beta ([`Vary::Jointly`]) it finds alpha as well, and c is zero.
//!
//! [`RelCov::fixed`]: crate::covariance::RelCov::fixed

use super::leverage::Leverage;
use super::GeneralizedLinearMixedModel;
use crate::covariance::RelCov;
use crate::derivatives::{FactorDerivatives, OmegaDerivatives};
use crate::design::columns::Columns;
use crate::design::Design;
use crate::error::Result;
use crate::factor::cond_var::cond_var;
use crate::factor::memory::{too_large, Room};
use crate::factor::rows::Rows;
use crate::factor::solve::Vectors;
use crate::factor::{Factor, Solution};
use crate::glmm::pirls::Vary;
use crate::kernels::small;
use crate::tolerances::{LEAST_WEIGHT, SETTLED_SHARE, SILENT_ROW};

/// Most rounds in which the linear term is corrected.
const MOST_ROUNDS: usize = 30;

/// The random effects without the fixed factors.
#[derive(Debug, Clone)]
pub(super) struct Alone {
    factor: Factor,
    rhs: Vectors,
    rows: Rows,
    /// The random terms, by their place in the model.
    terms: Vec<usize>,
    /// The place of each row among those of the model.
    from: Vec<usize>,
    weights: Vec<f64>,
    is_factored: bool,
}

impl Alone {
    /// The random effects of a design whose rows the model has in the order of `rows`; `None`
    /// without a fixed factor.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn new(
        design: &Design,
        rows: &Rows,
        room: &Room,
    ) -> Result<Option<Self>> {
        let Some((design, terms)) = design.without_fixed() else {
            return Ok(None);
        };
        let design = Design {
            x: Columns::default(),
            ..design
        };
        let factor = Factor::empty(&design, room)?
            .ok_or_else(|| too_large(f64::NAN, None))?;
        let own = Rows::new(&design, (&factor.layout, &factor.leading), &[]);
        let mut place = vec![0; rows.n()];
        for (at, &i) in rows.order.iter().enumerate() {
            place[i as usize] = at;
        }
        Ok(Some(Self {
            rhs: Vectors::zeros(&factor, 1),
            from: own.order.iter().map(|&i| place[i as usize]).collect(),
            weights: vec![0.0; rows.n()],
            is_factored: false,
            rows: own,
            factor,
            terms,
        }))
    }

    /// Sets the covariance parameters.
    pub fn set_theta(&mut self, theta: &[f64]) {
        self.factor.set_theta(theta);
        self.is_factored = false;
    }

    /// Takes new weights, in the order of the model.
    pub fn reweigh(&mut self, weights: &[f64]) {
        for (own, &from) in self.weights.iter_mut().zip(&self.from) {
            *own = weights[from];
        }
        self.is_factored = false;
    }

    fn factored(&mut self) -> Result<&Factor> {
        if !self.is_factored {
            let zeros = vec![0.0; self.rows.n()];
            self.rows.refill(
                &mut self.factor,
                &mut self.rhs,
                &self.weights,
                &zeros,
            );
            self.factor.refactor()?;
            self.is_factored = true;
        }
        Ok(&self.factor)
    }

    /// `log |H|`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn log_det_re(&mut self) -> Result<f64> {
        Ok(self.factored()?.log_det_re())
    }

    /// Solves for `Lambda'r_Z` of the random terms; the other terms have zeros.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn solve(&mut self, rz: &[Vec<f64>]) -> Result<Solution> {
        self.factored()?;
        let own: Vec<_> = self.terms.iter().map(|&t| rz[t].clone()).collect();
        let found = self.factor.solve(&own, &[], &[]);
        let zeros: Vec<_> = rz.iter().map(|r| vec![0.0; r.len()]).collect();
        let mut solution = Solution {
            beta: Vec::new(),
            u: zeros.clone(),
            b: zeros,
        };
        self.scatter(found.u, &mut solution.u);
        self.scatter(found.b, &mut solution.b);
        Ok(solution)
    }

    fn scatter(&self, own: Vec<Vec<f64>>, out: &mut [Vec<f64>]) {
        for (own, &term) in own.into_iter().zip(&self.terms) {
            out[term] = own;
        }
    }

    /// Writes leverages, of the rows in the order of the model, over zeros.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn leverage(&mut self, found: &mut Leverage) -> Result<()> {
        self.factored()?;
        let mut own = Leverage::default();
        own.set_zeros(&self.rows);
        own.add(&self.rows, &self.factor, &self.weights, None);
        for (leverage, &from) in own.rows.iter().zip(&self.from) {
            found.rows[from] = *leverage;
        }
        self.scatter(own.terms, &mut found.terms);
        Ok(())
    }

    /// `sum_l W_ll` of each random term.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn traces(&mut self, omega: &mut OmegaDerivatives) -> Result<()> {
        let factor = self.factored()?;
        let mut own = OmegaDerivatives::new(factor.covs());
        FactorDerivatives::new(factor).update_traces(factor, &mut own);
        for (own, &term) in own.g().iter().zip(&self.terms) {
            omega.g_mut()[term].copy_from_slice(own);
        }
        Ok(())
    }

    /// Conditional variances of the random effects in the place of those of `all`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn fill_cond_var(&mut self, all: &mut [Vec<f64>]) -> Result<()> {
        let own = cond_var(self.factored()?);
        self.scatter(own, all);
        Ok(())
    }
}

impl GeneralizedLinearMixedModel {
    /// Whether a factor of the fixed part is a term.
    pub(super) fn has_fixed_levels(&self) -> bool {
        self.covs.iter().any(RelCov::is_fixed)
    }

    /// Leads the coefficients of fixed factors, after a search for the modes, to where the deviance
    /// is least.
    ///
    /// # Errors
    /// `PirlsDiverged`, `NotPositiveDefinite`.
    pub(super) fn settle_levels(&mut self, vary: Vary) -> Result<()> {
        if vary == Vary::Jointly || !self.has_fixed_levels() {
            return Ok(());
        }
        let left = self.pirls.tolerance.decrement * self.pirls.unit;
        let limit = SETTLED_SHARE * left;
        for _ in 0..MOST_ROUNDS {
            self.pirls.factor_at_modes(vary, self.options.information)?;
            let is_silent = self.pirls.silent_rows();
            let slopes = self.slope_in_eta()?;
            let gain = self.pirls.tilt_by(&slopes, &is_silent)?;
            self.find_modes(vary)?;
            if gain <= limit {
                break;
            }
        }
        Ok(())
    }
}

impl super::Pirls {
    /// Rows that hardly change the deviance, whatever their linear predictor.
    fn silent_rows(&self) -> Vec<bool> {
        let least = SILENT_ROW * self.unit;
        let rows = self.response.weight.iter().zip(&self.response.score);
        rows.map(|(weight, score)| weight.abs().max(score.abs()) <= least)
            .collect()
    }

    /// Adds slopes in the linear predictors to the linear term of the penalized deviance, of which
    /// silent rows get none; returns what that gains, as far as the log-determinant stays as it is.
    /// The factor is that of the modes.
    fn tilt_by(&mut self, slopes: &[f64], is_silent: &[bool]) -> Result<f64> {
        self.tilt_of_rows.resize(slopes.len(), 0.0);
        let rows = self.tilt_of_rows.iter_mut().zip(slopes);
        for ((tilt, slope), is_silent) in rows.zip(is_silent) {
            *tilt = if *is_silent { 0.0 } else { *tilt + slope };
        }
        let u = self.u.iter();
        let mut change: Vec<_> = u.map(|u| vec![0.0; u.len()]).collect();
        for term in &self.rows.terms {
            let t = term.term;
            if !self.engine.covs()[t].is_fixed() {
                continue;
            }
            change[t] = term.transposed_product(&self.tilt_of_rows);
            let before =
                std::mem::replace(&mut self.tilt[t], change[t].clone());
            small::axpy(-1.0, &before, &mut change[t]);
        }
        let step = self.engine.solve_with_levels(&change)?;
        let terms = change.iter().zip(&step);
        Ok(0.25 * terms.map(|(c, step)| small::dot(c, step)).sum::<f64>())
    }

    /// Raises weights that are next to nothing beside others of their level of a fixed factor. The
    /// cells of a category within a level may be separated, so that their weights vanish; where the
    /// columns of the level's slopes are the other categories, sums of all rows would know nothing
    /// of them. With a larger weight a step is shorter, and without a score that is as small there
    /// is none.
    pub(super) fn raise_weights(&mut self) {
        for term in &self.rows.terms {
            let is_fixed = self.engine.covs()[term.term].is_fixed();
            if !is_fixed || term.k == 1 {
                continue;
            }
            let response = &mut self.response;
            let largest = term.largest_by_level(&response.weight);
            let rows = response.weight.iter_mut().zip(&mut response.score);
            for ((weight, score), &level) in rows.zip(&term.level) {
                let least = LEAST_WEIGHT * largest[level as usize];
                if *weight < 0.0 || *weight >= least {
                    continue;
                }
                *weight = least;
                if score.abs() < least {
                    *score = 0.0;
                }
            }
        }
    }
}
