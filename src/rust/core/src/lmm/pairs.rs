//! Starts for structures of two standard deviations and a correlation, such as `cs()` of two
//! effects, where a covariate is far from zero.
//!
//! Every covariance of two effects has such parameters, but the correlation is then so near one
//! that a search in it loses its way. The covariance is therefore found first in the parameters of
//! an unstructured one.

use crate::coordinates::basis::Basis;
use crate::covariance::{Part, RelCov, Role, Structure};

/// The covariances of a model's terms with such structures of the terms that `basis` makes
/// orthogonal unstructured, and the index into theta of the first parameter of each; `None` without
/// such structures.
pub fn with_unstructured_pairs(
    covs: &[RelCov],
    basis: &Basis,
) -> Option<(Vec<RelCov>, Vec<usize>)> {
    let mut changed = covs.to_vec();
    let mut pairs = Vec::new();
    for (term, cov) in changed.iter_mut().enumerate() {
        if !basis.has_image(term) {
            continue;
        }
        let mut parts = cov.parts().to_vec();
        for part in parts.iter_mut().filter(|part| is_pair(part)) {
            pairs.push(part.theta_start);
            *part =
                Part::new(Structure::Unstructured, part.size, part.theta_start);
        }
        *cov = RelCov::new(parts);
    }
    (!pairs.is_empty()).then_some((changed, pairs))
}

/// Whether a term has such a structure.
pub fn has_pairs(covs: &[RelCov]) -> bool {
    covs.iter().flat_map(|cov| cov.parts()).any(is_pair)
}

/// Replaces the lower triangle of Lambda, whose first element is `first`, by standard deviations
/// and a correlation.
pub fn to_correlation(theta: &mut [f64], first: usize) {
    let own = &mut theta[first..first + 3];
    let size = own[1].hypot(own[2]);
    let correlation = own[1] * own[0].signum() / size;
    own[0] = own[0].abs();
    own[1] = size;
    own[2] = if size > 0.0 { correlation } else { 0.0 };
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
