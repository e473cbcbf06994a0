//! Simulated data of each family, with suitable linear predictors.

use crate::common::{random_levels, Data, Random};
use rlmm_core::covariance::Structure::Unstructured;
use rlmm_core::glmm::families::{Family, Link};
use Family::{
    Binomial, Gamma, Gaussian, InverseGaussian, NegativeBinomial,
    NegativeBinomialLinear, Poisson,
};
use Link::{Cauchit, Cloglog, Identity, Inverse, Log, Logit, Probit, Sqrt};

// The region of eta: centre and spread of the fixed effects.
pub fn region(family: Family, link: Link) -> (f64, f64) {
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

pub fn simulate(
    random: &mut Random,
    family: Family,
    link: Link,
    sizes: &[(usize, usize)],
) -> Data {
    simulate_rows(80, random, (family, link), sizes)
}

pub fn simulate_rows(
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

pub fn respond(
    random: &mut Random,
    data: &mut Data,
    family: Family,
    link: Link,
) {
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
