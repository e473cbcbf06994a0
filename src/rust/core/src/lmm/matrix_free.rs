//! The iterative engine of a linear mixed model: the quantities that [`crate::iterative`] computes
//! for given Lambdas, as functions of theta and derivatives in Omega.

use crate::covariance::RelCov;
use crate::derivatives::{Directions, OmegaDerivatives, Profile};
use crate::error::Result;
use crate::factor::sums::Sums;
use crate::factor::Solution;
use crate::iterative::cond_var;
use crate::iterative::information::{information, Direction};
use crate::iterative::log_det::Probes;
use crate::iterative::scores::{Effects, Scores};
use crate::iterative::wide::{Row, WIDTH};
use crate::iterative::{At, Iterative};
use crate::kernels::small;
use crate::tolerances::{EXACT_SOLVE, SEARCH_SOLVE};

/// Number of probe vectors with which a search starts.
pub(super) const FEWEST: usize = 8;
/// Largest number of probe vectors.
pub(super) const MOST: usize = 256;
/// Number of probe vectors of a reported log-likelihood.
const REPORTED: usize = 32;
/// Seed of the probe vectors.
const SEED: u64 = 20_261_128;

/// A linear mixed model evaluated without a factor, at one theta after another.
#[derive(Debug, Clone)]
pub(super) struct MatrixFree {
    pub covs: Vec<RelCov>,
    pub theta: Vec<f64>,
    pub lambdas: Vec<Vec<f64>>,
    iterative: Iterative,
    probes: Probes,
    tolerance: f64,
    at: Option<At>,
}

/// The terms of the objective at one theta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parts {
    /// `r^2`.
    pub pwrss: f64,
    /// `log |L|^2`.
    pub log_det_re: f64,
    /// `log |R_X|^2`.
    pub log_det_fe: f64,
}

/// The size of the system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    /// Number of random effects of the trailing terms.
    pub m: usize,
    /// Number of random effects of all terms.
    pub q: usize,
}

impl MatrixFree {
    /// The model of these sums.
    ///
    /// # Errors
    /// `Dimension` if there is one term only.
    pub fn new(sums: &Sums, covs: Vec<RelCov>) -> Result<Self> {
        let lambdas = covs.iter().map(|cov| vec![0.0; cov.vsize().pow(2)]);
        let mut model = Self {
            lambdas: lambdas.collect(),
            theta: Vec::new(),
            iterative: Iterative::new(sums)?,
            probes: Probes {
                count: 0,
                seed: SEED,
                is_accurate: false,
                keep: false,
            },
            tolerance: EXACT_SOLVE,
            at: None,
            covs,
        };
        model.prepare_report(FEWEST);
        Ok(model)
    }

    /// Prepares for a search with `count` probe vectors.
    pub fn prepare_search(&mut self, count: usize) {
        self.probes.count = count;
        self.probes.is_accurate = false;
        self.tolerance = SEARCH_SOLVE;
        self.at = None;
    }

    /// Prepares for accurate values that are reported, with at least `count` probe vectors.
    pub fn prepare_report(&mut self, count: usize) {
        self.probes.count = count.max(REPORTED);
        self.probes.is_accurate = true;
        self.tolerance = EXACT_SOLVE;
        self.at = None;
    }

    /// The number of probe vectors.
    pub fn count(&self) -> usize {
        self.probes.count
    }

    /// Conditional variances of the random effects over sigma^2; in a model with fixed factors only
    /// those of their levels, for standard errors.
    ///
    /// # Errors
    /// `NeedsFactor` where the solves would take too long.
    pub fn cond_var(&self) -> Result<Vec<Vec<f64>>> {
        let is_fixed: Vec<bool> =
            self.covs.iter().map(RelCov::is_fixed).collect();
        let wanted = is_fixed.contains(&true).then_some(&is_fixed[..]);
        cond_var::affordable(&self.here().solver, wanted)
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.iterative.system().p
    }

    pub fn update(&mut self, theta: &[f64]) -> Result<()> {
        self.theta = theta.to_vec();
        self.at = None;
        for (cov, lambda) in self.covs.iter().zip(&mut self.lambdas) {
            cov.fill_lambda(theta, lambda);
        }
        let found =
            self.iterative
                .at(&self.lambdas, &self.probes, self.tolerance)?;
        self.at = Some(found);
        Ok(())
    }

    /// The results at the theta of the last update.
    pub fn here(&self) -> &At {
        self.at.as_ref().expect("a theta has been gone to")
    }

    pub fn parts(&self) -> Parts {
        let at = self.here();
        Parts {
            pwrss: at.border.pwrss,
            log_det_re: at.log_det_re().value,
            log_det_fe: at.border.log_det,
        }
    }

    pub fn slopes(&self, profile: Profile, omega: &mut OmegaDerivatives) {
        let at = self.here();
        for (g, traces) in omega.g_mut().iter_mut().zip(&at.probed.traces.mean)
        {
            g.copy_from_slice(traces);
        }
        let v = at.scores.squares(&at.solver);
        for (g, squares) in omega.g_mut().iter_mut().zip(&v) {
            subtract_squares(profile.precision, squares, 1, g);
        }
        if !profile.reml {
            return;
        }
        for first in (0..at.border.delta.len()).step_by(WIDTH) {
            let by = at.border.whitened(first);
            let t = Scores::new(&at.solver, &at.border, by);
            let squares = t.squares(&at.solver);
            for (g, squares) in omega.g_mut().iter_mut().zip(&squares) {
                subtract_squares(1.0, squares, WIDTH, g);
            }
        }
    }

