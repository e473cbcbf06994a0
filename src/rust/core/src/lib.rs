//! Linear and generalized linear mixed models: likelihoods, exact derivatives, and their optima.
//!
//! The linear model: `y | b ~ N(X beta + Z b + offset, sigma^2 W^-1)`, `b = Lambda u`,
//! `u ~ N(0, sigma^2 I)`. Generalized models put another family and a link in the place of the
//! first normal distribution, with `sigma = 1` but for families with a dispersion.
//!
//! | symbol | meaning | code |
//! |---|---|---|
//! | theta | covariance parameters, relative to sigma | `theta` |
//! | Lambda, Omega | covariance factor, `Omega = Lambda Lambda'` | [`covariance::RelCov`] |
//! | A | cross-products `[Z X y]'W[Z X y]` | [`factor::cross_products`] |
//! | L | blocked factor of `Lambda'Z'WZ Lambda + I`, bordered by X | [`factor::Factor`] |
//! | r^2 | penalized weighted residual sum of squares | [`factor::Response`] |
//! | d(theta) | profiled deviance or REML criterion | [`lmm::Point::objective`] |
//! | G | `d d / d Omega`, from which gradients in theta follow | [`derivatives`] |
//! | d(theta, beta) | Laplace deviance | [`glmm::GeneralizedLinearMixedModel::objective`] |
//!
//! A folder knows only those above it:
//!
//! | folder | what |
//! |---|---|
//! | [`random`] | streams of random numbers, one for each replicate |
//! | [`parallel`] | independent jobs in threads, and the pieces of one computation |
//! | [`kernels`] | dense algebra of small blocks, eigenvalues, matrix products |
//! | [`covariance`] | structures: Lambda and the derivatives of Omega |
//! | [`design`] | X, y, and each term's columns of Z and levels |
//! | [`simulate`] | linear predictors with random effects drawn anew |
//! | [`factor`] | cross-products, the factor at a theta, responses, leverages |
//! | [`derivatives`] | first and second derivatives in Omega, and from there in theta |
//! | [`optimize`] | Newton's method, BFGS, NLopt: they see functions only |
//! | `coordinates` | between the parameters and what optimizers see |
//! | [`iterative`] | the log-likelihood of crossed terms of any size, without a factor |
//! | [`judge`] | whether a theta is an optimum |
//! | [`lmm`], [`glmm`] | the two kinds of models; neither knows the other |
//!
//! All thresholds stand in `tolerances`. Nothing here knows of R, prints, or panics on input.

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
pub use coordinates::far_effects::{
    confirm_contained, confirm_contained_in_sums,
};
pub use design::{Column, Columns, Design};
pub use error::{Error, Result};
pub use lmm::{Criterion, LinearMixedModel};
