//! The iterative engine compared with the exact one: quantities without probe vectors to rounding
//! errors, others within their standard errors.

mod common;

use common::{close_to_largest, random_levels, Data, Random};
use rlmm_core::covariance::Structure::{
    self, Autoregressive, CompoundSymmetry, Diagonal, Unstructured,
};
use rlmm_core::derivatives::HessianKind;
use rlmm_core::factor::memory::Room;
use rlmm_core::judge::Verdict;
use rlmm_core::lmm::{EngineKind, Held};
use rlmm_core::optimize::{Flow, OptSummary, Settings};
use rlmm_core::parallel::team::set_threads;
use rlmm_core::{Criterion, LinearMixedModel};

type Part = (Structure, usize);

// Crossed terms with these levels and parts, and effects of size `sd`.
fn data(n: usize, terms: &[(usize, &[Part])], sd: f64) -> Data {
    let mut random = Random::new(3);
    let mut data = Data::new(&mut random, n, 3);
    for &(levels, parts) in terms {
        let refs = random_levels(&mut random, n, levels);
        data = data.with_term(&mut random, refs, parts);
        let k: usize = parts.iter().map(|part| part.1).sum();
        let effects: Vec<f64> =
            (0..levels * k).map(|_| sd * random.normal()).collect();
        let term = &data.terms[data.terms.len() - 1];
        for i in 0..n {
            let level = term.refs[i] as usize - 1;
            for j in 0..k {
                let z = term.z.as_ref().map_or(1.0, |z| z[j * n + i]);
                data.y[i] += z * effects[level * k + j];
            }
        }
    }
    data
}

// The levels of the second term are nested in larger ones, which have effects too.
fn within_crossed() -> Data {
    let intercept: &[Part] = &[(Unstructured, 1)];
    let mut data = data(3000, &[(300, intercept), (120, intercept)], 0.6);
    let refs = data.terms[1].refs.iter();
    let around: Vec<i32> = refs.map(|level| (level - 1) / 4 + 1).collect();
    let mut random = Random::new(10);
    let effects: Vec<f64> = (0..30).map(|_| random.normal()).collect();
    for (y, around) in data.y.iter_mut().zip(&around) {
        *y += effects[*around as usize - 1];
    }
    data.with_term(&mut random, around, intercept)
}

fn designs() -> Vec<(&'static str, Data)> {
    let intercept: &[Part] = &[(Unstructured, 1)];
    let slope: &[Part] = &[(Unstructured, 2)];
    let mut random = Random::new(9);
    vec![
        (
            "two",
            data(3000, &[(300, intercept), (120, intercept)], 0.6),
        ),
        (
            "three",
            data(
                3000,
                &[(40, intercept), (250, intercept), (90, intercept)],
                0.5,
            ),
        ),
        ("slopes", data(4000, &[(200, slope), (80, slope)], 0.5)),
        (
            "structures",
            data(
                4000,
                &[
                    (150, &[(CompoundSymmetry, 3)]),
                    (60, &[(Diagonal, 2)]),
                    (30, &[(Autoregressive, 3)]),
                ],
                0.5,
            ),
        ),
        (
            "weights and offset",
            data(3000, &[(200, slope), (100, intercept)], 0.7)
                .with_weights(&mut random)
                .with_offset(&mut random),
        ),
        ("within crossed", within_crossed()),
    ]
}

fn model(data: &Data, kind: EngineKind, reml: bool) -> LinearMixedModel {
    let criterion = match reml {
        true => Criterion::Reml,
        false => Criterion::Ml,
    };
    let room = Room::default();
    LinearMixedModel::with_engine(kind, &room, &data.design(), criterion, None)
        .unwrap()
}

fn both(data: &Data, reml: bool) -> [LinearMixedModel; 2] {
    let of = |kind| model(data, kind, reml);
    [of(EngineKind::Exact), of(EngineKind::Iterative)]
}

fn fit(model: &mut LinearMixedModel) -> OptSummary {
    let start = model.start().to_vec();
    let settings = Settings::default();
    model
        .fit(&start, &settings, &mut |_, _, _| Flow::Continue)
        .unwrap()
}

