//! Covariance of the estimates, from second derivatives.

use super::search::Search;
use super::GeneralizedLinearMixedModel;
use crate::error::Result;
use crate::glmm::vary::Vary;
use crate::kernels::eigen::Eigen;
use crate::kernels::small;
use crate::tolerances::{FLAT_CURVATURE, NO_CURVATURE};

impl GeneralizedLinearMixedModel {
    /// Twice the inverse of the Hessian in all parameters that aren't held (theta, beta, shape),
    /// the fixed effects those of X as it is; `None` if the Hessian has a negative eigenvalue.
    ///
    /// # Errors
    /// Fails as [`Self::hessian`] does.
    pub fn covariance(
        &mut self,
        parameters: &[f64],
    ) -> Result<Option<Vec<f64>>> {
        let hessian = self.hessian(parameters)?;
        Ok(self.covariance_of(parameters, &hessian))
    }

    /// Covariance of the estimates from a Hessian that is known; see [`Self::covariance`].
    pub fn covariance_of(
        &mut self,
        parameters: &[f64],
        hessian: &[f64],
    ) -> Option<Vec<f64>> {
        let n = hessian.len().isqrt();
        let mut covariance = twice_inverse(n, hessian)?;
        let mut at = Search::new(self, Vary::Modes, parameters).at;
        at.go_to(&at.start());
        at.covariance_to_theta(&mut covariance);
        let n_free = self.held.iter().filter(|held| !**held).count();
        self.pirls
            .centring
            .restore_covariance(n_free, n, &mut covariance);
        Some(covariance)
    }
}

// At a singular covariance of random effects some directions of theta are flat. They say nothing of
// the other parameters, and are left out.
fn twice_inverse(n: usize, hessian: &[f64]) -> Option<Vec<f64>> {
    let diagonal = hessian.iter().step_by(n + 1);
    let unit: Vec<f64> = diagonal
        .map(|h| h.abs().max(NO_CURVATURE).sqrt().recip())
        .collect();
    let elements = hessian.iter().enumerate();
    let scaled: Vec<f64> = elements
        .map(|(at, h)| h * unit[at % n] * unit[at / n])
        .collect();
    let is_finite = scaled.iter().all(|h| h.is_finite());
    let mut eigen = Eigen::new(n);
    if !is_finite || !eigen.decompose(&scaled) {
        return None;
    }
    let largest = eigen.values.iter().copied().fold(0.0, f64::max);
    let least = FLAT_CURVATURE * largest;
    if eigen.values.iter().any(|&value| value < -least) {
        return None;
    }
    Some(inverse_of_curved(&eigen, least, &unit))
}

// Twice the inverse over the directions whose curvature is more than `least`, in the units of the
// parameters.
fn inverse_of_curved(eigen: &Eigen, least: f64, unit: &[f64]) -> Vec<f64> {
    let n = unit.len();
    let mut inverse = vec![0.0; n * n];
    for (d, &value) in eigen.values.iter().enumerate() {
        if value <= least {
            continue;
        }
        let scaled = eigen.vector(d).iter().zip(unit);
        let vector: Vec<f64> = scaled.map(|(v, unit)| v * unit).collect();
        for (j, column) in inverse.chunks_exact_mut(n).enumerate() {
            small::axpy(2.0 / value * vector[j], &vector, column);
        }
    }
    inverse
}
