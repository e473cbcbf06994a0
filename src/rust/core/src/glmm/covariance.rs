//! The covariance matrix of the estimates, from the Hessian.

use super::search::Search;
use super::GeneralizedLinearMixedModel;
use crate::error::Result;
use crate::glmm::vary::Vary;
use crate::kernels::eigen::Eigen;
use crate::kernels::small;
use crate::tolerances::{FLAT_CURVATURE, NO_CURVATURE};

impl GeneralizedLinearMixedModel {
    /// Twice the inverse of the Hessian in all free parameters (theta, beta, shape), with the fixed
    /// effects of the original columns of X; `None` if the Hessian has a negative eigenvalue.
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

    /// The same from a given Hessian.
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

// Twice the inverse, excluding flat directions: at a singular covariance of random effects some
// directions of theta are flat, and have no information about the other parameters.
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

// Twice the pseudo-inverse over the eigenvectors whose eigenvalue exceeds `least`, in the units of
// the parameters.
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
