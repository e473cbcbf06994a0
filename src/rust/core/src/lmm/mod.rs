//! The linear mixed model: its profiled objective and the estimates at a theta.

pub(crate) mod independent;
pub(crate) mod search;
pub mod with_sigma;

use std::f64::consts::PI;

use crate::coordinates::tangent::Tangent;
use crate::covariance::WayOut;
use crate::derivatives::{Derivatives, HessianKind, Profile};
use crate::design::Design;
use crate::design::ReTerm;
use crate::error::{Error, Result};
use crate::factor::column_scales::{mean_products, root_mean_squares, step_sizes_of};
use crate::factor::{Pls, Solution};
use crate::kernels::small;
use crate::lmm::independent::Independent;
use crate::tolerances::{ORDINARY_HIGH, ORDINARY_LOW};

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Minus twice the log-likelihood, profiled over beta and sigma.
    Ml,
    /// Minus twice the restricted log-likelihood, profiled over sigma.
    Reml,
}

/// With several grouping factors, up to so many random effects the exact Hessian costs less than it saves.
const EXACT_EFFECTS: usize = 100;

/// A linear mixed model of a [`Design`].
#[derive(Debug)]
pub struct LinearMixedModel {
    pls: Pls,
    criterion: Criterion,
    sigma: Option<f64>,
    n_eff: usize,
    sum_log_weights: f64,
    n_theta: usize,
    start: Vec<f64>,
    lower: Vec<f64>,
    // The theta of the factor, unless that failed.
    theta: Option<Vec<f64>>,
    // Made when first asked for; whether it belongs to the factor.
    derivatives: Option<Derivatives>,
    are_derivatives_current: bool,
    // Which Hessian they hold.
    hessian_is: Option<HessianKind>,
    rms: Vec<Vec<f64>>,
    // Where columns of Z depend on each other.
    independent: Option<Box<Independent>>,
    // Elements of theta that no optimizer may change.
    pub(crate) held: Vec<bool>,
    // Those of them that are held at a value over sigma.
    pub(crate) absolute: Vec<(usize, f64)>,
}

/// Elements of theta that aren't fitted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    /// Held at the values of the start.
    pub indices: Vec<usize>,
    /// Held at a value over sigma: on the scale of the response.
    pub absolute: Vec<(usize, f64)>,
}

