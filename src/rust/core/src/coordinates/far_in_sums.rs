//! Covariates far from zero, found from sums: random slopes that resemble other effects, see
//! [`super::far_slopes`], and effects in the column space of X, see [`super::far_effects`].
//!
//! Sums hold no rows, so that the variation of a column is what X or an intercept leaves of its sum
//! of squares. The columns of a covariate in each category are orthogonal in every level, and each
//! of them varies beside its own category's mean only, which X may lack; their sum is the
//! covariate.

use std::ops::Range;

use super::basis::Basis;
use super::far_slopes::FarSlope;
use crate::covariance::RelCov;
use crate::error::{Beside, Error, Result};
use crate::factor::sums::{PairSums, Sums, TermSums};
use crate::kernels::small;
use crate::tolerances::{
    CONTAINED, LOST_SPREAD, ROUNDED_SHARE, SAME_COLUMN, SMALL_SPREAD,
    SMALL_SPREAD_IN_PART,
};

/// The number of columns of X up to which columns are projected on all of them.
const MOST_FIXED: usize = 200;

/// The slopes of a model of sums whose covariates are far from zero.
pub fn far_slopes(sums: &Sums, covs: &[RelCov]) -> Vec<FarSlope> {
    let fixed = FixedFactor::of(sums);
    let mut found: Vec<FarSlope> = Vec::new();
    for (term, cov) in covs.iter().enumerate() {
        if cov.is_fixed() {
            continue;
        }
        for covariate in Covariate::all_of(sums, term) {
            let Some(spread) = covariate.spread(&fixed) else {
                continue;
            };
            for &column in &covariate.columns {
                let is_known = |slope: &FarSlope| {
                    (slope.term, slope.column) == (term, column)
                };
                if !found.iter().any(is_known) {
                    found.push(FarSlope {
                        term,
                        column,
                        spread,
                    });
                }
            }
        }
    }
    found.sort_by_key(|slope| (slope.term, slope.column));
    found
}

/// Confirms from sums in a basis that slopes can be told from other effects; see
/// [`super::far_slopes::confirm_distinct`]. The basis has made the columns of its own parts
/// orthogonal.
///
/// # Errors
/// `Origin` if the covariate of one is too far from zero.
pub fn confirm_distinct_in_sums(
    sums: &Sums,
    basis: &Basis,
    redundant: &[(usize, usize)],
) -> Result<()> {
    let fixed = FixedFactor::of(sums);
    for term in 0..sums.terms.len() {
        for covariate in Covariate::all_of(sums, term) {
            let is_told = |&column: &usize| {
                basis.is_orthogonal(term, column)
                    || redundant.contains(&(term, column))
            };
            if covariate.columns.iter().all(is_told) {
                continue;
            }
            if let Some(beside) = covariate.lost_beside(&fixed) {
                return Err(lost((term, covariate.columns[0]), beside));
            }
        }
    }
    Ok(())
}

/// Whether sums show effects of a term to be in the column space of X.
pub(super) fn are_contained_in_sums(
    sums: &Sums,
    term: usize,
    effects: Range<usize>,
) -> Vec<bool> {
    let fixed = FixedFactor::of(sums);
    let is_contained = |column: usize| {
        let alone = Covariate::new(sums, term, vec![column]);
        let left = alone.beyond_levels(&fixed);
        left.is_some_and(|left| left < CONTAINED)
    };
    effects.map(is_contained).collect()
}

/// Confirms from sums that effects (term and column of each) are in the column space of X: sums
/// cannot decide about a covariate far from zero unless it is constant.
///
/// # Errors
/// `Origin` where a covariate is that far from zero.
pub fn confirm_contained_in_sums(
    sums: &Sums,
    effects: &[(usize, usize)],
) -> Result<()> {
    let is_far = |&&(term, column): &&(usize, usize)| {
        let share = Covariate::new(sums, term, vec![column]).beyond_first();
        share.is_some_and(|share| share < CONTAINED)
    };
    effects
        .iter()
        .find(is_far)
        .map_or(Ok(()), |&effect| Err(lost(effect, Beside::Levels)))
}

fn lost((term, column): (usize, usize), beside: Beside) -> Error {
    Error::Origin {
        term,
        column,
        beside,
    }
}

// The Cholesky factor of X'WX; `None` if X has no columns, or very many.
struct FixedFactor {
    p: usize,
    l: Option<Vec<f64>>,
}

impl FixedFactor {
    fn of(sums: &Sums) -> Self {
        let p = sums.p();
        let mut l = sums.xx.clone();
        let is_small = (1..=MOST_FIXED).contains(&p);
        let is_found = is_small && small::cholesky(p, &mut l).is_some();
        Self {
            p,
            l: is_found.then_some(l),
        }
    }

    // The share of a column's sum of squares that is orthogonal to X.
    fn share_left(&self, square: f64, mut products: Vec<f64>) -> Option<f64> {
        let l = self.l.as_ref()?;
        small::forward_solve(self.p, l, &mut products);
        let explained: f64 = products.iter().map(|value| value * value).sum();
        Some(1.0 - explained / square)
    }
}

