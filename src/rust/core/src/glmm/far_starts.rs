//! Starts from random slopes of covariates far from zero, as large as the reciprocal standard
//! deviation of their covariate; see `coordinates::far_rays`.

use super::fit::GlmmFit;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::coordinates::far_rays::{Ray, Slope, SPREADS};
use crate::coordinates::other_thetas::OtherThetas;
use crate::coordinates::Coordinates;
use crate::glmm::vary::Vary;
use crate::optimize::Observer;
use crate::tolerances::OTHER_MINIMUM;

impl GeneralizedLinearMixedModel {
    /// The fit, or a better one from random slopes of covariates far from zero, if the objective at
    /// them is lower.
    pub(super) fn or_from_far_slopes(
        &mut self,
        fit: &FitSettings,
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let here = self.start_of(&best.parameters);
        let most = self.most_of_corners(&best);
        for (_, slope) in self.hidden_slopes(&here) {
            for ray in self.far_rays(slope, &here) {
                if self.must_stop() {
                    return best;
                }
                let limit = self.value_to_beat(&best) - OTHER_MINIMUM;
                let start = self.lower_start(fit, ray, limit, most);
                if let Some(start) = start {
                    best = self.or_from_slow_start(fit, start, best, observe);
                }
            }
        }
        best
    }

    /// The random slopes far from zero that are smaller than the reciprocal standard deviation of
    /// their covariate asks for, each with its term: larger ones may have been missed.
    pub(super) fn hidden_slopes(
        &self,
        parameters: &[f64],
    ) -> Vec<(usize, Slope)> {
        let thetas = self.thetas();
        let slopes = thetas.far_slopes().into_iter();
        let hidden = slopes.filter(|&(j, spread)| {
            parameters[j].abs() * spread < SPREADS[0] * thetas.units[j]
        });
        let with_term = hidden.filter_map(|slope| {
            thetas.effect_of(slope.0).map(|(term, _)| (term, slope))
        });
        with_term.collect()
    }

    // The rays of thetas with slopes of increasing size.
    fn far_rays(&self, slope: Slope, here: &[f64]) -> Vec<Ray> {
        let thetas = self.thetas();
        let at = Coordinates::new(&self.covs, &self.held, &[], here);
        let mut rays = thetas.rays(slope, here).to_vec();
        rays.extend(thetas.rays_at_limits(slope, here, &at));
        let beside = thetas.rays_beside_intercepts(slope, here);
        let other = beside.into_iter().filter(|ray| !rays.contains(ray));
        rays.extend(other.collect::<Vec<Ray>>());
        rays
    }

    // The lowest of several points, if the objective there is below a limit, or the end of a search
    // from there: with another dispersion the objective may be much lower. The model is left at its
    // modes, as PIRLS may need many steps from zero modes.
    fn lower_start(
        &mut self,
        fit: &FitSettings,
        points: Ray,
        limit: f64,
        most: usize,
    ) -> Option<Vec<f64>> {
        let valued = points.into_iter().map(|point| {
            self.pirls.reset();
            let value = self.objective(Vary::Jointly, &point);
            (value.unwrap_or(f64::INFINITY), point, self.pirls.modes())
        });
        let (value, start, modes) =
            valued.min_by(|a, b| a.0.total_cmp(&b.0))?;
        self.pirls.restore_modes(&modes);
        if value < limit {
            return Some(start);
        }
        let is_affordable = self.pirls.iterations < most;
        if !(self.shape_is_estimated() && is_affordable && value.is_finite()) {
            return None;
        }
        let (start, value) = self.fast_from_modes(&start, fit)?;
        (value < limit).then_some(start)
    }

    /// The covariances from which other thetas are constructed.
    pub(super) fn thetas(&self) -> OtherThetas<'_> {
        OtherThetas {
            covs: &self.covs,
            held: &self.held,
            lower: &self.lower,
            units: self.step_sizes(Vary::Jointly),
            far: &self.far_slopes,
        }
    }
}
