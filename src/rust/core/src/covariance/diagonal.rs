//! `diag()` and `zerocorr()`: theta is the diagonal of Lambda, or the one number that fills it.

use super::definition::{Covariance, VisitFirst, VisitSecond};
use crate::tolerances::LEAST_VARIANCE;

#[derive(Debug)]
pub(super) struct Diagonal;

impl Covariance for Diagonal {
    fn n_theta(&self, k: usize) -> usize {
        k
    }

    fn is_diagonal(&self, _k: usize) -> bool {
        true
    }

    fn places(&self, k: usize, visit: &mut dyn FnMut(usize, usize, usize)) {
        (0..k).for_each(|j| visit(j, j, j));
    }

    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst) {
        (0..k).for_each(|j| visit(j, j, j, 2.0 * theta[j]));
    }

    fn second_derivative(&self, k: usize, _theta: &[f64], visit: VisitSecond) {
        (0..k).for_each(|j| visit(j, j, j, j, 2.0));
    }

    fn project(&self, _k: usize, x: &mut [f64], held: &[bool]) {
        x.iter_mut()
            .zip(held)
            .filter(|(_, held)| !**held)
            .for_each(|(x, _)| *x = x.abs());
    }

    fn approach(&self, k: usize, omega: &[f64], theta: &mut [f64]) {
        (0..k).for_each(|j| {
            theta[j] = omega[j * k + j]
                .max(LEAST_VARIANCE * theta[j].powi(2))
                .sqrt()
        });
    }

    fn displace(&self, _k: usize, eps: f64, v: &[f64], _rho: f64, theta: &mut [f64]) {
        theta
            .iter_mut()
            .zip(v)
            .for_each(|(t, v)| *t = (*t * *t + eps * v * v).sqrt());
    }
}

#[derive(Debug)]
pub(super) struct HomogeneousDiagonal;

impl Covariance for HomogeneousDiagonal {
    fn n_theta(&self, _k: usize) -> usize {
        1
    }

    fn is_diagonal(&self, _k: usize) -> bool {
        true
    }

    fn places(&self, k: usize, visit: &mut dyn FnMut(usize, usize, usize)) {
        (0..k).for_each(|j| visit(j, j, 0));
    }

    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst) {
        (0..k).for_each(|j| visit(0, j, j, 2.0 * theta[0]));
    }

    fn second_derivative(&self, k: usize, _theta: &[f64], visit: VisitSecond) {
        (0..k).for_each(|j| visit(0, 0, j, j, 2.0));
    }

    fn project(&self, _k: usize, x: &mut [f64], held: &[bool]) {
        if !held[0] {
            x[0] = x[0].abs();
        }
    }

    fn approach(&self, k: usize, omega: &[f64], theta: &mut [f64]) {
        let mean = (0..k).map(|j| omega[j * k + j]).sum::<f64>() / k as f64;
        theta[0] = mean.max(LEAST_VARIANCE * theta[0].powi(2)).sqrt();
    }

    fn displace(&self, _k: usize, eps: f64, _v: &[f64], _rho: f64, theta: &mut [f64]) {
        theta[0] = (theta[0] * theta[0] + eps).sqrt();
    }
}
