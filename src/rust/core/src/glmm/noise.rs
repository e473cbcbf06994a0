//! Searches with the iterative engine, whose log-determinant is a stochastic estimate. Using the
//! same probe vectors at every point makes the objective smooth; the number of probe vectors grows
//! until the expected excess of the true objective over its minimum is negligible.

use super::matrix_free::MOST;
use super::GeneralizedLinearMixedModel;
use crate::derivatives::OmegaDerivatives;
use crate::error::Result;
use crate::factor::rows::Rows;
use crate::glmm::families::response::Information;
use crate::glmm::vary::Vary;
use crate::iterative::gradients::Solver;
use crate::iterative::leverage::each_row;
use crate::iterative::solve::Sides;
use crate::iterative::traces::OfTerms;
use crate::iterative::wide::{add_multiple, Row, WIDTH};
use crate::iterative::Noise;
use crate::kernels::small;
use crate::tolerances::{RANDOM_SOLVE, SEARCH_NOISE};

/// Factor of the tolerance of the modes during a search: Newton's method squares the remaining
/// error, and the noise of the values is larger.
const ROUGHNESS: f64 = 1e3;

/// The gradients from each of eight probe vectors.
struct Deviations {
    /// `Z'rho` and `X'rho`.
    rho: Sides,
    /// The derivative in the shape.
    shape: Row,
}

impl Deviations {
    fn zeros(solver: &Solver, p: usize) -> Self {
        let mut rho = Sides::zeros(solver);
        rho.fixed = vec![[0.0; WIDTH]; p];
        Self {
            rho,
            shape: [0.0; WIDTH],
        }
    }
}

impl GeneralizedLinearMixedModel {
    /// The error of the stochastic estimates at the last fit; `None` with the exact engine.
    pub fn noise(&self) -> Option<Noise> {
        self.noise
    }

    /// Whether the model uses the iterative engine.
    pub fn is_iterative(&self) -> bool {
        self.pirls.engine.as_iterative().is_some()
    }

