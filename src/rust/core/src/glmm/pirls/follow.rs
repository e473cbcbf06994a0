//! A dispersion that follows from the modes, and is found along with them.
//!
//! The modes minimise `deviance / phi + |u|^2` for a given phi, and `phi = deviance / df` minimises
//! the same with `df log phi` added for given modes. So phi follows after each step near the modes,
//! and that sum never rises; far from them phi stays, which a search before has found, as there may
//! be several modes. A whole step near the modes leads to those of its phi: the excess of
//! `log(deviance / df)` over `log phi` is then a function of phi, whose zero the secant method
//! finds at a faster rate.

use super::Pirls;
use crate::error::{Error, Result};
use crate::tolerances::{SHAPE_NOISE, SHAPE_STEP};

/// Most changes of a dispersion in one search for the modes.
const MOST_CHANGES: usize = 50;

/// What a dispersion follows by.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    /// Degrees of freedom that the deviance is divided by.
    df: f64,
    /// What is no more than a rounding error of the dispersion.
    least: f64,
    /// Logarithm of the dispersion, and its excess, at the step before, if that was a whole one.
    last: Option<(f64, f64)>,
    changes: usize,
}

impl Follow {
    /// A dispersion that is the deviance over `df`, and not less than a rounding error.
    pub fn new(df: f64, least: f64) -> Self {
        Self {
            df,
            least,
            last: None,
            changes: 0,
        }
    }

    /// Forgets the search before.
    pub fn restart(&mut self) {
        self.last = None;
        self.changes = 0;
    }

    // Whether the excess is small enough, or as small as rounding lets it be.
    fn is_settled(&self, excess: f64, roughness: f64) -> bool {
        let size = excess.abs() / roughness;
        let is_idle = self
            .last
            .is_some_and(|(_, before)| excess.abs() >= before.abs());
        size < SHAPE_STEP
            || (size < SHAPE_NOISE && is_idle)
            || self.changes == MOST_CHANGES
    }

    // The next dispersion, after a whole step near the modes or a part of it.
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
    /// Lets the dispersion follow after a step near the modes, if it is one that does; returns
    /// whether it is settled.
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
