//! Derivatives of quadratic forms in the scores: the penalized residual sum of squares, and the variances of contrasts of
//! the fixed effects.

use crate::derivatives::Derivatives;
use crate::factor::Pls;
use crate::kernels::small;

impl Derivatives {
    /// Gradient of `r^2` in theta.
    pub(crate) fn r2_slopes(&self, pls: &Pls, n_theta: usize) -> Vec<f64> {
        let mut sums = vec![0.0; self.directions.len()];
        self.fill_quadratic_scores(pls, &mut sums);
        let mut slopes = self.chain(pls, n_theta, &sums);
        slopes.iter_mut().for_each(|slope| *slope = -*slope);
        slopes
    }

    // sum_l (c'L_X^-T T_l) E_d (T_l'L_X^-1 c): what a step along each direction adds to c'(X'V^-1X)^-1 c.
    pub(crate) fn contrast_squares(&self, pls: &Pls, contrast: &[f64]) -> Vec<f64> {
        let (p, width, columns) = (pls.p(), pls.layout.width, self.scores.columns);
        let mut w = pls.centred_contrast(contrast);
        for j in 0..p {
            let (done, rest) = w.split_at_mut(j + 1);
            done[j] /= pls.l_xx[j * width + j];
            small::axpy(-done[j], &pls.l_xx[j * width + j + 1..j * width + p], rest);
        }
        let mut sums = vec![0.0; self.directions.len()];
        self.fill_quadratic_sums(
            pls,
            |effect| small::dot(&effect[..columns - 1], &w),
            &mut sums,
        );
        sums
    }
}
