//! Dense storage of the trailing random-effects block: cross-products above the diagonal, and below
//! it the working copy that the Cholesky factor overwrites.

use std::f64::consts::FRAC_1_SQRT_2;
use std::ops::Range;

use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{MatMut, MatRef, Par};

use crate::kernels::cholesky::{
    factor_lower, inverse_columns, is_small, Triangles,
};
use crate::kernels::chunks::chunks;
use crate::kernels::gemm::{add_lower_product, add_off_diagonal_product};
use crate::kernels::simd::leave_wide_registers;
use crate::parallel::team::{share, threads};

use crate::error::{Error, Result};
use crate::factor::layout::{Layout, TrailingTerm};
use crate::factor::leading::{rows_among, Leading};
use crate::factor::memory::zeros;
use crate::factor::trailing::inverse::Inverse;
use crate::factor::trailing::Scaling;
use crate::kernels::small::{self, for_size};

/// Number of columns of the inverse that a thread computes at a time: fewer make inefficient
/// products, more take memory without gaining speed.
const INVERTED: usize = 96;
/// Number of elements of such columns that all threads together may hold, besides a fifth of the
/// matrix.
const HELD: usize = 1 << 21;
/// Least order for blocked algorithms and threads.
const LARGE: usize = 256;
/// Number of columns that one thread updates.
const UPDATED: usize = 128;
/// Order of the tiles in which the cross-products are transposed.
const TILE: usize = 32;

/// An `m x m` matrix, column by column, that stores two triangles.
#[derive(Clone)]
pub struct Dense {
    pub(super) m: usize,
    /// Cross-products above the diagonal; `S`, later `L`, on and below the diagonal.
    values: Vec<f64>,
    /// The diagonal of the cross-products.
    diagonal: Vec<f64>,
    buffer: Vec<f64>,
}

/// A range of columns of the inverse, from the diagonal element of the first one down.
#[derive(Debug, Default)]
pub(crate) struct InverseColumns {
    /// The range of columns.
    pub columns: Range<usize>,
    height: usize,
    values: Vec<f64>,
}

impl InverseColumns {
    fn solve(
        &mut self,
        (l, triangles): (MatRef<'_, f64>, &Triangles),
        columns: Range<usize>,
    ) {
        self.height = l.nrows() - columns.start;
        self.values.resize(self.height * columns.len(), 0.0);
        let out = MatMut::from_column_major_slice_mut(
            &mut self.values,
            self.height,
            columns.len(),
        );
        inverse_columns(l, triangles, columns.start, out);
        self.columns = columns;
    }

    /// One of the columns, from row `columns.start` down.
    #[inline(always)]
    pub fn column(&self, column: usize) -> &[f64] {
        let first = (column - self.columns.start) * self.height;
        &self.values[first..first + self.height]
    }

    /// A range of rows of one of the columns, counted from `columns.start`.
    #[inline(always)]
    pub fn rows_of(&self, column: usize, rows: Range<usize>) -> &[f64] {
        let first = self.columns.start;
        &self.column(column)[rows.start - first..rows.end - first]
    }

    /// The diagonal block, of the level with the first column and size given, of the identity minus
    /// the inverse, divided by the square root of two.
    pub fn half_of_explained(&self, (first, k): (usize, usize)) -> Vec<f64> {
        let mut block = vec![0.0; k * k];
        self.add_block(&(first..first + k), &mut block);
        for (at, value) in block.iter_mut().enumerate() {
            let unit = if at % (k + 1) == 0 { 1.0 } else { 0.0 };
            *value = (unit - *value) * FRAC_1_SQRT_2;
        }
        block
    }

    /// Adds the diagonal blocks of the levels of a term, symmetric `k x k`, as far as they are in
    /// these columns.
    pub fn add_level_blocks(&self, term: &TrailingTerm, out: &mut [f64]) {
        for &first in &term.first {
            let rows = first as usize..first as usize + term.vsize;
            if self.columns.contains(&rows.start) {
                self.add_block(&rows, out);
            }
        }
    }

    // Adds the diagonal block of one level.
    fn add_block(&self, rows: &Range<usize>, out: &mut [f64]) {
        rows.clone()
            .for_each(|col| self.add_column_below(col, rows, out));
    }

    // Adds a column of the diagonal block of one level to both triangles of `out`.
    fn add_column_below(
        &self,
        col: usize,
        rows: &Range<usize>,
        out: &mut [f64],
    ) {
        let (k, first) = (rows.len(), rows.start);
        for row in col..rows.end {
            let value = self.column(col)[row - self.columns.start];
            out[(col - first) * k + row - first] += value;
            if row > col {
                out[(row - first) * k + col - first] += value;
            }
        }
    }
}

impl std::fmt::Debug for Dense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dense")
            .field("m", &self.m)
            .finish_non_exhaustive()
    }
}

