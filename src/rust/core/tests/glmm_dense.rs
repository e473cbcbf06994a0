//! The Laplace deviance of every storage compared with dense algebra: the modes by plain Newton
//! steps, `log |H|` from a dense factor. Gradients are compared with differences.

mod common;

use common::{dense_z_lambda, random_levels, Data, Random};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use rlmm_core::covariance::Structure::Unstructured;
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::Vary;
use rlmm_core::glmm::{
    FitSettings, GeneralizedLinearMixedModel, GlmmEstimates, Options,
};
use rlmm_core::judge::Verdict;
use rlmm_core::optimize::{bfgs, Flow, Settings};

// -2 log p(y | u) + |u|^2 + log |H| at the modes, for a canonical link.
fn dense_laplace(
    data: &Data,
    family: Family,
    link: Link,
    theta: &[f64],
    beta: &[f64],
) -> f64 {
    let design = data.design();
    let (n, p) = (data.n(), beta.len());
    let (z, lambda) = dense_z_lambda(&design, theta);
    let zl = &z * &lambda;
    let q = zl.ncols();
    let fixed: Vec<f64> = (0..n)
        .map(|i| (0..p).map(|j| data.x[j * n + i] * beta[j]).sum())
        .collect();
    let mut u = Mat::<f64>::zeros(q, 1);
    for step in 0.. {
        let random = &zl * &u;
        let at: Vec<_> = (0..n)
            .map(|i| {
                family.contribution(
                    link,
                    data.y[i],
                    design.weight(i),
                    fixed[i] + random[(i, 0)],
                    1.0,
                )
            })
            .collect();
        let score = Mat::from_fn(n, 1, |i, _| at[i].score);
        let weighted = Mat::from_fn(n, q, |i, j| at[i].observed * zl[(i, j)]);
        let mut h = zl.transpose() * &weighted;
        (0..q).for_each(|j| h[(j, j)] += 1.0);
        let llt = h.llt(Side::Lower).unwrap();
        let downhill = zl.transpose() * &score - &u;
        if step == 30 || downhill.norm_max() < 1e-10 {
            let log_lik: f64 = (0..n)
                .map(|i| {
                    at[i].log_lik
                        + family.constant(data.y[i], design.weight(i), 1.0)
                })
                .sum();
            let log_det: f64 = (0..q).map(|j| 2.0 * llt.L()[(j, j)].ln()).sum();
            return -2.0 * log_lik + u.squared_norm_l2() + log_det;
        }
        u += llt.solve(&downhill);
    }
    unreachable!()
}

// Nested levels, with `sizes` from the largest number of levels to the smallest.
fn nested(random: &mut Random, n: usize, sizes: &[(usize, usize)]) -> Data {
    let mut data = Data::new(random, n, 2);
    let finest = random_levels(random, n, sizes[0].0);
    for &(levels, k) in sizes {
        let refs = finest
            .iter()
            .map(|&l| (l - 1) * levels as i32 / sizes[0].0 as i32 + 1)
            .collect();
        data = data.with_term(random, refs, &[(Unstructured, k)]);
    }
    data
}

fn check(
    mut data: Data,
    random: &mut Random,
    family: Family,
    link: Link,
    is_sparse: bool,
) {
    let n = data.n();
    data.weights = Some((0..n).map(|_| 1.0 + random.below(3) as f64).collect());
    for i in 0..n {
        let eta = 0.3 + 0.5 * data.x[n + i];
        data.y[i] = match family {
            Family::Poisson => {
                (eta.exp() * (0.3 + 1.4 * random.uniform())).round()
            }
            _ => f64::from(u8::from(random.uniform() < link.mean(eta))),
        };
    }
    let design = data.design();
    let mut model = GeneralizedLinearMixedModel::new(
        &design,
        family,
        link,
        Options::default(),
    )
    .unwrap();
    assert_eq!(
        model.pirls().factor(Vary::Modes).unwrap().is_sparse(),
        is_sparse
    );
    let mut at: Vec<f64> = (0..model.n_theta())
        .map(|j| [0.7, -0.2, 0.5][j % 3])
        .collect();
    at.extend([0.25, 0.4]);
    let n_theta = model.n_theta();
    let expected =
        dense_laplace(&data, family, link, &at[..n_theta], &at[n_theta..]);
    let at = model.centred(Vary::Modes, &at).unwrap();
    let found = model.objective(Vary::Modes, &at).unwrap();
    assert!(
        (found - expected).abs() < 1e-9 * expected.abs(),
        "{found} {expected}"
    );
    let mut gradient = vec![0.0; at.len()];
    model.gradient(Vary::Modes, &mut gradient).unwrap();
    model.pirls_mut().tolerance.decrement = 1e-16;
    let size = gradient.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
    for j in 0..at.len() {
        let mut moved = |step: f64| {
            let mut x = at.clone();
            x[j] += step;
            model.objective(Vary::Modes, &x).unwrap()
        };
        let h = 1e-3;
        let difference = (8.0 * (moved(h) - moved(-h)) - moved(2.0 * h)
            + moved(-2.0 * h))
            / (12.0 * h);
        assert!(
            (difference - gradient[j]).abs() < 1e-6 * size,
            "[{j}]: {difference} {gradient:?}"
        );
    }
}

#[test]
fn nested_terms_in_sparse_storage() {
    for (family, link) in [
        (Family::Binomial, Link::Logit),
        (Family::Poisson, Link::Log),
    ] {
        let mut random = Random::new(1);
        let data = nested(&mut random, 460, &[(420, 1), (405, 1), (15, 1)]);
        check(data, &mut random, family, link, true);
    }
}

