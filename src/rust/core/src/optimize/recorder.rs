//! The record of an optimizer's evaluations: the log, the best point, and the limits.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::limits::Limits;
use super::{Geometry, OptSummary, Optima, Settings, Status};
use crate::error::Result;

/// What the caller requests after an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Continue the search.
    Continue,
    /// Stop with the best point so far.
    Stop,
}

/// Observes every evaluation (its number, value and point), and may stop the optimizer.
pub type Observer<'a> = dyn FnMut(usize, f64, &[f64]) -> Flow + 'a;

/// An observer that stops the optimizer when the flag is set.
pub fn until(stop: &AtomicBool) -> impl FnMut(usize, f64, &[f64]) -> Flow + '_ {
    |_, _, _| match stop.load(Relaxed) {
        true => Flow::Stop,
        false => Flow::Continue,
    }
}

/// Evaluates the objective for an optimizer, logs every evaluation, and enforces the limits.
pub(crate) struct Recorder<'a> {
    /// The objective, with the geometry of its coordinates.
    pub(crate) objective: &'a mut dyn Geometry,
    observe: &'a mut Observer<'a>,
    limits: Limits,
    log: Vec<(f64, Vec<f64>)>,
    best: usize,
    is_valid: bool,
    // The gradient at the last point where the objective is defined.
    last_gradient: Vec<f64>,
    stopped: Option<Status>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(
        settings: &Settings,
        objective: &'a mut dyn Geometry,
        observe: &'a mut Observer<'a>,
    ) -> Self {
        Self {
            objective,
            observe,
            limits: Limits::new(settings),
            log: Vec::new(),
            best: 0,
            is_valid: true,
            last_gradient: Vec::new(),
            stopped: None,
        }
    }

    /// The objective at `x`. Where it is undefined the value at the start is returned instead: an
    /// infinite value would spoil the interpolation models of NLopt's algorithms.
    pub(crate) fn evaluate(&mut self, x: &[f64]) -> f64 {
        let value = self.objective.value(x).ok().filter(|v| v.is_finite());
        self.is_valid = value.is_some();
        let value = value
            .or(self.log.first().map(|first| first.0))
            .unwrap_or(f64::NAN);
        self.record(value, x);
        value
    }

    /// The objective at the canonical form of `x`, if it is defined there.
    pub(crate) fn evaluate_at(&mut self, mut x: Vec<f64>) -> Option<f64> {
        self.objective.make_canonical(&mut x);
        let value = self.evaluate(&x);
        self.is_valid.then_some(value)
    }

    /// Writes the gradient at the last point. Where the objective is undefined it is reversed, so
    /// that the optimizer turns back; a zero gradient would be taken for an optimum.
    pub(crate) fn gradient(&mut self, gradient: &mut [f64]) {
        if self.is_valid && self.objective.gradient(gradient).is_ok() {
            self.last_gradient.clear();
            self.last_gradient.extend_from_slice(gradient);
        } else {
            gradient.fill(0.0);
            for (g, last) in gradient.iter_mut().zip(&self.last_gradient) {
                *g = -last;
            }
        }
    }

    /// Writes gradient and Hessian at `x`, where the objective is defined.
    ///
    /// # Errors
    /// The objective's own.
    pub(crate) fn derivatives_at(
        &mut self,
        x: &[f64],
        gradient: &mut [f64],
        hessian: &mut [f64],
    ) -> Result<()> {
        self.objective.value(x)?;
        self.objective.gradient(gradient)?;
        self.objective.hessian(hessian)
    }

    /// The number of evaluations so far.
    pub(crate) fn count(&self) -> usize {
        self.log.len()
    }

    /// The last point and its value.
    pub(crate) fn last(&self) -> (f64, &[f64]) {
        let (value, x) = &self.log[self.log.len() - 1];
        (*value, x)
    }

    /// Makes the last point the reported one, even if rounding errors make another one lower.
    pub(crate) fn prefer_last(&mut self) {
        self.best = self.log.len() - 1;
    }

    /// The best point, in its canonical form.
    pub(crate) fn canonical_best(&self) -> Vec<f64> {
        let mut best = self.best().1.to_vec();
        self.objective.make_canonical(&mut best);
        best
    }

    pub(crate) fn record(&mut self, value: f64, x: &[f64]) {
        self.log.push((value, x.to_vec()));
        if value < self.log[self.best].0 {
            self.best = self.log.len() - 1;
        }
        let count = self.log.len();
        let flow = (self.observe)(count, value, x);
        let is_spent = self.objective.is_spent();
        let limit = self.limits.met(count, is_spent, flow);
        self.stopped = limit.or(self.stopped);
    }

    /// Whether a limit has been met, so that the optimizer must stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// The best point and its value.
    pub(crate) fn best(&self) -> (f64, &[f64]) {
        (self.log[self.best].0, &self.log[self.best].1)
    }

    /// The lowest point and its value.
    pub(crate) fn lowest(&self) -> (f64, &[f64]) {
        let by_value =
            |a: &&(f64, Vec<f64>), b: &&(f64, Vec<f64>)| a.0.total_cmp(&b.0);
        let lowest = self.log.iter().min_by(by_value);
        lowest.map_or((f64::NAN, &[]), |(value, x)| (*value, x))
    }

    pub(crate) fn finish(
        self,
        status: Status,
        initial_step: Vec<f64>,
    ) -> OptSummary {
        let (initial_value, initial) = self.log[0].clone();
        let best_value = self.best().0;
        let best = self.canonical_best();
        let status = self.stopped.unwrap_or(status);
        OptSummary {
            initial,
            initial_value,
            best,
            best_value,
            initial_step,
            status,
            log: self.log,
            optima: Optima::default(),
        }
    }
}
