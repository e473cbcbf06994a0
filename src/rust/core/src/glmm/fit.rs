//! Fitting: a fast stage over the covariance parameters, with the fixed effects found by PIRLS, then all parameters.

use super::{GeneralizedLinearMixedModel, Shape};
use crate::error::Result;
use crate::inference::selected_inverse::SelectedInverse;
use crate::optimize::bfgs::{self, BfgsSummary};
use crate::optimize::{self, Objective, Observer, OptSummary, Settings, Status};
use crate::pirls::Vary;

/// The fast stage need not be exact if another follows.
const FAST_TOLERANCE: f64 = 1e-3;
/// Shorter diagonals of Lambda count as zero.
const VANISHED: f64 = 1e-3;
/// What a longer one must gain.
const ESCAPE_GAIN: f64 = 1e-5;
/// Diagonals of Lambda up to here are tried at zero,
const NEAR_ZERO: f64 = 1e-2;
/// which may cost this much.
const SNAP_COST: f64 = 1e-7;
/// How often a longer one is tried.
const MAX_ESCAPES: usize = 5;

/// Where to start and how to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct FitSettings {
    /// Optimizer ([`bfgs::NAME`] or one of NLopt's) and limits; the limits hold for each stage.
    pub settings: Settings,
    /// Fixed effects in the end: found by PIRLS (lme4's `nAGQ = 0`), or as parameters.
    pub vary: Vary,
    /// Covariance parameters; empty: Lambda = I.
    pub theta: Vec<f64>,
    /// Fixed effects; empty: the fast stage finds them. Otherwise it is left out.
    pub beta: Vec<f64>,
}

/// The course of a fit. The model is left at the optimum.
#[derive(Debug, Clone, PartialEq)]
pub struct GlmmFit {
    /// The fast stage, if another followed.
    pub fast: Option<OptSummary>,
    /// The last stage.
    pub summary: OptSummary,
    /// Parameters, with the diagonals of Lambda not negative.
    pub parameters: Vec<f64>,
    /// Gradient there; empty if the optimizer did not need it.
    pub gradient: Vec<f64>,
    /// PIRLS iterations in all.
    pub iterations: usize,
}

impl GeneralizedLinearMixedModel {
    /// Fits the model.
    ///
    /// # Errors
    /// Those of [`Self::objective`] at the start; `UnknownOptimizer`, `Optimizer`.
    pub fn fit(&mut self, fit: &FitSettings, observe: &mut Observer) -> Result<GlmmFit> {
        let mut start = if fit.theta.is_empty() { self.start_theta.clone() } else { fit.theta.clone() };
        if let (true, Shape::Estimated(shape)) = (self.shape_is_estimated(), self.options.shape) {
            start.push(shape.ln());
        }
        let two_stages = fit.vary == Vary::Modes && fit.beta.is_empty() && !self.pirls.beta.is_empty();
        if !fit.beta.is_empty() {
            self.pirls.beta.clone_from(&fit.beta);
        }
        let mut fast = None;
        let mut learnt = None;
        if two_stages {
            let rule = self.rule.take();
            let stage = self.fast_stage(&start, &fit.settings, observe);
            self.rule = rule;
            let stage = stage?;
            start.clone_from(&stage.summary.best);
            learnt = Some(stage.inverse);
            fast = Some(stage.summary);
        }
        let last = self.last_stage(fit, &start, learnt, observe)?;
        let mut parameters = self.rectified(&last.summary.best);
        self.pirls.reset();
        let reached = self.objective(fit.vary, &parameters)?;
        self.snap_to_zero(fit.vary, reached, &mut parameters);
        self.pirls.reset();
        self.objective(fit.vary, &parameters)?;
        let iterations = self.pirls.iterations;
        Ok(GlmmFit { fast, summary: last.summary, parameters, gradient: last.gradient, iterations })
    }

    fn fast_stage(&mut self, start: &[f64], settings: &Settings, observe: &mut Observer) -> Result<BfgsSummary> {
        let n = start.len();
        let mut inverse = vec![0.0; n * n];
        self.guess(start).into_iter().enumerate().for_each(|(j, h)| inverse[j * n + j] = h);
        let mut search = Search { model: self, vary: Vary::Jointly };
        bfgs::minimize(settings, FAST_TOLERANCE, start, inverse, &mut search, observe)
    }

