//! The optimality certificate: whether a theta minimises the objective, and on what evidence.
//!
//! At an optimum (1) a Newton step predicts no decrease; (2) no larger covariance lowers the
//! objective, a first-order condition that the gradient in theta misses where Lambda is singular
//! (`G Omega = 0` and `G >= 0`); and (3) the Hessian has no negative eigenvalue. Where rounding
//! errors leave a doubt, a search by Newton's method decides. An optimum may also be no isolated
//! point, because covariances are unbounded or unidentified. If covariances are so large, relative
//! to the residual variance, that the objective has few correct digits, an optimum cannot be
//! distinguished from neighbouring points.
//!
//! | contents | file |
//! |---|---|
//! | the evidence and the verdicts | [`certificate`] |
//! | predicted decrease, curvatures, the confirming search | here |
//! | descent directions from a singular covariance | [`crate::derivatives::boundary`] |
//! | unbounded and unidentified covariances | [`flat`] |

mod certificate;
mod flat;

use crate::coordinates::Coordinates;
use crate::covariance::DescentDirection;
use crate::derivatives::HessianKind;
use crate::error::Result;
use crate::judge::flat::{largest, unbounded, unidentified};
use crate::optimize::trust_region::Model;
use crate::optimize::{scale, Flow, Geometry, Objective, Settings};
use crate::tolerances::{
    FLAT_CURVATURE, IMPRECISE, NEGLIGIBLE_GAIN, NOISE_MARGIN, NO_GAIN, PRECISE,
};

pub use certificate::{Certificate, Verdict};

/// Largest number of evaluations of the confirming search.
const CONFIRMING_EVALUATIONS: usize = 300;

/// What a certificate requires of an objective beyond what optimizers do.
pub(crate) trait Judged: Geometry {
    /// The coordinates, at whose start the certificate is computed.
    fn coordinates(&self) -> &Coordinates;

    /// The gradient in the parameters at the last call of [`Objective::gradient`].
    fn parameter_gradient(&self) -> &[f64];

    /// The kind of the objective's Hessian.
    fn hessian_kind(&self) -> HessianKind;

    /// For each part of each term, the direction in which a larger covariance lowers the objective
    /// most at the last point.
    ///
    /// # Errors
    /// The model's own.
    fn descent_directions(&mut self) -> Result<Vec<DescentDirection>>;
}

/// The evidence for a verdict; derivatives are in multiples of the step sizes.
struct Evidence {
    x: Vec<f64>,
    value: f64,
    step_sizes: Vec<f64>,
    slopes: Vec<f64>,
    hessian: Vec<f64>,
    model: Model,
    /// The decrease that a Newton step predicts; `NaN` where derivatives are not finite, or have no
    /// correct digits.
    predicted_decrease: f64,
    descent_directions: Vec<DescentDirection>,
    /// The rounding error of the objective.
    rounding: f64,
    /// Largest gain that is negligible, or within rounding error.
    negligible: f64,
    /// Largest gain that needs no confirmation.
    no_gain: f64,
}

/// The certificate at the start of `search`, which is also where it leaves the search, and the
/// Hessian in its coordinates.
pub(crate) fn judge<S: Judged>(
    search: &mut S,
) -> Result<(Certificate, Vec<f64>)> {
    let x = search.coordinates().start();
    let value = search.value(&x)?;
    let (slopes, hessian) = derivatives(search, x.len())?;
    let gradient = search.parameter_gradient().to_vec();
    let descent_directions = search.descent_directions()?;
    let mut facts =
        Evidence::new(search, (x, value), slopes, &hessian, descent_directions);
    let (verdict, predicted_decrease) = facts.verdict(search);
    facts.limit_gains(verdict);
    let (verdict, suspects) =
        facts.with_suspects(verdict, search.coordinates());
    search.value(&facts.x)?;
    let slopes = facts.slopes.iter().map(|slope| slope.abs());
    let found = Certificate {
        predicted_decrease,
        gradient_norm: slopes.fold(0.0, f64::max),
        gradient,
        curvatures: facts.model.values().to_vec(),
        kind: search.hessian_kind(),
        descent_directions: facts.descent_directions,
        rounding: facts.rounding,
        verdict,
        suspects,
    };
    Ok((found, hessian))
}

impl Evidence {
    fn new<S: Judged>(
        search: &S,
        (x, value): (Vec<f64>, f64),
        mut slopes: Vec<f64>,
        hessian: &[f64],
        descent_directions: Vec<DescentDirection>,
    ) -> Self {
        let n = x.len();
        let step_sizes = search.step_sizes(n);
        let mut hessian = hessian.to_vec();
        scale(&step_sizes, &mut slopes, &mut hessian);
        let mut model = Model::new(n);
        let scaled = x.iter().zip(&step_sizes).map(|(x, size)| x / size);
        let extent = scaled.fold(1.0, |most: f64, x| most.max(x.abs()));
        let is_exact = search.hessian_kind() != HessianKind::Differences;
        let has_model = model.update(&slopes, &hessian)
            && (is_exact || is_resolved(model.largest(), extent));
        let predicted_decrease = match has_model {
            true => model.step((n as f64).sqrt()).predicted,
            false => f64::NAN,
        };
        let rounding = search.rounding(&x, value);
        Self {
            negligible: NEGLIGIBLE_GAIN
                .max(NOISE_MARGIN * rounding)
                .max(search.noise()),
            no_gain: NO_GAIN.max(search.noise()),
            rounding,
            x,
            value,
            step_sizes,
            slopes,
            hessian,
            model,
            predicted_decrease,
            descent_directions,
        }
    }

