//! Link functions: the mean `mu` as a function of the linear predictor `eta`, on the log scale to
//! preserve accuracy in the tails.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::glmm::families::special::{log_normal_cdf, mills, normal_quantile};

/// Linear predictors of the complementary log-log link above this have a mean of one to any
/// precision.
const LARGEST: f64 = 600.0;

/// A smaller square root of the mean counts as zero: the reciprocal of its third power is still
/// finite.
const LEAST_ROOT: f64 = 1e-100;

/// A link function `eta = g(mu)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// `log(mu / (1 - mu))`
    Logit,
    /// The inverse of the normal distribution function.
    Probit,
    /// `log(-log(1 - mu))`
    Cloglog,
    /// The inverse of the Cauchy distribution function.
    Cauchit,
    /// `log mu`
    Log,
    /// `sqrt mu`; negative eta also have `mu = eta^2`, as the modes may lie there if responses are
    /// zero.
    Sqrt,
    /// `mu`
    Identity,
    /// `1 / mu`
    Inverse,
    /// `1 / mu^2`
    InverseSquare,
}

/// `log f(eta)` and its first three derivatives in eta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogDerivatives {
    /// `log f`
    pub log: f64,
    /// `f' / f`
    pub d1: f64,
    /// `(f' / f)'`
    pub d2: f64,
    /// `(f' / f)''`
    pub d3: f64,
}

impl LogDerivatives {
    // Derivatives of f(-eta) from those of f(eta).
    fn reflected(self) -> Self {
        Self {
            d1: -self.d1,
            d3: -self.d3,
            ..self
        }
    }

    // The logarithmic derivatives, from log f and the derivatives of f divided by f.
    fn from_relative(log: f64, f1: f64, f2: f64, f3: f64) -> Self {
        Self {
            log,
            d1: f1,
            d2: f2 - f1 * f1,
            d3: f3 - 3.0 * f1 * f2 + 2.0 * f1.powi(3),
        }
    }
}

