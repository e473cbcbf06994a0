//! A = [Z X y]' W [Z X y], summed up once; everything after it is free of `n`.
//!
//! Equal rows of X aren't put together first: finding them takes as much reading as summing up. With 20 columns of
//! factors and a million rows the products in X alone are 2 % of a whole call, all sums 30 %, most of it moving data.

use faer::{MatMut, MatRef};

use crate::design::columns::{Column, Columns};
use crate::design::Design;
use crate::error::Result;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::trailing::Trailing;
use crate::kernels::gemm::add_lower_product;
use crate::kernels::small;

/// Rows that are gathered at a time: their copy stays in the cache.
const CHUNK: usize = 256;

/// The blocks of A. Beside a constant first column of X the others are centred, and `y` is replaced by the residual of
/// its weighted least-squares fit to X alone. Both leave the objective as it is and save the digits that large means
/// would cost.
#[derive(Debug)]
pub struct CrossProducts {
    /// Where the terms are.
    pub layout: Layout,
    /// Block column of the unit term.
    pub leading: Leading,
    /// The other terms and their border.
    pub trailing: Trailing,
    /// `[X y]'W[X y]`, lower triangle, `width x width`.
    pub xx: Vec<f64>,
    /// Multiples of the first column of X that were taken off its columns.
    pub shift: Vec<f64>,
    /// Least-squares coefficients, in the centred columns, that were subtracted from y.
    pub beta0: Vec<f64>,
    /// `sum_i w_i y_i^2` of the response itself.
    pub response_ss: f64,
}

impl CrossProducts {
    /// Sums up the blocks of a valid design.
    ///
    /// # Errors
    /// `TooLarge` if the crossed terms don't fit in memory.
    pub fn new(design: &Design) -> Result<Self> {
        let mut layout = Layout::new(design);
        let mut leading = Leading::new(design, &layout);
        let trailing = Trailing::new(&mut leading, &mut layout)?;
        let width = layout.width;
        let (xx, shift) = (vec![0.0; width * width], shifts(design));
        let mut a = Self {
            layout,
            leading,
            trailing,
            xx,
            shift,
            beta0: Vec::new(),
            response_ss: 0.0,
        };
        a.sum_fixed(design);
        a.response_ss = a.xx[width * width - 1];
        a.beta0 = least_squares(width - 1, &a.xx);
        a.sum_residual(design);
        Ok(a)
    }

    // [X y]'W[X y] with the response itself.
    fn sum_fixed(&mut self, design: &Design) {
        let width = self.layout.width;
        let mut rows = vec![0.0; CHUNK * width];
        for first in (0..design.n()).step_by(CHUNK) {
            let count = CHUNK.min(design.n() - first);
            let rows = &mut rows[..count * width];
            gather(design, &self.shift, first, rows);
            add_gram(design.weights, first, width, rows, &mut self.xx);
        }
    }

    // Everything that involves the random effects or the residual response.
    fn sum_residual(&mut self, design: &Design) {
        let (width, p) = (self.layout.width, self.layout.width - 1);
        let mut rows = vec![0.0; CHUNK * width];
        let mut z: Vec<Vec<f64>> = design
            .terms
            .iter()
            .map(|term| vec![0.0; CHUNK * term.vsize()])
            .collect();
        let mut y_row = vec![0.0; width];
        for first in (0..design.n()).step_by(CHUNK) {
            let count = CHUNK.min(design.n() - first);
            gather(design, &self.shift, first, &mut rows[..count * width]);
            for (term, z) in design.terms.iter().zip(&mut z) {
                term.z
                    .gather(first, term.vsize(), &mut z[..count * term.vsize()]);
            }
            for (i, row) in rows.chunks_exact_mut(width).take(count).enumerate() {
                row[p] -= small::dot(&self.beta0, row);
                let w = design.weight(first + i);
                small::axpy(w * row[p], row, &mut y_row);
                self.add_row(design, first + i, w, row, |t, k| &z[t][i * k..(i + 1) * k]);
            }
        }
        (0..width).for_each(|j| self.xx[j * width + p] = y_row[j]);
    }

