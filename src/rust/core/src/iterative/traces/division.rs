//! Recovery of `sum_l W_ll`, with `W = Z'V^-1Z`, from sums that are scaled by Lambda: Lambda is
//! inverted in its strong directions only.
//!
//! There are three estimates: of `D'WD = I - S^-1`, of `WD = KDS^-1`, and of `W = K - KDS^-1D'K`.
//! To give W, the first is divided by Lambda on both sides, which amplifies its noise by two
//! inverse singular values, the second on one side, and the third not at all; but where the data
//! have much information the first has by far the least noise. A direction of Lambda is weak if the
//! data have little information about its effects relative to their prior distribution. With the
//! left singular vectors of Lambda as a basis, each element of W is taken from the estimate that is
//! not divided by Lambda in weak directions.

use crate::kernels::eigen::Eigen;
use crate::kernels::small;

/// The three sums over the levels of a term, `k x k`, column by column; elements are numbers, or
/// blocks of eight.
#[derive(Debug, Clone, Default)]
pub struct ScaledSums<T> {
    /// Sums of `D'WD`.
    pub dwd: Vec<T>,
    /// Sums of `WD`, used only with weak directions.
    pub wd: Vec<T>,
    /// Sums of W, used only with weak directions.
    pub w: Vec<T>,
}

/// The combination of the three sums of a term.
#[derive(Debug, Clone)]
pub struct Division {
    k: usize,
    /// The transposed inverse of Lambda on its strong directions, zero on the weak ones.
    inverse: Vec<f64>,
    /// The projector on the weak directions; `None` if there are none.
    weak: Option<Vec<f64>>,
}

impl<T: Copy> ScaledSums<T> {
    /// Three matrices filled with `zero`.
    pub fn of(zero: T, k: usize) -> Self {
        let zeros = vec![zero; k * k];
        Self {
            dwd: zeros.clone(),
            wd: zeros.clone(),
            w: zeros,
        }
    }
}

impl Division {
    /// The combination for this Lambda; `information` is `I - P^-1` summed over the levels, with P
    /// the diagonal blocks of S: the information of the data relative to unit prior variances.
    /// Directions with at most `least` are weak.
    pub fn new(lambda: &[f64], information: &[f64], least: f64) -> Self {
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
            if is_known && form(information, r, r) > least && square > 0.0 {
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
    pub fn whole(&self, sums: &ScaledSums<f64>) -> Vec<f64> {
        let k = self.k;
        let inverse = &self.inverse;
        let mut whole = small::product_transposed(
            k,
            &small::product(k, inverse, &sums.dwd),
            inverse,
        );
        let Some(weak) = &self.weak else {
            return whole;
        };
        let mixed = small::product_transposed(
            k,
            &small::product(k, weak, &sums.wd),
            inverse,
        );
        let alone = small::product(k, &small::product(k, weak, &sums.w), weak);
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

/// `right'A left` for a square matrix stored by columns.
pub fn form(a: &[f64], left: &[f64], right: &[f64]) -> f64 {
    let columns = a.chunks_exact(right.len()).zip(left);
    columns
        .map(|(column, left)| left * small::dot(column, right))
        .sum()
}
