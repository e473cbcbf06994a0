//! Fits of a generalized model: a fast stage over the covariance parameters, with the fixed effects
//! found by PIRLS, then a stage over all parameters.

use super::matrix_free::FEWEST;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::error::{Error, Result};
use crate::glmm::families::{Family, Link};
use crate::glmm::pirls::Modes;
use crate::glmm::vary::Vary;
use crate::judge::{Certificate, Verdict};
use crate::optimize::bfgs::{self, BfgsSummary};
use crate::optimize::{
    start_or_default, Observer, OptSummary, Settings, Status, NEWTON,
};
use crate::tolerances::{
    ENOUGH_PROBES, NO_GAIN, OTHER_MINIMUM, ZERO_COST, ZERO_SD,
};

/// Factors of Lambda where the objective is undefined at the start, one after the other.
const OTHER_SIZES: [f64; 5] = [0.1, 0.01, 0.001, 3.0, 0.3];
/// Largest number of observations with which a first search is cut short before other starts.
const MOST_CUT_SHORT: usize = 300;
/// Largest number of evaluations of each stage of such a search, and of its continuation where no
/// other start led to an optimum.
const MOST_AT_FIRST: usize = 1000;
/// Number of operations that the first search may cost, and as many all those from other starts,
/// counted in PIRLS steps and gradients; an evaluation takes hundreds of steps where many
/// probabilities tend to zero or one.
const AFFORDABLE_AT_FIRST: f64 = 2e9;
/// Largest number of evaluations of each stage of any search: the likelihood hardly changes along a
/// path to infinity.
const MOST_AT_LAST: usize = 5000;
/// Number of operations that the first search may cost with more rows, where it isn't cut short.
const AFFORDABLE_OF_MANY_ROWS: f64 = 1e11;
/// Number of operations that the continuation of a search may cost.
const AFFORDABLE_AT_LAST: f64 = 3e9;
/// Number of PIRLS steps that a search may always take; ordinary ones take less than a thousand.
const ALWAYS_ALLOWED: usize = 20_000;
/// Number of halvings, without a factorization, that take as long as a PIRLS step.
const HALVINGS_PER_STEP: usize = 4;
/// The ratio between the ranks of the earlier points that are tried, from the lowest one on, where
/// the last point can't be evaluated again.
const EARLIER_RATIO: f64 = 1.5;
/// Largest number of evaluations of Newton's method after a search that ended too early: near an
/// optimum few are needed, but where parameters tend to infinity any number would be used.
const MOST_TO_GO_ON: usize = 300;

/// The course and result of a fit. The model is left at the optimum.
#[derive(Debug, Clone, PartialEq)]
pub struct GlmmFit {
    /// The fast stage, if another stage followed.
    pub fast: Option<OptSummary>,
    /// The last stage.
    pub summary: OptSummary,
    /// Name of the optimizer of the last stage.
    pub optimizer: String,
    /// The parameters, with the fixed effects of the original X and nonnegative diagonals of
    /// Lambda.
    pub parameters: Vec<f64>,
    /// The certificate; `None` if the fit was stopped.
    pub certificate: Option<Certificate>,
    /// Total number of PIRLS iterations.
    pub iterations: usize,
    /// The optimizer's approximation to the inverse Hessian in all parameters.
    pub(super) inverse: Vec<f64>,
    /// The modes at the optimum.
    pub(super) modes: Modes,
}

impl GeneralizedLinearMixedModel {
    /// Fits the model.
    ///
    /// # Errors
    /// Fails as [`Self::objective`] does at the start; `ZeroResidual` if the dispersion tends to
    /// zero; `UnknownOptimizer`, `Optimizer`.
    pub fn fit(
        &mut self,
        fit: &FitSettings,
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        self.stopping.limit(fit.settings.max_time);
        let found = self.best_of_searches(fit, observe);
        let stopped = self.stopping.reason();
        self.stopping.limit(0.0);
        let mut found = found?;
        if self.is_perfect() || self.leads_to_perfect(&found) {
            return Err(Error::ZeroResidual);
        }
        found.summary.status = stopped.unwrap_or(found.summary.status);
        Ok(found)
    }

