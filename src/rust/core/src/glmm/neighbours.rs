//! Starts from singular covariances that are nearly as good as those of a fit.
//!
//! Where the data say little, the likelihood may be so flat in a parameter that a search ends
//! anywhere: at correlations far from the limit to which they tend, at a small variance that tends
//! to zero, at a covariance of nearly lower rank. From a factor with a column of zeros no slope may
//! lead away at all. A search from such a limit itself ends where the likelihood is highest.

use super::fit::GlmmFit;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::coordinates::Coordinates;
use crate::error::Result;
use crate::optimize::Observer;
use crate::tolerances::{NO_GAIN, PROMISING_LOSS, ZERO_COST};

/// Largest number of times that the neighbours of a lower fit are tried in turn.
const MOST_ROUNDS: usize = 4;

impl GeneralizedLinearMixedModel {
    /// The fit, or a lower one from neighbouring covariances, and again from its neighbours.
    pub(super) fn or_from_neighbours(
        &mut self,
        fit: &FitSettings,
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let most = self.most_of_corners(&best);
        for _ in 0..MOST_ROUNDS {
            let before = best.summary.best_value;
            best = self.or_from_each(fit, most, best, observe);
            if best.summary.best_value > before - ZERO_COST {
                break;
            }
        }
        best
    }

    // The fit, or the lowest one from its neighbours, of which each is tried that is promising.
    fn or_from_each(
        &mut self,
        fit: &FitSettings,
        most: usize,
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let here = best.parameters.clone();
        let Ok(value) = self.value_near(fit, &best, &here) else {
            return best;
        };
        if let Some(turned) = self.thetas().in_first_columns(&here) {
            best = self.or_from_neighbour(fit, &turned, best, observe);
        }
        for point in self.neighbours(&here) {
            if self.pirls.iterations > most || self.must_stop() {
                break;
            }
            let there = self.value_near(fit, &best, &point);
            let is_promising = there.is_ok_and(|there| {
                let is_other = (there - value).abs() > NO_GAIN;
                is_other && there < value + PROMISING_LOSS
            });
            if is_promising {
                best = self.or_from_neighbour(fit, &point, best, observe);
            }
        }
        best
    }

    // The objective at other parameters, from the modes of a fit.
    fn value_near(
        &mut self,
        fit: &FitSettings,
        best: &GlmmFit,
        point: &[f64],
    ) -> Result<f64> {
        self.reached = None;
        self.pirls.restore_modes(&best.modes);
        let parameters = self.centred(fit.vary, point)?;
        self.with_few_steps(|model| model.objective(fit.vary, &parameters))
    }

    // The parameters with each correlation at its limits, with lower ranks, and without each
    // standard deviation.
    fn neighbours(&self, here: &[f64]) -> Vec<Vec<f64>> {
        let thetas = self.thetas();
        let at = Coordinates::new(&self.covs, &self.held, &[], here);
        let mut points = at.at_each_limit(here);
        points.extend(thetas.with_lower_ranks(here));
        let deviations = thetas.standard_deviations().into_iter();
        points.extend(
            deviations.map(|j| thetas.with_standard_deviation(here, j, 0.0)),
        );
        points.retain(|point| point != here);
        points.dedup();
        points
    }

    // The fit, or the one from these parameters if it ends lower.
    fn or_from_neighbour(
        &mut self,
        fit: &FitSettings,
        point: &[f64],
        best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        self.reached = None;
        self.pirls.restore_modes(&best.modes);
        let start = self.start_of(point);
        let from = self.from_end(fit, point);
        self.or_lower_by(ZERO_COST, &from, best, |model, limited| {
            model.fit_directly(limited, &start, None, observe)
        })
    }
}
