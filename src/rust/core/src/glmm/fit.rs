//! Fitting: a fast stage over the covariance parameters, with the fixed effects found by PIRLS,
//! then all parameters.

use super::elsewhere::limited;
use super::matrix_free::FEWEST;
use super::search::Search;
use super::GeneralizedLinearMixedModel;
use crate::error::{Error, Result};
use crate::glmm::pirls::{Modes, Vary};
use crate::judge::Certificate;
use crate::optimize::bfgs::{self, BfgsSummary};
use crate::optimize::{
    start_or_default, Observer, OptSummary, Settings, Status, NEWTON,
};
use crate::tolerances::{
    ENOUGH_PROBES, FAST_GAIN, FIRST_STEP_HIGH, FIRST_STEP_LOW, NOISE_SHARE,
    NO_GAIN, ZERO_COST, ZERO_SD,
};

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
            settings: limited(&fit.settings, MOST_AT_FIRST),
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
        self.find_anew();
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

    // Forgets the modes, so that what is found doesn't depend on the way there; conjugate gradients
    // find them as they are, to the last digits that count.
    fn find_anew(&mut self) {
        if !self.is_iterative() {
            self.pirls.reset();
        }
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
            ..limited(&fit.settings, MOST_TO_GO_ON)
        };
        let mut next =
            self.minimize(&settings, fit.vary, &found.parameters, observe)?;
        if next.status == Status::MaxEval && settings.max_eval == MOST_TO_GO_ON
        {
            next.status = found.summary.status;
        }
        self.judged(fit.vary, continued(found.summary, next), inverse)
    }

    fn start_at(&mut self, beta: &[f64]) {
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

    // The search over theta and the shape, where PIRLS finds the fixed effects; quadrature would
    // only make it slower.
    pub(super) fn fast_stage(
        &mut self,
        start: &[f64],
        settings: &Settings,
        observe: &mut Observer,
    ) -> Result<BfgsSummary> {
        let rule = self.rule.take();
        self.pirls.set_theta(&start[..self.n_theta()]);
        let inverse = self.inverse_guess(Vary::Jointly);
        let stage = self.bfgs(
            settings,
            FAST_GAIN,
            Vary::Jointly,
            start,
            inverse,
            observe,
        );
        self.rule = rule;
        stage
    }

    fn last_stage(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        learnt: Option<&[f64]>,
        observe: &mut Observer,
    ) -> Result<(BfgsSummary, String)> {
        // Evaluated where the fast stage ended: R_X belongs to these parameters.
        let own = self.objective(Vary::Jointly, start);
        if fit.vary == Vary::Modes && !fit.beta.is_empty() {
            self.start_at(&fit.beta);
        }
        own?;
        let parameters = self.parameters(fit.vary);
        let inverse = self.inverse_with(fit.vary, start.len(), learnt);
        let mut settings = fit.settings.clone();
        if settings.optimizer == bfgs::NAME
            && self.is_bounded(fit.vary, &parameters)
        {
            settings.optimizer = NEWTON.into();
        }
        if settings.optimizer == bfgs::NAME {
            let gain = 0.1 * settings.ftol_abs;
            let found = self.bfgs(
                &settings,
                gain,
                fit.vary,
                &parameters,
                inverse,
                observe,
            )?;
            return Ok((found, settings.optimizer));
        }
        let n = parameters.len();
        if settings.optimizer != NEWTON && settings.initial_step.len() != n {
            settings.initial_step = first_steps(n, &inverse);
        }
        let found = BfgsSummary {
            summary: self.minimize(
                &settings,
                fit.vary,
                &parameters,
                observe,
            )?,
            gradient: Vec::new(),
            inverse,
        };
        Ok((found, settings.optimizer))
    }

    // Whether a free parameter has a bound, of which BFGS knows nothing.
    fn is_bounded(&mut self, vary: Vary, parameters: &[f64]) -> bool {
        let search = Search::new(self, vary, parameters);
        search.at.is_bounded().contains(&true)
    }

    /// Minimizes by BFGS. `inverse` and that of the summary are in all parameters, as the summary's
    /// points are.
    pub(super) fn bfgs(
        &mut self,
        settings: &Settings,
        tolerance: f64,
        vary: Vary,
        start: &[f64],
        mut inverse: Vec<f64>,
        observe: &mut Observer,
    ) -> Result<BfgsSummary> {
        let n = start.len();
        let natural = self.to_natural(vary);
        let tolerance = tolerance.max(NOISE_SHARE * self.search_noise());
        let mut search = Search::new(self, vary, start);
        let at = search.at.clone();
        let guess = block_of(n, &inverse, at.free());
        let mut see = |count: usize, value: f64, x: &[f64]| {
            let parameters = natural(&at.to_theta(x));
            observe(count, value, &parameters)
        };
        let x = at.start();
        let mut found = bfgs::minimize(
            settings,
            tolerance,
            &x,
            guess,
            &mut search,
            &mut see,
        )?;
        at.make_canonical(&mut found.summary.best);
        set_block_of(n, &mut inverse, at.free(), &found.inverse);
        Ok(BfgsSummary {
            summary: found.summary.mapped(|x| at.to_theta(x)),
            gradient: found.gradient,
            inverse,
        })
    }

    // Minimizes by an optimizer other than BFGS.
    fn minimize(
        &mut self,
        settings: &Settings,
        vary: Vary,
        start: &[f64],
        observe: &mut Observer,
    ) -> Result<OptSummary> {
        let natural = self.to_natural(vary);
        let mut search = Search::new(self, vary, start);
        let at = search.at.clone();
        at.minimize(settings, &mut search, &mut |count, value, x| {
            observe(count, value, &natural(x))
        })
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
        self.find_anew();
        let reached = self.objective(vary, &parameters)?;
        let mut summary = summary;
        if self.is_iterative() {
            summary.best_value = reached;
        }
        self.snap_to_zero(vary, reached, &mut parameters);
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
            modes: Modes::default(),
        })
    }

    // A minimum at zero is flat: the search ends near it. Zero itself is taken if it is as good.
    fn snap_to_zero(
        &mut self,
        vary: Vary,
        reached: f64,
        parameters: &mut [f64],
    ) {
        let step_sizes = self.step_sizes(vary);
        for j in 0..self.n_theta() {
            let is_free = !self.held[j] && self.lower[j] == 0.0;
            let is_near = parameters[j] != 0.0
                && parameters[j] <= ZERO_SD * step_sizes[j];
            if !(is_free && is_near) {
                continue;
            }
            let length = std::mem::take(&mut parameters[j]);
            if !self
                .objective(vary, parameters)
                .is_ok_and(|value| value <= reached + ZERO_COST)
            {
                parameters[j] = length;
            }
        }
    }

    // The guess at the inverse Hessian, with what the fast stage has learnt of theta and the shape.
    fn inverse_with(
        &mut self,
        vary: Vary,
        n_fast: usize,
        learnt: Option<&[f64]>,
    ) -> Vec<f64> {
        let mut inverse = self.inverse_guess(vary);
        let n = self.n_parameters(vary);
        for (at, value) in learnt.unwrap_or(&[]).iter().enumerate() {
            inverse[self.place(vary, at / n_fast) * n
                + self.place(vary, at % n_fast)] = *value;
        }
        inverse
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

// First step of a derivative-free optimizer in each parameter: about a standard error.
fn first_steps(n: usize, inverse: &[f64]) -> Vec<f64> {
    let diagonal = inverse.iter().step_by(n + 1);
    let step =
        |h: &f64| (2.0 * h).sqrt().clamp(FIRST_STEP_LOW, FIRST_STEP_HIGH);
    diagonal.map(step).collect()
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

// Rows and columns of the `n x n` matrix.
fn block_of(n: usize, matrix: &[f64], elements: &[usize]) -> Vec<f64> {
    let mut block = Vec::with_capacity(elements.len().pow(2));
    for &j in elements {
        block.extend(elements.iter().map(|&i| matrix[j * n + i]));
    }
    block
}

// Overwrites rows and columns of the `n x n` matrix.
fn set_block_of(
    n: usize,
    matrix: &mut [f64],
    elements: &[usize],
    block: &[f64],
) {
    for (&j, column) in elements
        .iter()
        .zip(block.chunks_exact(elements.len().max(1)))
    {
        for (&i, value) in elements.iter().zip(column) {
            matrix[j * n + i] = *value;
        }
    }
}
