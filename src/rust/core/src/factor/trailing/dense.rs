//! Dense storage of the trailing random-effects block: one lower triangle, factored by faer.

use std::ops::Range;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{MatMut, MatRef, Par};

use crate::kernels::gemm::add_lower_product;
use crate::kernels::simd::leave_wide_registers;

use crate::error::{Error, Result};
use crate::factor::memory::zeros;
use crate::factor::trailing::inverse::Inverse;
use crate::factor::trailing::Scaling;
use crate::kernels::small;

/// Below this order a plain loop beats the blocked factorisation.
const SMALL_ORDER: usize = 24;

/// `m x m` lower triangle, column by column: the cross-products `a` and the working copy `s`.
pub struct Dense {
    pub(super) m: usize,
    pub(super) a: Vec<f64>,
    pub(super) s: Vec<f64>,
    buffer: Vec<f64>,
    memory: MemBuffer,
}

// What the blocked factorisation works in.
fn scratch(m: usize) -> MemBuffer {
    let of_order = llt::factor::cholesky_in_place_scratch::<f64>;
    MemBuffer::new(of_order(m, Par::Seq, Default::default()))
}

impl Clone for Dense {
    fn clone(&self) -> Self {
        Self {
            m: self.m,
            a: self.a.clone(),
            s: self.s.clone(),
            buffer: self.buffer.clone(),
            memory: scratch(self.m),
        }
    }
}

impl std::fmt::Debug for Dense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dense")
            .field("m", &self.m)
            .finish_non_exhaustive()
    }
}

impl Dense {
    /// A zero block of order `m`.
    ///
    /// # Errors
    /// `TooLarge` if there is no memory for it.
    pub fn new(m: usize) -> Result<Self> {
        Ok(Self {
            m,
            a: zeros(m * m)?,
            s: zeros(m * m)?,
            buffer: vec![0.0; m],
            memory: scratch(m),
        })
    }

    /// Adds to an element of the lower triangle of the cross-products.
    #[inline]
    pub(crate) fn add(&mut self, row: usize, col: usize, value: f64) {
        self.a[col * self.m + row] += value;
    }

    /// Sets an element of the lower triangle of the cross-products.
    #[inline]
    pub fn set(&mut self, row: usize, col: usize, value: f64) {
        self.a[col * self.m + row] = value;
    }

    /// Copies the cross-products to the working copy.
    pub(crate) fn reset(&mut self) {
        let m = self.m;
        for j in 0..m {
            self.s[j * m + j..(j + 1) * m]
                .copy_from_slice(&self.a[j * m + j..(j + 1) * m]);
        }
    }

    /// `S -= B B'` on the touched rows; `b` holds `k` values per row.
    #[inline(always)]
    pub(crate) fn rank_update(&mut self, k: usize, rows: &[u32], b: &[f64]) {
        for (j, &col) in rows.iter().enumerate() {
            let column =
                &mut self.s[col as usize * self.m..(col as usize + 1) * self.m];
            let bj = &b[j * k..(j + 1) * k];
            for (&row, bi) in rows[j..].iter().zip(b[j * k..].chunks_exact(k)) {
                column[row as usize] -= small::dot(bi, bj);
            }
        }
    }

    /// `S -= B B'` for a dense `B`, `m x columns`.
    pub(crate) fn subtract_gram(&mut self, b: MatRef<'_, f64>) {
        let s =
            MatMut::from_column_major_slice_mut(&mut self.s, self.m, self.m);
        add_lower_product(s, b, b.transpose(), -1.0);
    }

