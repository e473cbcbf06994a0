//! Starts with linear predictors of the opposite sign.
//!
//! With few levels nearly all random effects may have the same sign, which the intercept
//! compensates. The likelihood may then have another maximum, with the intercept on the other side
//! of the linear predictors and random effects of the opposite sign. Random covariances seldom lead
//! to it, as the fixed effects start at those of the first maximum.

use super::fit::GlmmFit;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::glmm::vary::Vary;
use crate::optimize::Observer;

impl GeneralizedLinearMixedModel {
    /// The fit, or the one from an intercept on the other side of the linear predictors if it ends
    /// lower.
    pub(super) fn or_mirrored(
        &mut self,
        fit: &FitSettings,
        best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let Some(beta) = self.mirrored(fit.vary, &best) else {
            return best;
        };
        let start = self.start_of(&best.parameters);
        self.or_from_fixed(fit, (start, beta), best, observe)
    }

    /// The fit, or the one from these covariances and fixed effects if it ends lower.
    pub(super) fn or_from_fixed(
        &mut self,
        fit: &FitSettings,
        (start, beta): (Vec<f64>, Vec<f64>),
        best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let mirrored = FitSettings {
            beta,
            ..fit.clone()
        };
        self.reset_modes();
        self.or_lower(&mirrored, best, |model, limited| {
            model.fit_directly(limited, &start, None, observe)
        })
    }

    // The fixed effects of the original X with the intercept on the other side; `None` if the
    // random effects do not nearly all have the same sign, or there is no intercept.
    fn mirrored(&mut self, vary: Vary, best: &GlmmFit) -> Option<Vec<f64>> {
        if !self.may_start_at_fixed(vary) {
            return None;
        }
        let intercept = self.pirls.rows.constant()?;
        let (mean, sd) = self.random_part(best);
        if mean.abs() <= sd {
            return None;
        }
        let mut beta = best.parameters[self.places_of_beta()].to_vec();
        beta[0] += 2.0 * mean / intercept;
        Some(beta)
    }

    // The mean and standard deviation of the random effects' part of the linear predictors.
    fn random_part(&mut self, fit: &GlmmFit) -> (f64, f64) {
        self.reached = None;
        self.pirls.set_theta(&fit.parameters[..self.n_theta()]);
        self.pirls.restore_modes(&fit.modes);
        let part = self.pirls.predictor(&vec![0.0; self.pirls.beta.len()]);
        let n = part.len() as f64;
        let mean = part.iter().sum::<f64>() / n;
        let squares = part.iter().map(|value| (value - mean).powi(2));
        (mean, (squares.sum::<f64>() / n).sqrt())
    }
}
