//! Optima that aren't single points: covariances without a bound, and covariances that can't be
//! told apart.

use crate::coordinates::Coordinates;
use crate::kernels::small;
use crate::optimize::trust_region::Model;
use crate::tolerances::{
    FLAT_CURVATURE, FLAT_SLOPE, INVOLVED_SHARE, LARGE_SD, LARGE_SHARE, ZERO_SD,
};

/// The large coordinates of covariances, if nothing changes as they grow together.
pub(super) fn unbounded(
    at: &Coordinates,
    x: &[f64],
    step_sizes: &[f64],
    slopes: &[f64],
    hessian: &[f64],
) -> Vec<usize> {
    let n = x.len();
    // The coordinates, in their units, where they are large; the others don't grow.
    let mut sizes = vec![0.0; n];
    for b in 0..n {
        let size = x[b] / step_sizes[b];
        if at.is_covariance(b) && size.abs() > LARGE_SD {
            sizes[b] = size;
        }
    }
    // Slope and curvature of the objective in the logarithm of a factor by which all of them grow.
    let slope = small::dot(slopes, &sizes);
    let mut curvature = 0.0;
    for (column, size) in hessian.chunks_exact(n.max(1)).zip(&sizes) {
        curvature += size * small::dot(column, &sizes);
    }
    if slope.abs().max(curvature.abs()) >= FLAT_SLOPE {
        return Vec::new();
    }
    (0..n).filter(|&b| sizes[b] != 0.0).collect()
}

/// The coordinates of covariances that are about as large as the largest, in their units.
pub(super) fn largest(
    at: &Coordinates,
    x: &[f64],
    step_sizes: &[f64],
) -> Vec<usize> {
    let limit = LARGE_SHARE * at.extent(x, step_sizes);
    let is_large = |&b: &usize| (x[b] / step_sizes[b]).abs() >= limit;
    let covariances = (0..x.len()).filter(|&b| at.is_covariance(b));
    covariances.filter(is_large).collect()
}

/// The coordinates of covariances that change along a direction in which the objective doesn't.
pub(super) fn unidentified(
    at: &Coordinates,
    x: &[f64],
    step_sizes: &[f64],
    model: &Model,
) -> Vec<usize> {
    // A correlation of effects that don't vary makes no difference.
    let mut x = x.to_vec();
    for (value, size) in x.iter_mut().zip(step_sizes) {
        if value.abs() < ZERO_SD * size {
            *value = 0.0;
        }
    }
    let extent = at.extent(&x, step_sizes).max(1.0);
    let rounding = FLAT_CURVATURE * model.largest().max(1.0);
    let limit = rounding.min(FLAT_SLOPE / (extent * extent));
    let mut is_involved = vec![false; x.len()];
    for (i, value) in model.values().iter().enumerate() {
        if value.abs() >= limit || value.is_nan() {
            continue;
        }
        let direction = model.direction(i);
        let scaled = direction.iter().zip(step_sizes);
        let step: Vec<f64> = scaled.map(|(d, size)| d * size).collect();
        if at.changes_covariances(&x, &step) {
            for (b, element) in direction.iter().enumerate() {
                is_involved[b] |=
                    at.is_covariance(b) && element.abs() > INVOLVED_SHARE;
            }
        }
    }
    (0..x.len()).filter(|&b| is_involved[b]).collect()
}
