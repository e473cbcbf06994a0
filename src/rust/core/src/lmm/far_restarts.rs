//! Restarts from random slopes of covariates far from zero, as large as the reciprocal standard
//! deviation of their covariate; see [`crate::coordinates::far_slopes`].

use super::restarts::{Restarts, PER_SEARCH};
use crate::coordinates::far_rays::{Slope, SPREADS};
use crate::optimize::{Geometry, Objective, OptSummary, Settings};
use crate::tolerances::{
    FEW_DIGITS, HIDING_SPREAD, NEGLIGIBLE_GAIN, NO_DIGITS, OTHER_MINIMUM,
    PROMISING_LOSS, SIGMA_STEP,
};

/// Slopes with a smaller standard deviation are none.
pub(super) const LEAST_SPREAD: f64 = SPREADS[0];
/// The optimizer where derivatives have few digits.
const BY_VALUES: &str = "LN_NELDERMEAD";
/// Cost of one search without derivatives in evaluations.
const PER_VALUE_SEARCH: f64 = 300.0;
/// Number of searches without derivatives, one after the other.
const VALUE_SEARCHES: usize = 2;
/// The first step of a search without derivatives, as a share of each parameter.
const FIRST_SHARE: f64 = 0.3;

/// A point with the objective there.
type Valued = (f64, Vec<f64>);
/// Elements of theta that nearly equal another one.
type Differences<'d> = &'d [(usize, usize)];

