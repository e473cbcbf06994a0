//! Objective, estimates, conditional variances and leverages compared with dense algebra, for all
//! relevant designs: one term of every small size, nested chains, crossed terms, both storages of
//! the trailing system.

mod common;

use faer::Mat;

use common::{dense, random_levels, Data, Random};
use rlmm_core::covariance::Structure::{
    self, Diagonal, HomogeneousDiagonal, Unstructured,
};
use rlmm_core::factor::{cond_var::cond_var, leverage::leverage};
use rlmm_core::lmm::fitted;
use rlmm_core::optimize::{Flow, Settings};
use rlmm_core::{Criterion, LinearMixedModel};

fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * (1.0 + b.abs()),
            "{what}[{i}]: {a} against {b}"
        );
    }
}

// Checks everything that the core computes at one theta, for ML, REML and a known sigma.
fn check(data: &Data, theta: &[f64]) {
    let design = data.design();
    for (criterion, sigma) in [
        (Criterion::Ml, None),
        (Criterion::Reml, None),
        (Criterion::Reml, Some(1.3)),
    ] {
        let reference = dense(&design, theta, criterion, sigma);
        let mut model =
            LinearMixedModel::new(&design, criterion, sigma).unwrap();
        let point = model.at(theta).unwrap();
        let estimates = point.estimates();
        close(
            "objective",
            &[estimates.objective],
            &[reference.objective],
            1e-11,
        );
        close("beta", &estimates.solution.beta, &reference.beta, 1e-8);
        close("b", &estimates.solution.b.concat(), &reference.b, 1e-8);
        close(
            "leverage",
            &leverage(&design, point.factor().unwrap()),
            &reference.leverage,
            1e-9,
        );
        close("rx", &estimates.rx, &column_major(&reference.rx), 1e-9);
        let mut expected = Vec::new();
        let mut first = 0;
        for term in &design.terms {
            let k = term.vsize();
            for _ in 0..term.n_levels {
                expected.extend((0..k * k).map(|at| {
                    reference.cond_cov[(first + at % k, first + at / k)]
                }));
                first += k;
            }
        }
        close(
            "cond_var",
            &cond_var(point.factor().unwrap()).concat(),
            &expected,
            1e-9,
        );
        let mut mu = vec![0.0; design.n()];
        fitted(&design, &estimates.solution, &mut mu);
        let squares = mu
            .iter()
            .enumerate()
            .map(|(i, f)| design.weight(i) * (design.y[i] - f).powi(2));
        let residual: f64 = squares.sum();
        let penalty: f64 =
            estimates.solution.u.iter().flatten().map(|u| u * u).sum();
        close("pwrss", &[residual + penalty], &[estimates.pwrss], 1e-9);
    }
}

fn random_theta(random: &mut Random, data: &Data) -> Vec<f64> {
    (0..data.design().n_theta())
        .map(|_| random.normal())
        .collect()
}

#[test]
fn one_term_of_each_size() {
    let mut random = Random::new(1);
    for k in 1..=5 {
        for structure in [Unstructured, Diagonal, HomogeneousDiagonal] {
            let refs = random_levels(&mut random, 90, 8);
            let data = Data::new(&mut random, 90, 3).with_term(
                &mut random,
                refs,
                &[(structure, k)],
            );
            let theta = random_theta(&mut random, &data);
            check(&data, &theta);
            check(&data, &vec![0.0; theta.len()]);
        }
    }
}

#[test]
fn amalgamated_parts_weights_and_offset() {
    let mut random = Random::new(2);
    let refs = random_levels(&mut random, 80, 7);
    let parts = [(Unstructured, 2), (HomogeneousDiagonal, 2), (Diagonal, 1)];
    let data =
        Data::new(&mut random, 80, 2).with_term(&mut random, refs, &parts);
    let data = data.with_weights(&mut random).with_offset(&mut random);
    let theta = random_theta(&mut random, &data);
    check(&data, &theta);
}

fn crossed(random: &mut Random, sizes: &[(usize, usize)], n: usize) -> Data {
    let mut data = Data::new(random, n, 3);
    for &(n_levels, k) in sizes {
        let refs = random_levels(random, n, n_levels);
        data = data.with_term(random, refs, &[(Unstructured, k)]);
    }
    data
}

#[test]
fn crossed_terms_in_dense_storage() {
    let mut random = Random::new(3);
    for sizes in [
        &[(20, 1), (8, 1)][..],
        &[(9, 2), (7, 3)],
        &[(12, 1), (10, 2), (5, 1)],
        &[(4, 3), (30, 2), (6, 1)],
    ] {
        let data = crossed(&mut random, sizes, 150).with_weights(&mut random);
        let mut theta = random_theta(&mut random, &data);
        check(&data, &theta);
        check(&data, &vec![0.0; theta.len()]);
        // One term has a zero variance.
        theta[0] = 0.0;
        check(&data, &theta);
    }
}

