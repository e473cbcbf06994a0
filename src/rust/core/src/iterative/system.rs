//! Cross-products by level, and what is left of them at a theta.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::factor::blocks::Blocks;
use crate::factor::sums::{PairSums, Sums};
use crate::kernels::simd::vectorized;
use crate::kernels::small;

/// Right-hand sides that are worked on at once.
pub const WIDTH: usize = 8;

/// One row of so many vectors.
pub type Row = [f64; WIDTH];

/// Levels of one trailing term.
#[derive(Debug, Clone)]
pub struct Trailing {
    /// The term, by its place in the model.
    pub term: usize,
    /// Effects per level.
    pub k: usize,
    /// Number of levels.
    pub n_levels: usize,
    /// Row of the first effect of the first level; the others follow.
    pub first: usize,
    /// `Z'WZ`, `k x k` per level.
    pub zz: Blocks,
}

/// Cross-products that don't depend on theta.
#[derive(Debug, Clone)]
pub struct System {
    /// The term that is eliminated, by its place in the model.
    pub leading: usize,
    /// Effects per level of the leading term.
    pub k0: usize,
    /// `Z_0'WZ_0`, `k0 x k0` per level.
    pub a00: Blocks,
    /// Where the rows that each leading level touches start; one more than there are levels.
    pub ptr: Vec<usize>,
    /// Touched rows.
    pub rows: Vec<u32>,
    /// `Z_t'WZ_0`: `k0` values per touched row.
    pub vals: Vec<f64>,
    /// All terms but the leading one.
    pub trailing: Vec<Trailing>,
    /// Random effects of the other terms.
    pub m: usize,
    /// Fixed effects.
    pub p: usize,
    /// Products of two trailing terms: where the elements of each row start.
    pub cross_ptr: Vec<usize>,
    /// Columns of these elements.
    pub cross_rows: Vec<u32>,
    /// Values of these elements.
    pub cross_vals: Vec<f64>,
    /// `[X r]'WZ_0`, `p + 1` values per leading effect.
    pub border_leading: Vec<f64>,
    /// `[X r]'WZ_t`, `p + 1` values per row.
    pub border_trailing: Vec<f64>,
    /// `[X r]'W[X r]`.
    pub gram: Vec<f64>,
    /// `y'Wy` of the response itself.
    pub total_ss: f64,
    /// Coefficients that were taken off the response.
    pub beta0: Vec<f64>,
    /// Multiples of the first column of X that were taken off its columns.
    pub shift: Vec<f64>,
}

/// The system at one theta, the leading term eliminated.
#[derive(Debug, Clone)]
pub struct Reduced {
    /// The cross-products.
    pub system: Arc<System>,
    /// Lambda of the leading term.
    pub leading_lambda: Vec<f64>,
    /// Lambda of each trailing term.
    pub lambdas: Vec<Vec<f64>>,
    /// `V_i`, `k0 x k0` per leading level.
    pub v: Blocks,
    /// `sum_i log |T_i|`.
    pub log_det: f64,
}

impl System {
    /// The term with most effects leads.
    pub fn new(sums: &Sums) -> Self {
        let leading = largest_term(sums);
        let trailing = trailing_terms(sums, leading);
        let m = trailing.last().map_or(0, |block| block.rows().end);
        let of_leading = &sums.terms[leading];
        let mut system = Self {
            leading,
            k0: of_leading.k,
            a00: of_leading.zz.clone(),
            ptr: Vec::new(),
            rows: Vec::new(),
            vals: Vec::new(),
            trailing,
            m,
            p: sums.p(),
            cross_ptr: vec![0; m + 1],
            cross_rows: Vec::new(),
            cross_vals: Vec::new(),
            border_leading: border_rows(sums, leading),
            border_trailing: Vec::new(),
            gram: gram(sums),
            total_ss: sums.yy,
            beta0: sums.beta0.clone(),
            shift: sums.shift.clone(),
        };
        let rows = system
            .trailing
            .iter()
            .map(|block| border_rows(sums, block.term));
        system.border_trailing = rows.collect::<Vec<_>>().concat();
        system.fill_coupling(sums, of_leading.n_levels);
        system.fill_cross(sums);
        system
    }

