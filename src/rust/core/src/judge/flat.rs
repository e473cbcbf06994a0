//! Optima that aren't single points: covariances without a bound, and covariances that can't be
//! told apart.

use crate::coordinates::Coordinates;
use crate::optimize::trust_region::Model;
use crate::tolerances::{FLAT_CURVATURE, FLAT_SLOPE, INVOLVED_SHARE, LARGE_SD, ZERO_SD};

/// The large coordinates of covariances, if nothing changes as they grow together.
pub(super) fn unbounded(
    at: &Coordinates,
    x: &[f64],
    step_sizes: &[f64],
    slopes: &[f64],
    hessian: &[f64],
) -> Vec<usize> {
    let n = x.len();
    let size = |b: usize| x[b] / step_sizes[b];
    let is_large = |b: usize| at.is_covariance(b) && size(b).abs() > LARGE_SD;
    let large: Vec<usize> = (0..n).filter(|&b| is_large(b)).collect();
    // Slope and curvature of the objective in the logarithm of a factor by which all of them grow.
    let slope: f64 = large.iter().map(|&b| slopes[b] * size(b)).sum();
    let form = |b: usize, a: usize| hessian[b * n + a] * size(a) * size(b);
    let mut curvature = 0.0;
    for &b in &large {
        curvature += large.iter().map(|&a| form(b, a)).sum::<f64>();
    }
    if slope.abs().max(curvature.abs()) < FLAT_SLOPE {
        large
    } else {
        Vec::new()
    }
}

/// The coordinates of covariances that change along a direction in which the objective doesn't.
pub(super) fn unidentified(
    at: &Coordinates,
    x: &[f64],
    step_sizes: &[f64],
    model: &Model,
) -> Vec<usize> {
    // A correlation of effects that don't vary makes no difference.
    let settled = |(x, size): (&f64, &f64)| if x.abs() < ZERO_SD * size { 0.0 } else { *x };
    let x: Vec<f64> = x.iter().zip(step_sizes).map(settled).collect();
    let extent = at.extent(&x, step_sizes).max(1.0);
    let rounding = FLAT_CURVATURE * model.largest().max(1.0);
    let limit = rounding.min(FLAT_SLOPE / (extent * extent));
    let flat = (0..x.len()).filter(|&i| model.values()[i].abs() < limit);
    let mut is_involved = vec![false; x.len()];
    for direction in flat.map(|i| model.direction(i)) {
        let scaled = direction.iter().zip(step_sizes);
        let step: Vec<f64> = scaled.map(|(d, size)| d * size).collect();
        if at.changes_covariances(&x, &step) {
            for (b, element) in direction.iter().enumerate() {
                is_involved[b] |= at.is_covariance(b) && element.abs() > INVOLVED_SHARE;
            }
        }
    }
    (0..x.len()).filter(|&b| is_involved[b]).collect()
}
