//! Trial points of a search: alternative starts, and points beyond a stationary point.

use super::Coordinates;
use crate::covariance::{DescentDirection, Part, RelCov, Role};

/// Positions of the correlations within their ranges at alternative starts.
const SHARES: [f64; 4] = [0.05, 0.25, 0.75, 0.95];
/// Multiples of the step along a descent direction that are tried.
const STEPS: [f64; 3] = [1.0, 0.1, 0.01];
/// Number of standard errors from zero at which a standard deviation is well determined.
const FAR_FROM_ZERO: f64 = 2.0;
/// A term with fewer levels per covariance parameter has little information about them.
const FEW_LEVELS: usize = 6;
/// With fewer rows per random effect the data have little information about covariances.
const FEW_ROWS: usize = 3;

impl Coordinates {
    /// Whether there are several covariance parameters about which the data have so little
    /// information that the objective may well have several minima.
    pub(crate) fn has_few_data(&self, n_rows: usize, levels: &[usize]) -> bool {
        self.free.len() > 1 && self.has_little_information(n_rows, levels)
    }

    /// Whether the data have little information about the covariance parameters: few rows per
    /// random effect, or few levels per parameter of a term.
    pub(crate) fn has_little_information(
        &self,
        n_rows: usize,
        levels: &[usize],
    ) -> bool {
        let pairs = self.covs.iter().zip(levels);
        let n_effects: usize =
            pairs.map(|(cov, n_levels)| n_levels * cov.vsize()).sum();
        self.has_few_levels(levels) || n_rows < FEW_ROWS * n_effects
    }

    /// Whether a term has few levels per covariance parameter.
    pub(crate) fn has_few_levels(&self, levels: &[usize]) -> bool {
        let mut pairs = self.covs.iter().zip(levels);
        pairs.any(|(cov, &n_levels)| {
            let parts = cov.parts().iter();
            let own: usize = parts.map(|part| part.range().len()).sum();
            n_levels < FEW_LEVELS * own
        })
    }

    /// Marks the terms without correlation parameters all of whose standard deviations in
    /// `parameters` are several standard errors from zero: the objective is nearly quadratic in
    /// them, with one minimum.
    pub(crate) fn well_determined(
        &self,
        parameters: &[f64],
        standard_error: impl Fn(usize) -> f64,
    ) -> Vec<bool> {
        let is_far =
            |j: usize| parameters[j].abs() > FAR_FROM_ZERO * standard_error(j);
        let is_known = |cov: &RelCov| {
            let parts = cov.parts().iter();
            let mut own = parts.flat_map(|part| part.range().zip(part.roles()));
            own.all(|(j, role)| {
                let is_left = self.is_held[j] || role.is_below_diagonal();
                is_left || (!role.is_correlation() && is_far(j))
            })
        };
        self.covs.iter().map(is_known).collect()
    }

    /// The start at other correlations of the parts with several standard deviations, where the
    /// objective may have several minima.
    pub(crate) fn other_starts(&self) -> Vec<Vec<f64>> {
        self.with_correlations(&self.start)
    }

    // `parameters` with the first free correlation of each part with several standard deviations at
    // several positions within its range; empty if there is no such part.
    fn with_correlations(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let parts = self.correlated.iter();
        let several = parts.filter(|part| part.scales().count() > 1);
        let turned: Vec<usize> = several
            .filter_map(|part| self.first_correlation(part))
            .collect();
        if turned.is_empty() {
            return Vec::new();
        }
        let at_share = |share| self.with_shares(parameters, &turned, share);
        SHARES.into_iter().map(at_share).collect()
    }

    // `parameters` with these correlations at the position `share` within their ranges.
    fn with_shares(
        &self,
        parameters: &[f64],
        correlations: &[usize],
        share: f64,
    ) -> Vec<f64> {
        let mut x = self.from_theta(parameters);
        for (j, x) in self.free.iter().zip(&mut x) {
            if correlations.contains(j) {
                *x = (2.0 * share - 1.0).asin();
            }
        }
        self.to_theta(&x)
    }

    /// `parameters` with the first free correlation of each part at the position `share` within its
    /// range; `None` if there is no such part.
    pub(crate) fn with_correlation(
        &self,
        parameters: &[f64],
        share: f64,
    ) -> Option<Vec<f64>> {
        let parts = self.correlated.iter();
        let turned: Vec<usize> = parts
            .filter_map(|part| self.first_correlation(part))
            .collect();
        let is_any = !turned.is_empty();
        is_any.then(|| self.with_shares(parameters, &turned, share))
    }

