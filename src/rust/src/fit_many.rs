//! Many responses fitted on one design; see `lmm::many` and `glmm::bootstrap` of the core. Only the
//! main thread calls R.

use extendr_api::prelude::*;
use rlmm_core::glmm::bootstrap::OneOfMany as GlmmOneOfMany;
use rlmm_core::glmm::GeneralizedLinearMixedModel;
use rlmm_core::judge::Verdict;
use rlmm_core::kernels::small::inverse_row_lengths;
use rlmm_core::lmm::many::{ManySettings, OneOfMany};
use rlmm_core::{Basis, Design, Error, LinearMixedModel, Result};

use crate::convert::{held, settings, Spec};
use crate::error::guard;
use crate::fields::Fields;
use crate::glmm_job::GlmmJob;
use crate::lmm::start_of;
use crate::pair_starts::{generalized_starts_of_pairs, starts_of_pairs};
use crate::progress::Count;
use crate::threads::n_threads;
use crate::values::{array, list, Pairs};

/// Fits a spec to each of the responses `y`, one after the other, from `start` (empty: Lambda = I).
/// The result has one element, column or slice per response; those of failed fits are missing, and
/// `error` has the reason.
/// @noRd
#[extendr]
fn rust_lmm_fit_many(
    spec: Fields,
    y: &[f64],
    start: &[f64],
    control: Fields,
    threads: i32,
) -> Robj {
    guard(|| {
        let spec = Spec::new(&spec)?;
        let given = spec.design()?;
        let basis = spec.basis(&given, &held(&control).indices())?;
        let design = basis.design(&given);
        let model = spec.factored(&design)?;
        let contrasts = match control.is_set("df") {
            true => basis.given_coefficients(design.p()),
            false => Vec::new(),
        };
        let start = start_of(&model, &basis, start);
        let mut many = many_settings(start, &control, threads, contrasts);
        many.starts = starts_of_responses(&spec, &given, &basis, &many, y);
        let mut count =
            Count::new(y.len() / design.n(), control.is_set("progress"));
        let fits =
            model.fit_many(&design, y, &many, &mut |ended| count.see(ended));
        count.finish();
        let fits: Vec<_> = fits?.into_iter().map(Some).collect();
        let mut pairs = lmm_columns(&basis, &model, design.p(), &fits);
        let p = design.p();
        let rx = |fit: &OneOfMany| given_rx(&basis, &fit.estimates.rx);
        pairs.push(("rx", slices(p, &fits, &rx)));
        pairs.push(("std_error", lmm_errors(&basis, p, &fits)));
        if !many.df.is_empty() {
            let unknown = vec![f64::NAN; p];
            let df =
                |fit: &OneOfMany| fit.df.clone().unwrap_or(unknown.clone());
            pairs.push(("df", matrix(p, &fits, &df)));
        }
        Ok(list(pairs))
    })
}

// The start of each response; none if the default start is a good one.
fn starts_of_responses(
    spec: &Spec,
    given: &Design,
    basis: &Basis,
    settings: &ManySettings,
    y: &[f64],
) -> Vec<Vec<f64>> {
    let mut count = Count::new(y.len() / given.n(), false);
    let starts =
        starts_of_pairs(spec, given, basis, settings, |model, design, many| {
            let see = &mut |ended| count.see(ended);
            let fits = model.fit_many(design, y, many, see);
            fits.unwrap_or_default().into_iter().map(Some).collect()
        });
    starts.unwrap_or_default()
}

/// Fits a generalized model to each response; `start` may have `theta` and `beta`.
/// @noRd
#[extendr]
fn rust_glmm_fit_many(
    spec: Fields,
    y: &[f64],
    start: Fields,
    control: Fields,
    threads: i32,
) -> Robj {
    guard(|| {
        let job = GlmmJob::new(&spec, &start, &control)?;
        let spec = Spec::new(&spec)?;
        let given = spec.design()?;
        let basis = spec.basis(&given, &job.held.indices())?;
        let design = basis.design(&given);
        let model = job.model(&design)?;
        let mut many = job.many(&basis, design.p(), threads, true);
        let how = (&basis, threads);
        many.starts = generalized_starts_of_pairs(
            &job,
            &spec,
            &given,
            how,
            |model, many| {
                let mut count = Count::new(y.len() / given.n(), false);
                let see = &mut |ended| count.see(ended);
                let fits = model.fit_many(y, many, see).unwrap_or_default();
                fits.into_iter().map(Some).collect()
            },
        );
        let mut count =
            Count::new(y.len() / design.n(), control.is_set("progress"));
        let fits = model.fit_many(y, &many, &mut |ended| count.see(ended));
        count.finish();
        let fits: Vec<_> = fits?.into_iter().map(Some).collect();
        let mut pairs = glmm_columns(&basis, &model, design.p(), &fits);
        let p = design.p();
        let rx = |fit: &GlmmOneOfMany| given_rx(&basis, &fit.estimates.rx);
        pairs.push(("rx", slices(p, &fits, &rx)));
        let errors = |fit: &GlmmOneOfMany| fit.std_error.clone();
        pairs.push(("std_error", matrix(p, &fits, &errors)));
        Ok(list(pairs))
    })
}

/// Settings of many linear fits.
pub fn many_settings(
    start: Vec<f64>,
    control: &Fields,
    threads: i32,
    df: Vec<f64>,
) -> ManySettings {
    ManySettings {
        start,
        starts: Vec::new(),
        held: held(control),
        optimizer: settings(control),
        threads: n_threads(threads),
        df,
    }
}

/// Several fits; `None` for those that were not begun.
type Fits<T> = [Option<Result<T>>];

