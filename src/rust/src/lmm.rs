//! Linear mixed models: one exported function per entry point of the core.

use extendr_api::prelude::*;
use rlmm_core::derivatives::HessianKind;
use rlmm_core::factor::cross_products::smallest_pivot;
use rlmm_core::factor::memory::free_bytes;
use rlmm_core::factor::sums::Sums;
use rlmm_core::factor::sums_of_rows::Centre;
use rlmm_core::factor::{leverage, Solution};
use rlmm_core::judge::Certificate;
use rlmm_core::lmm::{fitted, Estimates};
use rlmm_core::optimize::{OptSummary, Settings};
use rlmm_core::{Basis, Design, LinearMixedModel, Result, Root};

use crate::convert::{held, settings, Data, Spec};
use crate::error::guard;
use crate::fields::Fields;
use crate::optsum::{certificate_list, course, remarks, verdict};
use crate::pair_starts::start_of_pairs;
use crate::progress::Watch;
use crate::sums::sums_list;
use crate::values::{
    array, columns, columns_of, count, covariances, effects, list, Pairs,
    Shapes,
};

/// Calls `body` with the model of a spec, its rows or sums, and its basis.
pub fn with_model(
    spec: &Fields,
    body: impl FnOnce(&mut LinearMixedModel, &Data, &Basis) -> Result<Robj>,
) -> Result<Robj> {
    let spec = Spec::new(spec)?;
    let given = spec.data()?;
    let basis = spec.basis_of(&given, &[])?;
    let data = given.in_basis(&basis);
    body(&mut spec.model_of(&data)?, &data, &basis)
}

/// Fits a spec from `start` (empty: Lambda = I). SPEC.md describes the result.
/// @noRd
#[extendr]
fn rust_lmm_fit(spec: Fields, start: &[f64], control: Fields) -> Robj {
    guard(|| {
        let spec = Spec::new(&spec)?.controlled(&control);
        let held = held(&control);
        let given = spec.data()?;
        let basis = spec.basis_of(&given, &held.indices())?;
        let data = given.in_basis(&basis);
        let mut model = spec.model_of(&data)?;
        let mut from = start_of(&model, &basis, start);
        model.hold(&held, &mut from)?;
        let settings = settings(&control);
        let is_free = start.is_empty() && held.indices().is_empty();
        if let Some(found) = is_free
            .then(|| start_of_pairs(&spec, &given, &basis, &settings))
            .flatten()
        {
            from = basis.from_given(&found);
        }
        let mut watch = Watch::new(
            control.is_set("verbose"),
            control.is_set("progress"),
            settings.max_time,
        );
        let summary =
            model.fit(&from, &settings, &mut |count, value, theta| {
                watch.see(count, value, &basis.to_given(theta))
            });
        watch.finish();
        let mut fit = Fitted {
            summary: summary?,
            settings: &settings,
        };
        watch.mark(&mut fit.summary);
        data.confirm(&given, &basis, model.redundant())?;
        Ok(list(fit.pairs(&mut model, &data, &basis)?))
    })
}

/// The engine that would fit a spec, and the storage of its system.
/// @noRd
#[extendr]
fn rust_lmm_engine(spec: Fields, control: Fields) -> Robj {
    guard(|| {
        let spec = Spec::new(&spec)?.controlled(&control);
        let given = spec.data()?;
        let plan = spec.plan_of(&given)?;
        Ok(list(vec![
            ("engine", Robj::from(plan.engine)),
            ("storage", Robj::from(plan.storage)),
            ("elements", Robj::from(plan.elements)),
        ]))
    })
}

/// The start in the basis: `given`, which is in terms of the original effects, or the default. If
/// `given` equals the default the latter is returned exactly, so that the optimizer recognises it
/// and may restart elsewhere.
pub fn start_of(
    model: &LinearMixedModel,
    basis: &Basis,
    given: &[f64],
) -> Vec<f64> {
    let own = model.start();
    if given.is_empty() || given == basis.to_given(own) {
        return own.to_vec();
    }
    basis.from_given(given)
}