/// The objective's parts and the parameters that are profiled out, at one theta.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimates {
    /// The objective.
    pub objective: f64,
    /// Residual standard deviation.
    pub sigma: f64,
    /// Fixed and random effects.
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
    /// Checks the design and sums up its cross-products. `sigma`: the residual standard deviation if it is known.
    ///
    /// # Errors
    /// Those of [`Design::validate`]; `TooFewObservations`; `TooLarge`.
    pub fn new(design: &Design, criterion: Criterion, sigma: Option<f64>) -> Result<Self> {
        let mut model = Self::as_given(design, criterion, sigma)?;
        let products = mean_products(&model.pls, model.n_eff);
        model.independent = Independent::of(design, &products, criterion, sigma)?.map(Box::new);
        if let Some(independent) = &model.independent {
            model.start = independent.start();
        }
        Ok(model)
    }

    // With the columns of Z as they are.
    pub(crate) fn as_given(
        design: &Design,
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Self> {
        design.validate()?;
        let (n_eff, p) = (design.n_eff(), design.p());
        if n_eff <= p {
            return Err(Error::TooFewObservations { n: n_eff, p });
        }
        let n_theta = design.n_theta();
        let (mut start, mut lower) = (vec![1.0; n_theta], vec![f64::NEG_INFINITY; n_theta]);
        for term in &design.terms {
            term.cov.start_and_lower_bounds(&mut start, &mut lower);
        }
        let logs = design
            .weights
            .unwrap_or(&[])
            .iter()
            .filter(|&&w| w > 0.0)
            .map(|w| w.ln());
        let sum_log_weights = logs.sum();
        let pls = Pls::new(design)?;
        let rms = root_mean_squares(&pls, n_eff);
        let mut model = Self {
            pls,
            criterion,
            sigma,
            n_eff,
            sum_log_weights,
            n_theta,
            start,
            lower,
            theta: None,
            derivatives: None,
            are_derivatives_current: false,
            hessian_is: None,
            rms,
            independent: None,
            held: vec![false; n_theta],
            absolute: Vec::new(),
        };
        for (start, step_size) in model
            .start
            .iter_mut()
            .zip(step_sizes_of(&model.pls, &model.rms, n_theta))
        {
            if !(ORDINARY_LOW..=ORDINARY_HIGH).contains(&step_size) {
                *start *= step_size;
            }
        }
        Ok(model)
    }

    /// Number of covariance parameters.
    pub fn n_theta(&self) -> usize {
        self.n_theta
    }

    /// Start value: Lambda = I, in the step sizes of covariates (and weights) that are far from one.
    pub fn start(&self) -> &[f64] {
        &self.start
    }

    /// Lower bounds: zero for the diagonal of Lambda.
    pub fn lower_bounds(&self) -> &[f64] {
        &self.lower
    }

    /// Takes these elements of theta out of the search. Those held on the scale of the response are written into `start`;
    /// sigma isn't profiled out then, but fitted together with theta. It starts where they are zero.
    ///
    /// # Errors
    /// Those of [`Self::objective`].
    pub fn hold(&mut self, held: &Held, start: &mut [f64]) -> Result<()> {
        let absolute = held.absolute.iter().map(|(index, _)| index);
        held.indices
            .iter()
            .chain(absolute)
            .for_each(|&index| self.held[index] = true);
        self.absolute.clone_from(&held.absolute);
        if self.absolute.is_empty() {
            return Ok(());
        }
        self.sigma = None;
        held.absolute.iter().for_each(|&(j, _)| start[j] = 0.0);
        self.objective(start)?;
        let sigma = self.sigma();
        held.absolute
            .iter()
            .for_each(|&(j, value)| start[j] = value / sigma);
        self.set_sigma(sigma);
        Ok(())
    }

    /// Takes sigma as known.
    pub fn set_sigma(&mut self, sigma: f64) {
        self.are_derivatives_current &= self.sigma == Some(sigma);
        self.sigma = Some(sigma);
    }

    /// Root mean square of each column of Z, per term, weights included.
    pub fn column_scales(&self) -> &[Vec<f64>] {
        &self.rms
    }

    /// Observations of positive weight.
    pub fn n_eff(&self) -> usize {
        self.n_eff
    }

    /// The factor at the last theta.
    pub fn pls(&self) -> &Pls {
        &self.pls
    }

    /// The factor at the last theta, for those who need its scratch memory.
    pub fn pls_mut(&mut self) -> &mut Pls {
        &mut self.pls
    }

    // The model to search and to judge, where it is another one; no parameter may be held.
    pub(crate) fn independent(&mut self) -> Option<&mut Independent> {
        let is_free = self.absolute.is_empty() && !self.held.contains(&true);
        self.independent.as_deref_mut().filter(|_| is_free)
    }

    pub(crate) fn df(&self) -> f64 {
        match self.criterion {
            Criterion::Ml => self.n_eff as f64,
            Criterion::Reml => (self.n_eff - self.pls.p()) as f64,
        }
    }

    /// The criterion at `theta`: `df log(2 pi sigma^2) + r^2 / sigma^2 + log|L|^2 - sum log w`, and `+ log|R_X|^2`
    /// for REML, with `df = n` (ML) or `n - p` (REML) and `sigma^2 = r^2 / df` unless it is known.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`, `NotPositiveDefinite`, `ZeroResidual`.
    pub fn objective(&mut self, theta: &[f64]) -> Result<f64> {
        if theta.len() != self.n_theta {
            return Err(Error::Dimension {
                what: "theta",
                expected: self.n_theta,
                found: theta.len(),
            });
        }
        if let Some(index) = theta.iter().position(|v| !v.is_finite()) {
            return Err(Error::NonFinite {
                what: "theta",
                index,
            });
        }
        if self.theta.as_deref() != Some(theta) {
            self.pls
                .covs()
                .iter()
                .try_for_each(|cov| cov.validate(theta))?;
            let mut kept = self.theta.take().unwrap_or_default();
            self.are_derivatives_current = false;
            self.pls.update(theta)?;
            kept.clear();
            kept.extend_from_slice(theta);
            self.theta = Some(kept);
        }
        Ok(self.current_objective())
    }

    /// Residual standard deviation at the last theta.
    pub fn sigma(&self) -> f64 {
        self.sigma
            .unwrap_or_else(|| (self.pls.pwrss() / self.df()).sqrt())
    }

    pub(crate) fn r2_over_sigma2(&self) -> f64 {
        self.pls.pwrss() / self.sigma().powi(2)
    }

    fn current_objective(&self) -> f64 {
        let sigma2 = self.sigma().powi(2);
        let log_det_fe = match self.criterion {
            Criterion::Ml => 0.0,
            Criterion::Reml => self.pls.log_det_fe(),
        };
        self.df() * (2.0 * PI * sigma2).ln()
            + self.r2_over_sigma2()
            + self.pls.log_det_re()
            + log_det_fe
            - self.sum_log_weights
    }

    pub(crate) fn profile(&self) -> Profile {
        let reml = self.criterion == Criterion::Reml;
        Profile {
            reml,
            precision: self.sigma().powi(-2),
            sigma_profiled: self.sigma.is_none(),
        }
    }

    /// First derivatives at the last theta; writes the gradient in theta.
    pub fn gradient(&mut self, gradient: &mut [f64]) -> &Derivatives {
        let profile = self.profile();
        let derivatives = self
            .derivatives
            .get_or_insert_with(|| Derivatives::new(&self.pls));
        if !self.are_derivatives_current {
            derivatives.update(&self.pls, profile);
            self.are_derivatives_current = true;
            self.hessian_is = None;
        }
        derivatives.gradient(&self.pls, gradient);
        derivatives
    }

    // Gradient of `r^2` in theta; [`Self::gradient`] must have been called.
    pub(crate) fn r2_slopes(&self) -> Vec<f64> {
        let slopes = |derivatives: &Derivatives| derivatives.r2_slopes(&self.pls, self.n_theta);
        self.derivatives.as_ref().map_or_else(Vec::new, slopes)
    }

    // For derivatives at the last theta that aren't those of the objective.
    pub(crate) fn derivatives_at_other_sigma(&mut self) -> (&Pls, &mut Derivatives) {
        self.are_derivatives_current = false;
        self.hessian_is = None;
        (
            &self.pls,
            self.derivatives
                .get_or_insert_with(|| Derivatives::new(&self.pls)),
        )
    }

    /// Second derivatives at the last theta, for which [`Self::gradient`] must have been called; writes the Hessian
    /// in theta, symmetric.
    pub fn hessian(&mut self, kind: HessianKind, hessian: &mut [f64]) -> &Derivatives {
        let profile = self.profile();
        let derivatives = self
            .derivatives
            .get_or_insert_with(|| Derivatives::new(&self.pls));
        if self.hessian_is != Some(kind) {
            derivatives.update_hessian(&self.pls, profile, kind);
            self.hessian_is = Some(kind);
        }
        derivatives.hessian(&self.pls, self.n_theta, hessian);
        derivatives
    }

    /// Coordinates around the last theta, see [`Tangent`], of the parts of which no parameter is held.
    pub fn tangents(&self) -> Vec<Tangent> {
        Tangent::of(&self.pls, &self.rms, |mut range| {
            range.all(|j| !self.held[j])
        })
    }

    /// Gradient and Hessian in these coordinates; [`Self::hessian`] must have been called.
    pub fn in_tangents(&mut self, tangents: &[Tangent], gradient: &mut [f64], hessian: &mut [f64]) {
        if let Some(derivatives) = &mut self.derivatives {
            derivatives.in_tangents(&self.pls, tangents, self.n_theta, gradient, hessian);
        }
    }

    /// Theta after a step of Fisher scoring from the last theta, for which [`Self::hessian`] must have been called, if its
    /// exact Hessian is affordable.
    pub fn scored(&self) -> Option<Vec<f64>> {
        let derivatives = self
            .derivatives
            .as_ref()
            .filter(|_| self.affordable_hessian() == HessianKind::Exact)?;
        let omegas = derivatives.scored(&self.pls, self.profile(), self.df())?;
        let mut theta = self.pls.theta.clone();
        for (cov, omega) in self.pls.covs().iter().zip(&omegas) {
            cov.approach(omega, &mut theta, |part| {
                part.range().all(|j| !self.held[j])
            });
        }
        Some(theta)
    }

    /// The Hessian that the optimizer and the certificate use.
    pub fn affordable_hessian(&self) -> HessianKind {
        let effects = self.pls.layout.m + self.pls.leading.k * self.pls.leading.n_levels;
        if self.pls.layout.m == 0 || effects <= EXACT_EFFECTS {
            HessianKind::Exact
        } else {
            HessianKind::Average
        }
    }

    /// The size of a step of one in each working coordinate.
    pub fn step_sizes(&self) -> Vec<f64> {
        step_sizes_of(&self.pls, &self.rms, self.n_theta)
    }

    /// The ways out of each part of each term; [`Self::hessian`] must have been called.
    pub fn ways_out(&self) -> Vec<WayOut> {
        let all = self
            .derivatives
            .as_ref()
            .map_or_else(Vec::new, |derivatives| {
                derivatives.ways_out(&self.pls, &self.rms)
            });
        let is_held = |way: &WayOut| {
            self.pls.covs()[way.term].parts()[way.part]
                .range()
                .any(|j| self.held[j])
        };
        all.into_iter()
            .map(|way| {
                if is_held(&way) {
                    WayOut {
                        step: 0.0,
                        gain: 0.0,
                        ..way
                    }
                } else {
                    way
                }
            })
            .collect()
    }

    /// Everything that follows from `theta`.
    ///
    /// # Errors
    /// Those of [`Self::objective`].
    pub fn estimates(&mut self, theta: &[f64]) -> Result<Estimates> {
        let objective = self.objective(theta)?;
        Ok(Estimates {
            objective,
            sigma: self.sigma(),
            solution: self.pls.solve(),
            rx: self.pls.rx(),
            log_det_re: self.pls.log_det_re(),
            log_det_fe: self.pls.log_det_fe(),
            pwrss: self.pls.pwrss(),
        })
    }
}

