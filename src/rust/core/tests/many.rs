//! Many responses of one design: each fit equals that of the response alone, for any number of
//! threads.

mod common;

use common::{random_levels, Data, Random};
use rlmm_core::covariance::Structure::{CompoundSymmetry, Unstructured};
use rlmm_core::lmm::many::{ManySettings, OneOfMany};
use rlmm_core::lmm::Held;
use rlmm_core::optimize::{Flow, Settings, Status};
use rlmm_core::{Basis, Criterion, Design, Error, LinearMixedModel};

fn settings(threads: usize) -> ManySettings {
    ManySettings {
        start: Vec::new(),
        starts: Vec::new(),
        held: Held::default(),
        optimizer: Settings::default(),
        threads,
        df: Vec::new(),
    }
}

fn fit_many(
    design: &Design,
    criterion: Criterion,
    y: &[f64],
    threads: usize,
) -> Vec<OneOfMany> {
    let model = LinearMixedModel::new(design, criterion, None).unwrap();
    let fits = model.fit_many(design, y, &settings(threads), &mut |_| false);
    fits.unwrap().into_iter().collect::<Result<_, _>>().unwrap()
}

// The basis in which columns of Z are not collinear.
fn basis(data: &Data) -> Basis {
    Basis::of(&data.design(), false, |_| false).unwrap()
}

fn responses(random: &mut Random, data: &Data, count: usize) -> Vec<f64> {
    let mut y = Vec::new();
    for c in 0..count {
        let size = [0.0, 1.0, 3.0][c % 3];
        let effects: Vec<f64> =
            (0..40).map(|_| size * random.normal()).collect();
        let refs = &data.terms[0].refs;
        y.extend(
            refs.iter()
                .map(|&l| 50.0 + effects[l as usize] + random.normal()),
        );
    }
    y
}

fn models(random: &mut Random) -> Vec<(&'static str, Data)> {
    let refs = random_levels(random, 200, 20);
    let slopes = Data::new(random, 200, 2).with_term(
        random,
        refs.clone(),
        &[(Unstructured, 2)],
    );
    let other = random_levels(random, 200, 12);
    let crossed = Data::new(random, 200, 3)
        .with_weights(random)
        .with_offset(random)
        .with_term(random, refs.clone(), &[(Unstructured, 1)])
        .with_term(random, other, &[(Unstructured, 2)]);
    let cs = Data::new(random, 200, 1).with_term(
        random,
        refs.clone(),
        &[(CompoundSymmetry, 3)],
    );
    // The effects of a year are fitted in a basis of orthogonalised columns of Z.
    let mut years =
        Data::new(random, 200, 2).with_term(random, refs, &[(Unstructured, 2)]);
    let z = years.terms[0].z.as_mut().unwrap();
    z[200..].iter_mut().for_each(|z| *z += 2000.0);
    vec![
        ("slopes", slopes),
        ("crossed", crossed),
        ("compound symmetry", cs),
        ("years", years),
    ]
}

