//! Estimates that are not divided by Lambda on one or both sides: `WD = KDS^-1` and
//! `W = K - KDS^-1D'K`.
//!
//! As `x x0'` estimates `S^-1`, `y x0'` with `y = KDx` estimates the former product and `y y0'`
//! with `y0 = KDx0` the latter one. The part `a_l = K_ll D x_l` of y and y0 from the diagonal
//! blocks has known moments: over all x0, the means of `a_l x0_l'` and `a_l a_l'` are `K_ll D P^-1`
//! and `K_ll D P^-1 D'K_ll`; those of `(y0 - a)_l x0_l'` and `(y0 - a)_l a_l'` are zero, and so, to
//! first order, are those of products with x1, as the blocks of E are zero. Terms with expectation
//! zero are omitted. Where levels are nested P has further elements, so that no moments are used;
//! all terms have one effect per level there, for which `WD` is not needed.

use super::division::{Division, ScaledSums};
use super::vectors::Vectors;
use crate::factor::blocks::Blocks;
use crate::iterative::gradients::Solver;
use crate::iterative::precondition::diagonal_of_k;
use crate::iterative::wide::{add_symmetric, times_square, Row, WIDTH};
use crate::kernels::simd::vectorized;
use crate::kernels::small;

/// The terms with weak directions of Lambda.
pub(super) struct Undivided<'a> {
    solver: &'a Solver,
    /// The index of each such term among the trailing ones, with `K_ll D` of its levels.
    terms: Vec<(usize, Blocks)>,
}

/// The vectors of one level of a term, in blocks of eight.
struct Level<'a> {
    /// `y - y0` and `y0`.
    change: &'a [Row],
    start: &'a [Row],
    /// `x0`.
    x0: &'a [Row],
    /// `-K_ll D x1` and `K_ll D x0`.
    first: &'a [Row],
    own: &'a [Row],
}

impl<'a> Undivided<'a> {
    /// Adds the contributions of the diagonal blocks of S for the terms with weak directions.
    pub fn new(
        solver: &'a Solver,
        divisions: &[Division],
        sums: &mut [ScaledSums<f64>],
    ) -> Self {
        let mut undivided = Self {
            solver,
            terms: Vec::new(),
        };
        if !divisions.iter().any(Division::has_weak) {
            return undivided;
        }
        let is_nested = !solver.preconditioner.basis.is_empty();
        let of_k = diagonal_of_k(&solver.reduced);
        for (t, (k_ll, division)) in of_k.into_iter().zip(divisions).enumerate()
        {
            if division.has_weak() {
                let kd = add_blocks(solver, t, k_ll, is_nested, &mut sums[t]);
                undivided.terms.push((t, kd));
            }
        }
        undivided
    }

    /// Adds the contributions of eight vectors; `scaled` are `D (x - x0)` and `D x0`.
    pub fn add(
        &self,
        found: &Vectors,
        scaled: (&[Row], &[Row]),
        sides: &mut [ScaledSums<Row>],
    ) {
        if self.terms.is_empty() {
            return;
        }
        let reduced = &self.solver.reduced;
        let mut change = vec![[0.0; WIDTH]; found.start.len()];
        let mut start = change.clone();
        reduced.times_k(scaled.0, &mut change);
        reduced.times_k(scaled.1, &mut start);
        for (t, kd) in &self.terms {
            let block = &self.solver.system().trailing[*t];
            let k = block.k;
            let (mut first, mut own) =
                (vec![[0.0; WIDTH]; k], vec![[0.0; WIDTH]; k]);
            vectorized(|| {
                for (level, kd) in kd.iter().enumerate() {
                    let at = block.first + level * k;
                    let rows = at..at + k;
                    let x0 = &found.start[rows.clone()];
                    times_square(kd, &found.first[rows.clone()], &mut first);
                    times_square(kd, x0, &mut own);
                    let level = Level {
                        change: &change[rows.clone()],
                        start: &start[rows],
                        x0,
                        first: &first,
                        own: &own,
                    };
                    level.add(&mut sides[*t]);
                }
            });
        }
    }
}

impl Level<'_> {
    #[inline(always)]
    fn add(&self, sums: &mut ScaledSums<Row>) {
        let k = self.x0.len();
        for j in 0..k {
            for i in 0..k {
                let wd = &mut sums.wd[j * k + i];
                for c in 0..WIDTH {
                    let y = self.change[i][c] + self.first[i][c];
                    wd[c] += y * self.x0[j][c];
                }
            }
        }
        add_symmetric(-1.0, self.change, self.start, &mut sums.w);
        add_symmetric(-1.0, self.first, self.own, &mut sums.w);
        for j in 0..k {
            for i in 0..k {
                let w = &mut sums.w[j * k + i];
                for c in 0..WIDTH {
                    let left = self.start[i][c] - self.own[i][c];
                    w[c] -= left * (self.start[j][c] - self.own[j][c]);
                }
            }
        }
    }
}

// Adds `sum_l K_ll D P_ll^-1` and `sum_l (K - K D P^-1 D'K)_ll` or, where levels are nested, only
// `sum_l K_ll`; returns `K_ll D`, or zeros where levels are nested.
fn add_blocks(
    solver: &Solver,
    t: usize,
    mut k_ll: Blocks,
    is_nested: bool,
    sums: &mut ScaledSums<f64>,
) -> Blocks {
    let lambda = &solver.reduced.lambdas[t];
    let k = lambda.len().isqrt();
    let mut kd = vec![0.0; k * k];
    let mut known = vec![0.0; k * k];
    let mut explained = vec![0.0; k * k];
    for (level, block) in k_ll.iter_mut().enumerate() {
        small::axpy(1.0, block, &mut sums.w);
        if is_nested {
            block.fill(0.0);
            continue;
        }
        let l = solver.preconditioner.factor(t, level);
        small::multiply(k, block, lambda, &mut kd);
        let inverse = small::symmetric_inverse(k, l);
        small::multiply(k, &kd, &inverse, &mut known);
        small::multiply_transposed(k, &known, &kd, &mut explained);
        small::axpy(1.0, &known, &mut sums.wd);
        small::axpy(-1.0, &explained, &mut sums.w);
        block.copy_from_slice(&kd);
    }
    k_ll
}
