//! Families: what one observation contributes to the log-likelihood, and its derivatives in eta.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::glmm::families::link::{Link, LogDerivatives};
use crate::glmm::families::special::{digamma, digamma_difference, ln_gamma, ln_gamma_ratio};

/// The conditional distribution of the response. `shape` is the dispersion phi of the Gaussian, gamma and inverse
/// Gaussian families, the parameter theta of the negative binomial, and unused otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `N(mu, phi / w)`
    Gaussian,
    /// `w y ~ Binomial(w, mu)`
    Binomial,
    /// `Poisson(mu)`
    Poisson,
    /// Mean mu, variance `phi mu^2`
    Gamma,
    /// Mean mu, variance `phi mu^3`
    InverseGaussian,
    /// Mean mu, variance `mu + mu^2 / theta`
    NegativeBinomial,
}

/// Log-likelihood of one observation, without the part that is free of eta, and derivatives in eta.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Contribution {
    /// Log-likelihood.
    pub log_lik: f64,
    /// Its first derivative.
    pub score: f64,
    /// Minus its second derivative.
    pub observed: f64,
    /// Expectation of `observed`: the weight of iteratively reweighted least squares.
    pub expected: f64,
    /// Derivative of `observed`.
    pub observed_slope: f64,
    /// Derivative of `expected`.
    pub expected_slope: f64,
}

/// Derivatives in the logarithm of the shape.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ShapeDerivatives {
    /// Of the log-likelihood, all of it.
    pub log_lik: f64,
    /// Of the score.
    pub score: f64,
    /// Of the observed information.
    pub observed: f64,
    /// Of the expected information.
    pub expected: f64,
}

impl Family {
    /// The family of R's name for it.
    ///
    /// # Errors
    /// `UnknownFamily`.
    pub fn from_name(name: &str) -> Result<Self> {
        Ok(match name {
            "gaussian" => Self::Gaussian,
            "binomial" => Self::Binomial,
            "poisson" => Self::Poisson,
            "Gamma" => Self::Gamma,
            "inverse.gaussian" => Self::InverseGaussian,
            "negative.binomial" => Self::NegativeBinomial,
            _ => {
                return Err(Error::UnknownFamily {
                    name: name.to_string(),
                })
            }
        })
    }

    /// Whether the shape is a dispersion: the log-likelihood's part in eta is proportional to `1 / shape`.
    pub fn has_dispersion(self) -> bool {
        matches!(self, Self::Gaussian | Self::Gamma | Self::InverseGaussian)
    }

    /// Whether the likelihood has a shape parameter at all.
    pub fn has_shape(self) -> bool {
        self.has_dispersion() || self == Self::NegativeBinomial
    }

    /// Whether observed and expected information are the same for every response.
    pub fn is_canonical(self, link: Link) -> bool {
        matches!(
            (self, link),
            (Self::Gaussian, Link::Identity)
                | (Self::Binomial, Link::Logit)
                | (Self::Poisson, Link::Log)
                | (Self::Gamma, Link::Inverse)
                | (Self::InverseGaussian, Link::InverseSquare)
        )
    }

    /// Whether a response can occur.
    pub fn accepts(self, y: f64) -> bool {
        match self {
            Self::Gaussian => y.is_finite(),
            Self::Binomial => (0.0..=1.0).contains(&y),
            Self::Poisson | Self::NegativeBinomial => y >= 0.0 && y.is_finite(),
            Self::Gamma | Self::InverseGaussian => y > 0.0 && y.is_finite(),
        }
    }

    /// A mean near the response from which to start, inside the range of the mean.
    pub fn start_mean(self, y: f64, w: f64) -> f64 {
        match self {
            Self::Binomial => (w * y + 0.5) / (w + 1.0),
            Self::Poisson => y + 0.1,
            Self::NegativeBinomial => y + if y == 0.0 { 1.0 / 6.0 } else { 0.0 },
            Self::Gaussian | Self::Gamma | Self::InverseGaussian => y,
        }
    }

    /// The variance function `V(mu)`: the variance over the dispersion.
    pub fn variance(self, mu: f64, shape: f64) -> f64 {
        match self {
            Self::Gaussian => 1.0,
            Self::Binomial => mu * (1.0 - mu),
            Self::Poisson => mu,
            Self::Gamma => mu * mu,
            Self::InverseGaussian => mu.powi(3),
            Self::NegativeBinomial => mu * (1.0 + mu / shape),
        }
    }

