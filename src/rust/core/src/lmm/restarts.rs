//! Restarts of Newton's method, to find a lower minimum: a search is local, and an evaluation is
//! cheap.
//!
//! The objective may have several minima whose covariances differ in scale, mainly where columns of
//! Z are nearly collinear, grouping factors have few levels, or weights are unequal. It is
//! evaluated along rays through the incumbent (the best point so far): Lambda rescaled as a whole,
//! and then each standard deviation rescaled alone. Newton's method restarts from the interior
//! minima of a ray; along a ray on which the objective only rises nothing is done. Fits that took
//! many evaluations, or have a singular covariance, are also restarted from rescaled starts. A
//! budget in operations, compared to the cost of an evaluation, limits the number of restarts.

use super::search::Search;
use crate::optimize::{Geometry, Objective, Observer, OptSummary, Settings};
use crate::tolerances::{NEGLIGIBLE_GAIN, NOISE_MARGIN};

/// Factors of Lambda as a whole, besides zero and one.
const SCALES: [f64; 2] = [1.0 / 32.0, 32.0];
/// Values of one standard deviation, in units of the reciprocal root mean square of its column of
/// Z.
const ALONE: [f64; 9] =
    [0.001, 1.0 / 32.0, 0.1, 0.3, 1.0, 3.0, 32.0, 1e3, 3.2e4];
/// Standard deviations in units of the reciprocal root mean square of one of several columns.
const AT_COLUMN: [f64; 3] = [0.2, 1.0, 5.0];
/// Factors of the other standard deviations where one is left out.
const BESIDE_ZERO: [f64; 3] = [0.03, 0.2, 5.0];
/// Factors of the incumbent's covariances of rank one.
const AT_RANK_ONE: [f64; 2] = [1.5, 3.0];
/// Factors of the start.
const STARTS: [f64; 4] = [0.01, 0.1, 10.0, 100.0];
/// A search with more evaluations than this was a hard one.
const EASY: usize = 12;
/// Number of evaluations of a search that the first scoring step completed.
const PROPOSED: usize = 2;
/// A standard deviation of more than this many units, or less than its reciprocal, is unusual.
const ORDINARY: f64 = 30.0;
/// A search may lower the objective by this multiple of the decrease that its first step predicts.
const OPTIMISM: f64 = 2.0;
/// Number of operations that all restarts may cost: about the cost of the call from R.
const AFFORDABLE: f64 = 2e6;
/// The same where independent standard deviations of one term may be zero, each or not: every such
/// combination can be a minimum of its own.
const AFFORDABLE_OF_COMBINATIONS: f64 = 2e7;
/// Budget in evaluations that is left in small data sets for the restarts after those at limits, if
/// it costs less than [`AFFORDABLE_OF_COMBINATIONS`]: random starts cost more.
const OF_FEW_DATA: f64 = 600.0;
/// Multiple of [`AFFORDABLE`] for structures with a correlation parameter, and for random slopes of
/// covariates far from zero.
const CORRELATED: f64 = 4.0;
/// Cost of one search in evaluations, derivatives included.
pub(super) const PER_SEARCH: f64 = 30.0;
/// Number of evaluations without derivatives that cost as much as one with derivatives.
pub(super) const PER_STEP: f64 = 3.0;
/// Relative step of the differences in the scale of Lambda.
const NEARBY: f64 = 0.02;
/// Number of line searches in the scale of Lambda.
const SCALINGS: usize = 2;
/// Largest relative change of the scale of Lambda in such a line search.
const MOST_OF_SCALE: f64 = 0.2;

/// A sequence of restarts from points where a lower minimum than the incumbent is likely.
pub(super) struct Restarts<'a, 'b, 'c> {
    pub search: &'a mut Search<'b>,
    pub settings: &'a Settings,
    pub observe: &'a mut Observer<'c>,
    /// The remaining budget, in evaluations.
    pub(super) budget: f64,
    // The number of rounding errors by which a new minimum must be lower to be accepted.
    pub(super) margin: f64,
}

