//! The iterative engine of a generalized model: the penalized problem at the current theta and
//! weights, solved by the methods of [`crate::iterative`].

use std::sync::Arc;

use super::leverage::Leverage;
use crate::covariance::RelCov;
use crate::derivatives::OmegaDerivatives;
use crate::error::Result;
use crate::factor::rows::Rows;
use crate::factor::Solution;
use crate::glmm::vary::Vary;
use crate::iterative::border::Border;
use crate::iterative::cond_var;
use crate::iterative::gradients::Solver;
use crate::iterative::information::information;
use crate::iterative::leverage::leverages;
use crate::iterative::log_det::{constants, LogDet, Probed, Probes};
use crate::iterative::reweigh::Reweigh;
use crate::iterative::scores::Scores;
use crate::iterative::solve::{solve, Sides, Solutions};
use crate::iterative::system::System;
use crate::iterative::wide::{Row, WIDTH};
use crate::kernels::small;
use crate::tolerances::{SEARCH_SOLVE, SLOPE_SOLVE, STEP_SOLVE};

/// Number of probe vectors with which a search starts.
pub(super) const FEWEST: usize = 8;
/// Largest number of probe vectors.
pub(super) const MOST: usize = 128;
/// Number of probe vectors of a reported log-likelihood.
pub(super) const REPORTED: usize = 32;
/// Seed of the probe vectors.
const SEED: u64 = 20_261_128;

/// The penalized problem, at one theta and one set of weights after another.
#[derive(Debug, Clone)]
pub(crate) struct MatrixFree {
    pub covs: Vec<RelCov>,
    pub lambdas: Vec<Vec<f64>>,
    pattern: Reweigh,
    system: Arc<System>,
    shift: Vec<f64>,
    probes: Probes,
    tolerance: f64,
    here: Option<Here>,
    /// Solutions of the last border, as starting points for other weights.
    near: Vec<Vec<Row>>,
}

/// The results with the current weights.
#[derive(Debug, Clone)]
struct Here {
    solver: Solver,
    /// The fixed effects, if they are varied, with the tolerance of their solves.
    border: Option<(Border, f64)>,
    probed: Option<Probed>,
}

impl MatrixFree {
    /// The problem with this sparsity pattern; centring has subtracted `shift` multiples of the
    /// first column from the columns of X.
    pub fn new(
        covs: Vec<RelCov>,
        (pattern, system): (Reweigh, System),
        shift: Vec<f64>,
    ) -> Self {
        let lambdas = covs.iter().map(|cov| vec![0.0; cov.vsize().pow(2)]);
        let mut engine = Self {
            lambdas: lambdas.collect(),
            pattern,
            system: Arc::new(system),
            shift,
            probes: Probes {
                count: 0,
                seed: SEED,
                is_accurate: false,
                keep: true,
            },
            tolerance: SEARCH_SOLVE,
            here: None,
            near: Vec::new(),
            covs,
        };
        engine.prepare_report(FEWEST);
        engine
    }

    /// Prepares for a search with `count` probe vectors.
    pub fn prepare_search(&mut self, count: usize) {
        self.probes.count = count;
        self.probes.is_accurate = false;
        self.tolerance = SLOPE_SOLVE;
        self.forget();
    }

    /// Prepares for accurate values that are reported, with at least `count` probe vectors.
    pub fn prepare_report(&mut self, count: usize) {
        self.probes.count = count.max(REPORTED);
        self.probes.is_accurate = true;
        self.tolerance = SEARCH_SOLVE;
        self.forget();
    }

    /// The number of probe vectors.
    pub fn count(&self) -> usize {
        self.probes.count
    }

    // Discards stochastic estimates, and borders of another accuracy.
    fn forget(&mut self) {
        self.keep_starting_points();
        if let Some(here) = &mut self.here {
            here.probed = None;
        }
    }

    // Discards the border, but keeps its solutions as starting points.
    fn keep_starting_points(&mut self) {
        let here = self.here.as_mut();
        let border = here.and_then(|here| here.border.take());
        if let (Some((border, _)), true) = (border, self.system.p > 0) {
            self.near = border.into_near();
        }
    }

