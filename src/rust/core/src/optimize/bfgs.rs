//! The BFGS quasi-Newton method with a given initial inverse Hessian and a backtracking line search
//! (Nocedal and Wright 2006, chapter 6), for smooth objectives whose scaling is roughly known.

use super::limits::{Gain, Limits};
use super::{Objective, Observer, OptSummary, Optima, Settings, Status};
use crate::error::{Error, Result};
use crate::kernels::small;
use crate::tolerances::{FAR_GAIN, LEAST_COSINE, SUFFICIENT, VALUE_NOISE};

/// Name of this optimizer in [`Settings`].
pub const NAME: &str = "bfgs";

/// Largest number of trial points of one line search.
const MAX_TRIALS: usize = 25;

/// The course of a search, with the final gradient and inverse Hessian.
#[derive(Debug, Clone)]
pub(crate) struct BfgsSummary {
    /// The course and the result, as for any optimizer.
    pub(crate) summary: OptSummary,
    /// Gradient at the best point.
    pub(crate) gradient: Vec<f64>,
    /// Inverse Hessian, symmetric.
    pub(crate) inverse: Vec<f64>,
}

/// Minimises `objective` from `start`, with `inverse` a positive definite approximation to the
/// inverse Hessian. Converges when the quadratic model predicts a decrease below `tolerance`.
///
/// # Errors
/// The objective's own error if it can't be evaluated at `start`.
pub(crate) fn minimize(
    settings: &Settings,
    tolerance: f64,
    start: &[f64],
    inverse: Vec<f64>,
    objective: &mut dyn Objective,
    observe: &mut Observer,
) -> Result<BfgsSummary> {
    let value = objective.value(start)?;
    if !value.is_finite() {
        return Err(Error::Optimizer {
            status: "the objective is not finite at the start".into(),
        });
    }
    let mut search = Search {
        limits: Limits::new(settings),
        objective,
        observe,
        log: Vec::new(),
        stopped: None,
        x: start.to_vec(),
        value,
        gradient: vec![0.0; start.len()],
        next: vec![0.0; start.len()],
        initial_inverse: inverse.clone(),
        inverse,
    };
    search.record(value, start);
    search.objective.gradient(&mut search.gradient)?;
    search.recompute_inverse();
    let status = search.run(tolerance);
    Ok(search.finish(status))
}

struct Search<'a, 'b> {
    limits: Limits,
    objective: &'a mut dyn Objective,
    observe: &'a mut Observer<'b>,
    log: Vec<(f64, Vec<f64>)>,
    stopped: Option<Status>,
    // The current point and its gradient; `next` is working memory for the gradient at the next
    // point.
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    next: Vec<f64>,
    initial_inverse: Vec<f64>,
    inverse: Vec<f64>,
}

impl Search<'_, '_> {
    fn run(&mut self, tolerance: f64) -> Status {
        let mut is_fresh = true;
        let mut gain = Gain::from(self.value);
        loop {
            if gain.is_stalled(self.value) {
                return Status::FtolReached;
            }
            let step = self.newton_step();
            let slope = small::dot(&step, &self.gradient);
            if -0.5 * slope <= tolerance {
                return Status::FtolReached;
            }
            if self.stopped.is_some() {
                return Status::Success;
            }
            if self.advance(&step, slope) {
                is_fresh = false;
            } else if is_fresh {
                return Status::RoundoffLimited;
            } else {
                // The updated inverse Hessian may be a bad approximation: reset it to the initial
                // one and retry.
                self.inverse.clone_from(&self.initial_inverse);
                is_fresh = true;
            }
        }
    }

    // Line search along the step, followed by the update of the inverse Hessian from the new
    // gradient.
    fn advance(&mut self, step: &[f64], slope: f64) -> bool {
        let Some((reached, length)) = self.line_search(step, slope) else {
            return false;
        };
        if self.objective.gradient(&mut self.next).is_err() {
            return false;
        }
        let s: Vec<f64> = step.iter().map(|d| length * d).collect();
        let y = self.change_of_gradient();
        small::axpy(length, step, &mut self.x);
        // After a long step the curvature may differ from its mean along the step, which is all
        // that the BFGS update has.
        let is_far = -0.5 * slope > FAR_GAIN;
        if !(is_far && self.recompute_inverse()) {
            self.update_inverse(&s, &y);
        }
        std::mem::swap(&mut self.gradient, &mut self.next);
        self.value = reached;
        true
    }

    fn change_of_gradient(&self) -> Vec<f64> {
        let pairs = self.next.iter().zip(&self.gradient);
        pairs.map(|(next, before)| next - before).collect()
    }

    // Replaces the inverse Hessian by the one that the objective computes at its last point, if
    // any.
    fn recompute_inverse(&mut self) -> bool {
        let Some(inverse) = self.objective.metric() else {
            return false;
        };
        self.inverse = inverse;
        true
    }

    fn finish(self, status: Status) -> BfgsSummary {
        let (initial_value, initial) = self.log[0].clone();
        let summary = OptSummary {
            initial,
            initial_value,
            best: self.x,
            best_value: self.value,
            initial_step: Vec::new(),
            status: self.stopped.unwrap_or(status),
            log: self.log,
            optima: Optima::default(),
        };
        BfgsSummary {
            summary,
            gradient: self.gradient,
            inverse: self.inverse,
        }
    }

    fn newton_step(&self) -> Vec<f64> {
        let rows = self.inverse.chunks_exact(self.x.len().max(1));
        rows.map(|row| -small::dot(row, &self.gradient)).collect()
    }

