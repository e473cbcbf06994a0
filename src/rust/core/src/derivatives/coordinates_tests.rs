//! Gradient and Hessian in the coordinates of a search, compared with fourth-order differences.

use std::f64::consts::FRAC_PI_2;

use crate::covariance::{Part, Structure};
use crate::derivatives::tests::{
    fourth_order, largest_error, part, shifted, us, Data, Levels, Random, STEP,
};
use crate::judge::Verdict;
use crate::lmm::search::Search;
use crate::lmm::Held;
use crate::optimize::{Flow, Geometry, Objective, Settings};
use crate::{Criterion, LinearMixedModel};

// The step of second differences balances truncation and rounding errors.
const STEP_OF_SECOND: f64 = 1.5e-3;

// In these coordinates the ends of the range of rho are interior points.
#[test]
fn ends_of_the_correlation() {
    for structure in Structure::correlated() {
        let n = structure.n_theta(3);
        let terms: Vec<(Levels, Vec<Part>)> = vec![
            (Box::new(|i| i % 12), vec![part(structure, 3, 0)]),
            (Box::new(|i| i / 24), vec![part(structure, 2, n)]),
        ];
        let data = Data::new(144, 2, terms).weighted();
        let design = data.design();
        for (criterion, angle) in [
            (Criterion::Ml, 1.0),
            (Criterion::Reml, 1.0),
            (Criterion::Reml, -1.0),
        ] {
            let mut model =
                LinearMixedModel::new(&design, criterion, None).unwrap();
            let mut theta = model.start().to_vec();
            theta
                .iter_mut()
                .enumerate()
                .for_each(|(j, t)| *t *= 0.6 + 0.1 * j as f64);
            let mut search = Search::new(&mut model, &theta).unwrap();
            let mut x = search.at.from_theta(&theta);
            (x[n - 1], x[n + structure.n_theta(2) - 1]) =
                (angle * FRAC_PI_2, 0.3);
            let size = x.len();
            let mut gradient_at = |x: &[f64]| {
                let mut g = vec![0.0; size];
                let value = search.value(x).unwrap();
                search.gradient(&mut g).unwrap();
                (value, g)
            };
            let differences: Vec<f64> = (0..size)
                .map(|j| {
                    fourth_order(STEP, |h| {
                        vec![gradient_at(&shifted(&x, j, h)).0]
                    })[0]
                })
                .collect();
            let second: Vec<f64> = (0..size)
                .flat_map(|j| {
                    fourth_order(STEP, |h| gradient_at(&shifted(&x, j, h)).1)
                })
                .collect();
            let g = gradient_at(&x).1;
            let mut hessian = vec![0.0; size * size];
            search.hessian(&mut hessian).unwrap();
            assert!(
                largest_error(&g, &differences) < 1e-7,
                "{structure:?}: gradient"
            );
            let error = largest_error(&hessian, &second);
            assert!(error < 1e-7, "{structure:?}: Hessian off by {error:e}");
        }
    }
}

