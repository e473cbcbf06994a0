//! Whether a theta is an optimum: the facts, and the verdict.

use crate::coordinates::Coordinates;
use crate::covariance::WayOut;
use crate::derivatives::HessianKind;
use crate::error::Result;
use crate::optimize::trust_region::Model;
use crate::optimize::{Flow, Objective, Settings};
use crate::tolerances::{
    FLAT_CURVATURE, FLAT_SLOPE, INVOLVED_SHARE, LARGE_SD, NEGLIGIBLE_GAIN, NO_GAIN, VALUE_NOISE,
    ZERO_SD,
};

/// The second opinion of Newton's method gets so many evaluations.
const SECOND_OPINION: usize = 300;

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
    pub kind: HessianKind,
    /// For each part of each term, whether a larger covariance is better.
    pub ways_out: Vec<WayOut>,
    /// The verdict.
    pub verdict: Verdict,
    /// The elements of theta without a bound, or those that can't be identified.
    pub suspects: Vec<usize>,
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
    /// No step of interest is left, but the objective falls as covariances tend to infinity beside the residual variance.
    Unbounded,
    /// No step of interest is left, but other covariances are as good.
    Unidentified,
}

impl Verdict {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Optimal => "optimal",
            Self::NotConverged => "not_converged",
            Self::FalseBoundary => "false_boundary",
            Self::Saddle => "saddle",
            Self::Unbounded => "unbounded",
            Self::Unidentified => "unidentified",
        }
    }

    /// Whether nothing is gained by going on.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Optimal | Self::Unbounded | Self::Unidentified)
    }
}

/// What the judge asks of an objective beside what optimizers do.
pub(crate) trait Judged: Objective {
    /// Where it starts is judged.
    fn coordinates(&self) -> &Coordinates;

    /// The gradient in the parameters, where [`Objective::gradient`] was called last.
    fn natural_gradient(&self) -> &[f64];

    /// Which Hessian it has.
    fn hessian_kind(&self) -> HessianKind;

    /// For each part of each term, whether a larger covariance is better; [`Objective::hessian`] was called last.
    ///
    /// # Errors
    /// The model's own.
    fn ways_out(&mut self) -> Result<Vec<WayOut>>;
}

/// Judges the start of `search`, and leaves it there; the Hessian in its coordinates comes along.
pub(crate) fn judge<S: Judged>(search: &mut S) -> Result<(Certificate, Vec<f64>)> {
    let x = search.coordinates().start();
    let here = search.value(&x)?;
    let n = x.len();
    let (mut slopes, hessian) = derivatives(search, n)?;
    let step_sizes = search.step_sizes().unwrap_or_else(|| vec![1.0; n]);
    slopes
        .iter_mut()
        .zip(&step_sizes)
        .for_each(|(slope, step_size)| *slope *= step_size);
    let scaled: Vec<f64> = (0..n * n)
        .map(|at| hessian[at] * step_sizes[at % n] * step_sizes[at / n])
        .collect();
    let mut model = Model::new(n);
    let is_finite = model.update(&slopes, &scaled);
    let mut predicted_decrease = if is_finite {
        model.step((n as f64).sqrt()).predicted
    } else {
        f64::NAN
    };
    let (gradient, kind) = (search.natural_gradient().to_vec(), search.hessian_kind());
    let ways_out = search.ways_out()?;
    let extent = search.coordinates().extent(&x, &step_sizes);
    let negligible = NEGLIGIBLE_GAIN.max(VALUE_NOISE * here.abs() * extent * extent);
    let promises = |gain: f64| ways_out.iter().any(|way| way.gain > gain);
    let curves_down = model
        .lowest()
        .is_some_and(|(curvature, _)| curvature < -FLAT_CURVATURE * model.largest());
    let mut verdict = if predicted_decrease.is_nan() || predicted_decrease > negligible {
        Verdict::NotConverged
    } else if promises(negligible) {
        Verdict::FalseBoundary
    } else {
        Verdict::Optimal
    };
    let is_doubtful = curves_down || predicted_decrease > NO_GAIN || promises(NO_GAIN);
    if verdict == Verdict::Optimal && is_doubtful {
        let fall = fall_from(search, here);
        if fall > negligible {
            verdict = if curves_down {
                Verdict::Saddle
            } else {
                Verdict::NotConverged
            };
            predicted_decrease = fall;
        }
    }
    let mut suspects = Vec::new();
    if verdict == Verdict::Optimal {
        let at = search.coordinates();
        let found = [
            (
                Verdict::Unbounded,
                unbounded(at, &x, &step_sizes, &slopes, &scaled),
            ),
            (
                Verdict::Unidentified,
                unidentified(at, &x, &step_sizes, &model),
            ),
        ];
        if let Some((kind, which)) = found.into_iter().find(|(_, which)| !which.is_empty()) {
            (verdict, suspects) = (kind, which.iter().map(|&b| at.free()[b]).collect());
        }
    }
    search.value(&x)?;
    let gradient_norm = slopes.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
    let curvatures = model.values().to_vec();
    let found = Certificate {
        predicted_decrease,
        gradient_norm,
        gradient,
        curvatures,
        kind,
        ways_out,
        verdict,
        suspects,
    };
    Ok((found, hessian))
}

