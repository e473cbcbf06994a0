//! The sorted rows of one term: the level and the row of Z of each observation.

use crate::design::Design;
use crate::kernels::small;

/// The sorted rows of one term.
#[derive(Debug, Clone)]
pub struct RowsOfTerm {
    /// Index into the design's terms.
    pub term: usize,
    /// Number of effects per level.
    pub k: usize,
    /// Level of each row.
    pub level: Vec<u32>,
    /// Rows of Z, `k x n`; empty for a single column of ones.
    pub z: Vec<f64>,
    /// For trailing terms, the position of each row's first effect among the trailing rows coupled
    /// with its level of the leading term.
    pub slot: Vec<u32>,
    /// For trailing terms, the first row of each level in the trailing system.
    pub first: Vec<u32>,
    n_levels: usize,
}

impl RowsOfTerm {
    pub(super) fn new(design: &Design, term: usize, order: &[u32]) -> Self {
        let t = &design.terms[term];
        let k = t.vsize();
        let level = order.iter().map(|&i| t.level(i as usize) as u32).collect();
        let mut z = Vec::new();
        if !t.z.is_ones() {
            for &i in order {
                z.extend((0..k).map(|j| t.value(i as usize, j)));
            }
        }
        Self {
            term,
            k,
            level,
            z,
            slot: Vec::new(),
            first: Vec::new(),
            n_levels: t.n_levels,
        }
    }

    /// The first row in the trailing system of the level of observation `i`.
    #[inline(always)]
    pub(crate) fn first_row(&self, i: usize) -> usize {
        self.first[self.level[i] as usize] as usize
    }

    /// The row of Z of observation `i`.
    #[inline(always)]
    pub fn z(&self, i: usize) -> &[f64] {
        if self.z.is_empty() {
            &[1.0]
        } else {
            &self.z[i * self.k..(i + 1) * self.k]
        }
    }

    /// The root mean square of each column of Z; 1 for a column of zeros.
    pub(super) fn root_mean_squares(&self, n: usize) -> Vec<f64> {
        let mut squares = vec![0.0; self.k];
        for i in 0..n {
            let z = self.z(i);
            for (s, z) in squares.iter_mut().zip(z) {
                *s += z * z;
            }
        }
        let root = |square: f64| (square / n as f64).sqrt();
        let size = |square: f64| if square > 0.0 { root(square) } else { 1.0 };
        squares.into_iter().map(size).collect()
    }

    /// `out_i += z_i' b` with the effects `b` (`k x n_levels`), from observation `first` on.
    pub(super) fn add_product(&self, b: &[f64], first: usize, out: &mut [f64]) {
        let k = self.k;
        let level = &self.level[first..];
        if self.z.is_empty() {
            for (o, &l) in out.iter_mut().zip(level) {
                *o += b[l as usize];
            }
        } else {
            for (i, (o, &l)) in out.iter_mut().zip(level).enumerate() {
                let b = &b[l as usize * k..][..k];
                *o += small::dot(self.z(first + i), b);
            }
        }
    }

    /// `Z_t' r`, `k x n_levels`.
    pub(crate) fn transposed_product(&self, r: &[f64]) -> Vec<f64> {
        let k = self.k;
        let mut out = vec![0.0; k * self.n_levels];
        if self.z.is_empty() {
            for (r, &level) in r.iter().zip(&self.level) {
                out[level as usize] += r;
            }
            return out;
        }
        for (i, &r) in r.iter().enumerate() {
            let l = self.level[i] as usize;
            small::axpy(r, self.z(i), &mut out[l * k..(l + 1) * k]);
        }
        out
    }

    /// The largest value in each level, but at least zero.
    pub(crate) fn largest_by_level(&self, values: &[f64]) -> Vec<f64> {
        let mut largest = vec![0.0f64; self.n_levels];
        for (&value, &level) in values.iter().zip(&self.level) {
            let own = &mut largest[level as usize];
            *own = own.max(value);
        }
        largest
    }
}
