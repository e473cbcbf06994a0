//! Sparse storage of the trailing random-effects block: for nested chains and weakly crossed
//! factors.
//!
//! Levels are renumbered by approximate minimum degree, so that a row's number is its place in the
//! elimination. The cross-products live on the pattern of the factor.

use crate::error::{Error, Result};
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::trailing::inverse::Inverse;
use crate::factor::trailing::pattern::{expand, pair_positions, position, Pattern, NONE};
use crate::kernels::small;

/// Lower triangle by columns, the diagonal first: the cross-products `a` and the working copy `s`.
#[derive(Debug, Clone)]
pub struct Sparse {
    pub(super) m: usize,
    pub(super) ptr: Vec<usize>,
    pub(super) rows: Vec<u32>,
    pub(super) a: Vec<f64>,
    pub(super) s: Vec<f64>,
    /// First row and layout block of each level, by row.
    pub(super) levels: Vec<(u32, u32)>,
    /// Layout block of each row.
    pub(super) block_of_row: Vec<u32>,
    /// Position in `s` of each pair of touched rows, unit after unit, column after column.
    pub(super) pairs: Vec<u32>,
    pub(super) pair_ptr: Vec<usize>,
    memory: Box<Memory>,
}

/// Memory of [`Sparse::scale_inflate`] and [`Sparse::factor`].
#[derive(Debug, Clone)]
struct Memory {
    /// The column at work.
    work: Vec<f64>,
    /// `waiting[j]` heads the list of earlier columns whose next unused element is in row j.
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
}

impl Sparse {
    /// A zero block on `pattern`; renumbers the rows of `layout` and `leading` to the elimination
    /// order.
    pub fn new(pattern: &Pattern, leading: &mut Leading, layout: &mut Layout) -> Self {
        let natural = layout.levels_by_row();
        let mut new_row = vec![0u32; layout.m];
        let mut first = Vec::with_capacity(natural.len());
        let mut next = 0u32;
        for (&level, &k) in pattern.order.iter().zip(&pattern.vsize) {
            first.push(next);
            let old = natural[level as usize].0;
            (0..k).for_each(|j| new_row[(old + j) as usize] = next + j);
            next += k;
        }
        layout.renumber(|row| new_row[row as usize]);
        leading.renumber(&new_row);
        let (ptr, rows) = expand(pattern, &first);
        let (pair_ptr, pairs) = pair_positions(leading, &ptr, &rows);
        let (levels, block_of_row) = (layout.levels_by_row(), layout.block_of_row());
        let (a, s) = (vec![0.0; rows.len()], vec![0.0; rows.len()]);
        let memory = Box::new(Memory::new(layout.m));
        Self {
            m: layout.m,
            ptr,
            rows,
            a,
            s,
            levels,
            block_of_row,
            pairs,
            pair_ptr,
            memory,
        }
    }

    /// Adds to an element of the lower triangle of the cross-products.
    pub fn add(&mut self, row: usize, col: usize, value: f64) {
        let range = self.ptr[col]..self.ptr[col + 1];
        self.a[range.start + position(&self.rows[range], row as u32)] += value;
    }

    /// Sets an element of the lower triangle of the cross-products.
    pub fn set(&mut self, row: usize, col: usize, value: f64) {
        let range = self.ptr[col]..self.ptr[col + 1];
        self.a[range.start + position(&self.rows[range], row as u32)] = value;
    }

    /// Copies the cross-products to the working copy.
    pub fn reset(&mut self) {
        self.s.copy_from_slice(&self.a);
    }

    /// `S -= B B'` on the rows that `unit` touches; `b` holds `k` values per row.
    #[inline(always)]
    pub fn rank_update(&mut self, k: usize, unit: usize, b: &[f64]) {
        let mut pairs = self.pairs[self.pair_ptr[unit]..self.pair_ptr[unit + 1]].iter();
        for (j, bj) in b.chunks_exact(k).enumerate() {
            for (bi, &at) in b[j * k..].chunks_exact(k).zip(&mut pairs) {
                self.s[at as usize] -= small::dot(bi, bj);
            }
        }
    }

