//! Dense linear algebra, from blocks of a few effects to large matrices; independent of statistical
//! models.
//!
//! | operation | file |
//! |---|---|
//! | products, solves and Cholesky factors of `k x k` blocks, k known to the compiler | [`small`] |
//! | eigenvalues, eigenvectors and singular values of a small matrix | [`eigen`] |
//! | the triangular factor of a square matrix, by plane rotations | `rotations` |
//! | the logarithm of a long product | `log_product` |
//! | automatic differentiation to second order | `jet` |
//! | Cholesky factor and inverse of a large matrix, in threads | `cholesky` |
//! | products of large dense matrices, by faer | `gemm` |
//! | chunks of a range, consecutive parts of an array | `chunks` |
//! | code for wide vector registers, and their cleanup after calls of faer | `simd` |

pub(crate) mod cholesky;
pub(crate) mod chunks;
pub mod eigen;
pub(crate) mod gemm;
pub(crate) mod jet;
pub(crate) mod log_product;
pub(crate) mod rotations;
pub(crate) mod simd;
pub mod small;
