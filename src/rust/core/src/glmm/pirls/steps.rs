//! The steps of PIRLS: a direction by a quadratic approximation of the penalized deviance, with the
//! observed information where it is positive definite, and a step length.

use super::Pirls;
use crate::error::Result;
use crate::factor::Solution;
use crate::glmm::families::{Family, Link};
use crate::glmm::vary::Vary;
use crate::kernels::small;
use crate::parallel::team::{share, share_pass, PASS};
use crate::tolerances::{LARGEST_WEIGHT, PIRLS_NOISE};

impl Pirls {
    /// The minimum of the quadratic approximation, and whether it is that of Newton's method: with
    /// the exact Hessian if it is wanted and positive definite, otherwise with safe weights.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(super) fn next_point(
        &mut self,
        vary: Vary,
        wants_newton: bool,
    ) -> Result<(Solution, bool)> {
        let is_newton = self.response.is_safe_observed();
        // Conjugate gradients do not detect an indefinite matrix.
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
        // Far from the modes some weights may be so large that the factor is inaccurate; with
        // smaller weights the direction is still one of descent.
        self.response
            .limit_weights(LARGEST_WEIGHT / self.largest_effect());
        Ok((self.newton_point(vary)?, false))
    }

    // The largest variance `|Lambda'z_i|^2` of a row's random effects, but at least one.
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

    // Whether a linear predictor of row `i` that is positive must remain so. With a square-root
    // link eta and -eta have the same mean, and at zero between them a positive response has zero
    // likelihood, unless it is Gaussian: modes beyond zero are mirror images of better ones, unless
    // the linear predictor is negative without random effects. A Gaussian response has a likelihood
    // at zero, where the modes may well be.
    fn may_reflect(&self, i: usize) -> bool {
        let response = &self.response;
        response.link == Link::Sqrt
            && response.family != Family::Gaussian
            && response.y[i] > 0.0
            && response.w[i] > 0.0
    }

    /// Whether a linear predictor has the wrong sign.
    pub(super) fn is_reflected(&self) -> bool {
        let is_wrong =
            |i: usize| self.response.eta[i] < 0.0 && self.may_reflect(i);
        self.response.link == Link::Sqrt && (0..self.eta.len()).any(is_wrong)
    }

    // Whether the step gives a linear predictor the wrong sign.
    fn reflects(&self) -> bool {
        let crosses =
            |i: usize| self.eta[i] > 0.0 && self.response.eta[i] <= 0.0;
        let is_wrong = |i: usize| crosses(i) && self.may_reflect(i);
        self.response.link == Link::Sqrt && (0..self.eta.len()).any(is_wrong)
    }

    /// The minimum of the quadratic approximation at eta: H u = Lambda'Z' r with r = W Z Lambda u +
    /// score.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(super) fn newton_point(&mut self, vary: Vary) -> Result<Solution> {
        self.eta.copy_from_slice(&self.response.eta);
        self.raise_weights();
        // Conjugate gradients solve for the change of the fixed effects.
        let is_change = self.engine.as_iterative().is_some();
        let beta: &[f64] = match vary != Vary::Jointly || is_change {
            true => &self.beta,
            false => &[],
        };
        let levels = match vary {
            Vary::WithoutLevels => self.level_effects(),
            _ => Vec::new(),
        };
        let (rows, response) = (&self.rows, &self.response);
        share_pass(&mut self.working, |first, working| {
            let own = first..first + working.len();
            working.copy_from_slice(&response.offset[own.clone()]);
            rows.add_predictor_from(first, beta, &levels, working);
            for (i, r) in own.zip(working) {
                let linear = response.eta[i] - *r;
                *r = response.weight[i] * linear + response.score[i];
            }
        });
        self.refactor(vary)?;
        self.push_trace(vary)?;
        let (engine, rows, problem) = self.problem(vary);
        let mut point = engine.solution(rows, problem)?;
        if is_change && vary == Vary::Jointly {
            small::axpy(1.0, &self.beta, &mut point.beta);
        }
        Ok(point)
    }

    /// Moves to the point, or part of the way if that does not lower the penalized deviance.
    /// Returns the decrease of a full step predicted by the quadratic approximation, and the step
    /// length.
    ///
    /// # Errors
    /// `PirlsDiverged`.
    pub(super) fn step(
        &mut self,
        vary: Vary,
        point: Solution,
        iteration: usize,
    ) -> Result<(f64, f64)> {
        let mut decrement = self.set_step(vary, &point);
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
            // The remaining decrease is rounding error.
            None if decrement <= self.tolerance.decrement * self.unit => {
                self.response.eta.copy_from_slice(&self.eta);
                self.response.update();
                Ok((0.0, 1.0))
            }
            None => Err(self.diverged(iteration, self.tolerance.max_halvings)),
        }
    }

    // Halves the step until the penalized deviance does not rise; returns the step length.
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
            self.halvings += 1;
        }
        None
    }

    // Sets `delta`, the step of the linear predictors to those of `point`; returns their part of
    // the decrement, `sum_i w_i delta_i^2`.
    fn set_step(&mut self, vary: Vary, point: &Solution) -> f64 {
        let beta = match vary {
            Vary::Jointly => &point.beta,
            Vary::Modes | Vary::WithoutLevels => &self.beta,
        };
        let (rows, response, eta) = (&self.rows, &self.response, &self.eta);
        let mut decrements = vec![0.0; self.delta.len().div_ceil(PASS)];
        let pieces = self.delta.chunks_mut(PASS).zip(&mut decrements);
        share(pieces.enumerate(), |(at, (delta, decrement))| {
            let first = at * PASS;
            let own = first..first + delta.len();
            delta.copy_from_slice(&response.offset[own.clone()]);
            rows.add_predictor_from(first, beta, &point.b, delta);
            for (i, d) in own.zip(delta) {
                *d -= eta[i];
                *decrement += response.weight[i] * *d * *d;
            }
        });
        decrements.iter().sum()
    }

    // The penalized deviance after a step of this length, for which the response is updated; `None`
    // if a linear predictor gets the wrong sign.
    fn penalized_along(
        &mut self,
        towards: &[Vec<f64>],
        length: f64,
    ) -> Option<f64> {
        let (from, delta) = (&self.eta, &self.delta);
        share_pass(&mut self.response.eta, |first, eta| {
            let steps = from[first..].iter().zip(&delta[first..]);
            for (eta, (from, delta)) in eta.iter_mut().zip(steps) {
                *eta = from + length * delta;
            }
        });
        if !self.has_mixed_signs && self.reflects() {
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
}
