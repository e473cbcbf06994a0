//! The optimality certificate of a generalized model's parameters; see [`crate::judge`].

use super::matrix_free::REPORTED;
use super::search::Search;
use super::GeneralizedLinearMixedModel;
use crate::covariance::DescentDirection;
use crate::derivatives::boundary::along;
use crate::derivatives::{HessianKind, OmegaDerivatives};
use crate::error::{Error, Result};
use crate::glmm::vary::Vary;
use crate::judge::{derivatives, judge, Certificate, Verdict};
use crate::optimize::Objective;
use crate::tolerances::{
    CLEARLY_NEGLIGIBLE_GAIN, NEGLIGIBLE_GAIN, SINGULAR_VARIANCE, TURNING_SLOPE,
};

/// Derivatives of the Laplace approximation in Omega.
struct InOmega {
    /// The objective, by Laplace's approximation.
    value: f64,
    omega: OmegaDerivatives,
    /// `sum_l W_ll` of each term.
    traces: Vec<Vec<f64>>,
    /// Weighted root mean square of each column of Z of each term.
    rms: Vec<Vec<f64>>,
    /// Gradient in the parameters.
    gradient: Vec<f64>,
}

impl GeneralizedLinearMixedModel {
    /// A certificate without the Hessian, which costs more than a fit, if an approximate inverse
    /// Hessian suffices to show that `parameters` are an optimum.
    ///
    /// # Errors
    /// Fails as [`Self::objective`] and [`Self::gradient`] do.
    pub(super) fn quick_certificate(
        &mut self,
        vary: Vary,
        parameters: &[f64],
        inverse: &[f64],
    ) -> Result<Certificate> {
        let (descent_directions, gradient) =
            self.descent_directions(vary, parameters)?;
        let mut at = Search::new(self, vary, parameters).at;
        let mut slopes = vec![0.0; at.free().len()];
        at.go_to(&at.start());
        at.gradient(&gradient, &mut slopes);
        let free = at.free();
        let predicted_decrease =
            0.5 * quadratic_form(gradient.len(), inverse, free, &slopes);
        let noise = self.search_noise();
        let clearly_negligible = CLEARLY_NEGLIGIBLE_GAIN.max(noise);
        let is_clear = (0.0..=clearly_negligible).contains(&predicted_decrease);
        let negligible = NEGLIGIBLE_GAIN.max(noise);
        let is_doubtful = |way: &DescentDirection| {
            way.gain > negligible || self.may_rotate(vary, way)
        };
        if !is_clear || descent_directions.iter().any(is_doubtful) {
            return Ok(self.certificate(vary, parameters)?.0);
        }
        let step_sizes = self.step_sizes(vary);
        let scaled = free.iter().zip(&slopes);
        let scaled = scaled.map(|(&j, slope)| (slope * step_sizes[j]).abs());
        Ok(Certificate {
            predicted_decrease,
            gradient_norm: scaled.fold(0.0, f64::max),
            gradient,
            curvatures: Vec::new(),
            kind: HessianKind::QuasiNewton,
            descent_directions,
            rounding: f64::NAN,
            verdict: self.verdict_at_edge(vary, parameters, Verdict::Optimal),
            suspects: Vec::new(),
        })
    }

    // Whether, at a singular covariance of several effects, a rotation of its directions combined
    // with a descent direction that gains nothing by itself might lower the objective.
    fn may_rotate(&self, vary: Vary, way: &DescentDirection) -> bool {
        let k = way.change.len().isqrt();
        let rms = &self.pirls.root_mean_squares(vary, self.n_eff)[way.term];
        let lambda = &self.pirls.engine.lambdas()[way.term];
        let mut largest: f64 = 0.0;
        let mut least_pivot = f64::INFINITY;
        for j in 0..k {
            let row = lambda[j..].iter().step_by(k);
            let squares = row.map(|element| (rms[j] * element).powi(2));
            largest = largest.max(squares.sum());
            least_pivot = least_pivot.min((rms[j] * lambda[j * k + j]).powi(2));
        }
        let is_singular = least_pivot < SINGULAR_VARIANCE * largest;
        k > 1 && is_singular && -way.lambda_min * largest > TURNING_SLOPE
    }

