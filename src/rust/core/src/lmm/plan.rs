//! The engine and the storage that a model would use, determined before its cross-products are
//! summed up.

use crate::design::Design;
use crate::error::Result;
use crate::factor::memory::{EngineKind, Room};
use crate::factor::storage::{Storage, StorageKind};

/// The engine and the storage of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct EnginePlan {
    /// The engine's name.
    pub engine: &'static str,
    /// The storage of the engine's system: dense, sparse, or pairs of levels.
    pub storage: &'static str,
    /// The number of floating-point numbers stored.
    pub elements: f64,
}

impl EnginePlan {
    /// The plan for a design, without summing it up.
    ///
    /// # Errors
    /// Fails as [`with_engine`](super::LinearMixedModel::with_engine) does.
    pub fn of(kind: EngineKind, room: &Room, design: &Design) -> Result<Self> {
        design.validate()?;
        let is_iterative = kind.is_iterative(design.terms.len());
        let plan = Storage::plan(design, &kind.in_room(room), is_iterative)?;
        let (engine, storage) = match plan.kind {
            StorageKind::Dense => ("exact", "dense"),
            StorageKind::Sparse => ("exact", "sparse"),
            StorageKind::Pairs => ("iterative", "pairs"),
        };
        Ok(Self {
            engine,
            storage,
            elements: plan.elements,
        })
    }
}
