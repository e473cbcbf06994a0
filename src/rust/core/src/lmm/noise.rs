//! Searches with the iterative engine, whose log-determinant is a stochastic estimate. Using the
//! same probe vectors at every theta makes the objective smooth; the number of probe vectors grows
//! until the expected excess of the true objective over its minimum is negligible.

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
    /// The error of the stochastic estimates at the last theta that was fitted or judged; `None`
    /// with the exact engine.
    pub fn noise(&self) -> Option<Noise> {
        self.noise
    }

    /// The disagreement between values and derivatives that a search allows for.
    pub(super) fn search_noise(&self) -> f64 {
        if self.is_iterative() {
            SEARCH_NOISE
        } else {
            0.0
        }
    }

    // Prepares for a search with this number of probe vectors.
    pub(super) fn set_search_probes(&mut self, probes: usize) {
        for iterative in self.iterative_mut() {
            iterative.prepare_search(probes);
        }
    }

    // Prepares for accurate values that are reported, with at least as many probe vectors as the
    // search.
    fn prepare_report(&mut self) {
        for iterative in self.iterative_mut() {
            iterative.prepare_report(iterative.count());
        }
    }

    // The iterative engines, mutably; their results at the current theta become invalid.
    fn iterative_mut(&mut self) -> impl Iterator<Item = &mut MatrixFree> {
        let random_part = self.random_part.as_mut();
        let engines =
            [Some(&mut self.engine), random_part.map(|a| &mut a.engine)];
        let engines = engines.into_iter().flatten();
        let found: Vec<_> =
            engines.filter_map(Engine::as_iterative_mut).collect();
        if !found.is_empty() {
            self.memory.reached = Reached::Nothing;
        }
        found.into_iter()
    }

    // The deviation of each probe vector's gradient in theta from the mean, at the current theta;
    // `None` with the exact engine.
    fn gradient_deviations(&mut self) -> Option<Vec<Vec<f64>>> {
        let (engine, omega) = match &mut self.random_part {
            Some(random_part) => {
                (&random_part.engine, &mut random_part.random_omega)
            }
            None => (&self.engine, &mut self.memory.omega),
        };
        Some(engine.as_iterative()?.gradient_deviations(omega))
    }

    // The iterative engine whose log-determinant is in the criterion.
    fn stochastic_engine(&self) -> Option<&MatrixFree> {
        match &self.random_part {
            Some(random_part) => random_part.engine.as_iterative(),
            None => self.engine.as_iterative(),
        }
    }
}

// The expected excess of the objective over its minimum, `tr(|H|^-1 C) / 2`, with C the covariance
// matrix of the mean of the probe vectors' gradients. Flat directions of H get the least curvature.
// Where H is not positive definite, because the point is no minimum or the noise hides that it is
// one, `|H|` has the length of Newton's steps.
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
        // A direction in which the objective is constant has no gradient, and a curvature of zero.
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
    /// Searches from the start with few probe vectors (and, if `from_other_starts`, from other
    /// correlations), then with more probe vectors from the end of that search.
    ///
    /// # Errors
    /// Fails as [`LinearMixedModel::fit`] does.
    pub(super) fn with_more_probes(
        &mut self,
        settings: &Settings,
        from_other_starts: bool,
        observe: &mut Observer,
    ) -> Result<OptSummary> {
        let mut probes = FEWEST;
        let at = self.at.clone();
        let mut found = at.minimize(settings, self, observe)?;
        if from_other_starts && !self.is_well_determined(&found) {
            self.keep_minimum(&found);
            found = self.or_from_elsewhere(found, settings, observe);
            // With more probe vectors the minima move.
            self.minima = Minima::default();
            self.ended_in = None;
        }
        while probes < MOST && found.status.has_converged() {
            let excess = self.excess_at(&found.best)?;
            if excess <= NEGLIGIBLE_EXCESS {
                break;
            }
            probes = MOST.min(4 * probes);
            self.model_mut().set_search_probes(probes);
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
        self.model_mut().prepare_report();
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

    /// The error of the stochastic estimates at the current point, where the Hessian in the
    /// coordinates is `hessian`.
    pub(super) fn measure_noise(&mut self, hessian: &[f64]) -> Option<Noise> {
        let n = hessian.len().isqrt();
        let units = self.step_sizes(n);
        let mut hessian = hessian.to_vec();
        scale(&units, &mut [], &mut hessian);
        let mut deviations = Vec::new();
        for mut of_theta in self.model_mut().gradient_deviations()? {
            // The gradient in log sigma, if sigma is a parameter, does not depend on probe vectors.
            of_theta.resize(self.at.parameters.len(), 0.0);
            let mut of_coordinates = vec![0.0; n];
            self.at.gradient(&of_theta, &mut of_coordinates);
            scale(&units, &mut of_coordinates, &mut []);
            deviations.push(of_coordinates);
        }
        let engine = self.model().stochastic_engine()?;
        Some(Noise {
            excess: excess(n, &hessian, &deviations),
            loglik_se: engine.here().log_det_re().std_error / 2.0,
            probes: engine.count(),
            iterations: engine.here().iterations(),
        })
    }
}
