//! Generalized linear mixed models: the Laplace deviance, its exact gradient, and its minimisation.
//!
//! Given b, y has the density of a [`Family`] with mean `mu`, where
//! `g(mu) = eta = X beta + Z b + offset`, `b = Lambda u` and `u ~ N(0, I)`. With the conditional
//! modes u~ and `H = Lambda'Z'WZ Lambda + I` at the modes, the Laplace approximation to minus twice
//! the log-likelihood is
//!
//! `d(theta, beta) = -2 log p(y | u~) + |u~|^2 + log |H|`.
//!
//! W is the expected or the observed information about eta ([`Information`]); they are equal for
//! canonical links.
//!
//! | contents | file |
//! |---|---|
//! | `log p(y \| mu)`, its derivatives in eta; links | [`families`] |
//! | `u~` (and beta) by penalized iteratively reweighted least squares | [`pirls`] |
//! | its variables; its steps; its convergence | `vary`, `pirls::steps`, `pirls::course` |
//! | the engines: Cholesky factor, or conjugate gradients | `engine`, `matrix_free` |
//! | `d` by adaptive Gauss-Hermite quadrature; nodes and weights | `quadrature`, `gauss_hermite` |
//! | information, number of nodes, and the kinds of shape | `approximation` |
//! | the terms of `d`, the estimates | `estimates` |
//! | dispersion: known, estimated, by moment, profiled | `dispersion`, `pirls::follow` |
//! | searches with a stochastic objective | `noise` |
//! | parameters of the objective: order, centring | `parameters` |
//! | gradient of `d`; leverages `diag(Z Lambda H^-1 Lambda'Z')` | `gradient`, `leverage` |
//! | start values; the objective in unconstrained coordinates | `start`, `search` |
//! | its Hessian without the change of the weights | `working_model` |
//! | the fit; its settings; its stages | `fit`, `settings`, `stages` |
//! | alternative and random starts | `other_starts`, `random_starts` |
//! | starts from slopes of covariates far from zero | `far_starts` |
//! | starts from singular covariances that are nearly as good | `neighbours` |
//! | starts with random effects, or linear predictors, of the opposite sign | `mirrored`, `signs` |
//! | the signs of the roots of responses | `roots` |
//! | fixed factors with many levels; the search for them | `fixed_levels`, `level_search` |
//! | covariances of their coefficients | `level_covariance` |
//! | the model without fixed factors | `random_part` |
//! | random effects in the column space of X | `redundant` |
//! | the parametric bootstrap | [`bootstrap`] |
//! | certificate; points where the deviance jumps or is not defined | `certificate`, `edge` |
//! | covariance matrix of the estimates | `covariance` |

mod approximation;
pub mod bootstrap;
mod certificate;
mod covariance;
mod dispersion;
mod edge;
mod engine;
mod estimates;
pub mod families;
mod far_starts;
mod fit;
mod fixed_levels;
mod fixed_signs;
mod gauss_hermite;
mod gradient;
mod level_covariance;
mod level_search;
mod leverage;
mod matrix_free;
mod mirrored;
mod neighbours;
mod noise;
mod other_starts;
mod parameters;
pub mod pirls;
mod quadrature;
mod random_part;
mod random_starts;
mod redundant;
mod roots;
mod search;
mod settings;
mod signs;
mod stages;
mod start;
mod vary;
mod working_model;

pub use approximation::{Options, Shape};
pub use engine::possible_engine;
pub use estimates::{GlmmEstimates, Parts, Sigma};
pub use fit::GlmmFit;
pub use settings::FitSettings;
pub use vary::Vary;

use std::sync::Arc;

use crate::coordinates::far_slopes::FarSlope;
use crate::design::{check_finite, Design};
use crate::error::{check_length, Error, Result};
use crate::factor::memory::{EngineKind, Room};
use crate::glmm::families::response::Information;
use crate::glmm::families::{Family, Link};
use crate::glmm::gauss_hermite::Rule;
use crate::glmm::pirls::{Modes, Pirls};
use crate::iterative::Noise;
use crate::optimize::{StopRequest, Stopping};

