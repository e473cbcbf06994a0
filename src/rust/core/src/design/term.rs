//! One random-effects term: its columns of Z, its grouping factor, and its covariance structure.

use crate::covariance::RelCov;
use crate::design::Columns;
use crate::error::{check_length, Error, Result};
use crate::kernels::small;

/// A random-effects term: all effects of one grouping factor.
///
/// Row `i` of its model matrix has the `vsize` values `z[i, ..]` in the columns of level `refs[i]`.
#[derive(Debug, Clone)]
pub struct ReTerm<'a> {
    /// Level of each observation, 1-based like R's factor codes.
    pub refs: &'a [i32],
    /// Number of levels.
    pub n_levels: usize,
    /// The columns of the effects, `n x vsize`.
    pub z: Columns<'a>,
    /// The relative covariance of the effects of one level.
    pub cov: RelCov,
}

impl ReTerm<'_> {
    /// Whether both terms borrow the same memory for the same effects.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.refs, other.refs)
            && self.n_levels == other.n_levels
            && self.z.is_same(&other.z)
            && self.cov == other.cov
    }

    /// Number of random effects per level.
    pub fn vsize(&self) -> usize {
        self.cov.vsize()
    }

    /// Number of random effects of all levels.
    pub fn n_effects(&self) -> usize {
        self.vsize() * self.n_levels
    }

    /// Level of row `i`, 0-based.
    #[inline]
    pub fn level(&self, i: usize) -> usize {
        self.refs[i] as usize - 1
    }

    /// Element `j` of row `i` of the model matrix.
    #[inline]
    pub fn value(&self, i: usize, j: usize) -> f64 {
        self.z.value(i, j)
    }

    /// Copies row `i` of the model matrix into `out` (length `vsize`).
    #[inline]
    pub(crate) fn row(&self, i: usize, out: &mut [f64]) {
        for j in 0..self.vsize() {
            out[j] = self.value(i, j);
        }
    }

    /// Adds `Z b` of the rows from `first` on to `out`, for effects `b`, `vsize x n_levels`; `rows`
    /// is working memory.
    pub(crate) fn add_effects(
        &self,
        b: &[f64],
        first: usize,
        rows: &mut Vec<f64>,
        out: &mut [f64],
    ) {
        let k = self.vsize();
        rows.resize(out.len() * k, 0.0);
        self.z.gather(first, k, rows);
        let levels = (first..).map(|i| self.level(i));
        for ((value, z), level) in
            out.iter_mut().zip(rows.chunks_exact(k)).zip(levels)
        {
            *value += small::dot(z, &b[level * k..(level + 1) * k]);
        }
    }

    /// Checks shapes and levels for `n` observations.
    pub(crate) fn validate(&self, term: usize, n: usize) -> Result<()> {
        check_length("refs", n, self.refs.len())?;
        check_length("z", self.vsize(), self.z.len())?;
        self.z.validate("z", n)?;
        let refs = self.refs.iter();
        let (least, most) = refs.fold((1, 1), |(least, most), &level| {
            (level.min(least), level.max(most))
        });
        if least == 1 && most as usize <= self.n_levels {
            return Ok(());
        }
        let is_unknown =
            |&level: &i32| level < 1 || level as usize > self.n_levels;
        match self.refs.iter().position(is_unknown) {
            None => Ok(()),
            Some(row) => Err(Error::Level {
                term,
                row,
                level: self.refs[row],
                n_levels: self.n_levels,
            }),
        }
    }
}
