//! Families and links compared with R's: `linkinv`, `mu.eta`, `variance`, `dev.resids` and the
//! densities of package stats (R 4.2.2, and MASS for the negative binomial); derivatives compared
//! with differences.

mod far;
mod reference;

use far::FAR;
use reference::REFERENCE;
use rlmm_core::glmm::families::{Family, Link};
use Family::{
    Binomial, Gamma, Gaussian, InverseGaussian, NegativeBinomial,
    NegativeBinomialLinear, Poisson,
};
use Link::{
    Cauchit, Cloglog, Identity, Inverse, InverseSquare, Log, Logit, Probit,
    Sqrt,
};

/// The prior weight, or the number of trials.
const W: f64 = 6.0;

fn response(family: Family) -> f64 {
    match family {
        Binomial => 2.0 / 6.0,
        Poisson | NegativeBinomial | NegativeBinomialLinear => 3.0,
        Gamma | InverseGaussian | Gaussian => 1.3,
    }
}

fn shape(family: Family) -> f64 {
    if family.has_dispersion() {
        0.7
    } else if family.has_shape() {
        2.5
    } else {
        1.0
    }
}

fn close(
    what: &str,
    at: (Family, Link, f64),
    found: f64,
    expected: f64,
    tolerance: f64,
) {
    assert!(
        (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{what} {at:?}: {found} {expected}"
    );
}

#[test]
fn agrees_with_r() {
    for (family, link, eta, mu, slope, variance, deviance, log_density) in
        REFERENCE
    {
        let (at, y, shape) =
            ((family, link, eta), response(family), shape(family));
        close("mu", at, link.mean(eta), mu, 1e-14);
        close("slope", at, link.mean_slope(eta), slope, 1e-14);
        close("eta", at, link.eta(mu), eta, 1e-12);
        close("variance", at, family.variance(mu, shape), variance, 1e-14);
        close(
            "deviance",
            at,
            family.deviance(y, W, mu, shape),
            deviance,
            1e-12,
        );
        let contribution = family.contribution(link, y, W, eta, shape);
        close(
            "density",
            at,
            contribution.log_lik + family.constant(y, W, shape),
            log_density,
            1e-12,
        );
        // The expected information is the weight of R's glm() over the dispersion.
        let dispersion = if family.has_dispersion() { shape } else { 1.0 };
        close(
            "weight",
            at,
            contribution.expected,
            W * slope * slope / variance / dispersion,
            1e-12,
        );
        // The likelihood equations of the family with linear variance are not those of a
        // quasi-likelihood.
        if family == NegativeBinomialLinear {
            continue;
        }
        close(
            "score",
            at,
            contribution.score,
            W * (y - mu) * slope / variance / dispersion,
            1e-12,
        );
    }
}

// A fourth-order difference.
fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 5e-4 * (x.abs() + 0.2);
    (8.0 * (f(x + h) - f(x - h)) - f(x + 2.0 * h) + f(x - 2.0 * h)) / (12.0 * h)
}

#[test]
fn derivatives_match_differences() {
    for (family, link, eta, ..) in REFERENCE {
        let (shape, at) = (shape(family), (family, link, eta));
        let responses = if family == Binomial {
            vec![0.0, 1.0 / 3.0, 1.0]
        } else {
            vec![response(family), 4.0]
        };
        for y in responses {
            let of = |eta: f64| family.contribution(link, y, W, eta, shape);
            close(
                "score",
                at,
                of(eta).score,
                slope(|x| of(x).log_lik, eta),
                1e-8,
            );
            close(
                "observed",
                at,
                of(eta).observed,
                -slope(|x| of(x).score, eta),
                1e-8,
            );
            close(
                "observed slope",
                at,
                of(eta).observed_slope,
                slope(|x| of(x).observed, eta),
                1e-8,
            );
            close(
                "expected slope",
                at,
                of(eta).expected_slope,
                slope(|x| of(x).expected, eta),
                1e-8,
            );
            let by_shape = |log: f64| {
                let c = family.contribution(link, y, W, eta, log.exp());
                (c.log_lik + family.constant(y, W, log.exp()), c)
            };
            let d = family.shape_derivatives(link, y, W, eta, shape);
            if family.has_shape() {
                let log = shape.ln();
                close(
                    "shape",
                    at,
                    d.log_lik,
                    slope(|x| by_shape(x).0, log),
                    1e-8,
                );
                close(
                    "shape score",
                    at,
                    d.score,
                    slope(|x| by_shape(x).1.score, log),
                    1e-8,
                );
                close(
                    "shape observed",
                    at,
                    d.observed,
                    slope(|x| by_shape(x).1.observed, log),
                    1e-8,
                );
                close(
                    "shape expected",
                    at,
                    d.expected,
                    slope(|x| by_shape(x).1.expected, log),
                    1e-8,
                );
            }
        }
    }
}

