//! Newton's method with a trust region on unconstrained coordinates. It escapes from saddle points,
//! and converges when the predicted decrease is negligible.

use super::limits::Gain;
use super::secant::Secant;
use super::trust_region::{Model, Step};
use super::{OptSummary, Recorder, Settings, Status};
use crate::error::Result;
use crate::tolerances::{
    CONFIRMED, FLAT_CURVATURE, FTOL_SHARE, LEAST_RADIUS, NEAR_OPTIMUM,
    NEGLIGIBLE_GAIN, NOISE_MARGIN, NOISE_SHARE, SUFFICIENT,
};

/// Largest number of escapes from stationary points that are no minima.
const MAX_ESCAPES: usize = 20;
/// After this number of consecutive steps that change the objective by rounding errors only, the
/// search has converged.
const MOST_IDLE_STEPS: usize = 3;
/// A step makes progress, even if the values cannot show it, if its predicted decrease is below
/// this share of the smallest one before.
const PROGRESS_SHARE: f64 = 0.9;

/// Minimises the recorder's objective from its first (already recorded) point.
///
/// # Errors
/// The objective's own if it has no derivatives.
pub(super) fn minimize(
    settings: &Settings,
    lower: &[f64],
    recorder: Recorder<'_>,
) -> Result<OptSummary> {
    let mut search = Search::new(settings, recorder);
    let initial_step = vec![search.radius; search.x.len()];
    let status = search.run()?;
    if status == Status::FtolReached && !search.is_settled {
        search.zero_negligible(lower)?;
    }
    Ok(search.recorder.finish(status, initial_step))
}

struct Search<'a> {
    recorder: Recorder<'a>,
    model: Model,
    // The current point in the caller's coordinates. Derivatives are those with respect to a step
    // from it.
    x: Vec<f64>,
    value: f64,
    // The previous point and its value.
    before: (f64, Vec<f64>),
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    secant: Secant,
    // The step to the current point, if Newton's method made it.
    last_step: Option<Vec<f64>>,
    radius: f64,
    first_radius: f64,
    ftol: f64,
    // Number of consecutive steps whose predicted and actual decreases were within rounding error,
    // and whose predicted decrease did not fall below that of the earlier ones.
    idle_steps: usize,
    // The decrease predicted by the last step, or the least predicted by consecutive steps within
    // rounding error.
    least_predicted: f64,
    // Whether the last step leaves nothing to gain.
    is_settled: bool,
}

enum Progress {
    ModeShift,
    Blocked,
}

impl<'a> Search<'a> {
    fn new(settings: &Settings, recorder: Recorder<'a>) -> Self {
        let (value, x) = recorder.best();
        let (x, n) = (x.to_vec(), x.len());
        let step_sizes = recorder.objective.step_sizes(n);
        let scaled = x.iter().zip(&step_sizes);
        let start: f64 = scaled.map(|(x, unit)| (x / unit).powi(2)).sum();
        let mut radius = (n as f64).sqrt().max(start.sqrt());
        if let Some(step) =
            settings.initial_step.iter().copied().reduce(f64::max)
        {
            radius = step;
        }
        Self {
            recorder,
            model: Model::new(n),
            value,
            before: (value, x.clone()),
            gradient: vec![0.0; n],
            hessian: vec![0.0; n * n],
            secant: Secant::default(),
            last_step: None,
            radius,
            first_radius: radius,
            ftol: FTOL_SHARE * settings.ftol_abs,
            idle_steps: 0,
            least_predicted: f64::INFINITY,
            is_settled: false,
            x,
        }
    }

    fn noise(&self) -> f64 {
        self.recorder.objective.rounding(&self.x, self.value)
    }

    fn tolerance(&self) -> f64 {
        let of_objective = NOISE_SHARE * self.recorder.objective.noise();
        self.ftol.max(self.noise()).max(of_objective)
    }

