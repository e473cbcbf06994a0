//! Certificates of complete fits.

use super::{is_resolved, Verdict};
use crate::covariance::Structure;
use crate::derivatives::tests::{part, us, Data, Random};
use crate::lmm::Held;
use crate::optimize::{Flow, OptSummary, Settings};
use crate::{Criterion, LinearMixedModel};

fn fit(
    model: &mut LinearMixedModel,
    start: &[f64],
    settings: &Settings,
) -> OptSummary {
    model
        .fit(start, settings, &mut |_, _, _| Flow::Continue)
        .unwrap()
}

// Models with singular optima, flat directions, or more effects than levels: the default fit is an
// optimum, and no other start leads to a lower one.
#[test]
fn newton_on_hard_models() {
    let several = vec![us(3, 0), us(2, 6), part(Structure::Diagonal, 2, 9)];
    let models: Vec<(&str, Data)> = vec![
        (
            "more effects than levels",
            Data::new(60, 1, vec![(Box::new(|i| i % 4), vec![us(6, 0)])]),
        ),
        (
            "several terms on one factor",
            Data::new(90, 2, vec![(Box::new(|i| i % 9), several)]),
        ),
        (
            "crossed",
            Data::new(
                120,
                2,
                vec![
                    (Box::new(|i| i % 12), vec![us(4, 0)]),
                    (Box::new(|i| (i * 7 + i / 12) % 10), vec![us(3, 10)]),
                ],
            ),
        ),
        (
            "nested",
            Data::new(
                120,
                2,
                vec![
                    (Box::new(|i| i / 4), vec![us(2, 0)]),
                    (Box::new(|i| i / 24), vec![us(3, 3)]),
                ],
            ),
        ),
        (
            "structures",
            Data::new(
                144,
                2,
                vec![
                    (
                        Box::new(|i| i % 12),
                        vec![part(Structure::CompoundSymmetry, 3, 0)],
                    ),
                    (
                        Box::new(|i| i / 24),
                        vec![part(Structure::HomogeneousAutoregressive, 4, 4)],
                    ),
                ],
            ),
        ),
    ];
    for (name, data) in models {
        let design = data.design();
        for criterion in [Criterion::Ml, Criterion::Reml] {
            let mut model =
                LinearMixedModel::new(&design, criterion, None).unwrap();
            let lower = model.lower_bounds().to_vec();
            let mut random = Random(5);
            let mut starts = vec![model.start().to_vec()];
            for _ in 0..4 {
                let values = lower.iter().map(|l| {
                    if *l == 0.0 {
                        2.0 * random.uniform()
                    } else {
                        random.uniform() - 0.5
                    }
                });
                starts.push(values.collect());
            }
            let mut values = Vec::new();
            for start in starts {
                let summary = fit(&mut model, &start, &Settings::default());
                let certificate = model.certificate(&summary.best).unwrap();
                assert_eq!(
                    certificate.verdict,
                    Verdict::Optimal,
                    "{name}, {criterion:?}, from {start:?}"
                );
                values.push(summary.best_value);
            }
            let best = values.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(
                values[0] < best + 1e-6,
                "{name}, {criterion:?}: {values:?}"
            );
        }
    }
}

