//! A change of basis of the random effects (and of the fixed effects) that orthogonalises columns
//! of Z (and of X).
//!
//! A covariate that is far from zero, such as a day number, is nearly proportional to the
//! intercept: cross-products contain the square of its mean and lose the digits of its variance,
//! and rounding errors of second derivatives grow with the fourth power of mean over standard
//! deviation. The origin of a covariate is only a matter of parameterization, however. With
//! `Z = Q C'`, Q of orthogonal columns and C lower triangular, the effects of Q are `C'b`; if b has
//! an unstructured covariance Omega, theirs is unstructured too, `C'Omega C`. Models are summed up,
//! evaluated, fitted and judged in this basis.
//!
//! The effects of Q of other structures are not of these structures, but have a covariance with the
//! parameters of Omega. Models have such a basis too, see [`crate::covariance::image`];
//! theta is then that of b.
//!
//! | original | in the basis |
//! |---|---|
//! | effects `b` | `C'b` |
//! | `Lambda` | the triangular factor of `C'Lambda Lambda'C` |
//! | gradient `2 G Lambda` | `2 C G Lambda`, with G and Lambda in the basis |
//! | fixed effects `beta`, with `X = Q C'` | `C'beta` |

use std::ops::Range;

use super::far_effects::{are_contained, later_ones};
use super::fixed_basis::FixedBasis;
use super::orthogonal::{
    depend, is_far, lost_digits, orthogonal_beside, products, standardize,
};
use super::part_basis::{PartBasis, TermImage};
use crate::covariance::unstructured::place;
use crate::covariance::{DescentDirection, Part, RelCov};
use crate::design::{Column, Columns, Design};
use crate::error::{Beside, Error, Result};
use crate::kernels::rotations::lower_factor;
use crate::kernels::small;
use crate::tolerances::{DEPENDENT, FAR, THETA_STEP};

pub use super::part_basis::Root;

/// The most effects of a term of another structure whose columns are made orthogonal.
const MOST_EFFECTS: usize = 20;

/// The basis of all terms and of the fixed effects.
#[derive(Debug, Clone, Default)]
pub struct Basis {
    pub(super) parts: Vec<PartBasis>,
    /// The terms of which all columns are made orthogonal.
    pub(super) images: Vec<TermImage>,
    pub(super) fixed: Option<FixedBasis>,
    pub(super) n_theta: usize,
}

impl Basis {
    /// The basis of a design. It orthogonalises the columns of an unstructured part if they are
    /// nearly collinear and none of its parameters is held, and the columns of X if one of them, of
    /// a covariate far from zero, is nearly a combination of the others.
    ///
    /// The restricted likelihood (`is_restricted`) does not depend on the covariances of effects in
    /// the column space of X. Orthogonal effects show that only if these effects are the first ones
    /// of the part; others keep their columns.
    ///
    /// # Errors
    /// `Origin` if a covariate's mean is so large relative to its standard deviation that all
    /// digits are lost.
    pub fn of(
        design: &Design,
        is_restricted: bool,
        is_held: impl Fn(usize) -> bool,
    ) -> Result<Self> {
        let mut parts = Vec::new();
        for (at, term) in design.terms.iter().enumerate() {
            for (first, part) in term.cov.placed() {
                let is_candidate = part.is_triangle()
                    && part.size > 1
                    && !part.range().any(&is_held);
                if is_candidate {
                    let place = (at, first..first + part.size);
                    parts.extend(unstructured_part(
                        design,
                        place,
                        part.range(),
                        is_restricted,
                    )?);
                }
            }
        }
        Ok(Self {
            parts,
            images: Vec::new(),
            fixed: FixedBasis::of(design),
            n_theta: design.n_theta(),
        })
    }

    /// The basis of a linear model: that of [`Self::of`], which also orthogonalises all columns of
    /// a term without such a part if they are nearly collinear and a covariate is far from zero.
    /// Their effects keep the parameters of the given ones. For the restricted likelihood a term
    /// with effects in the column space of X keeps its columns: their variances, which make no
    /// difference, would be large and cost digits.
    ///
    /// # Errors
    /// Fails as [`Self::of`] does.
    pub fn of_linear(
        design: &Design,
        is_restricted: bool,
        is_held: impl Fn(usize) -> bool,
    ) -> Result<Self> {
        let basis = Self::of(design, is_restricted, &is_held)?;
        let suits = |cov: &RelCov| may_have_image(cov, &is_held);
        basis.with_images(design, is_restricted, suits)
    }

