//! New numbers on an old pattern: the cross-products of re-weighted rows.
//!
//! Rows are kept sorted by level of the leading term, with the place of each in every block found
//! once. A refill is one pass over the rows per block, without searching or allocating.

use std::ops::Range;

use faer::{MatMut, MatRef};

use crate::design::Design;
use crate::factor::layout::Layout;
use crate::factor::leading::{sort_by_level, Leading};
use crate::factor::solve::Vectors;
use crate::factor::Factor;
use crate::kernels::chunks::chunks;
use crate::kernels::gemm::add_product;
use crate::kernels::small::{self, set_zeros};

/// Rows that share a matrix product.
const CHUNK: usize = 128;
/// Rows of a piece of work that is worth a thread, at least.
const PIECE: usize = 1 << 14;

/// The rows of a design, sorted by level of the leading term.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Number of each row in the design.
    pub order: Vec<u32>,
    /// Where the rows of each level start; one more than there are levels.
    level_ptr: Vec<usize>,
    /// The leading term, then the trailing terms in the order of the layout.
    pub terms: Vec<RowsOfTerm>,
    /// Fixed-effects rows, `p x n`, centred.
    pub x: Vec<f64>,
    /// Fixed effects.
    pub p: usize,
    /// Pairs of trailing terms, of each with itself too.
    pub(crate) pairs: Vec<Cells>,
    scratch: Vec<f64>,
}

/// One term of sorted rows.
#[derive(Debug, Clone)]
pub struct RowsOfTerm {
    /// Index into the design's terms.
    pub term: usize,
    /// Effects per level.
    pub k: usize,
    /// Level of each row.
    pub level: Vec<u32>,
    /// `k x n`; empty for one column of ones.
    pub z: Vec<f64>,
    /// Trailing terms: place of each row's first effect among the rows that its level of the
    /// leading term touches.
    pub slot: Vec<u32>,
    /// Trailing terms: first row of each level.
    pub first: Vec<u32>,
    n_levels: usize,
}

/// Observed pairs of levels of two trailing terms (or of one with itself).
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    /// The terms, by their place among the sorted ones.
    pub a: usize,
    /// The second of them.
    pub b: usize,
    /// Cell of each row; empty for the pairs of one term, whose cell is the level.
    cell: Vec<u32>,
    /// First rows of the levels of each cell.
    pub first: Vec<(u32, u32)>,
}

/// Weights of the rows, and what is multiplied by Z and X on the right-hand side.
#[derive(Clone, Copy)]
struct Given<'a> {
    w: &'a [f64],
    r: &'a [f64],
}

impl RowsOfTerm {
    fn new(design: &Design, term: usize, order: &[u32]) -> Self {
        let t = &design.terms[term];
        let k = t.vsize();
        let level = order.iter().map(|&i| t.level(i as usize) as u32).collect();
        let mut z = Vec::new();
        if !t.z.is_ones() {
            for &i in order {
                z.extend((0..k).map(|j| t.value(i as usize, j)));
            }
        }
        Self {
            term,
            k,
            level,
            z,
            slot: Vec::new(),
            first: Vec::new(),
            n_levels: t.n_levels,
        }
    }

    /// First row of the trailing system that row `i` of the data concerns.
    #[inline(always)]
    pub(crate) fn first_row(&self, i: usize) -> usize {
        self.first[self.level[i] as usize] as usize
    }

    /// Effects of row `i`.
    #[inline(always)]
    pub fn z(&self, i: usize) -> &[f64] {
        if self.z.is_empty() {
            &[1.0]
        } else {
            &self.z[i * self.k..(i + 1) * self.k]
        }
    }

    // Z'WZ and Z'r of some rows of one level.
    #[inline(always)]
    fn sum_level(
        &self,
        rows: Range<usize>,
        given: Given,
        zz: &mut [f64],
        zr: &mut [f64],
    ) {
        let k = self.k;
        zz.fill(0.0);
        zr.fill(0.0);
        for i in rows {
            let z = self.z(i);
            for j in 0..k {
                small::axpy(given.w[i] * z[j], z, &mut zz[j * k..(j + 1) * k]);
                zr[j] += given.r[i] * z[j];
            }
        }
    }

