//! The table of families, one row each.

use super::binomial;
use super::definition::{
    Contribution, Distribution, ShapeDerivatives, ShapeRole,
};
use super::gamma;
use super::gaussian;
use super::inverse_gaussian;
use super::link::Link;
use super::negative_binomial;
use super::negative_binomial_linear;
use super::poisson;
use crate::error::{Error, Result};
use crate::random::Stream;

macro_rules! families {
    ($($(#[$doc:meta])* $family:ident = $name:literal => $definition:path;)*) => {
        /// The conditional distribution of the response. Its shape is the dispersion phi of the
        /// Gaussian, gamma and inverse Gaussian families, a parameter of the negative binomial
        /// ones, and unused otherwise.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Family {
            $($(#[$doc])* $family,)*
        }

        impl Family {
            /// All families.
            pub const ALL: &'static [Self] = &[$(Self::$family,)*];

            /// The family's name in R.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$family => $name,)*
                }
            }

            #[inline(always)]
            pub(crate) fn definition(self) -> &'static dyn Distribution {
                match self {
                    $(Self::$family => &$definition,)*
                }
            }
        }
    };
}

families! {
    /// `N(mu, phi / w)`
    Gaussian = "gaussian" => gaussian::Gaussian;
    /// `w y ~ Binomial(w, mu)`
    Binomial = "binomial" => binomial::Binomial;
    /// `Poisson(mu)`
    Poisson = "poisson" => poisson::Poisson;
    /// A gamma distribution with mean mu and variance `phi mu^2`
    Gamma = "Gamma" => gamma::Gamma;
    /// An inverse Gaussian distribution with mean mu and variance `phi mu^3`
    InverseGaussian = "inverse.gaussian" => inverse_gaussian::InverseGaussian;
    /// A negative binomial distribution with mean mu and variance `mu + mu^2 / theta`
    NegativeBinomial = "negative.binomial" => negative_binomial::NegativeBinomial;
    /// A negative binomial distribution with mean mu and variance `mu (1 + phi)`
    NegativeBinomialLinear = "nbinom1" => negative_binomial_linear::NegativeBinomialLinear;
}

impl Family {
    /// The family with this name in R.
    ///
    /// # Errors
    /// `UnknownFamily`.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|family| family.name() == name);
        found.copied().ok_or_else(|| Error::UnknownFamily {
            name: name.to_string(),
        })
    }

    /// Whether the shape is a dispersion: the part of the log-likelihood that depends on eta is
    /// proportional to `1 / shape`.
    pub fn has_dispersion(self) -> bool {
        self.definition().shape_role() == ShapeRole::Dispersion
    }

    /// Whether the family has a shape parameter.
    pub fn has_shape(self) -> bool {
        self.definition().shape_role() != ShapeRole::None
    }

    /// Whether observed and expected information are equal for every response.
    pub fn is_canonical(self, link: Link) -> bool {
        self.definition().canonical_link() == Some(link)
    }

    /// The end of the range of the linear predictor, if it has one: where the mean is zero or
    /// infinite, or where a probability is one.
    pub(crate) fn end_of_range(self, link: Link) -> Option<f64> {
        let is_probability = self == Self::Binomial;
        let has_end = link.is_power() || link == Link::Log && is_probability;
        has_end.then_some(0.0)
    }

    /// Whether the response is in the support of the distribution.
    pub fn accepts(self, y: f64) -> bool {
        self.definition().accepts(y)
    }

    /// A starting mean near the response, in the interior of the range of the mean.
    pub(crate) fn start_mean(self, y: f64, w: f64) -> f64 {
        self.definition().start_mean(y, w)
    }

    /// The variance function `V(mu)`: the variance over the dispersion.
    pub fn variance(self, mu: f64, shape: f64) -> f64 {
        self.definition().variance(mu, shape)
    }

    /// A random response with mean `mu`; for the binomial, a proportion. A dispersion is that for
    /// weight one.
    pub fn draw(self, stream: &mut Stream, mu: f64, w: f64, shape: f64) -> f64 {
        self.definition().draw(stream, mu, w, shape)
    }

    /// The contribution to the deviance: twice the log-likelihood ratio to the saturated model,
    /// times phi.
    pub fn deviance(self, y: f64, w: f64, mu: f64, shape: f64) -> f64 {
        w * self.definition().deviance(y, mu, shape)
    }

    /// The terms of the log-likelihood that do not depend on eta.
    pub fn constant(self, y: f64, w: f64, shape: f64) -> f64 {
        if w == 0.0 {
            return 0.0;
        }
        self.definition().constant(y, w, shape)
    }

    /// Log-likelihood and derivatives of one observation at `eta`; the log-likelihood is `NaN` or
    /// minus infinity outside the domain.
    #[inline]
    pub fn contribution(
        self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> Contribution {
        self.definition().contribution(link, y, w, eta, shape)
    }

    /// Derivatives in `log(shape)` at a contribution of this family.
    pub fn shape_derivatives(
        self,
        link: Link,
        y: f64,
        w: f64,
        eta: f64,
        shape: f64,
    ) -> ShapeDerivatives {
        self.definition().shape_derivatives(link, y, w, eta, shape)
    }
}
