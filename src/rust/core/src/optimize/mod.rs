//! Minimisation of an objective that is known only by its value and derivatives.

use crate::tolerances::{FTOL_ABS, FTOL_REL, NO_GAIN, XTOL_ABS};

pub mod bfgs;
mod newton;
pub mod nlopt;
#[cfg(test)]
mod rosenbrock;
pub mod trust_region;

use std::time::Instant;

use crate::error::{Error, Result};

/// Name of our own optimizer, the default.
pub const NEWTON: &str = "newton";

/// Tolerances and limits, in NLopt's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name of the optimizer: [`NEWTON`], or NLopt's, for example `LN_BOBYQA`.
    pub optimizer: String,
    /// Stop when the objective changes relatively less.
    pub ftol_rel: f64,
    /// Stop when the objective changes less.
    pub ftol_abs: f64,
    /// Stop when all parameters change relatively less.
    pub xtol_rel: f64,
    /// Stop when each parameter changes less.
    pub xtol_abs: f64,
    /// First step of each parameter; empty: the optimizer's choice.
    pub initial_step: Vec<f64>,
    /// Most evaluations; 0: no limit.
    pub max_eval: usize,
    /// Most seconds; 0: no limit.
    pub max_time: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            optimizer: NEWTON.into(),
            ftol_rel: FTOL_REL,
            ftol_abs: FTOL_ABS,
            xtol_rel: 0.0,
            xtol_abs: XTOL_ABS,
            initial_step: Vec::new(),
            max_eval: 0,
            max_time: 0.0,
        }
    }
}

/// Why the optimizer stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The optimizer's own test was met.
    Success,
    /// The objective changes less than its tolerance.
    FtolReached,
    /// The parameters change less than their tolerance.
    XtolReached,
    /// No progress within rounding error: as good as converged.
    RoundoffLimited,
    /// `max_eval` evaluations.
    MaxEval,
    /// `max_time` seconds.
    MaxTime,
    /// The caller asked to stop.
    Interrupted,
    /// The optimizer gave up.
    Failure,
}

impl Status {
    /// Whether the optimizer came to an end of its own.
    pub fn has_converged(self) -> bool {
        matches!(
            self,
            Self::Success | Self::FtolReached | Self::XtolReached | Self::RoundoffLimited
        )
    }

    /// NLopt's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::FtolReached => "FTOL_REACHED",
            Self::XtolReached => "XTOL_REACHED",
            Self::RoundoffLimited => "ROUNDOFF_LIMITED",
            Self::MaxEval => "MAXEVAL_REACHED",
            Self::MaxTime => "MAXTIME_REACHED",
            Self::Interrupted => "FORCED_STOP",
            Self::Failure => "FAILURE",
        }
    }
}

/// The course and the result of an optimisation.
#[derive(Debug, Clone, PartialEq)]
pub struct OptSummary {
    /// Start.
    pub initial: Vec<f64>,
    /// Objective there.
    pub initial_value: f64,
    /// Best point.
    pub best: Vec<f64>,
    /// Objective there.
    pub best_value: f64,
    /// First steps used.
    pub initial_step: Vec<f64>,
    /// Why it stopped.
    pub status: Status,
    /// Every evaluation, in order.
    pub log: Vec<(f64, Vec<f64>)>,
}

impl OptSummary {
    /// Of an objective without parameters.
    pub fn of_constant(value: f64) -> Self {
        Self {
            initial: Vec::new(),
            initial_value: value,
            best: Vec::new(),
            best_value: value,
            initial_step: Vec::new(),
            status: Status::Success,
            log: vec![(value, Vec::new())],
        }
    }

    /// This search and then another one: the better result of the two. One that was stopped says so.
    pub fn or_better(mut self, mut next: Self) -> Self {
        self.log.append(&mut next.log);
        if next.best_value < self.best_value - NO_GAIN {
            (self.best, self.best_value, self.status) = (next.best, next.best_value, next.status);
        } else if !next.status.has_converged() {
            self.status = next.status;
        }
        self
    }

    /// The same with every point in other coordinates.
    pub fn mapped(self, map: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        let log = self
            .log
            .into_iter()
            .map(|(value, x)| (value, map(&x)))
            .collect();
        Self {
            initial: map(&self.initial),
            best: map(&self.best),
            log,
            ..self
        }
    }
}

/// What the caller wants after an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop with the best point so far.
    Stop,
}

/// What is minimised. Derivatives are those at the point of the last successful [`Objective::value`].
pub trait Objective {
    /// The objective at `x`.
    ///
    /// # Errors
    /// The model's own, where the objective isn't defined.
    fn value(&mut self, x: &[f64]) -> Result<f64>;

    /// Its gradient.
    ///
    /// # Errors
    /// `Optimizer` if there is none; the model's own.
    fn gradient(&mut self, _gradient: &mut [f64]) -> Result<()> {
        Err(Error::Optimizer {
            status: "the objective has no gradient".into(),
        })
    }