// Without trailing variances their system is the identity, whatever was stored before.
#[test]
fn thetas_of_zero_leave_nothing_behind() {
    let mut random = Random::new(12);
    for sizes in [&[(30, 2), (12, 3)][..], &[(400, 1), (300, 1)]] {
        let data = crossed(&mut random, sizes, 900);
        let design = data.design();
        let mut model =
            LinearMixedModel::new(&design, Criterion::Reml, None).unwrap();
        let theta = random_theta(&mut random, &data);
        let before = model.objective(&theta).unwrap();
        let zero = vec![0.0; theta.len()];
        let without = model.objective(&zero).unwrap();
        let reference = dense(&design, &zero, Criterion::Reml, None);
        close("objective", &[without], &[reference.objective], 1e-11);
        assert_eq!(model.objective(&theta).unwrap(), before);
    }
}

// Every leading level is coupled with nearly every trailing one, so that the rank updates are
// combined into one product.
#[test]
fn fully_crossed_terms() {
    let mut random = Random::new(8);
    for sizes in [
        &[(30, 2), (12, 3)][..],
        &[(40, 1), (35, 1)],
        &[(25, 3), (10, 2), (8, 1)],
    ] {
        let data = crossed(&mut random, sizes, 500);
        let theta = random_theta(&mut random, &data);
        check(&data, &theta);
    }
}

// Levels nested in each other, 500 in 420 in 28: too many rows for dense storage.
fn chain(random: &mut Random, structure: Structure, k: usize) -> Data {
    let n = 560;
    let inner: Vec<i32> = random_levels(random, n, 500);
    let middle: Vec<i32> =
        inner.iter().map(|i| (i - 1) * 21 / 25 + 1).collect();
    let outer = middle.iter().map(|i| (i - 1) / 15 + 1).collect();
    Data::new(random, n, 2)
        .with_term(random, inner, &[(Unstructured, 1)])
        .with_term(random, middle, &[(structure, k)])
        .with_term(random, outer, &[(Unstructured, 2)])
}

// Checks a model whose trailing system must be sparse.
fn check_sparse(random: &mut Random, data: &Data) {
    let model =
        LinearMixedModel::new(&data.design(), Criterion::Ml, None).unwrap();
    assert!(model.is_sparse());
    let theta = random_theta(random, data);
    check(data, &theta);
}

#[test]
fn nested_chains_in_sparse_storage() {
    let mut random = Random::new(4);
    for (structure, k) in [(Unstructured, 1), (Unstructured, 2), (Diagonal, 2)]
    {
        let data = chain(&mut random, structure, k);
        check_sparse(&mut random, &data);
    }
}

// In a ring of neighbours each leading level is coupled with two of 410 levels, so that the factor
// has little fill-in.
#[test]
fn weakly_crossed_terms_in_sparse_storage() {
    let mut random = Random::new(5);
    let n = 900;
    let unit: Vec<i32> = (0..n).map(|i| i % 450 + 1).collect();
    let level: Vec<i32> = (0..n)
        .map(|i| {
            if i < 450 {
                i % 410 + 1
            } else {
                (i * 7 + 3) % 410 + 1
            }
        })
        .collect();
    let data = Data::new(&mut random, n as usize, 2)
        .with_term(&mut random, unit, &[(Unstructured, 1)])
        .with_term(&mut random, level, &[(Unstructured, 1)]);
    check_sparse(&mut random, &data);
}

#[test]
fn no_fixed_effects() {
    let mut random = Random::new(6);
    let refs = random_levels(&mut random, 60, 6);
    let mut data = Data::new(&mut random, 60, 1).with_term(
        &mut random,
        refs,
        &[(Unstructured, 2)],
    );
    data.x.clear();
    let design = data.design();
    let mut model =
        LinearMixedModel::new(&design, Criterion::Reml, None).unwrap();
    let estimates = model.estimates(&[0.5, 0.1, 0.7]).unwrap();
    assert!(estimates.solution.beta.is_empty());
    assert_eq!(estimates.log_det_fe, 0.0);
    // Without fixed effects both criteria are equal.
    let mut ml = LinearMixedModel::new(&design, Criterion::Ml, None).unwrap();
    close(
        "objective",
        &[estimates.objective],
        &[ml.objective(&[0.5, 0.1, 0.7]).unwrap()],
        1e-15,
    );
}

// Covariates and weights in extreme units give an equivalent model.
#[test]
fn units_of_covariates_and_weights_do_not_matter() {
    let mut random = Random::new(9);
    let refs = random_levels(&mut random, 200, 20);
    let mut data = Data::new(&mut random, 200, 2).with_term(
        &mut random,
        refs.clone(),
        &[(Unstructured, 2)],
    );
    let slopes: Vec<f64> = (0..20).map(|_| random.normal()).collect();
    let z = data.terms[0].z.clone().unwrap();
    (0..200)
        .for_each(|i| data.y[i] += slopes[refs[i] as usize - 1] * z[200 + i]);
    let fit = |data: &Data| {
        let mut model =
            LinearMixedModel::new(&data.design(), Criterion::Ml, None).unwrap();
        let start = model.start().to_vec();
        model
            .fit(&start, &Settings::default(), &mut |_, _, _| Flow::Continue)
            .unwrap()
            .best_value
    };
    let ordinary = fit(&data);
    for scale in [1e-12, 1e-6, 1e6, 1e12] {
        (0..200).for_each(|i| {
            data.terms[0].z.as_mut().unwrap()[200 + i] = scale * z[200 + i]
        });
        close("objective", &[fit(&data)], &[ordinary], 1e-9);
    }
    data.terms[0].z = Some(z);
    for weight in [1e-20, 1e20f64] {
        data.weights = Some(vec![weight; 200]);
        close("objective", &[fit(&data)], &[ordinary], 1e-9);
    }
}

