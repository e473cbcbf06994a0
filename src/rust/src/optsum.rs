//! The record of an optimisation as R gets it: see `optsum` in SPEC.md.

use extendr_api::prelude::*;
use rlmm_core::covariance::WayOut;
use rlmm_core::judge::Certificate;
use rlmm_core::optimize::{bfgs, OptSummary, NEWTON};

use crate::convert::{array, list, Pairs};

/// Course of a search, without the verdict.
pub fn course(summary: &OptSummary, optimizer: &str, lower: &[f64]) -> Pairs {
    let (rows, columns) = (summary.log.len(), summary.initial.len() + 1);
    let mut log = vec![0.0; rows * columns];
    for (i, (value, x)) in summary.log.iter().enumerate() {
        log[i] = *value;
        x.iter()
            .enumerate()
            .for_each(|(j, v)| log[(j + 1) * rows + i] = *v);
    }
    vec![
        ("initial", Robj::from(&summary.initial)),
        ("finitial", Robj::from(summary.initial_value)),
        ("final", Robj::from(&summary.best)),
        ("fmin", Robj::from(summary.best_value)),
        ("feval", Robj::from(rows as i32)),
        ("optimizer", Robj::from(optimizer)),
        (
            "backend",
            Robj::from(if [NEWTON, bfgs::NAME].contains(&optimizer) {
                "rlmm"
            } else {
                "NLopt"
            }),
        ),
        ("status", Robj::from(summary.status.name())),
        ("lower", Robj::from(lower)),
        ("initial_step", Robj::from(&summary.initial_step)),
        ("fitlog", array(&log, &[rows, columns])),
    ]
}

/// The verdict and the gradient that it rests on.
pub fn verdict(certificate: &Certificate) -> Pairs {
    vec![
        ("gradient", Robj::from(&certificate.gradient)),
        ("certificate", certificate_list(certificate)),
    ]
}

/// One entry of `parts` for each part of each core term.
pub fn certificate_list(certificate: &Certificate) -> Robj {
    let part = |way: &WayOut| {
        list(vec![
            ("term", Robj::from(way.term as i32 + 1)),
            ("part", Robj::from(way.part as i32 + 1)),
            ("lambda_min", Robj::from(way.lambda_min)),
            ("direction", Robj::from(way.direction())),
            ("gain", Robj::from(way.gain)),
        ])
    };
    list(vec![
        ("verdict", Robj::from(certificate.verdict.name())),
        (
            "predicted_decrease",
            Robj::from(certificate.predicted_decrease),
        ),
        ("gradient_norm", Robj::from(certificate.gradient_norm)),
        ("curvatures", Robj::from(&certificate.curvatures)),
        ("hessian", Robj::from(certificate.kind.name())),
        (
            "suspects",
            Robj::from(
                certificate
                    .suspects
                    .iter()
                    .map(|&j| j as i32 + 1)
                    .collect::<Vec<i32>>(),
            ),
        ),
        (
            "parts",
            List::from_values(certificate.ways_out.iter().map(part)).into_robj(),
        ),
    ])
}
