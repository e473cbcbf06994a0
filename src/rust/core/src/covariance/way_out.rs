//! Directions in which a covariance may leave the boundary of the cone of covariance matrices.

use super::Structure;

/// The steepest way out of one part of a term.
#[derive(Debug, Clone, PartialEq)]
pub struct WayOut {
    /// Term of the design.
    pub term: usize,
    /// Part of the term.
    pub part: usize,
    /// Smallest eigenvalue of `G`, with each column of Z scaled to a mean square of one.
    pub lambda_min: f64,
    /// Its eigenvector in the columns of the term (unscaled coordinates).
    pub direction: Vec<f64>,
    /// The correlation of the new variance, in structures that have one.
    pub rho: f64,
    /// Best `eps` of the quadratic model; 0 if `lambda_min` isn't negative.
    pub step: f64,
    /// By how much the objective should fall.
    pub gain: f64,
}

impl WayOut {
    /// Element `(r, s)` of what is added to Omega, per unit of the step.
    pub fn change(&self, structure: Structure, r: usize, s: usize) -> f64 {
        let correlation = if r == s {
            1.0
        } else {
            structure.covariance().correlation(r.abs_diff(s), self.rho)
        };
        self.direction[r] * self.direction[s] * correlation
    }
}
