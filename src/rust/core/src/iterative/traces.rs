//! `sum_l (Z'V^-1Z)_ll` of each term, what the gradient takes of the inverse: exact for the
//! diagonal blocks of S, a mean over random vectors for the rest.
//!
//! With `S x = F z` and `x0 = F^-T z`, `x x0'` has the mean `S^-1`, and `x0 x0'` the known mean
//! `P^-1`: their difference has little noise. To the first order it is `x1 x0'` with `x1 = -F^-T E
//! z`, whose diagonal blocks have the mean zero, too: these are taken off. A term whose Lambda is
//! singular, or nearly so, is taken from `K - K D S^-1 D'K`, without a division.

use std::ops::Range;

use crate::factor::blocks::Blocks;
use crate::iterative::gradients::Solver;
use crate::iterative::precondition::diagonal_of_k;
use crate::iterative::system::{System, Trailing};
use crate::iterative::wide::{
    add_multiple, add_rows, add_symmetric, column, times_square, Row, WIDTH,
};
use crate::kernels::simd::vectorized;
use crate::kernels::small;
use crate::parallel::team::share;
use crate::tolerances::SINGULAR_SOLVE;

/// A sum of `k x k` matrices for each term, in the order of the model.
pub type OfTerms = Vec<Vec<f64>>;

/// `sum_l (Z'V^-1Z)_ll` of each term, with what each random vector says otherwise.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// The mean over the random vectors.
    pub mean: OfTerms,
    /// What each of them deviates from it.
    pub deviations: Vec<OfTerms>,
}

/// Sums of each term for eight random vectors, side by side.
type Sides = Vec<Vec<Row>>;

/// `x = S^-1 F z` and `S F^-T z` of eight vectors z.
pub type Found = (Vec<Row>, Vec<Row>);

/// The sums at work.
pub struct Tally<'a> {
    solver: &'a Solver,
    is_singular: Vec<bool>,
    exact: OfTerms,
    random: Vec<OfTerms>,
    /// `sum_i (P_i a_il) (P_i a_il)'` of each trailing level, `a_il` stacked effect by effect.
    own: Vec<Blocks>,
}

impl<'a> Tally<'a> {
    /// Starts with what the diagonal blocks say.
    pub fn new(solver: &'a Solver) -> Self {
        let system = solver.system();
        let mut exact = vec![Vec::new(); system.trailing.len() + 1];
        exact[system.leading] = vec![0.0; system.k0 * system.k0];
        for block in &system.trailing {
            exact[block.term] = vec![0.0; block.k * block.k];
        }
        let lambdas = solver.reduced.lambdas.iter();
        let own = |block: &Trailing| {
            Blocks::squares(block.k * system.k0, block.n_levels)
        };
        let mut tally = Self {
            solver,
            is_singular: lambdas.map(|lambda| is_singular(lambda)).collect(),
            exact,
            random: Vec::new(),
            own: system.trailing.iter().map(own).collect(),
        };
        tally.add_diagonal_blocks();
        tally.add_leading_blocks();
        tally
    }

    /// Adds what the first `count` columns of z say, each a direction that is taken exactly, with
    /// `x = S^-1 F z` and `S F^-T z`.
    pub fn add_exact(&mut self, z: &[Row], found: Found, count: usize) {
        let found = self.columns(z, found);
        for column in &found[..count] {
            for (sum, value) in self.exact.iter_mut().zip(column) {
                small::axpy(1.0, value, sum);
            }
        }
    }

    /// Adds what each of eight random vectors says.
    pub fn add_random(&mut self, sums: Vec<OfTerms>) {
        self.random.extend(sums);
    }

    /// The sum, and what the random vectors deviate.
    pub fn finish(self) -> Estimate {
        let share = 1.0 / self.random.len().max(1) as f64;
        let mut random = self.exact.clone();
        random.iter_mut().for_each(|sum| sum.fill(0.0));
        for column in &self.random {
            for (mean, value) in random.iter_mut().zip(column) {
                small::axpy(share, value, mean);
            }
        }
        let mut deviations = self.random;
        for column in &mut deviations {
            for (value, mean) in column.iter_mut().zip(&random) {
                small::axpy(-1.0, mean, value);
            }
        }
        let mut mean = self.exact;
        for (sum, random) in mean.iter_mut().zip(&random) {
            small::axpy(1.0, random, sum);
        }
        Estimate { mean, deviations }
    }

