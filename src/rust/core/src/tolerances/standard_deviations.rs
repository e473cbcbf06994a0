//! Thresholds of standard deviations of random effects, relative to that of the residuals, for a
//! column of Z with a mean square of one.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`ZERO_SD`] | 1e-3 | whether a standard deviation is zero | searches end below it |
//! | [`CLEAR_SD`] | 0.01 | whether one is far from zero | ten times `ZERO_SD` |
//! | [`KNOWN_SD`] | 1e-4 | whether one has no standard error | the likelihood is flat there |
//! | [`LARGE_SD`] | 100.0 | whether one may be infinite | residuals hardly matter there |
//! | [`LARGE_SHARE`] | 0.1 | whether one is among the largest | rounding errors of a hundredth |
//! | [`ORDINARY_LOW`] | 1e-4 | whether Lambda = I is a good start | below, Z'Z dominates |
//! | [`ORDINARY_HIGH`] | 1e4 | the same | above, Z'Z vanishes |
//! | [`SINGULAR_VARIANCE`] | 1e-6 | whether a covariance is singular | the square of `ZERO_SD` |
//! | [`TURNING_SLOPE`] | 1e-5 | whether such a one needs a Hessian | ten negligible gains |
//! | [`LEAST_VARIANCE`] | 0.01 | least share left by a scoring step | no gradient at zero |
//! | [`LARGEST_EXPLAINED`] | 0.95 | largest R^2 after a scoring step | the same |
//! | [`OMEGA_STEP`] | 1e-4 | the step of a difference of Omega | differences keep eight digits |
//! | [`OMEGA_CHANGE`] | 1e-5 | whether Omega changes | the step squared, and a margin |
//! | [`SAME_COVARIANCE`] | 1e-12 | whether two covariances are equal | rounding of their products |
//! | [`NOTHING_LEFT`] | 1e-14 | whether correlations are singular | rounding of 1 minus a square |
//! | [`ROUNDED_CORRELATION`] | 1e-9 | whether a correlation is admissible | users round |

/// The only definition of a zero standard deviation of random effects: at most this multiple of
/// sigma, for a column with a mean square of one. A search only approaches zero, or stops where the
/// objective is flat, but ends closer to zero than this.
pub(crate) const ZERO_SD: f64 = 1e-3;

/// A standard deviation above this multiple of sigma is clearly positive.
pub(crate) const CLEAR_SD: f64 = 0.01;

/// A standard deviation below this multiple of sigma has no standard error: the covariance of the
/// other estimates is computed as if it were known to be zero.
pub(crate) const KNOWN_SD: f64 = 1e-4;

/// A standard deviation above this multiple of sigma is unbounded if the objective is flat in it.
pub(crate) const LARGE_SD: f64 = 100.0;

/// A standard deviation is among the largest ones if it is at least this share of the largest.
pub(crate) const LARGE_SHARE: f64 = 0.1;

/// The smallest reciprocal root mean square of a column of Z for which Lambda = I is a good start.
pub(crate) const ORDINARY_LOW: f64 = 1e-4;

/// The largest reciprocal root mean square of a column of Z for which Lambda = I is a good start.
pub(crate) const ORDINARY_HIGH: f64 = 1e4;

/// A covariance is singular if one of its pivots is a smaller share of the largest variance: the
/// square of [`ZERO_SD`].
pub(crate) const SINGULAR_VARIANCE: f64 = ZERO_SD * ZERO_SD;

/// At a singular covariance the Hessian is needed if the directional derivative, for a change as
/// large as the largest variance, exceeds this.
pub(crate) const TURNING_SLOPE: f64 = 1e-5;

/// The least share of a variance that a step of Fisher scoring leaves: at zero the gradient would
/// vanish.
pub(crate) const LEAST_VARIANCE: f64 = 0.01;

/// The largest share of a variance that the preceding effects explain after a step of Fisher
/// scoring, whose matrix need not be positive definite.
pub(crate) const LARGEST_EXPLAINED: f64 = 0.95;

/// The step, in units of the parameters, of the difference that tests whether a covariance changes
/// along a direction.
pub(crate) const OMEGA_STEP: f64 = 1e-4;

/// A covariance changes along a direction if its relative difference over the step exceeds this.
pub(crate) const OMEGA_CHANGE: f64 = 1e-5;

/// Two covariances are equal if no element differs by a larger share of the largest variance.
pub(crate) const SAME_COVARIANCE: f64 = 1e-12;

/// Correlations that leave a smaller share of an effect's variance unexplained determine the
/// effect.
pub(crate) const NOTHING_LEFT: f64 = 1e-14;

/// A correlation may exceed its admissible range, given the other correlations, by this much.
pub(crate) const ROUNDED_CORRELATION: f64 = 1e-9;