    fn run(&mut self) -> Result<Status> {
        let mut escapes = 0;
        let mut gain = Gain::from(self.value);
        loop {
            if gain.is_stalled(self.value) {
                return Ok(Status::FtolReached);
            }
            if !self.update_model()? {
                return Ok(Status::RoundoffLimited);
            }
            // The radius may be small after failed steps: convergence is judged by a step of at
            // least the initial radius.
            let predicted = self
                .model
                .step(self.radius.max(self.first_radius))
                .predicted;
            let is_first = self.recorder.count() == 1;
            let is_down = predicted >= self.tolerance()
                && self.idle_steps < MOST_IDLE_STEPS;
            let progress = if is_first && is_down && self.accepts_proposal() {
                Progress::ModeShift
            } else if is_down {
                self.newton_step()
            } else if escapes < MAX_ESCAPES {
                escapes += 1;
                self.escape()
            } else {
                Progress::Blocked
            };
            match progress {
                Progress::ModeShift if self.nears_known_minimum() => {
                    return Ok(Status::Success)
                }
                Progress::ModeShift if self.is_settled => {
                    return Ok(Status::FtolReached)
                }
                Progress::ModeShift => {}
                Progress::Blocked if !is_down => {
                    return Ok(Status::FtolReached)
                }
                Progress::Blocked => return Ok(Status::RoundoffLimited),
            }
            if self.recorder.is_stopped() {
                return Ok(Status::Failure);
            }
        }
    }

    fn update_model(&mut self) -> Result<bool> {
        let objective = &mut self.recorder.objective;
        objective.local_derivatives(&mut self.gradient, &mut self.hessian)?;
        if objective.has_rough_hessian() {
            let is_short = self.before.0 - self.value < NEAR_OPTIMUM;
            let step = self.last_step.take().filter(|_| is_short);
            let (gradient, hessian) = (&self.gradient, &mut self.hessian);
            self.secant.correct(step.as_deref(), gradient, hessian);
        }
        Ok(self.model.update(&self.gradient, &self.hessian))
    }

    // Moves to the point that the objective proposes by another method, if it is lower: at the
    // start such a step may lead further than Newton's.
    fn accepts_proposal(&mut self) -> bool {
        let proposal = self.recorder.objective.proposal();
        proposal.is_some_and(|point| self.lowers(point))
    }

    // Reduces the radius until the step of the trust region is accepted.
    fn newton_step(&mut self) -> Progress {
        let smallest = LEAST_RADIUS * self.first_radius;
        while self.radius > smallest && !self.recorder.is_stopped() {
            let step = self.model.step(self.radius);
            let point = self.recorder.objective.displaced(&self.x, &step.p);
            let value = self.recorder.evaluate_at(point);
            let noise = self.noise().max(self.recorder.objective.noise());
            let fall =
                value.map_or(f64::NEG_INFINITY, |value| self.value - value);
            // If the predicted decrease is within rounding error, the actual one is noise and the
            // step is accepted.
            let margin = NOISE_MARGIN * noise;
            let is_idle = step.predicted < margin && fall > -margin;
            let ratio = if is_idle { 1.0 } else { fall / step.predicted };
            if ratio < 0.25 {
                self.radius = 0.3 * step.length.min(self.radius);
            } else if ratio > 0.75
                && step.length > 0.9 * self.radius
                && !is_idle
            {
                self.radius *= 2.5;
            }
            if ratio > SUFFICIENT {
                self.accept();
                self.is_settled = self.leaves_nothing(&step, fall);
                self.last_step = Some(step.p.clone());
                self.count_idle_steps(is_idle, step.predicted);
                if is_idle && self.value > self.recorder.lowest().0 + margin {
                    self.return_to_lowest();
                }
                return Progress::ModeShift;
            }
        }
        Progress::Blocked
    }

    // Whether nothing is left to gain after a step: predicted decreases shrink fast enough, the
    // values confirm the last one, and neither a bound nor a saddle point is near. The derivatives
    // at the new point, which may cost more than all the rest, are then not needed. A step that the
    // radius has shortened predicts less than Newton's, which the values don't confirm.
    fn leaves_nothing(&self, step: &Step, fall: f64) -> bool {
        let is_small = self.least_predicted.is_finite()
            && step.predicted < NEGLIGIBLE_GAIN
            && self.model.is_convex();
        if !is_small {
            return false;
        }
        let predicted = self.model.step(f64::INFINITY).predicted;
        let left = predicted * (predicted / self.least_predicted);
        let error = (fall - predicted).abs();
        left < self.tolerance()
            && error < CONFIRMED * predicted
            && self.recorder.objective.is_inside(&self.x)
    }

    // Updates the count of idle steps after an accepted step with this predicted decrease.
    fn count_idle_steps(&mut self, is_idle: bool, predicted: f64) {
        let is_stuck =
            is_idle && predicted > PROGRESS_SHARE * self.least_predicted;
        self.idle_steps = if is_stuck { self.idle_steps + 1 } else { 0 };
        self.least_predicted = match is_idle {
            true => predicted.min(self.least_predicted),
            false => predicted,
        };
    }

