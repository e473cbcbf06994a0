//! The cross-products `X'WX` and `X'WZ` of reweighted rows, in several threads.

use std::ops::Range;

use crate::factor::rows::Rows;
use crate::factor::rows_of_term::RowsOfTerm;
use crate::iterative::system::System;
use crate::iterative::wide::add_multiple;
use crate::kernels::small;
use crate::parallel::team::share;

/// Weighted rows of X.
#[derive(Clone, Copy)]
struct Weighted<'a> {
    rows: &'a Rows,
    w: &'a [f64],
    /// Number of values per effect: one for each column of X, and one for the response.
    width: usize,
}

/// A part of the sums, for one thread.
enum Part<'a> {
    /// `X'WZ` of a trailing term.
    Trailing(&'a RowsOfTerm, &'a mut [f64]),
    /// `X'WZ` and `X'WX` of a range of levels of the leading term.
    Leading(Range<usize>, &'a mut [f64], Vec<f64>),
}

/// Writes `X'WZ` and `X'WX`, with space for the response at the end of each row.
pub(super) fn fill(
    rows: &Rows,
    w: &[f64],
    with_fixed: bool,
    system: &mut System,
) {
    let p = if with_fixed { rows.p } else { 0 };
    let width = p + 1;
    let n_effects = system.n_leading() * system.k0;
    system.p = p;
    small::set_zeros(&mut system.gram, width * width);
    small::set_zeros(&mut system.border_leading, width * n_effects);
    small::set_zeros(&mut system.border_trailing, width * system.m);
    if p == 0 {
        return;
    }
    let weighted = Weighted { rows, w, width };
    let mut parts = parts_of(rows, width, system);
    share(parts.iter_mut(), |part| weighted.sum(part));
    let squares = parts.into_iter().filter_map(Part::squares);
    let squares: Vec<Vec<f64>> = squares.collect();
    for own in &squares {
        small::axpy(1.0, own, &mut system.gram);
    }
    if let Some(sparse) = &rows.sparse {
        sparse.centre_squares(width, &mut system.gram);
    }
}

// The parts, longest first.
fn parts_of<'a>(
    rows: &'a Rows,
    width: usize,
    system: &'a mut System,
) -> Vec<Part<'a>> {
    let k = system.k0;
    let pieces = match width * width < rows.n() {
        true => system.pieces(),
        // With many columns, a matrix X'WX for each part would take too much memory.
        false => std::iter::once(0..system.n_leading()).collect(),
    };
    let mut parts = Vec::new();
    let mut rest = &mut system.border_trailing[..];
    for (term, block) in rows.terms[1..].iter().zip(&system.trailing) {
        let (own, others) = rest.split_at_mut(block.rows().len() * width);
        parts.push(Part::Trailing(term, own));
        rest = others;
    }
    let mut rest = &mut system.border_leading[..];
    for levels in pieces {
        let (own, others) = rest.split_at_mut(levels.len() * k * width);
        parts.push(Part::Leading(levels, own, vec![0.0; width * width]));
        rest = others;
    }
    parts
}

impl Part<'_> {
    fn squares(self) -> Option<Vec<f64>> {
        match self {
            Self::Trailing(..) => None,
            Self::Leading(_, _, squares) => Some(squares),
        }
    }
}

impl Weighted<'_> {
    fn sum(&self, part: &mut Part) {
        match (self.width - 1, &self.rows.sparse) {
            (1, None) => self.sum_few::<1>(part),
            (2, None) => self.sum_few::<2>(part),
            (3, None) => self.sum_few::<3>(part),
            (4, None) => self.sum_few::<4>(part),
            _ => self.sum_many(part),
        }
    }

    // The sums for so few columns that a row fits into registers.
    fn sum_few<const P: usize>(&self, part: &mut Part) {
        let weighted = |i: usize, x: &[f64]| -> [f64; P] {
            std::array::from_fn(|j| self.w[i] * x[j])
        };
        match part {
            Part::Trailing(term, border) => {
                let rows = self.rows.x.chunks_exact(P).enumerate();
                for (i, x) in rows {
                    let level = term.level[i] as usize * term.k;
                    let own = &mut border[level * self.width..];
                    add_effects_of(&weighted(i, x), term.z(i), own);
                }
            }
            Part::Leading(levels, border, squares) => {
                let leading = &self.rows.terms[0];
                let mut sums = [[0.0; P]; P];
                let effects = border.chunks_exact_mut(leading.k * self.width);
                for (level, own) in levels.clone().zip(effects) {
                    for i in self.rows.of_level(level) {
                        let x = self.rows.fixed_row(i);
                        let weighted = weighted(i, x);
                        add_effects_of(&weighted, leading.z(i), own);
                        for (sums, x) in sums.iter_mut().zip(x) {
                            add_multiple(*x, &weighted, sums);
                        }
                    }
                }
                let columns = squares.chunks_exact_mut(self.width);
                for (column, sums) in columns.zip(&sums) {
                    column[..P].copy_from_slice(sums);
                }
            }
        }
    }

    fn sum_many(&self, part: &mut Part) {
        match part {
            Part::Trailing(term, border) => {
                for i in 0..self.rows.n() {
                    let level = term.level[i] as usize;
                    self.add_effects(i, term, level, border);
                }
                self.centre(border);
            }
            Part::Leading(levels, border, squares) => {
                let leading = &self.rows.terms[0];
                let first = levels.start;
                for level in levels.clone() {
                    for i in self.rows.of_level(level) {
                        self.add_effects(i, leading, level - first, border);
                        self.add_squares(i, squares);
                    }
                }
                self.centre(border);
            }
        }
    }

    // Adds a row to the products with its level's effects.
    #[inline(always)]
    fn add_effects(
        &self,
        i: usize,
        term: &RowsOfTerm,
        level: usize,
        border: &mut [f64],
    ) {
        let effects =
            border[level * term.k * self.width..].chunks_exact_mut(self.width);
        for (effect, z) in effects.zip(term.z(i)) {
            self.add_row(i, self.w[i] * z, effect);
        }
    }

    fn add_squares(&self, i: usize, squares: &mut [f64]) {
        if let Some(sparse) = &self.rows.sparse {
            return sparse.add_squares(i, self.w[i], self.width, squares);
        }
        let columns = squares.chunks_exact_mut(self.width);
        for (column, x) in columns.zip(self.rows.fixed_row(i)) {
            self.add_row(i, self.w[i] * x, column);
        }
    }

    #[inline(always)]
    fn add_row(&self, i: usize, by: f64, out: &mut [f64]) {
        match &self.rows.sparse {
            Some(sparse) => sparse.add(i, by, out),
            None => {
                let row = self.rows.fixed_row(i);
                small::axpy(by, row, &mut out[..row.len()]);
            }
        }
    }

    fn centre(&self, border: &mut [f64]) {
        if let Some(sparse) = &self.rows.sparse {
            let effects = border.chunks_exact_mut(self.width);
            effects.for_each(|effect| sparse.centre(effect));
        }
    }
}

// Adds multiples of a weighted row to the products with a level's effects.
#[inline(always)]
fn add_effects_of<const P: usize>(
    weighted: &[f64; P],
    z: &[f64],
    effects: &mut [f64],
) {
    for (effect, z) in effects.chunks_exact_mut(P + 1).zip(z) {
        for (sum, x) in effect.iter_mut().zip(weighted) {
            *sum += z * x;
        }
    }
}
