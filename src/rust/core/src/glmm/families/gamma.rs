//! The gamma distribution with mean mu and variance `phi mu^2`.

use super::definition::{
    by_dispersion, by_variance_function, dispersion, Contribution,
    Distribution, ShapeDerivatives, ShapeRole,
};
use super::link::Link;
use super::special::{digamma, ln_gamma};
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
        let relative = (y - mu) / mu;
        // The logarithm of a ratio near one has no digits of its small distance from one.
        let log = match relative.abs() < NEAR_ONE {
            true => relative.ln_1p(),
            false => (y / mu).ln(),
        };
        2.0 * (relative - log)
    }

    fn constant(&self, y: f64, w: f64, shape: f64) -> f64 {
        let a = 1.0 / shape;
        w * ((a - 1.0) * y.ln() + a * a.ln() - ln_gamma(a))
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
        by_variance_function(y, w / shape, m, precision, -y / mu - m.log)
    }

    fn shape_derivatives(
        &self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> ShapeDerivatives {
        let constant =
            w / shape * (shape.ln() - y.ln() - 1.0 + digamma(1.0 / shape));
        by_dispersion(self.contribution(link, y, w, eta, shape), constant)
    }
}
