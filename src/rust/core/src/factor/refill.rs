//! Recomputation of the cross-products of sorted rows with other weights, in one pass over the rows
//! for each block.

use std::ops::Range;

use faer::{MatMut, MatRef};

use crate::factor::rows::Rows;
use crate::factor::rows_of_term::RowsOfTerm;
use crate::factor::solve::Vectors;
use crate::factor::Factor;
use crate::kernels::chunks::chunks;
use crate::kernels::gemm::add_product;
use crate::kernels::small;

/// Number of rows that share a matrix product.
const CHUNK: usize = 128;

/// The weights of the rows, and the vector multiplied by Z' and X' on the right-hand side.
#[derive(Clone, Copy)]
struct Weighting<'a> {
    w: &'a [f64],
    r: &'a [f64],
}

impl RowsOfTerm {
    // Z'WZ and Z'r of a range of rows of one level.
    #[inline(always)]
    fn sum_level(
        &self,
        rows: Range<usize>,
        weighting: Weighting,
        zz: &mut [f64],
        zr: &mut [f64],
    ) {
        let k = self.k;
        zz.fill(0.0);
        zr.fill(0.0);
        for i in rows {
            let z = self.z(i);
            for j in 0..k {
                small::axpy(
                    weighting.w[i] * z[j],
                    z,
                    &mut zz[j * k..(j + 1) * k],
                );
                zr[j] += weighting.r[i] * z[j];
            }
        }
    }

    // Column j of `out`, which has the length of x, += z_ij x.
    #[inline(always)]
    fn add_outer(&self, i: usize, x: &[f64], out: &mut [f64]) {
        if self.z.is_empty() {
            out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
        } else {
            let columns = out.chunks_exact_mut(x.len()).zip(self.z(i));
            columns.for_each(|(out, &z)| small::axpy(z, x, out));
        }
    }
}

impl Rows {
    /// Fills the cross-products of `factor` with `[Z X]'W[Z X]`, and `rhs` with `[Z X]' r`. X is
    /// left out if `factor` was made without fixed effects.
    pub(crate) fn refill(
        &mut self,
        factor: &mut Factor,
        rhs: &mut Vectors,
        w: &[f64],
        r: &[f64],
    ) {
        let weighting = Weighting { w, r };
        self.fill_leading(factor, rhs, weighting);
        rhs.trailing.fill(0.0);
        for t in 1..self.terms.len() {
            self.fill_coupling(t, factor, rhs, weighting);
        }
        for pair in 0..self.pairs.len() {
            self.fill_pair(pair, factor, w);
        }
        if factor.p() > 0 {
            self.fill_fixed(factor, rhs, weighting);
        }
    }

    // Z0'WZ0 and Z0'r.
    fn fill_leading(
        &self,
        factor: &mut Factor,
        rhs: &mut Vectors,
        weighting: Weighting,
    ) {
        let k = factor.leading.k;
        let term = &self.terms[0];
        for (level, zr) in rhs.leading.chunks_exact_mut(k).enumerate() {
            let rows = self.of_level(level);
            let a00 = factor.leading.a00.block_mut(level);
            if term.z.is_empty() {
                a00[0] = weighting.w[rows.clone()].iter().sum();
                zr[0] = weighting.r[rows].iter().sum();
            } else {
                term.sum_level(rows, weighting, a00, zr);
            }
        }
    }

    // Z_t'WZ0 and Z_t'r.
    fn fill_coupling(
        &self,
        t: usize,
        factor: &mut Factor,
        rhs: &mut Vectors,
        weighting: Weighting,
    ) {
        let is_plain = self.terms[t].z.is_empty() && self.terms[0].z.is_empty();
        for level in 0..factor.leading.n_levels {
            let vals = factor.leading.coupled_mut(level);
            if t == 1 {
                vals.fill(0.0);
            }
            let rows = self.of_level(level);
            if is_plain {
                self.count_coupling(
                    t,
                    rows,
                    vals,
                    &mut rhs.trailing,
                    weighting,
                );
            } else {
                self.sum_coupling(t, rows, vals, &mut rhs.trailing, weighting);
            }
        }
    }

