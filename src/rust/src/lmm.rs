//! Linear mixed models: one exported function per entry point of the core.

use extendr_api::prelude::*;
use rlmm_core::derivatives::HessianKind;
use rlmm_core::factor::cross_products::smallest_pivot;
use rlmm_core::factor::{cond_var, leverage};
use rlmm_core::judge::Certificate;
use rlmm_core::lmm::{fitted, Estimates, Root};
use rlmm_core::optimize::{start_or_default, OptSummary};
use rlmm_core::{Design, LinearMixedModel, Result};

use crate::convert::{
    array, columns, columns_of, covariances, effects, held, is_set, list, settings, Pairs, Spec,
};
use crate::error::guard;
use crate::optsum::{certificate_list, course, verdict};
use crate::progress::Watch;

// The model of a spec and its design, handed to `body`.
fn with_model(
    spec: &List,
    body: impl FnOnce(&mut LinearMixedModel, &Design) -> Result<Robj>,
) -> Result<Robj> {
    let spec = Spec::new(spec)?;
    let design = spec.design()?;
    body(&mut spec.model(&design)?, &design)
}

/// Fits a spec from `start` (empty: Lambda = I); see SPEC.md for what comes back.
/// @noRd
#[extendr]
fn rust_lmm_fit(spec: List, start: &[f64], control: List) -> Robj {
    guard(|| {
        let spec = Spec::new(&spec)?;
        let design = spec.design()?;
        let mut model = spec.model(&design)?;
        let mut start = start_or_default(start, model.start());
        model.hold(&held(&control), &mut start)?;
        let mut watch = Watch::new(is_set(&control, "verbose"), is_set(&control, "progress"));
        let settings = settings(&control);
        let summary = model.fit(&start, &settings, &mut |count, value, theta| {
            watch.see(count, value, theta)
        });
        watch.finish();
        let summary = summary?;
        let mut pairs = estimates(&mut model, &design, &summary.best)?;
        let certificate = model.certificate(&summary.best)?;
        pairs.push((
            "optsum",
            opt_summary(
                &summary,
                &settings.optimizer,
                model.lower_bounds(),
                &certificate,
            ),
        ));
        Ok(list(pairs))
    })
}

/// How far X is from rank deficient, in its rows of positive weight: see the core.
/// @noRd
#[extendr]
fn rust_smallest_pivot(x: Robj, weights: Robj, n: i32) -> Robj {
    guard(|| {
        let (x, n) = (columns_of(&x), n as usize);
        let x = columns(&x, n)?;
        x.validate("x", n)?;
        Ok(Robj::from(smallest_pivot(&x, weights.as_real_slice(), n)))
    })
}

/// Estimates of a spec at a given theta.
/// @noRd
#[extendr]
fn rust_lmm_estimates(spec: List, theta: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, design| {
            Ok(list(estimates(model, design, theta)?))
        })
    })
}

/// The objective at each column of `thetas` (one theta after the other).
/// @noRd
#[extendr]
fn rust_lmm_objective(spec: List, thetas: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, _| {
            let n_theta = model.n_theta().max(1);
            let values: Result<Vec<f64>> = thetas
                .chunks(n_theta)
                .map(|theta| model.objective(theta))
                .collect();
            Ok(Robj::from(values?))
        })
    })
}

/// Conditional variances of the random effects over sigma^2, an array per core term.
/// @noRd
#[extendr]
fn rust_lmm_cond_var(spec: List, theta: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, design| {
            let point = model.at(theta)?;
            Ok(covariances(design, &cond_var::cond_var(point.factor())))
        })
    })
}

/// Leverage of each observation.
/// @noRd
#[extendr]
fn rust_lmm_leverage(spec: List, theta: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, design| {
            let point = model.at(theta)?;
            Ok(Robj::from(leverage::leverage(design, point.factor())))
        })
    })
}

/// Gradient and Hessian in theta, `G` of each core term, and the verdict on `theta`.
/// @noRd
#[extendr]
fn rust_lmm_derivatives(spec: List, theta: &[f64], exact: bool) -> Robj {
    guard(|| {
        with_model(&spec, |model, design| {
            let kind = if exact {
                model.exact_hessian()?
            } else {
                model.affordable_hessian()
            };
            let certificate = model.certificate(theta)?;
            let n = model.n_theta();
            let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
            let mut at = model.at(theta)?.slopes().hessian(kind);
            at.gradient(&mut gradient);
            at.fill(&mut hessian);
            let mut pairs = derivatives(design, gradient, &hessian, kind, at.g());
            pairs.push(("certificate", certificate_list(&certificate)));
            Ok(list(pairs))
        })
    })
}

