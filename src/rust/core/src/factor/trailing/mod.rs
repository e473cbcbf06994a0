//! The trailing system: the random effects that remain after elimination of the leading term,
//! bordered by X.
//!
//! The random-effects block is stored dense or sparse, whichever is cheaper; the border is dense.
//! The storage is private to this folder: other code uses the methods of [`Trailing`].
//!
//! | contents | file |
//! |---|---|
//! | the choice of the storage, from costs and available memory | [`choice`] |
//! | estimates of the sparsity from a sample of levels | [`sample`] |
//! | estimates of the fill-in from groups of linked levels | [`condensed`] |
//! | `S`, `L_RR` and `L_XR`: filling, factoring, solving | here; [`dense`], [`sparse`] |
//! | the sparsity pattern of `L_RR` and its ordering | [`pattern`] |
//! | products with `A_RR` and `A_R0` | [`products`] |
//! | the inverse of `S`, and products with it | [`inverse`] |
//! | `K`, the system before scaling by Lambda, for singular Lambdas | [`reduced`], [`reach`] |

mod choice;
mod condensed;
mod dense;
mod inverse;
mod pattern;
mod products;
mod reach;
mod reduced;
mod sample;
mod sparse;

pub(crate) use choice::Plan;
pub(crate) use dense::InverseColumns;
pub use inverse::Inverse;
pub(crate) use reduced::Reduced;
pub(crate) use sample::CouplingCounts;

use faer::{MatMut, MatRef};

use crate::kernels::gemm::add_product;

use crate::error::Result;
use crate::factor::full::FullLeading;
use crate::factor::layout::{Layout, TrailingTerm};
use crate::factor::leading::Leading;
use crate::factor::memory::Room;
use crate::factor::trailing::dense::Dense;
use crate::factor::trailing::sparse::Sparse;
use crate::kernels::log_product::LogProduct;
use crate::kernels::small;

/// The block diagonal matrix `D` of the Lambdas of the trailing terms, with the layout of their
/// levels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scaling<'a> {
    /// The rows of the levels.
    pub layout: &'a Layout,
    /// Lambda of each trailing term.
    pub lambdas: &'a [Vec<f64>],
}

impl<'a> Scaling<'a> {
    /// Each trailing term with its Lambda.
    pub fn terms(self) -> impl Iterator<Item = (&'a TrailingTerm, &'a [f64])> {
        let lambdas = self.lambdas.iter().map(Vec::as_slice);
        self.layout.blocks.iter().zip(lambdas)
    }

    /// Whether D is zero because there are no trailing effects; `S` is the identity then.
    pub fn is_zero(self) -> bool {
        let mut values = self.lambdas.iter().flatten();
        values.all(|value| *value == 0.0)
    }
}

/// The storage of the random-effects block.
#[derive(Debug, Clone)]
enum Storage {
    /// Two triangles: cross-products and factor.
    Dense(Dense),
    /// The columns on the sparsity pattern of the factor.
    Sparse(Sparse),
}

/// `[S_RR .; S_XR .]`: cross-products and, after [`Trailing::factor`], the factor
/// `[L_RR .; L_XR .]`.
#[derive(Debug, Clone)]
pub(crate) struct Trailing {
    /// Number of random effects.
    m: usize,
    /// Number of fixed effects.
    p: usize,
    /// `S_RR`, later `L_RR`.
    rr: Storage,
    /// `X'WZ_R`: `p x m`.
    a_xr: Vec<f64>,
    /// `S_XR`, later `L_XR = S_XR L_RR^-T`: `p x m`.
    s_xr: Vec<f64>,
    /// The blocks of the leading levels as dense matrices, where they are nearly full.
    full: Option<FullLeading>,
}

impl Trailing {
    /// Chooses the storage and allocates `Z_R'WZ_R`, whose values the caller adds. `None` if a
    /// factor does not fit in memory or is too slow, and the iterative engine is an alternative.
    ///
    /// # Errors
    /// `TooLarge` if neither storage fits in memory.
    pub fn new(
        leading: &mut Leading,
        layout: &mut Layout,
        room: &Room,
    ) -> Result<Option<Self>> {
        let m = layout.m;
        let p = layout.p;
        let rr = match Plan::new(leading, layout, room)? {
            Plan::Nothing => return Ok(None),
            Plan::Dense => Storage::Dense(Dense::new(m)?),
            Plan::Sparse(pattern) => {
                Storage::Sparse(Sparse::new(&pattern, leading, layout)?)
            }
        };
        let full = match rr {
            Storage::Dense(_) => FullLeading::new(leading, m),
            Storage::Sparse(_) => None,
        };
        Ok(Some(Self {
            m,
            p,
            rr,
            a_xr: vec![0.0; m * p],
            s_xr: vec![0.0; m * p],
            full,
        }))
    }

