//! Starts for structures of two standard deviations and a correlation, such as `cs()` of two
//! effects, where a covariate is far from zero.
//!
//! Every covariance of two effects has such parameters, but the correlation is then so near one
//! that a search in it loses its way. The covariance is therefore found first in the parameters of
//! an unstructured one, and in a basis of orthogonal columns.

use super::{Criterion, LinearMixedModel};
use crate::coordinates::basis::{are_nearly_collinear, Basis};
use crate::covariance::{Part, RelCov, Role, Structure};
use crate::design::Design;
use crate::optimize::{Flow, Settings, NEWTON};

/// The start of the parameters of such structures, if there are nearly collinear columns; `None`
/// otherwise, or if the model of unstructured covariances cannot be fitted.
pub fn start_of_pairs(
    design: &Design,
    criterion: Criterion,
    sigma: Option<f64>,
    settings: &Settings,
) -> Option<Vec<f64>> {
    let mut other = design.clone();
    let pairs = replace_pairs(&mut other);
    if pairs.is_empty() || settings.optimizer != NEWTON {
        return None;
    }
    let basis =
        Basis::of(&other, criterion == Criterion::Reml, |_| false).ok()?;
    let in_basis = basis.design(&other);
    let mut model = LinearMixedModel::new(&in_basis, criterion, sigma).ok()?;
    let start = model.start().to_vec();
    let mut see = |_: usize, _: f64, _: &[f64]| Flow::Continue;
    let found = model.fit(&start, settings, &mut see).ok()?;
    let mut theta = basis.to_given(&found.best);
    for first in pairs {
        to_correlation(&mut theta[first..first + 3]);
    }
    Some(theta)
}

// Replaces the lower triangle of Lambda by standard deviations and a correlation.
fn to_correlation(theta: &mut [f64]) {
    let size = theta[1].hypot(theta[2]);
    let correlation = theta[1] * theta[0].signum() / size;
    theta[0] = theta[0].abs();
    theta[1] = size;
    theta[2] = if size > 0.0 { correlation } else { 0.0 };
}

// Makes such structures of nearly collinear columns unstructured, and returns the index of the
// first parameter of each.
fn replace_pairs(design: &mut Design) -> Vec<usize> {
    let mut replaced = Vec::new();
    for term in 0..design.terms.len() {
        let cov = &design.terms[term].cov;
        if cov.is_fixed() {
            continue;
        }
        let is_replaced = |(first, part): (usize, &Part)| {
            is_pair(part)
                && are_nearly_collinear(design, term, &(first..first + 2))
        };
        let are_replaced: Vec<bool> = cov.placed().map(is_replaced).collect();
        let mut parts = cov.parts().to_vec();
        let pairs = parts.iter_mut().zip(are_replaced);
        for (part, _) in pairs.filter(|(_, is_replaced)| *is_replaced) {
            replaced.push(part.theta_start);
            *part = unstructured(part);
        }
        design.terms[term].cov = RelCov::new(parts);
    }
    replaced
}

fn unstructured(part: &Part) -> Part {
    Part::new(Structure::Unstructured, part.size, part.theta_start)
}

// Whether the parameters of a part are two standard deviations and any correlation.
fn is_pair(part: &Part) -> bool {
    let is_free = |role: &Role| match *role {
        Role::Scale { .. } => true,
        Role::Correlation { low, high, .. } => (low, high) == (-1.0, 1.0),
        _ => false,
    };
    part.size == 2
        && part.roles().len() == 3
        && part.roles().iter().all(is_free)
}