    /// The average information `H = (Q - s s' / r^2) / sigma^2`, in the notation of
    /// [`crate::derivatives`].
    pub fn hessian(&self, profile: Profile, omega: &mut OmegaDerivatives) {
        let at = self.here();
        let directions = omega.directions().all();
        let q = information(&at.solver, &at.border, &at.scores, &directions);
        let s = self.quadratic_scores(omega.directions());
        let n = directions.len();
        let rank_one = match profile.sigma_profiled {
            true => 1.0 / profile.r2,
            false => 0.0,
        };
        let (h, squares) = omega.second_mut();
        squares.copy_from_slice(&s);
        for (i, h) in h.iter_mut().enumerate() {
            let explained = rank_one * s[i / n] * s[i % n];
            *h = profile.precision * (q[i] - explained);
        }
    }

    // The derivatives of `-r^2`: `s_d = sum_l v_l'E_d v_l`.
    fn quadratic_scores(&self, directions: &Directions) -> Vec<f64> {
        let at = self.here();
        along(directions, &at.scores.squares(&at.solver), 0)
    }

    pub fn r2_slopes(&self, omega: &OmegaDerivatives) -> Vec<f64> {
        let sums = self.quadratic_scores(omega.directions());
        let mut slopes = omega.chain(&self.covs, &self.theta, &sums);
        slopes.iter_mut().for_each(|slope| *slope = -*slope);
        slopes
    }

    /// The derivative of the variance of a contrast along a direction of Omega is
    /// `sum_l t_l'E_d t_l` with `t = Z'V^-1X (X'V^-1X)^-1 c`.
    pub fn contrast_slopes(
        &self,
        omega: &OmegaDerivatives,
        contrasts: &[f64],
    ) -> Vec<f64> {
        let at = self.here();
        let p = at.border.delta.len();
        let mut slopes = Vec::new();
        for some in contrasts.chunks(p.max(1) * WIDTH) {
            let columns = some.chunks_exact(p);
            let mut by = vec![[0.0; WIDTH]; p + 1];
            for (c, contrast) in columns.clone().enumerate() {
                let w = self.variances_of(contrast);
                by.iter_mut().zip(&w).for_each(|(row, w)| row[c] = *w);
            }
            let t = Scores::new(&at.solver, &at.border, by);
            let squares = t.squares(&at.solver);
            for c in 0..columns.len() {
                let sums = along(omega.directions(), &squares, c);
                slopes.extend(omega.chain(&self.covs, &self.theta, &sums));
            }
        }
        slopes
    }

    // `(X'V^-1X)^-1 c` for the centred columns of X.
    fn variances_of(&self, contrast: &[f64]) -> Vec<f64> {
        let border = &self.here().border;
        let p = border.delta.len();
        let mut w = contrast.to_vec();
        let shift = &self.iterative.system().shift;
        for (w, shift) in w.iter_mut().zip(shift).skip(1) {
            *w -= shift * contrast[0];
        }
        small::forward_solve(p, &border.l, &mut w);
        small::backward_solve(p, &border.l, &mut w);
        w
    }

    pub fn solution(&self) -> Solution {
        let at = self.here();
        let system = self.iterative.system();
        let Effects { u, b } = Effects::new(&at.solver, &at.border);
        let mut beta = at.border.delta.clone();
        small::axpy(1.0, &system.beta0, &mut beta);
        let subtracted = small::dot(&beta, &system.shift);
        if let Some(first) = beta.first_mut() {
            *first -= subtracted;
        }
        Solution { beta, u, b }
    }

    pub fn rx(&self) -> Vec<f64> {
        self.here().border.upper(&self.iterative.system().shift)
    }

    pub fn level_products(&self) -> Vec<Vec<f64>> {
        self.iterative.system().level_products()
    }

    pub fn size(&self) -> Size {
        let system = self.iterative.system();
        Size {
            m: system.m,
            q: system.m + system.k0 * system.n_leading(),
        }
    }

    pub fn for_each_level(
        &self,
        term: usize,
        column: usize,
        mut visit: impl FnMut(usize, f64, &[f64]),
    ) {
        let system = self.iterative.system();
        let width = system.p + 1;
        let (k, zz, border) = match system.block_of(term) {
            Some(block) => {
                let first = block.first * width;
                (block.k, &block.zz, &system.border_trailing[first..])
            }
            None => (system.k0, &system.a00, &system.border_leading[..]),
        };
        for (level, zz) in zz.iter().enumerate() {
            let row = &border[(level * k + column) * width..][..width - 1];
            visit(level, zz[column * (k + 1)], row);
        }
    }

    /// The deviation of each probe vector's gradient in theta from the mean gradient.
    pub fn gradient_deviations(
        &self,
        omega: &mut OmegaDerivatives,
    ) -> Vec<Vec<f64>> {
        let kept = omega.g().to_vec();
        let mut deviations = Vec::new();
        for of_terms in &self.here().probed.traces.deviations {
            omega.g_mut().clone_from_slice(of_terms);
            let mut gradient = vec![0.0; self.theta.len()];
            omega.gradient(&self.covs, &self.theta, &mut gradient);
            deviations.push(gradient);
        }
        omega.g_mut().clone_from_slice(&kept);
        deviations
    }
}

// `sum_l v_l'E_d v_l` over the levels, for each direction d and column c of v.
fn along(directions: &Directions, squares: &[Vec<Row>], c: usize) -> Vec<f64> {
    let of = |(term, r, s): Direction| {
        let k = directions.size(term);
        let counts = if r == s { 1.0 } else { 2.0 };
        counts * squares[term][s * k + r][c]
    };
    directions.all().into_iter().map(of).collect()
}

// Subtracts `by` times the squares, summed over the first `count` columns, from `g`.
fn subtract_squares(by: f64, squares: &[Row], count: usize, g: &mut [f64]) {
    for (g, square) in g.iter_mut().zip(squares) {
        *g -= by * square[..count].iter().sum::<f64>();
    }
}
