//! The orthogonalised columns of one unstructured part of a term.

use std::ops::Range;

use crate::covariance::image::Image;
use crate::covariance::unstructured::place;
use crate::covariance::{Part, RelCov, Role};
use crate::error::{Beside, Error, Result};
use crate::kernels::rotations::lower_factor;
use crate::kernels::small;
use crate::tolerances::LOST_SPREAD;

/// An unstructured part of a term, with `Z = Q C'`.
#[derive(Debug, Clone)]
pub(super) struct PartBasis {
    /// Term of the design.
    pub term: usize,
    /// First column of the part in its term.
    pub first: usize,
    /// Number of effects of the part.
    pub k: usize,
    /// Indices of the part's parameters in theta.
    pub theta: Range<usize>,
    /// Lower triangle of C, column by column.
    pub c: Vec<f64>,
    /// Q, column by column; empty for sums.
    pub q: Vec<f64>,
}

/// The orthogonalised columns of all effects of a term, with its given covariance.
#[derive(Debug, Clone)]
pub(super) struct TermImage {
    /// The columns; no parameters are transformed.
    pub part: PartBasis,
    /// The covariance of the original effects.
    pub cov: RelCov,
}

impl TermImage {
    /// The orthogonal columns of a term with this covariance.
    ///
    /// # Errors
    /// `Origin` if a covariate is so far from zero that no correlation parameter can have the
    /// digits that tell its slopes from the effects before it.
    pub fn new(part: PartBasis, cov: RelCov) -> Result<Self> {
        let roles = cov.parts().iter().flat_map(Part::roles);
        let is_correlated = roles.copied().any(Role::is_correlation);
        let spreads = Image::new(part.k, &part.c).spreads(&vec![1.0; part.k]);
        let is_lost =
            |spread: &f64| *spread > 0.0 && spread.powi(2) < LOST_SPREAD;
        match spreads.iter().position(is_lost).filter(|_| is_correlated) {
            Some(column) => Err(Error::Origin {
                term: part.term,
                column,
                beside: Beside::Correlation,
            }),
            None => Ok(Self { part, cov }),
        }
    }

    /// The covariance of the effects of the orthogonal columns.
    pub fn cov(&self) -> RelCov {
        self.cov.of_combinations(&self.part.c)
    }

    /// The rotation that makes `C'Lambda` triangular, by rows.
    pub fn rotation(&self, theta: &[f64]) -> Vec<f64> {
        let k = self.part.k;
        let mut lambda = vec![0.0; k * k];
        self.cov.fill_lambda(theta, &mut lambda);
        Image::new(k, &self.part.c).rotation(&lambda)
    }
}

/// The matrix `C^-T` by which Lambda in the basis is multiplied to give a root of the original
/// Omega.
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// Term of the design.
    pub term: usize,
    /// First column of the part in its term.
    pub first: usize,
    /// `C^-T`, upper triangle `k x k`.
    pub values: Vec<f64>,
}

impl PartBasis {
    /// The inverse transformation, to the original effects of this part.
    pub(super) fn root(&self) -> Root {
        let k = self.k;
        let mut values = vec![0.0; k * k];
        for (j, column) in values.chunks_exact_mut(k).enumerate() {
            column[j] = 1.0;
            small::backward_solve(k, &self.c, column);
        }
        Root {
            term: self.term,
            first: self.first,
            values,
        }
    }

    /// The number of the part's effects in `effects` (term and column of each), if they are its
    /// first ones; otherwise zero.
    pub(super) fn leading(&self, effects: &[(usize, usize)]) -> usize {
        let own = self.first..self.first + self.k;
        let within = |(term, column): &&(usize, usize)| {
            *term == self.term && own.contains(column)
        };
        let n = effects.iter().filter(within).count();
        let ends_at = effects.iter().filter(within).map(|(_, j)| j + 1).max();
        if ends_at == Some(self.first + n) {
            n
        } else {
            0
        }
    }

    /// `C G C'` times a column of the original Lambda; `g` is that of the whole term.
    pub(super) fn slope_of_column(&self, given: &[f64], g: &[f64]) -> Vec<f64> {
        let k = self.k;
        let vsize = g.len().isqrt();
        let mut there = vec![0.0; k];
        small::lambda_transposed_times(k, &self.c, given, &mut there);
        let mut slope = vec![0.0; k];
        for (l, there) in there.iter().enumerate() {
            let column = (self.first + l) * vsize + self.first;
            small::axpy(*there, &g[column..column + k], &mut slope);
        }
        let mut back = vec![0.0; k];
        small::lambda_times(k, &self.c, &slope, &mut back);
        back
    }

    /// The rotation that makes `C'Lambda` triangular, by rows: the rotations of `C'Lambda` applied
    /// to the identity.
    pub(super) fn rotation(&self, own: &[f64]) -> Vec<f64> {
        let k = self.k;
        let mut rows = self.rows(own, |column| {
            let given = column.to_vec();
            small::lambda_transposed_times(k, &self.c, &given, column);
        });
        rows.resize(2 * k * k, 0.0);
        for i in 0..k {
            rows[k * k + i * (k + 1)] = 1.0;
        }
        lower_factor(k, &mut rows);
        rows.split_off(k * k)
    }

    /// Turns the part's spherical effects u of all levels by a rotation, given by rows.
    pub(super) fn rotate(&self, rotation: &[f64], vsize: usize, u: &mut [f64]) {
        let own = self.first..self.first + self.k;
        for u in u.chunks_exact_mut(vsize) {
            let rows = rotation.chunks_exact(self.k);
            let turned: Vec<f64> =
                rows.map(|row| small::dot(row, &u[own.clone()])).collect();
            u[own.clone()].copy_from_slice(&turned);
        }
    }

    /// Lambda by rows, with `map` applied to each of its columns.
    pub(super) fn rows(
        &self,
        own: &[f64],
        map: impl Fn(&mut [f64]),
    ) -> Vec<f64> {
        let k = self.k;
        let mut rows = vec![0.0; k * k];
        for j in 0..k {
            let mut column = vec![0.0; k];
            for i in j..k {
                column[i] = own[place(k, i, j)];
            }
            map(&mut column);
            for i in 0..k {
                rows[i * k + j] = column[i];
            }
        }
        rows
    }
}
