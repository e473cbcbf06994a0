//! Random slopes of covariates far from zero that keep their columns, because their covariances
//! with the intercepts are not free, as in `(x || g)`.
//!
//! Such a slope is nearly an intercept: `b x = b m + b (x - m)` with the mean m. If another effect
//! can make up for `b m`, the likelihood may have a maximum with slopes of the size that `x - m`
//! asks for, far from those that x asks for. The objective there is a difference of terms as large
//! as the squared ratio of mean and standard deviation, and tells nothing if that is the reciprocal
//! of a rounding error.

use super::far_effects::{within_levels, FixedColumns};
use super::orthogonal::variation;
use crate::covariance::RelCov;
use crate::design::{Column, Columns, Design, ReTerm};
use crate::error::{Beside, Error, Result};
use crate::tolerances::{
    CONTAINED, LOST_ORIGIN, LOST_SPREAD, REMAINDER, SMALL_SPREAD,
    SMALL_SPREAD_IN_PART,
};

/// Up to this number of products of the columns of X a column is projected on them.
const FEW_PRODUCTS: usize = 1_000_000;

/// The column of a random slope whose covariate is far from zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FarSlope {
    /// Term of the design.
    pub term: usize,
    /// Column of the term.
    pub column: usize,
    /// The standard deviation of the covariate over its root mean square, in the rows where the
    /// column isn't zero: overall or, if that is large, within levels.
    pub spread: f64,
}

impl FarSlope {
    /// The slopes of a design whose covariates are far from zero.
    pub fn all_of(design: &Design) -> Vec<Self> {
        let mut found = Vec::new();
        for (term, own) in design.terms.iter().enumerate() {
            for (column, values) in own.z.iter().enumerate() {
                let share = small_variation(design, (term, column), values);
                found.extend(share.map(|share| Self {
                    term,
                    column,
                    spread: share.sqrt(),
                }));
            }
        }
        found
    }

    /// The slopes of terms whose columns a basis has made orthogonal; `scales` are the root mean
    /// squares of the columns of each term.
    pub fn in_images(covs: &[RelCov], scales: &[Vec<f64>]) -> Vec<Self> {
        let mut found = Vec::new();
        let terms = covs.iter().zip(scales).enumerate();
        for (term, (cov, rms)) in terms {
            let spreads = cov.image().map(|image| image.spreads(rms));
            let columns = spreads.into_iter().flatten().enumerate();
            let far = columns.filter(|(_, spread)| {
                (LOST_ORIGIN..SMALL_SPREAD).contains(&spread.powi(2))
            });
            found.extend(far.map(|(column, spread)| Self {
                term,
                column,
                spread,
            }));
        }
        found
    }
}

// The variance of a column as a share of its mean square, if it is small: overall or within levels.
fn small_variation(
    design: &Design,
    effect: (usize, usize),
    values: &Column,
) -> Option<f64> {
    if design.terms[effect.0].cov.is_fixed() || values.is_constant() {
        return None;
    }
    let has_zeros = (0..design.n()).any(|row| values.value(row) == 0.0);
    let limit = match has_zeros {
        true => SMALL_SPREAD_IN_PART,
        false => SMALL_SPREAD,
    };
    let is_small = |share: &f64| (LOST_SPREAD..limit).contains(share);
    let is_far = |share: &f64| {
        is_small(share)
            || (LOST_SPREAD..SMALL_SPREAD).contains(share)
                && is_near_fixed(design, values)
    };
    share_of(design.n(), |row| values.value(row))
        .filter(is_far)
        .or_else(|| within_levels(design, effect).filter(is_small))
}

// Whether X has nearly the same column, such as the indicator of a category for a covariate in that
// category, so that the zeros are those of other rows.
fn is_near_fixed(design: &Design, values: &Column) -> bool {
    let (n, p) = (design.n(), design.p());
    if n * p * p > FEW_PRODUCTS {
        return false;
    }
    let mut own = vec![0.0; n];
    values.copy(0, &mut own);
    let left = FixedColumns::of(design, &design.x).left_of(&mut own);
    left < SMALL_SPREAD
}

