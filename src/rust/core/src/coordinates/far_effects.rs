//! Confirmation that random effects of covariates far from zero are in the column space of X, as
//! cross-products suggest.
//!
//! If X distinguishes the levels, the columns of Z of such a covariate are nearly in its column
//! space: the share of their sum of squares that is orthogonal to X is about the squared ratio of
//! the standard deviation within levels to the mean. A share of 1e-12 cannot be computed from
//! cross-products, but it can from the rows. The same holds for random intercepts if X has slopes
//! of such a covariate for each level.

use std::ops::Range;

use super::orthogonal::{exactly_left, has_far_slopes, orthogonal, Orthogonal};
use crate::design::{Column, Columns, Design};
use crate::error::{Beside, Error, Result};
use crate::factor::contained::{irregular, GOLDEN_RATIO};
use crate::kernels::chunks::chunks;
use crate::tolerances::{REMAINDER, SMALL_WITHIN};

/// Number of rows of a column that are copied at a time.
const CHUNK: usize = 256;

/// The number of rows in a sample, for each column of X.
const ROWS_PER_COLUMN: usize = 8;

/// Confirms from the rows that effects (term and column of each) are in the column space of X,
/// which has the columns `fixed`; the design has those of a basis if a covariate is far from zero.
///
/// # Errors
/// `Origin` if one is not, because a covariate of the effect or of X is far from zero relative to
/// its standard deviation within levels.
pub fn confirm_contained(
    design: &Design,
    fixed: &Columns,
    effects: &[(usize, usize)],
) -> Result<()> {
    if effects.is_empty() {
        return Ok(());
    }
    let has_far_fixed =
        !design.x.is_same(fixed) || has_far_slopes(fixed, design.n());
    let mut columns = FixedColumns::of(design, fixed);
    for &effect in effects {
        let squares = squares_of_levels(design, effect);
        let share = share_within(&squares);
        let is_far = (REMAINDER..SMALL_WITHIN).contains(&share);
        let is_contained = if is_far || has_far_fixed {
            columns.contain(effect, &squares)
        } else {
            share < REMAINDER || columns.may_contain(effect, &squares)
        };
        if !is_contained {
            let beside = match (is_far, has_far_fixed) {
                (true, _) => Beside::Levels,
                (false, true) => Beside::Slopes,
                (false, false) => Beside::Products,
            };
            return Err(lost(effect, beside));
        }
    }
    Ok(())
}

/// Which of the effects of a part that are in the column space of X come after one that is not.
pub(super) fn later_ones(mut contained: Vec<bool>) -> Vec<bool> {
    let first = contained.iter().position(|is_contained| !is_contained);
    let n_leading = first.unwrap_or(contained.len());
    contained[..n_leading].fill(false);
    contained
}

/// Whether effects of a term are in the column space of X.
pub(super) fn are_contained(
    design: &Design,
    term: usize,
    effects: Range<usize>,
) -> Vec<bool> {
    // X has no room for the levels.
    if design.terms[term].n_levels > design.p() {
        return vec![false; effects.len()];
    }
    let mut columns = FixedColumns::of(design, &design.x);
    let is_contained = |column: usize| {
        let squares = squares_of_levels(design, (term, column));
        columns.contain((term, column), &squares)
    };
    effects.map(is_contained).collect()
}

// The columns of X, orthogonalized when they are asked for: in a sample of the rows, and in all.
pub(super) struct FixedColumns<'a> {
    design: &'a Design<'a>,
    fixed: Vec<Column<'a>>,
    sample: Option<SampledRows>,
    q: Option<Orthogonal>,
}

impl<'a> FixedColumns<'a> {
    pub fn of(design: &'a Design<'a>, fixed: &Columns<'a>) -> Self {
        Self {
            design,
            fixed: fixed.iter().copied().collect(),
            sample: None,
            q: None,
        }
    }

    // Whether an effect is in their span, as far as a sample of the rows can refute it; `squares`
    // come from `squares_of_levels`.
    fn may_contain(
        &mut self,
        effect: (usize, usize),
        squares: &[(f64, f64)],
    ) -> bool {
        let sample = self
            .sample
            .get_or_insert_with(|| SampledRows::of(self.design, &self.fixed));
        let column = combination(self.design, &sample.rows, effect, squares);
        sample.contains(column)
    }

    // Whether an effect is in their span.
    fn contain(
        &mut self,
        effect: (usize, usize),
        squares: &[(f64, f64)],
    ) -> bool {
        self.may_contain(effect, squares)
            && self.left(effect, squares) <= REMAINDER
    }

    /// The share of an effect's sum of squares that is not in their span.
    pub fn share_left(&mut self, effect: (usize, usize)) -> f64 {
        let squares = squares_of_levels(self.design, effect);
        self.left(effect, &squares)
    }

