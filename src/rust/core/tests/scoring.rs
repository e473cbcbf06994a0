//! Fisher scoring reaches the optimum of balanced data in one step, from any start; the closed form
//! is the analysis of variance.

mod common;

use common::{Data, Random};
use rlmm_core::covariance::Structure;
use rlmm_core::derivatives::HessianKind;
use rlmm_core::{Criterion, LinearMixedModel};

const GROUPS: usize = 12;
const EACH: usize = 7;

// y = (intercept and slope of the group) + noise, with the same covariate in each group.
fn balanced(effects: usize) -> Data {
    let mut random = Random::new(11);
    let n = GROUPS * EACH;
    let refs = (0..n).map(|i| (i / EACH) as i32 + 1).collect();
    let mut data = Data::new(&mut random, n, effects).with_term(
        &mut random,
        refs,
        &[(Structure::Unstructured, effects)],
    );
    let covariate = |i: usize| (i % EACH) as f64;
    let column = |j: usize, i: usize| if j == 0 { 1.0 } else { covariate(i) };
    data.x = (0..n * effects).map(|at| column(at / n, at % n)).collect();
    data.terms[0].z = (effects > 1).then(|| data.x.clone());
    let b: Vec<f64> = (0..GROUPS * 2).map(|_| 2.0 * random.normal()).collect();
    for i in 0..n {
        data.y[i] += b[2 * (i / EACH)]
            + if effects > 1 {
                b[2 * (i / EACH) + 1] * covariate(i)
            } else {
                0.0
            };
    }
    data
}

fn scored(data: &Data, start: &[f64]) -> Vec<f64> {
    let mut model =
        LinearMixedModel::new(&data.design(), Criterion::Reml, None).unwrap();
    let slopes = model.at(start).unwrap().slopes();
    slopes.hessian(HessianKind::Exact).scored().unwrap()
}

#[test]
fn one_step_gives_the_analysis_of_variance() {
    let data = balanced(1);
    let means: Vec<f64> = data
        .y
        .chunks(EACH)
        .map(|y| y.iter().sum::<f64>() / EACH as f64)
        .collect();
    let mean = means.iter().sum::<f64>() / GROUPS as f64;
    let between = EACH as f64
        * means.iter().map(|m| (m - mean).powi(2)).sum::<f64>()
        / (GROUPS - 1) as f64;
    let residual = |(i, y): (usize, &f64)| (y - means[i / EACH]).powi(2);
    let within = data.y.iter().enumerate().map(residual).sum::<f64>()
        / (GROUPS * (EACH - 1)) as f64;
    let theta = ((between - within) / (EACH as f64 * within)).sqrt();
    for start in [0.3, 1.0, 15.0] {
        let found = scored(&data, &[start])[0];
        assert!(
            (found / theta - 1.0).abs() < 1e-9,
            "from {start}: {found}, not {theta}"
        );
    }
}

// For random coefficients with X = Z the estimate is Omega = S_b / s^2 - (Z'Z)^-1, with S_b the
// covariance matrix of the least-squares lines.
#[test]
fn one_step_gives_the_moments_of_random_coefficients() {
    let data = balanced(2);
    let t: Vec<f64> = (0..EACH).map(|i| i as f64).collect();
    let (sum, squares) =
        (t.iter().sum::<f64>(), t.iter().map(|t| t * t).sum::<f64>());
    let det = EACH as f64 * squares - sum * sum;
    let inverse = [squares / det, -sum / det, EACH as f64 / det];
    let (mut lines, mut rss) = (Vec::new(), 0.0);
    for y in data.y.chunks(EACH) {
        let (y1, yt) = (
            y.iter().sum::<f64>(),
            y.iter().zip(&t).map(|(y, t)| y * t).sum::<f64>(),
        );
        let line = [
            inverse[0] * y1 + inverse[1] * yt,
            inverse[1] * y1 + inverse[2] * yt,
        ];
        rss += y
            .iter()
            .zip(&t)
            .map(|(y, t)| (y - line[0] - line[1] * t).powi(2))
            .sum::<f64>();
        lines.push(line);
    }
    let s2 = rss / (GROUPS * (EACH - 2)) as f64;
    let mean =
        [0, 1].map(|j| lines.iter().map(|l| l[j]).sum::<f64>() / GROUPS as f64);
    let omega = |i: usize, j: usize| {
        let sum: f64 = lines
            .iter()
            .map(|l| (l[i] - mean[i]) * (l[j] - mean[j]))
            .sum();
        sum / ((GROUPS - 1) as f64 * s2) - inverse[i + j]
    };
    let first = omega(0, 0).sqrt();
    let second = omega(0, 1) / first;
    let theta = [first, second, (omega(1, 1) - second * second).sqrt()];
    for start in [[1.0, 0.0, 1.0], [0.2, 0.5, 3.0]] {
        for (found, theta) in scored(&data, &start).iter().zip(theta) {
            assert!(
                (found - theta).abs() < 1e-9 * (1.0 + theta.abs()),
                "from {start:?}: {found}, not {theta}"
            );
        }
    }
}

#[test]
fn proposal_is_positive_definite_where_the_moments_are_not() {
    let mut data = balanced(2);
    // There are no slopes, and less variation between the groups than within.
    let mut random = Random::new(12);
    data.y.iter_mut().for_each(|y| *y = random.normal());
    for chunk in data.y.chunks_mut(EACH) {
        let mean = chunk.iter().sum::<f64>() / EACH as f64;
        chunk.iter_mut().for_each(|y| *y -= mean);
    }
    let theta = scored(&data, &[1.0, 0.0, 1.0]);
    assert!(
        theta[0] > 0.0 && theta[2] > 0.0 && theta.iter().all(|t| t.is_finite()),
        "{theta:?}"
    );
}
