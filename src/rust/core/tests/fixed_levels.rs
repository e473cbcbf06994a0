//! A fixed factor stored as a term compared with its indicator columns in X.

mod common;

use common::{close_to_largest, random_levels, Data, Random, TermData};
use rlmm_core::covariance::RelCov;
use rlmm_core::covariance::Structure::{Diagonal, Unstructured};
use rlmm_core::derivatives::HessianKind;
use rlmm_core::factor::leverage::leverage;
use rlmm_core::factor::memory::Room;
use rlmm_core::factor::sums::Sums;
use rlmm_core::factor::sums_of_rows::Centre;
use rlmm_core::lmm::combinations::Combination;
use rlmm_core::lmm::{fitted, EngineKind};
use rlmm_core::optimize::{Flow, OptSummary, Settings};
use rlmm_core::{Criterion, LinearMixedModel};

const CRITERIA: [Criterion; 2] = [Criterion::Ml, Criterion::Reml];

/// A model with a fixed factor in both forms.
struct Pair {
    name: String,
    /// Indicator columns in X.
    dummies: Data,
    /// The factor as the last term.
    levels: Data,
    /// The number of columns of each level: its indicator, and possibly a slope.
    k: usize,
}

// Adds treatment contrasts of a factor, and of its product with the first covariate if k is 2.
fn add_factor(
    data: impl Fn() -> Data,
    refs: &[i32],
    name: String,
    k: usize,
) -> Pair {
    let n_levels = *refs.iter().max().unwrap();
    let (mut dummies, mut levels) = (data(), data());
    let mut values = vec![1.0; refs.len()];
    values.extend_from_slice(&levels.x[refs.len()..k * refs.len()]);
    let product = |values: &[f64], is_in: &dyn Fn(i32) -> bool| {
        let rows = values.iter().zip(refs);
        let rows = rows.map(|(v, &r)| if is_in(r) { *v } else { 0.0 });
        rows.collect::<Vec<f64>>()
    };
    for level in 2..=n_levels {
        for values in values.chunks_exact(refs.len()) {
            dummies.x.extend(product(values, &|r| r == level));
        }
    }
    for own in [&mut dummies, &mut levels] {
        for (y, level) in own.y.iter_mut().zip(refs) {
            *y += 0.3 * f64::from(*level % 7);
        }
    }
    let z = values.chunks_exact(refs.len());
    let z = z.flat_map(|values| product(values, &|r| r > 1));
    levels.terms.push(TermData {
        refs: refs.to_vec(),
        n_levels: n_levels as usize,
        z: Some(z.collect()),
        cov: RelCov::fixed(k),
    });
    Pair {
        name,
        dummies,
        levels,
        k,
    }
}

fn pair(n: usize, terms: &[(usize, usize)], levels: usize, odd: bool) -> Pair {
    pair_with(n, terms, levels, odd, 1)
}

fn pair_with(
    n: usize,
    terms: &[(usize, usize)],
    levels: usize,
    odd: bool,
    k: usize,
) -> Pair {
    let data = || {
        let mut random = Random::new(5);
        let mut data = Data::new(&mut random, n, 3);
        for &(n_levels, k) in terms {
            let refs = random_levels(&mut random, n, n_levels);
            for (y, level) in data.y.iter_mut().zip(&refs) {
                *y += 0.4 * f64::from(*level % 5);
            }
            let structure = if k == 3 { Diagonal } else { Unstructured };
            data = data.with_term(&mut random, refs, &[(structure, k)]);
        }
        if odd {
            data = data.with_weights(&mut random).with_offset(&mut random);
        }
        data
    };
    let mut random = Random::new(17);
    let refs = random_levels(&mut random, n, levels);
    add_factor(data, &refs, format!("{terms:?} {levels} {odd} {k}"), k)
}

fn pairs() -> Vec<Pair> {
    vec![
        pair(600, &[(80, 1)], 30, false),
        pair(600, &[(20, 1)], 90, true),
        pair(900, &[(50, 2)], 40, true),
        pair(900, &[(40, 1), (25, 1)], 60, false),
        pair(900, &[(15, 3), (12, 1)], 45, true),
        pair_with(900, &[(80, 1)], 30, false, 2),
        pair_with(900, &[(20, 2), (12, 1)], 60, true, 2),
    ]
}

fn model(data: &Data, kind: EngineKind, by: Criterion) -> LinearMixedModel {
    let room = Room::default();
    LinearMixedModel::with_engine(kind, &room, &data.design(), by, None)
        .unwrap()
}

fn exact(data: &Data, by: Criterion) -> LinearMixedModel {
    model(data, EngineKind::Exact, by)
}

fn fit(model: &mut LinearMixedModel) -> OptSummary {
    let start = model.start().to_vec();
    let settings = Settings::default();
    model
        .fit(&start, &settings, &mut |_, _, _| Flow::Continue)
        .unwrap()
}

