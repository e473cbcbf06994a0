//! Elementary functions and sums for the vectorised loops ([`Kernel`]) of a family, without
//! branches or calls, so that the compiler generates vector instructions.

use std::f64::consts::{LN_2, LOG2_E, SQRT_2};

/// Number of responses in a block. A product of this many factors up to two does not overflow.
pub(crate) const BLOCK: usize = 512;
const LANES: usize = 8;

/// A range of responses, as vectors of equal length.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    /// Linear predictors.
    pub eta: &'a [f64],
    /// Responses.
    pub y: &'a [f64],
    /// Weights.
    pub w: &'a [f64],
    /// Whether all weights are one.
    pub single: bool,
}

impl<'a> Data<'a> {
    /// The data in blocks of rows.
    #[inline(always)]
    pub fn blocks(self) -> impl Iterator<Item = Self> + 'a {
        let parts = self
            .eta
            .chunks(BLOCK)
            .zip(self.y.chunks(BLOCK))
            .zip(self.w.chunks(BLOCK));
        parts.map(move |((eta, y), w)| Self {
            eta,
            y,
            w,
            single: self.single,
        })
    }

    /// Linear predictor, response and weight of each row.
    #[inline(always)]
    pub fn rows(self) -> impl Iterator<Item = (f64, f64, f64)> + 'a {
        self.eta
            .iter()
            .zip(self.y)
            .zip(self.w)
            .map(|((eta, y), w)| (*eta, *y, *w))
    }
}

/// Vectorised loops for one family and link.
pub(crate) struct Kernel {
    /// Fills score and weight; returns the log-likelihood without constants.
    pub update: fn(Data<'_>, &mut [f64], &mut [f64]) -> f64,
    /// The log-likelihood without constants.
    pub log_lik: fn(Data<'_>) -> f64,
    /// The score, given response, weight and linear predictor.
    pub score: fn(f64, f64, f64) -> f64,
    /// The derivative of the weight in eta, given response, prior weight, score and weight.
    pub slope: fn(f64, f64, f64, f64) -> f64,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kernel")
    }
}

/// Computes `exp(-|eta|)` of a block.
#[inline(always)]
pub(crate) fn exp_of_minus_abs<'a>(
    eta: &[f64],
    out: &'a mut [f64; BLOCK],
) -> &'a [f64] {
    let out = &mut out[..eta.len()];
    for (s, eta) in out.iter_mut().zip(eta) {
        *s = exp(-eta.abs());
    }
    out
}

