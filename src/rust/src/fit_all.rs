//! One model fitted by several optimizers, in parallel threads. The threads see numbers only; R is spoken to by the
//! main thread, which waits for them and for the user's wish to stop.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use extendr_api::prelude::*;
use rlmm_core::lmm::Held;
use rlmm_core::optimize::{Flow, OptSummary, Settings};
use rlmm_core::{Criterion, Design, LinearMixedModel, Result};

use crate::convert::{held, settings, Spec};
use crate::error::guard;
use crate::lmm::{estimates, opt_summary};
use crate::progress::is_interrupted;

const POLL: Duration = Duration::from_millis(2);

// With sigma and the seconds.
type Outcome = Result<(OptSummary, f64, f64)>;

/// Fits a spec once for each list of `controls`; an element of the result is a fit with its `seconds`, or an error.
/// @noRd
#[extendr]
fn rust_lmm_fit_all(spec: List, start: &[f64], controls: List, threads: i32) -> Robj {
    guard(|| {
        let spec = Spec::new(&spec)?;
        let design = spec.design()?;
        let mut model = spec.model(&design)?;
        let mut start = if start.is_empty() { model.start().to_vec() } else { start.to_vec() };
        let controls: Vec<List> = controls.values().filter_map(|control| control.as_list()).collect();
        let all: Vec<Settings> = controls.iter().map(settings).collect();
        // They are the same in each of them.
        let held = controls.first().map(held).unwrap_or_default();
        model.hold(&held, &mut start)?;
        let outcomes = run(&design, spec.likelihood(), (&start, &held), &all, n_threads(threads));
        let fits = all.iter().zip(outcomes).map(|(settings, outcome)| {
            guard(|| {
                let (summary, sigma, seconds) = outcome?;
                if !held.absolute.is_empty() {
                    model.set_sigma(sigma);
                }
                let mut pairs = estimates(&mut model, &design, &summary.best)?;
                let certificate = model.certificate(&summary.best)?;
                pairs.push(("optsum", opt_summary(&summary, &settings.optimizer, model.lower_bounds(), &certificate)));
                pairs.push(("seconds", Robj::from(seconds)));
                Ok(List::from_pairs(pairs).into_robj())
            })
        });
        Ok(List::from_values(fits.collect::<Vec<_>>()).into_robj())
    })
}

// 0 stands for as many as there are processors.
fn n_threads(wanted: i32) -> usize {
    match wanted {
        1.. => wanted as usize,
        _ => thread::available_parallelism().map_or(1, |n| n.get()),
    }
}

// Each thread takes the next optimizer until none is left.
fn run(
    design: &Design,
    (criterion, sigma): (Criterion, Option<f64>),
    (start, held): (&[f64], &Held),
    all: &[Settings],
    threads: usize,
) -> Vec<Outcome> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let outcomes: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::new());
    let fit = |settings: &Settings| {
        let started = Instant::now();
        let mut watch = |_: usize, _: f64, _: &[f64]| if stop.load(Relaxed) { Flow::Stop } else { Flow::Continue };
        let mut model = LinearMixedModel::new(design, criterion, sigma)?;
        let mut start = start.to_vec();
        model.hold(held, &mut start)?;
        let summary = model.fit(&start, settings, &mut watch)?;
        Ok((summary, model.sigma(), started.elapsed().as_secs_f64()))
    };
    let work = || {
        while let Some((i, settings)) = Some(next.fetch_add(1, Relaxed)).and_then(|i| Some((i, all.get(i)?))) {
            let outcome = fit(settings);
            outcomes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((i, outcome));
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(all.len())).map(|_| scope.spawn(work)).collect();
        while !workers.iter().all(|worker| worker.is_finished()) {
            thread::sleep(POLL);
            if is_interrupted() {
                stop.store(true, Relaxed);
            }
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    outcomes.sort_by_key(|(i, _)| *i);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

extendr_module! {
    mod fit_all;
    fn rust_lmm_fit_all;
}
