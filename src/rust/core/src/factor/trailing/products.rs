//! Products of the trailing system that derivatives need: with its cross-products, with its factor,
//! and with the blocks of the leading term.

use faer::linalg::triangular_solve::solve_upper_triangular_in_place;
use faer::{MatMut, MatRef, Par};

use crate::factor::layout::TrailingTerm;
use crate::factor::leading::Levels;
use crate::factor::trailing::sparse::Sparse;
use crate::factor::trailing::{Storage, Trailing};
use crate::kernels::gemm::add_product;
use crate::kernels::simd::leave_wide_registers;
use crate::kernels::small;

impl Trailing {
    /// `out += x A_RR` for the `rows x m` matrices `x` and `out`.
    pub(crate) fn times_cross_products(
        &self,
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) {
        match &self.rr {
            Storage::Dense(dense) => dense.times_products(rows, x, out),
            Storage::Sparse(sparse) => {
                sparse.times_symmetric(&sparse.a, rows, x, out)
            }
        }
    }

    /// Whether the random-effects block is stored dense.
    pub(crate) fn is_dense(&self) -> bool {
        matches!(self.rr, Storage::Dense(_))
    }

    /// Whether the random-effects block is dense and large enough for blocked algorithms and
    /// threads.
    pub(crate) fn is_large(&self) -> bool {
        matches!(&self.rr, Storage::Dense(dense) if dense.is_large())
    }

    /// `out += alpha x A_R0` for a range of levels of the leading term: `x` is `rows x m`, `out` is
    /// `rows x (k levels)`.
    #[inline(always)]
    pub(crate) fn times_leading(
        &self,
        levels: &Levels,
        rows: usize,
        alpha: f64,
        x: &[f64],
        out: &mut [f64],
    ) {
        let k = levels.k;
        if let Some(full) = &self.full {
            let a = full.a(levels);
            let x = MatRef::from_column_major_slice(x, rows, self.m);
            let out = MatMut::from_column_major_slice_mut(out, rows, a.ncols());
            return add_product(out, x, a, alpha);
        }
        for (level, out) in
            levels.range.clone().zip(out.chunks_exact_mut(rows * k))
        {
            let (coupled, vals) = levels.leading.coupled(level);
            for (&row, v) in coupled.iter().zip(vals.chunks_exact(k)) {
                let x = &x[row as usize * rows..(row as usize + 1) * rows];
                for (out, v) in out.chunks_exact_mut(rows).zip(v) {
                    small::axpy(alpha * v, x, out);
                }
            }
        }
    }

    /// `out += x A_R0'` for a range of levels of the leading term: `x` is `rows x (k levels)`,
    /// `out` is `rows x m`.
    #[inline(always)]
    pub(crate) fn times_leading_transposed(
        &self,
        levels: &Levels,
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) {
        let k = levels.k;
        if let Some(full) = &self.full {
            let a = full.a(levels);
            let x = MatRef::from_column_major_slice(x, rows, a.ncols());
            let out = MatMut::from_column_major_slice_mut(out, rows, self.m);
            return add_product(out, x, a.transpose(), 1.0);
        }
        for (level, x) in levels.range.clone().zip(x.chunks_exact(rows * k)) {
            let (coupled, vals) = levels.leading.coupled(level);
            for (&row, v) in coupled.iter().zip(vals.chunks_exact(k)) {
                let out =
                    &mut out[row as usize * rows..(row as usize + 1) * rows];
                for (x, v) in x.chunks_exact(rows).zip(v) {
                    small::axpy(*v, x, out);
                }
            }
        }
    }

