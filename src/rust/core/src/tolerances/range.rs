//! Numbers that are nearly out of range.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`PRODUCT_LOW`] | 1e-140 | when a product becomes a logarithm | two factors more fit in |
//! | [`PRODUCT_HIGH`] | 1e140 | the same | the same |
//! | [`SILENT_ROW`] | 1e-6 | does a row change the deviance | a thousand times `DECREMENT` |
//! | [`LEAST_WEIGHT`] | 1e-12 | least share of a level's weight | sums keep four digits of it |
//! | [`LARGEST_WEIGHT`] | 1e8 | may a weight spoil the factor | half of the digits are left |
//! | [`NO_WEIGHT`] | 1e-300 | does a node of quadrature count | its products are no numbers |
//! | [`NO_CURVATURE`] | 1e-150 | unit of a flat parameter | its inverse squared is a number |
//! | [`STOP_VALUE`] | -1e300 | the objective that ends NLopt | below any objective |

/// A running product below this size is added to its logarithm, and starts again at one.
pub(crate) const PRODUCT_LOW: f64 = 1e-140;

/// A running product from this size on is added to its logarithm, and starts again at one.
pub(crate) const PRODUCT_HIGH: f64 = 1e140;

/// A row whose weight and score are below this hardly changes the deviance, whatever its linear
/// predictor: those of a separated level tend to zero, and no linear term holds its coefficient.
pub(crate) const SILENT_ROW: f64 = 1e-6;

/// The least share of the largest weight in a level of a fixed factor with slopes that a row has in
/// a step: what is less is lost in the level's sums.
pub(crate) const LEAST_WEIGHT: f64 = 1e-12;

/// Weights of a step to the modes that, times the variance of the random effects, are larger may
/// leave nothing but rounding errors of what the others say.
pub(crate) const LARGEST_WEIGHT: f64 = 1e8;

/// A node of quadrature with a smaller weight is left out.
pub(crate) const NO_WEIGHT: f64 = 1e-300;

/// The least curvature by whose root a parameter is scaled.
pub(crate) const NO_CURVATURE: f64 = 1e-150;

/// An objective below this one ends NLopt's algorithms early, which nothing else does.
pub(crate) const STOP_VALUE: f64 = -1e300;
