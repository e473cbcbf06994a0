//! The cross-products A = [Z X y]' W [Z X y], computed once per model; no later computation has
//! length `n`.
//!
//! Identical rows of X are not combined first, as finding them takes as long as summing them up:
//! with 20 columns of factors and a million rows the products within X take 2 % of a complete call,
//! and all sums 30 %, most of it memory traffic.

use faer::{MatMut, MatRef};

use crate::design::columns::{Column, Columns};
use crate::design::Design;
use crate::error::Result;
use crate::factor::border::Border;
use crate::factor::chunk::{centre, Gathered, Row, CHUNK};
use crate::factor::layout::{Layout, TrailingTerm};
use crate::factor::leading::Leading;
use crate::factor::memory::{too_large, Room};
use crate::factor::response_sums::ResponseSums;
use crate::factor::solve::Vectors;
use crate::factor::trailing::{Plan, Trailing};
use crate::kernels::chunks::chunks;
use crate::kernels::gemm::add_lower_product;
use crate::kernels::small::{self, for_size};

/// The blocks of `[Z X]'W[Z X]`. If the first column of X is constant the others are centred, which
/// leaves the objective unchanged and avoids cancellation where means are large.
#[derive(Debug, Clone)]
pub struct CrossProducts {
    /// The positions of the terms in the system.
    pub(crate) layout: Layout,
    /// The block column of the leading term.
    pub(crate) leading: Leading,
    /// The block columns of the trailing terms, and their border.
    pub(crate) trailing: Trailing,
    /// `X'WX`.
    pub(crate) border: Border,
}

impl CrossProducts {
    /// Sums up the blocks of a valid design, and those of its response.
    ///
    /// # Errors
    /// `TooLarge` if the crossed terms don't fit in memory.
    pub fn from_rows(design: &Design) -> Result<(Self, ResponseSums)> {
        let found = Self::places(design, &Room::default())?;
        let found = found.ok_or_else(|| too_large(f64::NAN, None))?;
        Ok(found.with_sums(design))
    }

    /// Sums up the blocks if a factor fits in memory and is fast enough; `None` otherwise.
    ///
    /// # Errors
    /// `TooLarge` if the crossed terms don't fit in memory.
    pub fn planned(
        design: &Design,
        room: &Room,
    ) -> Result<Option<(Self, ResponseSums)>> {
        let found = Self::places(design, room)?;
        Ok(found.map(|found| found.with_sums(design)))
    }

    fn with_sums(self, design: &Design) -> (Self, ResponseSums) {
        let mut a = self;
        let p = design.p();
        let width = p + 1;
        let mut gram = vec![0.0; width * width];
        add_rows(design, &a.border.shift, &mut gram);
        let xx = a.border.cross_products_mut().chunks_exact_mut(p.max(1));
        for (xx, column) in xx.zip(gram.chunks_exact(width)) {
            xx.copy_from_slice(&column[..p]);
        }
        let mut sums = ResponseSums {
            products: Vectors::of_layout(&a.layout, &a.leading, 1),
            residual_ss: vec![0.0],
            total_ss: vec![gram[width * width - 1]],
            beta0: (0..p).map(|j| gram[j * width + p]).collect(),
        };
        a.border.least_squares(&mut gram, &mut sums.beta0);
        for_size!(a.leading.k, k => a.add_residual(k, design, &mut sums));
        (a, sums)
    }

    /// Allocates all blocks of a design, filled with zeros, if a factor fits in memory and is fast
    /// enough; `None` otherwise.
    ///
    /// # Errors
    /// `TooLarge` if the crossed terms don't fit in memory.
    pub(crate) fn places(design: &Design, room: &Room) -> Result<Option<Self>> {
        let mut layout = Layout::new(design);
        if Plan::without_factor(design, &layout, room)?.is_some() {
            return Ok(None);
        }
        let mut leading = Leading::new(design, &layout);
        let trailing = Trailing::new(&mut leading, &mut layout, room)?;
        let p = design.p();
        Ok(trailing.map(|trailing| Self {
            layout,
            leading,
            trailing,
            border: Border::new(vec![0.0; p * p], shifts(design)),
        }))
    }

    // Adds all products with the random effects or the residual response.
    #[inline(always)]
    fn add_residual(
        &mut self,
        k: usize,
        design: &Design,
        sums: &mut ResponseSums,
    ) {
        let shift = self.border.shift.clone();
        let leading_term = self.layout.leading_term;
        let mut rows = Gathered::new(design, &shift);
        let mut products = sums.products.column_mut(0, 1);
        let mut residual_ss = 0.0;
        for range in chunks(design.n(), CHUNK) {
            rows.gather(range.clone());
            for i in range {
                let row = rows.row(i, design.response(i), &sums.beta0);
                residual_ss += row.w * row.r * row.r;
                let level = design.terms[leading_term].level(i);
                let z0 = row.z(leading_term, k);
                products.add_leading(level, z0, row);
                self.add_leading(k, level, z0, row);
                if self.layout.m > 0 {
                    products.add_trailing(&self.layout, design, row);
                    self.add_trailing(design, row);
                }
            }
        }
        sums.residual_ss[0] = residual_ss;
    }

