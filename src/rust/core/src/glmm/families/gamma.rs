//! The gamma distribution with mean mu and variance `phi mu^2`.

use super::definition::{
    by_dispersion, by_variance_function, dispersion, Contribution,
    Distribution, ShapeDerivatives, ShapeRole,
};
use super::link::Link;
use super::special::{stirling_difference, stirling_slope};
use crate::random::Stream;

/// Relative distance of a response from its mean below which their ratio is near one.
const NEAR_ONE: f64 = 0.01;

#[derive(Debug)]
pub(super) struct Gamma;

impl Distribution for Gamma {
    fn shape_role(&self) -> ShapeRole {
        ShapeRole::Dispersion
    }

    fn canonical_link(&self) -> Option<Link> {
        Some(Link::Inverse)
    }

    fn accepts(&self, y: f64) -> bool {
        y > 0.0 && y.is_finite()
    }

    fn start_mean(&self, y: f64, _w: f64) -> f64 {
        y
    }

    fn variance(&self, mu: f64, _shape: f64) -> f64 {
        mu * mu
    }

    fn draw(&self, stream: &mut Stream, mu: f64, w: f64, shape: f64) -> f64 {
        stream.gamma(1.0 / dispersion(w, shape), mu)
    }

    fn deviance(&self, y: f64, mu: f64, _shape: f64) -> f64 {
        -2.0 * log_lik_ratio(y, mu)
    }

    // The log-likelihood of a mean equal to the response: `a log a - a - log Gamma(a) - log y` with
    // `a = 1 / shape`.
    fn constant(&self, y: f64, w: f64, shape: f64) -> f64 {
        w * (-stirling_difference(1.0 / shape) - y.ln())
    }

    #[inline]
    fn contribution(
        &self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> Contribution {
        let m = link.log_mean(eta);
        let mu = m.log.exp();
        let precision = [1.0 / mu, -1.0 / mu, 1.0 / mu];
        by_variance_function(y, w / shape, m, precision, log_lik_ratio(y, mu))
    }

    fn shape_derivatives(
        &self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> ShapeDerivatives {
        let constant = w * stirling_slope(1.0 / shape);
        by_dispersion(self.contribution(link, y, w, eta, shape), constant)
    }
}

// The log-likelihood relative to that of a mean equal to the response, times the dispersion:
// `log(y / mu) - (y - mu) / mu`.
#[inline]
fn log_lik_ratio(y: f64, mu: f64) -> f64 {
    let relative = (y - mu) / mu;
    // The logarithm of a ratio near one has no digits of its small distance from one.
    let log = match relative.abs() < NEAR_ONE {
        true => relative.ln_1p(),
        false => (y / mu).ln(),
    };
    log - relative
}
