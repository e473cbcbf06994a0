//! Multistart searches from random points, for generalized models of small data sets.
//!
//! With few responses, above all binary ones, Laplace's approximation has many maxima at large
//! random effects. The searches minimise over all parameters without a fast stage, which would
//! shrink the random effects. Every second start is near the best point so far, as the maxima occur
//! in clusters.

use super::fit::GlmmFit;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::coordinates::Coordinates;
use crate::error::Result;
use crate::glmm::vary::Vary;
use crate::optimize::bfgs::BfgsSummary;
use crate::optimize::{Flow, Observer, OptSummary, Optima};
use crate::random::Stream;
use crate::tolerances::{BETTER_START, OTHER_MINIMUM, RANDOM_GAIN};

/// Number of operations that the searches may cost, counted in PIRLS steps.
const AFFORDABLE: f64 = 1.2e8;
/// Largest number of lower optima after each of which the searches may cost as much again, as there
/// may well be others.
const MOST_RENEWALS: usize = 8;
/// Largest number of evaluations of one search.
const MOST_EVALUATIONS: usize = 100;
/// Largest number of searches.
const MOST_SEARCHES: usize = 100;
/// Expected probability of an undiscovered optimum at which the searches end: fifteen searches if
/// all lead to the same one.
const UNDISCOVERED: f64 = 0.01;
/// Multiples of the default start's random effects at the first starts.
const FIRST_SIZES: [f64; 3] = [3.0, 10.0, 30.0];
/// Number of higher points from which a fit that is stuck at an edge is continued.
const MOST_CHANCES: usize = 4;

// The course of the searches.
struct Course {
    optima: Optima,
    // Number of higher points from which a fit that is stuck may still be continued.
    chances: usize,
    // The number of PIRLS steps, from the first one of the model on, after which no search starts.
    last_step: usize,
}

impl Course {
    fn is_done(&self) -> bool {
        self.optima.undiscovered() < UNDISCOVERED
    }
}

impl GeneralizedLinearMixedModel {
    /// Whether the data have little information about the covariances: few levels or few rows.
    pub(super) fn has_few_data(&self) -> bool {
        let covs = self.covs.iter();
        let levels: Vec<usize> = covs
            .zip(&self.pirls.u)
            .map(|(cov, u)| u.len() / cov.vsize())
            .collect();
        let start = &self.start_theta;
        let at = Coordinates::new(&self.covs, &self.held, &[], start);
        at.has_few_data(self.n_eff, &levels)
    }

    /// The fit, or the best one from random starts, which end when the expected probability of an
    /// undiscovered optimum is small.
    pub(super) fn or_from_random_starts(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        beta: &[f64],
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let mut stream = Stream::new(0, 0);
        let sets = self.sets_of_random_signs(fit);
        let affordable = self.affordable_steps(AFFORDABLE);
        let mut course = Course {
            optima: Optima::default(),
            chances: MOST_CHANCES,
            last_step: self.pirls.iterations + affordable,
        };
        for search in 0..MOST_SEARCHES {
            let is_over = self.pirls.iterations > course.last_step;
            if is_over || self.must_stop() || course.is_done() {
                break;
            }
            let point = self.random_start(search, start, &best, &mut stream);
            let beta = match search < FIRST_SIZES.len() {
                true => beta.to_vec(),
                false => self.with_random_signs(&sets, beta, &mut stream),
            };
            self.restart_from(&beta);
            let found = self.with_low_accuracy(|model| {
                model.search_likelihood(fit, &point)
            });
            if let Ok(found) = found {
                let found = &found.summary;
                best = self.or_found_at_random(
                    fit,
                    found,
                    best,
                    &mut course,
                    observe,
                );
            }
        }
        best.summary.optima = course.optima;
        best
    }

    // The fit, or its continuation from the end of a search if that is lower.
    fn or_found_at_random(
        &mut self,
        fit: &FitSettings,
        found: &OptSummary,
        mut best: GlmmFit,
        course: &mut Course,
        observe: &mut Observer,
    ) -> GlmmFit {
        let is_above = |value: f64| found.best_value < value - OTHER_MINIMUM;
        let has_converged = found.status.has_converged();
        let is_chance =
            has_converged && course.chances > 0 && self.is_stuck(&best);
        let before = best.summary.best_value;
        if is_above(before) || is_chance {
            course.chances -= usize::from(!is_above(before));
            best = self.continued_from(fit, &found.best, best, observe);
        }
        if best.summary.best_value < before - OTHER_MINIMUM {
            course.optima.count_improvement();
            if course.optima.improvements() <= MOST_RENEWALS {
                let affordable = self.affordable_steps(AFFORDABLE);
                course.last_step = self.pirls.iterations + affordable;
            }
        }
        // A lower point from which no search converged is at an optimum that was not found.
        if has_converged || is_above(best.summary.best_value) {
            course.optima.add(found.best_value, BETTER_START);
        }
        best
    }

    // The fit, or the one from these parameters without a fast stage if it ends lower. The fixed
    // effects that PIRLS finds there may be far from theirs, at another optimum.
    fn continued_from(
        &mut self,
        fit: &FitSettings,
        parameters: &[f64],
        best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let start = self.start_of(parameters);
        let natural = self.to_natural(fit.vary)(parameters);
        let from = self.from_end(fit, &natural);
        self.or_lower(&from, best, |model, limited| {
            model.fit_directly(limited, &start, None, observe)
        })
    }

    // Minimises by BFGS from this theta and shape; the fixed effects start at the values found by
    // PIRLS.
    fn search_likelihood(
        &mut self,
        fit: &FitSettings,
        point: &[f64],
    ) -> Result<BfgsSummary> {
        self.objective(Vary::Jointly, point)?;
        let parameters = self.parameters(fit.vary);
        let inverse = self.inverse_guess(fit.vary);
        let settings = fit.settings.limited(MOST_EVALUATIONS);
        let mut continue_search = |_: usize, _: f64, _: &[f64]| Flow::Continue;
        self.bfgs(
            &settings,
            RANDOM_GAIN,
            fit.vary,
            &parameters,
            inverse,
            &mut continue_search,
        )
    }

    /// Theta and the shape, out of all parameters.
    pub(super) fn start_of(&self, parameters: &[f64]) -> Vec<f64> {
        let mut start = parameters[..self.n_theta()].to_vec();
        if self.shape_is_estimated() {
            start.extend(parameters.last());
        }
        start
    }

    fn random_start(
        &self,
        search: usize,
        start: &[f64],
        best: &GlmmFit,
        stream: &mut Stream,
    ) -> Vec<f64> {
        if let Some(size) = FIRST_SIZES.get(search) {
            return self.scaled_start(start, 0..self.n_theta(), *size);
        }
        let units = self.step_sizes(Vary::Jointly);
        let from = |start: &[f64]| {
            Coordinates::new(&self.covs, &self.held, &[], start)
        };
        if search % 2 == 0 {
            return from(start).at_random(start, &units, stream);
        }
        let best = self.start_of(&best.parameters);
        from(&best).at_random_near(&best, &units, stream)
    }
}
