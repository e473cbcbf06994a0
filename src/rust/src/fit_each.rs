//! Several specs, each fitted from a start of its own, in parallel threads: the points that
//! profiles go to next. R is spoken to by the main thread only.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use extendr_api::prelude::*;
use rlmm_core::lmm::Held;
use rlmm_core::optimize::{Flow, Settings, Status};
use rlmm_core::parallel::in_threads;
use rlmm_core::{Basis, Design, Error, Result};

use crate::convert::{held, is_set, list, settings, Data, Recipe, Spec};
use crate::error::guard;
use crate::glmm::GlmmJob;
use crate::lmm::start_of;
use crate::progress::Count;
use crate::threads::n_threads;

/// What a profile asks of a fit.
struct Found {
    objective: f64,
    theta: Vec<f64>,
    sigma: f64,
    beta: Vec<f64>,
    status: Status,
}

impl Found {
    fn list(self) -> Robj {
        list(vec![
            ("objective", Robj::from(self.objective)),
            ("theta", Robj::from(self.theta)),
            ("sigma", Robj::from(self.sigma)),
            ("beta", Robj::from(self.beta)),
            ("status", Robj::from(self.status.name())),
        ])
    }
}

/// A linear model to be fitted: nothing of it is R's but the memory of its columns.
struct Job<'a> {
    given: Data<'a>,
    recipe: Recipe,
    held: Held,
    start: Vec<f64>,
    settings: Settings,
}

impl Job<'_> {
    fn run(&self, stop: &AtomicBool) -> Result<Found> {
        let basis = self.basis()?;
        let data = self.given.in_basis(&basis);
        let mut model = self.recipe.model_of(&data)?;
        let mut from = start_of(&model, &basis, &self.start);
        model.hold(&self.held, &mut from)?;
        let mut watch = |_: usize, _: f64, _: &[f64]| flow(stop);
        let summary = model.fit(&from, &self.settings, &mut watch)?;
        let estimates = model.estimates(&summary.best)?;
        let mut beta = estimates.solution.beta;
        basis.fixed_to_given(&mut beta);
        Ok(Found {
            objective: estimates.objective,
            theta: basis.to_given(&summary.best),
            sigma: estimates.sigma,
            beta,
            status: summary.status,
        })
    }

    fn basis(&self) -> Result<Basis> {
        match &self.given {
            Data::Rows(design) => basis_of(design, &self.held),
            Data::Sums(_) => Ok(Basis::default()),
        }
    }
}

fn basis_of(design: &Design, held: &Held) -> Result<Basis> {
    design.validate()?;
    let held = held.indices();
    Basis::of(design, |j| held.contains(&j))
}

/// A generalized model to be fitted.
struct GlmmPoint<'a> {
    given: Design<'a>,
    job: GlmmJob,
}

impl GlmmPoint<'_> {
    fn run(&self, stop: &AtomicBool) -> Result<Found> {
        let basis = basis_of(&self.given, &self.job.held)?;
        let design = basis.design(&self.given);
        let mut watch = |_: usize, _: f64, _: &[f64]| flow(stop);
        let (fit, model) = self.job.run(&design, &basis, &mut watch)?;
        let mut theta = basis.to_given(&fit.parameters);
        let beta = theta.split_off(model.n_theta());
        Ok(Found {
            objective: fit.summary.best_value,
            theta,
            sigma: 1.0,
            beta,
            status: fit.summary.status,
        })
    }
}

fn flow(stop: &AtomicBool) -> Flow {
    match stop.load(Relaxed) {
        true => Flow::Stop,
        false => Flow::Continue,
    }
}

/// Fits each of the `specs` from its element of `starts`, as its element of `controls` says. An
/// element of the result holds `objective`, `theta`, `sigma`, `beta` and `status`, or is an error;
/// `NULL` where the user stopped before it was begun.
/// @noRd
#[extendr]
fn rust_lmm_fit_each(
    specs: List,
    starts: List,
    controls: List,
    threads: i32,
) -> Robj {
    guard(|| {
        let controls = lists(&controls);
        let specs = lists(&specs);
        let controlled = specs
            .iter()
            .zip(&controls)
            .map(|(spec, control)| Ok(Spec::new(spec)?.controlled(control)));
        let specs = controlled.collect::<Result<Vec<_>>>()?;
        let starts = starts
            .values()
            .map(|start| start.as_real_vector().unwrap_or_default());
        let parts = specs.iter().zip(starts).zip(&controls);
        let jobs = parts
            .map(|((spec, start), control)| {
                Ok(Job {
                    given: spec.data()?,
                    recipe: spec.recipe(),
                    held: held(control),
                    start,
                    settings: settings(control),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(all(&jobs, Job::run, &controls, threads))
    })
}

/// Generalized models fitted each from a start of its own, an element of `starts`, which may hold
/// `theta` and `beta`.
/// @noRd
#[extendr]
fn rust_glmm_fit_each(
    specs: List,
    starts: List,
    controls: List,
    threads: i32,
) -> Robj {
    guard(|| {
        let (lists_of_specs, controls) = (lists(&specs), lists(&controls));
        let starts = lists(&starts);
        let specs = lists_of_specs
            .iter()
            .map(Spec::new)
            .collect::<Result<Vec<_>>>()?;
        let mut points = Vec::with_capacity(specs.len());
        for (at, spec) in specs.iter().enumerate() {
            let (list, start) = (&lists_of_specs[at], &starts[at]);
            points.push(GlmmPoint {
                given: spec.design()?,
                job: GlmmJob::new(list, start, &controls[at])?,
            });
        }
        Ok(all(&points, GlmmPoint::run, &controls, threads))
    })
}

fn lists(values: &List) -> Vec<List> {
    values
        .values()
        .filter_map(|value| value.as_list())
        .collect()
}

// Runs all jobs; the first control says whether progress is shown.
fn all<Job: Sync>(
    jobs: &[Job],
    run: impl Fn(&Job, &AtomicBool) -> Result<Found> + Sync,
    controls: &[List],
    threads: i32,
) -> Robj {
    let progress = controls.first().is_some_and(|c| is_set(c, "progress"));
    let mut count = Count::new(jobs.len(), progress);
    let job = |_: &mut (), at: usize, stop: &AtomicBool| run(&jobs[at], stop);
    let threads = n_threads(threads);
    let mut watch = |ended| count.see(ended);
    let found = in_threads(jobs.len(), threads, || (), job, &mut watch);
    count.finish();
    List::from_values(found.into_iter().map(point)).into_robj()
}

fn point(found: Option<std::result::Result<Found, Error>>) -> Robj {
    match found {
        None => Robj::from(()),
        Some(found) => guard(|| Ok(found?.list())),
    }
}

extendr_module! {
    mod fit_each;
    fn rust_lmm_fit_each;
    fn rust_glmm_fit_each;
}