    fn block_of(&self, term: usize) -> Option<&Trailing> {
        self.trailing.iter().find(|block| block.term == term)
    }

    /// The number of the trailing block of a term.
    pub fn place_of(&self, term: usize) -> Option<usize> {
        self.trailing.iter().position(|block| block.term == term)
    }

    // Z_t'WZ_0, leading level after leading level.
    fn fill_coupling(&mut self, sums: &Sums, n_levels: usize) {
        let k0 = self.k0;
        let coupled: Vec<Coupled> = sums
            .pairs
            .iter()
            .filter_map(|pair| self.coupled(pair))
            .collect();
        let mut ptr = vec![0; n_levels + 1];
        for coupled in &coupled {
            for i in 0..coupled.pair.levels.len() {
                ptr[coupled.levels(i).0 + 1] += coupled.k;
            }
        }
        (0..n_levels).for_each(|i| ptr[i + 1] += ptr[i]);
        let mut next = ptr.clone();
        let mut rows = vec![0u32; ptr[n_levels]];
        let mut vals = vec![0.0; ptr[n_levels] * k0];
        for coupled in &coupled {
            let k = coupled.k;
            for i in 0..coupled.pair.levels.len() {
                let (level, other) = coupled.levels(i);
                let at = next[level];
                next[level] += k;
                for j in 0..k {
                    rows[at + j] = (coupled.first + other * k + j) as u32;
                }
                let place = &mut vals[at * k0..(at + k) * k0];
                coupled.copy_block(i, k0, place);
            }
        }
        (self.ptr, self.rows, self.vals) = (ptr, rows, vals);
    }

    // What a pair of terms says of the leading one; `None` if it isn't among them.
    fn coupled<'a>(&self, pair: &'a PairSums) -> Option<Coupled<'a>> {
        let (a, b) = pair.terms;
        let other = match self.leading {
            leading if leading == a => b,
            leading if leading == b => a,
            _ => return None,
        };
        let block = self.block_of(other)?;
        Some(Coupled {
            pair,
            k: block.k,
            first: block.first,
            leads: a == self.leading,
        })
    }

    // Z_a'WZ_b of two trailing terms, both triangles, row after row.
    fn fill_cross(&mut self, sums: &Sums) {
        let mut elements: Vec<(u32, u32, f64)> = Vec::new();
        for pair in &sums.pairs {
            let of_pair =
                (self.block_of(pair.terms.0), self.block_of(pair.terms.1));
            let (Some(a), Some(b)) = of_pair else {
                continue;
            };
            for (i, &(la, lb)) in pair.levels.iter().enumerate() {
                let (row, col) =
                    (a.first + la as usize * a.k, b.first + lb as usize * b.k);
                for (at, &value) in pair.zz.block(i).iter().enumerate() {
                    let (row, col) =
                        ((row + at % a.k) as u32, (col + at / a.k) as u32);
                    elements.push((row, col, value));
                    elements.push((col, row, value));
                }
            }
        }
        elements.sort_unstable_by_key(|element| (element.0, element.1));
        elements
            .iter()
            .for_each(|element| self.cross_ptr[element.0 as usize + 1] += 1);
        (0..self.m).for_each(|i| self.cross_ptr[i + 1] += self.cross_ptr[i]);
        self.cross_rows = elements.iter().map(|element| element.1).collect();
        self.cross_vals = elements.iter().map(|element| element.2).collect();
    }

    /// Eliminates the leading term.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn reduce(self: &Arc<Self>, lambdas: &[Vec<f64>]) -> Result<Reduced> {
        let (k, lambda) = (self.k0, &lambdas[self.leading]);
        let n_levels = self.ptr.len() - 1;
        let mut v = Blocks::squares(k, n_levels);
        let (mut t, mut work) = (vec![0.0; k * k], vec![0.0; k * k]);
        let mut log_det = 0.0;
        for i in 0..n_levels {
            small::scale_inflate(
                k,
                self.a00.block(i),
                lambda,
                &mut work,
                &mut t,
            );
            if small::cholesky(k, &mut t).is_none() {
                return Err(Error::NotPositiveDefinite { pivot: i * k });
            }
            log_det += (0..k).map(|j| 2.0 * t[j * k + j].ln()).sum::<f64>();
            // M = Lambda L^-T, V = MM'.
            small::right_solve_transposed(k, lambda, &t, &mut work);
            small::multiply_transposed(k, &work, &work, v.block_mut(i));
        }
        let own = |block: &Trailing| lambdas[block.term].clone();
        Ok(Reduced {
            system: Arc::clone(self),
            leading_lambda: lambda.clone(),
            lambdas: self.trailing.iter().map(own).collect(),
            v,
            log_det,
        })
    }
}

