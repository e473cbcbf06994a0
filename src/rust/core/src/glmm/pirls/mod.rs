//! Penalized iteratively reweighted least squares (PIRLS): the conditional modes of the random
//! effects.
//!
//! For given covariance parameters the penalized deviance `-2 log p(y | u, beta) + |u|^2` is
//! minimised over `u`, or over `u` and `beta`, by Newton's method: each step is a penalized
//! least-squares problem with the weights W and the working response at the current linear
//! predictor.
//!
//! | contents | file |
//! |---|---|
//! | data, modes and factor; the iteration | here |
//! | one step: direction and length | `steps` |
//! | convergence control | `course` |
//! | a dispersion that is a function of the modes | `follow` |

mod course;
mod follow;
mod steps;

use crate::coordinates::centring::Centring;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::factor::column_scales::scales_of;
use crate::factor::cross_products::shifts;
use crate::factor::memory::{EngineKind, Room};
use crate::factor::rows::Rows;
use crate::factor::Factor;
use crate::glmm::engine::{Engine, Problem};
use crate::glmm::families::response::{Information, Response};
use crate::glmm::families::{Family, Link};
use crate::glmm::pirls::course::{Course, MOST_REFINEMENTS};
pub(crate) use crate::glmm::pirls::follow::Follow;
use crate::glmm::vary::Vary;
use crate::tolerances::{
    DECREMENT, LARGE_DEVIANCE, NEAR, PIRLS_NOISE, RATE_SHARE, STEP_NOISE,
};

/// Largest number of attempts to find linear predictors in their range.
const MOST_STARTS: usize = 12;
/// The factor of the weights of rows out of their range in the next attempt.
const START_FACTOR: f64 = 4.0;

/// Tolerances and limits of PIRLS.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// The Newton decrement (predicted decrease of the penalized deviance) below which the modes
    /// are accepted.
    pub decrement: f64,
    /// Largest number of iterations.
    pub max_iterations: usize,
    /// Largest number of halvings of one step.
    pub max_halvings: usize,
    /// Factor of the tolerances of modes and dispersion: one, except in searches that only find
    /// starting points.
    pub roughness: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self {
            decrement: DECREMENT,
            max_iterations: 100,
            max_halvings: 30,
            roughness: 1.0,
        }
    }
}

/// The data of a generalized mixed model, its linear predictor, and the factor of the penalized
/// problem.
#[derive(Debug, Clone)]
pub struct Pirls {
    /// The rows, sorted by leading level; the response is in the same order.
    pub(crate) rows: Rows,
    pub(crate) response: Response,
    pub(crate) engine: Engine,
    /// Tolerances and limits.
    pub tolerance: Tolerance,
    /// The unit of the penalized deviance: the dispersion, which multiplies its tolerances.
    pub(crate) unit: f64,
    /// Spherical random effects of each term.
    pub(crate) u: Vec<Vec<f64>>,
    /// The linear term in the penalized deviance for the coefficients of a fixed factor; empty for
    /// other terms.
    pub(crate) tilt: Vec<Vec<f64>>,
    /// Fixed effects of the centred columns of X.
    pub(crate) beta: Vec<f64>,
    /// The transformation between fixed effects of the centred and the original columns.
    pub(crate) centring: Centring,
    theta: Vec<f64>,
    // The linear predictor before the step, its change by the step, and the working response.
    eta: Vec<f64>,
    delta: Vec<f64>,
    working: Vec<f64>,
    /// The penalized deviance at the modes, without constants.
    pub(crate) penalized: f64,
    // Whether the current search started at linear predictors of either sign, with a square-root
    // link: they may then cross zero.
    has_mixed_signs: bool,
    /// The state of a dispersion that is a function of the modes.
    pub(crate) follow: Option<Follow>,
    /// Total number of Newton steps.
    pub(crate) iterations: usize,
    /// Total number of halvings of these steps.
    pub(crate) halvings: usize,
    trace: Option<Vec<f64>>,
    /// Called with the course of every search.
    pub report: Option<Report>,
}

/// Modes and fixed effects from which a search may start.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Modes {
    u: Vec<Vec<f64>>,
    tilt: Vec<Vec<f64>>,
    beta: Vec<f64>,
    shape: f64,
}

/// Observes the variables of a search, the fixed effects at its start, and the Laplace deviance at
/// the start and after each iteration.
pub(crate) type Report = fn(Vary, &[f64], &[f64]);

