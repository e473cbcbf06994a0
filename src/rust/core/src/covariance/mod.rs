//! Covariance structures: how `Omega = Lambda Lambda'` of one part of a term follows from its
//! parameters theta.
//!
//! A structure is a definition, and nothing else: the role of each parameter (a standard deviation,
//! an element of Lambda, a correlation), Lambda, and the first and second derivatives of Omega.
//! Starts, bounds, step sizes and the way from a matrix back to theta follow from the roles; so
//! does, in [`crate::coordinates`], what an optimizer moves. A new structure is one file and one
//! row of the table in [`structure`].
//!
//! | quantity | file |
//! |---|---|
//! | what a structure has to tell | [`definition`] |
//! | what follows from one parameter's role: start, bounds, step size | [`role`] |
//! | the structures by name | [`structure`] |
//! | one structure on some columns: its roles, Omega, ranges of its correlations | `part` |
//! | Lambda and the derivatives of Omega of a whole term | `rel_cov` |
//! | from a covariance back to theta | `nearest` |
//! | `us()`; `diag()` and `homdiag()` | [`unstructured`]; `diagonal` |
//! | standard deviations beside correlations | `correlated` |
//! | `cs()`; `ar1()` | `compound_symmetry`; `autoregressive` |
//! | `toep()`: a correlation for each distance | `toeplitz` |
//! | a direction in which a covariance may leave the boundary of its cone | `way_out` |

mod autoregressive;
mod compound_symmetry;
mod correlated;
pub(crate) mod definition;
mod diagonal;
mod nearest;
mod part;
mod rel_cov;
mod role;
pub(crate) mod structure;
mod toeplitz;
pub(crate) mod unstructured;
mod way_out;

pub(crate) use part::part_block;
pub use part::Part;
pub use rel_cov::RelCov;
pub(crate) use rel_cov::UNPENALIZED;
pub use role::Role;
pub use structure::Structure;
pub use way_out::WayOut;
