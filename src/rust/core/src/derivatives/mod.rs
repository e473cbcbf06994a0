//! Exact first and second derivatives of the profiled objective.
//!
//! With `Omega_t = Lambda_t Lambda_t'`, `V = I + sum_t Z_t (I kron Omega_t) Z_t'` (weights
//! absorbed), `P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1` and `v_t = Z_t'Py`, the derivative in the
//! covariance of term t is
//!
//! `G_t = d d / d Omega_t = sum_l W_t,ll - sigma^-2 sum_l v_tl v_tl'`,
//!
//! where `W_t = Z_t'V^-1Z_t` for ML and `Z_t'PZ_t` for REML. As there is no division by Lambda it
//! is valid at singular Lambda. Derivatives in theta follow by the chain rule through
//! `theta -> Omega` ([`chain`]), for which a covariance structure only has to supply the
//! derivatives of Omega.
//!
//! [`FactorDerivatives`] computes G and the Hessian H in the directions of Omega from the factor.
//! The iterative engine fills [`OmegaDerivatives`] by other means; everything computed from G and H
//! is common to both.
//!
//! | computed from the factor | file |
//! |---|---|
//! | scores `Z'V^-1 [X, y - X beta]` | [`scores`] |
//! | traces `sum_l W_t,ll` | [`traces`] |
//! | sums over the inverse of a large dense system, for these traces | [`by_columns`] |
//! | `a'Z'PZ a'`: average information | [`information`] |
//! | `tr(E W E' W)`: the exact Hessian | [`curvature`] |
//! | both of these for a term with many effects per level | [`many_effects`] |
//! | observed information of the trailing terms of a large dense system | [`observed`] |
//! | second moments of the blocks of W, for the observed information | [`moments`] |
//! | gradients of `r^2` and of the variances of contrasts | [`quadratic`] |
//!
//! | computed from G and H | file |
//! |---|---|
//! | G, H and the directions | [`omega`], [`directions`] |
//! | gradient and Hessian in theta | [`chain`] |
//! | the step of Fisher scoring | [`scoring`] |
//! | optimality conditions where Lambda is singular | [`boundary`] |

pub mod boundary;
mod by_columns;
mod chain;
mod curvature;
mod directions;
mod information;
mod many_effects;
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
use crate::kernels::small::{self, for_size};
use crate::tolerances::DIVISIBLE;
use by_columns::ByColumns;
use scores::Scores;

/// How beta and sigma are profiled out of the objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Profile {
    /// Whether the likelihood is restricted, that is, includes `log |X'V^-1X|`.
    pub reml: bool,
    /// `1 / sigma^2` at the current theta.
    pub precision: f64,
    /// `r^2` at the current theta.
    pub r2: f64,
    /// Whether sigma is profiled out; otherwise it is known.
    pub sigma_profiled: bool,
}

impl Profile {
    // The likelihood with a known residual variance of one.
    const KNOWN: Self = Self {
        reml: false,
        precision: 1.0,
        r2: 1.0,
        sigma_profiled: false,
    };

    // The coefficient of `s s'` in the Hessian, which profiling out sigma subtracts.
    fn rank_one(&self) -> f64 {
        match self.sigma_profiled {
            true => self.precision / self.r2,
            false => 0.0,
        }
    }
}

/// How a Hessian was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HessianKind {
    /// The average information: the mean of the observed and the expected information, cheap for
    /// any model and positive semi-definite in Omega. Where a large dense factor is inverted in any
    /// case, the trailing terms have the observed information near the optimum.
    Average,
    /// The observed information.
    Exact,
    /// Differences of exact gradients, for generalized models.
    Differences,
    /// The optimizer's quasi-Newton approximation or a rough estimate, for generalized models.
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

