//! Counts of a system before any of it is summed up, from a sample of its levels: which levels
//! occur together decides on the storage, and counting all of them is most of the work of summing
//! them up.

use crate::design::Design;
use crate::factor::blocks::Blocks;
use crate::factor::layout::{Layout, TrailingTerm};
use crate::factor::leading::Leading;
use crate::factor::sums::Sums;
use crate::factor::trailing::pattern::Pattern;

/// The most levels of the leading term that are looked at.
const LEADING_LEVELS: usize = 512;
/// About the most rows of these levels that are looked at.
const ROWS: usize = 100_000;
/// Trailing levels whose factor tells how far that of all levels fills in.
const TRAILING_LEVELS: usize = 1000;
/// Multiples of the golden ratio, modulo 2^32, are spread evenly.
const GOLDEN: u32 = 2_654_435_769;

/// Where levels of the leading term and trailing ones occur together.
pub(crate) trait Together {
    /// Rows in which they do, roughly.
    fn rows(&self) -> usize;

    /// Calls `visit` with a level of the leading term and the first effect of a trailing one, for
    /// all of them, in any order, as often as they occur.
    fn for_each(&self, layout: &Layout, visit: impl FnMut(usize, u32));
}

impl Together for Design<'_> {
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

impl Together for Sums {
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

/// What the leading levels touch, from some of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Touching {
    /// Trailing effects that they touch, summed up.
    pub rows: f64,
    /// The sum of the squares of these numbers.
    pub pairs: f64,
}

impl Touching {
    /// Counts what all levels touch.
    pub fn of(leading: &Leading) -> Self {
        let touched = leading.ptr.windows(2).map(|w| (w[1] - w[0]) as f64);
        Self {
            rows: leading.rows.len() as f64,
            pairs: touched.map(|touched| touched * touched).sum(),
        }
    }

    /// The most that levels may touch, whatever the rows are: each row touches one level of each
    /// trailing term, and no level touches more effects than there are.
    pub fn at_most(data: &impl Together, layout: &Layout) -> Self {
        let blocks = layout.blocks.iter();
        let effects: usize = blocks.map(|block| block.vsize).sum();
        let rows = (data.rows() * effects) as f64;
        Self {
            rows,
            pairs: rows * layout.m as f64,
        }
    }

    /// Counts what every so many levels touch, and multiplies.
    pub fn sampled(data: &impl Together, layout: &Layout) -> Self {
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
        let mut touching = Self {
            rows: 0.0,
            pairs: 0.0,
        };
        for level in found.chunk_by(|a, b| a.0 == b.0) {
            let rows = level.iter().map(|&(_, row)| layout.vsize_at(row));
            let touched = rows.sum::<usize>() as f64;
            touching.rows += touched;
            touching.pairs += touched * touched;
        }
        let n_seen = is_seen.iter().filter(|&&is_seen| is_seen).count();
        let share = n_seen as f64 / n_levels as f64;
        Self {
            rows: touching.rows / share,
            pairs: touching.pairs / share,
        }
    }
}

/// Roughly one in `step` levels, in no rhythm that a design might have, the first among them.
fn one_in(step: usize, n_levels: usize) -> Vec<bool> {
    let bound = u32::MAX / step as u32;
    let scattered = |level: usize| (level as u32).wrapping_mul(GOLDEN);
    (0..n_levels)
        .map(|level| scattered(level) <= bound)
        .collect()
}

/// The share of the elements of a dense triangle that the factor of some of the trailing levels
/// takes, in a good order.
///
/// The factor of all levels in any order contains one of these levels alone, and fills in further:
/// of a system in which any two levels are linked by a few steps both are nearly full, of nested
/// levels, or of ones in a chain, neither is.
pub(crate) fn filled_share(data: &impl Together, layout: &Layout) -> f64 {
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

// A layout of every so many levels, and their rows in it by their rows in that of all.
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

// The leading levels that are found, with the rows that they touch, and without values.
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

    impl Together for Pairs {
        fn rows(&self) -> usize {
            self.0.len()
        }

        fn for_each(&self, _: &Layout, mut visit: impl FnMut(usize, u32)) {
            self.0.iter().for_each(|&(level, row)| visit(level, row));
        }
    }

    // Each leading level with some trailing ones, and once more with the first of them.
    fn pairs(q0: usize, touches: impl Fn(usize) -> Vec<usize>) -> Pairs {
        let mut found = Vec::new();
        for level in 0..q0 {
            let rows = touches(level);
            found.push((level, rows[0] as u32));
            found.extend(rows.iter().map(|&row| (level, row as u32)));
        }
        Pairs(found)
    }

    #[test]
    fn a_sample_is_counted_and_multiplied() {
        let layout = Layout::of_shapes(&[(1, 20_000), (1, 3000)], 1);
        let data = pairs(20_000, |i| (0..=i % 3).map(|j| i / 8 + j).collect());
        let found = Touching::sampled(&data, &layout);
        // 1, 2 or 3 of them, with equal shares.
        assert!((found.rows / 40_000.0 - 1.0).abs() < 0.02, "{found:?}");
        let pairs = 20_000.0 * 14.0 / 3.0;
        assert!((found.pairs / pairs - 1.0).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn few_levels_are_counted_exactly() {
        let layout = Layout::of_shapes(&[(1, 5), (2, 2), (1, 3)], 1);
        // Trailing levels begin at 0, 2 | 4, 5, 6.
        let data = pairs(5, |i| vec![2 * (i % 2), 4 + i % 3]);
        let found = Touching::sampled(&data, &layout);
        assert_eq!((found.rows, found.pairs), (15.0, 45.0));
        // 15 pairs, of which each might touch all three effects, and each of these all seven.
        let most = Touching::at_most(&data, &layout);
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
