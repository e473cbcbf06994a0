//! The two engines, exact and iterative, as one type. Linear and generalized models have different
//! data for each engine, and the same accessors.

use crate::error::{Error, Result};

/// An engine; `E` are the data of the exact one, `I` those of the iterative one.
#[derive(Debug, Clone)]
pub(crate) enum Engine<E, I> {
    Exact(Box<E>),
    Iterative(Box<I>),
}

impl<E, I> Engine<E, I> {
    /// The exact engine.
    ///
    /// # Errors
    /// `NeedsFactor` with the iterative engine.
    pub fn as_exact(&self) -> Result<&E> {
        match self {
            Self::Exact(exact) => Ok(exact),
            Self::Iterative(_) => Err(Error::NeedsFactor),
        }
    }

    /// The exact engine, mutably.
    ///
    /// # Errors
    /// `NeedsFactor` with the iterative engine.
    pub fn as_exact_mut(&mut self) -> Result<&mut E> {
        match self {
            Self::Exact(exact) => Ok(exact),
            Self::Iterative(_) => Err(Error::NeedsFactor),
        }
    }

    /// The iterative engine.
    pub fn as_iterative(&self) -> Option<&I> {
        match self {
            Self::Exact(_) => None,
            Self::Iterative(iterative) => Some(iterative),
        }
    }

    /// The iterative engine, mutably.
    pub fn as_iterative_mut(&mut self) -> Option<&mut I> {
        match self {
            Self::Exact(_) => None,
            Self::Iterative(iterative) => Some(iterative),
        }
    }
}