// The variance of the nonzero values over their squared mean.
fn share_of(n: usize, value: impl Fn(usize) -> f64) -> Option<f64> {
    variation((0..n).map(value).filter(|value| *value != 0.0))
}

/// Confirms that the slopes of a design can be told from other effects. The effects `redundant`
/// (term and column of each) have no variance, and X has the columns `fixed`.
///
/// # Errors
/// `Origin` if the covariate of one is too far from zero.
pub fn confirm_distinct(
    design: &Design,
    fixed: &Columns,
    redundant: &[(usize, usize)],
) -> Result<()> {
    for term in 0..design.terms.len() {
        let slopes = Slopes::of(design, fixed, term, redundant);
        for &column in &slopes.columns {
            let value = |row| design.terms[term].value(row, column);
            slopes.confirm(&[column], &value)?;
        }
        if slopes.columns.len() > 1 {
            let value = |row| slopes.sum(row);
            slopes.confirm_beside_levels()?;
            slopes.confirm(&slopes.columns, &value)?;
        }
    }
    Ok(())
}

// The slopes of one term whose covariates are so far from zero that the squared ratio of mean and
// standard deviation has no digits beside one.
struct Slopes<'a> {
    design: &'a Design<'a>,
    fixed: &'a Columns<'a>,
    redundant: &'a [(usize, usize)],
    term: usize,
    columns: Vec<usize>,
}

impl<'a> Slopes<'a> {
    fn of(
        design: &'a Design<'a>,
        fixed: &'a Columns<'a>,
        term: usize,
        redundant: &'a [(usize, usize)],
    ) -> Self {
        let own = &design.terms[term];
        let is_far = |(column, values): &(usize, &Column)| {
            let is_idle = own.cov.is_fixed()
                || values.is_constant()
                || redundant.contains(&(term, *column));
            if is_idle {
                return false;
            }
            share_of(design.n(), |row| values.value(row))
                .is_some_and(|share| (REMAINDER..CONTAINED).contains(&share))
        };
        let far = own.z.iter().enumerate().filter(is_far);
        Self {
            design,
            fixed,
            redundant,
            term,
            columns: far.map(|(column, _)| column).collect(),
        }
    }

    // The sum of the columns: those of a covariate in each category add up to the covariate.
    fn sum(&self, row: usize) -> f64 {
        let own = &self.design.terms[self.term];
        self.columns
            .iter()
            .map(|&column| own.value(row, column))
            .sum()
    }

    // Confirms that neither X nor another random effect has nearly the same column, `value`, as the
    // effects `own` have together.
    fn confirm(
        &self,
        own: &[usize],
        value: &dyn Fn(usize) -> f64,
    ) -> Result<()> {
        let mut whole: Vec<f64> = (0..self.design.n()).map(value).collect();
        let left =
            FixedColumns::of(self.design, self.fixed).left_of(&mut whole);
        if (REMAINDER..LOST_SPREAD).contains(&left) {
            return Err(self.lost(Beside::Products));
        }
        for (other, term) in self.design.terms.iter().enumerate() {
            for (column, values) in term.z.iter().enumerate() {
                let is_own = other == self.term && own.contains(&column);
                let is_idle = self.redundant.contains(&(other, column));
                if is_own || is_idle || term.cov.is_fixed() {
                    continue;
                }
                let ratio = |row| value(row) / values.value(row);
                let is_near = share_of(self.design.n(), ratio)
                    .is_some_and(|s| (REMAINDER..LOST_SPREAD).contains(&s));
                if is_near && self.is_nested(term) {
                    return Err(self.lost(Beside::Effects));
                }
            }
        }
        Ok(())
    }

    // Whether each level of another term is in one level of this term.
    fn is_nested(&self, other: &ReTerm) -> bool {
        let own = &self.design.terms[self.term];
        let mut within = vec![usize::MAX; other.n_levels];
        (0..self.design.n()).all(|row| {
            let (level, inner) =
                (own.level(row), &mut within[other.level(row)]);
            let is_same = *inner == usize::MAX || *inner == level;
            *inner = level;
            is_same
        })
    }

