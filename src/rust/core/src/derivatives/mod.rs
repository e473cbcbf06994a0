//! Exact derivatives of the profiled objective, first and second.
//!
//! With `Omega_t = Lambda_t Lambda_t'`, `V = I + sum_t Z_t (I kron Omega_t) Z_t'` (weights
//! absorbed),
//! `P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1` and `v_t = Z_t'Py`, the derivative in the covariance of
//! term t is
//!
//! `G_t = d d / d Omega_t = sum_l W_t,ll - sigma^-2 sum_l v_tl v_tl'`,
//!
//! `W_t = Z_t'V^-1Z_t` (ML) or `Z_t'PZ_t` (REML). It involves no division by Lambda, so it holds at
//! singular Lambda. Everything else is the chain rule through `theta -> Omega` ([`chain`]), which
//! is all that a covariance structure has to supply.
//!
//! [`FactorDerivatives`] computes G and the Hessian H in the directions of Omega from the factor,
//! exactly. Another engine may fill [`OmegaDerivatives`] instead: what follows from them asks for
//! nothing else.
//!
//! | from the factor | file |
//! |---|---|
//! | `Z'V^-1 [X, y - X beta]` | [`scores`] |
//! | `sum_l W_t,ll` | [`traces`] |
//! | sums over the inverse of a large dense system, for these traces | [`by_columns`] |
//! | `a'Z'PZ a'`: average information | [`information`] |
//! | `tr(E W E' W)`: the rest of the exact Hessian | [`curvature`] |
//! | observed information of the trailing terms of a large dense system | [`observed`] |
//! | second moments of the blocks of W, for the observed information | [`moments`] |
//! | slopes of `r^2` and of the variances of contrasts | [`quadratic`] |
//!
//! | from G and H | file |
//! |---|---|
//! | G, H and the directions themselves | [`omega`], [`directions`] |
//! | gradient and Hessian in theta | [`chain`] |
//! | the step of Fisher scoring | [`scoring`] |
//! | optimality where Lambda is singular | [`boundary`] |

pub mod boundary;
mod by_columns;
mod chain;
mod curvature;
mod directions;
mod information;
mod moments;
mod observed;
mod omega;
mod quadratic;
mod scores;
mod scoring;
mod traces;

#[cfg(test)]
mod coordinates_tests;
#[cfg(test)]
mod sigma_tests;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use directions::Directions;
pub(crate) use omega::OmegaDerivatives;

use crate::factor::blocks::Blocks;
use crate::factor::trailing::{Inverse, Reduced};
use crate::factor::{Factor, Response};
use crate::kernels::small;
use crate::tolerances::DIVISIBLE;
use by_columns::ByColumns;
use scores::Scores;

/// How beta and sigma enter the objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Profile {
    /// Restricted likelihood: `log |X'V^-1X|` is part of it.
    pub reml: bool,
    /// `1 / sigma^2` at the last theta.
    pub precision: f64,
    /// `r^2` there.
    pub r2: f64,
    /// Whether sigma follows from theta; otherwise it is known.
    pub sigma_profiled: bool,
}

impl Profile {
    // The weight of `s s'` in the Hessian: what profiling out sigma takes off.
    fn rank_one(&self) -> f64 {
        match self.sigma_profiled {
            true => self.precision / self.r2,
            false => 0.0,
        }
    }
}

/// How a Hessian was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HessianKind {
    /// The average of observed and expected information: cheap for any model, never indefinite in
    /// Omega. Where a large dense factor is inverted anyway, the observed information of the terms
    /// that it is of.
    Average,
    /// The observed information.
    Exact,
    /// Differences of exact gradients: generalized models only.
    Differences,
    /// What the optimizer has learnt, or a rough guess: generalized models only.
    QuasiNewton,
}

impl HessianKind {
    /// The name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Exact => "exact",
            Self::Differences => "differences",
            Self::QuasiNewton => "quasi-newton",
        }
    }
}

