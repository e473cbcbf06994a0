//! The binomial distribution, `w y ~ Binomial(w, mu)`: the response is a proportion of w trials.

use super::definition::{y_log_ratio, Contribution, Distribution};
use super::lanes::{self, Data, Kernel, BLOCK};
use super::link::{Link, LogDerivatives};
use super::special::ln_gamma;
use crate::kernels::simd::vectorized;
use crate::random::Stream;

#[derive(Debug)]
pub(super) struct Binomial;

impl Distribution for Binomial {
    fn canonical_link(&self) -> Option<Link> {
        Some(Link::Logit)
    }

    fn accepts(&self, y: f64) -> bool {
        (0.0..=1.0).contains(&y)
    }

    fn start_mean(&self, y: f64, w: f64) -> f64 {
        (w * y + 0.5) / (w + 1.0)
    }

    fn variance(&self, mu: f64, _shape: f64) -> f64 {
        mu * (1.0 - mu)
    }

    fn draw(&self, stream: &mut Stream, mu: f64, w: f64, _shape: f64) -> f64 {
        if w == 0.0 {
            return 0.0;
        }
        stream.binomial(w.round(), mu) / w
    }

    fn deviance(&self, y: f64, mu: f64, _shape: f64) -> f64 {
        2.0 * (y_log_ratio(y, mu) + y_log_ratio(1.0 - y, 1.0 - mu))
    }

    // The logarithm of the binomial coefficient is zero for a single trial.
    fn constant(&self, y: f64, w: f64, _shape: f64) -> f64 {
        if y == 0.0 || y == 1.0 {
            return 0.0;
        }
        ln_gamma(w + 1.0)
            - ln_gamma(w * y + 1.0)
            - ln_gamma(w * (1.0 - y) + 1.0)
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
        if link == Link::Logit {
            return with_logit(y, w, eta);
        }
        by_sides(y, w, link.log_mean(eta), link.log_complement(eta))
    }

    fn kernel(&self, link: Link) -> Option<&'static Kernel> {
        (link == Link::Logit).then_some(&LOGIT)
    }
}

#[inline]
fn with_logit(y: f64, w: f64, eta: f64) -> Contribution {
    let small = (-eta.abs()).exp();
    let r = 1.0 / (1.0 + small);
    // Computes y eta - log(1 + exp(eta)) without overflow.
    let linear = if eta < 0.0 { y * eta } else { (y - 1.0) * eta };
    let log = small.ln_1p();
    let (mu, rest) = if eta < 0.0 {
        (small * r, r)
    } else {
        (r, small * r)
    };
    let weight = w * mu * rest;
    let slope = weight * (rest - mu);
    Contribution {
        log_lik: w * (linear - log),
        score: w * (y * rest - (1.0 - y) * mu),
        observed: weight,
        expected: weight,
        observed_slope: slope,
        expected_slope: slope,
    }
}

// With a = log mu and b = log(1 - mu) the expected weight mu'^2 / (mu (1 - mu)) is -a' b'.
fn by_sides(
    y: f64,
    w: f64,
    a: LogDerivatives,
    b: LogDerivatives,
) -> Contribution {
    let mix = |a: f64, b: f64| {
        let successes = if y > 0.0 { y * a } else { 0.0 };
        let failures = if y < 1.0 { (1.0 - y) * b } else { 0.0 };
        w * (successes + failures)
    };
    // Both logarithms must be finite, whatever the response.
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

const LOGIT: Kernel = Kernel {
    update: update_with_logit,
    log_lik: log_lik_with_logit,
    score: |y, w, eta| w * (y - 1.0 / (1.0 + lanes::exp(-eta))),
    // The slope is W (1 - 2 mu), with mu = y - score / w.
    slope: |y, w, score, weight| {
        if w == 0.0 {
            0.0
        } else {
            weight * (1.0 - 2.0 * (y - score / w))
        }
    },
};

fn update_with_logit(
    data: Data<'_>,
    score: &mut [f64],
    weight: &mut [f64],
) -> f64 {
    vectorized(
        #[inline(always)]
        || {
            let mut buffer = [[0.0; BLOCK]; 2];
            let mut log_lik = 0.0;
            let out = score.chunks_mut(BLOCK).zip(weight.chunks_mut(BLOCK));
            for (data, (score, weight)) in data.blocks().zip(out) {
                let small = lanes::exp_of_minus_abs(data.eta, &mut buffer[0]);
                let out = score.iter_mut().zip(weight.iter_mut());
                for (((eta, y, w), s), (score, weight)) in
                    data.rows().zip(small.iter()).zip(out)
                {
                    let large = 1.0 / (1.0 + s);
                    let mu = if eta < 0.0 { s * large } else { large };
                    *weight = w * s * large * large;
                    *score = w * (y - mu);
                }
                log_lik += log_lik_of_block(data, &mut buffer);
            }
            log_lik
        },
    )
}

fn log_lik_with_logit(data: Data<'_>) -> f64 {
    vectorized(
        #[inline(always)]
        || {
            let mut buffer = [[0.0; BLOCK]; 2];
            let one = |data: Data<'_>| {
                lanes::exp_of_minus_abs(data.eta, &mut buffer[0]);
                log_lik_of_block(data, &mut buffer)
            };
            data.blocks().map(one).sum()
        },
    )
}

// The sum of w (y eta - log(1 + exp(eta))). The first buffer holds exp(-|eta|); both are
// overwritten.
#[inline(always)]
fn log_lik_of_block(data: Data<'_>, buffer: &mut [[f64; BLOCK]; 2]) -> f64 {
    let [small, terms] = buffer;
    let small = &mut small[..data.eta.len()];
    let terms = &mut terms[..data.eta.len()];
    for (term, (eta, y, w)) in terms.iter_mut().zip(data.rows()) {
        *term = w * (if eta < 0.0 { y } else { y - 1.0 }) * eta;
    }
    if data.single {
        for s in small.iter_mut() {
            *s += 1.0;
        }
        return lanes::sum(terms) - lanes::product(small).ln();
    }
    for ((term, s), w) in terms.iter_mut().zip(small.iter()).zip(data.w) {
        *term -= w * lanes::ln_up_to_two(1.0 + s);
    }
    lanes::sum(terms)
}
