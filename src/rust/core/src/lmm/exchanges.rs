//! Restarts in which the other terms take over the variance of one.
//!
//! Where two factors share a coarser one that is no term of the model, such as `g` in
//! `(1 | g:a) + (1 | g:b)`, either term can explain the variation between the levels of `g`. Each
//! is then large at a minimum of its own, both of which may be sharp, and nothing at one of them
//! tells of the other.

use super::restarts::Restarts;
use super::LinearMixedModel;
use crate::optimize::OptSummary;
use crate::tolerances::PROMISING_LOSS;

/// The number of evaluations for each term that must be affordable, so that the one that is made
/// costs little beside the call.
const LEAST_PER_TERM: f64 = 4.0;

impl Restarts<'_, '_, '_> {
    /// Restarts with each term left out, if the objective is nearly as low where the others take
    /// over its variance, and a Newton step from there predicts a lower one.
    pub(super) fn exchanging_terms(
        &mut self,
        mut found: OptSummary,
    ) -> OptSummary {
        let thetas = self.search.thetas();
        let terms = thetas.covs.len();
        if terms < 2 || self.budget < LEAST_PER_TERM * terms as f64 {
            return found;
        }
        let exchanged =
            |term| exchanged(self.search.model(), &found.best, term);
        let points: Vec<Vec<f64>> = (0..terms).filter_map(exchanged).collect();
        for (value, point) in self.evaluated(points) {
            let limit = found.best_value;
            if value < limit + PROMISING_LOSS
                && self.is_promising(&point, limit)
            {
                found = self.and_from(&point, found).1;
            }
        }
        found
    }
}

// Theta without a term, and with the other terms so much larger that the linear predictor has the
// same variance, averaged over the rows; `None` if there is no variance to exchange.
fn exchanged(
    model: &LinearMixedModel,
    theta: &[f64],
    term: usize,
) -> Option<Vec<f64>> {
    let without = model.thetas().without_term(theta, term);
    let scale = (variance(model, theta) / variance(model, &without)).sqrt();
    let has_variance = scale.is_finite() && scale > 1.0;
    has_variance.then(|| model.thetas().scaled(&without, scale))
}

// The mean over rows of the variance of the random effects' part of the linear predictor, in units
// of the residual variance and without the covariances of effects.
fn variance(model: &LinearMixedModel, theta: &[f64]) -> f64 {
    let mut sum = 0.0;
    let covs = model.engine.covs().iter();
    for (cov, rms) in covs.zip(model.column_scales()) {
        for (first, part) in cov.placed() {
            let omega = part.omega(&theta[part.range()]);
            let variances = omega.iter().step_by(part.size + 1);
            let sizes = rms[first..].iter();
            sum += variances.zip(sizes).map(|(v, r)| v * r * r).sum::<f64>();
        }
    }
    sum
}
