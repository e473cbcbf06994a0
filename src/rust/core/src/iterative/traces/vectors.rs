//! The vectors x, x1 and x0 that belong to eight vectors z.

use crate::iterative::gradients::Solver;
use crate::iterative::wide::{add_multiple, Row};
use crate::kernels::simd::vectorized;

/// `x = S^-1 F z` and `S F^-T z` of eight vectors z.
pub type Found = (Vec<Row>, Vec<Row>);

/// The vectors that belong to eight vectors z.
pub(super) struct Vectors {
    /// `x - x0`.
    pub change: Vec<Row>,
    /// `-x1`.
    pub first: Vec<Row>,
    /// `x0`.
    pub start: Vec<Row>,
}

impl Vectors {
    /// Computes the vectors from z and the solution for z.
    pub fn new(solver: &Solver, z: &[Row], (mut x, mut x1): Found) -> Self {
        let mut start = z.to_vec();
        solver.preconditioner.solve_transposed(&mut start);
        solver.preconditioner.solve(&mut x1);
        vectorized(|| {
            for ((x, x1), x0) in x.iter_mut().zip(&mut x1).zip(&start) {
                add_multiple(-1.0, x0, x);
                add_multiple(-1.0, x0, x1);
            }
        });
        Self {
            change: x,
            first: x1,
            start,
        }
    }
}
