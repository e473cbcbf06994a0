//! Generalized linear mixed models: the Laplace deviance and its exact gradient.
//!
//! `y | b` has the density of a [`Family`] with mean `mu`, `g(mu) = eta = X beta + Z b + offset`;
//! `b = Lambda u`, `u ~ N(0, I)`. With the conditional modes u~ and `H = Lambda'Z'WZ Lambda + I`
//! there, the Laplace approximation to minus twice the log-likelihood is
//!
//! `d(theta, beta) = -2 log p(y | u~) + |u~|^2 + log |H|`.
//!
//! W is the expected or the observed information of eta ([`Information`]), which agree for
//! canonical links.
//!
//! | quantity | file |
//! |---|---|
//! | `log p(y \| mu)`, its derivatives in eta; links | [`families`] |
//! | `u~` (and beta) by penalized iteratively reweighted least squares | [`pirls`] |
//! | what a search for them varies; its steps; its end | `vary`, `pirls::steps`, `pirls::course` |
//! | what solves for them: a factor, or conjugate gradients | `engine`, `matrix_free` |
//! | `d` by adaptive Gauss-Hermite quadrature; nodes and weights | `quadrature`, `gauss_hermite` |
//! | dispersion: known, estimated, by moment, profiled | `dispersion`, `pirls::follow` |
//! | searches whose values are noisy | `noise` |
//! | parameters of the objective: order, centring | `parameters` |
//! | gradient of `d`; `diag(Z Lambda H^-1 Lambda'Z')` | `gradient`, `leverage` |
//! | start values; the objective in free coordinates | `start`, `search` |
//! | the fit; its stages | `fit`, `stages` |
//! | other starts, those at random | `elsewhere`, `at_random` |
//! | a start on the other side of the random effects | `mirrored` |
//! | fixed factors with many levels; the random effects without them | `fixed_levels`, `alone` |
//! | effects that the fixed ones contain | `redundant` |
//! | responses drawn from a fit, and fitted | [`bootstrap`] |
//! | verdict on an optimum; covariance of the estimates | `certificate`, `covariance` |

mod alone;
mod at_random;
pub mod bootstrap;
mod certificate;
mod covariance;
mod dispersion;
mod elsewhere;
mod engine;
pub mod families;
mod fit;
mod fixed_levels;
mod gauss_hermite;
mod gradient;
mod leverage;
mod matrix_free;
mod mirrored;
mod noise;
mod parameters;
pub mod pirls;
mod quadrature;
mod redundant;
mod search;
mod stages;
mod start;
mod vary;

pub use engine::possible_engine;
pub use fit::{FitSettings, GlmmFit};
pub use vary::Vary;

use crate::design::{check_finite, Design};
use crate::error::{check_length, Error, Result};
use crate::factor::memory::{EngineKind, Room};
use crate::glmm::families::response::Information;
use crate::glmm::families::{Family, Link};
use crate::glmm::gauss_hermite::Rule;
use crate::glmm::pirls::Pirls;
use crate::iterative::Noise;

/// What is known of the dispersion, or of theta of the negative binomial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A known dispersion (or theta), with this value.
    Known(f64),
    /// An estimated dispersion (or theta), with this start value: `log shape` is a parameter behind
    /// beta, and Lambda is not relative to it.
    Estimated(f64),
    /// A dispersion by moment, as in lme4 before 2.0: the modes minimise `deviance + |u|^2`, Lambda
    /// is relative to the dispersion, and the log-likelihood is taken at
    /// `phi = deviance / sum w`.
    Moment,
    /// A profiled dispersion, as in lme4 since 2.0: at the modes `phi = deviance / df` with these
    /// degrees of freedom (observations less the rank of `[X Z]`), and the log-likelihood is taken
    /// at `phi = deviance / sum w`.
    Profiled(f64),
}

impl Shape {
    fn initial(self) -> f64 {
        match self {
            Self::Known(shape) | Self::Estimated(shape) => shape,
            Self::Moment | Self::Profiled(_) => 1.0,
        }
    }
}

/// Which approximation to the likelihood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Weights of the log-determinant.
    pub information: Information,
    /// Dispersion.
    pub shape: Shape,
    /// Nodes of the adaptive quadrature; 1 is the Laplace approximation.
    pub nodes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            information: Information::Expected,
            shape: Shape::Known(1.0),
            nodes: 1,
        }
    }
}

