//! Angles as coordinates of correlations: smooth and unbounded, with both ends of a correlation's
//! range at finite angles.
//!
//! A structure maps its correlations to shares `p` in [-1, 1] (for a single correlation, its
//! position within its range); the coordinate of a share is the angle x with `p = sin(x)`. At an
//! end of the range, where the correlation matrix is singular, the derivative in x vanishes, as
//! that in a diagonal element of Lambda does at zero, and the second derivative decides whether the
//! end is an optimum. All other parameters are their own coordinates; held parameters are
//! unchanged.

use std::f64::consts::{FRAC_PI_2, TAU};

use crate::covariance::Part;
use crate::kernels::jet::Jet;

/// Replaces the angles among the coordinates of one part by correlations.
pub(super) fn to_theta(part: &Part, x: &mut [f64], held: &[bool]) {
    for j in part.correlations().filter(|&j| !held[j]) {
        x[j] = x[j].sin();
    }
    part.to_correlations(x, held);
}

/// Replaces the correlations among the parameters of one part by angles.
pub(super) fn from_theta(part: &Part, theta: &mut [f64], held: &[bool]) {
    part.from_correlations(theta, held);
    for j in part.correlations().filter(|&j| !held[j]) {
        theta[j] = theta[j].asin();
    }
}

/// The angle between -pi/2 and pi/2 with the same sine.
pub(super) fn canonical(x: f64) -> f64 {
    let turned = x - TAU * (x / TAU).round();
    if turned > FRAC_PI_2 {
        2.0 * FRAC_PI_2 - turned
    } else if turned < -FRAC_PI_2 {
        -2.0 * FRAC_PI_2 - turned
    } else {
        turned
    }
}

/// The correlations of one part at the coordinates `x`, with derivatives in the angles; there is
/// one variable per correlation, held or not.
pub(super) fn jets(part: &Part, x: &[f64], held: &[bool]) -> Vec<Jet> {
    let own = part.correlations();
    let n = own.len();
    let mut jets = Vec::with_capacity(n);
    for (variable, j) in own.clone().enumerate() {
        let (sin, cos) = x[j].sin_cos();
        jets.push(match held[j] {
            true => Jet::constant(n, x[j]),
            false => Jet::function(n, variable, [sin, cos, -sin]),
        });
    }
    if let Some(shares) = part.shares() {
        shares.jets_to_correlations(&mut jets, &held[own]);
        return jets;
    }
    for (j, jet) in own.zip(&mut jets) {
        if !held[j] {
            let (low, high) = part.roles()[j].bounds();
            jet.scale_derivatives(0.5 * (high - low));
        }
    }
    jets
}
