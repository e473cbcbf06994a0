//! The two engines of a generalized model, which solve the penalized least-squares problem with the
//! current weights: `Exact` by a Cholesky factor, `MatrixFree` by conjugate gradients and
//! stochastic trace estimation, for crossed terms of any size.

use super::leverage::Leverage;
use super::matrix_free::MatrixFree;
use super::random_part::RandomPart;
use crate::covariance::RelCov;
use crate::derivatives::{FactorDerivatives, OmegaDerivatives};
use crate::design::columns::Columns;
use crate::design::Design;
use crate::error::Result;
use crate::factor::cond_var::cond_var;
use crate::factor::cross_products::shifts;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::memory::{too_large, EngineKind, Room};
use crate::factor::rows::Rows;
use crate::factor::solve::Vectors;
use crate::factor::{Factor, Solution};
use crate::glmm::vary::Vary;
use crate::iterative::reweigh::Reweigh;

/// The engine of a generalized model.
pub(crate) type Engine = crate::iterative::engine::Engine<Exact, MatrixFree>;

/// The exact engine: the factors of the penalized problem.
#[derive(Debug, Clone)]
pub(crate) struct Exact {
    /// The system without fixed effects, whose solution are the modes.
    modes: System,
    /// The system with fixed effects, whose solution are the fixed effects and the modes.
    jointly: System,
    /// In a model with fixed factors, the random effects without them.
    random: Option<RandomPart>,
}

/// A factor with its right-hand side.
#[derive(Debug, Clone)]
struct System {
    factor: Factor,
    rhs: Vectors,
}

/// A penalized weighted least-squares problem, with an approximate solution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem<'a> {
    /// Whether the fixed effects are part of the solution.
    pub vary: Vary,
    /// The weight of each row.
    pub weights: &'a [f64],
    /// The vector multiplied by `[Z X]'` on the right-hand side.
    pub working: &'a [f64],
    /// The current spherical random effects.
    pub u: &'a [Vec<f64>],
    /// The current fixed effects.
    pub beta: &'a [f64],
    /// The coefficients of a linear term, for the effects of each term, in the penalized deviance;
    /// may be empty.
    pub tilt: &'a [Vec<f64>],
}

impl System {
    fn new(factor: Factor) -> Self {
        let rhs = Vectors::zeros(&factor, 1);
        Self { factor, rhs }
    }
}

impl Exact {
    // The factors of a design; `None` if they would take too long.
    fn new(design: &Design, room: &Room) -> Result<Option<Self>> {
        let Some(jointly) = Factor::empty(design, room)? else {
            return Ok(None);
        };
        let without_fixed = Design {
            x: Columns::default(),
            ..design.clone()
        };
        let modes = Factor::empty(&without_fixed, &room.patient())?
            .ok_or_else(|| too_large(f64::NAN, None))?;
        Ok(Some(Self {
            modes: System::new(modes),
            jointly: System::new(jointly),
            random: None,
        }))
    }

    fn system(&self, vary: Vary) -> &System {
        match vary {
            Vary::Jointly => &self.jointly,
            Vary::Modes | Vary::WithoutLevels => &self.modes,
        }
    }

    fn refactor(&mut self, rows: &mut Rows, problem: Problem) -> Result<()> {
        if let (Vary::WithoutLevels, Some(random)) =
            (problem.vary, &mut self.random)
        {
            return random.refactor(problem.weights, problem.working);
        }
        let System { factor, rhs } = match problem.vary {
            Vary::Jointly => &mut self.jointly,
            Vary::Modes | Vary::WithoutLevels => &mut self.modes,
        };
        rows.refill(factor, rhs, problem.weights, problem.working);
        for (term, tilt) in problem.tilt.iter().enumerate() {
            if !tilt.is_empty() {
                rhs.add_to_term(factor, (term, -0.5), tilt);
            }
        }
        if let Some(random) = &mut self.random {
            random.reweigh(problem.weights);
        }
        if problem.vary == Vary::Jointly {
            // In separated data the weights vanish along a direction of the fixed effects, which
            // are then kept.
            factor.border.anchor = problem.beta.to_vec();
        }
        factor.refactor()
    }

    // The solution of the problem that was last set up.
    fn solution(&self, problem: Problem) -> Solution {
        if let (Vary::WithoutLevels, Some(random)) =
            (problem.vary, &self.random)
        {
            let u = problem.u.iter().enumerate();
            let b = u.map(|(t, u)| self.modes.factor.times_lambda(t, u));
            return random.solution(problem.u, &b.collect::<Vec<_>>());
        }
        let System { factor, rhs } = self.system(problem.vary);
        factor.solve_anchored(rhs)
    }
}

