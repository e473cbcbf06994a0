//! Covariance structures: how `Omega = Lambda Lambda'` of one part of a term follows from its parameters theta.
//!
//! A structure is one file that implements [`definition::Covariance`], and a row of the table in [`structure`].
//!
//! | quantity | file |
//! |---|---|
//! | what a structure has to tell | [`definition`] |
//! | the structures by name | [`structure`] |
//! | Lambda of a whole term from the structures of its parts | [`rel_cov`] |
//! | `us()`, `diag()` and `homdiag()` | [`unstructured`], `diagonal` |
//! | `cs()` and `ar1()`: one correlation beside standard deviations | `correlated`, `compound_symmetry`, `autoregressive` |
//! | a direction in which a covariance may leave the boundary of its cone | [`way_out`] |

mod autoregressive;
mod compound_symmetry;
mod correlated;
pub(crate) mod definition;
mod diagonal;
mod rel_cov;
pub(crate) mod structure;
pub(crate) mod unstructured;
mod way_out;

pub use rel_cov::{Part, RelCov};
pub use structure::Structure;
pub use way_out::WayOut;
