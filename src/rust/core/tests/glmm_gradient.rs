//! The exact gradient of every family and link against fourth-order differences.

mod common;

use common::{random_levels, Data, Random, TermData};
use rlmm_core::covariance::Structure::{
    Autoregressive, CompoundSymmetry, HomogeneousAutoregressive,
    HomogeneousCompoundSymmetry, Unstructured,
};
use rlmm_core::factor::memory::{EngineKind, Room};
use rlmm_core::glmm::families::response::Information;
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::pirls::{Tolerance, Vary};
use rlmm_core::glmm::{GeneralizedLinearMixedModel, Options, Shape};
use rlmm_core::parallel::team::set_threads;
use rlmm_core::Design;
use Family::{
    Binomial, Gamma, Gaussian, InverseGaussian, NegativeBinomial,
    NegativeBinomialLinear, Poisson,
};
use Link::{
    Cauchit, Cloglog, Identity, Inverse, InverseSquare, Log, Logit, Probit,
    Sqrt,
};

// All that R's families allow, and links that a user may give them.
const ALL: [(Family, Link); 34] = [
    (Binomial, Logit),
    (Binomial, Probit),
    (Binomial, Cloglog),
    (Binomial, Cauchit),
    (Binomial, Log),
    (Binomial, Identity),
    (Poisson, Log),
    (Poisson, Sqrt),
    (Poisson, Identity),
    (Gamma, Inverse),
    (Gamma, Log),
    (Gamma, Identity),
    (InverseGaussian, InverseSquare),
    (InverseGaussian, Log),
    (InverseGaussian, Inverse),
    (InverseGaussian, Identity),
    (Gaussian, Log),
    (Gaussian, Inverse),
    (Gaussian, Sqrt),
    (NegativeBinomial, Log),
    (NegativeBinomial, Sqrt),
    (NegativeBinomial, Identity),
    (Poisson, Inverse),
    (Gamma, Sqrt),
    (Gamma, InverseSquare),
    (InverseGaussian, Sqrt),
    (Gaussian, InverseSquare),
    (Gaussian, Logit),
    (Gaussian, Probit),
    (Gaussian, Cloglog),
    (Gaussian, Cauchit),
    (NegativeBinomialLinear, Log),
    (NegativeBinomialLinear, Sqrt),
    (NegativeBinomialLinear, Identity),
];

#[test]
fn every_family_is_here() {
    let is_here = |family: &Family| ALL.iter().any(|(own, _)| own == family);
    let absent: Vec<_> = Family::ALL.iter().filter(|f| !is_here(f)).collect();
    assert!(absent.is_empty(), "{absent:?} need rows in `ALL`");
}

// Where eta should be: centre and spread of the fixed effects.
fn region(family: Family, link: Link) -> (f64, f64) {
    match (family, link) {
        (Binomial, Log) => (-1.0, 0.1),
        (Binomial, Identity) => (0.5, 0.05),
        (Binomial, _) | (_, Logit | Probit | Cloglog | Cauchit) => (0.2, 0.6),
        (_, Log) => (0.8, 0.4),
        (_, Identity) => (4.0, 0.4),
        (_, Sqrt) => (2.0, 0.2),
        (_, Inverse) => (0.7, 0.06),
        (_, _) => (0.5, 0.04),
    }
}

fn response(random: &mut Random, family: Family, mu: f64, trials: f64) -> f64 {
    match family {
        Binomial => {
            (0..trials as usize)
                .filter(|_| random.uniform() < mu)
                .count() as f64
                / trials
        }
        Poisson | NegativeBinomial | NegativeBinomialLinear => {
            (mu * (0.5 + random.uniform()) + 0.3 * random.normal())
                .round()
                .max(0.0)
        }
        Gamma | InverseGaussian => mu * (0.4 * random.normal()).exp(),
        Gaussian => mu + 0.3 * random.normal(),
    }
}

fn simulate(
    random: &mut Random,
    family: Family,
    link: Link,
    sizes: &[(usize, usize)],
) -> Data {
    simulate_rows(80, random, (family, link), sizes)
}

fn simulate_rows(
    n: usize,
    random: &mut Random,
    (family, link): (Family, Link),
    sizes: &[(usize, usize)],
) -> Data {
    let mut data = Data::new(random, n, 2);
    for &(n_levels, k) in sizes {
        let refs = random_levels(random, n, n_levels);
        data = data.with_term(random, refs, &[(Unstructured, k)]);
    }
    respond(random, &mut data, family, link);
    data
}

