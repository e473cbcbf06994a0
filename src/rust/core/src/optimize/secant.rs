//! Secant correction (symmetric, rank two) of an approximate Hessian from the last step.
//!
//! Along a step s the gradient changes by `y = H s`, where H is the mean Hessian on the way, equal
//! to the average of its values at both ends up to third order in s. For approximate Hessians `H_0`
//! and `H_1` at the ends, the secant residual `r = y - (H_0 + H_1) s / 2` is the error that
//! prevents quadratic convergence, and it varies slowly. The correction D of `H_1` is the symmetric
//! matrix with `D s = r` of least norm in the metric of `H_1` (Nocedal and Wright 2006, section
//! 6.1): with `w = H_1 s`,
//!
//! `D = (r w' + w r') / s'w - (s'r) w w' / (s'w)^2`.

use crate::kernels::small;
use crate::tolerances::MOST_MISSED;

/// The last point of a search and its derivatives.
#[derive(Debug, Default)]
pub(super) struct Secant {
    x: Vec<f64>,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
}

impl Secant {
    /// Records a point with its derivatives, which are in multiples of `step_sizes`; after a short
    /// step, corrects the Hessian.
    pub fn learn(
        &mut self,
        (x, step_sizes): (&[f64], &[f64]),
        is_short: bool,
        gradient: &[f64],
        hessian: &mut [f64],
    ) {
        let units = x.iter().zip(step_sizes);
        let here = Self {
            x: units.map(|(x, step_size)| x / step_size).collect(),
            gradient: gradient.to_vec(),
            hessian: hessian.to_vec(),
        };
        let before = std::mem::replace(self, here);
        if is_short && before.x.len() == x.len() {
            self.correct(&before, hessian);
        }
    }

    fn correct(&self, before: &Self, hessian: &mut [f64]) {
        let n = self.x.len();
        let step = difference(&self.x, &before.x);
        let (w, w_before) =
            (times(&self.hessian, &step), times(&before.hessian, &step));
        let mut missed = difference(&self.gradient, &before.gradient);
        small::axpy(-0.5, &w, &mut missed);
        small::axpy(-0.5, &w_before, &mut missed);
        let curvature = small::dot(&step, &w);
        let is_some = norm(&missed) <= MOST_MISSED * norm(&w);
        if !(curvature > 0.0 && is_some) {
            return;
        }
        let along = small::dot(&step, &missed) / curvature;
        for (j, column) in hessian.chunks_exact_mut(n).enumerate() {
            for (i, value) in column.iter_mut().enumerate() {
                let both = missed[i] * w[j] + w[i] * missed[j];
                *value += (both - along * w[i] * w[j]) / curvature;
            }
        }
    }
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
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

    // The gradient of a cubic; `rough` is its Hessian made a few per cent too small.
    fn gradient([x, y]: [f64; 2]) -> [f64; 2] {
        [3.0 * x + y + x * x, x + 2.0 * y - y * y]
    }

    fn rough([x, y]: [f64; 2]) -> [f64; 4] {
        [2.9 + 2.0 * x, 1.0, 1.0, 1.9 - 2.0 * y]
    }

    #[test]
    fn hessian_explains_the_step_up_to_its_third_power() {
        for size in [1.0, 0.1] {
            let (from, to) =
                ([0.1, 0.2], [0.1 + 0.03 * size, 0.2 - 0.01 * size]);
            let mut secant = Secant::default();
            let mut hessian = rough(from);
            let units = [1.0, 2.0];
            let at = |x: [f64; 2]| [x[0], 2.0 * x[1]];
            let place = (&at(from)[..], &units[..]);
            secant.learn(place, true, &gradient(from), &mut hessian);
            assert_eq!(hessian, rough(from));
            let mut hessian = rough(to);
            let place = (&at(to)[..], &units[..]);
            secant.learn(place, true, &gradient(to), &mut hessian);
            let step = [to[0] - from[0], to[1] - from[1]];
            let exact =
                times(&[3.0 + 2.0 * to[0], 1.0, 1.0, 2.0 - 2.0 * to[1]], &step);
            let found = times(&hessian, &step);
            for (found, exact) in found.iter().zip(exact) {
                assert!((found - exact).abs() < 1e-12, "{found} {exact}");
            }
            assert_eq!(hessian[1], hessian[2]);
        }
    }

    #[test]
    fn what_is_too_much_or_after_a_long_step_is_left_aside() {
        for (size, is_short) in [(2.0, true), (0.01, false)] {
            let mut secant = Secant::default();
            for x in [[0.0, 0.0], [size, size]] {
                let mut hessian = rough([0.0, 0.0]);
                let place = (&x[..], &[1.0, 1.0][..]);
                secant.learn(place, is_short, &gradient(x), &mut hessian);
                assert_eq!(hessian, rough([0.0, 0.0]));
            }
        }
    }
}