    // Confirms that the sum of the columns, level by level, is clearly apart from the column space
    // of X, or within it.
    fn confirm_beside_levels(&self) -> Result<()> {
        let own = &self.design.terms[self.term];
        if own.n_levels > self.design.p() {
            return Ok(());
        }
        let sum: Vec<f64> =
            (0..self.design.n()).map(|row| self.sum(row)).collect();
        let mut summed = self.design.clone();
        summed.terms[self.term].z = Columns::new(vec![Column::Doubles(&sum)]);
        let left =
            FixedColumns::of(&summed, self.fixed).share_left((self.term, 0));
        match (REMAINDER..CONTAINED).contains(&left) {
            true => Err(self.lost(Beside::Levels)),
            false => Ok(()),
        }
    }

    fn lost(&self, beside: Beside) -> Error {
        Error::Origin {
            term: self.term,
            column: self.columns[0],
            beside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinates::far_in_sums::tests::{
        level, part, with_design, ROWS,
    };
    use crate::derivatives::tests::{us, Data};

    fn covariate(origin: f64) -> Vec<f64> {
        (0..ROWS).map(|i| origin + (i as f64 * 1.7).sin()).collect()
    }

    // Confirms the effects of columns of four levels, beside the columns of X.
    fn confirmed(x: &[Vec<f64>], z: &[Vec<f64>]) -> Result<()> {
        with_design(x, z, |design| confirm_distinct(design, &design.x, &[]))
    }

    fn lost(beside: Beside) -> Result<()> {
        Err(Error::Origin {
            term: 0,
            column: 0,
            beside,
        })
    }

    #[test]
    fn slopes_are_not_told_from_independent_intercepts() {
        let one = vec![1.0; ROWS];
        let beside_both = |origin| {
            let x = covariate(origin);
            confirmed(&[one.clone(), x.clone()], &[x, one.clone()])
        };
        assert_eq!(beside_both(1e5), Ok(()));
        for origin in [1e7, 1e9] {
            assert_eq!(beside_both(origin), lost(Beside::Effects));
            let x = covariate(origin);
            let fixed = [one.clone(), x.clone()];
            assert_eq!(confirmed(&fixed, &fixed[1..]), Ok(()));
            let beside_one = confirmed(&fixed[..1], &[x]);
            assert_eq!(beside_one, lost(Beside::Products));
        }
    }

    #[test]
    fn slopes_in_categories_are_not_told_from_levels() {
        let one = vec![1.0; ROWS];
        let levels: Vec<Vec<f64>> =
            (0..4).map(|own| part(&one, |i| level(i) == own)).collect();
        let of = |origin| {
            let x = covariate(origin);
            let is_first = |i: usize| i / 4 % 2 == 0;
            let slopes = [part(&x, is_first), part(&x, |i| !is_first(i))];
            confirmed(&levels, &slopes)
        };
        assert_eq!(of(1e3), Ok(()));
        for origin in [1e6, 1e8] {
            assert_eq!(of(origin), lost(Beside::Levels));
        }
    }

    #[test]
    fn spreads_are_those_of_rows_that_are_not_zero() {
        let n = 40;
        let x = |i: usize| match i % 2 {
            0 => 1e4 + f64::from(u8::from(i % 4 == 0)),
            _ => 0.0,
        };
        let z: Vec<f64> = (0..n).map(x).collect();
        let levels = |i: usize| i % 5;
        let data =
            Data::new(n, 1, vec![(Box::new(levels) as _, vec![us(1, 0)])]);
        let mut design = data.design();
        design.terms[0].z = Columns::new(vec![Column::Doubles(&z)]);
        let found = FarSlope::all_of(&design);
        assert_eq!(found.len(), 1);
        // Half of the values are 1e4, the others 1e4 + 1.
        assert!((found[0].spread / (0.5 / 10000.5) - 1.0).abs() < 1e-6);
        // Zero, four and five are ordinary values of a covariate.
        let near: Vec<f64> = (0..n).map(|i| [0.0, 4.0, 5.0][i % 3]).collect();
        design.terms[0].z = Columns::new(vec![Column::Doubles(&near)]);
        assert_eq!(FarSlope::all_of(&design), []);
    }
}
