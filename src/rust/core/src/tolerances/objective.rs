//! Thresholds of differences of the objective, in its own units: minus twice a log-likelihood,
//! which rises by one when a parameter moves one standard error away from the optimum.
//!
//! | name | value | decides whether | why this size |
//! |---|---|---|---|
//! | [`NEGLIGIBLE_GAIN`] | 1e-6 | a point is an optimum | a thousandth of a standard error |
//! | [`CLEARLY_NEGLIGIBLE_GAIN`] | 1e-8 | the same by a rough Hessian | it errs by less than 100 |
//! | [`NO_GAIN`] | 1e-9 | two values are equal | rounding of values up to about 1e5 |
//! | [`ZERO_COST`] | 1e-7 | an effect can be dropped | a tenth of a negligible gain |
//! | [`PROMISING_LOSS`] | 4.0 | a search starts at a point | a few parameters off by one s.e. |
//! | [`FTOL_ABS`] | 1e-8 | the optimizer has converged | a hundredth of a negligible gain |
//! | [`FTOL_SHARE`] | 1e-3 | Newton's method has converged | six printed digits are correct |
//! | [`FAST_GAIN`] | 1e-3 | the fast stage has converged | another stage follows |
//! | [`RANDOM_GAIN`] | 1e-5 | a search from a random start has converged | optima differ by more |
//! | [`ROUGH_GAIN`] | 0.1 | the same for the iterative engine | the next stage moves by more |
//! | [`FAR_GAIN`] | 1.0 | BFGS recomputes the Hessian | within one s.e. curvature is constant |
//! | [`OTHER_MINIMUM`] | 1e-4 | a search found another minimum | more than its error |
//! | [`UNDISCOVERED`] | 2e-3 | random starts can stop | 33 searches that end in one minimum |
//! | [`BETTER_START`] | 3e-3 | another start is better | three times the error of the fast stage |
//! | [`NEAR_OPTIMUM`] | 1e-2 | observed information is better | a tenth of a standard error |
//! | [`NOTICEABLE_JUMP`] | 1e-4 | a node beyond its range matters | the size of `OTHER_MINIMUM` |
//! | [`IMPRECISE`] | 1e-4 | rounding can hide an optimum | the size of `OTHER_MINIMUM` |
//! | [`STALLED`] | 1e-6 | a search has stalled | a negligible gain |
//! | [`NEAR`] | 1.0 | PIRLS takes the exact Hessian | within one standard error |
//! | [`SQUARING`] | 0.03 | PIRLS converges quadratically | each step a sixth of the last |
//! | [`DECREMENT`] | 1e-9 | PIRLS has converged | the last step squares the error |
//! | [`FINE_DECREMENT`] | 1e-10 | the same for differences | they divide by the step squared |
//! | [`LEAST_GAIN`] | 1e-4 | a step for the levels is taken | any true decrease suffices |
//! | [`LEAST_CHANGE`] | 1e-3 | slopes change as at a minimum | far below one, their usual share |
//! | [`SETTLED_SHARE`] | 1e-3 | fixed-factor levels have converged | a share of PIRLS's tolerance |

/// A point is no optimum if a Newton step from it predicts a larger decrease of the objective. At
/// this threshold the estimates are within a thousandth of a standard error of the optimum.
pub(crate) const NEGLIGIBLE_GAIN: f64 = 1e-6;

/// A decrease predicted by an approximate Hessian that is smaller than this is negligible by the
/// exact Hessian too.
pub(crate) const CLEARLY_NEGLIGIBLE_GAIN: f64 = 1e-8;

/// Two objective values that differ by less are equal: a search has gained nothing, a parameter has
/// no effect, a verdict needs no confirmation.
pub(crate) const NO_GAIN: f64 = 1e-9;

/// A standard deviation of a generalized model that is nearly zero is set to zero if this raises
/// the objective by no more.
pub(crate) const ZERO_COST: f64 = 1e-7;