    /// The basis of a generalized model: that of [`Self::of`], with all columns of those terms of
    /// the linear basis whose covariances are two standard deviations and a correlation, or held.
    /// The search has other coordinates for other structures, in the units of their columns.
    ///
    /// # Errors
    /// Fails as [`Self::of`] does.
    pub fn of_generalized(
        design: &Design,
        is_held: impl Fn(usize) -> bool,
    ) -> Result<Self> {
        let suits = |cov: &RelCov| {
            let theta = || cov.parts().iter().flat_map(Part::range);
            let are_pairs = cov.parts().iter().all(Part::is_pair);
            let is_free = are_pairs && !theta().any(&is_held);
            (is_free || theta().all(&is_held)) && may_have_image(cov, &is_held)
        };
        let basis = Self::of(design, false, &is_held)?;
        basis.with_images(design, false, suits)
    }

    // Makes all columns orthogonal of the terms that `suits` selects, if they are nearly collinear,
    // and a covariate is far from zero.
    fn with_images(
        mut self,
        design: &Design,
        is_restricted: bool,
        suits: impl Fn(&RelCov) -> bool,
    ) -> Result<Self> {
        for (at, term) in design.terms.iter().enumerate() {
            let effects = 0..term.vsize();
            let has_contained =
                || are_contained(design, at, effects.clone()).contains(&true);
            if suits(&term.cov)
                && term.z.iter().any(|z| is_far(z, design.n(), FAR))
                && are_nearly_collinear(design, at, &effects)
                && !(is_restricted && has_contained())
            {
                let kept = vec![false; effects.len()];
                let place = (at, effects);
                let part = orthogonal_part(design, place, 0..0, &kept)?;
                let cov = term.cov.clone();
                self.images.push(TermImage::new(part, cov)?);
            }
        }
        Ok(self)
    }

    /// Whether all columns of a term are orthogonal, with the parameters of the given effects.
    pub fn has_image(&self, term: usize) -> bool {
        self.images.iter().any(|image| image.part.term == term)
    }

