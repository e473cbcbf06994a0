//! Numbers of the distributions that responses have. Parameters for which there is no distribution
//! give `NaN`.

use libm::lgamma;

use super::Stream;

/// Below this mean counts are found by going through their probabilities.
const SMALL_MEAN: f64 = 10.0;

impl Stream {
    /// A gamma number with this mean, and the variance `mean^2 / shape`.
    ///
    /// Source: Marsaglia and Tsang (2000), "A simple method for generating gamma variables".
    pub fn gamma(&mut self, shape: f64, mean: f64) -> f64 {
        if !is_positive(shape) {
            return f64::NAN;
        }
        if shape < 1.0 {
            let boost = self.uniform().powf(1.0 / shape);
            return boost
                * self.gamma(shape + 1.0, mean * (shape + 1.0) / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0
                && self.uniform().ln() < 0.5 * x * x + d * (1.0 - v + v.ln())
            {
                return d * v * mean / shape;
            }
        }
    }

    /// An inverse Gaussian number with this mean, and the variance `dispersion mean^3`: a root of a
    /// quadratic in a chi-squared number, or the other one.
    ///
    /// Source: Michael, Schucany and Haas (1976).
    pub fn inverse_gaussian(&mut self, mean: f64, dispersion: f64) -> f64 {
        let v = dispersion * mean * self.normal().powi(2);
        // mean times 1 + v/2 - sqrt(v + v^2/4), written without its cancellation
        let root = mean / (1.0 + 0.5 * v + (v + 0.25 * v * v).sqrt());
        if self.uniform() <= mean / (mean + root) {
            root
        } else {
            mean * mean / root
        }
    }

    /// A Poisson number.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        if !(mean >= 0.0 && mean.is_finite()) {
            f64::NAN
        } else if mean < SMALL_MEAN {
            self.small_poisson(mean)
        } else {
            self.large_poisson(mean)
        }
    }

    fn small_poisson(&mut self, mean: f64) -> f64 {
        let mut left = self.uniform();
        let mut probability = (-mean).exp();
        let mut k = 0.0;
        // The probabilities add up to one but for rounding errors.
        while left > probability && probability > 0.0 {
            left -= probability;
            k += 1.0;
            probability *= mean / k;
        }
        k
    }

    // Source: Hoermann (1993), "The transformed rejection method for generating Poisson random
    // variables", algorithm PTRS.
    fn large_poisson(&mut self, mean: f64) -> f64 {
        let log_mean = mean.ln();
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.024_83 * b;
        let log_inverse_alpha = (1.1239 + 1.1328 / (b - 3.4)).ln();
        let squeeze = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let side = 0.5 - u.abs();
            let k = ((2.0 * a / side + b) * u + mean + 0.43).floor();
            if side >= 0.07 && v <= squeeze {
                return k;
            }
            if k < 0.0 || (side < 0.013 && v > side) {
                continue;
            }
            let height =
                v.ln() + log_inverse_alpha - (a / (side * side) + b).ln();
            if height <= k * log_mean - mean - lgamma(k + 1.0) {
                return k;
            }
        }
    }

    /// The number of successes in `trials`, a whole number.
    pub fn binomial(&mut self, trials: f64, probability: f64) -> f64 {
        if !(trials >= 0.0
            && trials.is_finite()
            && (0.0..=1.0).contains(&probability))
        {
            f64::NAN
        } else if trials == 1.0 {
            f64::from(u8::from(self.uniform() < probability))
        } else if probability > 0.5 {
            trials - self.rare_successes(trials, 1.0 - probability)
        } else {
            self.rare_successes(trials, probability)
        }
    }

    // Successes of a probability of one half at most.
    fn rare_successes(&mut self, trials: f64, probability: f64) -> f64 {
        if trials * probability < SMALL_MEAN {
            self.few_successes(trials, probability)
        } else {
            self.many_successes(trials, probability)
        }
    }

    fn few_successes(&mut self, trials: f64, probability: f64) -> f64 {
        let odds = probability / (1.0 - probability);
        let mut left = self.uniform();
        let mut k = 0.0;
        let mut now = (trials * (-probability).ln_1p()).exp();
        while left > now && k < trials {
            left -= now;
            now *= odds * (trials - k) / (k + 1.0);
            k += 1.0;
            if now == 0.0 {
                break;
            }
        }
        k
    }

    // Source: Hoermann (1993), "The generation of binomial random variates", algorithm BTRS.
    fn many_successes(&mut self, n: f64, p: f64) -> f64 {
        let sd = (n * p * (1.0 - p)).sqrt();
        let b = 1.15 + 2.53 * sd;
        let a = -0.0873 + 0.0248 * b + 0.01 * p;
        let squeeze = 0.92 - 4.2 / b;
        let alpha = (2.83 + 5.1 / b) * sd;
        let log_odds = (p / (1.0 - p)).ln();
        let mode = ((n + 1.0) * p).floor();
        let at_mode = lgamma(mode + 1.0) + lgamma(n - mode + 1.0);
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let side = 0.5 - u.abs();
            let k = ((2.0 * a / side + b) * u + n * p + 0.5).floor();
            if side >= 0.07 && v <= squeeze {
                return k;
            }
            if !(0.0..=n).contains(&k) {
                continue;
            }
            let height = (v * alpha / (a / (side * side) + b)).ln();
            let log_ratio = at_mode - lgamma(k + 1.0) - lgamma(n - k + 1.0);
            if height <= log_ratio + (k - mode) * log_odds {
                return k;
            }
        }
    }

    /// A negative binomial number with this mean, and the variance `mean + mean^2 / size`.
    pub fn negative_binomial(&mut self, size: f64, mean: f64) -> f64 {
        if mean == 0.0 {
            return 0.0;
        }
        let rate = self.gamma(size, mean);
        self.poisson(rate)
    }
}

