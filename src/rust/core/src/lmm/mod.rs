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
//! | the minimum, and the verdict on a theta | [`search`] |
//! | what computes all that: a factor, or conjugate gradients | [`engine`], [`matrix_free`] |
//! | fixed factors with many levels | [`fixed_levels`] |
//! | searches whose values are noisy | `noise` |
//! | a start near the optimum of a large model | [`start`] |
//! | effects that the fixed ones contain | [`redundant`] |
//! | other places where a lower minimum may be | [`restarts`] |
//! | degrees of freedom of the fixed effects | [`satterthwaite`] |
//! | many responses of one design, in threads | [`many`] |
//! | responses drawn from a fit, and fitted | [`bootstrap`] |
//! | copies of a model: as it is, or with a coefficient held | `copies` |

pub mod bootstrap;
mod copies;
mod engine;
mod fixed_levels;
pub mod many;
mod matrix_free;
mod noise;
pub mod point;
mod redundant;
mod restarts;
pub(crate) mod satterthwaite;
pub(crate) mod search;
mod start;
pub mod with_sigma;

use std::f64::consts::PI;

use crate::covariance::RelCov;
use crate::derivatives::{HessianKind, OmegaDerivatives, Profile};
use crate::design::Design;
use crate::design::ReTerm;
use crate::error::{Error, Result};
use crate::factor::column_scales::{scales_of, step_sizes_of};
use crate::factor::contained::Redundant;
use crate::factor::cross_products::CrossProducts;
use crate::factor::memory::Room;
use crate::factor::storage::{Storage, StorageKind};
use crate::factor::sums::Sums;
use crate::factor::sums_of_rows::Centre;
use crate::factor::Solution;
use crate::iterative::Noise;
use crate::kernels::small;
use crate::lmm::engine::Engine;
use crate::lmm::fixed_levels::{
    count_coefficients, log_det_of_scale, without_fixed, Alone,
};
use crate::lmm::matrix_free::Parts;
use crate::tolerances::{ORDINARY_HIGH, ORDINARY_LOW};

pub use crate::factor::held_column::HeldColumn;
pub use crate::factor::memory::EngineKind;
pub use point::{Estimates, Hessian, Point, Slopes};

/// The criterion that is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Minus twice the log-likelihood, profiled over beta and sigma.
    Ml,
    /// Minus twice the restricted log-likelihood, profiled over sigma.
    Reml,
}

/// With several grouping factors, up to so many random effects the exact Hessian costs less than it
/// saves.
const EXACT_EFFECTS: usize = 100;

/// Rows that are gathered at a time for fitted values.
const CHUNK: usize = 256;

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

/// The criterion, and what it needs beside the factor.
#[derive(Debug, Clone, Copy)]
struct Likelihood {
    criterion: Criterion,
    /// The residual standard deviation, if it is known.
    sigma: Option<f64>,
    /// Observations of positive weight.
    n_eff: usize,
    /// Number of fixed effects, those of fixed factors among the terms left out.
    p: usize,
    /// Coefficients of the fixed factors among the terms.
    coefficients: usize,
    sum_log_weights: f64,
}

/// Where an optimizer looks for theta.
#[derive(Debug, Clone)]
struct Domain {
    start: Vec<f64>,
    lower: Vec<f64>,
    /// Elements of theta that no optimizer may change.
    held: Vec<bool>,
    /// Held elements that are a value over sigma, with that value.
    absolute: Vec<(usize, f64)>,
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

/// Elements of theta that aren't fitted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    /// Elements that are held, with their values.
    pub relative: Vec<(usize, f64)>,
    /// Elements that are held at a value over sigma, on the scale of the response.
    pub absolute: Vec<(usize, f64)>,
}

impl Held {
    /// All elements that aren't free.
    pub fn indices(&self) -> Vec<usize> {
        let all = self.relative.iter().chain(&self.absolute);
        all.map(|&(index, _)| index).collect()
    }
}

/// How a model would be computed.
#[derive(Debug, Clone, PartialEq)]
pub struct EnginePlan {
    /// The engine's name.
    pub engine: &'static str,
    /// How it stores its system.
    pub storage: &'static str,
    /// How many numbers that takes.
    pub elements: f64,
}

impl EnginePlan {
    /// The plan for a design, without summing it up.
    ///
    /// # Errors
    /// Fails as [`LinearMixedModel::by`] does.
    pub fn of(kind: EngineKind, room: &Room, design: &Design) -> Result<Self> {
        design.validate()?;
        let is_iterative = kind.is_iterative(design.terms.len());
        let plan = Storage::plan(design, &kind.in_room(room), is_iterative)?;
        let (engine, storage) = match plan.kind {
            StorageKind::Dense => ("exact", "dense"),
            StorageKind::Sparse => ("exact", "sparse"),
            StorageKind::Pairs => ("iterative", "pairs"),
        };
        Ok(Self {
            engine,
            storage,
            elements: plan.elements,
        })
    }
}

