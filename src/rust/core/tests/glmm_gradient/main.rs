//! The exact gradient of every family and link compared with fourth-order differences.

#[path = "../common/mod.rs"]
mod common;
mod differences;
mod laplace;
mod merged;
mod quadrature;
mod simulated;
mod singular;

use rlmm_core::glmm::families::{Family, Link};
use Family::{
    Binomial, Gamma, Gaussian, InverseGaussian, NegativeBinomial,
    NegativeBinomialLinear, Poisson,
};
use Link::{
    Cauchit, Cloglog, Identity, Inverse, InverseSquare, Log, Logit, Probit,
    Sqrt,
};

// All links that R's families allow, and others that a user may specify.
const ALL: [(Family, Link); 34] = [
    (Binomial, Logit),
    (Binomial, Probit),
    (Binomial, Cloglog),
    (Binomial, Cauchit),
    (Binomial, Log),
    (Binomial, Identity),
    (Poisson, Log),
    (Poisson, Sqrt),
    (Poisson, Identity),
    (Gamma, Inverse),
    (Gamma, Log),
    (Gamma, Identity),
    (InverseGaussian, InverseSquare),
    (InverseGaussian, Log),
    (InverseGaussian, Inverse),
    (InverseGaussian, Identity),
    (Gaussian, Log),
    (Gaussian, Inverse),
    (Gaussian, Sqrt),
    (NegativeBinomial, Log),
    (NegativeBinomial, Sqrt),
    (NegativeBinomial, Identity),
    (Poisson, Inverse),
    (Gamma, Sqrt),
    (Gamma, InverseSquare),
    (InverseGaussian, Sqrt),
    (Gaussian, InverseSquare),
    (Gaussian, Logit),
    (Gaussian, Probit),
    (Gaussian, Cloglog),
    (Gaussian, Cauchit),
    (NegativeBinomialLinear, Log),
    (NegativeBinomialLinear, Sqrt),
    (NegativeBinomialLinear, Identity),
];

#[test]
fn every_family_is_here() {
    let is_here = |family: &Family| ALL.iter().any(|(own, _)| own == family);
    let absent: Vec<_> = Family::ALL.iter().filter(|f| !is_here(f)).collect();
    assert!(absent.is_empty(), "{absent:?} need rows in `ALL`");
}