/// The result of an optimizer.
pub struct Fitted<'a> {
    pub summary: OptSummary,
    pub settings: &'a Settings,
}

impl Fitted<'_> {
    /// The elements for R.
    pub fn pairs(
        self,
        model: &mut LinearMixedModel,
        data: &Data,
        basis: &Basis,
    ) -> Result<Pairs> {
        let best = self.summary.best.clone();
        let certificate = judged(model, basis, &best)?;
        let reported = without_redundant(model, basis, &best)?;
        let mut summary = self.summary.mapped(|theta| basis.to_given(theta));
        let mut at = best;
        if let Some(given) = reported {
            at = basis.from_given(&given);
            summary.best = given;
        }
        let mut pairs = estimates_at(model, data, basis, (&at, &summary.best))?;
        pairs.push((
            "optsum",
            opt_summary(
                &summary,
                &self.settings.optimizer,
                model.lower_bounds(),
                &certificate,
            ),
        ));
        let n_terms = data.shapes().len();
        pairs.extend(remarks(model.noise(), model.redundant(), n_terms));
        Ok(pairs)
    }
}

// Theta of the original effects at which those in the column space of X have zero variance; `None`
// if the basis has these effects already, or if the criterion is not equal there.
fn without_redundant(
    model: &mut LinearMixedModel,
    basis: &Basis,
    theta: &[f64],
) -> Result<Option<Vec<f64>>> {
    if basis.is_given() || model.redundant().is_empty() {
        return Ok(None);
    }
    let given = basis.to_given_without(theta, model.redundant());
    let is_same = model.is_equal_at(&basis.from_given(&given), theta)?;
    Ok(is_same.then_some(given))
}

// The certificate of theta in the basis, transformed back to the original effects.
fn judged(
    model: &mut LinearMixedModel,
    basis: &Basis,
    theta: &[f64],
) -> Result<Certificate> {
    let mut certificate = model.certificate(theta)?;
    if !basis.is_given() {
        let at = model.at(theta)?.slopes();
        let given = basis.to_given(theta);
        basis.gradient_to_given(&given, at.g(), &mut certificate.gradient);
        for way in &mut certificate.descent_directions {
            basis.direction_to_given(way);
        }
    }
    Ok(certificate)
}

/// A measure of the distance of X from rank deficiency, in its rows of positive weight: see the
/// core.
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

/// The bytes that R may still allocate; `NaN` if the operating system does not report it.
/// @noRd
#[extendr]
fn rust_free_memory() -> Robj {
    guard(|| {
        let free = free_bytes().map(|bytes| bytes as f64);
        Ok(Robj::from(free.unwrap_or(f64::NAN)))
    })
}

/// Estimates of a spec at a given theta.
/// @noRd
#[extendr]
fn rust_lmm_estimates(spec: Fields, theta: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, data, basis| {
            let theta = basis.from_given(theta);
            Ok(list(estimates(model, data, basis, &theta)?))
        })
    })
}

/// The objective at each column of `thetas` (one theta after another).
/// @noRd
#[extendr]
fn rust_lmm_objective(spec: Fields, thetas: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, _, basis| {
            let n_theta = model.n_theta().max(1);
            let values: Result<Vec<f64>> = thetas
                .chunks(n_theta)
                .map(|theta| model.objective(&basis.from_given(theta)))
                .collect();
            Ok(Robj::from(values?))
        })
    })
}

/// Conditional variances of the random effects over sigma^2, an array per core term.
/// @noRd
#[extendr]
fn rust_lmm_cond_var(spec: Fields, theta: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, data, basis| {
            let (theta, shapes) = (basis.from_given(theta), data.shapes());
            let mut found = model.at(&theta)?.cond_var()?;
            for (term, values) in found.iter_mut().enumerate() {
                basis.covariances_to_given(term, shapes[term].0, values);
            }
            Ok(covariances(&shapes, &found))
        })
    })
}

/// The leverage of each observation.
/// @noRd
#[extendr]
fn rust_lmm_leverage(spec: Fields, theta: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, data, basis| {
            let theta = basis.from_given(theta);
            let point = model.at(&theta)?;
            Ok(Robj::from(leverage::leverage(
                data.rows()?,
                point.factor()?,
            )))
        })
    })
}

