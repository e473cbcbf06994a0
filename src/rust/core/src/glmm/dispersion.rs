//! The dispersion, where it is a function of the deviance.

use super::fit::GlmmFit;
use super::{GeneralizedLinearMixedModel, Parts, Shape, Sigma};
use crate::error::{Error, Result};
use crate::glmm::pirls::Follow;
use crate::glmm::vary::Vary;
use crate::tolerances::{
    LEAST_DISPERSION, OTHER_MINIMUM, PERFECT_FIT, ROUNDED_DEVIANCE,
};

/// Multiples of the random effects at which a likelihood without a maximum shows that it has none.
const BEYOND: [f64; 4] = [10.0, 1e2, 1e3, 1e4];

impl GeneralizedLinearMixedModel {
    // The error that explains a failed fit: the dispersion is unbounded below if the modes
    // reproduce the responses exactly.
    pub(super) fn explain_error(&self, error: Error) -> Error {
        match error {
            Error::PirlsDiverged { .. } if self.leaves_at_most(PERFECT_FIT) => {
                Error::ZeroResidual
            }
            other => other,
        }
    }

    /// Whether the responses are reproduced up to rounding errors, or the dispersion is that of
    /// rounding errors: the likelihood then rises without limit as the dispersion tends to zero.
    pub(super) fn is_perfect(&self) -> bool {
        let least = ROUNDED_DEVIANCE * self.null_dispersion();
        match self.options.shape {
            Shape::Known(_) => false,
            _ if self.leaves_at_most(ROUNDED_DEVIANCE) => true,
            Shape::Estimated(_) => {
                let response = &self.pirls.response;
                response.family.has_dispersion() && response.shape <= least
            }
            Shape::Moment | Shape::Profiled(_) => false,
        }
    }

    /// Whether the search ended on the way to such a fit, to which larger random effects lead.
    pub(super) fn leads_to_perfect(&self, found: &GlmmFit) -> bool {
        let is_known = matches!(self.options.shape, Shape::Known(_));
        let has_dispersion = self.pirls.response.family.has_dispersion();
        let is_open = found.certificate.is_some() && !found.is_optimum();
        if is_known || !has_dispersion || !is_open {
            return false;
        }
        let start = self.start_of(&found.parameters);
        BEYOND.into_iter().any(|size| {
            let beyond = self.scaled_start(&start, 0..self.n_theta(), size);
            let mut other = self.clone();
            let value = other.start().and_then(|()| {
                other.reset_modes();
                other.objective(Vary::Jointly, &beyond)
            });
            match value {
                Ok(value) if value < found.summary.best_value => {
                    other.leaves_at_most(PERFECT_FIT)
                }
                Ok(_) => false,
                Err(error) => matches!(error, Error::ZeroResidual),
            }
        })
    }

    // Whether the deviance of a family with a dispersion is at most this share of that of the model
    // with one common mean.
    fn leaves_at_most(&self, share: f64) -> bool {
        let response = &self.pirls.response;
        response.family.has_dispersion()
            && response.deviance() <= share * self.null_deviance
    }

    // Finds the modes together with the dispersion that is a function of their deviance.
    pub(super) fn profile_shape(&mut self, vary: Vary, df: f64) -> Result<()> {
        let is_anew = self.pirls.ussq() == 0.0 && self.has_few_rows();
        let least = PERFECT_FIT * self.null_deviance / df;
        self.pirls.follow = Some(Follow::new(df, least));
        let mut found = self.modes_at_shape(vary);
        if is_anew && found.is_ok() {
            found = self.or_smaller_dispersion(vary, df);
        }
        self.pirls.follow = None;
        found
    }

    // Modes and dispersion minimise `deviance / phi + |u|^2 + df log phi`, which may have two
    // minima: one near the responses, with a small dispersion, and one near zero modes. The lower
    // one counts; the latter has just been found.
    fn or_smaller_dispersion(&mut self, vary: Vary, df: f64) -> Result<()> {
        let first = self.pirls.modes();
        let limit = self.joint_deviance(df) - OTHER_MINIMUM;
        let is_lower = self.modes_near_responses(vary, df).is_ok()
            && self.joint_deviance(df) < limit;
        if is_lower {
            return Ok(());
        }
        self.pirls.restore_modes(&first);
        self.pirls.find_modes(vary).map(|_| ())
    }

