//! What an optimizer knows of an objective: its value and derivatives, and of the space of its
//! coordinates.

use crate::error::{Error, Result};
use crate::tolerances::STEP_NOISE;

/// A function to be minimised. Derivatives are those at the point of the last successful
/// [`Objective::value`].
pub trait Objective {
    /// The objective at `x`.
    ///
    /// # Errors
    /// The model's own, where the objective isn't defined.
    fn value(&mut self, x: &[f64]) -> Result<f64>;

    /// The gradient.
    ///
    /// # Errors
    /// `Optimizer` if there is none; the model's own.
    fn gradient(&mut self, _gradient: &mut [f64]) -> Result<()> {
        Err(Error::Optimizer {
            status: "the objective has no gradient".into(),
        })
    }

    /// By how much values may disagree with what derivatives predict, beyond rounding errors: a
    /// step that promises less is taken on trust.
    fn noise(&self) -> f64 {
        0.0
    }

    /// The inverse of an approximate Hessian at the last point, where [`Objective::gradient`] has
    /// been called, if it costs less than an evaluation.
    fn metric(&mut self) -> Option<Vec<f64>> {
        None
    }

    /// The Hessian or an approximation, symmetric, at a point where [`Objective::gradient`] has
    /// been called.
    ///
    /// # Errors
    /// `Optimizer` if there is none; the model's own.
    fn hessian(&mut self, _hessian: &mut [f64]) -> Result<()> {
        Err(Error::Optimizer {
            status: "the objective has no Hessian".into(),
        })
    }
}

/// The space of an objective's coordinates: their units, which points are equivalent, where the
/// bounds are, and where else to look. Without more being said it is that of `n` free coordinates
/// of size one.
pub trait Geometry: Objective {
    /// The size of a step of one in each of the `n` coordinates.
    fn step_sizes(&self, n: usize) -> Vec<f64> {
        vec![1.0; n]
    }

    /// The largest covariance at `x` beside its unit: rounding errors of the objective grow with
    /// the square.
    fn extent(&self, _x: &[f64]) -> f64 {
        1.0
    }

    /// The rounding error of `value`, the objective at `x`: where covariances are large beside the
    /// residual variance it comes from differences of large numbers.
    fn rounding(&self, x: &[f64], value: f64) -> f64 {
        let of_differences = f64::EPSILON * self.extent(x).powi(2);
        of_differences.max(STEP_NOISE) * (1.0 + value.abs())
    }

    /// Gradient and Hessian in the coordinates of [`Geometry::displaced`]: those of a step from the
    /// last point.
    ///
    /// # Errors
    /// Fails as [`Objective::gradient`] and [`Objective::hessian`] do.
    fn local_derivatives(
        &mut self,
        gradient: &mut [f64],
        hessian: &mut [f64],
    ) -> Result<()> {
        self.gradient(gradient)?;
        self.hessian(hessian)?;
        scale(&self.step_sizes(gradient.len()), gradient, hessian);
        Ok(())
    }

    /// The point that the step `p` leads to from `x`, at which [`Geometry::local_derivatives`] was
    /// last called.
    fn displaced(&self, x: &[f64], p: &[f64]) -> Vec<f64> {
        let step_sizes = self.step_sizes(x.len());
        let moved = x.iter().zip(p).zip(&step_sizes);
        moved.map(|((x, p), step_size)| x + p * step_size).collect()
    }

    /// Whether Hessians leave something out that steps can tell, and derivatives at all points are
    /// those in the same coordinates.
    fn has_rough_hessian(&self) -> bool {
        false
    }

    /// Whether there are no equivalent points beyond the lower bound of zero of each of the `n`
    /// coordinates.
    fn is_bounded(&self, n: usize) -> Vec<bool> {
        vec![false; n]
    }

    /// Chooses among equivalent points the one to report.
    fn make_canonical(&self, _x: &mut [f64]) {}

    /// A point that another method than Newton's proposes from the last one, whose Hessian has been
    /// computed.
    fn proposal(&mut self) -> Option<Vec<f64>> {
        None
    }

    /// Whether a step from one point to another, with their values, is about to end in a minimum
    /// that is known.
    fn nears_known_minimum(
        &mut self,
        _before: (f64, &[f64]),
        _now: (f64, &[f64]),
    ) -> bool {
        false
    }

    /// Points to try where the gradient at `x` vanishes, best first: those that promise more than
    /// `gain`.
    fn escapes(&mut self, _x: &[f64], _gain: f64) -> Vec<Vec<f64>> {
        Vec::new()
    }
}

/// Turns derivatives in some coordinates into those in multiples of `step_sizes`.
pub(crate) fn scale(
    step_sizes: &[f64],
    gradient: &mut [f64],
    hessian: &mut [f64],
) {
    for (g, step_size) in gradient.iter_mut().zip(step_sizes) {
        *g *= step_size;
    }
    for (column, step_size) in hessian
        .chunks_exact_mut(step_sizes.len().max(1))
        .zip(step_sizes)
    {
        for (h, other) in column.iter_mut().zip(step_sizes) {
            *h *= step_size * other;
        }
    }
}
