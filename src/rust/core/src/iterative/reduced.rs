//! The reduced system at a theta, after elimination of the leading term, and products with it.

use std::ops::Range;
use std::sync::Arc;

use faer::{MatMut, MatRef};

use crate::error::{Error, Result};
use crate::factor::blocks::Blocks;
use crate::iterative::selection::Selection;
use crate::iterative::system::{System, Trailing};
use crate::iterative::wide::{
    add_multiple, add_rows, add_square, times_lower, times_square, times_upper,
    Row, WIDTH,
};
use crate::kernels::chunks::{chunks, parts};
use crate::kernels::gemm::add_product;
use crate::kernels::simd::vectorized;
use crate::kernels::small;
use crate::parallel::team::{share, threads};

/// Number of rows of products of trailing terms that one thread computes at a time.
const CHUNK: usize = 4096;
/// Number of leading levels whose part of the fixed effects' products is subtracted at once.
const LEVELS: usize = 512;
/// Number of columns of these products that one thread computes at a time.
const COLUMNS: usize = 64;

/// The system at one theta, with the leading term eliminated.
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

/// Working memory of products, shared by those of one solve.
#[derive(Debug, Clone, Default)]
pub struct Scratch<const W: usize> {
    /// The vectors of all pieces of the leading levels but the first.
    pieces: Vec<Vec<[f64; W]>>,
    scaled: Vec<[f64; W]>,
}

impl System {
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
            // M = Lambda L^-T and V = MM'.
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

impl Reduced {
    /// `x := D x`, or with `transposed` `x := D' x`.
    pub fn scale<const W: usize>(&self, x: &mut [[f64; W]], transposed: bool) {
        for (block, lambda) in self.system.trailing.iter().zip(&self.lambdas) {
            let rows = &mut x[block.rows()];
            vectorized(|| match (block.k, transposed) {
                (1, _) => {
                    rows.iter_mut().flatten().for_each(|v| *v *= lambda[0])
                }
                (2, false) => scale_levels::<2, W>(times_lower, lambda, rows),
                (2, true) => scale_levels::<2, W>(times_upper, lambda, rows),
                (k, false) => rows
                    .chunks_exact_mut(k)
                    .for_each(|level| times_lower(lambda, level)),
                (k, true) => rows
                    .chunks_exact_mut(k)
                    .for_each(|level| times_upper(lambda, level)),
            });
        }
    }

    /// `out := K x`.
    pub fn times_k<const W: usize>(
        &self,
        x: &[[f64; W]],
        out: &mut [[f64; W]],
    ) {
        self.times_k_with(&mut Vec::new(), x, out);
    }

    fn times_k_with<const W: usize>(
        &self,
        pieces: &mut Vec<Vec<[f64; W]>>,
        x: &[[f64; W]],
        out: &mut [[f64; W]],
    ) {
        self.times_a(x, out);
        // Computes `out -= A_t0 V A_0t x`.
        self.add_by_pieces_with(pieces, out, |levels, out| {
            self.subtract_levels(levels, x, out)
        });
    }

    /// Adds the contributions of the leading levels. Each piece of the levels, except the first,
    /// adds to vectors of its own in any thread; these are then added in order, so that results do
    /// not depend on the number of threads.
    pub fn add_by_pieces<const W: usize>(
        &self,
        out: &mut [[f64; W]],
        add: impl Fn(&Range<usize>, &mut [[f64; W]]) + Sync,
    ) {
        self.add_by_pieces_with(&mut Vec::new(), out, add);
    }

    // [`Self::add_by_pieces`] with existing memory for the vectors.
    fn add_by_pieces_with<const W: usize>(
        &self,
        own: &mut Vec<Vec<[f64; W]>>,
        out: &mut [[f64; W]],
        add: impl Fn(&Range<usize>, &mut [[f64; W]]) + Sync,
    ) {
        let pieces = self.system.pieces();
        let others = &pieces[1..];
        if others.is_empty() || threads() == 1 {
            own.resize(1, Vec::new());
            let own = &mut own[0];
            add(&pieces[0], out);
            for piece in others {
                set_zeros(out.len(), own);
                add(piece, own);
                add_rows(own, out);
            }
            return;
        }
        own.resize(others.len(), Vec::new());
        own.iter_mut().for_each(|own| set_zeros(out.len(), own));
        let mut jobs = vec![(&pieces[0], &mut *out)];
        jobs.extend(others.iter().zip(own.iter_mut().map(|own| &mut own[..])));
        share(jobs.into_iter(), |(piece, out)| add(piece, out));
        let mut chunks: Vec<&mut [[f64; W]]> = out.chunks_mut(CHUNK).collect();
        share(chunks.iter_mut().enumerate(), |(at, out)| {
            for own in own.iter() {
                add_rows(&own[at * CHUNK..], out);
            }
        });
    }

