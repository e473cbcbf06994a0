//! Fitting: a fast stage over the covariance parameters, with the fixed effects found by PIRLS,
//! then all parameters.

use super::matrix_free::FEWEST;
use super::GeneralizedLinearMixedModel;
use crate::error::{Error, Result};
use crate::glmm::pirls::Modes;
use crate::glmm::vary::Vary;
use crate::judge::Certificate;
use crate::optimize::bfgs::{self, BfgsSummary};
use crate::optimize::{
    start_or_default, Observer, OptSummary, Settings, Status, NEWTON,
};
use crate::tolerances::{ENOUGH_PROBES, NO_GAIN, ZERO_COST, ZERO_SD};

/// How often Lambda is made a tenth of what it was where the start can't be evaluated.
const MAX_SHRINKINGS: usize = 3;
/// Evaluations of each stage of a first search before other starts are tried.
const MOST_AT_FIRST: usize = 1000;
/// Evaluations of Newton's method from where a search ended too early: near an optimum it needs
/// few, and where parameters tend to infinity any number.
const MOST_TO_GO_ON: usize = 300;

/// Where to start and how to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct FitSettings {
    /// Optimizer ([`bfgs::NAME`], [`NEWTON`] or one of NLopt's) and limits; the limits hold for
    /// each stage.
    pub settings: Settings,
    /// Fixed effects in the end: found by PIRLS (lme4's `nAGQ = 0`), or as parameters.
    pub vary: Vary,
    /// Covariance parameters; empty: Lambda = I.
    pub theta: Vec<f64>,
    /// Fixed effects of X as it is; empty: the fast stage finds them. Otherwise it is left out.
    pub beta: Vec<f64>,
}

/// The course of a fit. The model is left at the optimum.
#[derive(Debug, Clone, PartialEq)]
pub struct GlmmFit {
    /// The fast stage, if another followed.
    pub fast: Option<OptSummary>,
    /// The last stage.
    pub summary: OptSummary,
    /// Optimizer of the last stage.
    pub optimizer: String,
    /// Parameters (the fixed effects of X as it is), with the diagonals of Lambda not negative.
    pub parameters: Vec<f64>,
    /// The verdict on them; none if the fit was stopped.
    pub certificate: Option<Certificate>,
    /// PIRLS iterations in all.
    pub iterations: usize,
    /// The inverse Hessian in all parameters, roughly: what the search has learnt of it.
    pub(super) inverse: Vec<f64>,
    /// The modes at the optimum.
    pub(super) modes: Modes,
}

impl GeneralizedLinearMixedModel {
    /// Fits the model.
    ///
    /// # Errors
    /// Fails as [`Self::objective`] does at the start; `UnknownOptimizer`, `Optimizer`.
    pub fn fit(
        &mut self,
        fit: &FitSettings,
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        self.search_by(FEWEST);
        self.noise = None;
        self.hold_redundant();
        let mut start =
            self.with_held(start_or_default(&fit.theta, &self.start_theta));
        if self.shape_is_estimated() {
            start.push(self.start_shape.ln());
        }
        let beta = self.pirls.beta.clone();
        let at_first = self.at_first(fit);
        let first = self.fit_from(&at_first, start.clone(), observe);
        if !fit.theta.is_empty() {
            return first;
        }
        if self.is_iterative() && first.is_ok() {
            // Other places are for few observations.
            return first;
        }
        let is_beyond = matches!(
            first,
            Err(Error::PirlsDiverged { .. } | Error::NotPositiveDefinite { .. })
        );
        if is_beyond {
            let shrunken = self.fit_shrunken(fit, start, &beta, observe);
            return shrunken.map_or(first, Ok);
        }
        let first = first?;
        let is_waiting = first.summary.status == Status::MaxEval
            && at_first.settings != fit.settings;
        if !(first.summary.status.has_converged() || is_waiting) {
            return Ok(first);
        }
        let found =
            self.or_from_elsewhere(fit, &start, &beta, first, observe)?;
        if found.summary.status == Status::MaxEval {
            self.start_anew(&beta);
            return self.fit_from(fit, start, observe);
        }
        Ok(found)
    }

    // The settings of the first search: where other starts are cheap one that leads nowhere in many
    // steps waits for what is found from these.
    fn at_first(&self, fit: &FitSettings) -> FitSettings {
        let optimizer = fit.settings.optimizer.as_str();
        let is_ours = [bfgs::NAME, NEWTON].contains(&optimizer);
        if !(is_ours && fit.theta.is_empty() && self.has_few_rows()) {
            return fit.clone();
        }
        FitSettings {
            settings: fit.settings.limited(MOST_AT_FIRST),
            ..fit.clone()
        }
    }

