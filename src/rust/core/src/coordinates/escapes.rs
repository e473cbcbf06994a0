//! Where else to look: other starts, and points beyond a stationary one.

use super::Coordinates;
use crate::covariance::{Part, RelCov, WayOut};

/// Where in their range correlations start again.
const SHARES: [f64; 4] = [0.05, 0.25, 0.75, 0.95];
/// Shares of the step along a way out that are tried.
const STEPS: [f64; 3] = [1.0, 0.1, 0.01];

impl Coordinates {
    /// The start at other correlations of parts with several standard deviations, where the
    /// objective may have several minima.
    pub(crate) fn other_starts(&self) -> Vec<Vec<f64>> {
        self.with_correlations(&self.start)
    }

    // `parameters` at other correlations: of each part with several standard deviations the first
    // that is free. None, where there is no such part.
    fn with_correlations(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let parts = self.correlated.iter();
        let several = parts.filter(|part| part.scales().count() > 1);
        let turned: Vec<usize> = several
            .filter_map(|part| self.first_correlation(part))
            .collect();
        let mut points = Vec::new();
        if turned.is_empty() {
            return points;
        }
        for share in SHARES {
            let mut x = self.from_theta(parameters);
            for (j, x) in self.free.iter().zip(&mut x) {
                if turned.contains(j) {
                    *x = (2.0 * share - 1.0).asin();
                }
            }
            points.push(self.to_theta(&x));
        }
        points
    }

    /// `parameters` with the first free correlation of each part at a share of its range; none,
    /// where there is no such part.
    pub(crate) fn with_correlation(
        &self,
        parameters: &[f64],
        share: f64,
    ) -> Option<Vec<f64>> {
        let parts = self.correlated.iter();
        let turned: Vec<usize> = parts
            .filter_map(|part| self.first_correlation(part))
            .collect();
        if turned.is_empty() {
            return None;
        }
        let mut x = self.from_theta(parameters);
        for (j, x) in self.free.iter().zip(&mut x) {
            if turned.contains(j) {
                *x = (2.0 * share - 1.0).asin();
            }
        }
        Some(self.to_theta(&x))
    }

    fn first_correlation(&self, part: &Part) -> Option<usize> {
        let indices = part.correlations().map(|j| part.theta_start + j);
        indices.into_iter().find(|&j| !self.is_held[j])
    }

    /// `parameters` without one of the standard deviations beside correlations, each in turn, at
    /// several correlations: where a standard deviation is gone that kept the correlations from a
    /// value, all others change.
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

    /// Points to try from `x`, a stationary one: those of [`Self::exchanges`], and along the ways
    /// out that promise more than `gain`, best first.
    pub(crate) fn beyond(
        &self,
        x: &[f64],
        gradient: &[f64],
        mut ways: Vec<WayOut>,
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

    // Where some standard deviations of a part keep others at zero, there may be a better optimum
    // with one of these beside them, or in their place.
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