// A covariate such as a time in seconds since 1970 gives the same model as with another origin. All
// values, shifted or not, are exact floating-point numbers.
#[test]
fn covariates_far_from_zero_lose_no_digits() {
    const ORIGIN: f64 = 4_194_304.0;
    let mut random = Random::new(12);
    let refs = random_levels(&mut random, 150, 12);
    let mut data = Data::new(&mut random, 150, 3).with_weights(&mut random);
    data = data.with_term(&mut random, refs, &[(Unstructured, 1)]);
    data.x
        .iter_mut()
        .for_each(|x| *x = (*x * 1024.0).round() / 1024.0);
    let (theta, n) = ([0.8], data.n());
    let reference = dense(&data.design(), &theta, Criterion::Reml, None);
    (n..2 * n).for_each(|i| data.x[i] += ORIGIN);
    for unit in [1.0f64, -2.0] {
        data.x[..n].fill(unit);
        let design = data.design();
        let mut model =
            LinearMixedModel::new(&design, Criterion::Reml, None).unwrap();
        let point = model.at(&theta).unwrap();
        let estimates = point.estimates();
        let objective = reference.objective + 2.0 * unit.abs().ln();
        close("objective", &[estimates.objective], &[objective], 1e-12);
        let beta = &estimates.solution.beta;
        close("slopes", &beta[1..], &reference.beta[1..], 1e-10);
        close(
            "intercept",
            &[unit * beta[0] + ORIGIN * beta[1]],
            &[reference.beta[0]],
            1e-8,
        );
        close("b", &estimates.solution.b.concat(), &reference.b, 1e-9);
        close(
            "leverage",
            &leverage(&design, point.factor().unwrap()),
            &reference.leverage,
            1e-10,
        );
        let mut rx = reference.rx.clone();
        rx[(0, 1)] += ORIGIN * rx[(0, 0)];
        (0..3).for_each(|j| rx[(0, j)] *= unit.signum());
        rx[(0, 0)] *= unit;
        close("rx", &estimates.rx, &column_major(&rx), 1e-10);
    }
}

fn column_major(m: &Mat<f64>) -> Vec<f64> {
    (0..m.ncols())
        .flat_map(|j| {
            (0..m.nrows()).map(move |i| if i <= j { m[(i, j)] } else { 0.0 })
        })
        .collect()
}

// In a balanced one-way layout the maximum likelihood estimate has a closed form.
#[test]
fn balanced_one_way_has_its_closed_form() {
    let mut random = Random::new(7);
    let (groups, per) = (12usize, 5usize);
    let refs: Vec<i32> =
        (0..groups * per).map(|i| (i / per) as i32 + 1).collect();
    let mut data = Data::new(&mut random, groups * per, 1);
    let effects: Vec<f64> =
        (0..groups).map(|_| 2.0 * random.normal()).collect();
    for (y, r) in data.y.iter_mut().zip(&refs) {
        *y += effects[*r as usize - 1];
    }
    let data = data.with_term(&mut random, refs.clone(), &[(Unstructured, 1)]);
    let mean = data.y.iter().sum::<f64>() / data.n() as f64;
    let means: Vec<f64> = data
        .y
        .chunks(per)
        .map(|g| g.iter().sum::<f64>() / per as f64)
        .collect();
    let within: f64 = data
        .y
        .iter()
        .zip(&refs)
        .map(|(y, r)| (y - means[*r as usize - 1]).powi(2))
        .sum();
    let between: f64 =
        means.iter().map(|m| per as f64 * (m - mean).powi(2)).sum();
    let sigma2 = within / (groups * (per - 1)) as f64;
    for (criterion, df) in [
        (Criterion::Ml, groups as f64),
        (Criterion::Reml, groups as f64 - 1.0),
    ] {
        let variance = (between / df - sigma2) / per as f64;
        let theta = (variance / sigma2).sqrt();
        let mut model =
            LinearMixedModel::new(&data.design(), criterion, None).unwrap();
        let point = model.at(&[theta]).unwrap();
        let at = point.objective();
        close("sigma", &[point.sigma()], &[sigma2.sqrt()], 1e-12);
        assert!(at <= model.objective(&[theta * 1.001]).unwrap());
        assert!(at <= model.objective(&[theta * 0.999]).unwrap());
    }
}