    /// `out += sum_l A_ll`, lower triangle `k x k`, over the levels of a term: its `Z'WZ`.
    pub(crate) fn add_level_products(
        &self,
        term: &TrailingTerm,
        out: &mut [f64],
    ) {
        let k = term.vsize;
        for j in 0..k {
            for i in j..k {
                let rows = term.first.iter().map(|&first| first as usize + j);
                let product = |row: usize| match &self.rr {
                    Storage::Dense(dense) => dense.product(row + i - j, row),
                    Storage::Sparse(sparse) => {
                        sparse.a[sparse.ptr[row] + i - j]
                    }
                };
                out[j * k + i] += rows.map(product).sum::<f64>();
            }
        }
    }

    /// An element of the lower triangle of `Z_R'WZ_R`.
    pub(crate) fn cross_product(&self, row: usize, col: usize) -> f64 {
        let (row, col) = (row.max(col), row.min(col));
        match &self.rr {
            Storage::Dense(dense) => dense.product(row, col),
            Storage::Sparse(sparse) => {
                sparse.position(row, col).map_or(0.0, |at| sparse.a[at])
            }
        }
    }

    /// The weighted sum of squares of the column of Z of one row.
    pub fn square(&self, row: usize) -> f64 {
        match &self.rr {
            Storage::Dense(dense) => dense.product(row, row),
            Storage::Sparse(sparse) => sparse.a[sparse.ptr[row]],
        }
    }

    /// `Y := Y L_RR'^-1`; `y` is `rows x m`.
    pub(crate) fn right_solve(&self, rows: usize, y: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => dense.right_solve(rows, y),
            Storage::Sparse(sparse) => sparse.right_solve(rows, y),
        }
    }

    /// `Y := Y L_RR^-1`; `y` is `rows x m`.
    pub fn right_solve_transposed(&self, rows: usize, y: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => {
                let y = MatMut::from_column_major_slice_mut(y, rows, dense.m);
                solve_upper_triangular_in_place(
                    dense.l().transpose(),
                    y.transpose_mut(),
                    Par::Seq,
                );
                leave_wide_registers();
            }
            Storage::Sparse(sparse) => sparse.right_solve_transposed(rows, y),
        }
    }

    // Calls `visit(i, j, position)` for the pairs i >= j of coupled rows.
    #[inline(always)]
    pub(super) fn for_each_pair(
        &self,
        level: usize,
        rows: &[u32],
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        match &self.rr {
            Storage::Dense(dense) => {
                for (j, &col) in rows.iter().enumerate() {
                    let column = col as usize * dense.m;
                    for i in j..rows.len() {
                        visit(i, j, column + rows[i] as usize);
                    }
                }
            }
            Storage::Sparse(sparse) => {
                let range = sparse.pair_ptr[level]..sparse.pair_ptr[level + 1];
                let mut pairs = sparse.pairs[range].iter();
                for j in 0..rows.len() {
                    for (i, &at) in (j..rows.len()).zip(&mut pairs) {
                        visit(i, j, at as usize);
                    }
                }
            }
        }
    }
}

impl Sparse {
    fn times_symmetric(
        &self,
        values: &[f64],
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) {
        let column = |j: usize| j * rows..(j + 1) * rows;
        for j in 0..self.m {
            for at in self.ptr[j]..self.ptr[j + 1] {
                let i = self.rows[at] as usize;
                small::axpy(values[at], &x[column(i)], &mut out[column(j)]);
                if i != j {
                    small::axpy(values[at], &x[column(j)], &mut out[column(i)]);
                }
            }
        }
    }

    fn right_solve_transposed(&self, rows: usize, y: &mut [f64]) {
        for j in (0..self.m).rev() {
            let (left, right) = y.split_at_mut((j + 1) * rows);
            let yj = &mut left[j * rows..];
            for at in self.ptr[j] + 1..self.ptr[j + 1] {
                let i = self.rows[at] as usize - j - 1;
                small::axpy(-self.s[at], &right[i * rows..(i + 1) * rows], yj);
            }
            let pivot = self.s[self.ptr[j]];
            for value in yj.iter_mut() {
                *value /= pivot;
            }
        }
    }
}
