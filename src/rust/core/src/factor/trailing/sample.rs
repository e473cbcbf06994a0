//! Estimates of the size and fill-in of a system from a sample of its levels. The storage depends
//! on which levels occur together, and counting all of these pairs would take about as long as
//! summing up the cross-products.

use crate::design::Design;
use crate::factor::blocks::Blocks;
use crate::factor::layout::{Layout, TrailingTerm};
use crate::factor::leading::Leading;
use crate::factor::sums::Sums;
use crate::factor::trailing::pattern::Pattern;

/// Largest number of sampled levels of the leading term.
const LEADING_LEVELS: usize = 512;
/// Approximate limit on the number of observations of these levels.
const ROWS: usize = 100_000;
/// Number of sampled trailing levels, from whose factor the fill-in is estimated.
const TRAILING_LEVELS: usize = 1000;
/// 2^32 divided by the golden ratio: its multiples modulo 2^32 are evenly distributed.
const GOLDEN: u32 = 2_654_435_769;

/// Access to the pairs of leading and trailing levels that occur together.
pub(crate) trait LevelPairs {
    /// An upper bound of the number of pairs per trailing term: the observations, or the pairs
    /// themselves.
    fn rows(&self) -> usize;

    /// Calls `visit` with a level of the leading term and the first row of a trailing level, for
    /// all pairs, in any order, perhaps repeatedly.
    fn for_each(&self, layout: &Layout, visit: impl FnMut(usize, u32));
}

impl LevelPairs for Design<'_> {
    fn rows(&self) -> usize {
        self.n()
    }

    fn for_each(&self, layout: &Layout, mut visit: impl FnMut(usize, u32)) {
        let leading = &self.terms[layout.leading_term];
        for block in &layout.blocks {
            let term = &self.terms[block.term];
            for i in 0..self.n() {
                visit(leading.level(i), block.first_row(term.level(i)));
            }
        }
    }
}

impl LevelPairs for Sums {
    fn rows(&self) -> usize {
        self.pairs.iter().map(|pair| pair.levels.len()).sum()
    }

    fn for_each(&self, layout: &Layout, mut visit: impl FnMut(usize, u32)) {
        for pair in &self.pairs {
            let (a, b) = pair.terms;
            let leads = a == layout.leading_term;
            let other = if leads { b } else { a };
            let Some(block) = layout.block_of_term(other) else {
                continue;
            };
            if !leads && b != layout.leading_term {
                continue;
            }
            for &(a, b) in &pair.levels {
                let (level, other) = if leads { (a, b) } else { (b, a) };
                visit(level as usize, block.first_row(other as usize));
            }
        }
    }
}

/// The coupling of the leading levels with trailing effects, counted or estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CouplingCounts {
    /// The number of coupled trailing effects, summed over the leading levels.
    pub rows: f64,
    /// The sum of the squares of these numbers.
    pub pairs: f64,
}

impl CouplingCounts {
    /// Counts over all levels.
    pub fn of(leading: &Leading) -> Self {
        let coupled = leading.ptr.windows(2).map(|w| (w[1] - w[0]) as f64);
        Self {
            rows: leading.rows.len() as f64,
            pairs: coupled.map(|coupled| coupled * coupled).sum(),
        }
    }

    /// An upper bound: each observation couples a leading level with one level of each trailing
    /// term, and no level is coupled with more effects than there are.
    pub fn at_most(data: &impl LevelPairs, layout: &Layout) -> Self {
        let blocks = layout.blocks.iter();
        let effects: usize = blocks.map(|block| block.vsize).sum();
        let rows = (data.rows() * effects) as f64;
        Self {
            rows,
            pairs: rows * layout.m as f64,
        }
    }

    /// Extrapolates counts over a sample of the levels.
    pub fn sampled(data: &impl LevelPairs, layout: &Layout) -> Self {
        let n_levels = layout.n_leading;
        let by_rows = data.rows() / ROWS;
        let step = by_rows.max(n_levels / LEADING_LEVELS).max(1);
        let step = step.min(n_levels.div_ceil(8));
        let is_seen = one_in(step, n_levels);
        let mut found = Vec::new();
        data.for_each(layout, |level, row| {
            if is_seen[level] {
                found.push((level as u32, row));
            }
        });
        found.sort_unstable();
        found.dedup();
        let mut counts = Self {
            rows: 0.0,
            pairs: 0.0,
        };
        for level in found.chunk_by(|a, b| a.0 == b.0) {
            let rows = level.iter().map(|&(_, row)| layout.vsize_at(row));
            let coupled = rows.sum::<usize>() as f64;
            counts.rows += coupled;
            counts.pairs += coupled * coupled;
        }
        let n_seen = is_seen.iter().filter(|&&is_seen| is_seen).count();
        let share = n_seen as f64 / n_levels as f64;
        Self {
            rows: counts.rows / share,
            pairs: counts.pairs / share,
        }
    }
}

/// A sample of about one in `step` levels, irregularly spaced to avoid aliasing with the design; it
/// includes the first level.
fn one_in(step: usize, n_levels: usize) -> Vec<bool> {
    let bound = u32::MAX / step as u32;
    let scattered = |level: usize| (level as u32).wrapping_mul(GOLDEN);
    (0..n_levels)
        .map(|level| scattered(level) <= bound)
        .collect()
}

