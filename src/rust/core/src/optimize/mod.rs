//! Minimisation of a smooth objective that is known only by its value and derivatives.
//!
//! The default is Newton's method with a trust region: each step minimises the quadratic model
//! `g'p + p'|H|p / 2` within a radius, where `|H|` has the absolute eigenvalues of H, so that
//! saddle points repel. It has converged when the decrease predicted by the model is below a
//! tolerance. BFGS replaces it where Hessians are too expensive. NLopt's algorithms are available
//! for comparison.
//!
//! | contents | file |
//! |---|---|
//! | the objective: value, gradient, Hessian; the geometry of its domain | [`objective`] |
//! | Newton's method, with escapes from saddle points | [`newton`] |
//! | the quadratic model and its constrained minimum | [`trust_region`] |
//! | secant corrections of approximate Hessians | `secant` |
//! | BFGS | [`bfgs`] |
//! | NLopt's algorithms | [`nlopt`] |
//! | the expected number of undiscovered minima | [`optima`] |
//! | minima found by earlier searches | `minima` |
//! | tolerances and limits; the record of evaluations | [`settings`], [`recorder`] |
//! | stopping rules | `limits` |
//! | time limits and requests to stop, of a whole fit | [`Stopping`] |
//! | the course and the result of a search | [`summary`] |

pub mod bfgs;
mod limits;
pub(crate) mod minima;
mod newton;
mod nlopt;
mod objective;
mod optima;
mod recorder;
#[cfg(test)]
mod rosenbrock;
mod secant;
mod settings;
mod stopping;
mod summary;
pub(crate) mod trust_region;

use crate::error::{Error, Result};

pub(crate) use objective::{rounding_of, scale};
pub use objective::{Geometry, Objective};
pub use optima::Optima;
pub(crate) use recorder::Recorder;
pub use recorder::{until, Flow, Observer};
pub use settings::{start_or_default, Settings};
pub use stopping::{StopRequest, Stopping};
pub use summary::{OptSummary, Status};

/// Name of Newton's method, the default.
pub const NEWTON: &str = "newton";

/// Minimises `objective` from `start`. NLopt's derivative-free algorithms respect the lower bounds;
/// the others only those that [`Geometry::is_bounded`] requires, as elsewhere the objective is
/// symmetric about the bound: they search without bounds and report the canonical form of the
/// minimum.
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
