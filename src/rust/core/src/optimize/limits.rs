//! When a search must end, and when it may as well.

use std::time::Instant;

use super::{Flow, Settings, Status};
use crate::tolerances::STALLED;

/// Steps whose gain is looked at together.
pub(super) const STALL: usize = 50;

/// The limits of a search, and when it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    started: Instant,
    max_eval: usize,
    max_time: f64,
}

impl Limits {
    /// The limits that the settings have, for a search that begins now.
    pub fn new(settings: &Settings) -> Self {
        Self {
            started: Instant::now(),
            max_eval: settings.max_eval,
            max_time: settings.max_time,
        }
    }

    /// Why a search must end after `count` evaluations, where the observer of the last one wants
    /// `flow`; `None` if it may go on.
    pub fn met(&self, count: usize, flow: Flow) -> Option<Status> {
        let seconds = || self.started.elapsed().as_secs_f64();
        if flow == Flow::Stop {
            Some(Status::Interrupted)
        } else if self.max_eval > 0 && count >= self.max_eval {
            Some(Status::MaxEval)
        } else if self.max_time > 0.0 && seconds() >= self.max_time {
            Some(Status::MaxTime)
        } else {
            None
        }
    }
}

/// What many steps have gained together.
#[derive(Debug)]
pub(super) struct Gain {
    steps: usize,
    before: f64,
}

impl Gain {
    /// Begins where the objective has this value.
    pub fn from(value: f64) -> Self {
        Self {
            steps: 0,
            before: value,
        }
    }

    /// Counts a step, before which the objective has this value; whether many steps together have
    /// gained next to nothing.
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