    // Z_t'WZ0 and Z_t'r of the rows of one level, if both columns of Z are ones.
    #[inline(always)]
    fn count_coupling(
        &self,
        t: usize,
        rows: Range<usize>,
        vals: &mut [f64],
        zr: &mut [f64],
        weighting: Weighting,
    ) {
        let term = &self.terms[t];
        for i in rows {
            vals[term.slot[i] as usize] += weighting.w[i];
            zr[term.first_row(i)] += weighting.r[i];
        }
    }

    // Z_t'WZ0 and Z_t'r of the rows of one level.
    #[inline(always)]
    fn sum_coupling(
        &self,
        t: usize,
        rows: Range<usize>,
        vals: &mut [f64],
        zr: &mut [f64],
        weighting: Weighting,
    ) {
        let term = &self.terms[t];
        let leading = &self.terms[0];
        for i in rows {
            let slot = term.slot[i] as usize;
            let row = term.first_row(i);
            for (j, &z) in term.z(i).iter().enumerate() {
                let at = (slot + j) * leading.k;
                small::axpy(
                    weighting.w[i] * z,
                    leading.z(i),
                    &mut vals[at..at + leading.k],
                );
                zr[row + j] += weighting.r[i] * z;
            }
        }
    }

    // Z_a'WZ_b of two trailing terms.
    fn fill_pair(&mut self, pair: usize, factor: &mut Factor, w: &[f64]) {
        let cells = &self.pairs[pair];
        let a = &self.terms[cells.a];
        let b = &self.terms[cells.b];
        cells.sum(a, b, w, &mut self.scratch);
        let blocks = self.scratch.chunks_exact(a.k * b.k);
        for (block, &(row, col)) in blocks.zip(&cells.first) {
            for (l, column) in block.chunks_exact(a.k).enumerate() {
                let from = if cells.a == cells.b { l } else { 0 };
                for j in from..a.k {
                    factor.trailing.set(
                        row as usize + j,
                        col as usize + l,
                        column[j],
                    );
                }
            }
        }
    }

    // X'WZ, X'WX and X'r.
    fn fill_fixed(
        &self,
        factor: &mut Factor,
        rhs: &mut Vectors,
        weighting: Weighting,
    ) {
        let p = self.p;
        factor.clear_fixed();
        rhs.fixed.fill(0.0);
        let mut memory = vec![0.0; CHUNK * p];
        for range in chunks(self.n(), CHUNK) {
            let x = &self.x[range.start * p..range.end * p];
            let weighted = &mut memory[..range.len() * p];
            let rows = weighted.chunks_exact_mut(p).zip(x.chunks_exact(p));
            for (i, (row, x)) in range.clone().zip(rows) {
                let values = row.iter_mut().zip(x);
                values.for_each(|(weighted, x)| *weighted = weighting.w[i] * x);
                small::axpy(weighting.r[i], x, &mut rhs.fixed);
                self.add_fixed_row(i, row, factor);
            }
            let left =
                MatRef::from_column_major_slice(weighted, p, range.len());
            let right = MatRef::from_column_major_slice(x, p, range.len());
            let a = factor.border.cross_products_mut();
            let out = MatMut::from_column_major_slice_mut(a, p, p);
            add_product(out, left, right.transpose(), 1.0);
        }
    }

    // Adds X'WZ of one row, given the weighted row of X.
    #[inline(always)]
    fn add_fixed_row(&self, i: usize, weighted: &[f64], factor: &mut Factor) {
        let p = self.p;
        let leading = &self.terms[0];
        let ax0 = factor.leading.ax0.block_mut(leading.level[i] as usize);
        leading.add_outer(i, weighted, ax0);
        let a_xr = factor.trailing.border_cross_products_mut();
        for term in &self.terms[1..] {
            let first = term.first_row(i);
            let columns = &mut a_xr[first * p..(first + term.k) * p];
            term.add_outer(i, weighted, columns);
        }
    }
}
