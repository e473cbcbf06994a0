//! Several specs, each fitted from its own start, in parallel threads, for the points of profiles.
//! Only the main thread calls R.

use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use extendr_api::prelude::*;
use rlmm_core::lmm::{Held, HeldColumn};
use rlmm_core::optimize::{until, Settings, Status};
use rlmm_core::parallel::in_threads;
use rlmm_core::{Basis, Design, Error, LinearMixedModel, Result};

use crate::convert::{held, settings, Data, Recipe, Spec};
use crate::error::guard;
use crate::fields::Fields;
use crate::glmm_job::GlmmJob;
use crate::lmm::start_of;
use crate::progress::Count;
use crate::threads::n_threads;
use crate::values::list;

/// The results of a fit that a profile needs.
struct PointFit {
    objective: f64,
    theta: Vec<f64>,
    sigma: f64,
    beta: Vec<f64>,
    status: Status,
}

impl PointFit {
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

/// A fit of a linear model, which uses R's memory only for the columns of its data.
struct Job<'a> {
    given: Data<'a>,
    recipe: Recipe,
    held: Held,
    /// A column of X whose coefficient is held.
    column: Option<HeldColumn>,
    start: Vec<f64>,
    settings: Settings,
    /// A model on the same rows, to be copied for this job.
    shared: Option<Arc<Shared>>,
}

impl Job<'_> {
    fn run(&self, stop: &Arc<AtomicBool>) -> Result<PointFit> {
        if let Some((model, basis)) = self.copied() {
            return self.fit(model, basis, stop);
        }
        match (self.column, &self.given) {
            (Some(held), Data::Rows(design)) => {
                let offset = held.offset(design);
                let rows = held.design(design, &offset);
                self.fit_data(&Data::Rows(rows), stop)
            }
            _ => self.fit_data(&self.given, stop),
        }
    }

    // A copy of the shared model, with this job's sigma and held coefficient.
    fn copied(&self) -> Option<(LinearMixedModel, &Basis)> {
        let shared = self.shared.as_ref()?;
        let mut model = match self.column {
            None => shared.model.fork(),
            Some(_) if !shared.basis.has_given_fixed() => return None,
            Some(held) => shared.model.without_column(held)?,
        };
        if let Some(sigma) = self.recipe.sigma() {
            model.set_sigma(sigma);
        }
        Some((model, &shared.basis))
    }

    fn fit_data(&self, given: &Data, stop: &AtomicBool) -> Result<PointFit> {
        let basis = self.recipe.basis_of(given, &self.held.indices())?;
        let data = given.in_basis(&basis);
        self.fit(self.recipe.model_of(&data)?, &basis, stop)
    }

    fn fit(
        &self,
        mut model: LinearMixedModel,
        basis: &Basis,
        stop: &AtomicBool,
    ) -> Result<PointFit> {
        let mut from = start_of(&model, basis, &self.start);
        model.hold(&self.held, &mut from)?;
        let summary = model.fit(&from, &self.settings, &mut until(stop))?;
        let estimates = model.estimates(&summary.best)?;
        let mut beta = estimates.solution.beta;
        if self.column.is_none() {
            basis.fixed_to_given(&mut beta);
        }
        Ok(PointFit {
            objective: estimates.objective,
            theta: basis.to_given(&summary.best),
            sigma: estimates.sigma,
            beta,
            status: summary.status,
        })
    }
}

/// A model shared by jobs on the same rows.
struct Shared {
    model: LinearMixedModel,
    basis: Basis,
}

/// Least number of jobs on the same rows for which a shared model pays.
const FEWEST_SHARERS: usize = 2;

impl Shared {
    // The shared model; `None` if rows must be summed up for each job, or if the model is invalid.
    fn new(job: &Job) -> Option<Self> {
        let Data::Rows(design) = &job.given else {
            return None;
        };
        design.validate().ok()?;
        let basis = Basis::of(design, false, |_| false).ok()?;
        let data = job.given.in_basis(&basis);
        let model = job.recipe.without_sigma().model_of(&data).ok()?;
        model.is_copied_cheaply().then_some(Self { model, basis })
    }

    // Makes a shared model for each group of jobs on the same rows.
    fn among(jobs: &mut [Job]) {
        let mut seen = vec![false; jobs.len()];
        for first in 0..jobs.len() {
            if seen[first] {
                continue;
            }
            let alike = |&at: &usize| jobs[at].is_like(&jobs[first]);
            let group: Vec<usize> = (first..jobs.len()).filter(alike).collect();
            group.iter().for_each(|&at| seen[at] = true);
            if group.len() < FEWEST_SHARERS {
                continue;
            }
            let shared = Self::new(&jobs[first]).map(Arc::new);
            for &at in &group {
                jobs[at].shared = shared.clone().filter(|s| s.suits(&jobs[at]));
            }
        }
    }

