//! The relative covariance factor of one term as a function of theta.

use std::borrow::Cow;

use super::image::Image;
use super::part::Part;
use super::role::Role;
use super::structure::Structure;
use crate::error::Result;
use crate::tolerances::SIMILAR_SIZES;

/// The relative covariance factor `Lambda` of one term, block diagonal over its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct RelCov {
    parts: Vec<Part>,
    vsize: usize,
    is_fixed: bool,
    /// The combinations of the effects that have columns of Z; `None` for the effects themselves.
    image: Option<Image>,
}

/// The diagonal of Lambda for the levels of a fixed factor. It is so large that the penalty, one,
/// is far below the rounding error of the scaled cross-products.
pub(crate) const UNPENALIZED: f64 = (1u64 << 40) as f64;

impl RelCov {
    /// The covariance of a term with these parts, in the order of its columns.
    pub fn new(parts: Vec<Part>) -> Self {
        let vsize = parts.iter().map(|part| part.size).sum();
        Self {
            parts,
            vsize,
            is_fixed: false,
            image: None,
        }
    }

    /// The levels of a fixed factor with `columns` columns each (such as an indicator and a
    /// covariate): neither parameters nor a penalty.
    pub fn fixed(columns: usize) -> Self {
        Self {
            parts: Vec::new(),
            vsize: columns,
            is_fixed: true,
            image: None,
        }
    }

    /// The covariance of `C'b`, with the parameters of that of b, which is `self`; `c` is the lower
    /// triangle of C, column by column.
    pub(crate) fn of_combinations(&self, c: &[f64]) -> Self {
        Self {
            image: Some(Image::new(self.vsize, c)),
            ..self.clone()
        }
    }

    /// The combinations of effects that have columns of Z, if these aren't the effects themselves.
    pub(crate) fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// Whether the term is a fixed factor.
    pub fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    /// One unstructured part whose parameters start at `theta_start`.
    pub fn unstructured(size: usize, theta_start: usize) -> Self {
        Self::new(vec![Part::new(Structure::Unstructured, size, theta_start)])
    }

    /// Number of random effects per level.
    pub fn vsize(&self) -> usize {
        self.vsize
    }

