//! Derivatives in (theta, sigma), where sigma is not profiled out, and of the covariance matrix of
//! the fixed effects.
//!
//! At fixed sigma the objective is `D(theta) + r^2(theta) / sigma^2 + nu log(2 pi sigma^2)`, with
//! `nu` the degrees of freedom of sigma and `d r^2 / d Omega_t = -sum_l v_tl v_tl'`.

use crate::derivatives::{HessianKind, Profile};
use crate::error::{Error, Result};
use crate::factor::memory::in_gib;
use crate::lmm::point::Point;
use crate::lmm::LinearMixedModel;

/// With crossed grouping factors the exact Hessian is used for inference up to this number of
/// multiplications.
const EXACT_WORK: f64 = 1e9;
/// The largest number of elements of `Z'V^-1Z` that is stored: 1 GiB.
const EXACT_ELEMENTS: usize = 1 << 27;

/// Derivatives of the objective in theta and sigma.
#[derive(Debug, Clone, PartialEq)]
pub struct WithSigma {
    /// The gradient in theta, then in sigma.
    pub gradient: Vec<f64>,
    /// The Hessian, symmetric.
    pub hessian: Vec<f64>,
    /// G, the derivative in Omega of each term, `k x k`.
    pub g: Vec<Vec<f64>>,
}

impl Point<'_> {
    /// Derivatives at `sigma`, which need not be the profiled estimate at theta.
    pub fn with_sigma(self, sigma: f64, kind: HessianKind) -> WithSigma {
        let n = self.theta().len();
        let nu = self.df();
        let r2 = self.r2();
        let profile = Profile {
            sigma_profiled: false,
            precision: sigma.powi(-2),
            ..self.profile()
        };
        let mut at = self.slopes_of(profile).hessian(kind);
        let mut gradient = vec![0.0; n];
        let mut hessian = vec![0.0; n * n];
        at.gradient(&mut gradient);
        at.fill(&mut hessian);
        gradient.push(2.0 * nu / sigma - 2.0 * r2 / sigma.powi(3));
        let mut cross = at.r2_slopes();
        let scale = -2.0 / sigma.powi(3);
        for slope in cross.iter_mut() {
            *slope *= scale;
        }
        let last = 6.0 * r2 / sigma.powi(4) - 2.0 * nu / sigma.powi(2);
        WithSigma {
            gradient,
            hessian: bordered(&hessian, &cross, last),
            g: at.g().to_vec(),
        }
    }

    /// The gradient in theta of `c'(X'V^-1X)^-1 c` for each column `c` of `contrasts` (p rows), one
    /// after the other.
    pub fn contrast_slopes(mut self, contrasts: &[f64]) -> Vec<f64> {
        let (engine, memory) = self.engine_and_memory();
        engine.contrast_slopes(&memory.omega, contrasts)
    }
}

impl LinearMixedModel {
    /// The kind of Hessian for standard errors and degrees of freedom: exact where it is
    /// affordable.
    pub fn inferential_hessian(&self) -> HessianKind {
        let (m, effects) = self.crossed_effects();
        let work = m as f64 * (effects as f64).powi(2);
        if self.is_iterative() {
            HessianKind::Average
        } else if m == 0
            || (work <= EXACT_WORK && effects * effects <= EXACT_ELEMENTS)
        {
            HessianKind::Exact
        } else {
            HessianKind::Average
        }
    }

    /// The exact Hessian, if it fits in memory.
    ///
    /// # Errors
    /// `HessianTooLarge`, `NeedsFactor`.
    pub fn exact_hessian(&self) -> Result<HessianKind> {
        self.engine.as_exact()?;
        let (m, effects) = self.crossed_effects();
        if m == 0 || effects * effects <= EXACT_ELEMENTS {
            return Ok(HessianKind::Exact);
        }
        Err(Error::HessianTooLarge {
            gib: in_gib((effects as f64).powi(2) * 8.0),
        })
    }
}

/// A symmetric matrix extended by one row and column.
pub(crate) fn bordered(inner: &[f64], border: &[f64], corner: f64) -> Vec<f64> {
    let n = border.len();
    let mut whole = Vec::with_capacity((n + 1) * (n + 1));
    for (column, last) in inner.chunks_exact(n.max(1)).zip(border) {
        whole.extend_from_slice(column);
        whole.push(*last);
    }
    whole.extend_from_slice(border);
    whole.push(corner);
    whole
}
