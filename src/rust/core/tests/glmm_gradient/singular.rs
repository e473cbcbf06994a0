//! Gradients where columns of Lambda are zero.

use crate::common::Random;
use crate::differences::{
    check, check_both, exact_model, free_shape, of_shape,
};
use crate::simulated::simulate;
use crate::ALL;
use rlmm_core::glmm::families::Family::{Binomial, Gamma};
use rlmm_core::glmm::families::Link::{Cloglog, Log, Logit};
use rlmm_core::glmm::Shape;
use rlmm_core::glmm::Vary;

// Tests every family and link with one or all columns of Lambda equal to zero.
#[test]
fn at_zero_variance() {
    for (index, (family, link)) in ALL.into_iter().enumerate() {
        let mut random = Random::new(300 + index as u64);
        let data = simulate(&mut random, family, link, &[(10, 2), (6, 1)]);
        let options = of_shape(free_shape(family, 0.8));
        check_both(&data, family, link, options, 0.0);
        if family.has_dispersion() {
            let options = of_shape(Shape::Profiled(70.0));
            check(&data, family, link, options, Vary::Modes, 0.0);
        }
    }
}

// At Lambda of rank one, the derivative of the objective in the variance along the direction of
// lambda_min is lambda_min.
#[test]
fn the_derivative_in_omega_at_a_singular_lambda() {
    let mut random = Random::new(11);
    for (family, link, shape) in [
        (Binomial, Logit, Shape::Known(1.0)),
        (Binomial, Cloglog, Shape::Known(1.0)),
        (Gamma, Log, Shape::Profiled(70.0)),
    ] {
        let data = simulate(&mut random, family, link, &[(12, 2), (6, 1)]);
        let options = of_shape(shape);
        for vary in [Vary::Modes, Vary::Jointly] {
            let design = data.design();
            let mut model = exact_model(&design, family, link, options);
            let mut at = model.parameters(vary);
            at[..4].copy_from_slice(&[0.4, 0.2, 0.0, 0.0]);
            let (certificate, _) = model.certificate(vary, &at).unwrap();
            for (way, theta) in certificate
                .descent_directions
                .iter()
                .zip([vec![0usize, 1, 2], vec![3]])
            {
                let cov = &design.terms[way.term].cov;
                let h = 1e-3;
                let mut along = |eps: f64| {
                    let mut x = at.clone();
                    cov.displace(way.part, eps, &way.change, &mut x);
                    assert!(eps < h || theta.iter().any(|&j| x[j] != at[j]));
                    model.objective(vary, &x).unwrap()
                };
                // The difference is one-sided, of fourth order in a small step, as Omega must
                // remain positive semi-definite.
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