/// A generalized linear mixed model of a [`Design`].
///
/// The parameters are theta, then beta, then the logarithm of the shape if it is estimated. Beta is
/// omitted where PIRLS finds it ([`Vary::Jointly`]). As a parameter, beta belongs to the centred
/// columns of X ([`Self::centred`] transforms it); estimates and results of fits belong to the
/// original columns.
#[derive(Debug, Clone)]
pub struct GeneralizedLinearMixedModel {
    pirls: Pirls,
    options: Options,
    rule: Option<Rule>,
    start_theta: Vec<f64>,
    // The start of the shape.
    start_shape: f64,
    // The scale of theta: one if the linear predictor is a logarithm or similar.
    theta_scale: f64,
    lower: Vec<f64>,
    covs: Vec<crate::covariance::RelCov>,
    // Random slopes of covariates far from zero.
    far_slopes: Vec<FarSlope>,
    // Marks the elements of theta that no optimizer may change.
    held: Vec<bool>,
    // Random effects (term, column) in the column space of X.
    redundant: Vec<(usize, usize)>,
    sum_weights: f64,
    n_eff: usize,
    // The deviance of the model with one common mean.
    null_deviance: f64,
    // The error of the stochastic estimates at the last fit.
    noise: Option<Noise>,
    // The number of gradients so far.
    gradients: usize,
    // The effort, in PIRLS steps, after which a search ends.
    most_steps: usize,
    // The reasons to end a computation early.
    stopping: Stopping,
    // The last point of the iterative engine, unless later computations have invalidated it.
    reached: Option<ReachedPoint>,
    // The derivatives of the deviance in the coefficients of fixed factors at which these are to
    // be; zero if empty.
    pull: Vec<Vec<f64>>,
    // The lowest deviance so far and the modes there, in models with fixed factors.
    lowest: Option<(f64, Modes)>,
    // Whether fixed effects explain more of many rows with linear predictors of either sign.
    has_other_signs: bool,
    // The linear predictors from which all modes are looked for, in the order of the rows; if there
    // are none, those at the last modes.
    near: Option<Vec<f64>>,
    // Working memory of gradients.
    memory: gradient::Memory,
}

/// A point and the deviance there.
#[derive(Debug, Clone)]
struct ReachedPoint {
    vary: Vary,
    parameters: Vec<f64>,
    parts: Parts,
}

impl GeneralizedLinearMixedModel {
    /// Checks design, responses and options. Fixed effects start at the fit without random effects.
    ///
    /// # Errors
    /// Fails as [`Pirls::new`] does; `UnknownLink` for a Gaussian model with identity link, which
    /// is linear; `Quadrature`.
    pub fn new(
        design: &Design,
        family: Family,
        link: Link,
        options: Options,
    ) -> Result<Self> {
        let how = (EngineKind::Exact, &Room::default());
        Self::with_engine(how, design, family, link, options)
    }

    /// Sets up the model with an engine, within the memory that `room` allows.
    ///
    /// # Errors
    /// Fails as [`Self::new`] does.
    pub fn with_engine(
        how: (EngineKind, &Room),
        design: &Design,
        family: Family,
        link: Link,
        options: Options,
    ) -> Result<Self> {
        let shape = options.shape.initial();
        check_family(family, link, shape)?;
        if options.nodes > 1 {
            check_quadrature(design, family, options)?;
        }
        let pirls = Pirls::new(design, family, link, shape, how)?;
        let rule = quadrature::rule_for(design, options.nodes)?;
        let n_theta = design.n_theta();
        let mut lower = vec![f64::NEG_INFINITY; n_theta];
        let covs = design.covs();
        for cov in &covs {
            cov.fill_lower_bounds(&mut lower);
        }
        let mut model = Self {
            covs,
            sum_weights: pirls.response.w.iter().sum(),
            n_eff: design.n_eff(),
            null_deviance: pirls.response.null_deviance(),
            far_slopes: far_slopes_of(design, &pirls),
            pirls,
            options,
            rule,
            held: vec![false; n_theta],
            redundant: Vec::new(),
            noise: None,
            gradients: 0,
            most_steps: usize::MAX,
            stopping: Stopping::default(),
            reached: None,
            pull: Vec::new(),
            lowest: None,
            has_other_signs: false,
            near: None,
            memory: gradient::Memory::default(),
            start_theta: vec![1.0; n_theta],
            start_shape: shape,
            theta_scale: 1.0,
            lower,
        };
        model.start()?;
        Ok(model)
    }

    // Determines the start for the response: Lambda = I, suitably scaled.
    fn start(&mut self) -> Result<()> {
        for cov in &self.covs {
            cov.fill_start(&mut self.start_theta);
        }
        self.start_fixed()
    }

    /// Replaces the response; the start becomes that of a new model with this response, without
    /// held elements of theta.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`, `Response`.
    pub fn set_response(&mut self, y: &[f64]) -> Result<()> {
        check_length("y", self.pirls.rows.n(), y.len())?;
        check_finite("y", y)?;
        self.pirls.set_response(y)?;
        self.reached = None;
        self.lowest = None;
        self.pirls.beta.fill(0.0);
        self.pirls.response.shape = self.options.shape.initial();
        self.pirls.unit = 1.0;
        self.null_deviance = self.pirls.response.null_deviance();
        self.held.fill(false);
        self.start()
    }

    /// Makes all computations end early when this request is made.
    pub fn heed(&mut self, request: Arc<dyn StopRequest>) {
        self.stopping.heed(request);
    }

