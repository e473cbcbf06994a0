//! Thresholds of step lengths, and of the convergence of iterations.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`SUFFICIENT`] | 1e-4 | whether a step is accepted | Armijo's usual constant |
//! | [`CONFIRMED`] | 0.25 | whether values confirm a prediction | higher orders are negligible |
//! | [`LEAST_RADIUS`] | 1e-12 | whether the trust region ends | no digit of a step remains |
//! | [`RADIUS_SLACK`] | 1e-3 | whether a step fits the radius | the radius is heuristic |
//! | [`XTOL_ABS`] | 1e-10 | whether NLopt has converged | below any printed digit |
//! | [`SHAPE_STEP`] | 1e-13 | whether a profiled shape has converged | it must be nearly exact |
//! | [`SHAPE_NOISE`] | 1e-11 | the same where no step helps | rounding of the deviance |
//! | [`RATE_SHARE`] | 1e-10 | whether slow PIRLS has converged | gradients need exact modes |
//! | [`SIGMA_STEP`] | 0.1 | first step in log sigma | a tenth of sigma |
//! | [`FIRST_STEP_LOW`] | 1e-3 | least first step of NLopt | any fixed effect, in its unit |
//! | [`FIRST_STEP_HIGH`] | 0.75 | largest first step of NLopt | rough guesses are too large |
//! | [`LEVEL_STEP`] | 1e-2 | step of differences of levels | its square, and 1e-13 over that |
//! | [`DIFFERENCE_STEP`] | 1e-3 | step of gradient differences | its square, and 1e-10 over it |
//! | [`LOG_SHAPE_STEP`] | 1e-2 | step of differences in log shape | the square of it |
//! | [`THETA_STEP`] | 1e-5 | step of differences of theta | the cube root of a rounding error |
//! | [`SMALL_MEAN`] | 1e-3 | start where g(mean) is infinite | near zero, but inside |
//! | [`SYMMETRIC`] | 1e-8 | a fixed effect is zero by symmetry | more than errors of PIRLS |
//! | [`NUDGE`] | 0.01 | a step away from a symmetric start | its gain, 1e-4, is not rounding |
//! | [`SIMILAR_SIZES`] | 10.0 | columns of one standard deviation | optima a unit of theta apart |
//! | [`SMALL_TERM`] | 0.01 | start with a term nearly zero | no gradient at zero |
//! | [`LEAST_DISPERSION`] | 1e-6 | start at an exact fit | random effects add to it |

/// The share of its predicted decrease that an accepted step must achieve, in the trust region as
/// in a line search (Armijo's condition).
pub(crate) const SUFFICIENT: f64 = 1e-4;

/// The decrease of a step confirms the predicted one if it differs from it by a smaller share.
pub(crate) const CONFIRMED: f64 = 0.25;

/// The trust region ends at this share of its initial radius.
pub(crate) const LEAST_RADIUS: f64 = 1e-12;

/// A step of the trust region may exceed the radius by this share.
pub(crate) const RADIUS_SLACK: f64 = 1e-3;

/// The default of NLopt's `xtol_abs`.
pub(crate) const XTOL_ABS: f64 = 1e-10;

/// A profiled dispersion has converged when the error of its logarithm is smaller.
pub(crate) const SHAPE_STEP: f64 = 1e-13;

/// If the logarithm of a dispersion is off by less than this, steps that fail to reduce the error
/// are rounding errors of the deviance.
pub(crate) const SHAPE_NOISE: f64 = 1e-11;

/// Where PIRLS converges only linearly, the extrapolated error must be below this share of the
/// tolerance.
pub(crate) const RATE_SHARE: f64 = 1e-10;

/// The first step in log sigma, where sigma is a parameter of the search.
pub(crate) const SIGMA_STEP: f64 = 0.1;

/// The smallest first step of NLopt's algorithms in a generalized model; steps are estimated
/// standard errors.
pub(crate) const FIRST_STEP_LOW: f64 = 1e-3;

/// The largest first step of NLopt's algorithms in a generalized model; steps are estimated
/// standard errors.
pub(crate) const FIRST_STEP_HIGH: f64 = 0.75;

/// The step of differences of the coefficients of fixed factors, in approximate standard errors of
/// a sum of them.
pub(crate) const LEVEL_STEP: f64 = 1e-2;

/// The step of central differences of an exact gradient, in approximate standard errors.
pub(crate) const DIFFERENCE_STEP: f64 = 1e-3;

/// The step in the logarithm of the shape of differences of slopes, for a search's Hessian.
pub(crate) const LOG_SHAPE_STEP: f64 = 1e-2;

/// The relative step of the numerical Jacobian between the thetas of two parameterizations.
pub(crate) const THETA_STEP: f64 = 1e-5;

/// The mean at which a fit starts where the link function of the mean response is infinite,
/// relative to the size of the responses.
pub(crate) const SMALL_MEAN: f64 = 1e-3;

/// A fixed effect below this share of its standard error is zero by the symmetry of the data.
pub(crate) const SYMMETRIC: f64 = 1e-8;

/// The share of its standard error at which such a fixed effect starts.
pub(crate) const NUDGE: f64 = 0.01;

/// Largest ratio of the root mean squares of columns of Z with one standard deviation at which they
/// have similar sizes, so that their random effects have one optimum.
pub(crate) const SIMILAR_SIZES: f64 = 10.0;

/// The standard deviation of a term at a start of a generalized fit that nearly omits the term.
pub(crate) const SMALL_TERM: f64 = 0.01;

/// The dispersion at which a fit starts is at least this share of that of the model with one common
/// mean.
pub(crate) const LEAST_DISPERSION: f64 = 1e-6;
