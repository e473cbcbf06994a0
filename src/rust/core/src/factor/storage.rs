//! How the trailing system of a design would be stored: what a look at a model tells before it is
//! fitted.

use crate::design::Design;
use crate::error::Result;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::memory::Room;
use crate::factor::trailing::Plan;

/// A storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// One dense triangle.
    Dense,
    /// The columns of a sparse factor.
    Sparse,
    /// The pairs of levels that occur together, without a factor.
    Pairs,
}

/// A storage, and how many numbers it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storage {
    /// Which one.
    pub kind: StorageKind,
    /// Numbers.
    pub elements: f64,
}

impl Storage {
    /// The storage in the memory that there is room for; `is_iterative`: there will be no factor.
    ///
    /// # Errors
    /// `TooLarge` if there has to be a factor, and no room for it.
    pub fn plan(
        design: &Design,
        room: &Room,
        is_iterative: bool,
    ) -> Result<Self> {
        let layout = Layout::new(design);
        let leading = Leading::new(design, &layout);
        let plan = match is_iterative {
            true => Plan::Nothing,
            false => Plan::new(&leading, &layout, room)?,
        };
        let m = layout.m as f64;
        let (kind, elements) = match &plan {
            Plan::Dense => (StorageKind::Dense, m * (m + 1.0) / 2.0),
            Plan::Sparse(pattern) => (StorageKind::Sparse, pattern.elements()),
            Plan::Nothing => (StorageKind::Pairs, leading.vals.len() as f64),
        };
        Ok(Self { kind, elements })
    }
}
