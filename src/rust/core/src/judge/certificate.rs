//! The facts about a theta, and the verdict.

use crate::covariance::WayOut;
use crate::derivatives::HessianKind;
use crate::tolerances::PRECISE;

/// What was found at a theta.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// By how much a Newton step should still lower the objective.
    pub predicted_decrease: f64,
    /// Largest element of the gradient, each parameter in units of its column of Z.
    pub gradient_norm: f64,
    /// Gradient in theta.
    pub gradient: Vec<f64>,
    /// Eigenvalues of the Hessian in theta, ascending, in the same units.
    pub curvatures: Vec<f64>,
    /// The Hessian that the curvatures are of.
    pub kind: HessianKind,
    /// For each part of each term, whether a larger covariance is better.
    pub ways_out: Vec<WayOut>,
    /// The verdict.
    pub verdict: Verdict,
    /// The elements of theta without a bound, those that can't be identified, or those that make
    /// rounding errors large.
    pub suspects: Vec<usize>,
}

impl Certificate {
    /// Takes into account that slopes are estimates, which leave the objective this much above its
    /// minimum.
    pub(crate) fn weigh(&mut self, excess: f64) {
        let predicted = self.predicted_decrease;
        let is_precise = predicted + 2.0 * excess < PRECISE;
        let is_doubtful = match self.verdict {
            Verdict::Optimal => !is_precise,
            // What is promised may be noise of the slopes.
            Verdict::NotConverged => predicted <= 2.0 * excess,
            _ => false,
        };
        if is_doubtful {
            self.verdict = Verdict::Imprecise;
        }
    }
}

/// What to make of a theta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No step of interest is left.
    Optimal,
    /// The gradient still promises a gain.
    NotConverged,
    /// The gradient vanishes only because a covariance is singular.
    FalseBoundary,
    /// The gradient vanishes, but the objective curves down.
    Saddle,
    /// No step of interest is left, but the objective falls as covariances tend to infinity beside
    /// the residual variance.
    Unbounded,
    /// The slopes are known too roughly to say.
    Imprecise,
    /// No step of interest is left, but other covariances are as good.
    Unidentified,
    /// No step is left that could be told from rounding errors of the objective, which are large.
    Rounded,
}

impl Verdict {
    /// The verdict's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Optimal => "optimal",
            Self::NotConverged => "not_converged",
            Self::FalseBoundary => "false_boundary",
            Self::Saddle => "saddle",
            Self::Unbounded => "unbounded",
            Self::Imprecise => "imprecise",
            Self::Unidentified => "unidentified",
            Self::Rounded => "rounded",
        }
    }

    /// Whether nothing is gained by going on.
    pub(crate) fn is_final(self) -> bool {
        matches!(
            self,
            Self::Optimal
                | Self::Unbounded
                | Self::Unidentified
                | Self::Rounded
        )
    }
}
