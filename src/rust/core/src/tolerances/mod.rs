//! Every threshold of the core that a floating-point number is compared with, and why it has its
//! size.
//!
//! A standard deviation is zero, in all of the core, if it is at most [`ZERO_SD`] times that of the
//! residuals. Where the question is another one, whether a change of the *objective* matters, the
//! thresholds are those of the first table.
//!
//! Elsewhere stay the nodes and coefficients of quadrature and of special functions, and how many
//! operations make one algorithm pay rather than another.
//!
//! | thresholds of | file |
//! |---|---|
//! | differences of the objective | [`objective`] |
//! | rounding errors of the objective | [`rounding`] |
//! | curvatures, and what belongs to a direction | [`curvatures`] |
//! | residuals of solves without a factor | [`solves`] |
//! | standard deviations over that of the residuals | [`standard_deviations`] |
//! | pivots, and what is left of a column | [`pivots`] |
//! | steps, and the ends of iterations | [`steps`] |
//! | numbers that are nearly out of range | [`range`] |

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
