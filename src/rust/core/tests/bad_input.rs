//! A valid design with one defect per test.

mod common;

use common::{random_levels, Data, Random};
use rlmm_core::covariance::Structure::Unstructured;
use rlmm_core::{Criterion, Error, LinearMixedModel};

fn valid() -> Data {
    let mut random = Random::new(11);
    let refs = random_levels(&mut random, 40, 5);
    Data::new(&mut random, 40, 2).with_term(
        &mut random,
        refs,
        &[(Unstructured, 2)],
    )
}

fn error_of(break_it: impl FnOnce(&mut Data)) -> Error {
    let mut data = valid();
    break_it(&mut data);
    LinearMixedModel::new(&data.design(), Criterion::Ml, None)
        .expect_err("the design is broken")
}

#[test]
fn lengths_are_checked() {
    let dimension = |e| matches!(e, Error::Dimension { .. });
    assert!(dimension(error_of(|d| d.weights = Some(vec![1.0; 39]))));
    assert!(dimension(error_of(|d| d.offset = Some(vec![1.0; 41]))));
    assert!(dimension(error_of(|d| d.terms[0].refs.truncate(39))));
    assert!(dimension(error_of(|d| d.x.truncate(79))));
    assert!(dimension(error_of(|d| d.terms[0].z = None)));
    assert!(dimension(error_of(|d| d.y.clear())));
}

#[test]
fn values_are_checked() {
    assert_eq!(
        error_of(|d| d.y[3] = f64::NAN),
        Error::NonFinite {
            what: "y",
            index: 3
        }
    );
    assert_eq!(
        error_of(|d| d.x[7] = f64::INFINITY),
        Error::NonFinite {
            what: "x",
            index: 7
        }
    );
    assert_eq!(
        error_of(|d| d.terms[0].z.as_mut().unwrap()[9] = f64::NAN),
        Error::NonFinite {
            what: "z",
            index: 9
        }
    );
    let mut weights = vec![1.0; 40];
    weights[5] = -1.0;
    assert_eq!(
        error_of(|d| d.weights = Some(weights)),
        Error::NegativeWeight { index: 5 }
    );
    assert!(matches!(
        error_of(|d| d.terms[0].refs[2] = 6),
        Error::Level {
            row: 2,
            level: 6,
            ..
        }
    ));
    assert!(matches!(
        error_of(|d| d.terms[0].refs[2] = i32::MIN),
        Error::Level { row: 2, .. }
    ));
}

#[test]
fn degenerate_models_are_errors() {
    assert!(matches!(
        error_of(|d| d.weights = Some(vec![0.0; 40])),
        Error::TooFewObservations { n: 0, p: 2 }
    ));
    let mut data = valid();
    data.y.fill(0.0);
    let mut model =
        LinearMixedModel::new(&data.design(), Criterion::Ml, None).unwrap();
    assert_eq!(model.objective(&[1.0, 0.0, 1.0]), Err(Error::ZeroResidual));
    let mut model =
        LinearMixedModel::new(&valid().design(), Criterion::Ml, None).unwrap();
    assert!(matches!(
        model.objective(&[1.0]),
        Err(Error::Dimension { what: "theta", .. })
    ));
    assert!(matches!(
        model.objective(&[1.0, f64::NAN, 1.0]),
        Err(Error::NonFinite { what: "theta", .. })
    ));
    // R handles collinear columns of X; the core must not return a number for them.
    let mut data = valid();
    let n = data.n();
    (0..n).for_each(|i| data.x[n + i] = 2.0);
    let mut model =
        LinearMixedModel::new(&data.design(), Criterion::Ml, None).unwrap();
    assert!(matches!(
        model.objective(&[1.0, 0.0, 1.0]),
        Err(Error::NotPositiveDefinite { .. })
    ));
}