fn respond(random: &mut Random, data: &mut Data, family: Family, link: Link) {
    let n = data.y.len();
    let (centre, spread) = region(family, link);
    let weights: Vec<f64> =
        (0..n).map(|_| 1.0 + random.below(4) as f64).collect();
    data.offset =
        Some((0..n).map(|_| 0.1 * spread * random.normal()).collect());
    for i in 0..n {
        // Covariates are bounded so that no link leaves its domain.
        data.x[n + i] = data.x[n + i].clamp(-1.5, 1.5);
        data.y[i] = response(
            random,
            family,
            link.mean(centre + spread * data.x[n + i]),
            weights[i],
        );
    }
    data.weights = Some(weights);
}

fn parameters(
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

fn check(
    data: &Data,
    family: Family,
    link: Link,
    options: Options,
    vary: Vary,
    scale: f64,
) {
    let design = data.design();
    let mut model =
        GeneralizedLinearMixedModel::new(&design, family, link, options)
            .unwrap();
    model.pirls_mut().tolerance = Tolerance {
        decrement: 1e-16,
        ..Default::default()
    };
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

// The iterative engine at the parameters of the exact one. Terms of few effects need no random
// vectors: all is exact but for the residuals of solves.
fn check_engines(
    exact: &mut GeneralizedLinearMixedModel,
    data: &Data,
    (family, link, options): (Family, Link, Options),
    vary: Vary,
    expected: &[f64],
) {
    let how = (EngineKind::Iterative, &Room::default());
    let design = data.design();
    let mut model =
        GeneralizedLinearMixedModel::by(how, &design, family, link, options)
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

// The shape of a family that has one is estimated.
fn free_shape(family: Family) -> Shape {
    if family.has_shape() {
        Shape::Estimated(0.8)
    } else {
        Shape::Known(1.0)
    }
}

#[test]
fn laplace_of_every_family_and_link() {
    for (index, (family, link)) in ALL.into_iter().enumerate() {
        let mut random = Random::new(100 + index as u64);
        let data = simulate(&mut random, family, link, &[(12, 1), (5, 1)]);
        let shape = free_shape(family);
        for information in [Information::Expected, Information::Observed] {
            for vary in [Vary::Modes, Vary::Jointly] {
                check(
                    &data,
                    family,
                    link,
                    Options {
                        information,
                        shape,
                        nodes: 1,
                    },
                    vary,
                    1.0,
                );
            }
        }
        if family.has_dispersion() {
            for shape in [Shape::Moment, Shape::Profiled(70.0)] {
                let options = Options {
                    shape,
                    ..Default::default()
                };
                check(&data, family, link, options, Vary::Modes, 1.0);
                check(&data, family, link, options, Vary::Jointly, 1.0);
            }
        }
    }
}

// So many rows that threads share them.
#[test]
fn many_rows() {
    let mut random = Random::new(77);
    let how = (Binomial, Logit);
    let sizes = [(60, 1), (5, 1)];
    let data = simulate_rows(50_000, &mut random, how, &sizes);
    let options = Options::default();
    set_threads(2);
    check(&data, Binomial, Logit, options, Vary::Modes, 1.0);
    let design = data.design();
    let of_threads = [1, 2, 3].map(|threads| {
        set_threads(threads);
        let mut model =
            GeneralizedLinearMixedModel::new(&design, Binomial, Logit, options)
                .unwrap();
        let at = parameters(&model, Vary::Modes, Binomial, Logit, 1.0);
        let value = model.objective(Vary::Modes, &at).unwrap();
        let mut gradient = vec![0.0; at.len()];
        model.gradient(Vary::Modes, &mut gradient).unwrap();
        (value, gradient)
    });
    assert_eq!(of_threads[0], of_threads[1]);
    assert_eq!(of_threads[0], of_threads[2]);
}

// Each row as often as it counts.
fn repeated(data: &Data, counts: &[f64]) -> Data {
    let n = data.y.len();
    let times = |i: usize| std::iter::repeat_n(i, counts[i] as usize);
    let rows: Vec<usize> = (0..n).flat_map(times).collect();
    let pick = |values: &[f64]| -> Vec<f64> {
        rows.iter().map(|&i| values[i]).collect()
    };
    let terms = data.terms.iter().map(|term| TermData {
        refs: rows.iter().map(|&i| term.refs[i]).collect(),
        n_levels: term.n_levels,
        z: term
            .z
            .as_ref()
            .map(|z| z.chunks(n).flat_map(pick).collect()),
        cov: term.cov.clone(),
    });
    Data {
        x: data.x.chunks(n).flat_map(pick).collect(),
        y: pick(&data.y),
        weights: data.weights.as_deref().map(pick),
        offset: data.offset.as_deref().map(pick),
        terms: terms.collect(),
    }
}

#[test]
fn rows_that_count_are_that_many_rows() {
    for (i, &(family, link)) in ALL.iter().enumerate() {
        let mut random = Random::new(900 + i as u64);
        let data = simulate(&mut random, family, link, &[(6, 1), (3, 1)]);
        let counts: Vec<f64> =
            data.y.iter().map(|_| random.below(4) as f64).collect();
        let all = repeated(&data, &counts);
        for shape in
            [Shape::Estimated(0.3), Shape::Profiled(100.0), Shape::Moment]
        {
            let options = Options {
                shape,
                ..Options::default()
            };
            let merged = Design {
                counts: Some(&counts),
                ..data.design()
            };
            let found = value_and_slope(&merged, family, link, options);
            let wanted = value_and_slope(&all.design(), family, link, options);
            for (found, wanted) in found.iter().zip(&wanted) {
                let error = (found - wanted).abs();
                assert!(
                    error < 1e-8 * (1.0 + wanted.abs()),
                    "{family:?} {link:?} {shape:?}: {found} {wanted}"
                );
            }
        }
    }
}

// The number of observations, the objective and its gradient.
fn value_and_slope(
    design: &Design,
    family: Family,
    link: Link,
    options: Options,
) -> Vec<f64> {
    let vary = Vary::Modes;
    let mut model =
        GeneralizedLinearMixedModel::new(design, family, link, options)
            .unwrap();
    model.pirls_mut().tolerance = Tolerance {
        decrement: 1e-16,
        ..Default::default()
    };
    // Columns are centred at the means of the rows, of which one design has more than the other.
    let natural = parameters(&model, vary, family, link, 1.0);
    let at = model.centred(vary, &natural).unwrap();
    let mut gradient = vec![0.0; at.len()];
    let value = model.objective(vary, &at).unwrap();
    model.gradient(vary, &mut gradient).unwrap();
    let mut gradient = model.natural_gradient(vary, &gradient);
    gradient.extend([value, model.n_eff() as f64]);
    gradient
}

#[test]
fn vector_valued_and_crossed_terms() {
    let mut random = Random::new(7);
    for (family, link) in [
        (Binomial, Logit),
        (Binomial, Probit),
        (Poisson, Log),
        (NegativeBinomial, Log),
    ] {
        for sizes in
            [&[(10, 2)][..], &[(9, 2), (6, 2), (4, 1)], &[(9, 3), (8, 1)]]
        {
            let data = simulate(&mut random, family, link, sizes);
            let shape = if family.has_shape() {
                Shape::Estimated(2.0)
            } else {
                Shape::Known(1.0)
            };
            check(
                &data,
                family,
                link,
                Options {
                    shape,
                    ..Default::default()
                },
                Vary::Modes,
                0.8,
            );
            check(
                &data,
                family,
                link,
                Options {
                    shape,
                    ..Default::default()
                },
                Vary::Jointly,
                0.8,
            );
        }
    }
}

// Every family and link where the columns of Lambda vanish, one of them or all.
#[test]
fn at_zero_variance() {
    for (index, (family, link)) in ALL.into_iter().enumerate() {
        let mut random = Random::new(300 + index as u64);
        let data = simulate(&mut random, family, link, &[(10, 2), (6, 1)]);
        let shape = free_shape(family);
        for vary in [Vary::Modes, Vary::Jointly] {
            check(
                &data,
                family,
                link,
                Options {
                    shape,
                    ..Default::default()
                },
                vary,
                0.0,
            );
        }
        if family.has_dispersion() {
            check(
                &data,
                family,
                link,
                Options {
                    shape: Shape::Profiled(70.0),
                    ..Default::default()
                },
                Vary::Modes,
                0.0,
            );
        }
    }
}

#[test]
fn quadrature_of_every_family_and_link() {
    for (index, (family, link)) in ALL.into_iter().enumerate() {
        let mut random = Random::new(500 + index as u64);
        for (k, nodes) in [(1, 5), (2, 3)] {
            let data = simulate(&mut random, family, link, &[(10, k)]);
            let shape = free_shape(family);
            for information in [Information::Expected, Information::Observed] {
                let options = Options {
                    information,
                    shape,
                    nodes,
                };
                check(&data, family, link, options, Vary::Modes, 0.9);
                check(&data, family, link, options, Vary::Jointly, 0.9);
            }
        }
    }
}

#[test]
fn quadrature_at_zero_variance() {
    let mut random = Random::new(10);
    for (family, link) in [
        (Binomial, Logit),
        (Binomial, Cauchit),
        (Poisson, Log),
        (Gamma, Inverse),
        (NegativeBinomial, Log),
    ] {
        for k in [1, 2, 3] {
            let data = simulate(&mut random, family, link, &[(10, k)]);
            let shape = free_shape(family);
            check(
                &data,
                family,
                link,
                Options {
                    shape,
                    nodes: 3,
                    ..Default::default()
                },
                Vary::Modes,
                0.0,
            );
        }
    }
}

#[test]
fn quadrature_of_one_and_more_effects() {
    let mut random = Random::new(9);
    for (family, link) in [
        (Binomial, Logit),
        (Binomial, Probit),
        (Poisson, Log),
        (Gamma, Log),
        (NegativeBinomial, Log),
    ] {
        for (k, nodes) in [(1, 2), (1, 7), (2, 4), (3, 3)] {
            let data = simulate(&mut random, family, link, &[(10, k)]);
            let shape = if family.has_shape() {
                Shape::Estimated(0.5)
            } else {
                Shape::Known(1.0)
            };
            let options = Options {
                shape,
                nodes,
                ..Default::default()
            };
            check(&data, family, link, options, Vary::Modes, 0.9);
            check(&data, family, link, options, Vary::Jointly, 0.9);
        }
    }
}

#[test]
fn structures_with_a_correlation() {
    let mut random = Random::new(10);
    for (family, link) in [
        (Binomial, Logit),
        (Binomial, Probit),
        (Poisson, Log),
        (Gamma, Log),
    ] {
        for structure in [
            CompoundSymmetry,
            HomogeneousCompoundSymmetry,
            Autoregressive,
            HomogeneousAutoregressive,
        ] {
            let mut data = Data::new(&mut random, 80, 2);
            for (n_levels, parts) in [
                (10, vec![(structure, 3)]),
                (6, vec![(Unstructured, 1), (structure, 2)]),
            ] {
                let refs = random_levels(&mut random, 80, n_levels);
                data = data.with_term(&mut random, refs, &parts);
            }
            respond(&mut random, &mut data, family, link);
            let shape = if family.has_shape() {
                Shape::Estimated(0.5)
            } else {
                Shape::Known(1.0)
            };
            for vary in [Vary::Modes, Vary::Jointly] {
                check(
                    &data,
                    family,
                    link,
                    Options {
                        shape,
                        ..Default::default()
                    },
                    vary,
                    0.9,
                );
            }
            if family.has_dispersion() {
                let options = Options {
                    shape: Shape::Profiled(70.0),
                    ..Default::default()
                };
                check(&data, family, link, options, Vary::Modes, 0.9);
            }
        }
    }
}

// Lambda of rank one: more variance in the direction of lambda_min changes the objective at this
// rate.
#[test]
fn the_derivative_in_omega_at_a_singular_lambda() {
    let mut random = Random::new(11);
    for (family, link, shape) in [
        (Binomial, Logit, Shape::Known(1.0)),
        (Binomial, Cloglog, Shape::Known(1.0)),
        (Gamma, Log, Shape::Profiled(70.0)),
    ] {
        let data = simulate(&mut random, family, link, &[(12, 2), (6, 1)]);
        let options = Options {
            shape,
            ..Default::default()
        };
        for vary in [Vary::Modes, Vary::Jointly] {
            let mut model = GeneralizedLinearMixedModel::new(
                &data.design(),
                family,
                link,
                options,
            )
            .unwrap();
            model.pirls_mut().tolerance = Tolerance {
                decrement: 1e-16,
                ..Default::default()
            };
            let mut at = model.parameters(vary);
            at[..4].copy_from_slice(&[0.4, 0.2, 0.0, 0.0]);
            let (certificate, _) = model.certificate(vary, &at).unwrap();
            for (way, theta) in certificate
                .ways_out
                .iter()
                .zip([vec![0usize, 1, 2], vec![3]])
            {
                let cov = &data.design().terms[way.term].cov;
                let h = 1e-3;
                let mut along = |eps: f64| {
                    let mut x = at.clone();
                    cov.displace(way.part, eps, &way.change, &mut x);
                    assert!(eps < h || theta.iter().any(|&j| x[j] != at[j]));
                    model.objective(vary, &x).unwrap()
                };
                // One-sided, of fourth order in a small step: Omega has no other side.
                let value: Vec<f64> =
                    (0..5).map(|k| along(f64::from(k) * h)).collect();
                let slope = (-25.0 * value[0] + 48.0 * value[1]
                    - 36.0 * value[2]
                    + 16.0 * value[3]
                    - 3.0 * value[4])
                    / (12.0 * h);
                let error = (slope - way.lambda_min).abs();
                assert!(
                    error < 1e-4 * (1.0 + slope.abs()),
                    "{family:?} {vary:?}: {slope} {way:?}"
                );
            }
        }
    }
}