/// The engine that a generalized model can use: with fixed factors stored as terms it must be the
/// exact one, however long it takes.
pub fn possible_engine(kind: EngineKind, design: &Design) -> EngineKind {
    match design.terms.iter().any(|term| term.cov.is_fixed()) {
        true => EngineKind::Exact,
        false => kind,
    }
}

impl Engine {
    /// The engine of a design, and the rows in its order.
    ///
    /// # Errors
    /// `TooLarge` if a factor is required and does not fit in memory.
    pub fn new(
        kind: EngineKind,
        room: &Room,
        design: &Design,
    ) -> Result<(Self, Rows)> {
        let shift = shifts(design);
        let kind = possible_engine(kind, design);
        let exact = match kind.is_iterative(design.terms.len()) {
            true => None,
            false => Exact::new(design, &kind.in_room(room).of_steps())?,
        };
        if let Some(mut exact) = exact {
            let factor = &exact.modes.factor;
            let places = (&factor.layout, &factor.leading);
            let rows = Rows::new(design, places, &shift);
            exact.random = RandomPart::new(design, &rows, room)?;
            return Ok((Self::Exact(Box::new(exact)), rows));
        }
        if kind == EngineKind::Exact {
            return Err(too_large(f64::NAN, None));
        }
        let layout = Layout::new(design);
        let leading = Leading::new(design, &layout);
        let mut rows = Rows::new(design, (&layout, &leading), &shift);
        rows.make_sparse(&shift);
        let pattern = Reweigh::new(&layout, leading, &rows);
        let engine = MatrixFree::new(design.covs(), pattern, shift);
        Ok((Self::Iterative(Box::new(engine)), rows))
    }

    /// The factor of the system with or without fixed effects.
    ///
    /// # Errors
    /// `NeedsFactor` with the iterative engine.
    pub fn factor(&self, vary: Vary) -> Result<&Factor> {
        Ok(&self.as_exact()?.system(vary).factor)
    }

    /// Sets the covariance parameters.
    pub fn set_theta(&mut self, theta: &[f64]) {
        match self {
            Self::Exact(exact) => {
                exact.modes.factor.set_theta(theta);
                exact.jointly.factor.set_theta(theta);
                if let Some(random) = &mut exact.random {
                    random.set_theta(theta);
                }
            }
            Self::Iterative(iterative) => iterative.set_theta(theta),
        }
    }

