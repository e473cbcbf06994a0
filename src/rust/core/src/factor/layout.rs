//! The layout of the system: which term leads, that is, is eliminated first, and the rows of the
//! trailing terms.

use std::ops::Range;

use crate::design::{Design, ReTerm};
use crate::kernels::chunks::chunks;

/// One trailing term; each of its levels occupies `vsize` consecutive rows.
#[derive(Debug, Clone)]
pub struct TrailingTerm {
    /// Index into the design's terms.
    pub term: usize,
    /// Number of random effects per level.
    pub vsize: usize,
    /// First row of each level.
    pub first: Vec<u32>,
}

impl TrailingTerm {
    /// The first row of a level.
    #[inline]
    pub(crate) fn first_row(&self, level: usize) -> u32 {
        self.first[level]
    }

    /// The position of each level in a vector with `width` values per row.
    pub fn places(
        &self,
        width: usize,
    ) -> impl Iterator<Item = Range<usize>> + '_ {
        let length = self.vsize * width;
        let starts =
            self.first.iter().map(move |&first| first as usize * width);
        starts.map(move |start| start..start + length)
    }

    /// The term's rows from `row` on, before renumbering.
    pub(crate) fn rows_from(&self, row: usize) -> Range<usize> {
        let rows = self.rows();
        rows.start.max(row)..rows.end
    }

    // The term's rows, before renumbering.
    fn rows(&self) -> Range<usize> {
        let start = self.first.first().map_or(0, |&first| first as usize);
        start..start + self.first.len() * self.vsize
    }

    /// The term's rows in ranges of whole levels with at most `size` rows each, before renumbering.
    pub(crate) fn spans(
        &self,
        size: usize,
    ) -> impl Iterator<Item = Range<usize>> {
        let Range { start, end } = self.rows();
        let of_levels = (size / self.vsize).max(1) * self.vsize;
        let ranges = chunks(end - start, of_levels);
        ranges.map(move |rows| start + rows.start..start + rows.end)
    }
}

/// The rows of the trailing system.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The term that is eliminated first.
    pub leading_term: usize,
    /// Number of levels of the leading term.
    pub n_leading: usize,
    /// Terms that are eliminated after the leading one.
    pub blocks: Vec<TrailingTerm>,
    /// Number of random effects of the trailing terms.
    pub m: usize,
    /// Number of fixed effects.
    pub p: usize,
}

impl Layout {
    /// The layout of a design, with trailing terms in its order, level after level.
    pub fn new(design: &Design) -> Self {
        let shape = |term: &ReTerm| (term.vsize(), term.n_levels);
        let shapes: Vec<(usize, usize)> =
            design.terms.iter().map(shape).collect();
        Self::of_shapes(&shapes, design.p())
    }

    /// The layout for terms with these shapes (effects per level, number of levels).
    pub(crate) fn of_shapes(shapes: &[(usize, usize)], p: usize) -> Self {
        let leading_term = leading_term(shapes);
        let mut m = 0;
        let mut blocks = Vec::new();
        for (term, &(vsize, n_levels)) in shapes.iter().enumerate() {
            if term == leading_term {
                continue;
            }
            let first = (0..n_levels).map(|level| (m + level * vsize) as u32);
            blocks.push(TrailingTerm {
                term,
                vsize,
                first: first.collect(),
            });
            m += n_levels * vsize;
        }
        Self {
            leading_term,
            n_leading: shapes[leading_term].1,
            blocks,
            m,
            p,
        }
    }

    /// The trailing term with this index in the design.
    pub(crate) fn block_of_term(&self, term: usize) -> Option<&TrailingTerm> {
        self.blocks.iter().find(|block| block.term == term)
    }

    /// The number of effects of the level that begins at this row, before renumbering.
    pub(crate) fn vsize_at(&self, row: u32) -> usize {
        let starts_before =
            |block: &&TrailingTerm| block.first.first() <= Some(&row);
        let mut blocks = self.blocks.iter().rev();
        blocks.find(starts_before).map_or(0, |block| block.vsize)
    }

    /// The largest number of effects per level.
    pub(crate) fn max_vsize(&self) -> usize {
        self.blocks
            .iter()
            .map(|block| block.vsize)
            .max()
            .unwrap_or(0)
    }

    /// The first row and the trailing term (index into `blocks`) of every level, ordered by row.
    pub(crate) fn levels_by_row(&self) -> Vec<(u32, u32)> {
        let mut levels = Vec::new();
        for (b, block) in self.blocks.iter().enumerate() {
            levels.extend(block.first.iter().map(|&row| (row, b as u32)));
        }
        levels.sort_unstable();
        levels
    }

    /// The trailing term (index into `blocks`) of each row.
    pub(crate) fn block_of_row(&self) -> Vec<u32> {
        let mut blocks = Vec::with_capacity(self.m);
        for (_, block) in self.levels_by_row() {
            let vsize = self.blocks[block as usize].vsize;
            blocks.extend(std::iter::repeat_n(block, vsize));
        }
        blocks
    }

    /// Assigns a new first row to every level.
    pub(crate) fn renumber(&mut self, new_first_of_row: impl Fn(u32) -> u32) {
        for block in &mut self.blocks {
            for row in block.first.iter_mut() {
                *row = new_first_of_row(*row);
            }
        }
    }
}

/// The index of the term that is eliminated first: among terms with these shapes (effects per
/// level, number of levels), the first one with the largest number of random effects.
pub(crate) fn leading_term(shapes: &[(usize, usize)]) -> usize {
    let effects = |t: usize| shapes[t].0 * shapes[t].1;
    let larger = |best: usize, t: usize| {
        if effects(t) > effects(best) {
            t
        } else {
            best
        }
    };
    (1..shapes.len()).fold(0, larger)
}
