//! Sparse storage of the trailing random-effects block, for nested and weakly crossed grouping
//! factors.
//!
//! Levels are renumbered in approximate minimum degree order, so that a row's number is its
//! position in the elimination. The cross-products are stored on the pattern of the factor.

use crate::error::{Error, Result};
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::memory::zeros;
use crate::factor::trailing::inverse::Inverse;
use crate::factor::trailing::pattern::{
    expand, pair_positions, position, Pattern, NONE,
};
use crate::factor::trailing::Scaling;
use crate::kernels::small;

/// The lower triangle by columns, diagonal first: cross-products `a` and working copy `s`.
#[derive(Debug, Clone)]
pub(crate) struct Sparse {
    pub(super) m: usize,
    pub(super) ptr: Vec<usize>,
    pub(super) rows: Vec<u32>,
    pub(super) a: Vec<f64>,
    pub(super) s: Vec<f64>,
    /// The first row and layout block of each level, by row.
    pub(super) levels: Vec<(u32, u32)>,
    /// The layout block of each row.
    pub(super) block_of_row: Vec<u32>,
    /// The position in `s` of each pair of coupled rows, leading level after level, column after
    /// column.
    pub(super) pairs: Vec<u32>,
    pub(super) pair_ptr: Vec<usize>,
    memory: Box<Memory>,
}

/// Working memory of [`Sparse::scale_inflate`] and [`Sparse::factor`].
#[derive(Debug, Clone)]
struct Memory {
    /// The current column.
    work: Vec<f64>,
    /// `waiting[j]` is the head of the list of earlier columns whose next element is in row j.
    waiting: Vec<u32>,
    next: Vec<u32>,
    cursor: Vec<usize>,
    /// Blocks of one level.
    buffer: Vec<f64>,
}

impl Memory {
    fn new(m: usize) -> Self {
        Self {
            work: vec![0.0; m],
            waiting: vec![NONE; m],
            next: vec![NONE; m],
            cursor: vec![0; m],
            buffer: Vec::new(),
        }
    }

    // Moves column k, after its element at the cursor was used, to the list of its next row.
    fn pass_on(&mut self, k: usize, ptr: &[usize], rows: &[u32]) {
        self.cursor[k] += 1;
        if self.cursor[k] < ptr[k + 1] {
            let row = rows[self.cursor[k]] as usize;
            self.next[k] = self.waiting[row];
            self.waiting[row] = k as u32;
        }
    }
}

impl Sparse {
    /// A zero matrix on `pattern`; renumbers the rows of `layout` and `leading` in elimination
    /// order.
    ///
    /// # Errors
    /// `TooLarge` if there is not enough memory.
    pub fn new(
        pattern: &Pattern,
        leading: &mut Leading,
        layout: &mut Layout,
    ) -> Result<Self> {
        let (first, new_row) = elimination_rows(pattern, layout);
        layout.renumber(|row| new_row[row as usize]);
        leading.renumber(&new_row);
        let (ptr, rows) = expand(pattern, &first);
        let (pair_ptr, pairs) = pair_positions(leading, &ptr, &rows);
        Ok(Self {
            a: zeros(rows.len())?,
            s: zeros(rows.len())?,
            m: layout.m,
            ptr,
            rows,
            levels: layout.levels_by_row(),
            block_of_row: layout.block_of_row(),
            pairs,
            pair_ptr,
            memory: Box::new(Memory::new(layout.m)),
        })
    }

    /// Adds to an element of the lower triangle of the cross-products.
    pub(crate) fn add(&mut self, row: usize, col: usize, value: f64) {
        let range = self.ptr[col]..self.ptr[col + 1];
        self.a[range.start + position(&self.rows[range], row as u32)] += value;
    }

    /// Sets an element of the lower triangle of the cross-products.
    pub fn set(&mut self, row: usize, col: usize, value: f64) {
        let range = self.ptr[col]..self.ptr[col + 1];
        self.a[range.start + position(&self.rows[range], row as u32)] = value;
    }

    /// Copies the cross-products to the working copy.
    pub(crate) fn reset(&mut self) {
        self.s.copy_from_slice(&self.a);
    }

    /// `S -= B B'` on the rows coupled with a leading level; `b` holds `k` values per row.
    #[inline(always)]
    pub(crate) fn rank_update(&mut self, k: usize, level: usize, b: &[f64]) {
        let mut pairs =
            self.pairs[self.pair_ptr[level]..self.pair_ptr[level + 1]].iter();
        for (j, bj) in b.chunks_exact(k).enumerate() {
            for (bi, &at) in b[j * k..].chunks_exact(k).zip(&mut pairs) {
                self.s[at as usize] -= small::dot(bi, bj);
            }
        }
    }