    /// Sets the weights and factors the system.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn refactor(
        &mut self,
        rows: &mut Rows,
        problem: Problem,
    ) -> Result<()> {
        match self {
            Self::Exact(exact) => exact.refactor(rows, problem),
            Self::Iterative(iterative) => {
                iterative.reweigh(rows, problem.weights, problem.vary)
            }
        }
    }

    /// The solution of the problem, whose weights must be those of the last call of
    /// [`Self::refactor`].
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn solution(
        &mut self,
        rows: &Rows,
        problem: Problem,
    ) -> Result<Solution> {
        match self {
            Self::Exact(exact) => Ok(exact.solution(problem)),
            Self::Iterative(iterative) => {
                let (rz, rx) =
                    rows.transposed(problem.working, problem.vary.fixed());
                iterative.step(&rz, &rx, problem.u)
            }
        }
    }

    /// Solves for `[Lambda'r_Z; r_X]`, plus `spherical` elements with the exact engine.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn solve(
        &mut self,
        vary: Vary,
        (rz, rx): (&[Vec<f64>], &[f64]),
        spherical: &[f64],
    ) -> Result<Solution> {
        match self {
            Self::Exact(exact) => match (&mut exact.random, vary) {
                (Some(random), Vary::Modes | Vary::WithoutLevels) => {
                    random.solve(rz)
                }
                _ => Ok(exact.system(vary).factor.solve(rz, rx, spherical)),
            },
            Self::Iterative(iterative) => iterative.solve(rz, rx),
        }
    }

    /// Solves for `Lambda'r_Z`, including the coefficients of fixed factors, with the weights of
    /// the last call of [`Self::refactor`] for all modes.
    ///
    /// # Errors
    /// `NeedsFactor` with the iterative engine.
    pub fn solve_with_levels(&self, rz: &[Vec<f64>]) -> Result<Solution> {
        Ok(self.factor(Vary::Modes)?.solve(rz, &[], &[]))
    }

    /// Conditional variances of the effects of each term given all fixed effects; for fixed
    /// factors, of their coefficients given the other ones.
    ///
    /// # Errors
    /// `NeedsFactor` if the iterative engine would take too long.
    pub fn cond_var(&mut self, vary: Vary) -> Result<Vec<Vec<f64>>> {
        match self {
            Self::Exact(exact) => {
                let mut all = cond_var(&exact.system(vary).factor);
                if let Some(random) = &mut exact.random {
                    random.fill_cond_var(&mut all)?;
                }
                Ok(all)
            }
            Self::Iterative(iterative) => iterative.cond_var(),
        }
    }

    /// `log |H|`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn log_det_re(&mut self, vary: Vary) -> Result<f64> {
        match self {
            Self::Exact(exact) => match &mut exact.random {
                Some(random) => random.log_det_re(),
                None => Ok(exact.system(vary).factor.log_det_re()),
            },
            Self::Iterative(iterative) => Ok(iterative.log_det_re()?.value),
        }
    }

    /// Writes the leverages of the random effects; `own` replaces the diagonal blocks of `H^-1` in
    /// models without trailing terms.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn leverage(
        &mut self,
        (vary, own): (Vary, Option<&[f64]>),
        rows: &Rows,
        weights: &[f64],
        leverage: &mut Leverage,
    ) -> Result<()> {
        leverage.set_zeros(rows);
        match self {
            Self::Exact(exact) => {
                if let Some(random) = &mut exact.random {
                    return random.leverage(leverage);
                }
                let factor = &exact.system(vary).factor;
                leverage.add(rows, factor, weights, own);
                Ok(())
            }
            Self::Iterative(iterative) => iterative.leverage(rows, leverage),
        }
    }

    /// Writes `sum_l W_ll` of each term.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn traces(
        &mut self,
        vary: Vary,
        omega: &mut OmegaDerivatives,
    ) -> Result<()> {
        match self {
            Self::Exact(exact) => {
                if let Some(random) = &mut exact.random {
                    return random.traces(omega);
                }
                let factor = &exact.system(vary).factor;
                FactorDerivatives::new(factor).update_traces(factor, omega);
            }
            Self::Iterative(iterative) => {
                let traces = &iterative.probed()?.traces.mean;
                for (g, traces) in omega.g_mut().iter_mut().zip(traces) {
                    g.copy_from_slice(traces);
                }
            }
        }
        Ok(())
    }

    /// Writes the derivatives in Omega of the linear mixed model with the current weights and the
    /// scores `Z'V^-1 r`: the average information and the gradient.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn fill_information(
        &mut self,
        scores: &[Vec<f64>],
        omega: &mut OmegaDerivatives,
    ) -> Result<()> {
        if let Self::Iterative(iterative) = self {
            return iterative.fill_information(scores, omega);
        }
        self.traces(Vary::Jointly, omega)?;
        let factor = self.factor(Vary::Jointly)?;
        FactorDerivatives::new(factor).add_scores(factor, scores, omega);
        Ok(())
    }

    /// Lambda of each term.
    pub fn lambdas(&self) -> &[Vec<f64>] {
        match self {
            Self::Exact(exact) => &exact.modes.factor.lambdas,
            Self::Iterative(iterative) => &iterative.lambdas,
        }
    }

    /// `Lambda u` of one term.
    pub fn times_lambda(&self, term: usize, u: &[f64]) -> Vec<f64> {
        match self {
            Self::Exact(exact) => exact.modes.factor.times_lambda(term, u),
            Self::Iterative(iterative) => iterative.times_lambda(term, u),
        }
    }

    /// `Z'WZ` summed over the levels of each term, `k x k`.
    pub fn level_products(&self, vary: Vary) -> Vec<Vec<f64>> {
        match self {
            Self::Exact(exact) => exact.system(vary).factor.level_products(),
            Self::Iterative(iterative) => iterative.level_products(),
        }
    }

    /// `R_X`, upper triangular, for the original columns of X, if fixed effects are varied.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn rx(&mut self) -> Result<Vec<f64>> {
        match self {
            Self::Exact(exact) => Ok(exact.jointly.factor.rx()),
            Self::Iterative(iterative) => iterative.rx(),
        }
    }

    /// `(X'V^-1X)^-1` for the centred columns, if fixed effects are varied.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn fixed_inverse(&mut self) -> Result<Vec<f64>> {
        match self {
            Self::Exact(exact) => Ok(exact.jointly.factor.border.inverse()),
            Self::Iterative(iterative) => iterative.fixed_inverse(),
        }
    }

    /// `log |R_X|^2`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn log_det_fe(&mut self) -> Result<f64> {
        match self {
            Self::Exact(exact) => Ok(exact.jointly.factor.log_det_fe()),
            Self::Iterative(iterative) => Ok(iterative.border()?.log_det),
        }
    }

    /// The relative covariance factor of each term.
    pub fn covs(&self) -> &[RelCov] {
        match self {
            Self::Exact(exact) => exact.modes.factor.covs(),
            Self::Iterative(iterative) => &iterative.covs,
        }
    }
}
