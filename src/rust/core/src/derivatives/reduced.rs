//! Where a trailing Lambda is singular: `W` from the system before it is scaled, without dividing by Lambda.

use crate::derivatives::Derivatives;
use crate::pls::Pls;

/// Columns that are solved for at a time.
const CHUNK: usize = 32;

impl Derivatives {
    /// Adds `sum_l W_ll = sum_l K_ll - E_l'E_l` with `E = L^-1 D'K` for layout block `b`.
    pub(super) fn add_singular_trace(&mut self, pls: &Pls, b: usize) {
        // One K serves all singular blocks: the first of them computes it.
        if self.inverses[..b].iter().all(Option::is_some) {
            pls.trailing.reduced(&pls.units, &pls.m, &mut self.k_rr);
        }
        let (block, m) = (&pls.layout.blocks[b], pls.layout.m);
        let k = block.vsize;
        let levels = (CHUNK / k).max(1);
        let mut e = vec![0.0; levels * k * m];
        let g = &mut self.g[block.term];
        for firsts in block.first.chunks(levels) {
            let rows = firsts.len() * k;
            let e = &mut e[..rows * m];
            e.fill(0.0);
            for (l, &first) in firsts.iter().enumerate() {
                for j in 0..k {
                    let col = first as usize + j;
                    pls.trailing.for_each_in_column(&self.k_rr, col, |row, value| e[row * rows + l * k + j] = value);
                    for i in 0..k {
                        g[j * k + i] += e[(first as usize + i) * rows + l * k + j];
                    }
                }
            }
            scale_columns(pls, rows, e);
            pls.trailing.right_solve(rows, e);
            for column in e.chunks_exact(rows) {
                for level in column.chunks_exact(k) {
                    for j in 0..k {
                        (0..k).for_each(|i| g[j * k + i] -= level[i] * level[j]);
                    }
                }
            }
        }
    }
}

/// `x := x D` for the `rows x m` matrix `x`.
pub(super) fn scale_columns(pls: &Pls, rows: usize, x: &mut [f64]) {
    for (block, lambda) in pls.layout.blocks.iter().zip(&pls.trailing_lambdas) {
        let k = block.vsize;
        for &first in &block.first {
            let columns = &mut x[first as usize * rows..(first as usize + k) * rows];
            for r in 0..rows {
                for j in 0..k {
                    columns[j * rows + r] = (j..k).map(|i| lambda[j * k + i] * columns[i * rows + r]).sum();
                }
            }
        }
    }
}
