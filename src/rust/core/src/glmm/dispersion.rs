//! The dispersion where it follows from the deviance.

use super::{GeneralizedLinearMixedModel, Parts, Shape, Sigma};
use crate::error::{Error, Result};
use crate::glmm::pirls::Vary;
use crate::tolerances::{PERFECT_FIT, SHAPE_STEP};

/// Most steps to the dispersion that its deviance implies.
const MAX_PROFILE: usize = 50;

impl GeneralizedLinearMixedModel {
    // The dispersion has no lower bound where the modes reproduce the responses.
    pub(super) fn cause_of(&self, error: Error) -> Error {
        let response = &self.pirls.response;
        match error {
            Error::PirlsDiverged { .. }
                if response.family.has_dispersion()
                    && response.deviance() <= PERFECT_FIT * self.null_deviance =>
            {
                Error::ZeroResidual
            }
            other => other,
        }
    }

    // Solves `log phi = log(deviance / df)`, the deviance being that at the modes for phi, by the secant method.
    pub(super) fn profile_shape(&mut self, vary: Vary, df: f64) -> Result<()> {
        let mut last: Option<(f64, f64)> = None;
        for _ in 0..MAX_PROFILE {
            self.modes_at_shape(vary)?;
            let log = self.pirls.response.shape.ln();
            let deviance = self.pirls.response.deviance();
            if deviance <= PERFECT_FIT * self.null_deviance {
                return Err(Error::ZeroResidual);
            }
            let excess = (deviance / df).ln() - log;
            if !excess.is_finite() {
                return Err(Error::NonFinite {
                    what: "dispersion",
                    index: 0,
                });
            }
            if excess.abs() < SHAPE_STEP {
                break;
            }
            let slope = last.map_or(-1.0, |(l, e)| ((excess - e) / (log - l)).clamp(-2.0, -0.2));
            last = Some((log, excess));
            self.pirls.response.shape = (log - excess / slope).exp();
        }
        Ok(())
    }

    pub(super) fn dispersion_follows(&self) -> bool {
        let follows = matches!(self.options.shape, Shape::Moment | Shape::Profiled(_));
        follows && self.pirls.response.family.has_dispersion()
    }

    // -2 log p(y | u) and the shape that it is taken at.
    pub(super) fn conditional(&mut self) -> (f64, f64) {
        let response = &self.pirls.response;
        if !self.dispersion_follows() {
            let shape = response.shape;
            return (self.pirls.conditional_deviance(), shape);
        }
        let phi = self.moment();
        let constant = response.constant_at(phi);
        (
            (self.pirls.penalized - self.pirls.ussq()) * response.shape / phi - 2.0 * constant,
            phi,
        )
    }

    // Dispersion by lme4's moment.
    pub(super) fn moment(&self) -> f64 {
        let response = &self.pirls.response;
        let count = if response.family.definition().weights_are_precisions() {
            self.n_eff as f64
        } else {
            self.sum_weights
        };
        response.deviance() / count
    }

    pub(super) fn sigma(&self, parts: &Parts) -> Sigma {
        let response = &self.pirls.response;
        let is_relative = self.options.shape == Shape::Moment && response.family.has_dispersion();
        let value = match response.family.has_dispersion() {
            // phi of the modes
            true if self.dispersion_follows() && !is_relative => response.shape.sqrt(),
            true if is_relative => ((response.pearson() + parts.ussq) / self.n_eff as f64).sqrt(),
            true => parts.shape.sqrt(),
            false => 1.0,
        };
        Sigma { value, is_relative }
    }
}
