//! Multistart searches from random points, for small data sets whose objective may have several
//! minima that the systematic restarts do not reach.

use super::restarts::{share_of, Restarts, PER_SEARCH, PER_STEP};
use crate::optimize::{OptSummary, Optima};
use crate::random::Stream;
use crate::tolerances::{OTHER_MINIMUM, SIGMA_STEP, UNDISCOVERED};

/// Largest number of observations for random starts: with more data several minima are rare, and
/// the searches would take several times as long as the fit.
const FEW_OBSERVATIONS: usize = 40;
/// The same beside correlation parameters, where the objective often has several minima.
const FEW_OF_CORRELATED: usize = 400;
/// Number of operations that random starts may cost. They may also cost as much as the searches
/// before them.
const AFFORDABLE_AT_RANDOM: f64 = 6e5;
/// Number of minima from which on there may well be more.
const SEVERAL: usize = 2;
/// The further cost that random starts may have once they have found several minima, as a multiple
/// of the cost until then.
const SHARE_OF_SEVERAL: f64 = 4.0;
/// Random starts are used only if at least this number of searches is affordable, as fewer are
/// unlikely to find another minimum.
const LEAST_SEARCHES: f64 = 4.0;

impl Restarts<'_, '_, '_> {
    /// Searches from random starts until the expected probability of a new minimum is small (see
    /// [`Optima`]), and returns the best result. Every second start is scaled to the size of the
    /// best covariances so far.
    pub(super) fn from_random_starts(
        &mut self,
        mut found: OptSummary,
    ) -> OptSummary {
        let model = self.search.model();
        let affordable =
            share_of(self.search) * AFFORDABLE_AT_RANDOM / model.engine.cost();
        let as_before = PER_STEP * found.log.len() as f64;
        self.budget = affordable.max(as_before);
        if self.budget < LEAST_SEARCHES * PER_SEARCH {
            return found;
        }
        let mut units = model.step_sizes();
        units.resize(found.initial.len(), SIGMA_STEP);
        let at = self.search.at.clone();
        let mut stream = Stream::new(0, 0);
        let mut optima = Optima::default();
        let mut further = SHARE_OF_SEVERAL * self.budget;
        while self.budget > 0.0
            && found.status.has_converged()
            && optima.undiscovered() > UNDISCOVERED
        {
            let mut sizes = units.clone();
            if optima.searches() % 2 == 1 {
                let extent = self.extent(&found.best, &units);
                sizes.iter_mut().for_each(|size| *size *= extent);
            }
            let start = at.at_random(&found.initial, &sizes, &mut stream);
            let before = found.log.len();
            let (value, next) = self.and_from(&start, found);
            found = next;
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

    // The largest standard deviation of theta in its unit, but at least 0.1.
    fn extent(&self, theta: &[f64], units: &[f64]) -> f64 {
        let at = &self.search.at;
        let x = at.from_theta(theta);
        at.extent(&x, &at.free_of(units)).max(0.1)
    }

    /// Whether the data set is so small that the objective may well have several minima.
    pub(super) fn has_few_data(&self) -> bool {
        let most = match self.search.at.is_correlated() {
            true => FEW_OF_CORRELATED,
            false => FEW_OBSERVATIONS,
        };
        self.search.model().n_eff() <= most
            && self.search.at.free().len() > 1
            && self.search.has_little_information()
    }
}
