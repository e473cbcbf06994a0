//! One model fitted by several optimizers, in parallel threads that use no R objects. Only the main
//! thread calls R: it waits for the others, and for a user interrupt.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use extendr_api::prelude::*;
use rlmm_core::optimize::{until, Settings};
use rlmm_core::Result;

use crate::convert::{confirm_rows, held, settings, Spec};
use crate::error::guard;
use crate::fields::Fields;
use crate::glmm_job::GlmmJob;
use crate::lmm::{start_of, Fitted};
use crate::progress::is_interrupted;
use crate::threads::n_threads;
use crate::values::{list, Pairs};

const POLL: Duration = Duration::from_millis(2);

/// Fits a spec once for each element of `controls`; an element of the result is a fit with its
/// `seconds`, or an error.
/// @noRd
#[extendr]
fn rust_lmm_fit_all(
    spec: Fields,
    start: &[f64],
    controls: List,
    threads: i32,
) -> Robj {
    guard(|| {
        let spec = Spec::new(&spec)?;
        let controls = Fields::each(&controls, "controls")?;
        let all: Vec<Settings> = controls.iter().map(settings).collect();
        // All controls hold the same parameters.
        let held = controls.first().map(held).unwrap_or_default();
        let given = spec.data()?;
        let basis = spec.basis_of(&given, &held.indices())?;
        let data = given.in_basis(&basis);
        let mut model = spec.model_of(&data)?;
        let mut from = start_of(&model, &basis, start);
        model.hold(&held, &mut from)?;
        let original = model.fork();
        let fit = |settings: &Settings, stop: &Arc<AtomicBool>| {
            let mut model = original.fork();
            let summary = model.fit(&from, settings, &mut until(stop))?;
            let sigma = model.at(&summary.best)?.sigma();
            Ok((summary, sigma))
        };
        let outcomes = run(&all, n_threads(threads), fit);
        let mut fits = Vec::with_capacity(all.len());
        for (outcome, settings) in outcomes.into_iter().zip(&all) {
            fits.push(fit_list(outcome, |(summary, sigma)| {
                if !held.absolute.is_empty() {
                    model.set_sigma(sigma);
                }
                let fitted = Fitted { summary, settings };
                data.confirm(&given, &basis, model.redundant())?;
                fitted.pairs(&mut model, &data, &basis)
            }));
        }
        Ok(List::from_values(fits).into_robj())
    })
}

/// Fits a generalized model once for each control; `start` may have `theta` and `beta`.
/// @noRd
#[extendr]
fn rust_glmm_fit_all(
    spec: Fields,
    start: Fields,
    controls: List,
    threads: i32,
) -> Robj {
    guard(|| {
        let controls = Fields::each(&controls, "controls")?;
        let jobs = controls
            .iter()
            .map(|control| GlmmJob::new(&spec, &start, control))
            .collect::<Result<Vec<_>>>()?;
        let spec = Spec::new(&spec)?;
        let given = spec.design()?;
        // All jobs hold the same parameters.
        let held = jobs.first().map(|job| job.held.clone()).unwrap_or_default();
        let basis = spec.basis(&given, &held.indices())?;
        let design = basis.design(&given);
        let fit = |job: &GlmmJob, stop: &Arc<AtomicBool>| {
            job.run_until(&design, &basis, stop.clone())
        };
        let outcomes = run(&jobs, n_threads(threads), fit);
        let mut fits = Vec::with_capacity(jobs.len());
        for (outcome, job) in outcomes.into_iter().zip(&jobs) {
            fits.push(fit_list(outcome, |(fit, model)| {
                confirm_rows(&design, &given, model.redundant())?;
                job.list(fit, model, &design, &basis)
            }));
        }
        Ok(List::from_values(fits).into_robj())
    })
}

fn fit_list<T>(
    outcome: Timed<T>,
    estimates: impl FnOnce(T) -> Result<Pairs>,
) -> Robj {
    guard(|| {
        let (fit, seconds) = outcome?;
        let mut pairs = estimates(fit)?;
        pairs.push(("seconds", Robj::from(seconds)));
        Ok(list(pairs))
    })
}

// A fit and its duration in seconds.
type Timed<T> = Result<(T, f64)>;

// Runs the jobs; each thread takes the next job until none is left.
fn run<Job: Sync, T: Send>(
    jobs: &[Job],
    threads: usize,
    fit: impl Fn(&Job, &Arc<AtomicBool>) -> Result<T> + Sync,
) -> Vec<Timed<T>> {
    let next = AtomicUsize::new(0);
    let stop = Arc::new(AtomicBool::new(false));
    let outcomes: Mutex<Vec<(usize, Timed<T>)>> = Mutex::new(Vec::new());
    let work = || loop {
        let i = next.fetch_add(1, Relaxed);
        let Some(job) = jobs.get(i) else {
            return;
        };
        let outcome = timed(|| fit(job, &stop));
        let outcomes = outcomes.lock();
        let mut outcomes = outcomes.unwrap_or_else(PoisonError::into_inner);
        outcomes.push((i, outcome));
    };
    thread::scope(|scope| {
        let threads = threads.min(jobs.len());
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        while !workers.iter().all(|worker| worker.is_finished()) {
            thread::sleep(POLL);
            if is_interrupted() {
                stop.store(true, Relaxed);
            }
        }
    });
    let outcomes = outcomes.into_inner();
    let mut outcomes = outcomes.unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(i, _)| *i);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

// A fit with its duration in seconds.
fn timed<T>(fit: impl FnOnce() -> Result<T>) -> Timed<T> {
    let started = Instant::now();
    let fit = fit()?;
    Ok((fit, started.elapsed().as_secs_f64()))
}

extendr_module! {
    mod fit_all;
    fn rust_lmm_fit_all;
    fn rust_glmm_fit_all;
}