    // The first point along the step that satisfies Armijo's condition: its value and step length.
    fn line_search(&mut self, step: &[f64], slope: f64) -> Option<(f64, f64)> {
        let value = self.value;
        let of_objective = self.objective.noise();
        let noise = (VALUE_NOISE * value.abs()).max(of_objective);
        let mut length = 1.0;
        for _ in 0..MAX_TRIALS {
            let moved = self.x.iter().zip(step);
            let trial: Vec<f64> = moved.map(|(x, d)| x + length * d).collect();
            let reached = self.objective.value(&trial).unwrap_or(f64::NAN);
            self.record(reached, &trial);
            if reached <= value + SUFFICIENT * length * slope + noise {
                return Some((reached, length));
            }
            if self.stopped.is_some() {
                return None;
            }
            // The minimum of the parabola that interpolates the value and slope at zero and the
            // value reached.
            let parabola = -0.5 * slope * length * length
                / (reached - value - slope * length);
            length = if reached.is_finite() {
                parabola.clamp(0.1 * length, 0.5 * length)
            } else {
                0.25 * length
            };
        }
        None
    }

    fn record(&mut self, value: f64, x: &[f64]) {
        self.log.push((value, x.to_vec()));
        let count = self.log.len();
        let flow = (self.observe)(count, value, x);
        let is_spent = self.objective.is_spent();
        let limit = self.limits.met(count, is_spent, flow);
        self.stopped = limit.or(self.stopped);
    }

    // The BFGS update of the inverse Hessian for a step s with the change of gradient y.
    fn update_inverse(&mut self, s: &[f64], y: &[f64]) {
        let n = s.len();
        let sy = small::dot(s, y);
        if sy <= LEAST_COSINE * self.scaled_lengths(s, y) {
            // Negative curvature along s: the update would not be positive definite, so lengthen
            // the next step instead.
            for h in &mut self.inverse {
                *h *= 2.0;
            }
            return;
        }
        let rows = self.inverse.chunks_exact(n);
        let hy: Vec<f64> = rows.map(|row| small::dot(row, y)).collect();
        let factor = (1.0 + small::dot(y, &hy) / sy) / sy;
        for j in 0..n {
            for i in 0..n {
                let mixed = hy[i] * s[j] + s[i] * hy[j];
                self.inverse[j * n + i] += factor * s[i] * s[j] - mixed / sy;
            }
        }
    }

    // `|s| |y|` in the metric of the diagonal of the initial inverse Hessian, as the parameters may
    // have very different scales.
    fn scaled_lengths(&self, s: &[f64], y: &[f64]) -> f64 {
        let units = self.initial_inverse.iter().step_by(s.len() + 1);
        let mut step = 0.0;
        let mut change = 0.0;
        for ((s, y), unit) in s.iter().zip(y).zip(units) {
            step += s * s / unit;
            change += y * y * unit;
        }
        (step * change).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::limits::STALL;
    use crate::optimize::rosenbrock::Rosenbrock;
    use crate::optimize::Flow;

    fn fit(
        settings: &Settings,
        flow: &mut dyn FnMut(usize) -> Flow,
    ) -> BfgsSummary {
        let identity = vec![1.0, 0.0, 0.0, 1.0];
        let mut objective = Rosenbrock::default();
        minimize(
            settings,
            1e-14,
            &[-1.2, 1.0],
            identity,
            &mut objective,
            &mut |k, _, _| flow(k),
        )
        .unwrap()
    }

    #[test]
    fn finds_the_minimum_of_rosenbrock() {
        let found = fit(&Settings::default(), &mut |_| Flow::Continue);
        assert_eq!(found.summary.status, Status::FtolReached);
        assert!(
            found.summary.best_value < 1e-12 && found.summary.log.len() < 80
        );
        // Inverse of [802 -400; -400 200]
        assert!(
            (found.inverse[0] - 0.5).abs() < 0.02
                && (found.inverse[3] - 2.005).abs() < 0.1
        );
    }

    #[test]
    fn limits_end_the_search() {
        let settings = Settings {
            max_eval: 12,
            ..Default::default()
        };
        let found = fit(&settings, &mut |_| Flow::Continue);
        assert_eq!(
            (found.summary.status, found.summary.log.len()),
            (Status::MaxEval, 12)
        );
        let found = fit(&Settings::default(), &mut |k| {
            if k == 5 {
                Flow::Stop
            } else {
                Flow::Continue
            }
        });
        assert_eq!(
            (found.summary.status, found.summary.log.len()),
            (Status::Interrupted, 5)
        );
    }

    // An objective that hardly falls although its gradient predicts a large decrease.
    struct Creeping(f64);

    impl Objective for Creeping {
        fn value(&mut self, _x: &[f64]) -> Result<f64> {
            self.0 -= 1e-12;
            Ok(self.0)
        }

        fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
            gradient.fill(1.0);
            Ok(())
        }

        fn noise(&self) -> f64 {
            f64::MAX
        }
    }

    #[test]
    fn steps_that_gain_nothing_end_the_search() {
        let found = minimize(
            &Settings::default(),
            1e-9,
            &[0.0],
            vec![1.0],
            &mut Creeping(0.0),
            &mut |_, _, _| Flow::Continue,
        );
        let summary = found.unwrap().summary;
        assert_eq!(summary.status, Status::FtolReached);
        assert!(summary.log.len() <= STALL);
    }
}
