//! Adaptive Gauss-Hermite quadrature, for models with one grouping factor.
//!
//! With the mode u~ of a level, `T = L L'` its block of H, `D(u) = -2 log p(y | u) + |u|^2` its
//! penalized deviance and a rule (x_k, w_k) for the normal distribution, minus twice the logarithm
//! of the level's integral is approximated by
//!
//! `log |T| - 2 log sum_k w_k exp(-(D(v_k) - |x_k|^2) / 2)`, `v_k = u~ + L^-T x_k`,
//!
//! which is the Laplace approximation for the one-point rule. It includes all constants of the
//! density.

use std::ops::Range;

use crate::covariance::RelCov;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::factor::Factor;
use crate::glmm::gauss_hermite::{Rule, MAX_NODES};
use crate::glmm::pirls::Pirls;
use crate::glmm::vary::Vary;
use crate::kernels::small;
use crate::tolerances::NO_WEIGHT;

/// Largest number of evaluations per level.
const MAX_PRODUCT: usize = 1_000_000;
/// About the number of evaluations per level of a rule with many nodes, and its least number of
/// nodes per effect.
const FINE_PRODUCT: f64 = 2000.0;
const LEAST_FINE: usize = 5;

/// The rule with `nodes` nodes per effect; `None` for the Laplace approximation.
pub(super) fn rule_for(design: &Design, nodes: usize) -> Result<Option<Rule>> {
    if nodes <= 1 {
        return Ok(None);
    }
    let n_terms = design.terms.len();
    let vsize = design.terms.first().map_or(0, |term| term.vsize());
    let count = nodes.checked_pow(vsize as u32);
    let fits = count.is_some_and(|count| count <= MAX_PRODUCT);
    if n_terms != 1 || nodes > MAX_NODES || !fits {
        return Err(Error::Quadrature {
            nodes,
            n_terms,
            vsize,
        });
    }
    Ok(Some(Rule::new(nodes)))
}

/// A rule with many nodes for a single term.
pub(super) fn fine_rule(covs: &[RelCov]) -> Rule {
    let k = covs.iter().map(RelCov::vsize).sum::<usize>() as f64;
    let nodes = FINE_PRODUCT.powf(1.0 / k) as usize;
    Rule::new(nodes.clamp(LEAST_FINE, MAX_NODES))
}

/// The quadrature minus the Laplace approximation, at the current modes.
///
/// # Errors
/// `NeedsFactor` with the iterative engine.
pub(super) fn correction(
    pirls: &Pirls,
    rule: &Rule,
    vary: Vary,
) -> Result<f64> {
    Ok(Nodes::new(pirls, rule, vary)?.sum_over_levels(Nodes::visit))
}

/// The sum over levels of the share of a level's integral that concerns nodes beyond the end of the
/// range of the link. Where the density is zero beyond it, the nodes count with the density at the
/// end; with a square-root link they count with their own.
///
/// # Errors
/// `NeedsFactor` with the iterative engine.
pub(super) fn share_beyond_end(
    pirls: &Pirls,
    rule: &Rule,
    vary: Vary,
) -> Result<f64> {
    Ok(Nodes::new(pirls, rule, vary)?.sum_over_levels(Nodes::beyond_end))
}

/// Expectations over the nodes, weighted by their contributions, for the gradient.
pub(super) struct Expectations {
    /// `-2 E g_i`, per row.
    pub score: Vec<f64>,
    /// `2 E v`, `k x n_levels`.
    pub v: Vec<f64>,
    /// `-2 E sum_i z_i g_i (v - u~)'`, `k x k`, summed over levels.
    pub lambda: Vec<f64>,
    /// The derivative of the level's deviance in T, `k x k` per level.
    pub t: Vec<f64>,
    /// `-2 E d log p / d log(shape)`.
    pub shape: f64,
}

/// Computes the expectations of all levels; `with_shape` if the shape is a parameter.
///
/// # Errors
/// `NeedsFactor` with the iterative engine.
pub(super) fn expectations(
    pirls: &Pirls,
    rule: &Rule,
    vary: Vary,
    with_shape: bool,
) -> Result<Expectations> {
    let mut nodes = Nodes::new(pirls, rule, vary)?;
    let k = nodes.k;
    let n_levels = nodes.factor.leading.n_levels;
    let mut out = Expectations {
        score: vec![0.0; pirls.rows.n()],
        v: vec![0.0; k * n_levels],
        lambda: vec![0.0; k * k],
        t: vec![0.0; k * k * n_levels],
        shape: 0.0,
    };
    for level in 0..n_levels {
        nodes.visit(level);
        nodes.average(level, with_shape, &mut out);
    }
    Ok(out)
}

