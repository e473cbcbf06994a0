//! The two engines of a linear model, which compute the terms of the objective and its derivatives
//! at a theta: `Exact` from a Cholesky factor, `MatrixFree` by conjugate gradients and stochastic
//! trace estimation, for crossed terms of any size.

use crate::covariance::RelCov;
use crate::derivatives::{
    FactorDerivatives, HessianKind, OmegaDerivatives, Profile,
};
use crate::error::Result;
use crate::factor::contained::Levels;
use crate::factor::cross_products::CrossProducts;
use crate::factor::held_column::{without_column, HeldColumn};
use crate::factor::response_sums::ResponseSums;
use crate::factor::sums::Sums;
use crate::factor::{Factor, Response, Solution};
use crate::kernels::small;
use crate::lmm::matrix_free::{MatrixFree, Parts, Size};

/// The engine of a linear model.
pub(super) type Engine = crate::iterative::engine::Engine<Exact, MatrixFree>;

/// The exact engine: a Cholesky factor, and working memory for its derivatives.
#[derive(Debug)]
pub(super) struct Exact {
    pub factor: Factor,
    pub response: Response,
    computer: FactorDerivatives,
}

impl Exact {
    pub fn new(factor: Factor, response: Response) -> Self {
        Self {
            computer: FactorDerivatives::new(&factor),
            factor,
            response,
        }
    }

    fn contrast_slopes(
        &mut self,
        omega: &OmegaDerivatives,
        contrasts: &[f64],
    ) -> Vec<f64> {
        let factor = &self.factor;
        let computer = &mut self.computer;
        computer.update_effects(factor, &self.response, true);
        let columns = contrasts.chunks_exact(factor.p().max(1));
        let slopes = |c| computer.contrast_slopes(factor, omega, c);
        columns.flat_map(slopes).collect()
    }
}

impl Engine {
    /// The exact engine of these cross-products.
    pub fn exact(
        (products, sums): (CrossProducts, ResponseSums),
        covs: Vec<RelCov>,
    ) -> Self {
        let factor = Factor::new(products, covs);
        Self::Exact(Box::new(Exact::new(factor, Response::new(sums))))
    }

    /// The engine without a column of X whose coefficient is held; `None` where the rows would have
    /// to be summed up again.
    pub fn without_column(&self, held: HeldColumn) -> Option<Self> {
        let exact = self.as_exact().ok()?;
        let factor = &exact.factor;
        let sums = without_column(factor, exact.response.sums(), held)?;
        Some(Self::exact(sums, factor.covs().to_vec()))
    }

    /// The iterative engine of these sums.
    ///
    /// # Errors
    /// `Dimension` if there is one term only.
    pub fn iterative(sums: &Sums, covs: Vec<RelCov>) -> Result<Self> {
        let model = MatrixFree::new(sums, covs)?;
        Ok(Self::Iterative(Box::new(model)))
    }

    /// The relative covariance factor of each term, as a function of theta.
    pub fn covs(&self) -> &[RelCov] {
        match self {
            Self::Exact(exact) => exact.factor.covs(),
            Self::Iterative(iterative) => &iterative.covs,
        }
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        match self {
            Self::Exact(exact) => exact.factor.p(),
            Self::Iterative(iterative) => iterative.p(),
        }
    }

    /// The theta of the last update.
    pub fn theta(&self) -> &[f64] {
        match self {
            Self::Exact(exact) => &exact.factor.theta,
            Self::Iterative(iterative) => &iterative.theta,
        }
    }

    /// Lambda of each term at the theta of the last update.
    pub fn lambdas(&self) -> &[Vec<f64>] {
        match self {
            Self::Exact(exact) => &exact.factor.lambdas,
            Self::Iterative(iterative) => &iterative.lambdas,
        }
    }

    /// Factors the system at `theta`, or solves it iteratively.
    ///
    /// # Errors
    /// `NotPositiveDefinite`, `ZeroResidual`.
    pub fn update(&mut self, theta: &[f64]) -> Result<()> {
        match self {
            Self::Exact(exact) => {
                exact.factor.update(theta)?;
                exact.response.update(&exact.factor)
            }
            Self::Iterative(iterative) => iterative.update(theta),
        }
    }

    /// The terms of the objective at the theta of the last update.
    pub fn parts(&self) -> Parts {
        match self {
            Self::Exact(exact) => Parts {
                pwrss: exact.response.pwrss(),
                log_det_re: exact.factor.log_det_re(),
                log_det_fe: exact.factor.log_det_fe(),
            },
            Self::Iterative(iterative) => iterative.parts(),
        }
    }

