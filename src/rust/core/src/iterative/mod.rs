//! The iterative engine: the likelihood of crossed terms of any size without a factor, by conjugate
//! gradients for linear systems and an unbiased stochastic estimate, with its standard error, of
//! the log-determinant.
//!
//! The leading term is eliminated as in [`factor`](crate::factor). The Schur complement
//! `S = I + D'KD`, with `K = A_tt - sum_i A_t0,i V_i A_0t,i` and `V_i = Lambda0 T_i^-1 Lambda0'`,
//! is never formed: a product with it costs as many operations as there are pairs of levels that
//! occur together. The preconditioner `P = FF'` consists of the diagonal blocks of S, one for each
//! level, in a basis that decouples nested levels from those that contain them.
//!
//! The log-determinant is `log|S| = log|P| + log|I + E|` with `E = F^-1 S F^-T - I`. The trace of
//! `log(I + E)` is computed exactly on a deflation subspace, which contains the constant vectors of
//! each effect of each term (these are confounded with each other, and outliers of the spectrum)
//! and all effects of terms with few; on its complement it is estimated from random sign vectors
//! (Hutchinson's estimator). The first two terms of its power series, with tr E = 0 and the known
//! norm of E, serve as control variates and remove most of the noise; [`log_det`] describes the
//! treatment of the remaining outliers.
//!
//! | contents | file |
//! |---|---|
//! | cross-products by level | [`system`] |
//! | the reduced system at a theta, and products with S | [`reduced`] |
//! | blocks of eight vectors; selections of the columns of `[X r]` | [`wide`], [`selection`] |
//! | the diagonal blocks of S, their factor F, `log\|P\|` | [`precondition`] |
//! | the basis for nested levels | [`nested_basis`] |
//! | preconditioned conjugate gradients | [`gradients`] |
//! | `e_1' log(T) e_1` of a tridiagonal T | [`tridiagonal`] |
//! | the Frobenius norm of E | [`norm`] |
//! | `log\|S\|` and its standard error | [`log_det`] |
//! | the traces in the gradient | [`traces`] |
//! | the fixed effects and `r^2` | [`border`] |
//! | `Z'V^-1[X r]`; the random effects | [`scores`] |
//! | average information | [`information`] |
//! | conditional variances | [`cond_var`] |
//! | cross-products of reweighted rows, including X | `reweigh`, `fixed_sums` |
//! | leverages of reweighted rows | `leverage` |
//! | solutions for general right-hand sides | [`solve`] |
//! | the two engines as one type | `engine` |
//! | the model at one theta after another | [`Iterative`], here |

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
pub mod precondition;
pub mod reduced;
pub(crate) mod reweigh;
pub mod scores;
pub mod selection;
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

/// A linear mixed model with any number of random effects, evaluated at one theta after another.
#[derive(Debug, Clone)]
pub struct Iterative {
    system: Arc<System>,
}

/// The results at one theta.
#[derive(Debug, Clone)]
pub struct At {
    /// Products and solves.
    pub solver: Solver,
    /// The fixed effects.
    pub border: Border,
    /// The stochastic estimates.
    pub probed: Probed,
    /// The scores `Z'P y`, in the first column.
    pub scores: Scores,
}

/// The error of the stochastic estimates at a theta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// The expected excess of the objective over its minimum caused by the noise of the gradient:
    /// half the trace of its covariance matrix times the inverse of the Hessian.
    pub excess: f64,
    /// Standard error of the log-likelihood.
    pub loglik_se: f64,
    /// The number of probe vectors.
    pub probes: usize,
    /// Largest number of iterations of a solve.
    pub iterations: usize,
}

impl Iterative {
    /// Sets up the system of these sums.
    ///
    /// # Errors
    /// `Dimension` if there is only one term, which needs no solves.
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

    /// Computes all results where each term has the given Lambda, lower triangle `k x k`; solves
    /// for the fixed effects end at the relative residual `tolerance`.
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

    /// Largest number of iterations of a solve.
    pub fn iterations(&self) -> usize {
        self.border.iterations.max(self.probed.iterations)
    }
}

#[cfg(test)]
mod tests;
