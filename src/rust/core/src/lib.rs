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

pub mod blocks;
pub mod centring;
pub mod certificate;
pub mod columns;
mod coordinates;
pub mod derivatives;
pub mod design;
pub mod error;
pub mod glm;
pub mod glmm;
mod independent;
pub mod inference;
pub mod lmm;
pub mod optimize;
pub mod pirls;
pub mod pls;
mod pls_solve;
pub mod quadrature;
mod search;
mod simd;
pub mod terms;

pub use columns::{Column, Columns};
pub use design::Design;
pub use error::{Error, Result};
pub use lmm::{Criterion, LinearMixedModel};
