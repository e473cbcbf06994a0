//! Searches of the iterative engine: the same random vectors at every theta make the objective
//! smooth, and more of them are taken until what is left of their noise doesn't matter.

use crate::error::Result;
use crate::iterative::Noise;
use crate::kernels::eigen::Eigen;
use crate::kernels::small;
use crate::lmm::engine::Engine;
use crate::lmm::matrix_free::{MatrixFree, FEWEST, MOST};
use crate::lmm::search::Search;
use crate::lmm::{LinearMixedModel, Reached};
use crate::optimize::minima::Minima;
use crate::optimize::{
    scale, Geometry, Objective, Observer, OptSummary, Settings,
};
use crate::tolerances::{LEAST_CURVATURE, NEGLIGIBLE_EXCESS, SEARCH_NOISE};

impl LinearMixedModel {
    /// What random vectors leave of doubt at the last theta that was judged or fitted; `None` of
    /// the exact engine.
    pub fn noise(&self) -> Option<Noise> {
        self.noise
    }

    /// By how much values and derivatives of a search may disagree.
    pub(super) fn search_noise(&self) -> f64 {
        if self.is_iterative() {
            SEARCH_NOISE
        } else {
            0.0
        }
    }

    // Takes so many random vectors for a search.
    pub(super) fn search_by(&mut self, probes: usize) {
        for iterative in self.iterative_mut() {
            iterative.search(probes);
        }
    }

    // Takes as many random vectors as the last search, or more, for values to be reported.
    fn report(&mut self) {
        for iterative in self.iterative_mut() {
            iterative.report(iterative.count());
        }
    }

    // The engines without a factor, which are about to forget what they know.
    fn iterative_mut(&mut self) -> impl Iterator<Item = &mut MatrixFree> {
        let alone = self.alone.as_mut();
        let engines = [Some(&mut self.engine), alone.map(|a| &mut a.engine)];
        let engines = engines.into_iter().flatten();
        let found: Vec<_> =
            engines.filter_map(Engine::as_iterative_mut).collect();
        if !found.is_empty() {
            self.memory.reached = Reached::Nothing;
        }
        found.into_iter()
    }

    // By how much the gradient in theta that each random vector tells deviates from the mean, at
    // the last theta; `None` of the exact engine.
    fn gradient_deviations(&mut self) -> Option<Vec<Vec<f64>>> {
        let (engine, omega) = match &mut self.alone {
            Some(alone) => (&alone.engine, &mut alone.own),
            None => (&self.engine, &mut self.memory.omega),
        };
        Some(engine.as_iterative()?.gradient_deviations(omega))
    }

    // What random vectors tell at the last theta.
    fn told(&self) -> Option<&MatrixFree> {
        match &self.alone {
            Some(alone) => alone.engine.as_iterative(),
            None => self.engine.as_iterative(),
        }
    }
}

// Half the trace of `|H|^-1 C`, C the covariance of the mean of some gradients; directions in
// which H is flat count as hardly curved ones. Where H isn't positive definite the point is no
// minimum, or random vectors hide that it is one: `|H|` tells there how far Newton's steps lead.
fn excess(n: usize, hessian: &[f64], deviations: &[Vec<f64>]) -> f64 {
    let mut eigen = Eigen::new(n);
    if !eigen.decompose(hessian) {
        return f64::NAN;
    }
    let curvatures = eigen.values.iter().map(|value| value.abs());
    let largest = curvatures.clone().fold(0.0, f64::max);
    let least = LEAST_CURVATURE.sqrt() * largest;
    let mut sum = 0.0;
    for (i, curvature) in curvatures.enumerate() {
        let squares = squares_along(eigen.vector(i), deviations);
        // Objectives that are flat everywhere have no slopes.
        if squares > 0.0 {
            sum += squares / curvature.max(least);
        }
    }
    let count = deviations.len() as f64;
    0.5 * sum / (count * (count - 1.0))
}

fn squares_along(direction: &[f64], vectors: &[Vec<f64>]) -> f64 {
    let squares = vectors.iter().map(|v| small::dot(direction, v).powi(2));
    squares.sum()
}

impl Search<'_> {
    /// Searches from the start with few random vectors, and from other correlations if `elsewhere`,
    /// then with more vectors from where that ended.
    ///
    /// # Errors
    /// Fails as [`LinearMixedModel::fit`] does.
    pub(super) fn with_more_probes(
        &mut self,
        settings: &Settings,
        elsewhere: bool,
        observe: &mut Observer,
    ) -> Result<OptSummary> {
        let mut probes = FEWEST;
        let at = self.at.clone();
        let mut found = at.minimize(settings, self, observe)?;
        if elsewhere && !self.is_well_determined(&found) {
            self.keep_minimum(&found);
            found = self.or_from_elsewhere(found, settings, observe);
            // With more random vectors the minima move.
            self.minima = Minima::default();
            self.ended_in = None;
        }
        while probes < MOST && found.status.has_converged() {
            let excess = self.excess_at(&found.best)?;
            if excess <= NEGLIGIBLE_EXCESS {
                break;
            }
            probes = MOST.min(4 * probes);
            self.model_mut().search_by(probes);
            let spent = found.log.len();
            let mut left = settings.clone();
            if left.max_eval > 0 {
                left.max_eval = left.max_eval.saturating_sub(spent).max(1);
            }
            let mut see = |count: usize, value: f64, p: &[f64]| {
                observe(spent + count, value, p)
            };
            let at = self.at.starting_at(&found.best);
            let next = at.minimize(&left, self, &mut see)?;
            found = found.followed_by(next);
        }
        self.model_mut().report();
        let best = self.at.from_theta(&found.best);
        found.best_value = self.value(&best)?;
        Ok(found)
    }

    fn excess_at(&mut self, parameters: &[f64]) -> Result<f64> {
        let x = self.at.from_theta(parameters);
        self.value(&x)?;
        let (_, hessian) = crate::judge::derivatives(self, x.len())?;
        let noise = self.measure_noise(&hessian);
        Ok(noise.map_or(0.0, |noise| noise.excess))
    }

    /// The noise at the last point, whose Hessian in the coordinates this is.
    pub(super) fn measure_noise(&mut self, hessian: &[f64]) -> Option<Noise> {
        let n = hessian.len().isqrt();
        let units = self.step_sizes(n);
        let mut hessian = hessian.to_vec();
        scale(&units, &mut [], &mut hessian);
        let mut deviations = Vec::new();
        for mut of_theta in self.model_mut().gradient_deviations()? {
            // Log sigma, if it is a parameter, is known without random vectors.
            of_theta.resize(self.at.parameters.len(), 0.0);
            let mut of_coordinates = vec![0.0; n];
            self.at.gradient(&of_theta, &mut of_coordinates);
            scale(&units, &mut of_coordinates, &mut []);
            deviations.push(of_coordinates);
        }
        let told = self.model().told()?;
        Some(Noise {
            excess: excess(n, &hessian, &deviations),
            loglik_se: told.here().log_det_re().std_error / 2.0,
            probes: told.count(),
            iterations: told.here().iterations(),
        })
    }
}