impl Pirls {
    /// Checks design and responses.
    ///
    /// # Errors
    /// Fails as [`Design::validate`] does; `Response`; `TooLarge`.
    pub fn new(
        design: &Design,
        family: Family,
        link: Link,
        shape: f64,
        (kind, room): (EngineKind, &Room),
    ) -> Result<Self> {
        design.validate()?;
        Response::check(family, design.y)?;
        let (engine, rows) = Engine::new(kind, room, design)?;
        let shift = &shifts(design);
        let y = rows.sorted(design.y);
        let weights = design.weights.map(|w| rows.sorted(w));
        let counts = design.counts.map(|counts| rows.sorted(counts));
        let offset = design.offset.map(|o| rows.sorted(o));
        let zeros = vec![0.0; design.n()];
        let terms = design.terms.iter();
        Ok(Self {
            u: terms.map(|term| vec![0.0; term.n_effects()]).collect(),
            tilt: vec![Vec::new(); design.terms.len()],
            beta: vec![0.0; design.p()],
            centring: Centring::new(shift),
            theta: vec![0.0; design.n_theta()],
            eta: zeros.clone(),
            delta: zeros.clone(),
            working: zeros,
            penalized: f64::NAN,
            unit: 1.0,
            has_mixed_signs: false,
            follow: None,
            iterations: 0,
            halvings: 0,
            trace: None,
            report: None,
            tolerance: Tolerance::default(),
            response: Response::new(family, link, shape, y, weights, offset)
                .counted(counts),
            rows,
            engine,
        })
    }

    /// Replaces the responses, which are in the order of the design, and resets the modes to zero.
    ///
    /// # Errors
    /// `Response`.
    pub(crate) fn set_response(&mut self, y: &[f64]) -> Result<()> {
        Response::check(self.response.family, y)?;
        let rows = self.rows.order.iter().map(|&i| i as usize);
        self.response.set(rows.map(|i| y[i]));
        self.reset();
        Ok(())
    }

    /// The factor of the system with or without fixed effects.
    ///
    /// # Errors
    /// `NeedsFactor` with the iterative engine.
    pub fn factor(&self, vary: Vary) -> Result<&Factor> {
        self.engine.factor(vary)
    }

    /// Conditional variances of the random effects given the fixed ones.
    ///
    /// # Errors
    /// `NeedsFactor` if the iterative engine would take too long.
    pub fn cond_var(&mut self, vary: Vary) -> Result<Vec<Vec<f64>>> {
        self.engine.cond_var(vary)
    }

    /// The weighted root mean square of each column of Z; 1 for a column of zeros.
    pub(crate) fn root_mean_squares(
        &self,
        vary: Vary,
        n_eff: usize,
    ) -> Vec<Vec<f64>> {
        let products = self.engine.level_products(vary);
        scales_of(self.engine.covs(), products, n_eff)
    }

    /// Resets the modes to zero.
    pub(crate) fn reset(&mut self) {
        for u in self.u.iter_mut() {
            u.fill(0.0);
        }
        self.remove_tilt();
    }

    /// The current modes, to be restored later.
    pub(crate) fn modes(&self) -> Modes {
        Modes {
            u: self.u.clone(),
            tilt: self.tilt.clone(),
            beta: self.beta.clone(),
            shape: self.response.shape,
        }
    }

    /// Restores modes, from which the next search starts.
    pub(crate) fn restore_modes(&mut self, modes: &Modes) {
        self.u.clone_from(&modes.u);
        self.tilt.clone_from(&modes.tilt);
        self.beta.clone_from(&modes.beta);
        self.response.shape = modes.shape;
    }