impl Link {
    /// All links with their names in R.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Logit, "logit"),
        (Self::Probit, "probit"),
        (Self::Cloglog, "cloglog"),
        (Self::Cauchit, "cauchit"),
        (Self::Log, "log"),
        (Self::Sqrt, "sqrt"),
        (Self::Identity, "identity"),
        (Self::Inverse, "inverse"),
        (Self::InverseSquare, "1/mu^2"),
    ];

    /// The link with this name in R.
    ///
    /// # Errors
    /// `UnknownLink`.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found
            .map(|(link, _)| *link)
            .ok_or_else(|| Error::UnknownLink {
                name: name.to_string(),
            })
    }

    /// The link's name in R.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(link, _)| *link == self);
        found.map_or("", |(_, name)| name)
    }

    /// Whether the linear predictor is a power of the mean.
    pub(crate) fn is_power(self) -> bool {
        matches!(
            self,
            Self::Identity | Self::Inverse | Self::InverseSquare | Self::Sqrt
        )
    }

    /// The sign of the distance of linear predictors from the end of their range.
    pub(crate) fn side_of_end(self) -> f64 {
        match self {
            Self::Log => -1.0,
            _ => 1.0,
        }
    }

    // The exponent of eta in mu = eta^exponent.
    fn exponent(self) -> f64 {
        match self {
            Self::Sqrt => 2.0,
            Self::Inverse => -1.0,
            Self::InverseSquare => -0.5,
            _ => 1.0,
        }
    }

    /// The mean; `NaN` outside the link's domain.
    #[inline]
    pub fn mean(self, eta: f64) -> f64 {
        match self {
            Self::Logit => logistic(eta),
            Self::Probit => {
                0.5 * libm::erfc(-eta * std::f64::consts::FRAC_1_SQRT_2)
            }
            Self::Cloglog => -(-eta.exp()).exp_m1(),
            Self::Cauchit => f64::atan2(1.0, -eta) / PI,
            Self::Log => eta.exp(),
            Self::Identity => eta,
            Self::Sqrt => eta * eta,
            Self::Inverse | Self::InverseSquare => {
                if eta > 0.0 {
                    eta.powf(self.exponent())
                } else {
                    f64::NAN
                }
            }
        }
    }

    /// The linear predictor of a mean.
    pub fn eta(self, mu: f64) -> f64 {
        match self {
            Self::Logit => (mu / (1.0 - mu)).ln(),
            Self::Probit => normal_quantile(mu),
            Self::Cloglog => (-(-mu).ln_1p()).ln(),
            Self::Cauchit => (PI * (mu - 0.5)).tan(),
            Self::Log => mu.ln(),
            Self::Sqrt => mu.sqrt(),
            Self::Identity => mu,
            Self::Inverse => 1.0 / mu,
            Self::InverseSquare => 1.0 / (mu * mu),
        }
    }

    /// `d mu / d eta`.
    pub fn mean_slope(self, eta: f64) -> f64 {
        match self {
            Self::Identity => 1.0,
            _ => self.mean(eta) * self.log_mean(eta).d1,
        }
    }

    /// `log mu` and its derivatives; `log` is `NaN` outside the domain.
    pub(crate) fn log_mean(self, eta: f64) -> LogDerivatives {
        match self {
            Self::Logit => log_logistic(eta),
            Self::Probit => log_probit(eta),
            Self::Cauchit => log_cauchit(eta),
            Self::Cloglog => log_cloglog(eta),
            Self::Log => LogDerivatives {
                log: eta,
                d1: 1.0,
                d2: 0.0,
                d3: 0.0,
            },
            Self::Sqrt
            | Self::Identity
            | Self::Inverse
            | Self::InverseSquare => {
                let power = self.exponent();
                // Near a square root of zero derivatives of mu have limits that those of log mu do
                // not.
                let eta = if self == Self::Sqrt && eta.abs() < LEAST_ROOT {
                    LEAST_ROOT.copysign(eta)
                } else {
                    eta
                };
                let r = 1.0 / eta;
                let size = if self == Self::Sqrt { eta.abs() } else { eta };
                LogDerivatives {
                    log: power * size.ln(),
                    d1: power * r,
                    d2: -power * r * r,
                    d3: 2.0 * power * r.powi(3),
                }
            }
        }
    }

    /// `log(1 - mu)` and its derivatives; `log` is `NaN` or minus infinity outside the domain.
    pub(crate) fn log_complement(self, eta: f64) -> LogDerivatives {
        match self {
            Self::Logit => log_logistic(-eta).reflected(),
            Self::Probit => log_probit(-eta).reflected(),
            Self::Cauchit => log_cauchit(-eta).reflected(),
            Self::Cloglog => {
                let t = eta.min(LARGEST).exp();
                LogDerivatives {
                    log: -t,
                    d1: -t,
                    d2: -t,
                    d3: -t,
                }
            }
            Self::Log => {
                let mu = eta.exp();
                let rest = -eta.exp_m1();
                let odds = mu / rest;
                let d2 = -odds * (1.0 + odds);
                LogDerivatives {
                    log: rest.ln(),
                    d1: -odds,
                    d2,
                    d3: d2 * (1.0 + 2.0 * odds),
                }
            }
            Self::Sqrt
            | Self::Identity
            | Self::Inverse
            | Self::InverseSquare => {
                let m = self.log_mean(eta);
                let mu = self.mean(eta);
                let over = -mu / (1.0 - mu);
                let f2 = m.d2 + m.d1 * m.d1;
                let f3 = m.d3 + 3.0 * m.d1 * m.d2 + m.d1.powi(3);
                LogDerivatives::from_relative(
                    (1.0 - mu).ln(),
                    over * m.d1,
                    over * f2,
                    over * f3,
                )
            }
        }
    }
}

/// `1 / (1 + exp(-eta))`.
#[inline]
pub(crate) fn logistic(eta: f64) -> f64 {
    1.0 / (1.0 + (-eta).exp())
}

fn log_logistic(eta: f64) -> LogDerivatives {
    let mu = logistic(eta);
    let rest = logistic(-eta);
    let log = if eta < 0.0 {
        eta - eta.exp().ln_1p()
    } else {
        -(-eta).exp().ln_1p()
    };
    LogDerivatives {
        log,
        d1: rest,
        d2: -mu * rest,
        d3: -mu * rest * (rest - mu),
    }
}

fn log_probit(eta: f64) -> LogDerivatives {
    let [d1, d2, d3] = mills(eta);
    LogDerivatives {
        log: log_normal_cdf(eta),
        d1,
        d2,
        d3,
    }
}

