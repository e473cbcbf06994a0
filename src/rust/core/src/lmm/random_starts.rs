//! Multistart searches from random points, for small data sets whose objective may have several
//! minima that the systematic restarts do not reach.

use super::restarts::{share_of, Restarts, PER_SEARCH, PER_STEP};
use crate::optimize::{OptSummary, Optima};
use crate::random::Stream;
use crate::tolerances::{OTHER_MINIMUM, SIGMA_STEP, UNDISCOVERED};

/// Largest number of observations for random starts from anywhere: with more data minima far from
/// the best point are rare.
const TINY: usize = 40;
/// Largest number of observations for random starts near the best point, and of the parameters of
/// such models: with more the searches would take several times as long as the fit.
const FEW_OBSERVATIONS: usize = 400;
const FEW_PARAMETERS: usize = 20;
/// Number of operations that random starts may cost. They may also cost as much as the searches
/// before them, and several times as much up to a larger number of operations.
const AFFORDABLE_AT_RANDOM: f64 = 6e5;
const SHARE_OF_SEARCHES: f64 = 8.0;
const AFFORDABLE_AT_MOST: f64 = 1e9;
/// Number of minima from which on there may well be more, so that random starts may cost as much
/// again.
const SEVERAL: usize = 2;
/// Largest number of searches.
const MOST_SEARCHES: usize = 200;
/// Random starts are used only if at least this number of searches is affordable, as fewer are
/// unlikely to find another minimum.
const LEAST_SEARCHES: f64 = 4.0;

impl Restarts<'_, '_, '_> {
    /// Searches from random starts until the expected probability of a new minimum is small (see
    /// [`Optima`]), and returns the best result.
    pub(super) fn from_random_starts(
        &mut self,
        mut found: OptSummary,
    ) -> OptSummary {
        let model = self.search.model();
        let cost = model.engine.cost();
        let affordable = share_of(self.search) * AFFORDABLE_AT_RANDOM / cost;
        let as_before = PER_STEP * found.log.len() as f64;
        let at_most = AFFORDABLE_AT_MOST / cost;
        self.budget = affordable
            .max((SHARE_OF_SEARCHES * as_before).min(at_most))
            .max(as_before);
        if self.budget < LEAST_SEARCHES * PER_SEARCH {
            return found;
        }
        let mut units = model.step_sizes();
        units.resize(found.initial.len(), SIGMA_STEP);
        let mut stream = Stream::new(0, 0);
        let mut optima = Optima::default();
        let mut further = self.budget;
        for search in 0..MOST_SEARCHES {
            let is_done = optima.undiscovered() <= UNDISCOVERED;
            if self.budget <= 0.0 || is_done || !found.status.has_converged() {
                break;
            }
            let start = self.random_start(search, &found, &units, &mut stream);
            let (before, lowest) = (found.log.len(), found.best_value);
            let (value, next) = self.and_from(&start, found);
            found = next;
            if found.best_value < lowest - OTHER_MINIMUM {
                optima.count_improvement();
            }
            let steps = found.log.len() - before;
            self.budget -= PER_STEP * steps.max(1) as f64;
            if let Some(value) = value {
                optima.add(value, OTHER_MINIMUM);
            }
            if optima.count() == SEVERAL {
                self.budget += std::mem::take(&mut further);
            }
        }
        found.optima = optima;
        found
    }

    // A start near the best point so far. In tiny data sets, and beside correlation parameters,
    // every second one is anywhere, in turn in the units of theta and in those of the size of the
    // best covariances.
    fn random_start(
        &self,
        search: usize,
        found: &OptSummary,
        units: &[f64],
        stream: &mut Stream,
    ) -> Vec<f64> {
        let at = &self.search.at;
        let is_anywhere =
            self.search.model().n_eff() <= TINY || at.is_correlated();
        if search % 2 == 0 || !is_anywhere {
            let near = at.at_random_near(&found.best, units, stream);
            return at.with_random_correlations(&near, stream);
        }
        let size = match search % 4 {
            1 => 1.0,
            _ => self.extent(&found.best, units),
        };
        let sizes: Vec<f64> = units.iter().map(|unit| size * unit).collect();
        at.at_random(&found.initial, &sizes, stream)
    }

    // The largest standard deviation of theta in its unit, but at least 0.1.
    fn extent(&self, theta: &[f64], units: &[f64]) -> f64 {
        let at = &self.search.at;
        let x = at.from_theta(theta);
        at.extent(&x, &at.free_of(units)).max(0.1)
    }

    /// Whether the data set is so small that the objective may well have several minima.
    pub(super) fn has_few_data(&self) -> bool {
        let at = &self.search.at;
        let n_free = at.free().len();
        let is_rugged = at.is_correlated()
            || (at.has_several_effects() && n_free <= FEW_PARAMETERS);
        let most = match is_rugged {
            true => FEW_OBSERVATIONS,
            false => TINY,
        };
        self.search.model().n_eff() <= most
            && n_free > 1
            && self.search.has_little_information()
    }
}
