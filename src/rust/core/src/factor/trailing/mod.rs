//! The trailing system: the random effects that remain once the units are gone, bordered by `[X y]`.
//!
//! The random-effects block is [`Dense`] or [`Sparse`], whichever is cheaper; the border is dense.

pub mod dense;
pub mod pattern;
mod products;
pub mod reach;
pub mod sparse;

use faer::{MatMut, MatRef};

use crate::kernels::gemm::add_product;

use crate::error::{Error, Result};
use crate::factor::full::FullLeading;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::trailing::dense::Dense;
use crate::factor::trailing::pattern::Pattern;
use crate::factor::trailing::sparse::Sparse;
use crate::kernels::small::{self, LogProduct};

/// Up to this order the dense storage always wins.
const ALWAYS_DENSE: usize = 400;
/// How many times more a multiplication costs in the sparse factorisation.
const SPARSE_COST: f64 = 16.0;
/// The largest factor we try to hold: 2^28 elements, 2 GiB (and as much again for the cross-products).
const MAX_ELEMENTS: usize = 1 << 28;

/// Storage of the random-effects block.
#[derive(Debug)]
pub enum Storage {
    /// One lower triangle.
    Dense(Dense),
    /// By columns, on the pattern of the factor.
    Sparse(Sparse),
}

/// `[S_RR .; S_XR .]`: cross-products, and after [`Trailing::factor`] the factor `[L_RR .; L_XR .]`.
#[derive(Debug)]
pub struct Trailing {
    /// Random effects.
    pub m: usize,
    /// Columns of `[X y]`.
    pub width: usize,
    /// `S_RR`, then `L_RR`.
    pub rr: Storage,
    /// `[X y]'WZ_R`: `width x m`.
    pub a_xr: Vec<f64>,
    /// `S_XR`, then `L_XR = S_XR L_RR^-T`: `width x m`.
    pub s_xr: Vec<f64>,
    /// The units' blocks as dense matrices, where they are nearly full.
    pub full: Option<FullLeading>,
}

impl Trailing {
    /// Chooses the storage and sums up `Z_R'WZ_R`'s place; the values are added by the caller.
    ///
    /// # Errors
    /// `TooLarge` if neither storage fits in memory.
    pub fn new(leading: &mut Leading, layout: &mut Layout) -> Result<Self> {
        let (m, width) = (layout.m, layout.width);
        let rr = match sparse_pattern(leading, layout)? {
            Some(pattern) => Storage::Sparse(Sparse::new(&pattern, leading, layout)),
            None => Storage::Dense(Dense::new(m)),
        };
        let full = match rr {
            Storage::Dense(_) => FullLeading::new(leading, m),
            Storage::Sparse(_) => None,
        };
        Ok(Self {
            m,
            width,
            rr,
            a_xr: vec![0.0; m * width],
            s_xr: vec![0.0; m * width],
            full,
        })
    }