/// Computes [`OmegaDerivatives`] from the factor; the memory is kept from one theta to the next.
#[derive(Debug)]
pub(crate) struct FactorDerivatives {
    /// Layout block of each trailing row.
    block_of_row: Vec<u32>,
    /// Mean over levels of the diagonal of Z'WZ, per term and effect.
    mean_cross: Vec<Vec<f64>>,
    /// `Lambda^-1` of each layout block, where dividing by Lambda is safe.
    inverses: Vec<LambdaInverse>,
    /// `P_i = I - A00_i V_i` of each level of the leading term, `k x k`.
    p_leading: Blocks,
    /// `S_RR^-1` as the trailing storage holds it.
    c: Inverse,
    /// Sums over the inverse of a large dense system, of which some columns are there at a time.
    by_columns: ByColumns,
    /// `L^-1 D'` times some columns.
    e: Vec<f64>,
    /// Blocks of one level, and the rows that a level of the leading term touches.
    scratch: Scratch,
    /// `K`: only where some trailing Lambda is singular, and for the exact Hessian.
    reduced: Reduced,
    scores: Scores,
    information: information::Workspace,
    curvature: curvature::Workspace,
    observed: observed::Workspace,
}

/// `Lambda^-1` of one layout block.
#[derive(Debug)]
struct LambdaInverse {
    values: Vec<f64>,
    is_safe: bool,
}

impl LambdaInverse {
    fn new(length: usize) -> Self {
        Self {
            values: vec![0.0; length],
            is_safe: false,
        }
    }

    /// `None` where rounding would spoil what is divided by Lambda.
    fn get(&self) -> Option<&[f64]> {
        self.is_safe.then_some(&self.values)
    }
}

/// Memory that is overwritten again and again.
#[derive(Debug)]
struct Scratch {
    /// `k x k` for the largest term.
    a: Vec<f64>,
    b: Vec<f64>,
    /// `k` values per touched row.
    scaled: Vec<f64>,
    product: Vec<f64>,
}

impl Scratch {
    fn new(factor: &Factor) -> Self {
        let largest = factor.lambdas.iter().map(Vec::len).max().unwrap_or(0);
        Self {
            a: vec![0.0; largest],
            b: vec![0.0; largest],
            scaled: Vec::new(),
            product: Vec::new(),
        }
    }
}

impl FactorDerivatives {
    /// Memory for the derivatives of `factor`; what is as long as its effects is taken with the
    /// first ones.
    pub fn new(factor: &Factor) -> Self {
        Self {
            block_of_row: factor.layout.block_of_row(),
            mean_cross: mean_cross_products(factor),
            inverses: factor
                .trailing_lambdas
                .iter()
                .map(|lambda| LambdaInverse::new(lambda.len()))
                .collect(),
            p_leading: Blocks::default(),
            c: Inverse::default(),
            by_columns: ByColumns::default(),
            e: Vec::new(),
            scratch: Scratch::new(factor),
            reduced: Reduced::default(),
            scores: Scores::default(),
            information: information::Workspace::default(),
            curvature: curvature::Workspace::default(),
            observed: observed::Workspace::default(),
        }
    }

    /// First derivatives at the theta of the last update of `factor`.
    pub(crate) fn update(
        &mut self,
        factor: &Factor,
        response: &Response,
        profile: Profile,
        omega: &mut OmegaDerivatives,
    ) {
        self.update_effects(factor, response, profile.reml);
        let pairs = self.knows_pairs(factor, profile, omega.directions.len());
        self.fill_traces(factor, pairs, omega);
        self.subtract_outer_products(factor, profile, omega);
    }

    /// `sum_l W_t,ll` of the likelihood in the place of `G_t`: what generalized models need of the
    /// factor.
    pub(crate) fn update_traces(
        &mut self,
        factor: &Factor,
        omega: &mut OmegaDerivatives,
    ) {
        self.invert_lambdas(factor);
        self.update_leading(factor);
        self.fill_traces(factor, false, omega);
    }

