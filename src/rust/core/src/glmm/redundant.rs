//! Random effects whose columns of Z are in the column space of X. Laplace's approximation is
//! optimal at zero variance, as fixed effects explain the same variation without a penalty, and the
//! variances are held there.

use super::GeneralizedLinearMixedModel;
use crate::factor::contained::Redundant;
use crate::glmm::families::response::Information;
use crate::glmm::vary::Vary;

impl GeneralizedLinearMixedModel {
    /// Holds the variances of random effects in the column space of X at zero. Parts with
    /// parameters that are held already are left alone.
    pub(super) fn hold_redundant(&mut self) {
        self.redundant.clear();
        let p = self.pirls.beta.len();
        let mut terms = self.covs.iter().zip(&self.pirls.u);
        if !terms.any(|(cov, u)| u.len() / cov.vsize() <= p) {
            return;
        }
        let found = self.find_redundant();
        for index in found.parameters {
            self.held[index] = true;
            self.start_theta[index] = 0.0;
        }
        self.redundant = found.effects;
    }

    /// The random effects (term, column) in the column space of X, whose variances [`Self::fit`]
    /// held at zero.
    pub fn redundant(&self) -> &[(usize, usize)] {
        &self.redundant
    }

    // Determines these effects from the working linear model without random effects.
    fn find_redundant(&mut self) -> Redundant {
        // If a term is a fixed factor, the border holds the other fixed effects only, whose span
        // isn't that of all fixed effects. Where redundancy must be known, R makes the factor
        // columns of X.
        if self.is_iterative() || self.has_fixed_levels() {
            return Redundant::default();
        }
        let theta = self.pirls.theta().to_vec();
        self.pirls.set_theta(&vec![0.0; theta.len()]);
        let factored = self
            .pirls
            .factor_at_modes(Vary::Jointly, Information::Expected);
        let factor = factored.and_then(|()| self.pirls.factor(Vary::Jointly));
        let found = match factor {
            Ok(factor) => Redundant::of(factor, &self.held, false),
            Err(_) => Redundant::default(),
        };
        self.pirls.set_theta(&theta);
        found
    }
}
