//! Contiguous storage of small matrices of equal size, such as one for each level of the leading
//! term.

/// Consecutive matrices of equal size, each stored column by column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Blocks {
    /// Number of rows of each block.
    rows: usize,
    /// Number of columns of each block.
    k: usize,
    values: Vec<f64>,
}

impl Blocks {
    /// Makes `count` blocks of `rows x k` zeros.
    pub fn zeros(rows: usize, k: usize, count: usize) -> Self {
        Self {
            rows,
            k,
            values: vec![0.0; rows * k * count],
        }
    }

    /// Makes `count` square blocks of order `k`, all zero.
    pub fn squares(k: usize, count: usize) -> Self {
        Self::zeros(k, k, count)
    }

    /// Takes the shape of `other`, keeping the values of existing blocks.
    pub(crate) fn resize_like(&mut self, other: &Self) {
        (self.rows, self.k) = (other.rows, other.k);
        self.values.resize(other.values.len(), 0.0);
    }

    /// Block `i`.
    #[inline(always)]
    pub fn block(&self, i: usize) -> &[f64] {
        let size = self.rows * self.k;
        &self.values[i * size..(i + 1) * size]
    }

    /// Block `i`, mutably.
    #[inline(always)]
    pub(crate) fn block_mut(&mut self, i: usize) -> &mut [f64] {
        let size = self.rows * self.k;
        &mut self.values[i * size..(i + 1) * size]
    }

    /// Square block `i`, for a caller with a literal order `k`: the compiler then knows the length
    /// of the block, and omits the bounds checks of an unrolled loop.
    #[inline(always)]
    pub fn square(&self, k: usize, i: usize) -> &[f64] {
        &self.values[i * k * k..(i + 1) * k * k]
    }

    /// Square block `i`, mutably, for a caller with a literal order `k`: see [`Self::square`].
    #[inline(always)]
    pub(crate) fn square_mut(&mut self, k: usize, i: usize) -> &mut [f64] {
        &mut self.values[i * k * k..(i + 1) * k * k]
    }

    /// The contiguous values of blocks `range`.
    #[inline]
    pub(crate) fn span(&self, range: std::ops::Range<usize>) -> &[f64] {
        let size = self.rows * self.k;
        &self.values[range.start * size..range.end * size]
    }

    /// All blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact((self.rows * self.k).max(1))
    }

    /// All blocks in order, mutably.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.values.chunks_exact_mut((self.rows * self.k).max(1))
    }

    /// All values, block after block.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// All values, block after block, mutably.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }
}

#[cfg(test)]
mod tests {
    use super::Blocks;

    #[test]
    fn blocks_lie_side_by_side() {
        let mut blocks = Blocks::zeros(3, 2, 4);
        blocks.block_mut(2).fill(1.0);
        assert_eq!(blocks.values().iter().sum::<f64>(), 6.0);
        assert_eq!(blocks.block(2), [1.0; 6]);
        assert_eq!(blocks.span(1..3)[..6], [0.0; 6]);
        assert_eq!(blocks.iter().count(), 4);
        let mut other = Blocks::default();
        other.resize_like(&blocks);
        assert_eq!(other, Blocks::zeros(3, 2, 4));
    }

    #[test]
    fn literal_sizes_see_the_same() {
        let mut blocks = Blocks::squares(2, 3);
        blocks.square_mut(2, 1).fill(2.0);
        assert_eq!(blocks.square(2, 1), blocks.block(1));
        assert_eq!(blocks.block(0), [0.0; 4]);
    }

    #[test]
    fn blocks_without_rows_are_empty() {
        let blocks = Blocks::zeros(0, 2, 3);
        assert!(blocks.block(2).is_empty() && blocks.iter().next().is_none());
    }
}
