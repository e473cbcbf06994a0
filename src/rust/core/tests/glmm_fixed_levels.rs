//! A fixed factor stored as a term in generalized models, compared with its indicator columns in X;
//! the gradient is compared with differences.

mod common;

use common::{close_to_largest, random_levels, Data, Random, TermData};
use rlmm_core::covariance::RelCov;
use rlmm_core::covariance::Structure::Unstructured;
use rlmm_core::glmm::families::response::Information;
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::Vary;
use rlmm_core::glmm::{
    FitSettings, GeneralizedLinearMixedModel, Options, Shape,
};
use rlmm_core::optimize::{bfgs, Flow, Settings};

const LEVELS: i32 = 12;

const FAMILIES: [(Family, Link, Information); 5] = [
    (Family::Binomial, Link::Logit, Information::Expected),
    (Family::Binomial, Link::Probit, Information::Expected),
    (Family::Binomial, Link::Cloglog, Information::Observed),
    (Family::Poisson, Link::Log, Information::Expected),
    (Family::Gamma, Link::Log, Information::Expected),
];

/// A model with a fixed factor in both forms: indicator columns in X, and the last term.
struct Pair {
    dummies: Data,
    levels: Data,
}

// A response in the support of the family.
fn response(random: &mut Random, family: Family, eta: f64) -> f64 {
    match family {
        Family::Binomial => {
            f64::from(u8::from(random.uniform() < logistic(eta)))
        }
        Family::Poisson => (eta.exp() + random.uniform()).floor(),
        _ => eta.exp() * (0.2 + random.uniform()),
    }
}

fn logistic(eta: f64) -> f64 {
    1.0 / (1.0 + (-eta).exp())
}

fn pair(family: Family, terms: &[(usize, usize)]) -> Pair {
    let n = 400;
    let refs = random_levels(&mut Random::new(17), n, LEVELS as usize);
    let data = || {
        let mut random = Random::new(5);
        let mut data = Data::new(&mut random, n, 2);
        let mut eta: Vec<f64> =
            refs.iter().map(|&l| 0.2 * f64::from(l % 5) - 0.3).collect();
        for &(n_levels, k) in terms {
            let groups = random_levels(&mut random, n, n_levels);
            for (eta, level) in eta.iter_mut().zip(&groups) {
                *eta += 0.4 * f64::from(*level % 4) - 0.5;
            }
            data = data.with_term(&mut random, groups, &[(Unstructured, k)]);
        }
        let mut random = Random::new(23);
        let y = eta.iter().map(|&eta| response(&mut random, family, eta));
        data.y = y.collect();
        data.with_offset(&mut random)
    };
    let (mut dummies, mut levels) = (data(), data());
    for level in 2..=LEVELS {
        let column = refs.iter().map(|&r| f64::from(u8::from(r == level)));
        dummies.x.extend(column);
    }
    let z = refs.iter().map(|&r| f64::from(u8::from(r > 1)));
    levels.terms.push(TermData {
        refs: refs.clone(),
        n_levels: LEVELS as usize,
        z: Some(z.collect()),
        cov: RelCov::fixed(1),
    });
    Pair { dummies, levels }
}

fn model(
    data: &Data,
    (family, link, information): (Family, Link, Information),
) -> GeneralizedLinearMixedModel {
    let shape = match family {
        Family::Gamma => Shape::Estimated(1.0),
        _ => Shape::Known(1.0),
    };
    let options = Options {
        information,
        shape,
        nodes: 1,
    };
    GeneralizedLinearMixedModel::new(&data.design(), family, link, options)
        .unwrap()
}

fn fit(model: &mut GeneralizedLinearMixedModel, vary: Vary) -> (f64, Vec<f64>) {
    let settings = FitSettings {
        settings: Settings {
            optimizer: bfgs::NAME.into(),
            ..Settings::default()
        },
        vary,
        theta: Vec::new(),
        beta: Vec::new(),
        log_shape: None,
        x_coefficients: Vec::new(),
    };
    let found = model.fit(&settings, &mut |_, _, _| Flow::Continue).unwrap();
    (found.summary.best_value, found.parameters)
}

#[test]
fn fits_are_those_of_dummy_columns() {
    for kind in FAMILIES {
        for terms in [&[(30, 1)][..], &[(20, 2)], &[(25, 1), (9, 1)]] {
            let pair = pair(kind.0, terms);
            for vary in [Vary::Jointly, Vary::Modes] {
                let name = format!("{kind:?} {terms:?} {vary:?}");
                let mut by_dummies = model(&pair.dummies, kind);
                let mut by_levels = model(&pair.levels, kind);
                let (value, all) = fit(&mut by_dummies, vary);
                let (own, parameters) = fit(&mut by_levels, vary);
                assert!((own - value).abs() < 1e-6, "{name}: {own} {value}");
                let n_theta = by_levels.n_theta();
                let p = if vary == Vary::Modes { 2 } else { 0 };
                let first = n_theta + p;
                close_to_largest(
                    &name,
                    &parameters[..first],
                    &all[..first],
                    1e-4,
                );
            }
        }
    }
}

