//! Linear mixed models: the profiled deviance or REML criterion, its derivatives, and its
//! minimisation.
//!
//! With beta and sigma profiled out, minus twice the log-likelihood is
//!
//! `d(theta) = df log(2 pi sigma^2) + r^2 / sigma^2 + log|L|^2 - sum log w (+ log|R_X|^2: REML)`
//!
//! with `df = n` (ML) or `n - p` (REML) and `sigma^2 = r^2 / df` unless sigma is known (Bates et
//! al. 2015, section 3). All but sigma follows from the factor at theta. [`Point`] has the values
//! at a theta, [`Slopes`] the first derivatives and [`Hessian`] the second ones.
//!
//! | contents | file |
//! |---|---|
//! | d(theta), sigma, estimates; gradient and Hessian in theta | [`point`] |
//! | derivatives in (theta, sigma), and of the covariance of beta | [`with_sigma`] |
//! | minimisation and certificate | `fit` |
//! | the criterion as a function of unconstrained coordinates | [`search`] |
//! | d from its terms; start, bounds and held elements of theta | `likelihood`, `domain` |
//! | the engines: Cholesky factor, or conjugate gradients | [`engine`], [`matrix_free`] |
//! | the choice of an engine before it is set up; fitted values | `plan`, `fitted` |
//! | fixed factors with many levels | [`fixed_levels`] |
//! | searches with a stochastic objective | `noise` |
//! | a start near the optimum of a large model | [`start`] |
//! | random effects in the column space of X | [`redundant`] |
//! | restarts, to find a lower minimum | [`restarts`], `limit_restarts`, `exchanges` |
//! | the same from random points; from slopes of far covariates | `random_starts`, `far_restarts` |
//! | line searches along shears of very large covariances | `shears` |
//! | Satterthwaite's degrees of freedom | [`satterthwaite`] |
//! | prediction error variances of linear combinations of effects | [`combinations`] |
//! | many responses of one design, in threads | [`many`] |
//! | the parametric bootstrap | [`bootstrap`] |
//! | copies of a model, also with a coefficient held | `copies` |

pub mod bootstrap;
pub mod combinations;
mod copies;
mod domain;
mod engine;
mod exchanges;
mod far_restarts;
mod fit;
mod fitted;
mod fixed_levels;
mod likelihood;
mod limit_restarts;
pub mod many;
mod matrix_free;
mod noise;
pub mod pairs;
mod plan;
pub mod point;
mod random_starts;
mod redundant;
mod restarts;
pub(crate) mod satterthwaite;
pub(crate) mod search;
mod shears;
mod start;
pub mod with_sigma;

use crate::coordinates::far_in_sums;
use crate::coordinates::far_slopes::FarSlope;
use crate::coordinates::other_thetas::OtherThetas;
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
use crate::lmm::fixed_levels::{
    count_coefficients, log_det_of_scale, RandomPart,
};
use crate::lmm::likelihood::Likelihood;
use crate::lmm::matrix_free::Parts;

pub use crate::factor::held_column::HeldColumn;
pub use crate::factor::memory::EngineKind;
pub use domain::Held;
pub use fitted::fitted;
pub use likelihood::Criterion;
pub use plan::EnginePlan;
pub use point::{Estimates, Hessian, Point, Slopes};

/// With crossed grouping factors the exact Hessian is used up to this number of random effects:
/// beyond, it costs more than the Newton steps that it saves.
const EXACT_EFFECTS: usize = 100;

/// A linear mixed model of a [`Design`].
#[derive(Debug)]
pub struct LinearMixedModel {
    engine: Engine,
    /// The model of the random effects alone, if fixed factors are among the terms of `engine` and
    /// the criterion is ML.
    random_part: Option<Box<RandomPart>>,
    likelihood: Likelihood,
    /// Weighted root mean square of each column of Z, per term.
    scales: Vec<Vec<f64>>,
    /// Random slopes of covariates far from zero.
    far_slopes: Vec<FarSlope>,
    /// The standard deviation of such slopes, an element of theta, at whose likely values the
    /// criterion has no digits, with that of the covariate over its root mean square.
    unresolved: Option<(usize, f64)>,
    domain: Domain,
    /// Random effects (term, column) in the column space of X, once they have been determined.
    redundant: Option<Redundant>,
    /// Theta of a model without random effects and the criterion there, kept during a search with a
    /// large factor.
    without_effects: Option<(Vec<f64>, f64)>,
    memory: Memory,
    /// The error of the stochastic estimates at the minimum, with the iterative engine.
    noise: Option<Noise>,
}

/// The derivatives at the theta of the current factor. The memory is reused from one theta to the
/// next.
#[derive(Debug)]
struct Memory {
    reached: Reached,
    omega: OmegaDerivatives,
}

/// Which quantities have been computed at the current theta.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reached {
    /// No quantity, not even the factor.
    Nothing,
    Factor,
    Slopes(Profile),
    Hessian(Profile, HessianKind),
}

