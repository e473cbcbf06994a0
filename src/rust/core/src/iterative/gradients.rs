//! Preconditioned conjugate gradients for several right-hand sides at once, with the diagonal
//! blocks as (block Jacobi) preconditioner.

use std::sync::Arc;

use crate::error::Result;
use crate::iterative::precondition::Preconditioner;
use crate::iterative::reduced::{Reduced, Scratch};
use crate::iterative::system::System;
use crate::iterative::wide::{add_rows, WIDTH};
use crate::kernels::simd::vectorized;
use crate::parallel::team::threads;

/// Largest number of iterations of one solve.
const MOST_ITERATIONS: usize = 3000;

/// Largest total number of rows of concurrent solves, which take a third of a gigabyte.
const MOST_ROWS: usize = 1 << 19;

/// The system and the preconditioner at one theta.
#[derive(Debug, Clone)]
pub struct Solver {
    /// The system.
    pub reduced: Reduced,
    /// The diagonal blocks of S.
    pub preconditioner: Preconditioner,
}

/// The stopping criterion.
#[derive(Debug, Clone, Copy)]
enum Goal<const W: usize> {
    /// All squared residuals are at most these.
    Residuals([f64; W]),
    /// The next iteration is expected to add no larger share to any `rhs'x`.
    Forms(f64),
}

impl<const W: usize> Goal<W> {
    // Whether all columns have converged, from their squared residuals `rz`, the last increments,
    // and the forms `rhs'x` so far.
    fn is_reached(
        &self,
        rz: &[f64; W],
        step: &[f64; W],
        forms: &[f64; W],
    ) -> bool {
        (0..W).all(|c| match self {
            Self::Residuals(goal) => rz[c] <= goal[c],
            Self::Forms(share) => {
                rz[c] == 0.0 || step[c] * rz[c] <= share * forms[c]
            }
        })
    }
}

/// Solutions, with the coefficients of the iterations, which define the Lanczos tridiagonal matrix.
#[derive(Debug, Clone, Default)]
pub struct Solved<const W: usize = WIDTH> {
    /// `S^-1` times the right-hand sides.
    pub x: Vec<[f64; W]>,
    /// Step lengths, per iteration.
    pub alpha: Vec<[f64; W]>,
    /// Ratios of successive squared residuals, per iteration.
    pub beta: Vec<[f64; W]>,
    /// `S P^-1` times the right-hand sides, the product of the first iteration.
    pub first: Vec<[f64; W]>,
}

