//! Penalized iteratively reweighted least squares: the conditional modes of the random effects.
//!
//! For given covariance parameters the penalized deviance `-2 log p(y | u, beta) + |u|^2` is
//! minimised over `u`, or over `u` and `beta` together, by Newton's method: each step is a
//! penalized least-squares problem with the weights W and the working response of the linear
//! predictor before it.

use crate::coordinates::centring::Centring;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::factor::column_scales::scales_of;
use crate::factor::cross_products::shifts;
use crate::factor::memory::{EngineKind, Room};
use crate::factor::rows::Rows;
use crate::factor::{Factor, Solution};
use crate::glmm::engine::{Engine, Problem};
use crate::glmm::families::response::{Information, Response};
use crate::glmm::families::{Family, Link};
use crate::kernels::small;
use crate::tolerances::{
    DECREMENT, LARGEST_WEIGHT, NEAR, PIRLS_NOISE, RATE_SHARE,
};

/// Once steps are small, so many more may refine the modes.
const MOST_REFINEMENTS: usize = 300;
/// Small steps that may be as large as the steps before them.
const MOST_IDLE: usize = 5;
/// Steps with safe weights before Newton's method is tried from where the modes are far.
const MOST_FISHER: usize = 10;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// The modes are accepted once the next step would lower the penalized deviance by less.
    pub decrement: f64,
    /// Most iterations.
    pub max_iterations: usize,
    /// Most halvings of one step.
    pub max_halvings: usize,
    /// How many times larger errors of the modes and the dispersion may be: one, but for searches
    /// that only tell where another one may start.
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

/// The course of a search for the modes.
#[derive(Debug)]
struct Course {
    /// The modes are accepted once the decrement is below this,
    tolerance: f64,
    /// and what is left is expected to be below this share of it.
    share: f64,
    is_canonical: bool,
    /// The decrement of the step before.
    before: f64,
    /// Steps that gained more than the tolerance.
    moving: usize,
    /// Steps that gained less.
    refining: usize,
    /// Steps that were no smaller than those before them.
    idle: usize,
    /// Steps since the exact Hessian was tried and wasn't positive definite, and how many there
    /// have to be before it is tried again.
    waited: usize,
    patience: usize,
}

impl Course {
    fn new(tolerance: f64, share: f64, is_canonical: bool) -> Self {
        Self {
            tolerance,
            share,
            is_canonical,
            before: f64::INFINITY,
            moving: 0,
            refining: 0,
            idle: 0,
            waited: 0,
            patience: 0,
        }
    }

    // Far from the modes safe weights lead more surely to where the deviance is convex.
    fn wants_newton(&self, unit: f64) -> bool {
        let is_near = self.before <= NEAR * unit || self.moving >= MOST_FISHER;
        is_near && self.waited >= self.patience
    }

    // Takes note of whether the exact Hessian served.
    fn has_tried(&mut self, wanted: bool, is_newton: bool) {
        self.waited += 1;
        if wanted && !is_newton {
            self.waited = 0;
            self.patience = 2 * self.patience + 1;
        }
    }

    // Whether a step of this decrement and length led to the modes.
    //
    // Newton's method squares the error of the modes, if the step was a whole one. Where expected
    // weights take part convergence is linear, at a rate that the last two steps show, be they
    // whole or not.
    fn has_arrived(
        &mut self,
        decrement: f64,
        length: f64,
        is_newton: bool,
    ) -> bool {
        let rate = if self.before.is_finite() {
            (decrement / self.before).min(1.0)
        } else {
            1.0
        };
        self.before = decrement;
        let is_quadratic = is_newton && length == 1.0;
        let left = decrement * if is_quadratic { rate * rate } else { rate };
        let is_accurate = if self.is_canonical && is_newton {
            length == 1.0
        } else {
            left <= self.share * self.tolerance
        };
        let is_small = decrement <= self.tolerance;
        if !is_small {
            self.moving += 1;
            return false;
        }
        self.refining += 1;
        // Steps that no longer become smaller are rounding errors.
        if rate == 1.0 {
            self.idle += 1;
        }
        is_accurate
            || self.idle > MOST_IDLE
            || self.refining == MOST_REFINEMENTS
    }
}

