//! Orthogonalised columns of X, for a covariate far from zero whose column is nearly a combination
//! of others.

use super::orthogonal::{
    depend, is_far, is_near_multiple, orthogonal, products,
};
use crate::design::{Column, Design};
use crate::tolerances::{FAR, SMALL_SPREAD};

/// Up to this number of products of the columns of X, orthogonalisation costs nothing noticeable.
const FEW_PRODUCTS: usize = 100_000;

/// The fixed effects `C'beta` of the columns Q, with `X = Q C'`.
#[derive(Debug, Clone)]
pub(super) struct FixedBasis {
    /// Number of fixed effects.
    pub(super) p: usize,
    /// C with ones on the diagonal, so that `log |X'X|` is that of Q; column by column.
    pub(super) c: Vec<f64>,
    /// Q, column by column.
    pub(super) q: Vec<f64>,
}

impl FixedBasis {
    /// Orthogonalised columns of X, if a covariate is far from zero and its column is nearly a
    /// combination of others than a constant, as an interaction of a day number nearly is a
    /// multiple of the other variable.
    pub(super) fn of(design: &Design) -> Option<Self> {
        let columns: Vec<Column> = design.x.iter().copied().collect();
        let (n, p) = (design.n(), columns.len());
        // The digits lost in X'X matter where covariances are large relative to the residual
        // variance.
        let limit = match n * p * p <= FEW_PRODUCTS {
            true => SMALL_SPREAD,
            false => FAR,
        };
        if p < 2 || n == 0 || !has_far(&columns, n, limit) {
            return None;
        }
        let shifts: Vec<f64> = if columns[0].is_constant() {
            let others = columns[1..].iter().map(|column| column.value(0));
            [0.0].into_iter().chain(others).collect()
        } else {
            vec![0.0; p]
        };
        if !depend(p, products(design, &columns, &shifts), limit) {
            return None;
        }
        let (q, c) = orthogonal(design, &columns);
        Some(Self { p, c, q })
    }
}

// Whether a covariate is far from zero: a column, or the ratio of two columns.
fn has_far(columns: &[Column], n: usize, limit: f64) -> bool {
    let mut all = columns.iter().enumerate();
    all.any(|(j, a)| {
        let mut before = columns[..j].iter();
        is_far(a, n, limit)
            || before.any(|b| is_near_multiple((a, b), n, limit))
    })
}
