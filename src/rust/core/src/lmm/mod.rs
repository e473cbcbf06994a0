//! Linear mixed models: the profiled objective, its derivatives, and the search for its minimum.
//!
//! With beta and sigma profiled out, minus twice the log-likelihood is
//!
//! `d(theta) = df log(2 pi sigma^2) + r^2 / sigma^2 + log|L|^2 - sum log w (+ log|R_X|^2: REML)`
//!
//! with `df = n` (ML) or `n - p` (REML) and `sigma^2 = r^2 / df` unless sigma is known; all but
//! sigma is read off the factor at theta. Values and derivatives are asked of a [`Point`], of its
//! [`Slopes`] and of its [`Hessian`].
//!
//! | quantity | file |
//! |---|---|
//! | d(theta), sigma, estimates; gradient and Hessian in theta | [`point`] |
//! | derivatives in (theta, sigma); those of the covariance of beta | [`with_sigma`] |
//! | the minimum, and the verdict on a theta | `fit` |
//! | the criterion as a function of free parameters | [`search`] |
//! | d from its parts; start, bounds and held elements of theta | `likelihood`, `domain` |
//! | what computes all that: a factor, or conjugate gradients | [`engine`], [`matrix_free`] |
//! | which engine, before it is set up; fitted values | `plan`, `fitted` |
//! | fixed factors with many levels | [`fixed_levels`] |
//! | searches whose values are noisy | `noise` |
//! | a start near the optimum of a large model | [`start`] |
//! | effects that the fixed ones contain | [`redundant`] |
//! | other places where a lower minimum may be | [`restarts`], `random_starts`, `other_thetas` |
//! | degrees of freedom of the fixed effects | [`satterthwaite`] |
//! | many responses of one design, in threads | [`many`] |
//! | responses drawn from a fit, and fitted | [`bootstrap`] |
//! | copies of a model: as it is, or with a coefficient held | `copies` |

pub mod bootstrap;
mod copies;
mod domain;
mod engine;
mod fit;
mod fitted;
mod fixed_levels;
mod likelihood;
pub mod many;
mod matrix_free;
mod noise;
mod other_thetas;
mod plan;
pub mod point;
mod random_starts;
mod redundant;
mod restarts;
pub(crate) mod satterthwaite;
pub(crate) mod search;
mod start;
pub mod with_sigma;

use crate::covariance::RelCov;
use crate::derivatives::{HessianKind, OmegaDerivatives, Profile};
use crate::design::Design;
use crate::error::Result;
use crate::factor::column_scales::{scales_of, step_sizes_of};
use crate::factor::contained::Redundant;
use crate::factor::cross_products::CrossProducts;
use crate::factor::memory::Room;
use crate::factor::sums::Sums;
use crate::factor::sums_of_rows::Centre;
use crate::iterative::Noise;
use crate::lmm::domain::Domain;
use crate::lmm::engine::Engine;
use crate::lmm::fixed_levels::{count_coefficients, log_det_of_scale, Alone};
use crate::lmm::likelihood::Likelihood;
use crate::lmm::matrix_free::Parts;

pub use crate::factor::held_column::HeldColumn;
pub use crate::factor::memory::EngineKind;
pub use domain::Held;
pub use fitted::fitted;
pub use likelihood::Criterion;
pub use plan::EnginePlan;
pub use point::{Estimates, Hessian, Point, Slopes};

/// With several grouping factors, up to so many random effects the exact Hessian costs less than it
/// saves.
const EXACT_EFFECTS: usize = 100;

/// A linear mixed model of a [`Design`].
#[derive(Debug)]
pub struct LinearMixedModel {
    engine: Engine,
    /// The random effects alone, if fixed factors are among the terms of `engine` and the
    /// criterion is the likelihood.
    alone: Option<Box<Alone>>,
    likelihood: Likelihood,
    /// Root mean square of each column of Z, per term, weights included.
    scales: Vec<Vec<f64>>,
    domain: Domain,
    /// Effects (term, column) that the fixed ones contain, once they have been looked for.
    redundant: Option<Redundant>,
    /// Theta without random effects and the criterion there, during a search with a large factor.
    without_effects: Option<(Vec<f64>, f64)>,
    memory: Memory,
    /// What random vectors left of doubt at the minimum.
    noise: Option<Noise>,
}

