//! The random-effects part of the leverages, `z_i' Lambda H^-1 Lambda' z_i` of each row: exact for
//! the diagonal blocks of S, a mean over probe vectors for the remainder.
//!
//! With `c_i = D'(z_ti - A_t0 V z_0i)` it is `z_0i'V z_0i + c_i'S^-1 c_i`. The diagonal blocks
//! `P^-1` of the approximate inverse are known; the remainder is the mean of `(x - x0) x0'`, as in
//! [`traces`](crate::iterative::traces).

use std::borrow::Cow;
use std::ops::Range;

use crate::factor::blocks::Blocks;
use crate::factor::rows::Rows;
use crate::iterative::gradients::Solver;
use crate::iterative::log_det::Kept;
use crate::iterative::traces::{add_form, for_each_coupled, form};
use crate::iterative::wide::{add_multiple, Row, WIDTH};
use crate::kernels::simd::vectorized;
use crate::kernels::small;
use crate::parallel::team::share;

/// Width of eight vectors next to their starts `x0`, which are gathered together.
const EIGHT: usize = 2 * WIDTH;
/// Width of two vectors and their starts, for the few exact vectors.
const TWO: usize = 4;

/// Probe vectors as used for the rows: `D (x - x0)`, followed by as many `D x0`.
struct Vectors<const BOTH: usize> {
    both: Vec<[f64; BOTH]>,
}

/// The contribution of the leading term, for one of its levels, to vectors `D x`.
struct Taken<'a, const BOTH: usize> {
    effects: &'a [[f64; BOTH]],
    /// `V A_0t D x` of the level.
    taken: Vec<[f64; BOTH]>,
    work: Vec<[f64; BOTH]>,
}

/// Adds the leverages of the rows, estimated from these vectors, to zeros.
pub(crate) fn leverages(
    solver: &Solver,
    rows: &Rows,
    kept: &[Kept],
    h: &mut [f64],
) {
    let lambdas = &solver.reduced.lambdas;
    let inner = solver.preconditioner.scaled_inverse(lambdas);
    let plain = rows.are_ones().then(|| Plain::new(solver, rows, &inner));
    in_pieces(solver, rows, h, |levels, h| match &plain {
        Some(plain) => plain.add(solver, rows, (levels, h)),
        None => add_blocks(solver, rows, &inner, (levels, h)),
    });
    let n_random = kept.iter().filter(|kept| kept.is_random).count();
    let share = 1.0 / (WIDTH * n_random.max(1)) as f64;
    for kept in kept {
        let by = if kept.is_random { share } else { 1.0 };
        match 2 * kept.count <= TWO {
            true => add_vectors::<TWO>(solver, rows, (kept, by), h),
            false => add_vectors::<EIGHT>(solver, rows, (kept, by), h),
        }
    }
}

// Adds a multiple of the contribution of some vectors.
fn add_vectors<const BOTH: usize>(
    solver: &Solver,
    rows: &Rows,
    (kept, by): (&Kept, f64),
    h: &mut [f64],
) {
    let vectors = Vectors::<BOTH>::new(solver, kept);
    in_pieces(solver, rows, h, |levels, h| {
        let first = rows.of_level(levels.start).start;
        vectors.each_row_of(solver, rows, levels, |i, found| {
            let (change, start) = found.split_at(BOTH / 2);
            h[i - first] += by * small::dot(change, start);
        });
    });
}

/// Calls `visit` for each row with the products `(c_i'(x - x0)) (c_i'x0)` of the eight vectors.
pub(crate) fn each_row(
    solver: &Solver,
    rows: &Rows,
    kept: &Kept,
    mut visit: impl FnMut(usize, &Row),
) {
    let levels = 0..solver.system().n_leading();
    let vectors = Vectors::<EIGHT>::new(solver, kept);
    vectors.each_row_of(solver, rows, levels, |i, found| {
        visit(i, &std::array::from_fn(|c| found[c] * found[WIDTH + c]));
    });
}

