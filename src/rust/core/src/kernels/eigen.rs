//! The eigendecomposition of a small symmetric matrix, and the smallest singular value of a general
//! one.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{
    self_adjoint_evd, self_adjoint_evd_scratch, ComputeEigenvectors,
};
use faer::{MatMut, MatRef, Par};

use crate::kernels::simd::leave_wide_registers;

/// The eigendecomposition `H = Q diag(values) Q'`, with ascending eigenvalues; the memory is reused
/// from one matrix to the next.
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

    /// Decomposes `h` (`n x n`, symmetric); returns `false` if it has values that are not finite.
    pub(crate) fn decompose(&mut self, h: &[f64]) -> bool {
        match *h {
            [] => true,
            [only] => {
                (self.values[0], self.vectors[0]) = (only, 1.0);
                only.is_finite()
            }
            [a, b, _, d] => self.decompose_two(a, b, d),
            _ => self.decompose_large(h),
        }
    }

    fn decompose_large(&mut self, h: &[f64]) -> bool {
        let n = self.values.len();
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

    // Decomposes `[a b; b d]` by one Jacobi rotation (Golub and Van Loan 2013, section 8.5.2).
    fn decompose_two(&mut self, a: f64, b: f64, d: f64) -> bool {
        let tau = (d - a) / (2.0 * b);
        let tangent = match b {
            0.0 => 0.0,
            _ => 1f64.copysign(tau) / (tau.abs() + tau.hypot(1.0)),
        };
        let cos = 1.0 / tangent.hypot(1.0);
        let sin = tangent * cos;
        let (first, second) = (a - tangent * b, d + tangent * b);
        if first <= second {
            self.values.copy_from_slice(&[first, second]);
            self.vectors.copy_from_slice(&[cos, -sin, sin, cos]);
        } else {
            self.values.copy_from_slice(&[second, first]);
            self.vectors.copy_from_slice(&[sin, cos, cos, -sin]);
        }
        a.is_finite() && b.is_finite() && d.is_finite()
    }

    /// Eigenvector `i`.
    pub(crate) fn vector(&self, i: usize) -> &[f64] {
        let n = self.values.len();
        &self.vectors[i * n..(i + 1) * n]
    }
}

/// The smallest singular value of a `k x k` matrix; infinite for `k = 0`, `NaN` if the matrix is
/// not finite.
pub(crate) fn smallest_singular_value(matrix: &[f64], k: usize) -> f64 {
    match *matrix {
        [] => f64::INFINITY,
        [value] => value.abs(),
        [a, b, c, d] => smaller_of_two(a, b, c, d),
        _ => {
            let matrix = MatRef::from_column_major_slice(matrix, k, k);
            let values = matrix.singular_values();
            leave_wide_registers();
            values.map_or(f64::NAN, |values| values[k - 1])
        }
    }
}

// The smaller singular value of a 2 x 2 matrix, as its determinant over the larger one.
fn smaller_of_two(a: f64, b: f64, c: f64, d: f64) -> f64 {
    let larger = ((a + d).hypot(b - c) + (a - d).hypot(b + c)) / 2.0;
    match larger {
        0.0 => 0.0,
        larger => ((a / larger) * d - (b / larger) * c).abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_singular_values_are_those_of_the_eigenvalues_of_the_square() {
        let matrices: [&[f64]; 5] = [
            &[-3.0],
            &[2.0, 0.5, 0.0, 1.5],
            &[1.0, 2.0, 2.0, 4.0],
            &[0.0; 4],
            &[2.0, 0.3, -1.0, 0.0, 0.7, 0.4, 0.0, 0.0, 1.2],
        ];
        for matrix in matrices {
            let k = matrix.len().isqrt();
            let square: Vec<f64> = (0..k * k)
                .map(|at| {
                    let (i, j) = (at % k * k, at / k * k);
                    (0..k).map(|l| matrix[i + l] * matrix[j + l]).sum()
                })
                .collect();
            let mut eigen = Eigen::new(k);
            assert!(eigen.decompose(&square));
            let expected = eigen.values[0].max(0.0).sqrt();
            let found = smallest_singular_value(matrix, k);
            assert!((found - expected).abs() < 1e-7, "{found} {expected}");
        }
    }

    #[test]
    fn two_eigenvalues_are_those_of_the_closed_form() {
        // Matrices [a b; b d] with their eigenvalues.
        let root = 2f64.sqrt();
        let cases = [
            ([2.0, 1.0, 2.0], [1.0, 3.0]),
            ([2.0, -1.0, 2.0], [1.0, 3.0]),
            ([1.0, 1.0, -1.0], [-root, root]),
            ([5.0, 0.0, -3.0], [-3.0, 5.0]),
            ([0.0, 2.0, 3.0], [-1.0, 4.0]),
            ([0.0, 0.0, 0.0], [0.0, 0.0]),
            ([1.0, 1e-200, 4.0], [1.0, 4.0]),
        ];
        for ([a, b, d], expected) in cases {
            let mut eigen = Eigen::new(2);
            assert!(eigen.decompose(&[a, b, b, d]));
            for (i, expected) in expected.iter().enumerate() {
                let (value, v) = (eigen.values[i], eigen.vector(i));
                assert!(
                    (value - expected).abs()
                        < 1e-15 * (1.0 + a.abs() + d.abs())
                );
                let residuals = [
                    a * v[0] + b * v[1] - value * v[0],
                    b * v[0] + d * v[1] - value * v[1],
                    v[0].hypot(v[1]) - 1.0,
                ];
                assert!(
                    residuals.iter().all(|r| r.abs() < 4e-15),
                    "{residuals:?}"
                );
            }
        }
        assert!(!Eigen::new(2).decompose(&[1.0, f64::NAN, f64::NAN, 1.0]));
    }

    #[test]
    fn a_matrix_that_is_not_finite_has_no_singular_value() {
        for k in [1, 2, 3] {
            assert!(smallest_singular_value(&vec![f64::NAN; k * k], k).is_nan());
        }
    }
}
