//! Where a trailing Lambda is singular: `W` from the system before it is scaled, without dividing by Lambda.

use faer::{MatMut, MatRef};

use crate::blocks::gemm::add_product;
use crate::blocks::small;
use crate::derivatives::Derivatives;
use crate::pls::Pls;

/// Columns that are solved for at a time.
const CHUNK: usize = 256;

impl Derivatives {
    /// Adds `sum_l W_ll = sum_l K_ll - E_l'E_l` with `E = L^-1 D'K` for layout block `b`.
    pub(super) fn add_singular_trace(&mut self, pls: &Pls, b: usize) {
        // One K serves all singular blocks: the first of them computes it.
        if self.inverses[..b].iter().all(Option::is_some) {
            pls.trailing.reduced(&pls.units, &pls.m, &mut self.k_rr);
        }
        let (block, m) = (&pls.layout.blocks[b], pls.layout.m);
        let k = block.vsize;
        let g = &mut self.g[block.term];
        let product = &mut self.scratch.a[..k * k];
        for firsts in block.first.chunks((CHUNK / k).max(1)) {
            self.e.clear();
            self.e.resize(firsts.len() * k * m, 0.0);
            for (e, &first) in self.e.chunks_exact_mut(k * m).zip(firsts) {
                for (j, e) in e.chunks_exact_mut(m).enumerate() {
                    pls.trailing.for_each_in_column(&self.k_rr, first as usize + j, |row, value| e[row] = value);
                    small::axpy(1.0, &e[first as usize..first as usize + k], &mut g[j * k..(j + 1) * k]);
                }
            }
            whiten(pls, &mut self.e);
            for e in self.e.chunks_exact(k * m) {
                gram(m, k, e, product);
                small::axpy(-1.0, product, g);
            }
        }
    }
}

/// `x := L^-1 D' x` for any number of columns of `m` elements.
pub(super) fn whiten(pls: &Pls, x: &mut [f64]) {
    let m = pls.layout.m;
    for column in x.chunks_exact_mut(m) {
        for (block, lambda) in pls.layout.blocks.iter().zip(&pls.trailing_lambdas) {
            let k = block.vsize;
            for &first in &block.first {
                let x = &mut column[first as usize..first as usize + k];
                (0..k).for_each(|j| x[j] = (j..k).map(|i| lambda[j * k + i] * x[i]).sum());
            }
        }
    }
    pls.trailing.forward_solve(x.len() / m, x);
}

/// `out = x'x` for `k` columns of `m` elements.
pub(super) fn gram(m: usize, k: usize, x: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    let x = MatRef::from_column_major_slice(x, m, k);
    let out = MatMut::from_column_major_slice_mut(out, k, k);
    add_product(out, x.transpose(), x, 1.0);
}

/// `x := x D` for the `rows x m` matrix `x`.
pub(super) fn scale_columns(pls: &Pls, rows: usize, x: &mut [f64]) {
    for (block, lambda) in pls.layout.blocks.iter().zip(&pls.trailing_lambdas) {
        let k = block.vsize;
        for &first in &block.first {
            let columns = &mut x[first as usize * rows..(first as usize + k) * rows];
            for j in 0..k {
                let (left, right) = columns.split_at_mut((j + 1) * rows);
                let target = &mut left[j * rows..];
                target.iter_mut().for_each(|x| *x *= lambda[j * k + j]);
                for (i, x) in right.chunks_exact(rows).enumerate() {
                    small::axpy(lambda[j * k + j + 1 + i], x, target);
                }
            }
        }
    }
}