    /// Adds to an element of the lower triangle of `Z_R'WZ_R`.
    #[inline]
    pub fn add(&mut self, row: usize, col: usize, value: f64) {
        let (row, col) = (row.max(col), row.min(col));
        match &mut self.rr {
            Storage::Dense(dense) => dense.add(row, col, value),
            Storage::Sparse(sparse) => sparse.add(row, col, value),
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

    /// Starts an evaluation: `S := A`.
    pub fn reset(&mut self) {
        match &mut self.rr {
            Storage::Dense(dense) => dense.reset(),
            Storage::Sparse(sparse) => sparse.reset(),
        }
        self.s_xr.copy_from_slice(&self.a_xr);
    }

    /// `S -= [B; B_X] B'` for one unit: `b` holds `k` values per touched row, `bx` is `width x k`.
    #[inline(always)]
    pub fn rank_update(&mut self, k: usize, unit: usize, rows: &[u32], b: &[f64], bx: &[f64]) {
        match &mut self.rr {
            Storage::Dense(dense) => dense.rank_update(k, rows, b),
            Storage::Sparse(sparse) => sparse.rank_update(k, unit, b),
        }
        for (&row, b) in rows.iter().zip(b.chunks_exact(k)) {
            let column = &mut self.s_xr[row as usize * self.width..(row as usize + 1) * self.width];
            for (&b, bx) in b.iter().zip(bx.chunks_exact(self.width)) {
                small::axpy(-b, bx, column);
            }
        }
    }

    /// `S -= [B; B_X] B'` for full units; `bx` is `width x (k n_levels)`.
    pub fn full_rank_update(&mut self, bx: &[f64]) {
        let (Some(full), Storage::Dense(dense)) = (&self.full, &mut self.rr) else {
            return;
        };
        let b = full.b();
        let bx = MatRef::from_column_major_slice(bx, self.width, b.ncols());
        dense.subtract_gram(b);
        let s_xr = MatMut::from_column_major_slice_mut(&mut self.s_xr, self.width, self.m);
        add_product(s_xr, bx, b.transpose(), -1.0);
    }

    /// `S := D' S D + I` (the border only from the right).
    pub fn scale_inflate(&mut self, layout: &Layout, lambdas: &[Vec<f64>]) {
        match &mut self.rr {
            Storage::Dense(dense) => dense.scale_inflate(layout, lambdas),
            Storage::Sparse(sparse) => sparse.scale_inflate(layout, lambdas),
        }
        let width = self.width;
        for (block, lambda) in layout.blocks.iter().zip(lambdas) {
            let k = block.vsize;
            for &first in &block.first {
                let columns = &mut self.s_xr[first as usize * width..(first as usize + k) * width];
                for j in 0..k {
                    let (left, right) = columns.split_at_mut((j + 1) * width);
                    let target = &mut left[j * width..];
                    target.iter_mut().for_each(|s| *s *= lambda[j * k + j]);
                    for i in j + 1..k {
                        small::axpy(
                            lambda[j * k + i],
                            &right[(i - j - 1) * width..(i - j) * width],
                            target,
                        );
                    }
                }
            }
        }
    }

    /// Overwrites `S` with the factor; returns `log |L_RR|^2`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn factor(&mut self) -> Result<f64> {
        let mut product = LogProduct::default();
        match &mut self.rr {
            Storage::Dense(dense) => {
                dense.factor()?;
                dense.right_solve(self.width, &mut self.s_xr);
                dense.diagonal().for_each(|d| product.push(d));
            }
            Storage::Sparse(sparse) => {
                sparse.factor()?;
                sparse.right_solve(self.width, &mut self.s_xr);
                sparse.diagonal().for_each(|d| product.push(d));
            }
        }
        Ok(2.0 * product.ln())
    }

    /// Solves `L_RR x = x` in place; `x` is `m x width`.
    pub fn forward_solve(&self, width: usize, x: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => dense.forward_solve(width, x),
            Storage::Sparse(sparse) => x
                .chunks_exact_mut(self.m)
                .for_each(|x| sparse.right_solve(1, x)),
        }
    }

    /// Solves `L_RR' x = x` in place; `x` is `m x width`.
    pub fn backward_solve(&self, width: usize, x: &mut [f64]) {
        match &self.rr {
            Storage::Dense(dense) => dense.backward_solve(width, x),
            Storage::Sparse(sparse) => sparse.backward_solve(width, x),
        }
    }
}

// `None`: dense is cheaper.
fn sparse_pattern(leading: &Leading, layout: &Layout) -> Result<Option<Pattern>> {
    let m = layout.m;
    let dense_fits = m.saturating_mul(m) <= MAX_ELEMENTS;
    let pairs: f64 = leading
        .ptr
        .windows(2)
        .map(|w| ((w[1] - w[0]) as f64).powi(2))
        .sum();
    // With that many pairs the factor fills in: spare the symbolic analysis.
    if m <= ALWAYS_DENSE || (dense_fits && pairs > (m as f64).powi(2) / 4.0) {
        return Ok(None);
    }
    let pattern = Pattern::new(leading, layout, MAX_ELEMENTS / 2);
    match pattern {
        Some(pattern)
            if !dense_fits || SPARSE_COST * pattern.flops() < (m as f64).powi(3) / 3.0 =>
        {
            Ok(Some(pattern))
        }
        _ if dense_fits => Ok(None),
        _ => Err(Error::TooLarge {
            gib: (m as f64).powi(2) * 8.0 / 2f64.powi(30),
        }),
    }
}
