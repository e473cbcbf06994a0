//! Gradients of adaptive quadrature.

use crate::common::Random;
use crate::differences::{check, check_both, free_shape};
use crate::simulated::simulate;
use crate::ALL;
use rlmm_core::glmm::families::response::Information;
use rlmm_core::glmm::families::Family::{
    Binomial, Gamma, NegativeBinomial, Poisson,
};
use rlmm_core::glmm::families::Link::{Cauchit, Inverse, Log, Logit, Probit};
use rlmm_core::glmm::Options;
use rlmm_core::glmm::Vary;

#[test]
fn quadrature_of_every_family_and_link() {
    for (index, (family, link)) in ALL.into_iter().enumerate() {
        let mut random = Random::new(500 + index as u64);
        for (k, nodes) in [(1, 5), (2, 3)] {
            let data = simulate(&mut random, family, link, &[(10, k)]);
            let shape = free_shape(family, 0.8);
            for information in [Information::Expected, Information::Observed] {
                let options = Options {
                    information,
                    shape,
                    nodes,
                };
                check_both(&data, family, link, options, 0.9);
            }
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
            let options = Options {
                shape: free_shape(family, 0.5),
                nodes,
                ..Default::default()
            };
            check_both(&data, family, link, options, 0.9);
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
            let options = Options {
                shape: free_shape(family, 0.8),
                nodes: 3,
                ..Default::default()
            };
            check(&data, family, link, options, Vary::Modes, 0.0);
        }
    }
}
