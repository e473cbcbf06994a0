//! Tolerances and limits of a search.

use super::NEWTON;
use crate::tolerances::{FTOL_ABS, FTOL_REL, XTOL_ABS};

/// Tolerances and limits, with the names of NLopt.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name of the optimizer: [`NEWTON`], or one of NLopt's, for example `LN_BOBYQA`.
    pub optimizer: String,
    /// Relative change of the objective below which the search stops.
    pub ftol_rel: f64,
    /// Absolute change of the objective below which the search stops.
    pub ftol_abs: f64,
    /// Relative change of all parameters below which the search stops.
    pub xtol_rel: f64,
    /// Absolute change of each parameter below which the search stops.
    pub xtol_abs: f64,
    /// First step of each parameter; if empty, chosen by the optimizer.
    pub initial_step: Vec<f64>,
    /// Largest number of evaluations; 0 for no limit.
    pub max_eval: usize,
    /// Largest number of seconds; 0 for no limit.
    pub max_time: f64,
}

impl Settings {
    /// These settings with at most `most` evaluations.
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

    /// Whether more than `most` evaluations are allowed, so that a search limited to `most` was not
    /// stopped by the user's limit.
    pub fn allow_more_than(&self, most: usize) -> bool {
        self.max_eval == 0 || most < self.max_eval
    }
}

/// The given start of a search or, if it is empty, the model's default.
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
