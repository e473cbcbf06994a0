//! What R shows of a running fit: the lines of `verbose`, a progress line, and the check for user
//! interrupts.

use std::ffi::{c_char, CString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use extendr_api::prelude::*;
use rlmm_core::glmm::Vary;
use rlmm_core::optimize::{Flow, OptSummary, Status, StopRequest};

extern "C" {
    fn rlmm_check_interrupt() -> i32;
    fn rlmm_print_line(line: *const c_char);
}

// Prints a line on R's console. An interrupt that R receives while printing is kept for
// `is_interrupted()`: R's own printing would jump over Rust's frames.
fn print_line(line: &str) {
    let line = CString::new(line).unwrap_or_default();
    // SAFETY: a C function that returns normally, called on R's main thread with a string that
    // ends with a zero and outlives the call.
    unsafe { rlmm_print_line(line.as_ptr()) }
}

/// Whether the user has interrupted. Must be called on R's main thread.
pub fn is_interrupted() -> bool {
    // SAFETY: a C function without arguments, called on R's main thread, that returns normally.
    unsafe { rlmm_check_interrupt() == 1 }
}

const POLL: Duration = Duration::from_millis(50);
const FIRST_PROGRESS: Duration = Duration::from_secs(1);

/// The user's interrupt of a computation on R's main thread. R forgets an interrupt that it has
/// reported, so it is remembered here.
#[derive(Debug)]
pub struct Interrupt(Mutex<Polls>);

#[derive(Debug)]
struct Polls {
    last: Instant,
    is_interrupted: bool,
}

impl Interrupt {
    /// No interrupt so far.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Polls {
            last: Instant::now(),
            is_interrupted: false,
        })))
    }
}

impl StopRequest for Interrupt {
    fn is_made(&self) -> bool {
        let polls = self.0.lock();
        let mut polls = polls.unwrap_or_else(PoisonError::into_inner);
        if !polls.is_interrupted && polls.last.elapsed() >= POLL {
            polls.last = Instant::now();
            polls.is_interrupted = is_interrupted();
        }
        polls.is_interrupted
    }
}

/// Watches a fit from R's main thread, across all of its searches.
pub struct Watch {
    verbose: bool,
    progress: bool,
    // The limit in seconds; zero for no limit.
    max_time: f64,
    started: Instant,
    // When progress was shown last.
    seen: Instant,
    interrupt: Arc<Interrupt>,
    shown: bool,
    // The reason why the fit must stop, if it must.
    ended: Option<Status>,
}

impl Watch {
    /// A watch that prints each evaluation if `verbose`, shows the progress of a long fit if
    /// `progress`, and stops the fit after `max_time` seconds (zero: never).
    pub fn new(verbose: bool, progress: bool, max_time: f64) -> Self {
        let now = Instant::now();
        Self {
            verbose,
            progress,
            max_time,
            started: now,
            seen: now,
            interrupt: Interrupt::new(),
            shown: false,
            ended: None,
        }
    }

    /// The user's interrupt, for computations between the evaluations that the watch sees.
    pub fn interrupt(&self) -> Arc<Interrupt> {
        self.interrupt.clone()
    }

    /// Called after an evaluation; returns whether the search may continue. After one search was
    /// stopped, so are all later ones.
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

    /// Records in the summary of a fit that it was stopped, even if that happened in an earlier
    /// search.
    pub fn mark(&self, summary: &mut OptSummary) {
        if let Some(status) = self.ended {
            summary.status = status;
        }
    }

    fn end(&self) -> Option<Status> {
        if self.max_time > 0.0
            && self.started.elapsed().as_secs_f64() >= self.max_time
        {
            return Some(Status::MaxTime);
        }
        self.interrupt.is_made().then_some(Status::Interrupted)
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
        let is_due = self.seen.elapsed() >= POLL
            && self.started.elapsed() > FIRST_PROGRESS;
        if self.progress && !self.verbose && is_due {
            self.shown = true;
            self.seen = Instant::now();
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

/// Counts many fits from R's main thread, and checks for user interrupts.
pub struct Count {
    whole: usize,
    progress: bool,
    started: Instant,
    polled: Instant,
    shown: bool,
}

impl Count {
    /// Shows how many of the `whole` fits are done, if they take long and `progress` is set.
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

    /// Called after some fits; returns whether to stop.
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
