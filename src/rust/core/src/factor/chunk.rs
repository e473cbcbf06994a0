//! Chunks of rows of a design, gathered from its columns with X centred, so that each row is
//! contiguous in memory.

use std::ops::Range;

use crate::design::Design;
use crate::kernels::small;

/// Number of rows gathered at a time: a copy of them stays in the cache.
pub(super) const CHUNK: usize = 256;

/// Some rows of a matrix, stored row by row.
struct Chunk {
    width: usize,
    values: Vec<f64>,
}

impl Chunk {
    fn new(rows: usize, width: usize) -> Self {
        Self {
            width,
            values: vec![0.0; rows * width],
        }
    }

    #[inline(always)]
    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}

/// Some rows of X, centred by `shift` multiples of its first column, and of Z of each term.
pub(super) struct Gathered<'a> {
    design: &'a Design<'a>,
    shift: &'a [f64],
    /// Index in the design of the first row.
    first: usize,
    x: Chunk,
    z: Vec<Chunk>,
}

/// One row of the data with its weight and residual, passed by value in registers.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    /// Index of the row in the design.
    pub i: usize,
    /// Weight.
    pub w: f64,
    /// Residual response.
    pub r: f64,
    /// Row of X, centred.
    pub x: &'a [f64],
    /// Chunks of Z of each term, in which this row has the index `at`.
    z: &'a [Chunk],
    at: usize,
}

impl<'a> Row<'a> {
    /// The `k` values of the row in a term's columns of Z.
    #[inline(always)]
    pub fn z(self, term: usize, k: usize) -> &'a [f64] {
        &self.z[term].values[self.at * k..(self.at + 1) * k]
    }
}

impl<'a> Gathered<'a> {
    /// Memory for chunks of rows of a design.
    pub fn new(design: &'a Design, shift: &'a [f64]) -> Self {
        let rows = design.n().min(CHUNK);
        let terms = design.terms.iter();
        Self {
            design,
            shift,
            first: 0,
            x: Chunk::new(rows, shift.len()),
            z: terms.map(|term| Chunk::new(rows, term.vsize())).collect(),
        }
    }

    /// Gathers the rows `rows`, at most [`CHUNK`] of them.
    pub fn gather(&mut self, rows: Range<usize>) {
        self.first = rows.start;
        let x = &mut self.x.values[..rows.len() * self.x.width];
        gather_fixed(self.design, self.shift, rows.start, x);
        for (term, z) in self.design.terms.iter().zip(&mut self.z) {
            let values = &mut z.values[..rows.len() * z.width];
            term.z.gather(rows.start, z.width, values);
        }
    }

    /// Row `i` of X, which must have been gathered.
    #[inline(always)]
    pub fn x(&self, i: usize) -> &[f64] {
        self.x.row(i - self.first)
    }

    /// Row `i` with the residual of the response `y` for the fixed effects `beta`.
    #[inline(always)]
    pub fn row(&self, i: usize, y: f64, beta: &[f64]) -> Row<'_> {
        let x = self.x(i);
        Row {
            i,
            w: self.design.weight(i),
            r: y - small::dot(beta, x),
            x,
            z: &self.z,
            at: i - self.first,
        }
    }
}

// Gathers rows of X from `first` on, centred, row by row.
fn gather_fixed(
    design: &Design,
    shift: &[f64],
    first: usize,
    rows: &mut [f64],
) {
    let p = shift.len();
    design.x.gather(first, p, rows);
    for row in rows.chunks_exact_mut(p.max(1)) {
        centre(row, shift);
    }
}

/// Subtracts `shift` multiples of the first value of a row from the others.
#[inline(always)]
pub(super) fn centre(x: &mut [f64], shift: &[f64]) {
    let x0 = x.first().copied().unwrap_or(0.0);
    for (x, s) in x.iter_mut().zip(shift) {
        *x -= s * x0;
    }
}
