//! The table of covariance structures, one row each.

use super::autoregressive;
use super::compound_symmetry;
use super::correlated::Correlated;
use super::definition::Covariance;
use super::diagonal;
use super::role::Role;
use super::toeplitz;
use super::unstructured;

use crate::error::{Error, Result};

macro_rules! structures {
    ($($(#[$doc:meta])* $structure:ident = $name:literal => $definition:expr;)*) => {
        /// The covariance structure of the effects of one part.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Structure {
            $($(#[$doc])* $structure,)*
        }

        impl Structure {
            const ALL: &'static [Self] = &[$(Self::$structure,)*];

            /// The structure's name in R.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$structure => $name,)*
                }
            }

            pub(super) fn covariance(self) -> &'static dyn Covariance {
                match self {
                    $(Self::$structure => const { &$definition },)*
                }
            }
        }
    };
}

structures! {
    /// Unstructured: theta is the lower triangle of Lambda, column by column.
    Unstructured = "us" => unstructured::Unstructured;
    /// Uncorrelated: theta is the diagonal of Lambda.
    Diagonal = "diag" => diagonal::Diagonal;
    /// Uncorrelated with one common standard deviation.
    HomogeneousDiagonal = "homdiag" => diagonal::HomogeneousDiagonal;
    /// All correlations equal: theta is a standard deviation (over sigma) for each effect, then the
    /// correlation.
    CompoundSymmetry = "cs" => each(compound_symmetry::CompoundSymmetry);
    /// Compound symmetry with one common standard deviation.
    HomogeneousCompoundSymmetry = "homcs" => common(compound_symmetry::CompoundSymmetry);
    /// Correlation `rho^|i - j|`: theta is a standard deviation (over sigma) for each effect, then
    /// `rho`.
    Autoregressive = "hetar1" => each(autoregressive::Autoregressive);
    /// Autoregression with one common standard deviation.
    HomogeneousAutoregressive = "ar1" => common(autoregressive::Autoregressive);
    /// A correlation for each distance: theta is a standard deviation (over sigma) for each effect,
    /// then the correlations.
    Toeplitz = "toep" => each(toeplitz::Toeplitz);
    /// Toeplitz with one common standard deviation.
    HomogeneousToeplitz = "homtoep" => common(toeplitz::Toeplitz);
}

// A structure with one standard deviation for each effect.
const fn each<C>(correlation: C) -> Correlated<C> {
    Correlated {
        correlation,
        is_homogeneous: false,
    }
}

// A structure with a common standard deviation.
const fn common<C>(correlation: C) -> Correlated<C> {
    Correlated {
        correlation,
        is_homogeneous: true,
    }
}

impl Structure {
    /// All structures.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied()
    }

    /// All structures with correlation parameters.
    #[cfg(test)]
    pub(crate) fn correlated() -> impl Iterator<Item = Self> {
        Self::all().filter(|structure| {
            structure
                .parameters(2)
                .iter()
                .any(|role| role.is_correlation())
        })
    }

    /// The structure with this name in R.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = Self::all().find(|structure| structure.name() == name);
        found.ok_or_else(|| Error::UnknownStructure {
            name: name.to_string(),
        })
    }

    /// The roles of the parameters for `size` effects, in theta's order.
    pub fn parameters(self, size: usize) -> Vec<Role> {
        self.covariance().parameters(size)
    }

    /// Number of parameters for `size` effects.
    pub fn n_theta(self, size: usize) -> usize {
        self.parameters(size).len()
    }
}
