//! The trust-region subproblem of Newton's method: `min g'p + p'|H|p / 2` subject to
//! `|p| <= radius` (Nocedal and Wright 2006, section 4.3).
//!
//! `|H|` has the absolute eigenvalues of H (saddle-free Newton method, Dauphin et al. 2014), so
//! that a step is repelled by a saddle point instead of attracted.

use crate::kernels::eigen::Eigen;
use crate::kernels::small;
use crate::tolerances::{LEAST_CURVATURE, RADIUS_SLACK};

/// A quadratic model of the objective around a point, in the eigenvectors Q of the Hessian.
#[derive(Debug)]
pub(crate) struct Model {
    eigen: Eigen,
    /// The gradient along the eigenvectors, `Q'g`.
    slopes: Vec<f64>,
    /// The eigenvalues of `|H|`, bounded away from zero.
    curvatures: Vec<f64>,
}

/// A step, with the decrease that the model predicts.
#[derive(Debug)]
pub(crate) struct Step {
    /// The change of each coordinate.
    pub(crate) p: Vec<f64>,
    /// The step's length.
    pub(crate) length: f64,
    /// The predicted decrease of the objective.
    pub(crate) predicted: f64,
}

impl Model {
    /// Working memory for `n` parameters.
    pub(crate) fn new(n: usize) -> Self {
        Self {
            eigen: Eigen::new(n),
            slopes: vec![0.0; n],
            curvatures: vec![0.0; n],
        }
    }

    /// Sets gradient and Hessian; returns `false` if they are not finite.
    pub(crate) fn update(&mut self, gradient: &[f64], hessian: &[f64]) -> bool {
        if !self.eigen.decompose(hessian)
            || !gradient.iter().all(|g| g.is_finite())
        {
            return false;
        }
        let largest = self
            .eigen
            .values
            .iter()
            .fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
        for (i, value) in self.eigen.values.iter().enumerate() {
            self.slopes[i] = small::dot(self.eigen.vector(i), gradient);
            self.curvatures[i] = value.abs().max(LEAST_CURVATURE * largest);
        }
        true
    }

    /// The minimum of the model within `radius`.
    pub(crate) fn step(&self, radius: f64) -> Step {
        let shift = self.shift(radius);
        let mut p = vec![0.0; self.slopes.len()];
        let mut predicted = 0.0;
        let mut square = 0.0;
        for (i, (slope, curvature)) in
            self.slopes.iter().zip(&self.curvatures).enumerate()
        {
            let t = -slope / (curvature + shift);
            predicted -= t * (slope + 0.5 * curvature * t);
            square += t * t;
            small::axpy(t, self.eigen.vector(i), &mut p);
        }
        Step {
            p,
            length: square.sqrt(),
            predicted,
        }
    }

    /// The smallest eigenvalue of H and its eigenvector.
    pub(crate) fn lowest(&self) -> Option<(f64, &[f64])> {
        Some((*self.eigen.values.first()?, self.eigen.vector(0)))
    }

    /// Whether H is positive definite.
    pub(crate) fn is_convex(&self) -> bool {
        self.eigen.values.iter().all(|value| *value > 0.0)
    }

    /// The eigenvector of the `i`-th eigenvalue of H.
    pub(crate) fn direction(&self, i: usize) -> &[f64] {
        self.eigen.vector(i)
    }

    /// The largest absolute eigenvalue.
    pub(crate) fn largest(&self) -> f64 {
        self.curvatures.iter().fold(0.0, |m: f64, v| m.max(*v))
    }

    /// The eigenvalues of H, ascending.
    pub(crate) fn values(&self) -> &[f64] {
        &self.eigen.values
    }

    // Newton's method for the secular equation `1 / |p(shift)| = 1 / radius`, which converges from
    // the left.
    fn shift(&self, radius: f64) -> f64 {
        let mut shift = 0.0;
        for _ in 0..60 {
            let mut square = 0.0;
            let mut slope = 0.0;
            for (g, curvature) in self.slopes.iter().zip(&self.curvatures) {
                let t = g / (curvature + shift);
                square += t * t;
                slope += t * t / (curvature + shift);
            }
            let length: f64 = f64::sqrt(square);
            if length <= radius * (1.0 + RADIUS_SLACK) {
                break;
            }
            shift += square / slope * (length - radius) / radius;
        }
        shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let mut model = Model::new(2);
        // H = [2 1; 1 -2]
        assert!(model.update(&[1.0, 3.0], &[2.0, 1.0, 1.0, -2.0]));
        model
    }

    #[test]
    fn free_step_solves_the_system_of_absolute_curvatures() {
        // |H| = sqrt(5) I here.
        let step = model().step(10.0);
        let root = 5f64.sqrt();
        assert!(
            (step.p[0] + 1.0 / root).abs() < 1e-14
                && (step.p[1] + 3.0 / root).abs() < 1e-14
        );
        assert!((step.predicted - 10.0 / (2.0 * root)).abs() < 1e-13);
    }

    #[test]
    fn long_step_is_cut_to_the_radius() {
        let step = model().step(0.1);
        assert!((step.length / 0.1 - 1.0).abs() < 2e-3, "{}", step.length);
        assert!(step.predicted > 0.0);
    }

    #[test]
    fn curvature_that_is_not_finite_is_refused() {
        assert!(!Model::new(2).update(&[1.0, 1.0], &[f64::NAN, 0.0, 0.0, 1.0]));
        assert!(!Model::new(1).update(&[f64::INFINITY], &[1.0]));
    }
}
