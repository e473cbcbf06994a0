//! What derivatives need of the trailing system besides its factor: products with its cross-products, with its
//! inverse, and the system itself as it is before Lambda comes in.

use std::ops::Range;

use faer::linalg::triangular_solve::solve_upper_triangular_in_place;
use faer::{MatMut, MatRef, Par};

use crate::factor::leading::Leading;
use crate::factor::trailing::dense::{Dense, Inverse};
use crate::factor::trailing::sparse::Sparse;
use crate::factor::trailing::{Storage, Trailing};
use crate::kernels::gemm::{add_lower_product, add_product, add_symmetric_product};
use crate::kernels::simd::leave_wide_registers;
use crate::kernels::small;

impl Trailing {
    /// `out += x A_RR` for the `rows x m` matrices `x` and `out`.
    pub fn times_cross_products(&self, rows: usize, x: &[f64], out: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => dense.times_symmetric(&dense.a, rows, x, out),
            Storage::Sparse(sparse) => sparse.times_symmetric(&sparse.a, rows, x, out),
        }
    }

    /// `out += x C` for a symmetric `C` that is held like [`Trailing::invert`]'s.
    pub fn times_symmetric(&self, c: &[f64], rows: usize, x: &[f64], out: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => dense.times_symmetric(c, rows, x, out),
            Storage::Sparse(sparse) => sparse.times_symmetric(c, rows, x, out),
        }
    }

    /// Whether the random-effects block is one dense triangle.
    pub fn is_dense(&self) -> bool {
        matches!(self.rr, Storage::Dense(_))
    }

    /// `out += alpha x A_R0` for some of the units: `x` is `rows x m`, `out` is `rows x (k units)`.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub fn times_leading(
        &self,
        k: usize,
        leading: &Leading,
        range: Range<usize>,
        rows: usize,
        alpha: f64,
        x: &[f64],
        out: &mut [f64],
    ) {
        if let Some(full) = &self.full {
            let a = full.a(k * range.start..k * range.end);
            let x = MatRef::from_column_major_slice(x, rows, self.m);
            let out = MatMut::from_column_major_slice_mut(out, rows, a.ncols());
            return add_product(out, x, a, alpha);
        }
        for (unit, out) in range.zip(out.chunks_exact_mut(rows * k)) {
            let (touched, vals) = leading.touched(unit);
            for (&row, v) in touched.iter().zip(vals.chunks_exact(k)) {
                let x = &x[row as usize * rows..(row as usize + 1) * rows];
                out.chunks_exact_mut(rows)
                    .zip(v)
                    .for_each(|(out, v)| small::axpy(alpha * v, x, out));
            }
        }
    }

    /// `out += x A_R0'` for some of the units: `x` is `rows x (k units)`, `out` is `rows x m`.
    #[inline(always)]
    pub fn times_leading_transposed(
        &self,
        k: usize,
        leading: &Leading,
        range: Range<usize>,
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) {
        if let Some(full) = &self.full {
            let a = full.a(k * range.start..k * range.end);
            let x = MatRef::from_column_major_slice(x, rows, a.ncols());
            let out = MatMut::from_column_major_slice_mut(out, rows, self.m);
            return add_product(out, x, a.transpose(), 1.0);
        }
        for (unit, x) in range.zip(x.chunks_exact(rows * k)) {
            let (touched, vals) = leading.touched(unit);
            for (&row, v) in touched.iter().zip(vals.chunks_exact(k)) {
                let out = &mut out[row as usize * rows..(row as usize + 1) * rows];
                x.chunks_exact(rows)
                    .zip(v)
                    .for_each(|(x, v)| small::axpy(*v, x, out));
            }
        }
    }

    /// Element of `A_RR` on the diagonal, or `below` it among the columns of one level.
    pub fn cross_product(&self, row: usize, below: usize) -> f64 {
        match &self.rr {
            Storage::Dense(dense) => dense.a[row * (dense.m + 1) + below],
            Storage::Sparse(sparse) => sparse.a[sparse.ptr[row] + below],
        }
    }

    /// Solves `Y L' = Y` in place for `Y` of any height.
    pub fn right_solve(&self, rows: usize, y: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => dense.right_solve(rows, y),
            Storage::Sparse(sparse) => sparse.right_solve(rows, y),
        }
    }

    /// Solves `Y L = Y` in place; `y` is `rows x m`.
    pub fn right_solve_transposed(&self, rows: usize, y: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => {
                let y = MatMut::from_column_major_slice_mut(y, rows, dense.m);
                solve_upper_triangular_in_place(dense.l().transpose(), y.transpose_mut(), Par::Seq);
                leave_wide_registers();
            }
            Storage::Sparse(sparse) => sparse.right_solve_transposed(rows, y),
        }
    }

    /// The inverse of `S`, in the storage's own order of elements (the sparse storage: on the pattern of the factor).
    pub fn invert(&self, inverse: &mut Inverse) {
        match &self.rr {
            Storage::Dense(dense) => dense.invert(inverse),
            Storage::Sparse(sparse) => sparse.invert(inverse),
        }
    }

    /// Element of a symmetric matrix that is held like [`Trailing::invert`]'s; zero off the pattern.
    #[inline]
    pub fn element(&self, values: &[f64], row: usize, col: usize) -> f64 {
        let (row, col) = (row.max(col), row.min(col));
        match &self.rr {
            Storage::Dense(dense) => values[col * dense.m + row],
            Storage::Sparse(sparse) => sparse.position(row, col).map_or(0.0, |at| values[at]),
        }
    }

    /// `K = A_RR - sum_i B_i B_i'`, before it is scaled by the Lambdas; `m` holds the `M_i` of the last update, `b` is scratch
    /// memory.
    pub fn reduced(&self, leading: &Leading, m: &[f64], b: &mut Vec<f64>, values: &mut Vec<f64>) {
        values.clear();
        match &self.rr {
            Storage::Dense(dense) => values.extend_from_slice(&dense.a),
            Storage::Sparse(sparse) => values.extend_from_slice(&sparse.a),
        }
        if let Some(full) = &self.full {
            let (b, values) = (
                full.b(),
                MatMut::from_column_major_slice_mut(values, self.m, self.m),
            );
            return add_lower_product(values, b, b.transpose(), -1.0);
        }
        let k = leading.k;
        for unit in 0..leading.n_levels {
            let (rows, vals) = leading.touched(unit);
            let m = &m[unit * k * k..(unit + 1) * k * k];
            b.clear();
            b.extend(
                vals.chunks_exact(k)
                    .flat_map(|v| (0..k).map(|j| small::dot(v, &m[j * k..(j + 1) * k]))),
            );
            self.for_each_pair(unit, rows, |i, j, at| {
                values[at] -= small::dot(&b[i * k..(i + 1) * k], &b[j * k..(j + 1) * k]);
            });
        }
    }

    /// Calls `visit(row, col, value)` for the lower triangle of a symmetric matrix held like [`Trailing::invert`]'s.
    pub fn for_each_element(&self, values: &[f64], mut visit: impl FnMut(usize, usize, f64)) {
        match &self.rr {
            Storage::Dense(dense) => {
                for (col, column) in values.chunks_exact(dense.m).enumerate() {
                    column
                        .iter()
                        .enumerate()
                        .skip(col)
                        .for_each(|(row, &value)| visit(row, col, value));
                }
            }
            Storage::Sparse(sparse) => sparse.for_each_element(values, visit),
        }
    }

    /// `out += a' C a` for the rows that a unit touches: `a` holds `k` values per row, `c` is held like
    /// [`Trailing::invert`]'s, `ca` is scratch memory (`C a`).
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub fn quadratic_form(
        &self,
        k: usize,
        unit: usize,
        rows: &[u32],
        a: &[f64],
        c: &[f64],
        ca: &mut Vec<f64>,
        out: &mut [f64],
    ) {
        ca.clear();
        ca.resize(a.len(), 0.0);
        self.for_each_pair(unit, rows, |i, j, at| {
            let value = c[at];
            (0..k).for_each(|s| ca[i * k + s] += value * a[j * k + s]);
            if i != j {
                (0..k).for_each(|s| ca[j * k + s] += value * a[i * k + s]);
            }
        });
        for (a, ca) in a.chunks_exact(k).zip(ca.chunks_exact(k)) {
            for s in 0..k {
                (0..k).for_each(|r| out[s * k + r] += a[r] * ca[s]);
            }
        }
    }

    // Calls `visit(i, j, position)` for the pairs i >= j of touched rows.
    #[inline(always)]
    fn for_each_pair(&self, unit: usize, rows: &[u32], mut visit: impl FnMut(usize, usize, usize)) {
        match &self.rr {
            Storage::Dense(dense) => {
                for (j, &col) in rows.iter().enumerate() {
                    let column = col as usize * dense.m;
                    (j..rows.len()).for_each(|i| visit(i, j, column + rows[i] as usize));
                }
            }
            Storage::Sparse(sparse) => {
                let mut pairs =
                    sparse.pairs[sparse.pair_ptr[unit]..sparse.pair_ptr[unit + 1]].iter();
                for j in 0..rows.len() {
                    (j..rows.len())
                        .zip(&mut pairs)
                        .for_each(|(i, &at)| visit(i, j, at as usize));
                }
            }
        }
    }
}

impl Dense {
    fn times_symmetric(&self, values: &[f64], rows: usize, x: &[f64], out: &mut [f64]) {
        let x = MatRef::from_column_major_slice(x, rows, self.m);
        let out = MatMut::from_column_major_slice_mut(out, rows, self.m);
        let a = MatRef::from_column_major_slice(values, self.m, self.m);
        add_symmetric_product(out, x, a);
    }
}

impl Sparse {
    fn times_symmetric(&self, values: &[f64], rows: usize, x: &[f64], out: &mut [f64]) {
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
            yj.iter_mut().for_each(|v| *v /= self.s[self.ptr[j]]);
        }
    }
}
