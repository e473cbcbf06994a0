//! The optimality certificate of a theta: the evidence and the verdict.

use crate::covariance::DescentDirection;
use crate::derivatives::HessianKind;
use crate::tolerances::PRECISE;

/// The evidence about a theta, and the verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// The decrease of the objective that a Newton step predicts.
    pub predicted_decrease: f64,
    /// Largest absolute element of the gradient, each parameter in units of its column of Z.
    pub gradient_norm: f64,
    /// Gradient in theta.
    pub gradient: Vec<f64>,
    /// Eigenvalues of the Hessian in theta, ascending, in the same units.
    pub curvatures: Vec<f64>,
    /// Which Hessian the curvatures are those of.
    pub kind: HessianKind,
    /// For each part of each term, the direction in which a larger covariance lowers the objective
    /// most.
    pub descent_directions: Vec<DescentDirection>,
    /// The rounding error of the objective; `NaN` if the verdict was clear without it.
    pub rounding: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// The elements of theta that are unbounded, unidentified, or the cause of large rounding
    /// errors.
    pub suspects: Vec<usize>,
}

impl Certificate {
    /// Revises the verdict for stochastic derivatives, which leave the objective this much above
    /// its minimum on average.
    pub(crate) fn revise_for_noise(&mut self, excess: f64) {
        let predicted = self.predicted_decrease;
        let is_precise = predicted + 2.0 * excess < PRECISE;
        let is_doubtful = match self.verdict {
            Verdict::Optimal => !is_precise,
            // The predicted decrease may be noise of the gradient.
            Verdict::NotConverged => predicted <= 2.0 * excess,
            _ => false,
        };
        if is_doubtful {
            self.verdict = Verdict::Imprecise;
        }
    }
}

/// The verdict on a theta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The predicted decrease is negligible.
    Optimal,
    /// The gradient predicts a relevant decrease.
    NotConverged,
    /// The gradient in theta vanishes only because a covariance is singular.
    FalseBoundary,
    /// The gradient vanishes, but the objective has negative curvature.
    Saddle,
    /// The predicted decrease is negligible, but the objective falls as covariances tend to
    /// infinity relative to the residual variance.
    Unbounded,
    /// The stochastic derivatives are too inaccurate for a verdict.
    Imprecise,
    /// The predicted decrease is negligible, but other covariances have the same likelihood.
    Unidentified,
    /// The predicted decrease is within the rounding errors of the objective, which are large.
    Rounded,
    /// The objective jumps, or is not defined, near the point: derivatives do not tell whether it
    /// is a minimum.
    Edge,
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
            Self::Edge => "edge",
        }
    }

    /// Whether continuing the search would gain nothing.
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