impl Likelihood {
    fn new(
        design: &Design,
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Self> {
        let positive =
            design.weights.unwrap_or(&[]).iter().filter(|&&w| w > 0.0);
        Self {
            criterion,
            sigma,
            n_eff: design.n_eff(),
            p: design.p(),
            coefficients: 0,
            sum_log_weights: positive.map(|w| w.ln()).sum(),
        }
        .checked()
    }

    fn of_sums(
        sums: &Sums,
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Self> {
        Self {
            criterion,
            sigma,
            n_eff: sums.n_eff,
            p: sums.p(),
            coefficients: 0,
            sum_log_weights: sums.sum_log_weights,
        }
        .checked()
    }

    fn checked(self) -> Result<Self> {
        let n = self.n_eff;
        let p = self.p + self.coefficients;
        if n <= p {
            return Err(Error::TooFewObservations { n, p });
        }
        Ok(self)
    }

    fn df(&self) -> f64 {
        match self.criterion {
            Criterion::Ml => self.n_eff as f64,
            Criterion::Reml => (self.n_eff - self.p - self.coefficients) as f64,
        }
    }

    fn sigma(&self, parts: Parts) -> f64 {
        self.sigma
            .unwrap_or_else(|| (parts.pwrss / self.df()).sqrt())
    }

    fn objective(&self, parts: Parts) -> f64 {
        let sigma2 = self.sigma(parts).powi(2);
        let scaled = parts.pwrss / sigma2;
        let log_det_fe = match self.criterion {
            Criterion::Ml => 0.0,
            Criterion::Reml => parts.log_det_fe,
        };
        self.df() * (2.0 * PI * sigma2).ln()
            + scaled
            + parts.log_det_re
            + log_det_fe
            - self.sum_log_weights
    }

    fn profile(&self, parts: Parts) -> Profile {
        Profile {
            reml: self.criterion == Criterion::Reml,
            precision: self.sigma(parts).powi(-2),
            r2: parts.pwrss,
            sigma_profiled: self.sigma.is_none(),
        }
    }
}

impl Domain {
    // Lambda = I, but for columns whose inverse root mean square, the step size, is far from one.
    fn new(covs: &[RelCov], step_sizes: &[f64]) -> Self {
        let n_theta = step_sizes.len();
        let mut start = vec![1.0; n_theta];
        let mut lower = vec![f64::NEG_INFINITY; n_theta];
        for cov in covs {
            cov.fill_start(&mut start);
            cov.fill_lower_bounds(&mut lower);
        }
        for (start, step_size) in start.iter_mut().zip(step_sizes) {
            if !(ORDINARY_LOW..=ORDINARY_HIGH).contains(step_size) {
                *start *= step_size;
            }
        }
        Self {
            start,
            lower,
            held: vec![false; n_theta],
            absolute: Vec::new(),
        }
    }
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
            Criterion::Ml => without_fixed(design),
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
        let found: Vec<usize> = sums.terms.iter().map(|term| term.k).collect();
        let expected: Vec<usize> = covs.iter().map(RelCov::vsize).collect();
        if found != expected {
            return Err(Error::Dimension {
                what: "terms",
                expected: expected.iter().sum(),
                found: found.iter().sum(),
            });
        }
        let likelihood = Likelihood::of_sums(sums, criterion, sigma)?;
        let found = match kind.is_iterative(covs.len()) {
            true => None,
            false => CrossProducts::from_sums(sums, &kind.in_room(room))?,
        };
        let engine = match found {
            Some(products) => Engine::exact(products, covs),
            None => Engine::iterative(sums, covs)?,
        };
        Self::of_engine(engine, likelihood)
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

/// Writes `X beta + Z b + offset` into `fitted`, one value per observation.
pub fn fitted(design: &Design, solution: &Solution, fitted: &mut [f64]) {
    let mut rows = Vec::new();
    for (chunk, out) in fitted.chunks_mut(CHUNK).enumerate() {
        let first = chunk * CHUNK;
        match design.offset {
            Some(offset) => {
                out.copy_from_slice(&offset[first..first + out.len()])
            }
            None => out.fill(0.0),
        }
        add_fixed(design, &solution.beta, first, &mut rows, out);
        for (term, b) in design.terms.iter().zip(&solution.b) {
            add_random(term, b, first, &mut rows, out);
        }
    }
}

// Adds `X beta` of some rows; `rows` is scratch memory.
fn add_fixed(
    design: &Design,
    beta: &[f64],
    first: usize,
    rows: &mut Vec<f64>,
    out: &mut [f64],
) {
    let p = design.p();
    rows.resize(out.len() * p, 0.0);
    design.x.gather(first, p, rows);
    for (value, x) in out.iter_mut().zip(rows.chunks_exact(p.max(1))) {
        *value += small::dot(x, beta);
    }
}

// Adds `Z b` of some rows in one term; `rows` is scratch memory.
fn add_random(
    term: &ReTerm,
    b: &[f64],
    first: usize,
    rows: &mut Vec<f64>,
    out: &mut [f64],
) {
    let k = term.vsize();
    rows.resize(out.len() * k, 0.0);
    term.z.gather(first, k, rows);
    let levels = term.refs[first..].iter().map(|&level| level as usize - 1);
    for ((value, z), level) in
        out.iter_mut().zip(rows.chunks_exact(k)).zip(levels)
    {
        *value += small::dot(z, &b[level * k..(level + 1) * k]);
    }
}