    // The best result of the search from the default start, or the given one, and from others.
    fn best_of_searches(
        &mut self,
        fit: &FitSettings,
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        self.set_search_probes(FEWEST);
        self.noise = None;
        self.hold_redundant();
        let mut start =
            self.with_held(start_or_default(&fit.theta, &self.start_theta));
        if self.shape_is_estimated() {
            start.push(fit.log_shape.unwrap_or(self.start_shape.ln()));
        }
        let (most, operations) = match self.is_cut_short() {
            true => (MOST_AT_FIRST, AFFORDABLE_AT_FIRST),
            false => (MOST_AT_LAST, AFFORDABLE_OF_MANY_ROWS),
        };
        if !fit.theta.is_empty() {
            let limits = (MOST_AT_LAST, operations);
            return self.search_within(limits, fit, &start, observe);
        }
        let beta = self.pirls.beta.clone();
        let limits = (most, operations);
        let mut first = self.first_search(limits, fit, &start, observe);
        if self.is_iterative() && first.is_ok() {
            // Other starts are only for few observations.
            return first;
        }
        let is_beyond = matches!(
            first,
            Err(Error::PirlsDiverged { .. } | Error::NotPositiveDefinite { .. })
        );
        if is_beyond {
            let other = self.fit_rescaled(fit, &mut start, &beta, observe);
            first = other.map_or(first, Ok);
        }
        let first = first?;
        let is_waiting = first.summary.status == Status::MaxEval
            && self.is_cut_short()
            && fit.allows(most);
        if !(first.summary.status.has_converged() || is_waiting) {
            return Ok(first);
        }
        self.limit_steps(Some(AFFORDABLE_AT_FIRST));
        let found =
            self.or_from_other_starts(fit, &start, &beta, first, observe);
        self.limit_steps(None);
        self.completed(fit, found?, observe)
    }

    /// A search that ends after `most` evaluations of each stage, or this number of operations,
    /// unless the user has chosen its limits.
    pub(super) fn search_within(
        &mut self,
        (most, operations): (usize, f64),
        fit: &FitSettings,
        start: &[f64],
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        if !fit.allows(most) {
            return self.fit_from(fit, start.to_vec(), observe);
        }
        self.limit_steps(Some(operations));
        let found = self.fit_from(&fit.limited(most), start.to_vec(), observe);
        self.limit_steps(None);
        found
    }

    // The fit, or its continuation if neither the first search nor those from other starts
    // completed it.
    fn completed(
        &mut self,
        fit: &FitSettings,
        found: GlmmFit,
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        if found.summary.status != Status::MaxEval || self.must_stop() {
            return Ok(found);
        }
        let start = self.start_of(&found.parameters);
        let from = self.from_end(fit, &found.parameters).limited(MOST_AT_FIRST);
        self.limit_steps(Some(AFFORDABLE_AT_LAST));
        let next = self.fit_directly(&from, &start, None, observe);
        self.limit_steps(None);
        let fast = found.fast;
        next.map(|next| GlmmFit { fast, ..next })
    }

    /// The settings of a fit that starts at the fixed effects of these parameters, with which
    /// another one ended; they are those of the original X.
    pub(super) fn from_end(
        &self,
        fit: &FitSettings,
        parameters: &[f64],
    ) -> FitSettings {
        let mut from = fit.clone();
        if fit.vary == Vary::Modes {
            from.beta = parameters[self.places_of_beta()].to_vec();
        }
        from
    }

    // Whether a first search that makes no progress is cut short, as others are cheap.
    fn is_cut_short(&self) -> bool {
        self.n_eff <= MOST_CUT_SHORT
    }

    // Limits the effort of the next search to that which this number of operations allows.
    fn limit_steps(&mut self, operations: Option<f64>) {
        self.most_steps = operations.map_or(usize::MAX, |operations| {
            let factor = self.pirls.factor(Vary::Jointly);
            let cost = factor.map_or(1.0, |factor| factor.cost());
            let factorizations = (operations / cost) as usize;
            let steps = self.affordable_steps(operations).min(factorizations);
            self.effort() + steps.max(ALWAYS_ALLOWED)
        });
    }

    /// The number of PIRLS steps and gradients so far, in which halvings count as parts of a step.
    pub(super) fn effort(&self) -> usize {
        let halvings = self.pirls.halvings / HALVINGS_PER_STEP;
        self.pirls.iterations + halvings + self.gradients
    }

