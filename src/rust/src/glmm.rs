//! Generalized linear mixed models: one exported function per entry point of the core.

use extendr_api::prelude::*;
use rlmm_core::factor::leverage;
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::Vary;
use rlmm_core::{Basis, Design, Result};

use crate::convert::{confirm_rows, settings, shapes, Spec};
use crate::error::guard;
use crate::fields::Fields;
use crate::glmm_job::{estimates, indices, to_given, with_model, GlmmJob};
use crate::optsum::verdict;
use crate::pair_starts::generalized_start_of_pairs;
use crate::progress::Watch;
use crate::values::{array, covariances, list};

/// The families and links, by their names in R.
/// @noRd
#[extendr]
fn rust_families() -> Robj {
    let families: Vec<&str> =
        Family::ALL.iter().map(|family| family.name()).collect();
    let links: Vec<&str> = Link::ALL.iter().map(|(_, name)| *name).collect();
    list(vec![
        ("families", Robj::from(families)),
        ("links", Robj::from(links)),
    ])
}

/// Fits a spec; `start` may have `theta` and `beta`. SPEC.md describes the result.
/// @noRd
#[extendr]
fn rust_glmm_fit(spec: Fields, start: Fields, control: Fields) -> Robj {
    guard(|| {
        let mut job = GlmmJob::new(&spec, &start, &control)?;
        let spec = Spec::new(&spec)?;
        let given = spec.design()?;
        let basis = spec.basis(&given, &job.held.indices())?;
        let design = basis.design(&given);
        let mut watch = Watch::new(
            control.is_set("verbose"),
            control.is_set("progress"),
            settings(&control).max_time,
        );
        job.heed(watch.interrupt());
        let mut see =
            |count: usize, value: f64, x: &[f64]| watch.see(count, value, x);
        let found = generalized_start_of_pairs(&job, &spec, &given, &mut see);
        found.inspect(|start| job.start_at(&given, start));
        let result = job.run(&design, &basis, &mut see);
        watch.finish();
        let (mut fit, model) = result?;
        watch.mark(&mut fit.summary);
        confirm_rows(&design, &given, model.redundant())?;
        Ok(list(job.list(fit, model, &design, &basis)?))
    })
}

/// Estimates of a spec at given parameters.
/// @noRd
#[extendr]
fn rust_glmm_estimates(spec: Fields, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, &[], |prepared| {
            Ok(list(estimates(prepared, parameters)?))
        })
    })
}

/// The objective at each column of `parameters` (one set of parameters after another).
/// @noRd
#[extendr]
fn rust_glmm_objective(spec: Fields, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, &[], |prepared| {
            let vary = prepared.vary;
            let n = prepared.model.n_parameters(vary).max(1);
            let mut value = |given| {
                let x = prepared.parameters(given)?;
                prepared.model.objective(vary, &x)
            };
            let values: Result<Vec<f64>> =
                parameters.chunks(n).map(&mut value).collect();
            Ok(Robj::from(values?))
        })
    })
}

/// The exact gradient of the objective.
/// @noRd
#[extendr]
fn rust_glmm_gradient(spec: Fields, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, &[], |prepared| {
            let (vary, x) = (prepared.vary, prepared.parameters(parameters)?);
            let mut gradient = vec![0.0; parameters.len()];
            prepared.model.objective(vary, &x)?;
            prepared.model.gradient(vary, &mut gradient)?;
            let mut gradient = prepared.model.natural_gradient(vary, &gradient);
            let basis = prepared.basis;
            basis.parameter_slopes_to_given(parameters, &mut gradient);
            Ok(Robj::from(gradient))
        })
    })
}

/// The covariance matrix of all estimates except held ones (0-based), or `NULL`.
/// @noRd
#[extendr]
fn rust_glmm_covariance(
    spec: Fields,
    parameters: &[f64],
    held: &[i32],
) -> Robj {
    guard(|| {
        with_model(&spec, held, |prepared| {
            prepared.vary = Vary::Modes;
            let x = prepared.parameters(parameters)?;
            let found = prepared.model.covariance(&x)?;
            Ok(covariance_or_null(prepared.basis, parameters, held, found))
        })
    })
}

