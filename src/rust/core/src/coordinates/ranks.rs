//! Unstructured covariances of lower rank, and the factor of a singular one from which its null
//! space can turn.
//!
//! At a singular covariance the gradient in Lambda depends on which factor represents it: where a
//! column of Lambda is zero, so are the slopes in that column. With `Lambda = [0 0; 0 s]` no slope
//! shows that a covariance of the first effect lowers the objective; with `[0 0; s 0]`, which has
//! the same `Lambda Lambda'`, the slope in the first element does.

use super::other_thetas::OtherThetas;
use crate::covariance::{Part, RelCov};

impl OtherThetas<'_> {
    /// Theta with only the first columns of each unstructured Lambda, for each number of columns,
    /// the largest first.
    pub fn with_lower_ranks(&self, theta: &[f64]) -> Vec<Vec<f64>> {
        let widest = self.covs.iter().map(RelCov::vsize).max().unwrap_or(0);
        let mut points: Vec<Vec<f64>> = Vec::new();
        for rank in (1..widest).rev() {
            let point = self.of_rank(rank, theta);
            let before = points.last().map_or(theta, Vec::as_slice);
            if point != before {
                points.push(point);
            }
        }
        points
    }

    // Theta with this number of columns of each unstructured Lambda.
    fn of_rank(&self, rank: usize, theta: &[f64]) -> Vec<f64> {
        let mut point = theta.to_vec();
        for part in self.free_triangles() {
            part.for_each_parameter(|_, column, j| {
                if column >= rank {
                    point[part.theta_start + j] = 0.0;
                }
            });
        }
        point
    }

    /// Theta with the same covariances and the nonzero elements of each unstructured Lambda in its
    /// first columns; `None` if no Lambda changes, as none is singular.
    pub fn in_first_columns(&self, theta: &[f64]) -> Option<Vec<f64>> {
        let mut point = theta.to_vec();
        for part in self.free_triangles() {
            let k = part.size;
            let mut lambda = vec![0.0; k * k];
            part.for_each_parameter(|row, column, j| {
                lambda[column * k + row] = theta[part.theta_start + j];
            });
            move_to_first_columns(k, &mut lambda);
            part.for_each_parameter(|row, column, j| {
                point[part.theta_start + j] = lambda[column * k + row];
            });
        }
        (point != theta).then_some(point)
    }

    // The unstructured parts of several effects without held elements.
    fn free_triangles(&self) -> impl Iterator<Item = &Part> {
        let parts = self.covs.iter().flat_map(|cov| cov.parts());
        let triangles = parts.filter(|part| part.is_triangle());
        triangles.filter(|part| !self.held[part.range()].contains(&true))
    }
}

// Rotates the columns of a lower triangular matrix so that each row that is linearly independent of
// those above it has its last nonzero element, which is positive, in the next column.
fn move_to_first_columns(k: usize, lambda: &mut [f64]) {
    let mut next = 0;
    for row in 0..k {
        for other in next + 1..=row {
            rotate(k, lambda, (row, next, other));
        }
        let last = lambda[next * k + row];
        if last < 0.0 {
            let column = lambda[next * k..(next + 1) * k].iter_mut();
            column.for_each(|value| *value = -*value);
        }
        next += usize::from(last != 0.0);
    }
}

// Rotates two columns so that the element of a row in the other one becomes zero.
fn rotate(
    k: usize,
    lambda: &mut [f64],
    (row, own, other): (usize, usize, usize),
) {
    let (a, b) = (lambda[own * k + row], lambda[other * k + row]);
    if b == 0.0 {
        return;
    }
    let length = a.hypot(b);
    for i in row..k {
        let (x, y) = (lambda[own * k + i], lambda[other * k + i]);
        lambda[own * k + i] = (a * x + b * y) / length;
        lambda[other * k + i] = (a * y - b * x) / length;
    }
    lambda[other * k + row] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::small;

    // `Lambda Lambda'` of a matrix by columns.
    fn product(k: usize, lambda: &[f64]) -> Vec<f64> {
        small::product_transposed(k, lambda, lambda)
    }

    #[test]
    fn a_singular_factor_moves_to_its_first_columns() {
        // Rows (0, 0, 0), (-1, 2, 0) and (3, 1, 0.5).
        let before = [0.0, -1.0, 3.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.5];
        let mut lambda = before.to_vec();
        move_to_first_columns(3, &mut lambda);
        let pairs = product(3, &lambda).into_iter().zip(product(3, &before));
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-14));
        assert_eq!([lambda[0], lambda[4]], [0.0, 0.0]);
        assert!(lambda[1] > 0.0 && lambda[5] > 0.0);
        assert_eq!(lambda[6..], [0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_regular_factor_is_unchanged() {
        let before = [1.0, -1.0, 3.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.5];
        let mut lambda = before.to_vec();
        move_to_first_columns(3, &mut lambda);
        assert_eq!(lambda, before);
    }
}
