//! A gradient compared with differences of the objective, and the iterative engine with the exact
//! one.

use crate::common::Data;
use crate::simulated::region;
use rlmm_core::factor::memory::{EngineKind, Room};
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::pirls::Tolerance;
use rlmm_core::glmm::Vary;
use rlmm_core::glmm::{GeneralizedLinearMixedModel, Options, Shape};
use rlmm_core::Design;

// The shape, estimated from a start if the family has one.
pub fn free_shape(family: Family, start: f64) -> Shape {
    if family.has_shape() {
        Shape::Estimated(start)
    } else {
        Shape::Known(1.0)
    }
}

// The default options with another shape.
pub fn of_shape(shape: Shape) -> Options {
    Options {
        shape,
        ..Default::default()
    }
}

// The model with the exact engine, with modes to full accuracy.
pub fn exact_model(
    design: &Design,
    family: Family,
    link: Link,
    options: Options,
) -> GeneralizedLinearMixedModel {
    let mut model =
        GeneralizedLinearMixedModel::new(design, family, link, options)
            .unwrap();
    model.pirls_mut().tolerance = Tolerance {
        decrement: 1e-16,
        ..Default::default()
    };
    model
}

pub fn parameters(
    model: &GeneralizedLinearMixedModel,
    vary: Vary,
    family: Family,
    link: Link,
    scale: f64,
) -> Vec<f64> {
    let (centre, spread) = region(family, link);
    let mut at = model.parameters(vary);
    let n_theta = model.n_theta();
    for (j, theta) in at[..n_theta].iter_mut().enumerate() {
        *theta = scale * spread * [0.7, -0.2, 0.5, 0.4][j % 4];
    }
    if vary == Vary::Modes {
        at[n_theta] = centre + 0.05 * spread;
        at[n_theta + 1] = 0.9 * spread;
    }
    at
}

// Checks both variants of `Vary`.
pub fn check_both(
    data: &Data,
    family: Family,
    link: Link,
    options: Options,
    scale: f64,
) {
    for vary in [Vary::Modes, Vary::Jointly] {
        check(data, family, link, options, vary, scale);
    }
}

pub fn check(
    data: &Data,
    family: Family,
    link: Link,
    options: Options,
    vary: Vary,
    scale: f64,
) {
    let design = data.design();
    let mut model = exact_model(&design, family, link, options);
    let at = parameters(&model, vary, family, link, scale);
    let mut gradient = vec![0.0; at.len()];
    let what = format!("{family:?} {link:?} {options:?} {vary:?}");
    model
        .objective(vary, &at)
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    model
        .gradient(vary, &mut gradient)
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let size = gradient.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
    for j in 0..at.len() {
        let h = 5e-4 * at[j].abs().max(region(family, link).1 * 0.3);
        let mut value = |step: f64| {
            let mut x = at.clone();
            x[j] += step * h;
            model
                .objective(vary, &x)
                .unwrap_or_else(|e| panic!("{what}: {e}"))
        };
        let difference = (8.0 * (value(1.0) - value(-1.0)) - value(2.0)
            + value(-2.0))
            / (12.0 * h);
        assert!(
            (difference - gradient[j]).abs() < 1e-6 * size,
            "{what} [{j}]: {difference} {gradient:?}"
        );
    }
    if design.terms.len() > 1 {
        model.objective(vary, &at).unwrap();
        check_engines(
            &mut model,
            data,
            (family, link, options),
            vary,
            &gradient,
        );
    }
}

// Compares the iterative engine with the exact one at the same parameters. Terms with few effects
// need no probe vectors, so that only the residuals of solves make a difference.
fn check_engines(
    exact: &mut GeneralizedLinearMixedModel,
    data: &Data,
    (family, link, options): (Family, Link, Options),
    vary: Vary,
    expected: &[f64],
) {
    let how = (EngineKind::Iterative, &Room::default());
    let design = data.design();
    let mut model = GeneralizedLinearMixedModel::with_engine(
        how, &design, family, link, options,
    )
    .unwrap();
    model.pirls_mut().tolerance = exact.pirls().tolerance;
    let what = format!("{family:?} {link:?} {options:?} {vary:?}");
    let at = exact.parameters(vary);
    let value = exact.objective(vary, &at).unwrap();
    let found = model
        .objective(vary, &at)
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let error = (found - value).abs();
    assert!(
        error < 1e-8 * (1.0 + value.abs()),
        "{what}: {found} {value}"
    );
    let mut gradient = vec![0.0; at.len()];
    model
        .gradient(vary, &mut gradient)
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let size = expected.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
    for (found, expected) in gradient.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(error < 1e-6 * size, "{what}: {found} {expected}");
    }
}
