//! Thresholds that keep numbers within the range of floating point, and weights within a usable
//! one.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`PRODUCT_LOW`] | 1e-140 | when the logarithm of a product is taken | two more factors fit |
//! | [`PRODUCT_HIGH`] | 1e140 | the same | the same |
//! | [`SILENT_ROW`] | 1e-6 | whether a row affects the deviance | a thousand times `DECREMENT` |
//! | [`LEAST_WEIGHT`] | 1e-12 | least weight within a level | sums keep four digits of it |
//! | [`LARGEST_WEIGHT`] | 1e8 | whether a weight spoils the factor | half of the digits remain |
//! | [`NO_WEIGHT`] | 1e-300 | whether a quadrature node is dropped | its products underflow |
//! | [`NO_CURVATURE`] | 1e-150 | the scale of a flat parameter | its inverse squared is finite |
//! | [`LEAST_DISTANCE`] | 1e-100 | where the end of a range is | the mean is finite there |
//! | [`EDGE_DISTANCE`] | 1e-3 | whether a mode is at the end of its range | searches stop nearer |
//! | [`EDGE_VARIANCE`] | 20.0 | whether H is nearly singular | random effects are known less |
//! | [`STOP_VALUE`] | -1e300 | the objective value that stops NLopt | below any objective |

/// A running product below this value is replaced by one, and its logarithm is added to the sum.
pub(crate) const PRODUCT_LOW: f64 = 1e-140;

/// A running product of at least this value is replaced by one, and its logarithm is added to the
/// sum.
pub(crate) const PRODUCT_HIGH: f64 = 1e140;

/// A row whose working weight and score are both below this hardly changes the deviance, whatever
/// its linear predictor. In a completely separated level both tend to zero as its coefficient
/// diverges.
pub(crate) const SILENT_ROW: f64 = 1e-6;

/// The least working weight of a row, relative to the largest in its level of a fixed factor with
/// slopes: a smaller one is lost by rounding in the sums of the level.
pub(crate) const LEAST_WEIGHT: f64 = 1e-12;

/// Working weights that exceed this, times the variance of the random effects, may reduce the
/// information of other rows to rounding errors.
pub(crate) const LARGEST_WEIGHT: f64 = 1e8;

/// Quadrature nodes with a smaller weight are dropped.
pub(crate) const NO_WEIGHT: f64 = 1e-300;

/// The least curvature whose square root scales a parameter.
pub(crate) const NO_CURVATURE: f64 = 1e-150;

/// NLopt's algorithms stop at an objective below this value; returning one is the only way to end
/// all of them early.
pub(crate) const STOP_VALUE: f64 = -1e300;

/// A linear predictor is at the end of its range if its distance from there is at most this
/// multiple of the root mean square of all: a search whose deviance falls up to the end stops
/// nearer.
pub(crate) const EDGE_DISTANCE: f64 = 1e-3;

/// The matrix H is nearly singular if a conditional variance of a random effect exceeds this
/// multiple of its variance: with positive weights it is at most the variance.
pub(crate) const EDGE_VARIANCE: f64 = 20.0;

/// The distance from the end of the range of linear predictors that stand for the end itself: the
/// mean is finite there, and a positive power of the distance is negligible.
pub(crate) const LEAST_DISTANCE: f64 = 1e-100;
