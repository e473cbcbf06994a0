//! A long range piece by piece, so that what is done with a piece stays in the cache.

use std::ops::Range;

/// The numbers `0..n` in ranges of `size`, of which the last one may be shorter.
#[inline]
pub(crate) fn chunks(
    n: usize,
    size: usize,
) -> impl ExactSizeIterator<Item = Range<usize>> {
    let starts = (0..n).step_by(size);
    starts.map(move |start| start..(start + size).min(n))
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn chunks_cover_the_range() {
        assert!(chunks(7, 3).eq([0..3, 3..6, 6..7]));
        assert!(chunks(6, 3).eq([0..3, 3..6]));
        assert_eq!(chunks(0, 3).count(), 0);
    }
}