/// The sum, in interleaved partial sums.
#[inline(always)]
pub fn sum(x: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let rounds = x.chunks_exact(LANES);
    let rest: f64 = rounds.remainder().iter().sum();
    for round in rounds {
        for (lane, x) in lanes.iter_mut().zip(round) {
            *lane += x;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// The product of at most [`BLOCK`] factors between one and two.
#[inline(always)]
pub fn product(x: &[f64]) -> f64 {
    let mut lanes = [1.0; LANES];
    let rounds = x.chunks_exact(LANES);
    let rest: f64 = rounds.remainder().iter().product();
    for round in rounds {
        for (lane, x) in lanes.iter_mut().zip(round) {
            *lane *= x;
        }
    }
    lanes.iter().product::<f64>() * rest
}

/// `exp(x)` as `2^k` times a polynomial on `|r| <= log(2) / 2`; zero below -708, infinite above
/// 709.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    // Adding this number rounds to an integer, which is then in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    // The number log(2) in two parts, the first with trailing zeros, so that its product with k is
    // exact.
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let inside = if x < -708.0 { -708.0 } else { x };
    let inside = if inside > 709.0 { 709.0 } else { inside };
    let shifted = inside * LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = inside - k * LN_2_HIGH - k * LN_2_LOW;
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    let value = scale * exp_polynomial(r);
    let value = if x < -708.0 { 0.0 } else { value };
    if x > 709.0 {
        f64::INFINITY
    } else {
        value
    }
}

// The Taylor polynomial of degree 13, with a remainder below half a unit in the last place.
#[inline(always)]
fn exp_polynomial(r: f64) -> f64 {
    let r2 = r * r;
    let c = |k: u32| 1.0 / (1..=k).map(f64::from).product::<f64>();
    let r4 = r2 * r2;
    let low = (1.0 + r) + r2 * (c(2) + r * c(3));
    let middle = (c(4) + r * c(5)) + r2 * (c(6) + r * c(7));
    let high =
        (c(8) + r * c(9)) + r2 * (c(10) + r * c(11)) + r4 * (c(12) + r * c(13));
    low + r4 * (middle + r4 * high)
}

/// `log(x)` for `1 <= x <= 2`, by the series of `2 artanh f`.
#[inline(always)]
pub(crate) fn ln_up_to_two(x: f64) -> f64 {
    let halve = x > SQRT_2;
    let (x, shift) = if halve { (0.5 * x, LN_2) } else { (x, 0.0) };
    let f = (x - 1.0) / (x + 1.0);
    let s = f * f;
    let c = |k: f64| 1.0 / k;
    let s2 = s * s;
    let s4 = s2 * s2;
    let low = (1.0 + s * c(3.0)) + s2 * (c(5.0) + s * c(7.0));
    let high = (c(9.0) + s * c(11.0))
        + s2 * (c(13.0) + s * c(15.0))
        + s4 * (c(17.0) + s * c(19.0) + s2 * c(21.0));
    shift + 2.0 * f * (low + s4 * high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glmm::families::{Family, Link};

    #[test]
    fn exp_and_ln_are_the_standard_library_s() {
        for i in -70_000..70_899 {
            let x = f64::from(i) * 0.01 + 1e-5;
            assert!((exp(x) / x.exp() - 1.0).abs() < 5e-16, "{x}");
        }
        assert_eq!(
            (exp(0.0), exp(-800.0), exp(800.0)),
            (1.0, 0.0, f64::INFINITY)
        );
        for i in 0..=10_000 {
            let x = 1.0 + f64::from(i) * 1e-4;
            assert!((ln_up_to_two(x) - x.ln()).abs() < 3e-16, "{x}");
        }
    }

    // Compares any number of rows, some of weight zero, with the formulas of single rows.
    #[test]
    fn kernels_are_sums_over_rows() {
        for n in [0, 1, 7, 8, 513, 2000] {
            let eta: Vec<f64> =
                (0..n).map(|i| 40.0 * (i as f64 * 0.7).sin()).collect();
            let (ones, counts): (Vec<f64>, Vec<f64>) =
                (0..n).map(|i| (1.0, (i % 5) as f64)).unzip();
            for w in [&ones, &counts] {
                let y: Vec<f64> =
                    (0..n).map(|i| (i % 3) as f64 / 2.0).collect();
                let data = Data {
                    eta: &eta,
                    y: &y,
                    w,
                    single: w == &ones,
                };
                let (mut score, mut weight) = (vec![0.0; n], vec![0.0; n]);
                for (family, link) in [
                    (Family::Binomial, Link::Logit),
                    (Family::Poisson, Link::Log),
                ] {
                    let kernel = family.definition().kernel(link).unwrap();
                    let found = (kernel.update)(data, &mut score, &mut weight);
                    let mut expected = 0.0;
                    for i in 0..n {
                        let at =
                            family.contribution(link, y[i], w[i], eta[i], 1.0);
                        expected += at.log_lik;
                        assert!(
                            (score[i] - at.score).abs()
                                <= 1e-15 * (w[i] + at.score.abs()),
                            "{n} {i}"
                        );
                        assert!(
                            (weight[i] - at.expected).abs()
                                <= 1e-15 * at.expected,
                            "{n} {i}"
                        );
                    }
                    assert!(
                        (found - expected).abs() <= 1e-14 * expected.abs(),
                        "{n} {found} {expected}"
                    );
                    assert_eq!(found, (kernel.log_lik)(data));
                }
            }
        }
    }
}
