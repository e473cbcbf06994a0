//! Leading levels that are coupled with most trailing rows: their blocks are stored side by side as
//! dense matrices, so that one matrix product replaces scattered updates.

use faer::MatRef;

use crate::factor::leading::{Leading, Levels};
use crate::kernels::small;

/// Least share of the trailing rows with which a level must be coupled on average.
const DENSITY: f64 = 0.25;
/// Below this number of multiplications scattered updates are as fast.
const WORK: f64 = 5e4;

/// `A_R0` and `B = A_R0 M` of all levels, `m x (k n_levels)`, column by column.
#[derive(Debug, Clone)]
pub(crate) struct FullLeading {
    m: usize,
    a: Vec<f64>,
    b: Vec<f64>,
}

impl FullLeading {
    /// Memory for the blocks if they are dense enough, else `None`.
    pub fn new(leading: &Leading, m: usize) -> Option<Self> {
        let coupled = leading.rows.len() as f64;
        let density = coupled / (leading.n_levels as f64 * m as f64);
        let pays =
            density > DENSITY && coupled * leading.k as f64 * m as f64 > WORK;
        let length = m * leading.k * leading.n_levels;
        pays.then(|| Self {
            m,
            a: vec![0.0; length],
            b: vec![0.0; length],
        })
    }

    /// Copies the `k` values of each row coupled with a level, and multiplies by its `M`.
    #[inline(always)]
    pub fn set(
        &mut self,
        k: usize,
        level: usize,
        rows: &[u32],
        vals: &[f64],
        m_level: &[f64],
    ) {
        let columns = level * k * self.m..(level + 1) * k * self.m;
        let a = &mut self.a[columns.clone()];
        let b = &mut self.b[columns];
        for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
            for j in 0..k {
                a[j * self.m + row as usize] = v[j];
            }
        }
        small::multiply_rows(k, self.m, a, m_level, b);
    }

    /// The columns of `A_R0` for a range of levels, as a contiguous slice.
    pub(crate) fn a_slice(&self, levels: &Levels) -> &[f64] {
        let size = levels.k * self.m;
        &self.a[levels.range.start * size..levels.range.end * size]
    }

    /// The columns of `A_R0` for a range of levels.
    pub fn a(&self, levels: &Levels) -> MatRef<'_, f64> {
        let columns = levels.k * levels.range.len();
        MatRef::from_column_major_slice(self.a_slice(levels), self.m, columns)
    }

    /// All of `B`.
    pub fn b(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.b, self.m, self.b.len() / self.m)
    }
}
