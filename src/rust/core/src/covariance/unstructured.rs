//! The unstructured covariance `us()`: theta is the lower triangle of Lambda, column by column.

use super::definition::{Covariance, VisitElement, VisitFirst, VisitSecond};
use super::role::Role;

#[derive(Debug)]
pub(super) struct Unstructured;

impl Covariance for Unstructured {
    fn parameters(&self, k: usize) -> Vec<Role> {
        let mut roles = Vec::with_capacity(k * (k + 1) / 2);
        for column in 0..k {
            roles.extend((column..k).map(|row| Role::Factor { row, column }));
        }
        roles
    }

    fn lambda(&self, k: usize, theta: &[f64], visit: VisitElement) {
        for column in 0..k {
            for row in column..k {
                visit(row, column, theta[place(k, row, column)]);
            }
        }
    }

    // The derivative is E Lambda' + Lambda E', with E the unit matrix of the parameter's element.
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
                for other in row + 1..k {
                    visit(index, place(k, other, column), other, row, 1.0);
                }
            }
        }
    }
}

/// Index of element `(row, column)` in a `k x k` lower triangle stored column by column.
pub(crate) fn place(k: usize, row: usize, column: usize) -> usize {
    column * k - column * (column + 1) / 2 + row
}