fn derivatives(model: &mut LinearMixedModel, theta: &[f64]) -> Vec<f64> {
    let n = theta.len();
    let mut out = vec![0.0; n + n * n];
    let (gradient, hessian) = out.split_at_mut(n);
    let slopes = model.at(theta).unwrap().slopes();
    slopes.gradient(gradient);
    slopes.hessian(HessianKind::Exact).fill(hessian);
    let point = model.at(theta).unwrap();
    let with_sigma = point.with_sigma(0.9, HessianKind::Exact);
    out.extend(with_sigma.gradient);
    out.extend(with_sigma.hessian);
    out
}

#[test]
fn both_ways_agree_at_a_theta() {
    for pair in pairs() {
        for by in CRITERIA {
            let name = format!("{} {by:?}", pair.name);
            let mut dummies = exact(&pair.dummies, by);
            let mut levels = exact(&pair.levels, by);
            let theta: Vec<f64> =
                dummies.start().iter().map(|t| 0.3 + 0.4 * t).collect();
            for theta in [theta.clone(), vec![0.0; theta.len()]] {
                let expected = dummies.estimates(&theta).unwrap();
                let found = levels.estimates(&theta).unwrap();
                let values = |e: &rlmm_core::lmm::Estimates| {
                    vec![e.objective, e.sigma, e.pwrss]
                };
                close_to_largest(
                    &name,
                    &values(&found),
                    &values(&expected),
                    1e-11,
                );
                let beta = &expected.solution.beta;
                close_to_largest(&name, &found.solution.beta, &beta[..3], 1e-9);
                let of_levels = found.solution.b.last().unwrap();
                let (base, others) = of_levels.split_at(pair.k);
                assert!(base.iter().all(|b| *b == 0.0));
                close_to_largest(&name, others, &beta[3..], 1e-9);
                let slopes = derivatives(&mut levels, &theta);
                close_to_largest(
                    &name,
                    &slopes,
                    &derivatives(&mut dummies, &theta),
                    1e-8,
                );
            }
            fitted_values_agree(&name, &pair, [&mut dummies, &mut levels]);
            let mut contrast = vec![0.0; beta_len(&pair.dummies)];
            contrast[1] = 1.0;
            let wide = dummies.at(&theta).unwrap().contrast_slopes(&contrast);
            let narrow =
                levels.at(&theta).unwrap().contrast_slopes(&contrast[..3]);
            close_to_largest(&name, &narrow, &wide, 1e-8);
        }
    }
}

fn beta_len(data: &Data) -> usize {
    data.design().p()
}

fn fitted_values_agree(
    name: &str,
    pair: &Pair,
    models: [&mut LinearMixedModel; 2],
) {
    let mut found = Vec::new();
    for (model, data) in models.into_iter().zip([&pair.dummies, &pair.levels]) {
        let theta = model.start().to_vec();
        let design = data.design();
        let mut mu = vec![0.0; data.n()];
        let estimates = model.estimates(&theta).unwrap();
        fitted(&design, &estimates.solution, &mut mu);
        let point = model.at(&theta).unwrap();
        mu.extend(leverage(&design, point.factor().unwrap()));
        found.push(mu);
    }
    close_to_largest(name, &found[1], &found[0], 1e-10);
}

#[test]
fn all_levels_stand_for_x() {
    for (n_random, n_levels) in [(20, 45), (80, 30)] {
        let mut pair = pair(600, &[(n_random, 1)], n_levels, false);
        let n = pair.dummies.n();
        // The intercept and the contrasts span the same space as the indicators of all levels.
        pair.dummies.x.drain(n..3 * n);
        pair.levels.x.clear();
        pair.levels.terms[1].z = None;
        for by in CRITERIA {
            let at = |data| exact(data, by).objective(&[0.7]).unwrap();
            let (found, expected) = (at(&pair.levels), at(&pair.dummies));
            let name = format!("{} {by:?}", pair.name);
            close_to_largest(&name, &[found], &[expected], 1e-11);
        }
    }
}

#[test]
fn both_ways_find_the_same_optimum() {
    for pair in pairs() {
        for by in CRITERIA {
            let mut dummies = exact(&pair.dummies, by);
            let mut levels = exact(&pair.levels, by);
            let (expected, found) = (fit(&mut dummies), fit(&mut levels));
            let objectives = [expected.best_value, found.best_value];
            close_to_largest(
                &pair.name,
                &objectives[1..],
                &objectives[..1],
                1e-10,
            );
            let verdicts = [&mut dummies, &mut levels]
                .map(|m| m.certificate(&found.best).unwrap().verdict);
            assert_eq!(verdicts[0], verdicts[1], "{}", pair.name);
            let df = |m: &mut LinearMixedModel| {
                let second = |p: usize| -> Vec<f64> {
                    (0..p).map(|j| f64::from(u8::from(j == 1))).collect()
                };
                let p = m.estimates(&found.best).unwrap().solution.beta.len();
                m.satterthwaite(&found.best, &second(p)).unwrap().unwrap()[0]
            };
            close_to_largest(
                &pair.name,
                &[df(&mut levels)],
                &[df(&mut dummies)],
                1e-6,
            );
        }
    }
}