    /// `S := D' S D + I`.
    pub fn scale_inflate(&mut self, d: Scaling) {
        let mut buffer = std::mem::take(&mut self.memory.buffer);
        buffer.resize(3 * d.layout.max_vsize().pow(2), 0.0);
        for level in 0..self.levels.len() {
            let (first, block) = self.levels[level];
            let k = d.layout.blocks[block as usize].vsize;
            let lambda = &d.lambdas[block as usize];
            self.scale_diagonal_block(first as usize, k, lambda, &mut buffer);
            self.scale_columns_below(first as usize, k, lambda);
            for j in 0..k {
                let col = first as usize + j;
                self.scale_rows_below(col, self.ptr[col] + k - j, d);
            }
        }
        self.memory.buffer = buffer;
    }

    fn scale_diagonal_block(
        &mut self,
        first: usize,
        k: usize,
        lambda: &[f64],
        buffer: &mut [f64],
    ) {
        let (full, rest) = buffer.split_at_mut(k * k);
        let (work, scaled) = rest.split_at_mut(k * k);
        for j in 0..k {
            for i in j..k {
                let value = self.s[self.ptr[first + j] + i - j];
                full[j * k + i] = value;
                full[i * k + j] = value;
            }
        }
        small::scale_inflate(k, full, lambda, work, scaled);
        for j in 0..k {
            let at = self.ptr[first + j];
            self.s[at..at + k - j]
                .copy_from_slice(&scaled[j * k + j..(j + 1) * k]);
        }
    }

    // Multiplies the columns of one level by its Lambda; below their diagonal block they have the
    // same rows.
    fn scale_columns_below(&mut self, first: usize, k: usize, lambda: &[f64]) {
        let below = |j: usize| self.ptr[first + j] + k - j;
        let height = self.ptr[first + 1] - below(0);
        for e in 0..height {
            for j in 0..k {
                let products =
                    (j..k).map(|i| lambda[j * k + i] * self.s[below(i) + e]);
                self.s[below(j) + e] = products.sum();
            }
        }
    }

    // Multiplies the rows of one column from position `from` on by the transposed Lambdas of their
    // levels.
    fn scale_rows_below(&mut self, col: usize, from: usize, d: Scaling) {
        let end = self.ptr[col + 1];
        let mut at = from;
        while at < end {
            let block = self.block_of_row[self.rows[at] as usize] as usize;
            let k = d.layout.blocks[block].vsize;
            let x = &mut self.s[at..at + k];
            small::lambda_transposed_in_place(k, &d.lambdas[block], x);
            at += k;
        }
    }