/// The results of linear fits, one column each.
pub fn lmm_columns(
    basis: &Basis,
    model: &LinearMixedModel,
    p: usize,
    fits: &Fits<OneOfMany>,
) -> Pairs {
    let mut pairs = vec![
        (
            "theta",
            matrix(model.n_theta(), fits, &|fit| basis.to_given(&fit.theta)),
        ),
        (
            "beta",
            matrix(p, fits, &|fit| {
                given_beta(basis, &fit.estimates.solution.beta)
            }),
        ),
        ("sigma", numbers(fits, |fit| fit.estimates.sigma)),
        ("objective", numbers(fits, |fit| fit.estimates.objective)),
        ("log_det_re", numbers(fits, |fit| fit.estimates.log_det_re)),
        ("log_det_fe", numbers(fits, |fit| fit.estimates.log_det_fe)),
        ("pwrss", numbers(fits, |fit| fit.estimates.pwrss)),
        ("evaluations", numbers(fits, |fit| fit.evaluations as f64)),
        ("status", texts(fits, |fit| Some(fit.status.name()))),
        ("verdict", texts(fits, |fit| Some(fit.verdict.name()))),
    ];
    pairs.extend(outcomes(fits));
    pairs
}

// The fixed effects of the original columns of X.
fn given_beta(basis: &Basis, beta: &[f64]) -> Vec<f64> {
    let mut beta = beta.to_vec();
    basis.fixed_to_given(&mut beta);
    beta
}

// R_X of the original columns of X.
fn given_rx(basis: &Basis, rx: &[f64]) -> Vec<f64> {
    let mut rx = rx.to_vec();
    basis.rx_to_given(&mut rx);
    rx
}

/// Standard errors of the fixed effects.
pub fn lmm_errors(basis: &Basis, p: usize, fits: &Fits<OneOfMany>) -> Robj {
    matrix(p, fits, &|fit| {
        let mut errors =
            inverse_row_lengths(p, &given_rx(basis, &fit.estimates.rx));
        for error in errors.iter_mut() {
            *error *= fit.estimates.sigma;
        }
        errors
    })
}

/// The results of generalized fits, one column each.
pub fn glmm_columns(
    basis: &Basis,
    model: &GeneralizedLinearMixedModel,
    p: usize,
    fits: &Fits<GlmmOneOfMany>,
) -> Pairs {
    let mut pairs = vec![
        (
            "theta",
            matrix(model.n_theta(), fits, &|fit| {
                basis.to_given(&fit.estimates.theta)
            }),
        ),
        (
            "beta",
            matrix(p, fits, &|fit| given_beta(basis, &fit.estimates.beta)),
        ),
        ("sigma", numbers(fits, |fit| fit.estimates.sigma.value)),
        ("shape", numbers(fits, |fit| fit.estimates.parts.shape)),
        (
            "objective",
            numbers(fits, |fit| fit.estimates.parts.objective),
        ),
        ("deviance", numbers(fits, |fit| fit.estimates.deviance)),
        (
            "conditional",
            numbers(fits, |fit| fit.estimates.parts.conditional),
        ),
        ("evaluations", numbers(fits, |fit| fit.evaluations as f64)),
        ("status", texts(fits, |fit| Some(fit.status.name()))),
        ("verdict", texts(fits, |fit| fit.verdict.map(Verdict::name))),
    ];
    pairs.extend(outcomes(fits));
    pairs
}

// The reasons of failures, and which fits were done.
fn outcomes<T>(fits: &Fits<T>) -> Pairs {
    let error = |fit: &Option<Result<T>>| match fit {
        Some(Err(error)) => text(Some(error.to_string())),
        _ => Rstr::na(),
    };
    let errors = Strings::from_values(fits.iter().map(error));
    let is_done = |fit: &Option<Result<T>>| {
        !matches!(fit, None | Some(Err(Error::Interrupted)))
    };
    let done: Vec<bool> = fits.iter().map(is_done).collect();
    vec![("error", Robj::from(errors)), ("done", Robj::from(done))]
}

fn fitted<T>(fit: &Option<Result<T>>) -> Option<&T> {
    fit.as_ref().and_then(|fit| fit.as_ref().ok())
}

fn side_by_side<T>(
    rows: usize,
    fits: &Fits<T>,
    of: &dyn Fn(&T) -> Vec<f64>,
) -> Vec<f64> {
    let mut values = Vec::with_capacity(rows * fits.len());
    for fit in fits {
        match fitted(fit) {
            Some(fit) => values.extend(of(fit)),
            None => values.resize(values.len() + rows, f64::NAN),
        }
    }
    values
}

/// A vector of each fit, one column each.
pub fn matrix<T>(
    rows: usize,
    fits: &Fits<T>,
    of: &dyn Fn(&T) -> Vec<f64>,
) -> Robj {
    array(&side_by_side(rows, fits, of), &[rows, fits.len()])
}

fn slices<T>(p: usize, fits: &Fits<T>, of: &dyn Fn(&T) -> Vec<f64>) -> Robj {
    array(&side_by_side(p * p, fits, of), &[p, p, fits.len()])
}

fn numbers<T>(fits: &Fits<T>, of: fn(&T) -> f64) -> Robj {
    let values = fits.iter().map(|fit| fitted(fit).map_or(f64::NAN, of));
    Robj::from(values.collect::<Vec<f64>>())
}

fn texts<T>(fits: &Fits<T>, of: fn(&T) -> Option<&'static str>) -> Robj {
    let values = fits.iter().map(|fit| text(fitted(fit).and_then(of)));
    Robj::from(Strings::from_values(values))
}

fn text(value: Option<impl AsRef<str>>) -> Rstr {
    value.map_or_else(Rstr::na, |value| Rstr::from(value.as_ref()))
}

extendr_module! {
    mod fit_many;
    fn rust_lmm_fit_many;
    fn rust_glmm_fit_many;
}
