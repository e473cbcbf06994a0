//! Dense algebra, from blocks of a few effects to large matrices; nothing here knows of models.
//!
//! | operation | file |
//! |---|---|
//! | products, solves and Cholesky factors of `k x k` blocks, k known to the compiler | [`small`] |
//! | eigenvalues, eigenvectors and singular values of a small matrix | [`eigen`] |
//! | the triangular factor of a square matrix, by rotations | `rotations` |
//! | the logarithm of a long product | `log_product` |
//! | numbers with their first and second derivatives | `jet` |
//! | Cholesky factor and inverse of a large matrix, in threads | `cholesky` |
//! | products of large dense matrices, by faer | `gemm` |
//! | a long range in chunks, and where neighbouring parts start | `chunks` |
//! | clean vector registers after a call of faer; code compiled for wider registers | `simd` |

pub(crate) mod cholesky;
pub(crate) mod chunks;
pub mod eigen;
pub(crate) mod gemm;
pub(crate) mod jet;
pub(crate) mod log_product;
pub(crate) mod rotations;
pub(crate) mod simd;
pub mod small;