impl Search<'_> {
    /// The better of an optimum and of those that restarts find. Where the derivatives say that no
    /// other one is near, the only restarts are those that exchange terms.
    pub(super) fn restarted(
        &mut self,
        mut found: OptSummary,
        settings: &Settings,
        observe: &mut Observer,
    ) -> OptSummary {
        if self.is_well_determined(&found) {
            self.keep_minimum(&found);
            let spent = found.log.len();
            return Restarts::new(self, settings, observe, spent)
                .exchanging_terms(found);
        }
        self.straighten(&mut found);
        self.keep_minimum(&found);
        let found = self.or_from_elsewhere(found, settings, observe);
        let spent = found.log.len();
        Restarts::new(self, settings, observe, spent).run(found)
    }
}

impl<'a, 'b, 'c> Restarts<'a, 'b, 'c> {
    // Restarts after a search of `spent` evaluations. Those of structures with a correlation
    // parameter may always cost as much again.
    fn new(
        search: &'a mut Search<'b>,
        settings: &'a Settings,
        observe: &'a mut Observer<'c>,
        spent: usize,
    ) -> Self {
        let affordable =
            share_of(search) * AFFORDABLE / search.model().engine.cost();
        let least = match search.at.is_correlated() {
            true => PER_STEP * spent as f64,
            false => 0.0,
        };
        Self {
            search,
            settings,
            observe,
            budget: affordable.max(least),
            margin: NOISE_MARGIN,
        }
    }

    /// Runs all restarts, and returns the best result.
    fn run(mut self, found: OptSummary) -> OptSummary {
        let found = self.exchanging_terms(found);
        // At slopes as large as the covariate's spread the rounding errors of the objective are
        // large, but so are possible gains, so that a smaller margin is appropriate.
        self.margin = 1.0;
        let found = self.at_spreads(found);
        self.margin = NOISE_MARGIN;
        let found = self.at_all_limits(found);
        let after_limits = found.best.clone();
        if self.search.thetas().has_zero_among_several(&found.best) {
            let cost = self.search.model().engine.cost();
            self.budget = self.budget.max(AFFORDABLE_OF_COMBINATIONS / cost);
        }
        let has_few_data = self.has_few_data();
        let is_hard = found.log.len() > EASY
            || self.is_unusual(&found.best)
            || self.search.has_several_with_few_levels()
            || has_few_data;
        let found = self.without_each(found);
        let found = self.each_alone(found);
        if !is_hard {
            let found = self.where_little_is_said(found);
            let found = self.rescaled_without_each(found);
            return self.or_without_effects(found);
        }
        if has_few_data {
            let cost = self.search.model().engine.cost();
            let least = OF_FEW_DATA.min(AFFORDABLE_OF_COMBINATIONS / cost);
            self.budget = self.budget.max(least);
        }
        let found = self.at_scales(found);
        let found = self.from_dependent_effects(found);
        let found = self.along_each_deviation(found);
        let found = self.each_alone_rescaled(found);
        let mut found = self.rescaled_without_each(found);
        if has_few_data {
            found = self.at_rank_one(found);
            found = self.without_each_term(found);
            found = self.from_random_starts(found);
        }
        found = self.uncorrelated_without_each(found);
        if found.best != after_limits {
            found = self.from_limits(found);
        }
        for _ in 0..SCALINGS {
            found = self.at_best_scale(found);
        }
        self.or_without_effects(found)
    }

    // Restarts at the limits of correlations, and near those of large and small columns.
    fn at_all_limits(&mut self, found: OptSummary) -> OptSummary {
        let found = self.at_limits(found);
        let found = self.at_opposite_limits(found);
        self.at_sizes_of_columns(found)
    }