/// A generalized linear mixed model of a [`Design`].
///
/// The parameters are theta, then beta, then the logarithm of the shape if that is estimated. Beta
/// is left out where PIRLS finds it ([`Vary::Jointly`]). As a parameter beta belongs to the centred
/// columns, to which [`Self::centred`] leads; estimates and what a fit returns belong to the
/// columns as they are.
#[derive(Debug, Clone)]
pub struct GeneralizedLinearMixedModel {
    pirls: Pirls,
    options: Options,
    rule: Option<Rule>,
    start_theta: Vec<f64>,
    // Where a search for the shape starts.
    start_shape: f64,
    // Size of theta: one where the linear predictor is a logarithm or the like.
    theta_scale: f64,
    lower: Vec<f64>,
    covs: Vec<crate::covariance::RelCov>,
    // Elements of theta that no optimizer may change.
    held: Vec<bool>,
    // Effects (term, column) that the fixed ones contain.
    redundant: Vec<(usize, usize)>,
    sum_weights: f64,
    n_eff: usize,
    // Deviance of the model with one mean for all.
    null_deviance: f64,
    // What random vectors left of doubt at the last fit.
    noise: Option<Noise>,
    // The last point of the iterative engine, where nothing has been computed since that spoils it.
    reached: Option<ReachedPoint>,
    // What gradients are made of.
    memory: gradient::Memory,
}

/// A point and the deviance there.
#[derive(Debug, Clone)]
struct ReachedPoint {
    vary: Vary,
    parameters: Vec<f64>,
    parts: Parts,
}

/// The parts of the deviance at one set of parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// The objective: Laplace approximation or adaptive quadrature.
    pub objective: f64,
    /// `-2 log p(y | u~)`, with all constants.
    pub conditional: f64,
    /// `|u~|^2`.
    pub ussq: f64,
    /// `log |H|`.
    pub log_det_re: f64,
    /// Dispersion, or theta of the negative binomial.
    pub shape: f64,
}

/// What follows from the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct GlmmEstimates {
    /// Deviance and its parts.
    pub parts: Parts,
    /// Covariance parameters.
    pub theta: Vec<f64>,
    /// Fixed effects of the columns as they are, as is `R_X` below.
    pub beta: Vec<f64>,
    /// Spherical conditional modes of each term: `vsize x n_levels`.
    pub u: Vec<Vec<f64>>,
    /// Conditional modes `b = Lambda u` of each term: `vsize x n_levels`.
    pub b: Vec<Vec<f64>>,
    /// Upper triangular `R_X` with `R_X'R_X = X'V^-1X` of the working model.
    pub rx: Vec<f64>,
    /// `log |R_X|^2`.
    pub log_det_fe: f64,
    /// Linear predictor of each observation.
    pub eta: Vec<f64>,
    /// Mean of each observation.
    pub mu: Vec<f64>,
    /// Working weight of each observation.
    pub weights: Vec<f64>,
    /// Sum of the deviance residuals' squares.
    pub deviance: f64,
    /// Pearson's statistic.
    pub pearson: f64,
    /// Residual standard deviation.
    pub sigma: Sigma,
}

/// The residual standard deviation, as it is reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigma {
    /// One for families without dispersion, the root of the dispersion for the others; by moment
    /// the root of `(Pearson's statistic + |u|^2) / n`, as lme4 has it.
    pub value: f64,
    /// Whether the covariance of the random effects is `sigma^2 Lambda Lambda'`; otherwise it is
    /// `Lambda Lambda'`.
    pub is_relative: bool,
}

impl GeneralizedLinearMixedModel {
    /// Checks design, responses and options. Fixed effects start at the fit without random effects.
    ///
    /// # Errors
    /// Fails as [`Pirls::new`] does; `UnknownLink` for a Gaussian model with identity link (it is
    /// linear); `Quadrature`.
    pub fn new(
        design: &Design,
        family: Family,
        link: Link,
        options: Options,
    ) -> Result<Self> {
        let how = (EngineKind::Exact, &Room::default());
        Self::by(how, design, family, link, options)
    }

