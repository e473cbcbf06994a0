//! Generalized models with both engines: fits agree within the error that the iterative one
//! reports. Values and gradients of every family are compared in `glmm_gradient`.

mod common;

use common::{random_levels, Data, Random};
use rlmm_core::covariance::Structure::Unstructured;
use rlmm_core::factor::memory::{EngineKind, Room};
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::Vary;
use rlmm_core::glmm::{
    FitSettings, GeneralizedLinearMixedModel, GlmmFit, Options, Shape,
};
use rlmm_core::judge::Verdict;
use rlmm_core::optimize::{bfgs, Flow, Settings};
use rlmm_core::parallel::team::set_threads;

struct Case {
    what: &'static str,
    data: Data,
    family: Family,
    link: Link,
    shape: Shape,
}

// Crossed terms with these levels and effects of size `sd`, and a response simulated from them.
fn case(
    (what, seed): (&'static str, u64),
    (family, link, shape): (Family, Link, Shape),
    n: usize,
    terms: &[(usize, usize)],
    sd: f64,
) -> Case {
    let mut random = Random::new(seed);
    let mut data = Data::new(&mut random, n, 2);
    let mut eta: Vec<f64> = (0..n).map(|i| 0.4 + 0.3 * data.x[n + i]).collect();
    for &(levels, k) in terms {
        let refs = random_levels(&mut random, n, levels);
        data = data.with_term(&mut random, refs, &[(Unstructured, k)]);
        let effects: Vec<f64> =
            (0..levels * k).map(|_| sd * random.normal()).collect();
        let term = &data.terms[data.terms.len() - 1];
        for (i, eta) in eta.iter_mut().enumerate() {
            let level = term.refs[i] as usize - 1;
            for j in 0..k {
                let z = term.z.as_ref().map_or(1.0, |z| z[j * n + i]);
                *eta += z * effects[level * k + j];
            }
        }
    }
    for (i, eta) in eta.iter().enumerate() {
        let mean = link.mean(*eta);
        data.y[i] = draw(&mut random, family, mean);
    }
    Case {
        what,
        data,
        family,
        link,
        shape,
    }
}

fn draw(random: &mut Random, family: Family, mean: f64) -> f64 {
    match family {
        Family::Binomial => f64::from(random.uniform() < mean),
        Family::Gamma => mean * (0.5 * random.normal() - 0.125).exp(),
        Family::Gaussian => mean + 0.5 * random.normal(),
        _ => {
            let limit = (-mean).exp();
            let mut product = random.uniform();
            let mut count = 0.0;
            while product > limit {
                product *= random.uniform();
                count += 1.0;
            }
            count
        }
    }
}

// The levels of the second term are nested in larger ones, whose effects are in the responses too.
fn within_crossed() -> Case {
    let logit = (Family::Binomial, Link::Logit, Shape::Known(1.0));
    let terms = &[(300, 1), (120, 1)];
    let mut case = case(("within crossed", 9), logit, 4000, terms, 0.8);
    let refs = case.data.terms[1].refs.iter();
    let around: Vec<i32> = refs.map(|level| (level - 1) / 4 + 1).collect();
    let mut random = Random::new(10);
    let effects: Vec<f64> = (0..30).map(|_| random.normal()).collect();
    for (y, around) in case.data.y.iter_mut().zip(&around) {
        if random.uniform() < 0.4 {
            let mean = Link::Logit.mean(2.0 * effects[*around as usize - 1]);
            *y = draw(&mut random, Family::Binomial, mean);
        }
    }
    let intercept = &[(Unstructured, 1)];
    case.data = case.data.with_term(&mut random, around, intercept);
    case
}

// Adds indicator columns of `groups` groups to the intercept and the covariate.
fn with_dummies(mut case: Case, groups: usize) -> Case {
    let mut random = Random::new(11);
    let of_row = random_levels(&mut random, case.data.n(), groups);
    for group in 2..=groups as i32 {
        let rows = of_row.iter();
        let dummy = rows.map(|&own| f64::from(u8::from(own == group)));
        case.data.x.extend(dummy);
    }
    case
}

fn cases() -> Vec<Case> {
    let logit = (Family::Binomial, Link::Logit, Shape::Known(1.0));
    let probit = (Family::Binomial, Link::Probit, Shape::Known(1.0));
    let log = (Family::Poisson, Link::Log, Shape::Known(1.0));
    let gamma = (Family::Gamma, Link::Log, Shape::Estimated(0.3));
    let profiled = (Family::Gaussian, Link::Log, Shape::Profiled(2500.0));
    let counts = (Family::NegativeBinomial, Link::Log, Shape::Estimated(3.0));
    let dummies = case(("dummies", 12), logit, 3000, &[(150, 2), (70, 1)], 0.5);
    vec![
        case(("binary", 1), logit, 4000, &[(300, 1), (120, 1)], 0.8),
        case(("probit", 2), probit, 4000, &[(200, 1), (150, 1)], 0.6),
        case(("slopes", 3), log, 3000, &[(150, 2), (60, 2)], 0.3),
        case(("three", 4), log, 3000, &[(40, 1), (250, 1), (90, 1)], 0.4),
        case(("gamma", 5), gamma, 3000, &[(200, 1), (80, 1)], 0.4),
        case(("profiled", 6), profiled, 3000, &[(200, 1), (80, 1)], 0.3),
        case(("counts", 7), counts, 3000, &[(200, 1), (80, 1)], 0.5),
        case(("no variance", 8), logit, 3000, &[(150, 1), (70, 1)], 0.0),
        with_dummies(dummies, 12),
        within_crossed(),
    ]
}

fn model(case: &Case, kind: EngineKind) -> GeneralizedLinearMixedModel {
    let options = Options {
        shape: case.shape,
        ..Default::default()
    };
    let how = (kind, &Room::default());
    let design = case.data.design();
    GeneralizedLinearMixedModel::with_engine(
        how,
        &design,
        case.family,
        case.link,
        options,
    )
    .unwrap()
}

fn fit(model: &mut GeneralizedLinearMixedModel, vary: Vary) -> GlmmFit {
    let settings = FitSettings {
        settings: Settings {
            optimizer: bfgs::NAME.into(),
            ..Default::default()
        },
        vary,
        theta: Vec::new(),
        beta: Vec::new(),
        log_shape: None,
        x_coefficients: Vec::new(),
    };
    model.fit(&settings, &mut |_, _, _| Flow::Continue).unwrap()
}

#[test]
fn fits_agree() {
    for case in cases() {
        let what = case.what;
        for vary in [Vary::Modes, Vary::Jointly] {
            let mut exact = model(&case, EngineKind::Exact);
            let mut iterative = model(&case, EngineKind::Iterative);
            let expected = fit(&mut exact, vary);
            let found = fit(&mut iterative, vary);
            assert_eq!(iterative.engine_name(), "iterative");
            let noise = iterative.noise().unwrap();
            let at = exact.centred(vary, &found.parameters).unwrap();
            let loss = exact.objective(vary, &at).unwrap()
                - expected.summary.best_value;
            let certificate = found.certificate.unwrap();
            assert_eq!(certificate.verdict, Verdict::Optimal, "{what}");
            assert!((-1e-6..1e-4).contains(&loss), "{what}: {loss}");
            let error = found.summary.best_value - expected.summary.best_value;
            assert!(
                error.abs() < 8.0 * noise.loglik_se + 1e-4,
                "{what}: {error} {noise:?}"
            );
        }
    }
}

// There are enough rows for several pieces of every pass over them, and of the products.
#[test]
fn threads_make_no_difference() {
    let logit = (Family::Binomial, Link::Logit, Shape::Known(1.0));
    let terms = &[(4000, 1), (120, 1)];
    for groups in [1, 12] {
        let plain = case(("many rows", 13), logit, 200_000, terms, 0.6);
        let case = with_dummies(plain, groups);
        let of_threads = [1, 2, 3].map(|threads| {
            set_threads(threads);
            let mut model = model(&case, EngineKind::Iterative);
            let value = model.objective(Vary::Jointly, &[0.5, 0.5]).unwrap();
            let mut gradient = vec![0.0; 2];
            model.gradient(Vary::Jointly, &mut gradient).unwrap();
            (value, gradient)
        });
        set_threads(1);
        assert_eq!(of_threads[0], of_threads[1]);
        assert_eq!(of_threads[0], of_threads[2]);
    }
}
