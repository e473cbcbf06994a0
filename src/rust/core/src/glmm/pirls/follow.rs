//! A dispersion that is a function of the modes, determined together with them.
//!
//! The modes minimise `deviance / phi + |u|^2` for given phi, and `phi = deviance / df` minimises
//! the same function plus `df log phi` for given modes. So phi is updated after each step near the
//! modes, and this sum never rises; far from the modes phi keeps the value of an earlier search, as
//! there may be several modes. A full step near the modes leads to the modes for its phi: the
//! excess of `log(deviance / df)` over `log phi` is then a function of phi, whose zero the secant
//! method finds with superlinear convergence.

use super::Pirls;
use crate::error::{Error, Result};
use crate::tolerances::{SHAPE_NOISE, SHAPE_STEP};

/// Largest number of changes of the dispersion in one search for the modes.
const MOST_CHANGES: usize = 50;

/// The state of the iteration for the dispersion.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    /// Degrees of freedom by which the deviance is divided.
    df: f64,
    /// A dispersion that is rounding error only.
    least: f64,
    /// The logarithm of the dispersion and its excess at the previous step, if that was a full one.
    last: Option<(f64, f64)>,
    changes: usize,
}

impl Follow {
    /// A dispersion that is the deviance over `df`, and at least a rounding error.
    pub fn new(df: f64, least: f64) -> Self {
        Self {
            df,
            least,
            last: None,
            changes: 0,
        }
    }

    /// Discards the state of the previous search.
    pub fn restart(&mut self) {
        self.last = None;
        self.changes = 0;
    }

    // Whether the excess is negligible, or as small as rounding errors allow.
    fn is_settled(&self, excess: f64, roughness: f64) -> bool {
        let size = excess.abs() / roughness;
        let is_idle = self
            .last
            .is_some_and(|(_, before)| excess.abs() >= before.abs());
        size < SHAPE_STEP
            || (size < SHAPE_NOISE && is_idle)
            || self.changes == MOST_CHANGES
    }

    // The next dispersion, after a full or partial step near the modes.
    fn next(&mut self, log: f64, excess: f64, is_whole: bool) -> f64 {
        let slope = match self.last {
            Some((l, e)) if is_whole => {
                ((excess - e) / (log - l)).clamp(-2.0, -0.2)
            }
            _ => -1.0,
        };
        self.last = is_whole.then_some((log, excess));
        self.changes += 1;
        (log - excess / slope).exp()
    }
}

impl Pirls {
    /// Updates the dispersion after a step near the modes, if it is a function of them; returns
    /// whether it has converged.
    ///
    /// # Errors
    /// `ZeroResidual`, `NonFinite`.
    pub(super) fn follow_modes(
        &mut self,
        is_near: bool,
        is_whole: bool,
    ) -> Result<bool> {
        let Some(mut follow) = self.follow.take() else {
            return Ok(true);
        };
        let settled = match is_near {
            true => self.follow_by(&mut follow, is_whole),
            false => Ok(false),
        };
        self.follow = Some(follow);
        settled
    }

    fn follow_by(
        &mut self,
        follow: &mut Follow,
        is_whole: bool,
    ) -> Result<bool> {
        let implied = self.response.deviance() / follow.df;
        if implied <= follow.least {
            return Err(Error::ZeroResidual);
        }
        let log = self.response.shape.ln();
        let excess = implied.ln() - log;
        if !excess.is_finite() {
            return Err(Error::NonFinite {
                what: "dispersion",
                index: 0,
            });
        }
        if follow.is_settled(excess, self.tolerance.roughness) {
            return Ok(true);
        }
        let next = follow.next(log, excess, is_whole);
        let short = self.short_deviance();
        let share = self.response.set_dispersion(next);
        self.penalized = self.penalty() + short * share;
        Ok(false)
    }
}
