//! Derivatives of an objective in the covariances Omega, filled by either engine.

use crate::covariance::RelCov;
use crate::derivatives::chain::Jacobian;
use crate::derivatives::Directions;

/// `G_t = d d / d Omega_t` and the Hessian in the directions of Omega, filled by an engine (from
/// the factor by [`super::FactorDerivatives`]). Derivatives in theta follow from these and the
/// covariances. The memory is reused from one theta to the next.
#[derive(Debug)]
pub(crate) struct OmegaDerivatives {
    pub(super) directions: Directions,
    /// `G_t`, `k x k`, in the order of the design.
    pub(super) g: Vec<Vec<f64>>,
    /// The Hessian in the directions of Omega, symmetric.
    pub(super) h: Vec<f64>,
    /// The expected information `Tr` of the covariances at known sigma, symmetric; valid with the
    /// exact Hessian only, otherwise working memory.
    pub(super) expected: Vec<f64>,
    /// `s_d = sum_l v_l'E_d v_l`, the derivative of `-r^2` along each direction; valid with a
    /// Hessian only.
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

    /// `G_t` of each term, to be filled or added to.
    pub(crate) fn g_mut(&mut self) -> &mut [Vec<f64>] {
        &mut self.g
    }

    /// The Hessian and `s_d`, to be filled.
    pub(crate) fn second_mut(&mut self) -> (&mut [f64], &mut [f64]) {
        (&mut self.h, &mut self.squares)
    }

    /// Replaces the expected information by that of another model with the same covariances, also
    /// in the exact Hessian.
    pub(crate) fn replace_expected(&mut self, other: &Self) {
        let own = self.expected.iter_mut().zip(&other.expected);
        for (h, (own, other)) in self.h.iter_mut().zip(own) {
            *h += *own - other;
            *own = *other;
        }
    }

    /// The directions of Omega, in the order of the Hessian.
    pub(crate) fn directions(&self) -> &Directions {
        &self.directions
    }

    /// Hessian in the directions of Omega.
    pub fn h(&self) -> &[f64] {
        &self.h
    }

    /// The cleared memory of the Jacobian, which [`Self::add_sandwich`] takes back.
    pub(crate) fn start_jacobian(&mut self) -> Vec<super::chain::Element> {
        self.jacobian.start()
    }
}