// `[X r]'WZ` of a term, `p + 1` values per effect.
fn border_rows(sums: &Sums, term: usize) -> Vec<f64> {
    let (of_term, p) = (&sums.terms[term], sums.p());
    let mut rows = vec![0.0; of_term.zr.len() * (p + 1)];
    for (i, row) in rows.chunks_exact_mut(p + 1).enumerate() {
        row[..p].copy_from_slice(&of_term.xz.values()[i * p..(i + 1) * p]);
        row[p] = of_term.zr[i];
    }
    rows
}

fn gram(sums: &Sums) -> Vec<f64> {
    let (p, width) = (sums.p(), sums.p() + 1);
    let mut gram = vec![0.0; width * width];
    for j in 0..p {
        for i in 0..p {
            gram[j * width + i] = sums.xx[i.min(j) * p + i.max(j)];
        }
        gram[j * width + p] = sums.xr[j];
        gram[p * width + j] = sums.xr[j];
    }
    gram[p * width + p] = sums.rr;
    gram
}

impl Reduced {
    /// `x := D x`, or with `transposed` `x := D' x`.
    pub fn scale(&self, x: &mut [Row], transposed: bool) {
        for (block, lambda) in self.system.trailing.iter().zip(&self.lambdas) {
            let k = block.k;
            let rows = &mut x[block.first..block.first + k * block.n_levels];
            if k == 1 {
                rows.iter_mut().flatten().for_each(|v| *v *= lambda[0]);
                continue;
            }
            for level in rows.chunks_exact_mut(k) {
                times_triangle(k, lambda, level, transposed);
            }
        }
    }

    /// `out := K x`.
    pub fn times_k(&self, x: &[Row], out: &mut [Row]) {
        self.times_a(x, out);
        if self.system.k0 == 1 {
            self.take_off_intercepts(x, out);
        } else {
            self.take_off_leading(x, out);
        }
    }

    // `out -= A_t0 V A_0t x` where the leading term has one effect.
    fn take_off_intercepts(&self, x: &[Row], out: &mut [Row]) {
        let system = &*self.system;
        let v = self.v.values();
        vectorized(|| {
            for (range, v) in system.ptr.windows(2).zip(v) {
                let rows = &system.rows[range[0]..range[1]];
                let vals = &system.vals[range[0]..range[1]];
                let mut t = [0.0; WIDTH];
                for (&row, a) in rows.iter().zip(vals) {
                    add_multiple(*a, &x[row as usize], &mut t);
                }
                t.iter_mut().for_each(|t| *t *= -v);
                for (&row, a) in rows.iter().zip(vals) {
                    add_multiple(*a, &t, &mut out[row as usize]);
                }
            }
        });
    }

    fn take_off_leading(&self, x: &[Row], out: &mut [Row]) {
        let k = self.system.k0;
        let mut t = vec![[0.0; WIDTH]; k];
        let mut u = vec![[0.0; WIDTH]; k];
        for level in 0..self.system.n_leading() {
            self.gather(level, x, &mut t);
            self.times_v(level, &t, &mut u);
            self.scatter(level, -1.0, &u, out);
        }
    }

