//! A = [Z X y]' W [Z X y], summed up once; everything after it is free of `n`.
//!
//! Equal rows of X aren't put together first: finding them takes as much reading as summing up.
//! With 20 columns of factors and a million rows the products in X alone are 2 % of a whole call,
//! all sums 30 %, most of it moving data.

use faer::{MatMut, MatRef};

use crate::design::columns::{Column, Columns};
use crate::design::{Design, ReTerm};
use crate::error::Result;
use crate::factor::border::Border;
use crate::factor::layout::{Layout, TrailingTerm};
use crate::factor::leading::Leading;
use crate::factor::response_sums::ResponseSums;
use crate::factor::solve::Vectors;
use crate::factor::trailing::Trailing;
use crate::kernels::gemm::add_lower_product;
use crate::kernels::small::{self, for_size};

/// Rows that are gathered at a time: their copy stays in the cache.
pub(super) const CHUNK: usize = 256;

/// The blocks of `[Z X]'W[Z X]`. Beside a constant first column of X the others are centred: that
/// leaves the objective as it is and saves the digits that large means would cost.
#[derive(Debug, Clone)]
pub struct CrossProducts {
    /// Where the terms are.
    pub layout: Layout,
    /// Block column of the leading term.
    pub leading: Leading,
    /// Block columns of all terms but the leading one, and their border.
    pub trailing: Trailing,
    /// `X'WX`.
    pub border: Border,
}

impl CrossProducts {
    /// Sums up the blocks of a valid design, and what belongs to its response.
    ///
    /// # Errors
    /// `TooLarge` if the crossed terms don't fit in memory.
    pub fn from_rows(design: &Design) -> Result<(Self, ResponseSums)> {
        let mut a = Self::empty(design)?;
        let (p, width) = (design.p(), design.p() + 1);
        let mut gram = vec![0.0; width * width];
        add_rows(design, &a.border.shift, &mut gram);
        let xx = a.border.cross_products_mut().chunks_exact_mut(p.max(1));
        let columns = xx.zip(gram.chunks_exact(width));
        columns.for_each(|(xx, column)| xx.copy_from_slice(&column[..p]));
        let mut sums = ResponseSums {
            products: Vectors {
                leading: vec![0.0; a.leading.k * a.leading.n_levels],
                trailing: vec![0.0; a.layout.m],
                fixed: vec![0.0; p],
            },
            residual_ss: vec![0.0],
            total_ss: vec![gram[width * width - 1]],
            beta0: (0..p).map(|j| gram[j * width + p]).collect(),
        };
        a.border.least_squares(&mut gram, &mut sums.beta0);
        for_size!(a.leading.k, k => a.add_residual(k, design, &mut sums));
        Ok((a, sums))
    }

    /// Finds the place of everything that a design has; all is zero.
    ///
    /// # Errors
    /// `TooLarge` if the crossed terms don't fit in memory.
    pub fn empty(design: &Design) -> Result<Self> {
        let mut layout = Layout::new(design);
        let mut leading = Leading::new(design, &layout);
        let trailing = Trailing::new(&mut leading, &mut layout)?;
        let p = design.p();
        Ok(Self {
            layout,
            leading,
            trailing,
            border: Border::new(vec![0.0; p * p], shifts(design)),
        })
    }

    // Everything that involves the random effects or the residual response.
    #[inline(always)]
    fn add_residual(&mut self, k: usize, design: &Design, sums: &mut ResponseSums) {
        let (p, width) = (design.p(), design.p() + 1);
        let mut rows = vec![0.0; CHUNK * width];
        let memory = |term: &ReTerm| vec![0.0; CHUNK * term.vsize()];
        let mut z: Vec<Vec<f64>> = design.terms.iter().map(memory).collect();
        let mut residual_ss = 0.0;
        for first in (0..design.n()).step_by(CHUNK) {
            let count = CHUNK.min(design.n() - first);
            gather(
                design,
                &self.border.shift,
                first,
                &mut rows[..count * width],
            );
            for (term, z) in design.terms.iter().zip(&mut z) {
                let k = term.vsize();
                term.z.gather(first, k, &mut z[..count * k]);
            }
            for (i, row) in rows.chunks_exact(width).take(count).enumerate() {
                let (x, y) = row.split_at(p);
                let r = y[0] - small::dot(&sums.beta0, x);
                let w = design.weight(first + i);
                small::axpy(w * r, x, &mut sums.products.fixed);
                residual_ss += w * r * r;
                let z = |t: usize, k: usize| &z[t][i * k..(i + 1) * k];
                self.add_row(k, design, first + i, w, x, r, z, &mut sums.products);
            }
        }
        sums.residual_ss[0] = residual_ss;
    }