    /// Writes the first derivatives of the objective in the covariances.
    pub fn slopes(&mut self, profile: Profile, omega: &mut OmegaDerivatives) {
        match self {
            Self::Exact(exact) => {
                let Exact {
                    factor,
                    response,
                    computer,
                } = &mut **exact;
                computer.update(factor, response, profile, omega);
            }
            Self::Iterative(iterative) => iterative.slopes(profile, omega),
        }
    }

    /// Writes the second derivatives in the covariances. Call [`Self::slopes`] first.
    pub fn hessian(
        &mut self,
        profile: Profile,
        kind: HessianKind,
        omega: &mut OmegaDerivatives,
    ) {
        match self {
            Self::Exact(exact) => {
                let computer = &mut exact.computer;
                computer.update_hessian(&exact.factor, profile, kind, omega);
            }
            Self::Iterative(iterative) => iterative.hessian(profile, omega),
        }
    }

    /// The gradient of `r^2` in theta. Call [`Self::slopes`] first.
    pub fn r2_slopes(&self, omega: &OmegaDerivatives) -> Vec<f64> {
        match self {
            Self::Exact(exact) => {
                exact.computer.r2_slopes(&exact.factor, omega)
            }
            Self::Iterative(iterative) => iterative.r2_slopes(omega),
        }
    }

    /// The gradient in theta of `c'(X'V^-1X)^-1 c` for each column c of `contrasts`. Overwrites the
    /// derivatives computed by [`Self::slopes`].
    pub fn contrast_slopes(
        &mut self,
        omega: &OmegaDerivatives,
        contrasts: &[f64],
    ) -> Vec<f64> {
        match self {
            Self::Exact(exact) => exact.contrast_slopes(omega, contrasts),
            Self::Iterative(iterative) => {
                iterative.contrast_slopes(omega, contrasts)
            }
        }
    }

    /// Estimated fixed effects and conditional modes of the random effects.
    pub fn solution(&self) -> Solution {
        match self {
            Self::Exact(exact) => exact.response.solution(&exact.factor, 0),
            Self::Iterative(iterative) => iterative.solution(),
        }
    }

    /// `R_X`, upper triangular `p x p`.
    pub fn rx(&self) -> Vec<f64> {
        match self {
            Self::Exact(exact) => exact.factor.rx(),
            Self::Iterative(iterative) => iterative.rx(),
        }
    }

    /// The sum of `Z'WZ` over the levels of each term, lower triangle `k x k`.
    pub fn level_products(&self) -> Vec<Vec<f64>> {
        match self {
            Self::Exact(exact) => exact.factor.level_products(),
            Self::Iterative(iterative) => iterative.level_products(),
        }
    }

    /// The number of random effects.
    pub fn size(&self) -> Size {
        match self {
            Self::Exact(exact) => Size {
                m: exact.factor.layout.m,
                q: exact.factor.q(),
            },
            Self::Iterative(iterative) => iterative.size(),
        }
    }

    /// The approximate number of operations of one evaluation; infinite for the iterative engine,
    /// for which restarts are too expensive.
    pub fn cost(&self) -> f64 {
        match self {
            Self::Exact(exact) => exact.factor.cost(),
            Self::Iterative(_) => f64::INFINITY,
        }
    }

    /// Calls `visit` for each level of a column of Z, with the column's weighted sum of squares in
    /// the level and its products with X.
    pub fn visit_levels(
        &self,
        term: usize,
        column: usize,
        visit: &mut dyn FnMut(usize, f64, &[f64]),
    ) {
        match self {
            Self::Exact(exact) => {
                exact.factor.for_each_level(term, column, visit)
            }
            Self::Iterative(iterative) => {
                iterative.for_each_level(term, column, visit)
            }
        }
    }

    /// `x := L_XX^-1 x`.
    pub fn forward_solve_fixed(&self, x: &mut [f64]) {
        match self {
            Self::Exact(exact) => exact.factor.border.forward_solve(x),
            Self::Iterative(iterative) => {
                let l = &iterative.here().border.l;
                small::forward_solve(x.len(), l, x);
            }
        }
    }
}

impl Clone for Exact {
    /// Copies the cross-products, with working memory of its own.
    fn clone(&self) -> Self {
        Self::new(self.factor.clone(), self.response.clone())
    }
}