    /// `S := D' S D + I`.
    pub fn scale_inflate(&mut self, d: Scaling) {
        if d.layout.blocks.iter().all(|block| block.vsize == 1) {
            return self.scale_inflate_scalars(d);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(self.m.max(3 * d.layout.max_vsize().pow(2)), 0.0);
        for (block, lambda) in d.terms() {
            for rows in block.places(1) {
                self.scale_diagonal_block(
                    rows.start,
                    block.vsize,
                    lambda,
                    &mut buffer,
                );
                self.scale_columns_below(rows.clone(), lambda);
                for col in rows.clone() {
                    self.scale_rows_below(col, rows.end, d);
                }
            }
        }
        self.buffer = buffer;
    }

    // `S := D' S D + I` where D is diagonal.
    fn scale_inflate_scalars(&mut self, d: Scaling) {
        let m = self.m;
        let mut diagonal = self.buffer.iter_mut();
        for (block, lambda) in d.terms() {
            for value in diagonal.by_ref().take(block.first.len()) {
                *value = lambda[0];
            }
        }
        let diagonal = &self.buffer[..m];
        for j in 0..m {
            let column = &mut self.s[j * m + j..(j + 1) * m];
            for (s, value) in column.iter_mut().zip(&diagonal[j..]) {
                *s *= value * diagonal[j];
            }
            column[0] += 1.0;
        }
    }

    fn scale_diagonal_block(
        &mut self,
        first: usize,
        k: usize,
        lambda: &[f64],
        buffer: &mut [f64],
    ) {
        let m = self.m;
        let (full, rest) = buffer.split_at_mut(k * k);
        let (work, scaled) = rest.split_at_mut(k * k);
        for j in 0..k {
            for i in j..k {
                let value = self.s[(first + j) * m + first + i];
                full[j * k + i] = value;
                full[i * k + j] = value;
            }
        }
        small::scale_inflate(k, full, lambda, work, scaled);
        for j in 0..k {
            let at = (first + j) * m + first;
            self.s[at + j..at + k]
                .copy_from_slice(&scaled[j * k + j..(j + 1) * k]);
        }
    }

    // Multiplies the columns of one level by its Lambda, below the diagonal block.
    fn scale_columns_below(&mut self, columns: Range<usize>, lambda: &[f64]) {
        let m = self.m;
        let s = &mut self.s[columns.start * m..columns.end * m];
        small::times_lower(columns.len(), m, columns.end, lambda, s);
    }

    // Multiplies the rows of one column from `below` on by the transposed Lambdas of their levels.
    fn scale_rows_below(&mut self, col: usize, below: usize, d: Scaling) {
        let column = &mut self.s[col * self.m..(col + 1) * self.m];
        for (block, lambda) in d.terms() {
            let k = block.vsize;
            // Levels are in the order of their rows here.
            let from =
                block.first.partition_point(|&row| (row as usize) < below);
            for &row in &block.first[from..] {
                let x = &mut column[row as usize..row as usize + k];
                small::lambda_transposed_in_place(k, lambda, x);
            }
        }
    }

    /// Overwrites `S` with its Cholesky factor.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn factor(&mut self) -> Result<()> {
        let m = self.m;
        if m < SMALL_ORDER {
            return small::cholesky(m, &mut self.s)
                .map(drop)
                .ok_or(Error::NotPositiveDefinite { pivot: 0 });
        }
        let s = MatMut::from_column_major_slice_mut(&mut self.s, m, m);
        let stack = MemStack::new(&mut self.memory);
        let factored = llt::factor::cholesky_in_place(
            s,
            Default::default(),
            Par::Seq,
            stack,
            Default::default(),
        );
        leave_wide_registers();
        match factored {
            Ok(_) => Ok(()),
            Err(llt::factor::LltError::NonPositivePivot { index }) => {
                Err(Error::NotPositiveDefinite { pivot: index })
            }
        }
    }

    /// Diagonal of the factor.
    pub(crate) fn diagonal(&self) -> impl Iterator<Item = f64> + '_ {
        self.s.iter().step_by(self.m + 1).copied()
    }

    /// Solves `Y L' = Y` in place; `y` is `width x m`, column by column.
    pub(crate) fn right_solve(&self, width: usize, y: &mut [f64]) {
        let y = MatMut::from_column_major_slice_mut(y, width, self.m);
        solve_lower_triangular_in_place(self.l(), y.transpose_mut(), Par::Seq);
        leave_wide_registers();
    }

    /// Solves `L x = x` in place; `x` is `m x width`.
    pub(crate) fn forward_solve(&self, width: usize, x: &mut [f64]) {
        let x = MatMut::from_column_major_slice_mut(x, self.m, width);
        solve_lower_triangular_in_place(self.l(), x, Par::Seq);
        leave_wide_registers();
    }

    /// Solves `L' x = x` in place; `x` is `m x width`.
    pub(crate) fn backward_solve(&self, width: usize, x: &mut [f64]) {
        let x = MatMut::from_column_major_slice_mut(x, self.m, width);
        solve_upper_triangular_in_place(self.l().transpose(), x, Par::Seq);
        leave_wide_registers();
    }

    /// The inverse of `L L'`: lower triangle of an `m x m` matrix.
    pub(crate) fn invert(&self, inverse: &mut Inverse) {
        inverse.values.resize(self.m * self.m, 0.0);
        if self.m > 0 {
            let out = MatMut::from_column_major_slice_mut(
                &mut inverse.values,
                self.m,
                self.m,
            );
            let memory = inverse.memory.get_or_insert_with(|| {
                let scratch =
                    llt::inverse::inverse_scratch::<f64>(self.m, Par::Seq);
                MemBuffer::new(scratch)
            });
            llt::inverse::inverse(
                out,
                self.l(),
                Par::Seq,
                MemStack::new(memory),
            );
            leave_wide_registers();
        }
    }

    pub(super) fn l(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.s, self.m, self.m)
    }
}
