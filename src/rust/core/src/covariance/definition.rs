//! What a covariance structure has to tell of itself.

use super::role::Role;
use crate::kernels::jet::Jet;

/// Receives `(row, column, value)`.
pub(crate) type VisitElement<'a> = &'a mut dyn FnMut(usize, usize, f64);
/// Receives `(parameter, row, column, value)`.
pub(crate) type VisitFirst<'a> = &'a mut dyn FnMut(usize, usize, usize, f64);
/// Receives `(parameter, parameter, row, column, value)`.
pub(crate) type VisitSecond<'a> =
    &'a mut dyn FnMut(usize, usize, usize, usize, f64);

/// One structure. `theta` holds the parameters of one part of `k` effects; rows, columns and
/// parameters count from zero within the part; of symmetric matrices the lower triangle is visited.
pub(crate) trait Covariance: Sync {
    /// The role of each parameter, in theta's order; correlations stand side by side.
    fn parameters(&self, k: usize) -> Vec<Role>;

    /// The elements of Lambda that aren't zero for every theta.
    fn lambda(&self, k: usize, theta: &[f64], visit: VisitElement);

    /// `d Omega / d theta_j`. Values of the same element add up.
    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst);

    /// `d2 Omega / d theta_i d theta_j`, each unordered pair once.
    fn second_derivative(&self, k: usize, theta: &[f64], visit: VisitSecond);

    /// The map between correlations and shares, where the range of one depends on the others;
    /// otherwise each share goes from the one end of its correlation's range to the other.
    fn shares(&self) -> Option<&dyn Shares> {
        None
    }
}

/// A map between the correlations of a structure and as many shares, each of which goes from -1 to
/// 1 whatever the others are: all shares give a positive semi-definite matrix, and each such matrix
/// has shares.
pub(crate) trait Shares {
    /// Replaces shares by correlations; the elements that are `held` are correlations already.
    fn to_correlations(&self, values: &mut [f64], held: &[bool]);

    /// [`Self::to_correlations`] with derivatives.
    fn jets_to_correlations(&self, values: &mut [Jet], held: &[bool]);

    /// Replaces correlations by the (nearest) shares.
    fn from_correlations(&self, values: &mut [f64]);

    /// The first correlation that doesn't suit those before it, with the range that these leave to
    /// it.
    fn unsuitable(&self, correlations: &[f64]) -> Option<(usize, f64, f64)>;
}