/// What is varied to minimise the penalized deviance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vary {
    /// The random effects, at the given fixed effects.
    Modes,
    /// Random and fixed effects.
    Jointly,
}

impl Vary {
    /// Whether the fixed effects are among what is varied.
    pub(crate) fn fixed(self) -> bool {
        self == Self::Jointly
    }
}

/// The data of a generalized mixed model, its linear predictor and the factor of the penalized
/// problem.
#[derive(Debug, Clone)]
pub struct Pirls {
    /// The rows, sorted by leading level; the response is in the same order.
    pub(crate) rows: Rows,
    pub(crate) response: Response,
    pub(crate) engine: Engine,
    /// Limits.
    pub tolerance: Tolerance,
    /// Unit of the penalized deviance: the dispersion that its limits are multiples of.
    pub(crate) unit: f64,
    /// Spherical random effects of each term.
    pub(crate) u: Vec<Vec<f64>>,
    /// What is added to the penalized deviance for each unit of the coefficients of a fixed factor;
    /// empty for other terms.
    pub(crate) tilt: Vec<Vec<f64>>,
    /// Fixed effects of the centred columns.
    pub(crate) beta: Vec<f64>,
    /// The way between these and the fixed effects of the columns as they are.
    pub(crate) centring: Centring,
    theta: Vec<f64>,
    // Linear predictor before the step, change by the step, working response.
    eta: Vec<f64>,
    delta: Vec<f64>,
    working: Vec<f64>,
    /// Penalized deviance, short of its constant, at the modes.
    pub(crate) penalized: f64,
    /// Newton steps in all.
    pub(crate) iterations: usize,
    trace: Option<Vec<f64>>,
    /// Is told the course of every search.
    pub report: Option<Report>,
}

/// Where a search for the modes may start.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Modes {
    u: Vec<Vec<f64>>,
    beta: Vec<f64>,
    shape: f64,
}

