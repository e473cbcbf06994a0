//! Thresholds of rounding errors, relative to the objective if nothing else is said.
//!
//! | name | value | decides whether | why this size |
//! |---|---|---|---|
//! | [`STEP_NOISE`] | 1e-14 | a Newton step lowers d(theta) | a sum of few logarithms |
//! | [`VALUE_NOISE`] | 1e-13 | a step or gain is real | sums over observations |
//! | [`PIRLS_NOISE`] | 1e-12 | a PIRLS step lowers the deviance | sums that cancel |
//! | [`LARGE_DEVIANCE`] | 1e3 | rows' deviances are sums that cancel | that of a row is about one |
//! | [`NOISE_MARGIN`] | 10.0 | a difference is all noise | rounding errors of both values |
//! | [`FEW_DIGITS`] | 1.0 | rounding may hide a minimum (absolute) | a difference that matters |
//! | [`NO_DIGITS`] | 10.0 | a value says nothing (absolute) | the range of likely differences |
//! | [`FTOL_REL`] | 1e-12 | NLopt has converged | above all of these |
//! | [`START_NOISE`] | 1e-10 | a step to the start is accepted | the start needs no digits |
//! | [`START_GAIN`] | 1e-8 | the start has been found | the same |
//! | [`SAME_VALUE`] | 1e-6 | two elements of a column are equal | far beyond rounding |

/// The relative rounding error of a linear model's objective where the random-effects variances are
/// comparable to the residual variance; it grows with their ratio.
pub(crate) const STEP_NOISE: f64 = 1e-14;

/// The relative rounding error of a generalized model's objective: the increase that a line search
/// accepts.
pub(crate) const VALUE_NOISE: f64 = 1e-13;

/// The relative rounding error of a penalized deviance: the increase that a PIRLS step may have.
pub(crate) const PIRLS_NOISE: f64 = 1e-12;

/// With large prior weights the deviance of a row is larger than this, and its terms cancel.
pub(crate) const LARGE_DEVIANCE: f64 = 1e3;

/// A difference of the objective of at most this many rounding errors may be rounding error only.
pub(crate) const NOISE_MARGIN: f64 = 10.0;

/// Values of the objective with a larger rounding error may hide a minimum that matters.
pub(crate) const FEW_DIGITS: f64 = 1.0;

/// Values of the objective with a larger rounding error say nothing about minima.
pub(crate) const NO_DIGITS: f64 = 10.0;

/// The default of NLopt's `ftol_rel`.
pub(crate) const FTOL_REL: f64 = 1e-12;

/// The relative decrease of the log-likelihood that a step to the start of the fixed effects may
/// have.
pub(crate) const START_NOISE: f64 = 1e-10;

/// The start of the fixed effects has been found when the relative gain of the log-likelihood is
/// smaller.
pub(crate) const START_GAIN: f64 = 1e-8;

/// Elements of a column with two values are equal if they differ by no more than this share of the
/// difference of the two.
pub(crate) const SAME_VALUE: f64 = 1e-6;
