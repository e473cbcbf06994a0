//! The parametric bootstrap for R, in parallel threads; see the files `bootstrap` of the core. Only
//! the main thread calls R.

use extendr_api::prelude::*;
use rlmm_core::glmm::bootstrap::{
    Draws as GlmmDraws, OneOfMany as GlmmOneOfMany,
};
use rlmm_core::lmm::bootstrap::Draws;
use rlmm_core::simulate::Truth;
use rlmm_core::{Design, Result};

use crate::convert::{held, Spec};
use crate::error::guard;
use crate::fields::{missing, Fields};
use crate::fit_many::{
    glmm_columns, lmm_columns, lmm_errors, many_settings, matrix,
};
use crate::glmm_job::GlmmJob;
use crate::lmm::start_of;
use crate::pair_starts::{generalized_starts_of_pairs, starts_of_pairs};
use crate::progress::Count;
use crate::values::{array, list};

/// The parameters of a bootstrap from R: `mean`, `theta` (empty if no effects are drawn), `scale`,
/// `sigma`, `shape`, `seed` and `replicates`.
struct Plan {
    mean: Robj,
    theta: Robj,
    scale: f64,
    sigma: f64,
    shape: f64,
    seed: u64,
    replicates: Vec<u64>,
}

impl Plan {
    fn new(plan: &Fields) -> Result<Self> {
        let value = |name| match plan.number(name) {
            Some(value) => Ok(value),
            None => Err(missing(name)),
        };
        let replicates = plan.element("replicates");
        let replicates = replicates
            .as_integer_slice()
            .ok_or_else(|| missing("replicates"))?;
        Ok(Self {
            mean: plan.element("mean").clone(),
            theta: plan.element("theta").clone(),
            scale: value("scale")?,
            sigma: value("sigma")?,
            shape: value("shape")?,
            // In two's complement every R integer gives a different seed.
            seed: value("seed")? as i64 as u64,
            replicates: replicates.iter().map(|&at| at.max(0) as u64).collect(),
        })
    }

    fn truth(&self) -> Result<Truth<'_>> {
        Ok(Truth {
            mean: self.mean.as_real_slice().ok_or_else(|| missing("mean"))?,
            theta: self.theta.as_real_slice().unwrap_or_default(),
            scale: self.scale,
            sigma: self.sigma,
            seed: self.seed,
        })
    }

    // The simulated responses, one per column.
    fn drawn(&self, n: usize, draw: impl Fn(u64, &mut [f64])) -> Robj {
        let mut y = vec![0.0; n * self.replicates.len()];
        for (&replicate, y) in
            self.replicates.iter().zip(y.chunks_exact_mut(n.max(1)))
        {
            draw(replicate, y);
        }
        array(&y, &[n, self.replicates.len()])
    }
}

// Calls `body` with the plan, and with the design of the spec.
fn with_plan(
    spec: &Fields,
    plan: &Fields,
    body: impl FnOnce(&Spec, &Design, &Plan) -> Result<Robj>,
) -> Robj {
    guard(|| {
        let plan = Plan::new(plan)?;
        let spec = Spec::new(spec)?;
        body(&spec, &spec.design()?, &plan)
    })
}

/// Draws the responses of some replicates and fits a linear spec to each, from `start` (empty:
/// Lambda = I). Returns the elements of `rust_lmm_fit_many`, and `done`: whether the fit was made
/// before the user interrupted.
/// @noRd
#[extendr]
fn rust_lmm_bootstrap(
    spec: Fields,
    plan: Fields,
    start: &[f64],
    control: Fields,
    threads: i32,
) -> Robj {
    with_plan(&spec, &plan, |spec, design, plan| {
        let basis = spec.basis(design, &held(&control).indices())?;
        let draws = Draws::new(design, &plan.truth()?)?;
        let given = design;
        let design = &basis.design(given);
        let model = spec.factored(design)?;
        let start = start_of(&model, &basis, start);
        let mut many = many_settings(start, &control, threads, Vec::new());
        let of = &plan.replicates;
        let starts = starts_of_pairs(
            spec,
            given,
            &basis,
            &many,
            |model, design, many| {
                let mut count = Count::new(of.len(), false);
                let mut see = |ended| count.see(ended);
                model.bootstrap(design, &draws, of, many, &mut see)
            },
        );
        many.starts = starts.unwrap_or_default();
        let mut count =
            Count::new(plan.replicates.len(), control.is_set("progress"));
        let fits = model.bootstrap(
            design,
            &draws,
            &plan.replicates,
            &many,
            &mut |ended| count.see(ended),
        );
        count.finish();
        let p = design.p();
        let mut pairs = lmm_columns(&basis, &model, p, &fits);
        pairs.push(("std_error", lmm_errors(&basis, p, &fits)));
        Ok(list(pairs))
    })
}

/// The bootstrap of a generalized model; `start` may have `theta` and `beta`.
/// @noRd
#[extendr]
fn rust_glmm_bootstrap(
    spec: Fields,
    plan: Fields,
    start: Fields,
    control: Fields,
    threads: i32,
) -> Robj {
    let job = GlmmJob::new(&spec, &start, &control);
    with_plan(&spec, &plan, |spec, design, plan| {
        let job = job?;
        let (family, link) = job.family();
        let draws =
            GlmmDraws::new(design, family, link, plan.shape, &plan.truth()?)?;
        let basis = spec.basis(design, &job.held.indices())?;
        let given = design;
        let design = &basis.design(given);
        let model = job.model(design)?;
        let of = &plan.replicates;
        let mut many = job.many(&basis, design.p(), threads, false);
        let how = (&basis, threads);
        many.starts = generalized_starts_of_pairs(
            &job,
            spec,
            given,
            how,
            |model, many| {
                let mut count = Count::new(of.len(), false);
                model.bootstrap(&draws, of, many, &mut |ended| count.see(ended))
            },
        );
        let mut count = Count::new(of.len(), control.is_set("progress"));
        let fits =
            model.bootstrap(&draws, of, &many, &mut |ended| count.see(ended));
        count.finish();
        let p = design.p();
        let mut pairs = glmm_columns(&basis, &model, p, &fits);
        let errors = |fit: &GlmmOneOfMany| fit.std_error.clone();
        pairs.push(("std_error", matrix(p, &fits, &errors)));
        Ok(list(pairs))
    })
}

/// The simulated responses of some replicates, one per column.
/// @noRd
#[extendr]
fn rust_lmm_draws(spec: Fields, plan: Fields) -> Robj {
    with_plan(&spec, &plan, |_, design, plan| {
        let draws = Draws::new(design, &plan.truth()?)?;
        Ok(plan.drawn(design.n(), |replicate, y| draws.draw(replicate, y)))
    })
}

/// The simulated responses of a generalized model, one per column.
/// @noRd
#[extendr]
fn rust_glmm_draws(spec: Fields, plan: Fields) -> Robj {
    let job = GlmmJob::new(&spec, &Fields::none(), &Fields::none());
    with_plan(&spec, &plan, |_, design, plan| {
        let (family, link) = job?.family();
        let draws =
            GlmmDraws::new(design, family, link, plan.shape, &plan.truth()?)?;
        Ok(plan.drawn(design.n(), |replicate, y| draws.draw(replicate, y)))
    })
}

extendr_module! {
    mod bootstrap;
    fn rust_lmm_bootstrap;
    fn rust_glmm_bootstrap;
    fn rust_lmm_draws;
    fn rust_glmm_draws;
}
