//! Cross-products of the leading term, which is eliminated first; the other terms are trailing
//! terms.

use std::ops::Range;

use crate::design::{Design, ReTerm};
use crate::factor::blocks::Blocks;
use crate::factor::layout::Layout;
use crate::kernels::chunks::cumulate;
use crate::kernels::small;

/// Marks a row that has not been found yet.
const NONE: u32 = u32::MAX;

/// The block column of A for the leading term: its products with everything that shares
/// observations with one of its levels.
///
/// Level `i` has the `k x k` block `a00`, a sparse block on the trailing rows that it is coupled
/// with, and a dense block on the rows of X.
#[derive(Debug, Clone)]
pub struct Leading {
    /// Number of effects per level.
    pub k: usize,
    /// Number of levels.
    pub n_levels: usize,
    /// `Z0' W Z0`: per level `k x k`, symmetric.
    pub a00: Blocks,
    /// The start of each level's coupled rows in `rows`, and the total number at the end.
    pub ptr: Vec<usize>,
    /// The trailing rows coupled with each level, ascending within a level.
    pub rows: Vec<u32>,
    /// `Zt' W Z0`: `k` values per coupled row.
    pub vals: Vec<f64>,
    /// `X'WZ0`: per level `p x k`.
    pub ax0: Blocks,
}

/// The subrange of ascending rows that lies in a range.
pub(crate) fn rows_among(rows: &[u32], range: &Range<usize>) -> Range<usize> {
    let (start, end) = (range.start as u32, range.end as u32);
    let first = rows.partition_point(|&row| row < start);
    let after = rows.partition_point(|&row| row < end);
    first..after
}

/// Values on the trailing rows coupled with one level of the leading term.
#[derive(Debug)]
pub(crate) struct Coupled<'a> {
    /// The level.
    pub level: usize,
    /// The rows, ascending.
    pub rows: &'a [u32],
    /// `k` values per row.
    pub values: &'a [f64],
}

/// A range of levels of the leading term.
#[derive(Debug, Clone)]
pub(crate) struct Levels<'a> {
    /// The leading term.
    pub leading: &'a Leading,
    /// Number of effects per level.
    pub k: usize,
    /// The levels.
    pub range: Range<usize>,
}

impl Leading {
    /// Finds the trailing rows coupled with each level and sums up `Zt'WZ0`; `a00` and `ax0` remain
    /// zero.
    pub fn new(design: &Design, layout: &Layout) -> Self {
        let term = &design.terms[layout.leading_term];
        let k = term.vsize();
        let n_levels = term.n_levels;
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
        let mut summing = Summing::new(design, layout);
        for level in 0..self.n_levels {
            let members = &order[start[level]..start[level + 1]];
            let first = self.rows.len();
            summing.find_coupled(members, &mut self.rows);
            self.vals.resize(self.rows.len() * self.k, 0.0);
            summing.add(members, &mut self.vals);
            summing.forget(&self.rows[first..]);
            self.ptr[level + 1] = self.rows.len();
        }
    }

    /// Renumbers row `r` to `new_row[r]`, and sorts the rows of each level.
    pub(crate) fn renumber(&mut self, new_row: &[u32]) {
        let k = self.k;
        let mut order: Vec<(u32, usize)> = Vec::new();
        let mut values: Vec<f64> = Vec::new();
        for level in 0..self.n_levels {
            let range = self.ptr[level]..self.ptr[level + 1];
            let vals = &mut self.vals[range.start * k..range.end * k];
            let rows = &mut self.rows[range];
            values.clear();
            values.extend_from_slice(vals);
            order.clear();
            let places = rows.iter().enumerate();
            order.extend(places.map(|(at, &row)| (new_row[row as usize], at)));
            order.sort_unstable();
            let places = rows.iter_mut().zip(vals.chunks_exact_mut(k));
            for ((row, v), &(new_row, before)) in places.zip(&order) {
                *row = new_row;
                v.copy_from_slice(&values[before * k..(before + 1) * k]);
            }
        }
    }

    /// Values on the rows coupled with a level, mutably.
    pub(crate) fn coupled_mut(&mut self, level: usize) -> &mut [f64] {
        &mut self.vals[self.ptr[level] * self.k..self.ptr[level + 1] * self.k]
    }

    /// A range of levels, for a caller whose number `k` of effects is a literal.
    #[inline(always)]
    pub(crate) fn levels(&self, k: usize, range: Range<usize>) -> Levels<'_> {
        Levels {
            leading: self,
            k,
            range,
        }
    }

    /// The rows coupled with a level, and their values.
    #[inline]
    pub(crate) fn coupled(&self, level: usize) -> (&[u32], &[f64]) {
        let range = self.ptr[level]..self.ptr[level + 1];
        (
            &self.rows[range.clone()],
            &self.vals[range.start * self.k..range.end * self.k],
        )
    }
}

/// Working memory for summing up `Zt'WZ0` level by level.
struct Summing<'a> {
    design: &'a Design<'a>,
    layout: &'a Layout,
    leading: &'a ReTerm<'a>,
    /// The position of each trailing row among those coupled with the current level.
    slot: Vec<u32>,
    z0: Vec<f64>,
    zt: Vec<f64>,
}

impl<'a> Summing<'a> {
    fn new(design: &'a Design, layout: &'a Layout) -> Self {
        let leading = &design.terms[layout.leading_term];
        Self {
            design,
            layout,
            leading,
            slot: vec![NONE; layout.m],
            z0: vec![0.0; leading.vsize()],
            zt: vec![0.0; layout.max_vsize()],
        }
    }

    // Appends the trailing rows that occur in some observations, ascending.
    fn find_coupled(&mut self, members: &[u32], rows: &mut Vec<u32>) {
        let first = rows.len();
        for &i in members {
            for block in &self.layout.blocks {
                let row = block
                    .first_row(self.design.terms[block.term].level(i as usize));
                if self.slot[row as usize] == NONE {
                    self.slot[row as usize] = 0;
                    rows.extend(row..row + block.vsize as u32);
                }
            }
        }
        let coupled = &mut rows[first..];
        coupled.sort_unstable();
        for (s, &row) in coupled.iter().enumerate() {
            self.slot[row as usize] = (first + s) as u32;
        }
    }

    // Adds `Zt'WZ0` of some observations to the values on the coupled rows.
    fn add(&mut self, members: &[u32], vals: &mut [f64]) {
        let k = self.z0.len();
        for i in members.iter().map(|&i| i as usize) {
            self.leading.row(i, &mut self.z0);
            for block in &self.layout.blocks {
                let term = &self.design.terms[block.term];
                let zt = &mut self.zt[..block.vsize];
                term.row(i, zt);
                let at =
                    self.slot[block.first_row(term.level(i)) as usize] as usize;
                let vals = vals[at * k..].chunks_exact_mut(k);
                for (v, z) in vals.zip(zt) {
                    small::axpy(self.design.weight(i) * *z, &self.z0, v);
                }
            }
        }
    }

    // Resets the positions of rows.
    fn forget(&mut self, rows: &[u32]) {
        for &row in rows {
            self.slot[row as usize] = NONE;
        }
    }
}

/// Row numbers grouped by level, by a counting sort: the start of each level, and the rows in
/// order.
pub(crate) fn sort_by_level(
    refs: &[i32],
    n_levels: usize,
) -> (Vec<usize>, Vec<u32>) {
    let mut start = vec![0usize; n_levels + 1];
    for &level in refs {
        start[level as usize] += 1;
    }
    cumulate(&mut start);
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
