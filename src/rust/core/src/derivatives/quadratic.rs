//! Derivatives of quadratic forms in the scores: the penalized residual sum of squares, and the variances of contrasts of
//! the fixed effects.

use crate::derivatives::{FactorDerivatives, OmegaDerivatives};
use crate::factor::Pls;
use crate::kernels::small;

impl FactorDerivatives {
    /// Gradient of `r^2` in theta.
    pub(crate) fn r2_slopes(&self, pls: &Pls, omega: &OmegaDerivatives) -> Vec<f64> {
        let mut sums = vec![0.0; omega.directions.len()];
        self.fill_quadratic_scores(pls, &omega.directions, &mut sums);
        let mut slopes = omega.chain(pls.covs(), &pls.theta, &sums);
        slopes.iter_mut().for_each(|slope| *slope = -*slope);
        slopes
    }

    /// Gradient of `c'(X'V^-1X)^-1 c` in theta, from the scores of the restricted likelihood: a step along a direction
    /// of Omega adds `sum_l (c'L_X^-T T_l) E_d (T_l'L_X^-1 c)`.
    pub(crate) fn contrast_slopes(
        &self,
        pls: &Pls,
        omega: &OmegaDerivatives,
        contrast: &[f64],
    ) -> Vec<f64> {
        let (p, width, columns) = (pls.p(), pls.layout.width, self.scores.columns);
        let mut w = pls.centred_contrast(contrast);
        for j in 0..p {
            let (done, rest) = w.split_at_mut(j + 1);
            done[j] /= pls.l_xx[j * width + j];
            small::axpy(-done[j], &pls.l_xx[j * width + j + 1..j * width + p], rest);
        }
        let mut sums = vec![0.0; omega.directions.len()];
        let value = |effect: &[f64]| small::dot(&effect[..columns - 1], &w);
        self.fill_quadratic_sums(pls, &omega.directions, value, &mut sums);
        omega.chain(pls.covs(), &pls.theta, &sums)
    }
}
