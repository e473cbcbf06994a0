//! The stages of a fit: a fast one over the covariance parameters, a last one over all parameters,
//! and the minimisers of both.

use super::search::Search;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::error::Result;
use crate::glmm::vary::Vary;
use crate::optimize::bfgs::{self, BfgsSummary};
use crate::optimize::{Observer, OptSummary, Settings, NEWTON};
use crate::tolerances::{
    FAST_GAIN, FIRST_STEP_HIGH, FIRST_STEP_LOW, NOISE_SHARE, NUDGE, ROUGH_GAIN,
    SYMMETRIC,
};

impl GeneralizedLinearMixedModel {
    /// The search over theta and the shape, in which PIRLS finds the fixed effects, by Laplace's
    /// approximation even if the last stage uses quadrature.
    pub(super) fn fast_stage(
        &mut self,
        start: &[f64],
        settings: &Settings,
        observe: &mut Observer,
    ) -> Result<BfgsSummary> {
        let rule = self.rule.take();
        self.pirls.set_theta(&start[..self.n_theta()]);
        let inverse = self.inverse_guess(Vary::Jointly);
        let gain = match self.is_iterative() {
            true => ROUGH_GAIN,
            false => FAST_GAIN,
        };
        let stage =
            self.bfgs(settings, gain, Vary::Jointly, start, inverse, observe);
        self.rule = rule;
        stage
    }

    /// The search over all parameters, from the end of the fast stage.
    pub(super) fn last_stage(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        learnt: Option<&[f64]>,
        observe: &mut Observer,
    ) -> Result<(BfgsSummary, String)> {
        let mut parameters = self.last_start(fit, start)?;
        let inverse = self.inverse_with(fit.vary, start.len(), learnt);
        if fit.beta.is_empty() {
            self.leave_symmetry(fit.vary, &mut parameters, &inverse);
        }
        let mut settings = fit.settings.clone();
        if settings.optimizer == bfgs::NAME
            && self.is_bounded(fit.vary, &parameters)
        {
            settings.optimizer = NEWTON.into();
        }
        if settings.optimizer == bfgs::NAME {
            let gain = 0.01 * settings.ftol_abs;
            let found = self.bfgs(
                &settings,
                gain,
                fit.vary,
                &parameters,
                inverse,
                observe,
            )?;
            return Ok((found, settings.optimizer));
        }
        let n = parameters.len();
        if settings.optimizer != NEWTON && settings.initial_step.len() != n {
            settings.initial_step = first_steps(n, &inverse);
        }
        let found = BfgsSummary {
            summary: self.minimize(
                &settings,
                fit.vary,
                &parameters,
                observe,
            )?,
            gradient: Vec::new(),
            inverse,
        };
        Ok((found, settings.optimizer))
    }

    // The parameters at which the last stage starts. The objective is evaluated at the end of the
    // fast stage, so that R_X belongs to these parameters.
    fn last_start(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
    ) -> Result<Vec<f64>> {
        let modes = self.pirls.modes();
        let own = self.objective(Vary::Jointly, start);
        if fit.vary == Vary::Modes && !fit.beta.is_empty() {
            if self.has_many_modes() {
                // The search goes on from the modes beside these fixed effects.
                self.pirls.restore_modes(&modes);
            }
            self.start_at(&fit.beta);
        }
        own?;
        Ok(self.parameters(fit.vary))
    }

    // Moves fixed effects of zero to a small share of their standard error. Where failures and
    // successes are each other's mirror image, no slope leads away from zero effects, and these may
    // be a saddle point.
    fn leave_symmetry(
        &self,
        vary: Vary,
        parameters: &mut [f64],
        inverse: &[f64],
    ) {
        if vary != Vary::Modes {
            return;
        }
        let (n, first) = (parameters.len(), self.n_theta());
        for j in first..first + self.pirls.beta.len() {
            let error = (2.0 * inverse[j * n + j]).sqrt();
            if parameters[j].abs() < SYMMETRIC * error {
                parameters[j] = NUDGE * error;
            }
        }
    }

    // Whether a free parameter has a bound, which BFGS does not support.
    fn is_bounded(&mut self, vary: Vary, parameters: &[f64]) -> bool {
        let search = Search::new(self, vary, parameters);
        search.at.is_bounded().contains(&true)
    }

