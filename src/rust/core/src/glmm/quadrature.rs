//! Adaptive Gauss-Hermite quadrature for models with one grouping factor.
//!
//! With the mode u~ of a unit, `T = L L'` its block of H, `D(u) = -2 log p(y | u) + |u|^2` its
//! penalized deviance and a rule (x_k, w_k) for the normal distribution, minus twice the log of the
//! unit's integral is about
//!
//! `log |T| - 2 log sum_k w_k exp(-(D(v_k) - |x_k|^2) / 2)`, `v_k = u~ + L^-T x_k`,
//!
//! which for the one-point rule is the Laplace approximation. All constants of the density are in
//! it.

use crate::design::Design;
use crate::error::{Error, Result};
use crate::factor::Factor;
use crate::glmm::gauss_hermite::{Rule, MAX_NODES};
use crate::glmm::pirls::{Pirls, Vary};
use crate::kernels::small;
use crate::tolerances::NO_WEIGHT;

/// Most evaluations per unit.
const MAX_PRODUCT: usize = 1_000_000;

/// The rule for `nodes` nodes per effect; `None` for the Laplace approximation.
pub(super) fn rule_for(design: &Design, nodes: usize) -> Result<Option<Rule>> {
    if nodes <= 1 {
        return Ok(None);
    }
    let (n_terms, vsize) = (
        design.terms.len(),
        design.terms.first().map_or(0, |term| term.vsize()),
    );
    let fits = nodes
        .checked_pow(vsize as u32)
        .is_some_and(|count| count <= MAX_PRODUCT);
    if n_terms != 1 || nodes > MAX_NODES || !fits {
        return Err(Error::Quadrature {
            nodes,
            n_terms,
            vsize,
        });
    }
    Ok(Some(Rule::new(nodes)))
}

/// Quadrature less Laplace approximation, at the modes that have just been found.
pub(super) fn correction(pirls: &Pirls, rule: &Rule, vary: Vary) -> f64 {
    let mut nodes = Nodes::new(pirls, rule, vary);
    (0..nodes.factor.leading.n_levels)
        .map(|unit| nodes.visit(unit))
        .sum()
}

/// Expectations over the nodes, weighted by what they contribute: what the gradient needs.
pub(super) struct Expectations {
    /// `-2 E g_i`, per row.
    pub score: Vec<f64>,
    /// `2 E v`, `k x n_levels`.
    pub v: Vec<f64>,
    /// `-2 E sum_i z_i g_i (v - u~)'`, `k x k`, summed over units.
    pub lambda: Vec<f64>,
    /// Derivative of the unit's deviance in T, `k x k` per unit.
    pub t: Vec<f64>,
    /// `-2 E d log p / d log(shape)`.
    pub shape: f64,
}

/// Visits all units; `with_shape`: whether the shape is a parameter.
pub(super) fn expectations(
    pirls: &Pirls,
    rule: &Rule,
    vary: Vary,
    with_shape: bool,
) -> Expectations {
    let mut nodes = Nodes::new(pirls, rule, vary);
    let (k, n_levels) = (nodes.k, nodes.factor.leading.n_levels);
    let mut out = Expectations {
        score: vec![0.0; pirls.rows.n()],
        v: vec![0.0; k * n_levels],
        lambda: vec![0.0; k * k],
        t: vec![0.0; k * k * n_levels],
        shape: 0.0,
    };
    for unit in 0..n_levels {
        nodes.visit(unit);
        nodes.average(unit, with_shape, &mut out);
    }
    out
}

struct Nodes<'a> {
    pirls: &'a Pirls,
    factor: &'a Factor,
    k: usize,
    x: Vec<f64>,
    log_weights: Vec<f64>,
    // Share of each node in the sum.
    share: Vec<f64>,
    // Linear predictors of a unit.
    eta: Vec<f64>,
    // L^-T x, Lambda L^-T x.
    du: Vec<f64>,
    db: Vec<f64>,
}

impl<'a> Nodes<'a> {
    fn new(pirls: &'a Pirls, rule: &Rule, vary: Vary) -> Self {
        let factor = pirls.factor(vary);
        let k = factor.leading.k;
        let (x, log_weights) = rule.product(k);
        let share = vec![0.0; log_weights.len()];
        Self {
            pirls,
            factor,
            k,
            x,
            log_weights,
            share,
            eta: Vec::new(),
            du: vec![0.0; k],
            db: vec![0.0; k],
        }
    }

    fn place(&mut self, unit: usize, node: usize) {
        let k = self.k;
        let x = &self.x[node * k..(node + 1) * k];
        self.du.copy_from_slice(x);
        small::backward_solve(k, self.factor.l00.square(k, unit), &mut self.du);
        self.db.fill(0.0);
        let m = self.factor.m.square(k, unit);
        m.chunks_exact(k)
            .zip(x)
            .for_each(|(column, &x)| small::axpy(x, column, &mut self.db));
    }

    fn rows(&self, unit: usize) -> std::ops::Range<usize> {
        self.pirls.rows.unit_ptr[unit]..self.pirls.rows.unit_ptr[unit + 1]
    }

    // Linear predictors of some rows at the node.
    fn move_eta(&mut self, rows: std::ops::Range<usize>) {
        let term = &self.pirls.rows.terms[0];
        self.eta.clear();
        self.eta
            .extend_from_slice(&self.pirls.response.eta[rows.clone()]);
        if term.z.is_empty() {
            self.eta.iter_mut().for_each(|eta| *eta += self.db[0]);
        } else {
            self.eta
                .iter_mut()
                .zip(rows)
                .for_each(|(eta, i)| *eta += small::dot(term.z(i), &self.db));
        }
    }

