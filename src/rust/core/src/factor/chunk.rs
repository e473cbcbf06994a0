//! The rows of a design, some at a time: gathered from its columns, X centred, so that each row
//! lies side by side in memory.

use std::ops::Range;

use crate::design::Design;
use crate::kernels::small;

/// Rows that are gathered at a time: their copy stays in the cache.
pub(super) const CHUNK: usize = 256;

/// Some rows of a matrix, one after the other.
struct Chunk {
    width: usize,
    values: Vec<f64>,
}

impl Chunk {
    fn new(width: usize) -> Self {
        Self {
            width,
            values: vec![0.0; CHUNK * width],
        }
    }

    #[inline(always)]
    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}

/// Some rows of X, with `shift` multiples of its first column taken off, and of Z of each term.
pub(super) struct Gathered<'a> {
    design: &'a Design<'a>,
    shift: &'a [f64],
    /// Number of the first row in the design.
    first: usize,
    x: Chunk,
    z: Vec<Chunk>,
}

/// One row of the data with what it adds to the sums; handed on by value, in registers.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    /// Number of the row in the design.
    pub i: usize,
    /// Weight.
    pub w: f64,
    /// Residual response.
    pub r: f64,
    /// Row of X, centred.
    pub x: &'a [f64],
    /// Rows of Z of each term, among which this one is number `at`.
    z: &'a [Chunk],
    at: usize,
}

impl<'a> Row<'a> {
    /// The `k` values of the row in a term.
    #[inline(always)]
    pub fn z(self, term: usize, k: usize) -> &'a [f64] {
        &self.z[term].values[self.at * k..(self.at + 1) * k]
    }
}

impl<'a> Gathered<'a> {
    /// Memory for rows of a design.
    pub fn new(design: &'a Design, shift: &'a [f64]) -> Self {
        let terms = design.terms.iter();
        Self {
            design,
            shift,
            first: 0,
            x: Chunk::new(shift.len()),
            z: terms.map(|term| Chunk::new(term.vsize())).collect(),
        }
    }

    /// Copies some rows, at most [`CHUNK`] of them.
    pub fn gather(&mut self, rows: Range<usize>) {
        self.first = rows.start;
        let x = &mut self.x.values[..rows.len() * self.x.width];
        gather_fixed(self.design, self.shift, rows.start, x);
        for (term, z) in self.design.terms.iter().zip(&mut self.z) {
            let values = &mut z.values[..rows.len() * z.width];
            term.z.gather(rows.start, z.width, values);
        }
    }

    /// Row `i` of X, which must be among those that are gathered.
    #[inline(always)]
    pub fn x(&self, i: usize) -> &[f64] {
        self.x.row(i - self.first)
    }

    /// Row `i` with the residual of the response `y` from the fixed effects `beta`.
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

// Rows from `first` on of X, centred, row by row.
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

/// Takes multiples of the first value off the others.
#[inline(always)]
pub(super) fn centre(x: &mut [f64], shift: &[f64]) {
    let x0 = x.first().copied().unwrap_or(0.0);
    for (x, s) in x.iter_mut().zip(shift) {
        *x -= s * x0;
    }
}
