//! Special functions that are neither in the standard library nor in `libm`.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The least argument for which Stirling's series has all digits.
const STIRLING: f64 = 20.0;

/// `log Gamma(x)` for `x > 0`.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// The derivative of `log Gamma`, for `x > 0`: recurrence up to 15, then the asymptotic series.
pub(crate) fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 15.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let s = 1.0 / (x * x);
    let series = s
        * (1.0 / 12.0
            - s * (1.0 / 120.0
                - s * (1.0 / 252.0 - s * (1.0 / 240.0 - s / 132.0))));
    sum + x.ln() - 0.5 / x - series
}

/// `log Gamma(a) - (a log a - a)`, without the cancellation of large values.
pub(crate) fn stirling_difference(a: f64) -> f64 {
    if a < STIRLING {
        return ln_gamma(a) - a * a.ln() + a;
    }
    let s = 1.0 / (a * a);
    let series =
        1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s / 1680.0));
    0.5 * (2.0 * PI / a).ln() + series / a
}

/// The derivative of [`stirling_difference`] in `log a`: `a (digamma(a) - log a)`.
pub(crate) fn stirling_slope(a: f64) -> f64 {
    if a < STIRLING {
        return a * (digamma(a) - a.ln());
    }
    let s = 1.0 / (a * a);
    let series = 1.0 / 12.0 - s * (1.0 / 120.0 - s * (1.0 / 252.0 - s / 240.0));
    -0.5 - series / a
}

/// `log(Gamma(a + h) / Gamma(a))`, without the cancellation of two large values.
pub(crate) fn ln_gamma_ratio(a: f64, h: f64) -> f64 {
    if h == 0.0 {
        0.0
    } else if h <= 20.0 && h.fract() == 0.0 {
        (0..h as u32).map(|j| (a + f64::from(j)).ln()).sum()
    } else if a < 1e4 {
        ln_gamma(a + h) - ln_gamma(a)
    } else {
        // Stirling's series of both, with the large terms combined.
        let correction = |x: f64| (1.0 / 12.0 - 1.0 / (360.0 * x * x)) / x;
        h * (a + h).ln() + (a - 0.5) * (h / a).ln_1p() - h + correction(a + h)
            - correction(a)
    }
}

/// `digamma(a + h) - digamma(a)`, without cancellation where `h` is small relative to `a`.
pub(crate) fn digamma_difference(a: f64, h: f64) -> f64 {
    if h <= 20.0 && h.fract() == 0.0 {
        return (0..h as u32).map(|j| 1.0 / (a + f64::from(j))).sum();
    }
    if a < 1e4 {
        return digamma(a + h) - digamma(a);
    }
    let correction = |x: f64| (0.5 + (1.0 - 0.1 / (x * x)) / (12.0 * x)) / x;
    (h / a).ln_1p() - correction(a + h) + correction(a)
}

/// `trigamma(a + h) - trigamma(a)`, the difference of second derivatives of `log Gamma`, without
/// cancellation where `h` is small relative to `a`.
pub(crate) fn trigamma_difference(a: f64, h: f64) -> f64 {
    if (0.0..=20.0).contains(&h) && h.fract() == 0.0 {
        return -(0..h as u32)
            .map(|j| (a + f64::from(j)).powi(-2))
            .sum::<f64>();
    }
    if a < 1e4 {
        return trigamma(a + h) - trigamma(a);
    }
    let correction = |x: f64| (0.5 + 1.0 / (6.0 * x)) / (x * x);
    correction(a + h) - correction(a) - h / (a * (a + h))
}

/// `tetragamma(a + h) - tetragamma(a)`, the difference of third derivatives of `log Gamma`, without
/// cancellation where `h` is small relative to `a`.
pub(crate) fn tetragamma_difference(a: f64, h: f64) -> f64 {
    if (0.0..=20.0).contains(&h) && h.fract() == 0.0 {
        return 2.0
            * (0..h as u32)
                .map(|j| (a + f64::from(j)).powi(-3))
                .sum::<f64>();
    }
    if a < 1e4 {
        return tetragamma(a + h) - tetragamma(a);
    }
    let correction = |x: f64| (1.0 + 0.5 / x) / x.powi(3);
    let b = a + h;
    correction(a) - correction(b) + h * (a + b) / (a * a * b * b)
}