// The sum of some columns of a term: those of one covariate, alone or in each category.
struct Covariate<'a> {
    sums: &'a Sums,
    term: usize,
    own: &'a TermSums,
    columns: Vec<usize>,
    // The levels in which it isn't zero.
    levels: Vec<usize>,
}

impl<'a> Covariate<'a> {
    fn new(sums: &'a Sums, term: usize, columns: Vec<usize>) -> Self {
        let mut own = Self {
            sums,
            term,
            own: &sums.terms[term],
            columns,
            levels: Vec::new(),
        };
        let levels = 0..own.own.n_levels;
        own.levels = levels.filter(|&i| own.square(i) > 0.0).collect();
        own
    }

    // Each column, and then the columns that are orthogonal in every level.
    fn all_of(sums: &'a Sums, term: usize) -> Vec<Self> {
        let own = &sums.terms[term];
        let mut sets: Vec<Vec<usize>> = (0..own.k).map(|j| vec![j]).collect();
        sets.extend(disjoint_sets(own));
        let covariates = sets.into_iter().map(|set| Self::new(sums, term, set));
        covariates.filter(|own| !own.levels.is_empty()).collect()
    }

    fn square(&self, level: usize) -> f64 {
        let (k, block) = (self.own.k, self.own.zz.block(level));
        self.columns.iter().map(|&j| block[j * (k + 1)]).sum()
    }

    fn products(&self, level: usize) -> Vec<f64> {
        let p = self.sums.p();
        let block = self.own.xz.block(level);
        let mut products = vec![0.0; p];
        for &j in &self.columns {
            small::axpy(1.0, &block[j * p..(j + 1) * p], &mut products);
        }
        products
    }

    // The sum of squares and the products with X over all levels.
    fn whole(&self) -> (f64, Vec<f64>) {
        let mut products = vec![0.0; self.sums.p()];
        let mut square = 0.0;
        for &level in &self.levels {
            small::axpy(1.0, &self.products(level), &mut products);
            square += self.square(level);
        }
        (square, products)
    }

    // The standard deviation of the covariate over its root mean square, if it is small.
    fn spread(&self, fixed: &FixedFactor) -> Option<f64> {
        let limit = match self.columns.len() {
            1 => SMALL_SPREAD,
            _ => SMALL_SPREAD_IN_PART,
        };
        let is_small = |share: &f64| (LOST_SPREAD..limit).contains(share);
        self.beyond_first()
            .filter(is_small)
            .or_else(|| self.beyond_fixed(fixed).filter(is_small))
            .or_else(|| self.beyond_levels(fixed).filter(is_small))
            .or_else(|| self.within_levels().filter(is_small))
            .map(f64::sqrt)
    }

    // The effects from which the slopes cannot be told; `None` if they can.
    fn lost_beside(&self, fixed: &FixedFactor) -> Option<Beside> {
        let share = self.beyond_first()?;
        if share < LOST_SPREAD {
            if self.columns.len() > 1 && self.is_near_fixed_in_part(fixed) {
                return Some(Beside::Products);
            }
            return match (self.has_intercepts(), self.is_fixed_column()) {
                (true, _) => Some(Beside::Effects),
                (false, false) => Some(Beside::Products),
                (false, true) => None,
            };
        }
        let is_lost = self.columns.len() > 1
            && share < CONTAINED
            && self.beyond_levels(fixed).is_some_and(|s| s < CONTAINED);
        is_lost.then_some(Beside::Levels)
    }

    // Whether X has nearly the column of a category, such as the indicator of the category.
    fn is_near_fixed_in_part(&self, fixed: &FixedFactor) -> bool {
        self.columns.iter().any(|&column| {
            let alone = Self::new(self.sums, self.term, vec![column]);
            let left = alone.beyond_fixed(fixed);
            left.is_some_and(|left| left < LOST_SPREAD)
        })
    }

    // Whether there are intercepts of the same levels, or of levels within them.
    fn has_intercepts(&self) -> bool {
        (0..self.own.k).any(|column| self.is_intercept(self.term, column))
            || self.nested_terms().any(|term| {
                let columns = 0..self.sums.terms[term].k;
                columns.into_iter().any(|j| self.is_intercept(term, j))
            })
    }

