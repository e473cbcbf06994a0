//! Descent directions from the boundary of the cone of positive semi-definite covariance matrices.

/// The steepest descent direction of one part of a term at the boundary of the cone.
#[derive(Debug, Clone, PartialEq)]
pub struct DescentDirection {
    /// Term of the design.
    pub term: usize,
    /// Part of the term.
    pub part: usize,
    /// The directional derivative of the objective, with each column of Z scaled to a mean square
    /// of one; for an unstructured covariance, the smallest eigenvalue of `G`.
    pub lambda_min: f64,
    /// The direction: the change of Omega per unit of the step, `k x k` in the columns of the term.
    pub change: Vec<f64>,
    /// The minimising step of the quadratic model; 0 if the direction is not one of descent.
    pub step: f64,
    /// The predicted decrease of the objective.
    pub gain: f64,
}

impl DescentDirection {
    /// The combination of effects whose variance increases along the direction. If it has several,
    /// that with the effect whose variance increases most.
    pub fn direction(&self) -> Vec<f64> {
        let k = self.change.len().isqrt();
        let size = |j: usize| self.change[j * (k + 1)].max(0.0).sqrt();
        let largest = (0..k).max_by(|&i, &j| size(i).total_cmp(&size(j)));
        let mut direction: Vec<f64> = (0..k).map(size).collect();
        if let Some(largest) = largest {
            let covariances = &self.change[largest * k..(largest + 1) * k];
            for (value, covariance) in direction.iter_mut().zip(covariances) {
                // Adding positive zero makes the sign of a zero positive.
                *value *= 1f64.copysign(covariance + 0.0);
            }
        }
        direction
    }
}