fn is_positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 400_000;

    // Compares counts with their probabilities: no share is off by more than five standard errors.
    fn has_probabilities(
        name: &str,
        mut draw: impl FnMut() -> f64,
        log_p: impl Fn(f64) -> f64,
    ) {
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..N {
            let k = draw();
            assert!(k >= 0.0 && k.fract() == 0.0, "{name}: {k}");
            *counts.entry(k as u64).or_insert(0usize) += 1;
        }
        let mut covered = 0.0;
        for (k, count) in counts {
            let p = log_p(k as f64).exp();
            covered += p;
            let share = count as f64 / N as f64;
            let error = (p * (1.0 - p) / N as f64).sqrt() + 1.0 / N as f64;
            assert!(
                (share - p).abs() < 5.0 * error,
                "{name}, {k}: {share} {p}"
            );
        }
        assert!(covered > 0.999, "{name}: {covered}");
    }

    // Compares the first two moments: five standard errors, for a kurtosis of up to 30.
    fn has_moments(
        name: &str,
        mut draw: impl FnMut() -> f64,
        mean: f64,
        variance: f64,
    ) {
        let values: Vec<f64> = (0..N).map(|_| draw()).collect();
        let n = N as f64;
        let found = values.iter().sum::<f64>() / n;
        let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let error = (variance / n).sqrt();
        assert!((found - mean).abs() < 5.0 * error, "{name}: {found} {mean}");
        let ratio = spread / variance;
        assert!(
            (ratio - 1.0).abs() < 5.0 * (30.0 / n).sqrt(),
            "{name}: {ratio}"
        );
    }

    #[test]
    fn poisson_numbers() {
        for mean in [1e-3f64, 0.7, 9.9, 10.1, 35.0, 200.0] {
            let mut stream = Stream::new(5, 1);
            let log_p = |k: f64| k * mean.ln() - mean - lgamma(k + 1.0);
            has_probabilities(
                &format!("poisson {mean}"),
                || stream.poisson(mean),
                log_p,
            );
        }
        let mut stream = Stream::new(5, 2);
        has_moments("large mean", || stream.poisson(1e9), 1e9, 1e9);
        assert_eq!(stream.poisson(0.0), 0.0);
        assert!(
            stream.poisson(f64::INFINITY).is_nan()
                && stream.poisson(-1.0).is_nan()
        );
    }

    #[test]
    fn binomial_numbers() {
        let cases = [
            (1.0, 0.3),
            (7.0, 0.2),
            (7.0, 0.9),
            (40.0, 0.5),
            (300.0, 0.04),
        ];
        for (n, p) in cases {
            let mut stream = Stream::new(6, 1);
            let ways = |k: f64| {
                lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0)
            };
            let log_p =
                |k: f64| ways(k) + k * f64::ln(p) + (n - k) * f64::ln(1.0 - p);
            let name = format!("binomial {n} {p}");
            has_probabilities(&name, || stream.binomial(n, p), log_p);
        }
        let mut stream = Stream::new(6, 2);
        has_moments("1e8 trials", || stream.binomial(1e8, 0.7), 7e7, 2.1e7);
        assert_eq!(stream.binomial(12.0, 0.0), 0.0);
        assert_eq!(stream.binomial(12.0, 1.0), 12.0);
        assert_eq!(stream.binomial(0.0, 0.4), 0.0);
        assert!(stream.binomial(3.0, f64::NAN).is_nan());
    }

    #[test]
    fn negative_binomial_numbers() {
        for (size, mean) in [(0.4, 3.0), (2.0, 0.5), (50.0, 8.0)] {
            let mut stream = Stream::new(7, 1);
            let log_p = |k: f64| {
                lgamma(k + size) - lgamma(size) - lgamma(k + 1.0)
                    + size * f64::ln(size / (size + mean))
                    + k * f64::ln(mean / (size + mean))
            };
            let name = format!("negative binomial {size} {mean}");
            has_probabilities(
                &name,
                || stream.negative_binomial(size, mean),
                log_p,
            );
        }
    }

    #[test]
    fn positive_numbers() {
        for (shape, mean) in [(0.3, 2.0), (1.0, 1.0), (20.0, 5.0)] {
            let mut stream = Stream::new(8, 1);
            let name = format!("gamma {shape}");
            has_moments(
                &name,
                || stream.gamma(shape, mean),
                mean,
                mean * mean / shape,
            );
        }
        for (mean, dispersion) in [(1.0, 0.5), (3.0, 0.05)] {
            let mut stream = Stream::new(9, 1);
            let name = format!("inverse Gaussian {mean}");
            let variance = dispersion * f64::powi(mean, 3);
            has_moments(
                &name,
                || stream.inverse_gaussian(mean, dispersion),
                mean,
                variance,
            );
        }
        let mut stream = Stream::new(8, 2);
        // The median of an exponential number with mean two is 2 log(2).
        let below = (0..N).filter(|_| stream.gamma(1.0, 2.0) < 2.0 * 2f64.ln());
        let share = below.count() as f64 / N as f64;
        assert!((share - 0.5).abs() < 0.004);
        assert!(stream.gamma(0.0, 1.0).is_nan());
    }
}
