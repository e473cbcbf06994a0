//! Thresholds of curvatures (eigenvalues of Hessians), relative to the largest one.
//!
//! | name | value | decides whether | why this size |
//! |---|---|---|---|
//! | [`FLAT_CURVATURE`] | 1e-7 | a curvature is zero, or negative | rounding at singular Lambda |
//! | [`LEAST_CURVATURE`] | 1e-13 | a Newton step raises a curvature | rounding of eigenvalues |
//! | [`LEAST_INFORMATION`] | 1e-10 | a direction has information | rounding after a difference |
//! | [`LEAST_COSINE`] | 1e-8 | BFGS updates its inverse Hessian | rounding of the difference |
//! | [`FLAT_SLOPE`] | 0.02 | a variance matters (absolute) | a seventh of a standard error |
//! | [`INVOLVED_SHARE`] | 1e-3 | a parameter is part of a direction | rounding of eigenvectors |
//! | [`MOST_MISSED`] | 0.5 | a Hessian is corrected | average information errs by less |

/// A direction is flat if its curvature, positive or negative, is no larger share of the largest:
/// it may be rounding error.
pub(crate) const FLAT_CURVATURE: f64 = 1e-7;

/// Lower bound of the curvatures in the quadratic model of a Newton step, relative to the largest.
pub(crate) const LEAST_CURVATURE: f64 = 1e-13;

/// Eigenvalues of the expected information below this share of the largest count as zero.
pub(crate) const LEAST_INFORMATION: f64 = 1e-10;

/// BFGS updates the inverse Hessian only if the cosine of the angle between the step and the change
/// of the gradient is larger than this.
pub(crate) const LEAST_COSINE: f64 = 1e-8;

/// Covariances may be infinite, or unidentified, if the first and second derivatives of the
/// objective in the logarithm of their standard deviations are no larger than this.
pub(crate) const FLAT_SLOPE: f64 = 0.02;

/// A parameter belongs to a flat direction, a unit vector, if its element is larger than this.
pub(crate) const INVOLVED_SHARE: f64 = 1e-3;

/// Largest secant residual, relative to the change of the gradient, for which an approximate
/// Hessian is corrected. Average information errs by some per cent, that of large unstructured
/// terms by up to 0.4; a larger residual means that the curvature changes along the step.
pub(crate) const MOST_MISSED: f64 = 0.5;
