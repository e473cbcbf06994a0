//! Exact derivatives of the profiled objective, first and second.
//!
//! With `Omega_t = Lambda_t Lambda_t'`, `V = I + sum_t Z_t (I kron Omega_t) Z_t'` (weights absorbed),
//! `P = V^-1 - V^-1 X (X'V^-1X)^-1 X'V^-1` and `v_t = Z_t'Py`, the derivative in the covariance of term t is
//!
//! `G_t = d d / d Omega_t = sum_l W_t,ll - sigma^-2 sum_l v_tl v_tl'`,
//!
//! `W_t = Z_t'V^-1Z_t` (ML) or `Z_t'PZ_t` (REML). It involves no division by Lambda, so it holds at singular Lambda.
//! Everything else is the chain rule through `theta -> Omega` ([`chain`]), which is all that a covariance structure
//! has to supply.
//!
//! [`FactorDerivatives`] computes G and the Hessian H in the directions of Omega from the factor, exactly. Another
//! engine may fill [`OmegaDerivatives`] instead: what follows from them asks for nothing else.
//!
//! | from the factor | file |
//! |---|---|
//! | `Z'V^-1 [X, y - X beta]` | [`scores`] |
//! | `sum_l W_t,ll` | [`traces`]; [`reduced`] where Lambda is singular |
//! | `a'Z'PZ a'`: average information | [`information`] |
//! | `tr(E W E' W)`: the rest of the exact Hessian | [`curvature`] |
//! | slopes of `r^2` and of the variances of contrasts | [`quadratic`] |
//!
//! | from G and H | file |
//! |---|---|
//! | G, H and the directions themselves | [`omega`], [`directions`] |
//! | gradient and Hessian in theta | [`chain`] |
//! | the step of Fisher scoring | [`scoring`] |
//! | optimality where Lambda is singular | [`boundary`] |

pub mod boundary;
mod chain;
mod curvature;
mod directions;
mod information;
mod omega;
mod quadratic;
mod reduced;
mod scores;
mod scoring;
mod traces;

#[cfg(test)]
pub(crate) mod tests;

pub use directions::Directions;
pub use omega::OmegaDerivatives;

use crate::factor::trailing::dense::Inverse;
use crate::factor::trailing::reach::Reach;
use crate::factor::Pls;
use crate::kernels::small;
use crate::tolerances::DIVISIBLE;
use scores::Scores;

/// How beta and sigma enter the objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// Restricted likelihood: `log |X'V^-1X|` is part of it.
    pub reml: bool,
    /// `1 / sigma^2` at the last theta.
    pub precision: f64,
    /// Whether sigma follows from theta; otherwise it is known.
    pub sigma_profiled: bool,
}

/// How a Hessian was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HessianKind {
    /// The average of observed and expected information: cheap for any model, never indefinite in Omega.
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
pub struct FactorDerivatives {
    /// Layout block of each trailing row.
    block_of_row: Vec<u32>,
    /// Mean over levels of the diagonal of Z'WZ, per term and effect.
    mean_cross: Vec<Vec<f64>>,
    /// `Lambda^-1` of each layout block, where dividing by Lambda is safe.
    inverses: Vec<LambdaInverse>,
    /// `P_i = I - A00_i V_i` of each unit, `k x k`.
    p_leading: Vec<f64>,
    /// `S_RR^-1` as the trailing storage holds it.
    c: Inverse,
    /// `L^-1 D'` times some columns.
    e: Vec<f64>,
    /// Blocks of one level, and the rows that a unit touches.
    scratch: Scratch,
    /// `K`, some of its columns, and its columns in the sparse storage: only where some trailing Lambda is singular.
    k_rr: Vec<f64>,
    columns: Vec<f64>,
    reach: Reach,
    scores: Scores,
    information: information::Workspace,
    curvature: curvature::Workspace,
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
    fn new(pls: &Pls) -> Self {
        let largest = pls.lambdas.iter().map(Vec::len).max().unwrap_or(0);
        Self {
            a: vec![0.0; largest],
            b: vec![0.0; largest],
            scaled: Vec::new(),
            product: Vec::new(),
        }
    }
}

