//! The definition of a family, as a trait that each family's file implements.

use super::lanes::{Data, Kernel};
use super::link::{Link, LogDerivatives};
use crate::random::Stream;

/// The role of a family's shape parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShapeRole {
    /// The family has no shape.
    None,
    /// A dispersion phi: the part of the log-likelihood that depends on eta is proportional to
    /// `1 / phi`.
    Dispersion,
    /// Any other parameter, such as theta of the negative binomial.
    Parameter,
}

/// The log-likelihood of one observation, without terms that do not depend on eta, and its
/// derivatives in eta.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Contribution {
    /// Log-likelihood.
    pub log_lik: f64,
    /// First derivative of the log-likelihood.
    pub score: f64,
    /// Minus the second derivative of the log-likelihood.
    pub observed: f64,
    /// The weight of iteratively reweighted least squares, `w mu'^2 / V` over the dispersion: the
    /// expectation of `observed` if the score is that of a quasi-likelihood, as in all families
    /// except the negative binomial with linear variance.
    pub expected: f64,
    /// Derivative of `observed`.
    pub observed_slope: f64,
    /// Derivative of `expected`.
    pub expected_slope: f64,
}

/// Derivatives in the logarithm of the shape.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ShapeDerivatives {
    /// Derivative of the complete log-likelihood.
    pub log_lik: f64,
    /// Derivative of the score.
    pub score: f64,
    /// Derivative of the observed information.
    pub observed: f64,
    /// Derivative of the expected information.
    pub expected: f64,
}

impl ShapeDerivatives {
    /// The derivatives of several identical observations together.
    pub(super) fn times(self, count: f64) -> Self {
        Self {
            log_lik: count * self.log_lik,
            score: count * self.score,
            observed: count * self.observed,
            expected: count * self.expected,
        }
    }
}

/// The vectors that [`Distribution::update`] fills, with one element per row.
#[derive(Debug)]
pub(crate) struct Slots<'a> {
    /// Score.
    pub score: &'a mut [f64],
    /// Weight of the next Newton step.
    pub weight: &'a mut [f64],
    /// Observed information.
    pub observed: &'a mut [f64],
}

/// A family. Weights `w` are prior weights, or numbers of trials; families without a shape ignore
/// `shape`.
pub(crate) trait Distribution: Sync {
    /// The role of the shape.
    fn shape_role(&self) -> ShapeRole {
        ShapeRole::None
    }

    /// The link for which observed and expected information are equal for every response.
    fn canonical_link(&self) -> Option<Link> {
        None
    }

    /// Whether a model with this link is a linear mixed model, which is not fitted as a generalized
    /// one.
    fn is_linear(&self, _link: Link) -> bool {
        false
    }

    /// Whether weights divide the dispersion, instead of counting observations.
    fn weights_are_precisions(&self) -> bool {
        false
    }

    /// Whether the response is in the support of the distribution.
    fn accepts(&self, y: f64) -> bool;

    /// A starting mean near the response, in the interior of the range of the mean.
    fn start_mean(&self, y: f64, w: f64) -> f64;

    /// The variance function `V(mu)`: the variance over the dispersion.
    fn variance(&self, mu: f64, shape: f64) -> f64;

    /// A random response with mean `mu`; for the binomial, a proportion. A dispersion is that for
    /// weight one.
    fn draw(&self, stream: &mut Stream, mu: f64, w: f64, shape: f64) -> f64;

    /// The deviance of one observation with weight one: twice the log-likelihood ratio to the
    /// saturated model, times phi.
    fn deviance(&self, y: f64, mu: f64, shape: f64) -> f64;

    /// The terms of the log-likelihood that do not depend on eta, for a positive weight.
    fn constant(&self, y: f64, w: f64, shape: f64) -> f64;

    /// Log-likelihood and derivatives of one observation at `eta`; the log-likelihood is `NaN` or
    /// minus infinity outside the domain.
    fn contribution(
        &self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> Contribution;

    /// Derivatives in `log(shape)`.
    fn shape_derivatives(
        &self,
        _link: Link,
        _y: f64,
        _w: f64,
        _eta: f64,
        _shape: f64,
    ) -> ShapeDerivatives {
        ShapeDerivatives::default()
    }

    /// Vectorised loops, for links that have them.
    fn kernel(&self, _link: Link) -> Option<&'static Kernel> {
        None
    }

