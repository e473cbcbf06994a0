//! Copies of a model, for concurrent fits and for profiles: each has working memory of its own, and
//! none sums up the rows again.

use crate::derivatives::OmegaDerivatives;
use crate::factor::held_column::HeldColumn;
use crate::lmm::engine::Engine;
use crate::lmm::fixed_levels::RandomPart;
use crate::lmm::{LinearMixedModel, Memory, Reached};

impl LinearMixedModel {
    /// Copies the model, with working memory of its own.
    pub fn fork(&self) -> Self {
        let random_part = self
            .random_part
            .as_ref()
            .map(|random_part| random_part.engine.clone());
        self.with_engines(self.engine.clone(), random_part)
    }

    /// The model of `y - x_j b` without the column `x_j`, whose coefficient b is fixed; `self` must
    /// hold no other coefficient. `None` where the rows would have to be summed up again: with the
    /// iterative engine, or where the other columns explain nearly all of `x_j`, so that its
    /// elimination would cancel.
    pub fn without_column(&self, held: HeldColumn) -> Option<Self> {
        let engine = self.engine.without_column(held)?;
        let random_part = match &self.random_part {
            Some(random_part) => Some(random_part.engine.without_column(held)?),
            None => None,
        };
        let mut model = self.with_engines(engine, random_part);
        model.likelihood.p -= 1;
        model.redundant = None;
        Some(model)
    }

    /// Whether a copy costs less than summing up the rows again, and little compared to an
    /// evaluation.
    pub fn is_copied_cheaply(&self) -> bool {
        !self.is_iterative() && !self.has_large_factor()
    }

    fn with_engines(
        &self,
        engine: Engine,
        random_part: Option<Engine>,
    ) -> Self {
        let covs = engine.covs();
        let of_old = self.random_part.as_deref().zip(random_part);
        let with_engine = |(old, engine): (&RandomPart, Engine)| {
            Box::new(old.with_engine(engine, covs))
        };
        Self {
            random_part: of_old.map(with_engine),
            noise: None,
            likelihood: self.likelihood,
            scales: self.scales.clone(),
            far_slopes: self.far_slopes.clone(),
            unresolved: None,
            domain: self.domain.clone(),
            redundant: self.redundant.clone(),
            without_effects: None,
            memory: Memory {
                reached: Reached::Nothing,
                omega: OmegaDerivatives::new(covs),
            },
            engine,
        }
    }
}
