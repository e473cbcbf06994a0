//! Rosenbrock's function, a curved valley, with its derivatives: a test problem for the optimizers.

use super::{Geometry, Objective};
use crate::error::Result;

// Holds the point of the last evaluation.
#[derive(Debug, Default)]
pub(super) struct Rosenbrock([f64; 2]);

impl Objective for Rosenbrock {
    fn value(&mut self, x: &[f64]) -> Result<f64> {
        self.0 = [x[0], x[1]];
        Ok(100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2))
    }

    fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
        let [x, y] = self.0;
        gradient[0] = -400.0 * x * (y - x * x) - 2.0 * (1.0 - x);
        gradient[1] = 200.0 * (y - x * x);
        Ok(())
    }

    fn hessian(&mut self, hessian: &mut [f64]) -> Result<()> {
        let [x, y] = self.0;
        hessian.copy_from_slice(&[
            1200.0 * x * x - 400.0 * y + 2.0,
            -400.0 * x,
            -400.0 * x,
            200.0,
        ]);
        Ok(())
    }
}

impl Geometry for Rosenbrock {}