    /// Fills score, weight of the next Newton step and observed information; returns the
    /// log-likelihood without constants, and whether all weights are the observed information. A
    /// weight is the observed information where that is safely positive, otherwise the expected
    /// one, so that steps are descent directions.
    fn update(
        &self,
        link: Link,
        data: Data<'_>,
        shape: f64,
        slots: Slots<'_>,
    ) -> (f64, bool) {
        let mut log_lik = 0.0;
        let mut is_observed = true;
        for (i, (eta, y, w)) in data.rows().enumerate() {
            let at = self.contribution(link, y, w, eta, shape);
            log_lik += at.log_lik;
            slots.score[i] = at.score;
            slots.observed[i] = at.observed;
            let is_safe = at.observed >= 0.2 * at.expected;
            slots.weight[i] = if is_safe { at.observed } else { at.expected };
            is_observed &= is_safe;
        }
        (log_lik, is_observed)
    }

    /// The log-likelihood without terms that do not depend on eta.
    fn log_lik(&self, link: Link, data: Data<'_>, shape: f64) -> f64 {
        data.rows()
            .map(|(eta, y, w)| {
                self.contribution(link, y, w, eta, shape).log_lik
            })
            .sum()
    }
}

/// `mu / V(mu)` and its first two derivatives in `log mu`.
pub(super) type RelativePrecision = [f64; 3];

/// The contribution of a family whose score is `f (y - mu) mu' / V(mu)`, with `f` the weight over
/// the dispersion and `log_lik` the log-likelihood over `f`.
#[inline(always)]
pub(super) fn by_variance_function(
    y: f64,
    f: f64,
    m: LogDerivatives,
    [c, c1, c2]: RelativePrecision,
    log_lik: f64,
) -> Contribution {
    // With c = mu / V and h = mu' / V = (log mu)' c the score is f (y - mu) h.
    let mu = m.log.exp();
    let mu1 = m.d1 * mu;
    let mu2 = (m.d2 + m.d1 * m.d1) * mu;
    let h = m.d1 * c;
    let h1 = m.d2 * c + m.d1 * m.d1 * c1;
    let h2 = m.d3 * c + 3.0 * m.d1 * m.d2 * c1 + m.d1.powi(3) * c2;
    let e = y - mu;
    Contribution {
        log_lik: f * log_lik,
        score: f * e * h,
        observed: f * (mu1 * h - e * h1),
        expected: f * mu1 * h,
        observed_slope: f * (mu2 * h + 2.0 * mu1 * h1 - e * h2),
        expected_slope: f * (mu2 * h + mu1 * h1),
    }
}

/// The contribution of a count with mean `eta^2` and variance `mu / c`, given `c` and its first two
/// derivatives in eta. Near a square root of zero, [`by_variance_function`] would compute
/// differences of large numbers, while the derivatives for a count of zero have finite limits.
#[inline(always)]
pub(super) fn by_root(
    y: f64,
    f: f64,
    eta: f64,
    [c, c1, c2]: [f64; 3],
    log_lik: f64,
) -> Contribution {
    let [y1, y2, y3] = if y == 0.0 {
        [0.0; 3]
    } else {
        [y / eta, y / (eta * eta), y / eta.powi(3)]
    };
    // The score is 2 c e with e = y / eta - eta.
    let e = y1 - eta;
    let e1 = -y2 - 1.0;
    Contribution {
        log_lik: f * log_lik,
        score: f * 2.0 * c * e,
        observed: -2.0 * f * (c1 * e + c * e1),
        expected: f * 4.0 * c,
        observed_slope: -2.0 * f * (c2 * e + 2.0 * c1 * e1 + 2.0 * c * y3),
        expected_slope: f * 4.0 * c1,
    }
}

/// The dispersion of an observation; one of weight zero does not count, but must have a finite one.
pub(super) fn dispersion(w: f64, shape: f64) -> f64 {
    if w == 0.0 {
        shape
    } else {
        shape / w
    }
}

/// Derivatives in the logarithm of a dispersion; `constant` is that of the terms that do not depend
/// on eta.
pub(super) fn by_dispersion(
    at: Contribution,
    constant: f64,
) -> ShapeDerivatives {
    ShapeDerivatives {
        log_lik: constant - at.log_lik,
        score: -at.score,
        observed: -at.observed,
        expected: -at.expected,
    }
}

/// `y log mu`, which is zero for a response of zero even if its mean is zero.
#[inline(always)]
pub(super) fn y_log_mean(y: f64, log_mean: f64) -> f64 {
    if y > 0.0 || log_mean.is_nan() {
        y * log_mean
    } else {
        0.0
    }
}

/// `y log(y / m)`, continuous at zero.
pub(super) fn y_log_ratio(y: f64, m: f64) -> f64 {
    if y > 0.0 {
        y * (y / m).ln()
    } else {
        0.0
    }
}
