//! What R sees of a running fit: the lines of `verbose`, a progress line, and the user's wish to
//! stop.

use std::time::{Duration, Instant};

use extendr_api::prelude::*;
use rlmm_core::glmm::pirls::Vary;
use rlmm_core::optimize::Flow;

extern "C" {
    fn rlmm_check_interrupt() -> i32;
}

/// Whether the user wants to stop. To be asked on R's main thread only.
pub fn is_interrupted() -> bool {
    // SAFETY: a C function without arguments, called on R's main thread, that returns normally.
    unsafe { rlmm_check_interrupt() == 1 }
}

const POLL: Duration = Duration::from_millis(50);
const FIRST_PROGRESS: Duration = Duration::from_secs(1);

/// Watches a fit from R's main thread.
pub struct Watch {
    verbose: bool,
    progress: bool,
    started: Instant,
    polled: Instant,
    shown: bool,
}

impl Watch {
    /// Prints each evaluation if `verbose`; shows the state of a long fit if `progress`.
    pub fn new(verbose: bool, progress: bool) -> Self {
        let now = Instant::now();
        Self {
            verbose,
            progress,
            started: now,
            polled: now,
            shown: false,
        }
    }

    /// After an evaluation.
    pub fn see(&mut self, count: usize, value: f64, theta: &[f64]) -> Flow {
        if self.verbose {
            let theta: Vec<String> = theta.iter().map(|&v| significant(v)).collect();
            rprintln!("f_{count}: {} [{}]", decimals(value), theta.join(", "));
        }
        if self.polled.elapsed() < POLL {
            return Flow::Continue;
        }
        self.polled = Instant::now();
        if self.progress && !self.verbose && self.started.elapsed() > FIRST_PROGRESS {
            self.shown = true;
            reprint!(
                "\rFitting: evaluation {count}, objective {}  ",
                decimals(value)
            );
        }
        if is_interrupted() {
            Flow::Stop
        } else {
            Flow::Continue
        }
    }

    /// Clears the progress line.
    pub fn finish(&self) {
        if self.shown {
            reprint!("\r{:60}\r", "");
        }
    }
}

/// Counts many fits from R's main thread, and asks for the user's wish to stop.
pub struct Count {
    whole: usize,
    progress: bool,
    started: Instant,
    polled: Instant,
    shown: bool,
}

impl Count {
    /// Shows how many of the `whole` have been done, if that lasts and `progress` is wanted.
    pub fn new(whole: usize, progress: bool) -> Self {
        let now = Instant::now();
        Self {
            whole,
            progress,
            started: now,
            polled: now,
            shown: false,
        }
    }

    /// After some fits; whether to stop.
    pub fn see(&mut self, ended: usize) -> bool {
        if self.polled.elapsed() < POLL {
            return false;
        }
        self.polled = Instant::now();
        if self.progress && self.started.elapsed() > FIRST_PROGRESS {
            self.shown = true;
            reprint!("\rFitting: {ended} of {}  ", self.whole);
        }
        is_interrupted()
    }

    /// Clears the progress line.
    pub fn finish(&self) {
        if self.shown {
            reprint!("\r{:60}\r", "");
        }
    }
}

/// Prints the course of one search for the modes.
pub fn print_course(vary: Vary, beta: &[f64], objective: &[f64]) {
    let beta: Vec<String> = beta.iter().map(|&v| significant(v)).collect();
    rprintln!("vary\u{3b2} = {}", vary == Vary::Jointly);
    for (i, value) in objective.iter().enumerate() {
        if i == 0 {
            rprintln!("obj\u{2080} = {value}\n\u{3b2} = [{}]", beta.join(", "));
        } else {
            rprintln!("iter = {i}\nobj = {value}");
        }
    }
}

// Five decimals without trailing zeros, but at least one: 327.341.
fn decimals(value: f64) -> String {
    let text = format!("{value:.5}");
    let text = text.trim_end_matches('0');
    if text.ends_with('.') {
        format!("{text}0")
    } else {
        text.to_string()
    }
}

// Six significant digits: 0.222645.
fn significant(value: f64) -> String {
    format!(
        "{:?}",
        format!("{value:.5e}").parse::<f64>().unwrap_or(value)
    )
}
