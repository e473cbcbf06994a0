//! Second moments of the blocks of `W` over pairs of levels, from which `tr(E W E' W)` follows.

use faer::{MatMut, MatRef};

use crate::derivatives::OmegaDerivatives;
use crate::kernels::gemm::{add_product, add_rows_product};
use crate::kernels::small::{self, set_zeros};

/// A direction `E_rs` of Omega, by its element `(r, s)`.
pub(super) type Element = (usize, usize);

/// The factor 1/2 for `E_rr`, which `E_rs + E_sr` with r = s would count twice.
pub(super) fn weight((r, s): Element) -> f64 {
    if r == s {
        0.5
    } else {
        1.0
    }
}

/// `sum vec(W_ll') vec(W_ll')'` over the levels l of a term with `k` effects and l' of a term with
/// `l` effects; blocks are vectorised column by column.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    k: usize,
    l: usize,
    /// `k l x k l`.
    values: Vec<f64>,
}

impl Moments {
    /// Clears the moments, for blocks of size `k x l`.
    pub fn reset(&mut self, k: usize, l: usize) {
        (self.k, self.l) = (k, l);
        set_zeros(&mut self.values, (k * l).pow(2));
    }

    /// Adds consecutive blocks.
    pub fn add(&mut self, blocks: &[f64]) {
        let size = self.k * self.l;
        if size == 1 {
            self.values[0] += small::dot(blocks, blocks);
            return;
        }
        let count = blocks.len() / size;
        add_rows_product(
            size,
            count,
            size,
            1.0,
            blocks,
            blocks,
            &mut self.values,
        );
    }

    /// Adds the blocks of one level l' and a range of levels l; `column` gives the columns of these
    /// blocks.
    pub fn add_level<'a>(&mut self, column: impl Fn(usize) -> &'a [f64]) {
        for d in 0..self.l {
            for b in 0..self.l {
                self.add_products((b, column(b)), (d, column(d)));
            }
        }
    }

    // Adds the products of column b of each block with its column d.
    fn add_products(
        &mut self,
        (b, x): (usize, &[f64]),
        (d, y): (usize, &[f64]),
    ) {
        let (k, size) = (self.k, self.k * self.l);
        if k == 1 {
            self.values[d * size + b] += small::dot(x, y);
            return;
        }
        let x = MatRef::from_column_major_slice(x, k, x.len() / k);
        let y = MatRef::from_column_major_slice(y, k, y.len() / k);
        let out =
            MatMut::from_column_major_slice_mut(&mut self.values, size, size);
        let out = out.submatrix_mut(b * k, d * k, k, k);
        add_product(out, x, y.transpose(), 1.0);
    }

    /// Adds the transposed blocks, if each unordered pair of levels of one term was added once.
    pub fn add_transposed(&mut self) {
        let (k, size) = (self.k, self.k * self.k);
        let transposed = |at: usize| at % k * k + at / k;
        let before = self.values.clone();
        for (column, values) in self.values.chunks_exact_mut(size).enumerate() {
            for (row, value) in values.iter_mut().enumerate() {
                *value += before[transposed(column) * size + transposed(row)];
            }
        }
    }

    /// Turns moments of `A' W B` into those of W, given the inverses of A, `k x k`, and of B.
    pub fn transform_back(&mut self, of_a: &[f64], of_b: &[f64]) {
        let (k, l) = (self.k, self.l);
        let size = k * l;
        let mut turn = vec![0.0; size * size];
        for (at, value) in turn.iter_mut().enumerate() {
            let (row, column) = (at % size, at / size);
            let (a, b) = (row % k, row / k);
            let (i, j) = (column % k, column / k);
            *value = of_a[a * k + i] * of_b[b * l + j];
        }
        let mut half = vec![0.0; size * size];
        add_rows_product(size, size, size, 1.0, &turn, &self.values, &mut half);
        self.values.fill(0.0);
        add_rows_product(size, size, size, 1.0, &half, &turn, &mut self.values);
    }

    /// Adds `tr(E W E' W)` for the directions of term t and those of term u.
    pub fn add_forms(&self, t: usize, u: usize, omega: &mut OmegaDerivatives) {
        let OmegaDerivatives {
            directions,
            expected,
            ..
        } = omega;
        let n = directions.len();
        let (k, size) = (self.k, self.k * self.l);
        // The sum of W_ab W_cd over the blocks.
        let moment = |(a, b): Element, (c, d): Element| {
            let row = b * k + a;
            let column = d * k + c;
            self.values[column * size + row]
        };
        for (i, (r, s)) in directions.elements(t) {
            for (j, (x, y)) in directions.elements(u) {
                let counts = 2.0 * weight((r, s)) * weight((x, y));
                let form = moment((r, x), (s, y)) + moment((r, y), (s, x));
                if i <= j || t != u {
                    expected[i.max(j) * n + i.min(j)] += counts * form;
                }
            }
        }
    }
}
