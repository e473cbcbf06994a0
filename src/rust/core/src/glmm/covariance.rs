//! Covariance of the estimates, from second derivatives.

use super::search::Search;
use super::GeneralizedLinearMixedModel;
use crate::error::Result;
use crate::glmm::pirls::Vary;
use crate::kernels::eigen::Eigen;
use crate::tolerances::{FLAT_CURVATURE, NO_CURVATURE};

impl GeneralizedLinearMixedModel {
    /// Twice the inverse of the Hessian in all parameters that aren't held (theta, beta, shape),
    /// the fixed effects those of X as it is; `None` if the Hessian has a negative eigenvalue.
    ///
    /// # Errors
    /// Fails as [`Self::hessian`] does.
    pub fn covariance(&mut self, parameters: &[f64]) -> Result<Option<Vec<f64>>> {
        let hessian = self.hessian(parameters)?;
        Ok(self.covariance_of(parameters, &hessian))
    }

    /// Covariance of the estimates from a Hessian that is known; see [`Self::covariance`].
    pub fn covariance_of(&mut self, parameters: &[f64], hessian: &[f64]) -> Option<Vec<f64>> {
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
    let unit: Vec<f64> = (0..n)
        .map(|j| hessian[j * n + j].abs().max(NO_CURVATURE).sqrt().recip())
        .collect();
    let scaled: Vec<f64> = hessian
        .iter()
        .enumerate()
        .map(|(at, h)| h * unit[at % n] * unit[at / n])
        .collect();
    let mut eigen = Eigen::new(n);
    if !scaled.iter().all(|h| h.is_finite()) || !eigen.decompose(&scaled) {
        return None;
    }
    let least = FLAT_CURVATURE * eigen.values.iter().fold(0.0, |most: f64, v| most.max(*v));
    if eigen.values.iter().any(|&value| value < -least) {
        return None;
    }
    let mut inverse = vec![0.0; n * n];
    let vectors = eigen.vectors.chunks_exact(n.max(1));
    let curved = eigen.values.iter().zip(vectors);
    for (value, vector) in curved.filter(|(value, _)| **value > least) {
        for (j, column) in inverse.chunks_exact_mut(n).enumerate() {
            for (i, out) in column.iter_mut().enumerate() {
                *out += 2.0 / value * vector[i] * vector[j] * unit[i] * unit[j];
            }
        }
    }
    Some(inverse)
}