impl Dense {
    /// A zero matrix of order `m`.
    ///
    /// # Errors
    /// `TooLarge` if there is not enough memory.
    pub fn new(m: usize) -> Result<Self> {
        Ok(Self {
            m,
            values: zeros(m * m)?,
            diagonal: vec![0.0; m],
            buffer: vec![0.0; m],
        })
    }

    // The storage of an element of the cross-products.
    #[inline]
    fn place(&mut self, row: usize, col: usize) -> &mut f64 {
        match row == col {
            true => &mut self.diagonal[row],
            false => &mut self.values[row * self.m + col],
        }
    }

    /// Adds to an element of the lower triangle of the cross-products.
    #[inline]
    pub(crate) fn add(&mut self, row: usize, col: usize, value: f64) {
        *self.place(row, col) += value;
    }

    /// Sets an element of the lower triangle of the cross-products.
    #[inline]
    pub fn set(&mut self, row: usize, col: usize, value: f64) {
        *self.place(row, col) = value;
    }

    /// An element of the lower triangle of the cross-products.
    #[inline]
    pub(super) fn product(&self, row: usize, col: usize) -> f64 {
        match row == col {
            true => self.diagonal[row],
            false => self.values[row * self.m + col],
        }
    }

    /// Copies the lower triangle of the cross-products to an `m x m` matrix.
    pub(super) fn copy_products(&self, to: &mut Vec<f64>) {
        to.resize(self.m * self.m, 0.0);
        for col in 0..self.m {
            for row in col..self.m {
                to[col * self.m + row] = self.product(row, col);
            }
        }
    }

    /// `out += x A` for the `rows x m` matrices `x` and `out`.
    pub(super) fn times_products(
        &self,
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) {
        let columns = out.chunks_exact_mut(rows).zip(x.chunks_exact(rows));
        for ((out, x), a) in columns.zip(&self.diagonal) {
            small::axpy(*a, x, out);
        }
        let x = MatRef::from_column_major_slice(x, rows, self.m);
        let out = MatMut::from_column_major_slice_mut(out, rows, self.m);
        add_off_diagonal_product(out, x, self.l());
    }

    /// Copies the cross-products to the working copy.
    pub(crate) fn reset(&mut self) {
        let m = self.m;
        for columns in chunks(m, TILE) {
            for rows in chunks(m, TILE).skip(columns.start / TILE) {
                for col in columns.clone() {
                    for row in rows.start.max(col + 1)..rows.end {
                        self.values[col * m + row] = self.values[row * m + col];
                    }
                }
            }
        }
        let diagonal = self.values.iter_mut().step_by(m + 1);
        diagonal.zip(&self.diagonal).for_each(|(s, a)| *s = *a);
    }

    /// `L := I`.
    pub(super) fn set_identity(&mut self) {
        for (j, column) in self.values.chunks_exact_mut(self.m).enumerate() {
            column[j..].fill(0.0);
            column[j] = 1.0;
        }
    }

    /// `S -= B B'` on the coupled rows; `b` holds `k` values per row.
    #[inline(always)]
    pub(crate) fn rank_update(&mut self, k: usize, rows: &[u32], b: &[f64]) {
        for (j, &col) in rows.iter().enumerate() {
            let column = &mut self.values
                [col as usize * self.m..(col as usize + 1) * self.m];
            let bj = &b[j * k..(j + 1) * k];
            for (&row, bi) in rows[j..].iter().zip(b[j * k..].chunks_exact(k)) {
                column[row as usize] -= small::dot(bi, bj);
            }
        }
    }

    /// Whether the order is large enough for blocked algorithms and threads.
    pub(super) fn is_large(&self) -> bool {
        self.m >= LARGE
    }

    /// `S -= B B'` for all leading levels; `b` holds `k` values per coupled row, level after level.
    pub(super) fn rank_updates(&mut self, leading: &Leading, b: &[f64]) {
        let m = self.m;
        // Each band of columns needs a pass over the levels, so that a single thread uses one band.
        let width = if threads() > 1 { UPDATED } else { m };
        let columns = chunks(m, width);
        let values = self.values.chunks_mut(width * m);
        share(columns.zip(values), |(columns, values)| {
            for_size!(leading.k, k => {
                subtract_grams(k, m, leading, b, columns.clone(), values)
            });
        });
    }

