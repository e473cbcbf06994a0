//! Derivatives in (theta, sigma), with sigma a parameter of its own; and those of the covariance of the fixed effects.
//!
//! At fixed sigma the objective is `D(theta) + r^2(theta) / sigma^2 + nu log(2 pi sigma^2)`, with
//! `d r^2 / d Omega_t = -sum_l v_tl v_tl'`.

use crate::derivatives::{HessianKind, Profile};
use crate::error::{Error, Result};
use crate::lmm::LinearMixedModel;

/// Where several factors cross, the exact Hessian is taken for inference up to so many multiplications.
const EXACT_WORK: f64 = 1e9;
/// The largest `Z'V^-1Z` we try to hold: 1 GiB.
const EXACT_ELEMENTS: usize = 1 << 27;

/// The objective's derivatives in theta and, if it is a parameter too, sigma.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// Of theta, then sigma.
    pub gradient: Vec<f64>,
    /// Symmetric.
    pub hessian: Vec<f64>,
    /// Which Hessian.
    pub kind: HessianKind,
    /// `d objective / d Omega` of each term, `k x k`.
    pub g: Vec<Vec<f64>>,
}

impl LinearMixedModel {
    /// Derivatives at `theta` and `sigma`, which needn't be the one that belongs to theta.
    ///
    /// # Errors
    /// Those of [`Self::objective`].
    pub fn joint(&mut self, theta: &[f64], sigma: f64, kind: HessianKind) -> Result<Joint> {
        self.objective(theta)?;
        let n = theta.len();
        let (nu, profile) = (
            self.df(),
            Profile {
                sigma_profiled: false,
                precision: sigma.powi(-2),
                ..self.profile()
            },
        );
        let (pls, derivatives) = self.derivatives_at_other_sigma();
        derivatives.update(pls, profile);
        derivatives.update_hessian(pls, profile, kind);
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        derivatives.gradient(pls, &mut gradient);
        derivatives.hessian(pls, n, &mut hessian);
        let r2 = pls.pwrss();
        gradient.push(2.0 * nu / sigma - 2.0 * r2 / sigma.powi(3));
        let r2_slopes = derivatives.r2_slopes(pls, n);
        let cross: Vec<f64> = r2_slopes
            .iter()
            .map(|slope| -2.0 * slope / sigma.powi(3))
            .collect();
        let last = 6.0 * r2 / sigma.powi(4) - 2.0 * nu / sigma.powi(2);
        Ok(Joint {
            gradient,
            hessian: bordered(&hessian, &cross, last),
            kind,
            g: derivatives.g().to_vec(),
        })
    }

    /// Gradient in theta of `c'(X'V^-1X)^-1 c` for each column `c` of `contrasts` (`p x` any number), one after the
    /// other. [`Self::joint`] must have been called.
    pub fn contrast_slopes(&mut self, contrasts: &[f64]) -> Vec<f64> {
        let n = self.n_theta();
        let (pls, derivatives) = self.derivatives_at_other_sigma();
        derivatives.update_scores(pls, true);
        let columns = contrasts.chunks_exact(pls.p().max(1));
        columns
            .flat_map(|c| derivatives.chain(pls, n, &derivatives.contrast_squares(pls, c)))
            .collect()
    }

    /// The Hessian for standard errors and degrees of freedom: exact where that costs little.
    pub fn inferential_hessian(&self) -> HessianKind {
        let (m, effects) = self.crossed_effects();
        let work = m as f64 * (effects as f64).powi(2);
        if m == 0 || (work <= EXACT_WORK && effects * effects <= EXACT_ELEMENTS) {
            HessianKind::Exact
        } else {
            HessianKind::Average
        }
    }

    /// The exact Hessian, if there is the memory for it.
    ///
    /// # Errors
    /// `HessianTooLarge`.
    pub fn exact_hessian(&self) -> Result<HessianKind> {
        let (m, effects) = self.crossed_effects();
        if m == 0 || effects * effects <= EXACT_ELEMENTS {
            return Ok(HessianKind::Exact);
        }
        Err(Error::HessianTooLarge {
            gib: (effects as f64).powi(2) * 8.0 / 2f64.powi(30),
        })
    }

    // Random effects beside the units', and in all.
    fn crossed_effects(&self) -> (usize, usize) {
        let (m, leading) = (self.pls().layout.m, &self.pls().leading);
        (m, m + leading.k * leading.n_levels)
    }
}

/// The symmetric matrix with one more row and column.
pub(crate) fn bordered(inner: &[f64], border: &[f64], corner: f64) -> Vec<f64> {
    let n = border.len();
    let columns = (0..n).flat_map(|j| inner[j * n..(j + 1) * n].iter().chain(&border[j..=j]));
    columns.chain(border).chain([&corner]).copied().collect()
}