    // Root mean square of each column of Z; 1 for a column of zeros.
    fn root_mean_squares(&self, n: usize) -> Vec<f64> {
        let mut squares = vec![0.0; self.k];
        for i in 0..n {
            let z = self.z(i);
            for (s, z) in squares.iter_mut().zip(z) {
                *s += z * z;
            }
        }
        let root = |square: f64| (square / n as f64).sqrt();
        let size = |square: f64| if square > 0.0 { root(square) } else { 1.0 };
        squares.into_iter().map(size).collect()
    }

    /// `out_i += z_i' b` for the effects `b` (`k x n_levels`).
    pub(crate) fn add_product(&self, b: &[f64], out: &mut [f64]) {
        let k = self.k;
        if self.z.is_empty() {
            for (o, &l) in out.iter_mut().zip(&self.level) {
                *o += b[l as usize];
            }
        } else {
            for (i, o) in out.iter_mut().enumerate() {
                let l = self.level[i] as usize;
                *o += small::dot(self.z(i), &b[l * k..(l + 1) * k]);
            }
        }
    }

    // Column j of `out`, as long as x, += z_ij x.
    #[inline(always)]
    fn add_outer(&self, i: usize, x: &[f64], out: &mut [f64]) {
        if self.z.is_empty() {
            out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
        } else {
            let columns = out.chunks_exact_mut(x.len()).zip(self.z(i));
            columns.for_each(|(out, &z)| small::axpy(z, x, out));
        }
    }

    /// `Z_t' r`, `k x n_levels`.
    pub(crate) fn transposed_product(&self, r: &[f64]) -> Vec<f64> {
        let k = self.k;
        let mut out = vec![0.0; k * self.n_levels];
        if self.z.is_empty() {
            for (r, &level) in r.iter().zip(&self.level) {
                out[level as usize] += r;
            }
            return out;
        }
        for (i, &r) in r.iter().enumerate() {
            let l = self.level[i] as usize;
            small::axpy(r, self.z(i), &mut out[l * k..(l + 1) * k]);
        }
        out
    }
}

impl Rows {
    /// Sorts the rows of a design; layout and leading term have been made from it. `shift`:
    /// multiples of the first column of X to take off the columns.
    pub fn new(
        design: &Design,
        (layout, leading): (&Layout, &Leading),
        shift: &[f64],
    ) -> Self {
        let leading_term = &design.terms[layout.leading_term];
        let (level_ptr, order) =
            sort_by_level(leading_term.refs, leading_term.n_levels);
        let mut terms =
            vec![RowsOfTerm::new(design, layout.leading_term, &order)];
        for block in &layout.blocks {
            let mut rows = RowsOfTerm::new(design, block.term, &order);
            rows.first.clone_from(&block.first);
            terms.push(rows);
        }
        let mut pairs = Vec::new();
        for a in 1..terms.len() {
            pairs.extend((1..=a).map(|b| Cells::new(&terms, a, b)));
        }
        let mut rows = Self {
            x: centred_rows(design, &order, shift),
            p: design.p(),
            order,
            level_ptr,
            terms,
            pairs,
            scratch: Vec::new(),
        };
        rows.find_slots(layout.m, leading);
        rows
    }

    /// Root mean square of each column of Z of each term; 1 for a column of zeros.
    pub(crate) fn root_mean_squares(&self) -> Vec<Vec<f64>> {
        let mut sizes = vec![Vec::new(); self.terms.len()];
        for term in &self.terms {
            sizes[term.term] = term.root_mean_squares(self.n());
        }
        sizes
    }

    /// Values of the design's rows in this order.
    pub(crate) fn sorted(&self, values: &[f64]) -> Vec<f64> {
        self.order.iter().map(|&i| values[i as usize]).collect()
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.order.len()
    }

    /// Whether all columns of Z are ones.
    pub(crate) fn are_plain(&self) -> bool {
        self.terms.iter().all(|term| term.z.is_empty())
    }

    /// The rows of a level of the leading term.
    #[inline(always)]
    pub(crate) fn of_level(&self, level: usize) -> Range<usize> {
        self.level_ptr[level]..self.level_ptr[level + 1]
    }

