//! The stages of a fit: a fast one over the covariance parameters, a last one over all of them, and
//! the minimizers that both use.

use super::fit::FitSettings;
use super::search::Search;
use super::GeneralizedLinearMixedModel;
use crate::error::Result;
use crate::glmm::vary::Vary;
use crate::optimize::bfgs::{self, BfgsSummary};
use crate::optimize::{Observer, OptSummary, Settings, NEWTON};
use crate::tolerances::{
    FAST_GAIN, FIRST_STEP_HIGH, FIRST_STEP_LOW, NOISE_SHARE, ROUGH_GAIN,
};

impl GeneralizedLinearMixedModel {
    /// The search over theta and the shape, where PIRLS finds the fixed effects; quadrature would
    /// only make it slower.
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

    /// Searches over all parameters, from where the fast stage ended.
    pub(super) fn last_stage(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        learnt: Option<&[f64]>,
        observe: &mut Observer,
    ) -> Result<(BfgsSummary, String)> {
        // Evaluated where the fast stage ended: R_X belongs to these parameters.
        let own = self.objective(Vary::Jointly, start);
        if fit.vary == Vary::Modes && !fit.beta.is_empty() {
            self.start_at(&fit.beta);
        }
        own?;
        let parameters = self.parameters(fit.vary);
        let inverse = self.inverse_with(fit.vary, start.len(), learnt);
        let mut settings = fit.settings.clone();
        if settings.optimizer == bfgs::NAME
            && self.is_bounded(fit.vary, &parameters)
        {
            settings.optimizer = NEWTON.into();
        }
        if settings.optimizer == bfgs::NAME {
            let gain = 0.1 * settings.ftol_abs;
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

    // Whether a free parameter has a bound, of which BFGS knows nothing.
    fn is_bounded(&mut self, vary: Vary, parameters: &[f64]) -> bool {
        let search = Search::new(self, vary, parameters);
        search.at.is_bounded().contains(&true)
    }

    /// Minimizes by BFGS. `inverse` and that of the summary are in all parameters, as the summary's
    /// points are.
    pub(super) fn bfgs(
        &mut self,
        settings: &Settings,
        tolerance: f64,
        vary: Vary,
        start: &[f64],
        mut inverse: Vec<f64>,
        observe: &mut Observer,
    ) -> Result<BfgsSummary> {
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
        at.make_canonical(&mut found.summary.best);
        set_block_of(n, &mut inverse, at.free(), &found.inverse);
        Ok(BfgsSummary {
            summary: found.summary.mapped(|x| at.to_theta(x)),
            gradient: found.gradient,
            inverse,
        })
    }

    /// Minimizes by an optimizer other than BFGS.
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

    // The guess at the inverse Hessian, with what the fast stage has learnt of theta and the shape.
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

// First step of a derivative-free optimizer in each parameter: about a standard error.
fn first_steps(n: usize, inverse: &[f64]) -> Vec<f64> {
    let diagonal = inverse.iter().step_by(n + 1);
    let step =
        |h: &f64| (2.0 * h).sqrt().clamp(FIRST_STEP_LOW, FIRST_STEP_HIGH);
    diagonal.map(step).collect()
}

// Rows and columns of the `n x n` matrix.
fn block_of(n: usize, matrix: &[f64], elements: &[usize]) -> Vec<f64> {
    let mut block = Vec::with_capacity(elements.len().pow(2));
    for &j in elements {
        block.extend(elements.iter().map(|&i| matrix[j * n + i]));
    }
    block
}

// Overwrites rows and columns of the `n x n` matrix.
fn set_block_of(
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
