//! Leverages of the random effects, from the selected inverse of the penalized system.

use std::ops::Range;

use crate::factor::coupling::scale_rows;
use crate::factor::inverse::SelectedInverse;
use crate::factor::rows::Rows;
use crate::factor::Factor;
use crate::kernels::chunks::parts;
use crate::kernels::small::{self, for_size, set_zeros};
use crate::parallel::team::share;

/// Traces with `H^-1`, for `H = Lambda'Z'WZ Lambda + I` as last factored.
#[derive(Debug, Default)]
pub(crate) struct Leverage {
    /// `z_i' Lambda H^-1 Lambda' z_i` of each row: the derivative of `log |H|` in its weight.
    pub rows: Vec<f64>,
    /// For each term of the design, the sum of the diagonal blocks of `Z'WZ Lambda H^-1`, `k x k`:
    /// half the derivative of `log |H|` in Lambda at fixed weights.
    pub terms: Vec<Vec<f64>>,
}

/// The factored system, and data that all its levels share.
struct FactoredSystem<'a> {
    factor: &'a Factor,
    inverse: SelectedInverse<'a>,
    block_of_row: Vec<u32>,
    /// Diagonal blocks of `H^-1` that replace those of the system.
    own: Option<&'a [f64]>,
}

/// Blocks of `H^-1` of one leading level, in spherical coordinates.
#[derive(Default)]
struct LevelInverse {
    /// The block of `H^-1` of the level itself, `k x k`.
    own: Vec<f64>,
    /// `E = D'A_R0 Lambda0 T^-1` on the coupled rows, `k` values per row.
    e: Vec<f64>,
    /// `C E` on the coupled rows: minus the block of `H^-1` of those rows and the level.
    ce: Vec<f64>,
}

/// One row of the data, in spherical coordinates.
struct Row<'a> {
    rows: &'a Rows,
    i: usize,
    /// `q = Lambda'z_i`, term after term.
    q: Vec<f64>,
    /// `a = H^-1 q` on the row's levels.
    a: Vec<f64>,
    /// For each trailing effect of the row, its position among the rows coupled with the leading
    /// level, and in the trailing system.
    places: Vec<(usize, usize)>,
}

impl Leverage {
    /// Adds the leverages, in one pass over the rows; `w` are the weights of the factor. `own`
    /// replaces the diagonal blocks of `H^-1` in models without trailing terms.
    pub fn add(
        &mut self,
        rows: &Rows,
        factor: &Factor,
        w: &[f64],
        own: Option<&[f64]>,
    ) {
        let of_system = FactoredSystem {
            factor,
            inverse: SelectedInverse::new(factor),
            block_of_row: factor.layout.block_of_row(),
            own,
        };
        let pieces = rows.pieces();
        let mut sums = vec![self.terms.clone(); pieces.len()];
        let lengths = pieces.iter().map(|levels| rows.count(levels));
        let found = parts(&mut self.rows, lengths);
        let jobs = pieces.into_iter().zip(found).zip(&mut sums);
        share(jobs, |((levels, found), sums)| {
            for_size!(factor.leading.k, k => {
                of_system.add_levels(k, rows, levels, w, (found, sums))
            });
        });
        for sum in &sums {
            for (all, sum) in self.terms.iter_mut().zip(sum) {
                small::axpy(1.0, sum, all);
            }
        }
    }

    /// Fills with zeros, reusing the memory.
    pub fn set_zeros(&mut self, rows: &Rows) {
        small::set_zeros(&mut self.rows, rows.n());
        self.terms.resize(rows.terms.len(), Vec::new());
        for term in &rows.terms {
            small::set_zeros(&mut self.terms[term.term], term.k * term.k);
        }
    }
}

impl FactoredSystem<'_> {
    // Adds the leverages of the rows of some leading levels, and their contribution to the sums of
    // the terms.
    #[inline(always)]
    fn add_levels(
        &self,
        k: usize,
        rows: &Rows,
        levels: Range<usize>,
        w: &[f64],
        (found, sums): (&mut [f64], &mut [Vec<f64>]),
    ) {
        let mut level = LevelInverse::default();
        let mut row = Row::new(rows);
        let mut found = found.iter_mut();
        for l in levels {
            level.update(k, self, l);
            for (i, found) in rows.of_level(l).zip(&mut found) {
                row.set(self.factor, i);
                row.solve(k, &level, &self.inverse);
                *found = small::dot(&row.q, &row.a);
                row.add_to(w[i], sums);
            }
        }
    }
}

