//! The course of a search for the modes: when Newton's method is tried, and when the modes are
//! found.

use crate::tolerances::{NEAR, SQUARING};

/// Once steps are small, so many more may refine the modes.
pub(super) const MOST_REFINEMENTS: usize = 300;
/// Small steps that may be as large as the steps before them.
const MOST_IDLE: usize = 5;
/// Steps with safe weights before Newton's method is tried from where the modes are far.
const MOST_FISHER: usize = 10;

/// The course of a search for the modes.
#[derive(Debug)]
pub(super) struct Course {
    /// The modes are accepted once the decrement is below this.
    tolerance: f64,
    /// What a step leaves is expected to be below this share of the tolerance, where convergence is
    /// linear.
    share: f64,
    /// Whether observed and expected information are the same.
    is_canonical: bool,
    /// Whether a decrement that is foreseen, but not seen, ends the search.
    pub foresees: bool,
    /// The decrement of the step before.
    before: f64,
    /// Steps that gained more than the tolerance.
    pub moving: usize,
    /// Steps that gained less.
    refining: usize,
    /// Steps that were no smaller than those before them.
    idle: usize,
    /// Steps since the exact Hessian was tried and wasn't positive definite, and how many there
    /// have to be before it is tried again.
    waited: usize,
    patience: usize,
}

impl Course {
    /// The course before the first step.
    pub fn new(tolerance: f64, share: f64, is_canonical: bool) -> Self {
        Self {
            tolerance,
            share,
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

    /// Whether the next step is to be one of Newton's method: far from the modes safe weights lead
    /// more surely to where the deviance is convex.
    pub fn wants_newton(&self, unit: f64) -> bool {
        let is_near = self.before <= NEAR * unit || self.moving >= MOST_FISHER;
        is_near && self.waited >= self.patience
    }

    /// Takes note of whether the exact Hessian served.
    pub fn has_tried(&mut self, wanted: bool, is_newton: bool) {
        self.waited += 1;
        if wanted && !is_newton {
            self.waited = 0;
            self.patience = 2 * self.patience + 1;
        }
    }

    /// Whether a step of this decrement and length led to the modes.
    ///
    /// Newton's method squares the error of the modes, if the step was a whole one: a search that
    /// is to be rough ends when the next decrement is foreseen to be small. Where expected
    /// weights take part convergence is linear, at a rate that the last two steps show, be they
    /// whole or not.
    pub fn has_arrived(
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
        let is_small = decrement <= self.tolerance;
        let is_near = is_quadratic && rate <= SQUARING;
        if self.foresees && is_near && left <= self.tolerance {
            return true;
        }
        if !is_small {
            self.moving += 1;
            return false;
        }
        self.refining += 1;
        // Steps that no longer become smaller are rounding errors.
        if rate == 1.0 {
            self.idle += 1;
        }
        is_accurate
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
            steps.position(|d| course.has_arrived(*d, 1.0, true))
        };
        // Each is the square of the one before, over a thousand.
        let quadratic = [30.0, 0.9, 8.1e-4, 6.6e-10];
        assert_eq!(arrives(false, &quadratic), Some(3));
        assert_eq!(arrives(true, &quadratic), Some(2));
        let linear = [30.0, 3.0, 0.3, 0.03, 0.003];
        assert_eq!(arrives(true, &linear), None);
    }
}
