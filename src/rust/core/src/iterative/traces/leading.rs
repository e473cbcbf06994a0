//! The trace of the leading term, `sum_i P_i A00_i - P_i Y_i P_i'` with `Y_i = A_0t D S^-1 D'A_t0`.

use std::ops::Range;

use super::levels::{add_form, for_each_coupled};
use crate::factor::blocks::Blocks;
use crate::iterative::gradients::Solver;
use crate::iterative::system::Trailing;
use crate::iterative::wide::{
    add_multiple, add_rows, add_symmetric, times_square, Row, WIDTH,
};
use crate::kernels::simd::vectorized;
use crate::kernels::small;
use crate::parallel::team::share;

/// The accumulation of the leading term's sum.
pub(super) struct Leading<'a> {
    solver: &'a Solver,
    /// `sum_i (P_i a_il) (P_i a_il)'` of each trailing level, with `a_il` stacked effect by effect.
    own: Vec<Blocks>,
}

impl<'a> Leading<'a> {
    /// Adds the contribution of the diagonal blocks of S.
    pub fn new(solver: &'a Solver, sum: &mut [f64]) -> Self {
        let system = solver.system();
        let own = |block: &Trailing| {
            Blocks::squares(block.k * system.k0, block.n_levels)
        };
        let mut leading = Self {
            solver,
            own: system.trailing.iter().map(own).collect(),
        };
        let lambdas = &solver.reduced.lambdas;
        let inner = solver.preconditioner.scaled_inverse(lambdas);
        match system.is_scalar() {
            true => leading.add_scalars(&inner, sum),
            false => leading.add_blocks(&inner, sum),
        }
        leading
    }

    fn add_blocks(&mut self, inner: &[Blocks], sum: &mut [f64]) {
        let system = self.solver.system();
        let reduced = &self.solver.reduced;
        let k0 = system.k0;
        let mut whole = vec![0.0; k0 * k0];
        let mut y = vec![0.0; k0 * k0];
        let mut half = vec![0.0; k0 * k0];
        let mut projected = Vec::new();
        for level in 0..system.n_leading() {
            let projection = reduced.projection(level);
            let a00 = system.a00.block(level);
            small::multiply(k0, &projection, a00, &mut whole);
            small::axpy(1.0, &whole, sum);
            y.fill(0.0);
            for_each_coupled(system, level, |(t, other), a| {
                add_form(inner[t].block(other), a, &mut y);
                project(&projection, a, &mut projected);
                let own = self.own[t].block_mut(other);
                let columns = own.chunks_exact_mut(projected.len());
                for (column, a) in columns.zip(&projected) {
                    small::axpy(*a, &projected, column);
                }
            });
            small::multiply(k0, &projection, &y, &mut half);
            small::multiply_transposed(k0, &half, &projection, &mut whole);
            small::axpy(-1.0, &whole, sum);
        }
    }

    // [`Self::add_blocks`] where every term has one effect per level.
    fn add_scalars(&mut self, inner: &[Blocks], leading: &mut [f64]) {
        let system = self.solver.system();
        let v = self.solver.reduced.v.values();
        let values = inner.iter().flat_map(Blocks::values);
        let inner: Vec<f64> = values.copied().collect();
        let couplings = self.solver.preconditioner.basis.couplings(system);
        let mut own = vec![0.0; system.m];
        let mut sum = 0.0;
        for (level, (a00, v)) in system.a00.values().iter().zip(v).enumerate() {
            let projection = 1.0 - a00 * v;
            let range = system.ptr[level]..system.ptr[level + 1];
            let rows = &system.rows[range.clone()];
            let mut y = 0.0;
            for (&row, a) in rows.iter().zip(&couplings[range]) {
                y += inner[row as usize] * a * a;
                let projected = projection * a;
                own[row as usize] += projected * projected;
            }
            sum += projection * (a00 - projection * y);
        }
        leading[0] += sum;
        let places = self.own.iter_mut().flat_map(Blocks::values_mut);
        places.zip(&own).for_each(|(place, own)| *place = *own);
    }

