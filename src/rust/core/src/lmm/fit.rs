//! Minimisation of the profiled deviance or REML criterion over theta, and the optimality
//! certificate.

use crate::error::{Beside, Error, Result};
use crate::judge::{judge, Certificate};
use crate::lmm::far_restarts::LEAST_SPREAD;
use crate::lmm::matrix_free::FEWEST;
use crate::lmm::search::Search;
use crate::lmm::LinearMixedModel;
use crate::optimize::{Observer, OptSummary, Settings, NEWTON};
use crate::tolerances::SIGMA_STEP;

impl LinearMixedModel {
    /// Minimises the criterion from `start`. From the default start Newton's method also searches
    /// from other correlations and without each standard deviation of a correlated structure, and
    /// restarts where other minima are likely.
    ///
    /// # Errors
    /// Fails as [`Self::at`] does at `start`; `UnknownOptimizer`, `Optimizer`; `Origin` if a
    /// covariate is so far from zero that rounding errors hide the minimum.
    pub fn fit(
        &mut self,
        start: &[f64],
        settings: &Settings,
        observe: &mut Observer,
    ) -> Result<OptSummary> {
        self.without_effects = None;
        self.set_search_probes(FEWEST);
        let mut start = start.to_vec();
        self.hold_redundant(&mut start);
        // A start chosen by the user is respected: no other start is tried.
        let is_default = self.is_default(&start);
        if is_default && settings.optimizer == NEWTON {
            self.keep_without_effects();
            let near = self.rough_optimum(&start, settings, observe);
            start = near.unwrap_or(start);
        }
        self.at(&start)?;
        let summary =
            self.search_from(&start, is_default, settings, observe)?;
        self.without_effects = None;
        let n = start.len();
        if let Some(log_sigma) = summary.best.get(n) {
            self.set_sigma(log_sigma.exp());
        }
        Ok(summary.mapped(|parameters| parameters[..n].to_vec()))
    }

    // Minimises over the parameters from `start`, with restarts if it is the default. Where a
    // covariance is held on the scale of the response the last parameter is log sigma.
    fn search_from(
        &mut self,
        start: &[f64],
        is_default: bool,
        settings: &Settings,
        observe: &mut Observer,
    ) -> Result<OptSummary> {
        let n = start.len();
        let mut settings = settings.clone();
        if settings.initial_step.len() == n && !self.domain.absolute.is_empty()
        {
            settings.initial_step.push(SIGMA_STEP);
        }
        let mut search = Search::new(self, start)?;
        let at = search.at.clone();
        let mut see = |count: usize, value: f64, parameters: &[f64]| {
            let theta = &parameters[..n];
            observe(count, value, theta)
        };
        let from_other_starts = is_default && settings.optimizer == NEWTON;
        if search.model().is_iterative() {
            return search.with_more_probes(
                &settings,
                from_other_starts,
                &mut see,
            );
        }
        let mut summary = at.minimize(&settings, &mut search, &mut see)?;
        if from_other_starts {
            summary = search.restarted(summary, &settings, observe);
        }
        self.confirm_resolved(&summary.best)?;
        Ok(summary)
    }

    // Confirms that rounding errors hide no lower minimum of slopes of a covariate far from zero.
    fn confirm_resolved(&mut self, best: &[f64]) -> Result<()> {
        let is_without =
            |&(j, spread): &(usize, f64)| best[j].abs() * spread < LEAST_SPREAD;
        let lost = self.unresolved.take().filter(is_without);
        let Some((term, column)) =
            lost.and_then(|(j, _)| self.thetas().effect_of(j))
        else {
            return Ok(());
        };
        Err(Error::Origin {
            term,
            column,
            beside: Beside::Likelihood,
        })
    }

    // Whether the free elements of `start` equal those of the default start.
    fn is_default(&self, start: &[f64]) -> bool {
        let mut pairs = start.iter().zip(self.start()).zip(&self.domain.held);
        pairs.all(|((given, default), held)| *held || given == default)
    }

    /// The optimality certificate at `theta`.
    ///
    /// # Errors
    /// Fails as [`Self::at`] does.
    pub fn certificate(&mut self, theta: &[f64]) -> Result<Certificate> {
        self.hold_redundant(&mut theta.to_vec());
        self.at(theta)?;
        let mut search = Search::new(self, theta)?;
        let (mut certificate, hessian) = judge(&mut search)?;
        let noise = search.measure_noise(&hessian);
        self.noise = noise;
        if let Some(noise) = self.noise {
            certificate.revise_for_noise(noise.excess);
        }
        Ok(certificate)
    }
}