/// What has been computed at the theta of the factor. The memory is kept from one theta to the
/// next.
#[derive(Debug)]
struct Memory {
    reached: Reached,
    omega: OmegaDerivatives,
}

/// How far the computations at one theta have come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reached {
    /// Not even the factor is there.
    Nothing,
    Factor,
    Slopes(Profile),
    Hessian(Profile, HessianKind),
}

impl LinearMixedModel {
    /// Checks the design and sums up its cross-products. `sigma`: the residual standard deviation
    /// if it is known. Columns of Z that nearly depend on each other cost digits: take the design
    /// of a [`Basis`](crate::Basis) then.
    ///
    /// # Errors
    /// Fails as [`Design::validate`] does; `TooFewObservations`; `TooLarge`.
    pub fn new(
        design: &Design,
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Self> {
        Self::by(
            EngineKind::Exact,
            &Room::default(),
            design,
            criterion,
            sigma,
        )
    }

    /// Sets up the model with an engine, in the memory that there is room for.
    ///
    /// # Errors
    /// Fails as [`Self::new`] does.
    pub fn by(
        kind: EngineKind,
        room: &Room,
        design: &Design,
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Self> {
        design.validate()?;
        let likelihood = Likelihood::new(design, criterion, sigma)?;
        let covs = design.covs();
        let found = match kind.is_iterative(covs.len()) {
            true => None,
            false => CrossProducts::planned(design, &kind.in_room(room))?,
        };
        let engine = match found {
            Some(products) => Engine::exact(products, covs),
            None => {
                let sums = Sums::from_rows(design, &Centre::of(design))?;
                Engine::iterative(&sums, covs)?
            }
        };
        let mut model = Self::of_engine(engine, likelihood)?;
        let others = match criterion {
            Criterion::Ml => design.without_fixed(),
            Criterion::Reml => None,
        };
        if let Some((others, terms)) = others {
            let engine =
                Self::by(kind, room, &others, criterion, sigma)?.engine;
            let alone = Alone::new(engine, terms, model.engine.covs());
            model.alone = Some(Box::new(alone));
        }
        Ok(model)
    }

    /// Builds the model from sums that come from elsewhere; `covs`: the covariance of each term.
    /// Columns of Z are taken as they are, also where they nearly depend on each other.
    ///
    /// # Errors
    /// Fails as [`CrossProducts::from_sums`] does; `Dimension`, `TooFewObservations`.
    pub fn from_sums(
        (kind, room): (EngineKind, &Room),
        sums: &Sums,
        covs: Vec<RelCov>,
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Self> {
        sums.validate(&covs)?;
        let likelihood = Likelihood::of_sums(sums, criterion, sigma)?;
        let found = match kind.is_iterative(covs.len()) {
            true => None,
            false => CrossProducts::from_sums(sums, &kind.in_room(room))?,
        };
        let random: Vec<usize> =
            (0..covs.len()).filter(|&t| !covs[t].is_fixed()).collect();
        let of_random = random.iter().map(|&t| covs[t].clone()).collect();
        let engine = match found {
            Some(products) => Engine::exact(products, covs),
            None => Engine::iterative(sums, covs)?,
        };
        let mut model = Self::of_engine(engine, likelihood)?;
        if criterion == Criterion::Ml && random.len() < sums.terms.len() {
            let sums = sums.of_terms(&random);
            let by = (kind, room);
            let engine =
                Self::from_sums(by, &sums, of_random, criterion, sigma)?.engine;
            let alone = Alone::new(engine, random, model.engine.covs());
            model.alone = Some(Box::new(alone));
        }
        Ok(model)
    }

    fn of_engine(engine: Engine, likelihood: Likelihood) -> Result<Self> {
        let likelihood = Likelihood {
            coefficients: count_coefficients(&engine),
            ..likelihood
        }
        .checked()?;
        let covs = engine.covs();
        let n_theta = covs.iter().map(RelCov::theta_end).max().unwrap_or(0);
        let scales = scales_of(covs, engine.level_products(), likelihood.n_eff);
        let step_sizes = step_sizes_of(covs, &scales, n_theta);
        Ok(Self {
            domain: Domain::new(covs, &step_sizes),
            memory: Memory {
                reached: Reached::Nothing,
                omega: OmegaDerivatives::new(covs),
            },
            engine,
            likelihood,
            alone: None,
            scales,
            redundant: None,
            without_effects: None,
            noise: None,
        })
    }

    // The parts of the criterion at the last theta.
    fn parts(&self) -> Parts {
        let whole = self.engine.parts();
        match &self.alone {
            Some(alone) => alone.parts(whole),
            None => Parts {
                log_det_re: whole.log_det_re
                    - log_det_of_scale(self.likelihood.coefficients),
                ..whole
            },
        }
    }

    /// Number of covariance parameters.
    pub fn n_theta(&self) -> usize {
        self.domain.start.len()
    }

    /// Start value: Lambda = I, in the step sizes of covariates (and weights) that are far from
    /// one.
    pub fn start(&self) -> &[f64] {
        &self.domain.start
    }

    /// Lower bounds: zero for the diagonal of Lambda.
    pub fn lower_bounds(&self) -> &[f64] {
        &self.domain.lower
    }

    /// Takes these elements of theta out of the search, and writes their values into `start`. With
    /// some held on the scale of the response sigma isn't profiled out, but fitted together with
    /// theta; it starts where they are zero.
    ///
    /// # Errors
    /// Fails as [`Self::at`] does.
    pub fn hold(&mut self, held: &Held, start: &mut [f64]) -> Result<()> {
        for index in held.indices() {
            self.domain.held[index] = true;
        }
        for cov in self.engine.covs() {
            cov.hold(&held.relative, start);
        }
        self.domain.absolute.clone_from(&held.absolute);
        if held.absolute.is_empty() {
            return Ok(());
        }
        self.likelihood.sigma = None;
        for &(j, _) in &held.absolute {
            start[j] = 0.0;
        }
        let sigma = self.at(start)?.sigma();
        for &(j, value) in &held.absolute {
            start[j] = value / sigma;
        }
        self.set_sigma(sigma);
        Ok(())
    }

    /// Takes sigma as known.
    pub fn set_sigma(&mut self, sigma: f64) {
        self.likelihood.sigma = Some(sigma);
    }

    /// Root mean square of each column of Z, per term, weights included.
    pub fn column_scales(&self) -> &[Vec<f64>] {
        &self.scales
    }

    /// The smallest singular value of Lambda of any term, each effect in units of its column of Z,
    /// whose root mean squares are `scales`.
    pub fn smallest_singular_value(
        &self,
        theta: &[f64],
        scales: &[Vec<f64>],
    ) -> f64 {
        let terms = self.engine.covs().iter().zip(scales);
        let of_terms = terms
            .map(|(cov, scales)| cov.smallest_singular_value(theta, scales));
        of_terms.fold(f64::INFINITY, f64::min)
    }

    /// Observations of positive weight.
    pub fn n_eff(&self) -> usize {
        self.likelihood.n_eff
    }

    /// Whether the factor's trailing random effects are stored sparse.
    pub fn is_sparse(&self) -> bool {
        let exact = self.engine.as_exact();
        exact.is_ok_and(|exact| exact.factor.is_sparse())
    }

    /// The name of the engine that computes it.
    pub fn engine_name(&self) -> &'static str {
        match self.is_iterative() {
            true => "iterative",
            false => "exact",
        }
    }

    /// Whether it is computed without a factor.
    pub fn is_iterative(&self) -> bool {
        self.engine.as_iterative().is_some()
    }

    /// The Hessian that the optimizer and the certificate use.
    pub fn affordable_hessian(&self) -> HessianKind {
        let (m, effects) = self.crossed_effects();
        if self.is_iterative() {
            HessianKind::Average
        } else if m == 0 || effects <= EXACT_EFFECTS {
            HessianKind::Exact
        } else {
            HessianKind::Average
        }
    }

    /// Whether average Hessians become observed ones, in part, near an optimum.
    pub(crate) fn observes_near_optimum(&self) -> bool {
        let exact = self.engine.as_exact();
        exact.is_ok_and(|exact| exact.factor.trailing.is_large())
    }

    // Random effects of the trailing terms, and of all.
    fn crossed_effects(&self) -> (usize, usize) {
        let size = self.engine.size();
        (size.m, size.q)
    }

    /// The size of a step of one in each element of theta.
    pub(crate) fn step_sizes(&self) -> Vec<f64> {
        step_sizes_of(self.engine.covs(), &self.scales, self.n_theta())
    }
}
