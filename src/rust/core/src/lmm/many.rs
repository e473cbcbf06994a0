//! Many responses of one design: simulated ones, or measurements of many kinds on the same rows.
//!
//! What a design says of Z and X doesn't depend on the response. It is summed up once; a response
//! adds `[Z X]'Wy`, `y'Wy` and a search of its own. Threads take the responses in groups, each with
//! a factor of its own. A search starts where that of a single fit starts and knows nothing of
//! other responses, so that the results are the same, bit for bit, for any number of threads and in
//! any order.

use std::sync::atomic::AtomicBool;

use crate::design::{check_finite, Design};
use crate::error::{Error, Result};
use crate::factor::response_sums::ResponseSums;
use crate::judge::Verdict;
use crate::lmm::{Estimates, Held, LinearMixedModel, Reached};
use crate::optimize::{until, Settings, Status};
use crate::parallel::{in_threads, Watch};

/// Most responses that a thread takes at a time.
const GROUP: usize = 16;
/// Groups that a thread finds to do, where there are few responses.
const GROUPS_PER_THREAD: usize = 4;

/// How each of many responses is to be fitted.
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
    /// Whether degrees of freedom are wanted.
    pub df: bool,
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
    /// Satterthwaite's degrees of freedom of the fixed effects, if they are wanted; none where
    /// [`LinearMixedModel::satterthwaite`] has none.
    pub df: Option<Vec<f64>>,
}

/// What some responses of a model's design say.
#[derive(Debug, Clone)]
pub struct Responses {
    sums: ResponseSums,
}

impl LinearMixedModel {
    /// Sums up other responses, `n` finite values each, of `design`, the one that the model was
    /// made from. Nothing is summed that doesn't involve a response.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`, `NeedsFactor`.
    pub fn responses(&self, design: &Design, y: &[f64]) -> Result<Responses> {
        check(design, y)?;
        Ok(Responses {
            sums: ResponseSums::of(design, &self.engine.as_exact()?.factor, y),
        })
    }

    /// Replaces the response by number `c` of `responses`.
    pub fn set_response(&mut self, responses: &Responses, c: usize) {
        if let Ok(exact) = self.engine.as_exact_mut() {
            exact.response.replace(responses.sums.column(c));
        }
        self.memory.reached = Reached::Nothing;
    }

    /// Fits each of the responses `y`, `n` values each, of `design`, the one that the model was
    /// made from. Failures are results; of a response that wasn't begun when the watch said to stop
    /// the result is `Interrupted`, and a search that hasn't ended then says so.
    ///
    /// # Errors
    /// Fails as [`Self::responses`] does.
    pub fn fit_many(
        &self,
        design: &Design,
        y: &[f64],
        settings: &ManySettings,
        watch: &mut Watch,
    ) -> Result<Vec<Result<OneOfMany>>> {
        check(design, y)?;
        let n = design.n();
        let fill = |c: usize, out: &mut [f64]| {
            out.copy_from_slice(&y[c * n..(c + 1) * n])
        };
        let found = self.fit_each(design, y.len() / n, &fill, settings, watch);
        let fits = found.into_iter();
        Ok(fits
            .map(|fit| fit.unwrap_or(Err(Error::Interrupted)))
            .collect())
    }

    // Fits `count` responses, which `fill` writes, by number; none where a fit wasn't begun.
    pub(super) fn fit_each(
        &self,
        design: &Design,
        count: usize,
        fill: &(dyn Fn(usize, &mut [f64]) + Sync),
        settings: &ManySettings,
        watch: &mut Watch,
    ) -> Vec<Option<Result<OneOfMany>>> {
        let n = design.n();
        let group = count
            .div_ceil(GROUPS_PER_THREAD * settings.threads.max(1))
            .clamp(1, GROUP);
        let job = |(model, y): &mut (Self, Vec<f64>),
                   at: usize,
                   stop: &AtomicBool| {
            let first = at * group;
            let size = group.min(count - first);
            let y = &mut y[..size * n];
            let columns = y.chunks_exact_mut(n).enumerate();
            for (c, out) in columns {
                fill(first + c, out);
            }
            model.fit_group(design, y, settings, stop)
        };
        let found = in_threads(
            count.div_ceil(group),
            settings.threads,
            || (self.fork(), vec![0.0; group * n]),
            job,
            &mut |groups| watch((groups * group).min(count)),
        );
        let size_of = |at: usize| group.min(count - at * group);
        let fits = found.into_iter().enumerate().map(|(at, fits)| match fits {
            Some(fits) => fits.into_iter().map(Some).collect(),
            None => vec![None; size_of(at)],
        });
        fits.flatten().collect()
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
            Err(_) => return self.fit_singly(design, y, settings, stop),
        };
        let one = |c: usize| {
            self.set_response(&responses, c);
            self.fit_one(settings, stop)
        };
        (0..responses.sums.columns()).map(one).collect()
    }

    // One after the other, where one of them can't be summed up.
    fn fit_singly(
        &mut self,
        design: &Design,
        y: &[f64],
        settings: &ManySettings,
        stop: &AtomicBool,
    ) -> Vec<Result<OneOfMany>> {
        let one = |y: &[f64]| {
            let responses = self.responses(design, y)?;
            self.set_response(&responses, 0);
            self.fit_one(settings, stop)
        };
        y.chunks_exact(design.n()).map(one).collect()
    }

    fn fit_one(
        &mut self,
        settings: &ManySettings,
        stop: &AtomicBool,
    ) -> Result<OneOfMany> {
        let mut start = settings.start.clone();
        if start.is_empty() {
            start.extend_from_slice(self.start());
        }
        self.hold(&settings.held, &mut start)?;
        let summary =
            self.fit(&start, &settings.optimizer, &mut until(stop))?;
        let verdict = self.certificate(&summary.best)?.verdict;
        let estimates = self.estimates(&summary.best)?;
        let df = match settings.df {
            true => self.satterthwaite(&summary.best)?,
            false => None,
        };
        Ok(OneOfMany {
            estimates,
            df,
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