// Points that are not optima get the right verdicts.
#[test]
fn verdicts() {
    let data = Data::new(90, 2, vec![(Box::new(|i| i % 9), vec![us(2, 0)])]);
    let design = data.design();
    let mut model =
        LinearMixedModel::new(&design, Criterion::Reml, None).unwrap();
    let start = model.start().to_vec();
    let best = fit(&mut model, &start, &Settings::default()).best;
    let early = fit(
        &mut model,
        &start,
        &Settings {
            max_eval: 2,
            ..Settings::default()
        },
    )
    .best;
    // The best covariance of rank one is a stationary point in theta.
    let mut constrained =
        LinearMixedModel::new(&design, Criterion::Reml, None).unwrap();
    let mut line = vec![1.0, 0.0, 0.0];
    constrained
        .hold(
            &Held {
                relative: vec![(2, 0.0)],
                absolute: vec![],
            },
            &mut line,
        )
        .unwrap();
    let line = fit(&mut constrained, &line, &Settings::default()).best;
    let mut verdict = |theta: &[f64]| model.certificate(theta).unwrap().verdict;
    assert_eq!(verdict(&best), Verdict::Optimal);
    assert_eq!(verdict(&[0.0; 3]), Verdict::FalseBoundary);
    assert_eq!(verdict(&line), Verdict::FalseBoundary);
    assert_eq!(
        verdict(&[best[0] * 1.01, best[1], best[2]]),
        Verdict::NotConverged
    );
    assert_eq!(verdict(&early), Verdict::NotConverged);
}

// A fit whose correlations are held at a singular sequence is an optimum of the free model only if
// no step towards another correlation matrix lowers the objective.
#[test]
fn singular_toeplitz_correlations() {
    let cosine = [0.7f64.cos(), 1.4f64.cos(), 2.1f64.cos()];
    for rho in [[1.0; 3], [-1.0, 1.0, -1.0], cosine] {
        let is_optimal = |structure| check_singular_toeplitz(structure, rho);
        is_optimal(Structure::Toeplitz);
        assert!(is_optimal(Structure::HomogeneousToeplitz), "{rho:?}");
    }
}

// Checks the certificate at these correlations; returns whether a search from there ends at an
// optimum.
fn check_singular_toeplitz(structure: Structure, rho: [f64; 3]) -> bool {
    let term = vec![part(structure, 4, 0)];
    let data = Data::new(144, 2, vec![(Box::new(|i| i % 12), term)]);
    let design = data.design();
    let mut free =
        LinearMixedModel::new(&design, Criterion::Reml, None).unwrap();
    let edge = fit_with_correlations(free.fork(), rho);
    let is_lower =
        lowest_nearby(&mut free, &edge.best) < edge.best_value - 1e-6;
    let mut verdict = |theta: &[f64]| free.certificate(theta).unwrap().verdict;
    assert_eq!(verdict(&edge.best) != Verdict::Optimal, is_lower, "{rho:?}");
    let end = fit(&mut free, &edge.best, &Settings::default());
    assert!(end.best_value <= edge.best_value);
    free.certificate(&end.best).unwrap().verdict == Verdict::Optimal
}

fn fit_with_correlations(
    mut model: LinearMixedModel,
    rho: [f64; 3],
) -> OptSummary {
    let mut start = model.start().to_vec();
    let first = start.len() - rho.len();
    start[first..].copy_from_slice(&rho);
    let relative = (first..).zip(rho).collect();
    let absolute = vec![];
    let held = Held { relative, absolute };
    model.hold(&held, &mut start).unwrap();
    fit(&mut model, &start, &Settings::default())
}

// The lowest objective at small steps from the correlations towards cosine sequences.
fn lowest_nearby(model: &mut LinearMixedModel, theta: &[f64]) -> f64 {
    let first = theta.len() - 3;
    let mut lowest = f64::INFINITY;
    for angle in (0..=50).map(|i| std::f64::consts::PI * f64::from(i) / 50.0) {
        for step in [1e-4, 1e-3, 1e-2] {
            let mut point = theta.to_vec();
            for (j, value) in point[first..].iter_mut().enumerate() {
                *value += step * ((angle * (j + 1) as f64).cos() - *value);
            }
            lowest = lowest.min(model.objective(&point).unwrap());
        }
    }
    lowest
}

// The derivatives of a sum over a million rows in well-scaled coordinates, and differences of a
// gradient of 15.8 that jumps, divided by a step of 1e-13 squared.
#[test]
fn curvatures_beyond_rounding_errors_of_the_coordinates_are_none() {
    assert!(is_resolved(1e6, 1.0));
    assert!(is_resolved(1e6, 1e8));
    assert!(!is_resolved(6e26, 8e5));
}