    // Whether the parameters that a job holds are parameters of the basis.
    fn suits(&self, job: &Job) -> bool {
        self.basis.is_given() || job.held.indices().is_empty()
    }
}

impl Job<'_> {
    fn is_like(&self, other: &Self) -> bool {
        match (&self.given, &other.given) {
            (Data::Rows(own), Data::Rows(others)) => {
                own.is_same(others) && self.recipe.is_like(&other.recipe)
            }
            _ => false,
        }
    }
}

/// A fit of a generalized model.
struct GlmmPoint<'a> {
    given: Design<'a>,
    recipe: Recipe,
    job: GlmmJob,
}

impl GlmmPoint<'_> {
    fn run(&self, stop: &Arc<AtomicBool>) -> Result<PointFit> {
        let held = self.job.held.indices();
        let basis = self.recipe.basis_of_rows(&self.given, &held)?;
        let design = basis.design(&self.given);
        let (fit, model) = self.job.run_until(&design, &basis, stop.clone())?;
        let mut theta = basis.to_given(&fit.parameters);
        let beta = theta.split_off(model.n_theta());
        Ok(PointFit {
            objective: fit.summary.best_value,
            theta,
            sigma: 1.0,
            beta,
            status: fit.summary.status,
        })
    }
}

/// Fits each of the `specs` from its element of `starts`, with its element of `controls`, and with
/// the coefficient of a column of X (in `columns`, 1-based; 0: none) held at its element of
/// `values`. An element of the result has `objective`, `theta`, `sigma`, `beta` and `status`, or is
/// an error; it is `NULL` if the user interrupted before the fit began.
/// @noRd
#[extendr]
fn rust_lmm_fit_each(
    specs: List,
    starts: List,
    controls: List,
    columns: &[i32],
    values: &[f64],
    threads: i32,
) -> Robj {
    guard(|| {
        let controls = Fields::each(&controls, "controls")?;
        let specs = Fields::each(&specs, "specs")?;
        let columns = columns.iter().zip(values);
        let controlled = specs
            .iter()
            .zip(&controls)
            .map(|(spec, control)| Ok(Spec::new(spec)?.controlled(control)));
        let specs = controlled.collect::<Result<Vec<_>>>()?;
        let starts = starts
            .values()
            .map(|start| start.as_real_vector().unwrap_or_default());
        let parts = specs.iter().zip(starts).zip(&controls).zip(columns);
        let jobs = parts.map(|(((spec, start), control), (&at, &value))| {
            Ok(Job {
                given: spec.data()?,
                recipe: spec.recipe(),
                held: held(control),
                column: held_column(at, value),
                start,
                settings: settings(control),
                shared: None,
            })
        });
        let mut jobs = jobs.collect::<Result<Vec<_>>>()?;
        Shared::among(&mut jobs);
        Ok(all(&jobs, Job::run, &controls, threads))
    })
}

/// Fits generalized models, each from its element of `starts`, which may have `theta` and `beta`.
/// @noRd
#[extendr]
fn rust_glmm_fit_each(
    specs: List,
    starts: List,
    controls: List,
    threads: i32,
) -> Robj {
    guard(|| {
        let lists_of_specs = Fields::each(&specs, "specs")?;
        let controls = Fields::each(&controls, "controls")?;
        let starts = Fields::each(&starts, "starts")?;
        let specs = lists_of_specs
            .iter()
            .map(Spec::new)
            .collect::<Result<Vec<_>>>()?;
        let mut points = Vec::with_capacity(specs.len());
        for (at, spec) in specs.iter().enumerate() {
            let (list, start) = (&lists_of_specs[at], &starts[at]);
            points.push(GlmmPoint {
                given: spec.design()?,
                recipe: spec.recipe(),
                job: GlmmJob::new(list, start, &controls[at])?,
            });
        }
        Ok(all(&points, GlmmPoint::run, &controls, threads))
    })
}

fn held_column(at: i32, value: f64) -> Option<HeldColumn> {
    (at > 0).then(|| HeldColumn {
        at: at as usize - 1,
        value,
    })
}

// Runs all jobs; the first control determines whether progress is shown.
fn all<Job: Sync>(
    jobs: &[Job],
    run: impl Fn(&Job, &Arc<AtomicBool>) -> Result<PointFit> + Sync,
    controls: &[Fields],
    threads: i32,
) -> Robj {
    let progress = controls.first().is_some_and(|c| c.is_set("progress"));
    let mut count = Count::new(jobs.len(), progress);
    let job =
        |_: &mut (), at: usize, stop: &Arc<AtomicBool>| run(&jobs[at], stop);
    let threads = n_threads(threads);
    let mut watch = |ended| count.see(ended);
    let found = in_threads(jobs.len(), threads, || (), job, &mut watch);
    count.finish();
    List::from_values(found.into_iter().map(point)).into_robj()
}

fn point(found: Option<std::result::Result<PointFit, Error>>) -> Robj {
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
