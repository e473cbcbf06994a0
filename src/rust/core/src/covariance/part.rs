//! One part of a term: its covariance structure, its columns, and the roles of its parameters.

use std::ops::Range;

use super::definition::{Covariance, Shares};
use super::role::Role;
use super::structure::Structure;
use super::unstructured::place;
use crate::error::{Error, Result};
use crate::kernels::eigen::smallest_singular_value;

/// Consecutive columns of a term that share one covariance structure: a term of the user's formula.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The structure of the columns' covariance.
    pub structure: Structure,
    /// Number of columns.
    pub size: usize,
    /// The index in the model's theta of the part's first parameter.
    pub theta_start: usize,
    roles: Vec<Role>,
}

impl Part {
    /// A part of `size` columns whose parameters start at `theta_start`.
    pub fn new(structure: Structure, size: usize, theta_start: usize) -> Self {
        Self {
            structure,
            size,
            theta_start,
            roles: structure.parameters(size),
        }
    }

    pub(super) fn covariance(&self) -> &'static dyn Covariance {
        self.structure.covariance()
    }

    /// The roles of the part's parameters.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Indices of the part's parameters in the model's theta.
    pub fn range(&self) -> Range<usize> {
        self.theta_start..self.theta_start + self.roles.len()
    }

    /// Indices of the correlations among the part's parameters.
    pub fn correlations(&self) -> Range<usize> {
        let count = self
            .roles
            .iter()
            .filter(|role| role.is_correlation())
            .count();
        let first = self.roles.iter().position(|role| role.is_correlation());
        first.map_or(0..0, |first| first..first + count)
    }

    /// The standard deviations of single effects: the index of each among the part's parameters,
    /// and the effect.
    pub fn scales(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.roles
            .iter()
            .enumerate()
            .filter_map(|(j, role)| match role {
                Role::Scale { effect } => Some((j, *effect)),
                _ => None,
            })
    }

    /// The index of the common standard deviation of all effects, if there is such a parameter.
    pub fn common_scale(&self) -> Option<usize> {
        self.roles
            .iter()
            .position(|role| *role == Role::CommonScale)
    }

    /// Whether Lambda is diagonal for every theta.
    pub(crate) fn is_diagonal(&self) -> bool {
        let couples =
            |role: &Role| role.is_below_diagonal() || role.is_correlation();
        self.size == 1 || !self.roles.iter().any(couples)
    }

    /// Whether theta is two standard deviations and any correlation.
    pub fn is_pair(&self) -> bool {
        let is_free = |role: &Role| match *role {
            Role::Scale { .. } => true,
            Role::Correlation { low, high, .. } => (low, high) == (-1.0, 1.0),
            _ => false,
        };
        let roles = self.roles();
        self.size == 2 && roles.len() == 3 && roles.iter().all(is_free)
    }

    /// Whether theta is the lower triangle of Lambda, column by column, so that every covariance
    /// has a theta.
    pub(crate) fn is_triangle(&self) -> bool {
        let k = self.size;
        let fits = |(at, role): (usize, &Role)| match *role {
            Role::Factor { row, column } => place(k, row, column) == at,
            _ => false,
        };
        self.roles.len() == k * (k + 1) / 2
            && self.roles.iter().enumerate().all(fits)
    }

    /// Calls `visit(row, column, parameter)` for each element of Lambda that is a parameter, in a
    /// part without correlation parameters.
    pub(crate) fn for_each_parameter(
        &self,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        for (j, role) in self.roles.iter().enumerate() {
            match *role {
                Role::Factor { row, column } => visit(row, column, j),
                Role::Scale { effect } => visit(effect, effect, j),
                Role::CommonScale => {
                    (0..self.size).for_each(|effect| visit(effect, effect, j))
                }
                Role::Correlation { .. } => {}
            }
        }
    }

    /// Calls `visit(j, r, s, value)` for each non-zero element `(r, s)`, `r >= s`, of
    /// `d Omega / d theta_j`; `theta` holds the part's parameters. Values for the same element add
    /// up.
    pub(crate) fn for_each_first_derivative(
        &self,
        theta: &[f64],
        mut visit: impl FnMut(usize, usize, usize, f64),
    ) {
        self.covariance()
            .first_derivative(self.size, theta, &mut visit);
    }

    /// Calls `visit(i, j, r, s, value)` for each non-zero element `(r, s)`, `r >= s`, of
    /// `d2 Omega / d theta_i d theta_j`, each unordered pair of parameters once; `theta` holds the
    /// part's parameters. Values for the same element add up.
    pub fn for_each_second_derivative(
        &self,
        theta: &[f64],
        mut visit: impl FnMut(usize, usize, usize, usize, f64),
    ) {
        self.covariance()
            .second_derivative(self.size, theta, &mut visit);
    }

    /// `d Omega / d theta`, with a row for each of the `size x size` elements and a column for each
    /// parameter.
    pub fn jacobian(&self, theta: &[f64]) -> Vec<f64> {
        let k = self.size;
        let rows = self.size * self.size;
        let mut jacobian = vec![0.0; rows * theta.len()];
        self.for_each_first_derivative(theta, |j, r, s, value| {
            jacobian[j * rows + s * k + r] += value;
            if r != s {
                jacobian[j * rows + r * k + s] += value;
            }
        });
        jacobian
    }

    /// Lambda, `size x size`, at the part's parameters `theta`.
    pub fn lambda(&self, theta: &[f64]) -> Vec<f64> {
        let mut lambda = vec![0.0; self.size * self.size];
        self.covariance().lambda(
            self.size,
            theta,
            &mut |row, column, value| lambda[column * self.size + row] = value,
        );
        lambda
    }

    /// The smallest singular value of Lambda at the part's parameters `theta`, with row r
    /// multiplied by `scales[r]`; `NaN` where Lambda is not finite. Effects with a common standard
    /// deviation are all multiplied by the largest scale: none of them is zero without the others.
    pub fn smallest_singular_value(
        &self,
        theta: &[f64],
        scales: &[f64],
    ) -> f64 {
        let largest = scales.iter().fold(0.0, |most: f64, &x| most.max(x));
        let common = vec![largest; self.size];
        let is_common = self.roles.contains(&Role::CommonScale);
        let scales = if is_common { &common } else { scales };
        let mut lambda = self.lambda(theta);
        for column in lambda.chunks_mut(self.size) {
            for (value, scale) in column.iter_mut().zip(scales) {
                *value *= scale;
            }
        }
        smallest_singular_value(&lambda, self.size)
    }

    /// Omega, `size x size`, at the part's parameters `theta`.
    pub fn omega(&self, theta: &[f64]) -> Vec<f64> {
        let k = self.size;
        let lambda = self.lambda(theta);
        let element = |at: usize| {
            let products =
                (0..k).map(|c| lambda[c * k + at % k] * lambda[c * k + at / k]);
            products.sum()
        };
        (0..k * k).map(element).collect()
    }

    /// The correlations of `theta` with unit standard deviations, for which Omega is the
    /// correlation matrix.
    pub fn with_unit_scales(&self, theta: &[f64]) -> Vec<f64> {
        let roles = self.roles.iter().zip(theta);
        let unit = roles
            .map(|(role, value)| if role.is_scale() { 1.0 } else { *value });
        unit.collect()
    }

    /// The correlation matrix at `theta`, in a part with correlation parameters.
    pub(crate) fn correlation_matrix(&self, theta: &[f64]) -> Vec<f64> {
        self.omega(&self.with_unit_scales(theta))
    }

    /// Checks that the parameters have a covariance matrix; a negative diagonal element of Lambda
    /// is allowed.
    ///
    /// # Errors
    /// `Parameter`.
    pub fn validate(&self, theta: &[f64]) -> Result<()> {
        for (j, role) in self.roles.iter().enumerate() {
            if let Role::Correlation { low, high, .. } = *role {
                self.check(j, theta[j], low, high)?;
            }
        }
        let correlations = self.correlations();
        let shares = self.covariance().shares();
        match shares.and_then(|shares| {
            shares.first_inadmissible(&theta[correlations.clone()])
        }) {
            None => Ok(()),
            Some((c, low, high)) => {
                let j = correlations.start + c;
                self.check(j, theta[j], low, high)
            }
        }
    }

    fn check(
        &self,
        j: usize,
        value: f64,
        lower: f64,
        upper: f64,
    ) -> Result<()> {
        if (lower..=upper).contains(&value) {
            return Ok(());
        }
        Err(Error::Parameter {
            index: self.theta_start + j,
            value,
            lower,
            upper,
        })
    }
}

