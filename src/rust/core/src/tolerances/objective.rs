//! Differences of the objective, in its own units (minus twice a log-likelihood; one standard error
//! of a parameter is a difference of one).
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`NEGLIGIBLE_GAIN`] | 1e-6 | is a point an optimum | a thousandth of a standard error |
//! | [`CLEARLY_NEGLIGIBLE_GAIN`] | 1e-8 | the same by a rough Hessian | wrong by less than 100 |
//! | [`NO_GAIN`] | 1e-9 | are two values the same | rounding of values up to about 1e5 |
//! | [`ZERO_COST`] | 1e-7 | may an effect be dropped | a tenth of what counts |
//! | [`PROMISING_LOSS`] | 4.0 | is a point worth a search | a few parameters off by one s.e. |
//! | [`FTOL_ABS`] | 1e-8 | has the optimizer converged | a hundredth of what counts |
//! | [`FTOL_SHARE`] | 1e-3 | the same for Newton's method | six printed digits hold |
//! | [`FAST_GAIN`] | 1e-3 | may the fast stage end | another stage follows |
//! | [`ROUGH_GAIN`] | 0.1 | the same without a factor | the next stage moves it by more |
//! | [`FAR_GAIN`] | 1.0 | is a Hessian too far away | steps within an s.e. see one curvature |
//! | [`OTHER_MINIMUM`] | 1e-4 | does a restart count | more than an error of the search |
//! | [`UNDISCOVERED`] | 5e-3 | have enough starts been tried | 21 searches if all ended in one |
//! | [`BETTER_START`] | 3e-3 | is another start better | three times the fast stage's error |
//! | [`NEAR_OPTIMUM`] | 1e-2 | does the observed information lead further | a tenth of an s.e. |
//! | [`IMPRECISE`] | 1e-4 | can rounding hide an optimum | what makes another minimum |
//! | [`STALLED`] | 1e-6 | do many steps lead anywhere | what counts as a gain |
//! | [`NEAR`] | 1.0 | are modes near | within a standard error |
//! | [`SQUARING`] | 0.03 | does Newton's method square the error | steps a sixth of those before |
//! | [`DECREMENT`] | 1e-9 | are modes found | the step is taken, which squares it |
//! | [`FINE_DECREMENT`] | 1e-10 | the same below differences | these divide by their step squared |
//! | [`SETTLED_SHARE`] | 1e-3 | are levels of a fixed factor settled | of what modes may leave |

/// A Newton step that promises more, in units of the objective, says that a point is no optimum: at
/// 1e-6 estimates are within a thousandth of a standard error of it.
pub(crate) const NEGLIGIBLE_GAIN: f64 = 1e-6;

/// A gain that a rough Hessian predicts is negligible by the exact one too if it is smaller still.
pub(crate) const CLEARLY_NEGLIGIBLE_GAIN: f64 = 1e-8;

/// Two objectives that differ by less are the same: a search has gained nothing, a parameter makes
/// no difference, a verdict needs no second opinion.
pub(crate) const NO_GAIN: f64 = 1e-9;

/// A standard deviation of a generalized model near zero becomes zero if the objective rises by no
/// more.
pub(crate) const ZERO_COST: f64 = 1e-7;

/// Another search starts from a point, beside correlations and without one of the standard
/// deviations, whose objective is above the best one by no more.
pub(crate) const PROMISING_LOSS: f64 = 4.0;

/// The default of NLopt's `ftol_abs`: an optimizer has converged when the objective changes by
/// less.
pub(crate) const FTOL_ABS: f64 = 1e-8;

/// Newton's method has converged when it predicts a decrease below this share of `ftol_abs`. What
/// is left is an error of 1e-5 standard errors, so that six printed digits hold, for one step more
/// than the objective alone would need.
pub(crate) const FTOL_SHARE: f64 = 1e-3;

/// The fast stage of a generalized fit ends when a step promises less: another stage follows.
pub(crate) const FAST_GAIN: f64 = 1e-3;

/// The fast stage of the iterative engine ends when a step promises less: the next one needs no
/// nearer start, as it moves the fixed effects by more.
pub(crate) const ROUGH_GAIN: f64 = 0.1;

/// From where a step promises more than this the Hessian at its end is computed anew, if that is
/// cheap; nearer the optimum what BFGS learns is better.
pub(crate) const FAR_GAIN: f64 = 1.0;

/// A restart leads to another minimum if that is lower by more, in units of the objective.
pub(crate) const OTHER_MINIMUM: f64 = 1e-4;

/// Enough random starts: minima not yet found are expected to be reached from a smaller share.
pub(crate) const UNDISCOVERED: f64 = 5e-3;

/// Another start of a generalized fit leads to another optimum if its fast stage ends lower by
/// more.
pub(crate) const BETTER_START: f64 = 3e-3;

/// Where a step promises less than this the objective is nearly quadratic, and steps by the
/// observed information converge faster than by the average one; further away it is the other way
/// round.
pub(crate) const NEAR_OPTIMUM: f64 = 1e-2;

/// An objective with a larger rounding error can't tell its minimum from the points around it.
pub(crate) const IMPRECISE: f64 = 1e-4;

/// A search by Newton's method ends when many steps together have gained less: where the optimum
/// lies at infinity, each step has a little to gain, and so has the next.
pub(crate) const STALLED: f64 = 1e-6;

/// Modes are near when a step to them lowers the penalized deviance by no more than this many
/// dispersions: Newton's method may then take the exact Hessian.
pub(crate) const NEAR: f64 = 1.0;

/// Newton's method squares the error of the modes where a decrement is a smaller share of the one
/// before: the next one can be foreseen.
pub(crate) const SQUARING: f64 = 0.03;

/// The default of the decrement at which the modes of a generalized model are found. The step that
/// predicts it has been taken, and Newton's method squares the error, so that modes are exact to
/// rounding.
pub(crate) const DECREMENT: f64 = 1e-9;

/// The decrement of the modes below differences of the gradient.
pub(crate) const FINE_DECREMENT: f64 = 1e-10;

/// The coefficients of fixed factors are settled when what their last correction gained was this
/// share of what a search for the modes may leave.
pub(crate) const SETTLED_SHARE: f64 = 1e-3;
