//! What computes a model: a factor, exactly, or conjugate gradients without one. Linear and
//! generalized models have their own parts of either, and the same ways to reach them.

use crate::error::{Error, Result};

/// An engine at one theta; `E` are the parts of the exact one, `I` those of the iterative one.
#[derive(Debug, Clone)]
pub(crate) enum Engine<E, I> {
    Exact(Box<E>),
    Iterative(Box<I>),
}

impl<E, I> Engine<E, I> {
    /// The exact engine's parts.
    ///
    /// # Errors
    /// `NeedsFactor` of the iterative engine.
    pub fn as_exact(&self) -> Result<&E> {
        match self {
            Self::Exact(exact) => Ok(exact),
            Self::Iterative(_) => Err(Error::NeedsFactor),
        }
    }

    /// The exact engine's parts, to be changed.
    ///
    /// # Errors
    /// `NeedsFactor` of the iterative engine.
    pub fn as_exact_mut(&mut self) -> Result<&mut E> {
        match self {
            Self::Exact(exact) => Ok(exact),
            Self::Iterative(_) => Err(Error::NeedsFactor),
        }
    }

    /// The iterative engine's parts.
    pub fn as_iterative(&self) -> Option<&I> {
        match self {
            Self::Exact(_) => None,
            Self::Iterative(iterative) => Some(iterative),
        }
    }

    /// The iterative engine's parts, to be changed.
    pub fn as_iterative_mut(&mut self) -> Option<&mut I> {
        match self {
            Self::Exact(_) => None,
            Self::Iterative(iterative) => Some(iterative),
        }
    }
}
