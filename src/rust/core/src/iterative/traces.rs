//! `sum_l (Z'V^-1Z)_ll` of each term, what the gradient takes of the inverse: exact for the
//! diagonal blocks of S, a mean over random vectors for the rest.
//!
//! With `S x = F z` and `x0 = F^-T z`, `x x0'` has the mean `S^-1`, and `x0 x0'` the known mean
//! `P^-1`: their difference has little noise. A term whose Lambda is singular, or nearly so, is
//! taken from `K - K D S^-1 D'K`, without a division.

use crate::iterative::gradients::Solver;
use crate::iterative::precondition::diagonal_of_k;
use crate::iterative::system::{add_multiple, Row, WIDTH};
use crate::kernels::small;
use crate::tolerances::{RANDOM_SOLVE, SINGULAR_SOLVE};

const MOST_ITERATIONS: usize = 3000;

/// `sum_l (Z'V^-1Z)_ll`, symmetric, of the leading term and of the trailing ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// `k0 x k0`.
    pub leading: Vec<f64>,
    /// `k x k` per trailing term.
    pub trailing: Vec<Vec<f64>>,
}

/// The sums at work: of the inverse for terms that are divided by Lambda, of W for the others.
struct Sums<'a> {
    solver: &'a Solver<'a>,
    traces: Traces,
    is_singular: Vec<bool>,
}

/// The traces, from random vectors `z`, eight side by side, which count `weight` each.
pub fn traces(solver: &Solver, z: &[Vec<Row>], weight: f64) -> Traces {
    of_vectors(solver, z, weight, RANDOM_SOLVE)
}

/// The same from solves to this residual.
pub(super) fn of_vectors(
    solver: &Solver,
    z: &[Vec<Row>],
    weight: f64,
    residual: f64,
) -> Traces {
    let mut sums = Sums::new(solver);
    for z in z {
        sums.add(z, weight, residual);
    }
    sums.finish()
}

impl<'a> Sums<'a> {
    fn new(solver: &'a Solver<'a>) -> Self {
        let reduced = solver.reduced;
        let is_singular = reduced
            .lambdas
            .iter()
            .map(|lambda| is_singular(lambda))
            .collect();
        let system = reduced.system;
        let mut sums = Self {
            solver,
            traces: Traces {
                leading: vec![0.0; system.k0 * system.k0],
                trailing: system
                    .trailing
                    .iter()
                    .map(|block| vec![0.0; block.k * block.k])
                    .collect(),
            },
            is_singular,
        };
        sums.add_diagonal_blocks();
        sums.add_leading_blocks();
        sums
    }

    // `P_ll^-1`, or `K_ll` where Lambda is singular.
    fn add_diagonal_blocks(&mut self) {
        let system = self.solver.reduced.system;
        let of_k = match self.is_singular.contains(&true) {
            true => diagonal_of_k(self.solver.reduced),
            false => Vec::new(),
        };
        for (t, block) in system.trailing.iter().enumerate() {
            let sum = &mut self.traces.trailing[t];
            for level in 0..block.n_levels {
                if self.is_singular[t] {
                    small::axpy(1.0, of_k[t].block(level), sum);
                } else {
                    let l = self.solver.preconditioner.factor(t, level);
                    small::axpy(1.0, &inverse(block.k, l), sum);
                }
            }
        }
    }

    // `P_i A00_i - P_i Y_i P_i'` with `P_i = I - A00_i V_i` and the diagonal blocks' share of Y_i.
    fn add_leading_blocks(&mut self) {
        let (reduced, system) =
            (self.solver.reduced, self.solver.reduced.system);
        let k0 = system.k0;
        for level in 0..system.ptr.len() - 1 {
            let projection = self.projection(level);
            let mut whole = vec![0.0; k0 * k0];
            small::multiply(
                k0,
                &projection,
                system.a00.block(level),
                &mut whole,
            );
            small::axpy(1.0, &whole, &mut self.traces.leading);
            let mut y = vec![0.0; k0 * k0];
            let mut at = system.ptr[level];
            while at < system.ptr[level + 1] {
                let row = system.rows[at] as usize;
                let t =
                    system.trailing.partition_point(|block| block.first <= row)
                        - 1;
                let block = &system.trailing[t];
                let l = self
                    .solver
                    .preconditioner
                    .factor(t, (row - block.first) / block.k);
                // F^-1 D'a of each leading effect.
                for c in 0..k0 {
                    let mut columns = vec![0.0; 2 * block.k];
                    let (left, right) = columns.split_at_mut(block.k);
                    let of = |c: usize, out: &mut [f64]| {
                        let rows = out.iter_mut().enumerate();
                        rows.for_each(|(j, out)| {
                            *out = system.vals[(at + j) * k0 + c]
                        });
                        small::lambda_transposed_in_place(
                            block.k,
                            &reduced.lambdas[t],
                            out,
                        );
                        small::forward_solve(block.k, l, out);
                    };
                    of(c, left);
                    for d in 0..k0 {
                        of(d, right);
                        y[d * k0 + c] += small::dot(left, right);
                    }
                }
                at += block.k;
            }
            self.take_off_leading(&projection, &y);
        }
    }