// Distributes pieces of the leading levels, with their part of `h`, over several threads.
fn in_pieces(
    solver: &Solver,
    rows: &Rows,
    h: &mut [f64],
    add: impl Fn(Range<usize>, &mut [f64]) + Sync,
) {
    let mut rest = h;
    let mut jobs = Vec::new();
    for levels in solver.system().pieces() {
        let Some(last) = levels.clone().last() else {
            continue;
        };
        let first = rows.of_level(levels.start).start;
        let count = rows.of_level(last).end - first;
        let (own, others) = rest.split_at_mut(count);
        rest = others;
        jobs.push((levels, own));
    }
    share(jobs.into_iter(), |(levels, own)| add(levels, own));
}

impl<const BOTH: usize> Vectors<BOTH> {
    fn new(solver: &Solver, kept: &Kept) -> Self {
        let mut start = kept.z.clone();
        solver.preconditioner.solve_transposed(&mut start);
        let mut change = kept.x.clone();
        for (x, x0) in change.iter_mut().zip(&start) {
            add_multiple(-1.0, x0, x);
        }
        solver.reduced.scale(&mut change, false);
        solver.reduced.scale(&mut start, false);
        let rows = change.iter().zip(&start);
        let both = rows.map(|(change, start)| {
            let count = BOTH / 2;
            std::array::from_fn(|c| match c < count {
                true => change[c],
                false => start[c - count],
            })
        });
        Self {
            both: both.collect(),
        }
    }

    fn each_row_of(
        &self,
        solver: &Solver,
        rows: &Rows,
        levels: Range<usize>,
        mut visit: impl FnMut(usize, &[f64; BOTH]),
    ) {
        let k = solver.system().k0;
        let mut both = Taken::new(&self.both, k);
        vectorized(|| {
            for level in levels {
                both.go_to(solver, level);
                for i in rows.of_level(level) {
                    visit(i, &both.of_row(rows, i));
                }
            }
        });
    }
}

impl<'a, const BOTH: usize> Taken<'a, BOTH> {
    fn new(effects: &'a [[f64; BOTH]], k: usize) -> Self {
        Self {
            effects,
            taken: vec![[0.0; BOTH]; k],
            work: vec![[0.0; BOTH]; k],
        }
    }

    #[inline(always)]
    fn go_to(&mut self, solver: &Solver, level: usize) {
        let reduced = &solver.reduced;
        reduced.gather(level, self.effects, &mut self.work);
        reduced.times_v(level, &self.work, &mut self.taken);
    }

    // `c_i'x`.
    #[inline(always)]
    fn of_row(&self, rows: &Rows, i: usize) -> [f64; BOTH] {
        let mut product = [0.0; BOTH];
        for term in &rows.terms[1..] {
            let effects = &self.effects[term.first_row(i)..];
            for (z, effect) in term.z(i).iter().zip(effects) {
                add_multiple(*z, effect, &mut product);
            }
        }
        for (z, taken) in rows.terms[0].z(i).iter().zip(&self.taken) {
            add_multiple(-z, taken, &mut product);
        }
        product
    }
}

// Adds `z_0i'V z_0i + c_i'P^-1 c_i` of the rows of some leading levels. With `w = V z_0i`, and the
// blocks G of `D P^-1 D'` for the levels l coupled with the leading one, the second term is
// `sum_l (z_li - A_l0 w)'G (z_li - A_l0 w)`, where `z_li` is zero except for the levels of the row
// itself.
fn add_blocks(
    solver: &Solver,
    rows: &Rows,
    inner: &[Blocks],
    (levels, h): (Range<usize>, &mut [f64]),
) {
    let system = solver.system();
    let k0 = system.k0;
    let places = rows.terms[1..].iter();
    let places: Vec<Option<usize>> =
        places.map(|term| system.place_of(term.term)).collect();
    let first = rows.of_level(levels.start).start;
    let widest = rows.terms.iter().map(|term| term.k).max().unwrap_or(1);
    let mut left = vec![0.0; widest];
    let mut y = vec![0.0; k0 * k0];
    let mut w = vec![0.0; k0];
    for level in levels {
        y.fill(0.0);
        for_each_coupled(system, level, |(t, other), a| {
            add_form(inner[t].block(other), a, &mut y);
        });
        let (_, vals) = system.coupled(level);
        for i in rows.of_level(level) {
            let z0 = rows.terms[0].z(i);
            w.fill(0.0);
            let v = solver.reduced.v.block(level);
            for (column, z) in v.chunks_exact(k0).zip(z0) {
                small::axpy(*z, column, &mut w);
            }
            let mut sum = small::dot(z0, &w) + form(&y, &w, &w);
            for (term, place) in rows.terms[1..].iter().zip(&places) {
                let Some(t) = *place else { continue };
                let a = &vals[term.slot[i] as usize * k0..];
                let left = &mut left[..term.k];
                for (left, a) in left.iter_mut().zip(a.chunks_exact(k0)) {
                    *left = -2.0 * small::dot(a, &w);
                }
                let z = term.z(i);
                small::axpy(1.0, z, left);
                let g = inner[t].block(term.level[i] as usize);
                sum += form(g, z, left);
            }
            h[i - first] += sum;
        }
    }
}

