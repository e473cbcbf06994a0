//! Covariance structures: the relative covariance `Omega = Lambda Lambda'` of one part of a term as
//! a function of its parameters theta.
//!
//! A structure defines the role of each parameter (standard deviation, element of Lambda, or
//! correlation), Lambda, and the first and second derivatives of Omega. Starts, bounds, step sizes
//! and the inverse map from a matrix to theta follow from the roles, and so do the optimizer's
//! coordinates in [`crate::coordinates`]. A new structure is one file and one row of the table in
//! [`structure`].
//!
//! | contents | file |
//! |---|---|
//! | the trait of a structure | [`definition`] |
//! | start, bounds and step size of a parameter, by its role | [`role`] |
//! | the structures by name | [`structure`] |
//! | a structure on some columns: roles, Omega, ranges of correlations | `part` |
//! | Lambda and the derivatives of Omega of a whole term | `rel_cov` |
//! | the inverse map, from a covariance to theta | `nearest` |
//! | combinations of effects, where a covariate is far from zero | [`image`] |
//! | `us()`; `diag()` and `homdiag()` | [`unstructured`]; `diagonal` |
//! | structures of standard deviations and correlations | `correlated` |
//! | `cs()`; `ar1()` | `compound_symmetry`; `autoregressive` |
//! | `toep()`: a correlation for each distance | `toeplitz` |
//! | a descent direction from the boundary of the cone of covariances | `descent_direction` |

mod autoregressive;
mod compound_symmetry;
mod correlated;
pub(crate) mod definition;
mod descent_direction;
mod diagonal;
pub(crate) mod image;
mod nearest;
mod part;
mod rel_cov;
mod role;
pub(crate) mod structure;
mod toeplitz;
pub(crate) mod unstructured;

pub use descent_direction::DescentDirection;
pub(crate) use part::part_block;
pub use part::Part;
pub use rel_cov::RelCov;
pub(crate) use rel_cov::UNPENALIZED;
pub use role::Role;
pub use structure::Structure;