/// Sees what was varied, the fixed effects at the start of a search, and the Laplace deviance there
/// and after each iteration.
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
            iterations: 0,
            trace: None,
            report: None,
            tolerance: Tolerance::default(),
            response: Response::new(family, link, shape, y, weights, offset)
                .counted(counts),
            rows,
            engine,
        })
    }

    /// Replaces the responses, which are in the order of the design, and forgets the modes.
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

    /// The factor that belongs to what is varied.
    ///
    /// # Errors
    /// `NeedsFactor` of the iterative engine.
    pub fn factor(&self, vary: Vary) -> Result<&Factor> {
        self.engine.factor(vary)
    }

    /// Conditional variances of the random effects given the fixed ones.
    ///
    /// # Errors
    /// `NeedsFactor` of the iterative engine where they would take too long.
    pub fn cond_var(&mut self, vary: Vary) -> Result<Vec<Vec<f64>>> {
        self.engine.cond_var(vary)
    }

    /// Root mean square of each column of Z, weights included; 1 for a column of zeros.
    pub(crate) fn root_mean_squares(
        &self,
        vary: Vary,
        n_eff: usize,
    ) -> Vec<Vec<f64>> {
        let products = self.engine.level_products(vary);
        scales_of(self.engine.covs(), products, n_eff)
    }

    /// Forgets the modes: the next search starts from zero.
    pub(crate) fn reset(&mut self) {
        for u in self.u.iter_mut() {
            u.fill(0.0);
        }
        self.level();
    }

    /// The present modes, to come back to.
    pub(crate) fn modes(&self) -> Modes {
        Modes {
            u: self.u.clone(),
            beta: self.beta.clone(),
            shape: self.response.shape,
        }
    }

    /// Makes these the modes from which the next search starts.
    pub(crate) fn return_to(&mut self, modes: &Modes) {
        self.u.clone_from(&modes.u);
        self.beta.clone_from(&modes.beta);
        self.response.shape = modes.shape;
    }

    /// Keeps the Laplace deviance of each iteration of the following searches.
    pub(crate) fn record(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// What has been kept since [`Self::record`].
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

    /// The fixed effects of the columns as they are.
    pub(crate) fn natural_beta(&self) -> Vec<f64> {
        let mut beta = self.beta.clone();
        self.centring.restore(&mut beta);
        beta
    }

    /// `X beta + offset + Z Lambda u` of the present `u` and `beta`, and what follows from it.
    pub(crate) fn update_eta(&mut self) -> f64 {
        self.response.eta.copy_from_slice(&self.response.offset);
        self.rows.add_fixed(&self.beta, &mut self.response.eta);
        for term in &self.rows.terms {
            let b = self.engine.times_lambda(term.term, &self.u[term.term]);
            term.add_product(&b, &mut self.response.eta);
        }
        self.response.update()
    }

    /// `|u|^2`.
    pub(crate) fn ussq(&self) -> f64 {
        self.u.iter().flatten().map(|u| u * u).sum()
    }

    /// `|u|^2` and the linear term of the coefficients of fixed factors.
    fn penalty(&self) -> f64 {
        self.ussq() + self.tilted(|t, level| self.u[t][level])
    }

    // The linear term at spherical effects.
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

    /// Takes the linear term away: PIRLS then minimizes the penalized deviance.
    pub(crate) fn level(&mut self) {
        self.tilt.iter_mut().for_each(Vec::clear);
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

    /// Finds the conditional modes from where linear predictors are near those of the responses: at
    /// zero modes their means can be out of range, or beyond what a number holds.
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
        for iteration in 1..=self.tolerance.max_iterations + MOST_REFINEMENTS {
            self.iterations += 1;
            let wants_newton = course.wants_newton(self.unit);
            let (point, is_newton) = self.next_point(vary, wants_newton)?;
            course.has_tried(wants_newton, is_newton);
            let (decrement, length) = self.step(vary, point, iteration)?;
            if course.has_arrived(decrement, length, is_newton) {
                self.finish_trace(vary)?;
                return Ok(iteration);
            }
            if course.moving == self.tolerance.max_iterations {
                break;
            }
        }
        Err(self.diverged(self.tolerance.max_iterations, 0))
    }

    // Where to go: by Newton's method with the exact Hessian if that is wanted and it is positive
    // definite, else with safe weights; and whether that is Newton's method.
    fn next_point(
        &mut self,
        vary: Vary,
        wants_newton: bool,
    ) -> Result<(Solution, bool)> {
        let is_newton = self.response.is_safe_observed();
        // Conjugate gradients don't notice that a matrix isn't positive definite.
        let has_factor = self.engine.as_iterative().is_none();
        if wants_newton && has_factor && !is_newton {
            self.response.swap_weights();
            match self.newton_point(vary) {
                Ok(point) => return Ok((point, true)),
                Err(_) => self.response.swap_weights(),
            }
        }
        let found = self.newton_point(vary);
        if found.is_ok() || !has_factor {
            return Ok((found?, is_newton));
        }
        // Far from the modes some weights may be so large that rounding spoils the factor. Smaller
        // ones lead downhill too.
        self.response
            .limit_weights(LARGEST_WEIGHT / self.largest_effect());
        Ok((self.newton_point(vary)?, false))
    }

    // The largest variance of a row's random effects, `|Lambda'z_i|^2`, but at least one.
    fn largest_effect(&self) -> f64 {
        let mut squares = vec![0.0; self.rows.n()];
        for term in &self.rows.terms {
            let lambda = &self.engine.lambdas()[term.term];
            let mut effect = vec![0.0; term.k];
            for (i, square) in squares.iter_mut().enumerate() {
                let z = term.z(i);
                small::lambda_transposed_times(term.k, lambda, z, &mut effect);
                *square += small::dot(&effect, &effect);
            }
        }
        squares.into_iter().fold(1.0, f64::max)
    }

    // Makes the present modes a point to start from: finite, and with linear predictors of the
    // right sign.
    fn start_search(&mut self, vary: Vary) -> Result<()> {
        self.penalized = self.penalty() - 2.0 * self.update_eta();
        if !self.penalized.is_finite() {
            self.reset();
            self.penalized = -2.0 * self.update_eta();
        }
        if self.is_reflected() {
            self.start_from_responses(vary)?;
        }
        if self.penalized.is_finite() {
            return Ok(());
        }
        Err(self.diverged(0, 0))
    }

    // Whether the linear predictor of row `i` must stay positive. Under a square-root link eta and
    // -eta have the same mean, and a positive response has no likelihood at zero between them:
    // modes beyond zero are mirror images of better ones.
    fn may_reflect(&self, i: usize) -> bool {
        let response = &self.response;
        response.link == Link::Sqrt
            && response.y[i] > 0.0
            && response.w[i] > 0.0
    }

    // Whether a linear predictor has the wrong sign.
    fn is_reflected(&self) -> bool {
        let is_wrong =
            |i: usize| self.response.eta[i] < 0.0 && self.may_reflect(i);
        self.response.link == Link::Sqrt && (0..self.eta.len()).any(is_wrong)
    }

    // Whether the step would give a linear predictor the wrong sign.
    fn reflects(&self) -> bool {
        let crosses =
            |i: usize| self.eta[i] > 0.0 && self.response.eta[i] <= 0.0;
        let is_wrong = |i: usize| crosses(i) && self.may_reflect(i);
        self.response.link == Link::Sqrt && (0..self.eta.len()).any(is_wrong)
    }

    // The modes (and fixed effects) for which the linear predictors are nearest to those of the
    // responses.
    fn start_from_responses(&mut self, vary: Vary) -> Result<()> {
        let trace = self.trace.take();
        self.response.predict_responses();
        let point = self.newton_point(vary)?;
        self.trace = trace;
        self.u = point.u;
        if vary == Vary::Jointly {
            self.beta = point.beta;
        }
        self.penalized = self.penalty() - 2.0 * self.update_eta();
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

    /// Fills the factor with the present weights, its right-hand side with `[Z X]' r`, and factors
    /// it.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(crate) fn refactor(&mut self, vary: Vary) -> Result<()> {
        let problem = Problem {
            vary,
            weights: &self.response.weight,
            working: &self.working,
            u: &self.u,
            beta: &self.beta,
            tilt: &self.tilt,
        };
        self.engine.refactor(&mut self.rows, problem)
    }

    // The minimum of the quadratic approximation at eta: H u = Lambda'Z' r with r = W Z Lambda u +
    // score.
    fn newton_point(&mut self, vary: Vary) -> Result<Solution> {
        self.eta.copy_from_slice(&self.response.eta);
        self.working.copy_from_slice(&self.response.offset);
        // Conjugate gradients look for the change of the fixed effects.
        let is_change = self.engine.as_iterative().is_some();
        if vary == Vary::Modes || is_change {
            self.rows.add_fixed(&self.beta, &mut self.working);
        }
        let response = &self.response;
        for (i, r) in self.working.iter_mut().enumerate() {
            *r =
                response.weight[i] * (response.eta[i] - *r) + response.score[i];
        }
        self.refactor(vary)?;
        self.push_trace(vary)?;
        let mut point = self.engine.solution(
            &self.rows,
            Problem {
                vary,
                weights: &self.response.weight,
                working: &self.working,
                u: &self.u,
                beta: &self.beta,
                tilt: &self.tilt,
            },
        )?;
        if is_change && vary == Vary::Jointly {
            small::axpy(1.0, &self.beta, &mut point.beta);
        }
        Ok(point)
    }

    // Keeps the Laplace deviance at the present modes.
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

    // Goes to the point, or part of the way if that doesn't lower the penalized deviance. Returns
    // what the whole step would have gained according to the quadratic approximation, and the share
    // of it that was taken.
    fn step(
        &mut self,
        vary: Vary,
        point: Solution,
        iteration: usize,
    ) -> Result<(f64, f64)> {
        let mut decrement = self.aim_at(vary, &point);
        let mut towards: Vec<Vec<f64>> = point.u;
        for (to, from) in towards.iter_mut().zip(&self.u) {
            small::axpy(-1.0, from, to);
        }
        decrement += towards.iter().flatten().map(|d| d * d).sum::<f64>();
        if !decrement.is_finite() {
            return Err(self.diverged(iteration, 0));
        }
        match self.halve_towards(vary, &towards, &point.beta) {
            Some(length) => Ok((decrement, length)),
            // What is left to gain is rounding error.
            None if decrement <= self.tolerance.decrement * self.unit => {
                self.response.eta.copy_from_slice(&self.eta);
                self.response.update();
                Ok((0.0, 1.0))
            }
            None => Err(self.diverged(iteration, self.tolerance.max_halvings)),
        }
    }

    // Goes as far as the penalized deviance doesn't rise, the whole step or a half, a quarter, ...
    // of it; returns that length.
    fn halve_towards(
        &mut self,
        vary: Vary,
        towards: &[Vec<f64>],
        beta: &[f64],
    ) -> Option<f64> {
        let slack = PIRLS_NOISE * self.penalized.abs();
        let mut length = 1.0;
        for _ in 0..=self.tolerance.max_halvings {
            let reached = self.penalized_along(towards, length);
            if let Some(penalized) =
                reached.filter(|&reached| reached <= self.penalized + slack)
            {
                self.penalized = penalized;
                self.accept(vary, towards, beta, length);
                return Some(length);
            }
            length *= 0.5;
        }
        None
    }

    // Sets `delta`, the step of the linear predictors to those of `point`; their part of the
    // decrement, `sum_i w_i delta_i^2`, comes back.
    fn aim_at(&mut self, vary: Vary, point: &Solution) -> f64 {
        let beta = match vary {
            Vary::Jointly => &point.beta,
            Vary::Modes => &self.beta,
        };
        self.delta.copy_from_slice(&self.response.offset);
        self.rows.add_fixed(beta, &mut self.delta);
        for term in &self.rows.terms {
            term.add_product(&point.b[term.term], &mut self.delta);
        }
        let mut decrement = 0.0;
        for (i, d) in self.delta.iter_mut().enumerate() {
            *d -= self.eta[i];
            decrement += self.response.weight[i] * *d * *d;
        }
        decrement
    }

    // The penalized deviance after a step of this length, to which the response is moved; none if a
    // linear predictor would get the wrong sign.
    fn penalized_along(
        &mut self,
        towards: &[Vec<f64>],
        length: f64,
    ) -> Option<f64> {
        for (i, eta) in self.response.eta.iter_mut().enumerate() {
            *eta = self.eta[i] + length * self.delta[i];
        }
        if self.reflects() {
            return None;
        }
        let steps = towards.iter().flatten().zip(self.u.iter().flatten());
        let ussq: f64 = steps.map(|(d, u)| (u + length * d).powi(2)).sum();
        let linear = self.tilted(|t, l| self.u[t][l] + length * towards[t][l]);
        Some(ussq + linear - 2.0 * self.response.update())
    }

    fn accept(
        &mut self,
        vary: Vary,
        towards: &[Vec<f64>],
        beta: &[f64],
        length: f64,
    ) {
        for (u, d) in self.u.iter_mut().zip(towards) {
            small::axpy(length, d, u);
        }
        if vary == Vary::Jointly {
            for (from, to) in self.beta.iter_mut().zip(beta) {
                *from += length * (to - *from);
            }
        }
    }

    /// Takes the weights of an information at the modes: the Laplace approximation needs the
    /// log-determinant with them.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(crate) fn factor_at_modes(
        &mut self,
        vary: Vary,
        information: Information,
    ) -> Result<()> {
        self.response.set_weights(information);
        self.refactor(vary)
    }

    /// `-2 log p(y | u)` at the present linear predictor, short of its constant.
    pub(crate) fn short_deviance(&self) -> f64 {
        self.penalized - self.penalty()
    }

    /// `-2 log p(y | u)` at the present linear predictor.
    pub(crate) fn conditional_deviance(&mut self) -> f64 {
        self.short_deviance() - 2.0 * self.response.constant()
    }

    /// Values in the order of the design.
    pub(crate) fn unsorted(&self, sorted: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; sorted.len()];
        for (&i, value) in self.rows.order.iter().zip(sorted) {
            out[i as usize] = *value;
        }
        out
    }
}
