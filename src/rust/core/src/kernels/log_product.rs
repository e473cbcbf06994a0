//! The logarithm of a long product whose factors arrive one by one.

use crate::tolerances::{PRODUCT_HIGH, PRODUCT_LOW};

/// The logarithm of a product, with one call of `ln` whenever the product nears overflow or
/// underflow, instead of one per factor.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct LogProduct {
    log: f64,
    product: f64,
}

impl Default for LogProduct {
    /// The empty product.
    fn default() -> Self {
        Self {
            log: 0.0,
            product: 1.0,
        }
    }
}

impl LogProduct {
    /// Multiplies by a positive factor.
    #[inline(always)]
    pub fn push(&mut self, factor: f64) {
        self.product *= factor;
        if !(PRODUCT_LOW..PRODUCT_HIGH).contains(&self.product) {
            self.log += self.product.ln();
            self.product = 1.0;
        }
    }

    /// The logarithm of the product so far.
    pub fn ln(&self) -> f64 {
        self.log + self.product.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_product_survives_overflow() {
        let mut product = LogProduct::default();
        for _ in 0..1000 {
            product.push(1e100);
        }
        assert!((product.ln() - 1e5 * 10f64.ln()).abs() < 1e-8);
    }
}
