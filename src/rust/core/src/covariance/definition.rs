//! The definition of a covariance structure, as a trait: parameters, Lambda, and the derivatives of
//! Omega.

use super::role::Role;
use crate::kernels::jet::Jet;

/// Receives `(row, column, value)`.
pub(crate) type VisitElement<'a> = &'a mut dyn FnMut(usize, usize, f64);
/// Receives `(parameter, row, column, value)`.
pub(crate) type VisitFirst<'a> = &'a mut dyn FnMut(usize, usize, usize, f64);
/// Receives `(parameter, parameter, row, column, value)`.
pub(crate) type VisitSecond<'a> =
    &'a mut dyn FnMut(usize, usize, usize, usize, f64);

/// A covariance structure. `theta` holds the parameters of one part with `k` effects; rows, columns
/// and parameters are numbered from zero within the part; of symmetric matrices the lower triangle
/// is visited.
pub(crate) trait Covariance: Sync {
    /// The role of each parameter, in the order of theta; correlations must be consecutive.
    fn parameters(&self, k: usize) -> Vec<Role>;

    /// Visits the elements of Lambda that are not zero for every theta.
    fn lambda(&self, k: usize, theta: &[f64], visit: VisitElement);

    /// Visits the elements of `d Omega / d theta_j`. Values for the same element add up.
    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst);

    /// Visits the elements of `d2 Omega / d theta_i d theta_j`, each unordered pair of parameters
    /// once.
    fn second_derivative(&self, k: usize, theta: &[f64], visit: VisitSecond);

    /// The map between correlations and unconstrained shares, for structures in which the
    /// admissible range of a correlation depends on the others. Otherwise a share is the position
    /// of its correlation within a fixed range, from -1 to 1.
    fn shares(&self) -> Option<&dyn Shares> {
        None
    }
}

/// A map between the correlations of a structure and as many shares with the independent ranges
/// [-1, 1], such as partial autocorrelations. All shares give a positive semi-definite matrix, and
/// each such matrix of the structure has shares.
pub(crate) trait Shares {
    /// Replaces shares by correlations; the `held` elements are correlations already.
    fn to_correlations(&self, values: &mut [f64], held: &[bool]);

    /// [`Self::to_correlations`] with first and second derivatives.
    fn jets_to_correlations(&self, values: &mut [Jet], held: &[bool]);

    /// Replaces correlations by shares; those of inadmissible correlations are the nearest ones.
    fn from_correlations(&self, values: &mut [f64]);

    /// Writes the correlations of an extreme matrix, for an `angle` from 0 to pi. The admissible
    /// correlations are a convex set, of which these are the extreme points.
    fn extreme(&self, angle: f64, correlations: &mut [f64]);

    /// The first correlation that is inadmissible given the preceding ones, with the range that
    /// these allow.
    fn first_inadmissible(
        &self,
        correlations: &[f64],
    ) -> Option<(usize, f64, f64)>;
}