    /// Its Hessian or an approximation, symmetric; [`Objective::gradient`] has been called.
    ///
    /// # Errors
    /// `Optimizer` if there is none; the model's own.
    fn hessian(&mut self, _hessian: &mut [f64]) -> Result<()> {
        Err(Error::Optimizer {
            status: "the objective has no Hessian".into(),
        })
    }

    /// Gradient and Hessian in the coordinates of [`Objective::displaced`]: those of a step from the last point.
    ///
    /// # Errors
    /// Those of [`Objective::gradient`] and [`Objective::hessian`].
    fn local_derivatives(&mut self, gradient: &mut [f64], hessian: &mut [f64]) -> Result<()> {
        self.gradient(gradient)?;
        self.hessian(hessian)?;
        if let Some(step_sizes) = self.step_sizes() {
            scale(&step_sizes, gradient, hessian);
        }
        Ok(())
    }

    /// The point that the step `p` leads to from `x`, at which [`Objective::local_derivatives`] was last called.
    fn displaced(&self, x: &[f64], p: &[f64]) -> Vec<f64> {
        match self.step_sizes() {
            Some(step_sizes) => x
                .iter()
                .zip(p)
                .zip(&step_sizes)
                .map(|((x, p), step_size)| x + p * step_size)
                .collect(),
            None => x.iter().zip(p).map(|(x, p)| x + p).collect(),
        }
    }

    /// The size of a step of one in each coordinate.
    fn step_sizes(&self) -> Option<Vec<f64>> {
        None
    }

    /// A point that another method than Newton's proposes from the last one, whose Hessian has been computed.
    fn proposal(&mut self) -> Option<Vec<f64>> {
        None
    }

    /// Whether there are no equivalent points beyond the lower bound of zero of each of the `n` coordinates.
    fn is_bounded(&self, n: usize) -> Vec<bool> {
        vec![false; n]
    }

    /// Chooses among equivalent points the one to report.
    fn make_canonical(&self, _x: &mut [f64]) {}

    /// Points to try where the gradient at `x` vanishes, best first: those that promise more than `gain`.
    fn escapes(&mut self, _x: &[f64], _gain: f64) -> Vec<Vec<f64>> {
        Vec::new()
    }
}

/// From derivatives in some coordinates to those in multiples of `step_sizes`.
pub(crate) fn scale(step_sizes: &[f64], gradient: &mut [f64], hessian: &mut [f64]) {
    gradient
        .iter_mut()
        .zip(step_sizes)
        .for_each(|(g, step_size)| *g *= step_size);
    for (column, step_size) in hessian
        .chunks_exact_mut(step_sizes.len().max(1))
        .zip(step_sizes)
    {
        column
            .iter_mut()
            .zip(step_sizes)
            .for_each(|(h, other)| *h *= step_size * other);
    }
}

/// Sees every evaluation (its number, value and point) and may stop the optimizer.
pub type Observer<'a> = dyn FnMut(usize, f64, &[f64]) -> Flow + 'a;

/// Evaluates the objective for an optimizer: keeps the log and the best point, enforces the limits.
pub(crate) struct Recorder<'a> {
    objective: &'a mut dyn Objective,
    observe: &'a mut Observer<'a>,
    started: Instant,
    max_eval: usize,
    max_time: f64,
    log: Vec<(f64, Vec<f64>)>,
    best: usize,
    is_valid: bool,
    // The last one at a point where the objective is defined.
    last_gradient: Vec<f64>,
    stopped: Option<Status>,
}

impl<'a> Recorder<'a> {
    fn new(
        settings: &Settings,
        objective: &'a mut dyn Objective,
        observe: &'a mut Observer<'a>,
    ) -> Self {
        let (max_eval, max_time) = (settings.max_eval, settings.max_time);
        Self {
            objective,
            observe,
            started: Instant::now(),
            max_eval,
            max_time,
            log: Vec::new(),
            best: 0,
            is_valid: true,
            last_gradient: Vec::new(),
            stopped: None,
        }
    }

    /// The objective at `x`. Where it can't be evaluated the start's value stands in: infinity would spoil the
    /// models that the optimizers build.
    pub(crate) fn evaluate(&mut self, x: &[f64]) -> f64 {
        let value = self.objective.value(x).ok().filter(|v| v.is_finite());
        self.is_valid = value.is_some();
        let value = value
            .or(self.log.first().map(|first| first.0))
            .unwrap_or(f64::NAN);
        self.record(value, x);
        value
    }

    /// The objective at the canonical form of `x`, if it can be evaluated there.
    pub(crate) fn evaluate_at(&mut self, mut x: Vec<f64>) -> Option<f64> {
        self.objective.make_canonical(&mut x);
        let value = self.evaluate(&x);
        self.is_valid.then_some(value)
    }