/// Gradient and Hessian in theta, `G` of each core term, and the certificate of `theta`.
/// @noRd
#[extendr]
fn rust_lmm_derivatives(spec: Fields, theta: &[f64], exact: bool) -> Robj {
    guard(|| {
        let certificate = with_model(&spec, |model, _, basis| {
            let found = judged(model, basis, &basis.from_given(theta))?;
            Ok(certificate_list(&found))
        })?;
        let spec = Spec::new(&spec)?;
        let given = spec.data()?;
        let basis = spec.fixed_basis_of(&given)?;
        let data = given.in_basis(&basis);
        let mut model = spec.model_of(&data)?;
        let kind = if exact {
            model.exact_hessian()?
        } else {
            model.affordable_hessian()
        };
        let n = model.n_theta();
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        let mut at = model.at(theta)?.slopes().hessian(kind);
        at.gradient(&mut gradient);
        at.fill(&mut hessian);
        let mut pairs =
            derivatives(&data.shapes(), gradient, &hessian, kind, at.g());
        pairs.push(("certificate", certificate));
        Ok(list(pairs))
    })
}

/// Derivatives in (theta, sigma), and the gradient in theta of `c'(X'V^-1X)^-1 c` for the columns c
/// of `contrasts`; with `independent` in `theta` of the orthogonalised columns, which is returned
/// together with the `roots` of the inverse transformation.
/// @noRd
#[extendr]
fn rust_lmm_with_sigma(
    spec: Fields,
    theta: &[f64],
    sigma: f64,
    contrasts: &[f64],
    exact: bool,
    independent: bool,
) -> Robj {
    guard(|| {
        let spec = Spec::new(&spec)?;
        let given = spec.data()?;
        let basis = match independent {
            true => spec.basis_of(&given, &[])?,
            false => spec.fixed_basis_of(&given)?,
        };
        let (data, theta) = (given.in_basis(&basis), basis.from_given(theta));
        let mut model = spec.model_of(&data)?;
        let kind = if exact {
            model.exact_hessian()?
        } else {
            model.inferential_hessian()
        };
        let at = model.at(&theta)?.with_sigma(sigma, kind);
        let mut pairs =
            derivatives(&data.shapes(), at.gradient, &at.hessian, kind, &at.g);
        let mut contrasts = contrasts.to_vec();
        basis.contrasts_from_given(&mut contrasts);
        let slopes = model.at(&theta)?.contrast_slopes(&contrasts);
        let dim = [theta.len(), contrasts.len() / data.p().max(1)];
        pairs.push(("slopes", array(&slopes, &dim)));
        pairs.push(("theta", Robj::from(theta)));
        let roots = basis.roots();
        let roots = List::from_values(roots.iter().map(root));
        pairs.push(("roots", roots.into_robj()));
        Ok(list(pairs))
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
    shapes: &Shapes,
    gradient: Vec<f64>,
    hessian: &[f64],
    kind: HessianKind,
    g: &[Vec<f64>],
) -> Pairs {
    let n = gradient.len();
    let terms = shapes.iter().zip(g);
    let of_terms = terms.map(|(&(k, _), g)| array(g, &[k, k]));
    vec![
        ("gradient", Robj::from(gradient)),
        ("hessian", array(hessian, &[n, n])),
        ("curvature", Robj::from(kind.name())),
        ("g", List::from_values(of_terms).into_robj()),
    ]
}

/// The estimates at `theta`, both in the basis.
pub fn estimates(
    model: &mut LinearMixedModel,
    data: &Data,
    basis: &Basis,
    theta: &[f64],
) -> Result<Pairs> {
    estimates_at(model, data, basis, (theta, &basis.to_given(theta)))
}

// The estimates at theta, in the basis and for the original effects.
fn estimates_at(
    model: &mut LinearMixedModel,
    data: &Data,
    basis: &Basis,
    (theta, given): (&[f64], &[f64]),
) -> Result<Pairs> {
    let Estimates {
        objective,
        sigma,
        mut solution,
        mut rx,
        log_det_re,
        log_det_fe,
        pwrss,
    } = model.estimates(theta)?;
    let (p, shapes) = (data.p(), data.shapes());
    let ussq: f64 = solution.u.iter().flatten().map(|u| u * u).sum();
    let (mu, wrss) = match data {
        Data::Rows(design) => fitted_values(design, &solution),
        Data::Sums(..) => (Robj::from(()), pwrss - ussq),
    };
    solution_to_given(basis, given, &shapes, &mut solution);
    basis.rx_to_given(&mut rx);
    let scales = given_scales(model, basis);
    let smallest = model.smallest_singular_value(given, &scales);
    let scales = List::from_values(scales.iter().map(Robj::from));
    Ok(vec![
        ("theta", Robj::from(given)),
        ("objective", Robj::from(objective)),
        ("beta", Robj::from(&solution.beta)),
        ("sigma", Robj::from(sigma)),
        ("u", effects(&shapes, &solution.u)),
        ("b", effects(&shapes, &solution.b)),
        ("rx", array(&rx, &[p, p])),
        ("log_det_re", Robj::from(log_det_re)),
        ("log_det_fe", Robj::from(log_det_fe)),
        ("pwrss", Robj::from(pwrss)),
        ("wrss", Robj::from(wrss)),
        ("ussq", Robj::from(ussq)),
        ("fitted", mu),
        ("n_eff", count(model.n_eff())),
        ("engine", Robj::from(model.engine_name())),
        ("scales", scales.into_robj()),
        ("smallest_singular_value", Robj::from(smallest)),
    ])
}

// Transforms the effects of a basis back to the original ones, at theta of the latter.
fn solution_to_given(
    basis: &Basis,
    theta: &[f64],
    shapes: &Shapes,
    solution: &mut Solution,
) {
    for (term, &(vsize, _)) in shapes.iter().enumerate() {
        basis.effects_to_given(term, vsize, &mut solution.b[term]);
        basis.spherical_to_given(theta, term, vsize, &mut solution.u[term]);
    }
    basis.fixed_to_given(&mut solution.beta);
}

// The root mean square of each original column of Z, per term.
fn given_scales(model: &LinearMixedModel, basis: &Basis) -> Vec<Vec<f64>> {
    let mut scales = model.column_scales().to_vec();
    for (term, scales) in scales.iter_mut().enumerate() {
        basis.scales_to_given(term, scales);
    }
    scales
}

// The fitted values, and the weighted residual sum of squares.
fn fitted_values(design: &Design, solution: &Solution) -> (Robj, f64) {
    let mut mu = Robj::from(Doubles::new(design.n()));
    let values = mu.as_real_slice_mut().unwrap_or_default();
    fitted(design, solution, values);
    let residual =
        |(i, f): (usize, &f64)| design.weight(i) * (design.y[i] - f).powi(2);
    let wrss = values.iter().enumerate().map(residual).sum();
    (mu, wrss)
}

/// The record of a fit, with its certificate.
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

/// The sums of a spec's rows. `shift` and `beta0` are subtracted from X and y first; if empty, they
/// are the means and the least-squares fit of these rows.
/// @noRd
#[extendr]
fn rust_lmm_sums(spec: Fields, shift: &[f64], beta0: &[f64]) -> Robj {
    guard(|| {
        let spec = Spec::new(&spec)?;
        let design = spec.design()?;
        design.validate()?;
        let centre = match shift.len() == design.p() {
            true => Centre {
                shift: shift.to_vec(),
                beta0: beta0.to_vec(),
            },
            false => Centre::of(&design),
        };
        Ok(sums_list(&Sums::from_rows(&design, &centre)?))
    })
}

extendr_module! {
    mod lmm;
    fn rust_lmm_sums;
    fn rust_lmm_fit;
    fn rust_lmm_engine;
    fn rust_lmm_estimates;
    fn rust_lmm_objective;
    fn rust_lmm_cond_var;
    fn rust_lmm_leverage;
    fn rust_lmm_derivatives;
    fn rust_smallest_pivot;
    fn rust_free_memory;
    fn rust_lmm_with_sigma;
}