impl Solver {
    /// The system in which each term has the given Lambda, lower triangle `k x k`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn new(system: &Arc<System>, lambdas: &[Vec<f64>]) -> Result<Self> {
        let reduced = system.reduce(lambdas)?;
        Ok(Self {
            preconditioner: Preconditioner::new(&reduced)?,
            reduced,
        })
    }

    /// The cross-products.
    pub fn system(&self) -> &System {
        &self.reduced.system
    }

    /// The number of solves that may run concurrently, one per thread.
    pub fn at_once(&self) -> usize {
        let room = MOST_ROWS / self.system().m.max(1);
        threads().min(room.max(1))
    }

    /// Solves `S x = rhs` until all residuals, in the norm of `P^-1`, are below `tolerance` times
    /// the initial ones.
    pub fn solve<const W: usize>(
        &self,
        rhs: &[[f64; W]],
        tolerance: f64,
    ) -> Solved<W> {
        self.descend(rhs, self.goal(rhs, tolerance))
    }

    /// Solves `S x = rhs` until the next iteration, if it were like the last one, would add no
    /// larger share to any `rhs'x`. The form increases to its limit, with an error that is the
    /// square of that of x.
    pub fn solve_forms<const W: usize>(
        &self,
        rhs: &[[f64; W]],
        share: f64,
    ) -> Solved<W> {
        self.descend(rhs, Goal::Forms(share))
    }

    /// [`Self::solve`] from a starting point; the coefficients are those of the solve for the
    /// residual.
    pub fn solve_from<const W: usize>(
        &self,
        start: &[[f64; W]],
        rhs: &[[f64; W]],
        tolerance: f64,
    ) -> Solved<W> {
        let residual = self.residual(start, rhs);
        let mut solved = self.descend(&residual, self.goal(rhs, tolerance));
        add_rows(start, &mut solved.x);
        solved
    }

    /// The residual `rhs - S x`.
    pub fn residual<const W: usize>(
        &self,
        x: &[[f64; W]],
        rhs: &[[f64; W]],
    ) -> Vec<[f64; W]> {
        let mut residual = vec![[0.0; W]; x.len()];
        self.reduced
            .times_s(x, &mut Scratch::default(), &mut residual);
        for (residual, rhs) in residual.iter_mut().zip(rhs) {
            residual.iter_mut().zip(rhs).for_each(|(l, r)| *l = r - *l);
        }
        residual
    }

    // The residuals that are small enough relative to the right-hand sides.
    fn goal<const W: usize>(
        &self,
        rhs: &[[f64; W]],
        tolerance: f64,
    ) -> Goal<W> {
        let mut z = rhs.to_vec();
        self.preconditioner.solve(&mut z);
        let squares = products(rhs, &z);
        Goal::Residuals(squares.map(|rz| rz * tolerance * tolerance))
    }

    fn descend<const W: usize>(
        &self,
        rhs: &[[f64; W]],
        goal: Goal<W>,
    ) -> Solved<W> {
        let m = rhs.len();
        let (mut x, mut r) = (vec![[0.0; W]; m], rhs.to_vec());
        let mut z = r.clone();
        self.preconditioner.solve(&mut z);
        let mut p = z.clone();
        let mut q = vec![[0.0; W]; m];
        let mut scratch = Scratch::default();
        let (mut alpha, mut beta) = (Vec::new(), Vec::new());
        let mut first = Vec::new();
        let mut rz = products(&r, &z);
        let (mut forms, mut step) = ([0.0; W], [f64::INFINITY; W]);
        for _ in 0..MOST_ITERATIONS {
            if goal.is_reached(&rz, &step, &forms) {
                break;
            }
            self.reduced.times_s(&p, &mut scratch, &mut q);
            if alpha.is_empty() {
                first.clone_from(&q);
            }
            step = ratios(&rz, &products(&p, &q));
            (0..W).for_each(|c| forms[c] += step[c] * rz[c]);
            vectorized(|| add_columns(&step, &p, &mut x));
            let back = step.map(|step| -step);
            vectorized(|| add_columns(&back, &q, &mut r));
            z.copy_from_slice(&r);
            self.preconditioner.solve(&mut z);
            let next = products(&r, &z);
            let ratio = ratios(&next, &rz);
            vectorized(|| next_directions(&ratio, &z, &mut p));
            alpha.push(step);
            beta.push(ratio);
            rz = next;
        }
        first.resize(m, [0.0; W]);
        Solved {
            x,
            alpha,
            beta,
            first,
        }
    }
}

/// Inner products of vectors, column by column.
pub fn products<const W: usize>(a: &[[f64; W]], b: &[[f64; W]]) -> [f64; W] {
    vectorized(|| {
        let mut sums = [0.0; W];
        for (a, b) in a.iter().zip(b) {
            (0..W).for_each(|c| sums[c] += a[c] * b[c]);
        }
        sums
    })
}

// Adds a multiple of each column of x to that of `out`.
#[inline(always)]
fn add_columns<const W: usize>(
    by: &[f64; W],
    x: &[[f64; W]],
    out: &mut [[f64; W]],
) {
    for (out, x) in out.iter_mut().zip(x) {
        (0..W).for_each(|c| out[c] += by[c] * x[c]);
    }
}

// The next search directions: the preconditioned residuals plus a multiple of the last directions.
#[inline(always)]
fn next_directions<const W: usize>(
    ratio: &[f64; W],
    z: &[[f64; W]],
    p: &mut [[f64; W]],
) {
    for (p, z) in p.iter_mut().zip(z) {
        (0..W).for_each(|c| p[c] = z[c] + ratio[c] * p[c]);
    }
}

// Ratios, which are zero where the denominator is zero.
fn ratios<const W: usize>(a: &[f64; W], b: &[f64; W]) -> [f64; W] {
    let mut ratios = [0.0; W];
    for c in 0..W {
        if b[c] > 0.0 {
            ratios[c] = a[c] / b[c];
        }
    }
    ratios
}