    /// Gradient at the last point. Where the objective isn't defined it points back: a zero would pass for an optimum.
    pub(crate) fn gradient(&mut self, gradient: &mut [f64]) {
        if self.is_valid && self.objective.gradient(gradient).is_ok() {
            self.last_gradient.clear();
            self.last_gradient.extend_from_slice(gradient);
        } else {
            gradient.fill(0.0);
            gradient
                .iter_mut()
                .zip(&self.last_gradient)
                .for_each(|(g, last)| *g = -last);
        }
    }

    /// Gradient and Hessian at `x`, a valid point.
    ///
    /// # Errors
    /// The objective's own.
    pub(crate) fn derivatives_at(
        &mut self,
        x: &[f64],
        gradient: &mut [f64],
        hessian: &mut [f64],
    ) -> Result<()> {
        self.objective.value(x)?;
        self.objective.gradient(gradient)?;
        self.objective.hessian(hessian)
    }

    /// See [`Objective::local_derivatives`]; the last point was a valid one.
    ///
    /// # Errors
    /// The objective's own.
    pub(crate) fn local_derivatives(
        &mut self,
        gradient: &mut [f64],
        hessian: &mut [f64],
    ) -> Result<()> {
        self.objective.local_derivatives(gradient, hessian)
    }

    /// See [`Objective::displaced`].
    pub(crate) fn displaced(&self, x: &[f64], p: &[f64]) -> Vec<f64> {
        self.objective.displaced(x, p)
    }

    /// The size of a step of one in each of the `n` coordinates.
    pub(crate) fn step_sizes(&self, n: usize) -> Vec<f64> {
        self.objective.step_sizes().unwrap_or_else(|| vec![1.0; n])
    }

    /// See [`Objective::is_bounded`].
    pub(crate) fn is_bounded(&self, n: usize) -> Vec<bool> {
        self.objective.is_bounded(n)
    }

    /// See [`Objective::proposal`].
    pub(crate) fn proposal(&mut self) -> Option<Vec<f64>> {
        self.objective.proposal()
    }

    /// See [`Objective::escapes`].
    pub(crate) fn escapes(&mut self, x: &[f64], gain: f64) -> Vec<Vec<f64>> {
        self.objective.escapes(x, gain)
    }

    /// Evaluations so far.
    pub(crate) fn count(&self) -> usize {
        self.log.len()
    }

    /// The last point and its value.
    pub(crate) fn last(&self) -> (f64, &[f64]) {
        let (value, x) = &self.log[self.log.len() - 1];
        (*value, x)
    }

    /// Reports the last point even if rounding puts another one below it.
    pub(crate) fn prefer_last(&mut self) {
        self.best = self.log.len() - 1;
    }

    /// The best point in its canonical form.
    pub(crate) fn canonical_best(&self) -> Vec<f64> {
        let mut best = self.best().1.to_vec();
        self.objective.make_canonical(&mut best);
        best
    }

    fn record(&mut self, value: f64, x: &[f64]) {
        self.log.push((value, x.to_vec()));
        if value < self.log[self.best].0 {
            self.best = self.log.len() - 1;
        }
        let count = self.log.len();
        if (self.observe)(count, value, x) == Flow::Stop {
            self.stopped = Some(Status::Interrupted);
        } else if self.max_eval > 0 && count >= self.max_eval {
            self.stopped = Some(Status::MaxEval);
        } else if self.max_time > 0.0 && self.started.elapsed().as_secs_f64() >= self.max_time {
            self.stopped = Some(Status::MaxTime);
        }
    }

    /// Whether a limit has been met: the optimizer must not go on.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// The best point and its value.
    pub(crate) fn best(&self) -> (f64, &[f64]) {
        (self.log[self.best].0, &self.log[self.best].1)
    }

    pub(crate) fn finish(self, status: Status, initial_step: Vec<f64>) -> OptSummary {
        let (initial_value, initial) = self.log[0].clone();
        let (best_value, best) = (self.best().0, self.canonical_best());
        let status = self.stopped.unwrap_or(status);
        OptSummary {
            initial,
            initial_value,
            best,
            best_value,
            initial_step,
            status,
            log: self.log,
        }
    }
}

/// Minimises `objective` from `start`. The lower bounds are kept by NLopt's algorithms without derivatives, and by the
/// others where they must be ([`Objective::is_bounded`]); elsewhere these search without bounds and report the canonical
/// form of what they find.
///
/// # Errors
/// `UnknownOptimizer`; the objective's own error if it can't be evaluated at `start`.
pub fn minimize<'a>(
    settings: &Settings,
    start: &[f64],
    lower: &[f64],
    objective: &'a mut dyn Objective,
    observe: &'a mut Observer<'a>,
) -> Result<OptSummary> {
    let first = objective.value(start)?;
    if !first.is_finite() {
        return Err(Error::Optimizer {
            status: "the objective is not finite at the start".into(),
        });
    }
    let mut recorder = Recorder::new(settings, objective, observe);
    if settings.optimizer != NEWTON {
        return nlopt::minimize(settings, start, lower, recorder);
    }
    recorder.record(first, start);
    newton::minimize(settings, lower, recorder)
}