    /// Whether theta is that of the original effects.
    pub fn is_given(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether the fixed effects are the original ones.
    pub fn has_given_fixed(&self) -> bool {
        self.fixed.is_none()
    }

    /// The design with columns in this basis.
    pub fn design<'a>(&'a self, given: &Design<'a>) -> Design<'a> {
        let mut design = given.clone();
        let images = self.images.iter();
        for part in self.parts.iter().chain(images.map(|own| &own.part)) {
            let z = &mut design.terms[part.term].z;
            let mut columns: Vec<Column> = z.iter().copied().collect();
            let own = part.q.chunks_exact(given.n()).map(Column::Doubles);
            columns.splice(part.first..part.first + part.k, own);
            *z = Columns::new(columns);
        }
        for image in &self.images {
            design.terms[image.part.term].cov = image.cov();
        }
        if let Some(fixed) = &self.fixed {
            let own = fixed.q.chunks_exact(given.n()).map(Column::Doubles);
            design.x = Columns::new(own.collect());
        }
        design
    }

    /// The covariances of the terms in this basis.
    pub fn covs(&self, given: &[RelCov]) -> Vec<RelCov> {
        let mut covs = given.to_vec();
        for image in &self.images {
            covs[image.part.term] = image.cov();
        }
        covs
    }

    /// Transforms parameters (theta, followed by beta if present) to this basis.
    pub fn from_given(&self, parameters: &[f64]) -> Vec<f64> {
        let mut found = self.mapped(parameters, |part, column| {
            let given = column.to_vec();
            small::lambda_transposed_times(part.k, &part.c, &given, column);
        });
        if let Some((_, beta)) = self.fixed_among(&mut found) {
            self.fixed_from_given(beta);
        }
        found
    }

    /// Transforms parameters (theta, followed by beta if present) back to the original effects.
    pub fn to_given(&self, parameters: &[f64]) -> Vec<f64> {
        let mut found = self.mapped(parameters, |part, column| {
            small::backward_solve(part.k, &part.c, column);
        });
        if let Some((_, beta)) = self.fixed_among(&mut found) {
            self.fixed_to_given(beta);
        }
        found
    }

    /// Theta of the original effects at which the effects `without` (term and column of each) have
    /// no variance; they must be the first ones of their parts. If they are in the column space of
    /// X, the restricted likelihood does not depend on their variance.
    pub fn to_given_without(
        &self,
        theta: &[f64],
        without: &[(usize, usize)],
    ) -> Vec<f64> {
        self.mapped(theta, |part, column| {
            small::backward_solve(part.k, &part.c, column);
            column[..part.leading(without)].fill(0.0);
        })
    }

    /// C, column by column, if the original X is that of this basis times C'; empty if they are the
    /// same.
    pub fn x_coefficients(&self) -> Vec<f64> {
        let fixed = self.fixed.as_ref();
        fixed.map_or_else(Vec::new, |fixed| fixed.c.clone())
    }

    /// Transforms fixed effects to this basis.
    pub fn fixed_from_given(&self, beta: &mut [f64]) {
        if let Some(FixedBasis { p, c, .. }) = &self.fixed {
            small::lambda_transposed_in_place(*p, c, beta);
        }
    }

    /// Transforms fixed effects back to those of the original columns of X.
    pub fn fixed_to_given(&self, beta: &mut [f64]) {
        if let Some(FixedBasis { p, c, .. }) = &self.fixed {
            small::backward_solve(*p, c, beta);
        }
    }

    /// Transforms the upper triangle `R_X` (`p x p`) back to the original columns of X.
    pub fn rx_to_given(&self, rx: &mut [f64]) {
        if let Some(FixedBasis { p, c, .. }) = &self.fixed {
            for j in (0..*p).rev() {
                for i in 0..=j {
                    let products =
                        (i..=j).map(|l| rx[l * p + i] * c[l * p + j]);
                    rx[j * p + i] = products.sum();
                }
            }
        }
    }

    /// Transforms contrasts of the original fixed effects, one after the other, to this basis.
    pub fn contrasts_from_given(&self, contrasts: &mut [f64]) {
        if let Some(FixedBasis { p, c, .. }) = &self.fixed {
            let each = contrasts.chunks_exact_mut(*p);
            each.for_each(|contrast| small::forward_solve(*p, c, contrast));
        }
    }

    /// Each of the `p` original fixed effects as a combination of those in this basis, one after
    /// the other.
    pub fn given_coefficients(&self, p: usize) -> Vec<f64> {
        let mut contrasts = small::identity(p);
        self.contrasts_from_given(&mut contrasts);
        contrasts
    }

    /// The inverse transformations, from the effects of this basis to the original ones.
    pub fn roots(&self) -> Vec<Root> {
        self.parts.iter().map(PartBasis::root).collect()
    }

    /// Transforms the effects of all levels of a term back: `b = C^-T (C'b)`.
    pub fn effects_to_given(&self, term: usize, vsize: usize, b: &mut [f64]) {
        for part in self.of_term(term) {
            let own = part.first..part.first + part.k;
            for b in b.chunks_exact_mut(vsize) {
                small::backward_solve(part.k, &part.c, &mut b[own.clone()]);
            }
        }
    }

    /// Transforms the weights z of a linear combination `z'b` of all effects of a term.
    pub fn weights_from_given(&self, term: usize, vsize: usize, z: &mut [f64]) {
        for part in self.of_term(term) {
            let own = part.first..part.first + part.k;
            for z in z.chunks_exact_mut(vsize) {
                small::forward_solve(part.k, &part.c, &mut z[own.clone()]);
            }
        }
    }

    /// Transforms the spherical effects `u`, with `b = Lambda u`, of all levels of a term back;
    /// `given` is theta of the original effects.
    pub fn spherical_to_given(
        &self,
        given: &[f64],
        term: usize,
        vsize: usize,
        u: &mut [f64],
    ) {
        let parts = self.parts.iter().filter(|part| part.term == term);
        for part in parts {
            let rotation = part.rotation(&given[part.theta.clone()]);
            part.rotate(&rotation, vsize, u);
        }
        let images = self.images.iter().filter(|own| own.part.term == term);
        for image in images {
            image.part.rotate(&image.rotation(given), vsize, u);
        }
    }

    /// Transforms the root mean squares of the columns of a term back.
    pub fn scales_to_given(&self, term: usize, scales: &mut [f64]) {
        for part in self.of_term(term) {
            for i in 0..part.k {
                let square = (0..=i).map(|l| part.c[l * part.k + i].powi(2));
                scales[part.first + i] = square.sum::<f64>().sqrt();
            }
        }
    }

    /// Transforms the covariances of the effects of each level of a term back, `vsize x vsize` one
    /// after the other.
    pub fn covariances_to_given(
        &self,
        term: usize,
        vsize: usize,
        covariances: &mut [f64],
    ) {
        for part in self.of_term(term) {
            let own = part.first..part.first + part.k;
            let mut row = vec![0.0; part.k];
            for v in covariances.chunks_exact_mut(vsize * vsize) {
                for column in v.chunks_exact_mut(vsize) {
                    small::backward_solve(
                        part.k,
                        &part.c,
                        &mut column[own.clone()],
                    );
                }
                for i in 0..vsize {
                    for (j, value) in row.iter_mut().enumerate() {
                        *value = v[(part.first + j) * vsize + i];
                    }
                    small::backward_solve(part.k, &part.c, &mut row);
                    for (j, value) in row.iter().enumerate() {
                        v[(part.first + j) * vsize + i] = *value;
                    }
                }
            }
        }
    }

    /// Transforms the direction of a term's Omega, `k x k`, back.
    pub fn direction_to_given(&self, way: &mut DescentDirection) {
        if self.has_image(way.term) {
            return;
        }
        let k = way.change.len().isqrt();
        self.covariances_to_given(way.term, k, &mut way.change);
    }

    /// The gradient in theta of the original effects, for the transformed parts; `given` is the
    /// original theta and `g` holds `G` of each term in this basis.
    pub fn gradient_to_given(
        &self,
        given: &[f64],
        g: &[Vec<f64>],
        gradient: &mut [f64],
    ) {
        for part in &self.parts {
            let k = part.k;
            let own = &given[part.theta.clone()];
            let slopes = &mut gradient[part.theta.clone()];
            for j in 0..k {
                let mut given = vec![0.0; k];
                for i in j..k {
                    given[i] = own[place(k, i, j)];
                }
                let slope = part.slope_of_column(&given, &g[part.term]);
                for i in j..k {
                    slopes[place(k, i, j)] = 2.0 * slope[i];
                }
            }
        }
    }

    /// Transforms a gradient in parameters that begin with theta of this basis to parameters that
    /// begin with `given`.
    pub fn parameter_slopes_to_given(&self, given: &[f64], slopes: &mut [f64]) {
        let there = slopes.to_vec();
        for part in &self.parts {
            for j in part.theta.clone() {
                let change = difference(given, j, |at| self.from_given(at));
                slopes[j] = small::dot(&change, &there);
            }
        }
        if let Some((fixed, slopes)) = self.fixed_among(slopes) {
            let there = slopes.to_vec();
            small::lambda_times(fixed.p, &fixed.c, &there, slopes);
        }
    }

    /// Transforms a covariance matrix (`n x n`) of parameters that begin with `theta` of this basis
    /// to the original parameters.
    pub fn parameter_covariance_to_given(
        &self,
        theta: &[f64],
        covariance: &mut [f64],
    ) {
        let n = covariance.len().isqrt();
        for part in &self.parts {
            let own = part.theta.clone();
            let mut jacobian = Vec::new();
            for j in own.clone() {
                jacobian.push(difference(theta, j, |at| self.to_given(at)));
            }
            for _ in 0..2 {
                for column in covariance.chunks_exact_mut(n) {
                    let there = column[own.clone()].to_vec();
                    for i in own.clone() {
                        let changes = jacobian.iter().zip(&there);
                        column[i] =
                            changes.map(|(change, v)| change[i] * v).sum();
                    }
                }
                transpose(n, covariance);
            }
        }
        for _ in 0..2 {
            for column in covariance.chunks_exact_mut(n) {
                if let Some((fixed, beta)) = self.fixed_among(column) {
                    small::backward_solve(fixed.p, &fixed.c, beta);
                }
            }
            transpose(n, covariance);
        }
    }

    // The fixed effects among the parameters, if they are present and transformed.
    fn fixed_among<'a>(
        &self,
        parameters: &'a mut [f64],
    ) -> Option<(&FixedBasis, &'a mut [f64])> {
        let fixed = self.fixed.as_ref()?;
        let own = parameters.get_mut(self.n_theta..self.n_theta + fixed.p)?;
        Some((fixed, own))
    }