    // `P_i`, column by column.
    fn projection(&self, level: usize) -> Vec<f64> {
        let system = self.solver.reduced.system;
        let k0 = system.k0;
        let mut projection = vec![0.0; k0 * k0];
        let (a00, v) =
            (system.a00.block(level), self.solver.reduced.v.block(level));
        small::multiply(k0, a00, v, &mut projection);
        projection.iter_mut().for_each(|value| *value = -*value);
        (0..k0).for_each(|j| projection[j * k0 + j] += 1.0);
        projection
    }

    // `P Y P'` less.
    fn take_off_leading(&mut self, projection: &[f64], y: &[f64]) {
        let k0 = self.solver.reduced.system.k0;
        let (mut half, mut whole) = (vec![0.0; k0 * k0], vec![0.0; k0 * k0]);
        small::multiply(k0, projection, y, &mut half);
        small::multiply_transposed(k0, &half, projection, &mut whole);
        small::axpy(-1.0, &whole, &mut self.traces.leading);
    }

    fn add(&mut self, z: &[Row], weight: f64, residual: f64) {
        let (reduced, system) =
            (self.solver.reduced, self.solver.reduced.system);
        let (mut x0, mut rhs) = (z.to_vec(), z.to_vec());
        self.solver.preconditioner.solve_transposed(&mut x0);
        self.solver.preconditioner.times(&mut rhs);
        let mut x = self.solver.solve(&rhs, residual, MOST_ITERATIONS).x;
        if self.is_singular.contains(&true) {
            let (k_x, k_x0) = (self.times_kd(&x), self.times_kd(&x0));
            self.add_products(true, -weight, &k_x, &k_x0);
        }
        for (x, x0) in x.iter_mut().zip(&x0) {
            add_multiple(-1.0, x0, x);
        }
        self.add_products(false, weight, &x, &x0);
        reduced.scale(&mut x, false);
        reduced.scale(&mut x0, false);
        for level in 0..system.ptr.len() - 1 {
            let (t, t0) = (self.gathered(level, &x), self.gathered(level, &x0));
            let y = symmetric_product(weight, &t, &t0);
            self.take_off_leading(&self.projection(level), &y);
        }
    }

    // `K D x`.
    fn times_kd(&self, x: &[Row]) -> Vec<Row> {
        let (mut scaled, mut out) = (x.to_vec(), x.to_vec());
        self.solver.reduced.scale(&mut scaled, false);
        self.solver.reduced.times_k(&scaled, &mut out);
        out
    }

    // Symmetric products of the levels of the terms that are singular, or of those that aren't.
    fn add_products(
        &mut self,
        singular: bool,
        weight: f64,
        x: &[Row],
        x0: &[Row],
    ) {
        let system = self.solver.reduced.system;
        for (t, block) in system.trailing.iter().enumerate() {
            if self.is_singular[t] != singular {
                continue;
            }
            let rows = block.first..block.first + block.k * block.n_levels;
            let levels = x[rows.clone()]
                .chunks_exact(block.k)
                .zip(x0[rows].chunks_exact(block.k));
            for (x, x0) in levels {
                let product = symmetric_product(weight, x, x0);
                small::axpy(1.0, &product, &mut self.traces.trailing[t]);
            }
        }
    }

    // `A_0t x` of one leading level.
    fn gathered(&self, level: usize, x: &[Row]) -> Vec<Row> {
        let system = self.solver.reduced.system;
        let k0 = system.k0;
        let mut t = vec![[0.0; WIDTH]; k0];
        for at in system.ptr[level]..system.ptr[level + 1] {
            let x = &x[system.rows[at] as usize];
            for (t, a) in t.iter_mut().zip(&system.vals[at * k0..(at + 1) * k0])
            {
                add_multiple(*a, x, t);
            }
        }
        t
    }

    // `Lambda^-T (q I - sum C_ll) Lambda^-1` where the sum is that of the inverse.
    fn finish(mut self) -> Traces {
        let reduced = self.solver.reduced;
        for (t, block) in reduced.system.trailing.iter().enumerate() {
            if self.is_singular[t] {
                continue;
            }
            let (k, sum) = (block.k, &mut self.traces.trailing[t]);
            sum.iter_mut().for_each(|value| *value = -*value);
            (0..k).for_each(|j| sum[j * k + j] += block.n_levels as f64);
            for _ in 0..2 {
                let columns = sum.chunks_exact_mut(k);
                columns.for_each(|column| {
                    small::backward_solve(k, &reduced.lambdas[t], column)
                });
                transpose(k, sum);
            }
        }
        self.traces
    }
}

fn is_singular(lambda: &[f64]) -> bool {
    let k = lambda.len().isqrt();
    let diagonal = lambda.iter().step_by(k + 1).map(|value| value.abs());
    let (least, most) = diagonal
        .fold((f64::INFINITY, 0.0f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
    least <= SINGULAR_SOLVE * most.max(1.0)
}

// `weight sum_c (x_c y_c' + y_c x_c') / 2`.
fn symmetric_product(weight: f64, x: &[Row], y: &[Row]) -> Vec<f64> {
    let k = x.len();
    let mut product = vec![0.0; k * k];
    for j in 0..k {
        for i in 0..k {
            let both =
                (0..WIDTH).map(|c| x[i][c] * y[j][c] + x[j][c] * y[i][c]);
            product[j * k + i] = 0.5 * weight * both.sum::<f64>();
        }
    }
    product
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
