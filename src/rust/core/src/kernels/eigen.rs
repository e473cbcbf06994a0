//! Eigenvalues and eigenvectors of a small symmetric matrix.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{
    self_adjoint_evd, self_adjoint_evd_scratch, ComputeEigenvectors,
};
use faer::{MatMut, MatRef, Par};

use crate::kernels::simd::leave_wide_registers;

/// `H = Q diag(values) Q'`, ascending; the memory is kept from one matrix to the next.
pub(crate) struct Eigen {
    /// Eigenvalues.
    pub(crate) values: Vec<f64>,
    /// Eigenvectors, column by column.
    pub(crate) vectors: Vec<f64>,
    memory: MemBuffer,
}

impl std::fmt::Debug for Eigen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eigen")
            .field("values", &self.values)
            .finish_non_exhaustive()
    }
}

impl Eigen {
    /// Memory for matrices of order `n`.
    pub(crate) fn new(n: usize) -> Self {
        let scratch = self_adjoint_evd_scratch::<f64>(
            n.max(1),
            ComputeEigenvectors::Yes,
            Par::Seq,
            Default::default(),
        );
        Self {
            values: vec![0.0; n],
            vectors: vec![0.0; n * n],
            memory: MemBuffer::new(scratch),
        }
    }

    /// Decomposes `h` (`n x n`, symmetric); `false` if it holds values that aren't finite.
    pub(crate) fn decompose(&mut self, h: &[f64]) -> bool {
        if self.values.is_empty() {
            return true;
        }
        let n = self.values.len();
        if n == 1 {
            (self.values[0], self.vectors[0]) = (h[0], 1.0);
            return h[0].is_finite();
        }
        let vectors =
            MatMut::from_column_major_slice_mut(&mut self.vectors, n, n);
        let values = DiagMut::from_slice_mut(&mut self.values);
        let h = MatRef::from_column_major_slice(h, n, n);
        let stack = MemStack::new(&mut self.memory);
        let decomposed = h.is_all_finite()
            && self_adjoint_evd(
                h,
                values,
                Some(vectors),
                Par::Seq,
                stack,
                Default::default(),
            )
            .is_ok();
        leave_wide_registers();
        decomposed
    }

    /// Eigenvector `i`.
    pub(crate) fn vector(&self, i: usize) -> &[f64] {
        let n = self.values.len();
        &self.vectors[i * n..(i + 1) * n]
    }
}
