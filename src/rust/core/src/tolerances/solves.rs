//! Residuals of solves without a factor, relative to those at their start.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`EXACT_SOLVE`] | 1e-11 | is the border solved | its errors are those of r^2, squared |
//! | [`SEARCH_SOLVE`] | 1e-8 | the same during a search | slopes keep six digits |
//! | [`SLOPE_SOLVE`] | 1e-6 | the same of generalized models | random vectors disagree by more |
//! | [`STEP_SOLVE`] | 1e-5 | is a step to the modes known | the next one makes up for it |
//! | [`SEARCH_NOISE`] | 1e-4 | does a step that promises little fall | random vectors disagree |
//! | [`NOISE_SHARE`] | 1e-2 | has a noisy search converged | below `NEGLIGIBLE_GAIN` |
//! | [`NEGLIGIBLE_EXCESS`] | 1e-6 | are there enough random vectors | as `NEGLIGIBLE_GAIN` |
//! | [`ENOUGH_PROBES`] | 1e-5 | the same of generalized models | a tenth of [`PRECISE`] |
//! | [`PRECISE`] | 1e-4 | is a point an optimum as far as known | a hundredth of a standard error |
//! | [`HESSIAN_SOLVE`] | 1e-6 | is the Hessian known | a step needs no more |
//! | [`VARIANCE_SOLVE`] | 1e-5 | are conditional variances known | six digits are printed |
//! | [`VARIANCE_FORM`] | 2e-6 | the same of fixed levels | their standard errors have four digits |
//! | [`CONSTANT_SOLVE`] | 1e-7 | is log(I + E) known along a constant | it is counted as exact |
//! | [`RANDOM_SOLVE`] | 1e-4 | the same along random signs | far below the noise |
//! | [`SINGULAR_SOLVE`] | 1e-4 | is Lambda too small to divide by | half of the digits are left |
//! | [`WEAK_DIRECTION`] | 0.1 | is a direction of Lambda one to divide by | noise is divided too |
//! | [`WEAK_NESTED`] | 1e-6 | the same where levels are nested | the digits that solves leave |
//! | [`NEW_DIRECTION`] | 1e-8 | is a constant one of those before it | rounding of a projection |

/// A solve for the border ends at this residual.
pub(crate) const EXACT_SOLVE: f64 = 1e-11;

/// The residual of solves for the fixed effects during a search, beside that at the start.
pub(crate) const SEARCH_SOLVE: f64 = 1e-8;

/// The residual of solves for slopes during a search of a generalized model: random vectors leave
/// more doubt of these.
pub(crate) const SLOPE_SOLVE: f64 = 1e-6;

/// The residual of a step to the conditional modes, beside that at its start.
pub(crate) const STEP_SOLVE: f64 = 1e-5;

/// Values of a search with random vectors may differ from what slopes predict by this much.
pub(crate) const SEARCH_NOISE: f64 = 1e-4;

/// A search has converged when it predicts a decrease below this share of the noise of its values.
pub(crate) const NOISE_SHARE: f64 = 1e-2;

/// Random vectors enough: the objective is expected to be above its minimum by less.
pub(crate) const NEGLIGIBLE_EXCESS: f64 = 1e-6;

/// Random vectors of a generalized model are enough when the excess over the minimum is below this:
/// its likelihood is an approximation by more.
pub(crate) const ENOUGH_PROBES: f64 = 1e-5;

/// The objective is known to be a minimum up to this much: a hundredth of a standard error.
pub(crate) const PRECISE: f64 = 1e-4;

/// The residual of solves for the average information, beside that at the start.
pub(crate) const HESSIAN_SOLVE: f64 = 1e-6;

/// The residual of solves for conditional variances, beside that at the start: what it leaves of
/// error in a trailing level's own variance is its square.
pub(crate) const VARIANCE_SOLVE: f64 = 1e-5;

/// A solve for a variance that standard errors alone are made of ends when the next iteration is
/// expected to add a smaller share to it: about that is then missing, some times more where solves
/// take long.
pub(crate) const VARIANCE_FORM: f64 = 2e-6;

/// A solve along the constants of an effect ends at this residual.
pub(crate) const CONSTANT_SOLVE: f64 = 1e-7;

/// A solve of random signs ends at this residual.
pub(crate) const RANDOM_SOLVE: f64 = 1e-4;

/// Scores are divided by Lambda where its diagonal is larger, relative to its largest element.
pub(crate) const SINGULAR_SOLVE: f64 = 1e-4;

/// Traces are divided by Lambda in directions of which the data tell a larger share.
pub(crate) const WEAK_DIRECTION: f64 = 0.1;

/// Where levels are nested in those of another term, traces are divided by Lambda in directions of
/// which the data tell a larger share than this one.
pub(crate) const WEAK_NESTED: f64 = 1e-6;

/// A vector of which no larger share is left beside others is a combination of them.
pub(crate) const NEW_DIRECTION: f64 = 1e-8;