/// Computes [`OmegaDerivatives`] from the factor; the working memory is reused from one theta to
/// the next.
#[derive(Debug)]
pub(crate) struct FactorDerivatives {
    /// Layout block of each trailing row.
    block_of_row: Vec<u32>,
    /// Mean over levels of the diagonal of Z'WZ, per term and effect.
    mean_cross: Vec<Vec<f64>>,
    /// `Lambda^-1` of each layout block, where Lambda is well enough conditioned.
    inverses: Vec<LambdaInverse>,
    /// `P_i = I - A00_i V_i` of each level of the leading term, `k x k`.
    p_leading: Blocks,
    /// `S_RR^-1` in the order of the trailing storage.
    c: Inverse,
    /// Sums over the inverse of a large dense system, of which only a range of columns is stored.
    by_columns: ByColumns,
    /// `L^-1 D'` times a range of columns.
    e: Vec<f64>,
    /// Blocks of one level, and values on the rows that couple with a level of the leading term.
    scratch: Scratch,
    /// The reduced system `K`; computed only where a trailing Lambda is singular, and for the exact
    /// Hessian.
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

    /// The inverse; `None` where a division by Lambda would be inaccurate.
    fn get(&self) -> Option<&[f64]> {
        self.is_safe.then_some(&self.values)
    }
}

/// Temporary memory.
#[derive(Debug)]
struct Scratch {
    /// `k x k` for the largest term.
    a: Vec<f64>,
    b: Vec<f64>,
    /// `k` values per coupled row.
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
    /// Working memory for the derivatives of `factor`; vectors over all effects are allocated at
    /// first use.
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

    /// Writes the first derivatives at the theta of the last update of `factor`.
    pub(crate) fn update(
        &mut self,
        factor: &Factor,
        response: &Response,
        profile: Profile,
        omega: &mut OmegaDerivatives,
    ) {
        self.update_effects(factor, response, profile.reml);
        let pairs =
            self.has_pair_forms(factor, profile, omega.directions.len());
        self.fill_traces(factor, pairs, omega);
        self.subtract_outer_products(factor, profile, omega);
    }

    /// Writes the traces `sum_l W_t,ll` of the unrestricted likelihood in the place of `G_t`, for
    /// generalized models.
    pub(crate) fn update_traces(
        &mut self,
        factor: &Factor,
        omega: &mut OmegaDerivatives,
    ) {
        self.invert_lambdas(factor);
        self.update_leading(factor);
        self.fill_traces(factor, false, omega);
    }

    /// Turns the traces in the place of `G_t` into the gradient of a linear mixed model with a
    /// known residual variance of one, and writes its average information, for generalized models.
    /// `scores` are `Z'V^-1 (y - X beta)`, `vsize x n_levels` values per term.
    pub(crate) fn add_scores(
        &mut self,
        factor: &Factor,
        scores: &[Vec<f64>],
        omega: &mut OmegaDerivatives,
    ) {
        self.invert_lambdas(factor);
        self.update_leading(factor);
        self.scores.copy_from(factor, scores);
        self.subtract_outer_products(factor, Profile::KNOWN, omega);
        self.update_information(factor, Profile::KNOWN, omega);
    }

    // Writes the traces. With `pairs` the moments of pairs of levels, for the observed information,
    // are kept as well.
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

    /// Writes the second derivatives at the theta of the last [`Self::update`].
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
        } else if self.has_pair_forms(factor, profile, n) {
            self.observe_trailing(factor, profile, omega);
        }
    }

    /// Computes the scores `Z'V^-1 [X, y - X beta]`, with the rows of X if `reml`.
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

    // P_i = I - A00_i V_i of the levels of the leading term.
    fn update_leading(&mut self, factor: &Factor) {
        self.p_leading.resize_like(&factor.m);
        for_size!(factor.leading.k, k => self.fill_leading(factor, k));
    }

    #[inline(always)]
    fn fill_leading(&mut self, factor: &Factor, k: usize) {
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

// Inverts Lambda; returns `false` where a division by it would be inaccurate.
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
        // A zero on the diagonal gives NaN.
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
