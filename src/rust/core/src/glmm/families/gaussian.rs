//! The normal distribution `N(mu, phi / w)`.

use std::f64::consts::PI;

use super::definition::{
    by_dispersion, by_variance_function, dispersion, Contribution,
    Distribution, ShapeDerivatives, ShapeRole,
};
use super::link::Link;
use crate::random::Stream;

#[derive(Debug)]
pub(super) struct Gaussian;

impl Distribution for Gaussian {
    fn shape_role(&self) -> ShapeRole {
        ShapeRole::Dispersion
    }

    fn canonical_link(&self) -> Option<Link> {
        Some(Link::Identity)
    }

    fn is_linear(&self, link: Link) -> bool {
        link == Link::Identity
    }

    fn weights_are_precisions(&self) -> bool {
        true
    }

    fn accepts(&self, y: f64) -> bool {
        y.is_finite()
    }

    fn start_mean(&self, y: f64, _w: f64) -> f64 {
        y
    }

    fn variance(&self, _mu: f64, _shape: f64) -> f64 {
        1.0
    }

    fn draw(&self, stream: &mut Stream, mu: f64, w: f64, shape: f64) -> f64 {
        mu + dispersion(w, shape).sqrt() * stream.normal()
    }

    fn deviance(&self, y: f64, mu: f64, _shape: f64) -> f64 {
        (y - mu).powi(2)
    }

    fn constant(&self, _y: f64, w: f64, shape: f64) -> f64 {
        -0.5 * (2.0 * PI * shape / w).ln()
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
        let precision = w / shape;
        if link == Link::Identity {
            let e = y - eta;
            return Contribution {
                log_lik: -0.5 * precision * e * e,
                score: precision * e,
                observed: precision,
                expected: precision,
                ..Default::default()
            };
        }
        let m = link.log_mean(eta);
        let mu = m.log.exp();
        by_variance_function(y, precision, m, [mu; 3], -0.5 * (y - mu).powi(2))
    }

    fn shape_derivatives(
        &self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> ShapeDerivatives {
        let constant = -0.5 * f64::from(w > 0.0);
        by_dispersion(self.contribution(link, y, w, eta, shape), constant)
    }
}