    /// Contribution to the deviance: twice the log-likelihood ratio to the saturated model, times phi.
    pub fn deviance(self, y: f64, w: f64, mu: f64, shape: f64) -> f64 {
        // y log(y / m), continuous at zero
        let y_log = |y: f64, m: f64| if y > 0.0 { y * (y / m).ln() } else { 0.0 };
        2.0 * w
            * match self {
                Self::Gaussian => 0.5 * (y - mu).powi(2),
                Self::Binomial => y_log(y, mu) + y_log(1.0 - y, 1.0 - mu),
                Self::Poisson => y_log(y, mu) - (y - mu),
                Self::Gamma => (y - mu) / mu - (y / mu).ln(),
                Self::InverseGaussian => 0.5 * (y - mu).powi(2) / (y * mu * mu),
                Self::NegativeBinomial => {
                    // log((y + theta) / (mu + theta)), exact where y is near mu and where mu is large.
                    let change = (y - mu) / (mu + shape);
                    let log = if change > -0.5 {
                        change.ln_1p()
                    } else {
                        ((y + shape) / (mu + shape)).ln()
                    };
                    y_log(y, mu) - (y + shape) * log
                }
            }
    }

    /// The part of the log-likelihood that is free of eta.
    pub fn constant(self, y: f64, w: f64, shape: f64) -> f64 {
        if w == 0.0 {
            return 0.0;
        }
        match self {
            Self::Gaussian => -0.5 * (2.0 * PI * shape / w).ln(),
            // Log of the binomial coefficient: 0 for a single trial.
            Self::Binomial if y == 0.0 || y == 1.0 => 0.0,
            Self::Binomial => {
                ln_gamma(w + 1.0) - ln_gamma(w * y + 1.0) - ln_gamma(w * (1.0 - y) + 1.0)
            }
            Self::Poisson => -w * ln_gamma(y + 1.0),
            Self::Gamma => {
                let a = 1.0 / shape;
                w * ((a - 1.0) * y.ln() + a * a.ln() - ln_gamma(a))
            }
            Self::InverseGaussian => {
                -0.5 * w * ((2.0 * PI * shape * y.powi(3)).ln() + 1.0 / (shape * y))
            }
            Self::NegativeBinomial => {
                w * (ln_gamma_ratio(shape, y) - ln_gamma(y + 1.0) - y * shape.ln())
            }
        }
    }

    /// Everything about one observation at `eta`; the log-likelihood is `NaN` or minus infinity outside the domain.
    #[inline]
    pub fn contribution(self, link: Link, y: f64, w: f64, eta: f64, shape: f64) -> Contribution {
        match (self, link) {
            (Self::Binomial, Link::Logit) => binomial_logit(y, w, eta),
            (Self::Binomial, _) => binomial(y, w, link.log_mean(eta), link.log_complement(eta)),
            (Self::Poisson, Link::Log) => poisson_log(y, w, eta),
            (Self::Gaussian, Link::Identity) => gaussian_identity(y, w / shape, eta),
            _ => self.by_variance_function(y, w, link.log_mean(eta), shape),
        }
    }

    // With c = mu / V and h = mu' / V = (log mu)' c: score = w (y - mu) h / phi, and so on. D = d / d log mu.
    fn by_variance_function(self, y: f64, w: f64, m: LogDerivatives, shape: f64) -> Contribution {
        let mu = m.log.exp();
        let (c, c1, c2) = self.relative_precision(mu, shape);
        let f = if self.has_dispersion() { w / shape } else { w };
        let (mu1, mu2) = (m.d1 * mu, (m.d2 + m.d1 * m.d1) * mu);
        let h = m.d1 * c;
        let h1 = m.d2 * c + m.d1 * m.d1 * c1;
        let h2 = m.d3 * c + 3.0 * m.d1 * m.d2 * c1 + m.d1.powi(3) * c2;
        let e = y - mu;
        // A mean of zero is fine for a response of zero.
        let y_log = if y > 0.0 || m.log.is_nan() {
            y * m.log
        } else {
            0.0
        };
        let log_lik = match self {
            Self::Gaussian => -0.5 * e * e,
            Self::Gamma => -y / mu - m.log,
            Self::InverseGaussian => (1.0 - 0.5 * y / mu) / mu,
            Self::NegativeBinomial => y_log - (shape + y) * (mu / shape).ln_1p(),
            Self::Poisson | Self::Binomial => y_log - mu,
        };
        Contribution {
            log_lik: f * log_lik,
            score: f * e * h,
            observed: f * (mu1 * h - e * h1),
            expected: f * mu1 * h,
            observed_slope: f * (mu2 * h + 2.0 * mu1 * h1 - e * h2),
            expected_slope: f * (mu2 * h + mu1 * h1),
        }
    }

