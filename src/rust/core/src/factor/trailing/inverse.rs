//! The inverse of `S`, complete or on the sparsity pattern of the factor, and products with it.

use crate::factor::layout::{Layout, TrailingTerm};
use crate::factor::leading::Coupled;
use crate::factor::trailing::{InverseColumns, Storage, Trailing};
use crate::kernels::cholesky::Triangles;
use crate::kernels::small::{mirror_lower, set_zeros};

/// The inverse of a trailing block in the order of its storage (for the sparse storage: on the
/// pattern of the factor), with working memory.
#[derive(Debug, Default)]
pub struct Inverse {
    pub(super) values: Vec<f64>,
    /// Working memory of the sparse storage.
    pub(super) work: Vec<f64>,
    /// Inverted diagonal blocks of the dense storage.
    pub(super) triangles: Triangles,
}

impl Trailing {
    /// Computes the inverse of `S`.
    pub(crate) fn invert(&self, inverse: &mut Inverse) {
        match &self.rr {
            Storage::Dense(dense) => dense.invert(inverse),
            Storage::Sparse(sparse) => sparse.invert(inverse),
        }
    }

    /// Calls `visit` with ranges of columns of the inverse of a dense system, each range of whole
    /// levels.
    pub(crate) fn for_inverse_columns(
        &self,
        layout: &Layout,
        visit: impl FnMut(&InverseColumns),
    ) {
        if let Storage::Dense(dense) = &self.rr {
            dense.for_inverse_columns(layout, visit);
        }
    }

    /// Both triangles of the inverse, `m x m`, in the memory of `inverse`, for the dense storage;
    /// empty for the sparse one.
    pub(in crate::factor) fn mirrored(
        &self,
        inverse: &mut Inverse,
    ) -> Vec<f64> {
        let m = self.m;
        if !self.is_dense() {
            return Vec::new();
        }
        let mut full = std::mem::take(&mut inverse.values);
        mirror_lower(m, &mut full);
        full
    }

    /// An element of the inverse; zero outside the pattern.
    #[inline]
    pub(in crate::factor) fn inverse_element(
        &self,
        inverse: &Inverse,
        row: usize,
        col: usize,
    ) -> f64 {
        self.element(&inverse.values, row, col)
    }

    /// An element of a symmetric matrix stored like an [`Inverse`]; zero outside the pattern.
    #[inline]
    pub(super) fn element(
        &self,
        values: &[f64],
        row: usize,
        col: usize,
    ) -> f64 {
        let (row, col) = (row.max(col), row.min(col));
        match &self.rr {
            Storage::Dense(dense) => values[col * dense.m + row],
            Storage::Sparse(sparse) => {
                sparse.position(row, col).map_or(0.0, |at| values[at])
            }
        }
    }

    /// `out -= sum_l C_ll` over the diagonal blocks of the inverse for the levels of a term; `out`
    /// is `k x k`.
    pub(crate) fn subtract_level_blocks(
        &self,
        inverse: &Inverse,
        term: &TrailingTerm,
        out: &mut [f64],
    ) {
        for (j, column) in out.chunks_exact_mut(term.vsize).enumerate() {
            for (i, out) in column.iter_mut().enumerate() {
                for first in term.first.iter().map(|&first| first as usize) {
                    *out -= self.element(&inverse.values, first + i, first + j);
                }
            }
        }
    }

    /// `out += a' C a` for values `a` on the rows coupled with a level of the leading term; `ca` is
    /// working memory for `C a`.
    #[inline(always)]
    pub(crate) fn quadratic_form(
        &self,
        k: usize,
        a: &Coupled,
        c: &Inverse,
        ca: &mut Vec<f64>,
        out: &mut [f64],
    ) {
        set_zeros(ca, a.values.len());
        self.for_each_pair(a.level, a.rows, |i, j, at| {
            let value = c.values[at];
            for s in 0..k {
                ca[i * k + s] += value * a.values[j * k + s];
            }
            if i == j {
                return;
            }
            for s in 0..k {
                ca[j * k + s] += value * a.values[i * k + s];
            }
        });
        for (a, ca) in a.values.chunks_exact(k).zip(ca.chunks_exact(k)) {
            add_outer_product(a, ca, out);
        }
    }
}

// Adds `a c'`, with columns stored side by side.
#[inline(always)]
fn add_outer_product(a: &[f64], c: &[f64], out: &mut [f64]) {
    for (&c, column) in c.iter().zip(out.chunks_exact_mut(a.len())) {
        for (&a, value) in a.iter().zip(column) {
            *value += a * c;
        }
    }
}