    // The terms each of whose levels is in one level of this term.
    fn nested_terms(&self) -> impl Iterator<Item = usize> + '_ {
        let other = |pair: &PairSums| match pair.terms {
            (a, b) if a == self.term => Some(b),
            (a, b) if b == self.term => Some(a),
            _ => None,
        };
        let pairs = self.sums.pairs.iter();
        pairs.filter_map(move |pair| {
            let term = other(pair)?;
            let is_first = pair.terms.0 == term;
            let mut seen = vec![false; self.sums.terms[term].n_levels];
            let is_nested = pair.levels.iter().all(|&(a, b)| {
                let level = if is_first { a } else { b } as usize;
                !std::mem::replace(&mut seen[level], true)
            });
            is_nested.then_some(term)
        })
    }

    // Whether X has the same column: the coefficient of one of its columns is one.
    fn is_fixed_column(&self) -> bool {
        let (xx, p) = (&self.sums.xx, self.sums.p());
        let (_, products) = self.whole();
        (1..p).any(|j| {
            let share = xx[j] / xx[0];
            let square = xx[j * (p + 1)] - share * xx[j];
            let product = products[j] - share * products[0];
            (product - square).abs() < SAME_COLUMN * square
        })
    }

    // The share of the sum of squares that is orthogonal to the first column of X, the constant if
    // X has one; `None` if X has no columns, or the covariate is a multiple of the first one.
    fn beyond_first(&self) -> Option<f64> {
        let of_first = *self.sums.xx.first()?;
        let of_level = |&level: &usize| {
            let p = self.sums.p();
            let block = self.own.xz.block(level);
            let sum: f64 = self.columns.iter().map(|&j| block[j * p]).sum();
            (self.square(level), sum)
        };
        let of_levels: Vec<(f64, f64)> =
            self.levels.iter().map(of_level).collect();
        let square: f64 = of_levels.iter().map(|(square, _)| square).sum();
        let sum: f64 = of_levels.iter().map(|(_, sum)| sum).sum();
        let is_multiple = are_multiples(&of_levels);
        (!is_multiple).then_some(1.0 - sum * sum / (of_first * square))
    }

    // The share of the sum of squares that is orthogonal to X.
    fn beyond_fixed(&self, fixed: &FixedFactor) -> Option<f64> {
        let (square, products) = self.whole();
        fixed.share_left(square, products)
    }

    // The share of the sum of squares that is orthogonal to X level by level, on average, if X has
    // room for the levels.
    fn beyond_levels(&self, fixed: &FixedFactor) -> Option<f64> {
        if self.own.n_levels > self.sums.p() {
            return None;
        }
        let of_level = |&level: &usize| {
            fixed.share_left(self.square(level), self.products(level))
        };
        let shares: Option<Vec<f64>> =
            self.levels.iter().map(of_level).collect();
        shares.map(|shares| average(&shares))
    }

    // The share of the sum of squares that is orthogonal to the intercepts of the term level by
    // level, on average over the levels in which the covariate varies.
    fn within_levels(&self) -> Option<f64> {
        let k = self.own.k;
        let intercept = (0..k).find(|j| self.is_intercept(self.term, *j))?;
        let of_level = |&level: &usize| {
            let block = self.own.zz.block(level);
            let with = self.columns.iter().map(|&j| block[intercept * k + j]);
            let product: f64 = with.sum();
            let one = block[intercept * (k + 1)];
            1.0 - product * product / (one * self.square(level))
        };
        let shares = self.levels.iter().map(of_level);
        let shares: Vec<f64> =
            shares.filter(|share| *share > LOST_SPREAD).collect();
        (!shares.is_empty()).then(|| average(&shares))
    }

    // Whether a column of a term is a multiple of the first column of X and none of these.
    fn is_intercept(&self, term: usize, column: usize) -> bool {
        let alone = Self::new(self.sums, term, vec![column]);
        let is_own = term == self.term && self.columns.contains(&column);
        !is_own && !alone.levels.is_empty() && alone.beyond_first().is_none()
    }
}

// Whether a column with these sums of squares, and products with the first column of X, by level,
// is a multiple of that column: an indicator has equal squares and products. Levels with the same
// values prove nothing.
fn are_multiples(of_levels: &[(f64, f64)]) -> bool {
    let (first_square, first_product) = of_levels[0];
    let is_indicator = |&(square, product): &(f64, f64)| {
        (square - product).abs() <= ROUNDED_SHARE * square
    };
    let is_in_proportion = |&(square, product): &(f64, f64)| {
        square * first_product == first_square * product
    };
    let are_equal = of_levels.iter().all(|(square, _)| *square == first_square);
    of_levels.iter().all(is_indicator)
        || !are_equal && of_levels.iter().all(is_in_proportion)
}

// The sets of several columns that are orthogonal in every level.
fn disjoint_sets(term: &TermSums) -> Vec<Vec<usize>> {
    let mut sets = Vec::new();
    let mut left: Vec<usize> = (0..term.k).collect();
    while let Some(&first) = left.first() {
        let mut set = vec![first];
        for &column in &left[1..] {
            if set.iter().all(|&other| are_disjoint(term, other, column)) {
                set.push(column);
            }
        }
        left.retain(|column| !set.contains(column));
        sets.push(set);
    }
    sets.retain(|set| set.len() > 1);
    sets
}

// Whether two columns of a term are orthogonal in every level.
fn are_disjoint(term: &TermSums, a: usize, b: usize) -> bool {
    term.zz.iter().all(|block| block[b * term.k + a] == 0.0)
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
#[path = "far_in_sums_tests.rs"]
pub(super) mod tests;
