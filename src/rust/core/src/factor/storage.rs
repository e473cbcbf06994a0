//! The storage that the trailing system of a design would use, determined before it is summed up.

use crate::design::Design;
use crate::error::Result;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::memory::Room;
use crate::factor::trailing::{CouplingCounts, Plan};

/// The kind of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// One dense triangle.
    Dense,
    /// The columns of a sparse factor.
    Sparse,
    /// The pairs of levels that occur together, for the iterative engine.
    Pairs,
}

/// A storage and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storage {
    /// The kind of storage.
    pub kind: StorageKind,
    /// The number of floating-point numbers stored.
    pub elements: f64,
}

impl Storage {
    /// The storage of a design within the limits of `room`; `is_iterative` if no factor is wanted.
    ///
    /// # Errors
    /// `TooLarge` if a factor is required and does not fit in memory.
    pub fn plan(
        design: &Design,
        room: &Room,
        is_iterative: bool,
    ) -> Result<Self> {
        let layout = Layout::new(design);
        let k = design.terms[layout.leading_term].vsize();
        if is_iterative {
            return Ok(Self::pairs(
                k,
                CouplingCounts::sampled(design, &layout),
            ));
        }
        if let Some(counts) = Plan::without_factor(design, &layout, room)? {
            return Ok(Self::pairs(k, counts));
        }
        let leading = Leading::new(design, &layout);
        let m = layout.m as f64;
        Ok(match Plan::new(&leading, &layout, room)? {
            Plan::Dense => Self {
                kind: StorageKind::Dense,
                elements: m * (m + 1.0) / 2.0,
            },
            Plan::Sparse(pattern) => Self {
                kind: StorageKind::Sparse,
                elements: pattern.elements(),
            },
            Plan::Nothing => Self::pairs(k, CouplingCounts::of(&leading)),
        })
    }

    fn pairs(k: usize, counts: CouplingCounts) -> Self {
        Self {
            kind: StorageKind::Pairs,
            elements: k as f64 * counts.rows,
        }
    }
}
