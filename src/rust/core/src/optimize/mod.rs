//! Minimisation of an objective that is known only as a closure.

pub mod bfgs;
pub mod nlopt;

use std::time::Instant;

use crate::error::{Error, Result};

/// Tolerances and limits, in NLopt's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name of the optimizer, for example `LN_BOBYQA`.
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
            optimizer: "LN_BOBYQA".into(),
            ftol_rel: 1e-12,
            ftol_abs: 1e-8,
            xtol_rel: 0.0,
            xtol_abs: 1e-10,
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

/// What the caller wants after an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop with the best point so far.
    Stop,
}

/// What is minimised.
pub trait Objective {
    /// The objective at `x`.
    ///
    /// # Errors
    /// The model's own, where the objective isn't defined.
    fn value(&mut self, x: &[f64]) -> Result<f64>;
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
    stopped: Option<Status>,
}

impl<'a> Recorder<'a> {
    fn new(settings: &Settings, objective: &'a mut dyn Objective, observe: &'a mut Observer<'a>) -> Self {
        let (max_eval, max_time) = (settings.max_eval, settings.max_time);
        Self {
            objective,
            observe,
            started: Instant::now(),
            max_eval,
            max_time,
            log: Vec::new(),
            best: 0,
            stopped: None,
        }
    }

    /// The objective at `x`. Where it can't be evaluated the start's value stands in: infinity would spoil the
    /// models that the optimizers build.
    pub(crate) fn evaluate(&mut self, x: &[f64]) -> f64 {
        let value = self.objective.value(x).ok().filter(|v| v.is_finite());
        let value = value.or(self.log.first().map(|first| first.0)).unwrap_or(f64::NAN);
        self.record(value, x);
        value
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
        let (best_value, best) = self.log[self.best].clone();
        let status = self.stopped.unwrap_or(status);
        OptSummary { initial, initial_value, best, best_value, initial_step, status, log: self.log }
    }
}

/// Minimises `objective` from `start`, subject to lower bounds.
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
        return Err(Error::Optimizer { status: "the objective is not finite at the start".into() });
    }
    nlopt::minimize(settings, start, lower, Recorder::new(settings, objective, observe))
}
