//! Cross-products from sums that come from elsewhere: a database, a stream of chunks, several
//! sites.
//!
//! A `GROUP BY` of the levels of a term gives `Z_t'WZ_t`, `Z_t'WX` and `Z_t'Wr`, one of each pair
//! of levels that occur together `Z_t'WZ_s`. The sums are those of X centred and of the residual
//! response r, which saves the digits that large means would cost.

use crate::covariance::RelCov;
use crate::error::{check_length, Error, Result};
use crate::factor::blocks::Blocks;
use crate::factor::border::Border;
use crate::factor::cross_products::CrossProducts;
use crate::factor::layout::{Layout, TrailingTerm};
use crate::factor::leading::{cumulate, Leading};
use crate::factor::memory::Room;
use crate::factor::response_sums::ResponseSums;
use crate::factor::solve::Vectors;
use crate::factor::trailing::{Plan, Trailing};

/// Everything that a linear mixed model needs of the rows of its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    /// Observations of positive weight.
    pub n_eff: usize,
    /// `sum log w` over these.
    pub sum_log_weights: f64,
    /// Multiples of the first column of X that were taken off its columns, one per column.
    pub shift: Vec<f64>,
    /// Least-squares coefficients of the response, in these columns, that were subtracted: `r = y -
    /// X beta0`.
    pub beta0: Vec<f64>,
    /// `X'WX`, of which the lower triangle is read, `p x p`.
    pub xx: Vec<f64>,
    /// `X'Wr`.
    pub xr: Vec<f64>,
    /// `r'Wr`.
    pub rr: f64,
    /// `y'Wy` of the response itself, less its offset.
    pub yy: f64,
    /// The terms in the order of the model.
    pub terms: Vec<TermSums>,
    /// Each pair of terms once.
    pub pairs: Vec<PairSums>,
}

/// The sums of one random-effects term, level after level.
#[derive(Debug, Clone, PartialEq)]
pub struct TermSums {
    /// Random effects per level.
    pub k: usize,
    /// Number of levels.
    pub n_levels: usize,
    /// `Z'WZ`, symmetric, `k x k` per level.
    pub zz: Blocks,
    /// `X'WZ`, `p x k` per level.
    pub xz: Blocks,
    /// `Z'Wr`, `k` values per level.
    pub zr: Vec<f64>,
}

/// The sums of two terms for the pairs of levels that occur together.
#[derive(Debug, Clone, PartialEq)]
pub struct PairSums {
    /// The terms, by their place in the model.
    pub terms: (usize, usize),
    /// Their levels, 0-based, in any order; no pair twice.
    pub levels: Vec<(u32, u32)>,
    /// `Z_a'WZ_b`, `k_a x k_b` per pair of levels.
    pub zz: Blocks,
}

/// `Z_t'WZ_0` of a level of a trailing term and one of the leading term.
struct Coupling<'a> {
    level: u32,
    row: u32,
    /// Effects of the trailing level.
    vsize: usize,
    block: &'a [f64],
    /// Whether the rows of the block are those of the leading term.
    is_transposed: bool,
}

impl Sums {
    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.shift.len()
    }

    /// The sums of some of the terms, which are named in increasing order.
    pub(crate) fn of_terms(&self, kept: &[usize]) -> Self {
        let place = |term| kept.binary_search(&term).ok();
        let moved = |pair: &PairSums| {
            let (a, b) = pair.terms;
            Some(PairSums {
                terms: (place(a)?, place(b)?),
                ..pair.clone()
            })
        };
        Self {
            terms: kept.iter().map(|&t| self.terms[t].clone()).collect(),
            pairs: self.pairs.iter().filter_map(moved).collect(),
            ..self.clone()
        }
    }

    fn shapes(&self) -> Vec<(usize, usize)> {
        let shape = |term: &TermSums| (term.k, term.n_levels);
        self.terms.iter().map(shape).collect()
    }

    /// Checks that all parts have the lengths that belong to the shapes, that the levels exist, and
    /// that the terms have as many effects as their covariances.
    ///
    /// # Errors
    /// `Dimension` and `Level` where they don't.
    pub fn validate(&self, covs: &[RelCov]) -> Result<()> {
        let found: Vec<usize> = self.terms.iter().map(|term| term.k).collect();
        let expected: Vec<usize> = covs.iter().map(RelCov::vsize).collect();
        if found != expected {
            return Err(Error::Dimension {
                what: "terms",
                expected: expected.iter().sum(),
                found: found.iter().sum(),
            });
        }
        self.check_shapes()
    }

    // Whether all parts have the lengths that belong to the shapes, and the levels exist.
    fn check_shapes(&self) -> Result<()> {
        let p = self.p();
        check_length("beta0", p, self.beta0.len())?;
        check_length("xx", p * p, self.xx.len())?;
        check_length("xr", p, self.xr.len())?;
        check_length("terms", 1, self.terms.len().min(1))?;
        for term in &self.terms {
            let effects = term.k * term.n_levels;
            check_length("zz", effects * term.k, term.zz.values().len())?;
            check_length("xz", effects * p, term.xz.values().len())?;
            check_length("zr", effects, term.zr.len())?;
        }
        self.pairs.iter().try_for_each(|pair| self.check_pair(pair))
    }

    fn check_pair(&self, pair: &PairSums) -> Result<()> {
        let (a, b) = pair.terms;
        let n_terms = self.terms.len();
        check_length("pairs", n_terms, n_terms.max(a.max(b) + 1))?;
        let ta = &self.terms[a];
        let tb = &self.terms[b];
        let n_values = pair.levels.len() * ta.k * tb.k;
        check_length("zz", n_values, pair.zz.values().len())?;
        for (row, &(i, j)) in pair.levels.iter().enumerate() {
            if i as usize >= ta.n_levels || j as usize >= tb.n_levels {
                return Err(Error::Level {
                    term: a,
                    row,
                    level: i as i32,
                    n_levels: ta.n_levels,
                });
            }
        }
        Ok(())
    }

    // The levels of trailing terms that share rows with those of the leading one, level after
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

    // Z_R'WZ_R and X'WZ_R.
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

    // Z_t'WZ_t and X'WZ_t of one trailing term.
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
    // The value of effect `j` of the trailing level and effect `c`, of `k`, of the leading one.
    fn value(&self, k: usize, j: usize, c: usize) -> f64 {
        match self.is_transposed {
            true => self.block[j * k + c],
            false => self.block[c * self.vsize + j],
        }
    }
}

// Z_a'WZ_b of two trailing terms.
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
    /// Puts sums in their places: the blocks that [`CrossProducts::from_rows`] sums up of the same
    /// rows. `None` where there is no room for a factor, and no patience.
    ///
    /// # Errors
    /// `Dimension` and `Level` if parts of the sums don't fit each other; `TooLarge` if the crossed
    /// terms don't fit in memory.
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
#[path = "sums_tests.rs"]
mod sums_tests;