// Compares everything that conjugate gradients compute without probe vectors, at one theta.
fn compare_solved(what: &str, data: &Data, theta: &[f64], reml: bool) {
    let [mut exact, mut iterative] = both(data, reml);
    let expected = exact.estimates(theta).unwrap();
    let found = iterative.estimates(theta).unwrap();
    close_to_largest(what, &[found.sigma], &[expected.sigma], 1e-9);
    close_to_largest(what, &found.solution.beta, &expected.solution.beta, 1e-8);
    for (found, expected) in found.solution.b.iter().zip(&expected.solution.b) {
        close_to_largest(what, found, expected, 1e-7);
    }
    for (found, expected) in found.solution.u.iter().zip(&expected.solution.u) {
        close_to_largest(what, found, expected, 1e-7);
    }
    close_to_largest(what, &found.rx, &expected.rx, 1e-8);
    close_to_largest(what, &[found.log_det_fe], &[expected.log_det_fe], 1e-8);
    let average = |model: &mut LinearMixedModel| {
        let point = model.at(theta).unwrap().slopes();
        point.hessian(HessianKind::Average).h().to_vec()
    };
    close_to_largest(
        what,
        &average(&mut iterative),
        &average(&mut exact),
        1e-5,
    );
    let contrasts = [1.0, 0.5, 0.0, 0.0, -1.0, 2.0];
    let slopes = |model: &mut LinearMixedModel| {
        model.at(theta).unwrap().contrast_slopes(&contrasts)
    };
    close_to_largest(what, &slopes(&mut iterative), &slopes(&mut exact), 1e-7);
    let value = iterative.objective(theta).unwrap();
    let expected = exact.objective(theta).unwrap();
    assert!((value - expected).abs() < 0.3, "{what}: {value} {expected}");
}

#[test]
fn solves_are_those_of_the_factor() {
    for (what, data) in designs() {
        let mut theta = model(&data, EngineKind::Exact, true).start().to_vec();
        theta
            .iter_mut()
            .for_each(|theta| *theta = 0.7 * *theta + 0.1);
        for reml in [true, false] {
            compare_solved(what, &data, &theta, reml);
        }
        // The variance of the first term is zero.
        let parts = data.terms[0].cov.parts().iter();
        let first: usize = parts.map(|part| part.range().len()).sum();
        theta[..first].fill(0.0);
        compare_solved(what, &data, &theta, true);
    }
}

#[test]
fn gradients_are_those_of_the_factor_on_average() {
    for (what, data) in designs() {
        let [mut exact, mut iterative] = both(&data, true);
        let theta: Vec<f64> = exact
            .start()
            .iter()
            .map(|start| 0.6 * start + 0.1)
            .collect();
        let gradient = |model: &mut LinearMixedModel| {
            let mut gradient = vec![0.0; theta.len()];
            model.at(&theta).unwrap().slopes().gradient(&mut gradient);
            gradient
        };
        let expected = gradient(&mut exact);
        close_to_largest(what, &gradient(&mut iterative), &expected, 2e-2);
    }
}

#[test]
fn fits_agree() {
    for (what, data) in designs() {
        for reml in [true, false] {
            let [mut exact, mut iterative] = both(&data, reml);
            let expected = fit(&mut exact);
            let found = fit(&mut iterative);
            let certificate = iterative.certificate(&found.best).unwrap();
            assert_eq!(certificate.verdict, Verdict::Optimal, "{what}");
            let noise = iterative.noise().unwrap();
            // A hundredth of a standard error of theta is 1e-4 of the deviance.
            let loss =
                exact.objective(&found.best).unwrap() - expected.best_value;
            assert!((-1e-7..1e-4).contains(&loss), "{what}: {loss}");
            assert!(loss < 20.0 * noise.excess.max(1e-7), "{what}: {noise:?}");
            let error = found.best_value - expected.best_value;
            assert!(
                error.abs() < 8.0 * noise.loglik_se + 1e-4,
                "{what}: {error} {noise:?}"
            );
        }
    }
}

#[test]
fn terms_without_variance_are_found() {
    let intercept: &[Part] = &[(Unstructured, 1)];
    let slope: &[Part] = &[(Unstructured, 2)];
    let mut data = data(2000, &[(150, intercept), (60, slope)], 0.0);
    let mut random = Random::new(5);
    data.y.iter_mut().for_each(|y| *y = random.normal());
    let [mut exact, mut iterative] = both(&data, true);
    let expected = fit(&mut exact);
    let found = fit(&mut iterative);
    let loss = exact.objective(&found.best).unwrap() - expected.best_value;
    assert!(loss < 1e-4, "{loss} {:?} {:?}", found.best, expected.best);
    let certificate = iterative.certificate(&found.best).unwrap();
    assert_eq!(certificate.verdict, Verdict::Optimal);
}

