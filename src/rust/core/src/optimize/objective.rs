//! The interface between optimizers and models: an objective with its derivatives, and the geometry
//! of its coordinates.

use crate::error::{Error, Result};
use crate::tolerances::STEP_NOISE;

/// A function to be minimised. Its derivatives are those at the point of the last successful call
/// of [`Objective::value`].
pub trait Objective {
    /// The objective at `x`.
    ///
    /// # Errors
    /// The model's own, where the objective is undefined.
    fn value(&mut self, x: &[f64]) -> Result<f64>;

    /// Writes the gradient.
    ///
    /// # Errors
    /// `Optimizer` if the objective has none; the model's own.
    fn gradient(&mut self, _gradient: &mut [f64]) -> Result<()> {
        Err(Error::Optimizer {
            status: "the objective has no gradient".into(),
        })
    }

    /// The largest disagreement between values and derivatives beyond rounding errors, for a
    /// stochastic objective: a step that predicts a smaller decrease is accepted unseen.
    fn noise(&self) -> f64 {
        0.0
    }

    /// Whether the evaluations so far have cost all that a search may cost: a limit in the model's
    /// own measure, where the cost of an evaluation varies.
    fn is_spent(&self) -> bool {
        false
    }

    /// The inverse of an approximate Hessian at the last point, where [`Objective::gradient`] has
    /// been called, if it is cheaper than an evaluation.
    fn metric(&mut self) -> Option<Vec<f64>> {
        None
    }

    /// Writes the Hessian or an approximation to it, symmetric, at a point where
    /// [`Objective::gradient`] has been called.
    ///
    /// # Errors
    /// `Optimizer` if the objective has none; the model's own.
    fn hessian(&mut self, _hessian: &mut [f64]) -> Result<()> {
        Err(Error::Optimizer {
            status: "the objective has no Hessian".into(),
        })
    }
}

/// The rounding error of a value of the objective where covariances have this extent.
pub(crate) fn rounding_of(extent: f64, value: f64) -> f64 {
    let of_differences = f64::EPSILON * extent.powi(2);
    of_differences.max(STEP_NOISE) * (1.0 + value.abs())
}

/// The geometry of an objective's coordinates: units, equivalent points, bounds, and trial points
/// away from a stationary point. The defaults describe `n` unconstrained coordinates with unit one.
pub trait Geometry: Objective {
    /// The unit of each of the `n` coordinates.
    fn step_sizes(&self, n: usize) -> Vec<f64> {
        vec![1.0; n]
    }

    /// The largest standard deviation at `x` in its unit: rounding errors of the objective grow
    /// with its square.
    fn extent(&self, _x: &[f64]) -> f64 {
        1.0
    }

    /// The rounding error of `value`, the objective at `x`. It comes from differences of large
    /// numbers where covariances are large relative to the residual variance.
    fn rounding(&self, x: &[f64], value: f64) -> f64 {
        rounding_of(self.extent(x), value)
    }

    /// Writes gradient and Hessian in the coordinates of a step from the last point, as used by
    /// [`Geometry::displaced`].
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

    /// The point that the step `p` reaches from `x`, where [`Geometry::local_derivatives`] was last
    /// called.
    fn displaced(&self, x: &[f64], p: &[f64]) -> Vec<f64> {
        let step_sizes = self.step_sizes(x.len());
        let moved = x.iter().zip(p).zip(&step_sizes);
        moved.map(|((x, p), step_size)| x + p * step_size).collect()
    }

    /// Whether Hessians are approximations that secant corrections can improve.
    fn has_rough_hessian(&self) -> bool {
        false
    }

    /// Marks those of the `n` coordinates with a lower bound of zero beyond which no equivalent
    /// points exist.
    fn is_bounded(&self, n: usize) -> Vec<bool> {
        vec![false; n]
    }

    /// Whether `x` is known to be far from bounds, and from points where the objective has no
    /// quadratic model.
    fn is_inside(&self, _x: &[f64]) -> bool {
        false
    }

    /// Replaces `x` by the canonical one of its equivalent points.
    fn make_canonical(&self, _x: &mut [f64]) {}

    /// A point that another method than Newton's proposes from the last one, whose Hessian has been
    /// computed.
    fn proposal(&mut self) -> Option<Vec<f64>> {
        None
    }

    /// Whether a step between two points, given with their values, converges to a known minimum.
    fn nears_known_minimum(
        &mut self,
        _before: (f64, &[f64]),
        _now: (f64, &[f64]),
    ) -> bool {
        false
    }

    /// Trial points away from the stationary point `x`, in order of their predicted decrease, which
    /// must exceed `gain`.
    fn escapes(&mut self, _x: &[f64], _gain: f64) -> Vec<Vec<f64>> {
        Vec::new()
    }
}

/// Transforms derivatives to coordinates in units of `step_sizes`.
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
