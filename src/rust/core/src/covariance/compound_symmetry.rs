//! Compound symmetry `cs()`: all correlations are equal.

use super::correlated::Correlation;
use super::definition::VisitElement;
use super::role::Role;

#[derive(Debug)]
pub(super) struct CompoundSymmetry;

impl Correlation for CompoundSymmetry {
    fn parameters(&self, k: usize) -> Vec<Role> {
        vec![Role::Correlation {
            row: 1,
            column: 0,
            low: -1.0 / (k.max(2) - 1) as f64,
            high: 1.0,
        }]
    }

    fn at(&self, _distance: usize, rho: f64) -> [f64; 3] {
        [rho, 1.0, 0.0]
    }

    // Column j of the Cholesky factor has the pivot (1 - rho)(1 + j rho) / (1 + (j - 1) rho), and
    // equal elements below it.
    fn factor(&self, k: usize, rho: &[f64], visit: VisitElement) {
        let rho = rho[0];
        visit(0, 0, 1.0);
        for row in 1..k {
            visit(row, 0, rho);
        }
        for column in 1..k {
            let before = 1.0 + (column - 1) as f64 * rho;
            let here = 1.0 + column as f64 * rho;
            let pivot = ((1.0 - rho) * here / before).max(0.0).sqrt();
            visit(column, column, pivot);
            let below = rho * ((1.0 - rho) / (before * here)).max(0.0).sqrt();
            for row in column + 1..k {
                visit(row, column, below);
            }
        }
    }
}
