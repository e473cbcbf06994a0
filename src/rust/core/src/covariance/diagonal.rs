//! The diagonal structures `diag()` and `homdiag()`: theta is the diagonal of Lambda, or its common
//! value.

use super::definition::{Covariance, VisitElement, VisitFirst, VisitSecond};
use super::role::Role;

#[derive(Debug)]
pub(super) struct Diagonal;

impl Covariance for Diagonal {
    fn parameters(&self, k: usize) -> Vec<Role> {
        (0..k).map(|effect| Role::Scale { effect }).collect()
    }

    fn lambda(&self, k: usize, theta: &[f64], visit: VisitElement) {
        for j in 0..k {
            visit(j, j, theta[j]);
        }
    }

    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst) {
        for j in 0..k {
            visit(j, j, j, 2.0 * theta[j]);
        }
    }

    fn second_derivative(&self, k: usize, _theta: &[f64], visit: VisitSecond) {
        for j in 0..k {
            visit(j, j, j, j, 2.0);
        }
    }
}

#[derive(Debug)]
pub(super) struct HomogeneousDiagonal;

impl Covariance for HomogeneousDiagonal {
    fn parameters(&self, _k: usize) -> Vec<Role> {
        vec![Role::CommonScale]
    }

    fn lambda(&self, k: usize, theta: &[f64], visit: VisitElement) {
        for j in 0..k {
            visit(j, j, theta[0]);
        }
    }

    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst) {
        for j in 0..k {
            visit(0, j, j, 2.0 * theta[0]);
        }
    }

    fn second_derivative(&self, k: usize, _theta: &[f64], visit: VisitSecond) {
        for j in 0..k {
            visit(0, 0, j, j, 2.0);
        }
    }
}
