//! The columns of a model matrix, borrowed from where they are stored: a data frame or a matrix.

use crate::error::{check_length, Error, Result};

/// A column of a model matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Column<'a> {
    /// A column with the same number in every row, which takes no storage.
    Constant(f64),
    /// A column of floating-point numbers.
    Doubles(&'a [f64]),
    /// A column of integers.
    Integers(&'a [i32]),
}

/// R's missing integer.
const MISSING: i32 = i32::MIN;
/// Number of interleaved sums: with a single sum each addition would wait for the previous one.
const LANES: usize = 8;

impl Column<'_> {
    /// The value in row `i`.
    #[inline]
    pub(crate) fn value(&self, i: usize) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Doubles(values) => values[i],
            Self::Integers(values) => f64::from(values[i]),
        }
    }

    /// Copies rows from `first` on.
    pub(crate) fn copy(&self, first: usize, out: &mut [f64]) {
        match *self {
            Self::Constant(value) => out.fill(value),
            Self::Doubles(values) => {
                out.copy_from_slice(&values[first..first + out.len()])
            }
            Self::Integers(values) => {
                let both = out.iter_mut().zip(&values[first..]);
                both.for_each(|(out, value)| *out = f64::from(*value));
            }
        }
    }

    /// Whether all rows have the same value.
    pub(crate) fn is_constant(&self) -> bool {
        match self {
            Self::Constant(_) => true,
            Self::Doubles(values) => values.iter().all(|v| *v == values[0]),
            Self::Integers(values) => values.iter().all(|v| *v == values[0]),
        }
    }

    // Copies rows from `first` on, one for each place.
    #[inline]
    fn copy_rows<'b>(
        &self,
        first: usize,
        places: impl Iterator<Item = &'b mut f64>,
    ) {
        match *self {
            // Internal iteration is faster for iterators with a stride.
            Self::Constant(value) => places.for_each(|place| *place = value),
            Self::Doubles(values) => {
                let pairs = places.zip(&values[first..]);
                pairs.for_each(|(place, value)| *place = *value);
            }
            Self::Integers(values) => {
                let pairs = places.zip(&values[first..]);
                pairs.for_each(|(place, value)| *place = f64::from(*value));
            }
        }
    }

    /// Whether both columns are the same memory.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => a == b,
            (Self::Doubles(a), Self::Doubles(b)) => std::ptr::eq(*a, *b),
            (Self::Integers(a), Self::Integers(b)) => std::ptr::eq(*a, *b),
            _ => false,
        }
    }

    fn len(&self) -> Option<usize> {
        match self {
            Self::Constant(_) => None,
            Self::Doubles(values) => Some(values.len()),
            Self::Integers(values) => Some(values.len()),
        }
    }

    fn not_finite(&self) -> Option<usize> {
        match self {
            Self::Constant(value) => (!value.is_finite()).then_some(0),
            Self::Doubles(values) => first_not_finite(values),
            Self::Integers(values) => values.iter().position(|&v| v == MISSING),
        }
    }
}

/// The columns of a model matrix.
#[derive(Debug, Clone, Default)]
pub struct Columns<'a>(Vec<Column<'a>>);

impl<'a> Columns<'a> {
    /// A matrix of these columns.
    pub fn new(columns: Vec<Column<'a>>) -> Self {
        Self(columns)
    }

    /// A matrix with one column of ones.
    pub fn ones() -> Self {
        Self(vec![Column::Constant(1.0)])
    }

    /// The columns of a matrix with `n` rows, stored column by column.
    pub fn dense(values: &'a [f64], n: usize) -> Self {
        Self(values.chunks(n.max(1)).map(Column::Doubles).collect())
    }

    /// Whether the matrix is one column of ones.
    pub(crate) fn is_ones(&self) -> bool {
        self.0 == [Column::Constant(1.0)]
    }

    /// Number of columns.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The columns.
    pub fn iter(&self) -> std::slice::Iter<'_, Column<'a>> {
        self.0.iter()
    }

    /// Column `j`.
    pub(crate) fn column(&self, j: usize) -> &Column<'a> {
        &self.0[j]
    }

    /// The columns except for one.
    pub fn without(&self, at: usize) -> Self {
        let mut columns = self.0.clone();
        columns.remove(at);
        Self(columns)
    }

    /// Whether both matrices are the same memory.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&other.0);
        self.len() == other.len() && pairs.all(|(a, b)| a.is_same(b))
    }

    /// The element in row `i` and column `j`.
    #[inline]
    pub fn value(&self, i: usize, j: usize) -> f64 {
        self.0[j].value(i)
    }

    /// Copies the rows from `first` on into `rows`, row by row, with `stride` elements per row.
    pub(crate) fn gather(&self, first: usize, stride: usize, rows: &mut [f64]) {
        for (j, column) in self.0.iter().enumerate() {
            let out = rows[j..].iter_mut().step_by(stride);
            column.copy_rows(first, out);
        }
    }

    /// Checks that each column has `n` finite values.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`.
    pub fn validate(&self, what: &'static str, n: usize) -> Result<()> {
        for (j, column) in self.0.iter().enumerate() {
            check_length(what, n, column.len().unwrap_or(n))?;
            if let Some(index) = column.not_finite() {
                return Err(Error::NonFinite {
                    what,
                    index: j * n + index,
                });
            }
        }
        Ok(())
    }
}

/// The index of the first value that is not finite.
pub(crate) fn first_not_finite(values: &[f64]) -> Option<usize> {
    // The products with zero sum to zero if all values are finite, which is checked in one fast
    // pass.
    let mut sums = [0.0; LANES];
    let blocks = values.chunks_exact(LANES);
    let rest: f64 = blocks.remainder().iter().map(|v| v * 0.0).sum();
    for block in blocks {
        for (sum, v) in sums.iter_mut().zip(block) {
            *sum += v * 0.0;
        }
    }
    if sums.iter().sum::<f64>() + rest == 0.0 {
        return None;
    }
    values.iter().position(|v| !v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_all_kinds_of_columns() {
        let (doubles, integers) = ([0.5, 1.5, 2.5], [7, 8, 9]);
        let columns = Columns::new(vec![
            Column::Constant(1.0),
            Column::Doubles(&doubles),
            Column::Integers(&integers),
        ]);
        let mut rows = [-1.0; 8];
        columns.gather(1, 4, &mut rows);
        assert_eq!(rows, [1.0, 1.5, 8.0, -1.0, 1.0, 2.5, 9.0, -1.0]);
        assert_eq!(
            (
                columns.value(2, 0),
                columns.value(2, 1),
                columns.value(2, 2)
            ),
            (1.0, 2.5, 9.0)
        );
        assert!(Columns::ones().is_ones() && !columns.is_ones());
    }

    #[test]
    fn lengths_and_missing_values() {
        let columns = Columns::new(vec![
            Column::Constant(1.0),
            Column::Integers(&[1, MISSING]),
        ]);
        assert_eq!(
            columns.validate("x", 2),
            Err(Error::NonFinite {
                what: "x",
                index: 3
            })
        );
        assert!(matches!(
            columns.validate("x", 3),
            Err(Error::Dimension {
                expected: 3,
                found: 2,
                ..
            })
        ));
        assert!(Columns::new(vec![Column::Constant(f64::NAN)])
            .validate("x", 3)
            .is_err());
    }
}