    /// Distributes values of the leading levels, `each` per level, over several threads, in pieces
    /// of the levels.
    pub fn share_levels<T: Send>(
        &self,
        values: &mut [T],
        each: usize,
        run: impl Fn(Range<usize>, &mut [T]) + Sync,
    ) {
        let pieces = self.system.pieces();
        let lengths = pieces.iter().map(|levels| levels.len() * each);
        let own = parts(values, lengths);
        let jobs = pieces.iter().zip(own);
        share(jobs, |(levels, values)| run(levels.clone(), values));
    }

    fn subtract_levels<const W: usize>(
        &self,
        levels: &Range<usize>,
        x: &[[f64; W]],
        out: &mut [[f64; W]],
    ) {
        match self.system.k0 {
            1 => {
                vectorized(|| self.subtract_eliminated::<1, W>(levels, x, out))
            }
            2 => {
                vectorized(|| self.subtract_eliminated::<2, W>(levels, x, out))
            }
            3 => {
                vectorized(|| self.subtract_eliminated::<3, W>(levels, x, out))
            }
            k => {
                let (mut t, mut u) = (vec![[0.0; W]; k], vec![[0.0; W]; k]);
                let work = (&mut t[..], &mut u[..]);
                vectorized(|| {
                    self.subtract_eliminated_with(work, levels, x, out)
                });
            }
        }
    }

    #[inline(always)]
    fn subtract_eliminated<const K: usize, const W: usize>(
        &self,
        levels: &Range<usize>,
        x: &[[f64; W]],
        out: &mut [[f64; W]],
    ) {
        let (mut t, mut u) = ([[0.0; W]; K], [[0.0; W]; K]);
        self.subtract_eliminated_with((&mut t, &mut u), levels, x, out);
    }

    #[inline(always)]
    fn subtract_eliminated_with<const W: usize>(
        &self,
        (t, u): (&mut [[f64; W]], &mut [[f64; W]]),
        levels: &Range<usize>,
        x: &[[f64; W]],
        out: &mut [[f64; W]],
    ) {
        for level in levels.clone() {
            self.gather(level, x, t);
            self.times_v(level, t, u);
            u.iter_mut().flatten().for_each(|u| *u = -*u);
            self.scatter(level, 1.0, u, out);
        }
    }

    /// `t := A_0t x` of one leading level.
    #[inline(always)]
    pub fn gather<const W: usize>(
        &self,
        level: usize,
        x: &[[f64; W]],
        t: &mut [[f64; W]],
    ) {
        let (rows, vals) = self.system.coupled(level);
        t.fill([0.0; W]);
        for (&row, vals) in rows.iter().zip(vals.chunks_exact(t.len())) {
            let x = &x[row as usize];
            for (t, a) in t.iter_mut().zip(vals) {
                add_multiple(*a, x, t);
            }
        }
    }

    /// `out += sign A_t0 u` of one leading level.
    #[inline(always)]
    pub fn scatter<const W: usize>(
        &self,
        level: usize,
        sign: f64,
        u: &[[f64; W]],
        out: &mut [[f64; W]],
    ) {
        let (rows, vals) = self.system.coupled(level);
        for (&row, vals) in rows.iter().zip(vals.chunks_exact(u.len())) {
            let out = &mut out[row as usize];
            for (u, a) in u.iter().zip(vals) {
                add_multiple(sign * a, u, out);
            }
        }
    }

    /// `u := V_i t`.
    #[inline(always)]
    pub fn times_v<const W: usize>(
        &self,
        level: usize,
        t: &[[f64; W]],
        u: &mut [[f64; W]],
    ) {
        times_square(self.v.block(level), t, u);
    }

