//! Structured secant corrections (symmetric, of rank two each) of approximate Hessians.
//!
//! Along a step s the gradient changes by `y = H s`, where H is the mean Hessian on the way, equal
//! to the average of its values at both ends up to third order in s. Approximate Hessians `H_0` and
//! `H_1` at the ends have an error that varies slowly, and that prevents quadratic convergence. The
//! sum S of the corrections approximates it (Dennis, Gay and Welsch 1981): each step adds the
//! symmetric matrix D with `(S + D) s = y - (H_0 + H_1) s / 2` of least norm in the metric of the
//! corrected Hessian (Nocedal and Wright 2006, section 6.1). With the secant residual
//! `r = y - (H_0 + H_1) s / 2 - S s` and `w = (H_1 + S) s`,
//!
//! `D = (r w' + w r') / s'w - (s'r) w w' / (s'w)^2`.

use crate::kernels::small;
use crate::tolerances::MOST_MISSED;

/// The derivatives at the last point of a search, and the error of its Hessians.
#[derive(Debug, Default)]
pub(super) struct Secant {
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    /// S, a symmetric matrix.
    error: Vec<f64>,
}

impl Secant {
    /// Records the derivatives at a point. A short step to it, if there is one, updates the
    /// estimated error of Hessians, and the Hessian is corrected by it.
    pub fn correct(
        &mut self,
        short_step: Option<&[f64]>,
        gradient: &[f64],
        hessian: &mut [f64],
    ) {
        let here = Self {
            gradient: gradient.to_vec(),
            hessian: hessian.to_vec(),
            error: vec![0.0; hessian.len()],
        };
        let mut before = std::mem::replace(self, here);
        if let Some(step) = short_step {
            self.error = std::mem::take(&mut before.error);
            self.update(step, &before);
            small::axpy(1.0, &self.error, hessian);
        }
    }

    fn update(&mut self, step: &[f64], before: &Self) {
        let change = times(&self.hessian, step);
        let change_before = times(&before.hessian, step);
        let explained = times(&self.error, step);
        let mut missed = self.gradient.clone();
        small::axpy(-1.0, &before.gradient, &mut missed);
        small::axpy(-0.5, &change, &mut missed);
        small::axpy(-0.5, &change_before, &mut missed);
        let is_explicable = norm(&missed) <= MOST_MISSED * norm(&change);
        let mut w = change;
        small::axpy(1.0, &explained, &mut w);
        let mut residual = missed;
        small::axpy(-1.0, &explained, &mut residual);
        let curvature = small::dot(step, &w);
        if !(curvature > 0.0 && is_explicable) {
            self.error.fill(0.0);
            return;
        }
        let along = small::dot(step, &residual) / curvature;
        let columns = self.error.chunks_exact_mut(step.len());
        for (j, column) in columns.enumerate() {
            for (i, value) in column.iter_mut().enumerate() {
                let both = residual[i] * w[j] + w[i] * residual[j];
                *value += (both - along * w[i] * w[j]) / curvature;
            }
        }
    }
}

// The product of a symmetric matrix and a vector.
fn times(matrix: &[f64], x: &[f64]) -> Vec<f64> {
    let columns = matrix.chunks_exact(x.len());
    columns.map(|column| small::dot(column, x)).collect()
}

fn norm(x: &[f64]) -> f64 {
    small::dot(x, x).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The gradient of a cubic, its Hessian, and one that is a few per cent too small.
    fn gradient([x, y]: [f64; 2]) -> [f64; 2] {
        [3.0 * x + y + x * x, x + 2.0 * y - y * y]
    }

    fn exact([x, y]: [f64; 2]) -> [f64; 4] {
        [3.0 + 2.0 * x, 1.0, 1.0, 2.0 - 2.0 * y]
    }

    fn rough([x, y]: [f64; 2]) -> [f64; 4] {
        [2.9 + 2.0 * x, 1.0, 1.0, 1.9 - 2.0 * y]
    }

    #[test]
    fn hessian_explains_the_step_up_to_its_third_power() {
        for size in [1.0, 0.1] {
            let from = [0.1, 0.2];
            let step = [0.03 * size, -0.01 * size];
            let to = [from[0] + step[0], from[1] + step[1]];
            let mut secant = Secant::default();
            let mut hessian = rough(from);
            secant.correct(None, &gradient(from), &mut hessian);
            assert_eq!(hessian, rough(from));
            let mut hessian = rough(to);
            secant.correct(Some(&step), &gradient(to), &mut hessian);
            let (exact, found) =
                (times(&exact(to), &step), times(&hessian, &step));
            for (found, exact) in found.iter().zip(exact) {
                assert!((found - exact).abs() < 1e-12, "{found} {exact}");
            }
            assert_eq!(hessian[1], hessian[2]);
        }
    }

    // The error of the Hessian, a tenth of the identity, is the same everywhere.
    #[test]
    fn steps_in_several_directions_add_up_to_the_error() {
        let mut point = [0.1, 0.2];
        let mut secant = Secant::default();
        secant.correct(None, &gradient(point), &mut rough(point));
        let mut hessian = [0.0; 4];
        for k in 0..12 {
            let step = match k % 2 {
                0 => [0.01, 0.002],
                _ => [-0.003, 0.01],
            };
            point = [point[0] + step[0], point[1] + step[1]];
            hessian = rough(point);
            secant.correct(Some(&step), &gradient(point), &mut hessian);
        }
        for (found, exact) in hessian.iter().zip(exact(point)) {
            assert!((found - exact).abs() < 1e-6, "{found} {exact}");
        }
    }

    #[test]
    fn large_residuals_and_long_steps_correct_nothing() {
        for (size, is_short) in [(2.0, true), (0.01, false)] {
            let mut secant = Secant::default();
            let step = [size, size];
            let short_step = is_short.then_some(&step[..]);
            for (x, step) in [([0.0, 0.0], None), (step, short_step)] {
                let mut hessian = rough([0.0, 0.0]);
                secant.correct(step, &gradient(x), &mut hessian);
                assert_eq!(hessian, rough([0.0, 0.0]));
            }
        }
    }
}