    // Returns to the lowest point, after accepted steps within rounding error have together raised
    // the objective, and ends the search.
    fn return_to_lowest(&mut self) {
        let lowest = self.recorder.lowest().1.to_vec();
        if !self.recorder.is_stopped()
            && self.recorder.evaluate_at(lowest).is_some()
        {
            self.accept();
        }
        self.idle_steps = MOST_IDLE_STEPS;
    }

    // Leaves a stationary point along a direction of negative curvature, or for a point that the
    // objective proposes.
    fn escape(&mut self) -> Progress {
        if let Some((curvature, direction)) = self.model.lowest() {
            if curvature < -FLAT_CURVATURE * self.model.largest() {
                let direction = direction.to_vec();
                let mut length = self.first_radius;
                while -0.5 * curvature * length * length > self.tolerance() {
                    for sign in [length, -length] {
                        let step: Vec<f64> =
                            direction.iter().map(|p| sign * p).collect();
                        let point =
                            self.recorder.objective.displaced(&self.x, &step);
                        if self.lowers(point) {
                            return Progress::ModeShift;
                        }
                    }
                    length *= 0.3;
                }
            }
        }
        let x = self.x.clone();
        let noise = self.recorder.objective.noise();
        let tolerance = self.tolerance().max(noise);
        for point in self.recorder.objective.escapes(&x, tolerance) {
            if self.lowers(point) {
                return Progress::ModeShift;
            }
        }
        Progress::Blocked
    }

    fn lowers(&mut self, point: Vec<f64>) -> bool {
        let noise = self.recorder.objective.noise();
        let tolerance = self.tolerance().max(noise);
        let lower = !self.recorder.is_stopped()
            && self
                .recorder
                .evaluate_at(point)
                .is_some_and(|value| value < self.value - tolerance);
        if lower {
            self.radius = self.first_radius;
            self.idle_steps = 0;
            self.is_settled = false;
            self.least_predicted = f64::INFINITY;
            self.accept();
        }
        lower
    }

    // Makes the last evaluated point the current one.
    fn accept(&mut self) {
        let (value, x) = self.recorder.last();
        std::mem::swap(&mut self.before.1, &mut self.x);
        self.before.0 = self.value;
        self.value = value;
        self.last_step = None;
        self.x.copy_from_slice(x);
        self.recorder.prefer_last();
    }

    fn nears_known_minimum(&mut self) -> bool {
        let before = (self.before.0, self.before.1.as_slice());
        let objective = &mut self.recorder.objective;
        objective.nears_known_minimum(before, (self.value, &self.x))
    }

    // Sets the parameters that have approached their bound of zero to zero, where the quadratic
    // model predicts no difference.
    fn zero_negligible(&mut self, lower: &[f64]) -> Result<()> {
        let n = self.x.len();
        let mut point = self.x.clone();
        self.recorder.derivatives_at(
            &self.x,
            &mut self.gradient,
            &mut self.hessian,
        )?;
        for j in (0..n).filter(|&j| lower[j] == 0.0) {
            if 0.5 * self.hessian[j * n + j].abs() * self.x[j].powi(2)
                < NOISE_MARGIN * self.tolerance()
            {
                point[j] = 0.0;
            }
        }
        if point != self.x && !self.recorder.is_stopped() {
            let value = self.recorder.evaluate_at(point);
            if value.is_some_and(|value| {
                value <= self.value + NOISE_MARGIN * self.tolerance()
            }) {
                self.accept();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::{Flow, Geometry, Objective};

    // A gradient that makes steps alternate around zero, with a smaller predicted decrease in one
    // direction than in the other, while all values are equal.
    #[derive(Debug, Default)]
    struct Swinging(f64);

    // A gradient that leads away from zero, while each step raises the value by less than the
    // noise.
    #[derive(Debug, Default)]
    struct Drifting(f64);

    impl Objective for Swinging {
        fn value(&mut self, x: &[f64]) -> Result<f64> {
            self.0 = x[0];
            Ok(0.0)
        }

        fn noise(&self) -> f64 {
            1e-4
        }

        fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
            let mut curvature = [0.0];
            self.hessian(&mut curvature)?;
            let step = if self.0 > 0.0 { -1.9 } else { -2.08 };
            gradient[0] = -curvature[0] * step * self.0;
            Ok(())
        }

        fn hessian(&mut self, hessian: &mut [f64]) -> Result<()> {
            hessian[0] = if self.0 > 0.0 { 1.0 } else { 0.8 };
            Ok(())
        }
    }

    impl Geometry for Swinging {}

    impl Objective for Drifting {
        fn value(&mut self, x: &[f64]) -> Result<f64> {
            self.0 = x[0];
            Ok(0.02 * x[0])
        }

        fn noise(&self) -> f64 {
            1e-4
        }

        // Each step is 0.9 times as long as the previous one: it leads from x to 0.1 + 0.9 x.
        fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
            gradient[0] = 0.1 * self.0 - 0.1;
            Ok(())
        }

        fn hessian(&mut self, hessian: &mut [f64]) -> Result<()> {
            hessian[0] = 1.0;
            Ok(())
        }
    }

    impl Geometry for Drifting {}

    // x - log(x) + 1, with its minimum at one, whose Hessian is counted.
    #[derive(Debug)]
    struct Counting {
        x: f64,
        hessians: usize,
        is_inside: bool,
    }

    impl Objective for Counting {
        fn value(&mut self, x: &[f64]) -> Result<f64> {
            self.x = x[0];
            Ok(x[0] - x[0].ln() + 1.0)
        }

        fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
            gradient[0] = 1.0 - 1.0 / self.x;
            Ok(())
        }

        fn hessian(&mut self, hessian: &mut [f64]) -> Result<()> {
            self.hessians += 1;
            hessian[0] = self.x.powi(-2);
            Ok(())
        }
    }

