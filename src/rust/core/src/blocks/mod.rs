//! The blocks of A and of its Cholesky factor, by storage.

pub mod cross_products;
pub mod dense;
pub mod eigen;
pub mod full;
pub(crate) mod gemm;
pub mod layout;
pub mod pattern;
mod products;
pub mod reach;
pub mod refill;
pub mod small;
pub mod sparse;
pub mod trailing;
pub mod units;
