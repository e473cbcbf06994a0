//! Structures of standard deviations and correlations: `Omega_ij = s_i s_j R_ij`, where each
//! element of R is a function of one correlation parameter.
//!
//! Theta is `(s_1, ..., s_k)`, or one common standard deviation `s`, followed by the correlations.

use super::definition::{
    Covariance, Shares, VisitElement, VisitFirst, VisitSecond,
};
use super::role::Role;

/// The correlation matrix of `k` effects, whose element `(i, j)` is a function of `|i - j|` and of
/// one correlation parameter.
pub(super) trait Correlation: Sync {
    /// The role of each correlation parameter.
    fn parameters(&self, k: usize) -> Vec<Role>;

    /// The index of the parameter for the elements with `|i - j| = distance > 0`.
    fn index(&self, _distance: usize) -> usize {
        0
    }

    /// The value of the elements with `|i - j| = distance > 0`, and its first and second
    /// derivatives in their parameter.
    fn at(&self, distance: usize, rho: f64) -> [f64; 3];

    /// Visits the elements of the Cholesky factor of the correlation matrix.
    fn factor(&self, k: usize, rho: &[f64], visit: VisitElement);

    /// See [`Covariance::shares`].
    fn shares(&self) -> Option<&dyn Shares> {
        None
    }
}

#[derive(Debug)]
pub(super) struct Correlated<C> {
    pub(super) correlation: C,
    pub(super) is_homogeneous: bool,
}

impl<C: Correlation> Correlated<C> {
    // The index of the standard deviation of effect i.
    fn sd(&self, i: usize) -> usize {
        if self.is_homogeneous {
            0
        } else {
            i
        }
    }

    fn n_sds(&self, k: usize) -> usize {
        self.sd(k - 1) + 1
    }

    // Visits the second derivatives of `Omega_ij = s_i s_j R_ij`.
    fn second_derivative_of_pair(
        &self,
        k: usize,
        (i, j): (usize, usize),
        theta: &[f64],
        visit: VisitSecond,
    ) {
        let at_i = self.sd(i);
        let at_j = self.sd(j);
        let at_rho = self.n_sds(k) + self.correlation.index(i - j);
        let s_i = theta[at_i];
        let s_j = theta[at_j];
        let [r, dr, ddr] = self.correlation.at(i - j, theta[at_rho]);
        // With a common standard deviation both orders of the pair give the same second derivative.
        let orders = if at_i == at_j { 2.0 } else { 1.0 };
        visit(at_i, at_j, i, j, orders * r);
        visit(at_i, at_rho, i, j, s_j * dr);
        visit(at_j, at_rho, i, j, s_i * dr);
        visit(at_rho, at_rho, i, j, s_i * s_j * ddr);
    }
}

impl<C: Correlation> Covariance for Correlated<C> {
    fn parameters(&self, k: usize) -> Vec<Role> {
        let mut roles: Vec<Role> = if self.is_homogeneous {
            vec![Role::CommonScale]
        } else {
            (0..k).map(|effect| Role::Scale { effect }).collect()
        };
        roles.extend(self.correlation.parameters(k));
        roles
    }

    fn lambda(&self, k: usize, theta: &[f64], visit: VisitElement) {
        let rho = &theta[self.n_sds(k)..];
        self.correlation.factor(k, rho, &mut |row, column, value| {
            visit(row, column, theta[self.sd(row)] * value)
        });
    }

    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst) {
        for j in 0..k {
            let s_j = theta[self.sd(j)];
            visit(self.sd(j), j, j, 2.0 * s_j);
            for i in j + 1..k {
                let s_i = theta[self.sd(i)];
                let at_rho = self.n_sds(k) + self.correlation.index(i - j);
                let [r, dr, _] = self.correlation.at(i - j, theta[at_rho]);
                visit(self.sd(i), i, j, s_j * r);
                visit(self.sd(j), i, j, s_i * r);
                visit(at_rho, i, j, s_i * s_j * dr);
            }
        }
    }

    fn second_derivative(&self, k: usize, theta: &[f64], visit: VisitSecond) {
        for j in 0..k {
            visit(self.sd(j), self.sd(j), j, j, 2.0);
            for i in j + 1..k {
                self.second_derivative_of_pair(k, (i, j), theta, visit);
            }
        }
    }

    fn shares(&self) -> Option<&dyn Shares> {
        self.correlation.shares()
    }
}