// With a covariance held on the scale of the response, log sigma is the last coordinate.
#[test]
fn sigma_as_a_coordinate() {
    let terms: Vec<(Levels, Vec<Part>)> = vec![
        (
            Box::new(|i| i % 12),
            vec![us(2, 0), part(Structure::HomogeneousAutoregressive, 3, 3)],
        ),
        (Box::new(|i| i / 24), vec![us(2, 5)]),
    ];
    let data = Data::new(144, 2, terms).weighted();
    let design = data.design();
    let held = Held {
        relative: vec![(4, 0.3), (6, 0.1)],
        absolute: vec![(3, 0.9)],
    };
    for criterion in [Criterion::Ml, Criterion::Reml] {
        let mut model =
            LinearMixedModel::new(&design, criterion, None).unwrap();
        let mut start = vec![0.7, -0.2, 0.5, 0.0, 0.3, 0.6, 0.1, 0.4];
        model.hold(&held, &mut start).unwrap();
        let mut search = Search::new(&mut model, &start).unwrap();
        let mut x = search.at.start();
        let size = x.len();
        assert_eq!(size, 6);
        x[size - 1] += 0.2;
        let mut at = |x: &[f64]| {
            let mut g = vec![0.0; size];
            let value = search.value(x).unwrap();
            search.gradient(&mut g).unwrap();
            (value, g)
        };
        let differences: Vec<f64> = (0..size)
            .map(|j| fourth_order(STEP, |h| vec![at(&shifted(&x, j, h)).0])[0])
            .collect();
        let second: Vec<f64> = (0..size)
            .flat_map(|j| fourth_order(STEP, |h| at(&shifted(&x, j, h)).1))
            .collect();
        let g = at(&x).1;
        let mut hessian = vec![0.0; size * size];
        search.hessian(&mut hessian).unwrap();
        assert!(
            largest_error(&g, &differences) < 1e-7,
            "{criterion:?}: gradient"
        );
        assert!(
            largest_error(&hessian, &second) < 1e-7,
            "{criterion:?}: Hessian"
        );
        // The fit keeps sigma theta = 0.9, and the other held elements unchanged.
        let summary = model
            .fit(&start, &Settings::default(), &mut |_, _, _| Flow::Continue)
            .unwrap();
        let sigma = model.at(&summary.best).unwrap().sigma();
        assert!((summary.best[3] * sigma - 0.9).abs() < 1e-12);
        assert_eq!((summary.best[4], summary.best[6]), (0.3, 0.1));
        assert_eq!(
            model.certificate(&summary.best).unwrap().verdict,
            Verdict::Optimal
        );
    }
}

// Derivatives along steps in tangent coordinates: from a general point, from small pivots with
// large elements below them, and from singular covariances.
#[test]
fn steps_in_tangents() {
    let terms: Vec<(Levels, Vec<Part>)> = vec![
        (
            Box::new(|i| i % 12),
            vec![us(2, 0), part(Structure::CompoundSymmetry, 2, 3)],
        ),
        (Box::new(|i| i / 24), vec![us(3, 6), us(1, 12)]),
    ];
    let data = Data::new(144, 2, terms).weighted();
    let design = data.design();
    let general = vec![
        0.8, -0.4, 0.5, 0.7, 0.6, 0.3, 0.9, 0.2, -0.3, 0.6, 0.1, 0.4, 0.5,
    ];
    let mut pivot = general.clone();
    (pivot[6], pivot[9], pivot[10], pivot[11]) = (1e-3, 1e-6, 0.5, 0.0);
    let mut singular = general.clone();
    singular[..3].fill(0.0);
    singular[9..12].fill(0.0);
    let mut random = Random(3);
    for (criterion, theta) in [Criterion::Ml, Criterion::Reml]
        .iter()
        .flat_map(|c| [&general, &pivot, &singular].map(|t| (*c, t)))
    {
        let mut model =
            LinearMixedModel::new(&design, criterion, None).unwrap();
        let mut search = Search::new(&mut model, theta).unwrap();
        let x = search.at.start();
        let n = x.len();
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        let here = search.value(&x).unwrap();
        search
            .local_derivatives(&mut gradient, &mut hessian)
            .unwrap();
        for _ in 0..10 {
            let p: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let along = |h: f64| {
                search.displaced(
                    &x,
                    &p.iter().map(|p| h * p).collect::<Vec<f64>>(),
                )
            };
            let points =
                [-2.0, -1.0, 1.0, 2.0].map(|h| along(h * STEP_OF_SECOND));
            let [a, b, c, d] =
                points.map(|point| search.value(&point).unwrap());
            let slope = (a - d + 8.0 * (c - b)) / (12.0 * STEP_OF_SECOND);
            let curvature = (16.0 * (b + c) - a - d - 30.0 * here)
                / (12.0 * STEP_OF_SECOND.powi(2));
            let expected: f64 =
                gradient.iter().zip(&p).map(|(g, p)| g * p).sum();
            let form: f64 = (0..n * n)
                .map(|at| hessian[at] * p[at / n] * p[at % n])
                .sum();
            let size = hessian.iter().fold(0.0, |m: f64, h| m.max(h.abs()));
            assert!(
                (slope - expected).abs() < 1e-6 * size,
                "{criterion:?}: slope {slope} instead of {expected}"
            );
            assert!(
                (curvature - form).abs() < 1e-5 * size,
                "{criterion:?}: curvature {curvature} instead of {form}"
            );
        }
    }
}
