//! Simulated responses: their moments compared with dense algebra, and their fits with fits of
//! single responses.

mod common;

use common::glmm::{cbpp, grouseticks};
use common::{dense_z_lambda, random_levels, Data, Random};
use rlmm_core::covariance::Structure::Unstructured;
use rlmm_core::glmm::bootstrap::{
    Draws as GlmmDraws, ManySettings as GlmmSettings,
};
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::Vary;
use rlmm_core::glmm::{
    FitSettings, GeneralizedLinearMixedModel, Options, Shape,
};
use rlmm_core::lmm::bootstrap::Draws;
use rlmm_core::lmm::many::ManySettings;
use rlmm_core::lmm::Held;
use rlmm_core::optimize::{bfgs, Flow, Settings};
use rlmm_core::simulate::Truth;
use rlmm_core::{Basis, Criterion, Design, LinearMixedModel};

const THETA: [f64; 4] = [0.9, 0.4, 0.6, 1.2];

fn crossed() -> Data {
    let mut random = Random::new(31);
    let (first, second) = (
        random_levels(&mut random, 30, 6),
        random_levels(&mut random, 30, 4),
    );
    Data::new(&mut random, 30, 2)
        .with_weights(&mut random)
        .with_term(&mut random, first, &[(Unstructured, 2)])
        .with_term(&mut random, second, &[(Unstructured, 1)])
}

fn truth<'a>(mean: &'a [f64], theta: &'a [f64]) -> Truth<'a> {
    Truth {
        mean,
        theta,
        scale: 2.0,
        sigma: 2.0,
        seed: 77,
    }
}

#[test]
fn linear_responses_have_their_mean_and_covariance() {
    let data = crossed();
    let design = data.design();
    let mean: Vec<f64> = (0..30).map(|i| 5.0 + 0.1 * i as f64).collect();
    let draws = Draws::new(&design, &truth(&mean, &THETA)).unwrap();
    let (z, lambda) = dense_z_lambda(&design, &THETA);
    let half = &z * &lambda;
    let covariance = &half * half.transpose();
    let count = 40_000;
    let (mut y, mut sums, mut products) =
        (vec![0.0; 30], vec![0.0; 30], vec![0.0; 900]);
    for replicate in 0..count {
        draws.draw(replicate, &mut y);
        for i in 0..30 {
            sums[i] += y[i] - mean[i];
            (0..30).for_each(|j| {
                products[i * 30 + j] += (y[i] - mean[i]) * (y[j] - mean[j])
            });
        }
    }
    let n = count as f64;
    let expected = |i: usize, j: usize| {
        let residual = if i == j { 1.0 / design.weight(i) } else { 0.0 };
        4.0 * (covariance[(i, j)] + residual)
    };
    for i in 0..30 {
        // The limits are five standard errors of a mean, and of a covariance of normal variables.
        assert!((sums[i] / n).abs() < 5.0 * (expected(i, i) / n).sqrt());
        for j in 0..30 {
            let spread =
                expected(i, j).powi(2) + expected(i, i) * expected(j, j);
            let found = products[i * 30 + j] / n;
            assert!(
                (found - expected(i, j)).abs() < 5.0 * (spread / n).sqrt(),
                "{i} {j}"
            );
        }
    }
}

#[test]
fn linear_fits_are_those_of_the_drawn_responses() {
    let data = crossed();
    let design = data.design();
    let mean = vec![1.0; 30];
    let draws = Draws::new(&design, &truth(&mean, &THETA)).unwrap();
    let model = LinearMixedModel::new(&design, Criterion::Reml, None).unwrap();
    let settings = |threads| ManySettings {
        start: THETA.to_vec(),
        starts: Vec::new(),
        held: Held::default(),
        optimizer: Settings::default(),
        threads,
        df: Vec::new(),
    };
    let replicates: Vec<u64> = (1..=70).collect();
    let fits = |threads, replicates: &[u64]| {
        let settings = settings(threads);
        model.bootstrap(&design, &draws, replicates, &settings, &mut |_| false)
    };
    let one = fits(1, &replicates);
    for threads in [2, 5] {
        assert_eq!(fits(threads, &replicates), one);
    }
    assert_eq!(fits(2, &replicates[40..]), one[40..]);
    let mut y = vec![0.0; 30];
    for &replicate in &[1, 23, 70] {
        draws.draw(replicate, &mut y);
        let own = model
            .fit_many(&design, &y, &settings(1), &mut |_| false)
            .unwrap();
        assert_eq!(Some(&own[0]), one[replicate as usize - 1].as_ref());
    }
    let none = Draws::new(&design, &truth(&mean, &[])).unwrap();
    none.draw(1, &mut y);
    let spread = |i: usize| (y[i] - 1.0) * design.weight(i).sqrt() / 2.0;
    let square: f64 = (0..30).map(|i| spread(i).powi(2)).sum();
    // A chi-squared variable with 30 degrees of freedom.
    assert!(square > 9.0 && square < 68.0, "{square}");
    assert!(Draws::new(&design, &truth(&mean[1..], &THETA)).is_err());
    assert!(Draws::new(&design, &truth(&mean, &THETA[1..])).is_err());
}