    // A fit from other sizes of the random effects, with which the means may remain in their range
    // and the information positive; they become the start.
    fn fit_rescaled(
        &mut self,
        fit: &FitSettings,
        start: &mut Vec<f64>,
        beta: &[f64],
        observe: &mut Observer,
    ) -> Option<GlmmFit> {
        for size in OTHER_SIZES {
            let other = self.scaled_start(start, 0..self.n_theta(), size);
            self.restart_from(beta);
            if let Ok(found) = self.fit_from(fit, other.clone(), observe) {
                *start = other;
                return Some(found);
            }
        }
        None
    }

    // Resets the modes to zero, and sets these fixed effects.
    pub(super) fn restart_from(&mut self, beta: &[f64]) {
        self.reset_modes();
        self.pirls.beta.copy_from_slice(beta);
    }

    pub(super) fn fit_from(
        &mut self,
        fit: &FitSettings,
        mut start: Vec<f64>,
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        let is_given = !fit.beta.is_empty();
        if is_given {
            self.start_at(&fit.beta);
        }
        let mut fast = None;
        let mut learnt = None;
        if fit.vary == Vary::Modes && !is_given && !self.pirls.beta.is_empty() {
            let stage = self.fast_stage(&start, &fit.settings, observe)?;
            start.clone_from(&stage.summary.best);
            fast = Some(stage.summary);
            learnt = Some(stage.inverse);
        }
        let found =
            self.fit_directly(fit, &start, learnt.as_deref(), observe)?;
        Ok(GlmmFit { fast, ..found })
    }

    /// The fit without a fast stage; `learnt` is the approximate inverse Hessian of an earlier one.
    pub(super) fn fit_directly(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        learnt: Option<&[f64]>,
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        let (found, optimizer) =
            self.last_stage(fit, start, learnt, observe)?;
        let found = self.with_more_probes(fit, found, observe)?;
        self.pirls.report = None;
        self.prepare_report();
        let inverse = found.inverse;
        let mut found = self.judged(fit.vary, found.summary, &inverse)?;
        let jumps = self.rule.is_some() && found.is_at_edge();
        let is_early = found.ended_too_early() && !jumps;
        if fit.settings.optimizer == bfgs::NAME && is_early {
            found = self.continue_search(fit, found, &inverse, observe)?;
        }
        self.pirls.restore_modes(&found.modes);
        if self.objective(fit.vary, &found.parameters).is_err() {
            self.recomputed_value(fit.vary, &found.parameters)?;
        }
        self.revise_for_noise(fit.vary, &inverse, &mut found)?;
        Ok(GlmmFit {
            optimizer,
            iterations: self.pirls.iterations,
            inverse,
            modes: self.pirls.modes(),
            ..self.natural_fit(fit.vary, found)
        })
    }

    // Continues a search with more probe vectors, until the noise is negligible.
    fn with_more_probes(
        &mut self,
        fit: &FitSettings,
        mut found: BfgsSummary,
        observe: &mut Observer,
    ) -> Result<BfgsSummary> {
        let vary = fit.vary;
        while let Some(probes) = self.more_probes() {
            if !found.summary.status.has_converged() {
                break;
            }
            let best = found.summary.best.clone();
            let noise = self.measure_noise(vary, &best, &found.inverse)?;
            if !noise.is_some_and(|noise| noise.excess > ENOUGH_PROBES) {
                break;
            }
            self.set_search_probes(probes);
            let inverse = found.inverse.clone();
            let settings = &fit.settings;
            let next =
                self.bfgs(settings, NO_GAIN, vary, &best, inverse, observe)?;
            found = BfgsSummary {
                summary: continued(found.summary, next.summary),
                ..next
            };
        }
        Ok(found)
    }

    // Revises the verdict for the noise of the stochastic estimates.
    fn revise_for_noise(
        &mut self,
        vary: Vary,
        inverse: &[f64],
        found: &mut GlmmFit,
    ) -> Result<()> {
        self.noise = self.measure_noise(vary, &found.parameters, inverse)?;
        let (Some(noise), Some(certificate)) =
            (self.noise, &mut found.certificate)
        else {
            return Ok(());
        };
        certificate.revise_for_noise(noise.excess);
        Ok(())
    }

