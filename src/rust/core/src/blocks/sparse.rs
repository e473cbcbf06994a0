//! Sparse storage of the trailing random-effects block: for nested chains and weakly crossed factors.
//!
//! Levels are renumbered by approximate minimum degree, so that a row's number is its place in the elimination.
//! The cross-products live on the pattern of the factor.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::linalg::amd;
use faer::sparse::SymbolicSparseColMatRef;

use crate::blocks::dense::Inverse;
use crate::blocks::layout::Layout;
use crate::blocks::small;
use crate::blocks::units::Units;
use crate::error::{Error, Result};

const NONE: u32 = u32::MAX;

/// Lower triangle by columns, the diagonal first: the cross-products `a` and the working copy `s`.
#[derive(Debug, Clone)]
pub struct Sparse {
    pub(super) m: usize,
    pub(super) ptr: Vec<usize>,
    pub(super) rows: Vec<u32>,
    pub(super) a: Vec<f64>,
    pub(super) s: Vec<f64>,
    /// First row and layout block of each level, by row.
    levels: Vec<(u32, u32)>,
    /// Layout block of each row.
    block_of_row: Vec<u32>,
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
        Self { work: vec![0.0; m], waiting: vec![NONE; m], next: vec![NONE; m], cursor: vec![0; m], buffer: Vec::new() }
    }
}

/// The pattern of the factor by levels: for each level (in elimination order) the later levels in its column.
#[derive(Debug)]
pub struct Pattern {
    /// `order[i]` is the level (by natural row) that is eliminated as number `i`.
    order: Vec<u32>,
    below: Vec<Vec<u32>>,
    /// Effects per level, in elimination order.
    vsize: Vec<u32>,
}

impl Pattern {
    /// Orders the levels and finds the fill-in; `None` once the factor has more than `limit` elements.
    pub fn new(units: &Units, layout: &Layout, limit: usize) -> Option<Self> {
        let levels = layout.levels_by_row();
        let graph = level_graph(units, &levels, layout.m, limit)?;
        let order = minimum_degree(&graph);
        let mut rank = vec![0u32; order.len()];
        order.iter().enumerate().for_each(|(i, &level)| rank[level as usize] = i as u32);
        let vsize: Vec<u32> =
            order.iter().map(|&level| layout.blocks[levels[level as usize].1 as usize].vsize as u32).collect();
        let below = fill_in(&graph, &order, &rank, &vsize, limit)?;
        Some(Self { order, below, vsize })
    }

    /// Multiplications of one factorisation.
    pub fn flops(&self) -> f64 {
        let height = |i: usize| self.below[i].iter().map(|&j| self.vsize[j as usize]).sum::<u32>() + self.vsize[i];
        (0..self.order.len()).map(|i| f64::from(self.vsize[i]) * f64::from(height(i)).powi(2)).sum()
    }
}

// Levels that share a unit, as sorted neighbour lists without the level itself.
fn level_graph(units: &Units, levels: &[(u32, u32)], m: usize, limit: usize) -> Option<Vec<Vec<u32>>> {
    let mut level_of_row = vec![NONE; m];
    levels.iter().enumerate().for_each(|(i, &(row, _))| level_of_row[row as usize] = i as u32);
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); levels.len()];
    for unit in 0..units.n_units {
        for &row in units.touched(unit).0.iter().filter(|&&row| level_of_row[row as usize] != NONE) {
            members[level_of_row[row as usize] as usize].push(unit as u32);
        }
    }
    let mut seen = vec![NONE; levels.len()];
    let mut size = 0;
    let mut graph = Vec::with_capacity(levels.len());
    for (i, members) in members.iter().enumerate() {
        let mut neighbours = Vec::new();
        seen[i] = i as u32;
        for &unit in members {
            for &row in units.touched(unit as usize).0 {
                let level = level_of_row[row as usize];
                if level != NONE && seen[level as usize] != i as u32 {
                    seen[level as usize] = i as u32;
                    neighbours.push(level);
                }
            }
        }
        neighbours.sort_unstable();
        size += neighbours.len();
        if size / 2 > limit {
            return None;
        }
        graph.push(neighbours);
    }
    Some(graph)
}

fn minimum_degree(graph: &[Vec<u32>]) -> Vec<u32> {
    let n = graph.len();
    let mut ptr = vec![0usize];
    graph.iter().for_each(|list| ptr.push(ptr[ptr.len() - 1] + list.len()));
    let index: Vec<usize> = graph.iter().flatten().map(|&i| i as usize).collect();
    let (mut order, mut inverse) = (vec![0usize; n], vec![0usize; n]);
    let pattern = SymbolicSparseColMatRef::new_checked(n, n, &ptr, None, &index);
    let mut memory = MemBuffer::new(amd::order_scratch::<usize>(n, index.len()));
    match amd::order(&mut order, &mut inverse, pattern, Default::default(), MemStack::new(&mut memory)) {
        Ok(_) => order.iter().map(|&i| i as u32).collect(),
        // Only an index overflow can fail; the natural order is always valid.
        Err(_) => (0..n as u32).collect(),
    }
}