    /// Overwrites `S` with its Cholesky factor, by a left-looking algorithm.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn factor(&mut self) -> Result<()> {
        self.memory.waiting.fill(NONE);
        self.memory.cursor.copy_from_slice(&self.ptr[..self.m]);
        for j in 0..self.m {
            self.gather_column(j);
            let pivot = self.memory.work[j];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Err(Error::NotPositiveDefinite { pivot: j });
            }
            let root = pivot.sqrt();
            let range = self.ptr[j]..self.ptr[j + 1];
            let rows = &self.rows[range.clone()];
            for (s, &row) in self.s[range.clone()].iter_mut().zip(rows) {
                *s = self.memory.work[row as usize] / root;
            }
            self.s[range.start] = root;
            self.memory.pass_on(j, &self.ptr, &self.rows);
        }
        Ok(())
    }

    // Column j of S minus the contributions of the earlier columns with an element in row j.
    fn gather_column(&mut self, j: usize) {
        let memory = &mut *self.memory;
        for at in self.ptr[j]..self.ptr[j + 1] {
            memory.work[self.rows[at] as usize] = self.s[at];
        }
        let mut column = memory.waiting[j];
        while column != NONE {
            let k = column as usize;
            column = memory.next[k];
            let from = memory.cursor[k];
            let factor = self.s[from];
            for at in from..self.ptr[k + 1] {
                memory.work[self.rows[at] as usize] -= factor * self.s[at];
            }
            memory.pass_on(k, &self.ptr, &self.rows);
        }
    }

    /// The diagonal of the factor.
    pub(crate) fn diagonal(&self) -> impl Iterator<Item = f64> + '_ {
        self.ptr[..self.m].iter().map(|&at| self.s[at])
    }

    /// `Y := Y L'^-1`; `y` is `width x m`, column by column.
    pub(crate) fn right_solve(&self, width: usize, y: &mut [f64]) {
        for j in 0..self.m {
            let (done, rest) = y.split_at_mut((j + 1) * width);
            let yj = &mut done[j * width..];
            let pivot = self.s[self.ptr[j]];
            for value in yj.iter_mut() {
                *value /= pivot;
            }
            for at in self.ptr[j] + 1..self.ptr[j + 1] {
                let i = self.rows[at] as usize - j - 1;
                small::axpy(
                    -self.s[at],
                    yj,
                    &mut rest[i * width..(i + 1) * width],
                );
            }
        }
    }

    /// `x := L'^-1 x`; `x` is `m x width`.
    pub(crate) fn backward_solve(&self, width: usize, x: &mut [f64]) {
        for x in x.chunks_exact_mut(self.m).take(width) {
            for j in (0..self.m).rev() {
                let range = self.ptr[j] + 1..self.ptr[j + 1];
                let below = self.rows[range.clone()].iter().zip(&self.s[range]);
                let sum: f64 = below.map(|(&i, l)| l * x[i as usize]).sum();
                x[j] = (x[j] - sum) / self.s[self.ptr[j]];
            }
        }
    }

    /// The elements of the inverse of `L L'` on the pattern of the factor, by Takahashi's
    /// recursion.
    pub(crate) fn invert(&self, inverse: &mut Inverse) {
        inverse.values.resize(self.s.len(), 0.0);
        // Both halves of the working memory are zero again afterwards.
        inverse.work.resize(2 * self.m, 0.0);
        let (factor, sum) = inverse.work.split_at_mut(self.m);
        for j in (0..self.m).rev() {
            let below = self.ptr[j] + 1..self.ptr[j + 1];
            let pivot = self.s[self.ptr[j]];
            for at in below.clone() {
                factor[self.rows[at] as usize] = self.s[at] / pivot;
            }
            self.multiply_later(
                &self.rows[below.clone()],
                &inverse.values,
                factor,
                sum,
            );
            let mut diagonal = 1.0 / (pivot * pivot);
            for at in below.clone() {
                let i = self.rows[at] as usize;
                inverse.values[at] = -sum[i];
                diagonal += factor[i] * sum[i];
            }
            inverse.values[self.ptr[j]] = diagonal;
            self.clear(&self.rows[below], factor, sum);
        }
    }

    // sum = C f for the factor's elements f in these rows of one column, with the inverse C of the
    // later rows.
    fn multiply_later(
        &self,
        rows: &[u32],
        inverse: &[f64],
        f: &[f64],
        sum: &mut [f64],
    ) {
        for k in rows.iter().map(|&k| k as usize) {
            for at in self.ptr[k]..self.ptr[k + 1] {
                let i = self.rows[at] as usize;
                sum[i] += f[k] * inverse[at];
                if i != k {
                    sum[k] += f[i] * inverse[at];
                }
            }
        }
    }

    // Resets the values in these rows, and in the rows of their columns, to zero.
    fn clear(&self, rows: &[u32], factor: &mut [f64], sum: &mut [f64]) {
        for k in rows.iter().map(|&k| k as usize) {
            factor[k] = 0.0;
            for &row in &self.rows[self.ptr[k]..self.ptr[k + 1]] {
                sum[row as usize] = 0.0;
            }
        }
    }

    /// Calls `visit(row, col, value)` for the nonzero elements of a lower triangle on the pattern
    /// of the factor.
    pub(crate) fn for_each_element(
        &self,
        values: &[f64],
        mut visit: impl FnMut(usize, usize, f64),
    ) {
        for col in 0..self.m {
            let column = self.ptr[col]..self.ptr[col + 1];
            let elements =
                self.rows[column.clone()].iter().zip(&values[column]);
            for (&row, &value) in elements {
                if value != 0.0 {
                    visit(row as usize, col, value);
                }
            }
        }
    }

    /// The parent of a row in the elimination tree.
    pub(crate) fn parent(&self, row: usize) -> u32 {
        self.rows[self.ptr[row]..self.ptr[row + 1]]
            .get(1)
            .copied()
            .unwrap_or(NONE)
    }

    /// The position of an element of the lower triangle in the arrays of values, if it is on the
    /// pattern.
    pub fn position(&self, row: usize, col: usize) -> Option<usize> {
        let range = self.ptr[col]..self.ptr[col + 1];
        let at = range.start + position(&self.rows[range], row as u32);
        (at < self.ptr[col + 1] && self.rows[at] as usize == row).then_some(at)
    }
}

// The first row of each level in elimination order, and the new number of each row.
fn elimination_rows(
    pattern: &Pattern,
    layout: &Layout,
) -> (Vec<u32>, Vec<u32>) {
    let natural = layout.levels_by_row();
    let mut new_row = vec![0; layout.m];
    let mut first = Vec::with_capacity(natural.len());
    let mut next = 0;
    for (&level, &k) in pattern.order.iter().zip(&pattern.vsize) {
        first.push(next);
        let old = natural[level as usize].0;
        for j in 0..k {
            new_row[(old + j) as usize] = next + j;
        }
        next += k;
    }
    (first, new_row)
}
