//! `L^-1 D' K` of the sparse storage for the columns of one level at a time: only the rows that
//! these columns reach in the elimination tree are visited (Davis 2006, chapter 3.2).

use crate::factor::layout::Layout;
use crate::factor::trailing::pattern::NONE;
use crate::factor::trailing::sparse::Sparse;
use crate::kernels::small;

/// `K` by whole columns, and memory for the solutions.
#[derive(Debug, Default)]
pub struct Reach {
    ptr: Vec<usize>,
    rows: Vec<u32>,
    values: Vec<f64>,
    /// First row of the level of each row.
    first_of_row: Vec<u32>,
    /// The solutions, `k` values per row; zero between calls.
    x: Vec<f64>,
    is_reached: Vec<bool>,
    reached: Vec<u32>,
}

impl Reach {
    /// Takes a symmetric matrix on the pattern of the factor.
    pub fn set(&mut self, sparse: &Sparse, k_rr: &[f64]) {
        let m = sparse.m;
        self.is_reached.resize(m, false);
        self.ptr.clear();
        self.ptr.resize(m + 1, 0);
        sparse.for_each_element(k_rr, |row, col, _| {
            self.ptr[col + 1] += 1;
            self.ptr[row + 1] += usize::from(row != col);
        });
        (0..m).for_each(|j| self.ptr[j + 1] += self.ptr[j]);
        let length = self.ptr[m];
        self.rows.resize(length, 0);
        self.values.resize(length, 0.0);
        // Counts up from the start of each column to that of the next one.
        let mut put = |row: usize, col: usize, value: f64| {
            (self.rows[self.ptr[col]], self.values[self.ptr[col]]) = (row as u32, value);
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
        self.first_of_row.resize(m, 0);
        let ends = sparse
            .levels
            .iter()
            .skip(1)
            .map(|level| level.0)
            .chain([m as u32]);
        for (&(first, _), end) in sparse.levels.iter().zip(ends) {
            self.first_of_row[first as usize..end as usize].fill(first);
        }
    }

    /// `out -= E'E` with `E = L^-1 D' K` for the `k` columns from `first` on.
    pub fn subtract_gram(
        &mut self,
        sparse: &Sparse,
        layout: &Layout,
        lambdas: &[Vec<f64>],
        first: usize,
        k: usize,
        out: &mut [f64],
    ) {
        self.x.resize((sparse.m * k).max(self.x.len()), 0.0);
        self.gather(sparse, layout, lambdas, first, k);
        self.climb(sparse);
        for &j in &self.reached {
            let j = j as usize;
            let (done, rest) = self.x.split_at_mut((j + 1) * k);
            let xj = &mut done[j * k..];
            let column = sparse.ptr[j]..sparse.ptr[j + 1];
            xj.iter_mut().for_each(|v| *v /= sparse.s[column.start]);
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

    // x = D'K; a level whose Lambda is zero has nothing there.
    fn gather(
        &mut self,
        sparse: &Sparse,
        layout: &Layout,
        lambdas: &[Vec<f64>],
        first: usize,
        k: usize,
    ) {
        self.reached.clear();
        for c in 0..k {
            for at in self.ptr[first + c]..self.ptr[first + c + 1] {
                let row = self.rows[at] as usize;
                let block = sparse.block_of_row[row] as usize;
                if lambdas[block].iter().all(|l| *l == 0.0) {
                    continue;
                }
                self.x[row * k + c] = self.values[at];
                if !self.is_reached[self.first_of_row[row] as usize] {
                    let level = self.first_of_row[row];
                    let rows = level..level + layout.blocks[block].vsize as u32;
                    self.is_reached[level as usize..rows.end as usize].fill(true);
                    self.reached.extend(rows);
                }
            }
        }
        for &row in self
            .reached
            .iter()
            .filter(|&&row| self.first_of_row[row as usize] == row)
        {
            let block = sparse.block_of_row[row as usize] as usize;
            let (vsize, lambda) = (layout.blocks[block].vsize, &lambdas[block]);
            let x = &mut self.x[row as usize * k..(row as usize + vsize) * k];
            for c in 0..k {
                (0..vsize).for_each(|j| {
                    x[j * k + c] = (j..vsize)
                        .map(|i| lambda[j * vsize + i] * x[i * k + c])
                        .sum()
                });
            }
        }
    }

    // Adds the ancestors of what is reached; in the order of elimination.
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
