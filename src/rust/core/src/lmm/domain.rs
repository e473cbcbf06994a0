//! The domain of theta: start, lower bounds, and elements that are held fixed.

use crate::covariance::RelCov;
use crate::tolerances::{ORDINARY_HIGH, ORDINARY_LOW};

/// The domain over which an optimizer minimises in theta.
#[derive(Debug, Clone)]
pub(super) struct Domain {
    pub start: Vec<f64>,
    pub lower: Vec<f64>,
    /// Marks the elements of theta that no optimizer may change.
    pub held: Vec<bool>,
    /// Held elements that are a given standard deviation divided by the current sigma, with that
    /// standard deviation.
    pub absolute: Vec<(usize, f64)>,
}

/// Elements of theta that are held fixed rather than estimated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    /// Elements that are held at a value of theta, that is, relative to sigma.
    pub relative: Vec<(usize, f64)>,
    /// Elements that are held at a standard deviation on the scale of the response: theta is that
    /// value divided by sigma.
    pub absolute: Vec<(usize, f64)>,
}

impl Held {
    /// Indices of all held elements.
    pub fn indices(&self) -> Vec<usize> {
        let all = self.relative.iter().chain(&self.absolute);
        all.map(|&(index, _)| index).collect()
    }
}

impl Domain {
    // Starts at Lambda = I, except for columns whose step size (the reciprocal of their root mean
    // square) is far from one, which start at that step size.
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