    /// `S := D' S D + I`, with `lambdas[i]` the `Lambda` of block `i` of the layout.
    pub fn scale_inflate(&mut self, layout: &Layout, lambdas: &[Vec<f64>]) {
        let mut buffer = std::mem::take(&mut self.memory.buffer);
        buffer.resize(3 * layout.max_vsize().pow(2), 0.0);
        for level in 0..self.levels.len() {
            let (first, block) = self.levels[level];
            let k = layout.blocks[block as usize].vsize;
            let lambda = &lambdas[block as usize];
            self.scale_diagonal_block(first as usize, k, lambda, &mut buffer);
            self.scale_below(first as usize, k, lambda, layout, lambdas);
        }
        self.memory.buffer = buffer;
    }

    fn scale_diagonal_block(&mut self, first: usize, k: usize, lambda: &[f64], buffer: &mut [f64]) {
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
            self.s[at..at + k - j].copy_from_slice(&scaled[j * k + j..(j + 1) * k]);
        }
    }

    // The columns of one level have the same rows below their diagonal block, level after level.
    fn scale_below(
        &mut self,
        first: usize,
        k: usize,
        lambda: &[f64],
        layout: &Layout,
        lambdas: &[Vec<f64>],
    ) {
        let below = |j: usize| self.ptr[first + j] + k - j;
        let height = self.ptr[first + 1] - below(0);
        for e in 0..height {
            for j in 0..k {
                self.s[below(j) + e] = (j..k)
                    .map(|i| lambda[j * k + i] * self.s[below(i) + e])
                    .sum();
            }
        }
        for j in 0..k {
            let range = below(j)..below(j) + height;
            let rows = &self.rows[range.clone()];
            let column = &mut self.s[range];
            let mut at = 0;
            while at < height {
                let block = self.block_of_row[rows[at] as usize] as usize;
                let (kr, lambda) = (layout.blocks[block].vsize, &lambdas[block]);
                let x = &mut column[at..at + kr];
                (0..kr).for_each(|j| x[j] = (j..kr).map(|i| lambda[j * kr + i] * x[i]).sum());
                at += kr;
            }
        }
    }

    /// Overwrites `S` with its Cholesky factor, column by column from the left.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn factor(&mut self) -> Result<()> {
        let Memory {
            work,
            waiting,
            next,
            cursor,
            ..
        } = &mut *self.memory;
        waiting.fill(NONE);
        cursor.copy_from_slice(&self.ptr[..self.m]);
        for j in 0..self.m {
            let range = self.ptr[j]..self.ptr[j + 1];
            for at in range.clone() {
                work[self.rows[at] as usize] = self.s[at];
            }
            let mut column = waiting[j];
            while column != NONE {
                let k = column as usize;
                column = next[k];
                let factor = self.s[cursor[k]];
                for at in cursor[k]..self.ptr[k + 1] {
                    work[self.rows[at] as usize] -= factor * self.s[at];
                }
                cursor[k] += 1;
                enqueue(k, self.ptr[k + 1], cursor, &self.rows, waiting, next);
            }
            if !(work[j] > 0.0 && work[j].is_finite()) {
                return Err(Error::NotPositiveDefinite { pivot: j });
            }
            let root = work[j].sqrt();
            for at in range.clone() {
                self.s[at] = work[self.rows[at] as usize] / root;
            }
            self.s[range.start] = root;
            cursor[j] += 1;
            enqueue(j, range.end, cursor, &self.rows, waiting, next);
        }
        Ok(())
    }

    /// Diagonal of the factor.
    pub fn diagonal(&self) -> impl Iterator<Item = f64> + '_ {
        self.ptr[..self.m].iter().map(|&at| self.s[at])
    }

    /// Solves `Y L' = Y` in place; `y` is `width x m`, column by column.
    pub fn right_solve(&self, width: usize, y: &mut [f64]) {
        for j in 0..self.m {
            let (done, rest) = y.split_at_mut((j + 1) * width);
            let yj = &mut done[j * width..];
            yj.iter_mut().for_each(|v| *v /= self.s[self.ptr[j]]);
            for at in self.ptr[j] + 1..self.ptr[j + 1] {
                let i = self.rows[at] as usize - j - 1;
                small::axpy(-self.s[at], yj, &mut rest[i * width..(i + 1) * width]);
            }
        }
    }

    /// Solves `L' x = x` in place; `x` is `m x width`.
    pub fn backward_solve(&self, width: usize, x: &mut [f64]) {
        for x in x.chunks_exact_mut(self.m).take(width) {
            for j in (0..self.m).rev() {
                let range = self.ptr[j] + 1..self.ptr[j + 1];
                let below = self.rows[range.clone()].iter().zip(&self.s[range]);
                let sum: f64 = below.map(|(&i, l)| l * x[i as usize]).sum();
                x[j] = (x[j] - sum) / self.s[self.ptr[j]];
            }
        }
    }

    /// The elements of the inverse of `L L'` on the pattern of the factor (Takahashi's recursion).
    pub fn invert(&self, inverse: &mut Inverse) {
        inverse.values.resize(self.s.len(), 0.0);
        // Both are left at zero.
        inverse.work.resize(2 * self.m, 0.0);
        let (factor, sum) = inverse.work.split_at_mut(self.m);
        let inverse = &mut inverse.values;
        for j in (0..self.m).rev() {
            let range = self.ptr[j] + 1..self.ptr[j + 1];
            let pivot = self.s[range.start - 1];
            for at in range.clone() {
                factor[self.rows[at] as usize] = self.s[at] / pivot;
            }
            for &k in &self.rows[range.clone()] {
                let k = k as usize;
                for at in self.ptr[k]..self.ptr[k + 1] {
                    let i = self.rows[at] as usize;
                    sum[i] += factor[k] * inverse[at];
                    if i != k {
                        sum[k] += factor[i] * inverse[at];
                    }
                }
            }
            let mut diagonal = 1.0 / (pivot * pivot);
            for at in range.clone() {
                let i = self.rows[at] as usize;
                inverse[at] = -sum[i];
                diagonal += factor[i] * sum[i];
            }
            inverse[range.start - 1] = diagonal;
            for at in range.clone() {
                factor[self.rows[at] as usize] = 0.0;
            }
            for &k in &self.rows[range] {
                for at in self.ptr[k as usize]..self.ptr[k as usize + 1] {
                    sum[self.rows[at] as usize] = 0.0;
                }
            }
        }
    }

    /// Calls `visit(row, col, value)` for the elements that aren't zero of a lower triangle on the
    /// pattern of the factor.
    pub fn for_each_element(&self, values: &[f64], mut visit: impl FnMut(usize, usize, f64)) {
        for col in 0..self.m {
            let column = self.ptr[col]..self.ptr[col + 1];
            let elements = self.rows[column.clone()].iter().zip(&values[column]);
            elements
                .filter(|(_, value)| **value != 0.0)
                .for_each(|(&row, &value)| visit(row as usize, col, value));
        }
    }

    /// The next row in the elimination tree.
    pub fn parent(&self, row: usize) -> u32 {
        self.rows[self.ptr[row]..self.ptr[row + 1]]
            .get(1)
            .copied()
            .unwrap_or(NONE)
    }

    /// Position of an element of the lower triangle in the arrays of values, if it is on the
    /// pattern.
    pub fn position(&self, row: usize, col: usize) -> Option<usize> {
        let range = self.ptr[col]..self.ptr[col + 1];
        let at = range.start + position(&self.rows[range], row as u32);
        (at < self.ptr[col + 1] && self.rows[at] as usize == row).then_some(at)
    }
}

fn enqueue(
    k: usize,
    end: usize,
    cursor: &[usize],
    rows: &[u32],
    waiting: &mut [u32],
    next: &mut [u32],
) {
    if cursor[k] < end {
        let row = rows[cursor[k]] as usize;
        next[k] = waiting[row];
        waiting[row] = k as u32;
    }
}