    /// Whether a column of a term is one of those that were made orthogonal.
    pub(super) fn is_orthogonal(&self, term: usize, column: usize) -> bool {
        self.of_term(term)
            .any(|part| (part.first..part.first + part.k).contains(&column))
    }

    pub(super) fn of_term(
        &self,
        term: usize,
    ) -> impl Iterator<Item = &PartBasis> {
        let images = self.images.iter().map(|image| &image.part);
        let all = self.parts.iter().chain(images);
        all.filter(move |part| part.term == term)
    }

    // Applies `map` to each column of Lambda.
    fn mapped(
        &self,
        parameters: &[f64],
        map: impl Fn(&PartBasis, &mut [f64]),
    ) -> Vec<f64> {
        let mut mapped = parameters.to_vec();
        for part in &self.parts {
            let k = part.k;
            let own = &mut mapped[part.theta.clone()];
            let mut rows = part.rows(own, |column| map(part, column));
            lower_factor(k, &mut rows);
            for j in 0..k {
                for i in j..k {
                    own[place(k, i, j)] = rows[i * k + j];
                }
            }
        }
        mapped
    }
}

// Whether all columns of a term may be made orthogonal: its effects have parameters, and no part
// has a basis of its own.
pub(super) fn may_have_image(
    cov: &RelCov,
    is_held: impl Fn(usize) -> bool,
) -> bool {
    let has_basis = |part: &Part| {
        part.is_triangle() && part.size > 1 && !part.range().any(&is_held)
    };
    let is_several = (2..=MOST_EFFECTS).contains(&cov.vsize());
    is_several && !cov.is_fixed() && !cov.parts().iter().any(has_basis)
}

