//! Many responses fitted on one design: see `lmm::many` of the core. R is spoken to by the main
//! thread only.

use extendr_api::prelude::*;
use rlmm_core::lmm::many::{ManySettings, OneOfMany};
use rlmm_core::{LinearMixedModel, Result};

use crate::convert::{array, held, list, settings, Pairs, Spec};
use crate::error::guard;
use crate::fit_all::n_threads;
use crate::lmm::start_of;
use crate::progress::is_interrupted;

/// Fits a spec to each of the responses `y`, one after the other, from `start` (empty: Lambda = I).
/// What comes back has one element, column or slice per response; where a fit failed it is missing,
/// and `error` says why.
/// @noRd
#[extendr]
fn rust_lmm_fit_many(spec: List, y: &[f64], start: &[f64], control: List, threads: i32) -> Robj {
    guard(|| {
        let spec = Spec::new(&spec)?;
        let (given, held) = (spec.design()?, held(&control));
        let basis = spec.basis(&given, &held.indices())?;
        let design = basis.design(&given);
        let model = spec.model(&design)?;
        let many = ManySettings {
            start: start_of(&model, &basis, start),
            held,
            optimizer: settings(&control),
            threads: n_threads(threads),
        };
        let mut fits = model.fit_many(&design, y, &many, &mut is_interrupted)?;
        for fit in fits.iter_mut().flatten() {
            fit.theta = basis.to_given(&fit.theta);
        }
        Ok(list(columns(&model, design.p(), &fits)))
    })
}

// The fits side by side.
fn columns(model: &LinearMixedModel, p: usize, fits: &[Result<OneOfMany>]) -> Pairs {
    let n = fits.len();
    let matrix = |rows: usize, of: &dyn Fn(&OneOfMany) -> &[f64]| {
        array(&side_by_side(rows, fits, of), &[rows, n])
    };
    let rx = side_by_side(p * p, fits, &|fit| &fit.estimates.rx);
    let numbers = |of: fn(&OneOfMany) -> f64| {
        let one = |fit: &Result<OneOfMany>| fit.as_ref().map_or(f64::NAN, of);
        Robj::from(fits.iter().map(one).collect::<Vec<f64>>())
    };
    let texts = |of: fn(&OneOfMany) -> &'static str| {
        let one = |fit: &Result<OneOfMany>| fit.as_ref().ok().map(of);
        Robj::from(Strings::from_values(fits.iter().map(one).map(text)))
    };
    let error = |fit: &Result<OneOfMany>| fit.as_ref().err().map(ToString::to_string);
    let errors = fits.iter().map(error).map(text);
    vec![
        ("theta", matrix(model.n_theta(), &|fit| &fit.theta)),
        ("beta", matrix(p, &|fit| &fit.estimates.solution.beta)),
        ("rx", array(&rx, &[p, p, n])),
        ("sigma", numbers(|fit| fit.estimates.sigma)),
        ("objective", numbers(|fit| fit.estimates.objective)),
        ("log_det_re", numbers(|fit| fit.estimates.log_det_re)),
        ("log_det_fe", numbers(|fit| fit.estimates.log_det_fe)),
        ("pwrss", numbers(|fit| fit.estimates.pwrss)),
        ("evaluations", numbers(|fit| fit.evaluations as f64)),
        ("status", texts(|fit| fit.status.name())),
        ("verdict", texts(|fit| fit.verdict.name())),
        ("error", Robj::from(Strings::from_values(errors))),
    ]
}

fn side_by_side(
    rows: usize,
    fits: &[Result<OneOfMany>],
    of: &dyn Fn(&OneOfMany) -> &[f64],
) -> Vec<f64> {
    let mut values = Vec::with_capacity(rows * fits.len());
    for fit in fits {
        match fit {
            Ok(fit) => values.extend_from_slice(of(fit)),
            Err(_) => values.resize(values.len() + rows, f64::NAN),
        }
    }
    values
}

fn text(value: Option<impl AsRef<str>>) -> Rstr {
    value.map_or_else(Rstr::na, |value| Rstr::from(value.as_ref()))
}

extendr_module! {
    mod fit_many;
    fn rust_lmm_fit_many;
}
