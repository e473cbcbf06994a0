//! The negative binomial distribution with mean mu and variance `mu + mu^2 / theta`; the shape is
//! theta.

use super::definition::{
    by_root, by_variance_function, y_log_mean, y_log_ratio, Contribution,
    Distribution, ShapeDerivatives, ShapeRole,
};
use super::link::Link;
use super::special::{digamma_difference, ln_gamma, ln_gamma_ratio};
use crate::random::Stream;

#[derive(Debug)]
pub(super) struct NegativeBinomial;

impl Distribution for NegativeBinomial {
    fn shape_role(&self) -> ShapeRole {
        ShapeRole::Parameter
    }

    fn accepts(&self, y: f64) -> bool {
        y >= 0.0 && y.is_finite()
    }

    fn start_mean(&self, y: f64, _w: f64) -> f64 {
        y + if y == 0.0 { 1.0 / 6.0 } else { 0.0 }
    }

    fn variance(&self, mu: f64, shape: f64) -> f64 {
        mu * (1.0 + mu / shape)
    }

    fn draw(&self, stream: &mut Stream, mu: f64, _w: f64, shape: f64) -> f64 {
        stream.negative_binomial(shape, mu)
    }

    fn deviance(&self, y: f64, mu: f64, shape: f64) -> f64 {
        // Computes log((y + theta) / (mu + theta)) accurately where y is near mu, and where mu is
        // large.
        let change = (y - mu) / (mu + shape);
        let log = if change > -0.5 {
            change.ln_1p()
        } else {
            ((y + shape) / (mu + shape)).ln()
        };
        2.0 * (y_log_ratio(y, mu) - (y + shape) * log)
    }

    fn constant(&self, y: f64, w: f64, shape: f64) -> f64 {
        w * (ln_gamma_ratio(shape, y) - ln_gamma(y + 1.0) - y * shape.ln())
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
        let c = shape / (shape + mu);
        let c1 = -c * (1.0 - c);
        let precision = [c, c1, -c1 * (1.0 - 2.0 * c)];
        let log_lik = y_log_mean(y, m.log) - (shape + y) * (mu / shape).ln_1p();
        if link == Link::Sqrt {
            let slope = -2.0 * eta * c * c / shape;
            let second = -2.0 * c * (c + 2.0 * eta * slope) / shape;
            return by_root(y, w, eta, [c, slope, second], log_lik);
        }
        by_variance_function(y, w, m, precision, log_lik)
    }

    fn shape_derivatives(
        &self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> ShapeDerivatives {
        let at = self.contribution(link, y, w, eta, shape);
        let m = link.log_mean(eta);
        let mu = m.log.exp();
        let c = shape / (shape + mu);
        // The derivative of c in log(shape).
        let c_dot = c * (1.0 - c);
        let e = y - mu;
        let log_lik = digamma_difference(shape, y)
            - (mu / shape).ln_1p()
            - e / (mu + shape);
        let curvature = m.d2 - m.d1 * m.d1 * (1.0 - 2.0 * c);
        ShapeDerivatives {
            log_lik: w * shape * log_lik,
            score: at.score * (1.0 - c),
            observed: w * c_dot * (m.d1 * m.d1 * mu - e * curvature),
            expected: at.expected * (1.0 - c),
        }
    }
}