    pub fn set_theta(&mut self, theta: &[f64]) {
        self.keep_starting_points();
        self.here = None;
        for (cov, lambda) in self.covs.iter().zip(&mut self.lambdas) {
            cov.fill_lambda(theta, lambda);
        }
    }

    /// Sets the weights of the rows.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn reweigh(
        &mut self,
        rows: &Rows,
        weights: &[f64],
        vary: Vary,
    ) -> Result<()> {
        self.keep_starting_points();
        self.here = None;
        let system = Arc::make_mut(&mut self.system);
        let with_fixed = vary == Vary::Jointly;
        self.pattern.fill(rows, weights, with_fixed, system);
        self.here = Some(Here {
            solver: Solver::new(&self.system, &self.lambdas)?,
            border: None,
            probed: None,
        });
        Ok(())
    }

    /// Treats the fixed effects as given after they were varied, at the same weights; stochastic
    /// estimates are kept.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn hold_fixed(&mut self, rows: &Rows, weights: &[f64]) -> Result<()> {
        let probed = self.here().probed.take();
        self.reweigh(rows, weights, Vary::Modes)?;
        self.here().probed = probed;
        Ok(())
    }

    fn here(&mut self) -> &mut Here {
        self.here.as_mut().expect("rows have been weighed")
    }

    /// The system with the current weights.
    pub fn solver(&self) -> &Solver {
        let here = self.here.as_ref().expect("rows have been weighed");
        &here.solver
    }

    // The fixed effects, with solves to the relative residual `tolerance`.
    fn border_within(&mut self, tolerance: f64) -> Result<&Here> {
        let known = self.here().border.as_ref().map(|(_, within)| *within);
        if !known.is_some_and(|known| known <= tolerance) {
            self.keep_starting_points();
            self.border_with_extra(tolerance, &[])?;
        }
        Ok(self.here())
    }

    // Computes the fixed effects, and solves for some further vectors in the same blocks.
    fn border_with_extra(
        &mut self,
        tolerance: f64,
        vectors: &[Vec<f64>],
    ) -> Result<()> {
        let near: &[Vec<Row>] = match self.system.p {
            0 => &[],
            _ => &self.near,
        };
        let here = self.here.as_mut().expect("rows have been weighed");
        let border = Border::new(&here.solver, tolerance, vectors, near)?;
        here.border = Some((border, tolerance));
        Ok(())
    }

    /// The fixed effects.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn border(&mut self) -> Result<&Border> {
        let found = self.border_within(self.tolerance)?.border.as_ref();
        Ok(&found.expect("it has just been found").0)
    }

    /// The next point of PIRLS, from the current one.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn step(
        &mut self,
        rz: &[Vec<f64>],
        rx: &[f64],
        u: &[Vec<f64>],
    ) -> Result<Solution> {
        self.solve_within(STEP_SOLVE, (rz, rx), Some(u))
    }

    /// The solution for `[Lambda'r_Z; r_X]`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn solve(&mut self, rz: &[Vec<f64>], rx: &[f64]) -> Result<Solution> {
        self.solve_within(self.tolerance, (rz, rx), None)
    }

    fn solve_within(
        &mut self,
        tolerance: f64,
        given: (&[Vec<f64>], &[f64]),
        u: Option<&[Vec<f64>]>,
    ) -> Result<Solution> {
        let mut rhs = Sides::<1>::zeros(self.solver());
        rhs.put(self.solver(), 0, given);
        let start = u.map(|u| {
            let mut start = Sides::<1>::zeros(self.solver());
            start.put(self.solver(), 0, (u, &[]));
            start.trailing
        });
        let found = self.solve_sides(tolerance, &rhs, start.as_deref())?;
        let solver = self.solver();
        Ok(Solution {
            beta: found.u.fixed(0),
            u: found.u.terms(solver, 0),
            b: found.b.terms(solver, 0),
        })
    }

    /// Solutions for a block of right-hand sides.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn solve_sides<const W: usize>(
        &mut self,
        tolerance: f64,
        rhs: &Sides<W>,
        start: Option<&[[f64; W]]>,
    ) -> Result<Solutions<W>> {
        let here = self.border_within(tolerance)?;
        let border = here.border.as_ref().expect("it has just been found");
        Ok(solve(&here.solver, &border.0, rhs, start, tolerance))
    }

    /// The stochastic estimates.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn probed(&mut self) -> Result<&Probed> {
        let (probes, tolerance) = (self.probes, self.tolerance);
        if self.here().probed.is_none() {
            self.keep_starting_points();
            let vectors = constants(self.solver());
            self.border_with_extra(tolerance, &vectors)?;
            let here = self.here();
            here.probed = here
                .border
                .as_ref()
                .map(|(border, _)| probes.probe(&here.solver, vectors, border));
        }
        Ok(self.here().probed.as_ref().expect("it has just been found"))
    }

    /// `log |H|`, with the standard error of its estimate.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn log_det_re(&mut self) -> Result<LogDet> {
        let found = self.probed()?.log_det;
        let solver = self.solver();
        let exact = solver.reduced.log_det + solver.preconditioner.log_det();
        Ok(LogDet {
            value: found.value + exact,
            ..found
        })
    }

    /// Adds the leverages of the random effects to zeros.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn leverage(
        &mut self,
        rows: &Rows,
        leverage: &mut Leverage,
    ) -> Result<()> {
        self.probed()?;
        let lambdas = self.lambdas.clone();
        let here = self.here();
        let Some(probed) = &here.probed else {
            return Ok(());
        };
        // Uses Z'WZ Lambda H^-1 = Z'V^-1Z Lambda.
        let times_lambda = |(traces, lambda): (&Vec<f64>, &Vec<f64>)| {
            let mut product = vec![0.0; lambda.len()];
            let k = lambda.len().isqrt();
            small::multiply(k, traces, lambda, &mut product);
            product
        };
        let traces = probed.traces.mean.iter().zip(&lambdas);
        leverage.terms = traces.map(times_lambda).collect();
        leverages(&here.solver, rows, &probed.kept, &mut leverage.rows);
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
        self.probed()?;
        self.border()?;
        let here = self.here();
        let (Some(probed), Some((border, _))) = (&here.probed, &here.border)
        else {
            return Ok(());
        };
        let solver = &here.solver;
        let mut wide = Sides::<WIDTH>::zeros(solver);
        wide.put(solver, 0, (scores, &[]));
        let scores = Scores {
            leading: wide.leading,
            trailing: wide.trailing,
        };
        let directions = omega.directions().all();
        let found = information(solver, border, &scores, &directions);
        omega.second_mut().0.copy_from_slice(&found);
        let squares = scores.squares(solver);
        let traces = probed.traces.mean.iter().zip(&squares);
        for (g, (traces, squares)) in omega.g_mut().iter_mut().zip(traces) {
            for (g, (w, square)) in g.iter_mut().zip(traces.iter().zip(squares))
            {
                *g = w - square[0];
            }
        }
        Ok(())
    }

    pub fn times_lambda(&self, term: usize, u: &[f64]) -> Vec<f64> {
        let k = self.covs[term].vsize();
        let mut b = vec![0.0; u.len()];
        for (b, u) in b.chunks_exact_mut(k).zip(u.chunks_exact(k)) {
            small::lambda_times(k, &self.lambdas[term], u, b);
        }
        b
    }

    pub fn level_products(&self) -> Vec<Vec<f64>> {
        self.system.level_products()
    }

    pub fn rx(&mut self) -> Result<Vec<f64>> {
        let shift = self.shift.clone();
        Ok(self.border()?.upper(&shift))
    }

    pub fn fixed_inverse(&mut self) -> Result<Vec<f64>> {
        let border = self.border()?;
        Ok(small::symmetric_inverse(border.delta.len(), &border.l))
    }

    /// Conditional variances of the random effects given the fixed ones.
    ///
    /// # Errors
    /// `NeedsFactor` if the solves would take too long.
    pub fn cond_var(&self) -> Result<Vec<Vec<f64>>> {
        cond_var::affordable(self.solver(), None)
    }
}
