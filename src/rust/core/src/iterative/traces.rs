//! `sum_l (Z'V^-1Z)_ll` of each term, what the gradient takes of the inverse: exact for the
//! diagonal blocks of S, a mean over random vectors for the rest.
//!
//! With `S x = F z` and `x0 = F^-T z`, `x x0'` has the mean `S^-1`, and `x0 x0'` the known mean
//! `P^-1`: their difference has little noise. A term whose Lambda is singular, or nearly so, is
//! taken from `K - K D S^-1 D'K`, without a division.

use crate::iterative::gradients::Solver;
use crate::iterative::log_det::column;
use crate::iterative::precondition::diagonal_of_k;
use crate::iterative::system::{add_multiple, times_square, Row, WIDTH};
use crate::kernels::simd::vectorized;
use crate::kernels::small;
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

/// The sums at work.
pub struct Tally<'a> {
    solver: &'a Solver,
    is_singular: Vec<bool>,
    exact: OfTerms,
    random: Vec<OfTerms>,
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
        let mut tally = Self {
            solver,
            is_singular: lambdas.map(|lambda| is_singular(lambda)).collect(),
            exact,
            random: Vec::new(),
        };
        tally.add_diagonal_blocks();
        tally.add_leading_blocks();
        tally
    }

    /// Adds what the first `count` columns of z say, each a direction that is taken exactly, with
    /// `x = S^-1 F z`.
    pub fn add_exact(&mut self, z: &[Row], x: Vec<Row>, count: usize) {
        let found = self.columns(z, x);
        for column in &found[..count] {
            for (sum, value) in self.exact.iter_mut().zip(column) {
                small::axpy(1.0, value, sum);
            }
        }
    }

    /// Adds what eight random vectors say, with `x = S^-1 F z`.
    pub fn add_random(&mut self, z: &[Row], x: Vec<Row>) {
        let found = self.columns(z, x);
        self.random.extend(found);
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
            divide(block.k, &solver.reduced.lambdas[t], sum);
        }
    }

    // `P_i A00_i - P_i Y_i P_i'` with the diagonal blocks' share of `Y_i = A_0t D S^-1 D'A_t0`.
    fn add_leading_blocks(&mut self) {
        let system = self.solver.system();
        let k0 = system.k0;
        let mut whole = vec![0.0; k0 * k0];
        let mut y = vec![0.0; k0 * k0];
        let mut half = vec![0.0; k0 * k0];
        for level in 0..system.n_leading() {
            let projection = self.solver.reduced.projection(level);
            let sum = &mut self.exact[system.leading];
            let a00 = system.a00.block(level);
            small::multiply(k0, &projection, a00, &mut whole);
            small::axpy(1.0, &whole, sum);
            y.fill(0.0);
            add_touched_blocks(self.solver, level, &mut y);
            small::multiply(k0, &projection, &y, &mut half);
            small::multiply_transposed(k0, &half, &projection, &mut whole);
            small::axpy(-1.0, &whole, sum);
        }
    }

    // What each of eight columns adds to the sum of each term.
    fn columns(&self, z: &[Row], x: Vec<Row>) -> Vec<OfTerms> {
        let sides = self.sides(z, x);
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

    fn sides(&self, z: &[Row], mut x: Vec<Row>) -> Sides {
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
        for (x, x0) in x.iter_mut().zip(&x0) {
            add_multiple(-1.0, x0, x);
        }
        self.add_products(false, 1.0, &x, &x0, &mut sides);
        reduced.scale(&mut x, false);
        reduced.scale(&mut x0, false);
        self.take_off_leading(&x, &x0, &mut sides[system.leading]);
        sides
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
                levels.for_each(|(x, x0)| add_symmetric(sign, x, x0, sum));
            }
        }
    }

    // What [`Self::take_off_leading`] takes off, where the leading term has one effect.
    #[inline(always)]
    fn take_off_intercepts(&self, x: &[Row], x0: &[Row], sum: &mut Row) {
        let system = self.solver.system();
        let v = self.solver.reduced.v.values();
        let levels = v.iter().zip(system.a00.values());
        for (range, (v, a00)) in system.ptr.windows(2).zip(levels) {
            let rows = &system.rows[range[0]..range[1]];
            let vals = &system.vals[range[0]..range[1]];
            let mut t = [0.0; WIDTH];
            let mut t0 = [0.0; WIDTH];
            for (&row, a) in rows.iter().zip(vals) {
                add_multiple(*a, &x[row as usize], &mut t);
                add_multiple(*a, &x0[row as usize], &mut t0);
            }
            let square = (1.0 - a00 * v).powi(2);
            (0..WIDTH).for_each(|c| sum[c] -= square * t[c] * t0[c]);
        }
    }

    // `sum_i P_i Y_i P_i'` less, with `Y_i` of the difference of x and x0.
    fn take_off_leading(&self, x: &[Row], x0: &[Row], sum: &mut [Row]) {
        let reduced = &self.solver.reduced;
        let system = self.solver.system();
        let k0 = system.k0;
        if k0 == 1 {
            vectorized(|| self.take_off_intercepts(x, x0, &mut sum[0]));
            return;
        }
        let mut t = vec![[0.0; WIDTH]; k0];
        let mut t0 = t.clone();
        let mut p = t.clone();
        let mut p0 = t.clone();
        for level in 0..system.n_leading() {
            reduced.gather(level, x, &mut t);
            reduced.gather(level, x0, &mut t0);
            let projection = reduced.projection(level);
            times_square(&projection, &t, &mut p);
            times_square(&projection, &t0, &mut p0);
            add_symmetric(-1.0, &p, &p0, sum);
        }
    }
}

// `Y_i` as far as the diagonal blocks of S make it.
fn add_touched_blocks(solver: &Solver, level: usize, y: &mut [f64]) {
    let system = solver.system();
    let k0 = system.k0;
    let (rows, vals) = system.touched(level);
    let mut at = 0;
    while at < rows.len() {
        let row = rows[at] as usize;
        let t = system.block_of_row(row);
        let block = &system.trailing[t];
        let l = solver
            .preconditioner
            .factor(t, (row - block.first) / block.k);
        // F^-1 D'a of each leading effect.
        let column = |c: usize| -> Vec<f64> {
            let mut column: Vec<f64> =
                (0..block.k).map(|j| vals[(at + j) * k0 + c]).collect();
            let lambda = &solver.reduced.lambdas[t];
            small::lambda_transposed_in_place(block.k, lambda, &mut column);
            small::forward_solve(block.k, l, &mut column);
            column
        };
        if k0 == 1 && block.k == 1 {
            let scaled = solver.reduced.lambdas[t][0] * vals[at] / l[0];
            y[0] += scaled * scaled;
        } else {
            let columns: Vec<Vec<f64>> = (0..k0).map(column).collect();
            for (c, left) in columns.iter().enumerate() {
                for (d, right) in columns.iter().enumerate() {
                    y[d * k0 + c] += small::dot(left, right);
                }
            }
        }
        at += block.k;
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

// `out += sign (x y' + y x') / 2`, column by column.
#[inline(always)]
fn add_symmetric(sign: f64, x: &[Row], y: &[Row], out: &mut [Row]) {
    let k = x.len();
    for j in 0..k {
        for i in 0..k {
            let out = &mut out[j * k + i];
            for c in 0..WIDTH {
                let both = x[i][c] * y[j][c] + x[j][c] * y[i][c];
                out[c] += 0.5 * sign * both;
            }
        }
    }
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
