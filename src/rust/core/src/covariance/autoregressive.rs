//! `ar1()`: the correlation of two effects is `rho` to the power of their distance.

use super::correlated::Correlation;
use super::definition::VisitElement;

#[derive(Debug)]
pub(super) struct Autoregressive;

impl Correlation for Autoregressive {
    fn range(&self, _k: usize) -> (f64, f64) {
        (-1.0, 1.0)
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

    // Each effect is rho times the one before it plus an independent part.
    fn factor(&self, k: usize, rho: f64, visit: VisitElement) {
        let independent = ((1.0 - rho) * (1.0 + rho)).max(0.0).sqrt();
        for column in 0..k {
            let scale = if column == 0 { 1.0 } else { independent };
            (column..k).for_each(|row| visit(row, column, scale * rho.powi((row - column) as i32)));
        }
    }

    fn alternates(&self) -> bool {
        true
    }
}
