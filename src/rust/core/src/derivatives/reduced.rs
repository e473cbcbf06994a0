//! Where a trailing Lambda is singular: `W` from the system before it is scaled, without dividing by Lambda.

use faer::{MatMut, MatRef};

use crate::derivatives::FactorDerivatives;
use crate::factor::trailing::sparse::Sparse;
use crate::factor::trailing::Storage;
use crate::factor::Pls;
use crate::kernels::gemm::add_product;
use crate::kernels::small;

/// Columns that are solved for at a time.
const CHUNK: usize = 256;

impl FactorDerivatives {
    /// Adds `sum_l W_ll = sum_l K_ll - E_l'E_l` with `E = L^-1 D'K` for layout block `b` to its `G`.
    pub(super) fn add_singular_trace(&mut self, pls: &Pls, b: usize, g: &mut [f64]) {
        // One K serves all singular blocks: the first of them computes it.
        let is_first = self.inverses[..b]
            .iter()
            .all(|inverse| inverse.get().is_some());
        if is_first {
            pls.trailing.reduced(
                &pls.leading,
                &pls.m,
                &mut self.scratch.scaled,
                &mut self.k_rr,
            );
        }
        match &pls.trailing.rr {
            Storage::Dense(_) => self.add_singular_trace_dense(pls, b, g),
            Storage::Sparse(sparse) => {
                if is_first {
                    self.reach.set(sparse, &self.k_rr);
                }
                self.add_singular_trace_sparse(pls, sparse, b, g);
            }
        }
    }

    fn add_singular_trace_sparse(&mut self, pls: &Pls, sparse: &Sparse, b: usize, g: &mut [f64]) {
        let block = &pls.layout.blocks[b];
        let k = block.vsize;
        for &first in &block.first {
            for j in 0..k {
                let at = |i: usize| {
                    pls.trailing
                        .element(&self.k_rr, first as usize + i, first as usize + j)
                };
                (0..k).for_each(|i| g[j * k + i] += at(i));
            }
            self.reach.subtract_gram(
                sparse,
                &pls.layout,
                &pls.trailing_lambdas,
                first as usize,
                k,
                g,
            );
        }
    }

    fn add_singular_trace_dense(&mut self, pls: &Pls, b: usize, g: &mut [f64]) {
        let (block, m) = (&pls.layout.blocks[b], pls.layout.m);
        let k = block.vsize;
        let product = &mut self.scratch.a[..k * k];
        for firsts in block.first.chunks((CHUNK / k).max(1)) {
            self.columns.clear();
            for &first in firsts {
                let first = first as usize;
                for col in first..first + k {
                    self.columns
                        .extend((0..col).map(|row| self.k_rr[row * m + col]));
                    self.columns
                        .extend_from_slice(&self.k_rr[col * m + col..(col + 1) * m]);
                    let within = self.columns.len() - m + first;
                    small::axpy(
                        1.0,
                        &self.columns[within..within + k],
                        &mut g[(col - first) * k..(col - first + 1) * k],
                    );
                }
            }
            whiten_dense(pls, &self.columns, &mut self.e);
            for e in self.e.chunks_exact(k * m) {
                gram(m, k, e, product);
                small::axpy(-1.0, product, g);
            }
        }
    }
}

/// `out = L^-1 D' x` for any number of columns of `m` elements, in the dense storage, where the levels of a block are
/// neighbours.
pub(super) fn whiten_dense(pls: &Pls, x: &[f64], out: &mut Vec<f64>) {
    let m = pls.layout.m;
    out.clear();
    out.resize(x.len(), 0.0);
    for (x, out) in x.chunks_exact(m).zip(out.chunks_exact_mut(m)) {
        for (block, lambda) in pls.layout.blocks.iter().zip(&pls.trailing_lambdas) {
            let (k, levels) = (block.vsize, block.first.len());
            let rows = block.first[0] as usize..block.first[0] as usize + k * levels;
            let lambda = MatRef::from_column_major_slice(lambda, k, k);
            let x = MatRef::from_column_major_slice(&x[rows.clone()], k, levels);
            let out = MatMut::from_column_major_slice_mut(&mut out[rows], k, levels);
            add_product(out, lambda.transpose(), x, 1.0);
        }
    }
    pls.trailing.forward_solve(x.len() / m, out);
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
