//! Simulation of linear predictors with newly drawn random effects, `eta = mean + Z Lambda u` with
//! `u ~ N(0, 1)`: the first part of a simulated response, with a stream of random numbers for each
//! replicate.

use crate::design::{check_finite, Design, ReTerm};
use crate::error::{check_length, Result};
use crate::kernels::small;
use crate::random::Stream;

/// Number of rows of Z that are processed at a time.
const CHUNK: usize = 256;

/// A simulator of linear predictors: their mean, and the random effects around it.
#[derive(Debug, Clone)]
pub struct Simulation<'a> {
    design: &'a Design<'a>,
    mean: &'a [f64],
    /// The covariance factor of each term, `k x k`; empty if no effects are drawn.
    factors: Vec<Vec<f64>>,
    seed: u64,
}

/// The parameters of a [`Simulation`], in addition to a design.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth<'a> {
    /// The linear predictor of each observation without the effects that are drawn; it includes the
    /// levels of a fixed factor.
    pub mean: &'a [f64],
    /// The covariance parameters of the random effects; if empty, none are drawn.
    pub theta: &'a [f64],
    /// The standard deviation that multiplies Lambda.
    pub scale: f64,
    /// The residual standard deviation, or the square root of the dispersion.
    pub sigma: f64,
    /// The seed of all replicates.
    pub seed: u64,
}

impl<'a> Simulation<'a> {
    /// Checks the parameters to simulate from.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`, `Parameter`.
    pub fn new(design: &'a Design<'a>, truth: &Truth<'a>) -> Result<Self> {
        check_length("mean", design.n(), truth.mean.len())?;
        check_finite("mean", truth.mean)?;
        let mut factors = Vec::new();
        if !truth.theta.is_empty() {
            check_length("theta", design.n_theta(), truth.theta.len())?;
            check_finite("theta", truth.theta)?;
            for term in &design.terms {
                term.cov.validate(truth.theta)?;
                let mut factor = vec![0.0; term.vsize().pow(2)];
                term.cov.fill_lambda(truth.theta, &mut factor);
                let scale = match term.cov.is_fixed() {
                    true => 0.0,
                    false => truth.scale,
                };
                for value in factor.iter_mut() {
                    *value *= scale;
                }
                factors.push(factor);
            }
        }
        Ok(Self {
            design,
            mean: truth.mean,
            factors,
            seed: truth.seed,
        })
    }

    /// Writes the linear predictor of a replicate into `eta`, and returns the stream for the
    /// remaining random numbers of the replicate.
    pub fn predictor(&self, replicate: u64, eta: &mut [f64]) -> Stream {
        let mut stream = Stream::new(self.seed, replicate);
        eta.copy_from_slice(self.mean);
        for (term, factor) in self.design.terms.iter().zip(&self.factors) {
            let b = effects(term, factor, &mut stream);
            add_effects(term, &b, eta);
        }
        stream
    }
}

// The effects of all levels, one level after another.
fn effects(term: &ReTerm, factor: &[f64], stream: &mut Stream) -> Vec<f64> {
    let mut b: Vec<f64> =
        (0..term.n_effects()).map(|_| stream.normal()).collect();
    let k = term.vsize();
    for level in b.chunks_exact_mut(k.max(1)) {
        small::lambda_in_place(k, factor, level);
    }
    b
}

fn add_effects(term: &ReTerm, b: &[f64], eta: &mut [f64]) {
    let mut rows = Vec::new();
    for (chunk, eta) in eta.chunks_mut(CHUNK).enumerate() {
        term.add_effects(b, chunk * CHUNK, &mut rows, eta);
    }
}
