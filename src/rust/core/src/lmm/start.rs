//! A start near the optimum, for models whose dense factor is so large that a search by conjugate
//! gradients costs less than a few factorizations.

use crate::factor::sums::Sums;
use crate::lmm::engine::Engine;
use crate::lmm::matrix_free::FEWEST;
use crate::lmm::search::Search;
use crate::lmm::LinearMixedModel;
use crate::optimize::{Observer, Settings};

/// Number of trailing random effects from which a complete search by conjugate gradients costs less
/// than the factorizations that it saves.
const LARGE: usize = 1500;

impl LinearMixedModel {
    /// Computes and keeps the criterion without random effects, if the factor is large. Restarts
    /// need this value at the end of the search, and computing it then would replace the factor of
    /// the optimum.
    pub(super) fn keep_without_effects(&mut self) {
        if !self.has_large_factor() || !self.domain.absolute.is_empty() {
            return;
        }
        let nothing = vec![0.0; self.n_theta()];
        let value = self.objective(&nothing).ok();
        self.without_effects = value.map(|value| (nothing, value));
    }

    // Whether the factor is dense and so large that each factorization costs as much as a search by
    // conjugate gradients.
    pub(super) fn has_large_factor(&self) -> bool {
        let exact = self.engine.as_exact();
        exact.is_ok_and(|exact| {
            let factor = &exact.factor;
            !factor.is_sparse() && factor.layout.m >= LARGE
        })
    }

    /// The optimum of the stochastic objective with few probe vectors, for a model with a large
    /// dense factor: it is near the exact optimum, so that few factorizations remain. `None` for
    /// other models.
    pub(super) fn rough_optimum(
        &self,
        start: &[f64],
        settings: &Settings,
        observe: &mut Observer,
    ) -> Option<Vec<f64>> {
        let exact = self.engine.as_exact().ok()?;
        let factor = &exact.factor;
        let is_plain = self.likelihood.coefficients == 0
            && self.domain.absolute.is_empty();
        if !self.has_large_factor() || !is_plain {
            return None;
        }
        let sums = Sums::of_factor(factor, &exact.response);
        let engine = Engine::iterative(&sums, factor.covs().to_vec()).ok()?;
        let mut model = Self::of_engine(engine, self.likelihood).ok()?;
        model.domain.clone_from(&self.domain);
        model.set_search_probes(FEWEST);
        let mut search = Search::new(&mut model, start).ok()?;
        let at = search.at.clone();
        let see = &mut |count: usize, value: f64, theta: &[f64]| {
            observe(count, value, theta)
        };
        let found = at.minimize(settings, &mut search, see).ok()?;
        found.status.has_converged().then_some(found.best)
    }
}
