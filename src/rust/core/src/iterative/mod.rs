//! The log-likelihood of crossed terms of any size, without a factor: conjugate gradients for what
//! is solved, and an unbiased estimate, with its standard error, of the log-determinant.
//!
//! The leading term is eliminated as in [`factor`](crate::factor). What is left, `S = I + D'KD`
//! with `K = A_tt - sum_i A_t0,i V_i A_0t,i` and `V_i = Lambda0 T_i^-1 Lambda0'`, is never formed:
//! products with it cost what the pairs of levels cost that occur together. `P = FF'` are the
//! diagonal blocks of S, a level each, in a basis that decouples levels from those within them.
//!
//! `log|S| = log|P| + log|I + E|` with `E = F^-1 S F^-T - I`. The trace of `log(I + E)` is taken
//! exactly along the constants of each effect of each term, which are confounded with each other
//! and outliers of the spectrum, and along all effects of terms that have few; and as a mean over
//! random signs elsewhere. The means of the first two terms of its series, tr E = 0 and the square
//! of E's norm, are known: they take most of the noise away. The outliers themselves lie beside the
//! constants; [`log_det`] says how the rest of them is found.
//!
//! | quantity | file |
//! |---|---|
//! | cross-products by level | [`system`] |
//! | what is left of them at a theta; products with S | [`reduced`] |
//! | eight vectors side by side; which columns of `[X r]` these are | [`wide`], [`picked`] |
//! | the diagonal blocks of S, their factor F, `log\|P\|` | [`precondition`] |
//! | levels within those of another term | [`nested_basis`] |
//! | conjugate gradients, several right-hand sides at once | [`gradients`] |
//! | `e_1' log(T) e_1` of a tridiagonal T | [`tridiagonal`] |
//! | the norm of E | [`norm`] |
//! | `log\|S\|` and its standard error | [`log_det`] |
//! | what the gradient takes of the inverse | [`traces`] |
//! | the fixed effects and `r^2` | [`border`] |
//! | `Z'V^-1[X r]`; the random effects | [`scores`] |
//! | average information | [`information`] |
//! | conditional variances | [`cond_var`] |
//! | cross-products of re-weighted rows, of X too | `reweigh`, `fixed_sums` |
//! | leverages of re-weighted rows | `leverage` |
//! | solutions for right-hand sides of any origin | [`solve`] |
//! | a factor or none of it: the two engines of a model | `engine` |
//! | all of it at one theta after the other | [`Iterative`], here |

pub mod border;
pub mod cond_var;
pub(crate) mod engine;
mod fixed_sums;
pub mod gradients;
pub mod information;
pub(crate) mod leverage;
pub mod log_det;
pub mod nested_basis;
pub mod norm;
pub mod picked;
pub mod precondition;
pub mod reduced;
pub(crate) mod reweigh;
pub mod scores;
pub mod solve;
pub mod system;
pub mod traces;
pub mod tridiagonal;
pub mod wide;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::factor::sums::Sums;
use crate::iterative::border::Border;
use crate::iterative::gradients::Solver;
use crate::iterative::log_det::{constants, LogDet, Probed, Probes};
use crate::iterative::scores::Scores;
use crate::iterative::system::System;

/// A linear mixed model of any number of random effects, at one theta after the other.
#[derive(Debug, Clone)]
pub struct Iterative {
    system: Arc<System>,
}

/// What is known at one theta.
#[derive(Debug, Clone)]
pub struct At {
    /// Products and solves.
    pub solver: Solver,
    /// The fixed effects.
    pub border: Border,
    /// What the random vectors say.
    pub probed: Probed,
    /// `Z'P y`, the first column.
    pub scores: Scores,
}

/// What random vectors leave of doubt at a theta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// By how much the objective is expected to be above its minimum, as the slopes are estimates:
    /// half the trace of their covariance times the inverse of the Hessian.
    pub excess: f64,
    /// Standard error of the log-likelihood.
    pub loglik_se: f64,
    /// Random vectors.
    pub probes: usize,
    /// The most iterations that a solve took.
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
        let system = Arc::new(System::new(sums));
        Ok(Self { system })
    }

    /// The cross-products.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Computes what there is to know where each term has this Lambda, lower triangle `k x k`; the
    /// fixed effects until residuals are below `tolerance`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`, `ZeroResidual`.
    pub fn at(
        &self,
        lambdas: &[Vec<f64>],
        probes: &Probes,
        tolerance: f64,
    ) -> Result<At> {
        let solver = Solver::new(&self.system, lambdas)?;
        let vectors = constants(&solver);
        let border = Border::new(&solver, tolerance, &vectors, &[])?;
        border.check(&self.system)?;
        let probed = probes.probe(&solver, vectors, &border);
        let scores = Scores::new(&solver, &border, border.residual());
        Ok(At {
            solver,
            border,
            probed,
            scores,
        })
    }
}

impl At {
    /// `log |L|^2` of the random effects, with the standard error of its estimate.
    pub fn log_det_re(&self) -> LogDet {
        let exact =
            self.solver.reduced.log_det + self.solver.preconditioner.log_det();
        LogDet {
            value: self.probed.log_det.value + exact,
            ..self.probed.log_det
        }
    }

    /// The most iterations that a solve took.
    pub fn iterations(&self) -> usize {
        self.border.iterations.max(self.probed.iterations)
    }
}

#[cfg(test)]
mod tests;
