//! Whether a theta is an optimum: the facts, and the verdict.

use crate::derivatives::boundary::WayOut;
use crate::derivatives::Curvature;
use crate::error::Result;
use crate::lmm::LinearMixedModel;
use crate::optimize::trust_region::Model;
use crate::optimize::Objective;
use crate::search::Search;

/// Gains smaller than this don't matter: in units of the objective.
pub const NEGLIGIBLE_GAIN: f64 = 1e-6;

/// What was found at a theta.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// By how much a Newton step should still lower the objective.
    pub predicted_decrease: f64,
    /// Largest element of the gradient, each parameter in units of its column of Z.
    pub gradient_norm: f64,
    /// Gradient in theta.
    pub gradient: Vec<f64>,
    /// Eigenvalues of the Hessian in theta, ascending, in the same units.
    pub curvatures: Vec<f64>,
    /// Which Hessian.
    pub curvature: Curvature,
    /// For each part of each term, whether a larger covariance is better.
    pub ways_out: Vec<WayOut>,
    /// The verdict.
    pub verdict: Verdict,
}

/// What to make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No step of interest is left.
    Optimal,
    /// The gradient still promises a gain.
    NotConverged,
    /// The gradient vanishes only because a covariance is singular.
    FalseBoundary,
    /// The gradient vanishes, but the objective curves down.
    Saddle,
}

impl Verdict {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Optimal => "optimal",
            Self::NotConverged => "not_converged",
            Self::FalseBoundary => "false_boundary",
            Self::Saddle => "saddle",
        }
    }
}

impl LinearMixedModel {
    /// Judges `theta`.
    ///
    /// # Errors
    /// Those of [`Self::objective`].
    pub fn certificate(&mut self, theta: &[f64]) -> Result<Certificate> {
        let curvature = self.affordable_curvature();
        let mut search = Search::new(self, theta);
        let x = search.coordinates(theta);
        let n = x.len();
        let (mut scaled, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        search.value(&x)?;
        search.gradient(&mut scaled)?;
        search.hessian(&mut hessian)?;
        let units = search.units().unwrap_or_default();
        scaled.iter_mut().zip(&units).for_each(|(g, u)| *g *= u);
        for j in 0..n {
            (0..n).for_each(|i| hessian[j * n + i] *= units[i] * units[j]);
        }
        let mut gradient = vec![0.0; theta.len()];
        self.gradient(&mut gradient);
        let mut model = Model::new(n);
        let is_finite = model.update(&scaled, &hessian);
        let radius = (n as f64).sqrt();
        let predicted_decrease = if is_finite { model.step(radius).predicted } else { f64::NAN };
        let ways_out = self.ways_out();
        let verdict = if predicted_decrease.is_nan() || predicted_decrease > NEGLIGIBLE_GAIN {
            Verdict::NotConverged
        } else if ways_out.iter().any(|way| way.gain > NEGLIGIBLE_GAIN) {
            Verdict::FalseBoundary
        } else if self.falls_along_lowest(theta, &x, &model, &units)? {
            Verdict::Saddle
        } else {
            Verdict::Optimal
        };
        let gradient_norm = scaled.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        let curvatures = model.values().to_vec();
        Ok(Certificate { predicted_decrease, gradient_norm, gradient, curvatures, curvature, ways_out, verdict })
    }

    // Whether the objective falls in the direction of negative curvature, if there is one. The curvature alone proves
    // nothing: rounding makes the flat directions of a redundant covariance curve either way.
    fn falls_along_lowest(&mut self, theta: &[f64], x: &[f64], model: &Model, units: &[f64]) -> Result<bool> {
        let Some((curvature, direction)) = model.lowest().filter(|(c, _)| *c < -1e-7 * model.largest()) else {
            return Ok(false);
        };
        let mut search = Search::new(self, theta);
        let here = search.value(x)?;
        let steps = [1.0, -1.0, 0.1, -0.1, 0.01, -0.01];
        Ok(steps.into_iter().filter(|step| -0.5 * curvature * step * step > NEGLIGIBLE_GAIN).any(|step| {
            let shift = direction.iter().zip(units).map(|(d, u)| step * d * u);
            let mut point: Vec<f64> = x.iter().zip(shift).map(|(x, d)| x + d).collect();
            search.make_canonical(&mut point);
            search.value(&point).is_ok_and(|value| value < here - NEGLIGIBLE_GAIN)
        }))
    }
}
