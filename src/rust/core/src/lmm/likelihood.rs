//! The ML and REML criteria of a linear mixed model, from their terms at a theta.

use std::f64::consts::PI;

use crate::derivatives::Profile;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::factor::sums::Sums;
use crate::lmm::matrix_free::Parts;

/// The criterion that is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Minus twice the log-likelihood, profiled over beta and sigma.
    Ml,
    /// Minus twice the restricted log-likelihood, profiled over sigma.
    Reml,
}

/// The criterion, with the constants that are not computed from the factor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Likelihood {
    pub criterion: Criterion,
    /// The residual standard deviation, if it is known.
    pub sigma: Option<f64>,
    /// Observations of positive weight.
    pub n_eff: usize,
    /// Number of columns of X, without the coefficients of fixed factors stored as terms.
    pub p: usize,
    /// Number of coefficients of the fixed factors stored as terms.
    pub coefficients: usize,
    /// `sum log w` over the observations of positive weight.
    pub sum_log_weights: f64,
}

impl Likelihood {
    /// The likelihood of a design, before the coefficients of fixed factors are counted.
    ///
    /// # Errors
    /// `TooFewObservations`.
    pub fn new(
        design: &Design,
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Self> {
        let positive =
            design.weights.unwrap_or(&[]).iter().filter(|&&w| w > 0.0);
        Self {
            criterion,
            sigma,
            n_eff: design.n_eff(),
            p: design.p(),
            coefficients: 0,
            sum_log_weights: positive.map(|w| w.ln()).sum(),
        }
        .checked()
    }

    /// The likelihood of sums, before the coefficients of fixed factors are counted.
    ///
    /// # Errors
    /// `TooFewObservations`.
    pub fn of_sums(
        sums: &Sums,
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Self> {
        Self {
            criterion,
            sigma,
            n_eff: sums.n_eff,
            p: sums.p(),
            coefficients: 0,
            sum_log_weights: sums.sum_log_weights,
        }
        .checked()
    }

    /// Checks that there are more observations than fixed effects.
    ///
    /// # Errors
    /// `TooFewObservations` if not.
    pub fn checked(self) -> Result<Self> {
        let n = self.n_eff;
        let p = self.p + self.coefficients;
        if n <= p {
            return Err(Error::TooFewObservations { n, p });
        }
        Ok(self)
    }

    /// Degrees of freedom of sigma: the number of observations, less that of fixed effects for
    /// REML.
    pub fn df(&self) -> f64 {
        match self.criterion {
            Criterion::Ml => self.n_eff as f64,
            Criterion::Reml => (self.n_eff - self.p - self.coefficients) as f64,
        }
    }

    /// The residual standard deviation: the known one, or the profiled estimate `sqrt(r^2 / df)`.
    pub fn sigma(&self, parts: Parts) -> f64 {
        self.sigma
            .unwrap_or_else(|| (parts.pwrss / self.df()).sqrt())
    }

    /// The criterion: `df log(2 pi sigma^2) + r^2 / sigma^2 + log |L|^2 - sum log w`, plus
    /// `log |R_X|^2` for REML.
    pub fn objective(&self, parts: Parts) -> f64 {
        let sigma2 = self.sigma(parts).powi(2);
        let scaled = parts.pwrss / sigma2;
        let log_det_fe = match self.criterion {
            Criterion::Ml => 0.0,
            Criterion::Reml => parts.log_det_fe,
        };
        self.df() * (2.0 * PI * sigma2).ln()
            + scaled
            + parts.log_det_re
            + log_det_fe
            - self.sum_log_weights
    }

    /// How beta and sigma are profiled out of the criterion, for its derivatives.
    pub fn profile(&self, parts: Parts) -> Profile {
        Profile {
            reml: self.criterion == Criterion::Reml,
            precision: self.sigma(parts).powi(-2),
            r2: parts.pwrss,
            sigma_profiled: self.sigma.is_none(),
        }
    }
}