fn columns_of<'a>(
    design: &Design<'a>,
    term: usize,
    effects: &Range<usize>,
) -> Vec<Column<'a>> {
    let columns = design.terms[term].z.iter().copied();
    columns.skip(effects.start).take(effects.len()).collect()
}

pub(crate) fn are_nearly_collinear(
    design: &Design,
    term: usize,
    effects: &Range<usize>,
) -> bool {
    depend_in(design, &columns_of(design, term, effects))
}

fn depend_in(design: &Design, columns: &[Column]) -> bool {
    let k = columns.len();
    depend(k, products(design, columns, &vec![0.0; k]), DEPENDENT)
}

// The basis of an unstructured part, if its columns are nearly collinear.
fn unstructured_part(
    design: &Design,
    (term, effects): (usize, Range<usize>),
    theta: Range<usize>,
    is_restricted: bool,
) -> Result<Option<PartBasis>> {
    if !are_nearly_collinear(design, term, &effects) {
        return Ok(None);
    }
    let kept = match is_restricted {
        true => later_ones(are_contained(design, term, effects.clone())),
        false => vec![false; effects.len()],
    };
    let mut free = columns_of(design, term, &effects);
    let mut places = kept.iter();
    free.retain(|_| places.next() == Some(&false));
    let is_needed = free.len() == kept.len() || depend_in(design, &free);
    let part = || orthogonal_part(design, (term, effects), theta, &kept);
    is_needed.then(part).transpose()
}

// The basis of a part of a term, given by the term and its effects, whose columns are made
// orthogonal unless they are `kept`; `theta` is the part's range.
fn orthogonal_part(
    design: &Design,
    (term, effects): (usize, Range<usize>),
    theta: Range<usize>,
    kept: &[bool],
) -> Result<PartBasis> {
    let columns = columns_of(design, term, &effects);
    if let Some(column) = lost_digits(design, &columns) {
        return Err(Error::Origin {
            term,
            column: effects.start + column,
            beside: Beside::Intercept,
        });
    }
    let k = columns.len();
    let (mut q, mut c) = orthogonal_beside(design, &columns, kept);
    standardize(design, k, &mut q, &mut c);
    Ok(PartBasis {
        term,
        first: effects.start,
        k,
        theta,
        c,
        q,
    })
}

// The derivative of `map` in element `j` at `x`, by central differences.
fn difference(
    x: &[f64],
    j: usize,
    map: impl Fn(&[f64]) -> Vec<f64>,
) -> Vec<f64> {
    let step = THETA_STEP * x[j].abs().max(THETA_STEP);
    let at = |by: f64| {
        let mut point = x.to_vec();
        point[j] += by;
        map(&point)
    };
    let changes = at(step).into_iter().zip(at(-step));
    changes
        .map(|(up, down)| (up - down) / (2.0 * step))
        .collect()
}

fn transpose(size: usize, matrix: &mut [f64]) {
    for j in 0..size {
        for i in j + 1..size {
            matrix.swap(j * size + i, i * size + j);
        }
    }
}