/// The certificate of parameters, and the covariance matrix from its Hessian.
/// @noRd
#[extendr]
fn rust_glmm_certificate(
    spec: Fields,
    parameters: &[f64],
    held: &[i32],
) -> Robj {
    guard(|| {
        with_model(&spec, held, |prepared| {
            let (vary, x) = (prepared.vary, prepared.parameters(parameters)?);
            let model = &mut prepared.model;
            let (mut certificate, hessian) = model.certificate(vary, &x)?;
            certificate.gradient =
                model.natural_gradient(vary, &certificate.gradient);
            to_given(prepared.basis, parameters, &mut certificate);
            let mut pairs = verdict(&certificate);
            let covariance = if vary == Vary::Modes {
                model.covariance_of(&x, &hessian)
            } else {
                None
            };
            let covariance = covariance_or_null(
                prepared.basis,
                parameters,
                held,
                covariance,
            );
            pairs.push(("covariance", covariance));
            Ok(list(pairs))
        })
    })
}

// Transforms a covariance matrix of parameters in the basis back to the original parameters.
fn covariance_or_null(
    basis: &Basis,
    parameters: &[f64],
    held: &[i32],
    found: Option<Vec<f64>>,
) -> Robj {
    square_or_null(found.map(|covariance| {
        let (there, held) = (basis.from_given(parameters), indices(held));
        let free: Vec<usize> =
            (0..there.len()).filter(|j| !held.contains(j)).collect();
        let (n, k) = (there.len(), free.len());
        let mut whole = vec![0.0; n * n];
        let places: Vec<(usize, usize)> = (0..k * k)
            .map(|at| (at, free[at / k] * n + free[at % k]))
            .collect();
        places
            .iter()
            .for_each(|&(at, to)| whole[to] = covariance[at]);
        basis.parameter_covariance_to_given(&there, &mut whole);
        places.iter().map(|&(_, to)| whole[to]).collect()
    }))
}

fn square(matrix: &[f64]) -> Robj {
    let n = matrix.len().isqrt();
    array(matrix, &[n, n])
}

fn square_or_null(matrix: Option<Vec<f64>>) -> Robj {
    match matrix {
        Some(matrix) => square(&matrix),
        None => Robj::from(()),
    }
}

/// Conditional variances of the random effects given the fixed ones, an array per core term.
/// @noRd
#[extendr]
fn rust_glmm_cond_var(spec: Fields, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, &[], |prepared| {
            let (vary, x) = (prepared.vary, prepared.parameters(parameters)?);
            prepared.model.objective(vary, &x)?;
            let mut found = prepared.model.pirls_mut().cond_var(vary)?;
            for (at, values) in found.iter_mut().enumerate() {
                let vsize = prepared.design.terms[at].vsize();
                prepared.basis.covariances_to_given(at, vsize, values);
            }
            Ok(covariances(&shapes(prepared.design), &found))
        })
    })
}

/// The covariance matrix of sums of the coefficients of fixed factors, given all parameters.
/// `weights` has the elements for all effects of the fixed terms, one sum after the other.
/// @noRd
#[extendr]
fn rust_glmm_level_covariance(
    spec: Fields,
    parameters: &[f64],
    weights: &[f64],
) -> Robj {
    guard(|| {
        with_model(&spec, &[], |prepared| {
            prepared.vary = Vary::Modes;
            let x = prepared.parameters(parameters)?;
            let weights = prepared.level_weights(weights);
            let found = prepared.model.level_covariance(&x, &weights)?;
            Ok(Robj::from(found))
        })
    })
}

/// The leverage of each observation in the working linear model.
/// @noRd
#[extendr]
fn rust_glmm_leverage(spec: Fields, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, &[], |prepared| {
            let (vary, x) = (prepared.vary, prepared.parameters(parameters)?);
            let weights = prepared.model.estimates(vary, &x)?.weights;
            let working = Design {
                weights: Some(&weights),
                ..prepared.design.clone()
            };
            let pls = prepared.model.pirls().factor(Vary::Jointly)?;
            Ok(Robj::from(leverage::leverage(&working, pls)))
        })
    })
}

extendr_module! {
    mod glmm;
    fn rust_families;
    fn rust_glmm_fit;
    fn rust_glmm_estimates;
    fn rust_glmm_objective;
    fn rust_glmm_gradient;
    fn rust_glmm_covariance;
    fn rust_glmm_certificate;
    fn rust_glmm_level_covariance;
    fn rust_glmm_cond_var;
    fn rust_glmm_leverage;
}