/// Writes `X beta + Z b + offset` into `fitted`, one value per observation.
pub fn fitted(design: &Design, solution: &Solution, fitted: &mut [f64]) {
    const CHUNK: usize = 256;
    let p = design.p();
    let widest = design
        .terms
        .iter()
        .map(ReTerm::vsize)
        .chain([p])
        .max()
        .unwrap_or(0);
    let mut rows = vec![0.0; CHUNK * widest];
    for (chunk, out) in fitted.chunks_mut(CHUNK).enumerate() {
        let first = chunk * CHUNK;
        match design.offset {
            Some(offset) => out.copy_from_slice(&offset[first..first + out.len()]),
            None => out.fill(0.0),
        }
        design.x.gather(first, p, &mut rows[..out.len() * p]);
        out.iter_mut()
            .zip(rows.chunks_exact(p.max(1)))
            .for_each(|(f, x)| *f += small::dot(x, &solution.beta));
        for (term, b) in design.terms.iter().zip(&solution.b) {
            let k = term.vsize();
            term.z.gather(first, k, &mut rows[..out.len() * k]);
            for (i, (f, z)) in out.iter_mut().zip(rows.chunks_exact(k)).enumerate() {
                let level = term.level(first + i);
                *f += small::dot(z, &b[level * k..(level + 1) * k]);
            }
        }
    }
}
