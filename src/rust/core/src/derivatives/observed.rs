//! The observed information of the trailing terms of a large dense system,
//! `2 H_average + s s' / (sigma^2 r^2) - Tr` in their directions only; other elements keep the
//! average information.
//!
//! While the traces are summed up, all elements of `S_RR^-1` pass through memory, so that `Tr` of
//! these terms costs next to nothing ([`by_columns`](super::by_columns)). For a search that starts
//! near the optimum this saves one factorization in three, because the average information differs
//! from the observed one by some per cent, and so does the Newton step. Farther from the optimum
//! the average information is the better choice.

use std::ops::Range;

use crate::covariance::RelCov;
use crate::derivatives::curvature::{add_inner_products, add_level_products};
use crate::derivatives::moments::Element;
use crate::derivatives::scores::{times_lower_transposed, LevelScores};
use crate::derivatives::{
    ByColumns, Directions, FactorDerivatives, OmegaDerivatives, Profile,
};
use crate::factor::Factor;
use crate::kernels::gemm::add_rows_product;
use crate::kernels::small::{self, set_zeros};
use crate::tolerances::NEAR_OPTIMUM;

/// The memory for the REML correction of `Tr` may be one part in this many of the factor's memory.
const ROOM: usize = 8;

/// Working memory of [`FactorDerivatives::observe_trailing`], for `n` directions.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// `T E` of each direction, `n p x m`.
    fixed: Vec<f64>,
    /// `n x n`: quadratic forms, then the factor of the Hessian.
    forms: Vec<f64>,
    /// `T E T'` of each direction.
    products: Vec<f64>,
    /// The Hessian.
    h: Vec<f64>,
    /// Derivatives along the directions.
    slopes: Vec<f64>,
}

impl Workspace {
    // Whether a step by the average information predicts a small decrease.
    fn is_near(&mut self, omega: &OmegaDerivatives) -> bool {
        omega.fill_slopes(&mut self.slopes);
        let n = omega.directions.len();
        self.forms.clone_from(&omega.h);
        if small::cholesky(n, &mut self.forms).is_none() {
            return false;
        }
        small::forward_solve(n, &self.forms, &mut self.slopes);
        let gain = 0.5 * small::dot(&self.slopes, &self.slopes);
        gain < NEAR_OPTIMUM
    }

    // The average information, with the observed information in the directions of the trailing
    // terms; `rank_one` is the coefficient of `s s'`.
    fn fill_hessian(
        &mut self,
        rank_one: f64,
        leading: &Range<usize>,
        omega: &OmegaDerivatives,
    ) {
        let n = omega.directions.len();
        let s = &omega.squares;
        self.h.clone_from(&omega.h);
        for j in (0..n).filter(|j| !leading.contains(j)) {
            for i in (0..=j).filter(|i| !leading.contains(i)) {
                let at = j * n + i;
                let doubled = 2.0 * omega.h[at] + rank_one * s[i] * s[j];
                self.h[at] = doubled - omega.expected[at];
                self.h[i * n + j] = self.h[at];
            }
        }
    }
}

impl FactorDerivatives {
    /// Whether the last first derivatives have kept `Tr` of the trailing terms, and there is memory
    /// for its REML correction in `n` directions. With fixed factors among the terms the ML
    /// criterion has the traces of another factor, so that `Tr` is not available.
    pub(super) fn has_pair_forms(
        &self,
        factor: &Factor,
        profile: Profile,
        n: usize,
    ) -> bool {
        if !ByColumns::suits(factor) || self.is_singular() {
            return false;
        }
        match profile.reml {
            true => ROOM * n * factor.p() <= factor.layout.m,
            false => !factor.covs().iter().any(RelCov::is_fixed),
        }
    }

    /// Replaces the average information of the trailing terms by the observed one near an optimum,
    /// unless the result would be indefinite.
    pub(super) fn observe_trailing(
        &mut self,
        factor: &Factor,
        profile: Profile,
        omega: &mut OmegaDerivatives,
    ) {
        let n = omega.directions.len();
        let mut work = std::mem::take(&mut self.observed);
        if !work.is_near(omega) {
            self.observed = work;
            return;
        }
        omega.expected.fill(0.0);
        self.add_forms_of_pairs(factor, omega);
        if profile.reml {
            self.subtract_restricted(factor, &mut work, omega);
        }
        let leading = omega.directions.of_term(factor.layout.leading_term);
        work.fill_hessian(profile.rank_one(), &leading, omega);
        work.forms.clone_from(&work.h);
        if small::cholesky(n, &mut work.forms).is_some() {
            omega.h.clone_from(&work.h);
        }
        self.observed = work;
    }

    fn add_forms_of_pairs(
        &self,
        factor: &Factor,
        omega: &mut OmegaDerivatives,
    ) {
        let inverses = self.inverses.iter();
        let inverses: Vec<&[f64]> =
            inverses.map(|inverse| inverse.values.as_slice()).collect();
        let blocks = &factor.layout.blocks;
        self.by_columns.add_forms_of_pairs(blocks, &inverses, omega);
    }

    // Corrects Tr of `W` to that of `W - T'T`, by subtracting `2 <T E W, T E'>` and adding
    // `<T E T', T E' T'>`.
    fn subtract_restricted(
        &self,
        factor: &Factor,
        work: &mut Workspace,
        omega: &mut OmegaDerivatives,
    ) {
        let n = omega.directions.len();
        let p = factor.p();
        let width = n * p;
        let length = p * factor.layout.m;
        self.fill_fixed(factor, &omega.directions, work);
        set_zeros(&mut work.forms, n * n);
        let x = &work.fixed;
        add_rows_product(n, length, n, -2.0, x, x, &mut work.forms);
        factor.trailing.right_solve(width, &mut work.fixed);
        let x = &work.fixed;
        add_rows_product(n, length, n, 2.0, x, x, &mut work.forms);
        add_inner_products(n, &work.products, &mut work.forms);
        small::axpy(1.0, &work.forms, &mut omega.expected);
    }

    // `T E D^-T` and `T E T'` for the directions of the trailing terms.
    fn fill_fixed(
        &self,
        factor: &Factor,
        directions: &Directions,
        work: &mut Workspace,
    ) {
        let n = directions.len();
        let p = factor.p();
        set_zeros(&mut work.fixed, n * p * factor.layout.m);
        set_zeros(&mut work.products, n * p * p);
        let blocks = factor.layout.blocks.iter().zip(&self.inverses);
        for (block, inverse) in blocks {
            let own = directions.of_term(block.term);
            let pairs = directions.pairs(block.term);
            let products = own.start * p * p..own.end * p * p;
            let levels = self.scores.trailing_levels(block);
            for (place, level) in block.places(n * p).zip(levels) {
                let products = &mut work.products[products.clone()];
                add_level_products(pairs, level, products);
                let x = &mut work.fixed[place];
                direction_products(n, own.clone().zip(pairs), level, x);
                let inverse = &inverse.values;
                times_lower_transposed(block.vsize, n * p, inverse, x);
            }
        }
    }
}

// `T_l E` of one level for the directions of its term, out of `n` directions: `n p` values per
// effect.
fn direction_products<'a>(
    n: usize,
    directions: impl Iterator<Item = (usize, &'a Element)>,
    level: LevelScores,
    x: &mut [f64],
) {
    let p = level.n_fixed();
    for (d, &(r, s)) in directions {
        for i in 0..p {
            x[(r * p + i) * n + d] = level.fixed(s)[i];
            x[(s * p + i) * n + d] = level.fixed(r)[i];
        }
    }
}