// The contribution of [`add_blocks`] if all columns of Z are ones: G is diagonal in the basis Q of
// [`nested_basis`](crate::iterative::nested_basis).
struct Plain<'a> {
    inner: Vec<f64>,
    couplings: Cow<'a, [f64]>,
    /// The weight omega of each trailing row.
    omega: Vec<f64>,
    /// Nested terms of the rows, each with the term that contains it.
    nested: Vec<(usize, usize)>,
}

impl<'a> Plain<'a> {
    fn new(solver: &'a Solver, rows: &Rows, inner: &[Blocks]) -> Self {
        let system = solver.system();
        let basis = &solver.preconditioner.basis;
        let term_of = |row: usize| {
            let term = system.trailing[system.block_of_row(row)].term;
            rows.terms.iter().position(|own| own.term == term)
        };
        let terms = basis.members().filter_map(|(row, around, _)| {
            Some((term_of(row)?, term_of(around)?))
        });
        let mut nested: Vec<(usize, usize)> = terms.collect();
        nested.sort_unstable();
        nested.dedup();
        Self {
            inner: inner.iter().flat_map(Blocks::values).copied().collect(),
            couplings: basis.couplings(system),
            omega: basis.unscaled(system.m),
            nested,
        }
    }

    fn add(
        &self,
        solver: &Solver,
        rows: &Rows,
        (levels, h): (Range<usize>, &mut [f64]),
    ) {
        let system = solver.system();
        let v = solver.reduced.v.values();
        let first = rows.of_level(levels.start).start;
        for level in levels {
            let range = system.ptr[level]..system.ptr[level + 1];
            let coupled = &system.rows[range.clone()];
            let vals = &self.couplings[range];
            let w = v[level];
            let products = coupled.iter().zip(vals);
            let y: f64 =
                products.map(|(&r, a)| self.inner[r as usize] * a * a).sum();
            let own = w + y * w * w;
            let at = rows.of_level(level);
            let h = &mut h[at.start - first..at.end - first];
            h.iter_mut().for_each(|h| *h += own);
            for term in &rows.terms[1..] {
                for (h, &slot) in h.iter_mut().zip(&term.slot[at.clone()]) {
                    let slot = slot as usize;
                    let g = self.inner[coupled[slot] as usize];
                    *h += g * (1.0 - 2.0 * vals[slot] * w);
                }
            }
            self.add_nested(rows, at, (coupled, vals, w), h);
        }
    }

    // Adds the correction for terms that contain others: `z_pi = 1 - omega_c` in the place of one.
    fn add_nested(
        &self,
        rows: &Rows,
        at: Range<usize>,
        (coupled, vals, w): (&[u32], &[f64], f64),
        h: &mut [f64],
    ) {
        for &(inner, outer) in &self.nested {
            let inner = &rows.terms[inner].slot[at.clone()];
            let outer = &rows.terms[outer].slot[at.clone()];
            for ((h, &inner), &outer) in h.iter_mut().zip(inner).zip(outer) {
                let omega = self.omega[coupled[inner as usize] as usize];
                let g = self.inner[coupled[outer as usize] as usize];
                let taken = 2.0 * vals[outer as usize] * w;
                *h += g * omega * (omega - 2.0 + taken);
            }
        }
    }
}
