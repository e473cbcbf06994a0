//! Restarts in which the other terms take over the variance of one.
//!
//! Where two factors share a coarser one that is no term of the model, such as `g` in
//! `(1 | g:a) + (1 | g:b)`, either term can explain the variation between the levels of `g`. Each
//! is then large at a minimum of its own, both of which may be sharp, and nothing at one of them
//! tells of the other. Where an evaluation is not cheap, terms are exchanged only if their factors
//! share such a one.

use super::restarts::Restarts;
use super::LinearMixedModel;
use crate::factor::common_groups::have_common_groups;
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
        let is_cheap = self.budget >= LEAST_PER_TERM * terms as f64;
        if terms < 2 || !(is_cheap || self.search.model().has_common_groups()) {
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

impl LinearMixedModel {
    // Whether the grouping factors of two terms share a coarser one.
    fn has_common_groups(&self) -> bool {
        let exact = self.engine.as_exact();
        exact.is_ok_and(|exact| have_common_groups(&exact.factor))
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

#[cfg(test)]
mod tests {
    use crate::derivatives::tests::{us, Data};
    use crate::lmm::{Criterion, LinearMixedModel};

    fn have_common_groups(
        first: fn(usize) -> usize,
        second: fn(usize) -> usize,
    ) -> bool {
        let data = Data::new(
            144,
            2,
            vec![
                (Box::new(first), vec![us(1, 0)]),
                (Box::new(second), vec![us(1, 1)]),
            ],
        );
        let design = data.design();
        let model = LinearMixedModel::new(&design, Criterion::Ml, None);
        model.unwrap().has_common_groups()
    }

    #[test]
    fn only_factors_that_share_a_coarser_one_have_common_groups() {
        // Six groups of 24 rows, in which two factors are crossed.
        let threes = |i| i / 24 * 3 + i % 3;
        assert!(have_common_groups(threes, |i| i / 24 * 4 + i / 3 % 4));
        // Crossed factors are connected.
        assert!(!have_common_groups(|i| i % 12, |i| i / 12));
        // One level of the coarser factor is in each group of nested ones.
        assert!(!have_common_groups(|i| i / 12, |i| i / 24));
    }
}
