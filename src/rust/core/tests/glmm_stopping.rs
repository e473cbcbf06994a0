//! Requests to stop: they end every part of a fit, and derivatives, within a few evaluations.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use common::{random_levels, Data, Random};
use rlmm_core::covariance::Structure::Unstructured;
use rlmm_core::glmm::families::response::Information;
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::{
    FitSettings, GeneralizedLinearMixedModel, GlmmFit, Options, Shape, Vary,
};
use rlmm_core::optimize::{bfgs, Flow, Settings, Status, StopRequest};
use rlmm_core::{Error, Result};

/// Largest number of times that a fit asks after the request was made.
const MOST_AFTER: usize = 60;
/// Number of different moments of the request.
const MOMENTS: usize = 40;

/// A request that is made when a computation asks for the last time before `moment`.
#[derive(Debug)]
struct AtQuestion {
    moment: usize,
    asked: AtomicUsize,
}

impl AtQuestion {
    fn new(moment: usize) -> Arc<Self> {
        let asked = AtomicUsize::new(0);
        Arc::new(Self { moment, asked })
    }
}

impl StopRequest for AtQuestion {
    fn is_made(&self) -> bool {
        self.asked.fetch_add(1, Relaxed) >= self.moment
    }
}

// Forty binary responses, for which other starts are tried.
fn few_responses() -> Data {
    let mut random = Random::new(5);
    let levels = random_levels(&mut random, 40, 6);
    let mut data = Data::new(&mut random, 40, 2).with_term(
        &mut random,
        levels,
        &[(Unstructured, 2)],
    );
    for y in &mut data.y {
        *y = f64::from(*y > 100.3);
    }
    data
}

fn model_of(data: &Data) -> GeneralizedLinearMixedModel {
    let options = Options {
        information: Information::Observed,
        shape: Shape::Known(1.0),
        nodes: 1,
    };
    let design = data.design();
    let (family, link) = (Family::Binomial, Link::Probit);
    GeneralizedLinearMixedModel::new(&design, family, link, options).unwrap()
}

fn fit(model: &mut GeneralizedLinearMixedModel) -> Result<GlmmFit> {
    let settings = FitSettings {
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
    model.fit(&settings, &mut |_, _, _| Flow::Continue)
}

#[test]
fn a_request_ends_every_part_of_a_fit() {
    let data = few_responses();
    let never = AtQuestion::new(usize::MAX);
    let mut model = model_of(&data);
    model.heed(never.clone());
    let whole = fit(&mut model).unwrap();
    assert!(whole.certificate.is_some());
    let asked = never.asked.load(Relaxed);
    assert!(asked > whole.summary.log.len() + 100);
    for moment in (0..MOMENTS).map(|k| k * asked / MOMENTS) {
        let request = AtQuestion::new(moment);
        let mut model = model_of(&data);
        model.heed(request.clone());
        let found = fit(&mut model).unwrap();
        assert_eq!(found.summary.status, Status::Interrupted);
        assert!(found.summary.best_value.is_finite());
        let after = request.asked.load(Relaxed) - moment;
        assert!(after < MOST_AFTER, "{after} questions after {moment}");
    }
}

#[test]
fn a_request_ends_derivatives_without_a_result() {
    let data = few_responses();
    let mut model = model_of(&data);
    let found = fit(&mut model).unwrap();
    let parameters = model.centred(Vary::Modes, &found.parameters).unwrap();
    assert!(model.hessian(&parameters).is_ok());
    for moment in 0..3 {
        model.heed(AtQuestion::new(moment));
        let hessian = model.hessian(&parameters);
        assert!(matches!(hessian, Err(Error::Interrupted)));
        model.heed(AtQuestion::new(moment));
        let judged = model.certificate(Vary::Modes, &parameters);
        assert!(matches!(judged, Err(Error::Interrupted)));
    }
}

#[test]
fn max_time_ends_a_fit_without_evaluations_that_an_observer_sees() {
    let data = few_responses();
    let mut model = model_of(&data);
    let settings = FitSettings {
        settings: Settings {
            optimizer: bfgs::NAME.into(),
            max_time: 1e-9,
            ..Settings::default()
        },
        vary: Vary::Modes,
        theta: Vec::new(),
        beta: Vec::new(),
        log_shape: None,
        x_coefficients: Vec::new(),
    };
    let found = model.fit(&settings, &mut |_, _, _| Flow::Continue).unwrap();
    assert_eq!(found.summary.status, Status::MaxTime);
    assert!(found.certificate.is_none());
}