struct Nodes<'a> {
    pirls: &'a Pirls,
    factor: &'a Factor,
    k: usize,
    x: Vec<f64>,
    log_weights: Vec<f64>,
    // The relative contribution of each node to the sum.
    share: Vec<f64>,
    // The linear predictors of a level.
    eta: Vec<f64>,
    // L^-T x, Lambda L^-T x.
    du: Vec<f64>,
    db: Vec<f64>,
    // Z' times the derivative of `-2 log p` in eta, and D'(v) / 2.
    z_score: Vec<f64>,
    slope: Vec<f64>,
}

impl<'a> Nodes<'a> {
    fn new(pirls: &'a Pirls, rule: &Rule, vary: Vary) -> Result<Self> {
        let factor = pirls.factor(vary)?;
        let k = factor.leading.k;
        let (x, log_weights) = rule.product(k);
        Ok(Self {
            pirls,
            factor,
            k,
            x,
            share: vec![0.0; log_weights.len()],
            log_weights,
            eta: Vec::new(),
            du: vec![0.0; k],
            db: vec![0.0; k],
            z_score: vec![0.0; k],
            slope: vec![0.0; k],
        })
    }

    fn sum_over_levels(
        mut self,
        of_level: impl Fn(&mut Self, usize) -> f64,
    ) -> f64 {
        let levels = 0..self.factor.leading.n_levels;
        levels.map(|level| of_level(&mut self, level)).sum()
    }

    fn x(&self, node: usize) -> &[f64] {
        &self.x[node * self.k..(node + 1) * self.k]
    }

    // The modes of a level.
    fn modes(&self, level: usize) -> &'a [f64] {
        &self.pirls.u[0][level * self.k..(level + 1) * self.k]
    }

    fn rows(&self, level: usize) -> Range<usize> {
        self.pirls.rows.of_level(level)
    }

    // Moves to a node of a level: computes the change of its effects, and its linear predictors.
    fn place(&mut self, level: usize, node: usize) {
        let k = self.k;
        let x = &self.x[node * k..(node + 1) * k];
        self.du.copy_from_slice(x);
        small::backward_solve(
            k,
            self.factor.l00.square(k, level),
            &mut self.du,
        );
        self.db.fill(0.0);
        let m = self.factor.m.square(k, level);
        for (column, &x) in m.chunks_exact(k).zip(x) {
            small::axpy(x, column, &mut self.db);
        }
        self.move_eta(self.rows(level));
    }

    // Computes the linear predictors of some rows at the node.
    fn move_eta(&mut self, rows: Range<usize>) {
        let term = &self.pirls.rows.terms[0];
        let at_modes = &self.pirls.response.eta[rows.clone()];
        self.eta.clear();
        if term.z.is_empty() {
            let change = self.db[0];
            self.eta.extend(at_modes.iter().map(|eta| eta + change));
        } else {
            self.eta.extend_from_slice(at_modes);
            for (eta, i) in self.eta.iter_mut().zip(rows) {
                *eta += small::dot(term.z(i), &self.db);
            }
        }
    }

    // Computes the relative contributions of the nodes; returns the level's deviance minus its
    // Laplace approximation.
    fn visit(&mut self, level: usize) -> f64 {
        let rows = self.rows(level);
        let response = &self.pirls.response;
        let at_mode =
            response.log_lik_at(rows.clone(), &response.eta[rows.clone()]);
        for node in 0..self.log_weights.len() {
            self.place(level, node);
            self.share[node] = self.exponent(level, node, at_mode);
        }
        -2.0 * to_shares(&mut self.share)
    }

    // The logarithm of the contribution of a node at the linear predictors `eta`, relative to the
    // density at the mode; outside the domain of the link the density is zero.
    fn exponent(&self, level: usize, node: usize, at_mode: f64) -> f64 {
        let response = &self.pirls.response;
        let log_lik = response.log_lik_at(self.rows(level), &self.eta);
        let exponent = log_lik - at_mode - 0.5 * self.penalty(level, node)
            + self.log_weights[node];
        match exponent.is_nan() {
            true => f64::NEG_INFINITY,
            false => exponent,
        }
    }

    // The share of a level's integral that concerns nodes beyond the end of the range.
    fn beyond_end(&mut self, level: usize) -> f64 {
        let rows = self.rows(level);
        let response = &self.pirls.response;
        let at_mode =
            response.log_lik_at(rows.clone(), &response.eta[rows.clone()]);
        let log_sum = -0.5 * self.visit(level);
        let mut beyond = 0.0;
        for node in 0..self.log_weights.len() {
            self.place(level, node);
            if response.return_into_range(rows.clone(), &mut self.eta) {
                let exponent = self.exponent(level, node, at_mode);
                let at_end = (exponent - log_sum).exp();
                beyond += at_end.max(self.share[node]);
            }
        }
        beyond
    }

    // `|v|^2 - |u~|^2 - |x|^2` at the node.
    fn penalty(&self, level: usize, node: usize) -> f64 {
        let steps = self.modes(level).iter().zip(&self.du);
        let ussq: f64 = steps.map(|(u, d)| d * (2.0 * u + d)).sum();
        let x = self.x(node);
        ussq - small::dot(x, x)
    }

    // Adds the expectations of a level.
    fn average(
        &mut self,
        level: usize,
        with_shape: bool,
        out: &mut Expectations,
    ) {
        let k = self.k;
        // The sum of share D'(v) x' over the nodes.
        let mut n = vec![0.0; k * k];
        for node in 0..self.log_weights.len() {
            let share = self.share[node];
            if share < NO_WEIGHT {
                continue;
            }
            self.place(level, node);
            self.add_scores(level, share, &mut out.score);
            if with_shape {
                out.shape += share * self.shape_slope(level);
            }
            self.add_modes(level, share, out);
            for (column, x) in n.chunks_exact_mut(k).zip(self.x(node)) {
                small::axpy(share * x, &self.slope, column);
            }
        }
        t_derivative(
            k,
            self.factor.l00.square(k, level),
            &n,
            &mut out.t[level * k * k..(level + 1) * k * k],
        );
    }

    // Adds the scores of the level's rows at the node, and computes their sums over Z.
    fn add_scores(&mut self, level: usize, share: f64, scores: &mut [f64]) {
        let term = &self.pirls.rows.terms[0];
        self.z_score.fill(0.0);
        for (i, &eta) in self.rows(level).zip(&self.eta) {
            let score = -2.0 * self.pirls.response.score_at(i, eta);
            scores[i] += share * score;
            small::axpy(score, term.z(i), &mut self.z_score);
        }
    }

    // `-2 d log p / d log(shape)` of the level's rows at the node.
    fn shape_slope(&self, level: usize) -> f64 {
        let response = &self.pirls.response;
        let rows = self.rows(level).zip(&self.eta);
        let slopes = rows.map(|(i, &eta)| {
            response.shape_derivatives(i, eta, response.shape).log_lik
        });
        -2.0 * slopes.sum::<f64>()
    }

    // Adds the node's contribution to the expectations of v and of the derivative in Lambda; sets
    // D'(v).
    fn add_modes(&mut self, level: usize, share: f64, out: &mut Expectations) {
        let k = self.k;
        let lambda = &self.factor.lambdas[0];
        small::lambda_transposed_times(
            k,
            lambda,
            &self.z_score,
            &mut self.slope,
        );
        let u = self.modes(level);
        for j in 0..k {
            let v = u[j] + self.du[j];
            out.v[level * k + j] += 2.0 * share * v;
            self.slope[j] += 2.0 * v;
            let column = &mut out.lambda[j * k..(j + 1) * k];
            small::axpy(share * self.du[j], &self.z_score, column);
        }
    }
}

