//! The objective of a linear mixed model at one theta: values, first derivatives, second
//! derivatives. Each order has its own type, so that a quantity can only be read after it has been
//! computed.
//!
//! Revisiting the current theta costs a comparison only, as the model records what it has computed
//! there.

use std::ops::Deref;

use crate::coordinates::tangent::Tangent;
use crate::covariance::DescentDirection;
use crate::derivatives::{HessianKind, Profile};
use crate::design::check_finite;
use crate::error::{check_length, Result};
use crate::factor::cond_var::cond_var;
use crate::factor::{Factor, Solution};
use crate::lmm::engine::Engine;
use crate::lmm::matrix_free::Parts;
use crate::lmm::{LinearMixedModel, Memory, Reached};

/// A model factored at one theta, with the values there.
#[derive(Debug)]
pub struct Point<'a> {
    pub(super) model: &'a mut LinearMixedModel,
}

/// A [`Point`] with its first derivatives.
#[derive(Debug)]
pub struct Slopes<'a> {
    point: Point<'a>,
    profile: Profile,
}

/// A [`Point`] with first and second derivatives.
#[derive(Debug)]
pub struct Hessian<'a> {
    slopes: Slopes<'a>,
    kind: HessianKind,
}

/// The terms of the objective and the profiled parameters at one theta.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimates {
    /// The objective.
    pub objective: f64,
    /// Residual standard deviation.
    pub sigma: f64,
    /// Estimated fixed effects and conditional modes of the random effects.
    pub solution: Solution,
    /// `R_X`, upper triangular `p x p`.
    pub rx: Vec<f64>,
    /// `log |L|^2`.
    pub log_det_re: f64,
    /// `log |R_X|^2`.
    pub log_det_fe: f64,
    /// `r^2`.
    pub pwrss: f64,
}

impl LinearMixedModel {
    /// The model factored at `theta`, unless it already is.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`, `NotPositiveDefinite`, `ZeroResidual`.
    pub fn at(&mut self, theta: &[f64]) -> Result<Point<'_>> {
        self.check(theta)?;
        if self.memory.reached == Reached::Nothing
            || self.engine.theta() != theta
        {
            let covs = self.engine.covs();
            covs.iter().try_for_each(|cov| cov.validate(theta))?;
            self.memory.reached = Reached::Nothing;
            self.engine.update(theta)?;
            if let Some(random_part) = &mut self.random_part {
                random_part.engine.update(theta)?;
            }
            self.memory.reached = Reached::Factor;
        }
        Ok(Point { model: self })
    }

    fn check(&self, theta: &[f64]) -> Result<()> {
        check_length("theta", self.n_theta(), theta.len())?;
        check_finite("theta", theta)
    }

    /// The criterion at `theta`.
    ///
    /// # Errors
    /// Fails as [`Self::at`] does.
    pub fn objective(&mut self, theta: &[f64]) -> Result<f64> {
        if let Some((_, value)) = self
            .without_effects
            .as_ref()
            .filter(|(nothing, _)| nothing == theta)
        {
            return Ok(*value);
        }
        Ok(self.at(theta)?.objective())
    }

    /// The terms of the objective and the profiled parameters at `theta`.
    ///
    /// # Errors
    /// Fails as [`Self::at`] does.
    pub fn estimates(&mut self, theta: &[f64]) -> Result<Estimates> {
        Ok(self.at(theta)?.estimates())
    }
}

impl<'a> Point<'a> {
    /// The criterion.
    pub fn objective(&self) -> f64 {
        self.model.likelihood.objective(self.parts())
    }

    /// Residual standard deviation.
    pub fn sigma(&self) -> f64 {
        self.model.likelihood.sigma(self.parts())
    }

    fn parts(&self) -> Parts {
        self.model.parts()
    }

    /// The Cholesky factor.
    ///
    /// # Errors
    /// `NeedsFactor` with the iterative engine.
    pub fn factor(&self) -> Result<&Factor> {
        Ok(&self.model.engine.as_exact()?.factor)
    }

    /// Conditional variances of the random effects over sigma^2: for each term a `k x k` matrix per
    /// level. With fixed factors the iterative engine may return zeros for the random terms.
    ///
    /// # Errors
    /// `NeedsFactor` if the iterative engine would take too long.
    pub fn cond_var(&self) -> Result<Vec<Vec<f64>>> {
        match self.model.engine.as_iterative() {
            Some(iterative) => iterative.cond_var(),
            None => Ok(cond_var(self.factor()?)),
        }
    }

    /// `R_X`, upper triangular `p x p`.
    pub fn rx(&self) -> Vec<f64> {
        self.model.engine.rx()
    }

    /// The penalized weighted residual sum of squares `r^2`.
    pub(crate) fn r2(&self) -> f64 {
        self.parts().pwrss
    }

    /// The theta of this point.
    pub fn theta(&self) -> &[f64] {
        self.model.engine.theta()
    }

    /// Degrees of freedom of sigma: the number of observations, less that of fixed effects for
    /// REML.
    pub(crate) fn df(&self) -> f64 {
        self.model.likelihood.df()
    }

    pub(crate) fn r2_over_sigma2(&self) -> f64 {
        self.r2() / self.sigma().powi(2)
    }

    pub(super) fn profile(&self) -> Profile {
        self.model.likelihood.profile(self.parts())
    }

    /// The terms of the objective and the profiled parameters.
    pub fn estimates(&self) -> Estimates {
        let parts = self.parts();
        Estimates {
            objective: self.objective(),
            sigma: self.sigma(),
            solution: self.model.engine.solution(),
            rx: self.rx(),
            log_det_re: parts.log_det_re,
            log_det_fe: parts.log_det_fe,
            pwrss: parts.pwrss,
        }
    }

