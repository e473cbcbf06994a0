//! Derivatives of quadratic forms in the scores: the penalized residual sum of squares, and the
//! variances of contrasts of the fixed effects.

use crate::derivatives::{FactorDerivatives, OmegaDerivatives};
use crate::factor::Factor;
use crate::kernels::small;

impl FactorDerivatives {
    /// The gradient of `r^2` in theta.
    pub(crate) fn r2_slopes(
        &self,
        factor: &Factor,
        omega: &OmegaDerivatives,
    ) -> Vec<f64> {
        let mut sums = vec![0.0; omega.directions.len()];
        self.fill_quadratic_scores(factor, &omega.directions, &mut sums);
        let mut slopes = omega.chain(factor.covs(), &factor.theta, &sums);
        for slope in slopes.iter_mut() {
            *slope = -*slope;
        }
        slopes
    }

    /// The gradient of `c'(X'V^-1X)^-1 c` in theta, from the scores of the restricted likelihood.
    /// The derivative along a direction of Omega is `sum_l (c'L_X^-T T_l) E_d (T_l'L_X^-1 c)`.
    pub(crate) fn contrast_slopes(
        &self,
        factor: &Factor,
        omega: &OmegaDerivatives,
        contrast: &[f64],
    ) -> Vec<f64> {
        let columns = self.scores.columns;
        let mut w = factor.centred_contrast(contrast);
        factor.border.forward_solve(&mut w);
        let mut sums = vec![0.0; omega.directions.len()];
        let value = |effect: &[f64]| small::dot(&effect[..columns - 1], &w);
        self.fill_quadratic_sums(factor, &omega.directions, value, &mut sums);
        omega.chain(factor.covs(), &factor.theta, &sums)
    }
}
