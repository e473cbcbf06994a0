//! The quasi-Newton method (L-BFGS) for the coefficients of fixed factors that are stored as terms.
//!
//! The metric at the start is the Hessian of the penalized deviance in the coefficients, of which
//! the engine has the factor; the steps of the search add what `log |H|` contributes. A step has a
//! part for the modes, too, which predicts their change.

use super::engine::Engine;
use crate::error::Result;
use crate::factor::Solution;
use crate::kernels::small;
use crate::tolerances::LEAST_CHANGE;

/// Number of steps from which the Hessian is approximated.
const MEMORY: usize = 20;

/// The last steps of a search, and the changes of the slopes along them.
#[derive(Debug, Default)]
pub(super) struct LevelSearch {
    pairs: Vec<Pair>,
}

/// A step with the change of the slopes along it.
#[derive(Debug)]
struct Pair {
    step: Solution,
    change: Vec<Vec<f64>>,
    /// The inner product of step and change.
    curvature: f64,
}

impl LevelSearch {
    /// The quasi-Newton step for these slopes, which are zero for random terms.
    ///
    /// # Errors
    /// `NeedsFactor` with the iterative engine.
    pub fn step(
        &self,
        engine: &Engine,
        slopes: &[Vec<f64>],
    ) -> Result<Solution> {
        let mut left = slopes.to_vec();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let share = self.product(&left, &pair.step) / pair.curvature;
            add_multiple(-share, &pair.change, &mut left);
            shares.push(share);
        }
        let mut step = engine.solve_with_levels(&left)?;
        // The penalized deviance has twice the Hessian of which the engine has the factor.
        scale(-0.5, &mut step);
        for (pair, share) in self.pairs.iter().zip(shares.iter().rev()) {
            let along = self.product(&pair.change, &step) / pair.curvature;
            add_multiple(-share - along, &pair.step.u, &mut step.u);
            add_multiple(-share - along, &pair.step.b, &mut step.b);
        }
        Ok(step)
    }

    /// The inner product of slopes and a step.
    pub fn product(&self, slopes: &[Vec<f64>], step: &Solution) -> f64 {
        let terms = slopes.iter().zip(&step.b);
        terms.map(|(slopes, b)| small::dot(slopes, b)).sum()
    }

    /// Learns from the slopes before and after a step of some length.
    pub fn learn(
        &mut self,
        mut step: Solution,
        length: f64,
        before: &[Vec<f64>],
        after: &[Vec<f64>],
    ) {
        let mut change = after.to_vec();
        add_multiple(-1.0, before, &mut change);
        scale(length, &mut step);
        let expected = -length * self.product(before, &step);
        let curvature = self.product(&change, &step);
        if self.pairs.len() == MEMORY {
            self.pairs.remove(0);
        }
        if curvature > LEAST_CHANGE * expected {
            self.pairs.push(Pair {
                step,
                change,
                curvature,
            });
        }
    }
}

fn scale(by: f64, step: &mut Solution) {
    let values = step.u.iter_mut().chain(&mut step.b);
    values.flatten().for_each(|value| *value *= by);
}

fn add_multiple(by: f64, from: &[Vec<f64>], to: &mut [Vec<f64>]) {
    for (from, to) in from.iter().zip(to) {
        small::axpy(by, from, to);
    }
}
