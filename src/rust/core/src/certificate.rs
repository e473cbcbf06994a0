//! Whether a theta is an optimum: the facts, and the verdict.

use crate::derivatives::boundary::WayOut;
use crate::derivatives::Curvature;
use crate::error::Result;
use crate::lmm::LinearMixedModel;
use crate::optimize::trust_region::Model;
use crate::optimize::{Flow, Objective, Settings};
use crate::search::Search;

/// Gains smaller than this don't matter: in units of the objective.
pub const NEGLIGIBLE_GAIN: f64 = 1e-6;

/// Where more than this is promised, or the objective curves down, Newton's method is asked as well.
const DOUBTFUL_GAIN: f64 = 1e-9;
/// It gets so many evaluations.
const SECOND_OPINION: usize = 300;
/// A negative curvature this small beside the largest is rounding.
const ROUNDING: f64 = 1e-7;

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
        let mut predicted_decrease = if is_finite { model.step(radius).predicted } else { f64::NAN };
        let ways_out = self.ways_out();
        let lowest = model.lowest().map_or(0.0, |(curvature, _)| curvature);
        let curves_down = lowest < -ROUNDING * model.largest();
        let is_doubtful =
            curves_down || predicted_decrease > DOUBTFUL_GAIN || ways_out.iter().any(|way| way.gain > DOUBTFUL_GAIN);
        let mut verdict = if predicted_decrease.is_nan() || predicted_decrease > NEGLIGIBLE_GAIN {
            Verdict::NotConverged
        } else if ways_out.iter().any(|way| way.gain > NEGLIGIBLE_GAIN) {
            Verdict::FalseBoundary
        } else {
            Verdict::Optimal
        };
        if verdict == Verdict::Optimal && is_doubtful {
            let fall = self.fall_from(theta, &x)?;
            if fall > NEGLIGIBLE_GAIN {
                verdict = if curves_down { Verdict::Saddle } else { Verdict::NotConverged };
                predicted_decrease = fall;
            }
        }
        let gradient_norm = scaled.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        let curvatures = model.values().to_vec();
        Ok(Certificate { predicted_decrease, gradient_norm, gradient, curvatures, curvature, ways_out, verdict })
    }

    // By how much Newton's method gets below `theta`. A small predicted decrease proves little where the objective is
    // flat and its curvature changes along the way; nor does a negative curvature, which may be rounding along the flat
    // directions of a redundant covariance.
    fn fall_from(&mut self, theta: &[f64], x: &[f64]) -> Result<f64> {
        let here = self.objective(theta)?;
        let settings = Settings { max_eval: SECOND_OPINION, ..Settings::default() };
        let fall =
            self.fit(theta, &settings, &mut |_, _, _| Flow::Continue).map_or(0.0, |found| here - found.best_value);
        Search::new(self, theta).value(x)?;
        Ok(fall)
    }
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
