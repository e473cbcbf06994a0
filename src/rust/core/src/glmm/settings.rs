//! The settings of a fit of a generalized model.

use crate::glmm::vary::Vary;
use crate::optimize::bfgs;
use crate::optimize::{Settings, NEWTON};

/// Start, optimizer and limits of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct FitSettings {
    /// The optimizer ([`bfgs::NAME`], [`NEWTON`] or one of NLopt's) and its limits, which apply to
    /// each stage.
    pub settings: Settings,
    /// How the fixed effects are finally estimated: by PIRLS (lme4's `nAGQ = 0`), or as parameters
    /// of the objective.
    pub vary: Vary,
    /// The starting covariance parameters; if empty, Lambda = I.
    pub theta: Vec<f64>,
    /// The starting fixed effects of the original X, which skip the fast stage; if empty, the fast
    /// stage finds them.
    pub beta: Vec<f64>,
    /// The starting shape, on the logarithmic scale; if `None`, that of the model.
    pub log_shape: Option<f64>,
    /// C, column by column, if the columns of the original X are `X C'`; empty if they are X.
    pub x_coefficients: Vec<f64>,
}

impl FitSettings {
    /// Whether the search may be cut short after this number of evaluations of each stage: one of
    /// rlmm's own that isn't limited to fewer by the user.
    pub(super) fn allows(&self, most: usize) -> bool {
        let optimizer = self.settings.optimizer.as_str();
        let is_ours = [bfgs::NAME, NEWTON].contains(&optimizer);
        is_ours && self.settings.allow_more_than(most)
    }

    /// These settings with at most this number of evaluations of each stage.
    pub(super) fn limited(&self, most: usize) -> Self {
        Self {
            settings: self.settings.limited(most),
            ..self.clone()
        }
    }
}