    /// Sets up the model with an engine, in the memory that there is room for.
    ///
    /// # Errors
    /// Fails as [`Self::new`] does.
    pub fn by(
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
            pirls,
            options,
            rule,
            held: vec![false; n_theta],
            redundant: Vec::new(),
            noise: None,
            reached: None,
            memory: gradient::Memory::default(),
            start_theta: vec![1.0; n_theta],
            start_shape: shape,
            theta_scale: 1.0,
            lower,
        };
        model.start()?;
        Ok(model)
    }

    // The start that suits the response: Lambda = I, in the right size.
    fn start(&mut self) -> Result<()> {
        for cov in &self.covs {
            cov.fill_start(&mut self.start_theta);
        }
        self.start_fixed()
    }

    /// Replaces the response; the start is then that of a model that was made with it, without held
    /// elements of theta.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`, `Response`.
    pub fn set_response(&mut self, y: &[f64]) -> Result<()> {
        check_length("y", self.pirls.rows.n(), y.len())?;
        check_finite("y", y)?;
        self.pirls.set_response(y)?;
        self.reached = None;
        self.pirls.beta.fill(0.0);
        self.pirls.response.shape = self.options.shape.initial();
        self.pirls.unit = 1.0;
        self.null_deviance = self.pirls.response.null_deviance();
        self.held.fill(false);
        self.start()
    }

    /// The working data, the modes and the factor.
    pub fn pirls(&self) -> &Pirls {
        &self.pirls
    }

    /// The working data, the modes and the factor, to set tolerances or start values.
    pub fn pirls_mut(&mut self) -> &mut Pirls {
        &mut self.pirls
    }

    /// The objective at `parameters`.
    ///
    /// # Errors
    /// `Dimension`, `NonFinite`, `PirlsDiverged`, `NotPositiveDefinite`.
    pub fn objective(&mut self, vary: Vary, parameters: &[f64]) -> Result<f64> {
        Ok(self.parts_at(vary, parameters)?.objective)
    }

    // The parts of the deviance at `parameters`, which random vectors aren't asked for twice.
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
        self.set_parameters(vary, parameters)?;
        let parts = self.evaluate(vary)?;
        if self.is_iterative() {
            self.reached = Some(ReachedPoint {
                vary,
                parameters: parameters.to_vec(),
                parts,
            });
        }
        Ok(parts)
    }

    // The parts where fixed effects that PIRLS has found become parameters: the modes are known.
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

    // Whether the engine is at modes that were found this way.
    fn is_reached(&self, vary: Vary) -> bool {
        let reached = self.reached.as_ref();
        reached.is_some_and(|reached| reached.vary == vary)
    }

    /// Finds the modes at the present parameters and evaluates the deviance there.
    ///
    /// # Errors
    /// `PirlsDiverged`, `NotPositiveDefinite`.
    pub(crate) fn evaluate(&mut self, vary: Vary) -> Result<Parts> {
        if vary == Vary::Jointly {
            self.pirls.level();
        }
        self.find_modes(vary)?;
        self.settle_levels(vary)?;
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

    fn modes_at_shape(&mut self, vary: Vary) -> Result<()> {
        let shape = self.pirls.response.shape;
        let Err(error) = self.pirls.find_modes(vary) else {
            return Ok(());
        };
        // A dispersion that follows has gone astray with them.
        self.pirls.response.shape = shape;
        // Warm modes can be further away than none.
        if self.pirls.ussq() > 0.0 {
            self.pirls.reset();
            if self.pirls.find_modes(vary).is_ok() {
                return Ok(());
            }
            self.pirls.response.shape = shape;
        }
        self.pirls
            .find_modes_from_responses(vary)
            .map_err(|_| self.cause_of(error))
    }

    /// Everything that follows from `parameters`.
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
        // R_X comes from the factor with fixed effects, at the same weights.
        self.pirls.refactor(Vary::Jointly)?;
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
            weights: pirls.unsorted(&pirls.response.weight),
            deviance: pirls.response.deviance(),
            pearson: pirls.response.pearson(),
            sigma,
        })
    }

    /// The Laplace deviance at the start and after each iteration of a search for the modes (and
    /// the fixed effects) that starts from zero modes and all parameters (theta, beta, shape).
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

// Quadrature needs a density with one dispersion throughout, and its gradient goes through Lambda.
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
