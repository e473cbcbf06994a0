//! Covariances of sums of the coefficients of fixed factors that are stored as terms, at given
//! other parameters.
//!
//! The covariance matrix of the coefficients alpha is twice the inverse of H, the Hessian of the
//! deviance in alpha. If the deviance minus `t w'alpha` is minimised instead of the deviance, the
//! minimum moves by `H^-1 w` per unit of t, which two minima near the estimates show.

use super::GeneralizedLinearMixedModel;
use crate::error::Result;
use crate::glmm::vary::Vary;
use crate::kernels::small;
use crate::tolerances::{FINE_DECREMENT, LEVEL_STEP};

impl GeneralizedLinearMixedModel {
    /// The covariance matrix of the sums `w'alpha`, at given parameters. Each vector of weights w
    /// has elements for the effects of all terms, those of random terms being zero.
    ///
    /// # Errors
    /// Fails as [`Self::objective`] does.
    pub fn level_covariance(
        &mut self,
        parameters: &[f64],
        weights: &[Vec<Vec<f64>>],
    ) -> Result<Vec<f64>> {
        let tolerance = self.pirls.tolerance;
        self.pirls.tolerance.decrement =
            tolerance.decrement.min(FINE_DECREMENT);
        let columns = weights.iter().map(|w| self.inverse_times(parameters, w));
        let columns: Result<Vec<_>> = columns.collect();
        self.pull.clear();
        self.pirls.tolerance = tolerance;
        let columns = columns?;
        let rows = columns.iter().flat_map(|column| {
            weights.iter().map(|w| 2.0 * inner_product(w, column))
        });
        Ok(rows.collect())
    }

    // `H^-1 w`.
    fn inverse_times(
        &mut self,
        parameters: &[f64],
        w: &[Vec<f64>],
    ) -> Result<Vec<Vec<f64>>> {
        self.pull.clear();
        self.objective(Vary::Modes, parameters)?;
        let guess = self.pirls.engine.solve_with_levels(w)?.b;
        let variance = inner_product(w, &guess);
        if variance <= 0.0 {
            return Ok(guess);
        }
        // The sum moves by this share of its standard error.
        let step = 2.0 * LEVEL_STEP / variance.sqrt();
        let mut slope = self.levels_pulled(parameters, w, step)?;
        let down = self.levels_pulled(parameters, w, -step)?;
        for (up, down) in slope.iter_mut().zip(&down) {
            small::axpy(-1.0, down, up);
            up.iter_mut().for_each(|value| *value /= 2.0 * step);
        }
        Ok(slope)
    }

    // The coefficients, among the effects of all terms, that minimise the deviance minus a multiple
    // of `w'alpha`.
    fn levels_pulled(
        &mut self,
        parameters: &[f64],
        w: &[Vec<f64>],
        by: f64,
    ) -> Result<Vec<Vec<f64>>> {
        self.pull = w.to_vec();
        self.pull.iter_mut().flatten().for_each(|w| *w *= by);
        self.objective(Vary::Modes, parameters)?;
        Ok(self.pirls.effects())
    }
}

fn inner_product(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    a.iter().zip(b).map(|(a, b)| small::dot(a, b)).sum()
}
