//! The parameters of the objective: their number, held elements, and the transformation between
//! fixed effects of the original and of the centred columns of X.

use std::ops::Range;

use super::{GeneralizedLinearMixedModel, Shape};
use crate::design::check_finite;
use crate::error::{check_length, Result};
use crate::glmm::vary::Vary;

impl GeneralizedLinearMixedModel {
    /// Number of covariance parameters.
    pub fn n_theta(&self) -> usize {
        self.start_theta.len()
    }

    /// Number of parameters of the objective.
    pub fn n_parameters(&self, vary: Vary) -> usize {
        let beta = if vary == Vary::Modes {
            self.pirls.beta.len()
        } else {
            0
        };
        self.n_theta() + beta + self.shape_count()
    }

    /// Holds these elements of theta at the values of the start.
    pub fn hold(&mut self, indices: &[usize]) {
        for &index in indices.iter() {
            self.held[index] = true;
        }
    }

    /// Holds these elements of theta at given values, whatever the start of a fit.
    pub fn hold_at(&mut self, held: &[(usize, f64)]) {
        for &(index, _) in held.iter() {
            self.held[index] = true;
        }
        for cov in &self.covs {
            cov.hold(held, &mut self.start_theta);
        }
    }

    // Theta with the held elements at their values.
    pub(super) fn with_held(&self, mut theta: Vec<f64>) -> Vec<f64> {
        let held = (0..theta.len()).filter(|&j| self.held[j]);
        let values: Vec<(usize, f64)> =
            held.map(|j| (j, self.start_theta[j])).collect();
        for cov in self.covs.iter() {
            cov.hold(&values, &mut theta);
        }
        theta
    }

    /// Lower bounds of theta: zero for the diagonal of Lambda.
    pub fn lower_bounds(&self) -> &[f64] {
        &self.lower
    }

    /// Number of observations of positive weight.
    pub fn n_eff(&self) -> usize {
        self.n_eff
    }

    pub(super) fn shape_count(&self) -> usize {
        usize::from(self.shape_is_estimated())
    }

    pub(super) fn shape_is_estimated(&self) -> bool {
        matches!(self.options.shape, Shape::Estimated(_))
            && self.pirls.response.family.has_shape()
    }

    pub(super) fn set_parameters(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<()> {
        check_length("parameters", self.n_parameters(vary), parameters.len())?;
        check_finite("parameters", parameters)?;
        let (theta, rest) = parameters.split_at(self.n_theta());
        self.covs.iter().try_for_each(|cov| cov.validate(theta))?;
        if vary == Vary::Modes {
            self.set_fixed(&rest[..self.pirls.beta.len()]);
        }
        self.pirls.set_theta(theta);
        if self.shape_is_estimated() {
            self.pirls.response.shape = rest[rest.len() - 1].exp();
        }
        Ok(())
    }

    /// The current parameters, in the order of the objective.
    pub fn parameters(&self, vary: Vary) -> Vec<f64> {
        let mut parameters = self.pirls.theta().to_vec();
        if vary == Vary::Modes {
            parameters.extend_from_slice(&self.pirls.beta);
        }
        if self.shape_is_estimated() {
            parameters.push(self.pirls.response.shape.ln());
        }
        parameters
    }

    /// Transforms parameters with the fixed effects of the original X to those of the objective.
    ///
    /// # Errors
    /// `Dimension`.
    pub fn centred(&self, vary: Vary, natural: &[f64]) -> Result<Vec<f64>> {
        check_length("parameters", self.n_parameters(vary), natural.len())?;
        let mut parameters = natural.to_vec();
        if vary == Vary::Modes {
            self.pirls
                .centring
                .centre(&mut parameters[self.places_of_beta()]);
        }
        Ok(parameters)
    }

    /// The inverse transformation, which also accepts points without fixed effects.
    pub(super) fn to_natural(&self, vary: Vary) -> impl Fn(&[f64]) -> Vec<f64> {
        let centring = self.pirls.centring.clone();
        let beta = self.places_of_beta();
        move |parameters| {
            let mut natural = parameters.to_vec();
            if vary == Vary::Modes {
                centring.restore(&mut natural[beta.clone()]);
            }
            natural
        }
    }

    /// Transforms a gradient to parameters with the fixed effects of the original X.
    pub fn natural_gradient(&self, vary: Vary, gradient: &[f64]) -> Vec<f64> {
        let mut natural = gradient.to_vec();
        if vary == Vary::Modes {
            self.pirls
                .centring
                .restore_gradient(&mut natural[self.places_of_beta()]);
        }
        natural
    }

    /// Indices of the fixed effects among the parameters.
    pub(super) fn places_of_beta(&self) -> Range<usize> {
        self.n_theta()..self.n_theta() + self.pirls.beta.len()
    }
}
