//! Errors are returned to R as data: a list of class `rlmm_core_error`. No panic and no `Err` may
//! leave an exported function (extendr 0.9 would use its text as a format string).

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};

use extendr_api::prelude::*;
use rlmm_core::Error;

/// Runs the body of an exported function, and converts errors and panics.
pub fn guard(body: impl FnOnce() -> rlmm_core::Result<Robj>) -> Robj {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => error_list(&error),
        Err(panic) => condition("panic", &panic_message(panic.as_ref()), &[]),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "panic".into())
}

// Has one arm per variant, so that the compiler requires a kind for each new one.
fn error_list(error: &Error) -> Robj {
    let message = error.to_string();
    let int = |value: usize| Robj::from(value as f64);
    match error {
        Error::Dimension {
            what,
            expected,
            found,
        } => condition(
            "dimension",
            &message,
            &[
                ("what", Robj::from(*what)),
                ("expected", int(*expected)),
                ("found", int(*found)),
            ],
        ),
        Error::NonFinite { what, index } => condition(
            "non_finite",
            &message,
            &[("what", Robj::from(*what)), ("row", int(index + 1))],
        ),
        Error::Level { term, row, .. } => condition(
            "level",
            &message,
            &[("term", int(term + 1)), ("row", int(row + 1))],
        ),
        Error::Origin {
            term,
            column,
            beside,
        } => condition(
            "origin",
            &message,
            &[
                ("term", int(term + 1)),
                ("column", int(column + 1)),
                ("beside", Robj::from(beside.name())),
            ],
        ),
        Error::NegativeWeight { index } => {
            condition("negative_weight", &message, &[("row", int(index + 1))])
        }
        Error::TooFewObservations { n, p } => condition(
            "too_few_observations",
            &message,
            &[("n", int(*n)), ("p", int(*p))],
        ),
        Error::UnknownStructure { name } => condition(
            "unknown_structure",
            &message,
            &[("name", Robj::from(name.as_str()))],
        ),
        Error::Parameter {
            index,
            value,
            lower,
            upper,
        } => condition(
            "parameter",
            &message,
            &[
                ("index", int(index + 1)),
                ("value", Robj::from(*value)),
                ("lower", Robj::from(*lower)),
                ("upper", Robj::from(*upper)),
            ],
        ),
        Error::UnknownOptimizer { name } => condition(
            "unknown_optimizer",
            &message,
            &[("name", Robj::from(name.as_str()))],
        ),
        Error::UnknownFamily { name } => condition(
            "unknown_family",
            &message,
            &[("name", Robj::from(name.as_str()))],
        ),
        Error::UnknownLink { name } => condition(
            "unknown_link",
            &message,
            &[("name", Robj::from(name.as_str()))],
        ),
        Error::Response { index, value } => condition(
            "response",
            &message,
            &[("row", int(index + 1)), ("value", Robj::from(*value))],
        ),
        Error::PirlsDiverged {
            iteration,
            halvings,
            theta,
            beta,
        } => condition(
            "pirls",
            &message,
            &[
                ("iteration", int(*iteration)),
                ("halvings", int(*halvings)),
                ("theta", Robj::from(theta)),
                ("beta", Robj::from(beta)),
            ],
        ),
        Error::Quadrature {
            nodes,
            n_terms,
            vsize,
        } => condition(
            "quadrature",
            &message,
            &[
                ("nodes", int(*nodes)),
                ("n_terms", int(*n_terms)),
                ("vsize", int(*vsize)),
            ],
        ),
        Error::NotPositiveDefinite { pivot } => condition(
            "not_positive_definite",
            &message,
            &[("pivot", int(*pivot))],
        ),
        Error::ZeroResidual => condition("zero_residual", &message, &[]),
        Error::Interrupted => condition("interrupted", &message, &[]),
        Error::TooLarge { gib, free } => condition(
            "too_large",
            &message,
            &[("gib", Robj::from(*gib)), ("free", Robj::from(*free))],
        ),
        Error::NeedsFactor => condition("needs_factor", &message, &[]),
        Error::HessianTooLarge { gib } => condition(
            "hessian_too_large",
            &message,
            &[("gib", Robj::from(*gib))],
        ),
        Error::Optimizer { status } => condition(
            "optimizer",
            &message,
            &[("status", Robj::from(status.as_str()))],
        ),
    }
}

fn condition(kind: &str, message: &str, fields: &[(&str, Robj)]) -> Robj {
    let mut pairs = vec![
        ("kind", Robj::from(kind)),
        ("message", Robj::from(message.replace('\0', ""))),
    ];
    pairs.extend(fields.iter().cloned());
    let mut list = List::from_pairs(pairs);
    // Setting a class on a new list cannot fail.
    let _ = list.set_class(["rlmm_core_error"]);
    list.into_robj()
}