impl FactorDerivatives {
    /// Memory for the derivatives of `pls`; what is as long as its effects is taken with the first ones.
    pub fn new(pls: &Pls) -> Self {
        Self {
            block_of_row: pls.layout.block_of_row(),
            mean_cross: mean_cross_products(pls),
            inverses: pls
                .trailing_lambdas
                .iter()
                .map(|lambda| LambdaInverse::new(lambda.len()))
                .collect(),
            p_leading: Vec::new(),
            c: Inverse::default(),
            e: Vec::new(),
            scratch: Scratch::new(pls),
            k_rr: Vec::new(),
            columns: Vec::new(),
            reach: Reach::default(),
            scores: Scores::default(),
            information: information::Workspace::default(),
            curvature: curvature::Workspace::default(),
        }
    }

    /// First derivatives at the theta of the last update of `pls`.
    pub fn update(&mut self, pls: &Pls, profile: Profile, omega: &mut OmegaDerivatives) {
        self.update_effects(pls, profile.reml);
        omega.g.iter_mut().for_each(|g| g.fill(0.0));
        self.add_leading_traces(pls, omega);
        self.add_trailing_traces(pls, omega);
        self.subtract_outer_products(pls, profile, omega);
    }

    /// Second derivatives at the theta of the last [`Self::update`].
    pub fn update_hessian(
        &mut self,
        pls: &Pls,
        profile: Profile,
        kind: HessianKind,
        omega: &mut OmegaDerivatives,
    ) {
        self.update_information(pls, profile, omega);
        if kind == HessianKind::Exact {
            self.add_curvature(pls, profile, omega);
        }
    }

    /// `Z'V^-1 [X, y - X beta]`, with the rows of X if `reml`, and what it is computed from.
    pub(crate) fn update_effects(&mut self, pls: &Pls, reml: bool) {
        self.invert_lambdas(pls);
        self.update_leading(pls);
        self.update_scores(pls, reml);
    }

    fn invert_lambdas(&mut self, pls: &Pls) {
        for ((block, lambda), inverse) in pls
            .layout
            .blocks
            .iter()
            .zip(&pls.trailing_lambdas)
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
    fn update_leading(&mut self, pls: &Pls) {
        let k = pls.leading.k;
        self.p_leading.resize(pls.m.len(), 0.0);
        let v = &mut self.scratch.a[..k * k];
        for (unit, p) in self.p_leading.chunks_exact_mut(k * k).enumerate() {
            let m = &pls.m[unit * k * k..(unit + 1) * k * k];
            small::multiply_transposed(k, m, m, v);
            small::multiply(k, pls.leading.a00(unit), v, p);
            p.iter_mut().for_each(|value| *value = -*value);
            (0..k).for_each(|j| p[j * k + j] += 1.0);
        }
    }
}

// Lambda^-1; false where rounding would spoil what is divided by Lambda.
fn invert_lower(k: usize, lambda: &[f64], scale: &[f64], inverse: &mut [f64]) -> bool {
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

fn mean_cross_products(pls: &Pls) -> Vec<Vec<f64>> {
    let mut mean: Vec<Vec<f64>> = pls
        .covs()
        .iter()
        .map(|cov| vec![0.0; cov.vsize()])
        .collect();
    let k = pls.leading.k;
    for a00 in pls.leading.a00.chunks_exact(k * k) {
        (0..k).for_each(|j| {
            mean[pls.layout.leading_term][j] += a00[j * k + j] / pls.leading.n_levels as f64
        });
    }
    for block in &pls.layout.blocks {
        for &first in &block.first {
            for (j, mean) in mean[block.term].iter_mut().enumerate() {
                *mean +=
                    pls.trailing.cross_product(first as usize + j, 0) / block.first.len() as f64;
            }
        }
    }
    mean
}
