//! Rays of thetas with random slopes as large as the reciprocal standard deviation of their
//! covariate, which is far from zero; see [`super::far_slopes`].
//!
//! Slopes in units of such a covariate itself are hardly more than random intercepts.

use super::other_thetas::OtherThetas;
use super::Coordinates;

/// Values of the standard deviation of random slopes, in units of the reciprocal standard deviation
/// of their covariate.
pub(crate) const SPREADS: [f64; 8] =
    [0.03, 0.3, 1.0, 3.0, 10.0, 30.0, 300.0, 1e3];
/// Positions of a correlation within its range, near the limits.
pub(crate) const LIMITS: [f64; 2] = [0.02, 0.98];

/// The standard deviation of a slope, as an index into theta, and the standard deviation of its
/// covariate over the root mean square.
pub(crate) type Slope = (usize, f64);
/// Thetas with slopes of increasing size.
pub(crate) type Ray = Vec<Vec<f64>>;

impl OtherThetas<'_> {
    /// Theta with slopes of increasing size: alone, with the other effects of their term, and with
    /// equal slopes in that.
    pub fn rays(&self, (j, spread): Slope, theta: &[f64]) -> [Ray; 3] {
        let scales = SPREADS.map(|scale| scale / spread);
        let sized =
            scales.map(|scale| self.with_standard_deviation(theta, j, scale));
        let pairs = sized.iter().zip(scales);
        let together: Ray = pairs
            .map(|(point, scale)| self.with_term(point, j, scale))
            .collect();
        let equal = together
            .iter()
            .filter_map(|point| self.with_equal_slopes(point, j))
            .collect();
        [sized.to_vec(), together, equal]
    }

    /// Theta with slopes of increasing size and the first effects of other terms, which may make up
    /// for them; empty without other terms.
    pub fn ray_beside_others(&self, (j, spread): Slope, theta: &[f64]) -> Ray {
        let beside = |scale: f64| {
            let scale = scale / spread;
            let sized = self.with_standard_deviation(theta, j, scale);
            let point = self.with_other_terms(&sized, j, scale);
            (point != sized).then_some(point)
        };
        SPREADS.into_iter().filter_map(beside).collect()
    }

    /// Theta with slopes of increasing size and the first effect of their term, which may make up
    /// for them, at limits of the correlations.
    pub fn rays_at_limits(
        &self,
        (j, spread): Slope,
        theta: &[f64],
        at: &Coordinates,
    ) -> Vec<Ray> {
        let sized = |scale: f64| {
            let scale = scale / spread;
            let point = self.with_standard_deviation(theta, j, scale);
            self.with_first(&point, j, scale)
        };
        let at_limit = |share: f64| {
            let points = SPREADS.map(sized).into_iter();
            points
                .map(|point| at.with_correlation(&point, share))
                .collect::<Option<Ray>>()
        };
        LIMITS.into_iter().filter_map(at_limit).collect()
    }
}
