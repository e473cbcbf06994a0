//! From theta to Lambda: the relative covariance factor of one term.

use super::definition::Covariance;
use super::structure::Structure;
use crate::error::{Error, Result};

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

impl Part {
    fn covariance(&self) -> &'static dyn Covariance {
        self.structure.covariance()
    }

    /// Indices of its parameters in the model's theta.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.theta_start..self.theta_start + self.structure.n_theta(self.size)
    }
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
        Self::new(vec![Part {
            structure: Structure::Unstructured,
            size,
            theta_start,
        }])
    }

    /// Random effects per level.
    pub fn vsize(&self) -> usize {
        self.vsize
    }

    /// The parts.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    // Each part with its first column.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (usize, &Part)> {
        self.parts.iter().scan(0, |next, part| {
            let first = *next;
            *next += part.size;
            Some((first, part))
        })
    }

    /// One past the largest index into theta that this term uses.
    pub fn theta_end(&self) -> usize {
        self.parts
            .iter()
            .map(|part| part.range().end)
            .max()
            .unwrap_or(0)
    }

    /// Whether Lambda is diagonal for every theta.
    pub fn is_diagonal(&self) -> bool {
        self.parts
            .iter()
            .all(|part| part.covariance().is_diagonal(part.size))
    }

    /// Whether each element of Lambda is a parameter or zero.
    pub fn is_filled(&self) -> bool {
        self.parts.iter().all(|part| part.covariance().is_filled())
    }

    /// Calls `visit(row, column, theta index)` for each element of Lambda that is a parameter.
    pub fn for_each_parameter(&self, mut visit: impl FnMut(usize, usize, usize)) {
        for (first, part) in self.placed() {
            let mut shifted =
                |row, column, index| visit(first + row, first + column, part.theta_start + index);
            part.covariance().places(part.size, &mut shifted);
        }
    }

    /// Calls `visit(r, s)`, `r >= s`, for each element of `Omega = Lambda Lambda'` that isn't zero for every theta.
    pub fn for_each_element(&self, mut visit: impl FnMut(usize, usize)) {
        for (first, part) in self.placed() {
            let is_diagonal = part.covariance().is_diagonal(part.size);
            for s in 0..part.size {
                let end = if is_diagonal { s + 1 } else { part.size };
                (s..end).for_each(|r| visit(first + r, first + s));
            }
        }
    }

    /// First derivatives of Omega: calls `visit(j, r, s, value)`, `r >= s`, for each non-zero element of
    /// `d Omega / d theta_j`. Values of the same element add up.
    pub fn for_each_first_derivative(
        &self,
        theta: &[f64],
        mut visit: impl FnMut(usize, usize, usize, f64),
    ) {
        for (first, part) in self.placed() {
            let mut shifted =
                |j, r, s, value| visit(part.theta_start + j, first + r, first + s, value);
            part.covariance()
                .first_derivative(part.size, &theta[part.range()], &mut shifted);
        }
    }

    /// Second derivatives of Omega: calls `visit(i, j, r, s, value)`, `r >= s`, for each non-zero element of
    /// `d2 Omega / d theta_i d theta_j`, each unordered pair once. Values of the same element add up.
    pub fn for_each_second_derivative(
        &self,
        theta: &[f64],
        mut visit: impl FnMut(usize, usize, usize, usize, f64),
    ) {
        for (first, part) in self.placed() {
            let start = part.theta_start;
            let mut shifted =
                |i, j, r, s, value| visit(start + i, start + j, first + r, first + s, value);
            part.covariance()
                .second_derivative(part.size, &theta[part.range()], &mut shifted);
        }
    }

    /// Fills `lambda` (`vsize x vsize`, column by column) from `theta`.
    pub fn fill_lambda(&self, theta: &[f64], lambda: &mut [f64]) {
        lambda.fill(0.0);
        let k = self.vsize;
        for (first, part) in self.placed() {
            let mut fill = |row, column, value| lambda[(first + column) * k + first + row] = value;
            part.covariance()
                .lambda(part.size, &theta[part.range()], &mut fill);
        }
    }

    /// Writes the start value of each parameter and its lower bound.
    pub fn start_and_lower_bounds(&self, start: &mut [f64], lower: &mut [f64]) {
        let mut upper = vec![0.0; lower.len()];
        for part in &self.parts {
            let range = part.range();
            part.covariance()
                .start(part.size, &mut start[range.clone()]);
            part.covariance()
                .bounds(part.size, &mut lower[range.clone()], &mut upper[range]);
        }
    }

    /// Checks the parameters without which there is no Omega; a negative diagonal of Lambda is harmless.
    ///
    /// # Errors
    /// `Parameter`.
    pub fn validate(&self, theta: &[f64]) -> Result<()> {
        for part in &self.parts {
            let Some((lower, upper)) = part.covariance().correlation_range(part.size) else {
                continue;
            };
            let index = part.range().end - 1;
            let value = theta[index];
            if !(lower..=upper).contains(&value) {
                return Err(Error::Parameter {
                    index,
                    value,
                    lower,
                    upper,
                });
            }
        }
        Ok(())
    }
}

