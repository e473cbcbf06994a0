//! Pivots, as a share of the element of the matrix that they come from.
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`ROUNDED_PIVOT`] | 1e-13 | is a pivot mostly rounding error | hundreds of roundings |
//! | [`INDEFINITE`] | 1e-6 | is a matrix indefinite | far beyond rounding |
//! | [`RANK_PIVOT`] | 2e-15 | are columns of X dependent | R has dropped those; a few roundings |
//! | [`CENTRED_PIVOT`] | 1e-28 | the same, of what centring left | the square of a rounding error |
//! | [`KEPT_PIVOT`] | 1e-10 | pivot of a fixed effect that is kept | a large standard error |
//! | [`ZERO_RESIDUAL`] | 1e-14 | is there a residual variance | rounding error of the response |
//! | [`PERFECT_FIT`] | 1e-12 | is there a dispersion | the same for a deviance |
//! | [`DIVISIBLE`] | 1e6 | may one divide by Lambda | traces keep nine digits |
//! | [`DEPENDENT`] | 1e-2 | are columns of Z dependent | Hessians lose its square |
//! | [`HELD_COLUMN_SHARE`] | 1e-5 | do sums know a column apart | a difference keeps 11 digits |
//! | [`FAR`] | 1e-4 | is a covariate far from zero | X'X loses four digits |
//! | [`SMALL_SPREAD`] | 0.1 | are slopes like intercepts | a mean of three deviations |
//! | [`LOST_SPREAD`] | 1e-13 | has that a spread at all | rounding of one less a share |
//! | [`REMAINDER`] | 1e-26 | is a column of Z redundant | the square of rounding errors |
//! | [`LOST_ORIGIN`] | 5e-19 | is a covariate too far from zero | a mean of 1.4e9 deviations |
//! | [`CONTAINED`] | 1e-9 | does X contain columns of Z | rounding of X'X, if that is fair |
//! | [`ROUNDED_SHARE`] | 2e-12 | the same, of orthogonal columns of X | ten thousand roundings |
//! | [`SMALL_WITHIN`] | 1e-8 | may sums mistake it for a constant | ten times `CONTAINED` |

/// A pivot that is a smaller share of its diagonal element is mostly rounding error.
pub(crate) const ROUNDED_PIVOT: f64 = 1e-13;

/// A pivot below zero by a larger share of its diagonal element is no rounding error.
pub(crate) const INDEFINITE: f64 = 1e-6;

/// A column of X depends on those before it if its pivot is no larger share of its sum of squares.
pub(crate) const RANK_PIVOT: f64 = 2e-15;

/// A column of X depends on the first one if its pivot is no larger share of what centring took
/// off.
pub(crate) const CENTRED_PIVOT: f64 = 1e-28;

/// The pivot of a fixed effect that is kept, as a share of its weighted sum of squares: above
/// rounding error, and yet a large standard error.
pub(crate) const KEPT_PIVOT: f64 = 1e-10;

/// A residual sum of squares that is no larger share of the response's is rounding error; so is a
/// response that least squares leave no larger share of the *norm* of.
pub(crate) const ZERO_RESIDUAL: f64 = 1e-14;

/// A deviance that is no larger share of that of one mean for all observations is rounding error.
pub(crate) const PERFECT_FIT: f64 = 1e-12;

/// Rounding errors of the division by Lambda stay below 1e-9 while `|Lambda^-1 e_r|^2` is below so
/// many times the mean of `A_rr`.
pub(crate) const DIVISIBLE: f64 = 1e6;

/// Columns of Z depend on each other if those before it explain all but this share of one.
pub(crate) const DEPENDENT: f64 = 1e-2;

/// A column of X is taken out of cross-products if the others leave a larger share of its square:
/// what is left is a difference of the two, which then has eleven digits.
pub(crate) const HELD_COLUMN_SHARE: f64 = 1e-5;

/// A covariate whose variance is a smaller share of its mean square is far from zero.
pub(crate) const FAR: f64 = 1e-4;

/// A covariate whose mean square is that of its mean up to a smaller share is far from zero beside
/// its spread.
pub(crate) const SMALL_SPREAD: f64 = 0.1;

/// The spread of a covariate is rounding error if it is a smaller share of the mean square.
pub(crate) const LOST_SPREAD: f64 = 1e-13;

/// Columns of Z of which those before them leave no larger share of the square, once that is taken
/// off the columns themselves, are combinations of them.
pub(crate) const REMAINDER: f64 = 1e-26;

/// A covariate of which no larger share of the square is left beside a constant has lost its
/// digits.
pub(crate) const LOST_ORIGIN: f64 = 5e-19;

/// X contains the columns of Z of one effect if it leaves no larger share of the square of a
/// combination of them.
pub(crate) const CONTAINED: f64 = 1e-9;

/// X contains columns of Z, where its own columns are orthogonal, if it leaves no larger share of
/// the square; where those before leave little of one of them, so many times more.
pub(crate) const ROUNDED_SHARE: f64 = 2e-12;

/// Sums may call the columns of Z of a covariate contained in X, as they would those of a constant,
/// if its spread within levels is a smaller share of its size, in squares.
pub(crate) const SMALL_WITHIN: f64 = 1e-8;
