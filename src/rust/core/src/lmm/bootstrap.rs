//! The parametric bootstrap of a linear mixed model: responses simulated from a fit, each refitted
//! with the same settings.

use crate::design::Design;
use crate::error::Result;
use crate::lmm::many::{ManySettings, OneOfMany};
use crate::lmm::LinearMixedModel;
use crate::parallel::Watch;
use crate::simulate::{Simulation, Truth};

/// A simulator of responses of a linear model.
#[derive(Debug, Clone)]
pub struct Draws<'a> {
    simulation: Simulation<'a>,
    /// Residual standard deviation of each observation.
    sd: Vec<f64>,
}

impl<'a> Draws<'a> {
    /// Checks the parameters to simulate from.
    ///
    /// # Errors
    /// Fails as [`Simulation::new`] does.
    pub fn new(design: &'a Design<'a>, truth: &Truth<'a>) -> Result<Self> {
        // An observation of weight zero does not count, but its simulated response must be finite.
        let sd = |i: usize| match design.weight(i) {
            0.0 => truth.sigma,
            weight => truth.sigma / weight.sqrt(),
        };
        Ok(Self {
            simulation: Simulation::new(design, truth)?,
            sd: (0..design.n()).map(sd).collect(),
        })
    }

    /// Writes the simulated response of one replicate into `y`.
    pub fn draw(&self, replicate: u64, y: &mut [f64]) {
        let mut stream = self.simulation.predictor(replicate, y);
        for (y, sd) in y.iter_mut().zip(&self.sd) {
            *y += sd * stream.normal();
        }
    }
}

impl LinearMixedModel {
    /// Fits the simulated responses of these replicates, as [`Self::fit_many`] does. An element is
    /// `None` if its fit had not begun when the watch asked to stop.
    pub fn bootstrap(
        &self,
        design: &Design,
        draws: &Draws,
        replicates: &[u64],
        settings: &ManySettings,
        watch: &mut Watch,
    ) -> Vec<Option<Result<OneOfMany>>> {
        let fill = |c: usize, y: &mut [f64]| draws.draw(replicates[c], y);
        self.fit_each(design, replicates.len(), &fill, settings, watch)
    }
}
