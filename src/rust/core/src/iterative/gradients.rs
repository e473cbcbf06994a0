//! Conjugate gradients with the diagonal blocks as preconditioner, [`WIDTH`] right-hand sides at
//! once.

use crate::iterative::precondition::Preconditioner;
use crate::iterative::system::{Reduced, Row, WIDTH};

/// Products and preconditioner of one theta.
#[derive(Debug, Clone)]
pub struct Solver<'a> {
    /// The system.
    pub reduced: &'a Reduced<'a>,
    /// Its diagonal blocks.
    pub preconditioner: &'a Preconditioner,
}

/// Solutions, with the coefficients of the iterations: those of Lanczos's tridiagonal matrix.
#[derive(Debug, Clone)]
pub struct Solved {
    /// `S^-1` times the right-hand sides.
    pub x: Vec<Row>,
    /// Steps, per iteration.
    pub alpha: Vec<Row>,
    /// Ratios of squared residuals, per iteration.
    pub beta: Vec<Row>,
}

impl<'a> Solver<'a> {
    /// Products with the system, and its preconditioner.
    pub fn new(
        reduced: &'a Reduced<'a>,
        preconditioner: &'a Preconditioner,
    ) -> Self {
        Self {
            reduced,
            preconditioner,
        }
    }

    /// Solves `S x = rhs` until all residuals, in the norm of `P^-1`, are below `tolerance` times
    /// those at the start.
    pub fn solve(&self, rhs: &[Row], tolerance: f64, most: usize) -> Solved {
        let m = rhs.len();
        let (mut x, mut r) = (vec![[0.0; WIDTH]; m], rhs.to_vec());
        let mut z = r.clone();
        self.preconditioner.solve(&mut z);
        let mut p = z.clone();
        let (mut q, mut work) = (vec![[0.0; WIDTH]; m], vec![[0.0; WIDTH]; m]);
        let (mut alpha, mut beta) = (Vec::new(), Vec::new());
        let mut rz = products(&r, &z);
        let goal = rz.map(|rz| rz * tolerance * tolerance);
        for _ in 0..most {
            if rz.iter().zip(&goal).all(|(rz, goal)| rz <= goal) {
                break;
            }
            self.reduced.times_s(&p, &mut work, &mut q);
            let step = ratios(&rz, &products(&p, &q));
            for i in 0..m {
                for c in 0..WIDTH {
                    x[i][c] += step[c] * p[i][c];
                    r[i][c] -= step[c] * q[i][c];
                }
            }
            z.copy_from_slice(&r);
            self.preconditioner.solve(&mut z);
            let next = products(&r, &z);
            let ratio = ratios(&next, &rz);
            for (p, z) in p.iter_mut().zip(&z) {
                (0..WIDTH).for_each(|c| p[c] = z[c] + ratio[c] * p[c]);
            }
            alpha.push(step);
            beta.push(ratio);
            rz = next;
        }
        Solved { x, alpha, beta }
    }
}

/// Products of vectors, column by column.
pub fn products(a: &[Row], b: &[Row]) -> Row {
    let mut sums = [0.0; WIDTH];
    for (a, b) in a.iter().zip(b) {
        (0..WIDTH).for_each(|c| sums[c] += a[c] * b[c]);
    }
    sums
}

// Zero where there is nothing left to divide by.
fn ratios(a: &Row, b: &Row) -> Row {
    let mut ratios = [0.0; WIDTH];
    for c in 0..WIDTH {
        if b[c] > 0.0 {
            ratios[c] = a[c] / b[c];
        }
    }
    ratios
}