    // Restarts with one standard deviation of columns of very different sizes at the size of each
    // of them, beside correlations as at the start: the random effects of each column may have an
    // optimum at which those of the smaller columns vanish, and those of the larger ones are free.
    fn at_sizes_of_columns(&mut self, mut found: OptSummary) -> OptSummary {
        for (j, sizes) in self.search.mixed_sizes() {
            if self.search.thetas().held[j] {
                continue;
            }
            for size in sizes.into_iter().filter(|&size| size > 0.0) {
                let thetas = self.search.thetas();
                let theta =
                    thetas.with_correlations_of(&found.initial, &found.best);
                let points = AT_COLUMN.map(|scale| {
                    let mut point = theta.clone();
                    point[j] = scale / size;
                    point
                });
                self.budget = self.budget.max(2.0 * PER_SEARCH);
                found = self.from_lowest_of(points.to_vec(), found);
            }
        }
        found
    }

    // Restarts from the rescaled start, with uncorrelated and with highly correlated effects.
    fn from_dependent_effects(&mut self, mut found: OptSummary) -> OptSummary {
        let start = found.initial.clone();
        for scale in STARTS {
            found =
                self.from(&self.search.thetas().scaled(&start, scale), found);
            for share in [-1.0, 1.0] {
                let thetas = self.search.thetas();
                if let Some(point) =
                    thetas.with_correlated_effects(&start, scale, share)
                {
                    found = self.from(&point, found);
                }
            }
        }
        found
    }

    // Restarts along the ray of each standard deviation, and from that standard deviation at zero.
    fn along_each_deviation(&mut self, mut found: OptSummary) -> OptSummary {
        for j in self.search.thetas().standard_deviations() {
            let thetas = self.search.thetas();
            let here = found.best[j].abs() / thetas.units[j];
            let mut ray = Vec::new();
            for scale in [0.0].into_iter().chain(ALONE) {
                ray.push((
                    scale,
                    thetas.with_standard_deviation(&found.best, j, scale),
                ));
            }
            found = self.along(found, here, ray);
            let without = self.search.thetas().with_standard_deviation(
                &found.best,
                j,
                0.0,
            );
            found = self.from(&without, found);
        }
        found
    }

    // Restarts after an easy search if the data have little information about the covariances: from
    // Lambda rescaled, and from a covariance of rank one.
    fn where_little_is_said(&mut self, found: OptSummary) -> OptSummary {
        if found.log.len() <= PROPOSED || !self.search.has_little_information()
        {
            return found;
        }
        let mut found = self.at_scales(found);
        let start = found.initial.clone();
        for share in [-1.0, 1.0] {
            if let Some(point) = self
                .search
                .thetas()
                .with_correlated_effects(&start, 1.0, share)
            {
                let singular = self.search.thetas().with_rank_one(&point);
                found = self.from(&singular, found);
            }
        }
        found
    }

    // Restarts from the incumbent with unstructured covariances reduced to rank one and enlarged:
    // one combination of effects may explain what several do.
    fn at_rank_one(&mut self, mut found: OptSummary) -> OptSummary {
        let theta = found.best.clone();
        for scale in AT_RANK_ONE {
            let thetas = self.search.thetas();
            let reduced = thetas.with_rank_one(&theta);
            if reduced != theta {
                found = self.from(&thetas.scaled(&reduced, scale), found);
            }
        }
        found
    }

    // Restarts with each of several terms left out, if a Newton step from there predicts a lower
    // objective: another term alone may explain what both do.
    fn without_each_term(&mut self, mut found: OptSummary) -> OptSummary {
        let terms = self.search.thetas().covs.len();
        let theta = found.best.clone();
        for term in (0..terms).filter(|_| terms > 1) {
            self.budget = self.budget.max(2.0 * PER_SEARCH);
            let without = self.search.thetas().without_term(&theta, term);
            if without != theta {
                found = self.from_promising(&without, found);
            }
        }
        found
    }

    // Restarts along the ray of Lambda rescaled as a whole.
    fn at_scales(&mut self, found: OptSummary) -> OptSummary {
        let mut ray = Vec::new();
        for scale in [0.0].into_iter().chain(SCALES) {
            ray.push((scale, self.search.thetas().scaled(&found.best, scale)));
        }
        self.along(found, 1.0, ray)
    }

