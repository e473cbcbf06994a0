//! `us()`: theta is the lower triangle of Lambda, column by column.

use super::definition::{Covariance, VisitFirst, VisitSecond};
use crate::tolerances::{LARGEST_EXPLAINED, LEAST_VARIANCE, ROUNDED_PIVOT};

#[derive(Debug)]
pub(super) struct Unstructured;

impl Covariance for Unstructured {
    fn n_theta(&self, k: usize) -> usize {
        k * (k + 1) / 2
    }

    fn is_diagonal(&self, k: usize) -> bool {
        k == 1
    }

    fn places(&self, k: usize, visit: &mut dyn FnMut(usize, usize, usize)) {
        for column in 0..k {
            (column..k).for_each(|row| visit(row, column, place(k, row, column)));
        }
    }

    // E Lambda' + Lambda E', with E the element of Lambda that is the parameter.
    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst) {
        for column in 0..k {
            for row in column..k {
                let index = place(k, row, column);
                for s in column..k {
                    let value = theta[place(k, s, column)];
                    if s == row {
                        visit(index, row, row, 2.0 * value);
                    } else if value != 0.0 {
                        visit(index, row.max(s), row.min(s), value);
                    }
                }
            }
        }
    }

    fn second_derivative(&self, k: usize, _theta: &[f64], visit: VisitSecond) {
        for column in 0..k {
            for row in column..k {
                let index = place(k, row, column);
                visit(index, index, row, row, 2.0);
                (row + 1..k)
                    .for_each(|other| visit(index, place(k, other, column), other, row, 1.0));
            }
        }
    }

    // A column of Lambda with its sign changed gives the same Omega.
    fn project(&self, k: usize, x: &mut [f64], held: &[bool]) {
        for column in 0..k {
            let at = place(k, column, column);
            if x[at] >= 0.0 || held[at] {
                continue;
            } else if is_anchored(k, column, held) {
                x[at] = 0.0;
            } else {
                (column..k).for_each(|row| x[place(k, row, column)] *= -1.0);
            }
        }
    }

    fn kinks(&self, k: usize, held: &[bool], visit: &mut dyn FnMut(usize)) {
        (0..k)
            .filter(|&column| is_anchored(k, column, held))
            .for_each(|column| visit(place(k, column, column)));
    }

    // The Cholesky factor row by row. A row that promises more than its diagonal element holds is shortened.
    fn approach(&self, k: usize, omega: &[f64], theta: &mut [f64]) {
        for i in 0..k {
            let before: f64 = (0..=i).map(|j| theta[place(k, i, j)].powi(2)).sum();
            let variance = omega[i * k + i].max(LEAST_VARIANCE * before);
            let mut explained = 0.0;
            for j in 0..i {
                let inner: f64 = (0..j)
                    .map(|c| theta[place(k, i, c)] * theta[place(k, j, c)])
                    .sum();
                let pivot = theta[place(k, j, j)];
                let value = if pivot > 0.0 {
                    (omega[j * k + i] - inner) / pivot
                } else {
                    0.0
                };
                theta[place(k, i, j)] = value;
                explained += value * value;
            }
            let most = LARGEST_EXPLAINED * variance;
            if explained > most {
                (0..i).for_each(|j| theta[place(k, i, j)] *= (most / explained).sqrt());
            }
            theta[place(k, i, i)] = (variance - explained.min(most)).sqrt();
        }
    }

    fn correlation(&self, _distance: usize, _rho: f64) -> f64 {
        1.0
    }

    fn displace(&self, k: usize, eps: f64, v: &[f64], _rho: f64, theta: &mut [f64]) {
        let mut omega = square(k, theta);
        for j in 0..k {
            (0..k).for_each(|i| omega[j * k + i] += eps * v[i] * v[j]);
        }
        factor(k, &mut omega, theta);
    }
}

// Whether an element below the diagonal is held, so that the column keeps its sign.
fn is_anchored(k: usize, column: usize, held: &[bool]) -> bool {
    (column + 1..k).any(|row| held[place(k, row, column)])
}

/// Index in theta of element `(row, column)` of a `k x k` Lambda.
pub(crate) fn place(k: usize, row: usize, column: usize) -> usize {
    column * k - column * (column + 1) / 2 + row
}

// Lambda Lambda'.
fn square(k: usize, theta: &[f64]) -> Vec<f64> {
    let mut omega = vec![0.0; k * k];
    for j in 0..k {
        for i in 0..k {
            omega[j * k + i] = (0..=i.min(j))
                .map(|c| theta[place(k, i, c)] * theta[place(k, j, c)])
                .sum();
        }
    }
    omega
}

// Cholesky factor of a positive semi-definite matrix; a pivot of rounding size gives zeros.
fn factor(k: usize, omega: &mut [f64], theta: &mut [f64]) {
    let scale: Vec<f64> = (0..k).map(|j| omega[j * k + j]).collect();
    for j in 0..k {
        let pivot = omega[j * k + j];
        let root = if pivot > ROUNDED_PIVOT * scale[j] {
            pivot.sqrt()
        } else {
            0.0
        };
        for i in j..k {
            let value = if root > 0.0 {
                omega[j * k + i] / root
            } else {
                0.0
            };
            omega[j * k + i] = value;
            theta[place(k, i, j)] = value;
        }
        for c in j + 1..k {
            (c..k).for_each(|i| omega[c * k + i] -= omega[j * k + i] * omega[j * k + c]);
        }
    }
}
