//! The approximation to the likelihood: its information, its number of nodes, and how the shape is
//! determined.

use crate::glmm::families::response::Information;

/// How the shape (a dispersion, or theta of the negative binomial) is determined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A known shape with this value.
    Known(f64),
    /// An estimated shape with this start: `log shape` is a parameter after beta, and Lambda is not
    /// relative to the dispersion.
    Estimated(f64),
    /// A moment estimate of the dispersion, as in lme4 before 2.0: the modes minimise
    /// `deviance + |u|^2`, Lambda is relative to the dispersion, and the log-likelihood is
    /// evaluated at `phi = deviance / sum w`.
    Moment,
    /// A profiled dispersion, as in lme4 since 2.0: at the modes `phi = deviance / df` with these
    /// degrees of freedom (number of observations minus the rank of `[X Z]`), and the
    /// log-likelihood is evaluated at `phi = deviance / sum w`.
    Profiled(f64),
}

impl Shape {
    pub(super) fn initial(self) -> f64 {
        match self {
            Self::Known(shape) | Self::Estimated(shape) => shape,
            Self::Moment | Self::Profiled(_) => 1.0,
        }
    }
}

/// The approximation to the likelihood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The information in the log-determinant.
    pub information: Information,
    /// How the shape is determined.
    pub shape: Shape,
    /// Number of nodes of adaptive quadrature; 1 is the Laplace approximation.
    pub nodes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            information: Information::Expected,
            shape: Shape::Known(1.0),
            nodes: 1,
        }
    }
}