    // Minimises the interpolating parabola in the scale of Lambda. Where covariances are very large
    // compared to the residual variance the objective hardly depends on this scale, and Newton's
    // method, dominated by directions of large curvature, may stop short of its minimum.
    fn at_best_scale(&mut self, mut found: OptSummary) -> OptSummary {
        let mut at = |scale: f64| {
            let point = self.search.thetas().scaled(&found.best, scale);
            let x = self.search.at.from_theta(&point);
            let value = self.search.value(&x).unwrap_or(f64::INFINITY);
            (value, point)
        };
        let ((below, _), (above, _)) = (at(1.0 - NEARBY), at(1.0 + NEARBY));
        let slope = (above - below) / (2.0 * NEARBY);
        let curvature =
            (above + below - 2.0 * found.best_value) / (NEARBY * NEARBY);
        let step = -slope / curvature;
        if !(curvature > 0.0 && step.abs() < MOST_OF_SCALE) {
            return found;
        }
        let (value, point) = at(1.0 + step);
        if value < found.best_value {
            (found.best_value, found.best) = (value, point);
        }
        found
    }

    // Restarts with each standard deviation set to zero, first at the incumbent and then at the
    // better point found so, if there is one: the other variances may explain the same variation.
    fn without_each(&mut self, found: OptSummary) -> OptSummary {
        let here = found.best.clone();
        let found = self.without_each_of(&here, found);
        match found.best == here {
            true => found,
            false => self.without_each_of(&found.best.clone(), found),
        }
    }

    // Restarts from a point with each standard deviation set to zero, if a Newton step from there
    // predicts a lower objective.
    fn without_each_of(
        &mut self,
        theta: &[f64],
        mut found: OptSummary,
    ) -> OptSummary {
        for j in self.search.thetas().standard_deviations() {
            if theta[j] == 0.0 || self.budget < PER_SEARCH {
                continue;
            }
            let thetas = self.search.thetas();
            let without = thetas.with_standard_deviation(theta, j, 0.0);
            found = self.from_promising(&without, found);
        }
        found
    }

    // Restarts with each standard deviation set to zero and correlations as at the start, if a
    // Newton step from there predicts a lower objective: effects of another term may stand in for
    // correlated ones.
    fn uncorrelated_without_each(
        &mut self,
        mut found: OptSummary,
    ) -> OptSummary {
        let theta = found.best.clone();
        for j in self.search.thetas().standard_deviations() {
            let thetas = self.search.thetas();
            let without = thetas.with_standard_deviation(&theta, j, 0.0);
            let point = thetas.with_correlations_of(&found.initial, &without);
            if theta[j] != 0.0 && point != without {
                found = self.from_promising(&point, found);
            }
        }
        found
    }

    // Restarts with each standard deviation set to zero and the others rescaled, where the
    // objective is lowest, if a Newton step from there predicts a lower one. Where several
    // parameters have few levels the others may be far from their values beside it.
    fn rescaled_without_each(&mut self, mut found: OptSummary) -> OptSummary {
        if !self.search.has_several_with_few_levels() {
            return found;
        }
        let theta = found.best.clone();
        for j in self.search.thetas().standard_deviations() {
            if theta[j] == 0.0 || self.budget < PER_SEARCH {
                continue;
            }
            let thetas = self.search.thetas();
            let without = thetas.with_standard_deviation(&theta, j, 0.0);
            let points =
                BESIDE_ZERO.map(|scale| thetas.scaled(&without, scale));
            found = self.from_lowest_of(points.to_vec(), found);
        }
        found
    }

