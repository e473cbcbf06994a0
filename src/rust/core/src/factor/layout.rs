//! Which term is eliminated first and where the others' random effects sit in the trailing system.

use crate::design::Design;

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
    pub fn first_row(&self, level: usize) -> u32 {
        self.first[level]
    }
}

/// Rows of the trailing system.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The term that is eliminated first.
    pub leading_term: usize,
    /// The other terms.
    pub blocks: Vec<TrailingTerm>,
    /// Their random effects in all.
    pub m: usize,
    /// Columns of `[X y]`.
    pub width: usize,
}

impl Layout {
    /// The other terms in the order of the design, level after level.
    pub fn new(design: &Design) -> Self {
        let leading_term = design.leading_term();
        let mut m = 0;
        let mut blocks = Vec::new();
        for (t, term) in design
            .terms
            .iter()
            .enumerate()
            .filter(|&(t, _)| t != leading_term)
        {
            let vsize = term.vsize();
            let first = (0..term.n_levels)
                .map(|level| (m + level * vsize) as u32)
                .collect();
            blocks.push(TrailingTerm {
                term: t,
                vsize,
                first,
            });
            m += term.n_effects();
        }
        Self {
            leading_term,
            blocks,
            m,
            width: design.p() + 1,
        }
    }

    /// The largest number of effects per level.
    pub fn max_vsize(&self) -> usize {
        self.blocks
            .iter()
            .map(|block| block.vsize)
            .max()
            .unwrap_or(0)
    }

    /// First row and term (index into `blocks`) of every level, by row.
    pub fn levels_by_row(&self) -> Vec<(u32, u32)> {
        let of_block = |(b, block): (usize, &TrailingTerm)| {
            block
                .first
                .iter()
                .map(|&row| (row, b as u32))
                .collect::<Vec<_>>()
        };
        let mut levels: Vec<_> = self.blocks.iter().enumerate().flat_map(of_block).collect();
        levels.sort_unstable();
        levels
    }

    /// Layout block of each row.
    pub fn block_of_row(&self) -> Vec<u32> {
        let of_level =
            |(_, block): (u32, u32)| std::iter::repeat_n(block, self.blocks[block as usize].vsize);
        self.levels_by_row()
            .into_iter()
            .flat_map(of_level)
            .collect()
    }

    /// Gives every level a new first row.
    pub fn renumber(&mut self, new_first_of_row: impl Fn(u32) -> u32) {
        for block in &mut self.blocks {
            block
                .first
                .iter_mut()
                .for_each(|row| *row = new_first_of_row(*row));
        }
    }
}