#[test]
fn the_gradient_is_that_of_the_least_deviance() {
    for kind in FAMILIES {
        let pair = pair(kind.0, &[(25, 1), (9, 1)]);
        for vary in [Vary::Jointly, Vary::Modes] {
            let mut model = model(&pair.levels, kind);
            let mut at = vec![0.7, 0.5];
            if vary == Vary::Modes {
                at.extend([0.3, -0.2]);
            }
            if kind.0 == Family::Gamma {
                at.push(-0.4);
            }
            let mut gradient = vec![0.0; at.len()];
            model.objective(vary, &at).unwrap();
            model.gradient(vary, &mut gradient).unwrap();
            let step = 1e-3;
            let differences = (0..at.len()).map(|j| {
                let mut value = |step: f64| {
                    let mut there = at.clone();
                    there[j] += step;
                    model.objective(vary, &there).unwrap()
                };
                let near = value(step) - value(-step);
                let far = value(2.0 * step) - value(-2.0 * step);
                (8.0 * near - far) / (12.0 * step)
            });
            let differences: Vec<f64> = differences.collect();
            let name = format!("{kind:?} {vary:?}");
            close_to_largest(&name, &gradient, &differences, 1e-6);
        }
    }
}

// The deviance at theta and beta.
fn value(
    model: &mut GeneralizedLinearMixedModel,
    kind: (Family, Link, Information),
    (theta, beta): (f64, [f64; 2]),
) -> Option<f64> {
    let mut at = vec![theta];
    at.extend(beta);
    if kind.0 == Family::Gamma {
        at.push(-0.4);
    }
    model.objective(Vary::Modes, &at).ok()
}

// With a coefficient for each level the constant is redundant.
#[test]
fn levels_make_up_for_any_change_of_the_constant() {
    for kind in FAMILIES {
        let mut data = pair(kind.0, &[(25, 1)]).levels;
        data.terms.last_mut().unwrap().z = None;
        let mut model = model(&data, kind);
        let mut at = |constant| value(&mut model, kind, (0.6, [constant, 0.2]));
        let near = at(0.1).unwrap();
        for constant in [60.0, -60.0, 3000.0, 0.1] {
            let far = at(constant).expect("levels that have moved");
            assert!((far - near).abs() < 1e-6, "{kind:?}: {far} {near}");
        }
    }
}

#[test]
fn points_after_one_without_modes_have_the_same_deviance() {
    for kind in FAMILIES {
        let data = pair(kind.0, &[(25, 1)]).levels;
        let mut model = model(&data, kind);
        let mut at = |beta| value(&mut model, kind, (0.6, beta));
        let near = at([0.1, 0.2]).unwrap();
        for far in [[1e3, 0.2], [0.1, -1e5], [-1e9, 1e9]] {
            at(far);
            let again = at([0.1, 0.2]).expect("the modes known before");
            assert!((again - near).abs() < 1e-6, "{kind:?}: {again} {near}");
        }
    }
}

// The inverse of a positive definite matrix, by Gauss and Jordan's elimination.
fn inverse(n: usize, matrix: &[f64]) -> Vec<f64> {
    let mut a = matrix.to_vec();
    for k in 0..n {
        let pivot = a[k * n + k];
        let row: Vec<f64> = (0..n).map(|j| a[j * n + k] / pivot).collect();
        let column = a[k * n..(k + 1) * n].to_vec();
        for j in 0..n {
            for i in 0..n {
                a[j * n + i] -= column[i] * row[j];
            }
        }
        for i in 0..n {
            a[i * n + k] = row[i];
            a[k * n + i] = -column[i] / pivot;
        }
        a[k * n + k] = 1.0 / pivot;
    }
    a
}

#[test]
fn covariances_of_levels_are_those_of_dummy_columns() {
    for kind in FAMILIES {
        let pair = pair(kind.0, &[(25, 1), (9, 1)]);
        let mut by_dummies = model(&pair.dummies, kind);
        let (_, all) = fit(&mut by_dummies, Vary::Modes);
        let at = by_dummies.centred(Vary::Modes, &all).unwrap();
        let covariance = by_dummies.covariance(&at).unwrap().unwrap();
        let n = all.len();
        let first = by_dummies.n_theta() + 2;
        let columns = first..first + LEVELS as usize - 1;
        let precision = inverse(n, &covariance);
        let own = columns.clone().flat_map(|j| {
            let column = &precision[j * n..(j + 1) * n];
            column[columns.clone()].to_vec()
        });
        let given_others = inverse(columns.len(), &own.collect::<Vec<_>>());
        // The mean of all levels, of which the first is the base, and the difference of two.
        let mut mean = vec![1.0 / f64::from(LEVELS); LEVELS as usize];
        mean[0] = 0.0;
        let mut difference = vec![0.0; LEVELS as usize];
        (difference[3], difference[7]) = (1.0, -1.0);
        let sums = [mean, difference];
        let expected = sums.iter().flat_map(|a| {
            let form = |b: &Vec<f64>| {
                let of_column = |(j, b): (usize, &f64)| {
                    let column = &given_others[j * columns.len()..];
                    let terms = a[1..].iter().zip(column);
                    b * terms.map(|(a, c)| a * c).sum::<f64>()
                };
                b[1..].iter().enumerate().map(of_column).sum::<f64>()
            };
            sums.iter().map(form).collect::<Vec<f64>>()
        });
        let others = |&j: &usize| !columns.contains(&j);
        let parameters: Vec<f64> =
            (0..n).filter(others).map(|j| all[j]).collect();
        let mut by_levels = model(&pair.levels, kind);
        let weights =
            |own: &Vec<f64>| vec![vec![0.0; 25], vec![0.0; 9], own.clone()];
        let weights: Vec<_> = sums.iter().map(weights).collect();
        let at = by_levels.centred(Vary::Modes, &parameters).unwrap();
        let found = by_levels.level_covariance(&at, &weights).unwrap();
        let name = format!("{kind:?}");
        let expected: Vec<f64> = expected.collect();
        close_to_largest(&name, &found, &expected, 1e-4);
    }
}
