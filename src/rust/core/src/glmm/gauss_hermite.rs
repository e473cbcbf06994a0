//! Gauss-Hermite rules for the standard normal distribution.

use faer::{Mat, Side};

/// Largest number of nodes of a rule.
pub(crate) const MAX_NODES: usize = 100;

/// A quadrature rule: `E f(X)` for standard normal X is approximately `sum_k weights_k f(nodes_k)`,
/// and exactly for polynomials up to degree `2 K - 1`. The weights sum to one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    /// Nodes, ascending.
    pub(crate) nodes: Vec<f64>,
    /// The weight of each node.
    pub(crate) weights: Vec<f64>,
}

impl Rule {
    /// The rule with `size` nodes: the zeros of the Hermite polynomial as eigenvalues of its Jacobi
    /// matrix (Golub and Welsch 1969), refined by Newton's method.
    pub(crate) fn new(size: usize) -> Self {
        let off_diagonal = |i: usize, j: usize| {
            if i.abs_diff(j) == 1 {
                (i.max(j) as f64).sqrt()
            } else {
                0.0
            }
        };
        let jacobi = Mat::from_fn(size, size, off_diagonal);
        let mut nodes = jacobi
            .self_adjoint_eigenvalues(Side::Lower)
            .unwrap_or_else(|_| vec![0.0; size]);
        nodes.sort_by(f64::total_cmp);
        let mut weights = vec![0.0; size];
        for (x, w) in nodes.iter_mut().zip(&mut weights) {
            for _ in 0..3 {
                let (last, before) = hermite(size, *x);
                *x -= last / ((size as f64).sqrt() * before);
            }
            *w = 1.0 / (size as f64 * hermite(size, *x).1.powi(2));
        }
        Self { nodes, weights }
    }

    /// The product rule in `dimension` variables: consecutive nodes, and the logarithms of their
    /// weights.
    pub(crate) fn product(&self, dimension: usize) -> (Vec<f64>, Vec<f64>) {
        let size = self.nodes.len();
        let count = size.pow(dimension as u32);
        let mut nodes = Vec::with_capacity(count * dimension);
        let mut log_weights = Vec::with_capacity(count);
        for index in 0..count {
            let digits =
                (0..dimension).map(|d| index / size.pow(d as u32) % size);
            nodes.extend(digits.clone().map(|i| self.nodes[i]));
            log_weights.push(digits.map(|i| self.weights[i].ln()).sum());
        }
        (nodes, log_weights)
    }
}

// The orthonormal Hermite polynomials of degree `size` and `size - 1`.
fn hermite(size: usize, x: f64) -> (f64, f64) {
    let mut last = 1.0;
    let mut before = 0.0;
    for j in 0..size {
        let next =
            (x * last - (j as f64).sqrt() * before) / ((j + 1) as f64).sqrt();
        (last, before) = (next, last);
    }
    (last, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_the_normal_distribution() {
        for size in [1, 2, 3, 9, 25, MAX_NODES] {
            let rule = Rule::new(size);
            let moment = |power: i32| {
                rule.nodes
                    .iter()
                    .zip(&rule.weights)
                    .map(|(x, w)| w * x.powi(power))
                    .sum::<f64>()
            };
            let mut expected = 1.0;
            for power in (0..2 * size as i32).step_by(2).take(10) {
                assert!(
                    (moment(power) - expected).abs() < 1e-12 * expected,
                    "{size} {power}"
                );
                assert!(moment(power + 1).abs() < 1e-10 * expected.max(1.0));
                expected *= f64::from(power + 1);
            }
        }
    }

    #[test]
    fn product_rule_is_ordered_like_digits() {
        let (nodes, log_weights) = Rule::new(2).product(2);
        assert_eq!(log_weights.len(), 4);
        assert!(
            (nodes[2] - 1.0).abs() < 1e-14 && (nodes[3] + 1.0).abs() < 1e-14
        );
    }
}