    // `Lambda^-T (q I - sum_l P_ll^-1) Lambda^-1`, or `sum_l K_ll` where Lambda is singular.
    fn add_diagonal_blocks(&mut self) {
        let solver = self.solver;
        let of_k = match self.is_singular.contains(&true) {
            true => diagonal_of_k(&solver.reduced),
            false => Vec::new(),
        };
        let shares = self.shares_of_levels_around();
        for (t, block) in solver.system().trailing.iter().enumerate() {
            let sum = &mut self.exact[block.term];
            if self.is_singular[t] {
                of_k[t].iter().for_each(|k_ll| small::axpy(1.0, k_ll, sum));
                continue;
            }
            for level in 0..block.n_levels {
                let l = solver.preconditioner.factor(t, level);
                small::axpy(-1.0, &inverse(block.k, l), sum);
            }
            (0..block.k)
                .for_each(|j| sum[j * (block.k + 1)] += block.n_levels as f64);
            sum[0] -= shares[t];
            divide(block.k, &solver.reduced.lambdas[t], sum);
        }
    }

    // `sum_c w_c^2 / S_pp` of the levels c of each trailing term, p the level around: what the
    // diagonal of `P^-1` has in addition to that of the blocks.
    fn shares_of_levels_around(&self) -> Vec<f64> {
        let system = self.solver.system();
        let preconditioner = &self.solver.preconditioner;
        let mut shares = vec![0.0; system.trailing.len()];
        for (row, around, weight) in preconditioner.families.members() {
            let t = system.block_of_row(around);
            let level = around - system.trailing[t].first;
            let l = preconditioner.factor(t, level)[0];
            shares[system.block_of_row(row)] += (weight / l).powi(2);
        }
        shares
    }