    // c = mu / V(mu), D c, D^2 c.
    fn relative_precision(self, mu: f64, shape: f64) -> (f64, f64, f64) {
        match self {
            Self::Gaussian => (mu, mu, mu),
            Self::Gamma => (1.0 / mu, -1.0 / mu, 1.0 / mu),
            Self::InverseGaussian => {
                let c = 1.0 / (mu * mu);
                (c, -2.0 * c, 4.0 * c)
            }
            Self::NegativeBinomial => {
                let c = shape / (shape + mu);
                let c1 = -c * (1.0 - c);
                (c, c1, -c1 * (1.0 - 2.0 * c))
            }
            Self::Poisson | Self::Binomial => (1.0, 0.0, 0.0),
        }
    }

    /// Derivatives in `log(shape)` at a contribution of this family.
    pub fn shape_derivatives(
        self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> ShapeDerivatives {
        let at = self.contribution(link, y, w, eta, shape);
        let constant = match self {
            Self::Gaussian => -0.5 * f64::from(w > 0.0),
            Self::Gamma => w / shape * (shape.ln() - y.ln() - 1.0 + digamma(1.0 / shape)),
            Self::InverseGaussian => w * (0.5 / (shape * y) - 0.5),
            Self::NegativeBinomial => return negative_binomial_shape(link, y, w, eta, shape, &at),
            Self::Binomial | Self::Poisson => return ShapeDerivatives::default(),
        };
        let (score, observed, expected) = (-at.score, -at.observed, -at.expected);
        ShapeDerivatives {
            log_lik: constant - at.log_lik,
            score,
            observed,
            expected,
        }
    }
}

fn negative_binomial_shape(
    link: Link,
    y: f64,
    w: f64,
    eta: f64,
    shape: f64,
    at: &Contribution,
) -> ShapeDerivatives {
    let m = link.log_mean(eta);
    let mu = m.log.exp();
    let c = shape / (shape + mu);
    // d c / d log(shape)
    let c_dot = c * (1.0 - c);
    let e = y - mu;
    let log_lik = digamma_difference(shape, y) - (mu / shape).ln_1p() - e / (mu + shape);
    let curvature = m.d2 - m.d1 * m.d1 * (1.0 - 2.0 * c);
    ShapeDerivatives {
        log_lik: w * shape * log_lik,
        score: at.score * (1.0 - c),
        observed: w * c_dot * (m.d1 * m.d1 * mu - e * curvature),
        expected: at.expected * (1.0 - c),
    }
}

#[inline]
fn binomial_logit(y: f64, w: f64, eta: f64) -> Contribution {
    let small = (-eta.abs()).exp();
    let (r, log) = (1.0 / (1.0 + small), small.ln_1p());
    let (mu, rest) = if eta < 0.0 {
        (small * r, r)
    } else {
        (r, small * r)
    };
    let weight = w * mu * rest;
    let slope = weight * (rest - mu);
    Contribution {
        // y eta - log(1 + exp(eta))
        log_lik: w * (if eta < 0.0 { y * eta } else { (y - 1.0) * eta } - log),
        score: w * (y * rest - (1.0 - y) * mu),
        observed: weight,
        expected: weight,
        observed_slope: slope,
        expected_slope: slope,
    }
}

#[inline]
fn poisson_log(y: f64, w: f64, eta: f64) -> Contribution {
    let mu = eta.exp();
    let weight = w * mu;
    Contribution {
        log_lik: w * (y * eta - mu),
        score: w * (y - mu),
        observed: weight,
        expected: weight,
        observed_slope: weight,
        expected_slope: weight,
    }
}

fn gaussian_identity(y: f64, precision: f64, eta: f64) -> Contribution {
    let (e, weight) = (y - eta, precision);
    let (log_lik, score) = (-0.5 * precision * e * e, precision * e);
    Contribution {
        log_lik,
        score,
        observed: weight,
        expected: weight,
        ..Default::default()
    }
}

// a: log mu, b: log(1 - mu). The expected weight mu'^2 / (mu (1 - mu)) is -a' b'.
fn binomial(y: f64, w: f64, a: LogDerivatives, b: LogDerivatives) -> Contribution {
    let mix = |a: f64, b: f64| {
        let (a, b) = (
            if y > 0.0 { y * a } else { 0.0 },
            if y < 1.0 { (1.0 - y) * b } else { 0.0 },
        );
        w * (a + b)
    };
    // Both sides must be in the domain, whatever the response.
    let inside = if a.log.is_finite() && b.log.is_finite() {
        0.0
    } else {
        f64::NAN
    };
    Contribution {
        log_lik: mix(a.log, b.log) + inside,
        score: mix(a.d1, b.d1),
        observed: -mix(a.d2, b.d2),
        expected: -w * a.d1 * b.d1,
        observed_slope: -mix(a.d3, b.d3),
        expected_slope: -w * (a.d2 * b.d1 + a.d1 * b.d2),
    }
}
