//! The negative binomial distribution with variance `mu (1 + phi)`, linear in the mean; the shape
//! is phi.
//!
//! With `a = mu / phi` the log-likelihood is `log Gamma(a + y) / Gamma(a) - a log(1 + phi)` plus
//! terms without mu. No closed form is known for its expected information.

use super::definition::{
    Contribution, Distribution, ShapeDerivatives, ShapeRole,
};
use super::link::{Link, LogDerivatives};
use super::negative_binomial::NegativeBinomial;
use super::special::{
    digamma_difference, ln_gamma, ln_gamma_ratio, tetragamma_difference,
    trigamma_difference,
};
use crate::random::Stream;

#[derive(Debug)]
pub(super) struct NegativeBinomialLinear;

/// Derivatives of the log-likelihood in `log mu`.
struct InLogMean {
    log_lik: f64,
    first: f64,
    second: f64,
    third: f64,
}

impl InLogMean {
    fn new(y: f64, log_mean: f64, phi: f64) -> Self {
        let a = log_mean.exp() / phi;
        // The term a log(1 + phi) is its own derivative in log a.
        let at_zero = a * phi.ln_1p();
        if y == 0.0 {
            return Self {
                log_lik: -at_zero,
                first: -at_zero,
                second: -at_zero,
                third: -at_zero,
            };
        }
        // Uses log Gamma(a + y) / Gamma(a) = log a + log Gamma(a + y) / Gamma(a + 1), as a may be
        // tiny.
        let b = a + 1.0;
        let h = y - 1.0;
        let first = a * digamma_difference(b, h);
        let second = a * a * trigamma_difference(b, h);
        let third = a.powi(3) * tetragamma_difference(b, h);
        Self {
            log_lik: log_mean - phi.ln() + ln_gamma_ratio(b, h) - at_zero,
            first: 1.0 + first - at_zero,
            second: first + second - at_zero,
            third: first + 3.0 * second + third - at_zero,
        }
    }

    fn contribution(
        &self,
        w: f64,
        m: LogDerivatives,
        phi: f64,
    ) -> Contribution {
        let LogDerivatives { log, d1, d2, d3 } = m;
        let working = w * log.exp() / (1.0 + phi);
        let third = d3 * self.first
            + 3.0 * d1 * d2 * self.second
            + d1.powi(3) * self.third;
        Contribution {
            log_lik: w * self.log_lik,
            score: w * d1 * self.first,
            observed: -w * (d2 * self.first + d1 * d1 * self.second),
            expected: working * d1 * d1,
            observed_slope: -w * third,
            expected_slope: working * d1 * (d1 * d1 + 2.0 * d2),
        }
    }
}

impl Distribution for NegativeBinomialLinear {
    fn shape_role(&self) -> ShapeRole {
        ShapeRole::Parameter
    }

    fn accepts(&self, y: f64) -> bool {
        NegativeBinomial.accepts(y)
    }

    fn start_mean(&self, y: f64, w: f64) -> f64 {
        NegativeBinomial.start_mean(y, w)
    }

    fn variance(&self, mu: f64, shape: f64) -> f64 {
        mu * (1.0 + shape)
    }

    fn draw(&self, stream: &mut Stream, mu: f64, _w: f64, shape: f64) -> f64 {
        stream.negative_binomial(mu / shape, mu)
    }

    // The deviance of the negative binomial with theta = mu / phi, as in glmmTMB.
    fn deviance(&self, y: f64, mu: f64, shape: f64) -> f64 {
        NegativeBinomial.deviance(y, mu, mu / shape)
    }

    fn constant(&self, y: f64, w: f64, shape: f64) -> f64 {
        w * (y * (shape.ln() - shape.ln_1p()) - ln_gamma(y + 1.0))
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
        InLogMean::new(y, m.log, shape).contribution(w, m, shape)
    }

    // In log phi, the derivative of a is -a and that of log(1 + phi) is phi / (1 + phi).
    fn shape_derivatives(
        &self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> ShapeDerivatives {
        let m = link.log_mean(eta);
        let at = InLogMean::new(y, m.log, shape);
        let mu = m.log.exp();
        let over = 1.0 / (1.0 + shape);
        let first = -at.second - mu * over;
        let second = -at.third - mu * over;
        ShapeDerivatives {
            log_lik: w * ((y - mu) * over - at.first),
            score: w * m.d1 * first,
            observed: -w * (m.d2 * first + m.d1 * m.d1 * second),
            expected: -w * m.d1 * m.d1 * mu * shape * over * over,
        }
    }
}