    /// `S -= B B'` for a dense `B`, `m x columns`.
    pub(crate) fn subtract_gram(&mut self, b: MatRef<'_, f64>) {
        let s = MatMut::from_column_major_slice_mut(
            &mut self.values,
            self.m,
            self.m,
        );
        add_lower_product(s, b, b.transpose(), -1.0);
    }

    /// `S := D' S D + I`.
    pub fn scale_inflate(&mut self, d: Scaling) {
        if d.layout.blocks.iter().all(|block| block.vsize == 1) {
            return self.scale_inflate_scalars(d);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(self.m.max(3 * d.layout.max_vsize().pow(2)), 0.0);
        for (block, lambda) in d.terms() {
            for rows in block.places(1) {
                self.scale_diagonal_block(
                    rows.start,
                    block.vsize,
                    lambda,
                    &mut buffer,
                );
                self.scale_columns_below(rows.clone(), lambda);
                for col in rows.clone() {
                    self.scale_rows_below(col, rows.end, d);
                }
            }
        }
        self.buffer = buffer;
    }

    // `S := D' S D + I` for a diagonal D.
    fn scale_inflate_scalars(&mut self, d: Scaling) {
        let m = self.m;
        let mut diagonal = self.buffer.iter_mut();
        for (block, lambda) in d.terms() {
            for value in diagonal.by_ref().take(block.first.len()) {
                *value = lambda[0];
            }
        }
        let diagonal = &self.buffer[..m];
        for j in 0..m {
            let column = &mut self.values[j * m + j..(j + 1) * m];
            for (s, value) in column.iter_mut().zip(&diagonal[j..]) {
                *s *= value * diagonal[j];
            }
            column[0] += 1.0;
        }
    }

    fn scale_diagonal_block(
        &mut self,
        first: usize,
        k: usize,
        lambda: &[f64],
        buffer: &mut [f64],
    ) {
        let m = self.m;
        let (full, rest) = buffer.split_at_mut(k * k);
        let (work, scaled) = rest.split_at_mut(k * k);
        for j in 0..k {
            for i in j..k {
                let value = self.values[(first + j) * m + first + i];
                full[j * k + i] = value;
                full[i * k + j] = value;
            }
        }
        small::scale_inflate(k, full, lambda, work, scaled);
        for j in 0..k {
            let at = (first + j) * m + first;
            self.values[at + j..at + k]
                .copy_from_slice(&scaled[j * k + j..(j + 1) * k]);
        }
    }

    // Multiplies the columns of one level, below its diagonal block, by its Lambda.
    fn scale_columns_below(&mut self, columns: Range<usize>, lambda: &[f64]) {
        let m = self.m;
        let s = &mut self.values[columns.start * m..columns.end * m];
        small::times_lower(columns.len(), m, columns.end, lambda, s);
    }

    // Multiplies the rows of one column from `below` on by the transposed Lambdas of their levels.
    fn scale_rows_below(&mut self, col: usize, below: usize, d: Scaling) {
        let column = &mut self.values[col * self.m..(col + 1) * self.m];
        for (block, lambda) in d.terms() {
            let k = block.vsize;
            // In this storage the levels are in the order of their rows.
            let from =
                block.first.partition_point(|&row| (row as usize) < below);
            for &row in &block.first[from..] {
                let x = &mut column[row as usize..row as usize + k];
                small::lambda_transposed_in_place(k, lambda, x);
            }
        }
    }

    /// Overwrites `S` with its Cholesky factor.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn factor(&mut self) -> Result<()> {
        factor_lower(self.m, &mut self.values)
            .map_err(|pivot| Error::NotPositiveDefinite { pivot })
    }

    /// The diagonal of the factor.
    pub(crate) fn diagonal(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().step_by(self.m + 1).copied()
    }

    /// `Y := Y L'^-1`; `y` is `width x m`, column by column.
    pub(crate) fn right_solve(&self, width: usize, y: &mut [f64]) {
        let y = MatMut::from_column_major_slice_mut(y, width, self.m);
        solve_lower_triangular_in_place(self.l(), y.transpose_mut(), Par::Seq);
        leave_wide_registers();
    }

