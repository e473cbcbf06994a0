//! The inverse Gaussian distribution with mean mu and variance `phi mu^3`.

use std::f64::consts::PI;

use super::definition::{
    by_dispersion, by_variance_function, dispersion, Contribution,
    Distribution, ShapeDerivatives, ShapeRole,
};
use super::link::Link;
use crate::random::Stream;

#[derive(Debug)]
pub(super) struct InverseGaussian;

impl Distribution for InverseGaussian {
    fn shape_role(&self) -> ShapeRole {
        ShapeRole::Dispersion
    }

    fn canonical_link(&self) -> Option<Link> {
        Some(Link::InverseSquare)
    }

    fn accepts(&self, y: f64) -> bool {
        y > 0.0 && y.is_finite()
    }

    fn start_mean(&self, y: f64, _w: f64) -> f64 {
        y
    }

    fn variance(&self, mu: f64, _shape: f64) -> f64 {
        mu.powi(3)
    }

    fn draw(&self, stream: &mut Stream, mu: f64, w: f64, shape: f64) -> f64 {
        stream.inverse_gaussian(mu, dispersion(w, shape))
    }

    fn deviance(&self, y: f64, mu: f64, _shape: f64) -> f64 {
        (y - mu).powi(2) / (y * mu * mu)
    }

    fn constant(&self, y: f64, w: f64, shape: f64) -> f64 {
        -0.5 * w * ((2.0 * PI * shape * y.powi(3)).ln() + 1.0 / (shape * y))
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
        let c = 1.0 / (mu * mu);
        let log_lik = (1.0 - 0.5 * y / mu) / mu;
        by_variance_function(y, w / shape, m, [c, -2.0 * c, 4.0 * c], log_lik)
    }

    fn shape_derivatives(
        &self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> ShapeDerivatives {
        let constant = w * (0.5 / (shape * y) - 0.5);
        by_dispersion(self.contribution(link, y, w, eta, shape), constant)
    }
}
