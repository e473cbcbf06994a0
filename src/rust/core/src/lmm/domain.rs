//! Where theta is looked for: start, bounds, and elements that are held.

use crate::covariance::RelCov;
use crate::tolerances::{ORDINARY_HIGH, ORDINARY_LOW};

/// Where an optimizer looks for theta.
#[derive(Debug, Clone)]
pub(super) struct Domain {
    pub start: Vec<f64>,
    pub lower: Vec<f64>,
    /// Elements of theta that no optimizer may change.
    pub held: Vec<bool>,
    /// Held elements that are a value over sigma, with that value.
    pub absolute: Vec<(usize, f64)>,
}

/// Elements of theta that aren't fitted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    /// Elements that are held, with their values.
    pub relative: Vec<(usize, f64)>,
    /// Elements that are held at a value over sigma, on the scale of the response.
    pub absolute: Vec<(usize, f64)>,
}

impl Held {
    /// All elements that aren't free.
    pub fn indices(&self) -> Vec<usize> {
        let all = self.relative.iter().chain(&self.absolute);
        all.map(|&(index, _)| index).collect()
    }
}

impl Domain {
    // Lambda = I, but for columns whose inverse root mean square, the step size, is far from one.
    pub fn new(covs: &[RelCov], step_sizes: &[f64]) -> Self {
        let n_theta = step_sizes.len();
        let mut start = vec![1.0; n_theta];
        let mut lower = vec![f64::NEG_INFINITY; n_theta];
        for cov in covs {
            cov.fill_start(&mut start);
            cov.fill_lower_bounds(&mut lower);
        }
        for (start, step_size) in start.iter_mut().zip(step_sizes) {
            if !(ORDINARY_LOW..=ORDINARY_HIGH).contains(step_size) {
                *start *= step_size;
            }
        }
        Self {
            start,
            lower,
            held: vec![false; n_theta],
            absolute: Vec::new(),
        }
    }
}