    /// The objective and the modes, starting from zero modes with the exact engine, so that results
    /// do not depend on the course of the search; the iterative engine starts from the current
    /// modes, and iterates to full accuracy.
    pub(super) fn recomputed_value(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<(f64, Modes)> {
        if !self.is_iterative() {
            self.pirls.reset();
            if self.dispersion_follows() {
                self.set_dispersion(self.start_shape);
            }
        }
        let value = self.objective(vary, parameters)?;
        Ok((value, self.pirls.modes()))
    }

    /// The objective and the modes at the end of a search. With the square-root link there may be
    /// modes for each combination of signs of linear predictors: those that the search has followed
    /// are kept where the objective is lower there than at those that are found anew.
    fn value_at_end(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<(f64, Modes)> {
        if !self.has_many_modes() {
            return self.recomputed_value(vary, parameters);
        }
        let followed = self.objective(vary, parameters);
        let modes = self.pirls.modes();
        let anew = self.recomputed_value(vary, parameters);
        let lowest = anew.as_ref().map_or(f64::INFINITY, |(value, _)| *value);
        if !followed.is_ok_and(|value| value < lowest - OTHER_MINIMUM) {
            return anew;
        }
        self.pirls.restore_modes(&modes);
        let value = self.objective(vary, parameters)?;
        Ok((value, self.pirls.modes()))
    }

    /// Whether the modes at given parameters may depend on where they are looked for: with the
    /// square-root link a response, unless it is Gaussian, has no likelihood at a mean of zero,
    /// which linear predictors then don't pass.
    pub(super) fn has_many_modes(&self) -> bool {
        let response = &self.pirls.response;
        let is_rooted = response.link == Link::Sqrt;
        is_rooted && response.family != Family::Gaussian && !self.is_iterative()
    }

    // The objective and the modes at the best point of a search at which they can be found from
    // zero modes; the point becomes the result of the search. At an edge of the objective modes may
    // be found only from those of the points before; the start is tried last.
    fn earlier_value(
        &mut self,
        vary: Vary,
        summary: &mut OptSummary,
    ) -> Option<(f64, Modes)> {
        let mut points: Vec<usize> = (0..summary.log.len()).collect();
        if points.is_empty() {
            return None;
        }
        points.retain(|&at| summary.log[at].0.is_finite());
        points.sort_by(|&a, &b| summary.log[a].0.total_cmp(&summary.log[b].0));
        // Where the search ended there may be many points like the last one.
        let places = (0..).map(|k: i32| EARLIER_RATIO.powi(k) as usize - 1);
        let places = places.take_while(|&place| place < points.len());
        let mut tried: Vec<usize> = places.map(|at| points[at]).collect();
        tried.push(0);
        for at in tried {
            let point = summary.log[at].1.clone();
            let Ok(found) = self.recomputed_value(vary, &point) else {
                continue;
            };
            if found.0.is_finite() {
                (summary.best, summary.best_value) = (point, found.0);
                return Some(found);
            }
        }
        None
    }

    /// Resets the modes to zero.
    pub(super) fn reset_modes(&mut self) {
        self.reached = None;
        self.pirls.reset();
    }

    // Newton's method from the end of a fit that stopped too early. If it does not reach an optimum
    // either the verdict says so, while the status remains that of a search that converged.
    fn continue_search(
        &mut self,
        fit: &FitSettings,
        found: GlmmFit,
        inverse: &[f64],
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        let settings = Settings {
            optimizer: NEWTON.into(),
            initial_step: Vec::new(),
            ..fit.settings.limited(MOST_TO_GO_ON)
        };
        let next =
            self.minimize(&settings, fit.vary, &found.parameters, observe);
        let Ok(mut next) = next else {
            // At an edge there may be no derivatives to continue with.
            return Ok(found);
        };
        let is_ours = fit.settings.allow_more_than(MOST_TO_GO_ON);
        if next.status == Status::MaxEval && is_ours {
            next.status = found.summary.status;
        }
        // Steps below the noise of the stochastic estimates are accepted unseen, and may lead away
        // from the optimum.
        if next.best_value > found.summary.best_value + self.search_noise() {
            return Ok(GlmmFit {
                summary: found.summary.or_better(next),
                ..found
            });
        }
        self.judged(fit.vary, continued(found.summary, next), inverse)
    }

    /// Starts from these fixed effects of the original X.
    pub(super) fn start_at(&mut self, beta: &[f64]) {
        self.pirls.beta.copy_from_slice(beta);
        self.pirls.centring.centre(&mut self.pirls.beta);
    }

    fn natural_fit(&self, vary: Vary, mut found: GlmmFit) -> GlmmFit {
        let natural = self.to_natural(vary);
        if let Some(certificate) = &mut found.certificate {
            certificate.gradient =
                self.natural_gradient(vary, &certificate.gradient);
        }
        GlmmFit {
            parameters: natural(&found.parameters),
            summary: found.summary.mapped(&natural),
            ..found
        }
    }

    // The best point, with nearly zero standard deviations set to zero, and its certificate;
    // `inverse` is an approximate inverse Hessian.
    fn judged(
        &mut self,
        vary: Vary,
        summary: OptSummary,
        inverse: &[f64],
    ) -> Result<GlmmFit> {
        let mut parameters = summary.best.clone();
        let mut summary = summary;
        let (reached, mut modes) = match self.value_at_end(vary, &parameters) {
            Err(error) => {
                let earlier = self.earlier_value(vary, &mut summary);
                parameters.clone_from(&summary.best);
                earlier.ok_or(error)?
            }
            found => found?,
        };
        if self.is_iterative() {
            summary.best_value = reached;
        }
        if self.snap_to_zero(vary, reached, &mut parameters) {
            modes = self.value_at_end(vary, &parameters)?.1;
        }
        // A user who stopped the fit should not wait for a certificate.
        let is_stopped =
            matches!(summary.status, Status::Interrupted | Status::MaxTime);
        let certificate = match is_stopped || self.must_stop() {
            true => None,
            false => {
                let found = self.quick_certificate(vary, &parameters, inverse);
                Some(found.unwrap_or_else(|_| self.without_derivatives(vary)))
            }
        };
        let certificate = certificate.filter(|_| !self.must_stop());
        Ok(GlmmFit {
            fast: None,
            summary,
            optimizer: String::new(),
            parameters,
            certificate,
            iterations: 0,
            inverse: Vec::new(),
            modes,
        })
    }

    // Sets standard deviations near zero to zero if the objective does not rise, as the search
    // converges slowly to such a flat minimum; returns whether one was changed.
    fn snap_to_zero(
        &mut self,
        vary: Vary,
        reached: f64,
        parameters: &mut [f64],
    ) -> bool {
        let mut is_changed = false;
        let step_sizes = self.step_sizes(vary);
        for j in 0..self.n_theta() {
            let is_free = !self.held[j] && self.lower[j] == 0.0;
            let is_near = parameters[j] != 0.0
                && parameters[j] <= ZERO_SD * step_sizes[j];
            if !(is_free && is_near) {
                continue;
            }
            let length = std::mem::take(&mut parameters[j]);
            let value = self.objective(vary, parameters);
            match value.is_ok_and(|value| value <= reached + ZERO_COST) {
                true => is_changed = true,
                false => parameters[j] = length,
            }
        }
        is_changed
    }
}

impl GlmmFit {
    /// Whether the search ended at an optimum, according to the verdict.
    pub(super) fn is_optimum(&self) -> bool {
        let found = self.certificate.as_ref();
        found.is_some_and(|found| found.verdict.is_final())
    }

    /// Whether the search ended at an edge of the objective, which is no optimum.
    pub(super) fn is_at_edge(&self) -> bool {
        let found = self.certificate.as_ref();
        found.is_some_and(|found| found.verdict == Verdict::Edge)
    }

    // Whether the search converged to a point that is not an optimum according to the verdict.
    fn ended_too_early(&self) -> bool {
        let has_converged = matches!(
            self.summary.status,
            Status::FtolReached | Status::RoundoffLimited
        );
        let verdict = self.certificate.as_ref().map(|found| found.verdict);
        has_converged && verdict.is_some_and(|verdict| !verdict.is_final())
    }
}

// Joins the summaries of a search and its continuation.
fn continued(first: OptSummary, mut second: OptSummary) -> OptSummary {
    let mut log = first.log;
    log.append(&mut second.log);
    OptSummary {
        initial: first.initial,
        initial_value: first.initial_value,
        log,
        ..second
    }
}
