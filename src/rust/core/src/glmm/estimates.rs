//! What is known of a model at given parameters: the terms of the deviance, and the estimates.

/// The terms of the deviance at one set of parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// The objective, by Laplace's approximation or adaptive quadrature.
    pub objective: f64,
    /// `-2 log p(y | u~)`, including all constants.
    pub conditional: f64,
    /// `|u~|^2`.
    pub ussq: f64,
    /// `log |H|`.
    pub log_det_re: f64,
    /// The dispersion, or theta of the negative binomial.
    pub shape: f64,
}

/// The estimates at given parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct GlmmEstimates {
    /// The deviance and its terms.
    pub parts: Parts,
    /// Covariance parameters.
    pub theta: Vec<f64>,
    /// Fixed effects of the original columns of X, to which `R_X` belongs too.
    pub beta: Vec<f64>,
    /// Spherical conditional modes of each term: `vsize x n_levels`.
    pub u: Vec<Vec<f64>>,
    /// Conditional modes `b = Lambda u` of each term: `vsize x n_levels`.
    pub b: Vec<Vec<f64>>,
    /// Upper triangular `R_X` with `R_X'R_X = X'V^-1X` of the working linear model.
    pub rx: Vec<f64>,
    /// `log |R_X|^2`.
    pub log_det_fe: f64,
    /// Linear predictor of each observation.
    pub eta: Vec<f64>,
    /// Mean of each observation.
    pub mu: Vec<f64>,
    /// Working weight of each observation.
    pub weights: Vec<f64>,
    /// The sum of squared deviance residuals.
    pub deviance: f64,
    /// Pearson's statistic.
    pub pearson: f64,
    /// The residual standard deviation.
    pub sigma: Sigma,
}

/// The residual standard deviation, as reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigma {
    /// One for families without dispersion, the square root of the dispersion otherwise; for the
    /// moment estimate `sqrt((Pearson's statistic + |u|^2) / n)`, as in lme4.
    pub value: f64,
    /// Whether the covariance of the random effects is `sigma^2 Lambda Lambda'`; otherwise it is
    /// `Lambda Lambda'`.
    pub is_relative: bool,
}