    // Finds modes and dispersion from those with which the linear predictors are near those of the
    // responses, as they are with a small dispersion.
    fn modes_near_responses(&mut self, vary: Vary, df: f64) -> Result<()> {
        let least = LEAST_DISPERSION * self.null_dispersion();
        self.set_dispersion(least);
        self.pirls.start_from_responses(vary)?;
        self.set_dispersion(least.max(self.pirls.response.deviance() / df));
        self.pirls.find_modes(vary).map(|_| ())
    }

    // The function that modes and dispersion minimise.
    fn joint_deviance(&self, df: f64) -> f64 {
        let phi = self.pirls.response.shape;
        let deviance = self.pirls.response.deviance();
        deviance / phi + self.pirls.ussq() + df * phi.ln()
    }

    /// The dispersion of the model with one common mean, which is the unit of dispersions in a
    /// search.
    pub(super) fn null_dispersion(&self) -> f64 {
        self.null_deviance / self.count()
    }

    /// Sets the dispersion, if the family has one that is not known, and the value is valid.
    pub(super) fn set_dispersion(&mut self, value: f64) {
        let response = &mut self.pirls.response;
        let is_known = matches!(self.options.shape, Shape::Known(_));
        if response.family.has_dispersion() && !is_known && value.is_normal() {
            response.shape = value;
        }
    }

    /// Sets the dispersion to its value at the starting fixed effects, bounded away from zero in
    /// case of an exact fit.
    pub(super) fn start_dispersion(&mut self) {
        let value =
            self.moment().max(LEAST_DISPERSION * self.null_dispersion());
        self.set_dispersion(value);
        if self.options.shape == Shape::Moment
            && self.pirls.response.family.has_dispersion()
        {
            // The modes minimise a deviance in the units of the response.
            self.pirls.unit = self.pirls.response.shape;
            self.pirls.response.shape = 1.0;
        }
        self.start_shape = self.pirls.response.shape;
    }

    pub(super) fn dispersion_follows(&self) -> bool {
        let follows =
            matches!(self.options.shape, Shape::Moment | Shape::Profiled(_));
        follows && self.pirls.response.family.has_dispersion()
    }

    // -2 log p(y | u), and the shape at which it is evaluated.
    pub(super) fn conditional(&mut self) -> (f64, f64) {
        let response = &self.pirls.response;
        if !self.dispersion_follows() {
            let shape = response.shape;
            return (self.pirls.conditional_deviance(), shape);
        }
        let phi = self.moment();
        let constant = response.constant_at(phi);
        let deviance =
            self.pirls.short_deviance() * self.pirls.response.shape / phi;
        (deviance - 2.0 * constant, phi)
    }

    // The moment estimate of the dispersion, as in lme4.
    pub(super) fn moment(&self) -> f64 {
        self.pirls.response.deviance() / self.count()
    }

    // The number of observations in the deviance.
    fn count(&self) -> f64 {
        let family = self.pirls.response.family.definition();
        if family.weights_are_precisions() {
            self.n_eff as f64
        } else {
            self.sum_weights
        }
    }

    pub(super) fn sigma(&self, parts: &Parts) -> Sigma {
        let response = &self.pirls.response;
        let is_relative = self.options.shape == Shape::Moment
            && response.family.has_dispersion();
        let value = match response.family.has_dispersion() {
            // The dispersion phi at the modes.
            true if self.dispersion_follows() && !is_relative => {
                response.shape.sqrt()
            }
            true if is_relative => {
                ((response.pearson() + parts.ussq) / self.n_eff as f64).sqrt()
            }
            true => parts.shape.sqrt(),
            false => 1.0,
        };
        Sigma { value, is_relative }
    }
}