    /// The tangent coordinates around theta (see [`Tangent`]) of the parts without held parameters.
    pub(crate) fn tangents(&self) -> Vec<Tangent> {
        let model = &self.model;
        let held = &self.model.domain.held;
        let covs = model.engine.covs();
        Tangent::of(covs, self.theta(), &model.scales, |mut range| {
            range.all(|j| !held[j])
        })
    }

    /// Computes the first derivatives of the criterion.
    pub fn slopes(self) -> Slopes<'a> {
        let profile = self.profile();
        self.slopes_of(profile)
    }

    // Computes the first derivatives, with beta and sigma profiled out or fixed as `profile` says.
    pub(super) fn slopes_of(self, profile: Profile) -> Slopes<'a> {
        let LinearMixedModel {
            engine,
            random_part,
            memory,
            ..
        } = &mut *self.model;
        let is_known = match memory.reached {
            Reached::Nothing | Reached::Factor => false,
            Reached::Slopes(known) | Reached::Hessian(known, _) => {
                known == profile
            }
        };
        if !is_known {
            match random_part {
                Some(random_part) => {
                    random_part.slopes(engine, profile, &mut memory.omega)
                }
                None => engine.slopes(profile, &mut memory.omega),
            }
            memory.reached = Reached::Slopes(profile);
        }
        Slopes {
            point: self,
            profile,
        }
    }

    // The engine and its working memory, for computations that overwrite the derivatives.
    pub(super) fn engine_and_memory(&mut self) -> (&mut Engine, &mut Memory) {
        let model = &mut *self.model;
        model.memory.reached = Reached::Factor;
        (&mut model.engine, &mut model.memory)
    }
}

impl<'a> Slopes<'a> {
    /// Writes the gradient in theta.
    pub fn gradient(&self, gradient: &mut [f64]) {
        let omega = &self.model.memory.omega;
        omega.gradient(self.model.engine.covs(), self.theta(), gradient);
    }

    /// G, the derivative in Omega of each term, `k x k`.
    pub fn g(&self) -> &[Vec<f64>] {
        self.model.memory.omega.g()
    }

    /// The gradient of `r^2` in theta.
    pub(crate) fn r2_slopes(&self) -> Vec<f64> {
        self.model.engine.r2_slopes(&self.model.memory.omega)
    }

    /// Computes the second derivatives of the criterion.
    pub fn hessian(self, kind: HessianKind) -> Hessian<'a> {
        let LinearMixedModel {
            engine,
            random_part,
            memory,
            ..
        } = &mut *self.point.model;
        let reached = Reached::Hessian(self.profile, kind);
        if memory.reached != reached {
            let omega = &mut memory.omega;
            match random_part {
                Some(random_part) => {
                    random_part.hessian(engine, self.profile, kind, omega)
                }
                None => engine.hessian(self.profile, kind, omega),
            }
            memory.reached = reached;
        }
        Hessian { slopes: self, kind }
    }
}

impl Hessian<'_> {
    /// The kind of the Hessian: exact or average information.
    pub fn kind(&self) -> HessianKind {
        self.kind
    }

    /// Writes the Hessian in theta, symmetric, column by column.
    pub fn fill(&mut self, hessian: &mut [f64]) {
        let LinearMixedModel { engine, memory, .. } =
            &mut *self.slopes.point.model;
        let omega = &mut memory.omega;
        omega.hessian(engine.covs(), engine.theta(), hessian);
    }

    /// The Hessian in the directions of Omega.
    pub fn h(&self) -> &[f64] {
        self.model.memory.omega.h()
    }

    /// Writes gradient and Hessian in tangent coordinates for the parts of `tangents`, and in theta
    /// for the others.
    pub(crate) fn in_tangents(
        &mut self,
        tangents: &[Tangent],
        gradient: &mut [f64],
        hessian: &mut [f64],
    ) {
        let LinearMixedModel { engine, memory, .. } =
            &mut *self.slopes.point.model;
        let omega = &mut memory.omega;
        omega.in_tangents(
            engine.covs(),
            engine.theta(),
            tangents,
            gradient,
            hessian,
        );
    }

    /// Theta after a step of Fisher scoring; `None` unless the Hessian is the exact one.
    pub fn scored(&self) -> Option<Vec<f64>> {
        let engine = &self.model.engine;
        let held = &self.model.domain.held;
        let has_image = engine.covs().iter().any(|cov| cov.image().is_some());
        if self.kind != HessianKind::Exact || has_image {
            return None;
        }
        let omega = &self.model.memory.omega;
        let mut theta = self.theta().to_vec();
        let profile = (self.slopes.profile, self.df());
        let omegas = omega.scored(engine.lambdas(), profile, theta.len())?;
        for (cov, omega) in engine.covs().iter().zip(&omegas) {
            cov.approach(omega, &mut theta, |part| {
                !held[part.range()].contains(&true)
            });
        }
        Some(theta)
    }

    /// For each part of each term, the direction in which a larger covariance lowers the objective
    /// most.
    pub fn descent_directions(&self) -> Vec<DescentDirection> {
        let model = &self.model;
        let covs = model.engine.covs();
        let omega = &model.memory.omega;
        let curvature =
            |term: usize, change: &[f64]| omega.curvature_along(term, change);
        let beside = (model.scales.as_slice(), model.domain.held.as_slice());
        omega.descent_directions(covs, self.theta(), beside, curvature)
    }
}

impl<'a> Deref for Slopes<'a> {
    type Target = Point<'a>;

    fn deref(&self) -> &Point<'a> {
        &self.point
    }
}

impl<'a> Deref for Hessian<'a> {
    type Target = Slopes<'a>;

    fn deref(&self) -> &Slopes<'a> {
        &self.slopes
    }
}
