//! The reduced trailing system before scaling by Lambda, `K = A_RR - sum_i B_i B_i'`, from which
//! the traces of a term with singular Lambda are computed without dividing by Lambda.

use faer::{MatMut, MatRef};

use crate::factor::blocks::Blocks;
use crate::factor::layout::TrailingTerm;
use crate::factor::leading::{Leading, Levels};
use crate::factor::trailing::reach::Reach;
use crate::factor::trailing::{Scaling, Storage, Trailing};
use crate::kernels::gemm::{add_gram, add_lower_product, add_product};
use crate::kernels::small::{self, set_zeros};

/// Number of columns that are solved for at a time.
const CHUNK: usize = 256;

/// `K` at one theta, with working memory that is reused from one theta to the next.
#[derive(Debug, Default)]
pub(crate) struct Reduced {
    /// `K` in the order of the storage.
    values: Vec<f64>,
    /// `K` by whole columns, for the sparse storage.
    reach: Reach,
    /// `B` of one leading level.
    b: Vec<f64>,
    /// A range of columns of `K`, `E = L^-1 D'K` for these, and `E'E` of one level.
    columns: Vec<f64>,
    e: Vec<f64>,
    product: Vec<f64>,
}

impl Reduced {
    /// Computes `K`; `m` holds the `M_i` of the factor.
    pub(crate) fn update(
        &mut self,
        trailing: &Trailing,
        leading: &Leading,
        m: &Blocks,
    ) {
        self.values.clear();
        match &trailing.rr {
            Storage::Dense(dense) => dense.copy_products(&mut self.values),
            Storage::Sparse(sparse) => self.values.extend_from_slice(&sparse.a),
        }
        if let Some(full) = &trailing.full {
            let values = &mut self.values;
            let k = MatMut::from_column_major_slice_mut(
                values, trailing.m, trailing.m,
            );
            add_lower_product(k, full.b(), full.b().transpose(), -1.0);
        } else {
            self.subtract_grams(trailing, leading, m);
        }
        if let Storage::Sparse(sparse) = &trailing.rr {
            self.reach.set(sparse, &self.values);
        }
    }

    fn subtract_grams(
        &mut self,
        trailing: &Trailing,
        leading: &Leading,
        m: &Blocks,
    ) {
        let k = leading.k;
        let b = &mut self.b;
        let values = &mut self.values;
        for level in 0..leading.n_levels {
            let (rows, vals) = leading.coupled(level);
            let m = m.block(level);
            b.clear();
            for v in vals.chunks_exact(k) {
                b.extend(m.chunks_exact(k).map(|column| small::dot(v, column)));
            }
            trailing.for_each_pair(level, rows, |i, j, at| {
                values[at] -=
                    small::dot(&b[i * k..(i + 1) * k], &b[j * k..(j + 1) * k]);
            });
        }
    }

    /// Calls `visit(row, col, value)` for the lower triangle of `K`.
    pub(crate) fn for_each_element(
        &self,
        trailing: &Trailing,
        mut visit: impl FnMut(usize, usize, f64),
    ) {
        match &trailing.rr {
            Storage::Dense(dense) => {
                for (col, column) in
                    self.values.chunks_exact(dense.m).enumerate()
                {
                    let below = column.iter().enumerate().skip(col);
                    for (row, &value) in below {
                        visit(row, col, value);
                    }
                }
            }
            Storage::Sparse(sparse) => {
                sparse.for_each_element(&self.values, visit)
            }
        }
    }

    /// `g += sum_l K_ll - E_l'E_l` with `E = L^-1 D'K`, over the levels of a term; `g` is `k x k`.
    /// The summands are the diagonal blocks of `Z'V^-1Z`.
    pub(crate) fn add_traces(
        &mut self,
        trailing: &Trailing,
        d: Scaling,
        term: &TrailingTerm,
        g: &mut [f64],
    ) {
        let Storage::Sparse(sparse) = &trailing.rr else {
            return self.add_traces_dense(trailing, d, term, g);
        };
        for rows in term.places(1) {
            for (j, column) in g.chunks_exact_mut(term.vsize).enumerate() {
                let col = rows.start + j;
                for (row, g) in rows.clone().zip(column) {
                    *g += trailing.element(&self.values, row, col);
                }
            }
            self.reach.subtract_gram(sparse, d, rows, g);
        }
    }

    fn add_traces_dense(
        &mut self,
        trailing: &Trailing,
        d: Scaling,
        term: &TrailingTerm,
        g: &mut [f64],
    ) {
        let k = term.vsize;
        self.product.resize(k * k, 0.0);
        for firsts in term.first.chunks((CHUNK / k).max(1)) {
            self.columns.clear();
            for &first in firsts {
                self.push_columns(trailing.m, first as usize, g);
            }
            trailing.whiten(d, &self.columns, &mut self.e);
            for e in self.e.chunks_exact(k * trailing.m) {
                self.product.fill(0.0);
                add_gram(k, e, &mut self.product);
                small::axpy(-1.0, &self.product, g);
            }
        }
    }

    // Appends the whole columns of K for the level whose first row is `first`, and adds its
    // diagonal block to `g`.
    fn push_columns(&mut self, m: usize, first: usize, g: &mut [f64]) {
        let k = g.len().isqrt();
        for (j, g) in g.chunks_exact_mut(k).enumerate() {
            let col = first + j;
            let start = self.columns.len();
            let left = (0..col).map(|row| self.values[row * m + col]);
            self.columns.extend(left);
            let below = &self.values[col * m + col..(col + 1) * m];
            self.columns.extend_from_slice(below);
            small::axpy(1.0, &self.columns[start + first..][..k], g);
        }
    }
}

impl Trailing {
    /// `out = L^-1 D' x` for any number of columns of `m` elements, for the dense storage, in which
    /// the levels of a block are consecutive.
    fn whiten(&self, d: Scaling, x: &[f64], out: &mut Vec<f64>) {
        let m = self.m;
        set_zeros(out, x.len());
        for (x, out) in x.chunks_exact(m).zip(out.chunks_exact_mut(m)) {
            for (block, lambda) in d.terms() {
                let k = block.vsize;
                let n_levels = block.first.len();
                let first = block.first[0] as usize;
                let rows = first..first + k * n_levels;
                let lambda = MatRef::from_column_major_slice(lambda, k, k);
                let x = MatRef::from_column_major_slice(
                    &x[rows.clone()],
                    k,
                    n_levels,
                );
                let out = MatMut::from_column_major_slice_mut(
                    &mut out[rows],
                    k,
                    n_levels,
                );
                add_product(out, lambda.transpose(), x, 1.0);
            }
        }
        self.forward_solve(x.len() / m, out);
    }

    /// `E = L^-1 D' A_R0` for a range of leading levels, `m x k` each, which are stored as dense
    /// matrices.
    pub(crate) fn whiten_full(
        &self,
        d: Scaling,
        levels: &Levels,
        out: &mut Vec<f64>,
    ) {
        if let Some(full) = &self.full {
            self.whiten(d, full.a_slice(levels), out);
        }
    }
}
