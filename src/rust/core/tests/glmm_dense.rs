//! The Laplace deviance of every storage against dense algebra: the modes by plain Newton steps,
//! `log |H|` from a dense factor. Gradients by differences.

mod common;

use common::{dense_z_lambda, random_levels, Data, Random};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use rlmm_core::covariance::Structure::Unstructured;
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::pirls::Vary;
use rlmm_core::glmm::{GeneralizedLinearMixedModel, Options};

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

// Levels nested in one another, `sizes` from the most levels to the fewest.
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