    /// Adds to an element of the lower triangle of `Z_R'WZ_R`.
    #[inline]
    pub(crate) fn add(&mut self, row: usize, col: usize, value: f64) {
        let (row, col) = (row.max(col), row.min(col));
        match &mut self.rr {
            Storage::Dense(dense) => dense.add(row, col, value),
            Storage::Sparse(sparse) => sparse.add(row, col, value),
        }
    }

    /// Adds `w z z'` to the block of the level whose first row is `first`.
    #[inline]
    pub(crate) fn add_level(&mut self, first: usize, w: f64, z: &[f64]) {
        for j in 0..z.len() {
            match &mut self.rr {
                Storage::Dense(dense) => {
                    for i in j..z.len() {
                        dense.add(first + i, first + j, w * z[j] * z[i]);
                    }
                }
                Storage::Sparse(sparse) => {
                    let below = &mut sparse.a[sparse.ptr[first + j]..];
                    small::axpy(w * z[j], &z[j..], below);
                }
            }
        }
    }

    /// Adds `w z_a z_b'` to the block of two levels of different terms, each given by its first row
    /// and its row of Z.
    #[inline]
    pub(crate) fn add_pair(
        &mut self,
        (a, z_a): (usize, &[f64]),
        (b, z_b): (usize, &[f64]),
        w: f64,
    ) {
        for (l, z_l) in z_b.iter().enumerate() {
            for (j, z_j) in z_a.iter().enumerate() {
                self.add(a + j, b + l, w * z_l * z_j);
            }
        }
    }

    /// Sets an element of the lower triangle of `Z_R'WZ_R`.
    #[inline]
    pub fn set(&mut self, row: usize, col: usize, value: f64) {
        let (row, col) = (row.max(col), row.min(col));
        match &mut self.rr {
            Storage::Dense(dense) => dense.set(row, col, value),
            Storage::Sparse(sparse) => sparse.set(row, col, value),
        }
    }

    /// `Z_R'WZ_R` in the order of the storage.
    #[cfg(test)]
    pub(crate) fn cross_products(&self) -> Vec<f64> {
        let mut products = Vec::new();
        match &self.rr {
            Storage::Dense(dense) => dense.copy_products(&mut products),
            Storage::Sparse(sparse) => products.clone_from(&sparse.a),
        }
        products
    }

    /// `X'WZ_R`, `p x m`.
    pub(crate) fn border_cross_products(&self) -> &[f64] {
        &self.a_xr
    }

    /// `X'WZ_R`, `p x m`, to be filled.
    pub(crate) fn border_cross_products_mut(&mut self) -> &mut [f64] {
        &mut self.a_xr
    }

    /// A copy with the other fixed effects whose `X'WZ_R` is `a_xr`.
    pub(crate) fn with_border(&self, p: usize, a_xr: Vec<f64>) -> Self {
        Self {
            m: self.m,
            p,
            rr: self.rr.clone(),
            s_xr: vec![0.0; a_xr.len()],
            a_xr,
            full: self.full.clone(),
        }
    }

    /// `L_XR`, `p x m`.
    pub(crate) fn border(&self) -> &[f64] {
        &self.s_xr
    }

    /// Whether the blocks of the leading levels are stored as dense matrices.
    #[inline]
    pub(crate) fn has_full(&self) -> bool {
        self.full.is_some()
    }

    /// Stores `B = A_R0 M` of one level for [`Self::full_rank_update`]; `false` if the leading
    /// levels are not stored as dense matrices.
    #[inline(always)]
    pub(crate) fn set_full(
        &mut self,
        k: usize,
        level: usize,
        rows: &[u32],
        vals: &[f64],
        m: &[f64],
    ) -> bool {
        match &mut self.full {
            Some(full) => {
                full.set(k, level, rows, vals, m);
                true
            }
            None => false,
        }
    }

    /// `x -= B y` for leading levels stored as dense matrices: `y` is `k n_levels x columns`, `x`
    /// is `m x columns`.
    pub(crate) fn subtract_full(
        &self,
        columns: usize,
        y: &[f64],
        x: &mut [f64],
    ) {
        let Some(full) = &self.full else { return };
        let y = MatRef::from_column_major_slice(y, y.len() / columns, columns);
        let x = MatMut::from_column_major_slice_mut(x, self.m, columns);
        add_product(x, full.b(), y, -1.0);
    }

