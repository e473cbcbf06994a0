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
    pub fn other_starts(&self) -> Vec<Vec<f64>> {
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
        if turned.is_empty() {
            return Vec::new();
        }
        let at = |share: f64| {
            let mut x = self.from_theta(parameters);
            let angles = self.free.iter().zip(&mut x);
            angles
                .filter(|(j, _)| turned.contains(j))
                .for_each(|(_, x)| *x = (2.0 * share - 1.0).asin());
            self.to_theta(&x)
        };
        SHARES.into_iter().map(at).collect()
    }

    fn first_correlation(&self, part: &Part) -> Option<usize> {
        let indices = part.correlations().map(|j| part.theta_start + j);
        indices.into_iter().find(|&j| !self.is_held[j])
    }

    /// `parameters` without one of the standard deviations beside correlations, each in turn, at
    /// several correlations: where a standard deviation is gone that kept the correlations from a
    /// value, all others change.
    pub fn smaller(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let positive = (0..parameters.len())
            .filter(|&j| self.is_bounded[j] && !self.is_held[j] && parameters[j] > 0.0);
        let without = |j: usize| {
            let mut point = parameters.to_vec();
            point[j] = 0.0;
            let mut points = self.with_correlations(&point);
            points.push(point);
            points
        };
        positive.flat_map(without).collect()
    }

    /// Points to try from `x`, a stationary one: those of [`Self::exchanges`], and along the ways
    /// out that promise more than `gain`, best first.
    pub fn beyond(
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
        for (way, share) in ways.iter().flat_map(|way| STEPS.map(|share| (way, share))) {
            let mut point = here.clone();
            let step = share * way.step;
            self.covs[way.term].displace(way.part, step, &way.change, &mut point);
            points.push(self.from_theta(&point));
        }
        points
    }

    // Where some standard deviations of a part keep others at zero, there may be a better optimum
    // with one of these beside them, or in their place.
    fn exchanges(&self, parameters: &[f64], gradient: &[f64]) -> Vec<Vec<f64>> {
        let mut points = Vec::new();
        for part in self.covs.iter().flat_map(RelCov::parts) {
            let sds: Vec<usize> = part.range().filter(|&j| self.is_bounded[j]).collect();
            let largest = sds.iter().map(|&j| parameters[j]).fold(0.0, f64::max);
            let blocked = sds
                .iter()
                .filter(|&&j| largest > 0.0 && self.is_blocked(j, gradient));
            for &j in blocked {
                for share in [1.0, 0.0] {
                    let mut point = parameters.to_vec();
                    sds.iter().for_each(|&i| point[i] *= share);
                    point[j] = largest;
                    points.push(self.from_theta(&point));
                }
            }
        }
        points
    }
}
