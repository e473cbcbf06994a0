//! Which term is eliminated first and where the others' random effects sit in the trailing system.

use std::ops::Range;

use crate::design::{Design, ReTerm};
use crate::kernels::chunks::chunks;

/// One trailing term: its levels occupy `vsize` neighbouring rows each.
#[derive(Debug, Clone)]
pub struct TrailingTerm {
    /// Index into the design's terms.
    pub term: usize,
    /// Random effects per level.
    pub vsize: usize,
    /// First row of each level.
    pub first: Vec<u32>,
}

impl TrailingTerm {
    /// First row of a level.
    #[inline]
    pub(crate) fn first_row(&self, level: usize) -> u32 {
        self.first[level]
    }

    /// Where each level lies in a vector with `width` values per row.
    pub fn places(
        &self,
        width: usize,
    ) -> impl Iterator<Item = Range<usize>> + '_ {
        let length = self.vsize * width;
        let starts =
            self.first.iter().map(move |&first| first as usize * width);
        starts.map(move |start| start..start + length)
    }

    /// The term's rows from `row` on, as long as nothing has been renumbered.
    pub(crate) fn rows_from(&self, row: usize) -> Range<usize> {
        let rows = self.rows();
        rows.start.max(row)..rows.end
    }

    // The term's rows, as long as nothing has been renumbered.
    fn rows(&self) -> Range<usize> {
        let start = self.first.first().map_or(0, |&first| first as usize);
        start..start + self.first.len() * self.vsize
    }

    /// The term's rows in ranges of whole levels, each of `size` rows or a few less, as long as
    /// nothing has been renumbered.
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

/// Rows of the trailing system.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The term that is eliminated first.
    pub leading_term: usize,
    /// Number of its levels.
    pub n_leading: usize,
    /// Terms that are eliminated after the leading one.
    pub blocks: Vec<TrailingTerm>,
    /// Number of random effects of the trailing terms.
    pub m: usize,
    /// Fixed effects.
    pub p: usize,
}

impl Layout {
    /// The places of the effects of a design: trailing terms in its order, level after level.
    pub fn new(design: &Design) -> Self {
        let shape = |term: &ReTerm| (term.vsize(), term.n_levels);
        let shapes: Vec<(usize, usize)> =
            design.terms.iter().map(shape).collect();
        Self::of_shapes(&shapes, design.p())
    }

    /// The places of the effects of terms, for each of which effects per level and levels are
    /// given.
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

    /// The place of a trailing term, by its index in the design.
    pub(crate) fn block_of_term(&self, term: usize) -> Option<&TrailingTerm> {
        self.blocks.iter().find(|block| block.term == term)
    }

    /// Effects of the level whose first row this is, as long as blocks follow each other: nothing
    /// has been renumbered.
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

    /// First row and term (index into `blocks`) of every level, by row.
    pub(crate) fn levels_by_row(&self) -> Vec<(u32, u32)> {
        let mut levels = Vec::new();
        for (b, block) in self.blocks.iter().enumerate() {
            levels.extend(block.first.iter().map(|&row| (row, b as u32)));
        }
        levels.sort_unstable();
        levels
    }

    /// Layout block of each row.
    pub(crate) fn block_of_row(&self) -> Vec<u32> {
        let mut blocks = Vec::with_capacity(self.m);
        for (_, block) in self.levels_by_row() {
            let vsize = self.blocks[block as usize].vsize;
            blocks.extend(std::iter::repeat_n(block, vsize));
        }
        blocks
    }

    /// Gives every level a new first row.
    pub(crate) fn renumber(&mut self, new_first_of_row: impl Fn(u32) -> u32) {
        for block in &mut self.blocks {
            for row in block.first.iter_mut() {
                *row = new_first_of_row(*row);
            }
        }
    }
}

/// The term that is eliminated first: of terms, for each of which effects per level and levels are
/// given, the first one of those with most random effects.
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
