//! The log-likelihood of crossed terms of any size, without a factor: conjugate gradients for what
//! is solved, and an unbiased estimate, with its standard error, of the log-determinant.
//!
//! The leading term is eliminated as in [`factor`](crate::factor). What is left, `S = I + D'KD`
//! with `K = A_tt - sum_i A_t0,i V_i A_0t,i` and `V_i = Lambda0 T_i^-1 Lambda0'`, is never formed:
//! products with it cost what the pairs of levels cost that occur together. `P = FF'` are the
//! diagonal blocks of S, a level each.
//!
//! `log|S| = log|P| + log|I + E|` with `E = F^-1 S F^-T - I`. The trace of `log(I + E)` is taken
//! exactly along the constants of each effect of each term, which are confounded with each other
//! and outliers of the spectrum, and as a mean over random signs elsewhere. The means of the first
//! two terms of its series, tr E = 0 and the square of E's norm, are known: they take most of the
//! noise away.
//!
//! | quantity | file |
//! |---|---|
//! | cross-products by level; what is left of them at a theta; products with S | [`system`] |
//! | the diagonal blocks of S, their factor F, `log\|P\|` | [`precondition`] |
//! | conjugate gradients, several right-hand sides at once | [`gradients`] |
//! | `e_1' log(T) e_1` of a tridiagonal T | [`tridiagonal`] |
//! | the norm of E | [`norm`] |
//! | `log\|S\|` and its standard error | [`log_det`] |
//! | what the gradient takes of the inverse | [`traces`] |
//! | the parts of the objective at a theta | [`Iterative`], here |

pub mod gradients;
pub mod log_det;
pub mod norm;
pub mod precondition;
pub mod system;
pub mod traces;
pub mod tridiagonal;

use crate::error::{Error, Result};
use crate::factor::sums::Sums;
use crate::iterative::gradients::Solver;
use crate::iterative::log_det::{LogDet, Probes};
use crate::iterative::precondition::Preconditioner;
use crate::iterative::system::{Row, System, WIDTH};
use crate::kernels::small;
use crate::tolerances::EXACT_SOLVE;

/// The most iterations of one solve.
const MOST_ITERATIONS: usize = 3000;

/// A linear mixed model of any number of random effects, at one theta after the other.
#[derive(Debug, Clone)]
pub struct Iterative {
    system: System,
}

/// The parts of the objective at one theta.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// `log |L|^2` of the random effects, and the standard error of its estimate.
    pub log_det_re: LogDet,
    /// `log |R_X|^2`.
    pub log_det_fe: f64,
    /// `r^2`.
    pub pwrss: f64,
    /// Fixed effects of the centred columns of X and of the residual response.
    pub delta: Vec<f64>,
    /// Iterations of the solves.
    pub iterations: usize,
}

impl Iterative {
    /// Puts the sums in their places.
    ///
    /// # Errors
    /// `Dimension` if there is one term only: it needs no solves.
    pub fn new(sums: &Sums) -> Result<Self> {
        if sums.terms.len() < 2 {
            return Err(Error::Dimension {
                what: "terms",
                expected: 2,
                found: sums.terms.len(),
            });
        }
        let system = System::new(sums);
        Ok(Self { system })
    }

    /// Random effects that are left when the leading term's are eliminated.
    pub fn m(&self) -> usize {
        self.system.m
    }

    /// The parts of the objective where each term has this Lambda, lower triangle `k x k`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn parts(
        &self,
        lambdas: &[Vec<f64>],
        probes: &Probes,
    ) -> Result<Parts> {
        let reduced = self.system.reduce(lambdas)?;
        let preconditioner = Preconditioner::new(&reduced)?;
        let solver = Solver::new(&reduced, &preconditioner);
        let p = self.system.p;
        let (mut gram, iterations) = self.gram(&solver);
        let (log_det_fe, delta, pwrss) = solve_border(p, &mut gram)?;
        let mut log_det_re = probes.log_det(&solver);
        log_det_re.value += reduced.log_det + preconditioner.log_det();
        Ok(Parts {
            log_det_re,
            log_det_fe,
            pwrss,
            delta,
            iterations,
        })
    }

    // `[X r]'V^-1[X r]`, and the most iterations that a column took.
    fn gram(&self, solver: &Solver) -> (Vec<f64>, usize) {
        let width = self.system.p + 1;
        let mut gram = solver.reduced.leading_gram();
        let mut iterations = 0;
        let rhs: Vec<Vec<Row>> = (0..width)
            .step_by(WIDTH)
            .map(|first| solver.reduced.border_columns(first))
            .collect();
        for (block, columns) in rhs.iter().enumerate() {
            let solved = solver.solve(columns, EXACT_SOLVE, MOST_ITERATIONS);
            iterations = iterations.max(solved.alpha.len());
            for (other, left) in rhs.iter().enumerate() {
                for (row, x) in left.iter().zip(&solved.x) {
                    for (i, l) in
                        row.iter().enumerate().take(width - WIDTH * other)
                    {
                        for (j, x) in
                            x.iter().enumerate().take(width - WIDTH * block)
                        {
                            gram[(block * WIDTH + j) * width
                                + other * WIDTH
                                + i] -= l * x;
                        }
                    }
                }
            }
        }
        (gram, iterations)
    }
}

// `log|R_X|^2`, the fixed effects and `r^2`, from `[X r]'V^-1[X r]`.
fn solve_border(p: usize, gram: &mut [f64]) -> Result<(f64, Vec<f64>, f64)> {
    let width = p + 1;
    let mut xx: Vec<f64> =
        (0..p * p).map(|at| gram[at / p * width + at % p]).collect();
    let mut delta: Vec<f64> = (0..p).map(|i| gram[p * width + i]).collect();
    let right = delta.clone();
    if p > 0 && small::cholesky(p, &mut xx).is_none() {
        return Err(Error::NotPositiveDefinite { pivot: 0 });
    }
    small::forward_solve(p, &xx, &mut delta);
    small::backward_solve(p, &xx, &mut delta);
    let log_det = (0..p).map(|j| 2.0 * xx[j * p + j].ln()).sum();
    let pwrss = gram[p * width + p] - small::dot(&right, &delta);
    Ok((log_det, delta, pwrss))
}

#[cfg(test)]
mod tests;
