//! What R sees of a running fit: the lines of `verbose`, a progress line, and the user's wish to
//! stop.

use std::ffi::{c_char, CString};
use std::time::{Duration, Instant};

use extendr_api::prelude::*;
use rlmm_core::glmm::Vary;
use rlmm_core::optimize::{Flow, OptSummary, Status};

extern "C" {
    fn rlmm_check_interrupt() -> i32;
    fn rlmm_print_line(line: *const c_char);
}

// Prints a line on R's console. A request to stop that R meets while it prints is kept for
// `is_interrupted()`: R's own printing would jump over Rust's frames.
fn print_line(line: &str) {
    let line = CString::new(line).unwrap_or_default();
    // SAFETY: a C function that returns normally, called on R's main thread with a string that
    // ends with a zero and outlives the call.
    unsafe { rlmm_print_line(line.as_ptr()) }
}

/// Whether the user wants to stop. To be asked on R's main thread only.
pub fn is_interrupted() -> bool {
    // SAFETY: a C function without arguments, called on R's main thread, that returns normally.
    unsafe { rlmm_check_interrupt() == 1 }
}

const POLL: Duration = Duration::from_millis(50);
const FIRST_PROGRESS: Duration = Duration::from_secs(1);

/// Watches a fit from R's main thread: all of its searches, one after the other.
pub struct Watch {
    verbose: bool,
    progress: bool,
    // Seconds; zero is no limit.
    max_time: f64,
    started: Instant,
    polled: Instant,
    shown: bool,
    // Why the fit has to end, once it has to.
    ended: Option<Status>,
}

impl Watch {
    /// A watch that prints each evaluation if `verbose`, shows the state of a long fit if
    /// `progress`, and ends the fit after `max_time` seconds (zero: never).
    pub fn new(verbose: bool, progress: bool, max_time: f64) -> Self {
        let now = Instant::now();
        Self {
            verbose,
            progress,
            max_time,
            started: now,
            polled: now,
            shown: false,
            ended: None,
        }
    }

    /// Tells a search, after an evaluation, whether to go on. Once one search was stopped, those
    /// that follow are, too.
    pub fn see(&mut self, count: usize, value: f64, theta: &[f64]) -> Flow {
        self.show(count, value, theta);
        if self.ended.is_none() {
            self.ended = self.end();
        }
        match self.ended {
            Some(_) => Flow::Stop,
            None => Flow::Continue,
        }
    }

    /// Says in the record of a fit that it was stopped: its last search may have been another one.
    pub fn mark(&self, summary: &mut OptSummary) {
        if let Some(status) = self.ended {
            summary.status = status;
        }
    }

    fn end(&mut self) -> Option<Status> {
        if self.max_time > 0.0
            && self.started.elapsed().as_secs_f64() >= self.max_time
        {
            return Some(Status::MaxTime);
        }
        if self.polled.elapsed() < POLL {
            return None;
        }
        self.polled = Instant::now();
        is_interrupted().then_some(Status::Interrupted)
    }

    fn show(&mut self, count: usize, value: f64, theta: &[f64]) {
        if self.verbose {
            let theta: Vec<String> =
                theta.iter().map(|&v| significant(v)).collect();
            print_line(&format!(
                "f_{count}: {} [{}]",
                decimals(value),
                theta.join(", ")
            ));
        }
        let is_due = self.polled.elapsed() >= POLL
            && self.started.elapsed() > FIRST_PROGRESS;
        if self.progress && !self.verbose && is_due {
            self.shown = true;
            reprint!(
                "\rFitting: evaluation {count}, objective {}  ",
                decimals(value)
            );
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
    print_line(&format!("vary\u{3b2} = {}", vary == Vary::Jointly));
    for (i, value) in objective.iter().enumerate() {
        if i == 0 {
            let beta = beta.join(", ");
            print_line(&format!("obj\u{2080} = {value}\n\u{3b2} = [{beta}]"));
        } else {
            print_line(&format!("iter = {i}\nobj = {value}"));
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
