//! Where an exact search begins.

use crate::factor::sums::Sums;
use crate::lmm::engine::Engine;
use crate::lmm::matrix_free::FEWEST;
use crate::lmm::search::Search;
use crate::lmm::LinearMixedModel;
use crate::optimize::{Observer, Settings};

/// Trailing effects from which on a whole search by conjugate gradients costs less than the factors
/// that it saves.
const LARGE: usize = 1500;

impl LinearMixedModel {
    /// Computes the criterion without random effects and keeps it, if the factor is large: restarts
    /// ask for it when the search is over, and another factor than that of the optimum would then
    /// be there.
    pub(super) fn keep_without_effects(&mut self) {
        if !self.has_large_factor() || !self.domain.absolute.is_empty() {
            return;
        }
        let nothing = vec![0.0; self.n_theta()];
        let value = self.objective(&nothing).ok();
        self.without_effects = value.map(|value| (nothing, value));
    }

    // Whether the factor is dense, and each of them costs as much as a search without.
    pub(super) fn has_large_factor(&self) -> bool {
        let exact = self.engine.as_exact();
        exact.is_ok_and(|exact| {
            let factor = &exact.factor;
            !factor.is_sparse() && factor.layout.m >= LARGE
        })
    }

    /// The optimum by a few random vectors, of a model whose factor is large and dense: near the
    /// exact one, so that few factors are left to compute. `None` of other models.
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
        model.search_by(FEWEST);
        let mut search = Search::new(&mut model, start).ok()?;
        let at = search.at.clone();
        let see = &mut |count: usize, value: f64, theta: &[f64]| {
            observe(count, value, theta)
        };
        let found = at.minimize(settings, &mut search, see).ok()?;
        found.status.has_converged().then_some(found.best)
    }
}
