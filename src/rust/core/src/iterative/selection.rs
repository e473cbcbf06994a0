//! Selections of columns of `[X r]`, or linear combinations of them, as a block of eight vectors.

use crate::iterative::wide::{add_multiple, Row, WIDTH};

/// Columns of `[X r]`, or combinations of them.
#[derive(Debug, Clone)]
pub enum Selection {
    /// The [`WIDTH`] columns from an index on, as far as they exist.
    From(usize),
    /// Linear combinations: a row of coefficients per column of `[X r]`.
    Combined(Vec<Row>),
}

impl From<usize> for Selection {
    fn from(first: usize) -> Self {
        Self::From(first)
    }
}

impl Selection {
    /// The selected elements of a row of `[X r]`.
    #[inline(always)]
    pub fn of(&self, row: &[f64]) -> Row {
        let mut selection = [0.0; WIDTH];
        match self {
            Self::From(first) => {
                let values = selection.iter_mut().zip(&row[*first..]);
                values.for_each(|(selection, value)| *selection = *value);
            }
            Self::Combined(coefficients) => {
                let values = row.iter().zip(coefficients);
                values.for_each(|(a, c)| add_multiple(*a, c, &mut selection));
            }
        }
        selection
    }
}

impl From<Vec<Row>> for Selection {
    fn from(coefficients: Vec<Row>) -> Self {
        Self::Combined(coefficients)
    }
}
