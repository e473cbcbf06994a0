//! The variables of PIRLS: the random effects, or random and fixed effects.

/// The variables over which the penalized deviance is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vary {
    /// The random effects, at given fixed effects.
    Modes,
    /// Random and fixed effects.
    Jointly,
    /// The random effects, at given fixed effects and given coefficients of fixed factors that are
    /// stored as terms; in other variants these coefficients are variables, too.
    WithoutLevels,
}

impl Vary {
    /// Whether the fixed effects are variables.
    pub(crate) fn fixed(self) -> bool {
        self == Self::Jointly
    }
}