    /// Starts recording the Laplace deviance after each iteration.
    pub(crate) fn record(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// The deviances recorded since [`Self::record`].
    pub(crate) fn take_trace(&mut self) -> Vec<f64> {
        self.trace.take().unwrap_or_default()
    }

    /// Sets the covariance parameters.
    pub(crate) fn set_theta(&mut self, theta: &[f64]) {
        self.theta.copy_from_slice(theta);
        self.engine.set_theta(theta);
    }

    /// The covariance parameters.
    pub fn theta(&self) -> &[f64] {
        &self.theta
    }

    /// The fixed effects of the original columns of X.
    pub(crate) fn natural_beta(&self) -> Vec<f64> {
        let mut beta = self.beta.clone();
        self.centring.restore(&mut beta);
        beta
    }

    /// Computes the linear predictor `X beta + offset + Z Lambda u` and everything that depends on
    /// it; returns the log-likelihood.
    pub(crate) fn update_eta(&mut self) -> f64 {
        self.response.eta.copy_from_slice(&self.response.offset);
        let b = self.effects();
        let eta = &mut self.response.eta;
        self.rows.add_predictor(&self.beta, &b, eta);
        self.response.update()
    }

    /// `X beta + Z Lambda u` for the current `u` and any `beta` of the centred columns.
    pub(crate) fn predictor(&self, beta: &[f64]) -> Vec<f64> {
        let mut predictor = vec![0.0; self.rows.n()];
        self.rows
            .add_predictor(beta, &self.effects(), &mut predictor);
        predictor
    }

    /// `Lambda u` of each term.
    pub(crate) fn effects(&self) -> Vec<Vec<f64>> {
        let u = self.u.iter().enumerate();
        u.map(|(t, u)| self.engine.times_lambda(t, u)).collect()
    }

    /// `Lambda u` of each term that is a fixed factor, and zeros for the others.
    fn level_effects(&self) -> Vec<Vec<f64>> {
        let mut effects = self.effects();
        for (b, cov) in effects.iter_mut().zip(self.engine.covs()) {
            if !cov.is_fixed() {
                b.fill(0.0);
            }
        }
        effects
    }

    /// `|u|^2`.
    pub(crate) fn ussq(&self) -> f64 {
        self.u.iter().flatten().map(|u| u * u).sum()
    }

    /// `|u|^2` plus the linear term.
    pub(crate) fn penalty(&self) -> f64 {
        self.ussq() + self.tilted(|t, level| self.u[t][level])
    }

    // The linear term for given spherical effects.
    fn tilted(&self, u: impl Fn(usize, usize) -> f64) -> f64 {
        let mut sum = 0.0;
        for (t, tilt) in self.tilt.iter().enumerate() {
            let values = tilt.iter().enumerate();
            let product: f64 = values.map(|(l, c)| c * u(t, l)).sum();
            if !tilt.is_empty() {
                sum += self.engine.lambdas()[t][0] * product;
            }
        }
        sum
    }

    /// The penalized deviance at the current modes and fixed effects, without constants.
    pub(crate) fn penalized_here(&mut self) -> f64 {
        self.penalty() - 2.0 * self.update_eta()
    }

    /// Removes the linear term, so that PIRLS minimises the penalized deviance.
    pub(crate) fn remove_tilt(&mut self) {
        let short = self.short_deviance();
        self.tilt.iter_mut().for_each(Vec::clear);
        self.penalized = short + self.penalty();
    }

    /// Finds the conditional modes, starting from those of the last search, and leaves the factor
    /// with the weights of the Newton step there; returns the number of steps.
    ///
    /// # Errors
    /// `PirlsDiverged`, `NotPositiveDefinite`.
    pub(crate) fn find_modes(&mut self, vary: Vary) -> Result<usize> {
        let Some(report) = self.report else {
            return self.search(vary);
        };
        let beta = self.natural_beta();
        self.record();
        let found = self.search(vary);
        report(vary, &beta, &self.take_trace());
        found
    }

    /// Finds the conditional modes, starting where the linear predictors are near those of the
    /// responses: at zero modes the means may be out of range or overflow.
    ///
    /// # Errors
    /// `PirlsDiverged`, `NotPositiveDefinite`.
    pub(crate) fn find_modes_from_responses(
        &mut self,
        vary: Vary,
    ) -> Result<()> {
        self.start_from_responses(vary)?;
        self.find_modes(vary).map(|_| ())
    }

    fn search(&mut self, vary: Vary) -> Result<usize> {
        self.start_search(vary)?;
        let roughness = self.tolerance.roughness;
        let mut course = Course::new(
            roughness * self.tolerance.decrement * self.unit,
            roughness * RATE_SHARE,
            self.response.is_canonical(),
        );
        // The iterative engine only takes steps here, before the weights change again.
        let is_large = self.engine.as_iterative().is_some();
        course.foresees = roughness > 1.0 && is_large && self.follow.is_none();
        for iteration in 1..=self.tolerance.max_iterations + MOST_REFINEMENTS {
            self.iterations += 1;
            let wants_newton = course.wants_newton(self.unit);
            let (point, is_newton) = self.next_point(vary, wants_newton)?;
            course.record_attempt(wants_newton, is_newton);
            let (decrement, length) = self.step(vary, point, iteration)?;
            course.rounding = self.rounding();
            let is_there =
                course.has_reached_modes(decrement, length, is_newton);
            let is_near = decrement <= NEAR * self.unit;
            let is_settled = self.follow_modes(is_near, length == 1.0)?;
            if is_there && is_settled {
                self.finish_trace(vary)?;
                return Ok(iteration);
            }
            if course.moving == self.tolerance.max_iterations {
                break;
            }
        }
        Err(self.diverged(self.tolerance.max_iterations, 0))
    }

    // Makes the current modes a valid starting point: finite, and with linear predictors of the
    // right sign.
    fn start_search(&mut self, vary: Vary) -> Result<()> {
        if let Some(follow) = &mut self.follow {
            follow.restart();
        }
        self.penalized = self.penalized_here();
        if !self.penalized.is_finite() {
            self.reset();
            self.penalized = -2.0 * self.update_eta();
        }
        self.has_mixed_signs = false;
        if self.is_reflected() {
            self.start_beyond_zero(vary)?;
            self.has_mixed_signs = self.is_reflected();
        }
        if self.penalized.is_finite() {
            return Ok(());
        }
        Err(self.diverged(0, 0))
    }

    // Starts from the responses, unless the penalized deviance is lower at the current modes: fixed
    // effects may give some rows linear predictors of the other sign.
    fn start_beyond_zero(&mut self, vary: Vary) -> Result<()> {
        let (before, modes) = (self.penalized, self.u.clone());
        self.start_from_responses(vary)?;
        let is_lower = self.penalized < before;
        if vary != Vary::Jointly && !is_lower {
            self.u = modes;
            self.penalized = self.penalized_here();
        }
        Ok(())
    }

    // The rounding error of the penalized deviance, below which steps gain nothing.
    fn rounding(&self) -> f64 {
        let size = self.penalized.abs();
        let noise = match size > LARGE_DEVIANCE * self.rows.n() as f64 {
            true => PIRLS_NOISE,
            false => STEP_NOISE,
        };
        noise * size
    }

    /// Sets the modes (and fixed effects) for which the linear predictors are nearest to those of
    /// the responses; rows whose linear predictors are out of range then get larger weights.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(crate) fn start_from_responses(&mut self, vary: Vary) -> Result<()> {
        let trace = self.trace.take();
        self.response.predict_responses();
        let target = self.response.eta.clone();
        let mut weights = self.response.weight.clone();
        for _ in 0..MOST_STARTS {
            let point = self.newton_point(vary)?;
            self.u = point.u;
            if vary == Vary::Jointly {
                self.beta = point.beta;
            }
            self.penalized = self.penalized_here();
            if self.penalized.is_finite() {
                break;
            }
            self.response.raise_outside(&mut weights, START_FACTOR);
            self.response.aim_at(&target, &weights);
        }
        self.trace = trace;
        Ok(())
    }