    /// Levels of the leading term in pieces of work for threads: the same however many there are.
    pub(crate) fn pieces(&self) -> Vec<Range<usize>> {
        let n_levels = self.level_ptr.len() - 1;
        let mut pieces = Vec::new();
        let mut start = 0;
        for end in 1..=n_levels {
            let rows = self.level_ptr[end] - self.level_ptr[start];
            if rows >= PIECE || end == n_levels {
                pieces.push(start..end);
                start = end;
            }
        }
        pieces
    }

    /// Number of rows of some levels of the leading term.
    pub(crate) fn count(&self, levels: &Range<usize>) -> usize {
        self.level_ptr[levels.end] - self.level_ptr[levels.start]
    }

    fn find_slots(&mut self, m: usize, leading: &Leading) {
        let mut slot = vec![0u32; m];
        for term in &mut self.terms[1..] {
            term.slot = vec![0; term.level.len()];
            for level in 0..leading.n_levels {
                let touched = leading.touched(level).0;
                for (s, &row) in touched.iter().enumerate() {
                    slot[row as usize] = s as u32;
                }
                for i in self.level_ptr[level]..self.level_ptr[level + 1] {
                    term.slot[i] = slot[term.first_row(i)];
                }
            }
        }
    }

    /// `X beta` for each row, X centred, added to `out`.
    pub(crate) fn add_fixed(&self, beta: &[f64], out: &mut [f64]) {
        if self.p > 0 {
            for (o, x) in out.iter_mut().zip(self.x.chunks_exact(self.p)) {
                *o += small::dot(x, beta);
            }
        }
    }

