//! Matrix products by faer, in one thread.

use faer::linalg::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};

use crate::kernels::simd::leave_wide_registers;
use crate::kernels::small::{self, for_size};

/// Up to this number of rows a plain loop is faster than faer's product, for any number of columns.
const FEW_ROWS: usize = 4;
/// Up to this number of multiplications, for both triangles, a plain loop is faster than the
/// overhead of a call of faer.
const FEW_PRODUCTS: usize = 2048;
/// Up to this number of multiplications [`add_rows_product`] is faster by a plain loop.
const FEW_ROW_PRODUCTS: usize = 512;

/// `out += alpha a b`.
pub(crate) fn add_product(
    out: MatMut<'_, f64>,
    a: MatRef<'_, f64>,
    b: MatRef<'_, f64>,
    alpha: f64,
) {
    matmul::matmul(out, Accum::Add, a, b, alpha, Par::Seq);
    leave_wide_registers();
}

/// `out = a b`.
pub(crate) fn set_product(
    out: MatMut<'_, f64>,
    a: MatRef<'_, f64>,
    b: MatRef<'_, f64>,
) {
    matmul::matmul(out, Accum::Replace, a, b, 1.0, Par::Seq);
    leave_wide_registers();
}

/// `out += alpha x y'` with x (`n x inner`), y (`rows x inner`) and out (`n x rows`) by columns, by
/// plain loops or by faer, whichever is faster.
pub(crate) fn add_rows_product(
    n: usize,
    inner: usize,
    rows: usize,
    alpha: f64,
    x: &[f64],
    y: &[f64],
    out: &mut [f64],
) {
    let (x, y) = (&x[..n * inner], &y[..rows * inner]);
    let n_products = n * inner * rows;
    if n_products <= FEW_ROW_PRODUCTS {
        if n_products > 0 {
            small::add_outer_products((n, x), (rows, y), alpha, out);
        }
        return;
    }
    let x = MatRef::from_column_major_slice(x, n, inner);
    let y = MatRef::from_column_major_slice(y, rows, inner);
    let out =
        MatMut::from_column_major_slice_mut(&mut out[..n * rows], n, rows);
    add_product(out, x, y.transpose(), alpha);
}

/// The lower triangle of `out += alpha a b`; the upper one is unchanged.
pub(crate) fn add_lower_product(
    out: MatMut<'_, f64>,
    a: MatRef<'_, f64>,
    b: MatRef<'_, f64>,
    alpha: f64,
) {
    let lower = BlockStructure::TriangularLower;
    let full = BlockStructure::Rectangular;
    triangular::matmul(
        out,
        lower,
        Accum::Add,
        a,
        full,
        b,
        full,
        alpha,
        Par::Seq,
    );
    leave_wide_registers();
}

/// `out -= b b'`, lower triangle `rows x rows`, by a plain loop or by faer, whichever is faster.
pub(crate) fn subtract_gram(rows: usize, b: &[f64], out: &mut [f64]) {
    if rows <= FEW_ROWS || rows * b.len() <= FEW_PRODUCTS {
        return for_size!(rows, rows => small::subtract_gram(rows, b, out));
    }
    let b = MatRef::from_column_major_slice(b, rows, b.len() / rows);
    let out = MatMut::from_column_major_slice_mut(out, rows, rows);
    add_lower_product(out, b, b.transpose(), -1.0);
}

/// `out += x a` for a symmetric `a` with zero diagonal, whose upper triangle is given.
pub(crate) fn add_off_diagonal_product(
    mut out: MatMut<'_, f64>,
    x: MatRef<'_, f64>,
    a: MatRef<'_, f64>,
) {
    let full = BlockStructure::Rectangular;
    let upper = BlockStructure::StrictTriangularUpper;
    let lower = BlockStructure::StrictTriangularLower;
    triangular::matmul(
        out.as_mut(),
        full,
        Accum::Add,
        x,
        full,
        a,
        upper,
        1.0,
        Par::Seq,
    );
    triangular::matmul(
        out,
        full,
        Accum::Add,
        x,
        full,
        a.transpose(),
        lower,
        1.0,
        Par::Seq,
    );
    leave_wide_registers();
}

/// `out += x'x` for `k` consecutive columns x; `out` is `k x k`.
pub fn add_gram(k: usize, x: &[f64], out: &mut [f64]) {
    let x = MatRef::from_column_major_slice(x, x.len() / k, k);
    let out = MatMut::from_column_major_slice_mut(out, k, k);
    add_product(out, x.transpose(), x, 1.0);
}