// The second derivative of `log Gamma`, for x > 0.
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 15.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let s = 1.0 / (x * x);
    let series = 1.0 / 6.0
        - s * (1.0 / 30.0
            - s * (1.0 / 42.0 - s * (1.0 / 30.0 - s * 5.0 / 66.0)));
    sum + 1.0 / x + 0.5 * s + s / x * series
}

// The third derivative of `log Gamma`, for x > 0.
fn tetragamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 15.0 {
        sum -= 2.0 / x.powi(3);
        x += 1.0;
    }
    let s = 1.0 / (x * x);
    let series =
        0.5 - s * (1.0 / 6.0 - s * (1.0 / 6.0 - s * (0.3 - s * 5.0 / 6.0)));
    sum - s - s / x - s * s * series
}

/// The inverse of the standard normal distribution function, by Newton's method from below on
/// `log Phi`, which is concave.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    // The bound log Phi(x) <= -x^2/2 for x < 0 gives a starting point below the solution.
    let target = p.max(f64::MIN_POSITIVE).ln();
    let mut x = -(-2.0 * target).sqrt();
    for _ in 0..100 {
        let log = log_normal_cdf(x);
        let ratio = mills(x)[0];
        let step = (log - target) / ratio;
        x -= step;
        if step.abs() < 1e-14 * (1.0 + x.abs()) {
            break;
        }
    }
    x
}

/// `log Phi(x)`.
pub(crate) fn log_normal_cdf(x: f64) -> f64 {
    if x < -1.0 {
        -0.5 * x * x + (0.5 * erfcx(-x * FRAC_1_SQRT_2)).ln()
    } else {
        (-0.5 * libm::erfc(x * FRAC_1_SQRT_2)).ln_1p()
    }
}

/// The first three derivatives of `log Phi(x)`; the first is the inverse Mills ratio.
pub(crate) fn mills(x: f64) -> [f64; 3] {
    if x < -25.0 {
        return mills_series(-x);
    }
    let ratio = if x < -1.0 {
        (2.0 / PI).sqrt() / erfcx(-x * FRAC_1_SQRT_2)
    } else {
        (-0.5 * x * x).exp()
            / (2.0 * PI).sqrt()
            / (0.5 * libm::erfc(-x * FRAC_1_SQRT_2))
    };
    let second = -ratio * (x + ratio);
    [
        ratio,
        second,
        -(second * (x + ratio) + ratio * (1.0 + second)),
    ]
}

// The asymptotic series phi(t) / Phi(-t) = t + sum_k c_k t^-(2k+1) for large t, and its derivatives
// in x = -t.
fn mills_series(t: f64) -> [f64; 3] {
    const C: [f64; 7] = [1.0, -2.0, 10.0, -74.0, 706.0, -8162.0, 110_410.0];
    let mut first = t;
    let mut second = -1.0;
    let mut third = 0.0;
    let mut power = 1.0 / t;
    for (k, c) in C.iter().enumerate() {
        let order = (2 * k + 1) as f64;
        first += c * power;
        second += c * order * power / t;
        third += c * order * (order + 1.0) * power / (t * t);
        power /= t * t;
    }
    [first, second, third]
}

