//! The covariance structures by name, each with its definition.

use super::autoregressive::Autoregressive;
use super::compound_symmetry::CompoundSymmetry;
use super::correlated::Correlated;
use super::definition::Covariance;
use super::diagonal::{Diagonal, HomogeneousDiagonal};
use super::role::Role;
use super::toeplitz::Toeplitz;
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
    /// All correlations equal: theta is a standard deviation (over sigma) for each effect, then the
    /// correlation.
    CompoundSymmetry,
    /// Compound symmetry with one common standard deviation.
    HomogeneousCompoundSymmetry,
    /// Correlation `rho^|i - j|`: theta is a standard deviation (over sigma) for each effect, then
    /// `rho`.
    Autoregressive,
    /// Autoregression with one common standard deviation.
    HomogeneousAutoregressive,
    /// A correlation for each distance: theta is a standard deviation (over sigma) for each effect,
    /// then those.
    Toeplitz,
    /// Toeplitz with one common standard deviation.
    HomogeneousToeplitz,
}

type Row = (&'static str, Structure, &'static dyn Covariance);

/// R's name of each structure, and its definition.
const STRUCTURES: [Row; 9] = [
    ("us", Structure::Unstructured, &Unstructured),
    ("diag", Structure::Diagonal, &Diagonal),
    (
        "homdiag",
        Structure::HomogeneousDiagonal,
        &HomogeneousDiagonal,
    ),
    ("cs", Structure::CompoundSymmetry, &each(CompoundSymmetry)),
    (
        "homcs",
        Structure::HomogeneousCompoundSymmetry,
        &common(CompoundSymmetry),
    ),
    ("hetar1", Structure::Autoregressive, &each(Autoregressive)),
    (
        "ar1",
        Structure::HomogeneousAutoregressive,
        &common(Autoregressive),
    ),
    ("toep", Structure::Toeplitz, &each(Toeplitz)),
    ("homtoep", Structure::HomogeneousToeplitz, &common(Toeplitz)),
];

// Each effect has a standard deviation of its own.
const fn each<C>(correlation: C) -> Correlated<C> {
    Correlated {
        correlation,
        is_homogeneous: false,
    }
}

// All effects have one standard deviation.
const fn common<C>(correlation: C) -> Correlated<C> {
    Correlated {
        correlation,
        is_homogeneous: true,
    }
}

impl Structure {
    /// All structures.
    pub fn all() -> impl Iterator<Item = Self> {
        STRUCTURES.iter().map(|(_, structure, _)| *structure)
    }

    /// R's name of the structure.
    pub fn name(self) -> &'static str {
        STRUCTURES[self as usize].0
    }

    /// The structure of R's name for it.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = STRUCTURES.iter().find(|(known, _, _)| *known == name);
        found.map(|(_, structure, _)| *structure).ok_or_else(|| {
            Error::UnknownStructure {
                name: name.to_string(),
            }
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

    // The table stands in the order of the variants.
    pub(super) fn covariance(self) -> &'static dyn Covariance {
        STRUCTURES[self as usize].2
    }
}
