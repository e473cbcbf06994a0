//! Conditional variances of the random effects.

use crate::factor::coupling::LeadingCoupling;
use crate::factor::inverse::SelectedInverse;
use crate::factor::Factor;

/// Diagonal blocks of `Lambda (Lambda'Z'WZ Lambda + I)^-1 Lambda'` at the theta of the last update:
/// the conditional covariance matrices of the random effects given the response and all parameters,
/// over sigma^2.
///
/// Returns `vsize x vsize x n_levels` values per term, in the order of the design.
pub fn cond_var(factor: &Factor) -> Vec<Vec<f64>> {
    let inverse = SelectedInverse::new(factor);
    let block_of_row = factor.layout.block_of_row();
    let mut variances = vec![Vec::new(); factor.layout.blocks.len() + 1];
    for (block, lambda) in factor.scaling().terms() {
        for rows in block.places(1) {
            push_variance(
                block.vsize,
                lambda,
                &inverse,
                rows.start,
                &mut variances[block.term],
            );
        }
    }
    let mut coupling = LeadingCoupling::default();
    let out = &mut variances[factor.layout.leading_term];
    for level in 0..factor.leading.n_levels {
        coupling.update(factor, &inverse, &block_of_row, level);
        let variance = coupling.v.iter().zip(&coupling.ece);
        out.extend(variance.map(|(v, ece)| v + ece));
    }
    variances
}

// Appends `Lambda C Lambda'` of the trailing level whose first row is `first`.
fn push_variance(
    k: usize,
    lambda: &[f64],
    inverse: &SelectedInverse,
    first: usize,
    out: &mut Vec<f64>,
) {
    for j in 0..k {
        for i in 0..k {
            let mut sum = 0.0;
            for a in 0..=i {
                for b in 0..=j {
                    let c = inverse.rr(first + a, first + b);
                    sum += lambda[a * k + i] * c * lambda[b * k + j];
                }
            }
            out.push(sum);
        }
    }
}
