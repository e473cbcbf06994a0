//! Every threshold of the core that a floating-point number is compared with, and why it has its
//! size.
//!
//! A standard deviation is zero, in all of the core, if it is at most [`ZERO_SD`] times that of the
//! residuals. Where the question is another one, whether a change of the *objective* matters, the
//! thresholds are those of the first table.
//!
//! Elsewhere stay the nodes and coefficients of quadrature and of special functions, and how many
//! operations make one algorithm pay rather than another.
//!
//! Differences of the objective, in its own units (minus twice a log-likelihood; one standard error
//! of a parameter is a difference of one):
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
//!
//! Rounding errors of the objective, relative to it:
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
//!
//! Curvatures, as a share of the largest:
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`FLAT_CURVATURE`] | 1e-7 | is a curvature zero, or below | rounding at singular Lambda |
//! | [`LEAST_CURVATURE`] | 1e-13 | floor of those of a step | rounding of the eigenvalues |
//! | [`LEAST_INFORMATION`] | 1e-10 | directions without information | the same after a difference |
//! | [`LEAST_COSINE`] | 1e-8 | has BFGS seen a curvature | rounding of a gradient's change |
//! | [`FLAT_SLOPE`] | 0.02 | does a variance matter (absolute) | a seventh of a standard error |
//! | [`INVOLVED_SHARE`] | 1e-3 | is a parameter in a direction | rounding of the eigenvector |
//! | [`MOST_MISSED`] | 0.25 | does a step tell what Hessians leave out | it is some per cent |
//!
//! Residuals of solves without a factor, relative to those at their start:
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`EXACT_SOLVE`] | 1e-11 | is the border solved | its errors are those of r^2, squared |
//! | [`SEARCH_SOLVE`] | 1e-8 | the same during a search | slopes keep six digits |
//! | [`SLOPE_SOLVE`] | 1e-6 | the same of generalized models | random vectors disagree by more |
//! | [`STEP_SOLVE`] | 1e-5 | is a step to the modes known | the next one makes up for it |
//! | [`SEARCH_NOISE`] | 1e-4 | does a step that promises little fall | random vectors disagree |
//! | [`NOISE_SHARE`] | 1e-2 | has a noisy search converged | below [`NEGLIGIBLE_GAIN`] |
//! | [`NEGLIGIBLE_EXCESS`] | 1e-6 | are there enough random vectors | as [`NEGLIGIBLE_GAIN`] |
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
//!
//! Standard deviations, over that of the residuals, for a column with a mean square of one:
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`ZERO_SD`] | 1e-3 | is a standard deviation zero | printed as zero; searches end nearer |
//! | [`KNOWN_SD`] | 1e-4 | does one count as known | its likelihood has no curvature there |
//! | [`LARGE_SD`] | 100.0 | may one be infinite | the residuals hardly matter any more |
//! | [`LARGE_SHARE`] | 0.1 | is one among the largest | a hundredth of the rounding errors |
//! | [`ORDINARY_LOW`] | 1e-4 | is Lambda = I a fair start | beyond, Z'Z swamps the identity |
//! | [`ORDINARY_HIGH`] | 1e4 | the same | beyond, Z'Z vanishes beside it |
//! | [`SINGULAR_VARIANCE`] | 1e-6 | is a covariance singular | the square of `ZERO_SD` |
//! | [`TURNING_SLOPE`] | 1e-5 | does such a one need a Hessian | ten times what counts |
//! | [`LEAST_VARIANCE`] | 0.01 | the least share a scoring step keeps | at zero there is no slope |
//! | [`LARGEST_EXPLAINED`] | 0.95 | the most a correlation may explain | the same |
//! | [`OMEGA_STEP`] | 1e-4 | step of a difference of Omega | differences keep eight digits |
//! | [`OMEGA_CHANGE`] | 1e-5 | has Omega changed along it | the step squared, and some |
//! | [`SAME_COVARIANCE`] | 1e-12 | are two covariances the same | rounding of their products |
//! | [`NOTHING_LEFT`] | 1e-14 | do correlations leave no variance | rounding of 1 minus a square |
//! | [`ROUNDED_CORRELATION`] | 1e-9 | is a correlation in its range | as users print and add them |
//!
//! Pivots, as a share of the element of the matrix that they come from:
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
//!
//! Steps, and what ends an iteration:
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
//!
//! Numbers that are nearly out of range:
//!
//! | name | value | decides | why this size |
//! |---|---|---|---|
//! | [`PRODUCT_LOW`] | 1e-140 | when a product becomes a logarithm | two factors more fit in |
//! | [`PRODUCT_HIGH`] | 1e140 | the same | the same |
//! | [`SILENT_ROW`] | 1e-6 | does a row change the deviance | a thousand times [`DECREMENT`] |
//! | [`LEAST_WEIGHT`] | 1e-12 | least share of a level's weight | sums keep four digits of it |
//! | [`LARGEST_WEIGHT`] | 1e8 | may a weight spoil the factor | half of the digits are left |
//! | [`NO_WEIGHT`] | 1e-300 | does a node of quadrature count | its products are no numbers |
//! | [`NO_CURVATURE`] | 1e-150 | unit of a flat parameter | its inverse squared is a number |
//! | [`STOP_VALUE`] | -1e300 | the objective that ends NLopt | below any objective |

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