/// The share of the elements of a dense triangle that the factor of a sample of the trailing levels
/// has, in a fill-reducing order.
///
/// The factor of all levels contains that of the sample, and fills in further. If any two levels
/// are linked by a few steps both are nearly full; if levels are nested, or form a chain, neither
/// is.
pub(crate) fn filled_share(data: &impl LevelPairs, layout: &Layout) -> f64 {
    let (sample, new_row) = some_levels(layout);
    let mut found = Vec::new();
    data.for_each(layout, |level, row| {
        let row = new_row[row as usize];
        if row != u32::MAX {
            found.push((level as u32, row));
        }
    });
    found.sort_unstable();
    found.dedup();
    let leading = leading_of(&found, &sample);
    let size = sample.m as f64;
    let pattern = Pattern::new(&leading, &sample, usize::MAX);
    let elements = pattern.map_or(0.0, |pattern| pattern.elements());
    elements / (size * (size + 1.0) / 2.0)
}

// A layout of regularly sampled levels, and their new rows by original row.
fn some_levels(layout: &Layout) -> (Layout, Vec<u32>) {
    let levels = layout.blocks.iter().map(|block| block.first.len());
    let step = (levels.sum::<usize>() / TRAILING_LEVELS).max(1);
    let mut new_row = vec![u32::MAX; layout.m];
    let mut sample = Layout {
        blocks: Vec::new(),
        m: 0,
        ..layout.clone()
    };
    for block in &layout.blocks {
        let mut first = Vec::new();
        let is_taken = one_in(step, block.first.len());
        let taken = block.first.iter().zip(is_taken);
        for (&row, _) in taken.filter(|(_, is_taken)| *is_taken) {
            new_row[row as usize] = sample.m as u32;
            first.push(sample.m as u32);
            sample.m += block.vsize;
        }
        sample.blocks.push(TrailingTerm {
            first,
            ..block.clone()
        });
    }
    (sample, new_row)
}

// The leading levels of some pairs with their coupled rows, without values.
fn leading_of(found: &[(u32, u32)], sample: &Layout) -> Leading {
    let mut leading = Leading {
        k: 0,
        n_levels: 0,
        a00: Blocks::default(),
        ptr: vec![0],
        rows: Vec::new(),
        vals: Vec::new(),
        ax0: Blocks::default(),
    };
    for level in found.chunk_by(|a, b| a.0 == b.0) {
        for &(_, row) in level {
            leading.rows.extend(row..row + sample.vsize_at(row) as u32);
        }
        leading.n_levels += 1;
        leading.ptr.push(leading.rows.len());
    }
    leading
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Levels of the leading term and trailing effects that occur together.
    pub struct Pairs(pub Vec<(usize, u32)>);

    impl LevelPairs for Pairs {
        fn rows(&self) -> usize {
            self.0.len()
        }

        fn for_each(&self, _: &Layout, mut visit: impl FnMut(usize, u32)) {
            self.0.iter().for_each(|&(level, row)| visit(level, row));
        }
    }

    // Each leading level with some trailing ones, the first of which is repeated.
    fn pairs(q0: usize, couples: impl Fn(usize) -> Vec<usize>) -> Pairs {
        let mut found = Vec::new();
        for level in 0..q0 {
            let rows = couples(level);
            found.push((level, rows[0] as u32));
            found.extend(rows.iter().map(|&row| (level, row as u32)));
        }
        Pairs(found)
    }

    #[test]
    fn a_sample_is_counted_and_multiplied() {
        let layout = Layout::of_shapes(&[(1, 20_000), (1, 3000)], 1);
        let data = pairs(20_000, |i| (0..=i % 3).map(|j| i / 8 + j).collect());
        let found = CouplingCounts::sampled(&data, &layout);
        // The numbers 1, 2 and 3 have equal shares.
        assert!((found.rows / 40_000.0 - 1.0).abs() < 0.02, "{found:?}");
        let pairs = 20_000.0 * 14.0 / 3.0;
        assert!((found.pairs / pairs - 1.0).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn few_levels_are_counted_exactly() {
        let layout = Layout::of_shapes(&[(1, 5), (2, 2), (1, 3)], 1);
        // The trailing levels begin at rows 0, 2 | 4, 5, 6.
        let data = pairs(5, |i| vec![2 * (i % 2), 4 + i % 3]);
        let found = CouplingCounts::sampled(&data, &layout);
        assert_eq!((found.rows, found.pairs), (15.0, 45.0));
        // There are 15 pairs, each of which might couple with all three effects, and each of these
        // with all seven.
        let most = CouplingCounts::at_most(&data, &layout);
        assert_eq!((most.rows, most.pairs), (45.0, 315.0));
    }

    #[test]
    fn chains_and_nested_levels_stay_sparse_and_crossed_ones_fill_in() {
        let layout = Layout::of_shapes(&[(1, 40_000), (1, 20_000)], 1);
        let share = |data: &Pairs| filled_share(data, &layout);
        let nested = pairs(40_000, |i| vec![i / 2]);
        assert!(share(&nested) < 0.01);
        let chain = pairs(40_000, |i| {
            (0..40).map(|j| (i / 2 + 5 * j).min(19_999)).collect()
        });
        let of_chain = share(&chain);
        assert!(of_chain < 0.1, "{of_chain}");
        let crossed = pairs(40_000, |i| {
            let scattered = |j: usize| {
                let at =
                    ((20 * i + j) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let at = (at ^ (at >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                ((at ^ (at >> 32)) % 20_000) as usize
            };
            (0..20).map(scattered).collect()
        });
        let of_crossed = share(&crossed);
        assert!(of_crossed > 0.3, "{of_crossed}");
    }
}