    /// `t := A_0t x` of one leading level.
    #[inline(always)]
    pub fn gather(&self, level: usize, x: &[Row], t: &mut [Row]) {
        let (rows, vals) = self.system.touched(level);
        t.fill([0.0; WIDTH]);
        for (&row, vals) in rows.iter().zip(vals.chunks_exact(t.len())) {
            let x = &x[row as usize];
            for (t, a) in t.iter_mut().zip(vals) {
                add_multiple(*a, x, t);
            }
        }
    }

    /// `out += sign A_t0 u` of one leading level.
    #[inline(always)]
    pub fn scatter(&self, level: usize, sign: f64, u: &[Row], out: &mut [Row]) {
        let (rows, vals) = self.system.touched(level);
        for (&row, vals) in rows.iter().zip(vals.chunks_exact(u.len())) {
            let out = &mut out[row as usize];
            for (u, a) in u.iter().zip(vals) {
                add_multiple(sign * a, u, out);
            }
        }
    }

    /// `u := V_i t`.
    #[inline(always)]
    pub fn times_v(&self, level: usize, t: &[Row], u: &mut [Row]) {
        times_square(self.v.block(level), t, u);
    }

    /// `x := T_i^-1 Lambda_0' x` of one leading level.
    pub fn solve_leading(&self, level: usize, x: &mut [Row]) {
        let k = self.system.k0;
        let lambda = &self.leading_lambda;
        let a00 = self.system.a00.block(level);
        if k == 1 {
            let by = lambda[0] / (1.0 + a00[0] * lambda[0] * lambda[0]);
            x[0].iter_mut().for_each(|value| *value *= by);
            return;
        }
        let mut work = vec![0.0; k * k];
        let mut t = vec![0.0; k * k];
        small::scale_inflate(k, a00, lambda, &mut work, &mut t);
        // The elimination of this level has succeeded with the same numbers.
        let _ = small::cholesky(k, &mut t);
        let mut column = vec![0.0; k];
        for c in 0..WIDTH {
            column.iter_mut().zip(&*x).for_each(|(v, x)| *v = x[c]);
            small::lambda_transposed_in_place(k, lambda, &mut column);
            small::forward_solve(k, &t, &mut column);
            small::backward_solve(k, &t, &mut column);
            x.iter_mut().zip(&column).for_each(|(x, v)| x[c] = *v);
        }
    }

    /// `P_i = I - A00_i V_i`, `k0 x k0`.
    pub fn projection(&self, level: usize) -> Vec<f64> {
        let k = self.system.k0;
        let mut projection = vec![0.0; k * k];
        let a00 = self.system.a00.block(level);
        small::multiply(k, a00, self.v.block(level), &mut projection);
        projection.iter_mut().for_each(|value| *value = -*value);
        (0..k).for_each(|j| projection[j * k + j] += 1.0);
        projection
    }

    /// `out := A_tt x`.
    pub fn times_a(&self, x: &[Row], out: &mut [Row]) {
        let system = &*self.system;
        out.fill([0.0; WIDTH]);
        if !system.cross_vals.is_empty() {
            vectorized(|| add_cross(system, x, out));
        }
        for block in &system.trailing {
            let rows = block.rows();
            let levels = out[rows.clone()].chunks_exact_mut(block.k);
            let levels = levels.zip(x[rows].chunks_exact(block.k));
            for ((out, x), zz) in levels.zip(block.zz.iter()) {
                add_square(zz, x, out);
            }
        }
    }

    /// `out := S x`; `work` is scratch memory.
    pub fn times_s(&self, x: &[Row], work: &mut [Row], out: &mut [Row]) {
        work.copy_from_slice(x);
        self.scale(work, false);
        self.times_k(work, out);
        self.scale(out, true);
        for (out, x) in out.iter_mut().zip(x) {
            add_multiple(1.0, x, out);
        }
    }

    /// `D'(A_tb - A_t0 V A_0b)` for up to [`WIDTH`] columns b of `[X r]` from `first` on; zero
    /// beyond the last.
    pub fn border_columns(&self, first: usize) -> Vec<Row> {
        let mut columns = self.unscaled_border(&Picked::from(first));
        self.scale(&mut columns, true);
        columns
    }