/// A curvature of the objective, positive or negative, this small beside the largest may be
/// rounding: the direction is flat.
pub(crate) const FLAT_CURVATURE: f64 = 1e-7;

/// The curvatures of the quadratic model of a Newton step are at least this share of the largest.
pub(crate) const LEAST_CURVATURE: f64 = 1e-13;

/// Eigenvalues of the expected information below this share of the largest carry none.
pub(crate) const LEAST_INFORMATION: f64 = 1e-10;

/// BFGS learns from a step only if the cosine between the step and the change of the gradient is
/// larger.
pub(crate) const LEAST_COSINE: f64 = 1e-8;

/// Covariances may be infinite, or unidentified, if the objective has no more slope and curvature
/// than this in the logarithm of their standard deviations.
pub(crate) const FLAT_SLOPE: f64 = 0.02;

/// A parameter belongs to a flat direction of length one if its element is larger.
pub(crate) const INVOLVED_SHARE: f64 = 1e-3;

/// The one answer to the question when a standard deviation of random effects is zero: at most this
/// much over sigma, for a column with a mean square of one. A search only approaches zero, or stays
/// where the objective is flat, and ends nearer than this.
pub(crate) const ZERO_SD: f64 = 1e-3;

/// A standard deviation over sigma below this, for a column with a mean square of one, has no
/// standard error: the covariance of the other estimates is that at zero.
pub(crate) const KNOWN_SD: f64 = 1e-4;

/// A standard deviation over sigma that is larger, for a column with a mean square of one, has no
/// bound if the objective is flat.
pub(crate) const LARGE_SD: f64 = 100.0;

/// A standard deviation is among the largest ones if it is at least this share of the largest.
pub(crate) const LARGE_SHARE: f64 = 0.1;

/// A covariate whose mean square is that of its mean up to a smaller share is far from zero beside
/// its spread.
pub(crate) const SMALL_SPREAD: f64 = 0.1;

/// The spread of a covariate is rounding error if it is a smaller share of the mean square.
pub(crate) const LOST_SPREAD: f64 = 1e-13;

/// The smallest inverse of the root mean square of a column of Z for which Lambda = I is a fair
/// start.
pub(crate) const ORDINARY_LOW: f64 = 1e-4;

/// The largest inverse of the root mean square of a column of Z for which Lambda = I is a fair
/// start.
pub(crate) const ORDINARY_HIGH: f64 = 1e4;

/// A covariance is singular if one of its pivots is a smaller share of the largest variance: the
/// square of [`ZERO_SD`].
pub(crate) const SINGULAR_VARIANCE: f64 = ZERO_SD * ZERO_SD;

/// A slope in a singular covariance of the size of its largest variance that calls for the Hessian.
pub(crate) const TURNING_SLOPE: f64 = 1e-5;

/// The least share of a variance that a step of Fisher scoring leaves: at zero the search would see
/// no slope.
pub(crate) const LEAST_VARIANCE: f64 = 0.01;

