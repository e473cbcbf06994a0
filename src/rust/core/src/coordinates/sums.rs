//! The basis of a model given by its sums: near collinearity of columns of Z is detected from their
//! cross-products.
//!
//! Sums over a covariate far from zero would have lost the digits of its variance. They are
//! therefore taken of columns Q near zero, with `Z = Q M'` for the original columns. The columns of
//! the basis `Z = P C'` are then `P = Q A'` with `A = C^-1 M`.

use std::ops::Range;

use super::basis::{may_have_image, Basis};
use super::far_effects::later_ones;
use super::far_in_sums::are_contained_in_sums;
use super::orthogonal::depend;
use super::part_basis::{PartBasis, TermImage};
use crate::covariance::{Part, RelCov};
use crate::error::{Beside, Error, Result};
use crate::factor::blocks::Blocks;
use crate::factor::sums::{PairSums, Sums, TermSums};
use crate::kernels::rotations::lower_factor;
use crate::kernels::small;
use crate::tolerances::{
    CONTAINED, DEPENDENT, DEPENDENT_SUM, FAR, LOST_ORIGIN, LOST_SPREAD,
    ROUNDED_SHARE,
};

/// The cross-products of the columns of one part.
struct Products {
    k: usize,
    /// Cross-products S of the summed columns Q, `k x k`, divided by the number of observations.
    summed: Vec<f64>,
    /// M, `k x k`.
    m: Vec<f64>,
    /// The first column that has lost the digits by which it varies beside a preceding one.
    lost: Option<usize>,
}

impl Basis {
    /// The basis of sums. It orthogonalises the columns of an unstructured part, or of a term
    /// without such a part, if they are nearly collinear and, for a part, none of its parameters is
    /// held; `summed` has M of each term, `k x k`. Effects in the column space of X keep their
    /// columns as in [`Basis::of`].
    ///
    /// # Errors
    /// `Origin` if a covariate's mean is so large relative to its standard deviation that all
    /// digits are lost.
    pub fn of_sums(
        sums: &Sums,
        summed: &[Vec<f64>],
        covs: &[RelCov],
        is_restricted: bool,
        is_held: impl Fn(usize) -> bool,
    ) -> Result<Self> {
        let mut parts = Vec::new();
        let mut images = Vec::new();
        for (at, (cov, m)) in covs.iter().zip(summed).enumerate() {
            for (first, part) in cov.placed() {
                if is_free(part) && !part.range().any(&is_held) {
                    let place = (at, first..first + part.size);
                    let theta = part.range();
                    parts.extend(part_of_sums(
                        sums,
                        m,
                        place,
                        theta,
                        is_restricted,
                    )?);
                }
            }
            let columns = 0..cov.vsize();
            let has_contained = || {
                are_contained_in_sums(sums, at, columns.clone()).contains(&true)
            };
            if may_have_image(cov, &is_held)
                && !(is_restricted && has_contained())
            {
                let own =
                    Products::new(&sums.terms[at], m, columns, sums.n_eff);
                let part = own.image(at)?;
                let cov = cov.clone();
                let image = part.map(|part| TermImage::new(part, cov));
                images.extend(image.transpose()?);
            }
        }
        let n_theta = covs.iter().map(RelCov::theta_end).max().unwrap_or(0);
        Ok(Self {
            parts,
            images,
            fixed: None,
            n_theta,
        })
    }

    /// The sums in this basis; `None` if they are the given ones.
    pub fn sums(&self, given: &Sums, summed: &[Vec<f64>]) -> Option<Sums> {
        let terms = summed.iter().enumerate();
        let changes: Vec<Change> =
            terms.map(|(at, m)| self.change(at, m)).collect();
        if changes.iter().all(Option::is_none) {
            return None;
        }
        let mut sums = given.clone();
        for (term, change) in sums.terms.iter_mut().zip(&changes) {
            if let Some(a) = change {
                change_term(term, a);
            }
        }
        for pair in &mut sums.pairs {
            let (a, b) = pair.terms;
            change_pair(pair, &changes[a], &changes[b]);
        }
        Some(sums)
    }

    // `A = C^-1 M` of a term.
    fn change(&self, at: usize, m: &[f64]) -> Change {
        let vsize = m.len().isqrt();
        let mut a = m.to_vec();
        for part in self.of_term(at) {
            for column in a.chunks_exact_mut(vsize.max(1)) {
                let own = &mut column[part.first..part.first + part.k];
                small::forward_solve(part.k, &part.c, own);
            }
        }
        (a != small::identity(vsize)).then_some(a)
    }
}

fn lost(term: usize, column: usize, beside: Beside) -> Error {
    Error::Origin {
        term,
        column,
        beside,
    }
}

/// The matrix by which columns are multiplied; `None` for the identity.
type Change = Option<Vec<f64>>;

// The first of some columns that has lost the digits by which it varies beside a preceding one.
fn first_lost(term: &TermSums, columns: Range<usize>) -> Option<usize> {
    let is_lost = |j: usize| {
        let mut before = columns.start..j;
        before
            .any(|i| are_proportional(term, i, j) && factors_differ(term, i, j))
    };
    columns.clone().position(is_lost)
}