    // Whether the current computation must end early.
    fn must_stop(&self) -> bool {
        self.stopping.reason().is_some()
    }

    /// The state of PIRLS: working response, modes and factor.
    pub fn pirls(&self) -> &Pirls {
        &self.pirls
    }

    /// The state of PIRLS, for setting tolerances or start values.
    pub fn pirls_mut(&mut self) -> &mut Pirls {
        &mut self.pirls
    }

    /// Makes all searches for modes start near these linear predictors, which are in the order of
    /// the design: where modes depend on their start, those of a fit are found again.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`.
    pub fn start_near(&mut self, eta: &[f64]) -> Result<()> {
        check_length("eta", self.pirls.rows.n(), eta.len())?;
        check_finite("eta", eta)?;
        let rows = self.pirls.rows.order.iter().map(|&i| i as usize);
        self.near = Some(rows.map(|i| eta[i]).collect());
        Ok(())
    }

    // The result of a search in which all modes are looked for near these linear predictors, which
    // are in the order of the rows, where they depend on that: the objective is then a function of
    // the parameters alone.
    fn near<T>(
        &mut self,
        eta: Vec<f64>,
        search: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.near = self.has_many_modes().then_some(eta);
        let found = search(self);
        self.near = None;
        found
    }

    /// The objective at `parameters`.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`, `PirlsDiverged`, `NotPositiveDefinite`.
    pub fn objective(&mut self, vary: Vary, parameters: &[f64]) -> Result<f64> {
        Ok(self.parts_at(vary, parameters)?.objective)
    }

    // The terms of the deviance at `parameters`; with the iterative engine they are not recomputed
    // at the last point.
    fn parts_at(&mut self, vary: Vary, parameters: &[f64]) -> Result<Parts> {
        if let Some(reached) = &self.reached {
            if reached.vary == vary && reached.parameters == parameters {
                return Ok(reached.parts);
            }
        }
        if let Some(parts) = self.parts_at_held(vary, parameters)? {
            return Ok(parts);
        }
        self.reached = None;
        let parts = match self.has_fixed_levels() {
            true => self.parts_with_levels(vary, parameters)?,
            false => self.parts_from_here(vary, parameters)?,
        };
        if self.is_iterative() {
            self.reached = Some(ReachedPoint {
                vary,
                parameters: parameters.to_vec(),
                parts,
            });
        }
        Ok(parts)
    }

