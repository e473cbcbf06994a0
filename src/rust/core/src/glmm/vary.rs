//! What a search for the modes varies.

/// What is varied to minimise the penalized deviance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vary {
    /// The random effects, at the given fixed effects.
    Modes,
    /// Random and fixed effects.
    Jointly,
}

impl Vary {
    /// Whether the fixed effects are among what is varied.
    pub(crate) fn fixed(self) -> bool {
        self == Self::Jointly
    }
}