    /// `x := L^-1 x`; `x` is `m x width`.
    pub(crate) fn forward_solve(&self, width: usize, x: &mut [f64]) {
        let x = MatMut::from_column_major_slice_mut(x, self.m, width);
        solve_lower_triangular_in_place(self.l(), x, Par::Seq);
        leave_wide_registers();
    }

    /// `x := L'^-1 x`; `x` is `m x width`.
    pub(crate) fn backward_solve(&self, width: usize, x: &mut [f64]) {
        let x = MatMut::from_column_major_slice_mut(x, self.m, width);
        solve_upper_triangular_in_place(self.l().transpose(), x, Par::Seq);
        leave_wide_registers();
    }

    /// The inverse of `L L'`, as the lower triangle of an `m x m` matrix.
    pub(crate) fn invert(&self, inverse: &mut Inverse) {
        let m = self.m;
        inverse.values.resize(m * m, 0.0);
        if is_small(m) {
            small::inverse_of_square(m, &self.values, &mut inverse.values);
        } else {
            self.invert_by_columns(inverse);
        }
    }

    fn invert_by_columns(&self, inverse: &mut Inverse) {
        let m = self.m;
        let Inverse {
            values, triangles, ..
        } = inverse;
        triangles.update(self.l());
        // A small inverse is computed faster than a thread starts.
        let width = if self.is_large() { INVERTED } else { m };
        let columns = chunks(m, width);
        let values = values.chunks_mut(width * m);
        share(columns.zip(values), |(columns, values)| {
            let (first, width) = (columns.start, columns.len());
            let out = MatMut::from_column_major_slice_mut(values, m, width);
            let out = out.subrows_mut(first, m - first);
            inverse_columns(self.l(), triangles, first, out);
        });
    }

    // The number of threads that hold columns of the inverse at a time, limited so that the columns
    // take little memory compared with the factor.
    fn inverted_at_once(&self) -> usize {
        let room = self.m * self.m / 5 + HELD;
        threads().min((room / (INVERTED * self.m)).max(1))
    }

    /// Calls `visit` with ranges of columns of the inverse of `L L'`, each range of whole levels.
    pub(crate) fn for_inverse_columns(
        &self,
        layout: &Layout,
        mut visit: impl FnMut(&InverseColumns),
    ) {
        let of_thread = |_| InverseColumns::default();
        let mut there: Vec<_> =
            (0..self.inverted_at_once()).map(of_thread).collect();
        let mut triangles = Triangles::default();
        triangles.update(self.l());
        let blocks = layout.blocks.iter();
        let columns: Vec<_> = blocks.flat_map(|b| b.spans(INVERTED)).collect();
        for columns in columns.chunks(there.len()) {
            let jobs = there.iter_mut().zip(columns.iter().cloned());
            share(jobs, |(there, columns)| {
                there.solve((self.l(), &triangles), columns);
            });
            there[..columns.len()].iter().for_each(&mut visit);
        }
    }

    pub(super) fn l(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.values, self.m, self.m)
    }
}

// Subtracts `B B'` of all leading levels from a range of columns of S, `values`.
#[inline(always)]
fn subtract_grams(
    k: usize,
    m: usize,
    leading: &Leading,
    b: &[f64],
    columns: Range<usize>,
    values: &mut [f64],
) {
    for range in leading.ptr.windows(2) {
        let rows = &leading.rows[range[0]..range[1]];
        let b = &b[range[0] * k..range[1] * k];
        for j in rows_among(rows, &columns) {
            let first = (rows[j] as usize - columns.start) * m;
            let column = &mut values[first..first + m];
            let bj = &b[j * k..(j + 1) * k];
            for (&row, bi) in rows[j..].iter().zip(b[j * k..].chunks_exact(k)) {
                column[row as usize] -= small::dot(bi, bj);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::team::set_threads;

    #[test]
    fn columns_of_the_inverse_take_little_memory_for_any_number_of_threads() {
        for (m, few) in [(256, 2), (1000, 2), (3238, 1), (16_384, 2)] {
            let of_order = Dense {
                m,
                values: Vec::new(),
                diagonal: Vec::new(),
                buffer: Vec::new(),
            };
            set_threads(1000);
            let held = of_order.inverted_at_once() * INVERTED * m;
            assert!(held <= m * m / 5 + HELD, "{m}");
            set_threads(few);
            assert_eq!(of_order.inverted_at_once(), few);
        }
    }
}