#[test]
fn nested_slopes_in_sparse_storage() {
    let mut random = Random::new(2);
    let data = nested(&mut random, 430, &[(410, 1), (202, 2), (12, 1)]);
    check(data, &mut random, Family::Binomial, Link::Logit, true);
}

#[test]
fn crossed_terms_in_dense_storage() {
    let mut random = Random::new(3);
    let mut data = Data::new(&mut random, 150, 2);
    for (levels, k) in [(20, 2), (8, 1), (5, 2)] {
        let refs = random_levels(&mut random, 150, levels);
        data = data.with_term(&mut random, refs, &[(Unstructured, k)]);
    }
    check(data, &mut random, Family::Poisson, Link::Log, false);
}

// The gradient `Lambda'Z'g - u` at the modes, for a model with dispersion one.
fn slope_at(
    data: &Data,
    family: Family,
    link: Link,
    at: &GlmmEstimates,
) -> f64 {
    let (z, lambda) = dense_z_lambda(&data.design(), &at.theta);
    let u: Vec<f64> = at.u.iter().flatten().copied().collect();
    let score = |i: usize| {
        family
            .contribution(link, data.y[i], 1.0, at.eta[i], 1.0)
            .score
    };
    let score = Mat::from_fn(data.n(), 1, |i, _| score(i));
    let u = Mat::from_fn(u.len(), 1, |i, _| u[i]);
    ((&z * &lambda).transpose() * &score - &u).norm_max()
}

// With responses of up to several times their mean, log-likelihoods are not concave in eta, and
// with expected weights PIRLS converges at a rate near one.
#[test]
fn newton_steps_find_modes_of_links_that_are_not_canonical() {
    for (family, link) in [
        (Family::Gaussian, Link::Log),
        (Family::InverseGaussian, Link::Log),
        (Family::Gaussian, Link::Inverse),
        (Family::Poisson, Link::Sqrt),
    ] {
        let mut random = Random::new(4);
        let refs = random_levels(&mut random, 60, 12);
        let mut data = Data::new(&mut random, 60, 1).with_term(
            &mut random,
            refs,
            &[(Unstructured, 2)],
        );
        for y in &mut data.y {
            *y = (3.0 * random.uniform() * random.uniform()).ceil();
        }
        let design = data.design();
        let options = Options::default();
        let mut model =
            GeneralizedLinearMixedModel::new(&design, family, link, options)
                .unwrap();
        let beta = if link == Link::Log { 0.4 } else { 1.2 };
        let at = [0.4, -0.2, 0.3, beta];
        let steps = model.trace(Vary::Modes, &at).unwrap().len();
        assert!(steps <= 12, "{family:?} {link:?}: {steps} steps");
        let found = model.estimates(Vary::Modes, &at).unwrap();
        let slope = slope_at(&data, family, link, &found);
        assert!(slope < 1e-9, "{family:?} {link:?}: {slope}");
    }
}

// At zero modes a linear predictor of 60 with a response of zero has a weight of 1e26, compared to
// which a block of three effects loses all digits.
#[test]
fn modes_are_found_where_weights_at_zero_are_huge() {
    let mut random = Random::new(5);
    let refs = random_levels(&mut random, 40, 5);
    let mut data = Data::new(&mut random, 40, 2).with_term(
        &mut random,
        refs,
        &[(Unstructured, 3)],
    );
    for i in 0..40 {
        data.x[40 + i] = (i % 5) as f64;
        data.y[i] = f64::from(u8::from(i % 3 == 0));
    }
    let design = data.design();
    let (family, link) = (Family::Binomial, Link::Cloglog);
    let options = Options::default();
    let mut model =
        GeneralizedLinearMixedModel::new(&design, family, link, options)
            .unwrap();
    let at = [90.0, 20.0, -30.0, 60.0, 9.0, 40.0, 0.5, 15.0];
    let at = model.centred(Vary::Modes, &at).unwrap();
    let found = model.estimates(Vary::Modes, &at).unwrap();
    let slope = slope_at(&data, family, link, &found);
    assert!(slope < 1e-7, "{slope}");
}

// A random slope of a covariate in other units has the same optimum, at about the same cost.
#[test]
fn units_of_covariates_cost_nothing() {
    let in_unit = |unit: f64| {
        let mut random = Random::new(6);
        let refs = random_levels(&mut random, 120, 10);
        let mut data = Data::new(&mut random, 120, 2).with_term(
            &mut random,
            refs,
            &[(Unstructured, 2)],
        );
        for y in &mut data.y {
            *y = (4.0 * random.uniform() * random.uniform()).floor();
        }
        let slopes = data.terms[0].z.as_mut().unwrap();
        slopes[120..].iter_mut().for_each(|z| *z *= unit);
        let design = data.design();
        let (family, link) = (Family::Poisson, Link::Log);
        let options = Options::default();
        let mut model =
            GeneralizedLinearMixedModel::new(&design, family, link, options)
                .unwrap();
        let fit = FitSettings {
            settings: Settings {
                optimizer: bfgs::NAME.into(),
                ..Settings::default()
            },
            vary: Vary::Modes,
            theta: Vec::new(),
            beta: Vec::new(),
            log_shape: None,
            x_coefficients: Vec::new(),
        };
        model.fit(&fit, &mut |_, _, _| Flow::Continue).unwrap()
    };
    let plain = in_unit(1.0);
    for unit in [1e-7, 1e7] {
        let other = in_unit(unit);
        let change = other.summary.best_value - plain.summary.best_value;
        assert!(change.abs() < 1e-6, "{unit}: {change}");
        let verdict = other.certificate.unwrap().verdict;
        assert_eq!(verdict, Verdict::Optimal, "{unit}");
        let steps = [plain.iterations, other.iterations];
        assert!(steps[1] < 2 * steps[0], "{unit}: {steps:?}");
    }
}
