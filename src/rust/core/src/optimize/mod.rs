//! Minimisation of a smooth objective that is known only by its value and derivatives.
//!
//! Our own method is Newton's in a trust region: each step minimises the quadratic model
//! `g'p + p'|H|p / 2` within a radius, with the absolute eigenvalues of H, so that it leaves saddle
//! points. It has converged when the model promises less than a tolerance. Where Hessians cost too
//! much, BFGS learns the curvature on the way. NLopt's algorithms stand beside them for comparison.
//!
//! | what | file |
//! |---|---|
//! | value, gradient, Hessian; the space of the coordinates | [`objective`] |
//! | Newton's method: course, escapes from saddle points | [`newton`] |
//! | the quadratic model and its steps | [`trust_region`] |
//! | what rough Hessians leave out | `secant` |
//! | BFGS | [`bfgs`] |
//! | NLopt's algorithms | [`nlopt`] |
//! | how many minima there may be | [`optima`] |
//! | minima that are known | `minima` |
//! | tolerances and limits; the log on the way | [`settings`], [`recorder`] |
//! | when a search must end, and when it may as well | `limits` |
//! | the course and the result | [`summary`] |

pub mod bfgs;
mod limits;
pub(crate) mod minima;
mod newton;
mod nlopt;
mod objective;
pub(crate) mod optima;
mod recorder;
#[cfg(test)]
mod rosenbrock;
mod secant;
mod settings;
mod summary;
pub(crate) mod trust_region;

use crate::error::{Error, Result};

pub(crate) use objective::scale;
pub use objective::{Geometry, Objective};
pub(crate) use recorder::Recorder;
pub use recorder::{until, Flow, Observer};
pub use settings::{start_or_default, Settings};
pub use summary::{OptSummary, Status};

/// Name of our own optimizer, the default.
pub const NEWTON: &str = "newton";

/// Minimises `objective` from `start`. The lower bounds are kept by NLopt's algorithms without
/// derivatives, and by the others where they must be ([`Geometry::is_bounded`]); elsewhere these
/// search without bounds and report the canonical form of what they find.
///
/// # Errors
/// `UnknownOptimizer`; the objective's own error if it can't be evaluated at `start`.
pub(crate) fn minimize<'a>(
    settings: &Settings,
    start: &[f64],
    lower: &[f64],
    objective: &'a mut dyn Geometry,
    observe: &'a mut Observer<'a>,
) -> Result<OptSummary> {
    let first = objective.value(start)?;
    if !first.is_finite() {
        return Err(Error::Optimizer {
            status: "the objective is not finite at the start".into(),
        });
    }
    let mut recorder = Recorder::new(settings, objective, observe);
    if settings.optimizer != NEWTON {
        return nlopt::minimize(settings, start, lower, recorder);
    }
    recorder.record(first, start);
    newton::minimize(settings, lower, recorder)
}
