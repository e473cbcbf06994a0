//! Generalized linear models without random effects: families, links, and the contributions of
//! single observations.
//!
//! A family gives the log-likelihood `log p(y | eta)` of a response, with its derivatives in the
//! linear predictor eta and in the logarithm of the shape; a link gives `log mu` as a function of
//! eta, with its derivatives.
//!
//! | contents | file |
//! |---|---|
//! | the trait of a family | `definition` |
//! | one family: density, deviance, derivatives, vectorised loops | a file each |
//! | the table of families | `family` |
//! | link functions | `link` |
//! | all responses of a model | `response` |
//! | elements of vectorised loops | `lanes` |
//! | special functions | `special` |

mod binomial;
pub mod definition;
pub mod family;
mod gamma;
mod gaussian;
mod inverse_gaussian;
pub(crate) mod lanes;
pub mod link;
mod negative_binomial;
mod negative_binomial_linear;
mod poisson;
pub mod response;
pub mod special;

pub use family::Family;
pub use link::Link;
pub use response::Response;