    // The terms of the deviance at `parameters`, by a search from the current modes.
    fn parts_from_here(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<Parts> {
        self.set_parameters(vary, parameters)?;
        self.evaluate(vary)
    }

    // The terms of the deviance when fixed effects found by PIRLS become parameters, so that the
    // modes are known.
    fn parts_at_held(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<Option<Parts>> {
        let is_held = self.is_reached(Vary::Jointly)
            && vary == Vary::Modes
            && self.parameters(vary) == parameters;
        let weights = &self.pirls.response.weight;
        let rows = &self.pirls.rows;
        let Some(iterative) = self.pirls.engine.as_iterative_mut() else {
            return Ok(None);
        };
        let Some(reached) = self.reached.as_mut().filter(|_| is_held) else {
            return Ok(None);
        };
        iterative.hold_fixed(rows, weights)?;
        reached.vary = vary;
        reached.parameters = parameters.to_vec();
        Ok(Some(reached.parts))
    }

    // Whether the engine is at modes that were found with this `vary`.
    fn is_reached(&self, vary: Vary) -> bool {
        let reached = self.reached.as_ref();
        reached.is_some_and(|reached| reached.vary == vary)
    }

    /// Finds the modes at the current parameters, and evaluates the deviance there.
    ///
    /// # Errors
    /// `PirlsDiverged`, `NotPositiveDefinite`.
    pub(crate) fn evaluate(&mut self, vary: Vary) -> Result<Parts> {
        if vary == Vary::Jointly {
            self.pirls.remove_tilt();
        }
        if let Some(eta) = &self.near {
            self.pirls.step_from(vary, eta)?;
        }
        self.find_modes(vary)?;
        self.converge_levels(vary)?;
        self.parts_at_modes(vary)
    }

    // The terms of the deviance at the current modes.
    fn parts_at_modes(&mut self, vary: Vary) -> Result<Parts> {
        self.pirls.factor_at_modes(vary, self.options.information)?;
        let log_det_re = self.pirls.engine.log_det_re(vary)?;
        let (conditional, shape) = self.conditional();
        let ussq = self.pirls.ussq();
        let laplace = conditional + ussq + log_det_re;
        let objective = match &self.rule {
            Some(rule) => {
                laplace + quadrature::correction(&self.pirls, rule, vary)?
            }
            None => laplace,
        };
        if !objective.is_finite() && self.is_perfect() {
            return Err(Error::ZeroResidual);
        }
        Ok(Parts {
            objective,
            conditional,
            ussq,
            log_det_re,
            shape,
        })
    }

    fn find_modes(&mut self, vary: Vary) -> Result<()> {
        match self.options.shape {
            Shape::Profiled(df)
                if self.pirls.response.family.has_dispersion() =>
            {
                self.profile_shape(vary, df)
            }
            _ => self.modes_at_shape(vary),
        }
    }

    // Finds the modes, from those of the last point; where that fails, from zero, then from the
    // responses. A failed search may end where all weights vanish, at which the next one would
    // stay, so that each starts from the fixed effects, and the dispersion, before it.
    fn modes_at_shape(&mut self, vary: Vary) -> Result<()> {
        let start = self.pirls.modes();
        let Err(error) = self.pirls.find_modes(vary) else {
            return Ok(());
        };
        self.pirls.restore_modes(&start);
        if self.pirls.ussq() > 0.0 {
            self.pirls.reset();
            if self.pirls.find_modes(vary).is_ok() {
                return Ok(());
            }
            self.pirls.restore_modes(&start);
        }
        self.pirls.find_modes_from_responses(vary).map_err(|_| {
            let explained = self.explain_error(error);
            self.pirls.restore_modes(&start);
            explained
        })
    }

    /// The estimates at `parameters`.
    ///
    /// # Errors
    /// Fails as [`Self::objective`] does.
    pub fn estimates(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<GlmmEstimates> {
        let parts = self.parts_at(vary, parameters)?;
        self.reached = None;
        let weights = self.pirls.unsorted(&self.pirls.response.weight);
        // R_X comes from the factor with fixed effects, with the same weights or, where the
        // observed information about these effects isn't positive, with the expected ones.
        if self.pirls.refactor(Vary::Jointly).is_err() {
            let kind = Information::Expected;
            self.pirls.factor_at_modes(Vary::Jointly, kind)?;
        }
        let sigma = self.sigma(&parts);
        let rx = self.pirls.engine.rx()?;
        let log_det_fe = self.pirls.engine.log_det_fe()?;
        let pirls = &self.pirls;
        let engine = &pirls.engine;
        let terms = pirls.u.iter().enumerate();
        Ok(GlmmEstimates {
            parts,
            theta: pirls.theta().to_vec(),
            beta: pirls.natural_beta(),
            u: pirls.u.clone(),
            b: terms.map(|(t, u)| engine.times_lambda(t, u)).collect(),
            rx,
            log_det_fe,
            eta: pirls.unsorted(&pirls.response.eta),
            mu: pirls.unsorted(&pirls.response.mean()),
            weights,
            deviance: pirls.response.deviance(),
            pearson: pirls.response.pearson(),
            sigma,
        })
    }

    /// The Laplace deviance at the start of PIRLS and after each iteration, starting from zero
    /// modes and these parameters (theta, beta, shape).
    ///
    /// # Errors
    /// Fails as [`Self::objective`] does.
    pub fn trace(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<Vec<f64>> {
        self.reached = None;
        self.set_parameters(Vary::Modes, parameters)?;
        self.pirls.reset();
        self.pirls.record();
        self.pirls.find_modes(vary)?;
        Ok(self.pirls.take_trace())
    }
}

// The random slopes of a design whose covariates are far from zero.
fn far_slopes_of(design: &Design, pirls: &Pirls) -> Vec<FarSlope> {
    let scales = pirls.rows.root_mean_squares();
    let mut found = FarSlope::in_images(&design.covs(), &scales);
    found.extend(FarSlope::all_of(design));
    found
}

fn check_family(family: Family, link: Link, shape: f64) -> Result<()> {
    if family.has_shape() && !(shape > 0.0 && shape.is_finite()) {
        return Err(Error::NonFinite {
            what: "shape",
            index: 0,
        });
    }
    if family.definition().is_linear(link) {
        return Err(Error::UnknownLink {
            name: link.name().into(),
        });
    }
    Ok(())
}

// Quadrature requires a density with a single dispersion, and a structure whose Lambda consists of
// parameters.
fn check_quadrature(
    design: &Design,
    family: Family,
    options: Options,
) -> Result<()> {
    if !design.terms.iter().all(|term| term.cov.is_filled()) {
        return Err(Error::UnknownStructure {
            name: "with a correlation parameter in a model by quadrature"
                .into(),
        });
    }
    let follows = matches!(options.shape, Shape::Moment | Shape::Profiled(_));
    if follows && family.has_dispersion() {
        return Err(Error::Quadrature {
            nodes: options.nodes,
            n_terms: design.terms.len(),
            vsize: design.terms.first().map_or(0, |term| term.vsize()),
        });
    }
    Ok(())
}
