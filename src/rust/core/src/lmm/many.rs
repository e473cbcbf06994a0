//! Many responses of one design, such as simulated ones, or many outcomes measured on the same
//! rows.
//!
//! The cross-products of Z and X do not depend on the response and are computed once; each response
//! adds `[Z X]'Wy`, `y'Wy` and its own optimization. Threads take groups of responses, each thread
//! with its own factor. Every search starts like that of a single fit and uses no information about
//! other responses, so that results are identical, bit for bit, for any number of threads and any
//! order.

use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use crate::design::{check_finite, Design};
use crate::error::{Error, Result};
use crate::factor::response_sums::ResponseSums;
use crate::judge::Verdict;
use crate::lmm::{Estimates, Held, LinearMixedModel, Reached};
use crate::optimize::{until, Settings, Status};
use crate::parallel::{in_threads, Watch};

/// Largest number of responses that a thread takes at a time.
const GROUP: usize = 16;
/// Number of groups per thread when there are few responses, for load balancing.
const GROUPS_PER_THREAD: usize = 4;

/// Settings of the fits of many responses.
#[derive(Debug, Clone, PartialEq)]
pub struct ManySettings {
    /// Start of each search; if empty, the start of the model.
    pub start: Vec<f64>,
    /// The start of each response, in the place of `start`; empty for responses without one.
    pub starts: Vec<Vec<f64>>,
    /// Elements of theta that are held fixed.
    pub held: Held,
    /// The optimizer's settings.
    pub optimizer: Settings,
    /// Number of threads, at least one.
    pub threads: usize,
    /// Combinations of the fixed effects, one after the other, whose degrees of freedom are to be
    /// computed by Satterthwaite's method.
    pub df: Vec<f64>,
}

/// The fit of one of many responses.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOfMany {
    /// Covariance parameters.
    pub theta: Vec<f64>,
    /// Estimates at these parameters.
    pub estimates: Estimates,
    /// Why the optimizer stopped.
    pub status: Status,
    /// The verdict of the certificate at theta.
    pub verdict: Verdict,
    /// Evaluations of the objective.
    pub evaluations: usize,
    /// Satterthwaite's degrees of freedom, if requested; `None` where
    /// [`LinearMixedModel::satterthwaite`] returns none.
    pub df: Option<Vec<f64>>,
}

/// The response-dependent cross-products of some responses of a design.
#[derive(Debug, Clone)]
pub struct Responses {
    sums: ResponseSums,
}

impl LinearMixedModel {
    /// Sums up the response-dependent cross-products of other responses, of `n` finite values each.
    /// `design` must be the one that the model was made from.
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

    /// Fits each of the responses `y`, of `n` values each; `design` must be the one that the model
    /// was made from. A failed fit is an `Err` in the result; a fit that had not begun when the
    /// watch asked to stop is `Interrupted`, and one that was running has that status.
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

    // Fits `count` responses, the i-th of which `fill` writes. An element is `None` if its fit had
    // not begun when the watch asked to stop.
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
                   stop: &Arc<AtomicBool>| {
            let first = at * group;
            let size = group.min(count - first);
            let y = &mut y[..size * n];
            let columns = y.chunks_exact_mut(n).enumerate();
            for (c, out) in columns {
                fill(first + c, out);
            }
            model.fit_group(design, (first, y), settings, stop)
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
        (first, y): (usize, &[f64]),
        settings: &ManySettings,
        stop: &AtomicBool,
    ) -> Vec<Result<OneOfMany>> {
        let responses = match self.responses(design, y) {
            Ok(responses) => responses,
            Err(_) => {
                return self.fit_singly(design, (first, y), settings, stop)
            }
        };
        let one = |c: usize| {
            self.set_response(&responses, c);
            self.fit_one(first + c, settings, stop)
        };
        (0..responses.sums.columns()).map(one).collect()
    }

    // Fits the responses of a group one by one, after one of them had no valid cross-products, so
    // that only that one fails.
    fn fit_singly(
        &mut self,
        design: &Design,
        (first, y): (usize, &[f64]),
        settings: &ManySettings,
        stop: &AtomicBool,
    ) -> Vec<Result<OneOfMany>> {
        let one = |(c, y): (usize, &[f64])| {
            let responses = self.responses(design, y)?;
            self.set_response(&responses, 0);
            self.fit_one(first + c, settings, stop)
        };
        y.chunks_exact(design.n()).enumerate().map(one).collect()
    }

    // Fits the response that was set, number `c` of all.
    fn fit_one(
        &mut self,
        c: usize,
        settings: &ManySettings,
        stop: &AtomicBool,
    ) -> Result<OneOfMany> {
        let own = settings.starts.get(c).filter(|own| !own.is_empty());
        let mut start = own.unwrap_or(&settings.start).clone();
        if start.is_empty() {
            start.extend_from_slice(self.start());
        }
        self.hold(&settings.held, &mut start)?;
        let summary =
            self.fit(&start, &settings.optimizer, &mut until(stop))?;
        let verdict = self.certificate(&summary.best)?.verdict;
        let estimates = self.estimates(&summary.best)?;
        let df = match settings.df.is_empty() {
            true => None,
            false => self.satterthwaite(&summary.best, &settings.df)?,
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

// Checks that `y` consists of whole responses of finite values.
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