    /// The parts, in the order of the term's columns.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    // Each part with the index of its first column.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (usize, &Part)> {
        self.parts.iter().scan(0, |next, part| {
            let first = *next;
            *next += part.size;
            Some((first, part))
        })
    }

    /// The smallest singular value of Lambda, with row r multiplied by `scales[r]`; infinite
    /// without parts.
    pub(crate) fn smallest_singular_value(
        &self,
        theta: &[f64],
        scales: &[f64],
    ) -> f64 {
        let of_parts = self.placed().map(|(first, part)| {
            let scales = &scales[first..first + part.size];
            part.smallest_singular_value(&theta[part.range()], scales)
        });
        of_parts.fold(f64::INFINITY, f64::min)
    }

    /// One more than the largest index into theta that this term uses.
    pub(crate) fn theta_end(&self) -> usize {
        self.parts
            .iter()
            .map(|part| part.range().end)
            .max()
            .unwrap_or(0)
    }

    /// Whether Lambda is diagonal for every theta.
    #[cfg(test)]
    pub(crate) fn is_diagonal(&self) -> bool {
        self.parts.iter().all(Part::is_diagonal)
    }

    /// Whether each element of Lambda is either a parameter or zero.
    pub(crate) fn is_filled(&self) -> bool {
        self.parts.iter().all(|part| part.correlations().is_empty())
    }

    /// Calls `visit(row, column, theta index)` for each element of Lambda that is a parameter.
    pub(crate) fn for_each_parameter(
        &self,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        for (first, part) in self.placed() {
            let start = part.theta_start;
            part.for_each_parameter(|row, column, j| {
                visit(first + row, first + column, start + j)
            });
        }
    }

    /// Calls `visit(r, s)`, `r >= s`, for each element of `Omega = Lambda Lambda'` that is not zero
    /// for every theta.
    pub(crate) fn for_each_element(&self, mut visit: impl FnMut(usize, usize)) {
        if self.image.is_some() {
            let columns = (0..self.vsize).flat_map(|s| {
                let rows = s..self.vsize;
                rows.map(move |r| (r, s))
            });
            return columns.for_each(|(r, s)| visit(r, s));
        }
        for (first, part) in self.placed() {
            let is_diagonal = part.is_diagonal();
            for s in 0..part.size {
                let end = if is_diagonal { s + 1 } else { part.size };
                for r in s..end {
                    visit(first + r, first + s);
                }
            }
        }
    }

    /// Calls `visit(j, r, s, value)`, `r >= s`, for each non-zero element of `d Omega / d theta_j`.
    /// Values for the same element add up.
    pub(crate) fn for_each_first_derivative(
        &self,
        theta: &[f64],
        mut visit: impl FnMut(usize, usize, usize, f64),
    ) {
        for (first, part) in self.placed() {
            let mut shifted = |j, r, s, value| {
                self.visit_mapped((first + r, first + s), value, |a, b, v| {
                    visit(part.theta_start + j, a, b, v)
                });
            };
            part.covariance().first_derivative(
                part.size,
                &theta[part.range()],
                &mut shifted,
            );
        }
    }

    /// Calls `visit(i, j, r, s, value)`, `r >= s`, for each non-zero element of
    /// `d2 Omega / d theta_i d theta_j`, each unordered pair of parameters once. Values for the
    /// same element add up.
    pub fn for_each_second_derivative(
        &self,
        theta: &[f64],
        mut visit: impl FnMut(usize, usize, usize, usize, f64),
    ) {
        for (first, part) in self.placed() {
            let start = part.theta_start;
            let mut shifted = |i, j, r, s, value| {
                self.visit_mapped((first + r, first + s), value, |a, b, v| {
                    visit(start + i, start + j, a, b, v)
                });
            };
            part.covariance().second_derivative(
                part.size,
                &theta[part.range()],
                &mut shifted,
            );
        }
    }

    // Calls `visit` for the elements of the covariance of the combinations, of which element
    // `(r, s)` of that of the effects makes `value` up.
    #[inline]
    fn visit_mapped(
        &self,
        (r, s): (usize, usize),
        value: f64,
        mut visit: impl FnMut(usize, usize, f64),
    ) {
        match &self.image {
            None => visit(r, s, value),
            Some(image) => image.for_each_element((r, s), value, visit),
        }
    }

    /// Fills `lambda` (`vsize x vsize`, column by column) from `theta`.
    pub fn fill_lambda(&self, theta: &[f64], lambda: &mut [f64]) {
        self.fill_lambda_of_effects(theta, lambda);
        if let Some(image) = &self.image {
            image.map_lambda(lambda);
        }
    }

    /// Fills Lambda of the effects, where that of combinations is [`Self::fill_lambda`].
    pub(crate) fn fill_lambda_of_effects(
        &self,
        theta: &[f64],
        lambda: &mut [f64],
    ) {
        lambda.fill(0.0);
        let k = self.vsize;
        if self.is_fixed {
            lambda
                .iter_mut()
                .step_by(k + 1)
                .for_each(|d| *d = UNPENALIZED);
        }
        for (first, part) in self.placed() {
            let mut fill = |row, column, value| {
                lambda[(first + column) * k + first + row] = value
            };
            part.covariance().lambda(
                part.size,
                &theta[part.range()],
                &mut fill,
            );
        }
    }

    /// Writes the value of each parameter at `Lambda = I`.
    pub(crate) fn fill_start(&self, start: &mut [f64]) {
        self.for_each_role(|index, role| start[index] = role.start());
    }

    /// Writes the lower bound of each parameter.
    pub(crate) fn fill_lower_bounds(&self, lower: &mut [f64]) {
        self.for_each_role(|index, role| lower[index] = role.bounds().0);
    }

    fn for_each_role(&self, mut visit: impl FnMut(usize, Role)) {
        for part in &self.parts {
            let indices = part.range();
            for (index, role) in indices.zip(part.roles()) {
                visit(index, *role);
            }
        }
    }

    /// Writes the values of held elements into `theta`. Free correlations whose range depends on a
    /// held one keep their shares.
    pub fn hold(&self, values: &[(usize, f64)], theta: &mut [f64]) {
        for part in &self.parts {
            part.hold(values, &mut theta[part.range()]);
        }
    }

    /// Writes the unit of each coordinate, given the root mean square of each column of Z.
    pub(crate) fn fill_step_sizes(&self, rms: &[f64], step_sizes: &mut [f64]) {
        let rms = self.scales_of_effects(rms);
        for (first, part) in self.placed() {
            let rms = &rms[first..first + part.size];
            let roles = part.range().zip(part.roles());
            for (index, role) in roles {
                step_sizes[index] = role.step_size(rms);
            }
        }
    }

    /// The root mean squares of the columns of the effects, given those of the columns of Z.
    pub(crate) fn scales_of_effects<'a>(
        &self,
        rms: &'a [f64],
    ) -> Cow<'a, [f64]> {
        match &self.image {
            None => Cow::Borrowed(rms),
            Some(image) => Cow::Owned(image.scales_of_given(rms)),
        }
    }

    /// Whether one standard deviation is that of effects whose columns of Z, of these root mean
    /// squares, have very different sizes: each of them may have an optimum of its own.
    pub(crate) fn mixes_sizes(&self, rms: &[f64]) -> bool {
        !self.mixed_sizes(rms).is_empty()
    }

    /// The standard deviations of effects whose columns of Z have very different sizes, as indices
    /// into theta, each with the root mean squares of these columns.
    pub(crate) fn mixed_sizes(&self, rms: &[f64]) -> Vec<(usize, Vec<f64>)> {
        let rms = self.scales_of_effects(rms);
        let of_part = |(first, part): (usize, &Part)| {
            let own = &rms[first..first + part.size];
            let least = own.iter().copied().fold(f64::INFINITY, f64::min);
            let most = own.iter().copied().fold(0.0, f64::max);
            let scale = part.common_scale()?;
            let is_mixed = most > SIMILAR_SIZES * least;
            is_mixed.then(|| (part.theta_start + scale, own.to_vec()))
        };
        self.placed().filter_map(of_part).collect()
    }

    /// Checks that the parameters have a covariance matrix; a negative diagonal element of Lambda
    /// is allowed.
    ///
    /// # Errors
    /// `Parameter`.
    pub fn validate(&self, theta: &[f64]) -> Result<()> {
        self.parts
            .iter()
            .try_for_each(|part| part.validate(&theta[part.range()]))
    }
}

#[cfg(test)]
#[path = "rel_cov_tests.rs"]
mod tests;