// Turns the logarithms of weights into shares of their sum, whose logarithm is returned.
fn to_shares(weights: &mut [f64]) -> f64 {
    let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for weight in weights.iter_mut() {
        *weight = (*weight - largest).exp();
    }
    let sum: f64 = weights.iter().sum();
    for weight in weights.iter_mut() {
        *weight /= sum;
    }
    largest + sum.ln()
}

// The derivative of `log |T| + <N, L^-T>` in T, symmetric, by reverse differentiation of the
// Cholesky factorization. With R = L^-T the derivative in L is the lower triangle of -R N'R; that
// in T is the symmetric part of L^-T Phi(L' .) L^-1, where Phi takes the lower triangle and halves
// the diagonal.
fn t_derivative(k: usize, l: &[f64], n: &[f64], out: &mut [f64]) {
    let r = inverse_transposed(k, l);
    let rn = small::product_transposed(k, &r, n);
    let mut in_l = small::product(k, &rn, &r);
    scale_lower(k, -1.0, -1.0, &mut in_l);
    let mut phi = vec![0.0; k * k];
    for (column, x) in phi.chunks_exact_mut(k).zip(in_l.chunks_exact(k)) {
        small::lambda_transposed_times(k, l, x, column);
    }
    scale_lower(k, 1.0, 0.5, &mut phi);
    let right = small::product_transposed(k, &phi, &r);
    let both = small::product(k, &r, &right);
    let inverse = small::product_transposed(k, &r, &r);
    for j in 0..k {
        for i in 0..k {
            let symmetric = both[j * k + i] + both[i * k + j];
            out[j * k + i] = inverse[j * k + i] + 0.5 * symmetric;
        }
    }
}

// The transposed inverse L^-T.
fn inverse_transposed(k: usize, l: &[f64]) -> Vec<f64> {
    let mut r = vec![0.0; k * k];
    for (j, column) in r.chunks_exact_mut(k).enumerate() {
        column[j] = 1.0;
        small::backward_solve(k, l, column);
    }
    r
}

// Multiplies the elements below the diagonal and those on it by constants; zeroes those above.
fn scale_lower(k: usize, below: f64, diagonal: f64, a: &mut [f64]) {
    for (j, column) in a.chunks_exact_mut(k).enumerate() {
        column[..j].fill(0.0);
        column[j] *= diagonal;
        for value in &mut column[j + 1..] {
            *value *= below;
        }
    }
}