    /// The certificate of `parameters`, with the Hessian in the optimizer's coordinates of the free
    /// ones.
    ///
    /// # Errors
    /// Fails as [`Self::objective`] and [`Self::gradient`] do; `Interrupted`.
    pub fn certificate(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<(Certificate, Vec<f64>)> {
        let judged = judge(&mut Search::new(self, vary, parameters));
        if self.must_stop() {
            return Err(Error::Interrupted);
        }
        let Ok((mut found, hessian)) = judged else {
            let n = Search::new(self, vary, parameters).at.free().len();
            return Ok((self.without_derivatives(vary), vec![f64::NAN; n * n]));
        };
        found.verdict = self.verdict_at_edge(vary, parameters, found.verdict);
        // Where derivatives aren't defined, an edge is the reason rather than rounding errors.
        let is_rounded = found.verdict == Verdict::Rounded;
        let is_undefined = found.predicted_decrease.is_nan();
        if is_rounded && is_undefined && self.may_have_edges() {
            found.verdict = Verdict::Edge;
        }
        Ok((found, hessian))
    }

    /// The certificate of a point at which the objective has no derivatives.
    pub(super) fn without_derivatives(&self, vary: Vary) -> Certificate {
        let unknown =
            |(term, part, k): (usize, usize, usize)| DescentDirection {
                term,
                part,
                lambda_min: f64::NAN,
                change: vec![0.0; k * k],
                step: 0.0,
                gain: f64::NAN,
            };
        let parts = self.covs.iter().enumerate().flat_map(|(term, cov)| {
            let parts = 0..cov.parts().len();
            parts.map(move |part| (term, part, cov.vsize()))
        });
        Certificate {
            predicted_decrease: f64::NAN,
            gradient_norm: f64::NAN,
            gradient: vec![f64::NAN; self.n_parameters(vary)],
            curvatures: Vec::new(),
            kind: HessianKind::QuasiNewton,
            descent_directions: parts.map(unknown).collect(),
            rounding: f64::NAN,
            verdict: match self.may_have_edges() {
                true => Verdict::Edge,
                false => Verdict::NotConverged,
            },
            suspects: Vec::new(),
        }
    }

    /// The Hessian of the objective in all parameters (theta, with correlations replaced by angles,
    /// beta, shape) by central differences of the exact gradient; symmetric, column by column.
    /// Twice its inverse is the covariance matrix of the estimates.
    ///
    /// # Errors
    /// Fails as [`Self::objective`] and [`Self::gradient`] do; `Interrupted`.
    pub fn hessian(&mut self, parameters: &[f64]) -> Result<Vec<f64>> {
        self.set_search_probes(REPORTED);
        self.pirls.tolerance.roughness = 1.0;
        let mut search = Search::new(self, Vary::Modes, parameters);
        let x = search.at.start();
        search.value(&x)?;
        let found = derivatives(&mut search, x.len())?.1;
        match self.must_stop() {
            true => Err(Error::Interrupted),
            false => Ok(found),
        }
    }

    /// The gradient, and for each part of each term the direction in which a larger covariance
    /// lowers the objective most. The direction is that of the Laplace approximation, also with
    /// quadrature; the predicted decrease is measured on the objective itself.
    ///
    /// # Errors
    /// Fails as [`Self::objective`] and [`Self::gradient`] do.
    pub(super) fn descent_directions(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<(Vec<DescentDirection>, Vec<f64>)> {
        let rule = self.rule.take();
        let laplace = self.laplace_in_omega(vary, parameters);
        self.rule = rule;
        let InOmega {
            mut value,
            omega,
            traces,
            rms,
            mut gradient,
        } = laplace?;
        if self.rule.is_some() {
            value = self.objective(vary, parameters)?;
            self.gradient(vary, &mut gradient)?;
        }
        // An approximate second derivative, exact if all levels were alike.
        let curvature = |term: usize, change: &[f64]| {
            let n_levels = self.pirls.u[term].len() / self.covs[term].vsize();
            along(&traces[term], change).powi(2) / n_levels as f64
        };
        let theta = self.pirls.theta();
        let mut ways = omega.descent_directions(
            &self.covs,
            theta,
            (&rms, &self.held),
            curvature,
        );
        for way in &mut ways {
            let step = std::mem::take(&mut way.step);
            let promised = std::mem::take(&mut way.gain);
            if promised > NEGLIGIBLE_GAIN {
                self.measure(vary, parameters, value, step, way);
            }
        }
        Ok((ways, gradient))
    }

    // Differentiates the Laplace approximation in Omega at `parameters`.
    fn laplace_in_omega(
        &mut self,
        vary: Vary,
        parameters: &[f64],
    ) -> Result<InOmega> {
        let value = self.objective(vary, parameters)?;
        let rms = self.pirls.root_mean_squares(vary, self.n_eff);
        let mut omega = OmegaDerivatives::new(&self.covs);
        let mut gradient = vec![0.0; parameters.len()];
        let traces = self.gradient_in_omega(vary, &mut gradient, &mut omega)?;
        Ok(InOmega {
            value,
            omega,
            traces,
            rms,
            gradient,
        })
    }

    // Evaluates the objective at several steps along a direction, and keeps the best one.
    fn measure(
        &mut self,
        vary: Vary,
        parameters: &[f64],
        value: f64,
        step: f64,
        way: &mut DescentDirection,
    ) {
        for share in [1.0, 0.3, 0.1, 0.01] {
            let mut point = parameters.to_vec();
            self.covs[way.term].displace(
                way.part,
                share * step,
                &way.change,
                &mut point,
            );
            let reached = self.objective(vary, &point);
            let gain = reached.map_or(0.0, |reached| value - reached);
            if gain > way.gain {
                way.step = share * step;
                way.gain = gain;
            }
        }
    }
}

// `x'Ax` over the elements `free`, where A is `n x n` and x has these elements only.
fn quadratic_form(n: usize, a: &[f64], free: &[usize], x: &[f64]) -> f64 {
    let mut form = 0.0;
    for (i, x_i) in free.iter().zip(x) {
        for (j, x_j) in free.iter().zip(x) {
            form += x_i * x_j * a[j * n + i];
        }
    }
    form
}
