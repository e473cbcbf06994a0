//! What the rows have to say of responses, beside what they say of Z and X.

use crate::design::Design;
use crate::factor::cross_products::{gather_fixed, CHUNK};
use crate::factor::solve::Vectors;
use crate::factor::Factor;
use crate::kernels::small;

/// What is summed up of responses: everything that the rows have to say of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseSums {
    /// `[Z X]'Wr` of the residual responses.
    pub(crate) products: Vectors,
    /// `r'Wr` of each.
    pub(crate) residual_ss: Vec<f64>,
    /// `y'Wy` of each response itself.
    pub(crate) total_ss: Vec<f64>,
    /// Least-squares coefficients, in the centred columns, that were subtracted: `p` per response.
    pub(crate) beta0: Vec<f64>,
}

impl ResponseSums {
    /// Number of responses.
    pub fn columns(&self) -> usize {
        self.total_ss.len()
    }

    /// The sums of one response.
    pub fn column(&self, c: usize) -> Self {
        let (columns, p) = (self.columns(), self.beta0.len() / self.columns());
        Self {
            products: self.products.column(c, columns),
            residual_ss: vec![self.residual_ss[c]],
            total_ss: vec![self.total_ss[c]],
            beta0: self.beta0[c * p..(c + 1) * p].to_vec(),
        }
    }
}

impl ResponseSums {
    /// Sums up the responses `y`, `n` values each, of a design whose cross-products are those of
    /// `factor`: all of them in two passes over its rows.
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

    // y'Wy, and X'Wy in the place of the coefficients.
    fn add_totals(&mut self, design: &Design, factor: &Factor, y: &[f64]) {
        for_each_chunk(design, factor, |first, x, _| {
            for (c, y) in y.chunks_exact(design.n()).enumerate() {
                let beta0 = &mut self.beta0[c * factor.p()..(c + 1) * factor.p()];
                for i in 0..x.count {
                    let y = y[first + i] - design.offset(first + i);
                    let wy = design.weight(first + i) * y;
                    self.total_ss[c] += wy * y;
                    small::axpy(wy, x.row(i), beta0);
                }
            }
        });
    }

    fn add_residuals(&mut self, design: &Design, factor: &Factor, y: &[f64]) {
        let (p, k, m) = (factor.p(), factor.leading.k, factor.layout.m);
        let (leading_term, q) = (factor.layout.leading_term, k * factor.leading.n_levels);
        let leading = &design.terms[leading_term];
        for_each_chunk(design, factor, |first, x, z| {
            for (c, y) in y.chunks_exact(design.n()).enumerate() {
                let beta0 = &self.beta0[c * p..(c + 1) * p];
                let products = &mut self.products;
                let fixed = &mut products.fixed[c * p..(c + 1) * p];
                let of_leading = &mut products.leading[c * q..(c + 1) * q];
                let trailing = &mut products.trailing[c * m..(c + 1) * m];
                for i in 0..x.count {
                    let y = y[first + i] - design.offset(first + i);
                    let r = y - small::dot(beta0, x.row(i));
                    let wr = design.weight(first + i) * r;
                    self.residual_ss[c] += wr * r;
                    small::axpy(wr, x.row(i), fixed);
                    let at = leading.level(first + i) * k;
                    small::axpy(wr, z[leading_term].row(i), &mut of_leading[at..at + k]);
                    for block in &factor.layout.blocks {
                        let level = design.terms[block.term].level(first + i);
                        let at = block.first_row(level) as usize;
                        let out = &mut trailing[at..at + block.vsize];
                        small::axpy(wr, z[block.term].row(i), out);
                    }
                }
            }
        });
    }
}

/// Some rows of a matrix, one after the other.
struct Chunk {
    width: usize,
    count: usize,
    values: Vec<f64>,
}

impl Chunk {
    fn new(width: usize) -> Self {
        Self {
            width,
            count: 0,
            values: vec![0.0; CHUNK * width],
        }
    }

    #[inline]
    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}

// Calls `visit(first, x, z)` for consecutive rows of X, centred, and of Z of each term.
fn for_each_chunk(
    design: &Design,
    factor: &Factor,
    mut visit: impl FnMut(usize, &Chunk, &[Chunk]),
) {
    let mut x = Chunk::new(factor.p());
    let mut z: Vec<Chunk> = design
        .terms
        .iter()
        .map(|term| Chunk::new(term.vsize()))
        .collect();
    for first in (0..design.n()).step_by(CHUNK) {
        x.count = CHUNK.min(design.n() - first);
        gather_fixed(
            design,
            &factor.border.shift,
            first,
            &mut x.values[..x.count * x.width],
        );
        for (term, z) in design.terms.iter().zip(&mut z) {
            z.count = x.count;
            term.z
                .gather(first, z.width, &mut z.values[..z.count * z.width]);
        }
        visit(first, &x, &z);
    }
}
