//! Fixed factors with many levels, whose indicator columns F are stored as a term with
//! [`RelCov::fixed`] instead of as columns of X.
//!
//! Their coefficients alpha are not integrated over, so that `log |H|` in Laplace's approximation
//! is that of the random effects without them ([`RandomPart`](super::random_part::RandomPart)).
//! The objective is the minimum of the deviance over alpha. PIRLS alone would find the minimum of
//! the penalized deviance, together with the modes; from there a quasi-Newton method
//! ([`LevelSearch`](super::level_search::LevelSearch)) minimises the deviance, in which `log |H|`
//! depends on alpha, too. Its slopes are `F'rho` (see `gradient`), and its first metric is the
//! Hessian of the penalized deviance. The objective is then a function of theta and beta only, with
//! the same derivatives as at fixed alpha.
//!
//! At the minimum the penalized deviance has slopes `-c`. If the next search for the modes, at
//! other parameters, minimises the penalized deviance plus the linear term `c'alpha`, it ends near
//! the minimum of the deviance there.
//!
//! Where PIRLS finds beta ([`Vary::Jointly`]) it finds alpha as well, and c is zero.
//!
//! [`RelCov::fixed`]: crate::covariance::RelCov::fixed

use super::level_search::LevelSearch;
use super::{GeneralizedLinearMixedModel, Parts};
use crate::covariance::RelCov;
use crate::error::Result;
use crate::factor::Solution;
use crate::glmm::vary::Vary;
use crate::kernels::small;
use crate::tolerances::{
    LEAST_GAIN, LEAST_WEIGHT, PIRLS_NOISE, SETTLED_SHARE, SILENT_ROW,
};

/// Largest number of steps of a search for the coefficients of fixed factors.
const MOST_STEPS: usize = 60;
/// Largest number of halvings of a step.
const MOST_HALVINGS: usize = 20;

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
        let settled =
            SETTLED_SHARE * self.pirls.tolerance.decrement * self.pirls.unit;
        // The metric of the search is the factor with the weights at its start.
        let mut value = self.pulled_value(Vary::Modes)?;
        self.pirls.remove_tilt();
        let mut slopes = self.level_slopes()?;
        let mut search = LevelSearch::default();
        for _ in 0..MOST_STEPS {
            let step = search.step(&self.pirls.engine, &slopes)?;
            let gain = -0.5 * search.product(&slopes, &step);
            if gain.is_nan() || gain <= 0.0 {
                break;
            }
            if gain <= settled {
                self.pirls.move_modes(&step, 1.0);
                self.find_modes(Vary::WithoutLevels)?;
                break;
            }
            let Some((length, reached)) =
                self.move_levels(&step, value, gain)?
            else {
                break;
            };
            value = reached;
            let before = std::mem::replace(&mut slopes, self.level_slopes()?);
            search.learn(step, length, &before, &slopes);
        }
        self.pirls.tilt_to_levels();
        Ok(())
    }

    /// The terms of the deviance at `parameters`, by a search from the current modes or, if that
    /// fails, from those of the lowest deviance so far, and then from zero. The coefficients of
    /// many levels, which zero modes lose, are hard to find again where the means are far off.
    ///
    /// # Errors
    /// `PirlsDiverged`, `NotPositiveDefinite`.
    pub(super) fn parts_with_levels(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<Parts> {
        let from = self.pirls.modes();
        let mut parts = self.parts_from_here(vary, parameters);
        let lowest = self.lowest.as_ref().map(|(_, modes)| modes.clone());
        let known = lowest.unwrap_or_else(|| from.clone());
        if has_failed(&parts) && known != from {
            self.pirls.restore_modes(&known);
            parts = self.parts_from_here(vary, parameters);
        }
        if has_failed(&parts) {
            self.pirls.reset();
            parts = self.parts_from_here(vary, parameters);
        }
        match &parts {
            Ok(found) if !has_failed(&parts) => {
                self.keep_lowest(found.objective)
            }
            _ => self.pirls.restore_modes(&known),
        }
        parts
    }

    fn keep_lowest(&mut self, value: f64) {
        let lowest = self.lowest.as_ref().map_or(f64::INFINITY, |at| at.0);
        if value <= lowest {
            self.lowest = Some((value, self.pirls.modes()));
        }
    }

    /// Sets beta, and moves the coefficients of fixed factors and the modes to the minimum that the
    /// weighted least-squares problem at the last modes predicts, if the penalized deviance is
    /// lower there. Where the columns of X are linear combinations of those of a level, its linear
    /// predictors stay as they are.
    pub(super) fn set_fixed(&mut self, beta: &[f64]) {
        let mut change = beta.to_vec();
        small::axpy(-1.0, &self.pirls.beta, &mut change);
        let is_same = change.iter().all(|change| *change == 0.0);
        if is_same || !self.has_fixed_levels() {
            self.pirls.beta.copy_from_slice(beta);
            return;
        }
        let stay = self.pirls.u.clone();
        self.pirls.follow_fixed(&change);
        self.pirls.beta.copy_from_slice(beta);
        let value = self.pirls.penalized_here();
        let moved = std::mem::replace(&mut self.pirls.u, stay);
        let limit = self.pirls.penalized_here();
        if value.is_finite() && (value <= limit || !limit.is_finite()) {
            self.pirls.u = moved;
        }
    }

    // The derivatives of the function that is minimised in the coefficients of fixed factors, and
    // zeros for the elements of random terms. The factor must be that of the deviance.
    fn level_slopes(&mut self) -> Result<Vec<Vec<f64>>> {
        let is_silent = self.pirls.silent_rows();
        let mut rho = self.slope_in_eta()?;
        for (rho, is_silent) in rho.iter_mut().zip(is_silent) {
            if is_silent {
                *rho = 0.0;
            }
        }
        let mut slopes = self.pirls.level_sums(&rho);
        for (slopes, pull) in slopes.iter_mut().zip(&self.pull) {
            small::axpy(-1.0, pull, slopes);
        }
        Ok(slopes)
    }

    // Moves along a step, or part of the way if that does not lower the deviance; returns the
    // length of the step and the deviance.
    fn move_levels(
        &mut self,
        step: &Solution,
        value: f64,
        gain: f64,
    ) -> Result<Option<(f64, f64)>> {
        let from = self.pirls.modes();
        let slack = PIRLS_NOISE * value.abs();
        let mut length = 1.0;
        for _ in 0..=MOST_HALVINGS {
            self.pirls.move_modes(step, length);
            let least = LEAST_GAIN * length * gain;
            match self.value_without_levels() {
                Ok(reached) if reached <= value - least + slack => {
                    return Ok(Some((length, reached)));
                }
                _ => self.pirls.restore_modes(&from),
            }
            length *= 0.5;
        }
        self.value_without_levels().map(|_| None)
    }

    // The deviance at the modes for the current coefficients of fixed factors.
    fn value_without_levels(&mut self) -> Result<f64> {
        self.find_modes(Vary::WithoutLevels)?;
        self.pulled_value(Vary::WithoutLevels)
    }

    // The deviance at the current modes, minus the linear function of the coefficients of fixed
    // factors whose slopes the deviance is to have.
    fn pulled_value(&mut self, vary: Vary) -> Result<f64> {
        let value = self.parts_at_modes(vary)?.objective;
        let terms = self.pull.iter().zip(self.pirls.effects());
        let linear = terms.map(|(pull, b)| small::dot(pull, &b)).sum::<f64>();
        Ok(value - linear)
    }
}