    // `z(t, k)`: the `k` values of the row in term `t`; `r`: its residual response.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // k is a literal, the rest one row's
    fn add_row<'z>(
        &mut self,
        k: usize,
        design: &Design,
        i: usize,
        w: f64,
        x: &[f64],
        r: f64,
        z: impl Fn(usize, usize) -> &'z [f64],
        products: &mut Vectors,
    ) {
        let p = x.len();
        let level = design.terms[self.layout.leading_term].level(i);
        let z0 = z(self.layout.leading_term, k);
        let wr = w * r;
        let zy = &mut products.leading[level * k..(level + 1) * k];
        zy.iter_mut().zip(z0).for_each(|(zy, z)| *zy += wr * z);
        let a00 = self.leading.a00.square_mut(k, level).chunks_exact_mut(k);
        a00.zip(z0).for_each(|(a00, z)| small::axpy(w * z, z0, a00));
        let ax0 = self.leading.ax0.block_mut(level);
        for (j, z) in z0.iter().enumerate() {
            small::axpy(w * z, x, &mut ax0[j * p..(j + 1) * p]);
        }
        let a_xr = self.trailing.border_cross_products_mut();
        for block in &self.layout.blocks {
            let z = z(block.term, block.vsize);
            let first = block.first_row(design.terms[block.term].level(i)) as usize;
            let columns = &mut a_xr[first * p..(first + block.vsize) * p];
            let zy = &mut products.trailing[first..first + block.vsize];
            for (j, (zy, z)) in zy.iter_mut().zip(z).enumerate() {
                *zy += wr * z;
                small::axpy(w * z, x, &mut columns[j * p..(j + 1) * p]);
            }
        }
        self.add_trailing(design, i, w, z);
    }

    // Products of two effects of trailing terms.
    #[inline]
    fn add_trailing<'z>(
        &mut self,
        design: &Design,
        i: usize,
        w: f64,
        z: impl Fn(usize, usize) -> &'z [f64],
    ) {
        let first_row = |block: &TrailingTerm| {
            let level = design.terms[block.term].level(i);
            block.first_row(level) as usize
        };
        for (b, block) in self.layout.blocks.iter().enumerate() {
            let (z_b, first) = (z(block.term, block.vsize), first_row(block));
            self.trailing.add_level(first, w, z_b);
            for other in &self.layout.blocks[..b] {
                let (z_o, other_first) = (z(other.term, other.vsize), first_row(other));
                for (l, z_o) in z_o.iter().enumerate() {
                    let products = z_b.iter().map(|z| w * z_o * z).enumerate();
                    let column = other_first + l;
                    products.for_each(|(j, value)| self.trailing.add(first + j, column, value));
                }
            }
        }
    }
}

// `[X y]'W[X y]` with the response itself, lower triangle.
pub(super) fn add_rows(design: &Design, shift: &[f64], gram: &mut [f64]) {
    let width = shift.len() + 1;
    let mut rows = vec![0.0; CHUNK * width];
    for first in (0..design.n()).step_by(CHUNK) {
        let count = CHUNK.min(design.n() - first);
        let rows = &mut rows[..count * width];
        gather(design, shift, first, rows);
        add_gram(design.weights, first, width, rows, gram);
    }
}

/// How far X is from rank deficient, as `X'X` tells it (to about 1e-8): the smallest norm that is
/// left of a column of norm one when those before it are projected out. `weights` are of rows; zero
/// if X'X is singular.
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
    if small::cholesky(p, &mut xx).is_none() {
        return 0.0;
    }
    (0..p).map(|j| xx[j * p + j]).fold(1.0, f64::min)
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

// Multiples of the first column to take off the columns of X: their means, if that column is
// constant.
pub(super) fn shifts(design: &Design) -> Vec<f64> {
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
pub(super) fn gather(design: &Design, shift: &[f64], first: usize, rows: &mut [f64]) {
    let (p, width) = (shift.len(), shift.len() + 1);
    design.x.gather(first, width, rows);
    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
        centre(&mut row[..p], shift);
        row[p] = design.response(first + i);
    }
}

/// Rows from `first` on of X, centred, row by row.
pub(super) fn gather_fixed(design: &Design, shift: &[f64], first: usize, rows: &mut [f64]) {
    let p = shift.len();
    design.x.gather(first, p, rows);
    let rows = rows.chunks_exact_mut(p.max(1));
    rows.for_each(|row| centre(row, shift));
}

#[inline(always)]
fn centre(x: &mut [f64], shift: &[f64]) {
    let x0 = x.first().copied().unwrap_or(0.0);
    x.iter_mut().zip(shift).for_each(|(x, s)| *x -= s * x0);
}
