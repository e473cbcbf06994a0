//! How a search went, and what it found.

use crate::tolerances::NO_GAIN;

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
    pub(crate) fn has_converged(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::FtolReached
                | Self::XtolReached
                | Self::RoundoffLimited
        )
    }

    /// Whether the caller's limit or wish ended the search.
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
        }
    }

    /// The better result of a search and another one after it. One that was stopped says so.
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

    /// A search with another one after it, which is the better judge of where it ends.
    pub(crate) fn followed_by(mut self, mut next: Self) -> Self {
        self.log.append(&mut next.log);
        Self {
            best: next.best,
            best_value: next.best_value,
            status: next.status,
            ..self
        }
    }

    /// The summary with every point in other coordinates.
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
