//! Random number generation, with a stream for each replicate that does not depend on the thread.
//!
//! | contents | file |
//! |---|---|
//! | blocks of random bits as a function of seed, stream and position | `philox` |
//! | uniform and normal variates | here, [`Stream`] |
//! | gamma, inverse Gaussian, Poisson, binomial, negative binomial variates | [`draws`] |

pub mod draws;
mod philox;

use philox::philox;

/// The random numbers of one replicate: equal seeds and streams give equal numbers.
#[derive(Debug, Clone)]
pub struct Stream {
    seed: u64,
    stream: u64,
    // The index of the next block.
    next: u64,
    // The last block; the first half of it may have been used.
    block: [u64; 2],
    is_half_used: bool,
    // The second one of a pair of normal variates.
    spare: Option<f64>,
}

impl Stream {
    /// The stream with this number, at its beginning.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self {
            seed,
            stream,
            next: 0,
            block: [0; 2],
            is_half_used: false,
            spare: None,
        }
    }

    fn bits(&mut self) -> u64 {
        self.is_half_used = !self.is_half_used;
        if !self.is_half_used {
            return self.block[1];
        }
        self.block = philox([self.next, self.stream], self.seed);
        self.next += 1;
        self.block[0]
    }

    /// A uniform variate strictly between zero and one.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) * (-53f64).exp2()
    }

    /// A standard normal variate, by Marsaglia's polar method.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let a = 2.0 * self.uniform() - 1.0;
            let b = 2.0 * self.uniform() - 1.0;
            let square = a * a + b * b;
            if square < 1.0 && square > 0.0 {
                let length = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(b * length);
                return a * length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let take = |seed, stream| {
            let mut stream = Stream::new(seed, stream);
            (0..9).map(|_| stream.normal()).collect::<Vec<_>>()
        };
        assert_eq!(take(3, 7), take(3, 7));
        assert_ne!(take(3, 7), take(3, 8));
        assert_ne!(take(3, 7), take(4, 7));
    }

    // Compares the shares of a million variates below quantiles; five standard errors are at most
    // 0.0025.
    #[test]
    fn uniform_and_normal_numbers_have_their_distribution() {
        let mut stream = Stream::new(11, 0);
        let n = 1_000_000;
        let share = |values: &[f64], limit: f64| {
            values.iter().filter(|&&v| v < limit).count() as f64 / n as f64
        };
        let uniform: Vec<f64> = (0..n).map(|_| stream.uniform()).collect();
        assert!(uniform.iter().all(|&u| u > 0.0 && u < 1.0));
        for limit in [0.01, 0.25, 0.5, 0.9] {
            assert!((share(&uniform, limit) - limit).abs() < 0.0025);
        }
        let normal: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        // The quantiles are from tables of the normal distribution.
        for (p, limit) in [
            (0.001, -3.090232),
            (0.025, -1.959964),
            (0.5, 0.0),
            (0.9, 1.281552),
            (0.999, 3.090232),
        ] {
            assert!((share(&normal, limit) - p).abs() < 0.0025, "{p}");
        }
        let products = normal.chunks_exact(2).map(|pair| pair[0] * pair[1]);
        assert!((products.sum::<f64>() / (0.5 * n as f64)).abs() < 0.0071);
    }
}