    /// `parameters` with each free correlation in turn at each limit of its range.
    pub(crate) fn at_each_limit(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let angles = self.free.iter().filter(|&&j| self.is_angle[j]);
        let at_both = angles.flat_map(|&j| {
            let at = |share| self.with_shares(parameters, &[j], share);
            [0.0, 1.0].map(at)
        });
        at_both.collect()
    }

    /// `parameters` with the first free correlation of each part at the limit of its range that is
    /// opposite to the one it has reached; the two limits are positions within the range. `None` if
    /// none has reached a limit.
    pub(crate) fn with_opposite_correlations(
        &self,
        parameters: &[f64],
        limits: [f64; 2],
    ) -> Option<Vec<f64>> {
        let [lower, upper] = limits;
        let mut x = self.from_theta(parameters);
        let mut is_any = false;
        for part in &self.correlated {
            let first = self.first_correlation(part);
            let place = self.free.iter().position(|&j| Some(j) == first);
            let Some(angle) = place.map(|place| &mut x[place]) else {
                continue;
            };
            let share = (angle.sin() + 1.0) / 2.0;
            if (lower..=upper).contains(&share) {
                continue;
            }
            *angle = (1.0 - 2.0 * share.clamp(lower, upper)).asin();
            is_any = true;
        }
        is_any.then(|| self.to_theta(&x))
    }

    /// Whether a term has several effects.
    pub(crate) fn has_several_effects(&self) -> bool {
        self.covs.iter().any(|cov| cov.vsize() > 1)
    }

    /// Whether a correlation parameter is free and there are several standard deviations, in one
    /// term or in several: the objective often has several minima.
    pub(crate) fn is_correlated(&self) -> bool {
        let parts = self.covs.iter().flat_map(RelCov::parts);
        let is_deviation =
            |role: &&Role| role.bounds().0 == 0.0 && !role.is_correlation();
        let mut deviations = parts.flat_map(Part::roles).filter(is_deviation);
        let has_several = deviations.nth(1).is_some();
        let mut correlated = self.correlated.iter();
        has_several
            && correlated.any(|part| self.first_correlation(part).is_some())
    }

    fn first_correlation(&self, part: &Part) -> Option<usize> {
        let indices = part.correlations().map(|j| part.theta_start + j);
        indices.into_iter().find(|&j| !self.is_held[j])
    }

    /// `parameters` with each standard deviation of a correlated structure in turn set to zero, at
    /// several correlations: the correlations, which that standard deviation may have determined,
    /// are then free to change.
    pub(crate) fn smaller(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let mut points = Vec::new();
        for j in 0..parameters.len() {
            let is_free = self.is_bounded[j] && !self.is_held[j];
            if !is_free || parameters[j] <= 0.0 {
                continue;
            }
            let mut point = parameters.to_vec();
            point[j] = 0.0;
            points.extend(self.with_correlations(&point));
            points.push(point);
        }
        points
    }

    /// Trial points beyond the stationary point `x`: those of [`Self::exchanges`], then points
    /// along the descent directions whose predicted decrease exceeds `gain`, largest first.
    pub(crate) fn beyond(
        &self,
        x: &[f64],
        gradient: &[f64],
        mut ways: Vec<DescentDirection>,
        gain: f64,
    ) -> Vec<Vec<f64>> {
        ways.retain(|way| way.gain > gain);
        ways.sort_by(|a, b| b.gain.total_cmp(&a.gain));
        let here = self.to_theta(x);
        let mut points = self.exchanges(&here, gradient);
        for way in &ways {
            for share in STEPS {
                let mut point = here.clone();
                let step = share * way.step;
                self.covs[way.term].displace(
                    way.part,
                    step,
                    &way.change,
                    &mut point,
                );
                points.push(self.from_theta(&point));
            }
        }
        points
    }

    // Points at which a standard deviation that is blocked at zero becomes positive, along with the
    // others of its part or instead of them.
    fn exchanges(&self, parameters: &[f64], gradient: &[f64]) -> Vec<Vec<f64>> {
        let mut points = Vec::new();
        for part in self.covs.iter().flat_map(RelCov::parts) {
            let sds: Vec<usize> =
                part.range().filter(|&j| self.is_bounded[j]).collect();
            let largest =
                sds.iter().map(|&j| parameters[j]).fold(0.0, f64::max);
            if largest == 0.0 {
                continue;
            }
            for &j in sds.iter().filter(|&&j| self.is_blocked(j, gradient)) {
                for share in [1.0, 0.0] {
                    let mut point = parameters.to_vec();
                    for &i in &sds {
                        point[i] *= share;
                    }
                    point[j] = largest;
                    points.push(self.from_theta(&point));
                }
            }
        }
        points
    }
}
