//! Standard deviations, over that of the residuals, for a column with a mean square of one.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`ZERO_SD`] | 1e-3 | is a standard deviation zero | printed as zero; searches end nearer |
//! | [`KNOWN_SD`] | 1e-4 | does one count as known | its likelihood has no curvature there |
//! | [`LARGE_SD`] | 100.0 | may one be infinite | the residuals hardly matter any more |
//! | [`LARGE_SHARE`] | 0.1 | is one among the largest | a hundredth of the rounding errors |
//! | [`ORDINARY_LOW`] | 1e-4 | is Lambda = I a fair start | beyond, Z'Z swamps the identity |
//! | [`ORDINARY_HIGH`] | 1e4 | the same | beyond, Z'Z vanishes beside it |
//! | [`SINGULAR_VARIANCE`] | 1e-6 | is a covariance singular | the square of `ZERO_SD` |
//! | [`TURNING_SLOPE`] | 1e-5 | does such a one need a Hessian | ten times what counts |
//! | [`LEAST_VARIANCE`] | 0.01 | the least share a scoring step keeps | at zero there is no slope |
//! | [`LARGEST_EXPLAINED`] | 0.95 | the most a correlation may explain | the same |
//! | [`OMEGA_STEP`] | 1e-4 | step of a difference of Omega | differences keep eight digits |
//! | [`OMEGA_CHANGE`] | 1e-5 | has Omega changed along it | the step squared, and some |
//! | [`SAME_COVARIANCE`] | 1e-12 | are two covariances the same | rounding of their products |
//! | [`NOTHING_LEFT`] | 1e-14 | do correlations leave no variance | rounding of 1 minus a square |
//! | [`ROUNDED_CORRELATION`] | 1e-9 | is a correlation in its range | as users print and add them |

/// The one answer to the question when a standard deviation of random effects is zero: at most this
/// much over sigma, for a column with a mean square of one. A search only approaches zero, or stays
/// where the objective is flat, and ends nearer than this.
pub(crate) const ZERO_SD: f64 = 1e-3;

/// A standard deviation over sigma below this, for a column with a mean square of one, has no
/// standard error: the covariance of the other estimates is that at zero.
pub(crate) const KNOWN_SD: f64 = 1e-4;

/// A standard deviation over sigma that is larger, for a column with a mean square of one, has no
/// bound if the objective is flat.
pub(crate) const LARGE_SD: f64 = 100.0;

/// A standard deviation is among the largest ones if it is at least this share of the largest.
pub(crate) const LARGE_SHARE: f64 = 0.1;

/// The smallest inverse of the root mean square of a column of Z for which Lambda = I is a fair
/// start.
pub(crate) const ORDINARY_LOW: f64 = 1e-4;

/// The largest inverse of the root mean square of a column of Z for which Lambda = I is a fair
/// start.
pub(crate) const ORDINARY_HIGH: f64 = 1e4;

/// A covariance is singular if one of its pivots is a smaller share of the largest variance: the
/// square of [`ZERO_SD`].
pub(crate) const SINGULAR_VARIANCE: f64 = ZERO_SD * ZERO_SD;

/// A slope in a singular covariance of the size of its largest variance that calls for the Hessian.
pub(crate) const TURNING_SLOPE: f64 = 1e-5;

/// The least share of a variance that a step of Fisher scoring leaves: at zero the search would see
/// no slope.
pub(crate) const LEAST_VARIANCE: f64 = 0.01;

/// The largest share of a variance that the effects before it explain after a step of Fisher
/// scoring, whose matrix need not be positive definite.
pub(crate) const LARGEST_EXPLAINED: f64 = 0.95;

/// The step, in units of the parameters, by which a direction is asked whether it changes a
/// covariance.
pub(crate) const OMEGA_STEP: f64 = 1e-4;

/// A covariance changes along a direction if its difference over the step is a larger share of it.
pub(crate) const OMEGA_CHANGE: f64 = 1e-5;

/// Two covariances are the same if no element differs by a larger share of the largest variance.
pub(crate) const SAME_COVARIANCE: f64 = 1e-12;

/// Correlations that leave a smaller share of an effect's variance determine the effect.
pub(crate) const NOTHING_LEFT: f64 = 1e-14;

/// A correlation may be beyond the range that others leave to it by this much.
pub(crate) const ROUNDED_CORRELATION: f64 = 1e-9;
