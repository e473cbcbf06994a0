//! Fixed factors with many levels, whose dummy columns are no columns of X but a term of their own,
//! with [`RelCov::fixed`].
//!
//! Their levels are eliminated like random effects that have no penalty, so that `r^2`, beta and
//! the restricted likelihood are those of `[X F]`: `log |L|^2 + log |R_X|^2` of the whole system is
//! the log-determinant that REML wants, once the scale of Lambda is taken off. The likelihood
//! itself wants that of the random effects alone, whatever order the terms are eliminated in: a
//! second engine, without the fixed factors, computes it and its derivatives.

use crate::covariance::{RelCov, UNPENALIZED};
use crate::derivatives::{HessianKind, OmegaDerivatives, Profile};
use crate::lmm::engine::Engine;
use crate::lmm::matrix_free::Parts;

/// The random effects without the fixed factors.
#[derive(Debug)]
pub(super) struct Alone {
    pub engine: Engine,
    /// The random terms, by their place in the model.
    terms: Vec<usize>,
    /// Traces of the random effects alone.
    pub own: OmegaDerivatives,
    /// Traces of all effects.
    all: OmegaDerivatives,
}

/// Coefficients of the fixed factors: of each level the columns that aren't zero in all its rows.
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

/// What Lambda of so many unpenalized coefficients adds to the log-determinant.
pub(super) fn log_det_of_scale(coefficients: usize) -> f64 {
    2.0 * coefficients as f64 * UNPENALIZED.ln()
}

impl Alone {
    /// The engine of these terms of a model whose covariances are `covs`.
    pub fn new(engine: Engine, terms: Vec<usize>, covs: &[RelCov]) -> Self {
        Self {
            own: OmegaDerivatives::new(engine.covs()),
            all: OmegaDerivatives::new(covs),
            engine,
            terms,
        }
    }

    /// A copy with working memory of its own and another engine of the same terms, beside a model
    /// whose covariances are `covs`.
    pub fn with_engine(&self, engine: Engine, covs: &[RelCov]) -> Self {
        Self::new(engine, self.terms.clone(), covs)
    }

    /// The parts of the likelihood: `r^2` is that of the whole system.
    pub fn parts(&self, whole: Parts) -> Parts {
        Parts {
            log_det_re: self.engine.parts().log_det_re,
            ..whole
        }
    }

    /// First derivatives: the traces of `whole` are replaced by those of the random effects alone.
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
        self.engine.slopes(traces_only, &mut self.own);
        whole.slopes(traces_only, &mut self.all);
        whole.slopes(profile, omega);
        for (own, &term) in self.own.g().iter().zip(&self.terms) {
            let all = &self.all.g()[term];
            let g = omega.g_mut()[term].iter_mut();
            for ((g, own), all) in g.zip(own).zip(all) {
                *g += own - all;
            }
        }
    }

    /// Second derivatives, after [`Self::slopes`]: the same with the traces of the exact Hessian.
    pub fn hessian(
        &mut self,
        whole: &mut Engine,
        profile: Profile,
        kind: HessianKind,
        omega: &mut OmegaDerivatives,
    ) {
        whole.hessian(profile, kind, omega);
        if kind == HessianKind::Exact {
            self.engine.hessian(profile, kind, &mut self.own);
            omega.replace_expected(&self.own);
        }
    }
}
