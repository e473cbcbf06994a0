//! Steps, and what ends an iteration.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`SUFFICIENT`] | 1e-4 | is a step good enough | Armijo's usual share |
//! | [`LEAST_RADIUS`] | 1e-12 | does the trust region end | no digit of a step is left |
//! | [`RADIUS_SLACK`] | 1e-3 | is a step as long as wanted | its length is a guess anyway |
//! | [`XTOL_ABS`] | 1e-10 | has NLopt converged | below any printed digit |
//! | [`SHAPE_STEP`] | 1e-13 | is the dispersion found | it is no parameter: nearly exact |
//! | [`SHAPE_NOISE`] | 1e-11 | may it be, if no step helps | the deviance is a rounded sum |
//! | [`RATE_SHARE`] | 1e-10 | are modes found at a linear rate | the gradient needs them exact |
//! | [`SIGMA_STEP`] | 0.1 | first step in log sigma | a tenth of sigma |
//! | [`FIRST_STEP_LOW`] | 1e-3 | first step of NLopt | any fixed effect, in its unit |
//! | [`FIRST_STEP_HIGH`] | 0.75 | the same | rough guesses are too large |
//! | [`DIFFERENCE_STEP`] | 1e-3 | step of differences of gradients | its square, and 1e-10 by it |
//! | [`THETA_STEP`] | 1e-5 | step of differences of theta | the third root of a rounding error |
//! | [`SMALL_MEAN`] | 1e-3 | start where the mean has no link | near zero, and inside |
//! | [`SMALL_TERM`] | 0.01 | start nearly without a term | at zero there is no slope |
//! | [`LEAST_DISPERSION`] | 1e-6 | start at an exact fit | random effects add to it |

/// The share of the decrease it promises that a step must bring, in a trust region as in a line
/// search.
pub(crate) const SUFFICIENT: f64 = 1e-4;

/// The trust region ends at this share of its first radius.
pub(crate) const LEAST_RADIUS: f64 = 1e-12;

/// A step of the trust region may be longer than its radius by this share.
pub(crate) const RADIUS_SLACK: f64 = 1e-3;

/// The default of NLopt's `xtol_abs`.
pub(crate) const XTOL_ABS: f64 = 1e-10;

/// The dispersion that its deviance implies is found when its logarithm is off by less.
pub(crate) const SHAPE_STEP: f64 = 1e-13;

/// Below this excess of the logarithm of a dispersion steps that make it no smaller are rounding
/// errors of the deviance.
pub(crate) const SHAPE_NOISE: f64 = 1e-11;

/// Where modes converge at a linear rate only, what is left must be this share of the tolerance.
pub(crate) const RATE_SHARE: f64 = 1e-10;

/// The first step in the logarithm of sigma, where that is a parameter.
pub(crate) const SIGMA_STEP: f64 = 0.1;

/// The smallest first step of NLopt's algorithms in a generalized model, from a guess at the
/// standard error.
pub(crate) const FIRST_STEP_LOW: f64 = 1e-3;

/// The largest first step of NLopt's algorithms in a generalized model, from a guess at the
/// standard error.
pub(crate) const FIRST_STEP_HIGH: f64 = 0.75;

/// The step of central differences of an exact gradient, in rough standard errors.
pub(crate) const DIFFERENCE_STEP: f64 = 1e-3;

/// The relative step of differences between thetas of two sets of effects.
pub(crate) const THETA_STEP: f64 = 1e-5;

/// The mean whose linear predictor starts the fit where that of the mean response is infinite, as a
/// share of the responses' size.
pub(crate) const SMALL_MEAN: f64 = 1e-3;

/// The size of one term's random effects where a start of a generalized fit is nearly without it.
pub(crate) const SMALL_TERM: f64 = 0.01;

/// The dispersion that starts the fit is at least this share of that of one mean for all.
pub(crate) const LEAST_DISPERSION: f64 = 1e-6;