    // Adds Z0'WZ0 and X'WZ0 of one row.
    #[inline(always)]
    fn add_leading(&mut self, k: usize, level: usize, z0: &[f64], row: Row) {
        let a00 = self.leading.a00.square_mut(k, level);
        for j in 0..k {
            small::axpy(row.w * z0[j], z0, &mut a00[j * k..(j + 1) * k]);
        }
        let p = row.x.len();
        let ax0 = self.leading.ax0.block_mut(level);
        for (j, z) in z0.iter().enumerate() {
            small::axpy(row.w * z, row.x, &mut ax0[j * p..(j + 1) * p]);
        }
    }

    // Adds X'WZ_R and Z_R'WZ_R of one row.
    #[inline]
    fn add_trailing(&mut self, design: &Design, row: Row) {
        let p = row.x.len();
        let first_row = |block: &TrailingTerm| {
            let level = design.terms[block.term].level(row.i);
            block.first_row(level) as usize
        };
        for (b, block) in self.layout.blocks.iter().enumerate() {
            let z = row.z(block.term, block.vsize);
            let first = first_row(block);
            let a_xr = self.trailing.border_cross_products_mut();
            for (j, z) in z.iter().enumerate() {
                let column = (first + j) * p;
                small::axpy(row.w * z, row.x, &mut a_xr[column..column + p]);
            }
            self.trailing.add_level(first, row.w, z);
            for other in &self.layout.blocks[..b] {
                let z_other = row.z(other.term, other.vsize);
                self.trailing.add_pair(
                    (first, z),
                    (first_row(other), z_other),
                    row.w,
                );
            }
        }
    }
}

// Adds `[X y]'W[X y]` of the response itself, lower triangle.
pub(super) fn add_rows(design: &Design, shift: &[f64], gram: &mut [f64]) {
    let width = shift.len() + 1;
    let mut memory = vec![0.0; design.n().min(CHUNK) * width];
    for range in chunks(design.n(), CHUNK) {
        let rows = &mut memory[..range.len() * width];
        gather(design, shift, range.start, rows);
        add_gram(design.weights, range.start, width, rows, gram);
    }
}

/// A measure of the distance of X from rank deficiency, as far as `X'X` shows it (to about 1e-8):
/// the smallest norm of the residual of a column, scaled to norm one, on the preceding ones; zero
/// if X'X is singular. `weights` are those of the rows.
pub fn smallest_pivot(x: &Columns, weights: Option<&[f64]>, n: usize) -> f64 {
    let p = x.len();
    let mut xx = vec![0.0; p * p];
    let mut memory = vec![0.0; n.min(CHUNK) * p];
    for range in chunks(n, CHUNK) {
        let rows = &mut memory[..range.len() * p];
        x.gather(range.start, p, rows);
        add_gram(weights, range.start, p, rows, &mut xx);
    }
    let squares = xx.iter().step_by(p + 1);
    let norms: Vec<f64> = squares.map(|square| square.sqrt()).collect();
    for (at, value) in xx.iter_mut().enumerate() {
        *value /= norms[at % p] * norms[at / p];
    }
    if small::cholesky(p, &mut xx).is_none() {
        return 0.0;
    }
    xx.iter().step_by(p + 1).copied().fold(1.0, f64::min)
}

// Adds the lower triangle of `rows W rows'` to `out`, multiplying the rows by their weights in
// place.
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
            for v in row.iter_mut() {
                *v *= root;
            }
        }
    }
    let r = MatRef::from_column_major_slice(rows, width, rows.len() / width);
    let out = MatMut::from_column_major_slice_mut(out, width, width);
    add_lower_product(out, r, r.transpose(), 1.0);
}

// Multiples of the first column of X to subtract from the others: their means, if the first column
// is constant.
pub(crate) fn shifts(design: &Design) -> Vec<f64> {
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

// The mean of a column, computed relative to its first value, which makes that of a constant column
// exact.
fn mean(design: &Design, column: &Column) -> f64 {
    let origin = column.value(0);
    let mut total = 0.0;
    let mut sum = 0.0;
    for i in 0..design.n() {
        total += design.weight(i);
        sum += design.weight(i) * (column.value(i) - origin);
    }
    origin + sum / total
}

// Gathers rows of [X, y - offset] from `first` on, X centred, row by row.
pub(super) fn gather(
    design: &Design,
    shift: &[f64],
    first: usize,
    rows: &mut [f64],
) {
    let p = shift.len();
    let width = shift.len() + 1;
    design.x.gather(first, width, rows);
    for (row, y) in rows.chunks_exact_mut(width).zip(&design.y[first..]) {
        let (x, response) = row.split_at_mut(p);
        centre(x, shift);
        response[0] = *y;
    }
    let offsets = design.offset.map_or(&[][..], |offset| &offset[first..]);
    for (row, offset) in rows.chunks_exact_mut(width).zip(offsets) {
        row[p] -= offset;
    }
}
