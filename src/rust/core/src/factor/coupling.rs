//! How the random effects of one unit hang together with everything that is eliminated after it.

use crate::factor::inverse::SelectedInverse;
use crate::factor::layout::Layout;
use crate::factor::Factor;
use crate::kernels::small;

/// Coupling of one leading level `i` with all else. `V_i = Lambda0 T_i^-1 Lambda0'` is the
/// covariance of the level's effects given all else, over sigma^2.
#[derive(Debug, Default)]
pub(super) struct LeadingCoupling {
    /// `V_i`, `k x k`.
    pub v: Vec<f64>,
    /// `E = D' A_R0 V_i` on the touched rows: `k` values per row.
    pub e: Vec<f64>,
    /// `C E`, likewise.
    pub ce: Vec<f64>,
    /// `E' C E`, `k x k`.
    pub ece: Vec<f64>,
}

impl LeadingCoupling {
    /// Computes all of it for `unit`.
    pub fn update(
        &mut self,
        factor: &Factor,
        inverse: &SelectedInverse,
        block_of_row: &[u32],
        unit: usize,
    ) {
        let k = factor.leading.k;
        let m = factor.m.block(unit);
        self.v.clear();
        self.v.resize(k * k, 0.0);
        for j in 0..k {
            for i in 0..k {
                self.v[j * k + i] = (0..k).map(|l| m[l * k + i] * m[l * k + j]).sum();
            }
        }
        let (rows, vals) = factor.leading.touched(unit);
        self.e.clear();
        for a in vals.chunks_exact(k) {
            self.e
                .extend((0..k).map(|j| small::dot(a, &self.v[j * k..(j + 1) * k])));
        }
        scale_rows(
            k,
            rows,
            &factor.layout,
            &factor.trailing_lambdas,
            block_of_row,
            &mut self.e,
        );
        self.ce.clear();
        self.ce.resize(self.e.len(), 0.0);
        for (ce, &row) in self.ce.chunks_exact_mut(k).zip(rows) {
            for (e, &col) in self.e.chunks_exact(k).zip(rows) {
                small::axpy(inverse.rr(row as usize, col as usize), e, ce);
            }
        }
        self.ece.clear();
        self.ece.resize(k * k, 0.0);
        for (e, ce) in self.e.chunks_exact(k).zip(self.ce.chunks_exact(k)) {
            for j in 0..k {
                small::axpy(ce[j], e, &mut self.ece[j * k..(j + 1) * k]);
            }
        }
    }
}

/// `E := D' E` on the touched rows of a unit, `k` values per row.
pub(crate) fn scale_rows(
    k: usize,
    rows: &[u32],
    layout: &Layout,
    lambdas: &[Vec<f64>],
    block_of_row: &[u32],
    e: &mut [f64],
) {
    let mut at = 0;
    while at < rows.len() {
        let block = block_of_row[rows[at] as usize] as usize;
        let (kt, lambda) = (layout.blocks[block].vsize, &lambdas[block]);
        let level = &mut e[at * k..(at + kt) * k];
        for c in 0..k {
            for j in 0..kt {
                level[j * k + c] = (j..kt).map(|i| lambda[j * kt + i] * level[i * k + c]).sum();
            }
        }
        at += kt;
    }
}
