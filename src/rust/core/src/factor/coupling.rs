//! The coupling of one level of the leading term with everything that is eliminated later, for
//! quantities that need the inverse.

use crate::factor::inverse::SelectedInverse;
use crate::factor::Factor;
use crate::kernels::small::{self, set_zeros};

/// The coupling of one leading level `i` with the trailing effects. `V_i = Lambda0 T_i^-1 Lambda0'`
/// is the covariance of the level's effects given all others, over sigma^2.
#[derive(Debug, Default)]
pub(super) struct LeadingCoupling {
    /// `V_i`, `k x k`.
    pub v: Vec<f64>,
    /// `E = D' A_R0 V_i` on the coupled rows: `k` values per row.
    pub e: Vec<f64>,
    /// `C E` on the coupled rows: `k` values per row.
    pub ce: Vec<f64>,
    /// `E' C E`, `k x k`.
    pub ece: Vec<f64>,
}

impl LeadingCoupling {
    /// Computes the coupling of `level`.
    pub(crate) fn update(
        &mut self,
        factor: &Factor,
        inverse: &SelectedInverse,
        block_of_row: &[u32],
        level: usize,
    ) {
        let k = factor.leading.k;
        let m = factor.m.block(level);
        self.v.resize(k * k, 0.0);
        small::multiply_transposed(k, m, m, &mut self.v);
        let (rows, vals) = factor.leading.coupled(level);
        self.e.clear();
        for a in vals.chunks_exact(k) {
            let product = self.v.chunks_exact(k).map(|v| small::dot(a, v));
            self.e.extend(product);
        }
        scale_rows(k, rows, factor, block_of_row, &mut self.e);
        self.multiply_inverse(k, inverse, rows);
    }

    // Computes C E and E' C E.
    fn multiply_inverse(
        &mut self,
        k: usize,
        inverse: &SelectedInverse,
        rows: &[u32],
    ) {
        set_zeros(&mut self.ce, self.e.len());
        for (ce, &row) in self.ce.chunks_exact_mut(k).zip(rows) {
            for (e, &col) in self.e.chunks_exact(k).zip(rows) {
                small::axpy(inverse.rr(row as usize, col as usize), e, ce);
            }
        }
        set_zeros(&mut self.ece, k * k);
        for (e, ce) in self.e.chunks_exact(k).zip(self.ce.chunks_exact(k)) {
            for (ce, column) in ce.iter().zip(self.ece.chunks_exact_mut(k)) {
                small::axpy(*ce, e, column);
            }
        }
    }
}

/// `E := D' E` on the trailing rows coupled with a level of the leading term, `k` values per row.
pub(crate) fn scale_rows(
    k: usize,
    rows: &[u32],
    factor: &Factor,
    block_of_row: &[u32],
    e: &mut [f64],
) {
    let mut at = 0;
    while at < rows.len() {
        let block = block_of_row[rows[at] as usize] as usize;
        let kt = factor.layout.blocks[block].vsize;
        let lambda = &factor.trailing_lambdas[block];
        small::lambda_transposed_rows(
            kt,
            k,
            lambda,
            &mut e[at * k..(at + kt) * k],
        );
        at += kt;
    }
}