// The large coordinates of covariances, if nothing changes as they grow together.
fn unbounded(
    at: &Coordinates,
    x: &[f64],
    step_sizes: &[f64],
    slopes: &[f64],
    hessian: &[f64],
) -> Vec<usize> {
    let n = x.len();
    let is_large = |b: usize| at.is_covariance(b) && x[b].abs() > LARGE_SD * step_sizes[b];
    let large: Vec<usize> = (0..n).filter(|&b| is_large(b)).collect();
    let size = |b: usize| x[b] / step_sizes[b];
    let slope: f64 = large.iter().map(|&b| slopes[b] * size(b)).sum();
    let along = |b: usize| {
        large
            .iter()
            .map(|&a| hessian[b * n + a] * size(a) * size(b))
            .sum::<f64>()
    };
    let curvature: f64 = large.iter().map(|&b| along(b)).sum();
    if slope.abs().max(curvature.abs()) < FLAT_SLOPE {
        large
    } else {
        Vec::new()
    }
}

// The coordinates of covariances that change along a direction in which the objective doesn't.
fn unidentified(at: &Coordinates, x: &[f64], step_sizes: &[f64], model: &Model) -> Vec<usize> {
    // A correlation of effects that don't vary makes no difference.
    let settled = |(x, step_size): (&f64, &f64)| {
        if x.abs() < ZERO_SD * step_size {
            0.0
        } else {
            *x
        }
    };
    let x: Vec<f64> = x.iter().zip(step_sizes).map(settled).collect();
    let extent = at.extent(&x, step_sizes).max(1.0);
    let limit = (FLAT_CURVATURE * model.largest().max(1.0)).min(FLAT_SLOPE / (extent * extent));
    let is_flat = |i: usize| model.values()[i].abs() < limit;
    let mut which = vec![false; x.len()];
    for direction in (0..x.len())
        .filter(|&i| is_flat(i))
        .map(|i| model.direction(i))
    {
        let step: Vec<f64> = direction
            .iter()
            .zip(step_sizes)
            .map(|(d, step_size)| d * step_size)
            .collect();
        if at.changes_covariances(&x, &step) {
            (0..x.len()).for_each(|b| {
                which[b] |= at.is_covariance(b) && direction[b].abs() > INVOLVED_SHARE
            });
        }
    }
    (0..x.len()).filter(|&b| which[b]).collect()
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
    let settings = Settings {
        max_eval: SECOND_OPINION,
        ..Settings::default()
    };
    let start = search.coordinates().clone();
    start
        .minimize(&settings, search, &mut |_, _, _| Flow::Continue)
        .map_or(0.0, |found| here - found.best_value)
}

#[cfg(test)]
mod tests;
