//! Random effects whose columns of Z are in the column space of X. Their variances do not affect
//! the likelihood, and are held at zero.

use super::engine::Engine;
use super::{Criterion, LinearMixedModel};
use crate::covariance::RelCov;
use crate::error::Result;
use crate::factor::contained::{Levels, Redundant};
use crate::tolerances::NEGLIGIBLE_GAIN;

impl Levels for Engine {
    fn covs(&self) -> &[RelCov] {
        Engine::covs(self)
    }

    fn p(&self) -> usize {
        Engine::p(self)
    }

    fn forward_solve_fixed(&self, x: &mut [f64]) {
        Engine::forward_solve_fixed(self, x);
    }

    fn least_share_of_fixed(&self) -> f64 {
        self.as_exact()
            .map_or(0.0, |exact| exact.factor.border.least_share())
    }

    fn for_each_level(
        &self,
        term: usize,
        column: usize,
        visit: &mut dyn FnMut(usize, f64, &[f64]),
    ) {
        self.visit_levels(term, column, visit);
    }
}

impl LinearMixedModel {
    /// Holds the variances of random effects in the column space of X at zero, also in `start`.
    /// Parts with parameters that are held already are left alone.
    pub(crate) fn hold_redundant(&mut self, start: &mut [f64]) {
        if self.redundant.is_none() {
            self.redundant = Some(self.find_redundant());
        }
        let parameters =
            self.redundant.iter().flat_map(|found| &found.parameters);
        for &index in parameters {
            self.domain.held[index] = true;
            start[index] = 0.0;
        }
    }

    /// The random effects (term, column) in the column space of X, whose variances [`Self::fit`]
    /// held at zero.
    pub fn redundant(&self) -> &[(usize, usize)] {
        self.redundant.as_ref().map_or(&[], |found| &found.effects)
    }

    /// Whether the criterion at `theta` equals that at `known`, up to a negligible difference.
    ///
    /// # Errors
    /// Fails as [`Self::at`] does at `known`.
    pub fn is_equal_at(
        &mut self,
        theta: &[f64],
        known: &[f64],
    ) -> Result<bool> {
        let value = self.objective(theta);
        let change = value.unwrap_or(f64::NAN) - self.objective(known)?;
        Ok(change.abs() < NEGLIGIBLE_GAIN)
    }

    fn find_redundant(&mut self) -> Redundant {
        let zero = vec![0.0; self.n_theta()];
        // With fixed factors stored as terms, the border of the factor has only some of the fixed
        // effects.
        if self.likelihood.coefficients > 0 {
            return Redundant::default();
        }
        if !Redundant::is_possible(&self.engine) || self.at(&zero).is_err() {
            return Redundant::default();
        }
        let is_restricted = self.likelihood.criterion == Criterion::Reml;
        Redundant::of(&self.engine, &self.domain.held, is_restricted)
    }
}
