//! Restarts in which the other terms take over the variance of one.
//!
//! Where two factors share a coarser one that is no term of the model, such as `g` in
//! `(1 | g:a) + (1 | g:b)`, either term can explain the variation between the levels of `g`. Each
//! is then large at a minimum of its own, both of which may be sharp, and nothing at one of them
//! tells of the other.

use super::restarts::{Restarts, PER_SEARCH};
use crate::coordinates::other_thetas::OtherThetas;
use crate::optimize::OptSummary;
use crate::tolerances::PROMISING_LOSS;

impl Restarts<'_, '_, '_> {
    /// Restarts with each term left out, if the objective is nearly as low where the others take
    /// over its variance.
    pub(super) fn exchanging_terms(
        &mut self,
        mut found: OptSummary,
    ) -> OptSummary {
        let thetas = self.search.thetas();
        let terms = thetas.covs.len();
        if terms < 2 || self.budget < PER_SEARCH {
            return found;
        }
        let exchanged = |term| exchanged(&thetas, &found.best, term);
        let points: Vec<Vec<f64>> = (0..terms).filter_map(exchanged).collect();
        for (value, point) in self.evaluated(points) {
            if value < found.best_value + PROMISING_LOSS {
                found = self.and_from(&point, found).1;
            }
        }
        found
    }
}

// Theta without a term, and with the other terms so much larger that the sum of all variances is
// the same; `None` if there is no variance to exchange.
fn exchanged(
    thetas: &OtherThetas,
    theta: &[f64],
    term: usize,
) -> Option<Vec<f64>> {
    let variance = |theta: &[f64]| -> f64 {
        let deviations = thetas.standard_deviations();
        let scaled = deviations.iter().map(|&j| theta[j] / thetas.units[j]);
        scaled.map(|sd| sd * sd).sum()
    };
    let without = thetas.without_term(theta, term);
    let scale = (variance(theta) / variance(&without)).sqrt();
    let has_variance = scale.is_finite() && scale > 1.0;
    has_variance.then(|| thetas.scaled(&without, scale))
}
