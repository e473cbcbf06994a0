//! Restarts from correlations near the limits of their range, where the objective of structures
//! with a correlation parameter often has a minimum.

use super::restarts::Restarts;
use crate::coordinates::far_rays::LIMITS;
use crate::optimize::OptSummary;

/// Factors of the start for correlations near their limits.
const AT_LIMITS: [f64; 3] = [0.1, 1.0, 10.0];
/// Factors of the incumbent for correlations near their limits. Near the lower limit effects offset
/// each other, so that standard deviations may be larger.
const BEST_AT_LIMITS: [f64; 2] = [1.0, 3.0];
/// Factors of the start on the ray of effects that vary together.
const TOGETHER: [f64; 9] = [0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 1.0, 3.0, 10.0];
/// Further factors on that ray where standard deviations are very large.
const LARGE_TOGETHER: [f64; 3] = [100.0, 1e3, 1e4];

impl Restarts<'_, '_, '_> {
    /// Restarts from correlations near their limits: from the start at several scales, and from the
    /// estimated standard deviations and larger ones.
    pub(super) fn at_limits(&mut self, found: OptSummary) -> OptSummary {
        let at = self.search.at.clone();
        let start = found.initial.clone();
        let mut found = found;
        for share in LIMITS {
            found = self.along_limit(share, found);
            for scale in AT_LIMITS {
                let scaled = self.search.thetas().scaled(&start, scale);
                let Some(point) = at.with_correlation(&scaled, share) else {
                    return found;
                };
                found = self.from(&point, found);
            }
            for scale in BEST_AT_LIMITS {
                let scaled = self.search.thetas().scaled(&found.best, scale);
                if let Some(point) = at.with_correlation(&scaled, share) {
                    found = self.from(&point, found);
                }
            }
        }
        found
    }

    /// Restarts from the incumbent with its correlations near their limits.
    pub(super) fn from_limits(&mut self, mut found: OptSummary) -> OptSummary {
        for share in LIMITS {
            let at = &self.search.at;
            if let Some(point) = at.with_correlation(&found.best, share) {
                found = self.from(&point, found);
            }
        }
        found
    }

    // Restarts along the ray of the start rescaled, with correlations near a limit: near the upper
    // one the effects of a term vary together, as those of a single random intercept.
    fn along_limit(&mut self, share: f64, found: OptSummary) -> OptSummary {
        let mut ray = Vec::new();
        let larger = match self.has_large(&found.best) {
            true => &LARGE_TOGETHER[..],
            false => &[],
        };
        for &scale in TOGETHER.iter().chain(larger) {
            let scaled = self.search.thetas().scaled(&found.initial, scale);
            let point = self.search.at.with_correlation(&scaled, share);
            ray.extend(point.map(|point| (scale, point)));
        }
        self.from_valleys(Vec::new(), ray, found)
    }

    /// Restarts from the opposite limits of those correlations that are at one, whatever the
    /// budget: between two limits the objective rises, so that no search leads from one to the
    /// other.
    pub(super) fn at_opposite_limits(
        &mut self,
        found: OptSummary,
    ) -> OptSummary {
        let at = &self.search.at;
        match at.with_opposite_correlations(&found.best, LIMITS) {
            Some(point) => self.and_from(&point, found).1,
            None => found,
        }
    }
}
