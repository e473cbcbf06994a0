//! Sums over the levels of a term with many effects, for each pair of its directions, by matrix
//! products. A loop over the levels would read and write the whole matrix of pairs for each level.

use faer::{MatMut, MatRef};

use crate::derivatives::moments::{weight, Element};
use crate::kernels::gemm::{add_product, set_product};
use crate::kernels::small;

/// Number of levels that share a matrix product.
const LEVELS: usize = 64;
/// Up to this number of effects loops over the levels are faster.
const FEW: usize = 8;

/// Whether matrix products are faster for a term of `k` effects with `n` directions: they compute
/// the sums for all elements of Omega.
pub(super) fn are_many(k: usize, n: usize) -> bool {
    k > FEW && 4 * n > k * k
}

/// The symmetric `k x k` blocks of some levels, by columns: one column of each block, `k x levels`,
/// is contiguous.
#[derive(Debug)]
pub(super) struct LevelBlocks {
    k: usize,
    levels: usize,
    values: Vec<f64>,
}

impl LevelBlocks {
    pub fn new(k: usize, levels: usize) -> Self {
        Self {
            k,
            levels,
            values: vec![0.0; k * k * levels],
        }
    }

    /// Sets the block of a level.
    pub fn set(&mut self, level: usize, block: &[f64]) {
        for (r, column) in block.chunks_exact(self.k).enumerate() {
            let at = (r * self.levels + level) * self.k;
            self.values[at..at + self.k].copy_from_slice(column);
        }
    }

    // Column r of each block.
    fn column(&self, r: usize) -> &[f64] {
        let size = self.k * self.levels;
        &self.values[r * size..(r + 1) * size]
    }
}

/// Adds `a_d'S a_e` with `a_d = E_d v`, summed over levels, to row d of column e for each pair of
/// directions, the upper triangle of a matrix with `n` rows. `v` has a column for each level.
pub(super) fn add_information(
    pairs: &[Element],
    (s, v): (&LevelBlocks, &[f64]),
    n: usize,
    out: &mut [f64],
) {
    let k = s.k;
    let mut product = vec![0.0; k * s.levels];
    let mut sums = vec![0.0; k * k];
    for (e, &(r, q)) in pairs.iter().enumerate() {
        // S a_e, where a_e has v_q in effect r and v_r in effect q.
        product.fill(0.0);
        add_scaled(s.column(r), (v, q), k, &mut product);
        if r != q {
            add_scaled(s.column(q), (v, r), k, &mut product);
        }
        let (product, v) = (wide(k, &product), wide(k, v));
        set_product(square(k, &mut sums), product, v.transpose());
        for (out, &(x, y)) in out[e * n..][..=e].iter_mut().zip(pairs) {
            let swapped = if x == y { 0.0 } else { sums[x * k + y] };
            *out += sums[y * k + x] + swapped;
        }
    }
}

/// Adds `tr(E W E' W) - 2 tr(E W E' B)`, summed over levels, to row E of column E' for each pair of
/// directions; upper triangle.
pub(super) fn add_traces(
    pairs: &[Element],
    w: &LevelBlocks,
    b: Option<&LevelBlocks>,
    out: &mut [f64],
) {
    let k = w.k;
    let mut sums = vec![0.0; k * k];
    for (e, &(r, s)) in pairs.iter().enumerate() {
        let (w_r, w_s) = (wide(k, w.column(r)), wide(k, w.column(s)));
        set_product(square(k, &mut sums), w_s, w_r.transpose());
        if let Some(b) = b {
            let (b_r, b_s) = (wide(k, b.column(r)), wide(k, b.column(s)));
            for (w, b) in [(w_s, b_r), (w_r, b_s)] {
                add_product(square(k, &mut sums), w, b.transpose(), -1.0);
            }
        }
        let counts = 2.0 * weight((r, s));
        for (out, &(x, y)) in out[e * pairs.len()..][..=e].iter_mut().zip(pairs)
        {
            let sum = sums[y * k + x] + sums[x * k + y];
            *out += counts * weight((x, y)) * sum;
        }
    }
}

/// The traces of [`add_traces`], for levels that are added one by one.
#[derive(Debug)]
pub(super) struct LevelTraces<'a> {
    pairs: &'a [Element],
    w: LevelBlocks,
    b: Option<LevelBlocks>,
    // The number of levels that have been added since the last sum.
    count: usize,
}

impl<'a> LevelTraces<'a> {
    /// Memory for the blocks of a term with `k` effects; `None` if there are few.
    pub fn of(k: usize, pairs: &'a [Element], has_b: bool) -> Option<Self> {
        are_many(k, pairs.len()).then(|| Self {
            pairs,
            w: LevelBlocks::new(k, LEVELS),
            b: has_b.then(|| LevelBlocks::new(k, LEVELS)),
            count: 0,
        })
    }

    /// Adds the blocks of a level.
    pub fn add(&mut self, w: &[f64], b: Option<&[f64]>, out: &mut [f64]) {
        self.w.set(self.count, w);
        if let (Some(blocks), Some(b)) = (&mut self.b, b) {
            blocks.set(self.count, b);
        }
        self.count += 1;
        if self.count == LEVELS {
            self.flush(out);
        }
    }

    /// Adds the sums over the last levels to `out`.
    pub fn flush(&mut self, out: &mut [f64]) {
        add_traces(self.pairs, &self.w, self.b.as_ref(), out);
        self.w.values.fill(0.0);
        if let Some(b) = &mut self.b {
            b.values.fill(0.0);
        }
        self.count = 0;
    }
}

// Adds each column of x, multiplied by element `row` of that column of v.
fn add_scaled(x: &[f64], (v, row): (&[f64], usize), k: usize, out: &mut [f64]) {
    let columns = x.chunks_exact(k).zip(v.chunks_exact(k));
    for ((x, v), out) in columns.zip(out.chunks_exact_mut(k)) {
        small::axpy(v[row], x, out);
    }
}

// A matrix with k rows.
fn wide(k: usize, values: &[f64]) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(values, k, values.len() / k)
}

fn square(k: usize, values: &mut [f64]) -> MatMut<'_, f64> {
    MatMut::from_column_major_slice_mut(values, k, k)
}
