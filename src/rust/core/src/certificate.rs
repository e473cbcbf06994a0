//! Whether a theta is an optimum: the facts, and the verdict.

use crate::coordinates::Coordinates;
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

/// What the judge asks of an objective beside what optimizers do.
pub(crate) trait Judged: Objective {
    /// Where it starts is judged.
    fn coordinates(&self) -> &Coordinates;

    /// The gradient in the parameters, where [`Objective::gradient`] was called last.
    fn natural_gradient(&self) -> &[f64];

    /// Which Hessian it has.
    fn curvature(&self) -> Curvature;

    /// For each part of each term, whether a larger covariance is better; [`Objective::hessian`] was called last.
    ///
    /// # Errors
    /// The model's own.
    fn ways_out(&mut self) -> Result<Vec<WayOut>>;
}

impl LinearMixedModel {
    /// Judges `theta`.
    ///
    /// # Errors
    /// Those of [`Self::objective`].
    pub fn certificate(&mut self, theta: &[f64]) -> Result<Certificate> {
        self.objective(theta)?;
        Ok(judge(&mut Search::new(self, theta))?.0)
    }
}

/// Judges the start of `search`, and leaves it there; the Hessian in its coordinates comes along.
pub(crate) fn judge<S: Judged>(search: &mut S) -> Result<(Certificate, Vec<f64>)> {
    let x = search.coordinates().start();
    let here = search.value(&x)?;
    let n = x.len();
    let (mut slopes, hessian) = derivatives(search, n)?;
    let units = search.units().unwrap_or_else(|| vec![1.0; n]);
    slopes.iter_mut().zip(&units).for_each(|(slope, unit)| *slope *= unit);
    let scaled: Vec<f64> = (0..n * n).map(|at| hessian[at] * units[at % n] * units[at / n]).collect();
    let mut model = Model::new(n);
    let is_finite = model.update(&slopes, &scaled);
    let mut predicted_decrease = if is_finite { model.step((n as f64).sqrt()).predicted } else { f64::NAN };
    let (gradient, curvature) = (search.natural_gradient().to_vec(), search.curvature());
    let ways_out = search.ways_out()?;
    let promises = |gain: f64| ways_out.iter().any(|way| way.gain > gain);
    let curves_down = model.lowest().is_some_and(|(curvature, _)| curvature < -ROUNDING * model.largest());
    let mut verdict = if predicted_decrease.is_nan() || predicted_decrease > NEGLIGIBLE_GAIN {
        Verdict::NotConverged
    } else if promises(NEGLIGIBLE_GAIN) {
        Verdict::FalseBoundary
    } else {
        Verdict::Optimal
    };
    let is_doubtful = curves_down || predicted_decrease > DOUBTFUL_GAIN || promises(DOUBTFUL_GAIN);
    if verdict == Verdict::Optimal && is_doubtful {
        let fall = fall_from(search, here);
        if fall > NEGLIGIBLE_GAIN {
            verdict = if curves_down { Verdict::Saddle } else { Verdict::NotConverged };
            predicted_decrease = fall;
        }
    }
    search.value(&x)?;
    let gradient_norm = slopes.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
    let curvatures = model.values().to_vec();
    let found = Certificate { predicted_decrease, gradient_norm, gradient, curvatures, curvature, ways_out, verdict };
    Ok((found, hessian))
}

/// Gradient and Hessian at the last of the points, which have `n` coordinates.
pub(crate) fn derivatives(search: &mut impl Objective, n: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
    search.gradient(&mut gradient)?;
    search.hessian(&mut hessian)?;
    Ok((gradient, hessian))
}

// By how much Newton's method gets below the start. A small predicted decrease proves little where the objective is
// flat and its curvature changes along the way; nor does a negative curvature, which may be rounding along the flat
// directions of a redundant covariance.
fn fall_from<S: Judged>(search: &mut S, here: f64) -> f64 {
    let settings = Settings { max_eval: SECOND_OPINION, ..Settings::default() };
    let start = search.coordinates().clone();
    start.minimize(&settings, search, &mut |_, _, _| Flow::Continue).map_or(0.0, |found| here - found.best_value)
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
