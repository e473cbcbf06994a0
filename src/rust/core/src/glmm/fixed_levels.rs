//! Fixed factors with many levels, whose indicator columns F are stored as a term with
//! [`RelCov::fixed`] instead of as columns of X.
//!
//! Their coefficients alpha are found together with the modes. But they are not integrated over, so
//! that `log |H|` in Laplace's approximation is that of the random effects without them
//! ([`RandomPart`](super::random_part::RandomPart)), and alpha must minimise the deviance including
//! this log-determinant instead of the penalized deviance. This is achieved by a linear term
//! `c'alpha` in the penalized deviance: at its minimum the derivative of the deviance in alpha is
//! `r = F'rho` (see `gradient`), and c is replaced by `c + r` until r is zero. As `log |H|` depends
//! little on alpha, a few rounds suffice. The deviance is then a function of theta and beta only,
//! with the same derivatives as at fixed alpha. The linear term is stored by rows, as `F'h` with a
//! coefficient h_i of the linear predictor of each row: rows without information, in separated
//! cells, have none, whatever the columns of F, and do not disturb the rest of their level.
//!
//! Where PIRLS finds beta ([`Vary::Jointly`]) it finds alpha as well, and c is zero.
//!
//! [`RelCov::fixed`]: crate::covariance::RelCov::fixed

use super::GeneralizedLinearMixedModel;
use crate::covariance::RelCov;
use crate::error::Result;
use crate::glmm::vary::Vary;
use crate::kernels::small;
use crate::tolerances::{LEAST_WEIGHT, SETTLED_SHARE, SILENT_ROW};

/// Largest number of corrections of the linear term.
const MOST_ROUNDS: usize = 30;

impl GeneralizedLinearMixedModel {
    /// Whether a fixed factor is stored as a term.
    pub(super) fn has_fixed_levels(&self) -> bool {
        self.covs.iter().any(RelCov::is_fixed)
    }

    /// After PIRLS, moves the coefficients of fixed factors to the minimum of the deviance.
    ///
    /// # Errors
    /// `PirlsDiverged`, `NotPositiveDefinite`.
    pub(super) fn converge_levels(&mut self, vary: Vary) -> Result<()> {
        if vary == Vary::Jointly || !self.has_fixed_levels() {
            return Ok(());
        }
        let left = self.pirls.tolerance.decrement * self.pirls.unit;
        let limit = SETTLED_SHARE * left;
        for _ in 0..MOST_ROUNDS {
            self.pirls.factor_at_modes(vary, self.options.information)?;
            let is_silent = self.pirls.silent_rows();
            let slopes = self.slope_in_eta()?;
            let gain = self.pirls.add_tilt(&slopes, &is_silent)?;
            self.find_modes(vary)?;
            if gain <= limit {
                break;
            }
        }
        Ok(())
    }
}

impl super::Pirls {
    /// Marks the rows that hardly affect the deviance, whatever their linear predictor.
    fn silent_rows(&self) -> Vec<bool> {
        let least = SILENT_ROW * self.unit;
        let rows = self.response.weight.iter().zip(&self.response.score);
        rows.map(|(weight, score)| weight.abs().max(score.abs()) <= least)
            .collect()
    }

    /// Adds derivatives in the linear predictors, except those of silent rows, to the linear term
    /// of the penalized deviance; returns the predicted gain at a fixed log-determinant. The factor
    /// must be that of the modes.
    fn add_tilt(&mut self, slopes: &[f64], is_silent: &[bool]) -> Result<f64> {
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

    /// Raises weights that are negligible relative to others of their level of a fixed factor. The
    /// cells of a category within a level may be separated, so that their weights vanish; if the
    /// level's slopes are indicators of the other categories, the sums over all rows would lose
    /// these weights by rounding. A larger weight shortens a step, and without a score there is no
    /// step; rows whose step with the largest weight would also gain almost nothing are skipped.
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
                if score.powi(2) < least {
                    *score = 0.0;
                }
            }
        }
    }
}
