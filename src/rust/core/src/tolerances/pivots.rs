//! Thresholds of pivots and of residual sums of squares, relative to the quantity that they are
//! left from.
//!
//! | name | value | decides whether | why this size |
//! |---|---|---|---|
//! | [`ROUNDED_PIVOT`] | 1e-13 | a pivot is mostly rounding error | hundreds of roundings |
//! | [`INDEFINITE`] | 1e-6 | a matrix is indefinite | far beyond rounding |
//! | [`RANK_PIVOT`] | 2e-15 | a column of X is aliased | R has dropped those; a few roundings |
//! | [`CENTRED_PIVOT`] | 1e-28 | the same after centring | the square of a rounding error |
//! | [`KEPT_PIVOT`] | 1e-10 | a fixed effect is kept (its pivot) | a large standard error |
//! | [`ZERO_RESIDUAL`] | 1e-14 | the residual variance is zero | rounding error of the response |
//! | [`PERFECT_FIT`] | 1e-12 | the dispersion is zero | the same for a deviance |
//! | [`ROUNDED_DEVIANCE`] | 1e-24 | a fit has no deviance | residuals of 1e-12, mostly rounding |
//! | [`DIVISIBLE`] | 1e6 | Lambda is well enough conditioned | traces keep nine digits |
//! | [`DEPENDENT`] | 1e-2 | columns of Z are near collinear | Hessians lose the square of it |
//! | [`HELD_COLUMN_SHARE`] | 1e-5 | a column of X can be taken out | a difference keeps 11 digits |
//! | [`FAR`] | 1e-4 | a covariate is far from zero | X'X loses four digits |
//! | [`SMALL_SPREAD`] | 0.1 | slopes resemble intercepts | a mean of three standard deviations |
//! | [`SMALL_SPREAD_IN_PART`] | 0.01 | the same beside rows of zero | zeros may be values too |
//! | [`LOST_SPREAD`] | 1e-13 | a covariate varies at all | rounding of one minus a ratio |
//! | [`REMAINDER`] | 1e-26 | a column of Z is redundant | the square of rounding errors |
//! | [`LOST_ORIGIN`] | 5e-19 | a covariate has lost its digits | mean of 1.4e9 deviations |
//! | [`CONTAINED`] | 1e-9 | col(X) contains columns of Z | rounding of a well-scaled X'X |
//! | [`ROUNDED_SHARE`] | 2e-12 | the same for orthogonal X | ten thousand roundings |
//! | [`DEPENDENT_SUM`] | 1e-15 | a summed column is redundant | a few roundings |
//! | [`SAME_SIZE`] | 1e-9 | two columns may be the same | rounding of a sum of squares |
//! | [`UNIT_SCALE`] | 1e-9 | a column's mean square is one | rounding of a sum of squares |
//! | [`HIDING_SPREAD`] | 7e-7 | rounding may hide strong slopes | a share of 5e-13 |
//! | [`SAME_COLUMN`] | 1e-7 | X has a column of Z | digits of products of centred columns |
//! | [`SMALL_WITHIN`] | 1e-8 | a covariate looks constant in sums | ten times `CONTAINED` |

/// A pivot that is a smaller share of its diagonal element is mostly rounding error.
pub(crate) const ROUNDED_PIVOT: f64 = 1e-13;

/// A negative pivot that is a larger share of its diagonal element is not rounding error: the
/// matrix is indefinite.
pub(crate) const INDEFINITE: f64 = 1e-6;

/// A column of X is a linear combination of the preceding ones if its pivot is no larger share of
/// its sum of squares.
pub(crate) const RANK_PIVOT: f64 = 2e-15;

/// A column of X is a multiple of the first one if its pivot is no larger share of what centring
/// subtracted.
pub(crate) const CENTRED_PIVOT: f64 = 1e-28;

/// The pivot given to a fixed effect that is to be kept, relative to its weighted sum of squares:
/// above rounding error, and yet a large standard error.
pub(crate) const KEPT_PIVOT: f64 = 1e-10;

/// A residual sum of squares that is no larger share of that of the response is rounding error; so
/// is a least-squares residual whose *norm* is no larger share of that of the response.
pub(crate) const ZERO_RESIDUAL: f64 = 1e-14;

/// A deviance that is no larger share of that of the model with one common mean is rounding error.
pub(crate) const PERFECT_FIT: f64 = 1e-12;

/// At the end of a fit with an estimated dispersion a deviance, or a dispersion, of at most this
/// share consists of rounding errors; a larger one is reported with a warning.
pub(crate) const ROUNDED_DEVIANCE: f64 = 1e-24;

/// The rounding errors of a division by Lambda are below 1e-9 while `|Lambda^-1 e_r|^2` is at most
/// this multiple of the mean of `A_rr`.
pub(crate) const DIVISIBLE: f64 = 1e6;

/// Columns of Z are nearly collinear if the preceding ones explain all but this share of a column.
pub(crate) const DEPENDENT: f64 = 1e-2;

/// A column of X is taken out of existing cross-products only if its residual sum of squares on the
/// others is a larger share of its own: the difference of the two then has eleven digits.
pub(crate) const HELD_COLUMN_SHARE: f64 = 1e-5;

/// A covariate is far from zero if its variance is a smaller share of its mean square.
pub(crate) const FAR: f64 = 1e-4;

/// A covariate's random slopes resemble random intercepts if its variance is a smaller share of its
/// mean square.
pub(crate) const SMALL_SPREAD: f64 = 0.1;

/// The threshold in place of [`SMALL_SPREAD`] for a covariate that is zero in some rows, which may
/// be rows of other categories or have ordinary values. The zeros are left out of its variance.
pub(crate) const SMALL_SPREAD_IN_PART: f64 = 0.01;

/// The variance of a covariate is rounding error if it is a smaller share of its mean square.
pub(crate) const LOST_SPREAD: f64 = 1e-13;

/// A column of Z is a linear combination of the preceding ones if its residual sum of squares,
/// computed from the residual column itself, is no larger share of its own.
pub(crate) const REMAINDER: f64 = 1e-26;

/// A covariate has lost its digits if its residual sum of squares on a constant is no larger share
/// of its own.
pub(crate) const LOST_ORIGIN: f64 = 5e-19;

/// The column space of X contains the columns of Z of one effect if the residual sum of squares of
/// a combination of them is no larger share of its own.
pub(crate) const CONTAINED: f64 = 1e-9;

/// The same threshold where the columns of X are orthogonal. It is divided by the share of a column
/// that is orthogonal to those before it.
pub(crate) const ROUNDED_SHARE: f64 = 2e-12;

/// A column is a combination of others if these leave no larger share of its sum of squares, as
/// computed from cross-products.
pub(crate) const DEPENDENT_SUM: f64 = 1e-15;

/// The root mean square of an intercept's column, as computed from orthogonal columns, differs from
/// one by no more.
pub(crate) const UNIT_SCALE: f64 = 1e-9;

/// Two columns of Z whose root mean squares differ by no more than this, relatively, are taken for
/// the same.
pub(crate) const SAME_SIZE: f64 = 1e-9;

/// If a covariate's standard deviation is a smaller share of its root mean square, minima with
/// strong slopes may be hidden, and are no longer found by their values.
pub(crate) const HIDING_SPREAD: f64 = 7e-7;

/// A column of Z is one of X if its coefficient on that column differs from one by less.
pub(crate) const SAME_COLUMN: f64 = 1e-7;

/// Cross-products cannot distinguish the columns of Z of a covariate from those of a constant if
/// the covariate's variance within levels is a smaller share of its mean square.
pub(crate) const SMALL_WITHIN: f64 = 1e-8;
