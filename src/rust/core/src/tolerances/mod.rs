//! Thresholds: every constant of the core with which a floating-point number is compared, with the
//! reason for its size.
//!
//! There is one rule for a zero standard deviation, in all of the core: a standard deviation of
//! random effects is zero if it is at most [`ZERO_SD`] times that of the residuals. Whether a
//! change of the *objective* matters is decided by the thresholds of the first table.
//!
//! Two kinds of constants stay where they are used: nodes and coefficients of quadrature rules and
//! special functions, and the operation counts at which one algorithm becomes cheaper than another.
//!
//! | thresholds of | file |
//! |---|---|
//! | differences of the objective | [`objective`] |
//! | rounding errors of the objective | [`rounding`] |
//! | curvatures, and components of a direction | [`curvatures`] |
//! | residuals of iterative solves | [`solves`] |
//! | standard deviations, relative to that of the residuals | [`standard_deviations`] |
//! | pivots, and residuals of projected columns | [`pivots`] |
//! | step lengths and convergence of iterations | [`steps`] |
//! | overflow, underflow and extreme weights | [`range`] |

mod curvatures;
mod objective;
mod pivots;
mod range;
mod rounding;
mod solves;
mod standard_deviations;
mod steps;

pub(crate) use curvatures::*;
pub(crate) use objective::*;
pub(crate) use pivots::*;
pub(crate) use range::*;
pub(crate) use rounding::*;
pub(crate) use solves::*;
pub(crate) use standard_deviations::*;
pub(crate) use steps::*;
