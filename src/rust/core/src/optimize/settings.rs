//! Tolerances and limits of a search.

use super::NEWTON;
use crate::tolerances::{FTOL_ABS, FTOL_REL, XTOL_ABS};

/// Tolerances and limits, in NLopt's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name of the optimizer: [`NEWTON`], or NLopt's, for example `LN_BOBYQA`.
    pub optimizer: String,
    /// Stop when the objective changes relatively less.
    pub ftol_rel: f64,
    /// Stop when the objective changes less.
    pub ftol_abs: f64,
    /// Stop when all parameters change relatively less.
    pub xtol_rel: f64,
    /// Stop when each parameter changes less.
    pub xtol_abs: f64,
    /// First step of each parameter; empty: the optimizer's choice.
    pub initial_step: Vec<f64>,
    /// Most evaluations; 0: no limit.
    pub max_eval: usize,
    /// Most seconds; 0: no limit.
    pub max_time: f64,
}

impl Settings {
    /// These settings with so many evaluations at most.
    pub fn limited(&self, most: usize) -> Self {
        let max_eval = match self.allow_more_than(most) {
            true => most,
            false => self.max_eval,
        };
        Self {
            max_eval,
            ..self.clone()
        }
    }

    /// Whether they allow more evaluations than so many: then a search of so many at most meets our
    /// limit, not the user's.
    pub fn allow_more_than(&self, most: usize) -> bool {
        self.max_eval == 0 || most < self.max_eval
    }
}

/// The start of a search: the one that was given or, if it is empty, the model's default.
pub fn start_or_default(given: &[f64], default: &[f64]) -> Vec<f64> {
    if given.is_empty() {
        default.to_vec()
    } else {
        given.to_vec()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            optimizer: NEWTON.into(),
            ftol_rel: FTOL_REL,
            ftol_abs: FTOL_ABS,
            xtol_rel: 0.0,
            xtol_abs: XTOL_ABS,
            initial_step: Vec::new(),
            max_eval: 0,
            max_time: 0.0,
        }
    }
}