/// A trial point (other correlations, or one standard deviation less) becomes the start of another
/// search if its objective exceeds the best one by no more.
pub(crate) const PROMISING_LOSS: f64 = 4.0;

/// The default of NLopt's `ftol_abs`: an optimizer has converged when the objective changes by
/// less.
pub(crate) const FTOL_ABS: f64 = 1e-8;

/// Newton's method has converged when the predicted decrease is below this share of `ftol_abs`. The
/// remaining error is 1e-5 standard errors, so that six printed digits are correct, at the cost of
/// one step more than the objective alone would need.
pub(crate) const FTOL_SHARE: f64 = 1e-3;

/// The fast stage of a generalized fit ends when a step predicts a smaller decrease, as another
/// stage follows.
pub(crate) const FAST_GAIN: f64 = 1e-3;

/// A search from a random start of a generalized fit ends when a step predicts a smaller decrease.
/// Searches that end earlier seem to have found ever new optima, so that there are more of them.
pub(crate) const RANDOM_GAIN: f64 = 1e-5;

/// The fast stage of the iterative engine ends when a step predicts a smaller decrease: a more
/// accurate start would not help, since the next stage moves the fixed effects by more.
pub(crate) const ROUGH_GAIN: f64 = 0.1;

/// After a BFGS step whose predicted decrease exceeds this, the Hessian is computed anew if that is
/// cheap. For shorter steps the BFGS update is the better approximation.
pub(crate) const FAR_GAIN: f64 = 1.0;

/// A restart has found another minimum if its objective is lower by more than this.
pub(crate) const OTHER_MINIMUM: f64 = 1e-4;

/// Random starts stop when the expected probability that the next one leads to a new minimum is
/// below this.
pub(crate) const UNDISCOVERED: f64 = 2e-3;

/// Another start of a generalized fit leads to another optimum if its fast stage ends lower by more
/// than this.
pub(crate) const BETTER_START: f64 = 3e-3;

/// Where a step predicts a smaller decrease the objective is nearly quadratic, and steps by the
/// observed information converge faster than steps by the average information; farther from the
/// optimum the average information is the better choice.
pub(crate) const NEAR_OPTIMUM: f64 = 1e-2;

/// If the objective jumps by more than this as a quadrature node leaves the range of the link, it
/// may have several minima that differ noticeably.
pub(crate) const NOTICEABLE_JUMP: f64 = 1e-4;

/// If the rounding error of the objective exceeds this, its minimum cannot be distinguished from
/// neighbouring points.
pub(crate) const IMPRECISE: f64 = 1e-4;

/// Newton's method stops when many consecutive steps together have lowered the objective by less.
/// Such a sequence arises where the optimum is at infinity, so that every step has a small gain.
pub(crate) const STALLED: f64 = 1e-6;

/// PIRLS uses the exact Hessian once a step predicts a decrease of the penalized deviance, in units
/// of the dispersion, below this.
pub(crate) const NEAR: f64 = 1.0;

/// PIRLS converges quadratically where a Newton decrement is a smaller share of the previous one,
/// so that the next decrement can be predicted.
pub(crate) const SQUARING: f64 = 0.03;

/// The default of the Newton decrement at which PIRLS has converged. The step that predicts it is
/// still taken, and Newton's method squares the error, so that the modes are exact to rounding.
pub(crate) const DECREMENT: f64 = 1e-9;

/// The Newton decrement of PIRLS where gradients are to be differenced.
pub(crate) const FINE_DECREMENT: f64 = 1e-10;

/// The coefficients of fixed factors have converged when their last correction gained this share of
/// the tolerance of PIRLS.
pub(crate) const SETTLED_SHARE: f64 = 1e-3;

/// A step for the coefficients of fixed factors must lower the deviance by this share of the gain
/// that is predicted.
pub(crate) const LEAST_GAIN: f64 = 1e-4;

/// The Hessian in the coefficients of fixed factors is learnt from a step along which the slopes
/// change by at least this share of the expected change.
pub(crate) const LEAST_CHANGE: f64 = 1e-3;