impl LinearMixedModel {
    /// Checks the design and sums up its cross-products. `sigma` is the residual standard deviation
    /// if it is known. Nearly collinear columns of Z lose digits; apply a [`Basis`](crate::Basis)
    /// to the design first.
    ///
    /// # Errors
    /// Fails as [`Design::validate`] does; `TooFewObservations`; `TooLarge`.
    pub fn new(
        design: &Design,
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Self> {
        Self::with_engine(
            EngineKind::Exact,
            &Room::default(),
            design,
            criterion,
            sigma,
        )
    }

    /// Sets up the model with the engine `kind`, within the memory that `room` allows.
    ///
    /// # Errors
    /// Fails as [`Self::new`] does.
    pub fn with_engine(
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
        model.far_slopes.extend(FarSlope::all_of(design));
        let others = match criterion {
            Criterion::Ml => design.without_fixed(),
            Criterion::Reml => None,
        };
        if let Some((others, terms)) = others {
            let engine =
                Self::with_engine(kind, room, &others, criterion, sigma)?
                    .engine;
            let random_part =
                RandomPart::new(engine, terms, model.engine.covs());
            model.random_part = Some(Box::new(random_part));
        }
        Ok(model)
    }

    /// Builds the model from sums computed elsewhere; `covs` has the covariance of each term.
    /// Columns of Z are used as given, even if they are nearly collinear.
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
        let far = far_in_sums::far_slopes(sums, model.engine.covs());
        model.far_slopes.extend(far);
        if criterion == Criterion::Ml && random.len() < sums.terms.len() {
            let sums = sums.of_terms(&random);
            let by = (kind, room);
            let engine =
                Self::from_sums(by, &sums, of_random, criterion, sigma)?.engine;
            let random_part =
                RandomPart::new(engine, random, model.engine.covs());
            model.random_part = Some(Box::new(random_part));
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
        let far_slopes = FarSlope::in_images(covs, &scales);
        Ok(Self {
            domain: Domain::new(covs, &step_sizes),
            memory: Memory {
                reached: Reached::Nothing,
                omega: OmegaDerivatives::new(covs),
            },
            engine,
            likelihood,
            random_part: None,
            scales,
            far_slopes,
            unresolved: None,
            redundant: None,
            without_effects: None,
            noise: None,
        })
    }

    // The terms of the criterion at the current theta.
    fn parts(&self) -> Parts {
        let whole = self.engine.parts();
        match &self.random_part {
            Some(random_part) => random_part.parts(whole),
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

    /// The default start: Lambda = I, except for columns of Z whose root mean square is far from
    /// one.
    pub fn start(&self) -> &[f64] {
        &self.domain.start
    }

    /// Lower bounds of theta: zero for the diagonal of Lambda.
    pub fn lower_bounds(&self) -> &[f64] {
        &self.domain.lower
    }

    /// Holds these elements of theta fixed, and writes their values into `start`. If some are held
    /// on the scale of the response, sigma is estimated together with theta instead of being
    /// profiled out, and starts at its estimate where those elements are zero.
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

    /// Treats sigma as known.
    pub fn set_sigma(&mut self, sigma: f64) {
        self.likelihood.sigma = Some(sigma);
    }

    /// Weighted root mean square of each column of Z, per term.
    pub fn column_scales(&self) -> &[Vec<f64>] {
        &self.scales
    }

    /// The smallest singular value of Lambda of any term, with each effect multiplied by the root
    /// mean square of its column of Z in `scales`.
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

    // The largest standard deviation of a combination of effects that has a column of Z, times the
    // root mean square of the column; zero without such terms.
    fn extent_of_images(&self, theta: &[f64]) -> f64 {
        let terms = self.engine.covs().iter().zip(&self.scales);
        let of_images = terms.filter(|(cov, _)| cov.image().is_some());
        let sizes = of_images.flat_map(|(cov, rms)| {
            let k = cov.vsize();
            let mut lambda = vec![0.0; k * k];
            cov.fill_lambda(theta, &mut lambda);
            let row = |i: usize| {
                let squares = (0..k).map(|j| lambda[j * k + i].powi(2));
                rms[i] * squares.sum::<f64>().sqrt()
            };
            (0..k).map(row).collect::<Vec<f64>>()
        });
        sizes.fold(0.0, f64::max)
    }

    /// Number of observations of positive weight.
    pub fn n_eff(&self) -> usize {
        self.likelihood.n_eff
    }

    /// Whether the factor of the trailing random effects is stored sparse.
    pub fn is_sparse(&self) -> bool {
        let exact = self.engine.as_exact();
        exact.is_ok_and(|exact| exact.factor.is_sparse())
    }

    /// The name of the engine.
    pub fn engine_name(&self) -> &'static str {
        match self.is_iterative() {
            true => "iterative",
            false => "exact",
        }
    }

    /// Whether the model uses the iterative engine.
    pub fn is_iterative(&self) -> bool {
        self.engine.as_iterative().is_some()
    }

    /// The kind of Hessian that the optimizer and the certificate use.
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

    // The number of random effects of the trailing terms, and of all terms.
    fn crossed_effects(&self) -> (usize, usize) {
        let size = self.engine.size();
        (size.m, size.q)
    }

    /// The unit of each element of theta: the reciprocal root mean square of its column of Z.
    pub(crate) fn step_sizes(&self) -> Vec<f64> {
        step_sizes_of(self.engine.covs(), &self.scales, self.n_theta())
    }

    // The covariances from which restarts construct their thetas.
    fn thetas(&self) -> OtherThetas<'_> {
        OtherThetas {
            covs: self.engine.covs(),
            held: &self.domain.held,
            lower: &self.domain.lower,
            units: self.step_sizes(),
            far: &self.far_slopes,
        }
    }
}
