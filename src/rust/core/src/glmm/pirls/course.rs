//! Convergence control of PIRLS: when to try Newton's method, and when the modes have been found.

use crate::tolerances::{NEAR, SQUARING};

/// Largest number of steps that refine the modes once steps are small.
pub(super) const MOST_REFINEMENTS: usize = 300;
/// Largest number of small steps that do not become smaller.
const MOST_IDLE: usize = 5;
/// Number of steps with safe weights, far from the modes, after which Newton's method is tried.
const MOST_FISHER: usize = 10;

/// The state of the convergence control.
#[derive(Debug)]
pub(super) struct Course {
    /// The Newton decrement below which the modes are accepted.
    tolerance: f64,
    /// Where convergence is linear, the share of the tolerance below which the extrapolated error
    /// must be.
    share: f64,
    /// The rounding error of the penalized deviance.
    pub rounding: f64,
    /// Whether observed and expected information are equal.
    is_canonical: bool,
    /// Whether a predicted decrement may end the search, before it has been computed.
    pub foresees: bool,
    /// The decrement of the previous step.
    before: f64,
    /// Number of steps that gained more than the tolerance.
    pub moving: usize,
    /// Number of steps that gained less.
    refining: usize,
    /// Number of steps that were no smaller than the previous ones, or gained less than the
    /// rounding error.
    idle: usize,
    /// Number of steps since the exact Hessian was found not to be positive definite, and the
    /// number of steps before it is tried again.
    waited: usize,
    patience: usize,
}

impl Course {
    /// The state before the first step.
    pub fn new(tolerance: f64, share: f64, is_canonical: bool) -> Self {
        Self {
            tolerance,
            share,
            rounding: 0.0,
            is_canonical,
            foresees: false,
            before: f64::INFINITY,
            moving: 0,
            refining: 0,
            idle: 0,
            waited: 0,
            patience: 0,
        }
    }

    /// Whether the next step should be one of Newton's method: far from the modes, safe weights
    /// lead more reliably to the region where the deviance is convex.
    pub fn wants_newton(&self, unit: f64) -> bool {
        let is_near = self.before <= NEAR * unit || self.moving >= MOST_FISHER;
        is_near && self.waited >= self.patience
    }

    /// Records whether the exact Hessian was positive definite.
    pub fn record_attempt(&mut self, wanted: bool, is_newton: bool) {
        self.waited += 1;
        if wanted && !is_newton {
            self.waited = 0;
            self.patience = 2 * self.patience + 1;
        }
    }

    /// Whether the modes have been found by a step with this decrement and length.
    ///
    /// Newton's method squares the error of the modes after a full step, so that a search with low
    /// accuracy ends when the next decrement is predicted to be small. With expected weights
    /// convergence is linear, at a rate estimated from the last two steps, full or not.
    pub fn has_reached_modes(
        &mut self,
        decrement: f64,
        length: f64,
        is_newton: bool,
    ) -> bool {
        let rate = if self.before.is_finite() {
            (decrement / self.before).min(1.0)
        } else {
            1.0
        };
        self.before = decrement;
        let is_quadratic = is_newton && length == 1.0;
        let left = decrement * if is_quadratic { rate * rate } else { rate };
        let is_accurate = if self.is_canonical && is_newton {
            length == 1.0
        } else {
            left <= self.share * self.tolerance
        };
        // With large prior weights the tolerance may be below the rounding error.
        let is_rounding = decrement <= self.rounding;
        let is_small = decrement <= self.tolerance || is_rounding;
        let is_near = is_quadratic && rate <= SQUARING;
        if self.foresees && is_near && left <= self.tolerance {
            return true;
        }
        if !is_small {
            self.moving += 1;
            return false;
        }
        self.refining += 1;
        // Steps that no longer become smaller are rounding errors, too.
        let is_above = decrement > self.tolerance;
        if rate == 1.0 || is_above {
            self.idle += 1;
        }
        is_accurate && !is_above
            || self.idle > MOST_IDLE
            || self.refining == MOST_REFINEMENTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_can_be_foreseen() {
        let arrives = |foresees: bool, decrements: &[f64]| {
            let mut course = Course::new(1e-6, 1e-10, true);
            course.foresees = foresees;
            let mut steps = decrements.iter();
            steps.position(|d| course.has_reached_modes(*d, 1.0, true))
        };
        // Each decrement is the square of the previous one, divided by a thousand.
        let quadratic = [30.0, 0.9, 8.1e-4, 6.6e-10];
        assert_eq!(arrives(false, &quadratic), Some(3));
        assert_eq!(arrives(true, &quadratic), Some(2));
        let linear = [30.0, 3.0, 0.3, 0.03, 0.003];
        assert_eq!(arrives(true, &linear), None);
    }
}