    // Restarts with each standard deviation as the only one that isn't zero, at the scale where the
    // objective is lowest, if a Newton step from there predicts a lower one. That scale may be far
    // from that of a deviation beside others.
    fn each_alone_rescaled(&mut self, mut found: OptSummary) -> OptSummary {
        let deviations = self.search.thetas().standard_deviations();
        if deviations.len() < 2 || !self.search.has_several_with_few_levels() {
            return found;
        }
        for j in deviations {
            if self.budget < PER_SEARCH {
                continue;
            }
            let thetas = self.search.thetas();
            let nothing = thetas.scaled(&found.initial, 0.0);
            let points = ALONE.map(|scale| {
                thetas.with_standard_deviation(&nothing, j, scale)
            });
            found = self.from_lowest_of(points.to_vec(), found);
        }
        found
    }

    // Restarts from that point where the objective is lowest, if a Newton step from there predicts
    // a lower one than the incumbent's.
    fn from_lowest_of(
        &mut self,
        points: Vec<Vec<f64>>,
        found: OptSummary,
    ) -> OptSummary {
        self.budget -= points.len() as f64;
        let valued = self.evaluated(points).into_iter();
        let lowest = valued.min_by(|a, b| a.0.total_cmp(&b.0));
        match lowest {
            Some((_, point)) => self.from_promising(&point, found),
            None => found,
        }
    }

    // Restarts from each standard deviation that is zero as the only one that isn't, if a Newton
    // step from there predicts a lower objective: it may explain what several others explain.
    fn each_alone(&mut self, mut found: OptSummary) -> OptSummary {
        let deviations = self.search.thetas().standard_deviations();
        if deviations.iter().all(|&j| found.best[j] == 0.0) {
            return found;
        }
        for j in deviations {
            if found.best[j] != 0.0 || self.budget < PER_SEARCH {
                continue;
            }
            let thetas = self.search.thetas();
            let nothing = thetas.scaled(&found.initial, 0.0);
            let alone = thetas.with_standard_deviation(&nothing, j, 1.0);
            found = self.from_promising(&alone, found);
        }
        found
    }

    // Restarts from a point if a Newton step from it predicts a lower objective.
    fn from_promising(
        &mut self,
        point: &[f64],
        found: OptSummary,
    ) -> OptSummary {
        if self.budget < PER_SEARCH {
            return found;
        }
        self.budget -= PER_STEP;
        match self.is_promising(point, found.best_value) {
            true => self.from(point, found),
            false => found,
        }
    }

    /// Whether a Newton step from a point predicts an objective below `limit`.
    pub(super) fn is_promising(&mut self, point: &[f64], limit: f64) -> bool {
        let x = self.search.at.from_theta(point);
        let is_lower =
            |(value, fall): (f64, f64)| value - OPTIMISM * fall < limit;
        self.search.prospect(&x).is_some_and(is_lower)
    }

    // Restarts from no random effects, whatever the budget, if the objective is lower there. If the
    // first scoring step completed the search the design is balanced, and its minimum unique.
    fn or_without_effects(&mut self, found: OptSummary) -> OptSummary {
        if found.log.len() <= PROPOSED {
            return found;
        }
        let nothing = self.search.thetas().scaled(&found.best, 0.0);
        let value = self.search.value(&self.search.at.from_theta(&nothing));
        match value
            .is_ok_and(|value| value < found.best_value - NEGLIGIBLE_GAIN)
        {
            true => self.and_from(&nothing, found).1,
            false => found,
        }
    }

    // Whether a standard deviation is zero or very large.
    fn is_unusual(&self, theta: &[f64]) -> bool {
        let units = self.search.thetas().units;
        let ordinary = 1.0 / ORDINARY..=ORDINARY;
        let mut deviations =
            self.search.thetas().standard_deviations().into_iter();
        deviations.any(|j| !ordinary.contains(&(theta[j].abs() / units[j])))
    }

    /// Whether a standard deviation is very large.
    pub(super) fn has_large(&self, theta: &[f64]) -> bool {
        let thetas = self.search.thetas();
        let is_large = |j: usize| theta[j].abs() > ORDINARY * thetas.units[j];
        thetas.standard_deviations().into_iter().any(is_large)
    }