    /// `A_tb - A_t0 V A_0b` for combinations b of the columns of `[X r]`.
    pub fn unscaled_border(&self, picked: &Picked) -> Vec<Row> {
        let system = &*self.system;
        let (k, width) = (system.k0, system.p + 1);
        let rows = system.border_trailing.chunks_exact(width);
        let mut columns: Vec<Row> = rows.map(|row| picked.of(row)).collect();
        let mut b = vec![[0.0; WIDTH]; k];
        let mut u = b.clone();
        for level in 0..system.n_leading() {
            self.leading_border(level, picked, &mut b);
            self.times_v(level, &b, &mut u);
            self.scatter(level, -1.0, &u, &mut columns);
        }
        columns
    }

    /// `A_0b` of one leading level.
    pub fn leading_border(&self, level: usize, picked: &Picked, b: &mut [Row]) {
        let (k, width) = (self.system.k0, self.system.p + 1);
        let rows = &self.system.border_leading[level * k * width..];
        for (b, row) in b.iter_mut().zip(rows.chunks_exact(width)) {
            *b = picked.of(row);
        }
    }

    /// `[X r]'W[X r] - sum_i A_b0 V_i A_0b`.
    pub fn leading_gram(&self) -> Vec<f64> {
        let (k, width) = (self.system.k0, self.system.p + 1);
        let mut gram = self.system.gram.clone();
        for (i, rows) in self
            .system
            .border_leading
            .chunks_exact(k * width)
            .enumerate()
        {
            let v = self.v.block(i);
            for c in 0..k {
                for d in 0..k {
                    let (left, right) =
                        (&rows[c * width..(c + 1) * width], &rows[d * width..]);
                    for (j, column) in gram.chunks_exact_mut(width).enumerate()
                    {
                        small::axpy(-v[d * k + c] * right[j], left, column);
                    }
                }
            }
        }
        gram
    }
}

/// Columns of `[X r]`, or combinations of them.
#[derive(Debug, Clone)]
pub enum Picked {
    /// [`WIDTH`] columns from one on, as far as there are any.
    From(usize),
    /// Combinations: a row of coefficients per column of `[X r]`.
    Combined(Vec<Row>),
}

impl From<usize> for Picked {
    fn from(first: usize) -> Self {
        Self::From(first)
    }
}

impl Picked {
    // The picked elements of a row of `[X r]`.
    #[inline(always)]
    fn of(&self, row: &[f64]) -> Row {
        let mut picked = [0.0; WIDTH];
        match self {
            Self::From(first) => {
                let values = picked.iter_mut().zip(&row[*first..]);
                values.for_each(|(picked, value)| *picked = *value);
            }
            Self::Combined(coefficients) => {
                let values = row.iter().zip(coefficients);
                values.for_each(|(a, c)| add_multiple(*a, c, &mut picked));
            }
        }
        picked
    }
}

impl Trailing {
    /// The rows of all its effects.
    pub fn rows(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.k * self.n_levels
    }
}

impl System {
    /// The trailing term of a row.
    #[inline(always)]
    pub fn block_of_row(&self, row: usize) -> usize {
        if self.trailing.len() == 1 {
            return 0;
        }
        self.trailing.partition_point(|block| block.first <= row) - 1
    }

    /// Sums over the levels of each term of `Z'WZ`, `k x k`: the products of its columns of Z.
    pub fn level_products(&self) -> Vec<Vec<f64>> {
        let mut products = vec![Vec::new(); self.trailing.len() + 1];
        products[self.leading] = vec![0.0; self.k0 * self.k0];
        for a00 in self.a00.iter() {
            small::axpy(1.0, a00, &mut products[self.leading]);
        }
        for block in &self.trailing {
            products[block.term] = vec![0.0; block.k * block.k];
            for zz in block.zz.iter() {
                small::axpy(1.0, zz, &mut products[block.term]);
            }
        }
        products
    }

    /// Levels of the leading term.
    pub fn n_leading(&self) -> usize {
        self.ptr.len() - 1
    }

