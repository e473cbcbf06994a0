//! The course and the result of a search.

use super::Optima;
use crate::tolerances::NO_GAIN;

/// Why an optimizer stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The optimizer's own convergence test was met.
    Success,
    /// The objective changed by less than its tolerance.
    FtolReached,
    /// The parameters changed by less than their tolerance.
    XtolReached,
    /// Rounding errors prevent further progress: converged for practical purposes.
    RoundoffLimited,
    /// The limit `max_eval` was reached.
    MaxEval,
    /// The limit `max_time` was reached.
    MaxTime,
    /// The caller asked to stop.
    Interrupted,
    /// The optimizer failed.
    Failure,
}

impl Status {
    /// Whether the optimizer stopped by its own convergence test.
    pub(crate) fn has_converged(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::FtolReached
                | Self::XtolReached
                | Self::RoundoffLimited
        )
    }

    /// Whether a limit or the caller's request ended the search.
    pub(crate) fn is_limit(self) -> bool {
        matches!(self, Self::MaxEval | Self::MaxTime | Self::Interrupted)
    }

    /// NLopt's name of the status.
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
    /// The start.
    pub initial: Vec<f64>,
    /// The objective at the start.
    pub initial_value: f64,
    /// The best point.
    pub best: Vec<f64>,
    /// The objective at the best point.
    pub best_value: f64,
    /// First steps used.
    pub initial_step: Vec<f64>,
    /// Why it stopped.
    pub status: Status,
    /// Every evaluation, in order.
    pub log: Vec<(f64, Vec<f64>)>,
    /// The minima in which searches from random starts ended.
    pub optima: Optima,
}

impl OptSummary {
    /// The summary of an objective without parameters.
    pub(crate) fn of_constant(value: f64) -> Self {
        Self {
            initial: Vec::new(),
            initial_value: value,
            best: Vec::new(),
            best_value: value,
            initial_step: Vec::new(),
            status: Status::Success,
            log: vec![(value, Vec::new())],
            optima: Optima::default(),
        }
    }

    /// The better of two successive searches. If one of them was stopped, so is the result.
    pub(crate) fn or_better(mut self, mut next: Self) -> Self {
        self.log.append(&mut next.log);
        if next.best_value < self.best_value - NO_GAIN {
            (self.best, self.best_value, self.status) =
                (next.best, next.best_value, next.status);
        } else if next.status.is_limit() {
            self.status = next.status;
        }
        self
    }

    /// Joins a search with its continuation, which determines the result.
    pub(crate) fn followed_by(mut self, mut next: Self) -> Self {
        self.log.append(&mut next.log);
        Self {
            best: next.best,
            best_value: next.best_value,
            status: next.status,
            ..self
        }
    }

    /// The summary with every point mapped to other coordinates.
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
