//! Contributions of single levels to the sums.

use crate::iterative::system::{System, Trailing};
use crate::kernels::small;

/// Calls `visit` for each trailing level coupled with a leading one, given by its term and number,
/// with `k0` values for each of its effects.
pub fn for_each_coupled(
    system: &System,
    level: usize,
    mut visit: impl FnMut((usize, usize), &[f64]),
) {
    let k0 = system.k0;
    let (rows, vals) = system.coupled(level);
    let mut at = 0;
    while at < rows.len() {
        let row = rows[at] as usize;
        let t = system.block_of_row(row);
        let Trailing { first, k, .. } = system.trailing[t];
        let end = at + k;
        visit((t, (row - first) / k), &vals[at * k0..end * k0]);
        at = end;
    }
}

/// `y += a'G a`, where a has a row per effect.
pub fn add_form(g: &[f64], a: &[f64], y: &mut [f64]) {
    let (k, k0) = (g.len().isqrt(), y.len().isqrt());
    for (column, right) in g.chunks_exact(k).zip(a.chunks_exact(k0)) {
        for (g, left) in column.iter().zip(a.chunks_exact(k0)) {
            for (y, right) in y.chunks_exact_mut(k0).zip(right) {
                small::axpy(g * right, left, y);
            }
        }
    }
}
