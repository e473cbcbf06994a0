//! Generalized linear models without random effects: families, links, and what one observation
//! contributes.
//!
//! A family gives the log-likelihood `log p(y | eta)` of a response, and its derivatives in the
//! linear predictor eta and in the logarithm of its shape; a link gives `log mu` of eta, and its
//! derivatives.
//!
//! | quantity | file |
//! |---|---|
//! | what a family tells of itself | `definition` |
//! | one family: density, deviance, derivatives, fast loops | a file each |
//! | the list of families | `family` |
//! | links | `link` |
//! | all rows of a model | `response` |
//! | building stones of vectorised loops | `lanes` |
//! | functions that no library has | `special` |

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