    fn left(&mut self, effect: (usize, usize), squares: &[(f64, f64)]) -> f64 {
        let rows: Vec<usize> = (0..self.design.n()).collect();
        self.left_of(&mut combination(self.design, &rows, effect, squares))
    }

    /// The share of a column's sum of squares that is not in their span, on which it is projected.
    pub fn left_of(&mut self, column: &mut [f64]) -> f64 {
        let (design, fixed) = (self.design, &self.fixed);
        let q = self.q.get_or_insert_with(|| orthogonal(design, fixed));
        exactly_left(design, fixed, q, column)
    }
}

// Some rows of X: what isn't in the span of its columns there isn't in all rows.
struct SampledRows {
    rows: Vec<usize>,
    weights: Vec<f64>,
    x: Vec<Vec<f64>>,
    q: Orthogonal,
}

impl SampledRows {
    // Multiples of the golden ratio, modulo one, spread the rows so that levels that recur with any
    // period have their share of them.
    fn of(design: &Design, fixed: &[Column]) -> Self {
        let n = design.n();
        let count = ROWS_PER_COLUMN * fixed.len();
        let spread = |i: usize| {
            let share = ((i + 1) as f64 * GOLDEN_RATIO).fract();
            ((share * n as f64) as usize).min(n - 1)
        };
        let rows: Vec<usize> = match count < n {
            true => (0..count).map(spread).collect(),
            false => (0..n).collect(),
        };
        let value = |column: &Column| -> Vec<f64> {
            rows.iter().map(|&row| column.value(row)).collect()
        };
        let x: Vec<Vec<f64>> = fixed.iter().map(value).collect();
        let weights = rows.iter().map(|&row| design.weight(row)).collect();
        let mut sample = Self {
            rows,
            weights,
            x,
            q: Orthogonal::default(),
        };
        sample.q = orthogonal(&sample.design(), &sample.columns());
        sample
    }

    // A design with these rows and weights, and nothing else.
    fn design(&self) -> Design<'_> {
        Design {
            x: Columns::new(Vec::new()),
            y: &self.weights,
            weights: Some(&self.weights),
            counts: None,
            offset: None,
            terms: Vec::new(),
        }
    }

    fn columns(&self) -> Vec<Column<'_>> {
        self.x
            .iter()
            .map(|values| Column::Doubles(values))
            .collect()
    }

    fn contains(&self, mut column: Vec<f64>) -> bool {
        let (design, columns) = (self.design(), self.columns());
        let is_zero = column.iter().all(|value| *value == 0.0);
        let mut left = || exactly_left(&design, &columns, &self.q, &mut column);
        is_zero || left() <= REMAINDER
    }
}

fn lost((term, column): (usize, usize), beside: Beside) -> Error {
    Error::Origin {
        term,
        column,
        beside,
    }
}

// The weighted sum of squares of a column in each level, about zero and about the level's mean,
// over the rows in which it isn't zero: a slope in one category is zero in the rows of others.
fn squares_of_levels(
    design: &Design,
    (term, column): (usize, usize),
) -> Vec<(f64, f64)> {
    let term = &design.terms[term];
    let z = term.z.column(column);
    let mut sums = vec![LevelSums::default(); term.n_levels];
    let mut memory = vec![0.0; CHUNK.min(design.n())];
    for rows in chunks(design.n(), CHUNK) {
        let values = &mut memory[..rows.len()];
        z.copy(rows.start, values);
        let of_rows = values.iter().zip(&term.refs[rows.start..]).zip(rows);
        for ((z, level), row) in of_rows.filter(|((z, _), _)| **z != 0.0) {
            sums[*level as usize - 1].add(design.weight(row), *z);
        }
    }
    sums.iter().map(LevelSums::squares).collect()
}

// The weighted sums of a column's values in one level.
#[derive(Debug, Clone, Default)]
struct LevelSums {
    weight: f64,
    // The first value, and the sum and the sum of squares of the differences from it.
    first: Option<f64>,
    sum: f64,
    sum_squares: f64,
    // The sum of squares of the values.
    whole: f64,
}

impl LevelSums {
    #[inline]
    fn add(&mut self, w: f64, z: f64) {
        let change = z - *self.first.get_or_insert(z);
        self.weight += w;
        self.sum += w * change;
        self.sum_squares += w * change * change;
        self.whole += w * z * z;
    }

    // The sum of squares about zero, and about the mean.
    fn squares(&self) -> (f64, f64) {
        let within = match self.weight > 0.0 {
            true => self.sum_squares - self.sum * self.sum / self.weight,
            false => 0.0,
        };
        (self.whole, within)
    }
}

/// The share of an effect's sum of squares that is within levels, over the rows in which its column
/// isn't zero: the average of the levels in which it varies, if there are any.
pub(super) fn within_levels(
    design: &Design,
    effect: (usize, usize),
) -> Option<f64> {
    let mut squares = squares_of_levels(design, effect);
    squares.retain(|(_, left)| *left > 0.0);
    (!squares.is_empty()).then(|| share_within(&squares))
}