    // With `pairs`, what the observed information takes of pairs of levels is kept as well.
    fn fill_traces(
        &mut self,
        factor: &Factor,
        pairs: bool,
        omega: &mut OmegaDerivatives,
    ) {
        for g in omega.g.iter_mut() {
            g.fill(0.0);
        }
        self.add_leading_traces(factor, pairs, omega);
        self.add_trailing_traces(factor, omega);
    }

    /// Second derivatives at the theta of the last [`Self::update`].
    pub(crate) fn update_hessian(
        &mut self,
        factor: &Factor,
        profile: Profile,
        kind: HessianKind,
        omega: &mut OmegaDerivatives,
    ) {
        let n = omega.directions.len();
        self.update_information(factor, profile, omega);
        if kind == HessianKind::Exact {
            self.add_curvature(factor, profile, omega);
        } else if self.knows_pairs(factor, profile, n) {
            self.observe_trailing(factor, profile, omega);
        }
    }

    /// `Z'V^-1 [X, y - X beta]`, with the rows of X if `reml`, and what it is computed from.
    pub(crate) fn update_effects(
        &mut self,
        factor: &Factor,
        response: &Response,
        reml: bool,
    ) {
        self.invert_lambdas(factor);
        self.update_leading(factor);
        self.update_scores(factor, response, reml);
    }

    fn invert_lambdas(&mut self, factor: &Factor) {
        for ((block, lambda), inverse) in factor
            .layout
            .blocks
            .iter()
            .zip(&factor.trailing_lambdas)
            .zip(&mut self.inverses)
        {
            inverse.is_safe = invert_lower(
                block.vsize,
                lambda,
                &self.mean_cross[block.term],
                &mut inverse.values,
            );
        }
    }

    fn is_singular(&self) -> bool {
        self.inverses.iter().any(|inverse| inverse.get().is_none())
    }

    // P_i = I - A00_i V_i.
    fn update_leading(&mut self, factor: &Factor) {
        let k = factor.leading.k;
        self.p_leading.resize_like(&factor.m);
        let v = &mut self.scratch.a[..k * k];
        for (level, p) in self.p_leading.iter_mut().enumerate() {
            let m = factor.m.block(level);
            small::multiply_transposed(k, m, m, v);
            small::multiply(k, factor.leading.a00.block(level), v, p);
            for value in p.iter_mut() {
                *value = -*value;
            }
            for j in 0..k {
                p[j * k + j] += 1.0;
            }
        }
    }
}

// Lambda^-1; false where rounding would spoil what is divided by Lambda.
fn invert_lower(
    k: usize,
    lambda: &[f64],
    scale: &[f64],
    inverse: &mut [f64],
) -> bool {
    inverse.fill(0.0);
    for j in 0..k {
        inverse[j * k + j] = 1.0;
        small::forward_solve(k, lambda, &mut inverse[j * k..(j + 1) * k]);
        let norm: f64 = inverse[j * k..(j + 1) * k].iter().map(|v| v * v).sum();
        // NaN comes from a zero on the diagonal.
        if norm.is_nan() || norm >= DIVISIBLE * scale[j] {
            return false;
        }
    }
    true
}

fn mean_cross_products(factor: &Factor) -> Vec<Vec<f64>> {
    let mut mean = Vec::new();
    for (products, cov) in factor.level_products().iter().zip(factor.covs()) {
        let k = cov.vsize();
        mean.push((0..k).map(|j| products[j * k + j]).collect::<Vec<f64>>());
    }
    let leading = &mut mean[factor.layout.leading_term];
    let n_levels = factor.leading.n_levels as f64;
    for sum in leading.iter_mut() {
        *sum /= n_levels;
    }
    for block in &factor.layout.blocks {
        let n_levels = block.first.len() as f64;
        for sum in mean[block.term].iter_mut() {
            *sum /= n_levels;
        }
    }
    mean
}