    /// Starts an evaluation: `S := A`.
    pub(crate) fn reset(&mut self) {
        match &mut self.rr {
            Storage::Dense(dense) => dense.reset(),
            Storage::Sparse(sparse) => sparse.reset(),
        }
        self.s_xr.copy_from_slice(&self.a_xr);
    }

    /// `S -= [B; B_X] B'` for one leading level: `b` holds `k` values per coupled row, `bx` is
    /// `p x k`.
    #[inline(always)]
    pub(crate) fn rank_update(
        &mut self,
        k: usize,
        level: usize,
        rows: &[u32],
        b: &[f64],
        bx: &[f64],
    ) {
        match &mut self.rr {
            Storage::Dense(dense) if dense.is_large() => (),
            Storage::Dense(dense) => dense.rank_update(k, rows, b),
            Storage::Sparse(sparse) => sparse.rank_update(k, level, b),
        }
        let p = self.p;
        if p == 0 {
            return;
        }
        for (&row, b) in rows.iter().zip(b.chunks_exact(k)) {
            let column =
                &mut self.s_xr[row as usize * p..(row as usize + 1) * p];
            for (&b, bx) in b.iter().zip(bx.chunks_exact(p)) {
                small::axpy(-b, bx, column);
            }
        }
    }

    /// Whether the contributions of all leading levels are subtracted by [`Self::rank_updates`].
    pub(crate) fn is_updated_at_once(&self) -> bool {
        let is_full = self.full.is_some();
        matches!(&self.rr, Storage::Dense(dense) if dense.is_large() && !is_full)
    }

    /// `S -= B B'` for all leading levels of a large dense system; `b` holds `k` values per coupled
    /// row, level after level.
    pub(crate) fn rank_updates(&mut self, leading: &Leading, b: &[f64]) {
        if !self.is_updated_at_once() {
            return;
        }
        if let Storage::Dense(dense) = &mut self.rr {
            dense.rank_updates(leading, b);
        }
    }

    /// `S -= [B; B_X] B'` for leading levels stored as dense matrices; `bx` is `p x (k n_levels)`.
    pub(crate) fn full_rank_update(&mut self, bx: &[f64]) {
        let (Some(full), Storage::Dense(dense)) = (&self.full, &mut self.rr)
        else {
            return;
        };
        let b = full.b();
        let bx = MatRef::from_column_major_slice(bx, self.p, b.ncols());
        dense.subtract_gram(b);
        let s_xr =
            MatMut::from_column_major_slice_mut(&mut self.s_xr, self.p, self.m);
        add_product(s_xr, bx, b.transpose(), -1.0);
    }

    // `S := D' S D + I`; the border is multiplied from the right only.
    fn scale_inflate(&mut self, d: Scaling) {
        match &mut self.rr {
            Storage::Dense(dense) => dense.scale_inflate(d),
            Storage::Sparse(sparse) => sparse.scale_inflate(d),
        }
        let p = self.p;
        for (block, lambda) in d.terms() {
            for place in block.places(p) {
                small::times_lower(
                    block.vsize,
                    p,
                    0,
                    lambda,
                    &mut self.s_xr[place],
                );
            }
        }
    }

    /// Overwrites `S` with the factor of `D' S D + I`; returns `log |L_RR|^2`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn factor(&mut self, d: Scaling) -> Result<f64> {
        if let (true, Storage::Dense(dense)) = (d.is_zero(), &mut self.rr) {
            dense.set_identity();
            self.s_xr.fill(0.0);
            return Ok(0.0);
        }
        self.scale_inflate(d);
        let mut product = LogProduct::default();
        match &mut self.rr {
            Storage::Dense(dense) => {
                dense.factor()?;
                dense.right_solve(self.p, &mut self.s_xr);
                dense.diagonal().for_each(|d| product.push(d));
            }
            Storage::Sparse(sparse) => {
                sparse.factor()?;
                sparse.right_solve(self.p, &mut self.s_xr);
                sparse.diagonal().for_each(|d| product.push(d));
            }
        }
        Ok(2.0 * product.ln())
    }

    /// `x := L_RR^-1 x`; `x` is `m x width`.
    pub(crate) fn forward_solve(&self, width: usize, x: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => dense.forward_solve(width, x),
            Storage::Sparse(sparse) => {
                for x in x.chunks_exact_mut(self.m) {
                    sparse.right_solve(1, x);
                }
            }
        }
    }

    /// `x := L_RR'^-1 x`; `x` is `m x width`.
    pub(crate) fn backward_solve(&self, width: usize, x: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => dense.backward_solve(width, x),
            Storage::Sparse(sparse) => sparse.backward_solve(width, x),
        }
    }
}
