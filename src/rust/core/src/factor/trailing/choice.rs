//! How the trailing system is stored: chosen before any of it is there, from what each storage
//! costs and from the memory that is left.

use crate::error::Result;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::memory::{free_bytes, too_large};
use crate::factor::trailing::pattern::Pattern;

/// Up to this order the dense storage always wins.
const ALWAYS_DENSE: usize = 400;
/// How many times more a multiplication costs in the sparse factorisation.
const SPARSE_COST: f64 = 16.0;
/// Arrays of `m x m` that a dense system takes: cross-products, factor and inverse.
const DENSE_ARRAYS: f64 = 3.0;
/// Bytes that a sparse system takes per element of the factor: cross-products, factor, inverse and
/// its work, and a row number.
const SPARSE_BYTES: f64 = 36.0;
/// The largest factor we try to hold where the system doesn't tell how much memory is left.
const UNKNOWN: u64 = 12 << 30;
/// A sparse factor isn't sought beyond this share of the elements of a dense one: it would take
/// longer than anybody waits, as would the search.
const SPARSE_SHARE: f64 = 0.125;
/// The most elements of a sparse factor, whose places are found in seconds.
const MAX_ELEMENTS: f64 = (1u64 << 27) as f64;

/// The pattern of the sparse storage, or `None` where the dense one is cheaper.
///
/// # Errors
/// `TooLarge` if neither fits in memory.
pub fn sparse_pattern(
    leading: &Leading,
    layout: &Layout,
) -> Result<Option<Pattern>> {
    if layout.m <= ALWAYS_DENSE {
        return Ok(None);
    }
    within(leading, layout, free_bytes())
}

// The same, with so many bytes left.
fn within(
    leading: &Leading,
    layout: &Layout,
    free: Option<u64>,
) -> Result<Option<Pattern>> {
    let m = layout.m as f64;
    let memory = free.unwrap_or(UNKNOWN) as f64;
    let dense_bytes = 8.0 * m * (DENSE_ARRAYS * m + 2.0 * layout.p as f64);
    let dense_fits = dense_bytes <= memory;
    let touched = leading.ptr.windows(2).map(|w| (w[1] - w[0]) as f64);
    let pairs: f64 = touched.map(|touched| touched * touched).sum();
    // With that many pairs the factor fills in: spare the symbolic analysis.
    let is_filled = pairs > m * m / 4.0;
    if is_filled && dense_fits {
        return Ok(None);
    }
    let most = MAX_ELEMENTS.min(memory / SPARSE_BYTES);
    let limit = if dense_fits {
        most
    } else {
        most.min(SPARSE_SHARE * m * m)
    };
    let pattern = match is_filled {
        true => None,
        false => Pattern::new(leading, layout, limit as usize),
    };
    let is_cheaper =
        |pattern: &Pattern| SPARSE_COST * pattern.flops() < m.powi(3) / 3.0;
    match pattern {
        Some(pattern) if !dense_fits || is_cheaper(&pattern) => {
            Ok(Some(pattern))
        }
        _ if dense_fits => Ok(None),
        _ => Err(too_large(dense_bytes, free)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    // `q0` leading levels, each of which touches the trailing effects that `touches` says.
    fn system(
        q0: usize,
        m: usize,
        touches: impl Fn(usize) -> Vec<u32>,
    ) -> (Leading, Layout) {
        let layout = Layout::of_shapes(&[(1, q0), (1, m)], 1);
        let rows: Vec<Vec<u32>> = (0..q0).map(touches).collect();
        let mut ptr = vec![0];
        rows.iter()
            .for_each(|rows| ptr.push(ptr[ptr.len() - 1] + rows.len()));
        let rows: Vec<u32> = rows.concat();
        let leading = Leading {
            k: 1,
            n_levels: q0,
            a00: crate::factor::blocks::Blocks::squares(1, q0),
            vals: vec![1.0; rows.len()],
            ax0: crate::factor::blocks::Blocks::zeros(1, 1, q0),
            rows,
            ptr,
        };
        (leading, layout)
    }

    #[test]
    fn nested_levels_are_sparse_and_crossed_ones_dense() {
        let (nested, layout) = system(5000, 1000, |i| vec![(i / 5) as u32]);
        assert!(within(&nested, &layout, Some(1 << 33)).unwrap().is_some());
        let crossed = |i: usize| {
            (0..40).map(|j| ((i * 7 + j * 25) % 1000) as u32).collect()
        };
        let (crossed, layout) = system(5000, 1000, crossed);
        assert!(within(&crossed, &layout, Some(1 << 33)).unwrap().is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let touches = |i: usize| {
            let row = |j: usize| ((i * 7919 + j * j * 31) % 2000) as u32;
            (0..60).map(row).collect()
        };
        let (crossed, layout) = system(6000, 2000, touches);
        assert!(within(&crossed, &layout, Some(1 << 33)).is_ok());
        // Three arrays of 2000 x 2000.
        let bytes = 8.0 * 2000.0 * (3.0 * 2000.0 + 2.0);
        let Err(Error::TooLarge { gib, free }) =
            within(&crossed, &layout, Some(1 << 20))
        else {
            panic!("a megabyte isn't enough");
        };
        assert!((gib * 2f64.powi(30) - bytes).abs() < 1.0);
        assert_eq!(free, Some(2f64.powi(-10)));
    }

    #[test]
    fn little_memory_is_enough_for_nested_levels() {
        let (nested, layout) =
            system(50_000, 20_000, |i| vec![(i * 2 / 5) as u32]);
        assert!(within(&nested, &layout, Some(1 << 24)).unwrap().is_some());
    }
}