// For optimizers: working coordinates `x` instead of theta.
impl RelCov {
    /// Replaces `x` by theta; writes the first and second derivatives of each element of theta in its coordinate.
    pub fn natural(&self, x: &mut [f64], first: &mut [f64], second: &mut [f64]) {
        for part in &self.parts {
            let r = part.range();
            part.covariance().natural(
                part.size,
                &mut x[r.clone()],
                &mut first[r.clone()],
                &mut second[r],
            );
        }
    }

    /// Replaces theta by its working coordinates.
    pub fn working(&self, theta: &mut [f64]) {
        self.parts.iter().for_each(|part| {
            part.covariance()
                .working(part.size, &mut theta[part.range()])
        });
    }

    /// Chooses among the `x` with the same Omega the one within the bounds, or the nearest one within them; elements
    /// that are `held` stay.
    pub fn make_canonical(&self, x: &mut [f64], held: &[bool]) {
        self.parts.iter().for_each(|part| {
            part.covariance()
                .project(part.size, &mut x[part.range()], &held[part.range()]);
        });
    }

    /// Calls `visit(index)` for each parameter whose bound of zero may be an optimum with a slope.
    pub fn for_each_kink(&self, held: &[bool], mut visit: impl FnMut(usize)) {
        for part in &self.parts {
            let mut shifted = |i| visit(part.theta_start + i);
            part.covariance()
                .kinks(part.size, &held[part.range()], &mut shifted);
        }
    }

    /// Theta with `Omega + eps v v'` in one part, `v` in the columns of the term, or the structure's own version of it,
    /// where a correlation is `rho`.
    pub fn displace(&self, part: usize, eps: f64, v: &[f64], rho: f64, theta: &mut [f64]) {
        if let Some((first, part)) = self.placed().nth(part) {
            let v = &v[first..first + part.size];
            part.covariance()
                .displace(part.size, eps, v, rho, &mut theta[part.range()]);
        }
    }

    /// Theta of a covariance near `omega`, `vsize x vsize`; parts that can't follow, or aren't to, stay as they are.
    pub fn approach(&self, omega: &[f64], theta: &mut [f64], is_free: impl Fn(&Part) -> bool) {
        for (first, part) in self.placed().filter(|(_, part)| is_free(part)) {
            let at = |i: usize, j: usize| omega[(first + j) * self.vsize + first + i];
            let block: Vec<f64> = (0..part.size.pow(2))
                .map(|e| at(e % part.size, e / part.size))
                .collect();
            part.covariance()
                .approach(part.size, &block, &mut theta[part.range()]);
        }
    }

    /// The size of a step of one in each coordinate, given the root mean square of each column of Z.
    pub fn fill_step_sizes(&self, rms: &[f64], step_sizes: &mut [f64]) {
        for (first, part) in self.placed() {
            part.covariance().step_sizes(
                part.size,
                &rms[first..first + part.size],
                &mut step_sizes[part.range()],
            );
        }
    }
}

#[cfg(test)]
#[path = "rel_cov_tests.rs"]
mod tests;