// Element (i, j) of the cross-products of each level.
fn products_by_level(
    term: &TermSums,
    i: usize,
    j: usize,
) -> impl Iterator<Item = f64> + '_ {
    term.zz.iter().map(move |block| block[j * term.k + i])
}

// Whether two columns are proportional to rounding errors over all levels.
fn are_proportional(term: &TermSums, i: usize, j: usize) -> bool {
    let sum = |i, j| products_by_level(term, i, j).sum::<f64>();
    let squares = sum(i, i) * sum(j, j);
    squares - sum(i, j).powi(2) < LOST_SPREAD * squares
}

// Whether column j is another multiple of column i in some level than in others: that of a
// covariate far from zero in a category is its mean.
fn factors_differ(term: &TermSums, i: usize, j: usize) -> bool {
    let products = products_by_level(term, i, j);
    let both = products.zip(products_by_level(term, i, i));
    let known = both.filter(|(_, square)| *square > 0.0);
    let factors: Vec<f64> =
        known.map(|(product, square)| product / square).collect();
    let least = factors.iter().copied().fold(f64::INFINITY, f64::min);
    let most = factors.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most - least > ROUNDED_SHARE * most.abs().max(least.abs())
}

// The basis of an unstructured part, if its columns are nearly collinear.
fn part_of_sums(
    sums: &Sums,
    m: &[f64],
    (at, effects): (usize, Range<usize>),
    theta: Range<usize>,
    is_restricted: bool,
) -> Result<Option<PartBasis>> {
    let own = Products::new(&sums.terms[at], m, effects.clone(), sums.n_eff);
    let given = own.given();
    let Some(mut part) = own.part((at, effects.start), theta)? else {
        return Ok(None);
    };
    let kept = match is_restricted {
        true => later_ones(are_contained_in_sums(sums, at, effects.clone())),
        false => Vec::new(),
    };
    if !kept.contains(&true) {
        return Ok(Some(part));
    }
    let free: Vec<usize> = (0..part.k).filter(|&j| !kept[j]).collect();
    let columns = free.iter().map(|j| effects.start + j).collect();
    let beside = Products::of_columns(&sums.terms[at], m, columns, sums.n_eff);
    part.c = beside.factor_among(&free, &given);
    let is_needed = depend(beside.k, beside.given(), DEPENDENT);
    Ok(is_needed.then_some(part))
}

// Whether effects of a part may be combined: the part must be unstructured.
fn is_free(part: &Part) -> bool {
    part.is_triangle() && part.size > 1
}

// Replaces Z'WZ of each level by A Z'WZ A', X'WZ by X'WZ A', and Z'Wr by A Z'Wr.
fn change_term(term: &mut TermSums, a: &[f64]) {
    let k = term.k;
    multiply_left(k, a, &mut term.zz);
    multiply_right(k, a, &mut term.zz);
    multiply_right(k, a, &mut term.xz);
    for zr in term.zr.chunks_exact_mut(k) {
        times(k, a, zr);
    }
}

fn change_pair(pair: &mut PairSums, left: &Change, right: &Change) {
    if let Some(a) = left {
        multiply_left(a.len().isqrt(), a, &mut pair.zz);
    }
    if let Some(b) = right {
        multiply_right(b.len().isqrt(), b, &mut pair.zz);
    }
}

// x := A x.
fn times(k: usize, a: &[f64], x: &mut [f64]) {
    let mut product = vec![0.0; k];
    for (value, column) in x.iter().zip(a.chunks_exact(k)) {
        small::axpy(*value, column, &mut product);
    }
    x.copy_from_slice(&product);
}

// Multiplies each block of k rows by A from the left.
fn multiply_left(k: usize, a: &[f64], blocks: &mut Blocks) {
    let columns = blocks.values_mut().chunks_exact_mut(k);
    columns.for_each(|column| times(k, a, column));
}

// Multiplies each block of k columns by A' from the right.
fn multiply_right(k: usize, a: &[f64], blocks: &mut Blocks) {
    let mut row = vec![0.0; k];
    for block in blocks.iter_mut() {
        let rows = block.len() / k;
        for i in 0..rows {
            for (j, value) in row.iter_mut().enumerate() {
                *value = block[j * rows + i];
            }
            times(k, a, &mut row);
            for (j, value) in row.iter().enumerate() {
                block[j * rows + i] = *value;
            }
        }
    }
}

impl Products {
    fn new(
        term: &TermSums,
        m: &[f64],
        columns: Range<usize>,
        n: usize,
    ) -> Self {
        Self {
            lost: first_lost(term, columns.clone()),
            ..Self::of_columns(term, m, columns.collect(), n)
        }
    }

