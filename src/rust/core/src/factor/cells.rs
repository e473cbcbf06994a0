//! The observed pairs of levels of two terms, over which the cross-products of their effects are
//! summed.

use crate::factor::rows_of_term::RowsOfTerm;
use crate::kernels::small::{self, set_zeros};

/// The observed pairs of levels (cells) of two trailing terms, or of one with itself.
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    /// The index of the first term in [`Rows`](crate::factor::rows::Rows).
    pub a: usize,
    /// The index of the second term there.
    pub b: usize,
    /// The cell of each row; empty for a term with itself, whose cells are its levels.
    cell: Vec<u32>,
    /// The first rows, in the trailing system, of the two levels of each cell.
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

    // Finds the cell of each row by sorting rows by their levels in both terms.
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