// Column i of the factor: A's later neighbours and what its children in the elimination tree pass on.
fn fill_in(graph: &[Vec<u32>], order: &[u32], rank: &[u32], vsize: &[u32], limit: usize) -> Option<Vec<Vec<u32>>> {
    let n = order.len();
    let mut below: Vec<Vec<u32>> = Vec::with_capacity(n);
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); n];
    let mut seen = vec![NONE; n];
    let mut size = 0usize;
    for i in 0..n {
        let mut column = Vec::new();
        let mut visit = |j: u32| {
            if j as usize > i && seen[j as usize] != i as u32 {
                seen[j as usize] = i as u32;
                column.push(j);
            }
        };
        graph[order[i] as usize].iter().for_each(|&level| visit(rank[level as usize]));
        for &child in &children[i] {
            below[child as usize].iter().for_each(|&j| visit(j));
        }
        column.sort_unstable();
        size += column.iter().map(|&j| (vsize[j as usize] * vsize[i]) as usize).sum::<usize>();
        if size > limit {
            return None;
        }
        if let Some(&parent) = column.first() {
            children[parent as usize].push(i as u32);
        }
        below.push(column);
    }
    Some(below)
}

impl Sparse {
    /// A zero block on `pattern`; renumbers the rows of `layout` and `units` to the elimination order.
    pub fn new(pattern: &Pattern, units: &mut Units, layout: &mut Layout) -> Self {
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
        units.renumber(&new_row);
        let (ptr, rows) = expand(pattern, &first);
        let (pair_ptr, pairs) = pair_positions(units, &ptr, &rows);
        let (levels, block_of_row) = (layout.levels_by_row(), layout.block_of_row());
        let (a, s) = (vec![0.0; rows.len()], vec![0.0; rows.len()]);
        let memory = Box::new(Memory::new(layout.m));
        Self { m: layout.m, ptr, rows, a, s, levels, block_of_row, pairs, pair_ptr, memory }
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
    fn scale_below(&mut self, first: usize, k: usize, lambda: &[f64], layout: &Layout, lambdas: &[Vec<f64>]) {
        let below = |j: usize| self.ptr[first + j] + k - j;
        let height = self.ptr[first + 1] - below(0);
        for e in 0..height {
            for j in 0..k {
                self.s[below(j) + e] = (j..k).map(|i| lambda[j * k + i] * self.s[below(i) + e]).sum();
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
        let Memory { work, waiting, next, cursor, .. } = &mut *self.memory;
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

    /// Position of an element of the lower triangle in the arrays of values, if it is on the pattern.
    pub fn position(&self, row: usize, col: usize) -> Option<usize> {
        let range = self.ptr[col]..self.ptr[col + 1];
        let at = range.start + position(&self.rows[range], row as u32);
        (at < self.ptr[col + 1] && self.rows[at] as usize == row).then_some(at)
    }
}

fn enqueue(k: usize, end: usize, cursor: &[usize], rows: &[u32], waiting: &mut [u32], next: &mut [u32]) {
    if cursor[k] < end {
        let row = rows[cursor[k]] as usize;
        next[k] = waiting[row];
        waiting[row] = k as u32;
    }
}

fn position(rows: &[u32], row: u32) -> usize {
    rows.partition_point(|&r| r < row)
}

// From levels to rows: column `j` of a level has the level's own rows from `j` on, then all rows of the levels below.
fn expand(pattern: &Pattern, first: &[u32]) -> (Vec<usize>, Vec<u32>) {
    let (mut ptr, mut rows) = (vec![0], Vec::new());
    for (i, below) in pattern.below.iter().enumerate() {
        for j in 0..pattern.vsize[i] {
            rows.extend(first[i] + j..first[i] + pattern.vsize[i]);
            for &level in below {
                let start = first[level as usize];
                rows.extend(start..start + pattern.vsize[level as usize]);
            }
            ptr.push(rows.len());
        }
    }
    (ptr, rows)
}

fn pair_positions(units: &Units, ptr: &[usize], rows: &[u32]) -> (Vec<usize>, Vec<u32>) {
    let (mut pair_ptr, mut pairs) = (vec![0], Vec::new());
    for unit in 0..units.n_units {
        let touched = units.touched(unit).0;
        for (j, &col) in touched.iter().enumerate() {
            let range = ptr[col as usize]..ptr[col as usize + 1];
            let column = &rows[range.clone()];
            let mut from = 0;
            for &row in &touched[j..] {
                from += position(&column[from..], row);
                pairs.push((range.start + from) as u32);
            }
        }
        pair_ptr.push(pairs.len());
    }
    (pair_ptr, pairs)
}