#[test]
fn each_is_fitted_as_it_is_alone() {
    let mut random = Random::new(17);
    for (name, data) in models(&mut random) {
        let y = responses(&mut random, &data, 9);
        let basis = basis(&data);
        let of_model = basis.design(&data.design());
        for criterion in [Criterion::Ml, Criterion::Reml] {
            let together = fit_many(&of_model, criterion, &y, 2);
            assert_eq!(together.len(), 9);
            for (found, y) in together.iter().zip(y.chunks(200)) {
                let design = Design {
                    y,
                    ..of_model.clone()
                };
                let mut model =
                    LinearMixedModel::new(&design, criterion, None).unwrap();
                let start = model.start().to_vec();
                let alone = model
                    .fit(&start, &Settings::default(), &mut |_, _, _| {
                        Flow::Continue
                    })
                    .unwrap();
                let expected = model.estimates(&alone.best).unwrap();
                let close = |what: &str, a: f64, b: f64| {
                    let scale = 1.0 + b.abs();
                    assert!(
                        (a - b).abs() < 1e-8 * scale,
                        "{name}, {what}: {a} {b}"
                    );
                };
                close(
                    "objective",
                    found.estimates.objective,
                    expected.objective,
                );
                close("sigma", found.estimates.sigma, expected.sigma);
                let pairs = found
                    .estimates
                    .solution
                    .beta
                    .iter()
                    .zip(&expected.solution.beta);
                pairs.for_each(|(a, b)| close("beta", *a, *b));
                let pairs = found.estimates.rx.iter().zip(&expected.rx);
                pairs.for_each(|(a, b)| close("rx", *a, *b));
                let verdict = model.certificate(&alone.best).unwrap().verdict;
                assert_eq!(
                    (found.verdict, found.status),
                    (verdict, alone.status),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn results_are_the_same_for_any_number_of_threads_and_any_order() {
    let mut random = Random::new(5);
    for (name, data) in models(&mut random) {
        let y = responses(&mut random, &data, 70);
        let basis = basis(&data);
        let design = basis.design(&data.design());
        let one = fit_many(&design, Criterion::Reml, &y, 1);
        for threads in [2, 3, 8] {
            let several = fit_many(&design, Criterion::Reml, &y, threads);
            assert_eq!(one, several, "{name}, {threads} threads");
        }
        let backwards: Vec<f64> =
            y.chunks(200).rev().flatten().copied().collect();
        let mut again = fit_many(&design, Criterion::Reml, &backwards, 2);
        again.reverse();
        assert_eq!(one, again, "{name}");
    }
}

#[test]
fn failures_are_results() {
    let mut random = Random::new(3);
    let (_, data) = models(&mut random).swap_remove(0);
    let design = data.design();
    let mut y = responses(&mut random, &data, 3);
    // This response is a fixed effect without noise.
    y[200..400].copy_from_slice(&data.x[200..400]);
    let model = LinearMixedModel::new(&design, Criterion::Ml, None).unwrap();
    let fits = model
        .fit_many(&design, &y, &settings(2), &mut |_| false)
        .unwrap();
    assert!(fits[0].is_ok() && fits[2].is_ok());
    assert_eq!(fits[1], Err(Error::ZeroResidual));
    y[401] = f64::NAN;
    let refused = model.fit_many(&design, &y, &settings(2), &mut |_| false);
    assert_eq!(
        refused,
        Err(Error::NonFinite {
            what: "y",
            index: 401
        })
    );
    assert!(model
        .fit_many(&design, &y[..199], &settings(2), &mut |_| false)
        .is_err());
    assert_eq!(
        model.fit_many(&design, &[], &settings(2), &mut |_| false),
        Ok(Vec::new())
    );
}

#[test]
fn searches_stop_when_asked() {
    let mut random = Random::new(3);
    let (_, data) = models(&mut random).swap_remove(1);
    let design = data.design();
    let y = responses(&mut random, &data, 2000);
    let model = LinearMixedModel::new(&design, Criterion::Ml, None).unwrap();
    let fits = model
        .fit_many(&design, &y, &settings(1), &mut |done| done > 0)
        .unwrap();
    let begun: Vec<_> = fits.iter().flatten().collect();
    let last = begun.last().unwrap();
    assert_eq!(last.status, Status::Interrupted);
    assert_eq!(fits.last(), Some(&Err(Error::Interrupted)));
}

#[test]
fn a_model_takes_another_response() {
    let mut random = Random::new(23);
    for (name, data) in models(&mut random) {
        let y = responses(&mut random, &data, 2);
        let design = data.design();
        let mut model =
            LinearMixedModel::new(&design, Criterion::Reml, None).unwrap();
        let theta: Vec<f64> = model.start().iter().map(|t| 0.8 * t).collect();
        let responses = model.responses(&design, &y).unwrap();
        for c in [1, 0] {
            model.set_response(&responses, c);
            let other = Design {
                y: &y[c * 200..(c + 1) * 200],
                ..data.design()
            };
            let mut fresh =
                LinearMixedModel::new(&other, Criterion::Reml, None).unwrap();
            let (found, expected) =
                (model.objective(&theta), fresh.objective(&theta));
            let (found, expected) = (found.unwrap(), expected.unwrap());
            assert!(
                (found - expected).abs() < 1e-10 * expected.abs(),
                "{name}"
            );
        }
    }
}
