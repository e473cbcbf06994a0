//! Fixed effects of orthogonal columns, where one of a covariate far from zero depends on others.

use super::orthogonal::{
    depend, is_far, is_near_multiple, orthogonal, products,
};
use crate::design::{Column, Design};
use crate::tolerances::{FAR, SMALL_SPREAD};

/// Products of X that are computed in no time beside the call: up to so many, orthogonal columns
/// cost nothing.
const FEW_PRODUCTS: usize = 100_000;

/// The fixed effects, with `X = Q C'`: effects `beta` are computed with as `C'beta`.
#[derive(Debug, Clone)]
pub(super) struct FixedBasis {
    /// Number of fixed effects.
    pub(super) p: usize,
    /// C, of ones on the diagonal, so that `log |X'X|` is that of Q; column by column.
    pub(super) c: Vec<f64>,
    /// Q, column by column.
    pub(super) q: Vec<f64>,
}

impl FixedBasis {
    /// Other columns of X, where a covariate is far from zero and columns depend on others than a
    /// constant: an interaction of a day number nearly is a multiple of the other variable's
    /// column.
    pub(super) fn of(design: &Design) -> Option<Self> {
        let columns: Vec<Column> = design.x.iter().copied().collect();
        let (n, p) = (design.n(), columns.len());
        // Digits that X'X loses matter where covariances are large beside the residual variance.
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

// Whether a covariate is far from zero: a column, or what multiplies one to make another.
fn has_far(columns: &[Column], n: usize, limit: f64) -> bool {
    let mut all = columns.iter().enumerate();
    all.any(|(j, a)| {
        let mut before = columns[..j].iter();
        is_far(a, n, limit)
            || before.any(|b| is_near_multiple((a, b), n, limit))
    })
}
