//! What the optimizers see of a linear mixed model: the free elements of theta in working coordinates.
//!
//! The working coordinates have no bounds but zero for the standard deviations (see `terms::structure`); held elements
//! of theta aren't among them. Where a covariance is held on the scale of the response, `log sigma` is the last one.

use crate::error::Result;
use crate::lmm::LinearMixedModel;
use crate::optimize::{self, Objective, Observer, OptSummary, Settings};

/// A parameter is as good as zero where the way there lowers the objective by no more.
const NEGLIGIBLE: f64 = 1e-9;

/// First step in log sigma.
const SIGMA_STEP: f64 = 0.1;

/// A model with the coordinates of the free part of its theta.
#[derive(Debug)]
pub struct Search<'a> {
    model: &'a mut LinearMixedModel,
    // Indices into theta.
    free: Vec<usize>,
    // Theta at the last point, and its derivatives in the working coordinates.
    theta: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    // All of theta.
    gradient: Vec<f64>,
    hessian: Vec<f64>,
}

impl LinearMixedModel {
    /// Minimises the criterion from `start`; the factor is left at the optimum.
    ///
    /// # Errors
    /// Those of [`Self::objective`] at `start`; `UnknownOptimizer`, `Optimizer`.
    pub fn fit(&mut self, start: &[f64], settings: &Settings, observe: &mut Observer) -> Result<OptSummary> {
        let first = self.objective(start)?;
        let lower = self.lower_bounds().to_vec();
        let mut search = Search::new(self, start);
        let frame = search.frame();
        let mut see = |count: usize, value: f64, x: &[f64]| observe(count, value, &frame.natural(x));
        let x = search.coordinates(start);
        let mut lower: Vec<f64> =
            search.free.iter().map(|&j| if lower[j] == 0.0 { 0.0 } else { f64::NEG_INFINITY }).collect();
        lower.resize(x.len(), f64::NEG_INFINITY);
        let summary = if x.is_empty() {
            OptSummary::of_constant(first)
        } else {
            optimize::minimize(&search.free_settings(settings), &x, &lower, &mut search, &mut see)?
        };
        let sigma = frame.log_sigma(&summary.best).map(f64::exp);
        let summary = OptSummary {
            initial: start.to_vec(),
            best: frame.natural(&summary.best),
            log: summary.log.into_iter().map(|(value, x)| (value, frame.natural(&x))).collect(),
            ..summary
        };
        if let Some(sigma) = sigma {
            self.set_sigma(sigma);
        }
        self.objective(&summary.best)?;
        Ok(summary)
    }
}

/// From coordinates to theta.
#[derive(Debug, Clone)]
struct Frame {
    covs: Vec<crate::terms::RelCov>,
    free: Vec<usize>,
    // The start in working coordinates and as it was given.
    working: Vec<f64>,
    theta: Vec<f64>,
    absolute: Vec<(usize, f64)>,
}

impl Frame {
    fn log_sigma(&self, x: &[f64]) -> Option<f64> {
        x.get(self.free.len()).copied()
    }

    fn natural(&self, x: &[f64]) -> Vec<f64> {
        let n = self.working.len();
        let mut theta = self.working.clone();
        self.free.iter().zip(x).for_each(|(&j, x)| theta[j] = *x);
        let (mut first, mut second) = (vec![0.0; n], vec![0.0; n]);
        self.covs.iter().for_each(|cov| cov.natural(&mut theta, &mut first, &mut second));
        // Held values as given, without a rounding error from the way there and back.
        (0..n).filter(|j| !self.free.contains(j)).for_each(|j| theta[j] = self.theta[j]);
        if let Some(log_sigma) = self.log_sigma(x) {
            self.absolute.iter().for_each(|&(j, value)| theta[j] = value / log_sigma.exp());
        }
        theta
    }
}