#[test]
fn linear_variance_at_extreme_linear_predictors() {
    for (phi, eta, y, log_density) in FAR {
        let family = NegativeBinomialLinear;
        let at = family.contribution(Log, y, 1.0, eta, phi);
        let found = at.log_lik + family.constant(y, 1.0, phi);
        close("density", (family, Log, eta), found, log_density, 1e-10);
        assert!(
            at.score.is_finite()
                && at.observed.is_finite()
                && at.observed_slope.is_finite()
        );
    }
}

// The reference values are R's dpois(y, eta^2) and dnbinom(y, mu = eta^2), also for -eta.
#[test]
fn square_roots_may_be_negative() {
    for family in [Poisson, NegativeBinomial] {
        for y in [0.0, 3.0] {
            let (plus, minus) = (
                family.contribution(Sqrt, y, W, 0.6, 2.5),
                family.contribution(Sqrt, y, W, -0.6, 2.5),
            );
            assert_eq!(
                (plus.log_lik, plus.score, plus.observed),
                (minus.log_lik, -minus.score, minus.observed)
            );
            assert_eq!(
                (plus.expected, plus.expected_slope),
                (minus.expected, -minus.expected_slope)
            );
        }
        for eta in [1e-9, 1e-200, 0.0, -0.0] {
            let near = family.contribution(Sqrt, 0.0, W, eta, 2.5);
            let at = (family, Sqrt, eta);
            close("at zero", at, near.observed, 2.0 * W, 1e-12);
            close("expected at zero", at, near.expected, 4.0 * W, 1e-12);
            assert!(near.log_lik.abs() < 1e-15 && near.score.abs() < 1e-7);
            assert!(near.observed_slope.is_finite());
        }
    }
}

// R bounds its means away from 0 and 1; here the log-likelihood continues to fall.
#[test]
fn binomial_tails() {
    for link in [Logit, Probit, Cloglog, Cauchit] {
        for eta in [-700.0f64, -36.0, 36.0, 400.0] {
            for y in [0.0, 0.5, 1.0] {
                let c = Binomial.contribution(link, y, 1.0, eta, 1.0);
                assert!(
                    c.score.is_finite()
                        && c.observed.is_finite()
                        && c.expected.is_finite(),
                    "{link:?} {eta} {c:?}"
                );
                assert!(
                    c.expected >= 0.0
                        && c.expected_slope.is_finite()
                        && c.observed_slope.is_finite()
                );
                assert!(
                    c.log_lik <= 0.0
                        && (c.log_lik.is_finite() || link == Cloglog),
                    "{link:?} {eta} {c:?}"
                );
            }
        }
    }
    let far = Binomial.contribution(Logit, 0.0, 1.0, 500.0, 1.0);
    assert_eq!((far.log_lik, far.score), (-500.0, -1.0));
}

#[test]
fn every_family_is_here() {
    let is_here =
        |family: &Family| REFERENCE.iter().any(|row| row.0 == *family);
    let absent: Vec<_> = Family::ALL.iter().filter(|f| !is_here(f)).collect();
    assert!(absent.is_empty(), "{absent:?} need rows in `REFERENCE`");
}

#[test]
fn names_of_r_are_known() {
    assert_eq!(
        Family::from_name("inverse.gaussian").unwrap(),
        InverseGaussian
    );
    assert!(Family::from_name("quasi").is_err());
    assert_eq!(Link::from_name("1/mu^2").unwrap(), InverseSquare);
    assert!(
        !Poisson.accepts(-1.0) && !Gamma.accepts(0.0) && !Binomial.accepts(1.1)
    );
}

#[test]
fn canonical_links_have_one_information() {
    for (family, link) in [
        (Binomial, Logit),
        (Poisson, Log),
        (Gamma, Inverse),
        (InverseGaussian, InverseSquare),
    ] {
        assert!(family.is_canonical(link));
        let c =
            family.contribution(link, response(family), W, 0.8, shape(family));
        close(
            "information",
            (family, link, 0.8),
            c.observed,
            c.expected,
            1e-12,
        );
    }
    assert!(
        !Poisson.is_canonical(Identity)
            && !Binomial.is_canonical(Cauchit)
            && !Gamma.is_canonical(Sqrt)
    );
}
