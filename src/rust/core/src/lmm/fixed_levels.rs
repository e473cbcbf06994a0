//! Fixed factors with many levels, whose indicator columns F are stored as a term with
//! [`RelCov::fixed`] instead of as columns of X.
//!
//! The levels are eliminated like random effects without a penalty, so that `r^2`, beta and the
//! restricted likelihood are those of the fixed-effects matrix `[X F]`: after removing the constant
//! scale of Lambda, `log |L|^2 + log |R_X|^2` of the whole system is the log-determinant in the
//! REML criterion. The ML criterion instead needs `log |L|^2` of the random effects alone, whatever
//! the order of elimination. A second engine, of the model without the fixed factors, computes it
//! and its derivatives.

use crate::covariance::{RelCov, UNPENALIZED};
use crate::derivatives::{HessianKind, OmegaDerivatives, Profile};
use crate::lmm::engine::Engine;
use crate::lmm::matrix_free::Parts;

/// The model of the random effects without the fixed factors, for the log-determinant of ML.
#[derive(Debug)]
pub(super) struct RandomPart {
    pub engine: Engine,
    /// The random terms, by their position in the whole model.
    terms: Vec<usize>,
    /// Traces in the gradient of the log-determinant of the random effects alone.
    pub random_omega: OmegaDerivatives,
    /// Traces in the gradient of the log-determinant of the whole system.
    whole_omega: OmegaDerivatives,
}

/// The number of coefficients of the fixed factors: for each level, the columns that are not zero
/// in all of its rows.
pub(super) fn count_coefficients(engine: &Engine) -> usize {
    let mut count = 0;
    for (term, cov) in engine.covs().iter().enumerate() {
        if !cov.is_fixed() {
            continue;
        }
        for column in 0..cov.vsize() {
            engine.visit_levels(term, column, &mut |_, square, _| {
                count += usize::from(square > 0.0);
            });
        }
    }
    count
}

/// The contribution of the constant Lambda of unpenalized coefficients to `log |L|^2`.
pub(super) fn log_det_of_scale(coefficients: usize) -> f64 {
    2.0 * coefficients as f64 * UNPENALIZED.ln()
}

impl RandomPart {
    /// The random effects of `terms` with their engine, in a model whose covariances are `covs`.
    pub fn new(engine: Engine, terms: Vec<usize>, covs: &[RelCov]) -> Self {
        Self {
            random_omega: OmegaDerivatives::new(engine.covs()),
            whole_omega: OmegaDerivatives::new(covs),
            engine,
            terms,
        }
    }

    /// A copy with another engine of the same terms and working memory of its own.
    pub fn with_engine(&self, engine: Engine, covs: &[RelCov]) -> Self {
        Self::new(engine, self.terms.clone(), covs)
    }

    /// The terms of the ML criterion: the log-determinant of the random effects alone, and `r^2` of
    /// the whole system.
    pub fn parts(&self, whole: Parts) -> Parts {
        Parts {
            log_det_re: self.engine.parts().log_det_re,
            ..whole
        }
    }

    /// Writes the first derivatives, in which the traces of the whole system are replaced by those
    /// of the random effects alone.
    pub fn slopes(
        &mut self,
        whole: &mut Engine,
        profile: Profile,
        omega: &mut OmegaDerivatives,
    ) {
        let traces_only = Profile {
            precision: 0.0,
            ..profile
        };
        self.engine.slopes(traces_only, &mut self.random_omega);
        whole.slopes(traces_only, &mut self.whole_omega);
        whole.slopes(profile, omega);
        for (random_omega, &term) in
            self.random_omega.g().iter().zip(&self.terms)
        {
            let all = &self.whole_omega.g()[term];
            let g = omega.g_mut()[term].iter_mut();
            for ((g, random_omega), all) in g.zip(random_omega).zip(all) {
                *g += random_omega - all;
            }
        }
    }

    /// Writes the second derivatives, with the same replacement of traces in the exact Hessian.
    /// Call [`Self::slopes`] first.
    pub fn hessian(
        &mut self,
        whole: &mut Engine,
        profile: Profile,
        kind: HessianKind,
        omega: &mut OmegaDerivatives,
    ) {
        whole.hessian(profile, kind, omega);
        if kind == HessianKind::Exact {
            self.engine.hessian(profile, kind, &mut self.random_omega);
            omega.replace_expected(&self.random_omega);
        }
    }
}
