//! Signs of the linear predictors of the fixed effects alone, for the square-root link with many
//! rows.
//!
//! Where linear predictors have either sign, a search that starts with positive ones is long, and
//! ends at a poor optimum. With many rows the fixed effects tell the signs: those of which the
//! linear model in the signed roots of the responses leaves the least residual sum of squares.

use super::fit::GlmmFit;
use super::roots::Roots;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::error::Result;
use crate::glmm::families::Link;
use crate::optimize::Observer;
use crate::random::Stream;

/// Largest number of rows, evenly spaced ones, of which signs are compared.
const MOST_ROWS: usize = 20_000;
/// Largest number of operations of the linear mixed model of all rows, and of its stored numbers.
const AFFORDABLE: usize = 500_000_000;
const MOST_STORED: usize = 10_000_000;
/// Other signs are a start if their residual sum of squares is below this share of that with
/// positive ones, at which the fast stage starts.
const LESS_RESIDUAL: f64 = 0.95;
/// The search from the usual start may cost this multiple of the effort of the one from other
/// signs.
const EFFORT: usize = 3;

impl GeneralizedLinearMixedModel {
    /// The search from `start`, or the one from signs of linear predictors with which the fixed
    /// effects explain more, if that ends lower.
    pub(super) fn first_search(
        &mut self,
        limits: (usize, f64),
        fit: &FitSettings,
        start: &[f64],
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        let usual = self.pirls.beta.clone();
        let Some(effects) = self.effects_of_other_signs(fit, start) else {
            return self.search_within(limits, fit, start, observe);
        };
        self.restart_from_effects(&effects);
        let from = FitSettings {
            beta: self.pirls.natural_beta(),
            ..fit.clone()
        };
        let before = self.effort();
        self.pirls.update_eta();
        let eta = self.pirls.response.eta.clone();
        let found = self.near(eta, |model| {
            model.search_within(limits, &from, start, observe)
        });
        let spent = self.effort() - before;
        self.restart_from(&usual);
        let converged =
            found.ok().filter(|at| at.summary.status.has_converged());
        let Some(best) = converged else {
            return self.search_within(limits, fit, start, observe);
        };
        self.most_steps = self.effort() + EFFORT * spent;
        let best = self.or_lower(fit, best, |model, limited| {
            model.fit_from(limited, start.to_vec(), observe)
        });
        self.most_steps = usize::MAX;
        Ok(best)
    }

    // The effects with linear predictors of either sign, if the fixed ones leave less of the roots
    // of the responses unexplained; `None` with other links, and with few rows, for which more is
    // tried after the first search.
    fn effects_of_other_signs(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
    ) -> Option<Vec<f64>> {
        let has_signs = self.pirls.response.link == Link::Sqrt
            && !self.has_few_rows()
            && !self.is_iterative();
        let is_free = fit.beta.is_empty() && self.may_start_at_fixed(fit.vary);
        if !has_signs || !is_free {
            return None;
        }
        let usual = self.pirls.beta.clone();
        let found = self.fixed_effects_of_other_signs(fit);
        self.has_other_signs = found.is_some();
        let effects =
            found.map(|beta| self.with_random_effects(fit, start, beta));
        self.restart_from(&usual);
        effects
    }

    // The fixed effects with linear predictors of either sign that leave less unexplained.
    fn fixed_effects_of_other_signs(
        &mut self,
        fit: &FitSettings,
    ) -> Option<Vec<f64>> {
        let eta = self.fixed_eta(&self.pirls.beta);
        let stride = self.pirls.rows.n().div_ceil(MOST_ROWS);
        let sets = self.sets_of_sampled_rows(fit, stride);
        let roots = self.roots_of_fixed_effects(stride)?;
        let sampled: Vec<f64> = eta.into_iter().step_by(stride).collect();
        least_residual(&roots, &sampled, &sets)
    }

    // The effects of the linear mixed model in the roots with the best signs that are found from
    // those of these fixed effects; no random effects if the model is large.
    fn with_random_effects(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        beta: Vec<f64>,
    ) -> Vec<f64> {
        let zeros = vec![0.0; self.n_random()];
        self.pirls.set_theta(&start[..self.n_theta()]);
        let eta = self.fixed_eta(&beta);
        let n_effects = zeros.len() + beta.len();
        let roots = match self.pirls.rows.n() * n_effects <= MOST_STORED {
            true => self.roots(AFFORDABLE),
            false => None,
        };
        let Some(roots) = roots else {
            return [zeros, beta].concat();
        };
        let sets = self.sets_of_sampled_rows(fit, 1);
        let mut stream = Stream::new(0, 0);
        let best = roots.best_refitted(roots.of(&eta), &sets, &mut stream);
        roots.effects(&best)
    }

    // The sets of rows that may have another sign, as positions among every `stride`-th row.
    fn sets_of_sampled_rows(
        &self,
        fit: &FitSettings,
        stride: usize,
    ) -> Vec<Vec<usize>> {
        let positions = |marks: Vec<bool>| {
            let sampled = marks.into_iter().step_by(stride).enumerate();
            let marked = sampled.filter(|(_, mark)| *mark);
            marked.map(|(at, _)| at).collect()
        };
        self.marked_sets(fit).into_iter().map(positions).collect()
    }
}

// The fixed effects of the signs that leave the least residual, if that is much less than with
// positive signs.
fn least_residual(
    roots: &Roots,
    eta: &[f64],
    sets: &[Vec<usize>],
) -> Option<Vec<f64>> {
    let mut stream = Stream::new(0, 0);
    let positive = roots.of(&vec![1.0; eta.len()]);
    let best = roots.best_refitted(roots.of(eta), sets, &mut stream);
    let limit = LESS_RESIDUAL * roots.residual(&positive);
    (roots.residual(&best) < limit).then(|| roots.effects(&best))
}
