//! Effects of covariates far from zero that sums call contained in the fixed effects, asked once
//! more.
//!
//! Beside fixed effects that tell the levels apart, the columns of Z of such a covariate are nearly
//! contained in X: what is left of them is its spread within levels, squared, as a share of its
//! mean, squared. A sum of products doesn't know a share of 1e-12, the rows do.

use super::orthogonal::{left_of, orthogonal};
use crate::design::{Column, Design};
use crate::error::{Error, Result};
use crate::factor::contained::irregular;
use crate::factor::sums::{Sums, TermSums};
use crate::tolerances::{CONTAINED, REMAINDER, SMALL_WITHIN};

/// Confirms by the rows that X contains effects (term and column of each), of which sums say so.
///
/// # Errors
/// `Origin` where it doesn't contain them: the covariate is far from zero beside its spread within
/// levels.
pub fn confirm_contained(
    design: &Design,
    effects: &[(usize, usize)],
) -> Result<()> {
    let with_squares = |&effect| (effect, squares_of_levels(design, effect));
    let mut far: Vec<_> = effects.iter().map(with_squares).collect();
    far.retain(|(_, squares)| varies_little(squares));
    if far.is_empty() {
        return Ok(());
    }
    let columns: Vec<Column> = design.x.iter().copied().collect();
    let (q, _) = orthogonal(design, &columns);
    for (effect, squares) in far {
        let mut combination = combination(design, effect, &squares);
        if left_of(design, &q, &mut combination) > REMAINDER {
            return Err(lost(effect));
        }
    }
    Ok(())
}

/// Confirms the same where there are nothing but sums: of a covariate far from zero they can't
/// tell, unless it is constant.
///
/// # Errors
/// `Origin` where a covariate is that far from zero.
pub fn confirm_contained_in_sums(
    sums: &Sums,
    effects: &[(usize, usize)],
) -> Result<()> {
    let p = sums.p();
    let whole = sums.xx.first().copied().unwrap_or(0.0);
    let is_far = |&&(term, column): &&(usize, usize)| {
        let of_term = &sums.terms[term];
        p > 0 && is_far_in_sums(of_term, column, p, whole)
    };
    effects
        .iter()
        .find(is_far)
        .map_or(Ok(()), |&effect| Err(lost(effect)))
}

fn lost((term, column): (usize, usize)) -> Error {
    Error::Origin {
        term,
        column,
        beside_levels: true,
    }
}

// The weighted square of a column in each level, and that of what the level's mean leaves.
fn squares_of_levels(
    design: &Design,
    (term, column): (usize, usize),
) -> Vec<(f64, f64)> {
    let term = &design.terms[term];
    let mut first = vec![f64::NAN; term.n_levels];
    // The weight, the sum and the sum of squares of what differs from the first value; the square.
    let mut sums = vec![[0.0; 4]; term.n_levels];
    for i in 0..design.n() {
        let (level, w, z) =
            (term.level(i), design.weight(i), term.value(i, column));
        if first[level].is_nan() {
            first[level] = z;
        }
        let change = z - first[level];
        let own = &mut sums[level];
        own[0] += w;
        own[1] += w * change;
        own[2] += w * change * change;
        own[3] += w * z * z;
    }
    let spread = |&[weight, sum, squares, whole]: &[f64; 4]| {
        let within = match weight > 0.0 {
            true => squares - sum * sum / weight,
            false => 0.0,
        };
        (whole, within)
    };
    sums.iter().map(spread).collect()
}

// Whether a column varies within levels, but by a small share of its size; `squares` are those of
// `squares_of_levels`.
fn varies_little(squares: &[(f64, f64)]) -> bool {
    let shares = squares.iter().filter(|(whole, _)| *whole > 0.0);
    let shares: Vec<f64> = shares.map(|(whole, left)| left / whole).collect();
    let share = shares.iter().sum::<f64>() / shares.len() as f64;
    (REMAINDER..SMALL_WITHIN).contains(&share)
}

// A combination of the columns of all levels, each with a square of one, by irregular weights.
fn combination(
    design: &Design,
    effect: (usize, usize),
    squares: &[(f64, f64)],
) -> Vec<f64> {
    let term = &design.terms[effect.0];
    let row = |i: usize| {
        let level = term.level(i);
        let (whole, _) = squares[level];
        match whole > 0.0 {
            true => {
                irregular(level, 0) * term.value(i, effect.1) / whole.sqrt()
            }
            false => 0.0,
        }
    };
    (0..design.n()).map(row).collect()
}

// Whether a column that isn't constant is far from zero beside its spread, all levels together.
fn is_far_in_sums(
    term: &TermSums,
    column: usize,
    p: usize,
    whole: f64,
) -> bool {
    let k = term.k;
    let levels = term.zz.iter().zip(term.xz.iter());
    let sums: Vec<(f64, f64)> = levels
        .map(|(zz, xz)| (zz[column * (k + 1)], xz[column * p]))
        .filter(|(square, _)| *square > 0.0)
        .collect();
    let square: f64 = sums.iter().map(|(square, _)| square).sum();
    let sum: f64 = sums.iter().map(|(_, sum)| sum).sum();
    let left = 1.0 - sum * sum / (whole * square);
    let is_constant = sums.iter().all(|(square, sum)| {
        let (first_square, first_sum) = sums[0];
        square * first_sum == first_square * sum
    });
    left < CONTAINED && !is_constant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivatives::tests::{us, Data};
    use crate::design::Columns;

    // Slopes of a covariate at an origin, beside dummy columns of their levels, and perhaps beside
    // slopes of these.
    fn found(origin: f64, with_slopes: bool) -> Result<()> {
        let levels = |i: usize| i % 4;
        let data = Data::new(24, 1, vec![(Box::new(levels), vec![us(1, 0)])]);
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
        let columns = columns.iter().map(|v| Column::Doubles(v));
        let mut design = data.design();
        design.x = Columns::new(columns.collect());
        design.terms[0].z = Columns::new(vec![Column::Doubles(&x)]);
        confirm_contained(&design, &[(0, 0)])
    }

    #[test]
    fn rows_tell_slopes_from_levels_and_from_slopes() {
        for origin in [1e6, 1e8, 1e9] {
            assert!(matches!(
                found(origin, false),
                Err(Error::Origin {
                    term: 0,
                    column: 0,
                    beside_levels: true
                })
            ));
            assert_eq!(found(origin, true), Ok(()));
        }
    }
}
