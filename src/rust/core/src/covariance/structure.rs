//! The covariance structures by name, each with its definition.

use super::autoregressive::Autoregressive;
use super::compound_symmetry::CompoundSymmetry;
use super::correlated::Correlated;
use super::definition::Covariance;
use super::diagonal::{Diagonal, HomogeneousDiagonal};
use super::unstructured::Unstructured;

use crate::error::{Error, Result};

/// How the effects of one part of a term vary together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// Unstructured: theta is the lower triangle of Lambda, column by column.
    Unstructured,
    /// Uncorrelated: theta is the diagonal of Lambda.
    Diagonal,
    /// Uncorrelated with one common standard deviation.
    HomogeneousDiagonal,
    /// All correlations equal: theta is a standard deviation (over sigma) for each effect, then the correlation.
    CompoundSymmetry,
    /// The same with one common standard deviation.
    HomogeneousCompoundSymmetry,
    /// Correlation `rho^|i - j|`: theta is a standard deviation (over sigma) for each effect, then `rho`.
    Autoregressive,
    /// The same with one common standard deviation.
    HomogeneousAutoregressive,
}

impl Structure {
    /// The structure of R's name for it.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "us" => Ok(Self::Unstructured),
            "diag" => Ok(Self::Diagonal),
            "homdiag" => Ok(Self::HomogeneousDiagonal),
            "cs" => Ok(Self::CompoundSymmetry),
            "homcs" => Ok(Self::HomogeneousCompoundSymmetry),
            "hetar1" => Ok(Self::Autoregressive),
            "ar1" => Ok(Self::HomogeneousAutoregressive),
            _ => Err(Error::UnknownStructure {
                name: name.to_string(),
            }),
        }
    }

    /// Number of parameters for `size` effects.
    pub fn n_theta(self, size: usize) -> usize {
        self.covariance().n_theta(size)
    }

    /// Whether its last parameter is a correlation.
    pub fn has_correlation(self) -> bool {
        !self.covariance().is_filled()
    }

    pub(crate) fn covariance(self) -> &'static dyn Covariance {
        const CS: Correlated<CompoundSymmetry> = Correlated {
            correlation: CompoundSymmetry,
            is_homogeneous: false,
        };
        const HOM_CS: Correlated<CompoundSymmetry> = Correlated {
            correlation: CompoundSymmetry,
            is_homogeneous: true,
        };
        const AR1: Correlated<Autoregressive> = Correlated {
            correlation: Autoregressive,
            is_homogeneous: false,
        };
        const HOM_AR1: Correlated<Autoregressive> = Correlated {
            correlation: Autoregressive,
            is_homogeneous: true,
        };
        match self {
            Self::Unstructured => &Unstructured,
            Self::Diagonal => &Diagonal,
            Self::HomogeneousDiagonal => &HomogeneousDiagonal,
            Self::CompoundSymmetry => &CS,
            Self::HomogeneousCompoundSymmetry => &HOM_CS,
            Self::Autoregressive => &AR1,
            Self::HomogeneousAutoregressive => &HOM_AR1,
        }
    }
}
