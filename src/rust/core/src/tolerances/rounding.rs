//! Rounding errors of the objective, relative to it.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`STEP_NOISE`] | 1e-14 | did a Newton step fall | a sum of few logarithms, nearly exact |
//! | [`VALUE_NOISE`] | 1e-13 | did a step fall, is a gain real | sums over observations |
//! | [`PIRLS_NOISE`] | 1e-12 | did a step to the modes fall | sums over observations that cancel |
//! | [`NOISE_MARGIN`] | 10.0 | is a difference all noise | rounding errors of two values and some |
//! | [`FTOL_REL`] | 1e-12 | has NLopt converged | above all of these |
//! | [`START_NOISE`] | 1e-10 | did a step to the start fall | the start needs no digits |
//! | [`START_GAIN`] | 1e-8 | is the start found | the same |

/// The rounding error of an objective, relative to it, where its covariances are near the residual
/// variance; it grows with their ratio.
pub(crate) const STEP_NOISE: f64 = 1e-14;

/// The rounding error of a generalized model's objective, relative to it, by which a step of a line
/// search may rise.
pub(crate) const VALUE_NOISE: f64 = 1e-13;

/// The rounding error of a penalized deviance, relative to it, by which a step to the modes may
/// rise.
pub(crate) const PIRLS_NOISE: f64 = 1e-12;

/// Differences of the objective up to so many rounding errors may be nothing else.
pub(crate) const NOISE_MARGIN: f64 = 10.0;

/// The default of NLopt's `ftol_rel`.
pub(crate) const FTOL_REL: f64 = 1e-12;

/// The share of the log-likelihood by which a step to the start of the fixed effects may lower it.
pub(crate) const START_NOISE: f64 = 1e-10;

/// The start of the fixed effects is found when the log-likelihood gains a smaller share.
pub(crate) const START_GAIN: f64 = 1e-8;
