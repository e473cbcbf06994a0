//! Stopping rules: limits on evaluations and time, interruption, and stalled progress.

use std::time::Instant;

use super::{Flow, Settings, Status};
use crate::tolerances::STALLED;

/// Number of consecutive steps whose total gain is compared with a threshold.
pub(super) const STALL: usize = 50;

/// The limits of a search, and the time when it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    started: Instant,
    max_eval: usize,
    max_time: f64,
}

impl Limits {
    /// The limits in `settings`, for a search that begins now.
    pub fn new(settings: &Settings) -> Self {
        Self {
            started: Instant::now(),
            max_eval: settings.max_eval,
            max_time: settings.max_time,
        }
    }

    /// The limit that stops a search after `count` evaluations, with the observer's response `flow`
    /// to the last one; `None` if the search may continue. `is_spent` is the objective's own limit
    /// ([`super::Objective::is_spent`]).
    pub fn met(
        &self,
        count: usize,
        is_spent: bool,
        flow: Flow,
    ) -> Option<Status> {
        let seconds = || self.started.elapsed().as_secs_f64();
        let is_last = self.max_eval > 0 && count >= self.max_eval;
        if flow == Flow::Stop {
            Some(Status::Interrupted)
        } else if is_last || is_spent {
            Some(Status::MaxEval)
        } else if self.max_time > 0.0 && seconds() >= self.max_time {
            Some(Status::MaxTime)
        } else {
            None
        }
    }
}

/// The total decrease of the objective over a fixed number of consecutive steps.
#[derive(Debug)]
pub(super) struct Gain {
    steps: usize,
    before: f64,
}

impl Gain {
    /// Begins with the objective at `value`.
    pub fn from(value: f64) -> Self {
        Self {
            steps: 0,
            before: value,
        }
    }

    /// Counts a step that begins with the objective at `value`; returns whether the last [`STALL`]
    /// steps together gained almost nothing.
    pub fn is_stalled(&mut self, value: f64) -> bool {
        self.steps += 1;
        if self.steps % STALL != 0 {
            return false;
        }
        let gain = self.before - value;
        self.before = value;
        gain < STALLED
    }
}
