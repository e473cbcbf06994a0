//! Derivatives of an objective in the covariances, whoever computes them.

use crate::covariance::RelCov;
use crate::derivatives::chain::Jacobian;
use crate::derivatives::Directions;

/// `G_t = d d / d Omega_t` and the Hessian in the directions of Omega, to be filled by an engine:
/// from the factor by [`super::FactorDerivatives`]. What follows from them needs nothing but the
/// covariances; the memory is kept from one theta to the next.
#[derive(Debug)]
pub(crate) struct OmegaDerivatives {
    pub(super) directions: Directions,
    /// `G_t`, `k x k`, in the order of the design.
    pub(super) g: Vec<Vec<f64>>,
    /// Hessian in the directions, symmetric.
    pub(super) h: Vec<f64>,
    /// Expected information `Tr` of the covariances beside a known sigma, symmetric; with the exact
    /// Hessian only: working memory beside others.
    pub(super) expected: Vec<f64>,
    /// `s_d = sum_l v_l'E_d v_l`, by which `r^2` falls along each direction; with a Hessian only.
    pub(super) squares: Vec<f64>,
    pub(super) jacobian: Jacobian,
}

impl OmegaDerivatives {
    /// Memory for terms with these covariances.
    pub fn new(covs: &[RelCov]) -> Self {
        let directions = Directions::new(covs);
        let n = directions.len();
        Self {
            g: covs
                .iter()
                .map(|cov| vec![0.0; cov.vsize() * cov.vsize()])
                .collect(),
            h: vec![0.0; n * n],
            expected: vec![0.0; n * n],
            squares: vec![0.0; n],
            jacobian: Jacobian::default(),
            directions,
        }
    }

    /// `G_t` of each term, `k x k`.
    pub fn g(&self) -> &[Vec<f64>] {
        &self.g
    }

    /// `G_t` of each term, for objectives that add to it.
    pub(crate) fn g_mut(&mut self) -> &mut [Vec<f64>] {
        &mut self.g
    }

    /// The Hessian and `s_d`, to be filled.
    pub(crate) fn second_mut(&mut self) -> (&mut [f64], &mut [f64]) {
        (&mut self.h, &mut self.squares)
    }

    /// Puts the expected information of another model of the same covariances in the place of this
    /// one's, in the exact Hessian too.
    pub(crate) fn replace_expected(&mut self, other: &Self) {
        let own = self.expected.iter_mut().zip(&other.expected);
        for (h, (own, other)) in self.h.iter_mut().zip(own) {
            *h += *own - other;
            *own = *other;
        }
    }

    /// The directions of Omega that the Hessian of [`Self::h`] refers to.
    pub(crate) fn directions(&self) -> &Directions {
        &self.directions
    }

    /// Hessian in the directions of Omega.
    pub fn h(&self) -> &[f64] {
        &self.h
    }

    /// The elements of the Jacobian, emptied: [`Self::add_sandwich`] takes the memory back.
    pub(crate) fn start_jacobian(&mut self) -> Vec<super::chain::Element> {
        self.jacobian.start()
    }
}