    /// The name of the engine.
    pub fn engine_name(&self) -> &'static str {
        match self.is_iterative() {
            true => "iterative",
            false => "exact",
        }
    }

    /// The disagreement between values and derivatives that a search allows for.
    pub(super) fn search_noise(&self) -> f64 {
        match self.is_iterative() {
            true => SEARCH_NOISE,
            false => 0.0,
        }
    }

    /// Prepares for a search with this number of probe vectors.
    pub(super) fn set_search_probes(&mut self, probes: usize) {
        self.reached = None;
        if let Some(iterative) = self.pirls.engine.as_iterative_mut() {
            iterative.prepare_search(probes);
            self.pirls.tolerance.roughness = ROUGHNESS;
        }
    }

    /// Prepares for accurate values that are reported, with at least as many probe vectors as the
    /// search.
    pub(super) fn prepare_report(&mut self) {
        self.reached = None;
        if let Some(iterative) = self.pirls.engine.as_iterative_mut() {
            iterative.prepare_report(iterative.count());
            self.pirls.tolerance.roughness = 1.0;
        }
    }

    /// The number of probe vectors of the next search; `None` if the maximum has been reached.
    pub(super) fn more_probes(&self) -> Option<usize> {
        let iterative = self.pirls.engine.as_iterative()?;
        let count = iterative.count();
        (count < MOST).then(|| MOST.min(4 * count))
    }

    /// The error of the stochastic estimates at the last point; `inverse` is an approximate inverse
    /// Hessian in all parameters.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(super) fn measure_noise(
        &mut self,
        vary: Vary,
        parameters: &[f64],
        inverse: &[f64],
    ) -> Result<Option<Noise>> {
        if !self.is_iterative() {
            return Ok(None);
        }
        self.objective(vary, parameters)?;
        let Some(engine) = self.pirls.engine.as_iterative_mut() else {
            return Ok(None);
        };
        let loglik_se = engine.log_det_re()?.std_error / 2.0;
        let iterations = engine.probed()?.iterations;
        let probes = engine.count();
        let deviations = self.gradient_deviations(vary, parameters.len())?;
        let mut sum = 0.0;
        for deviation in &deviations {
            let rows = inverse.chunks_exact(parameters.len().max(1));
            let step: Vec<f64> =
                rows.map(|row| small::dot(row, deviation)).collect();
            sum += small::dot(&step, deviation);
        }
        let of_one = sum / (deviations.len() as f64 - 1.0);
        Ok(Some(Noise {
            excess: 0.5 * of_one / probes as f64,
            loglik_se,
            probes,
            iterations,
        }))
    }

    // The deviations of the gradients of eight probe vectors from their mean.
    fn gradient_deviations(
        &mut self,
        vary: Vary,
        n_parameters: usize,
    ) -> Result<Vec<Vec<f64>>> {
        let Some((traces, found)) = self.deviations_in_rows(vary)? else {
            return Ok(Vec::new());
        };
        self.reached = None;
        let n_theta = self.n_theta();
        let p = self.pirls.beta.len();
        let (v, _) = self
            .pirls
            .rows
            .transposed(&self.pirls.response.score, false);
        let solver = match self.pirls.engine.as_iterative() {
            Some(engine) => engine.solver(),
            None => return Ok(Vec::new()),
        };
        let mut gradients = Vec::new();
        for (c, traces) in traces.iter().enumerate() {
            let mut omega = OmegaDerivatives::new(&self.covs);
            omega.g_mut().clone_from_slice(traces);
            let r = found.rho.terms(solver, c);
            let terms = omega.g_mut().iter_mut().zip(r.iter().zip(&v));
            terms.for_each(|(g, (r, v))| add_symmetric(r, v, g));
            let mut gradient = vec![0.0; n_parameters];
            let theta = self.pirls.theta();
            omega.gradient(&self.covs, theta, &mut gradient[..n_theta]);
            if vary == Vary::Modes {
                gradient[n_theta..n_theta + p]
                    .copy_from_slice(&found.rho.fixed(c));
            }
            if self.shape_is_estimated() {
                gradient[n_parameters - 1] = found.shape[c];
            }
            gradients.push(gradient);
        }
        subtract_mean(&mut gradients);
        Ok(gradients)
    }

    // The contributions of eight probe vectors to `rho` and to the derivative in the shape, with
    // their traces.
    fn deviations_in_rows(
        &mut self,
        vary: Vary,
    ) -> Result<Option<(Vec<OfTerms>, Deviations)>> {
        let is_observed = self.options.information == Information::Observed;
        let (slope, observed) = self.slopes_of_weights();
        let (weight_slopes, score_slopes) = self.shape_slopes(is_observed);
        let rows = &self.pirls.rows;
        let Some(engine) = self.pirls.engine.as_iterative_mut() else {
            return Ok(None);
        };
        let probed = engine.probed()?;
        let Some(kept) = probed.kept.iter().find(|kept| kept.is_random) else {
            return Ok(None);
        };
        let kept = kept.clone();
        let traces = probed.traces.deviations[..WIDTH].to_vec();
        let mut found = Deviations::zeros(engine.solver(), rows.p);
        each_row(engine.solver(), rows, &kept, |i, leverage| {
            add_row(rows, i, slope[i], leverage, &mut found.rho);
            if let Some(by) = weight_slopes.get(i) {
                add_multiple(*by, leverage, &mut found.shape);
            }
        });
        if !self.is_canonical() {
            self.pirls.factor_at_modes(vary, Information::Observed)?;
        }
        let rows = &self.pirls.rows;
        let Some(engine) = self.pirls.engine.as_iterative_mut() else {
            return Ok(None);
        };
        let mut rhs = found.rho.clone();
        if vary == Vary::Modes {
            rhs.fixed.clear();
        }
        let s = engine.solve_sides(RANDOM_SOLVE, &rhs, None)?.b;
        for i in 0..rows.n() {
            let xi = predictor_of(rows, i, &s);
            add_row(rows, i, -observed[i], &xi, &mut found.rho);
            if let Some(by) = score_slopes.get(i) {
                add_multiple(*by, &xi, &mut found.shape);
            }
        }
        Ok(Some((traces, found)))
    }

    // The derivative of each weight in the linear predictor, and the observed information of each
    // row; uses the working memory of gradients.
    fn slopes_of_weights(&mut self) -> (Vec<f64>, Vec<f64>) {
        let mut derivatives = std::mem::take(&mut self.memory).derivatives;
        let response = &self.pirls.response;
        response.derivatives(self.options.information, &mut derivatives);
        let observed = derivatives.observed(response).to_vec();
        (derivatives.slope, observed)
    }

    // Derivatives of weights and scores in the logarithm of the shape; empty if it is not
    // estimated.
    fn shape_slopes(&self, is_observed: bool) -> (Vec<f64>, Vec<f64>) {
        let response = &self.pirls.response;
        let mut of_weights = Vec::new();
        let mut of_scores = Vec::new();
        if self.shape_is_estimated() {
            for (i, eta) in response.eta.iter().enumerate() {
                let d = response.shape_derivatives(i, *eta, response.shape);
                of_weights.push(if is_observed {
                    d.observed
                } else {
                    d.expected
                });
                of_scores.push(d.score);
            }
        }
        (of_weights, of_scores)
    }

    /// Whether expected and observed information are equal, so that the weights of a PIRLS step are
    /// those of the log-determinant.
    pub(super) fn is_canonical(&self) -> bool {
        let response = &self.pirls.response;
        response.family.is_canonical(response.link)
            || self.options.information == Information::Observed
    }
}