    // `z(t, k)`: the `k` values of the row in term `t`.
    #[inline]
    fn add_row<'z>(
        &mut self,
        design: &Design,
        i: usize,
        w: f64,
        row: &[f64],
        z: impl Fn(usize, usize) -> &'z [f64],
    ) {
        let width = row.len();
        let k = self.leading.k;
        let (unit, z0) = (
            design.terms[self.layout.leading_term].level(i),
            z(self.layout.leading_term, k),
        );
        let ax0 = &mut self.leading.ax0[unit * width * k..(unit + 1) * width * k];
        let a00 = &mut self.leading.a00[unit * k * k..(unit + 1) * k * k];
        for ((ax0, a00), z) in ax0
            .chunks_exact_mut(width)
            .zip(a00.chunks_exact_mut(k))
            .zip(z0)
        {
            small::axpy(w * z, row, ax0);
            small::axpy(w * z, z0, a00);
        }
        for (b, block) in self.layout.blocks.iter().enumerate() {
            let z = z(block.term, block.vsize);
            let first = block.first_row(design.terms[block.term].level(i)) as usize;
            for j in 0..block.vsize {
                let column = &mut self.trailing.a_xr[(first + j) * width..(first + j + 1) * width];
                small::axpy(w * z[j], row, column);
                (j..block.vsize)
                    .for_each(|l| self.trailing.add(first + l, first + j, w * z[j] * z[l]));
            }
            for other in &self.layout.blocks[..b] {
                let term = &design.terms[other.term];
                let other_first = other.first_row(term.level(i)) as usize;
                for l in 0..other.vsize {
                    let wz = w * term.value(i, l);
                    (0..block.vsize)
                        .for_each(|j| self.trailing.add(first + j, other_first + l, wz * z[j]));
                }
            }
        }
    }
}

/// How far X is from rank deficient, as `X'X` tells it (to about 1e-8): the smallest norm that is left of a column of
/// norm one when those before it are projected out. `weights` are of rows; zero if X'X is singular.
pub fn smallest_pivot(x: &Columns, weights: Option<&[f64]>, n: usize) -> f64 {
    let p = x.len();
    let mut xx = vec![0.0; p * p];
    let mut rows = vec![0.0; CHUNK * p];
    for first in (0..n).step_by(CHUNK) {
        let rows = &mut rows[..CHUNK.min(n - first) * p];
        x.gather(first, p, rows);
        add_gram(weights, first, p, rows, &mut xx);
    }
    let norms: Vec<f64> = (0..p).map(|j| xx[j * p + j].sqrt()).collect();
    xx.iter_mut()
        .enumerate()
        .for_each(|(at, v)| *v /= norms[at % p] * norms[at / p]);
    small::cholesky(p, &mut xx).map_or(0.0, |_| (0..p).map(|j| xx[j * p + j]).fold(1.0, f64::min))
}

// Adds the lower triangle of `rows W rows'` to `out`; weights the rows on the way.
fn add_gram(
    weights: Option<&[f64]>,
    first: usize,
    width: usize,
    rows: &mut [f64],
    out: &mut [f64],
) {
    if let Some(weights) = weights {
        for (row, w) in rows.chunks_exact_mut(width).zip(&weights[first..]) {
            let root = w.sqrt();
            row.iter_mut().for_each(|v| *v *= root);
        }
    }
    let r = MatRef::from_column_major_slice(rows, width, rows.len() / width);
    let out = MatMut::from_column_major_slice_mut(out, width, width);
    add_lower_product(out, r, r.transpose(), 1.0);
}

// Multiples of the first column to take off the columns of X: their means, if that column is constant.
fn shifts(design: &Design) -> Vec<f64> {
    let mut columns = design.x.iter();
    let unit = columns
        .next()
        .filter(|first| first.is_constant())
        .map_or(0.0, |first| first.value(0));
    let mut shifts = vec![0.0; design.p()];
    if unit != 0.0 {
        for (shift, column) in shifts[1..].iter_mut().zip(columns) {
            *shift = Some(mean(design, column) / unit)
                .filter(|shift| shift.is_finite())
                .unwrap_or(0.0);
        }
    }
    shifts
}

// Relative to the first value, which makes that of a constant column exact.
fn mean(design: &Design, column: &Column) -> f64 {
    let origin = column.value(0);
    let (mut total, mut sum) = (0.0, 0.0);
    for i in 0..design.n() {
        total += design.weight(i);
        sum += design.weight(i) * (column.value(i) - origin);
    }
    origin + sum / total
}

// Rows from `first` on of [X y - offset], X centred, row by row.
fn gather(design: &Design, shift: &[f64], first: usize, rows: &mut [f64]) {
    let (p, width) = (shift.len(), shift.len() + 1);
    design.x.gather(first, width, rows);
    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
        let x0 = row[0];
        row[..p]
            .iter_mut()
            .zip(shift)
            .for_each(|(x, s)| *x -= s * x0);
        row[p] = design.response(first + i);
    }
}

// Coefficients of y on X from the lower triangle of [X y]'[X y]; zero if X is not of full rank.
fn least_squares(p: usize, xx: &[f64]) -> Vec<f64> {
    let width = p + 1;
    let mut l: Vec<f64> = (0..p)
        .flat_map(|j| xx[j * width..j * width + p].to_vec())
        .collect();
    let mut beta: Vec<f64> = (0..p).map(|j| xx[j * width + p]).collect();
    if small::cholesky(p, &mut l).is_none() {
        return vec![0.0; p];
    }
    small::forward_solve(p, &l, &mut beta);
    small::backward_solve(p, &l, &mut beta);
    beta
}
