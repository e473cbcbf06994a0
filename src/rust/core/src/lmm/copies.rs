//! Copies of a model: each has working memory of its own, and none of them sums up rows.

use crate::derivatives::OmegaDerivatives;
use crate::factor::held_column::HeldColumn;
use crate::lmm::engine::Engine;
use crate::lmm::fixed_levels::Alone;
use crate::lmm::{LinearMixedModel, Memory, Reached};

impl LinearMixedModel {
    /// Copies the model.
    pub fn fork(&self) -> Self {
        let alone = self.alone.as_ref().map(|alone| alone.engine.clone());
        self.with_engines(self.engine.clone(), alone)
    }

    /// The model of `y - x_j b` without the column `x_j`, whose coefficient b is held; of a model
    /// that holds nothing else. `None` where the rows must be summed up: for the iterative engine,
    /// and where the other columns explain nearly all of this one.
    pub fn without_column(&self, held: HeldColumn) -> Option<Self> {
        let engine = self.engine.without_column(held)?;
        let alone = match &self.alone {
            Some(alone) => Some(alone.engine.without_column(held)?),
            None => None,
        };
        let mut model = self.with_engines(engine, alone);
        model.likelihood.p -= 1;
        model.redundant = None;
        Some(model)
    }

    /// Whether a copy costs little beside one evaluation, and saves a look at the rows.
    pub fn is_copied_cheaply(&self) -> bool {
        !self.is_iterative() && !self.has_large_factor()
    }

    fn with_engines(&self, engine: Engine, alone: Option<Engine>) -> Self {
        let covs = engine.covs();
        let of_old = self.alone.as_deref().zip(alone);
        let with_engine = |(old, engine): (&Alone, Engine)| {
            Box::new(old.with_engine(engine, covs))
        };
        Self {
            alone: of_old.map(with_engine),
            noise: None,
            likelihood: self.likelihood,
            scales: self.scales.clone(),
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