    /// Rows that a leading level touches, and `k0` values each.
    #[inline(always)]
    pub fn touched(&self, level: usize) -> (&[u32], &[f64]) {
        let range = self.ptr[level]..self.ptr[level + 1];
        let vals = &self.vals[range.start * self.k0..range.end * self.k0];
        (&self.rows[range], vals)
    }
}

// `out += A_ts x` for the pairs of different trailing terms.
#[inline(always)]
fn add_cross(system: &System, x: &[Row], out: &mut [Row]) {
    for (range, out) in system.cross_ptr.windows(2).zip(out) {
        let rows = &system.cross_rows[range[0]..range[1]];
        let vals = &system.cross_vals[range[0]..range[1]];
        for (&row, a) in rows.iter().zip(vals) {
            add_multiple(*a, &x[row as usize], out);
        }
    }
}

/// `out := A x` for a small square matrix A.
#[inline(always)]
pub fn times_square(a: &[f64], x: &[Row], out: &mut [Row]) {
    out.fill([0.0; WIDTH]);
    add_square(a, x, out);
}

/// `out += A x` for a small square matrix A.
#[inline(always)]
pub fn add_square(a: &[f64], x: &[Row], out: &mut [Row]) {
    for (column, x) in a.chunks_exact(x.len()).zip(x) {
        for (a, out) in column.iter().zip(out.iter_mut()) {
            add_multiple(*a, x, out);
        }
    }
}

/// `out += a x`.
#[inline(always)]
pub fn add_multiple(a: f64, x: &Row, out: &mut Row) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += a * x;
    }
}

/// `x := L x` or `L' x` for a lower triangle `L`, `k x k`.
fn times_triangle(k: usize, l: &[f64], x: &mut [Row], transposed: bool) {
    let order: Vec<usize> = if transposed {
        (0..k).collect()
    } else {
        (0..k).rev().collect()
    };
    for i in order {
        let mut sum = [0.0; WIDTH];
        let others = if transposed { i..k } else { 0..i + 1 };
        for j in others {
            let a = if transposed {
                l[i * k + j]
            } else {
                l[j * k + i]
            };
            add_multiple(a, &x[j], &mut sum);
        }
        x[i] = sum;
    }
}

// The sums of a pair of terms, one of which is the leading one.
struct Coupled<'a> {
    pair: &'a PairSums,
    // The trailing term's number of effects, and its first row.
    k: usize,
    first: usize,
    // Whether the leading term is the pair's first.
    leads: bool,
}

impl Coupled<'_> {
    // The levels of the pair's `i`-th block: that of the leading term, and the other's.
    fn levels(&self, i: usize) -> (usize, usize) {
        let (a, b) = self.pair.levels[i];
        let (leading, other) = if self.leads { (a, b) } else { (b, a) };
        (leading as usize, other as usize)
    }

    // The `i`-th block, `k0` numbers for each of the other term's effects.
    fn copy_block(&self, i: usize, k0: usize, place: &mut [f64]) {
        let block = self.pair.zz.block(i);
        if self.leads {
            place.copy_from_slice(block);
            return;
        }
        for j in 0..self.k {
            for c in 0..k0 {
                place[j * k0 + c] = block[c * self.k + j];
            }
        }
    }
}

// The term with the most effects, which is eliminated exactly.
fn largest_term(sums: &Sums) -> usize {
    let effects = |t: usize| sums.terms[t].k * sums.terms[t].n_levels;
    let mut largest = 0;
    for t in 1..sums.terms.len() {
        if effects(t) > effects(largest) {
            largest = t;
        }
    }
    largest
}

// All terms but the leading one, each with its rows behind those before it.
fn trailing_terms(sums: &Sums, leading: usize) -> Vec<Trailing> {
    let mut first = 0;
    let mut trailing = Vec::new();
    for (term, of_term) in sums.terms.iter().enumerate() {
        if term != leading {
            trailing.push(Trailing {
                term,
                k: of_term.k,
                n_levels: of_term.n_levels,
                first,
                zz: of_term.zz.clone(),
            });
            first += of_term.k * of_term.n_levels;
        }
    }
    trailing
}
