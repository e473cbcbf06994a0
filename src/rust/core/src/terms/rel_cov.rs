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

    /// Chooses among the theta with the same Omega the one with a diagonal of Lambda that isn't negative.
    pub fn make_canonical(&self, theta: &mut [f64]) {
        let mut flipped = None;
        self.for_each_parameter(|row, column, index| {
            if row == column && flipped != Some(index) {
                flipped = (theta[index] < 0.0).then_some(index);
                if flipped.is_some() {
                    theta[index] = -theta[index];
                }
            } else if row != column && flipped.is_some() {
                theta[index] = -theta[index];
            }
        });
    }

    /// Theta with `Omega + eps v v'` in one part, `v` in the columns of the term; the structure's own version of it
    /// where it is diagonal.
    pub fn displace(&self, part: usize, eps: f64, v: &[f64], theta: &mut [f64]) {
        let first: usize = self.parts[..part].iter().map(|p| p.size).sum();
        let Part { structure, size, theta_start } = self.parts[part];
        let v = &v[first..first + size];
        let theta = &mut theta[theta_start..theta_start + structure.n_theta(size)];
        match structure {
            Structure::Unstructured => {
                let mut omega = square_of_packed(size, theta);
                for j in 0..size {
                    (0..size).for_each(|i| omega[j * size + i] += eps * v[i] * v[j]);
                }
                factor_to_packed(size, &mut omega, theta);
            }
            Structure::Diagonal => {
                theta.iter_mut().zip(v).for_each(|(t, v)| *t = (*t * *t + eps * v * v).sqrt());
            }
            Structure::HomogeneousDiagonal => theta[0] = (theta[0] * theta[0] + eps).sqrt(),
        }
    }

    /// The size of a step of one in each parameter, given the root mean square of each column of Z.
    pub fn fill_units(&self, rms: &[f64], units: &mut [f64]) {
        self.for_each_parameter(|row, _, index| units[index] = 1.0 / rms[row]);
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

// Lambda Lambda' of a lower triangle that is packed by columns.
fn square_of_packed(k: usize, theta: &[f64]) -> Vec<f64> {
    let at = |row: usize, column: usize| theta[column * k - column * (column + 1) / 2 + row];
    let mut omega = vec![0.0; k * k];
    for j in 0..k {
        for i in 0..k {
            omega[j * k + i] = (0..=i.min(j)).map(|c| at(i, c) * at(j, c)).sum();
        }
    }
    omega
}

// Cholesky factor of a positive semi-definite matrix, packed by columns; a pivot of rounding size gives zeros.
fn factor_to_packed(k: usize, omega: &mut [f64], theta: &mut [f64]) {
    let scale: Vec<f64> = (0..k).map(|j| omega[j * k + j]).collect();
    let mut next = theta.iter_mut();
    for j in 0..k {
        let pivot = omega[j * k + j];
        let root = if pivot > 1e-13 * scale[j] { pivot.sqrt() } else { 0.0 };
        for i in j..k {
            let value = if root > 0.0 { omega[j * k + i] / root } else { 0.0 };
            omega[j * k + i] = value;
            if let Some(theta) = next.next() {
                *theta = value;
            }
        }
        for c in j + 1..k {
            (c..k).for_each(|i| omega[c * k + i] -= omega[j * k + i] * omega[j * k + c]);
        }
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
    fn canonical_theta_has_the_same_omega() {
        let cov = RelCov::new(vec![
            Part { structure: Structure::Unstructured, size: 2, theta_start: 0 },
            Part { structure: Structure::HomogeneousDiagonal, size: 2, theta_start: 3 },
            Part { structure: Structure::Diagonal, size: 2, theta_start: 4 },
        ]);
        let mut theta = [-1.0, 2.0, 3.0, -4.0, 5.0, -6.0];
        cov.make_canonical(&mut theta);
        assert_eq!(theta, [1.0, -2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn displaced_theta_has_the_wanted_omega() {
        let cov = RelCov::new(vec![
            Part { structure: Structure::Diagonal, size: 1, theta_start: 3 },
            Part { structure: Structure::Unstructured, size: 2, theta_start: 0 },
        ]);
        // Omega = [4 2; 2 1], singular, plus 2 [1 -1]'[1 -1].
        let mut theta = [2.0, 1.0, 0.0, 9.0];
        cov.displace(1, 2.0, &[0.0, 1.0, -1.0], &mut theta);
        assert!((theta[0] * theta[0] - 6.0).abs() < 1e-14 && (theta[0] * theta[1]).abs() < 1e-14);
        assert!((theta[1] * theta[1] + theta[2] * theta[2] - 3.0).abs() < 1e-14);
        cov.displace(0, 19.0, &[1.0, 0.0, 0.0], &mut theta);
        assert_eq!(theta[3], 10.0);
    }

    #[test]
    fn unknown_structure_is_an_error() {
        assert!(matches!(Structure::from_name("ar2"), Err(Error::UnknownStructure { .. })));
    }
}