    impl Geometry for Counting {
        fn is_inside(&self, _x: &[f64]) -> bool {
            self.is_inside
        }
    }

    // (x - 10)^2 / 2, undefined beyond 9.3 until a step has ended right behind this gate.
    #[derive(Debug, Default)]
    struct Gate {
        x: f64,
        is_open: bool,
    }

    impl Objective for Gate {
        fn value(&mut self, x: &[f64]) -> Result<f64> {
            self.x = x[0];
            let behind = self.x - 9.3;
            self.is_open |= behind > 1e-12 && behind < 1e-9;
            Ok(match self.is_open || behind < 1e-12 {
                true => 0.5 * (self.x - 10.0).powi(2),
                false => f64::NAN,
            })
        }

        fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
            gradient[0] = self.x - 10.0;
            Ok(())
        }

        fn hessian(&mut self, hessian: &mut [f64]) -> Result<()> {
            hessian[0] = 1.0;
            Ok(())
        }
    }

    impl Geometry for Gate {
        fn is_inside(&self, _x: &[f64]) -> bool {
            true
        }
    }

    fn search(objective: &mut dyn Geometry, start: f64) -> OptSummary {
        let settings = Settings::default();
        let mut see = |_: usize, _: f64, _: &[f64]| Flow::Continue;
        let mut recorder = Recorder::new(&settings, objective, &mut see);
        recorder.evaluate(&[start]);
        minimize(&settings, &[f64::NEG_INFINITY], recorder).unwrap()
    }

    #[test]
    fn search_ends_where_steps_lead_back_and_forth_beneath_the_noise() {
        let found = search(&mut Swinging::default(), 0.02);
        assert_eq!(found.status, Status::FtolReached);
        assert!(found.log.len() < 10, "{} evaluations", found.log.len());
    }

    #[test]
    fn search_ends_without_derivatives_inside() {
        let of = |is_inside| {
            let mut objective = Counting {
                x: 0.0,
                hessians: 0,
                is_inside,
            };
            let found = search(&mut objective, 0.95);
            assert_eq!(found.status, Status::FtolReached);
            (found, objective.hessians)
        };
        let (inside, needed) = of(true);
        let (whole, all) = of(false);
        assert_eq!(inside.best, whole.best);
        assert_eq!(inside.log, whole.log);
        assert!((inside.best[0] - 1.0).abs() < 1e-9);
        assert_eq!(needed, inside.log.len() - 1);
        // The last Hessian, and that with which negligible parameters are set to zero.
        assert_eq!(all, whole.log.len() + 1);
    }

    #[test]
    fn search_goes_on_after_a_step_that_the_radius_shortened() {
        let found = search(&mut Gate::default(), 9.0);
        assert!((found.best[0] - 10.0).abs() < 1e-6, "{:?}", found.best);
    }

    #[test]
    fn search_goes_back_where_steps_on_trust_lead_away() {
        let found = search(&mut Drifting::default(), 0.7);
        assert_eq!(found.status, Status::FtolReached);
        assert_eq!(found.best, [0.7]);
    }
}
