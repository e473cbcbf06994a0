//! A start on the other side of the random effects.
//!
//! Random effects of few levels may nearly all have one sign, for which the intercept makes up. The
//! likelihood may then have another maximum, with an intercept beyond the effects and these of the
//! other sign; from random covariances it is seldom found, as the fixed effects start at the first.

use super::fit::{FitSettings, GlmmFit};
use super::GeneralizedLinearMixedModel;
use crate::covariance::RelCov;
use crate::glmm::vary::Vary;
use crate::optimize::Observer;

impl GeneralizedLinearMixedModel {
    /// The fit, or the one from an intercept on the other side of the random effects, if it ends
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
        let mirrored = FitSettings {
            beta,
            ..fit.clone()
        };
        self.forget_modes();
        self.lower_by(&mirrored, best, |model, limited| {
            model.fit_directly(limited, &start, None, observe)
        })
    }

    // The fixed effects of X as it is with the intercept on the other side of the random effects;
    // none where these aren't nearly all of one sign, or there is no such parameter.
    fn mirrored(&mut self, vary: Vary, best: &GlmmFit) -> Option<Vec<f64>> {
        let is_parameter = vary == Vary::Modes && !self.pirls.beta.is_empty();
        if !is_parameter || self.covs.iter().any(RelCov::is_fixed) {
            return None;
        }
        let intercept = self.pirls.rows.constant()?;
        let (mean, sd) = self.random_part(best);
        if mean.abs() <= sd {
            return None;
        }
        let (n, p) = (self.n_theta(), self.pirls.beta.len());
        let mut beta = best.parameters[n..n + p].to_vec();
        beta[0] += 2.0 * mean / intercept;
        Some(beta)
    }

    // Mean and standard deviation of the random effects' part of the linear predictors of a fit.
    fn random_part(&mut self, fit: &GlmmFit) -> (f64, f64) {
        self.reached = None;
        self.pirls.set_theta(&fit.parameters[..self.n_theta()]);
        self.pirls.return_to(&fit.modes);
        let part = self.pirls.predictor(&vec![0.0; self.pirls.beta.len()]);
        let n = part.len() as f64;
        let mean = part.iter().sum::<f64>() / n;
        let squares = part.iter().map(|value| (value - mean).powi(2));
        (mean, (squares.sum::<f64>() / n).sqrt())
    }
}
