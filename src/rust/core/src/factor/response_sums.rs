//! The cross-products that involve responses.

use crate::design::Design;
use crate::factor::chunk::{Gathered, CHUNK};
use crate::factor::solve::Vectors;
use crate::factor::Factor;
use crate::kernels::chunks::chunks;
use crate::kernels::small;

/// The cross-products that involve responses; no other quantity of a fit depends on them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseSums {
    /// `[Z X]'Wr` of the residual responses.
    pub(crate) products: Vectors,
    /// `r'Wr` of each residual response.
    pub(crate) residual_ss: Vec<f64>,
    /// `y'Wy` of each response itself.
    pub(crate) total_ss: Vec<f64>,
    /// The least-squares coefficients, for the centred columns, whose fit was subtracted: `p` per
    /// response.
    pub(crate) beta0: Vec<f64>,
}

impl ResponseSums {
    /// The number of responses.
    pub fn columns(&self) -> usize {
        self.total_ss.len()
    }

    /// The cross-products of one response.
    pub fn column(&self, c: usize) -> Self {
        let columns = self.columns();
        let p = self.beta0.len() / self.columns();
        Self {
            products: self.products.column(c, columns),
            residual_ss: vec![self.residual_ss[c]],
            total_ss: vec![self.total_ss[c]],
            beta0: self.beta0[c * p..(c + 1) * p].to_vec(),
        }
    }
}

impl ResponseSums {
    /// Sums up the responses `y`, `n` values each, of a design whose other cross-products are those
    /// of `factor`, in two passes over the rows for all responses together.
    pub fn of(design: &Design, factor: &Factor, y: &[f64]) -> Self {
        let columns = y.len() / design.n();
        let mut sums = Self {
            products: Vectors::zeros(factor, columns),
            residual_ss: vec![0.0; columns],
            total_ss: vec![0.0; columns],
            beta0: vec![0.0; columns * factor.p()],
        };
        sums.add_totals(design, factor, y);
        let mut memory = Vec::new();
        for beta0 in sums.beta0.chunks_exact_mut(factor.p().max(1)) {
            factor.border.least_squares(&mut memory, beta0);
        }
        sums.add_residuals(design, factor, y);
        sums
    }

    // Adds y'Wy, and X'Wy in the place of the coefficients.
    fn add_totals(&mut self, design: &Design, factor: &Factor, y: &[f64]) {
        let p = factor.p();
        let mut rows = Gathered::new(design, &factor.border.shift);
        for range in chunks(design.n(), CHUNK) {
            rows.gather(range.clone());
            for (c, y) in y.chunks_exact(design.n()).enumerate() {
                let beta0 = &mut self.beta0[c * p..(c + 1) * p];
                for i in range.clone() {
                    let y = y[i] - design.offset(i);
                    let wy = design.weight(i) * y;
                    self.total_ss[c] += wy * y;
                    small::axpy(wy, rows.x(i), beta0);
                }
            }
        }
    }

    // Adds r'Wr and [Z X]'Wr.
    fn add_residuals(&mut self, design: &Design, factor: &Factor, y: &[f64]) {
        let p = factor.p();
        let k = factor.leading.k;
        let columns = self.columns();
        let mut rows = Gathered::new(design, &factor.border.shift);
        for range in chunks(design.n(), CHUNK) {
            rows.gather(range.clone());
            for (c, y) in y.chunks_exact(design.n()).enumerate() {
                let beta0 = &self.beta0[c * p..(c + 1) * p];
                let mut products = self.products.column_mut(c, columns);
                for i in range.clone() {
                    let row = rows.row(i, y[i] - design.offset(i), beta0);
                    self.residual_ss[c] += row.w * row.r * row.r;
                    products.add_row(k, &factor.layout, design, row);
                }
            }
        }
    }
}