impl<'a> Search<'a> {
    /// The search from `theta`, which holds the values of the elements that aren't free.
    pub fn new(model: &'a mut LinearMixedModel, theta: &[f64]) -> Self {
        let n = theta.len();
        Self {
            free: (0..n).filter(|&j| !model.held[j]).collect(),
            model,
            theta: theta.to_vec(),
            first: vec![1.0; n],
            second: vec![0.0; n],
            gradient: vec![0.0; n],
            hessian: vec![0.0; n * n],
        }
    }

    /// The coordinates of `theta`.
    pub fn coordinates(&self, theta: &[f64]) -> Vec<f64> {
        let mut working = theta.to_vec();
        self.model.pls().covs().iter().for_each(|cov| cov.working(&mut working));
        let log_sigma = self.has_sigma().then(|| self.model.sigma().ln());
        self.free.iter().map(|&j| working[j]).chain(log_sigma).collect()
    }

    fn has_sigma(&self) -> bool {
        !self.model.absolute.is_empty()
    }

    fn frame(&self) -> Frame {
        let covs = self.model.pls().covs().to_vec();
        let mut working = self.theta.clone();
        covs.iter().for_each(|cov| cov.working(&mut working));
        let absolute = self.model.absolute.clone();
        Frame { covs, free: self.free.clone(), working, theta: self.theta.clone(), absolute }
    }

    fn free_settings(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        if settings.initial_step.len() == self.theta.len() {
            let of_sigma = self.has_sigma().then_some(SIGMA_STEP);
            settings.initial_step = self.free.iter().map(|&j| settings.initial_step[j]).chain(of_sigma).collect();
        }
        settings
    }

    fn set(&mut self, x: &[f64]) {
        let covs = self.model.pls().covs();
        let held: Vec<f64> = self.theta.clone();
        covs.iter().for_each(|cov| cov.working(&mut self.theta));
        self.free.iter().zip(x).for_each(|(&j, x)| self.theta[j] = *x);
        covs.iter().for_each(|cov| cov.natural(&mut self.theta, &mut self.first, &mut self.second));
        let fixed = self.model.held.iter().zip(&held).zip(&mut self.theta);
        fixed.for_each(|((is_held, value), theta)| {
            if *is_held {
                *theta = *value;
            }
        });
        if self.has_sigma() {
            let sigma = x[self.free.len()].exp();
            self.model.absolute.iter().for_each(|&(j, value)| self.theta[j] = value / sigma);
            self.model.set_sigma(sigma);
        }
    }

    // Derivative of the objective in log sigma: `sigma d/d sigma - sum_j theta_j d/d theta_j` over the elements held at
    // a value over sigma.
    fn sigma_slope(&self) -> f64 {
        let along: f64 = self.model.absolute.iter().map(|&(j, _)| self.theta[j] * self.gradient[j]).sum();
        2.0 * (self.model.df() - self.r2_over_sigma2()) - along
    }

    fn r2_over_sigma2(&self) -> f64 {
        self.model.pls().pwrss() / self.model.sigma().powi(2)
    }

    // Second derivatives in theta and log sigma: a column of the Hessian in theta, and last the one in log sigma alone.
    fn sigma_curvatures(&self) -> Vec<f64> {
        let n = self.theta.len();
        // sigma d2 / d theta d sigma
        let cross: Vec<f64> = self.model.r2_slopes().iter().map(|s| -2.0 * s / self.model.sigma().powi(2)).collect();
        let held = &self.model.absolute;
        let along = |i: usize| held.iter().map(|&(j, _)| self.theta[j] * self.hessian[j * n + i]).sum::<f64>();
        let mut out: Vec<f64> = (0..n).map(|i| cross[i] - along(i)).collect();
        let of = |value: &dyn Fn(usize) -> f64| held.iter().map(|&(j, _)| self.theta[j] * value(j)).sum::<f64>();
        out.push(4.0 * self.r2_over_sigma2() + of(&along) - 2.0 * of(&|j| cross[j]) + of(&|j| self.gradient[j]));
        out
    }

