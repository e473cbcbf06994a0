//! Linear and generalized linear mixed models: the (restricted) likelihood, its exact derivatives,
//! and its optimum.
//!
//! The linear mixed model is `y | b ~ N(X beta + Z b + offset, sigma^2 W^-1)` with `b = Lambda u`
//! and `u ~ N(0, sigma^2 I)`. A generalized linear mixed model replaces the conditional normal
//! distribution by another family with a link function; `sigma = 1` unless the family has a
//! dispersion parameter. The linear model is solved by penalized least squares (Bates, Mächler,
//! Bolker and Walker 2015, Journal of Statistical Software 67(1)), the generalized one by penalized
//! iteratively reweighted least squares (PIRLS).
//!
//! | symbol | meaning | code |
//! |---|---|---|
//! | theta | covariance parameters, relative to sigma | `theta` |
//! | Lambda, Omega | covariance factor, `Omega = Lambda Lambda'` | [`covariance::RelCov`] |
//! | A | cross-products `[Z X y]'W[Z X y]` | [`factor::cross_products`] |
//! | L | blocked Cholesky factor of `Lambda'Z'WZ Lambda + I`, bordered by X | [`factor::Factor`] |
//! | r^2 | penalized weighted residual sum of squares | [`factor::Response`] |
//! | d(theta) | profiled deviance or REML criterion | [`lmm::Point::objective`] |
//! | G | `d d / d Omega`, from which the gradient in theta follows | [`derivatives`] |
//! | d(theta, beta) | Laplace deviance | [`glmm::GeneralizedLinearMixedModel::objective`] |
//!
//! Dependencies between the folders have no cycles: a folder uses only some of those listed before
//! it.
//!
//! | folder | contents |
//! |---|---|
//! | [`random`] | counter-based random numbers, one stream per replicate |
//! | [`parallel`] | independent jobs, and the pieces of one computation, in threads |
//! | [`kernels`] | dense linear algebra: small blocks, eigenvalues, matrix products |
//! | [`covariance`] | covariance structures: Lambda and the derivatives of Omega |
//! | [`design`] | X, y, and the columns of Z and grouping factor of each term |
//! | [`simulate`] | linear predictors with newly drawn random effects |
//! | [`factor`] | cross-products, their blocked Cholesky factor, solutions, leverages |
//! | [`iterative`] | crossed terms of any size by conjugate gradients, without a factor |
//! | [`derivatives`] | gradient and Hessian in Omega, and by the chain rule in theta |
//! | [`optimize`] | Newton's method, BFGS and NLopt, for any smooth objective |
//! | `coordinates` | transformations between theta and the optimizers' coordinates |
//! | [`judge`] | the optimality certificate of a theta |
//! | [`lmm`], [`glmm`] | the two classes of models; neither depends on the other |
//!
//! All numerical thresholds are in `tolerances`. The crate does not depend on R, prints nothing,
//! and returns an [`Error`] instead of panicking on invalid input.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod coordinates;
pub mod covariance;
pub mod derivatives;
pub mod design;
pub mod error;
pub mod factor;
pub mod glmm;
pub mod iterative;
pub mod judge;
pub mod kernels;
pub mod lmm;
pub mod optimize;
pub mod parallel;
pub mod random;
pub mod simulate;
mod tolerances;

pub use coordinates::basis::{Basis, Root};
pub use coordinates::far_effects::confirm_contained;
pub use coordinates::far_in_sums::{
    confirm_contained_in_sums, confirm_distinct_in_sums,
};
pub use coordinates::far_slopes::confirm_distinct;
pub use design::{Column, Columns, Design};
pub use error::{Beside, Error, Result};
pub use lmm::{Criterion, LinearMixedModel};
