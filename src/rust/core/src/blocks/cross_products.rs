//! A = [Z X y]' W [Z X y], summed up once; everything after it is free of `n`.

use faer::linalg::matmul::triangular::{matmul, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};

use crate::blocks::layout::Layout;
use crate::blocks::small;
use crate::blocks::trailing::Trailing;
use crate::blocks::units::Units;
use crate::design::Design;
use crate::error::Result;

/// Rows that are gathered at a time: their copy stays in the cache.
const CHUNK: usize = 256;

/// The blocks of A. `y` is replaced by the residual of its weighted least-squares fit to X alone, which leaves
/// the objective as it is and saves the digits that a large mean would cost.
#[derive(Debug)]
pub struct CrossProducts {
    /// Where the terms are.
    pub layout: Layout,
    /// Block column of the unit term.
    pub units: Units,
    /// The other terms and their border.
    pub trailing: Trailing,
    /// `[X y]'W[X y]`, lower triangle, `width x width`.
    pub xx: Vec<f64>,
    /// Least-squares coefficients that were subtracted from y.
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
        let mut units = Units::new(design, &layout);
        let trailing = Trailing::new(&mut units, &mut layout)?;
        let width = layout.width;
        let mut a = Self { layout, units, trailing, xx: vec![0.0; width * width], beta0: Vec::new(), response_ss: 0.0 };
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
            gather(design, first, count, width, &mut rows);
            if design.weights.is_some() {
                for (i, row) in rows.chunks_exact_mut(width).take(count).enumerate() {
                    let root = design.weight(first + i).sqrt();
                    row.iter_mut().for_each(|v| *v *= root);
                }
            }
            let r = MatRef::from_column_major_slice(&rows[..count * width], width, count);
            let xx = MatMut::from_column_major_slice_mut(&mut self.xx, width, width);
            let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
            matmul(xx, lower, Accum::Add, r, full, r.transpose(), full, 1.0, Par::Seq);
        }
    }

    // Everything that involves the random effects or the residual response.
    fn sum_residual(&mut self, design: &Design) {
        let (width, p) = (self.layout.width, self.layout.width - 1);
        let mut rows = vec![0.0; CHUNK * width];
        let mut z = vec![0.0; self.layout.max_vsize().max(self.units.k)];
        let mut y_row = vec![0.0; width];
        for first in (0..design.n()).step_by(CHUNK) {
            let count = CHUNK.min(design.n() - first);
            gather(design, first, count, width, &mut rows);
            for (i, row) in rows.chunks_exact_mut(width).take(count).enumerate() {
                row[p] -= small::dot(&self.beta0, row);
                let w = design.weight(first + i);
                small::axpy(w * row[p], row, &mut y_row);
                self.add_row(design, first + i, w, row, &mut z);
            }
        }
        (0..width).for_each(|j| self.xx[j * width + p] = y_row[j]);
    }

    #[inline]
    fn add_row(&mut self, design: &Design, i: usize, w: f64, row: &[f64], z: &mut [f64]) {
        let width = row.len();
        let k = self.units.k;
        let term = &design.terms[self.layout.unit_term];
        term.row(i, z);
        let at = term.level(i) * width * k;
        for (column, z) in self.units.ax0[at..at + width * k].chunks_exact_mut(width).zip(&*z) {
            small::axpy(w * z, row, column);
        }
        for (b, block) in self.layout.blocks.iter().enumerate() {
            let term = &design.terms[block.term];
            term.row(i, z);
            let first = block.first_row(term.level(i)) as usize;
            for j in 0..block.vsize {
                let column = &mut self.trailing.a_xr[(first + j) * width..(first + j + 1) * width];
                small::axpy(w * z[j], row, column);
                (j..block.vsize).for_each(|l| self.trailing.add(first + l, first + j, w * z[j] * z[l]));
            }
            for other in &self.layout.blocks[..b] {
                let term = &design.terms[other.term];
                let other_first = other.first_row(term.level(i)) as usize;
                for l in 0..other.vsize {
                    let wz = w * term.value(i, l);
                    (0..block.vsize).for_each(|j| self.trailing.add(first + j, other_first + l, wz * z[j]));
                }
            }
        }
    }
}

// Rows `first..first + count` of [X y - offset], row by row.
fn gather(design: &Design, first: usize, count: usize, width: usize, rows: &mut [f64]) {
    let n = design.n();
    for (j, column) in design.x.chunks_exact(n).enumerate() {
        for (i, value) in column[first..first + count].iter().enumerate() {
            rows[i * width + j] = *value;
        }
    }
    for i in 0..count {
        rows[i * width + width - 1] = design.response(first + i);
    }
}

// Coefficients of y on X from the lower triangle of [X y]'[X y]; zero if X is not of full rank.
fn least_squares(p: usize, xx: &[f64]) -> Vec<f64> {
    let width = p + 1;
    let mut l: Vec<f64> = (0..p).flat_map(|j| xx[j * width..j * width + p].to_vec()).collect();
    let mut beta: Vec<f64> = (0..p).map(|j| xx[j * width + p]).collect();
    if small::cholesky(p, &mut l).is_none() {
        return vec![0.0; p];
    }
    small::forward_solve(p, &l, &mut beta);
    small::backward_solve(p, &l, &mut beta);
    beta
}
