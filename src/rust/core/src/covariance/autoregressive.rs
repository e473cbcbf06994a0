//! The first-order autoregressive structure `ar1()`: the correlation of effects i and j is
//! `rho^|i - j|`.

use super::correlated::Correlation;
use super::definition::VisitElement;
use super::role::Role;

#[derive(Debug)]
pub(super) struct Autoregressive;

impl Correlation for Autoregressive {
    fn parameters(&self, _k: usize) -> Vec<Role> {
        vec![Role::Correlation {
            row: 1,
            column: 0,
            low: -1.0,
            high: 1.0,
        }]
    }

    fn at(&self, distance: usize, rho: f64) -> [f64; 3] {
        let d = distance as i32;
        let first = f64::from(d) * rho.powi(d - 1);
        let second = if d > 1 {
            f64::from(d * (d - 1)) * rho.powi(d - 2)
        } else {
            0.0
        };
        [rho.powi(d), first, second]
    }

    // Each effect is rho times the previous one plus an independent innovation.
    fn factor(&self, k: usize, rho: &[f64], visit: VisitElement) {
        let rho = rho[0];
        let independent = ((1.0 - rho) * (1.0 + rho)).max(0.0).sqrt();
        for column in 0..k {
            let scale = if column == 0 { 1.0 } else { independent };
            for row in column..k {
                visit(row, column, scale * rho.powi((row - column) as i32));
            }
        }
    }
}
