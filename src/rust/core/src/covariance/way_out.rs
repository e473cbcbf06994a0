//! Directions in which a covariance may leave the boundary of the cone of covariance matrices.

/// The steepest way out of one part of a term.
#[derive(Debug, Clone, PartialEq)]
pub struct WayOut {
    /// Term of the design.
    pub term: usize,
    /// Part of the term.
    pub part: usize,
    /// The slope of the objective along the way, with each column of Z scaled to a mean square of
    /// one: in an unstructured covariance the smallest eigenvalue of `G`.
    pub lambda_min: f64,
    /// What is added to Omega per unit of the step, `k x k` in the columns of the term.
    pub change: Vec<f64>,
    /// Best step of the quadratic model; 0 if there is no way out.
    pub step: f64,
    /// By how much the objective should fall.
    pub gain: f64,
}

impl WayOut {
    /// The combination of effects whose variance the way adds; of several the one with the effect
    /// that gains most.
    pub fn direction(&self) -> Vec<f64> {
        let k = self.change.len().isqrt();
        let size = |j: usize| self.change[j * (k + 1)].max(0.0).sqrt();
        let largest = (0..k).max_by(|&i, &j| size(i).total_cmp(&size(j)));
        let mut direction: Vec<f64> = (0..k).map(size).collect();
        if let Some(largest) = largest {
            let covariances = &self.change[largest * k..(largest + 1) * k];
            for (value, covariance) in direction.iter_mut().zip(covariances) {
                // A zero counts as positive, whatever its sign.
                *value *= 1f64.copysign(covariance + 0.0);
            }
        }
        direction
    }
}