    /// Sets the modes (and fixed effects) to those of a Newton step from these linear predictors,
    /// which are in the order of the rows.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(crate) fn step_from(&mut self, vary: Vary, eta: &[f64]) -> Result<()> {
        self.response.eta.copy_from_slice(eta);
        self.response.update();
        let point = self.newton_point(vary)?;
        self.u = point.u;
        if vary == Vary::Jointly {
            self.beta = point.beta;
        }
        Ok(())
    }

    fn diverged(&self, iteration: usize, halvings: usize) -> Error {
        Error::PirlsDiverged {
            iteration,
            halvings,
            theta: self.theta.clone(),
            beta: self.natural_beta(),
        }
    }

    /// Factors the system with the current weights, and sets its right-hand side to `[Z X]' r`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(crate) fn refactor(&mut self, vary: Vary) -> Result<()> {
        let (engine, rows, problem) = self.problem(vary);
        engine.refactor(rows, problem)
    }

    // The engine, the rows, and the problem with the current weights.
    fn problem(&mut self, vary: Vary) -> (&mut Engine, &mut Rows, Problem<'_>) {
        let problem = Problem {
            vary,
            weights: &self.response.weight,
            working: &self.working,
            u: &self.u,
            beta: &self.beta,
            tilt: &self.tilt,
        };
        (&mut self.engine, &mut self.rows, problem)
    }

    // Records the Laplace deviance at the current modes.
    fn push_trace(&mut self, vary: Vary) -> Result<()> {
        if let Some(mut trace) = self.trace.take() {
            let linear = self.penalty() - self.ussq();
            let conditional =
                self.penalized - linear - 2.0 * self.response.constant();
            trace.push(conditional + self.engine.log_det_re(vary)?);
            self.trace = Some(trace);
        }
        Ok(())
    }

    fn finish_trace(&mut self, vary: Vary) -> Result<()> {
        if self.trace.is_some() {
            self.newton_point(vary)?;
        }
        Ok(())
    }

    /// Factors the system with the weights of an information at the modes, for the log-determinant
    /// of Laplace's approximation.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(crate) fn factor_at_modes(
        &mut self,
        vary: Vary,
        information: Information,
    ) -> Result<()> {
        self.response.set_weights(information);
        self.raise_weights();
        self.refactor(vary)
    }

    /// `-2 log p(y | u)` at the current linear predictor, without its constant.
    pub(crate) fn short_deviance(&self) -> f64 {
        self.penalized - self.penalty()
    }

    /// `-2 log p(y | u)` at the current linear predictor.
    pub(crate) fn conditional_deviance(&mut self) -> f64 {
        self.short_deviance() - 2.0 * self.response.constant()
    }

    /// Sorted values in the order of the design.
    pub(crate) fn unsorted(&self, sorted: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; sorted.len()];
        for (&i, value) in self.rows.order.iter().zip(sorted) {
            out[i as usize] = *value;
        }
        out
    }
}