    /// Subtracts `sum_i P_i Y_i P_i'`, with `Y_i` from the difference of x and x0.
    pub fn subtract_difference(&self, x: &[Row], x0: &[Row], sum: &mut [Row]) {
        let pieces = self.solver.system().pieces();
        let zeros = || vec![[0.0; WIDTH]; sum.len()];
        let mut sums: Vec<Vec<Row>> = pieces.iter().map(|_| zeros()).collect();
        share(pieces.iter().zip(&mut sums), |(levels, sum)| {
            match self.solver.system().k0 {
                1 => vectorized(|| {
                    self.subtract_level_terms::<1>(levels, x, x0, sum)
                }),
                2 => vectorized(|| {
                    self.subtract_level_terms::<2>(levels, x, x0, sum)
                }),
                k => {
                    let mut work = vec![[0.0; WIDTH]; 4 * k];
                    vectorized(|| {
                        self.subtract_level_terms_with(
                            &mut work,
                            levels,
                            (x, x0),
                            sum,
                        )
                    });
                }
            }
        });
        sums.iter().for_each(|own| add_rows(own, sum));
    }

    #[inline(always)]
    fn subtract_level_terms<const K: usize>(
        &self,
        levels: &Range<usize>,
        x: &[Row],
        x0: &[Row],
        sum: &mut [Row],
    ) {
        let mut work = [[[0.0; WIDTH]; K]; 4];
        let work = work.as_flattened_mut();
        self.subtract_level_terms_with(work, levels, (x, x0), sum);
    }

    #[inline(always)]
    fn subtract_level_terms_with(
        &self,
        work: &mut [Row],
        levels: &Range<usize>,
        (x, x0): (&[Row], &[Row]),
        sum: &mut [Row],
    ) {
        let reduced = &self.solver.reduced;
        let a00 = &self.solver.system().a00;
        let (t, rest) = work.split_at_mut(work.len() / 4);
        let (t0, rest) = rest.split_at_mut(t.len());
        let (v, explained) = rest.split_at_mut(t.len());
        for level in levels.clone() {
            reduced.gather(level, x, t);
            reduced.gather(level, x0, t0);
            // P_i t = t - A00_i V_i t.
            for t in [&mut *t, &mut *t0] {
                reduced.times_v(level, t, v);
                times_square(a00.block(level), v, explained);
                for (t, explained) in t.iter_mut().zip(&*explained) {
                    add_multiple(-1.0, explained, t);
                }
            }
            add_symmetric(-1.0, t, t0, sum);
        }
    }

    /// Subtracts the first-order contribution of each level with itself,
    /// `sum_il P_i a_il x1_l x0_l' a_il' P_i'`. It is pure noise, as the diagonal blocks of E are
    /// zero.
    pub fn subtract_own(&self, x1: &[Row], x0: &[Row], sum: &mut [Row]) {
        let system = self.solver.system();
        for (block, own) in system.trailing.iter().zip(&self.own) {
            let (x1, x0) = (&x1[block.rows()], &x0[block.rows()]);
            let k = block.k;
            vectorized(|| {
                let levels = x1.chunks_exact(k).zip(x0.chunks_exact(k));
                for ((x1, x0), own) in levels.zip(own.iter()) {
                    subtract_form(own, x1, x0, sum);
                }
            });
        }
    }
}

// `P_i a`, row by row.
fn project(projection: &[f64], a: &[f64], out: &mut Vec<f64>) {
    let k0 = projection.len().isqrt();
    small::set_zeros(out, a.len());
    for (out, a) in out.chunks_exact_mut(k0).zip(a.chunks_exact(k0)) {
        for (column, a) in projection.chunks_exact(k0).zip(a) {
            small::axpy(*a, column, out);
        }
    }
}

// Subtracts `sum_jh M_(jc)(hd) (x_j y_h + x_h y_j) / 2` over the effects j and h of one level from
// element (c, d) of the sum.
#[inline(always)]
fn subtract_form(m: &[f64], x: &[Row], y: &[Row], sum: &mut [Row]) {
    let k = x.len();
    let k0 = sum.len().isqrt();
    for (h, j) in (0..k * k).map(|at| (at / k, at % k)) {
        let mut both = [0.0; WIDTH];
        for c in 0..WIDTH {
            both[c] = -0.5 * (x[j][c] * y[h][c] + x[h][c] * y[j][c]);
        }
        for d in 0..k0 {
            let column = &m[(h * k0 + d) * k * k0 + j * k0..][..k0];
            let sums = &mut sum[d * k0..(d + 1) * k0];
            for (m, sum) in column.iter().zip(sums) {
                add_multiple(*m, &both, sum);
            }
        }
    }
}
