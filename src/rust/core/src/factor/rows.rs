//! New numbers on an old pattern: the cross-products of re-weighted rows.
//!
//! Rows are kept sorted by unit, with the place of each in every block found once. A refill is one
//! pass over the rows per block, without searching or allocating.

use crate::design::Design;
use crate::factor::leading::sort_by_level;
use crate::factor::solve::Vectors;
use crate::factor::Factor;
use crate::kernels::gemm::add_product;
use crate::kernels::small;

use faer::{MatMut, MatRef};

const CHUNK: usize = 128;

/// The rows of a design, sorted by unit.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Number of each row in the design.
    pub order: Vec<u32>,
    /// Where the rows of each unit start; one more than there are units.
    pub unit_ptr: Vec<usize>,
    /// The unit term, then the trailing terms in the order of the layout.
    pub terms: Vec<RowsOfTerm>,
    /// Fixed-effects rows, `p x n`, centred.
    pub x: Vec<f64>,
    /// Fixed effects.
    pub p: usize,
    pairs: Vec<Cells>,
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
    /// Trailing terms: place of each row's first effect among the rows that its unit touches.
    pub slot: Vec<u32>,
    /// Trailing terms: first row of each level.
    pub first: Vec<u32>,
    n_levels: usize,
}

// Observed pairs of levels of two trailing terms (or of one with itself).
#[derive(Debug, Clone)]
struct Cells {
    a: usize,
    b: usize,
    // Cell of each row; empty for the pairs of one term, whose cell is the level.
    cell: Vec<u32>,
    // First rows of the levels of each cell.
    first: Vec<(u32, u32)>,
}

