//! From sums over the levels of a trailing term to that of the blocks of `W = Z'V^-1Z`: in its
//! strong directions Lambda is divided by, in its weak ones it isn't.
//!
//! Three sums tell of W: those of `D'WD = I - S^-1`, of `WD = KDS^-1`, and of
//! `W = K - KDS^-1D'K`. The noise of the first is divided twice by singular values of Lambda, that
//! of the second once, that of the third never; but the first has by far the least of it where the
//! data tell much. So a direction of Lambda is weak if they tell little of its effects beside what
//! the term's distribution does, and each element of W, with the left singular vectors of Lambda
//! as a basis, is taken from the sum in which weak directions aren't divided by.

use crate::kernels::eigen::Eigen;
use crate::kernels::small;

/// Sums over the levels of a term, `k x k`, column by column; numbers, or eight side by side.
#[derive(Debug, Clone, Default)]
pub struct Ways<T> {
    /// Sums of `D'WD`.
    pub both: Vec<T>,
    /// Sums of `WD`, which are of use only where there are weak directions.
    pub one: Vec<T>,
    /// Sums of W, which are of use only where there are weak directions.
    pub none: Vec<T>,
}

/// How the sums of a term lead to that of W.
#[derive(Debug, Clone)]
pub struct Division {
    k: usize,
    /// Transpose of Lambda's inverse in its strong directions, zero in the others.
    inverse: Vec<f64>,
    /// Projector on the weak directions; `None` if there are none.
    weak: Option<Vec<f64>>,
}

impl<T: Copy> Ways<T> {
    /// Matrices of such elements.
    pub fn of(zero: T, k: usize) -> Self {
        let zeros = vec![zero; k * k];
        Self {
            both: zeros.clone(),
            one: zeros.clone(),
            none: zeros,
        }
    }
}

impl Division {
    /// By this Lambda; `told` is the sum over the levels of `I - P^-1`, P the diagonal blocks of S:
    /// what the data tell of effects of variance one. Directions of which it is `least` at most are
    /// weak.
    pub fn new(lambda: &[f64], told: &[f64], least: f64) -> Self {
        let k = lambda.len().isqrt();
        let upper = transposed(k, lambda);
        let mut eigen = Eigen::new(k);
        let is_known =
            eigen.decompose(&small::product_transposed(k, &upper, &upper));
        let mut inverse = vec![0.0; k * k];
        let mut weak = small::identity(k);
        let mut is_any_weak = false;
        for r in eigen.vectors.chunks_exact(k) {
            let mut q = r.to_vec();
            small::lambda_in_place(k, lambda, &mut q);
            let square = small::dot(&q, &q);
            if is_known && form(told, r, r) > least && square > 0.0 {
                add_outer(1.0 / square, &q, r, &mut inverse);
                add_outer(-1.0 / square, &q, &q, &mut weak);
            } else {
                is_any_weak = true;
            }
        }
        Self {
            k,
            inverse,
            weak: is_any_weak.then_some(weak),
        }
    }

    /// Whether Lambda has weak directions.
    pub fn has_weak(&self) -> bool {
        self.weak.is_some()
    }

    /// The sum of W.
    pub fn whole(&self, sums: &Ways<f64>) -> Vec<f64> {
        let k = self.k;
        let inverse = &self.inverse;
        let mut whole = small::product_transposed(
            k,
            &small::product(k, inverse, &sums.both),
            inverse,
        );
        let Some(weak) = &self.weak else {
            return whole;
        };
        let mixed = small::product_transposed(
            k,
            &small::product(k, weak, &sums.one),
            inverse,
        );
        let alone =
            small::product(k, &small::product(k, weak, &sums.none), weak);
        for j in 0..k {
            for i in 0..k {
                whole[j * k + i] +=
                    mixed[j * k + i] + mixed[i * k + j] + alone[j * k + i];
            }
        }
        whole
    }
}

// `A'`.
fn transposed(k: usize, a: &[f64]) -> Vec<f64> {
    let element = |at: usize| a[at % k * k + at / k];
    (0..k * k).map(element).collect()
}

// `A += by x y'`.
fn add_outer(by: f64, x: &[f64], y: &[f64], a: &mut [f64]) {
    for (column, y) in a.chunks_exact_mut(x.len()).zip(y) {
        small::axpy(by * y, x, column);
    }
}

/// `right'A left` of a square matrix whose columns stand one after the other.
pub fn form(a: &[f64], left: &[f64], right: &[f64]) -> f64 {
    let columns = a.chunks_exact(right.len()).zip(left);
    columns
        .map(|(column, left)| left * small::dot(column, right))
        .sum()
}