    /// `X' r`, X centred.
    pub(crate) fn transposed_fixed(&self, r: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.p];
        if self.p > 0 {
            for (x, &r) in self.x.chunks_exact(self.p).zip(r) {
                small::axpy(r, x, &mut out);
            }
        }
        out
    }

    /// `Z'r` of each term of the design, and `X'r` if fixed effects are wanted.
    pub(crate) fn transposed(
        &self,
        r: &[f64],
        with_fixed: bool,
    ) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut rz = vec![Vec::new(); self.terms.len()];
        for term in &self.terms {
            rz[term.term] = term.transposed_product(r);
        }
        let rx = match with_fixed {
            true => self.transposed_fixed(r),
            false => Vec::new(),
        };
        (rz, rx)
    }

    /// Fills the cross-products of `factor` with `[Z X]'W[Z X]`, and `rhs` with `[Z X]' r`.
    /// `factor` may have been made without fixed effects: then X is left out.
    pub(crate) fn refill(
        &mut self,
        factor: &mut Factor,
        rhs: &mut Vectors,
        w: &[f64],
        r: &[f64],
    ) {
        let given = Given { w, r };
        self.fill_leading(factor, rhs, given);
        rhs.trailing.fill(0.0);
        for t in 1..self.terms.len() {
            self.fill_coupling(t, factor, rhs, given);
        }
        for pair in 0..self.pairs.len() {
            self.fill_pair(pair, factor, w);
        }
        if factor.p() > 0 {
            self.fill_fixed(factor, rhs, given);
        }
    }

    // Z0'WZ0 and Z0'r.
    fn fill_leading(
        &self,
        factor: &mut Factor,
        rhs: &mut Vectors,
        given: Given,
    ) {
        let k = factor.leading.k;
        let term = &self.terms[0];
        for (level, zr) in rhs.leading.chunks_exact_mut(k).enumerate() {
            let rows = self.of_level(level);
            let a00 = factor.leading.a00.block_mut(level);
            if term.z.is_empty() {
                a00[0] = given.w[rows.clone()].iter().sum();
                zr[0] = given.r[rows].iter().sum();
            } else {
                term.sum_level(rows, given, a00, zr);
            }
        }
    }

    // Z_t'WZ0 and Z_t'r.
    fn fill_coupling(
        &self,
        t: usize,
        factor: &mut Factor,
        rhs: &mut Vectors,
        given: Given,
    ) {
        let is_plain = self.terms[t].z.is_empty() && self.terms[0].z.is_empty();
        for level in 0..factor.leading.n_levels {
            let vals = factor.leading.touched_mut(level);
            if t == 1 {
                vals.fill(0.0);
            }
            let rows = self.of_level(level);
            if is_plain {
                self.count_coupling(t, rows, vals, &mut rhs.trailing, given);
            } else {
                self.sum_coupling(t, rows, vals, &mut rhs.trailing, given);
            }
        }
    }

    // Z_t'WZ0 and Z_t'r of the rows of one level, where both columns are ones.
    #[inline(always)]
    fn count_coupling(
        &self,
        t: usize,
        rows: Range<usize>,
        vals: &mut [f64],
        zr: &mut [f64],
        given: Given,
    ) {
        let term = &self.terms[t];
        for i in rows {
            vals[term.slot[i] as usize] += given.w[i];
            zr[term.first_row(i)] += given.r[i];
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
        given: Given,
    ) {
        let term = &self.terms[t];
        let leading = &self.terms[0];
        for i in rows {
            let slot = term.slot[i] as usize;
            let row = term.first_row(i);
            for (j, &z) in term.z(i).iter().enumerate() {
                let at = (slot + j) * leading.k;
                small::axpy(
                    given.w[i] * z,
                    leading.z(i),
                    &mut vals[at..at + leading.k],
                );
                zr[row + j] += given.r[i] * z;
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
    fn fill_fixed(&self, factor: &mut Factor, rhs: &mut Vectors, given: Given) {
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
                values.for_each(|(weighted, x)| *weighted = given.w[i] * x);
                small::axpy(given.r[i], x, &mut rhs.fixed);
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

    // X'WZ of one row, with its weighted row of X.
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

// Rows of X in this order, with `shift` multiples of its first column taken off.
fn centred_rows(design: &Design, order: &[u32], shift: &[f64]) -> Vec<f64> {
    let mut rows = Vec::with_capacity(order.len() * shift.len());
    for i in order.iter().map(|&i| i as usize) {
        let x0 = if shift.is_empty() {
            0.0
        } else {
            design.x.value(i, 0)
        };
        let centred = shift.iter().enumerate();
        rows.extend(
            centred.map(|(j, shift)| design.x.value(i, j) - shift * x0),
        );
    }
    rows
}

impl Cells {
    fn new(terms: &[RowsOfTerm], a: usize, b: usize) -> Self {
        let mut cells = Self {
            a,
            b,
            cell: Vec::new(),
            first: Vec::new(),
        };
        if a == b {
            let firsts = terms[a].first.iter();
            cells.first = firsts.map(|&row| (row, row)).collect();
        } else {
            cells.find(&terms[a], &terms[b]);
        }
        cells
    }

    // The cell of each row: the rows sorted by their levels in both terms.
    fn find(&mut self, a: &RowsOfTerm, b: &RowsOfTerm) {
        let levels = |i: u32| (a.level[i as usize], b.level[i as usize]);
        let mut sorted: Vec<u32> = (0..a.level.len() as u32).collect();
        sorted.sort_unstable_by_key(|&i| levels(i));
        self.cell = vec![0; sorted.len()];
        let mut last = None;
        for i in sorted {
            if last != Some(levels(i)) {
                last = Some(levels(i));
                let first_a = a.first_row(i as usize);
                let first_b = b.first_row(i as usize);
                self.first.push((first_a as u32, first_b as u32));
            }
            self.cell[i as usize] = self.first.len() as u32 - 1;
        }
    }

    /// Sums up `Z_a'WZ_b` of each cell, `k_a x k_b`.
    pub(crate) fn sum(
        &self,
        a: &RowsOfTerm,
        b: &RowsOfTerm,
        w: &[f64],
        out: &mut Vec<f64>,
    ) {
        let size = a.k * b.k;
        let of_row = if self.cell.is_empty() {
            &a.level
        } else {
            &self.cell
        };
        set_zeros(out, self.first.len() * size);
        if a.z.is_empty() && b.z.is_empty() {
            for (&cell, w) in of_row.iter().zip(w) {
                out[cell as usize] += w;
            }
            return;
        }
        for (i, &cell) in of_row.iter().enumerate() {
            let block =
                &mut out[cell as usize * size..(cell as usize + 1) * size];
            for (column, &z) in block.chunks_exact_mut(a.k).zip(b.z(i)) {
                small::axpy(w[i] * z, a.z(i), column);
            }
        }
    }
}