    // The fit from smaller random effects: with these the means may stay in their range.
    fn fit_shrunken(
        &mut self,
        fit: &FitSettings,
        mut start: Vec<f64>,
        beta: &[f64],
        observe: &mut Observer,
    ) -> Option<GlmmFit> {
        for _ in 0..MAX_SHRINKINGS {
            for (theta, held) in start.iter_mut().zip(&self.held) {
                if !held {
                    *theta *= 0.1;
                }
            }
            self.start_anew(beta);
            let found = self.fit_from(fit, start.clone(), observe);
            if found.is_ok() {
                return found.ok();
            }
        }
        None
    }

    // Forgets the modes and takes these fixed effects.
    pub(super) fn start_anew(&mut self, beta: &[f64]) {
        self.forget_modes();
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

    /// The fit without a fast stage; `learnt` is the inverse Hessian that such a one has learnt.
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
        self.report();
        let inverse = found.inverse;
        let mut found = self.judged(fit.vary, found.summary, &inverse)?;
        if fit.settings.optimizer == bfgs::NAME && found.ended_too_early() {
            found = self.go_on(fit, found, &inverse, observe)?;
        }
        self.pirls.return_to(&found.modes);
        self.objective(fit.vary, &found.parameters)?;
        self.weigh_noise(fit.vary, &inverse, &mut found)?;
        Ok(GlmmFit {
            optimizer,
            iterations: self.pirls.iterations,
            inverse,
            modes: self.pirls.modes(),
            ..self.natural_fit(fit.vary, found)
        })
    }

    // Searches with more random vectors from where that with fewer ended, until what they leave of
    // doubt doesn't matter.
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
            self.search_by(probes);
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

    // Takes into account what random vectors leave of doubt.
    fn weigh_noise(
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
        certificate.weigh(noise.excess);
        Ok(())
    }

    // The objective and the modes, which are forgotten before, so that what is found doesn't depend
    // on the way there; conjugate gradients find them as they are, to the last digits that count.
    fn value_anew(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<(f64, Modes)> {
        if !self.is_iterative() {
            self.pirls.reset();
        }
        let value = self.objective(vary, parameters)?;
        Ok((value, self.pirls.modes()))
    }

    /// Forgets the modes.
    pub(super) fn forget_modes(&mut self) {
        self.reached = None;
        self.pirls.reset();
    }

    // Newton's method from where a fit ended too early. If it doesn't get to an optimum either, the
    // verdict says so; the search still ended of itself.
    fn go_on(
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
        let mut next =
            self.minimize(&settings, fit.vary, &found.parameters, observe)?;
        let is_ours = fit.settings.allow_more_than(MOST_TO_GO_ON);
        if next.status == Status::MaxEval && is_ours {
            next.status = found.summary.status;
        }
        // Steps that promise less than random vectors tell are taken on trust, and may lead away.
        if next.best_value > found.summary.best_value + self.search_noise() {
            return Ok(GlmmFit {
                summary: found.summary.or_better(next),
                ..found
            });
        }
        self.judged(fit.vary, continued(found.summary, next), inverse)
    }

    /// Starts from fixed effects of X as it is.
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

    // The best point, at zero where it is close to it, and what to make of it; `inverse` is of the
    // Hessian, roughly.
    fn judged(
        &mut self,
        vary: Vary,
        summary: OptSummary,
        inverse: &[f64],
    ) -> Result<GlmmFit> {
        let mut parameters = summary.best.clone();
        let mut summary = summary;
        let (reached, mut modes) = self.value_anew(vary, &parameters)?;
        if self.is_iterative() {
            summary.best_value = reached;
        }
        if self.snap_to_zero(vary, reached, &mut parameters) {
            modes = self.value_anew(vary, &parameters)?.1;
        }
        // Who stopped the fit doesn't want to wait for a verdict.
        let is_stopped =
            matches!(summary.status, Status::Interrupted | Status::MaxTime);
        let certificate = if is_stopped {
            None
        } else {
            self.quick_certificate(vary, &parameters, inverse).ok()
        };
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

    // A minimum at zero is flat: the search ends near it. Zero itself is taken if it is as good;
    // whether one was comes back.
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
    // Whether the search ended of itself, at a point that the verdict says isn't the optimum.
    fn ended_too_early(&self) -> bool {
        let has_converged = matches!(
            self.summary.status,
            Status::FtolReached | Status::RoundoffLimited
        );
        let verdict = self.certificate.as_ref().map(|found| found.verdict);
        has_converged && verdict.is_some_and(|verdict| !verdict.is_final())
    }
}

// The summary of two searches of which the second went on where the first ended.
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