    fn of_columns(
        term: &TermSums,
        m: &[f64],
        columns: Vec<usize>,
        n: usize,
    ) -> Self {
        let k = columns.len();
        let mut own = Self {
            k,
            summed: Vec::with_capacity(k * k),
            m: Vec::with_capacity(k * k),
            lost: None,
        };
        for &j in &columns {
            for &i in &columns {
                let at = j * term.k + i;
                let sum: f64 = term.zz.iter().map(|block| block[at]).sum();
                own.summed.push(sum / n.max(1) as f64);
                own.m.push(m[at]);
            }
        }
        own
    }

    // The basis of the part at `term` and column `first`, if the original columns are nearly
    // collinear.
    fn part(
        self,
        (term, first): (usize, usize),
        theta: Range<usize>,
    ) -> Result<Option<PartBasis>> {
        if !depend(self.k, self.given(), DEPENDENT) {
            return Ok(None);
        }
        if let Some(column) = self.lost_digits() {
            return Err(lost(term, first + column, Beside::Intercept));
        }
        if let Some(column) = self.lost_in_sums() {
            return Err(lost(term, first + column, Beside::Sums));
        }
        Ok(Some(self.basis((term, first), theta)))
    }

    // The basis of a whole term, whose columns have no part with a basis of its own. It keeps
    // columns whose sums have lost digits.
    fn image(self, term: usize) -> Result<Option<PartBasis>> {
        let is_near = depend(self.k, self.given(), FAR);
        let share = self.least_share().unwrap_or(0.0);
        if !is_near || share < CONTAINED {
            return Ok(None);
        }
        match self.lost_digits() {
            Some(column) => Err(lost(term, column, Beside::Intercept)),
            None => Ok(Some(self.basis((term, 0), 0..0))),
        }
    }

    fn basis(
        self,
        (term, first): (usize, usize),
        theta: Range<usize>,
    ) -> PartBasis {
        PartBasis {
            term,
            first,
            k: self.k,
            theta,
            c: self.factor(),
            q: Vec::new(),
        }
    }

    // The cross-products M S M' of the original columns.
    fn given(&self) -> Vec<f64> {
        let k = self.k;
        let mut half = vec![0.0; k * k];
        let mut products = vec![0.0; k * k];
        small::multiply(k, &self.m, &self.summed, &mut half);
        small::multiply_transposed(k, &half, &self.m, &mut products);
        products
    }

    // The first column that has no correct digits after projection on the first one.
    fn lost_digits(&self) -> Option<usize> {
        let k = self.k;
        let (s, given) = (&self.summed, self.given());
        (1..k).find(|&j| {
            let spread = s[j * (k + 1)] - s[j * k].powi(2) / s[0];
            spread > 0.0 && spread < LOST_ORIGIN * given[j * (k + 1)]
        })
    }

    // The first summed column whose variation beside the preceding ones has few digits, because it
    // is far from zero in a category, of which sums have no origin.
    fn lost_in_sums(&self) -> Option<usize> {
        let is_lost = |share: &f64| (DEPENDENT_SUM..CONTAINED).contains(share);
        let by_share = || self.shares()?.iter().position(is_lost);
        self.lost.or_else(by_share)
    }

    fn least_share(&self) -> Option<f64> {
        self.shares()?.into_iter().reduce(f64::min)
    }

    // The share of each summed column's sum of squares that is orthogonal to the preceding ones;
    // `None` if they are dependent.
    fn shares(&self) -> Option<Vec<f64>> {
        let k = self.k;
        let mut l = self.summed.clone();
        small::cholesky(k, &mut l)?;
        let diagonal = (0..k).map(|j| j * (k + 1));
        let shares = diagonal.map(|at| l[at].powi(2) / self.summed[at]);
        Some(shares.collect())
    }

    // C of a part of which these are the columns at `free`; the others are only scaled, with the
    // cross-products `given` of the original columns.
    fn factor_among(&self, free: &[usize], given: &[f64]) -> Vec<f64> {
        let k = given.len().isqrt();
        let mut c = vec![0.0; k * k];
        for j in 0..k {
            c[j * (k + 1)] = given[j * (k + 1)].sqrt();
        }
        let own = self.factor();
        for (j, column) in free.iter().zip(own.chunks_exact(self.k)) {
            for (i, value) in free.iter().zip(column) {
                c[j * k + i] = *value;
            }
        }
        c
    }

    // C, the triangular factor of M S M', by plane rotations of M times the factor of S; forming
    // the product would lose digits.
    fn factor(&self) -> Vec<f64> {
        let k = self.k;
        let mut l = self.summed.clone();
        if small::cholesky(k, &mut l).is_none() {
            l = small::identity(k);
        }
        let mut rows = vec![0.0; k * k];
        for i in 0..k {
            for j in 0..k {
                let products = (j..k).map(|h| self.m[h * k + i] * l[j * k + h]);
                rows[i * k + j] = products.sum();
            }
        }
        lower_factor(k, &mut rows);
        let mut c = vec![0.0; k * k];
        for j in 0..k {
            for i in j..k {
                c[j * k + i] = rows[i * k + j];
            }
        }
        c
    }
}