    /// Minimises by BFGS. `inverse`, the summary's inverse and its points are in terms of all
    /// parameters. Where standard deviations end below zero without an equivalent point above it,
    /// they are held at zero, and the search goes on.
    pub(super) fn bfgs(
        &mut self,
        settings: &Settings,
        tolerance: f64,
        vary: Vary,
        start: &[f64],
        inverse: Vec<f64>,
        observe: &mut Observer,
    ) -> Result<BfgsSummary> {
        let (mut found, below) = self.bfgs_without_bounds(
            settings, tolerance, vary, start, inverse, observe,
        )?;
        if below.is_empty() {
            return Ok(found);
        }
        if found.summary.status.is_limit() {
            if let Ok(value) = self.objective(vary, &found.summary.best) {
                found.summary.best_value = value;
            }
            return Ok(found);
        }
        let held = self.held.clone();
        for j in below {
            self.held[j] = true;
        }
        let start = &found.summary.best;
        let inverse = found.inverse;
        let next =
            self.bfgs(settings, tolerance, vary, start, inverse, observe);
        self.held = held;
        let next = next?;
        Ok(BfgsSummary {
            summary: found.summary.followed_by(next.summary),
            ..next
        })
    }

    // Minimises by BFGS without bounds. Returns the search, and the parameters that ended below
    // their bound, which are zero in the result.
    fn bfgs_without_bounds(
        &mut self,
        settings: &Settings,
        tolerance: f64,
        vary: Vary,
        start: &[f64],
        mut inverse: Vec<f64>,
        observe: &mut Observer,
    ) -> Result<(BfgsSummary, Vec<usize>)> {
        let n = start.len();
        let natural = self.to_natural(vary);
        let tolerance = tolerance.max(NOISE_SHARE * self.search_noise());
        let mut search = Search::new(self, vary, start);
        let at = search.at.clone();
        let guess = block_of(n, &inverse, at.free());
        let mut see = |count: usize, value: f64, x: &[f64]| {
            let parameters = natural(&at.to_theta(x));
            observe(count, value, &parameters)
        };
        let x = at.start();
        let mut found = bfgs::minimize(
            settings,
            tolerance,
            &x,
            guess,
            &mut search,
            &mut see,
        )?;
        let below = at.below_bounds(&found.summary.best);
        at.make_canonical(&mut found.summary.best);
        set_block_of(n, &mut inverse, at.free(), &found.inverse);
        let found = BfgsSummary {
            summary: found.summary.mapped(|x| at.to_theta(x)),
            gradient: found.gradient,
            inverse,
        };
        Ok((found, below))
    }

    /// Minimises by another optimizer than BFGS.
    pub(super) fn minimize(
        &mut self,
        settings: &Settings,
        vary: Vary,
        start: &[f64],
        observe: &mut Observer,
    ) -> Result<OptSummary> {
        let natural = self.to_natural(vary);
        let mut search = Search::new(self, vary, start);
        let at = search.at.clone();
        at.minimize(settings, &mut search, &mut |count, value, x| {
            observe(count, value, &natural(x))
        })
    }

    // The estimate of the inverse Hessian, with the block of theta and the shape from the fast
    // stage.
    fn inverse_with(
        &mut self,
        vary: Vary,
        n_fast: usize,
        learnt: Option<&[f64]>,
    ) -> Vec<f64> {
        let mut inverse = self.inverse_guess(vary);
        let n = self.n_parameters(vary);
        for (at, value) in learnt.unwrap_or(&[]).iter().enumerate() {
            inverse[self.place(vary, at / n_fast) * n
                + self.place(vary, at % n_fast)] = *value;
        }
        inverse
    }
}

// The first step of a derivative-free optimizer in each parameter: about a standard error.
fn first_steps(n: usize, inverse: &[f64]) -> Vec<f64> {
    let diagonal = inverse.iter().step_by(n + 1);
    let step =
        |h: &f64| (2.0 * h).sqrt().clamp(FIRST_STEP_LOW, FIRST_STEP_HIGH);
    diagonal.map(step).collect()
}

// Rows and columns of an `n x n` matrix.
fn block_of(n: usize, matrix: &[f64], elements: &[usize]) -> Vec<f64> {
    let mut block = Vec::with_capacity(elements.len().pow(2));
    for &j in elements {
        block.extend(elements.iter().map(|&i| matrix[j * n + i]));
    }
    block
}

/// Overwrites rows and columns of an `n x n` matrix.
pub(super) fn set_block_of(
    n: usize,
    matrix: &mut [f64],
    elements: &[usize],
    block: &[f64],
) {
    for (&j, column) in elements
        .iter()
        .zip(block.chunks_exact(elements.len().max(1)))
    {
        for (&i, value) in elements.iter().zip(column) {
            matrix[j * n + i] = *value;
        }
    }
}
