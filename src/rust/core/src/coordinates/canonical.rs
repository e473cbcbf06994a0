//! Coordinates with the same covariance: which of them to report, and where there is only one side.
//!
//! Signs of standard deviations and of the columns of Lambda are free, as long as no element is
//! held that would have to follow.

use crate::coordinates::angles;
use crate::covariance::{Part, Role};
use crate::tolerances::SAME_COVARIANCE;

/// Chooses among the coordinates of one part with the same Omega those within the bounds; where
/// there are none, the nearest. Elements that are held stay.
pub(super) fn make_canonical(part: &Part, x: &mut [f64], held: &[bool]) {
    let correlations = part.correlations();
    correlations
        .filter(|&j| !held[j])
        .for_each(|j| x[j] = angles::canonical(x[j]));
    for (j, role) in part.roles().iter().enumerate() {
        match *role {
            Role::Factor { row, column } if row == column && x[j] < 0.0 && !held[j] => {
                turn_column(part, column, x, held);
            }
            _ => {}
        }
    }
    let is_negative = |j: usize| part.roles()[j].is_scale() && x[j] < 0.0 && !held[j];
    if (0..x.len()).any(is_negative) {
        turn_scales(part, x, held);
    }
}

/// The parameters of one part without equivalents below their bound of zero: the objective may have
/// a slope there.
pub(super) fn kinks(part: &Part, held: &[bool]) -> Vec<usize> {
    let is_correlated = !part.correlations().is_empty();
    let is_kink = |(_, role): &(usize, &Role)| match **role {
        Role::Scale { .. } => is_correlated,
        Role::Factor { row, column } => row == column && is_anchored(part, column, held),
        _ => false,
    };
    let kinks = part.roles().iter().enumerate().filter(is_kink);
    kinks.map(|(j, _)| j).collect()
}

// A column of Lambda with its sign changed gives the same Omega.
fn turn_column(part: &Part, column: usize, x: &mut [f64], held: &[bool]) {
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

// Whether an element below the diagonal is held, so that the column keeps its sign.
fn is_anchored(part: &Part, column: usize, held: &[bool]) -> bool {
    let is_below = |role: &Role| match *role {
        Role::Factor { row, column: own } => own == column && row > column,
        _ => false,
    };
    part.roles()
        .iter()
        .zip(held)
        .any(|(role, held)| *held && is_below(role))
}

// Signs of standard deviations have an equivalent where the correlations can take them over: with
// the signs of the effects or, where zeros leave these open, with alternating ones.
fn turn_scales(part: &Part, x: &mut [f64], held: &[bool]) {
    let mut signs = vec![1.0; part.size];
    part.scales()
        .filter(|&(j, _)| x[j] < 0.0)
        .for_each(|(_, effect)| signs[effect] = -1.0);
    let alternating = (0..part.size).map(|effect| if effect % 2 == 0 { 1.0 } else { -1.0 });
    let wanted = omega(part, x, held);
    for signs in [signs, alternating.collect()] {
        let turned = turned(part, x, held, &signs);
        if turned
            .as_ref()
            .is_some_and(|turned| is_same(&omega(part, turned, held), &wanted))
        {
            return x.copy_from_slice(&turned.unwrap_or_default());
        }
    }
    let scales = x.iter_mut().zip(part.roles()).zip(held);
    scales
        .filter(|((_, role), held)| role.is_scale() && !**held)
        .for_each(|((value, _), _)| *value = value.max(0.0));
}

// The standard deviations without signs, and the correlations with those of their effects.
fn turned(part: &Part, x: &[f64], held: &[bool], signs: &[f64]) -> Option<Vec<f64>> {
    let mut turned = x.to_vec();
    for ((value, role), held) in turned.iter_mut().zip(part.roles()).zip(held) {
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
    Some(turned)
}

fn omega(part: &Part, x: &[f64], held: &[bool]) -> Vec<f64> {
    let mut theta = x.to_vec();
    angles::to_theta(part, &mut theta, held);
    part.omega(&theta)
}

fn is_same(a: &[f64], b: &[f64]) -> bool {
    let largest = b.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    a.iter()
        .zip(b)
        .all(|(a, b)| (a - b).abs() <= SAME_COVARIANCE * largest)
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