// The share of a column's sum of squares that is within levels, on average; `squares` come from
// `squares_of_levels`.
fn share_within(squares: &[(f64, f64)]) -> f64 {
    let (mut total, mut count) = (0.0, 0.0);
    for (whole, left) in squares.iter().filter(|(whole, _)| *whole > 0.0) {
        total += left / whole;
        count += 1.0;
    }
    total / count
}

// A combination, with irregular weights, of the columns of all levels, each scaled to unit length.
fn combination(
    design: &Design,
    rows: &[usize],
    effect: (usize, usize),
    squares: &[(f64, f64)],
) -> Vec<f64> {
    let term = &design.terms[effect.0];
    let value = |&row: &usize| {
        let level = term.level(row);
        let (whole, _) = squares[level];
        match whole > 0.0 {
            true => {
                irregular(level, 0) * term.value(row, effect.1) / whole.sqrt()
            }
            false => 0.0,
        }
    };
    rows.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivatives::tests::{us, Data};

    // Confirms that the effects of a column of Z by four levels are in the span of these columns.
    fn confirmed(x: &[Vec<f64>], z: &[f64]) -> Result<()> {
        let levels = |i: usize| i % 4;
        let terms = vec![(Box::new(levels) as _, vec![us(1, 0)])];
        let data = Data::new(z.len(), 1, terms);
        let mut design = data.design();
        let columns = x.iter().map(|values| Column::Doubles(values));
        design.x = Columns::new(columns.collect());
        design.terms[0].z = Columns::new(vec![Column::Doubles(z)]);
        confirm_contained(&design, &design.x, &[(0, 0)])
    }

    // Tests random slopes of a covariate with this origin, with indicator columns of the levels in
    // X and, if `with_slopes`, also fixed slopes in each level.
    fn found(origin: f64, with_slopes: bool) -> Result<()> {
        let covariate = |i: usize| origin + (i as f64 * 1.7).sin();
        let x: Vec<f64> = (0..24).map(covariate).collect();
        let mut columns = Vec::new();
        for level in 0..4 {
            let is_here = |i: usize| f64::from(u8::from(i % 4 == level));
            columns.push((0..24).map(is_here).collect::<Vec<f64>>());
            if with_slopes {
                let slope = |i: usize| is_here(i) * x[i];
                columns.push((0..24).map(slope).collect());
            }
        }
        confirmed(&columns, &x)
    }

    // Slopes in one of two categories, beside dummy columns of all cells.
    fn found_in_category(origin: f64) -> Result<()> {
        let covariate =
            |i: usize| (origin + (i as f64 * 1.7).sin()) * (i / 4 % 2) as f64;
        let x: Vec<f64> = (0..24).map(covariate).collect();
        let cell = |cell: usize| {
            let is_here = move |i: usize| f64::from(u8::from(i % 8 == cell));
            (0..24).map(is_here).collect::<Vec<f64>>()
        };
        let columns: Vec<Vec<f64>> = (0..8).map(cell).collect();
        confirmed(&columns, &x)
    }

    // Slopes of the product of a covariate with one that is far from zero, beside the covariate's
    // slopes and dummy columns of the levels.
    fn found_product(origin: f64, with_slopes: bool) -> Result<()> {
        let z = |i: usize| (i as f64 * 2.3).cos();
        let product = |i: usize| z(i) * (origin + (i as f64 * 1.7).sin());
        let products: Vec<f64> = (0..96).map(product).collect();
        let mut columns = Vec::new();
        for level in 0..4 {
            let is_here = |i: usize| f64::from(u8::from(i % 4 == level));
            columns.push((0..96).map(is_here).collect::<Vec<f64>>());
            columns.push((0..96).map(|i| is_here(i) * z(i)).collect());
            if with_slopes {
                let slope = |i: usize| is_here(i) * products[i];
                columns.push((0..96).map(slope).collect());
            }
        }
        confirmed(&columns, &products)
    }

    #[test]
    fn rows_distinguish_a_product_from_its_other_covariate() {
        for origin in [1e6, 1e8] {
            assert!(matches!(
                found_product(origin, false),
                Err(Error::Origin {
                    beside: Beside::Products,
                    ..
                })
            ));
            assert_eq!(found_product(origin, true), Ok(()));
        }
    }

    #[test]
    fn rows_tell_slopes_in_a_category_from_its_cells() {
        for origin in [1e6, 1e8] {
            assert!(found_in_category(origin).is_err());
        }
    }

    #[test]
    fn rows_distinguish_slopes_from_levels_and_slopes() {
        for origin in [1e6, 1e8, 1e9] {
            assert!(matches!(
                found(origin, false),
                Err(Error::Origin {
                    term: 0,
                    column: 0,
                    beside: Beside::Levels
                })
            ));
            assert_eq!(found(origin, true), Ok(()));
        }
    }
}
