//! Splitting of a long range into chunks, whose data stay in the cache, and of an array into
//! consecutive parts.

use std::ops::Range;

/// The range `0..n` in chunks of `size`, the last of which may be shorter.
#[inline]
pub(crate) fn chunks(
    n: usize,
    size: usize,
) -> impl ExactSizeIterator<Item = Range<usize>> {
    let starts = (0..n).step_by(size);
    starts.map(move |start| start..(start + size).min(n))
}

/// Replaces counts by their cumulative sums: a zero followed by the lengths of consecutive parts
/// becomes the starts of the parts and the end of the last one.
pub(crate) fn cumulate(counts: &mut [usize]) {
    for i in 1..counts.len() {
        counts[i] += counts[i - 1];
    }
}

/// Consecutive parts of `values` with these lengths.
pub(crate) fn parts<T>(
    values: &mut [T],
    lengths: impl Iterator<Item = usize>,
) -> Vec<&mut [T]> {
    let mut rest = values;
    let mut parts = Vec::new();
    for length in lengths {
        let (part, others) = rest.split_at_mut(length);
        parts.push(part);
        rest = others;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{chunks, parts};

    #[test]
    fn chunks_cover_the_range() {
        assert!(chunks(7, 3).eq([0..3, 3..6, 6..7]));
        assert!(chunks(6, 3).eq([0..3, 3..6]));
        assert_eq!(chunks(0, 3).count(), 0);
    }

    #[test]
    fn parts_follow_each_other() {
        let mut values = [1, 2, 3, 4];
        let found = parts(&mut values, [1, 0, 2].into_iter());
        assert_eq!(found, [&[1][..], &[], &[2, 3]]);
    }
}