    /// `x := T_i^-1 Lambda_0' x` of one leading level.
    pub fn solve_leading<const W: usize>(
        &self,
        level: usize,
        x: &mut [[f64; W]],
    ) {
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
        for c in 0..W {
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
    pub fn times_a<const W: usize>(
        &self,
        x: &[[f64; W]],
        out: &mut [[f64; W]],
    ) {
        let system = &*self.system;
        if system.cross_vals.is_empty() {
            out.fill([0.0; W]);
        } else {
            let chunks: Vec<&mut [[f64; W]]> = out.chunks_mut(CHUNK).collect();
            share(chunks.into_iter().enumerate(), |(at, out)| {
                vectorized(|| times_cross(system, at * CHUNK, x, out))
            });
        }
        for block in &system.trailing {
            let rows = block.rows();
            let (x, out) = (&x[rows.clone()], &mut out[rows]);
            let k = block.k;
            vectorized(|| {
                let levels = out.chunks_exact_mut(k).zip(x.chunks_exact(k));
                for ((out, x), zz) in levels.zip(block.zz.iter()) {
                    add_square(zz, x, out);
                }
            });
        }
    }

    /// `out := S x`.
    pub fn times_s<const W: usize>(
        &self,
        x: &[[f64; W]],
        scratch: &mut Scratch<W>,
        out: &mut [[f64; W]],
    ) {
        let Scratch { pieces, scaled } = scratch;
        scaled.clear();
        scaled.extend_from_slice(x);
        self.scale(scaled, false);
        self.times_k_with(pieces, scaled, out);
        self.scale(out, true);
        for (out, x) in out.iter_mut().zip(x) {
            add_multiple(1.0, x, out);
        }
    }

    /// `D'(A_tb - A_t0 V A_0b)` for up to [`WIDTH`] columns b of `[X r]` from `first` on; padded
    /// with zeros.
    pub fn border_columns(&self, first: usize) -> Vec<Row> {
        let mut columns = self.unscaled_border(&Selection::from(first));
        self.scale(&mut columns, true);
        columns
    }

    /// `A_tb - A_t0 V A_0b` for linear combinations b of the columns of `[X r]`.
    pub fn unscaled_border(&self, selection: &Selection) -> Vec<Row> {
        let system = &*self.system;
        let (k, width) = (system.k0, system.p + 1);
        let rows = system.border_trailing.chunks_exact(width);
        let mut columns: Vec<Row> = rows.map(|row| selection.of(row)).collect();
        self.add_by_pieces(&mut columns, |levels, columns| {
            let mut b = vec![[0.0; WIDTH]; k];
            let mut u = b.clone();
            vectorized(|| {
                for level in levels.clone() {
                    self.leading_border(level, selection, &mut b);
                    self.times_v(level, &b, &mut u);
                    self.scatter(level, -1.0, &u, columns);
                }
            });
        });
        columns
    }

    /// `A_0b` of one leading level.
    #[inline(always)]
    pub fn leading_border(
        &self,
        level: usize,
        selection: &Selection,
        b: &mut [Row],
    ) {
        let (k, width) = (self.system.k0, self.system.p + 1);
        let rows = &self.system.border_leading[level * k * width..];
        for (b, row) in b.iter_mut().zip(rows.chunks_exact(width)) {
            *b = selection.of(row);
        }
    }

    /// `[X r]'W[X r] - sum_i A_b0 V_i A_0b`, lower triangle.
    pub fn leading_gram(&self) -> Vec<f64> {
        let (k, width) = (self.system.k0, self.system.p + 1);
        let mut gram = self.system.gram.clone();
        let levels = chunks(self.system.n_leading(), LEVELS);
        let mut explained = vec![0.0; LEVELS * k * width];
        for levels in levels {
            let effects = levels.start * k * width..levels.end * k * width;
            let border = &self.system.border_leading[effects];
            let explained = &mut explained[..border.len()];
            self.times_v_of_border(levels, explained);
            let count = border.len() / width;
            let columns = gram.chunks_mut(width * COLUMNS).enumerate();
            let b = MatRef::from_column_major_slice(border, width, count);
            let v = MatRef::from_column_major_slice(explained, width, count);
            let subtract_columns = |(at, gram): (usize, &mut [f64])| {
                let first = at * COLUMNS;
                let (rows, n) = (width - first, gram.len() / width);
                let gram = MatMut::from_column_major_slice_mut(gram, width, n);
                let gram = gram.subrows_mut(first, rows);
                let left = b.subrows(first, rows);
                let right = v.subrows(first, n).transpose();
                add_product(gram, left, right, -1.0);
            };
            match width > COLUMNS {
                true => share(columns, subtract_columns),
                false => columns.for_each(subtract_columns),
            }
        }
        gram
    }

    // `V A_0b` of a range of leading levels, `p + 1` values per effect.
    fn times_v_of_border(&self, levels: Range<usize>, out: &mut [f64]) {
        let (k, width) = (self.system.k0, self.system.p + 1);
        let places = out.chunks_exact_mut(k * width);
        for (level, out) in levels.zip(places) {
            let border = &self.system.border_leading[level * k * width..];
            let columns = self.v.block(level).chunks_exact(k);
            for (out, v) in out.chunks_exact_mut(width).zip(columns) {
                out.fill(0.0);
                for (v, border) in v.iter().zip(border.chunks_exact(width)) {
                    small::axpy(*v, border, out);
                }
            }
        }
    }
}

// Fills existing memory with zeros.
fn set_zeros<const W: usize>(count: usize, rows: &mut Vec<[f64; W]>) {
    rows.clear();
    rows.resize(count, [0.0; W]);
}

// `x := L x` or `x := L'x` of each level, with K effects.
#[inline(always)]
fn scale_levels<const K: usize, const W: usize>(
    times: impl Fn(&[f64], &mut [[f64; W]]),
    l: &[f64],
    rows: &mut [[f64; W]],
) {
    rows.chunks_exact_mut(K).for_each(|level| times(l, level));
}

// `out := A_ts x` for all pairs of different trailing terms, from a row on.
#[inline(always)]
fn times_cross<const W: usize>(
    system: &System,
    first: usize,
    x: &[[f64; W]],
    out: &mut [[f64; W]],
) {
    let ranges = system.cross_ptr[first..].windows(2);
    for (range, out) in ranges.zip(out) {
        let rows = &system.cross_rows[range[0]..range[1]];
        let vals = &system.cross_vals[range[0]..range[1]];
        *out = [0.0; W];
        for (&row, a) in rows.iter().zip(vals) {
            add_multiple(*a, &x[row as usize], out);
        }
    }
}