#[test]
fn held_parameters_stay() {
    let (_, data) = designs().remove(2);
    for held in [
        Held {
            relative: vec![(0, 0.3)],
            absolute: Vec::new(),
        },
        Held {
            relative: Vec::new(),
            absolute: vec![(3, 0.4)],
        },
    ] {
        let values = both(&data, true).map(|mut model| {
            let mut start = model.start().to_vec();
            model.hold(&held, &mut start).unwrap();
            let settings = Settings::default();
            let found = model
                .fit(&start, &settings, &mut |_, _, _| Flow::Continue)
                .unwrap();
            let sigma = model.at(&found.best).unwrap().sigma();
            (found.best, sigma)
        });
        let [(expected, sigma), (found, other)] = values;
        close_to_largest("held", &found, &expected, 2e-2);
        close_to_largest("sigma", &[other], &[sigma], 1e-4);
    }
}

#[test]
fn the_same_call_gives_the_same_fit() {
    let (_, data) = designs().remove(0);
    let values = [(); 2].map(|()| {
        let mut iterative = model(&data, EngineKind::Iterative, true);
        let found = fit(&mut iterative);
        (found.best, found.best_value)
    });
    assert_eq!(values[0], values[1]);
}

// Crossed terms whose trailing system is large enough for blocked algorithms and threads.
fn large() -> Data {
    let intercept: &[Part] = &[(Unstructured, 1)];
    let slope: &[Part] = &[(Unstructured, 2)];
    data(
        6000,
        &[(700, intercept), (200, slope), (60, intercept)],
        0.5,
    )
}

#[test]
fn slopes_of_large_systems_are_those_of_differences() {
    for data in [
        large(),
        data(
            5000,
            &[(400, &[(Unstructured, 2)]), (300, &[(Unstructured, 1)])],
            0.5,
        ),
    ] {
        let mut exact = model(&data, EngineKind::Exact, true);
        assert!(!exact.is_sparse());
        let theta: Vec<f64> =
            (0..exact.n_theta()).map(|j| 0.4 + 0.1 * j as f64).collect();
        let mut gradient = vec![0.0; theta.len()];
        exact.at(&theta).unwrap().slopes().gradient(&mut gradient);
        let differences = (0..theta.len()).map(|j| {
            let mut value = |step: f64| {
                let mut theta = theta.clone();
                theta[j] += step;
                exact.objective(&theta).unwrap()
            };
            let h = 1e-3;
            let near = value(h) - value(-h);
            let far = value(2.0 * h) - value(-2.0 * h);
            (8.0 * near - far) / (12.0 * h)
        });
        close_to_largest(
            "slopes",
            &gradient,
            &differences.collect::<Vec<_>>(),
            1e-7,
        );
    }
}

#[test]
fn threads_make_no_difference() {
    let data = large();
    let of_threads = [1, 2, 3].map(|threads| {
        set_threads(threads);
        let mut exact = model(&data, EngineKind::Exact, true);
        let theta = vec![0.5; exact.n_theta()];
        let value = exact.objective(&theta).unwrap();
        let mut gradient = vec![0.0; theta.len()];
        let slopes = exact.at(&theta).unwrap().slopes();
        slopes.gradient(&mut gradient);
        let average = slopes.hessian(HessianKind::Average);
        (value, gradient, average.h().to_vec())
    });
    assert_eq!(of_threads[0], of_threads[1]);
    assert_eq!(of_threads[0], of_threads[2]);
}

#[test]
fn a_large_search_begins_near_its_end() {
    let data = data(
        20_000,
        &[(1700, &[(Unstructured, 1)]), (1500, &[(Unstructured, 1)])],
        0.5,
    );
    set_threads(2);
    let mut exact = model(&data, EngineKind::Exact, true);
    assert!(!exact.is_sparse());
    let near = fit(&mut exact);
    let observe = &mut |_: usize, _: f64, _: &[f64]| Flow::Continue;
    let far = exact.fit(&[1.01, 0.99], &Settings::default(), observe);
    let far = far.unwrap();
    close_to_largest("theta", &near.best, &far.best, 1e-6);
    assert!((near.best_value - far.best_value).abs() < 1e-8);
    assert!(near.initial_value < far.best_value + 0.01);
    assert!(near.log.len() < far.log.len());
}

#[test]
fn its_first_search_can_be_stopped() {
    let data = data(
        20_000,
        &[(1700, &[(Unstructured, 1)]), (1500, &[(Unstructured, 1)])],
        0.5,
    );
    let mut exact = model(&data, EngineKind::Exact, true);
    let start = exact.start().to_vec();
    let mut values = Vec::new();
    let stop = &mut |_: usize, value: f64, _: &[f64]| {
        values.push(value);
        Flow::Stop
    };
    exact.fit(&start, &Settings::default(), stop).unwrap();
    // The stochastic value, then that of the factor, at the same theta.
    assert!((values[0] - values[1]).abs() > 1e-9);
    assert!((values[0] - values[1]).abs() < 1.0);
}