    // On the bound of zero, or as good as there, with the objective rising: the parameter stays.
    fn is_blocked(&self) -> Vec<bool> {
        let mut blocked = vec![false; self.theta.len()];
        let (theta, gradient) = (&self.theta, &self.gradient);
        let holds = |j: usize| gradient[j] > 0.0 && theta[j] * gradient[j] < NEGLIGIBLE;
        self.model.pls().covs().iter().for_each(|cov| cov.for_each_kink(|j| blocked[j] = holds(j)));
        blocked
    }
}

impl Objective for Search<'_> {
    fn value(&mut self, x: &[f64]) -> Result<f64> {
        self.set(x);
        self.model.objective(&self.theta)
    }

    fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
        self.model.gradient(&mut self.gradient);
        let blocked = self.is_blocked();
        for (out, &j) in gradient.iter_mut().zip(&self.free) {
            *out = if blocked[j] { 0.0 } else { self.gradient[j] * self.first[j] };
        }
        if self.has_sigma() {
            gradient[self.free.len()] = self.sigma_slope();
        }
        Ok(())
    }

    fn hessian(&mut self, hessian: &mut [f64]) -> Result<()> {
        self.model.hessian(self.model.affordable_curvature(), &mut self.hessian);
        let (n, n_free) = (self.theta.len(), self.free.len());
        let size = n_free + usize::from(self.has_sigma());
        let blocked = self.is_blocked();
        if self.has_sigma() {
            let curvatures = self.sigma_curvatures();
            for (a, &i) in self.free.iter().enumerate() {
                let value = if blocked[i] { 0.0 } else { curvatures[i] * self.first[i] };
                (hessian[n_free * size + a], hessian[a * size + n_free]) = (value, value);
            }
            hessian[n_free * size + n_free] = curvatures[n];
        }
        for (b, &j) in self.free.iter().enumerate() {
            for (a, &i) in self.free.iter().enumerate() {
                let value = self.hessian[j * n + i] * self.first[i] * self.first[j];
                hessian[b * size + a] = match i == j {
                    true if blocked[j] => value.abs(),
                    true => value + self.gradient[j] * self.second[j],
                    false if blocked[i] || blocked[j] => 0.0,
                    false => value,
                };
            }
        }
        Ok(())
    }

    fn units(&self) -> Option<Vec<f64>> {
        let units = self.model.units();
        let of_sigma = self.has_sigma().then_some(1.0);
        Some(self.free.iter().map(|&j| units[j]).chain(of_sigma).collect())
    }

    fn proposal(&mut self) -> Option<Vec<f64>> {
        self.model.scored().map(|theta| self.coordinates(&theta))
    }

    fn is_bounded(&self, n: usize) -> Vec<bool> {
        let mut bounded = vec![false; self.theta.len()];
        self.model.pls().covs().iter().for_each(|cov| cov.for_each_kink(|j| bounded[j] = true));
        let mut out: Vec<bool> = self.free.iter().map(|&j| bounded[j]).collect();
        out.resize(n, false);
        out
    }

    fn make_canonical(&self, x: &mut [f64]) {
        let covs = self.model.pls().covs();
        let mut working = self.theta.clone();
        covs.iter().for_each(|cov| cov.working(&mut working));
        self.free.iter().zip(x.iter()).for_each(|(&j, x)| working[j] = *x);
        for cov in covs {
            // A part some of whose parameters are held has no other form.
            cov.make_canonical_where(&mut working, |part| part.range().all(|j| !self.model.held[j]));
        }
        self.free.iter().zip(x).for_each(|(&j, x)| *x = working[j]);
    }

    fn escapes(&mut self, x: &[f64], gain: f64) -> Vec<Vec<f64>> {
        let mut ways = self.model.ways_out();
        ways.retain(|way| way.gain > gain);
        ways.sort_by(|a, b| b.gain.total_cmp(&a.gain));
        let frame = self.frame();
        let theta = frame.natural(x);
        let points = ways.iter().flat_map(|way| {
            [1.0, 0.1, 0.01].map(|share| {
                let mut point = theta.clone();
                self.model.pls().covs()[way.term].displace(way.part, share * way.step, &way.direction, &mut point);
                self.coordinates(&point)
            })
        });
        points.collect()
    }
}