/// The block of a part with `k` effects, starting at effect `first`, of a square matrix over all
/// effects of a term.
pub(crate) fn part_block(first: usize, k: usize, matrix: &[f64]) -> Vec<f64> {
    let order = matrix.len().isqrt();
    let element = |at: usize| matrix[(first + at / k) * order + first + at % k];
    (0..k * k).map(element).collect()
}

// The map between correlations and shares in [-1, 1].
impl Part {
    pub(crate) fn shares(&self) -> Option<&'static dyn Shares> {
        self.covariance().shares()
    }

    /// Replaces the shares among the part's parameters by correlations; the `held` ones are
    /// correlations already.
    pub(crate) fn to_correlations(&self, values: &mut [f64], held: &[bool]) {
        let own = self.correlations();
        if let Some(shares) = self.shares() {
            return shares
                .to_correlations(&mut values[own.clone()], &held[own]);
        }
        for j in own.filter(|&j| !held[j]) {
            let (low, high) = self.roles[j].bounds();
            let middle = 0.5 * (low + high);
            values[j] =
                (middle + 0.5 * (high - low) * values[j]).clamp(low, high);
        }
    }

    /// Replaces the correlations among the part's parameters by shares, except for the `held` ones.
    pub fn from_correlations(&self, values: &mut [f64], held: &[bool]) {
        let own = self.correlations();
        let mut shares = values[own.clone()].to_vec();
        if let Some(map) = self.shares() {
            map.from_correlations(&mut shares);
        } else {
            for (share, role) in shares.iter_mut().zip(&self.roles[own.clone()])
            {
                let (low, high) = role.bounds();
                *share = ((2.0 * *share - low - high) / (high - low))
                    .clamp(-1.0, 1.0);
            }
        }
        let free = own.clone().zip(shares).filter(|(j, _)| !held[*j]);
        for (j, share) in free {
            values[j] = share;
        }
    }

    // Writes the values of held elements, which are indexed in the model's theta.
    pub(super) fn hold(&self, values: &[(usize, f64)], theta: &mut [f64]) {
        let range = self.range();
        let own = values.iter().filter(|(index, _)| range.contains(index));
        let own: Vec<(usize, f64)> = own
            .map(|&(index, value)| (index - range.start, value))
            .collect();
        let depends = self.shares().is_some() && self.validate(theta).is_ok();
        let mut held = vec![false; theta.len()];
        for &(j, _) in own.iter() {
            held[j] = true;
        }
        if depends {
            self.from_correlations(theta, &held);
        }
        for &(j, value) in own.iter() {
            theta[j] = value;
        }
        if depends {
            self.to_correlations(theta, &held);
        }
    }
}
