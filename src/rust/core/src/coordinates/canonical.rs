//! The canonical one of several equivalent coordinates, that is, with the same covariance, and the
//! coordinates whose bound has no equivalents beyond it.
//!
//! Changing the sign of a standard deviation, or of a column of Lambda, gives an equivalent point
//! unless an element that would have to change with it is held.

use crate::coordinates::angles;
use crate::covariance::{Part, Role};
use crate::tolerances::SAME_COVARIANCE;

/// Chooses among the equivalent coordinates of one part those within the bounds or, if there are
/// none, the nearest ones. Held elements are unchanged.
pub(super) fn make_canonical(part: &Part, x: &mut [f64], held: &[bool]) {
    for j in part.correlations().filter(|&j| !held[j]) {
        x[j] = angles::canonical(x[j]);
    }
    for (j, role) in part.roles().iter().enumerate() {
        match *role {
            Role::Factor { row, column }
                if row == column && x[j] < 0.0 && !held[j] =>
            {
                flip_column(part, column, x, held);
            }
            _ => {}
        }
    }
    let is_negative =
        |j: usize| part.roles()[j].is_scale() && x[j] < 0.0 && !held[j];
    if (0..x.len()).any(is_negative) {
        flip_scales(part, x, held);
    }
}

/// The parameters of one part without equivalents below their bound of zero, where the objective
/// may have a nonzero derivative.
pub(super) fn kinks(part: &Part, held: &[bool]) -> Vec<usize> {
    let is_correlated = !part.correlations().is_empty();
    let is_kink = |(_, role): &(usize, &Role)| match **role {
        Role::Scale { .. } => is_correlated,
        Role::Factor { row, column } => {
            row == column && is_anchored(part, column, held)
        }
        _ => false,
    };
    let kinks = part.roles().iter().enumerate().filter(is_kink);
    kinks.map(|(j, _)| j).collect()
}

// Changes the sign of a column of Lambda, which leaves Omega unchanged.
fn flip_column(part: &Part, column: usize, x: &mut [f64], held: &[bool]) {
    let is_anchored = is_anchored(part, column, held);
    for (value, role) in x.iter_mut().zip(part.roles()) {
        match *role {
            Role::Factor { row, column: own } if own == column => {
                if !is_anchored {
                    *value = -*value;
                } else if row == column {
                    *value = 0.0;
                }
            }
            _ => {}
        }
    }
}

// Whether an element below the diagonal is held, so that the column's sign cannot change.
fn is_anchored(part: &Part, column: usize, held: &[bool]) -> bool {
    let is_below = |role: &Role| match *role {
        Role::Factor { row, column: own } => own == column && row > column,
        _ => false,
    };
    let mut roles = part.roles().iter().zip(held);
    roles.any(|(role, held)| *held && is_below(role))
}

// Makes standard deviations positive, where correlations can change sign instead: with the signs of
// the effects or, where zero standard deviations leave the signs undetermined, with alternating
// signs.
fn flip_scales(part: &Part, x: &mut [f64], held: &[bool]) {
    let mut own = vec![1.0; part.size];
    for (j, effect) in part.scales() {
        if x[j] < 0.0 {
            own[effect] = -1.0;
        }
    }
    let mut alternating = vec![1.0; part.size];
    for sign in alternating.iter_mut().skip(1).step_by(2) {
        *sign = -1.0;
    }
    let wanted = omega(part, x, held);
    for signs in [own, alternating] {
        if let Some(flipped) = flipped(part, x, held, &signs) {
            if is_same(&omega(part, &flipped, held), &wanted) {
                return x.copy_from_slice(&flipped);
            }
        }
    }
    for ((value, role), held) in x.iter_mut().zip(part.roles()).zip(held) {
        if role.is_scale() && !held {
            *value = value.max(0.0);
        }
    }
}

// The absolute standard deviations, with correlations multiplied by the signs of their effects.
fn flipped(
    part: &Part,
    x: &[f64],
    held: &[bool],
    signs: &[f64],
) -> Option<Vec<f64>> {
    let mut flipped = x.to_vec();
    for ((value, role), held) in flipped.iter_mut().zip(part.roles()).zip(held)
    {
        let wanted = match *role {
            Role::Correlation { row, column, .. } if row < part.size => {
                signs[row] * signs[column] * *value
            }
            Role::Correlation { .. } | Role::Factor { .. } => *value,
            Role::Scale { .. } | Role::CommonScale => value.abs(),
        };
        if *held && wanted != *value {
            return None;
        }
        *value = wanted;
    }
    Some(flipped)
}

fn omega(part: &Part, x: &[f64], held: &[bool]) -> Vec<f64> {
    let mut theta = x.to_vec();
    angles::to_theta(part, &mut theta, held);
    part.omega(&theta)
}

fn is_same(a: &[f64], b: &[f64]) -> bool {
    let sizes = b.iter().map(|value| value.abs());
    let limit = SAME_COVARIANCE * sizes.fold(0.0, f64::max);
    let mut pairs = a.iter().zip(b);
    pairs.all(|(a, b)| (a - b).abs() <= limit)
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