fn log_cauchit(eta: f64) -> LogDerivatives {
    let mu = f64::atan2(1.0, -eta) / PI;
    let s = 1.0 / (1.0 + eta * eta);
    let f1 = s / (PI * mu);
    LogDerivatives::from_relative(
        mu.ln(),
        f1,
        -2.0 * eta * s * f1,
        (6.0 * eta * eta - 2.0) * s * s * f1,
    )
}

// The logarithm of 1 - exp(-t) with t = exp(eta), whose first derivative is a = t / (exp(t) - 1).
fn log_cloglog(eta: f64) -> LogDerivatives {
    let t = eta.min(LARGEST).exp();
    let a = if t > 0.0 { t / t.exp_m1() } else { 1.0 };
    // The difference 1 - t - a loses all digits for small t.
    let c = if t < 1e-2 {
        -t * (0.5 + t / 12.0 * (1.0 - t * t / 60.0))
    } else {
        1.0 - t - a
    };
    let log = if t > 0.0 { (-(-t).exp_m1()).ln() } else { eta };
    let d2 = a * c;
    LogDerivatives {
        log,
        d1: a,
        d2,
        d3: d2 * c - a * (t + d2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A fourth-order difference.
    fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
        let h = 2e-4 * (x.abs() + 0.1);
        (8.0 * (f(x + h) - f(x - h)) - f(x + 2.0 * h) + f(x - 2.0 * h))
            / (12.0 * h)
    }

    fn close(what: &str, link: Link, eta: f64, a: f64, b: f64) {
        assert!(
            (a - b).abs() <= 1e-8 * (1.0 + b.abs()),
            "{what} {link:?} at {eta}: {a} {b}"
        );
    }

    fn etas(link: Link) -> Vec<f64> {
        match link {
            Link::Log => vec![-8.0, -2.0, -0.3],
            Link::Sqrt => vec![-0.7, 0.05, 0.4, 0.9],
            Link::Identity => vec![0.05, 0.4, 0.9],
            Link::Inverse | Link::InverseSquare => vec![1.2, 3.0, 40.0],
            _ => vec![-30.0, -5.0, -1.0, 0.0, 0.7, 3.0],
        }
    }

    #[test]
    fn derivatives_match_differences() {
        for (link, _) in Link::ALL.iter().copied() {
            for eta in etas(link) {
                let sides: [&dyn Fn(f64) -> LogDerivatives; 2] =
                    [&|x| link.log_mean(x), &|x| link.log_complement(x)];
                for at in sides {
                    close(
                        "d1",
                        link,
                        eta,
                        at(eta).d1,
                        slope(|x| at(x).log, eta),
                    );
                    close(
                        "d2",
                        link,
                        eta,
                        at(eta).d2,
                        slope(|x| at(x).d1, eta),
                    );
                    close(
                        "d3",
                        link,
                        eta,
                        at(eta).d3,
                        slope(|x| at(x).d2, eta),
                    );
                }
                close(
                    "mean",
                    link,
                    eta,
                    link.log_mean(eta).log,
                    link.mean(eta).ln(),
                );
                close(
                    "slope",
                    link,
                    eta,
                    link.mean_slope(eta),
                    slope(|x| link.mean(x), eta),
                );
                if eta > -5.0 && eta < 3.0 && !(link == Link::Sqrt && eta < 0.0)
                {
                    close("link", link, eta, link.eta(link.mean(eta)), eta);
                }
            }
        }
    }

    #[test]
    fn tails_stay_finite() {
        for link in [Link::Logit, Link::Probit, Link::Cloglog, Link::Cauchit] {
            for eta in [-1e5, -800.0, -40.0, 40.0, 600.0] {
                for d in [link.log_mean(eta), link.log_complement(eta)] {
                    assert!(
                        d.log.is_finite() && d.log <= 0.0 && d.d1.is_finite(),
                        "{link:?} {eta} {d:?}"
                    );
                    assert!(
                        d.d2.is_finite() && d.d3.is_finite(),
                        "{link:?} {eta} {d:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn unknown_link_is_an_error() {
        assert!(matches!(
            Link::from_name("loglog"),
            Err(Error::UnknownLink { .. })
        ));
    }
}
