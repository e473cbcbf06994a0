//! Line searches along shears of very large unstructured covariances.
//!
//! If X contains a combination `a` of the random effects of a term, such as the intercept among
//! the indicators of all categories, the regression of this combination on the other effects may
//! be nearly free: a fixed effect takes up its mean. The objective then hardly changes in
//! `(I + a h') Omega (I + h a')` with `h'a = 0`, a straight line in h, but a curved valley in the
//! elements of Lambda and in tangent coordinates, through which Newton's method makes short steps.

use super::search::Search;
use super::LinearMixedModel;
use crate::coordinates::tangent::for_each_place;
use crate::kernels::eigen::Eigen;
use crate::kernels::rotations::lower_factor;
use crate::kernels::small;
use crate::optimize::{Geometry, Objective, OptSummary};
use crate::tolerances::{
    CONTAINED, LARGE_SD, LEAST_INFORMATION, NEGLIGIBLE_GAIN,
};
use std::ops::Range;

/// Steps along a shear, as multiples of the standard deviation of the combination.
const STEPS: [f64; 2] = [1.0, 0.1];
/// Longest step, as a multiple of those steps.
const LONGEST: f64 = 1e5;
/// Shares of the step to the lowest point of the parabola.
const SHARES: [f64; 3] = [1.0, 0.5, 0.2];

/// An unstructured part with a combination of effects that X contains.
#[derive(Debug, Clone)]
pub(super) struct Shear {
    /// The index of the part's first parameter.
    start: usize,
    /// The root mean square of each effect's column of Z.
    rms: Vec<f64>,
    /// The combination, in units of the root mean squares.
    combination: Vec<f64>,
}

impl Shear {
    // The directions, as rows of Lambda scaled by the root mean squares, in which the row of the
    // combination may change: those in which the other effects vary.
    fn directions(&self, theta: &[f64]) -> Vec<Vec<f64>> {
        let k = self.rms.len();
        let mut rows = self.rows(theta);
        let along = self.row_of_combination(&rows);
        for (row, share) in rows.chunks_exact_mut(k).zip(&self.combination) {
            small::axpy(-share, &along, row);
        }
        let mut eigen = Eigen::new(k);
        if !eigen.decompose(&products_of(k, &rows)) {
            return Vec::new();
        }
        let size = small::dot(&along, &along).sqrt();
        let limit = LEAST_INFORMATION * eigen.values[k - 1];
        let wanted = (0..k).rev().filter(|&i| eigen.values[i] > limit);
        let scaled = |i: usize| {
            let unit = eigen.vector(i).iter();
            unit.map(|value| size * value).collect()
        };
        wanted.map(scaled).collect()
    }

    // Lambda scaled by the root mean squares, by rows.
    fn rows(&self, theta: &[f64]) -> Vec<f64> {
        let k = self.rms.len();
        let mut rows = vec![0.0; k * k];
        for_each_place(k, |i, j, at| {
            rows[i * k + j] = self.rms[i] * theta[self.start + at];
        });
        rows
    }

    fn row_of_combination(&self, rows: &[f64]) -> Vec<f64> {
        let k = self.rms.len();
        let mut sum = vec![0.0; k];
        for (row, share) in rows.chunks_exact(k).zip(&self.combination) {
            small::axpy(*share, row, &mut sum);
        }
        sum
    }

    // Theta with the row of the combination changed by `step` times a direction.
    fn sheared(&self, theta: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
        let k = self.rms.len();
        let mut rows = self.rows(theta);
        for (row, share) in rows.chunks_exact_mut(k).zip(&self.combination) {
            small::axpy(step * share, direction, row);
        }
        lower_factor(k, &mut rows);
        let mut sheared = theta.to_vec();
        for_each_place(k, |i, j, at| {
            sheared[self.start + at] = rows[i * k + j] / self.rms[i];
        });
        sheared
    }

    // The largest standard deviation of the combination, in units of the residual one.
    fn size(&self, theta: &[f64]) -> f64 {
        let along = self.row_of_combination(&self.rows(theta));
        small::dot(&along, &along).sqrt()
    }
}

// The products of the columns of a `k x k` matrix, stored by rows.
fn products_of(k: usize, rows: &[f64]) -> Vec<f64> {
    let mut products = vec![0.0; k * k];
    for row in rows.chunks_exact(k) {
        for (value, column) in row.iter().zip(products.chunks_exact_mut(k)) {
            small::axpy(*value, row, column);
        }
    }
    products
}

