//! Rays of thetas with random slopes as large as the reciprocal standard deviation of their
//! covariate, which is far from zero; see [`super::far_slopes`].
//!
//! Slopes in units of such a covariate itself are hardly more than random intercepts.

use super::other_thetas::{Intercepts, OtherThetas};
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

    /// Theta with slopes of increasing size and intercepts that may make up for them: those of one
    /// term, which are its first effect, or equal effects of the levels of a factor. Beside
    /// intercepts of another term the slopes may also be multiples of another effect of their own.
    pub fn rays_beside_intercepts(
        &self,
        slope: Slope,
        theta: &[f64],
    ) -> Vec<Ray> {
        let own = self.effect_of(slope.0).map(|(term, _)| term);
        let kinds = (0..self.covs.len()).flat_map(|term| {
            [false, true].map(|of_levels| Intercepts { term, of_levels })
        });
        let mut rays = Vec::new();
        for kind in kinds {
            let signs: &[Option<f64>] = match Some(kind.term) == own {
                true => &[None],
                false => &[None, Some(-1.0), Some(1.0)],
            };
            for &sign in signs {
                let ray = self.ray_beside(slope, theta, kind, sign);
                if !ray.is_empty() && !rays.contains(&ray) {
                    rays.push(ray);
                }
            }
        }
        rays
    }

    // Theta with slopes of increasing size and intercepts of this kind; no points if there are no
    // such intercepts. With a sign, the slopes are multiples of another effect of their term.
    fn ray_beside(
        &self,
        (j, spread): Slope,
        theta: &[f64],
        kind: Intercepts,
        sign: Option<f64>,
    ) -> Ray {
        let point = |scale: f64| {
            let scale = scale / spread;
            let sized = self.with_standard_deviation(theta, j, scale);
            let sized = match sign {
                Some(sign) => self.as_multiple(&sized, j, sign)?,
                None => sized,
            };
            let point = self.with_intercepts(&sized, j, kind, scale);
            (point != sized).then_some(point)
        };
        SPREADS.into_iter().filter_map(point).collect()
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
