//! Optima that are not isolated points: unbounded covariances, and unidentified ones.

use crate::coordinates::Coordinates;
use crate::kernels::small;
use crate::optimize::trust_region::Model;
use crate::tolerances::{
    FLAT_CURVATURE, FLAT_SLOPE, INVOLVED_SHARE, LARGE_SD, LARGE_SHARE, ZERO_SD,
};

/// The coordinates of very large covariances, if the objective is flat as they grow proportionally.
pub(super) fn unbounded(
    at: &Coordinates,
    x: &[f64],
    step_sizes: &[f64],
    slopes: &[f64],
    hessian: &[f64],
) -> Vec<usize> {
    let n = x.len();
    // The large coordinates in their units; the others do not grow and are zero here.
    let mut sizes = vec![0.0; n];
    for b in 0..n {
        let size = x[b] / step_sizes[b];
        if at.is_covariance(b) && size.abs() > LARGE_SD {
            sizes[b] = size;
        }
    }
    // First and second derivative of the objective in the logarithm of a common factor of the large
    // covariances.
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

/// The coordinates of covariances that, in their units, are about as large as the largest.
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

/// The coordinates of covariances that change along a direction in which the objective is flat.
pub(super) fn unidentified(
    at: &Coordinates,
    x: &[f64],
    step_sizes: &[f64],
    model: &Model,
) -> Vec<usize> {
    // The correlations of an effect with zero variance are meaningless, so that changing them is no
    // change.
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