impl Search<'_> {
    /// Moves the end of a search along the shears of very large covariances to the lowest point,
    /// and returns whether it is clearly lower.
    pub(super) fn straighten(&mut self, found: &mut OptSummary) -> bool {
        let x = self.at.from_theta(&found.best);
        if Geometry::extent(self, &x) < LARGE_SD {
            return false;
        }
        let before = found.best_value;
        for shear in self.shears() {
            if shear.size(&found.best) < LARGE_SD {
                continue;
            }
            for direction in shear.directions(&found.best) {
                for step in STEPS {
                    self.shear(found, &shear, &direction, step);
                }
            }
        }
        let rounding = self.rounding(&x, before);
        before - found.best_value > NEGLIGIBLE_GAIN.max(rounding)
    }

    // Minimises the parabola through three points on a shear. Points with larger covariances have
    // larger rounding errors, which count against them.
    fn shear(
        &mut self,
        found: &mut OptSummary,
        shear: &Shear,
        direction: &[f64],
        step: f64,
    ) {
        let start = found.best.clone();
        let mut lowest = f64::INFINITY;
        let mut at = |search: &mut Self, share: f64| {
            let point = shear.sheared(&start, direction, share * step);
            let x = search.at.from_theta(&point);
            let value = search.value(&x).unwrap_or(f64::INFINITY);
            let bound = value + search.rounding(&x, value);
            if bound < lowest {
                lowest = bound;
                if share != 0.0 {
                    (found.best_value, found.best) = (value, point);
                }
            }
            value
        };
        let here = at(self, 0.0);
        let (below, above) = (at(self, -1.0), at(self, 1.0));
        let slope = 0.5 * (above - below);
        let curvature = above + below - 2.0 * here;
        let longest = -slope / curvature;
        if curvature > 0.0 && longest.abs() < LONGEST {
            for share in SHARES {
                at(self, share * longest);
            }
        }
    }

    // The parts whose covariance may be sheared.
    fn shears(&mut self) -> Vec<Shear> {
        if self.shears.is_none() {
            let zero = vec![0.0; self.model().n_theta()];
            let is_known = self.model_mut().at(&zero).is_ok();
            self.shears = Some(match is_known {
                true => self.model().shears_at_zero(),
                false => Vec::new(),
            });
        }
        self.shears.clone().unwrap_or_default()
    }
}

impl LinearMixedModel {
    // The parts whose covariance may be sheared, at Lambda = 0, where the border of the factor is
    // that of X'WX.
    fn shears_at_zero(&self) -> Vec<Shear> {
        let mut found = Vec::new();
        let products = self.engine.level_products();
        for (term, cov) in self.engine.covs().iter().enumerate() {
            if cov.image().is_some() || cov.is_fixed() {
                continue;
            }
            for (first, part) in cov.placed() {
                let is_free = !part.range().any(|j| self.domain.held[j]);
                if part.is_triangle() && part.size > 1 && is_free {
                    let effects = first..first + part.size;
                    let rms = &self.scales[term][effects.clone()];
                    let within =
                        self.within_fixed(term, effects, &products[term]);
                    found.extend(within.into_iter().map(|combination| Shear {
                        start: part.theta_start,
                        rms: rms.to_vec(),
                        combination,
                    }));
                }
            }
        }
        found
    }

    // The combinations of the effects of a term, in units of the root mean squares of their
    // columns, that X contains; none if it contains all.
    fn within_fixed(
        &self,
        term: usize,
        effects: Range<usize>,
        products: &[f64],
    ) -> Vec<Vec<f64>> {
        let k = effects.len();
        let mut eigen = Eigen::new(k);
        if !eigen.decompose(&self.beside_fixed(term, effects, products)) {
            return Vec::new();
        }
        let limit = CONTAINED * self.likelihood.n_eff as f64;
        let within = (0..k).filter(|&i| eigen.values[i] < limit);
        let found: Vec<_> = within.map(|i| eigen.vector(i).to_vec()).collect();
        match found.len() < k {
            true => found,
            false => Vec::new(),
        }
    }

    // The products of the effects' columns of Z, summed over the levels and orthogonal to X, in
    // units of their root mean squares.
    fn beside_fixed(
        &self,
        term: usize,
        effects: Range<usize>,
        products: &[f64],
    ) -> Vec<f64> {
        let k = effects.len();
        let vsize = self.scales[term].len();
        let rms = &self.scales[term][effects.clone()];
        let explained: Vec<Vec<f64>> =
            effects.clone().map(|j| self.in_fixed(term, j)).collect();
        let mut left = vec![0.0; k * k];
        for_each_place(k, |i, j, _| {
            let (row, column) = (effects.start + i, effects.start + j);
            let whole = products[column * vsize + row];
            let fixed = small::dot(&explained[i], &explained[j]);
            left[j * k + i] = (whole - fixed) / (rms[i] * rms[j]);
        });
        small::mirror_lower(k, &mut left);
        left
    }

    // The products of a column of Z, summed over its levels, with orthonormal columns of X.
    fn in_fixed(&self, term: usize, column: usize) -> Vec<f64> {
        let mut sum = vec![0.0; self.engine.p()];
        self.engine
            .visit_levels(term, column, &mut |_, _, products| {
                small::axpy(1.0, products, &mut sum);
            });
        self.engine.forward_solve_fixed(&mut sum);
        sum
    }
}