#[test]
fn conjugate_gradients_agree_with_the_factor() {
    for pair in [
        pair(4000, &[(500, 1)], 150, false),
        pair(4000, &[(120, 1), (80, 1)], 300, true),
        pair_with(4000, &[(400, 1)], 100, true, 2),
    ] {
        for by in CRITERIA {
            let mut factor = exact(&pair.levels, by);
            let mut iterative = model(&pair.levels, EngineKind::Iterative, by);
            let expected = fit(&mut factor);
            let found = fit(&mut iterative);
            close_to_largest(&pair.name, &found.best, &expected.best, 1e-3);
            let theta = &expected.best;
            let expected = factor.estimates(theta).unwrap();
            let found = iterative.estimates(theta).unwrap();
            close_to_largest(
                &pair.name,
                &[found.sigma],
                &[expected.sigma],
                1e-9,
            );
            let beta = &expected.solution.beta;
            close_to_largest(&pair.name, &found.solution.beta, beta, 1e-7);
            let last = expected.solution.b.len() - 1;
            let b = &expected.solution.b[last];
            close_to_largest(&pair.name, &found.solution.b[last], b, 1e-7);
            let off = (found.objective - expected.objective).abs();
            iterative.certificate(theta).unwrap();
            let se = iterative.noise().map_or(0.0, |noise| noise.loglik_se);
            assert!(off <= 1e-6 + 10.0 * se, "{}: {off}, {se}", pair.name);
        }
    }
}

#[test]
fn too_many_levels_for_the_rows_are_an_error() {
    let pair = pair(60, &[(10, 1)], 60, false);
    let design = pair.levels.design();
    let found = LinearMixedModel::new(&design, Criterion::Reml, None);
    assert!(found.is_err());
}

#[test]
fn sums_are_as_good_as_rows() {
    for pair in pairs() {
        for by in CRITERIA {
            let name = format!("{} {by:?}", pair.name);
            let design = pair.levels.design();
            let sums = Sums::from_rows(&design, &Centre::of(&design)).unwrap();
            for kind in [EngineKind::Exact, EngineKind::Iterative] {
                let room = Room::default();
                let covs = design.covs();
                let mut of_sums = LinearMixedModel::from_sums(
                    (kind, &room),
                    &sums,
                    covs,
                    by,
                    None,
                )
                .unwrap();
                let mut of_rows = model(&pair.levels, kind, by);
                let theta = of_rows.start().to_vec();
                let expected = of_rows.estimates(&theta).unwrap();
                let found = of_sums.estimates(&theta).unwrap();
                close_to_largest(
                    &name,
                    &[found.objective, found.sigma],
                    &[expected.objective, expected.sigma],
                    1e-10,
                );
            }
        }
    }
}

// The prediction of a row, as a combination of all effects.
fn prediction(data: &Data, i: usize) -> Combination {
    let design = data.design();
    let weights = |term: &TermData| {
        let k = term.cov.vsize();
        let mut z = vec![0.0; k * term.n_levels];
        let first = (term.refs[i] as usize - 1) * k;
        for j in 0..k {
            let column = term.z.as_ref();
            z[first + j] = column.map_or(1.0, |z| z[j * data.n() + i]);
        }
        z
    };
    Combination {
        x: (0..design.p()).map(|j| design.x.value(i, j)).collect(),
        z: data.terms.iter().map(weights).collect(),
    }
}

// The variance x'(R'R)^-1 x.
fn variance_of_fixed(rx: &[f64], x: &[f64]) -> f64 {
    let p = x.len();
    let mut half = vec![0.0; p];
    for j in 0..p {
        let before = (0..j).map(|i| rx[j * p + i] * half[i]);
        half[j] = (x[j] - before.sum::<f64>()) / rx[j * p + j];
    }
    half.iter().map(|value| value * value).sum()
}

#[test]
fn variances_of_combinations_are_those_of_dummy_columns() {
    for pair in pairs() {
        let mut dummies = exact(&pair.dummies, Criterion::Reml);
        let theta: Vec<f64> =
            dummies.start().iter().map(|t| 0.3 + 0.4 * t).collect();
        let rows = (0..20).map(|i| prediction(&pair.dummies, 29 * i));
        let rows: Vec<Combination> = rows.collect();
        let at = dummies.at(&theta).unwrap();
        let expected = at.variances(&rows).unwrap();
        let mut fixed = rows.clone();
        for row in &mut fixed {
            row.z.iter_mut().for_each(|z| z.fill(0.0));
        }
        let of_fixed = at.variances(&fixed).unwrap();
        let rx = at.rx();
        for (found, row) in of_fixed.iter().zip(&fixed) {
            let by_rx = variance_of_fixed(&rx, &row.x);
            close_to_largest(&pair.name, &[found.whole], &[by_rx], 1e-9);
        }
        let rows = (0..20).map(|i| prediction(&pair.levels, 29 * i));
        let rows: Vec<Combination> = rows.collect();
        for kind in [EngineKind::Exact, EngineKind::Iterative] {
            let mut levels = model(&pair.levels, kind, Criterion::Reml);
            let found = levels.at(&theta).unwrap().variances(&rows).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                let (found, expected) = (found.whole, expected.whole);
                close_to_largest(&pair.name, &[found], &[expected], 1e-7);
            }
        }
    }
}