    fn predicts_gain(&self, gain: f64) -> bool {
        self.descent_directions.iter().any(|way| way.gain > gain)
    }

    // Limits the predicted gains of larger covariances to rounding errors, after a search has found
    // no lower point.
    fn limit_gains(&mut self, verdict: Verdict) {
        if verdict == Verdict::Optimal {
            for way in &mut self.descent_directions {
                way.gain = way.gain.min(self.negligible);
            }
        }
    }

    fn has_negative_curvature(&self) -> bool {
        let limit = -FLAT_CURVATURE * self.model.largest();
        self.model
            .lowest()
            .is_some_and(|(curvature, _)| curvature < limit)
    }

    // The verdict on the point, and the decrease still to be expected.
    fn verdict<S: Judged>(&self, search: &mut S) -> (Verdict, f64) {
        let predicted = self.predicted_decrease;
        if NOISE_MARGIN * self.rounding > IMPRECISE {
            return self.verdict_by_search(search);
        }
        let is_hopeless = predicted.is_nan() || predicted > PRECISE;
        if is_hopeless {
            return (Verdict::NotConverged, predicted);
        }
        if predicted > self.negligible {
            return self.verdict_on_small_decrease(search);
        }
        let is_doubtful = self.has_negative_curvature()
            || predicted > self.no_gain
            || self.predicts_gain(self.no_gain);
        if is_doubtful {
            let decrease = achieved_decrease(search, self.value);
            if decrease > self.negligible && self.predicts_gain(self.negligible)
            {
                return (Verdict::FalseBoundary, predicted);
            } else if decrease > self.negligible
                && self.has_negative_curvature()
            {
                return (Verdict::Saddle, decrease);
            } else if decrease > self.negligible {
                return (Verdict::NotConverged, decrease);
            }
        }
        (Verdict::Optimal, predicted)
    }

    // The verdict on a small predicted decrease: a rounding error, unless a search achieves it.
    fn verdict_on_small_decrease<S: Judged>(
        &self,
        search: &mut S,
    ) -> (Verdict, f64) {
        let predicted = self.predicted_decrease;
        match achieved_decrease(search, self.value) > self.negligible {
            true => (Verdict::NotConverged, predicted),
            false => (Verdict::Rounded, predicted),
        }
    }

    // The verdict where the objective, and even more its derivatives, have large rounding errors,
    // so that only a search can decide.
    fn verdict_by_search<S: Judged>(&self, search: &mut S) -> (Verdict, f64) {
        let decrease = achieved_decrease(search, self.value);
        match decrease > self.negligible {
            true => (Verdict::NotConverged, decrease),
            false => (Verdict::Optimal, self.predicted_decrease),
        }
    }

    // The kind of an optimum, and the parameters that make it no isolated point.
    fn with_suspects(
        &self,
        verdict: Verdict,
        at: &Coordinates,
    ) -> (Verdict, Vec<usize>) {
        let is_rounded = verdict == Verdict::Rounded;
        if verdict != Verdict::Optimal && !is_rounded {
            return (verdict, Vec::new());
        }
        let x = &self.x;
        let step_sizes = &self.step_sizes;
        let which = unbounded(at, x, step_sizes, &self.slopes, &self.hessian);
        if !which.is_empty() {
            return (Verdict::Unbounded, parameters(at, &which));
        }
        let which = unidentified(at, x, step_sizes, &self.model);
        if !which.is_empty() {
            return (Verdict::Unidentified, parameters(at, &which));
        }
        if is_rounded || self.rounding > IMPRECISE {
            let which = largest(at, x, step_sizes);
            return (Verdict::Rounded, parameters(at, &which));
        }
        (verdict, Vec::new())
    }
}

// Whether coordinates of this extent are accurate enough for a quadratic model with this curvature
// by differences: their rounding errors must not change the objective. They do where differences of
// the gradient straddle a jump.
fn is_resolved(curvature: f64, extent: f64) -> bool {
    curvature * (f64::EPSILON * extent).powi(2) < NEGLIGIBLE_GAIN
}

// The indices of the parameters of some coordinates.
fn parameters(at: &Coordinates, which: &[usize]) -> Vec<usize> {
    which.iter().map(|&b| at.free()[b]).collect()
}

/// Gradient and Hessian at the last point, which has `n` coordinates.
pub(crate) fn derivatives(
    search: &mut impl Objective,
    n: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut gradient = vec![0.0; n];
    let mut hessian = vec![0.0; n * n];
    search.gradient(&mut gradient)?;
    search.hessian(&mut hessian)?;
    Ok((gradient, hessian))
}

// The decrease that a search by Newton's method achieves. A small predicted decrease does not prove
// optimality where the objective is flat and its curvature changes; nor does a negative curvature
// disprove it, which may be rounding error along the flat directions of an overparameterized
// covariance.
fn achieved_decrease<S: Judged>(search: &mut S, here: f64) -> f64 {
    let settings = Settings {
        max_eval: CONFIRMING_EVALUATIONS,
        ..Settings::default()
    };
    let start = search.coordinates().clone();
    let found =
        start.minimize(&settings, search, &mut |_, _, _| Flow::Continue);
    let Ok(found) = found else {
        return 0.0;
    };
    let x = start.from_theta(&found.best);
    let decrease = here - found.best_value;
    if decrease > NOISE_MARGIN * search.rounding(&x, found.best_value) {
        decrease
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