// Fits of replicates, with any number of threads, equal those of models made with their responses.
fn fits_are_those_of_drawn_responses(
    name: &str,
    data: &Data,
    family: Family,
    shape: Shape,
    truth: &Truth,
    beta: &[f64],
) {
    let design = data.design();
    let options = Options {
        shape,
        ..Options::default()
    };
    let link = match family {
        Family::Binomial => Link::Logit,
        _ => Link::Log,
    };
    let new = |design: &Design| {
        GeneralizedLinearMixedModel::new(design, family, link, options).unwrap()
    };
    let fit = FitSettings {
        settings: Settings {
            optimizer: bfgs::NAME.into(),
            ..Settings::default()
        },
        vary: Vary::Modes,
        theta: truth.theta.to_vec(),
        beta: beta.to_vec(),
        log_shape: None,
        x_coefficients: Vec::new(),
    };
    let settings = |threads| GlmmSettings {
        fit: fit.clone(),
        starts: Vec::new(),
        held: Vec::new(),
        threads,
        contrasts: Vec::new(),
        exact_errors: false,
    };
    let drawn_shape = match shape {
        Shape::Known(value) | Shape::Estimated(value) => value,
        _ => 1.0,
    };
    let draws =
        GlmmDraws::new(&design, family, link, drawn_shape, truth).unwrap();
    let model = new(&design);
    let replicates: Vec<u64> = (1..=9).collect();
    let fits = |threads| {
        model.bootstrap(&draws, &replicates, &settings(threads), &mut |_| false)
    };
    let one = fits(1);
    assert_eq!(fits(3), one, "{name}");
    let mut y = vec![0.0; design.n()];
    for &replicate in &[1, 9] {
        draws.draw(replicate, &mut y);
        let own = Design {
            y: &y,
            ..data.design()
        };
        let mut model = new(&own);
        let found = model.fit(&fit, &mut |_, _, _| Flow::Continue).unwrap();
        let parameters = model.centred(Vary::Modes, &found.parameters).unwrap();
        let estimates = model.estimates(Vary::Modes, &parameters).unwrap();
        let many = one[replicate as usize - 1].as_ref().unwrap().as_ref();
        assert_eq!(many.unwrap().estimates, estimates, "{name}");
    }
}

#[test]
fn generalized_fits_are_those_of_the_drawn_responses() {
    let data = cbpp();
    let mean: Vec<f64> =
        (0..data.n()).map(|i| -1.0 - 0.02 * i as f64).collect();
    let truth = Truth {
        mean: &mean,
        theta: &[0.6],
        scale: 1.0,
        sigma: 1.0,
        seed: 5,
    };
    let beta = [-1.4, -1.0, -1.1, -1.6];
    let known = Shape::Known(1.0);
    fits_are_those_of_drawn_responses(
        "cbpp",
        &data,
        Family::Binomial,
        known,
        &truth,
        &beta,
    );
    let data = grouseticks();
    let mean = vec![0.5; data.n()];
    let truth = Truth {
        mean: &mean,
        theta: &[0.5, 0.7, 0.5],
        ..truth
    };
    let beta = [0.5, 0.0, 0.0, 0.0];
    let poisson = Family::Poisson;
    fits_are_those_of_drawn_responses(
        "ticks", &data, poisson, known, &truth, &beta,
    );
    let family = Family::NegativeBinomial;
    let shape = Shape::Estimated(2.0);
    fits_are_those_of_drawn_responses(
        "negative binomial",
        &data,
        family,
        shape,
        &truth,
        &beta,
    );
    let data = Data {
        y: data.y.iter().map(|y| y + 1.0).collect(),
        ..data
    };
    let family = Family::Gamma;
    let shape = Shape::Estimated(0.5);
    fits_are_those_of_drawn_responses(
        "gamma", &data, family, shape, &truth, &beta,
    );
}

#[test]
fn generalized_fits_of_given_responses() {
    let data = cbpp();
    let design = data.design();
    let options = Options::default();
    let model = GeneralizedLinearMixedModel::new(
        &design,
        Family::Binomial,
        Link::Logit,
        options,
    )
    .unwrap();
    let settings = GlmmSettings {
        fit: FitSettings {
            settings: Settings {
                optimizer: bfgs::NAME.into(),
                ..Settings::default()
            },
            vary: Vary::Modes,
            theta: Vec::new(),
            beta: Vec::new(),
            log_shape: None,
            x_coefficients: Vec::new(),
        },
        starts: Vec::new(),
        held: Vec::new(),
        threads: 2,
        contrasts: Basis::default().given_coefficients(design.p()),
        exact_errors: true,
    };
    let mut y = design.y.repeat(2);
    y.extend(std::iter::repeat_n(2.0, data.n()));
    let fits = model.fit_many(&y, &settings, &mut |_| false).unwrap();
    assert_eq!(fits[0], fits[1]);
    let fit = fits[0].as_ref().unwrap();
    // The reference is lme4 1.1-31, whose optimizer stops a little earlier.
    assert!((fit.estimates.theta[0] - 0.6420698).abs() < 1e-3);
    // The reference is glmmTMB 1.1.14, whose Hessian is exact too; lme4 1.1-31 uses differences.
    let errors = [0.23247205, 0.30664249, 0.32663781, 0.42743660];
    for (found, expected) in fit.std_error.iter().zip(errors) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
    // A response of two is not a proportion.
    assert!(fits[2].is_err());
    assert!(model.fit_many(&y[1..], &settings, &mut |_| false).is_err());
}