impl RowsOfTerm {
    fn new(design: &Design, term: usize, order: &[u32]) -> Self {
        let t = &design.terms[term];
        let k = t.vsize();
        let level = order.iter().map(|&i| t.level(i as usize) as u32).collect();
        let row = |&i: &u32| (0..k).map(move |j| t.value(i as usize, j));
        let z = if t.z.is_ones() {
            Vec::new()
        } else {
            order.iter().flat_map(row).collect()
        };
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

    /// Effects of row `i`.
    #[inline(always)]
    pub fn z(&self, i: usize) -> &[f64] {
        if self.z.is_empty() {
            &[1.0]
        } else {
            &self.z[i * self.k..(i + 1) * self.k]
        }
    }

    // Root mean square of each column of Z; 1 for a column of zeros.
    fn root_mean_squares(&self, n: usize) -> Vec<f64> {
        let mut squares = vec![0.0; self.k];
        for i in 0..n {
            let z = self.z(i);
            squares.iter_mut().zip(z).for_each(|(s, z)| *s += z * z);
        }
        let root = |square: f64| (square / n as f64).sqrt();
        let size = |square: f64| if square > 0.0 { root(square) } else { 1.0 };
        squares.into_iter().map(size).collect()
    }

    /// `out_i += z_i' b` for the effects `b` (`k x n_levels`).
    pub fn add_product(&self, b: &[f64], out: &mut [f64]) {
        let k = self.k;
        if self.z.is_empty() {
            out.iter_mut()
                .zip(&self.level)
                .for_each(|(o, &l)| *o += b[l as usize]);
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
    pub fn transposed_product(&self, r: &[f64]) -> Vec<f64> {
        let k = self.k;
        let mut out = vec![0.0; k * self.n_levels];
        if self.z.is_empty() {
            r.iter()
                .zip(&self.level)
                .for_each(|(r, &level)| out[level as usize] += r);
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
    /// Sorts the rows of a design; `factor` has been made from it. `shift`: multiples of the first
    /// column of X to take off the columns.
    pub fn new(design: &Design, factor: &Factor, shift: &[f64]) -> Self {
        let layout = &factor.layout;
        let leading_term = &design.terms[layout.leading_term];
        let (unit_ptr, order) = sort_by_level(leading_term.refs, leading_term.n_levels);
        let mut terms = vec![RowsOfTerm::new(design, layout.leading_term, &order)];
        for block in &layout.blocks {
            let mut rows = RowsOfTerm::new(design, block.term, &order);
            rows.first.clone_from(&block.first);
            terms.push(rows);
        }
        let p = design.p();
        let centred = |i: usize, j: usize| design.x.value(i, j) - shift[j] * design.x.value(i, 0);
        let row = |&i: &u32| (0..p).map(move |j| centred(i as usize, j));
        let x = order.iter().flat_map(row).collect();
        let mut rows = Self {
            order,
            unit_ptr,
            terms,
            x,
            p,
            pairs: Vec::new(),
            scratch: Vec::new(),
        };
        rows.find_slots(factor);
        for a in 1..rows.terms.len() {
            (1..=a).for_each(|b| rows.pairs.push(Cells::new(&rows.terms, a, b)));
        }
        rows
    }

    /// Root mean square of each column of Z of each term; 1 for a column of zeros.
    pub fn root_mean_squares(&self) -> Vec<Vec<f64>> {
        let mut sizes = vec![Vec::new(); self.terms.len()];
        for term in &self.terms {
            sizes[term.term] = term.root_mean_squares(self.n());
        }
        sizes
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.order.len()
    }

    fn find_slots(&mut self, factor: &Factor) {
        let mut slot = vec![0u32; factor.layout.m];
        for term in &mut self.terms[1..] {
            term.slot = vec![0; term.level.len()];
            for unit in 0..factor.leading.n_levels {
                let touched = factor.leading.touched(unit).0;
                touched
                    .iter()
                    .enumerate()
                    .for_each(|(s, &row)| slot[row as usize] = s as u32);
                for i in self.unit_ptr[unit]..self.unit_ptr[unit + 1] {
                    term.slot[i] = slot[term.first[term.level[i] as usize] as usize];
                }
            }
        }
    }

    /// `X beta` for each row, X centred, added to `out`.
    pub fn add_fixed(&self, beta: &[f64], out: &mut [f64]) {
        if self.p > 0 {
            out.iter_mut()
                .zip(self.x.chunks_exact(self.p))
                .for_each(|(o, x)| *o += small::dot(x, beta));
        }
    }

    /// `X' r`, X centred.
    pub fn transposed_fixed(&self, r: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.p];
        if self.p > 0 {
            self.x
                .chunks_exact(self.p)
                .zip(r)
                .for_each(|(x, &r)| small::axpy(r, x, &mut out));
        }
        out
    }

    /// Fills the cross-products of `factor` with `[Z X]'W[Z X]`, and `rhs` with `[Z X]' r`.
    /// `factor` may have been made without fixed effects: then X is left out.
    pub fn refill(&mut self, factor: &mut Factor, rhs: &mut Vectors, w: &[f64], r: &[f64]) {
        self.fill_leading(factor, rhs, w, r);
        rhs.trailing.fill(0.0);
        for t in 1..self.terms.len() {
            self.fill_coupling(t, factor, rhs, w, r);
        }
        for pair in 0..self.pairs.len() {
            self.fill_pair(pair, factor, w);
        }
        if factor.p() > 0 {
            self.fill_fixed(factor, rhs, w, r);
        }
    }

    // Z0'WZ0 and Z0'r.
    fn fill_leading(&self, factor: &mut Factor, rhs: &mut Vectors, w: &[f64], r: &[f64]) {
        let (k, term) = (factor.leading.k, &self.terms[0]);
        for (unit, zr) in rhs.leading.chunks_exact_mut(k).enumerate() {
            let range = self.unit_ptr[unit]..self.unit_ptr[unit + 1];
            let a = factor.leading.a00.block_mut(unit);
            if term.z.is_empty() {
                a[0] = w[range.clone()].iter().sum();
                zr[0] = r[range].iter().sum();
                continue;
            }
            a.fill(0.0);
            zr.fill(0.0);
            for i in range {
                let z = term.z(i);
                for j in 0..k {
                    small::axpy(w[i] * z[j], z, &mut a[j * k..(j + 1) * k]);
                    zr[j] += r[i] * z[j];
                }
            }
        }
    }

    // Z_t'WZ0 and Z_t'r.
    fn fill_coupling(
        &self,
        t: usize,
        factor: &mut Factor,
        rhs: &mut Vectors,
        w: &[f64],
        r: &[f64],
    ) {
        let k0 = factor.leading.k;
        let (leading_term, term) = (&self.terms[0], &self.terms[t]);
        for unit in 0..factor.leading.n_levels {
            let range = factor.leading.ptr[unit]..factor.leading.ptr[unit + 1];
            let vals = &mut factor.leading.vals[range.start * k0..range.end * k0];
            if t == 1 {
                vals.fill(0.0);
            }
            for i in self.unit_ptr[unit]..self.unit_ptr[unit + 1] {
                let slot = term.slot[i] as usize;
                let row = term.first[term.level[i] as usize] as usize;
                if term.z.is_empty() && leading_term.z.is_empty() {
                    vals[slot] += w[i];
                    rhs.trailing[row] += r[i];
                    continue;
                }
                let z0 = leading_term.z(i);
                for (j, &z) in term.z(i).iter().enumerate() {
                    let at = (slot + j) * k0;
                    small::axpy(w[i] * z, z0, &mut vals[at..at + k0]);
                    rhs.trailing[row + j] += r[i] * z;
                }
            }
        }
    }

    // Z_a'WZ_b of two trailing terms.
    fn fill_pair(&mut self, pair: usize, factor: &mut Factor, w: &[f64]) {
        let cells = &self.pairs[pair];
        let (a, b) = (&self.terms[cells.a], &self.terms[cells.b]);
        let size = a.k * b.k;
        let index = if cells.cell.is_empty() {
            &a.level
        } else {
            &cells.cell
        };
        self.scratch.clear();
        self.scratch.resize(cells.first.len() * size, 0.0);
        if a.z.is_empty() && b.z.is_empty() {
            index
                .iter()
                .zip(w)
                .for_each(|(&c, w)| self.scratch[c as usize] += w);
        } else {
            for (i, &c) in index.iter().enumerate() {
                let block = &mut self.scratch[c as usize * size..(c as usize + 1) * size];
                for (column, &zb) in block.chunks_exact_mut(a.k).zip(b.z(i)) {
                    small::axpy(w[i] * zb, a.z(i), column);
                }
            }
        }
        for (block, &(row, col)) in self.scratch.chunks_exact(size).zip(&cells.first) {
            for l in 0..b.k {
                let from = if cells.a == cells.b { l } else { 0 };
                for j in from..a.k {
                    factor
                        .trailing
                        .set(row as usize + j, col as usize + l, block[l * a.k + j]);
                }
            }
        }
    }

    // X'WZ, X'WX and X'r.
    fn fill_fixed(&self, factor: &mut Factor, rhs: &mut Vectors, w: &[f64], r: &[f64]) {
        let p = self.p;
        factor.clear_fixed();
        rhs.fixed.fill(0.0);
        let mut weighted = vec![0.0; CHUNK * p];
        for first in (0..self.n()).step_by(CHUNK) {
            let count = CHUNK.min(self.n() - first);
            let x = &self.x[first * p..(first + count) * p];
            let rows = weighted.chunks_exact_mut(p).zip(x.chunks_exact(p));
            for (i, (row, x)) in (first..).zip(rows) {
                row.iter_mut().zip(x).for_each(|(v, x)| *v = w[i] * x);
                small::axpy(r[i], x, &mut rhs.fixed);
                let unit = self.terms[0].level[i] as usize;
                let ax0 = factor.leading.ax0.block_mut(unit);
                self.terms[0].add_outer(i, row, ax0);
                let a_xr = factor.trailing.border_cross_products_mut();
                for term in &self.terms[1..] {
                    let first = term.first[term.level[i] as usize] as usize;
                    let columns = &mut a_xr[first * p..(first + term.k) * p];
                    term.add_outer(i, row, columns);
                }
            }
            let left = MatRef::from_column_major_slice(&weighted[..count * p], p, count);
            let right = MatRef::from_column_major_slice(x, p, count);
            let a = factor.border.cross_products_mut();
            let out = MatMut::from_column_major_slice_mut(a, p, p);
            add_product(out, left, right.transpose(), 1.0);
        }
    }
}

impl Cells {
    fn new(terms: &[RowsOfTerm], a: usize, b: usize) -> Self {
        let (ta, tb) = (&terms[a], &terms[b]);
        if a == b {
            return Self {
                a,
                b,
                cell: Vec::new(),
                first: ta.first.iter().map(|&row| (row, row)).collect(),
            };
        }
        let key = |i: usize| (ta.level[i], tb.level[i]);
        let mut sorted: Vec<u32> = (0..ta.level.len() as u32).collect();
        sorted.sort_unstable_by_key(|&i| key(i as usize));
        let mut cell = vec![0; sorted.len()];
        let (mut first, mut last) = (Vec::new(), None);
        for &i in &sorted {
            let levels = key(i as usize);
            if last != Some(levels) {
                last = Some(levels);
                first.push((ta.first[levels.0 as usize], tb.first[levels.1 as usize]));
            }
            cell[i as usize] = first.len() as u32 - 1;
        }
        Self { a, b, cell, first }
    }
}
