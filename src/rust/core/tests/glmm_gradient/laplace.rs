//! Gradients of Laplace's approximation.

use crate::common::{random_levels, Data, Random};
use crate::differences::{check, check_both, free_shape, of_shape, parameters};
use crate::simulated::{respond, simulate, simulate_rows};
use crate::ALL;
use rlmm_core::covariance::Structure::{
    Autoregressive, CompoundSymmetry, HomogeneousAutoregressive,
    HomogeneousCompoundSymmetry, Unstructured,
};
use rlmm_core::glmm::families::response::Information;
use rlmm_core::glmm::families::Family::{
    Binomial, Gamma, NegativeBinomial, Poisson,
};
use rlmm_core::glmm::families::Link::{Log, Logit, Probit};
use rlmm_core::glmm::Vary;
use rlmm_core::glmm::{GeneralizedLinearMixedModel, Options, Shape};
use rlmm_core::parallel::team::set_threads;

#[test]
fn laplace_of_every_family_and_link() {
    for (index, (family, link)) in ALL.into_iter().enumerate() {
        let mut random = Random::new(100 + index as u64);
        let data = simulate(&mut random, family, link, &[(12, 1), (5, 1)]);
        let shape = free_shape(family, 0.8);
        for information in [Information::Expected, Information::Observed] {
            for vary in [Vary::Modes, Vary::Jointly] {
                let options = Options {
                    information,
                    shape,
                    nodes: 1,
                };
                check(&data, family, link, options, vary, 1.0);
            }
        }
        if family.has_dispersion() {
            for shape in [Shape::Moment, Shape::Profiled(70.0)] {
                check_both(&data, family, link, of_shape(shape), 1.0);
            }
        }
    }
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
        let options = of_shape(free_shape(family, 2.0));
        for sizes in
            [&[(10, 2)][..], &[(9, 2), (6, 2), (4, 1)], &[(9, 3), (8, 1)]]
        {
            let data = simulate(&mut random, family, link, sizes);
            check_both(&data, family, link, options, 0.8);
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
            let options = of_shape(free_shape(family, 0.5));
            check_both(&data, family, link, options, 0.9);
            if family.has_dispersion() {
                let options = of_shape(Shape::Profiled(70.0));
                check(&data, family, link, options, Vary::Modes, 0.9);
            }
        }
    }
}

// There are enough rows for several threads.
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