/// Derivatives in (theta, sigma), and the gradient in theta of `c'(X'V^-1X)^-1 c` for the columns c
/// of `contrasts`; with `independent` in the `theta` of independent columns, which comes along with
/// the `roots` that lead back.
/// @noRd
#[extendr]
fn rust_lmm_with_sigma(
    spec: List,
    theta: &[f64],
    sigma: f64,
    contrasts: &[f64],
    exact: bool,
    independent: bool,
) -> Robj {
    guard(|| {
        with_model(&spec, |model, design| {
            let (theta, roots) = if independent {
                model.go_independent(theta)
            } else {
                (theta.to_vec(), Vec::new())
            };
            let kind = if exact {
                model.exact_hessian()?
            } else {
                model.inferential_hessian()
            };
            let at = model.at(&theta)?.with_sigma(sigma, kind);
            let mut pairs = derivatives(design, at.gradient, &at.hessian, kind, &at.g);
            let slopes = model.at(&theta)?.contrast_slopes(contrasts);
            let dim = [theta.len(), contrasts.len() / design.p().max(1)];
            pairs.push(("slopes", array(&slopes, &dim)));
            pairs.push(("theta", Robj::from(theta)));
            pairs.push((
                "roots",
                List::from_values(roots.iter().map(root)).into_robj(),
            ));
            Ok(list(pairs))
        })
    })
}

fn root(root: &Root) -> Robj {
    let k = root.values.len().isqrt();
    list(vec![
        ("term", Robj::from(root.term as i32 + 1)),
        ("first", Robj::from(root.first as i32 + 1)),
        ("root", array(&root.values, &[k, k])),
    ])
}

fn derivatives(
    design: &Design,
    gradient: Vec<f64>,
    hessian: &[f64],
    kind: HessianKind,
    g: &[Vec<f64>],
) -> Pairs {
    let n = gradient.len();
    let of_terms = design
        .terms
        .iter()
        .zip(g)
        .map(|(term, g)| array(g, &[term.vsize(), term.vsize()]));
    vec![
        ("gradient", Robj::from(gradient)),
        ("hessian", array(hessian, &[n, n])),
        ("curvature", Robj::from(kind.name())),
        ("g", List::from_values(of_terms).into_robj()),
    ]
}

pub fn estimates(model: &mut LinearMixedModel, design: &Design, theta: &[f64]) -> Result<Pairs> {
    let Estimates {
        objective,
        sigma,
        solution,
        rx,
        log_det_re,
        log_det_fe,
        pwrss,
    } = model.estimates(theta)?;
    let p = design.p();
    let mut mu = Robj::from(Doubles::new(design.n()));
    let values = mu.as_real_slice_mut().unwrap_or_default();
    fitted(design, &solution, values);
    let residual = |(i, f): (usize, &f64)| design.weight(i) * (design.y[i] - f).powi(2);
    let wrss: f64 = values.iter().enumerate().map(residual).sum();
    let ussq: f64 = solution.u.iter().flatten().map(|u| u * u).sum();
    Ok(vec![
        ("theta", Robj::from(theta)),
        ("objective", Robj::from(objective)),
        ("beta", Robj::from(&solution.beta)),
        ("sigma", Robj::from(sigma)),
        ("u", effects(design, &solution.u)),
        ("b", effects(design, &solution.b)),
        ("rx", array(&rx, &[p, p])),
        ("log_det_re", Robj::from(log_det_re)),
        ("log_det_fe", Robj::from(log_det_fe)),
        ("pwrss", Robj::from(pwrss)),
        ("wrss", Robj::from(wrss)),
        ("ussq", Robj::from(ussq)),
        ("fitted", mu),
        ("n_eff", Robj::from(model.n_eff() as i32)),
        (
            "scales",
            List::from_values(model.column_scales().iter().map(Robj::from)).into_robj(),
        ),
    ])
}

/// The record of a fit with its verdict.
pub fn opt_summary(
    summary: &OptSummary,
    optimizer: &str,
    lower: &[f64],
    certificate: &Certificate,
) -> Robj {
    let mut pairs = course(summary, optimizer, lower);
    pairs.extend(verdict(certificate));
    list(pairs)
}

extendr_module! {
    mod lmm;
    fn rust_lmm_fit;
    fn rust_lmm_estimates;
    fn rust_lmm_objective;
    fn rust_lmm_cond_var;
    fn rust_lmm_leverage;
    fn rust_lmm_derivatives;
    fn rust_smallest_pivot;
    fn rust_lmm_with_sigma;
}