    // Fills the shares; returns the unit's deviance less its Laplace approximation.
    fn visit(&mut self, unit: usize) -> f64 {
        let (k, rows) = (self.k, self.rows(unit));
        let r = &self.pirls.response;
        let at_mode = r.log_lik_at(rows.clone(), &r.eta[rows.clone()]);
        let u = &self.pirls.u[0][unit * k..(unit + 1) * k];
        for node in 0..self.log_weights.len() {
            self.place(unit, node);
            self.move_eta(rows.clone());
            let log_lik = r.log_lik_at(rows.clone(), &self.eta) - at_mode;
            let ussq: f64 = u.iter().zip(&self.du).map(|(u, d)| d * (2.0 * u + d)).sum();
            let x = &self.x[node * k..(node + 1) * k];
            let exponent = log_lik - 0.5 * (ussq - small::dot(x, x)) + self.log_weights[node];
            // Outside the domain of the link the density is zero.
            self.share[node] = if exponent.is_nan() {
                f64::NEG_INFINITY
            } else {
                exponent
            };
        }
        let largest = self.share.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.share
            .iter_mut()
            .for_each(|s| *s = (*s - largest).exp());
        let sum: f64 = self.share.iter().sum();
        self.share.iter_mut().for_each(|s| *s /= sum);
        -2.0 * (largest + sum.ln())
    }

    fn average(&mut self, unit: usize, with_shape: bool, out: &mut Expectations) {
        let (k, rows) = (self.k, self.rows(unit));
        let lambda = &self.factor.lambdas[0];
        let r = &self.pirls.response;
        let u = &self.pirls.u[0][unit * k..(unit + 1) * k];
        let (mut z_score, mut slope) = (vec![0.0; k], vec![0.0; k]);
        // sum_k share D'(v) x'
        let mut n = vec![0.0; k * k];
        for node in 0..self.log_weights.len() {
            let share = self.share[node];
            if share < NO_WEIGHT {
                continue;
            }
            self.place(unit, node);
            z_score.fill(0.0);
            self.move_eta(rows.clone());
            for (i, &eta) in rows.clone().zip(&self.eta) {
                let score = -2.0 * r.score_at(i, eta);
                out.score[i] += share * score;
                small::axpy(score, self.pirls.rows.terms[0].z(i), &mut z_score);
                if with_shape {
                    let d = r
                        .family
                        .shape_derivatives(r.link, r.y[i], r.w[i], eta, r.shape);
                    out.shape -= 2.0 * share * d.log_lik;
                }
            }
            small::lambda_transposed_times(k, lambda, &z_score, &mut slope);
            for j in 0..k {
                let v = u[j] + self.du[j];
                out.v[unit * k + j] += 2.0 * share * v;
                slope[j] += 2.0 * v;
                small::axpy(
                    share * self.du[j],
                    &z_score,
                    &mut out.lambda[j * k..(j + 1) * k],
                );
            }
            for (column, &x) in n.chunks_exact_mut(k).zip(&self.x[node * k..(node + 1) * k]) {
                small::axpy(share * x, &slope, column);
            }
        }
        let l = self.factor.l00.square(k, unit);
        t_derivative(k, l, &n, &mut out.t[unit * k * k..(unit + 1) * k * k]);
    }
}

// Derivative of `log |T| + <N, L^-T>` in T, symmetric: back through the Cholesky factorisation.
// With R = L^-T the derivative in L is -R N'R (its lower triangle), and that in T the symmetric
// part of L^-T Phi(L' .) L^-1, where Phi takes the lower triangle and halves the diagonal.
fn t_derivative(k: usize, l: &[f64], n: &[f64], out: &mut [f64]) {
    let solve = |x: &mut [f64]| small::backward_solve(k, l, x);
    let mut r = vec![0.0; k * k];
    for (j, column) in r.chunks_exact_mut(k).enumerate() {
        column[j] = 1.0;
        solve(column);
    }
    let product = |a: &dyn Fn(usize, usize) -> f64, b: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        let element = |at: usize| {
            let (i, j) = (at % k, at / k);
            (0..k).map(|c| a(i, c) * b(c, j)).sum()
        };
        (0..k * k).map(element).collect()
    };
    let get = |m: &[f64], i: usize, j: usize| m[j * k + i];
    let rn = product(&|i, j| get(&r, i, j), &|i, j| get(n, j, i));
    let in_l = product(&|i, j| get(&rn, i, j), &|i, j| get(&r, i, j));
    let lower = |m: &[f64], i: usize, j: usize| if i >= j { get(m, i, j) } else { 0.0 };
    let phi = product(&|i, j| lower(l, j, i), &|i, j| -lower(&in_l, i, j));
    let halved = |i: usize, j: usize| lower(&phi, i, j) * if i == j { 0.5 } else { 1.0 };
    let right = product(&halved, &|i, j| get(&r, j, i));
    let both = product(&|i, j| get(&r, i, j), &|i, j| get(&right, i, j));
    let inverse = product(&|i, j| get(&r, i, j), &|i, j| get(&r, j, i));
    for j in 0..k {
        for i in 0..k {
            out[j * k + i] = get(&inverse, i, j) + 0.5 * (get(&both, i, j) + get(&both, j, i));
        }
    }
}
