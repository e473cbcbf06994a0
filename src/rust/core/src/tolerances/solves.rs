//! Thresholds of the iterative engine: residuals of conjugate gradients, relative to the initial
//! ones, and the noise of stochastic estimates.
//!
//! | name | value | decides whether | why this size |
//! |---|---|---|---|
//! | [`EXACT_SOLVE`] | 1e-11 | the solve for X and y has ended | r^2 has the square of the error |
//! | [`SEARCH_SOLVE`] | 1e-8 | the same during a search | gradients keep six digits |
//! | [`SLOPE_SOLVE`] | 1e-6 | the same in generalized models | probe vectors add more noise |
//! | [`STEP_SOLVE`] | 1e-5 | a PIRLS step is accurate | the next step corrects it |
//! | [`SEARCH_NOISE`] | 1e-4 | a small step is taken on trust | noise of the probe vectors |
//! | [`NOISE_SHARE`] | 1e-2 | a noisy search has converged | below `NEGLIGIBLE_GAIN` |
//! | [`NEGLIGIBLE_EXCESS`] | 1e-6 | there are enough probe vectors | as `NEGLIGIBLE_GAIN` |
//! | [`ENOUGH_PROBES`] | 1e-5 | the same in generalized models | a tenth of [`PRECISE`] |
//! | [`PRECISE`] | 1e-4 | a noisy optimum is one | a hundredth of a standard error |
//! | [`HESSIAN_SOLVE`] | 1e-6 | the information is accurate | a step needs no more |
//! | [`VARIANCE_SOLVE`] | 1e-5 | conditional variances are accurate | six digits are printed |
//! | [`VARIANCE_FORM`] | 2e-6 | the same for fixed factors | four digits of standard errors |
//! | [`CONSTANT_SOLVE`] | 1e-7 | log(I + E) is known on constants | that part counts as exact |
//! | [`RANDOM_SOLVE`] | 1e-4 | the same on probe vectors | far below the noise |
//! | [`SINGULAR_SOLVE`] | 1e-4 | Lambda is near singular | half of the digits remain |
//! | [`WEAK_DIRECTION`] | 0.1 | traces are divided by Lambda | noise is divided too |
//! | [`WEAK_NESTED`] | 1e-6 | the same with nested levels | digits that solves leave |
//! | [`NEW_DIRECTION`] | 1e-8 | a constant is independent | rounding of a projection |

/// The relative residual at which a solve for the columns of X and y ends.
pub(crate) const EXACT_SOLVE: f64 = 1e-11;

/// The relative residual of solves for the fixed effects during a search.
pub(crate) const SEARCH_SOLVE: f64 = 1e-8;

/// The relative residual of solves for the gradient of a generalized model during a search: the
/// probe vectors leave a larger error.
pub(crate) const SLOPE_SOLVE: f64 = 1e-6;

/// The relative residual of the linear system of a PIRLS step.
pub(crate) const STEP_SOLVE: f64 = 1e-5;

/// The disagreement between values and gradients of a stochastic objective that a search allows
/// for.
pub(crate) const SEARCH_NOISE: f64 = 1e-4;

/// A search has converged when the predicted decrease is below this share of the noise of its
/// values.
pub(crate) const NOISE_SHARE: f64 = 1e-2;

/// There are enough probe vectors when the expected excess of the objective over its minimum is
/// below this.
pub(crate) const NEGLIGIBLE_EXCESS: f64 = 1e-6;

/// The same threshold for generalized models, whose likelihood is an approximation with a larger
/// error.
pub(crate) const ENOUGH_PROBES: f64 = 1e-5;

/// A point of a stochastic objective is an optimum if its excess over the minimum is below this,
/// which is a hundredth of a standard error.
pub(crate) const PRECISE: f64 = 1e-4;

/// The relative residual of solves for the average information.
pub(crate) const HESSIAN_SOLVE: f64 = 1e-6;

/// The relative residual of solves for conditional variances; the error of a trailing level's own
/// variance is its square.
pub(crate) const VARIANCE_SOLVE: f64 = 1e-5;

/// A solve for a variance that is used for standard errors only ends when the next iteration is
/// expected to add a smaller share to it. The remaining error is about this share, and some times
/// more where convergence is slow.
pub(crate) const VARIANCE_FORM: f64 = 2e-6;

/// The relative residual of solves along the constant vectors of an effect.
pub(crate) const CONSTANT_SOLVE: f64 = 1e-7;

/// The relative residual of solves for random sign (Hutchinson) vectors.
pub(crate) const RANDOM_SOLVE: f64 = 1e-4;

/// Scores are divided by Lambda where its diagonal element, relative to its largest element,
/// exceeds this.
pub(crate) const SINGULAR_SOLVE: f64 = 1e-4;

/// Traces are divided by Lambda in directions whose share of information from the data exceeds
/// this.
pub(crate) const WEAK_DIRECTION: f64 = 0.1;

/// The same threshold where the levels of a term are nested in those of another.
pub(crate) const WEAK_NESTED: f64 = 1e-6;

/// A vector is linearly dependent on others if the squared norm of its residual on them is no
/// larger share of its own.
pub(crate) const NEW_DIRECTION: f64 = 1e-8;
