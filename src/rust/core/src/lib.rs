//! Linear mixed models by penalized least squares on blocked cross-products.
//!
//! The model: `y | b ~ N(X beta + Z b + offset, sigma^2 W^-1)`, `b = Lambda u`, `u ~ N(0, sigma^2 I)`.
//!
//! | symbol | meaning | code |
//! |---|---|---|
//! | theta | covariance parameters, relative to sigma | `theta` |
//! | Lambda | relative covariance factor | [`terms::RelCov`] |
//! | A | cross-products `[Z X y]'W[Z X y]` | [`blocks::cross_products`] |
//! | L | blocked factor of `Lambda'Z'WZ Lambda + I`, bordered by `[X y]` | [`pls::Pls`] |
//! | r^2 | penalized weighted residual sum of squares | [`pls::Pls::pwrss`] |
//! | d(theta) | profiled deviance or REML criterion | [`lmm::LinearMixedModel::objective`] |
//!
//! Nothing here knows of R, prints, or panics on input.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod coordinates;
pub mod covariance;
pub mod derivatives;
pub mod design;
pub mod error;
pub mod factor;
pub mod glmm;
pub mod judge;
pub mod kernels;
pub mod lmm;
pub mod optimize;
mod tolerances;

pub use design::{Column, Columns, Design};
pub use error::{Error, Result};
pub use lmm::{Criterion, LinearMixedModel};
