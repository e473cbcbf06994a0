//! Cross-products from given sums: each sum is assigned to its position in the blocks of A.

use crate::error::Result;
use crate::factor::border::Border;
use crate::factor::cross_products::CrossProducts;
use crate::factor::layout::{Layout, TrailingTerm};
use crate::factor::leading::Leading;
use crate::factor::memory::Room;
use crate::factor::response_sums::ResponseSums;
use crate::factor::solve::Vectors;
use crate::factor::sums::{PairSums, Sums};
use crate::factor::trailing::{Plan, Trailing};
use crate::kernels::chunks::cumulate;

/// `Z_t'WZ_0` of one level of a trailing term and one of the leading term.
struct Coupling<'a> {
    level: u32,
    row: u32,
    /// Number of effects of the trailing level.
    vsize: usize,
    block: &'a [f64],
    /// Whether the rows of the block are those of the leading term.
    is_transposed: bool,
}

impl Sums {
    // The trailing levels that share observations with each level of the leading term, level after
    // level.
    fn couplings(&self, layout: &Layout) -> Vec<Coupling<'_>> {
        let mut found = Vec::new();
        for pair in &self.pairs {
            let is_transposed = pair.terms.0 == layout.leading_term;
            let (trailing, leading) = match is_transposed {
                true => (pair.terms.1, pair.terms.0),
                false => pair.terms,
            };
            if leading != layout.leading_term {
                continue;
            }
            let Some(term) = layout.block_of_term(trailing) else {
                continue;
            };
            for (i, &(a, b)) in pair.levels.iter().enumerate() {
                let (level, other) =
                    if is_transposed { (a, b) } else { (b, a) };
                found.push(Coupling {
                    level,
                    row: term.first_row(other as usize),
                    vsize: term.vsize,
                    block: pair.zz.block(i),
                    is_transposed,
                });
            }
        }
        found.sort_unstable_by_key(|coupling| (coupling.level, coupling.row));
        found
    }

    fn leading(&self, layout: &Layout) -> Leading {
        let term = &self.terms[layout.leading_term];
        let mut leading = Leading {
            k: term.k,
            n_levels: term.n_levels,
            a00: term.zz.clone(),
            ptr: vec![0; term.n_levels + 1],
            rows: Vec::new(),
            vals: Vec::new(),
            ax0: term.xz.clone(),
        };
        for coupling in self.couplings(layout) {
            for j in 0..coupling.vsize {
                leading.rows.push(coupling.row + j as u32);
                let values = (0..term.k).map(|c| coupling.value(term.k, j, c));
                leading.vals.extend(values);
            }
            leading.ptr[coupling.level as usize + 1] += coupling.vsize;
        }
        cumulate(&mut leading.ptr);
        leading
    }

    // Fills Z_R'WZ_R and X'WZ_R.
    fn fill_trailing(&self, layout: &Layout, trailing: &mut Trailing) {
        for block in &layout.blocks {
            self.fill_levels(block, trailing);
        }
        for pair in &self.pairs {
            let a = layout.block_of_term(pair.terms.0);
            let b = layout.block_of_term(pair.terms.1);
            if let (Some(a), Some(b)) = (a, b) {
                fill_pair(pair, (a, b), trailing);
            }
        }
    }

    // Fills Z_t'WZ_t and X'WZ_t of one trailing term.
    fn fill_levels(&self, block: &TrailingTerm, trailing: &mut Trailing) {
        let term = &self.terms[block.term];
        for (level, place) in block.places(self.p()).enumerate() {
            let columns = &mut trailing.border_cross_products_mut()[place];
            columns.copy_from_slice(term.xz.block(level));
        }
        for (level, rows) in block.places(1).enumerate() {
            let columns = term.zz.block(level).chunks_exact(block.vsize);
            for (j, column) in columns.enumerate() {
                for i in j..block.vsize {
                    trailing.set(rows.start + i, rows.start + j, column[i]);
                }
            }
        }
    }

    fn response(&self, layout: &Layout) -> ResponseSums {
        let mut trailing = vec![0.0; layout.m];
        for block in &layout.blocks {
            let levels = self.terms[block.term].zr.chunks_exact(block.vsize);
            for (place, zr) in block.places(1).zip(levels) {
                trailing[place].copy_from_slice(zr);
            }
        }
        ResponseSums {
            products: Vectors {
                leading: self.terms[layout.leading_term].zr.clone(),
                trailing,
                fixed: self.xr.clone(),
            },
            residual_ss: vec![self.rr],
            total_ss: vec![self.yy],
            beta0: self.beta0.clone(),
        }
    }
}

impl Coupling<'_> {
    // The element for effect `j` of the trailing level and effect `c`, out of `k`, of the leading
    // one.
    fn value(&self, k: usize, j: usize, c: usize) -> f64 {
        match self.is_transposed {
            true => self.block[j * k + c],
            false => self.block[c * self.vsize + j],
        }
    }
}

// Fills Z_a'WZ_b of two trailing terms.
fn fill_pair(
    pair: &PairSums,
    (a, b): (&TrailingTerm, &TrailingTerm),
    trailing: &mut Trailing,
) {
    for (block, &(la, lb)) in pair.zz.iter().zip(&pair.levels) {
        let row = a.first_row(la as usize) as usize;
        let col = b.first_row(lb as usize) as usize;
        for (j, column) in block.chunks_exact(a.vsize).enumerate() {
            for (i, value) in column.iter().enumerate() {
                trailing.set(row + i, col + j, *value);
            }
        }
    }
}

impl CrossProducts {
    /// Assigns sums to the blocks that [`CrossProducts::from_rows`] would compute from the same
    /// rows. `None` if a factor does not fit in memory or is too slow.
    ///
    /// # Errors
    /// `Dimension` and `Level` if the sums are inconsistent; `TooLarge` if the trailing terms do
    /// not fit in memory.
    pub fn from_sums(
        sums: &Sums,
        room: &Room,
    ) -> Result<Option<(Self, ResponseSums)>> {
        sums.check_shapes()?;
        let mut layout = Layout::of_shapes(&sums.shapes(), sums.p());
        if Plan::without_factor(sums, &layout, room)?.is_some() {
            return Ok(None);
        }
        let mut leading = sums.leading(&layout);
        let found = Trailing::new(&mut leading, &mut layout, room)?;
        let Some(mut trailing) = found else {
            return Ok(None);
        };
        sums.fill_trailing(&layout, &mut trailing);
        let response = sums.response(&layout);
        let products = Self {
            layout,
            leading,
            trailing,
            border: Border::new(sums.xx.clone(), sums.shift.clone()),
        };
        Ok(Some((products, response)))
    }
}

#[cfg(test)]
#[path = "from_sums_tests.rs"]
mod from_sums_tests;
