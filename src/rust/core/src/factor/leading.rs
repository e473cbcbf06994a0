//! Cross-products of the leading term, the one that is eliminated first. A unit is one of its
//! levels.

use std::ops::Range;

use crate::design::Design;
use crate::factor::blocks::Blocks;
use crate::factor::layout::Layout;

/// The block column of A that belongs to the unit term: everything that shares an observation with
/// a unit.
///
/// Unit `i` has the `k x k` block `a00`, the rows of the trailing terms that it touches (sparse)
/// and the dense rows of X.
#[derive(Debug, Clone)]
pub struct Leading {
    /// Effects per unit.
    pub k: usize,
    /// Number of units.
    pub n_levels: usize,
    /// `Z0' W Z0`: per unit `k x k`, symmetric.
    pub a00: Blocks,
    /// Where the touched rows of each unit start in `rows`; one more than there are units.
    pub ptr: Vec<usize>,
    /// Touched rows of the trailing terms, ascending within a unit.
    pub rows: Vec<u32>,
    /// `Zt' W Z0`: `k` values per touched row.
    pub vals: Vec<f64>,
    /// `X'WZ0`: per unit `p x k`.
    pub ax0: Blocks,
}

/// Values of the trailing rows that a level of the leading term touches.
#[derive(Debug)]
pub struct Touched<'a> {
    /// The level.
    pub level: usize,
    /// The rows, ascending.
    pub rows: &'a [u32],
    /// `k` values per row.
    pub values: &'a [f64],
}

/// Some neighbouring levels of the leading term.
#[derive(Debug, Clone)]
pub struct Levels<'a> {
    /// The leading term.
    pub leading: &'a Leading,
    /// Effects per level.
    pub k: usize,
    /// The levels.
    pub range: Range<usize>,
}

impl Leading {
    /// Finds which trailing rows each unit touches and sums up `Zt'WZ0`; `a00` and `ax0` stay zero.
    pub fn new(design: &Design, layout: &Layout) -> Self {
        let term = &design.terms[layout.leading_term];
        let (k, n_levels) = (term.vsize(), term.n_levels);
        let mut leading = Self {
            k,
            n_levels,
            a00: Blocks::squares(k, n_levels),
            ptr: vec![0; n_levels + 1],
            rows: Vec::new(),
            vals: Vec::new(),
            ax0: Blocks::zeros(layout.p, k, n_levels),
        };
        if layout.m > 0 {
            leading.sum_trailing(design, layout);
        }
        leading
    }

    fn sum_trailing(&mut self, design: &Design, layout: &Layout) {
        let term = &design.terms[layout.leading_term];
        let (start, order) = sort_by_level(term.refs, self.n_levels);
        let mut slot = vec![u32::MAX; layout.m];
        let (mut z0, mut zt) = (vec![0.0; self.k], vec![0.0; layout.max_vsize()]);
        let mut touched: Vec<u32> = Vec::new();
        for unit in 0..self.n_levels {
            let members = &order[start[unit]..start[unit + 1]];
            let first = self.rows.len();
            touched.clear();
            for &i in members {
                for block in &layout.blocks {
                    let row = block.first_row(design.terms[block.term].level(i as usize));
                    if slot[row as usize] == u32::MAX {
                        slot[row as usize] = 0;
                        touched.extend(row..row + block.vsize as u32);
                    }
                }
            }
            touched.sort_unstable();
            for (s, &row) in touched.iter().enumerate() {
                slot[row as usize] = (first + s) as u32;
            }
            self.rows.extend_from_slice(&touched);
            self.vals.resize(self.rows.len() * self.k, 0.0);
            for &i in members {
                let i = i as usize;
                term.row(i, &mut z0);
                for block in &layout.blocks {
                    let other = &design.terms[block.term];
                    other.row(i, &mut zt[..block.vsize]);
                    let at = slot[block.first_row(other.level(i)) as usize] as usize;
                    for (v, &z) in self.vals[at * self.k..]
                        .chunks_exact_mut(self.k)
                        .zip(&zt[..block.vsize])
                    {
                        for (v, &z0) in v.iter_mut().zip(&z0) {
                            *v += design.weight(i) * z * z0;
                        }
                    }
                }
            }
            touched
                .iter()
                .for_each(|&row| slot[row as usize] = u32::MAX);
            self.ptr[unit + 1] = self.rows.len();
        }
    }

    /// Gives row `r` the number `new_row[r]` and restores the order within each unit.
    pub fn renumber(&mut self, new_row: &[u32]) {
        let mut entries: Vec<(u32, Vec<f64>)> = Vec::new();
        for unit in 0..self.n_levels {
            let range = self.ptr[unit]..self.ptr[unit + 1];
            let vals = &mut self.vals[range.start * self.k..range.end * self.k];
            let rows = &mut self.rows[range];
            entries.clear();
            entries.extend(
                rows.iter()
                    .zip(vals.chunks_exact(self.k))
                    .map(|(&row, v)| (new_row[row as usize], v.to_vec())),
            );
            entries.sort_unstable_by_key(|entry| entry.0);
            for ((row, val), (new, values)) in rows
                .iter_mut()
                .zip(vals.chunks_exact_mut(self.k))
                .zip(&entries)
            {
                *row = *new;
                val.copy_from_slice(values);
            }
        }
    }

    /// Some of the levels, for a caller whose number `k` of effects is a literal.
    #[inline(always)]
    pub fn levels(&self, k: usize, range: Range<usize>) -> Levels<'_> {
        Levels {
            leading: self,
            k,
            range,
        }
    }

    /// Touched rows of a unit and their values.
    #[inline]
    pub fn touched(&self, unit: usize) -> (&[u32], &[f64]) {
        let range = self.ptr[unit]..self.ptr[unit + 1];
        (
            &self.rows[range.clone()],
            &self.vals[range.start * self.k..range.end * self.k],
        )
    }
}

/// Row numbers grouped by level (a counting sort): where each level starts, and the rows in order.
pub fn sort_by_level(refs: &[i32], n_levels: usize) -> (Vec<usize>, Vec<u32>) {
    let mut start = vec![0usize; n_levels + 1];
    for &level in refs {
        start[level as usize] += 1;
    }
    for level in 0..n_levels {
        start[level + 1] += start[level];
    }
    let mut next = start.clone();
    let mut order = vec![0u32; refs.len()];
    for (i, &level) in refs.iter().enumerate() {
        let at = &mut next[level as usize - 1];
        order[*at] = i as u32;
        *at += 1;
    }
    (start, order)
}

#[cfg(test)]
mod tests {
    use super::sort_by_level;

    #[test]
    fn counting_sort_is_stable() {
        let (start, order) = sort_by_level(&[2, 1, 3, 1, 2], 4);
        assert_eq!(start, [0, 2, 4, 5, 5]);
        assert_eq!(order, [1, 3, 0, 4, 2]);
    }
}