impl Restarts<'_, '_, '_> {
    // Restarts from random slopes as large as the reciprocal standard deviation of their covariate.
    // If the covariate is far from zero, slopes in units of the covariate itself are hardly more
    // than random intercepts.
    pub(super) fn at_spreads(&mut self, found: OptSummary) -> OptSummary {
        let mut found = found;
        for slope in self.search.thetas().far_slopes() {
            let elements = self.search.thetas().equal_elements(slope.0);
            let with_own = elements.into_iter().map(|other| (other, slope.0));
            let differences: Vec<(usize, usize)> = with_own.collect();
            let here = found.best.clone();
            let thetas = self.search.thetas();
            let [alone, together, equal] = thetas.rays(slope, &here);
            let limits = thetas.rays_at_limits(slope, &here, &self.search.at);
            let is_beyond = slope.1 < HIDING_SPREAD || !limits.is_empty();
            let mut rays = vec![(alone, &[][..]), (together, &[])];
            rays.push((equal, &differences));
            rays.extend(limits.into_iter().map(|ray| (ray, &[][..])));
            let mut is_hidden = false;
            for (points, differences) in self.lowest_first(rays) {
                found = self.from_lowest(&points, differences, found);
                is_hidden |= self.may_hide_minimum(&points, found.best_value);
            }
            if is_hidden && is_beyond {
                self.search.model_mut().unresolved = Some(slope);
            }
            found = self.beside_intercepts(slope, &here, found);
        }
        found
    }

    // Restarts from theta with slopes of increasing size and intercepts that may make up for them,
    // from that ray on which the objective is lowest, if it is not much above the incumbent there.
    // Their cost is small and leaves the budget as it is.
    fn beside_intercepts(
        &mut self,
        slope: Slope,
        theta: &[f64],
        found: OptSummary,
    ) -> OptSummary {
        let rays = self.search.thetas().rays_beside_intercepts(slope, theta);
        let points = self.evaluated(rays.concat());
        let limit = found.best_value + PROMISING_LOSS;
        if points.iter().all(|point| point.0 >= limit) {
            return found;
        }
        let budget = self.budget;
        self.budget = PER_SEARCH + VALUE_SEARCHES as f64 * PER_VALUE_SEARCH;
        let found = self.from_lowest(&points, &[], found);
        self.budget = budget;
        found
    }

    // The rays with the objective at their points, from that with the lowest one on.
    fn lowest_first<'d>(
        &mut self,
        rays: Vec<(Vec<Vec<f64>>, Differences<'d>)>,
    ) -> Vec<(Vec<Valued>, Differences<'d>)> {
        let rays = rays.into_iter();
        let mut found: Vec<_> = rays
            .map(|(points, differences)| (self.evaluated(points), differences))
            .collect();
        let lowest = |points: &[Valued]| {
            let values = points.iter().map(|point| point.0);
            values.fold(f64::INFINITY, f64::min)
        };
        found.sort_by(|a, b| lowest(&a.0).total_cmp(&lowest(&b.0)));
        found
    }

    // The objective at some points.
    pub(super) fn evaluated(
        &mut self,
        points: Vec<Vec<f64>>,
    ) -> Vec<(f64, Vec<f64>)> {
        let value = |point: Vec<f64>| {
            let x = self.search.at.from_theta(&point);
            let value = self.search.value(&x).unwrap_or(f64::INFINITY);
            (value, point)
        };
        points.into_iter().map(value).collect()
    }

    // The rounding error of the objective at an evaluated point.
    fn rounding_at(&self, (value, point): &(f64, Vec<f64>)) -> f64 {
        let x = self.search.at.from_theta(point);
        self.search.rounding(&x, *value)
    }

    // Whether a minimum below `best`, which has no slopes of such a size, may be among points, or
    // beyond those with some digits, that rounding errors hide. The slopes of the points increase.
    fn may_hide_minimum(&self, points: &[(f64, Vec<f64>)], best: f64) -> bool {
        let rounded = |at: &(f64, Vec<f64>)| (at.0, self.rounding_at(at));
        let all = points.iter().map(rounded);
        let known: Vec<(f64, f64)> =
            all.take_while(|(_, error)| *error < NO_DIGITS).collect();
        let may_be_lower = |(value, error): &(f64, f64)| {
            *error > FEW_DIGITS && value - error < best
        };
        let still_falls = match known.as_slice() {
            [.., (before, _), (last, _)] => {
                known.len() < points.len() && 2.0 * last - before < best
            }
            _ => false,
        };
        still_falls || known.iter().any(may_be_lower)
    }

    // Restarts from the lowest of several points with digits. `differences`: elements of theta that
    // nearly equal another one.
    fn from_lowest(
        &mut self,
        points: &[(f64, Vec<f64>)],
        differences: &[(usize, usize)],
        found: OptSummary,
    ) -> OptSummary {
        let has_digits =
            |at: &&(f64, Vec<f64>)| self.rounding_at(at) < FEW_DIGITS;
        let known = points.iter().filter(has_digits);
        let Some(lowest) = known.min_by(|a, b| a.0.total_cmp(&b.0)) else {
            return found;
        };
        let found = self.from(&lowest.1, found);
        self.search.at.set_differences(differences);
        let found = self.by_values(lowest, differences, found);
        self.search.at.set_differences(&[]);
        self.or_point(lowest.clone(), found)
    }

    // Restarts from a point without derivatives, if these have few digits there: their rounding
    // errors grow with a higher power of the covariances than those of the objective. The search is
    // repeated from its end, where its simplex has collapsed.
    fn by_values(
        &mut self,
        lowest: &(f64, Vec<f64>),
        differences: &[(usize, usize)],
        mut found: OptSummary,
    ) -> OptSummary {
        let is_rough = self.rounding_at(lowest) > NEGLIGIBLE_GAIN;
        let mut point = lowest.1.clone();
        for _ in 0..VALUE_SEARCHES {
            if !is_rough || self.budget < PER_VALUE_SEARCH {
                return found;
            }
            self.budget -= PER_VALUE_SEARCH;
            let settings = Settings {
                optimizer: BY_VALUES.into(),
                initial_step: self.first_steps(&point, differences),
                ..self.settings.clone()
            };
            found = self.with_settings(&settings, &point, found).1;
            point.clone_from(&found.best);
        }
        found
    }

    // The first steps of a search without derivatives: a share of each parameter, and the unit of a
    // parameter that is zero or whose coordinate is a difference.
    fn first_steps(
        &self,
        point: &[f64],
        differences: &[(usize, usize)],
    ) -> Vec<f64> {
        let mut units = self.search.thetas().units;
        units.resize(point.len(), SIGMA_STEP);
        let elements: Vec<usize> =
            differences.iter().map(|pair| pair.0).collect();
        let size = |(j, (value, unit)): (usize, (&f64, f64))| match (
            *value == 0.0,
            elements.contains(&j),
        ) {
            (false, false) => FIRST_SHARE * value.abs(),
            _ => unit,
        };
        point.iter().zip(units).enumerate().map(size).collect()
    }

    // The incumbent, or `point` if it is lower by more than rounding errors, which may have led the
    // search from it upwards.
    fn or_point(
        &self,
        (value, point): (f64, Vec<f64>),
        mut found: OptSummary,
    ) -> OptSummary {
        let x = self.search.at.from_theta(&point);
        let rounding = self.margin * self.search.rounding(&x, value);
        if found.best_value - value > OTHER_MINIMUM.max(rounding) {
            (found.best, found.best_value) = (point, value);
        }
        found
    }
}