impl<'a> Row<'a> {
    fn new(rows: &'a Rows) -> Self {
        let n_effects = rows.terms.iter().map(|term| term.k).sum();
        Self {
            rows,
            i: 0,
            q: vec![0.0; n_effects],
            a: vec![0.0; n_effects],
            places: Vec::with_capacity(n_effects),
        }
    }

    // Moves to row `i`.
    #[inline(always)]
    fn set(&mut self, factor: &Factor, i: usize) {
        self.i = i;
        self.places.clear();
        let mut at = 0;
        for (t, term) in self.rows.terms.iter().enumerate() {
            let lambda = &factor.lambdas[term.term];
            let q = &mut self.q[at..at + term.k];
            small::lambda_transposed_times(term.k, lambda, term.z(i), q);
            if t > 0 {
                let slot = term.slot[i] as usize;
                let first = term.first_row(i);
                self.places
                    .extend((0..term.k).map(|j| (slot + j, first + j)));
            }
            at += term.k;
        }
    }

    // a = H^-1 q.
    #[inline(always)]
    fn solve(
        &mut self,
        k: usize,
        level: &LevelInverse,
        inverse: &SelectedInverse,
    ) {
        let (q0, q_rest) = self.q.split_at(k);
        let (a0, a_rest) = self.a.split_at_mut(k);
        for (a, column) in a0.iter_mut().zip(level.own.chunks_exact(k)) {
            *a = small::dot(column, q0);
        }
        for (j, &(slot, row)) in self.places.iter().enumerate() {
            let ce = &level.ce[slot * k..(slot + 1) * k];
            small::axpy(-q_rest[j], ce, a0);
            let mut sum = -small::dot(ce, q0);
            for (&(_, other), q) in self.places.iter().zip(q_rest) {
                sum += inverse.rr(row, other) * q;
            }
            a_rest[j] = sum;
        }
    }

    // Adds `w z_i a'` to the sums of each term.
    #[inline(always)]
    fn add_to(&self, w: f64, sums: &mut [Vec<f64>]) {
        let mut at = 0;
        for term in &self.rows.terms {
            let columns = sums[term.term].chunks_exact_mut(term.k);
            for (column, a) in columns.zip(&self.a[at..]) {
                small::axpy(w * a, term.z(self.i), column);
            }
            at += term.k;
        }
    }
}

impl LevelInverse {
    #[inline(always)]
    fn update(&mut self, k: usize, system: &FactoredSystem, level: usize) {
        let factor = system.factor;
        let l = factor.l00.square(k, level);
        let m = factor.m.square(k, level);
        let (rows, vals) = factor.leading.coupled(level);
        self.e.clear();
        for v in vals.chunks_exact(k) {
            // The row e' solves e' L' = (M' v)', that is, e = L^-T M' v.
            let start = self.e.len();
            let product = m.chunks_exact(k).map(|column| small::dot(column, v));
            self.e.extend(product);
            small::backward_solve(k, l, &mut self.e[start..]);
        }
        scale_rows(k, rows, factor, &system.block_of_row, &mut self.e);
        self.multiply_inverse(k, &system.inverse, rows);
        match system.own {
            Some(own) => {
                self.own.clear();
                self.own.extend_from_slice(&own[level * k * k..][..k * k]);
            }
            None => self.invert_own(k, l),
        }
    }

    // C E. Rows are ascending, so that (row, col) is in the lower triangle.
    #[inline(always)]
    fn multiply_inverse(
        &mut self,
        k: usize,
        inverse: &SelectedInverse,
        rows: &[u32],
    ) {
        set_zeros(&mut self.ce, self.e.len());
        for (i, &row) in rows.iter().enumerate() {
            let (done, rest) = self.ce.split_at_mut(i * k);
            let e = &self.e[i * k..(i + 1) * k];
            let ce = &mut rest[..k];
            for (j, &col) in rows[..i].iter().enumerate() {
                let c = inverse.rr(row as usize, col as usize);
                small::axpy(c, &self.e[j * k..(j + 1) * k], ce);
                small::axpy(c, e, &mut done[j * k..(j + 1) * k]);
            }
            small::axpy(inverse.rr(row as usize, row as usize), e, ce);
        }
    }

    // T^-1 + E' C E.
    #[inline(always)]
    fn invert_own(&mut self, k: usize, l: &[f64]) {
        set_zeros(&mut self.own, k * k);
        for (j, column) in self.own.chunks_exact_mut(k).enumerate() {
            column[j] = 1.0;
            small::forward_solve(k, l, column);
            small::backward_solve(k, l, column);
        }
        for (e, ce) in self.e.chunks_exact(k).zip(self.ce.chunks_exact(k)) {
            for (column, ce) in self.own.chunks_exact_mut(k).zip(ce) {
                small::axpy(*ce, e, column);
            }
        }
    }
}
