//! The record of an optimisation for R: `optsum` in SPEC.md.

use extendr_api::prelude::*;
use rlmm_core::covariance::DescentDirection;
use rlmm_core::iterative::Noise;
use rlmm_core::judge::Certificate;
use rlmm_core::optimize::{bfgs, OptSummary, Optima, NEWTON};

use crate::values::{array, list, Pairs};

/// The course of a search, without the certificate.
pub fn course(summary: &OptSummary, optimizer: &str, lower: &[f64]) -> Pairs {
    let rows = summary.log.len();
    let columns = summary.initial.len() + 1;
    let mut log = vec![0.0; rows * columns];
    for (i, (value, x)) in summary.log.iter().enumerate() {
        log[i] = *value;
        for (j, v) in x.iter().enumerate() {
            log[(j + 1) * rows + i] = *v;
        }
    }
    let is_own = [NEWTON, bfgs::NAME].contains(&optimizer);
    let backend = if is_own { "rlmm" } else { "NLopt" };
    vec![
        ("initial", Robj::from(&summary.initial)),
        ("finitial", Robj::from(summary.initial_value)),
        ("final", Robj::from(&summary.best)),
        ("fmin", Robj::from(summary.best_value)),
        ("feval", Robj::from(rows as i32)),
        ("optimizer", Robj::from(optimizer)),
        ("backend", Robj::from(backend)),
        ("status", Robj::from(summary.status.name())),
        ("lower", Robj::from(lower)),
        ("initial_step", Robj::from(&summary.initial_step)),
        ("fitlog", array(&log, &[rows, columns])),
        ("random_starts", random_starts(&summary.optima)),
    ]
}

// How many searches from random starts there were, and where they ended; `NULL` without any.
fn random_starts(optima: &Optima) -> Robj {
    if optima.searches() == 0 {
        return Robj::from(());
    }
    list(vec![
        ("searches", Robj::from(optima.searches() as i32)),
        ("optima", Robj::from(optima.count() as i32)),
        ("undiscovered", Robj::from(optima.undiscovered())),
        ("improvements", Robj::from(optima.improvements() as i32)),
    ])
}

/// The certificate, and the gradient that it is based on.
pub fn verdict(certificate: &Certificate) -> Pairs {
    vec![
        ("gradient", Robj::from(&certificate.gradient)),
        ("certificate", certificate_list(certificate)),
    ]
}

/// One entry of `parts` for each part of each core term.
pub fn certificate_list(certificate: &Certificate) -> Robj {
    let part = |way: &DescentDirection| {
        list(vec![
            ("term", Robj::from(way.term as i32 + 1)),
            ("part", Robj::from(way.part as i32 + 1)),
            ("lambda_min", Robj::from(way.lambda_min)),
            ("direction", Robj::from(way.direction())),
            ("gain", Robj::from(way.gain)),
        ])
    };
    let suspects = certificate.suspects.iter();
    let suspects: Vec<i32> = suspects.map(|&j| j as i32 + 1).collect();
    let parts = certificate.descent_directions.iter().map(part);
    let predicted_decrease = Robj::from(certificate.predicted_decrease);
    list(vec![
        ("verdict", Robj::from(certificate.verdict.name())),
        ("predicted_decrease", predicted_decrease),
        ("gradient_norm", Robj::from(certificate.gradient_norm)),
        ("rounding", Robj::from(certificate.rounding)),
        ("curvatures", Robj::from(&certificate.curvatures)),
        ("hessian", Robj::from(certificate.kind.name())),
        ("suspects", Robj::from(suspects)),
        ("parts", List::from_values(parts).into_robj()),
    ])
}

/// What a fit says beside its optimum: the error of stochastic estimates, if it has some, and the
/// random effects (term, column) that are in the column space of X.
pub fn remarks(
    noise: Option<Noise>,
    redundant: &[(usize, usize)],
    n_terms: usize,
) -> Pairs {
    let mut pairs = Vec::new();
    if let Some(noise) = noise {
        pairs.push(("noise", noise_list(noise)));
    }
    if !redundant.is_empty() {
        pairs.push(("redundant", columns_by_term(redundant, n_terms)));
    }
    pairs
}

fn noise_list(noise: Noise) -> Robj {
    list(vec![
        ("excess", Robj::from(noise.excess)),
        ("loglik_se", Robj::from(noise.loglik_se)),
        ("probes", Robj::from(noise.probes as i32)),
        ("iterations", Robj::from(noise.iterations as i32)),
    ])
}

// The columns of each term, counted from one.
fn columns_by_term(effects: &[(usize, usize)], n_terms: usize) -> Robj {
    let of_term = |term: usize| -> Vec<i32> {
        let found = effects.iter().filter(|(t, _)| *t == term);
        found.map(|(_, column)| *column as i32 + 1).collect()
    };
    List::from_values((0..n_terms).map(of_term)).into_robj()
}
