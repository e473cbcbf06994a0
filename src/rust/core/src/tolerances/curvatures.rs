//! Curvatures, as a share of the largest.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`FLAT_CURVATURE`] | 1e-7 | is a curvature zero, or below | rounding at singular Lambda |
//! | [`LEAST_CURVATURE`] | 1e-13 | floor of those of a step | rounding of the eigenvalues |
//! | [`LEAST_INFORMATION`] | 1e-10 | directions without information | the same after a difference |
//! | [`LEAST_COSINE`] | 1e-8 | has BFGS seen a curvature | rounding of a gradient's change |
//! | [`FLAT_SLOPE`] | 0.02 | does a variance matter (absolute) | a seventh of a standard error |
//! | [`INVOLVED_SHARE`] | 1e-3 | is a parameter in a direction | rounding of the eigenvector |
//! | [`MOST_MISSED`] | 0.25 | does a step tell what Hessians leave out | it is some per cent |

/// A curvature of the objective, positive or negative, this small beside the largest may be
/// rounding: the direction is flat.
pub(crate) const FLAT_CURVATURE: f64 = 1e-7;

/// The curvatures of the quadratic model of a Newton step are at least this share of the largest.
pub(crate) const LEAST_CURVATURE: f64 = 1e-13;

/// Eigenvalues of the expected information below this share of the largest carry none.
pub(crate) const LEAST_INFORMATION: f64 = 1e-10;

/// BFGS learns from a step only if the cosine between the step and the change of the gradient is
/// larger.
pub(crate) const LEAST_COSINE: f64 = 1e-8;

/// Covariances may be infinite, or unidentified, if the objective has no more slope and curvature
/// than this in the logarithm of their standard deviations.
pub(crate) const FLAT_SLOPE: f64 = 0.02;

/// A parameter belongs to a flat direction of length one if its element is larger.
pub(crate) const INVOLVED_SHARE: f64 = 1e-3;

/// A step tells what rough Hessians leave out if that is no larger share of the change of the
/// gradient: average information misses some per cent, and a long step sees many curvatures.
pub(crate) const MOST_MISSED: f64 = 0.25;
