//! Exact derivatives of the profiled objective, from the factor at the last theta.
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
//! | quantity | file |
//! |---|---|
//! | `Z'V^-1 [X, y - X beta]` | [`scores`] |
//! | `sum_l W_t,ll` | [`traces`]; [`reduced`] where Lambda is singular |
//! | `a'Z'PZ a'`: average information | [`information`] |
//! | `tr(E W E' W)`: the rest of the exact Hessian | [`curvature`] |
//! | the step of Fisher scoring | [`scoring`] |
//! | from Omega to theta | [`chain`] |
//! | optimality where Lambda is singular | [`boundary`] |
//! | slopes of `r^2` and of the variances of contrasts | [`quadratic`] |

use crate::tolerances::DIVISIBLE;

pub mod boundary;
mod chain;
mod curvature;
mod directions;
mod information;
mod quadratic;
mod reduced;
mod scores;
mod scoring;
mod traces;

#[cfg(test)]
pub(crate) mod tests;

pub use directions::Directions;

use crate::factor::trailing::dense::Inverse;
use crate::factor::trailing::reach::Reach;
use crate::factor::Pls;
use crate::kernels::small;
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

/// Which Hessian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HessianKind {
    /// The average of observed and expected information: cheap for any model, never indefinite in Omega.
    Average,
    /// The observed information.
    Exact,
    /// The same from differences of exact gradients: generalized models only.
    Differences,
    /// What the optimizer has learnt, or a rough guess: generalized models only.
    QuasiNewton,
}

impl HessianKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Exact => "exact",
            Self::Differences => "differences",
            Self::QuasiNewton => "quasi-newton",
        }
    }
}

/// First and second derivatives in the covariances; the memory is kept from one theta to the next.
#[derive(Debug)]
pub struct Derivatives {
    directions: Directions,
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
    /// `G_t`, `k x k`, in the order of the design.
    g: Vec<Vec<f64>>,
    /// Hessian in the directions of Omega, symmetric.
    h: Vec<f64>,
    /// Expected information `Tr` of the covariances beside a known sigma, likewise; with the exact Hessian only.
    expected: Vec<f64>,
    information: information::Workspace,
    curvature: curvature::Workspace,
    jacobian: chain::Jacobian,
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

impl Derivatives {
    /// Memory for the derivatives of `pls`.
    pub fn new(pls: &Pls) -> Self {
        let directions = Directions::new(pls.covs());
        let n_directions = directions.len();
        Self {
            block_of_row: pls.layout.block_of_row(),
            mean_cross: mean_cross_products(pls),
            inverses: pls
                .trailing_lambdas
                .iter()
                .map(|lambda| LambdaInverse::new(lambda.len()))
                .collect(),
            p_leading: vec![0.0; pls.m.len()],
            c: Inverse::default(),
            e: Vec::new(),
            scratch: Scratch::new(pls),
            k_rr: Vec::new(),
            columns: Vec::new(),
            reach: Reach::default(),
            scores: Scores::default(),
            g: pls
                .lambdas
                .iter()
                .map(|lambda| vec![0.0; lambda.len()])
                .collect(),
            h: vec![0.0; n_directions * n_directions],
            expected: vec![0.0; n_directions * n_directions],
            information: information::Workspace::default(),
            curvature: curvature::Workspace::default(),
            jacobian: chain::Jacobian::default(),
            directions,
        }
    }

    /// First derivatives at the theta of the last update of `pls`.
    pub fn update(&mut self, pls: &Pls, profile: Profile) {
        self.invert_lambdas(pls);
        self.update_leading(pls);
        self.update_scores(pls, profile.reml);
        self.g.iter_mut().for_each(|g| g.fill(0.0));
        self.add_leading_traces(pls);
        self.add_trailing_traces(pls);
        self.subtract_outer_products(pls, profile);
    }

    /// Second derivatives; [`Self::update`] must have been called for the same theta.
    pub fn update_hessian(&mut self, pls: &Pls, profile: Profile, kind: HessianKind) {
        self.update_information(pls, profile);
        if kind == HessianKind::Exact {
            self.add_curvature(pls, profile);
        }
    }

    /// `G_t` of each term, `k x k`.
    pub fn g(&self) -> &[Vec<f64>] {
        &self.g
    }

    /// The same, for objectives that add to it.
    pub(crate) fn g_mut(&mut self) -> &mut [Vec<f64>] {
        &mut self.g
    }

    /// The elements of the Jacobian, emptied: [`Self::add_sandwich`] takes the memory back.
    pub(crate) fn start_jacobian(&mut self) -> Vec<chain::Element> {
        self.jacobian.start()
    }

    /// The directions of Omega that the Hessian of [`Self::h`] refers to.
    pub fn directions(&self) -> &Directions {
        &self.directions
    }

    /// Hessian in the directions of Omega.
    pub fn h(&self) -> &[f64] {
        &self.h
    }

    /// Mean over the levels of `diag(Z'WZ)`: the scale of each effect's column.
    pub fn mean_cross(&self) -> &[Vec<f64>] {
        &self.mean_cross
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