/// The largest share of a variance that the effects before it explain after a step of Fisher
/// scoring, whose matrix need not be positive definite.
pub(crate) const LARGEST_EXPLAINED: f64 = 0.95;

/// The step, in units of the parameters, by which a direction is asked whether it changes a
/// covariance.
pub(crate) const OMEGA_STEP: f64 = 1e-4;

/// A covariance changes along a direction if its difference over the step is a larger share of it.
pub(crate) const OMEGA_CHANGE: f64 = 1e-5;

/// A step tells what rough Hessians leave out if that is no larger share of the change of the
/// gradient: average information misses some per cent, and a long step sees many curvatures.
pub(crate) const MOST_MISSED: f64 = 0.25;

/// Two covariances are the same if no element differs by a larger share of the largest variance.
pub(crate) const SAME_COVARIANCE: f64 = 1e-12;

/// Correlations that leave a smaller share of an effect's variance determine the effect.
pub(crate) const NOTHING_LEFT: f64 = 1e-14;

/// A correlation may be beyond the range that others leave to it by this much.
pub(crate) const ROUNDED_CORRELATION: f64 = 1e-9;

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

/// The size of one term's random effects where a start of a generalized fit is nearly without it.
pub(crate) const SMALL_TERM: f64 = 0.01;

/// The dispersion that starts the fit is at least this share of that of one mean for all.
pub(crate) const LEAST_DISPERSION: f64 = 1e-6;

/// The mean whose linear predictor starts the fit where that of the mean response is infinite, as a
/// share of the responses' size.
pub(crate) const SMALL_MEAN: f64 = 1e-3;

/// A running product below this size is added to its logarithm, and starts again at one.
pub(crate) const PRODUCT_LOW: f64 = 1e-140;

/// A running product from this size on is added to its logarithm, and starts again at one.
pub(crate) const PRODUCT_HIGH: f64 = 1e140;

/// Weights of a step to the modes that, times the variance of the random effects, are larger may
/// leave nothing but rounding errors of what the others say.
pub(crate) const LARGEST_WEIGHT: f64 = 1e8;

/// A row whose weight and score are below this hardly changes the deviance, whatever its linear
/// predictor: those of a separated level tend to zero, and no linear term holds its coefficient.
pub(crate) const SILENT_ROW: f64 = 1e-6;

/// The least share of the largest weight in a level of a fixed factor with slopes that a row has in
/// a step: what is less is lost in the level's sums.
pub(crate) const LEAST_WEIGHT: f64 = 1e-12;

/// A node of quadrature with a smaller weight is left out.
pub(crate) const NO_WEIGHT: f64 = 1e-300;

/// The least curvature by whose root a parameter is scaled.
pub(crate) const NO_CURVATURE: f64 = 1e-150;

/// An objective below this one ends NLopt's algorithms early, which nothing else does.
pub(crate) const STOP_VALUE: f64 = -1e300;

/// A column of X is taken out of cross-products if the others leave a larger share of its square:
/// what is left is a difference of the two, which then has eleven digits.
pub(crate) const HELD_COLUMN_SHARE: f64 = 1e-5;

/// A covariate whose variance is a smaller share of its mean square is far from zero.
pub(crate) const FAR: f64 = 1e-4;

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

/// The relative step of differences between thetas of two sets of effects.
pub(crate) const THETA_STEP: f64 = 1e-5;

/// A restart leads to another minimum if that is lower by more, in units of the objective.
pub(crate) const OTHER_MINIMUM: f64 = 1e-4;

/// Enough random starts: minima not yet found are expected to be reached from a smaller share.
pub(crate) const UNDISCOVERED: f64 = 5e-3;

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

/// A vector of which no larger share is left beside others is a combination of them.
pub(crate) const NEW_DIRECTION: f64 = 1e-8;

/// Scores are divided by Lambda where its diagonal is larger, relative to its largest element.
pub(crate) const SINGULAR_SOLVE: f64 = 1e-4;

/// Traces are divided by Lambda in directions of which the data tell a larger share.
pub(crate) const WEAK_DIRECTION: f64 = 0.1;

/// The same where levels are nested in those of another term.
pub(crate) const WEAK_NESTED: f64 = 1e-6;