    // Restarts from the interior minima of the objective along a ray. `ray` holds positions on it
    // with their points; `here` is the position of the incumbent.
    fn along(
        &mut self,
        found: OptSummary,
        here: f64,
        ray: Vec<(f64, Vec<f64>)>,
    ) -> OptSummary {
        let incumbent = (here, found.best_value, None);
        self.from_valleys(vec![incumbent], ray, found)
    }

    /// Restarts from the interior minima among known places on a ray, and its other points.
    pub(super) fn from_valleys(
        &mut self,
        mut places: Vec<(f64, f64, Option<Vec<f64>>)>,
        ray: Vec<(f64, Vec<f64>)>,
        found: OptSummary,
    ) -> OptSummary {
        if self.budget < ray.len() as f64 {
            return found;
        }
        self.budget -= ray.len() as f64;
        for (place, point) in ray {
            let value = self.search.value(&self.search.at.from_theta(&point));
            places.push((place, value.unwrap_or(f64::INFINITY), Some(point)));
        }
        places.sort_by(|a, b| a.0.total_cmp(&b.0));
        let values: Vec<f64> = places.iter().map(|place| place.1).collect();
        let mut found = found;
        for (i, (_, _, point)) in places.iter().enumerate() {
            if let Some(point) =
                point.as_ref().filter(|_| is_valley(&values, i))
            {
                found = self.from(point, found);
            }
        }
        found
    }

    // Restarts from a point; the result replaces the incumbent if it is lower by more than rounding
    // errors.
    pub(super) fn from(
        &mut self,
        point: &[f64],
        found: OptSummary,
    ) -> OptSummary {
        if self.budget < PER_SEARCH {
            return found;
        }
        self.budget -= PER_SEARCH;
        self.and_from(point, found).1
    }

    /// Restarts from a point, and returns the objective where the search ended and the better of
    /// its result and the incumbent.
    pub(super) fn and_from(
        &mut self,
        point: &[f64],
        found: OptSummary,
    ) -> (Option<f64>, OptSummary) {
        self.with_settings(self.settings, point, found)
    }

    pub(super) fn with_settings(
        &mut self,
        settings: &Settings,
        point: &[f64],
        found: OptSummary,
    ) -> (Option<f64>, OptSummary) {
        let next =
            self.search
                .search_from(point, &found, settings, self.observe);
        let Some(next) = next else {
            return (None, found);
        };
        let value = self.search.ended_in.unwrap_or(next.best_value);
        let ending = next.status.has_converged().then_some(value);
        let (best, value) = (found.best.clone(), found.best_value);
        let status = found.status;
        let mut next = found.or_better(next);
        let rounding = self.margin * self.rounding(&next);
        if value - next.best_value < NEGLIGIBLE_GAIN.max(rounding) {
            (next.best, next.best_value) = (best, value);
            if next.status.has_converged() {
                next.status = status;
            }
        }
        (ending, next)
    }
}

impl Restarts<'_, '_, '_> {
    // The rounding error of the objective at the end of a search.
    fn rounding(&self, ending: &OptSummary) -> f64 {
        let x = self.search.at.from_theta(&ending.best);
        self.search.rounding(&x, ending.best_value)
    }
}

/// The factor of the budget: correlation parameters come with many minima, and random slopes of
/// covariates far from zero with distant ones.
pub(super) fn share_of(search: &Search) -> f64 {
    let is_plain =
        !search.at.is_correlated() && !search.thetas().has_far_slopes();
    match is_plain {
        true => 1.0,
        false => CORRELATED,
    }
}

// Whether value `i` is clearly lower than its neighbours.
fn is_valley(values: &[f64], i: usize) -> bool {
    let limit = values[i] + NEGLIGIBLE_GAIN;
    let before = i.checked_sub(1).and_then(|before| values.get(before));
    let mut beside = [before, values.get(i + 1)].into_iter();
    beside.all(|value| limit < value.copied().unwrap_or(f64::INFINITY))
}
