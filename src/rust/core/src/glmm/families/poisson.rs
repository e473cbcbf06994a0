//! The Poisson distribution `Poisson(mu)`.

use super::definition::{
    by_root, by_variance_function, y_log_mean, y_log_ratio, Contribution,
    Distribution,
};
use super::lanes::{self, Data, Kernel, BLOCK};
use super::link::Link;
use super::special::ln_gamma;
use crate::kernels::simd::vectorized;
use crate::random::Stream;

#[derive(Debug)]
pub(super) struct Poisson;

impl Distribution for Poisson {
    fn canonical_link(&self) -> Option<Link> {
        Some(Link::Log)
    }

    fn accepts(&self, y: f64) -> bool {
        y >= 0.0 && y.is_finite()
    }

    fn start_mean(&self, y: f64, _w: f64) -> f64 {
        y + 0.1
    }

    fn variance(&self, mu: f64, _shape: f64) -> f64 {
        mu
    }

    fn draw(&self, stream: &mut Stream, mu: f64, _w: f64, _shape: f64) -> f64 {
        stream.poisson(mu)
    }

    fn deviance(&self, y: f64, mu: f64, _shape: f64) -> f64 {
        2.0 * (y_log_ratio(y, mu) - (y - mu))
    }

    fn constant(&self, y: f64, w: f64, _shape: f64) -> f64 {
        -w * ln_gamma(y + 1.0)
    }

    #[inline]
    fn contribution(
        &self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        _shape: f64,
    ) -> Contribution {
        if link == Link::Log {
            return with_log(y, w, eta);
        }
        let m = link.log_mean(eta);
        let log_lik = y_log_mean(y, m.log) - m.log.exp();
        if link == Link::Sqrt {
            return by_root(y, w, eta, [1.0, 0.0, 0.0], log_lik);
        }
        by_variance_function(y, w, m, [1.0, 0.0, 0.0], log_lik)
    }

    fn kernel(&self, link: Link) -> Option<&'static Kernel> {
        (link == Link::Log).then_some(&LOG)
    }
}

#[inline]
fn with_log(y: f64, w: f64, eta: f64) -> Contribution {
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

const LOG: Kernel = Kernel {
    update: update_with_log,
    log_lik: log_lik_with_log,
    score: |y, w, eta| w * (y - lanes::exp(eta)),
    slope: |_, _, _, weight| weight,
};

fn update_with_log(
    data: Data<'_>,
    score: &mut [f64],
    weight: &mut [f64],
) -> f64 {
    vectorized(
        #[inline(always)]
        || {
            let mut buffer = [0.0; BLOCK];
            let mut log_lik = 0.0;
            let out = score.chunks_mut(BLOCK).zip(weight.chunks_mut(BLOCK));
            for (data, (score, weight)) in data.blocks().zip(out) {
                let terms = &mut buffer[..data.eta.len()];
                let out = score
                    .iter_mut()
                    .zip(weight.iter_mut())
                    .zip(terms.iter_mut());
                for ((eta, y, w), ((score, weight), term)) in
                    data.rows().zip(out)
                {
                    let mu = lanes::exp(eta);
                    *weight = w * mu;
                    *score = w * (y - mu);
                    *term = w * (y * eta - mu);
                }
                log_lik += lanes::sum(terms);
            }
            log_lik
        },
    )
}

fn log_lik_with_log(data: Data<'_>) -> f64 {
    vectorized(
        #[inline(always)]
        || {
            let mut buffer = [0.0; BLOCK];
            let mut log_lik = 0.0;
            for data in data.blocks() {
                let terms = &mut buffer[..data.eta.len()];
                for ((eta, y, w), term) in data.rows().zip(terms.iter_mut()) {
                    *term = w * (y * eta - lanes::exp(eta));
                }
                log_lik += lanes::sum(terms);
            }
            log_lik
        },
    )
}