// Adds `[Z X]'` times a multiple of `value`, for one row.
fn add_row(rows: &Rows, i: usize, by: f64, value: &Row, out: &mut Sides) {
    for (t, term) in rows.terms.iter().enumerate() {
        let effects = match t {
            0 => &mut out.leading[term.level[i] as usize * term.k..],
            _ => &mut out.trailing[term.first_row(i)..],
        };
        for (z, effect) in term.z(i).iter().zip(effects) {
            add_multiple(by * z, value, effect);
        }
    }
    let x = &rows.x[i * rows.p..(i + 1) * rows.p];
    for (x, effect) in x.iter().zip(&mut out.fixed) {
        add_multiple(by * x, value, effect);
    }
}

// `z_i'b + x_i'beta` of one row.
fn predictor_of(rows: &Rows, i: usize, b: &Sides) -> Row {
    let mut predictor = [0.0; WIDTH];
    for (t, term) in rows.terms.iter().enumerate() {
        let effects = match t {
            0 => &b.leading[term.level[i] as usize * term.k..],
            _ => &b.trailing[term.first_row(i)..],
        };
        for (z, effect) in term.z(i).iter().zip(effects) {
            add_multiple(*z, effect, &mut predictor);
        }
    }
    let x = &rows.x[i * rows.p..(i + 1) * rows.p];
    for (x, beta) in x.iter().zip(&b.fixed) {
        add_multiple(*x, beta, &mut predictor);
    }
    predictor
}

// Adds `sum_l (r_l v_l' + v_l r_l') / 2`.
fn add_symmetric(r: &[f64], v: &[f64], g: &mut [f64]) {
    let k = g.len().isqrt();
    for (r, v) in r.chunks_exact(k).zip(v.chunks_exact(k)) {
        for (j, column) in g.chunks_exact_mut(k).enumerate() {
            small::axpy(0.5 * v[j], r, column);
            small::axpy(0.5 * r[j], v, column);
        }
    }
}

fn subtract_mean(vectors: &mut [Vec<f64>]) {
    let Some(first) = vectors.first() else {
        return;
    };
    let mut mean = vec![0.0; first.len()];
    let share = 1.0 / vectors.len() as f64;
    for vector in &*vectors {
        small::axpy(share, vector, &mut mean);
    }
    for vector in vectors {
        small::axpy(-1.0, &mean, vector);
    }
}
