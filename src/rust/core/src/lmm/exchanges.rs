//! Restarts in which other terms take over the variance of one.
//!
//! Where two factors share a coarser one that is no term of the model, such as `g` in
//! `(1 | g:a) + (1 | g:b)`, either term can explain the variation between the levels of `g`. Each
//! is then large at a minimum of its own, both of which may be sharp, and nothing at one of them
//! tells of the other. Where an evaluation is not cheap, terms are exchanged only if their factors
//! share such a one. The variation within the levels of `g` remains that of its term, so that some
//! of its variance is kept in further restarts of models whose factors share one.

use super::restarts::{Restarts, PER_STEP};
use super::LinearMixedModel;
use crate::coordinates::transfers::Transfer;
use crate::factor::common_groups::have_common_groups;
use crate::optimize::OptSummary;
use crate::tolerances::{PROMISING_LOSS, SAME_SIZE};

/// The number of evaluations for each term that must be affordable, so that the one that is made
/// costs little beside the call.
const LEAST_PER_TERM: f64 = 4.0;
/// The shares of a standard deviation that its term may keep.
const SHARES: [f64; 4] = [0.0, 0.03, 0.1, 0.3];
/// Number of times that variances are exchanged from a better point.
const MOST_ROUNDS: usize = 3;

impl Restarts<'_, '_, '_> {
    /// Restarts with each term left out, and with most variance of each effect taken over by an
    /// effect of another term with the same column of Z, if a Newton step from there predicts a
    /// lower objective. Where evaluations are expensive all of this may cost as much as the search.
    pub(super) fn exchanging_terms(
        &mut self,
        mut found: OptSummary,
    ) -> OptSummary {
        let terms = self.search.thetas().covs.len();
        if terms < 2 {
            return found;
        }
        let is_cheap = self.budget >= LEAST_PER_TERM * terms as f64;
        let transfers = self.search.model().transfers();
        if !is_cheap && transfers.is_empty() {
            return found;
        }
        let as_before = PER_STEP * found.log.len() as f64;
        let mut left = as_before.max(self.budget / LEAST_PER_TERM);
        for _ in 0..MOST_ROUNDS {
            let before = found.best_value;
            found = self.leaving_out_terms(terms, found);
            for transfer in &transfers {
                left -= SHARES.len() as f64 + PER_STEP;
                if left > 0.0 {
                    found = self.with_transfer(transfer, found);
                }
            }
            if transfers.is_empty() || found.best_value == before {
                break;
            }
        }
        found
    }

    // Restarts with each term left out and the others enlarged.
    fn leaving_out_terms(
        &mut self,
        terms: usize,
        mut found: OptSummary,
    ) -> OptSummary {
        let exchanged =
            |term| exchanged(self.search.model(), &found.best, term);
        let points: Vec<Vec<f64>> = (0..terms).filter_map(exchanged).collect();
        for (value, point) in self.evaluated(points) {
            if value < found.best_value + PROMISING_LOSS {
                found = self.if_promising(&point, found);
            }
        }
        found
    }

    // A restart with the variance of some effects moved, at the share with the lowest objective.
    fn with_transfer(
        &mut self,
        transfer: &Transfer,
        found: OptSummary,
    ) -> OptSummary {
        let thetas = self.search.thetas();
        let moved = SHARES
            .map(|share| thetas.transferred(&found.best, transfer, share));
        let valued = self.evaluated(moved.to_vec()).into_iter();
        match valued.min_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, point)) => self.if_promising(&point, found),
            None => found,
        }
    }

    fn if_promising(&mut self, point: &[f64], found: OptSummary) -> OptSummary {
        match self.is_promising(point, found.best_value) {
            true => self.and_from(point, found).1,
            false => found,
        }
    }
}

impl LinearMixedModel {
    // Whether the grouping factors of two terms share a coarser one.
    fn has_common_groups(&self) -> bool {
        let exact = self.engine.as_exact();
        exact.is_ok_and(|exact| have_common_groups(&exact.factor))
    }

    // The transfers of variance between terms, of all effects with the same column of Z together
    // and of each, if the factors of two terms share a coarser one.
    fn transfers(&self) -> Vec<Transfer> {
        if !self.has_common_groups() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for a in 1..self.engine.covs().len() {
            for b in 0..a {
                found.extend(self.between([a, b]));
            }
        }
        found
    }

    // The transfers between two terms, in both directions.
    fn between(&self, [a, b]: [usize; 2]) -> Vec<Transfer> {
        let same = self.same_columns([a, b]);
        let together = (same.len() > 1).then(|| same.clone());
        let alone = same.into_iter().map(|pair| vec![pair]);
        let both = |effects: Vec<[usize; 2]>| {
            let other = effects.iter().map(|&[i, j]| [j, i]).collect();
            [([a, b], effects), ([b, a], other)]
                .map(|(terms, effects)| Transfer { terms, effects })
        };
        together.into_iter().chain(alone).flat_map(both).collect()
    }

    // The pairs of effects of two terms whose columns of Z have the same size, and so probably are
    // the same.
    fn same_columns(&self, [a, b]: [usize; 2]) -> Vec<[usize; 2]> {
        let scales = self.column_scales();
        let (a, b) = (&scales[a], &scales[b]);
        let mut found = Vec::new();
        for (i, a) in a.iter().enumerate() {
            for (j, b) in b.iter().enumerate() {
                if (a - b).abs() <= SAME_SIZE * a {
                    found.push([i, j]);
                }
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
