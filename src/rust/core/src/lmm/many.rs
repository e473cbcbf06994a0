//! Many responses of one design: simulated ones, or measurements of many kinds on the same rows.
//!
//! What a design says of Z and X doesn't depend on the response. It is summed up once; a response
//! adds `[Z X]'Wy`, `y'Wy` and a search of its own. Threads take the responses in groups, each with
//! a factor of its own. A search starts where that of a single fit starts and knows nothing of
//! other responses, so that the results are the same, bit for bit, for any number of threads and in
//! any order.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::derivatives::{FactorDerivatives, OmegaDerivatives};
use crate::design::{check_finite, Design};
use crate::error::{Error, Result};
use crate::factor::response_sums::ResponseSums;
use crate::judge::Verdict;
use crate::kernels::chunks::chunks;
use crate::lmm::{Estimates, Held, LinearMixedModel, Memory, Reached};
use crate::optimize::{Flow, Settings, Status};

/// Responses that a thread takes at a time.
const GROUP: usize = 16;
/// How long the calling thread sleeps between two questions whether to stop.
const POLL: Duration = Duration::from_millis(2);

/// How many responses are to be fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct ManySettings {
    /// Where each search starts; empty: at the start of the model.
    pub start: Vec<f64>,
    /// Elements of theta that aren't fitted.
    pub held: Held,
    /// The optimizer's settings.
    pub optimizer: Settings,
    /// Number of threads, at least one.
    pub threads: usize,
}

/// The fit of one of many responses.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOfMany {
    /// Covariance parameters.
    pub theta: Vec<f64>,
    /// What follows from them.
    pub estimates: Estimates,
    /// Why the optimizer stopped.
    pub status: Status,
    /// What the certificate says of theta.
    pub verdict: Verdict,
    /// Evaluations of the objective.
    pub evaluations: usize,
}

/// What some responses of a model's design say.
#[derive(Debug, Clone)]
pub struct Responses {
    sums: ResponseSums,
}

/// Groups of responses that wait for a thread, and the fits of those that are done.
struct Queue {
    groups: Vec<Range<usize>>,
    next: AtomicUsize,
    found: Mutex<Vec<(usize, Fits)>>,
}

/// The fits of one group.
type Fits = Vec<Result<OneOfMany>>;

impl Queue {
    // `length` values, `size` of them in a group.
    fn new(length: usize, size: usize) -> Self {
        Self {
            groups: chunks(length, size).collect(),
            next: AtomicUsize::new(0),
            found: Mutex::new(Vec::new()),
        }
    }

    fn next(&self) -> Option<Range<usize>> {
        let next = self.next.fetch_add(1, Relaxed);
        self.groups.get(next).cloned()
    }

    fn push(&self, first: usize, fits: Fits) {
        let found = self.found.lock();
        let mut found = found.unwrap_or_else(PoisonError::into_inner);
        found.push((first, fits));
    }

    // All fits in the order of the responses.
    fn fits(self) -> Fits {
        let found = self.found.into_inner();
        let mut found = found.unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|(first, _)| *first);
        found.into_iter().flat_map(|(_, fits)| fits).collect()
    }
}

impl LinearMixedModel {
    /// Sums up other responses, `n` finite values each, of `design`, the one that the model was
    /// made from. Nothing is summed that doesn't involve a response.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`.
    pub fn responses(&self, design: &Design, y: &[f64]) -> Result<Responses> {
        check(design, y)?;
        Ok(Responses {
            sums: ResponseSums::of(design, &self.factor, y),
        })
    }

    /// Replaces the response by number `c` of `responses`.
    pub fn set_response(&mut self, responses: &Responses, c: usize) {
        self.response.replace(responses.sums.column(c));
        self.memory.reached = Reached::Nothing;
    }

    /// Copies the model, with working memory of its own; nothing is summed up.
    pub fn fork(&self) -> Self {
        let covs = self.factor.covs();
        Self {
            factor: self.factor.clone(),
            response: self.response.clone(),
            likelihood: self.likelihood,
            scales: self.scales.clone(),
            domain: self.domain.clone(),
            redundant: self.redundant.clone(),
            memory: Memory {
                reached: Reached::Nothing,
                omega: OmegaDerivatives::new(covs),
                computer: FactorDerivatives::new(&self.factor),
            },
        }
    }

    /// Fits each of the responses `y`, `n` values each, of `design`, the one that the model was
    /// made from. Failures are results. `is_stopped` is asked by the calling thread now and then;
    /// searches that haven't ended then say so.
    ///
    /// # Errors
    /// Fails as [`Self::responses`] does.
    pub fn fit_many(
        &self,
        design: &Design,
        y: &[f64],
        settings: &ManySettings,
        is_stopped: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Result<OneOfMany>>> {
        check(design, y)?;
        let stop = AtomicBool::new(false);
        let queue = Queue::new(y.len(), GROUP * design.n());
        let work = || {
            let mut model = self.fork();
            while let Some(group) = queue.next() {
                let fits = model.fit_group(design, &y[group.clone()], settings, &stop);
                queue.push(group.start, fits);
            }
        };
        thread::scope(|scope| {
            let threads = settings.threads.min(queue.groups.len());
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(POLL);
                if is_stopped() {
                    stop.store(true, Relaxed);
                }
            }
        });
        Ok(queue.fits())
    }

    fn fit_group(
        &mut self,
        design: &Design,
        y: &[f64],
        settings: &ManySettings,
        stop: &AtomicBool,
    ) -> Vec<Result<OneOfMany>> {
        let responses = match self.responses(design, y) {
            Ok(responses) => responses,
            Err(error) => return vec![Err(error); y.len() / design.n()],
        };
        let one = |c: usize| {
            self.set_response(&responses, c);
            self.fit_one(settings, stop)
        };
        (0..responses.sums.columns()).map(one).collect()
    }

    fn fit_one(&mut self, settings: &ManySettings, stop: &AtomicBool) -> Result<OneOfMany> {
        let mut start = settings.start.clone();
        if start.is_empty() {
            start.extend_from_slice(self.start());
        }
        self.hold(&settings.held, &mut start)?;
        let mut observe = |_: usize, _: f64, _: &[f64]| match stop.load(Relaxed) {
            true => Flow::Stop,
            false => Flow::Continue,
        };
        let summary = self.fit(&start, &settings.optimizer, &mut observe)?;
        let verdict = self.certificate(&summary.best)?.verdict;
        Ok(OneOfMany {
            estimates: self.estimates(&summary.best)?,
            evaluations: summary.log.len(),
            status: summary.status,
            theta: summary.best,
            verdict,
        })
    }
}

// Whole responses of finite values.
fn check(design: &Design, y: &[f64]) -> Result<()> {
    let n = design.n();
    if n == 0 || y.len() % n != 0 {
        return Err(Error::Dimension {
            what: "y",
            expected: n,
            found: y.len(),
        });
    }
    check_finite("y", y)
}
