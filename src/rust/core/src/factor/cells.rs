//! Observed pairs of levels of two terms, among which the cross-products of their effects are
//! summed up.

use crate::factor::rows_of_term::RowsOfTerm;
use crate::kernels::small::{self, set_zeros};

/// Observed pairs of levels of two trailing terms (or of one with itself).
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    /// The first term, by its place among the terms of [`Rows`](crate::factor::rows::Rows).
    pub a: usize,
    /// The second term, by its place there.
    pub b: usize,
    /// Cell of each row; empty for the pairs of one term, whose cell is the level.
    cell: Vec<u32>,
    /// First rows of the levels of each cell.
    pub first: Vec<(u32, u32)>,
}

impl Cells {
    pub(super) fn new(terms: &[RowsOfTerm], a: usize, b: usize) -> Self {
        let mut cells = Self {
            a,
            b,
            cell: Vec::new(),
            first: Vec::new(),
        };
        if a == b {
            let firsts = terms[a].first.iter();
            cells.first = firsts.map(|&row| (row, row)).collect();
        } else {
            cells.find(&terms[a], &terms[b]);
        }
        cells
    }

    // The cell of each row: the rows sorted by their levels in both terms.
    fn find(&mut self, a: &RowsOfTerm, b: &RowsOfTerm) {
        let levels = |i: u32| (a.level[i as usize], b.level[i as usize]);
        let mut sorted: Vec<u32> = (0..a.level.len() as u32).collect();
        sorted.sort_unstable_by_key(|&i| levels(i));
        self.cell = vec![0; sorted.len()];
        let mut last = None;
        for i in sorted {
            if last != Some(levels(i)) {
                last = Some(levels(i));
                let first_a = a.first_row(i as usize);
                let first_b = b.first_row(i as usize);
                self.first.push((first_a as u32, first_b as u32));
            }
            self.cell[i as usize] = self.first.len() as u32 - 1;
        }
    }

    /// Sums up `Z_a'WZ_b` of each cell, `k_a x k_b`.
    pub(crate) fn sum(
        &self,
        a: &RowsOfTerm,
        b: &RowsOfTerm,
        w: &[f64],
        out: &mut Vec<f64>,
    ) {
        let size = a.k * b.k;
        let of_row = if self.cell.is_empty() {
            &a.level
        } else {
            &self.cell
        };
        set_zeros(out, self.first.len() * size);
        if a.z.is_empty() && b.z.is_empty() {
            for (&cell, w) in of_row.iter().zip(w) {
                out[cell as usize] += w;
            }
            return;
        }
        for (i, &cell) in of_row.iter().enumerate() {
            let block =
                &mut out[cell as usize * size..(cell as usize + 1) * size];
            for (column, &z) in block.chunks_exact_mut(a.k).zip(b.z(i)) {
                small::axpy(w[i] * z, a.z(i), column);
            }
        }
    }
}
