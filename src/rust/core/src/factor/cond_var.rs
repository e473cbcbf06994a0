//! Conditional variances of the random effects.

use crate::factor::coupling::LeadingCoupling;
use crate::factor::inverse::SelectedInverse;
use crate::factor::Factor;

/// Diagonal blocks of `Lambda (Lambda'Z'WZ Lambda + I)^-1 Lambda'`, at the theta of the last
/// update: the conditional covariance of the random effects given the response and the other
/// parameters, over sigma^2.
///
/// Returns per term, in the order of the design, `vsize x vsize x n_levels` values.
pub fn cond_var(factor: &Factor) -> Vec<Vec<f64>> {
    let inverse = SelectedInverse::new(factor);
    let block_of_row = factor.layout.block_of_row();
    let mut variances = vec![Vec::new(); factor.layout.blocks.len() + 1];
    for (block, lambda) in factor.layout.blocks.iter().zip(&factor.trailing_lambdas) {
        let k = block.vsize;
        let out = &mut variances[block.term];
        for &first in &block.first {
            for j in 0..k {
                for i in 0..k {
                    // (Lambda C Lambda')_ij
                    let element = |a: usize, b: usize| {
                        lambda[a * k + i]
                            * inverse.rr(first as usize + a, first as usize + b)
                            * lambda[b * k + j]
                    };
                    out.push(
                        (0..=i)
                            .map(|a| (0..=j).map(|b| element(a, b)).sum::<f64>())
                            .sum(),
                    );
                }
            }
        }
    }
    let mut coupling = LeadingCoupling::default();
    let out = &mut variances[factor.layout.leading_term];
    for unit in 0..factor.leading.n_levels {
        coupling.update(factor, &inverse, &block_of_row, unit);
        out.extend(coupling.v.iter().zip(&coupling.ece).map(|(v, ece)| v + ece));
    }
    variances
}