fn has_failed(parts: &Result<Parts>) -> bool {
    !parts.as_ref().is_ok_and(|at| at.objective.is_finite())
}

impl super::Pirls {
    // Moves coefficients and modes with a change of the fixed effects; they stay as they are where
    // the working weights have no positive definite system.
    fn follow_fixed(&mut self, change: &[f64]) {
        self.update_eta();
        self.raise_weights();
        if self.refactor(Vary::Modes).is_err() {
            return;
        }
        let mut r = vec![0.0; self.rows.n()];
        self.rows.add_fixed(change, &mut r);
        for (r, weight) in r.iter_mut().zip(&self.response.weight) {
            *r *= -weight;
        }
        let mut sums = vec![Vec::new(); self.u.len()];
        for term in &self.rows.terms {
            sums[term.term] = term.transposed_product(&r);
        }
        if let Ok(step) = self.engine.solve_with_levels(&sums) {
            if step.u.iter().flatten().all(|u| u.is_finite()) {
                self.move_modes(&step, 1.0);
            }
        }
    }

    /// Marks the rows that hardly affect the deviance, whatever their linear predictor.
    fn silent_rows(&self) -> Vec<bool> {
        let least = SILENT_ROW * self.unit;
        let rows = self.response.weight.iter().zip(&self.response.score);
        rows.map(|(weight, score)| weight.abs().max(score.abs()) <= least)
            .collect()
    }

    // The sums `F'r` of each fixed factor, and zeros for the effects of random terms.
    fn level_sums(&self, r: &[f64]) -> Vec<Vec<f64>> {
        let u = self.u.iter();
        let mut sums: Vec<_> = u.map(|u| vec![0.0; u.len()]).collect();
        for term in &self.rows.terms {
            if self.engine.covs()[term.term].is_fixed() {
                sums[term.term] = term.transposed_product(r);
            }
        }
        sums
    }

    // Moves modes and coefficients of fixed factors along a step.
    fn move_modes(&mut self, step: &Solution, length: f64) {
        for (u, step) in self.u.iter_mut().zip(&step.u) {
            small::axpy(length, step, u);
        }
    }

    // Sets the linear term for which the current coefficients of fixed factors minimise the
    // penalized deviance. Rows without information, in separated cells, have no part in it.
    fn tilt_to_levels(&mut self) {
        let is_silent = self.silent_rows();
        let rows = self.response.score.iter().zip(is_silent);
        let slopes: Vec<f64> = rows
            .map(|(score, is_silent)| if is_silent { 0.0 } else { 2.0 * score })
            .collect();
        let short = self.short_deviance();
        for (t, sums) in self.level_sums(&slopes).into_iter().enumerate() {
            if self.engine.covs()[t].is_fixed() {
                self.tilt[t] = sums;
            }
        }
        self.penalized = short + self.penalty();
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
