//! From theta to Lambda: the relative covariance factor of one term.

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
}

impl Structure {
    /// The structure of R's name for it.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "us" => Ok(Self::Unstructured),
            "diag" => Ok(Self::Diagonal),
            "homdiag" => Ok(Self::HomogeneousDiagonal),
            _ => Err(Error::UnknownStructure { name: name.to_string() }),
        }
    }

    /// Number of parameters for `size` effects.
    pub fn n_theta(self, size: usize) -> usize {
        match self {
            Self::Unstructured => size * (size + 1) / 2,
            Self::Diagonal => size,
            Self::HomogeneousDiagonal => 1,
        }
    }
}

/// Neighbouring columns of a term that share one structure: a term of the user's formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its structure.
    pub structure: Structure,
    /// Number of columns.
    pub size: usize,
    /// Where its parameters start in the model's theta.
    pub theta_start: usize,
}

/// Relative covariance factor `Lambda` of one term, block diagonal over its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelCov {
    parts: Vec<Part>,
    vsize: usize,
}

impl RelCov {
    /// Parts in the order of the term's columns.
    pub fn new(parts: Vec<Part>) -> Self {
        let vsize = parts.iter().map(|part| part.size).sum();
        Self { parts, vsize }
    }

    /// One unstructured part whose parameters start at `theta_start`.
    pub fn unstructured(size: usize, theta_start: usize) -> Self {
        Self::new(vec![Part { structure: Structure::Unstructured, size, theta_start }])
    }

    /// Random effects per level.
    pub fn vsize(&self) -> usize {
        self.vsize
    }

    /// The parts.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// One past the largest index into theta that this term uses.
    pub fn theta_end(&self) -> usize {
        self.parts.iter().map(|p| p.theta_start + p.structure.n_theta(p.size)).max().unwrap_or(0)
    }

    /// Whether Lambda is diagonal for every theta.
    pub fn is_diagonal(&self) -> bool {
        self.parts.iter().all(|p| p.structure != Structure::Unstructured || p.size == 1)
    }

    /// Calls `visit(row, column, theta index)` for each element of Lambda that theta fills.
    pub fn for_each_parameter(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let mut first = 0;
        for part in &self.parts {
            let mut index = part.theta_start;
            for column in 0..part.size {
                let end = if part.structure == Structure::Unstructured { part.size } else { column + 1 };
                for row in column..end {
                    visit(first + row, first + column, index);
                    index += usize::from(part.structure != Structure::HomogeneousDiagonal);
                }
            }
            first += part.size;
        }
    }

    /// Calls `visit(r, s)`, `r >= s`, for each element of `Omega = Lambda Lambda'` that isn't zero for every theta.
    pub fn for_each_element(&self, mut visit: impl FnMut(usize, usize)) {
        let mut first = 0;
        for part in &self.parts {
            for s in 0..part.size {
                let end = if part.structure == Structure::Unstructured { part.size } else { s + 1 };
                (s..end).for_each(|r| visit(first + r, first + s));
            }
            first += part.size;
        }
    }

    /// First derivatives of Omega: calls `visit(j, r, s, value)`, `r >= s`, for each non-zero element of
    /// `d Omega / d theta_j = E Lambda' + Lambda E'`, with `E` the elements of Lambda that are `theta_j`. Values of
    /// the same element add up.
    pub fn for_each_first_derivative(&self, lambda: &[f64], mut visit: impl FnMut(usize, usize, usize, f64)) {
        let k = self.vsize;
        self.for_each_parameter(|row, column, index| {
            for s in column..k {
                let value = lambda[column * k + s];
                if s == row {
                    visit(index, row, row, 2.0 * value);
                } else if value != 0.0 {
                    visit(index, row.max(s), row.min(s), value);
                }
            }
        });
    }

    /// Second derivatives of Omega: calls `visit(i, j, r, s, value)`, `r >= s`, for each non-zero element of
    /// `d2 Omega / d theta_i d theta_j = E_i E_j' + E_j E_i'`, each unordered pair once.
    pub fn for_each_second_derivative(&self, mut visit: impl FnMut(usize, usize, usize, usize, f64)) {
        self.for_each_parameter(|row, column, index| {
            visit(index, index, row, row, 2.0);
            self.for_each_parameter(|other, other_column, other_index| {
                if other_column == column && other > row {
                    visit(index, other_index, other, row, 1.0);
                }
            });
        });
    }

    /// Fills `lambda` (`vsize x vsize`, column by column) from `theta`.
    pub fn fill_lambda(&self, theta: &[f64], lambda: &mut [f64]) {
        lambda.fill(0.0);
        self.for_each_parameter(|row, column, index| lambda[column * self.vsize + row] = theta[index]);
    }

    /// Writes the start value of each parameter (Lambda = I) and its lower bound (the diagonal is not negative).
    pub fn start_and_lower_bounds(&self, start: &mut [f64], lower: &mut [f64]) {
        self.for_each_parameter(|row, column, index| {
            start[index] = if row == column { 1.0 } else { 0.0 };
            lower[index] = if row == column { 0.0 } else { f64::NEG_INFINITY };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_of_two_parts_is_block_diagonal() {
        let cov = RelCov::new(vec![
            Part { structure: Structure::Diagonal, size: 1, theta_start: 3 },
            Part { structure: Structure::Unstructured, size: 2, theta_start: 0 },
        ]);
        let mut lambda = vec![f64::NAN; 9];
        cov.fill_lambda(&[1.0, 2.0, 3.0, 4.0], &mut lambda);
        // [4 . .; . 1 .; . 2 3], column by column
        assert_eq!(lambda, [4.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 3.0]);
        assert_eq!(cov.theta_end(), 4);
        assert!(!cov.is_diagonal());
    }

    #[test]
    fn homogeneous_diagonal_shares_one_parameter() {
        let part = Part { structure: Structure::HomogeneousDiagonal, size: 3, theta_start: 0 };
        let cov = RelCov::new(vec![part]);
        let mut lambda = vec![0.0; 9];
        cov.fill_lambda(&[2.0], &mut lambda);
        assert_eq!(lambda, [2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0]);
        assert!(cov.is_diagonal());
    }

    #[test]
    fn unknown_structure_is_an_error() {
        assert!(matches!(Structure::from_name("ar2"), Err(Error::UnknownStructure { .. })));
    }
}
