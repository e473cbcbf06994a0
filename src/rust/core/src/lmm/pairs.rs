//! Starts for structures of two standard deviations and a correlation, such as `cs()` of two
//! effects, where a covariate is far from zero.
//!
//! Every covariance of two effects has such parameters, but the correlation is then so near one
//! that a search in it loses its way. The covariance is therefore found first in the parameters of
//! an unstructured one.

use crate::coordinates::basis::Basis;
use crate::covariance::{Part, RelCov, Structure};

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
        for part in parts.iter_mut().filter(|part| part.is_pair()) {
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
    covs.iter().flat_map(|cov| cov.parts()).any(Part::is_pair)
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