/// `exp(x^2) erfc(x)` for `x > 0`.
fn erfcx(x: f64) -> f64 {
    if x < 20.0 {
        return (x * x).exp() * libm::erfc(x);
    }
    let s = 0.5 / (x * x);
    let series = 1.0
        - s * (1.0
            - 3.0 * s * (1.0 - 5.0 * s * (1.0 - 7.0 * s * (1.0 - 9.0 * s))));
    series / (x * PI.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tol: f64) {
        assert!((a - b).abs() <= tol * (1.0 + b.abs()), "{a} {b}");
    }

    #[test]
    fn digamma_has_known_values() {
        close(digamma(1.0), -0.577_215_664_901_532_9, 1e-14);
        close(digamma(0.5), -1.963_510_026_021_423_5, 1e-14);
        close(digamma(1e6), 1e6f64.ln() - 0.5e-6, 1e-14);
    }

    const STIRLING_VALUES: [(f64, f64, f64); 8] = [
        (0.01, 4.655_531_579_901_902, -0.959_557_152_718_805_8),
        (0.7, 1.210_539_707_288_779_1, -0.604_344_026_831_441_6),
        (3.0, 0.397_310_314_555_616_2, -0.527_483_860_708_927_6),
        (19.5, -0.561_995_569_648_074_8, -0.504_272_381_810_063_4),
        (20.0, -0.574_761_283_880_325_9, -0.504_165_626_236_838_8),
        (1e3, -2.534_855_772_955_84, -0.500_083_333_325),
        (1e9, -9.442_694_385_185_199, -0.500_000_000_083_333_3),
        (1e14, -15.199_157_117_753_646, -0.500_000_000_000_000_8),
    ];

    // The reference values were computed with 60 digits by the Python package mpmath 1.3.
    #[test]
    fn differences_from_stirlings_terms_have_known_values() {
        for (a, difference, slope) in STIRLING_VALUES {
            close(stirling_difference(a), difference, 2e-14);
            close(stirling_slope(a), slope, 2e-14);
        }
    }

    const POLYGAMMA: [(f64, f64, f64); 5] = [
        (1e-3, 1_000_001.642_533_195_9, -2_000_000_002.397_632_1),
        (0.5, 4.934_802_200_544_679, -16.828_796_644_234_32),
        (3.2, 0.366_321_190_731_400_8, -0.132_800_006_803_131_2),
        (
            17.0,
            0.060_587_533_403_239_344,
            -0.003_669_728_873_958_961_3,
        ),
        (
            2e5,
            5.000_012_500_020_831_5e-6,
            -2.500_012_500_031_248_6e-11,
        ),
    ];

    // Reference values are psigamma(x, 1) and psigamma(x, 2) of R.
    #[test]
    fn polygammas_have_known_values() {
        for (x, second, third) in POLYGAMMA {
            close(trigamma(x) / second, 1.0, 1e-14);
            close(tetragamma(x) / third, 1.0, 1e-14);
        }
    }

    #[test]
    fn ratios_agree_with_their_parts() {
        for (a, h) in [(3.5, 4.0), (3.5, 4.2), (2e4, 31.0), (2e4, 55.5)] {
            close(ln_gamma_ratio(a, h), ln_gamma(a + h) - ln_gamma(a), 1e-10);
            close(digamma_difference(a, h), digamma(a + h) - digamma(a), 1e-11);
            close(
                trigamma_difference(a, h),
                trigamma(a + h) - trigamma(a),
                1e-15,
            );
            close(
                tetragamma_difference(a, h),
                tetragamma(a + h) - tetragamma(a),
                1e-15,
            );
        }
        // The limit of Gamma(a + h) / Gamma(a) is a^h.
        close(ln_gamma_ratio(1e12, 30.5), 30.5 * 1e12f64.ln(), 1e-10);
    }

    #[test]
    fn normal_tail_is_accurate() {
        // Reference values of log Phi are from R's pnorm(x, log.p = TRUE).
        for (x, log) in [
            (-1.0, -1.841_021_645_009_263_7),
            (-5.0, -15.064_998_393_988_727),
            (2.0, -0.023_012_909_328_963_48),
        ] {
            close(log_normal_cdf(x), log, 1e-13);
        }
        close(log_normal_cdf(-30.0), -454.321_243_956_343_2, 1e-13);
        for x in [-60.0, -26.0, -24.0, -20.0, -3.0, 0.0, 2.0] {
            let h = 1e-4 * (1.0 + f64::abs(x));
            let [first, second, third] = mills(x);
            let fd = |f: &dyn Fn(f64) -> f64| {
                (8.0 * (f(x + h) - f(x - h)) - f(x + 2.0 * h) + f(x - 2.0 * h))
                    / (12.0 * h)
            };
            close(first, fd(&log_normal_cdf), 1e-8);
            close(second, fd(&|x| mills(x)[0]), 1e-8);
            close(third, fd(&|x| mills(x)[1]), 1e-7);
        }
        for p in [1e-300, 1e-5, 0.1, 0.5, 0.9] {
            close(log_normal_cdf(normal_quantile(p)), f64::ln(p), 1e-12);
        }
    }
}
