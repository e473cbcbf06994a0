//! Sparse triangular solves `L^-1 D' K` for the columns of one level at a time, which visit only
//! the rows that these columns reach in the elimination tree (Davis 2006, section 3.2).

use std::ops::Range;

use crate::factor::trailing::pattern::NONE;
use crate::factor::trailing::sparse::Sparse;
use crate::factor::trailing::Scaling;
use crate::kernels::chunks::cumulate;
use crate::kernels::small;

/// `K` stored by whole columns, with working memory for the solutions.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    ptr: Vec<usize>,
    rows: Vec<u32>,
    values: Vec<f64>,
    /// The first row of the level of each row.
    first_of_row: Vec<u32>,
    /// The solutions, `k` values per row; all zero between calls.
    x: Vec<f64>,
    is_reached: Vec<bool>,
    reached: Vec<u32>,
}

impl Reach {
    /// Sets K to a symmetric matrix on the pattern of the factor.
    pub fn set(&mut self, sparse: &Sparse, k_rr: &[f64]) {
        let m = sparse.m;
        self.is_reached.resize(m, false);
        self.count_columns(sparse, k_rr);
        // Each start is incremented until it equals the start of the next column.
        let mut put = |row: usize, col: usize, value: f64| {
            let at = self.ptr[col];
            self.rows[at] = row as u32;
            self.values[at] = value;
            self.ptr[col] += 1;
        };
        sparse.for_each_element(k_rr, |row, col, value| {
            put(row, col, value);
            if row != col {
                put(col, row, value);
            }
        });
        self.ptr.copy_within(..m, 1);
        self.ptr[0] = 0;
        self.fill_first_rows(sparse);
    }

    // Computes the start of each column, and allocates the columns.
    fn count_columns(&mut self, sparse: &Sparse, k_rr: &[f64]) {
        let m = sparse.m;
        self.ptr.clear();
        self.ptr.resize(m + 1, 0);
        sparse.for_each_element(k_rr, |row, col, _| {
            self.ptr[col + 1] += 1;
            self.ptr[row + 1] += usize::from(row != col);
        });
        cumulate(&mut self.ptr);
        self.rows.resize(self.ptr[m], 0);
        self.values.resize(self.ptr[m], 0.0);
    }

    fn fill_first_rows(&mut self, sparse: &Sparse) {
        self.first_of_row.resize(sparse.m, 0);
        let later = sparse.levels.iter().skip(1).map(|level| level.0);
        let ends = later.chain([sparse.m as u32]);
        for (&(first, _), end) in sparse.levels.iter().zip(ends) {
            self.first_of_row[first as usize..end as usize].fill(first);
        }
    }

    /// `out -= E'E` with `E = L^-1 D' K` for the columns of one level.
    pub(crate) fn subtract_gram(
        &mut self,
        sparse: &Sparse,
        d: Scaling,
        columns: Range<usize>,
        out: &mut [f64],
    ) {
        let k = columns.len();
        self.x.resize((sparse.m * k).max(self.x.len()), 0.0);
        self.gather(sparse, d, columns);
        self.scale(sparse, d, k);
        self.climb(sparse);
        for j in self.reached.iter().map(|&j| j as usize) {
            let (done, rest) = self.x.split_at_mut((j + 1) * k);
            let xj = &mut done[j * k..];
            let column = sparse.ptr[j]..sparse.ptr[j + 1];
            let pivot = sparse.s[column.start];
            for value in xj.iter_mut() {
                *value /= pivot;
            }
            for at in column.skip(1) {
                let i = sparse.rows[at] as usize - j - 1;
                small::axpy(-sparse.s[at], xj, &mut rest[i * k..(i + 1) * k]);
            }
            for (c, out) in out.chunks_exact_mut(k).enumerate() {
                small::axpy(-xj[c], xj, out);
            }
            xj.fill(0.0);
            self.is_reached[j] = false;
        }
    }

    // Copies the columns of K to x, except for rows of levels whose Lambda is zero.
    fn gather(&mut self, sparse: &Sparse, d: Scaling, columns: Range<usize>) {
        self.reached.clear();
        let k = columns.len();
        for (c, column) in columns.enumerate() {
            for at in self.ptr[column]..self.ptr[column + 1] {
                let row = self.rows[at] as usize;
                let block = sparse.block_of_row[row] as usize;
                if d.lambdas[block].iter().all(|l| *l == 0.0) {
                    continue;
                }
                self.x[row * k + c] = self.values[at];
                let first = self.first_of_row[row];
                if !self.is_reached[first as usize] {
                    let rows =
                        first..first + d.layout.blocks[block].vsize as u32;
                    self.is_reached[first as usize..rows.end as usize]
                        .fill(true);
                    self.reached.extend(rows);
                }
            }
        }
    }

    // x := D'x, level by level.
    fn scale(&mut self, sparse: &Sparse, d: Scaling, k: usize) {
        for row in self.reached.iter().map(|&row| row as usize) {
            if self.first_of_row[row] as usize == row {
                let block = sparse.block_of_row[row] as usize;
                let vsize = d.layout.blocks[block].vsize;
                let x = &mut self.x[row * k..(row + vsize) * k];
                small::lambda_transposed_rows(vsize, k, &d.lambdas[block], x);
            }
        }
    }

    // Adds the ancestors of the reached rows in the elimination tree, and sorts them in elimination
    // order.
    fn climb(&mut self, sparse: &Sparse) {
        for at in 0..self.reached.len() {
            let mut row = sparse.parent(self.reached[at] as usize);
            while row != NONE && !self.is_reached[row as usize] {
                self.is_reached[row as usize] = true;
                self.reached.push(row);
                row = sparse.parent(row as usize);
            }
        }
        self.reached.sort_unstable();
    }
}
