//! faer's matrix products, in one thread.

use faer::linalg::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};

use crate::kernels::simd::leave_wide_registers;

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

/// The lower triangle of the same; the upper one is left as it is.
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

/// `out += x a` for a symmetric `a` with zeros on the diagonal, of which the triangle above it is
/// given.
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

/// `out += x'x` for `k` columns x, one after the other; `out` is `k x k`.
pub fn add_gram(k: usize, x: &[f64], out: &mut [f64]) {
    let x = MatRef::from_column_major_slice(x, x.len() / k, k);
    let out = MatMut::from_column_major_slice_mut(out, k, k);
    add_product(out, x.transpose(), x, 1.0);
}