    // `P_i A00_i - P_i Y_i P_i'` with the diagonal blocks' share of `Y_i = A_0t D S^-1 D'A_t0`; and
    // `own`.
    fn add_leading_blocks(&mut self) {
        let system = self.solver.system();
        let reduced = &self.solver.reduced;
        let k0 = system.k0;
        let inner = self.solver.preconditioner.scaled_inverse(&reduced.lambdas);
        if system.is_scalar() {
            self.add_leading_scalars(&inner);
            return;
        }
        let mut whole = vec![0.0; k0 * k0];
        let mut y = vec![0.0; k0 * k0];
        let mut half = vec![0.0; k0 * k0];
        let mut projected = Vec::new();
        for level in 0..system.n_leading() {
            let projection = reduced.projection(level);
            let sum = &mut self.exact[system.leading];
            let a00 = system.a00.block(level);
            small::multiply(k0, &projection, a00, &mut whole);
            small::axpy(1.0, &whole, sum);
            y.fill(0.0);
            for_each_touched(system, level, |(t, other), a| {
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

    // As `add_leading_blocks`, where every level has one effect.
    fn add_leading_scalars(&mut self, inner: &[Blocks]) {
        let system = self.solver.system();
        let v = self.solver.reduced.v.values();
        let values = inner.iter().flat_map(Blocks::values);
        let inner: Vec<f64> = values.copied().collect();
        let couplings = self.solver.preconditioner.families.couplings(system);
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
        self.exact[system.leading][0] += sum;
        let places = self.own.iter_mut().flat_map(Blocks::values_mut);
        places.zip(&own).for_each(|(place, own)| *place = *own);
    }

    /// What each of eight vectors z, with `x = S^-1 F z` and `S F^-T z`, adds to the sum of each
    /// term.
    pub fn columns(&self, z: &[Row], found: Found) -> Vec<OfTerms> {
        let sides = self.sides(z, found);
        let column = |c: usize| -> OfTerms {
            let mut sums = column_of_terms(&sides, c);
            self.divide_regular(&mut sums);
            sums
        };
        (0..WIDTH).map(column).collect()
    }

    // Turns sums of the inverse into those of W.
    fn divide_regular(&self, sums: &mut OfTerms) {
        let blocks = self.solver.system().trailing.iter();
        for (t, block) in blocks.enumerate() {
            if !self.is_singular[t] {
                let sum = &mut sums[block.term];
                sum.iter_mut().for_each(|value| *value = -*value);
                divide(block.k, &self.solver.reduced.lambdas[t], sum);
            }
        }
    }

    fn sides(&self, z: &[Row], (mut x, mut x1): Found) -> Sides {
        let reduced = &self.solver.reduced;
        let system = self.solver.system();
        let zeros = |sum: &Vec<f64>| vec![[0.0; WIDTH]; sum.len()];
        let mut sides: Sides = self.exact.iter().map(zeros).collect();
        let mut x0 = z.to_vec();
        self.solver.preconditioner.solve_transposed(&mut x0);
        if self.is_singular.contains(&true) {
            let k_x = self.times_kd(&x);
            let k_x0 = self.times_kd(&x0);
            self.add_products(true, -1.0, &k_x, &k_x0, &mut sides);
        }
        self.solver.preconditioner.solve(&mut x1);
        vectorized(|| {
            for ((x, x1), x0) in x.iter_mut().zip(&mut x1).zip(&x0) {
                add_multiple(-1.0, x0, x);
                add_multiple(-1.0, x0, x1);
            }
        });
        self.add_products(false, 1.0, &x, &x0, &mut sides);
        reduced.scale(&mut x, false);
        let mut scaled = x0.clone();
        reduced.scale(&mut scaled, false);
        self.take_off_leading(&x, &scaled, &mut sides[system.leading]);
        self.add_first_order(x1, x0, &mut sides);
        sides
    }

    // Adds what has the mean zero, as the diagonal blocks of E are zero: products of x1 with x0 in
    // the basis Q.
    fn add_first_order(
        &self,
        mut x1: Vec<Row>,
        mut x0: Vec<Row>,
        sides: &mut Sides,
    ) {
        let families = &self.solver.preconditioner.families;
        families.hand_down(1.0, &mut x1);
        families.hand_down(1.0, &mut x0);
        self.add_products(false, 1.0, &x1, &x0, sides);
        self.add_products_around(&x1, &x0, sides);
        let reduced = &self.solver.reduced;
        reduced.scale(&mut x1, false);
        reduced.scale(&mut x0, false);
        let leading = self.solver.system().leading;
        self.take_off_own(&x1, &x0, &mut sides[leading]);
    }

    // What the levels around others add to the products of those.
    fn add_products_around(&self, x1: &[Row], x0: &[Row], sides: &mut Sides) {
        let system = self.solver.system();
        let families = &self.solver.preconditioner.families;
        for (row, around, weight) in families.members() {
            let t = system.block_of_row(row);
            if !self.is_singular[t] {
                let own = &mut sides[system.trailing[t].term][0];
                let both = (&x1[around], &x0[around]);
                (0..WIDTH).for_each(|c| {
                    own[c] += weight * weight * both.0[c] * both.1[c]
                });
            }
        }
    }

    // `K D x`.
    fn times_kd(&self, x: &[Row]) -> Vec<Row> {
        let mut scaled = x.to_vec();
        let mut out = x.to_vec();
        self.solver.reduced.scale(&mut scaled, false);
        self.solver.reduced.times_k(&scaled, &mut out);
        out
    }

    // Symmetric products of the levels of the terms that are singular, or of those that aren't.
    fn add_products(
        &self,
        singular: bool,
        sign: f64,
        x: &[Row],
        x0: &[Row],
        sides: &mut Sides,
    ) {
        let blocks = self.solver.system().trailing.iter();
        for (t, block) in blocks.enumerate() {
            if self.is_singular[t] == singular {
                let x = x[block.rows()].chunks_exact(block.k);
                let levels = x.zip(x0[block.rows()].chunks_exact(block.k));
                let sum = &mut sides[block.term];
                vectorized(|| {
                    levels.for_each(|(x, x0)| add_symmetric(sign, x, x0, sum))
                });
            }
        }
    }

    // `sum_i P_i Y_i P_i'` less, with `Y_i` of the difference of x and x0.
    fn take_off_leading(&self, x: &[Row], x0: &[Row], sum: &mut [Row]) {
        let pieces = self.solver.system().pieces();
        let zeros = || vec![[0.0; WIDTH]; sum.len()];
        let mut sums: Vec<Vec<Row>> = pieces.iter().map(|_| zeros()).collect();
        share(pieces.iter().zip(&mut sums), |(levels, sum)| {
            match self.solver.system().k0 {
                1 => vectorized(|| self.take_off::<1>(levels, x, x0, sum)),
                2 => vectorized(|| self.take_off::<2>(levels, x, x0, sum)),
                k => {
                    let mut work = vec![[0.0; WIDTH]; 4 * k];
                    vectorized(|| {
                        self.take_off_with(&mut work, levels, (x, x0), sum)
                    });
                }
            }
        });
        sums.iter().for_each(|own| add_rows(own, sum));
    }

    #[inline(always)]
    fn take_off<const K: usize>(
        &self,
        levels: &Range<usize>,
        x: &[Row],
        x0: &[Row],
        sum: &mut [Row],
    ) {
        let mut work = [[[0.0; WIDTH]; K]; 4];
        let work = work.as_flattened_mut();
        self.take_off_with(work, levels, (x, x0), sum);
    }

    #[inline(always)]
    fn take_off_with(
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

    // What the effects of one level at a time make of it to the first order, `sum_il P_i a_il x1_l
    // x0_l' a_il' P_i'`: noise, as the diagonal blocks of E are zero.
    fn take_off_own(&self, x1: &[Row], x0: &[Row], sum: &mut [Row]) {
        let system = self.solver.system();
        for (block, own) in system.trailing.iter().zip(&self.own) {
            let (x1, x0) = (&x1[block.rows()], &x0[block.rows()]);
            let k = block.k;
            vectorized(|| {
                let levels = x1.chunks_exact(k).zip(x0.chunks_exact(k));
                for ((x1, x0), own) in levels.zip(own.iter()) {
                    take_form_off(own, x1, x0, sum);
                }
            });
        }
    }
}

/// Visits the trailing levels that a leading one touches, each by its term and number, with `k0`
/// values for each of its effects.
pub(super) fn for_each_touched(
    system: &System,
    level: usize,
    mut visit: impl FnMut((usize, usize), &[f64]),
) {
    let k0 = system.k0;
    let (rows, vals) = system.touched(level);
    let mut at = 0;
    while at < rows.len() {
        let row = rows[at] as usize;
        let t = system.block_of_row(row);
        let Trailing { first, k, .. } = system.trailing[t];
        let end = at + k;
        visit((t, (row - first) / k), &vals[at * k0..end * k0]);
        at = end;
    }
}

/// `y += a'G a`, where a has a row per effect.
pub(super) fn add_form(g: &[f64], a: &[f64], y: &mut [f64]) {
    let (k, k0) = (g.len().isqrt(), y.len().isqrt());
    for (column, right) in g.chunks_exact(k).zip(a.chunks_exact(k0)) {
        for (g, left) in column.iter().zip(a.chunks_exact(k0)) {
            for (y, right) in y.chunks_exact_mut(k0).zip(right) {
                small::axpy(g * right, left, y);
            }
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

// `sum_cd -= sum_jh M_(jc)(hd) (x_j y_h + x_h y_j) / 2` of the effects j and h of one level.
#[inline(always)]
fn take_form_off(m: &[f64], x: &[Row], y: &[Row], sum: &mut [Row]) {
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

/// Whether Lambda is too small, in a direction, to divide by.
pub fn is_singular(lambda: &[f64]) -> bool {
    let k = lambda.len().isqrt();
    let mut least = f64::INFINITY;
    let mut most = 1.0f64;
    for value in lambda.iter().step_by(k + 1) {
        least = least.min(value.abs());
        most = most.max(value.abs());
    }
    least <= SINGULAR_SOLVE * most
}

// `Lambda^-T A Lambda^-1`, in place.
fn divide(k: usize, lambda: &[f64], a: &mut [f64]) {
    for _ in 0..2 {
        for column in a.chunks_exact_mut(k) {
            small::backward_solve(k, lambda, column);
        }
        transpose(k, a);
    }
}

// `(LL')^-1`.
fn inverse(k: usize, l: &[f64]) -> Vec<f64> {
    let mut inverse = vec![0.0; k * k];
    for (j, column) in inverse.chunks_exact_mut(k).enumerate() {
        column[j] = 1.0;
        small::forward_solve(k, l, column);
        small::backward_solve(k, l, column);
    }
    inverse
}

fn transpose(k: usize, matrix: &mut [f64]) {
    for j in 0..k {
        (0..j).for_each(|i| matrix.swap(j * k + i, i * k + j));
    }
}

// One of eight columns of each term's sums.
fn column_of_terms(sums: &[Vec<Row>], c: usize) -> OfTerms {
    sums.iter().map(|sum| column(sum, c)).collect()
}
