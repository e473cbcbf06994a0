//! Satterthwaite's degrees of freedom of the fixed effects, for structures whose theta consists of
//! free elements of Lambda with a nonnegative diagonal.

use crate::derivatives::HessianKind;
use crate::error::Result;
use crate::kernels::eigen::Eigen;
use crate::kernels::small::inverse_square;
use crate::lmm::LinearMixedModel;
use crate::tolerances::{FLAT_CURVATURE, KNOWN_SD, NO_CURVATURE};

impl LinearMixedModel {
    /// The degrees of freedom at `theta` of the combinations of fixed effects in `contrasts`, one
    /// after the other: `2 v^2 / (g'Ag)`, with v the estimated variance of a combination, g its
    /// gradient in (theta, sigma), and A the estimated covariance matrix of (theta, sigma). A zero
    /// diagonal element of Lambda, and all elements of a zero column of Lambda, count as known. The
    /// result is `NaN` where the Hessian has a negative eigenvalue, and `None` for a model with
    /// other bounds on theta or with held elements.
    ///
    /// # Errors
    /// Fails as [`Self::at`] does.
    pub fn satterthwaite(
        &mut self,
        theta: &[f64],
        contrasts: &[f64],
    ) -> Result<Option<Vec<f64>>> {
        let is_usual = self.engine.covs().iter().all(|cov| cov.is_filled());
        let is_held = self.domain.held.contains(&true)
            || !self.domain.absolute.is_empty();
        if !is_usual || is_held {
            return Ok(None);
        }
        let p = self.likelihood.p;
        let sigma = self.at(theta)?.sigma();
        let kind = self.inferential_hessian();
        let hessian = self.hessian_with_sigma(theta, sigma, kind)?;
        let rx = self.at(theta)?.rx();
        let each = contrasts.chunks_exact(p.max(1));
        let unscaled: Vec<f64> = each.map(|c| inverse_square(&rx, c)).collect();
        let slopes = self.at(theta)?.contrast_slopes(contrasts);
        let free = self.free_parameters(theta);
        let curvature = Curvature::new(&hessian, &free);
        let n = theta.len();
        let df = |j: usize| {
            let variance = unscaled[j];
            let gradient: Vec<f64> = free
                .iter()
                .map(|&at| match at < n {
                    true => sigma.powi(2) * slopes[j * n + at],
                    false => 2.0 * sigma * variance,
                })
                .collect();
            2.0 * (sigma.powi(2) * variance).powi(2)
                / curvature.spread(&gradient)
        };
        Ok(Some((0..unscaled.len()).map(df).collect()))
    }

    // The Hessian in (theta, sigma).
    fn hessian_with_sigma(
        &mut self,
        theta: &[f64],
        sigma: f64,
        kind: HessianKind,
    ) -> Result<Vec<f64>> {
        Ok(self.at(theta)?.with_sigma(sigma, kind).hessian)
    }

    // Indices of the elements of (theta, sigma) that are not treated as known.
    fn free_parameters(&self, theta: &[f64]) -> Vec<usize> {
        let step_sizes = self.step_sizes();
        let is_zero: Vec<bool> = theta
            .iter()
            .zip(&step_sizes)
            .map(|(value, step)| value.abs() < KNOWN_SD * step)
            .collect();
        let is_empty = self.in_zero_columns(&is_zero);
        let is_free = |&j: &usize| {
            let is_bounded = self.domain.lower[j] == 0.0;
            !(is_empty[j] || is_bounded && is_zero[j])
        };
        let mut free: Vec<usize> = (0..theta.len()).filter(is_free).collect();
        if self.likelihood.sigma.is_none() {
            free.push(theta.len());
        }
        free
    }

    // Marks the elements of theta in zero columns of Lambda: the elements below a zero diagonal
    // element contribute to the variances of other effects only, and the criterion is flat in them.
    fn in_zero_columns(&self, is_zero: &[bool]) -> Vec<bool> {
        let mut is_empty = is_zero.to_vec();
        for cov in self.engine.covs() {
            let mut is_used = vec![false; cov.vsize()];
            cov.for_each_parameter(|_, column, index| {
                is_used[column] |= !is_zero[index];
            });
            cov.for_each_parameter(|_, column, index| {
                is_empty[index] &= !is_used[column];
            });
        }
        is_empty
    }
}

// The Hessian in the free parameters, scaled to a unit diagonal, by its eigenvalues and
// eigenvectors.
struct Curvature {
    unit: Vec<f64>,
    parts: Eigen,
    is_defined: bool,
}

impl Curvature {
    fn new(hessian: &[f64], free: &[usize]) -> Self {
        let n = hessian.len().isqrt();
        let k = free.len();
        let unit: Vec<f64> = free
            .iter()
            .map(|&j| hessian[j * n + j].abs().max(NO_CURVATURE).sqrt().recip())
            .collect();
        let mut scaled = vec![0.0; k * k];
        for (b, &j) in free.iter().enumerate() {
            for (a, &i) in free.iter().enumerate() {
                let both = 0.5 * (hessian[j * n + i] + hessian[i * n + j]);
                scaled[b * k + a] = both * unit[a] * unit[b];
            }
        }
        let mut parts = Eigen::new(k);
        let is_decomposed = parts.decompose(&scaled);
        let largest = parts
            .values
            .iter()
            .fold(0.0f64, |most, v| most.max(v.abs()));
        let is_convex =
            parts.values.iter().all(|&v| v >= -FLAT_CURVATURE * largest);
        Self {
            unit,
            is_defined: is_decomposed && is_convex,
            parts,
        }
    }

    // `g'Ag` with A twice the pseudo-inverse of the Hessian: flat directions are left out.
    fn spread(&self, gradient: &[f64]) -> f64 {
        if !self.is_defined {
            return f64::NAN;
        }
        let values = &self.parts.values;
        let largest = values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let one = |(at, &value): (usize, &f64)| {
            let vector = self.parts.vector(at).iter();
            let scaled = vector.zip(&self.unit).zip(gradient);
            let along: f64 = scaled.map(|((q, unit), g)| q * unit * g).sum();
            2.0 * along * along / value
        };
        let steep = values.iter().enumerate();
        steep
            .filter(|(_, &value)| value > FLAT_CURVATURE * largest)
            .map(one)
            .sum()
    }
}
