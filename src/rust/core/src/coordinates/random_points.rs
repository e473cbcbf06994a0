//! Random points from which searches start: anywhere, or near a known point, as minima occur in
//! clusters.

use super::Coordinates;
use crate::covariance::{RelCov, Role};
use crate::random::Stream;

/// Standard deviations of random starts are log-uniform over this number of decades on either side
/// of their unit: a common factor, and a factor of each.
const DECADES: [f64; 2] = [1.5, 1.5];
/// Probability that a parameter is drawn independently of the point nearby.
const ANEW: f64 = 0.2;

impl Coordinates {
    /// `parameters` with random covariances: log-uniform standard deviations around their `units`,
    /// and correlations over their whole range.
    pub(crate) fn at_random(
        &self,
        parameters: &[f64],
        units: &[f64],
        stream: &mut Stream,
    ) -> Vec<f64> {
        let mut around = |decades: f64| {
            let place = 2.0 * stream.uniform() - 1.0;
            10f64.powf(decades * place)
        };
        let [of_all, of_each] = DECADES;
        let whole = around(of_all);
        let sizes: Vec<f64> = units
            .iter()
            .map(|unit| whole * unit * around(of_each))
            .collect();
        let mut point = parameters.to_vec();
        for (j, role) in self.roles() {
            if self.is_held[j] || role.is_correlation() {
                continue;
            }
            let share = match role.is_below_diagonal() {
                true => 2.0 * stream.uniform() - 1.0,
                false => 1.0,
            };
            point[j] = share * sizes[j];
        }
        let mut x = self.from_theta(&point);
        for (&j, x) in self.free.iter().zip(&mut x) {
            if self.is_angle[j] {
                *x = random_angle(stream);
            }
        }
        self.to_theta(&x)
    }

    /// Random covariances near those of `parameters`: standard deviations, or elements of Lambda,
    /// are log-normal around theirs, a common factor and a factor of each, and some of them are
    /// drawn independently in their `units`.
    pub(crate) fn at_random_near(
        &self,
        parameters: &[f64],
        units: &[f64],
        stream: &mut Stream,
    ) -> Vec<f64> {
        let mut point = parameters.to_vec();
        let whole = stream.normal().exp();
        for (j, role) in self.roles() {
            if self.is_held[j] || role.is_correlation() {
                continue;
            }
            point[j] *= whole * stream.normal().exp();
            if stream.uniform() < ANEW {
                point[j] += units[j] * stream.normal();
            }
        }
        self.canonical(&point)
    }

    /// `parameters` with correlations of random sign in unstructured covariances, and some
    /// correlation parameters anywhere in their range.
    pub(crate) fn with_random_correlations(
        &self,
        parameters: &[f64],
        stream: &mut Stream,
    ) -> Vec<f64> {
        let mut point = parameters.to_vec();
        for (j, role) in self.roles() {
            let is_turned = role.is_below_diagonal() && stream.uniform() < 0.5;
            if is_turned && !self.is_held[j] {
                point[j] = -point[j];
            }
        }
        let mut x = self.from_theta(&point);
        for (&j, x) in self.free.iter().zip(&mut x) {
            if self.is_angle[j] && stream.uniform() < ANEW {
                *x = random_angle(stream);
            }
        }
        self.to_theta(&x)
    }

    // The indices of all elements of theta, with their roles.
    fn roles(&self) -> impl Iterator<Item = (usize, &Role)> {
        let parts = self.covs.iter().flat_map(RelCov::parts);
        parts.flat_map(|part| part.range().zip(part.roles()))
    }

    // The canonical one of the equivalent thetas, which have the same covariances.
    fn canonical(&self, theta: &[f64]) -> Vec<f64> {
        let mut x = self.from_theta(theta);
        self.make_canonical(&mut x);
        self.to_theta(&x)
    }
}

// The angle of a correlation that is uniform over its range.
fn random_angle(stream: &mut Stream) -> f64 {
    (2.0 * stream.uniform() - 1.0).asin()
}