    fn last_stage(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        learnt: Option<Vec<f64>>,
        observe: &mut Observer,
    ) -> Result<BfgsSummary> {
        // Evaluated where the fast stage ended: R_X belongs to these parameters.
        let own = self.objective(Vary::Jointly, start);
        if fit.vary == Vary::Modes && !fit.beta.is_empty() {
            self.pirls.beta.clone_from(&fit.beta);
        }
        own?;
        let inverse = self.inverse_guess(fit.vary, start, learnt);
        let parameters = self.parameters(fit.vary);
        let tolerance = 0.1 * fit.settings.ftol_abs;
        if fit.settings.optimizer == bfgs::NAME {
            let mut search = Search { model: self, vary: fit.vary };
            let mut found =
                bfgs::minimize(&fit.settings, tolerance, &parameters, inverse.clone(), &mut search, observe)?;
            for _ in 0..MAX_ESCAPES {
                let Some(start) = self.way_out(fit.vary, &found.summary) else { break };
                let mut search = Search { model: self, vary: fit.vary };
                let next = bfgs::minimize(&fit.settings, tolerance, &start, inverse.clone(), &mut search, observe)?;
                found = continued(found, next);
            }
            return Ok(found);
        }
        let mut lower = self.lower.clone();
        lower.resize(parameters.len(), f64::NEG_INFINITY);
        let mut settings = fit.settings.clone();
        if settings.initial_step.len() != parameters.len() {
            let diagonal = inverse.iter().step_by(parameters.len() + 1);
            settings.initial_step = diagonal.map(|h| (2.0 * h).sqrt().clamp(1e-3, 0.75)).collect();
        }
        let mut search = Search { model: self, vary: fit.vary };
        let mut see = |count: usize, value: f64, x: &[f64]| observe(count, value, x);
        let summary = optimize::minimize(&settings, &parameters, &lower, &mut search, &mut see)?;
        Ok(BfgsSummary { summary, gradient: Vec::new(), inverse })
    }

    // The gradient vanishes wherever a column of Lambda does, be it a minimum or not: a better point with one of the
    // vanished columns a little longer.
    fn way_out(&mut self, vary: Vary, found: &OptSummary) -> Option<Vec<f64>> {
        if !matches!(found.status, Status::FtolReached | Status::RoundoffLimited) {
            return None;
        }
        let best = &found.best;
        let vanished = (0..self.n_theta()).filter(|&j| self.lower[j] == 0.0 && best[j].abs() < VANISHED);
        for j in vanished.collect::<Vec<_>>() {
            for length in [0.3, 0.05] {
                let mut x = best.clone();
                x[j] = length;
                let mut search = Search { model: self, vary };
                if search.value(&x).is_ok_and(|value| value < found.best_value - ESCAPE_GAIN) {
                    return Some(x);
                }
            }
        }
        None
    }

    // A minimum at zero is flat: the search ends near it. Zero itself is taken if it is as good.
    fn snap_to_zero(&mut self, vary: Vary, reached: f64, parameters: &mut [f64]) {
        for j in 0..self.n_theta() {
            if self.lower[j] != 0.0 || parameters[j] == 0.0 || parameters[j] > NEAR_ZERO {
                continue;
            }
            let length = std::mem::take(&mut parameters[j]);
            if !self.objective(vary, parameters).is_ok_and(|value| value <= reached + SNAP_COST) {
                parameters[j] = length;
            }
        }
    }

    // Inverse Hessian of the objective in theta and the shape, roughly: a variance component is known up to a share
    // of 1 / (2 levels).
    fn guess(&self, start: &[f64]) -> Vec<f64> {
        // The shape: its logarithm has a variance of about 2 / n.
        let mut guess = vec![1.0 / self.n_eff as f64; start.len()];
        for (cov, u) in self.covs.iter().zip(&self.pirls.u) {
            let levels = (u.len() / cov.vsize()) as f64;
            cov.for_each_parameter(|_, _, index| {
                guess[index] = 1.5 * start[index].abs().max(0.3).powi(2) / (4.0 * levels);
            });
        }
        guess
    }

    // The same for all parameters: what the fast stage has learnt, and (X'V^-1X)^-1 / 2 for the fixed effects.
    fn inverse_guess(&self, vary: Vary, start: &[f64], learnt: Option<Vec<f64>>) -> Vec<f64> {
        let (n, n_theta, n_fast) = (self.n_parameters(vary), self.n_theta(), start.len());
        let p = if vary == Vary::Modes { self.pirls.beta.len() } else { 0 };
        let mut inverse = vec![0.0; n * n];
        // Theta comes before beta, the shape behind it.
        let place = |j: usize| if j < n_theta { j } else { j + p };
        let guess = self.guess(start);
        for j in 0..n_fast {
            for i in 0..n_fast {
                let diagonal = if i == j { guess[j] } else { 0.0 };
                inverse[place(j) * n + place(i)] = learnt.as_ref().map_or(diagonal, |h| h[j * n_fast + i]);
            }
        }
        if p > 0 {
            let c_xx = SelectedInverse::new(self.pirls.pls(Vary::Jointly)).c_xx;
            for j in 0..p {
                (0..p).for_each(|i| inverse[(n_theta + j) * n + n_theta + i] = 0.5 * c_xx[j * p + i]);
            }
        }
        inverse
    }

    // Lambda and Lambda with the sign of a column changed give the same model.
    fn rectified(&self, parameters: &[f64]) -> Vec<f64> {
        let mut rectified = parameters.to_vec();
        for cov in &self.covs {
            let mut negative = vec![false; cov.vsize()];
            cov.for_each_parameter(|row, column, index| {
                if row == column {
                    negative[column] = parameters[index] < 0.0;
                }
            });
            cov.for_each_parameter(|_, column, index| {
                if negative[column] {
                    rectified[index] = -parameters[index];
                }
            });
        }
        rectified
    }

    /// Hessian of the objective in all parameters (theta, beta, shape), by central differences of the exact gradient;
    /// symmetric, column by column. Twice its inverse is the covariance of the estimates.
    ///
    /// # Errors
    /// Those of [`Self::objective`].
    pub fn hessian(&mut self, parameters: &[f64]) -> Result<Vec<f64>> {
        let n = parameters.len();
        let tolerance = self.pirls.tolerance;
        self.pirls.tolerance.decrement = tolerance.decrement.min(1e-13);
        let fast: Vec<f64> =
            parameters[..self.n_theta()].iter().chain(&parameters[n - self.shape_count()..]).copied().collect();
        self.objective(Vary::Jointly, &fast)?;
        let inverse = self.inverse_guess(Vary::Modes, &fast, None);
        let mut hessian = vec![0.0; n * n];
        let (mut up, mut down) = (vec![0.0; n], vec![0.0; n]);
        for j in 0..n {
            let h = 1e-3 * (2.0 * inverse[j * n + j]).sqrt();
            for (sign, gradient) in [(1.0, &mut up), (-1.0, &mut down)] {
                let mut x = parameters.to_vec();
                x[j] += sign * h;
                self.objective(Vary::Modes, &x)?;
                self.gradient(Vary::Modes, gradient)?;
            }
            (0..n).for_each(|i| hessian[j * n + i] = (up[i] - down[i]) / (2.0 * h));
        }
        for j in 0..n {
            for i in 0..j {
                let mean = 0.5 * (hessian[j * n + i] + hessian[i * n + j]);
                (hessian[j * n + i], hessian[i * n + j]) = (mean, mean);
            }
        }
        self.pirls.tolerance = tolerance;
        Ok(hessian)
    }

    fn shape_count(&self) -> usize {
        usize::from(self.shape_is_estimated())
    }
}

// Two searches, one after the other.
fn continued(first: BfgsSummary, mut second: BfgsSummary) -> BfgsSummary {
    let mut log = first.summary.log;
    log.append(&mut second.summary.log);
    let (initial, initial_value) = (first.summary.initial, first.summary.initial_value);
    second.summary = OptSummary { initial, initial_value, log, ..second.summary };
    second
}

// The model as a function of its parameters, for the optimizers.
struct Search<'a> {
    model: &'a mut GeneralizedLinearMixedModel,
    vary: Vary,
}

impl Objective for Search<'_> {
    fn value(&mut self, x: &[f64]) -> Result<f64> {
        let beta = self.model.pirls.beta.clone();
        let value = self.model.objective(self.vary, x);
        if !value.as_ref().is_ok_and(|v| v.is_finite()) {
            // Don't let the next point start from a failed search.
            self.model.pirls.reset();
            self.model.pirls.beta = beta;
        }
        value
    }

    fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
        self.model.gradient(self.vary, gradient)
    }
}
