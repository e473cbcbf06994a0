//! The coordinates in which optimizers see the parameters of a model: its covariance parameters theta and, behind them,
//! what else is fitted (fixed effects and shape of a generalized model; log sigma where a covariance is held on the
//! scale of the response).
//!
//! The working coordinates have no bounds but zero for the standard deviations (see `terms::structure`); held
//! parameters aren't among them.

pub mod centring;
pub mod tangent;

use crate::covariance::RelCov;
use crate::covariance::WayOut;
use crate::error::Result;
use crate::optimize::{self, Geometry, Observer, OptSummary, Settings};
use crate::tolerances::{NO_GAIN, OMEGA_CHANGE, OMEGA_STEP};

/// Where in their range correlations start again.
const SHARES: [f64; 4] = [0.05, 0.25, 0.75, 0.95];

/// The way from coordinates to parameters, with its derivatives at the last point.
#[derive(Debug, Clone)]
pub(crate) struct Coordinates {
    covs: Vec<RelCov>,
    is_held: Vec<bool>,
    // Indices of the parameters that have a coordinate.
    free: Vec<usize>,
    // Held elements of theta that are a value over sigma, whose logarithm is the last parameter.
    absolute: Vec<(usize, f64)>,
    // The parameters that move, each with its coordinate.
    moved: Vec<(usize, usize)>,
    // As given, and in working coordinates; they hold the values of the held ones.
    start: Vec<f64>,
    working: Vec<f64>,
    is_bounded: Vec<bool>,
    /// All parameters at the last point.
    pub parameters: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Coordinates {
    /// Around `parameters`; the first of them are held where `held` says so, some at a value over sigma.
    pub fn new(
        covs: &[RelCov],
        held: &[bool],
        absolute: &[(usize, f64)],
        parameters: &[f64],
    ) -> Self {
        let n = parameters.len();
        let is_held: Vec<bool> = (0..n)
            .map(|j| held.get(j).copied().unwrap_or(false))
            .collect();
        let free: Vec<usize> = (0..n).filter(|&j| !is_held[j]).collect();
        let mut moved: Vec<(usize, usize)> =
            free.iter().enumerate().map(|(at, &j)| (j, at)).collect();
        moved.extend(absolute.iter().map(|&(j, _)| (j, free.len() - 1)));
        let mut working = parameters.to_vec();
        let mut is_bounded = vec![false; n];
        for cov in covs {
            cov.working(&mut working);
            cov.for_each_kink(&is_held, |j| is_bounded[j] = !is_held[j]);
        }
        Self {
            covs: covs.to_vec(),
            is_held,
            free,
            absolute: absolute.to_vec(),
            moved,
            start: parameters.to_vec(),
            working,
            is_bounded,
            parameters: parameters.to_vec(),
            first: vec![1.0; n],
            second: vec![0.0; n],
        }
    }

    /// Indices of the free parameters.
    pub fn free(&self) -> &[usize] {
        &self.free
    }

    /// The free ones of a vector with an element for each parameter.
    pub fn free_of<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.free.iter().map(|&j| values[j]).collect()
    }

    /// The coordinates of `parameters`.
    pub fn of(&self, parameters: &[f64]) -> Vec<f64> {
        let mut working = parameters.to_vec();
        self.covs.iter().for_each(|cov| cov.working(&mut working));
        self.free_of(&working)
    }

    /// Those of the start.
    pub fn start(&self) -> Vec<f64> {
        self.free_of(&self.working)
    }

    /// Goes to the point `x`.
    pub fn set(&mut self, x: &[f64]) {
        self.parameters.copy_from_slice(&self.working);
        self.free
            .iter()
            .zip(x)
            .for_each(|(&j, x)| self.parameters[j] = *x);
        self.first.fill(1.0);
        self.second.fill(0.0);
        self.covs
            .iter()
            .for_each(|cov| cov.natural(&mut self.parameters, &mut self.first, &mut self.second));
        // Held values as given, without a rounding error from the way there and back.
        (0..self.start.len())
            .filter(|&j| self.is_held[j])
            .for_each(|j| self.parameters[j] = self.start[j]);
        for &(j, value) in &self.absolute {
            let theta = value / self.parameters[self.start.len() - 1].exp();
            (self.parameters[j], self.first[j], self.second[j]) = (theta, -theta, theta);
        }
    }

    /// The parameters at `x`.
    pub fn natural(&self, x: &[f64]) -> Vec<f64> {
        let mut there = self.clone();
        there.set(x);
        there.parameters
    }

    /// Whether a coordinate has no equivalent beyond its bound of zero.
    pub fn is_bounded(&self) -> Vec<bool> {
        self.free_of(&self.is_bounded)
    }

    // Zero for standard deviations; all else is free in the working coordinates.
    fn lower(&self) -> Vec<f64> {
        let (mut start, mut lower) = (
            self.start.clone(),
            vec![f64::NEG_INFINITY; self.start.len()],
        );
        self.covs
            .iter()
            .for_each(|cov| cov.start_and_lower_bounds(&mut start, &mut lower));
        self.free
            .iter()
            .map(|&j| {
                if lower[j] == 0.0 {
                    0.0
                } else {
                    f64::NEG_INFINITY
                }
            })
            .collect()
    }

    /// Chooses among the points with the same covariances the one within the bounds, or the nearest one within them.
    pub fn make_canonical(&self, x: &mut [f64]) {
        let mut working = self.working.clone();
        self.free
            .iter()
            .zip(x.iter())
            .for_each(|(&j, x)| working[j] = *x);
        self.covs
            .iter()
            .for_each(|cov| cov.make_canonical(&mut working, &self.is_held));
        self.free.iter().zip(x).for_each(|(&j, x)| *x = working[j]);
    }

    /// The gradient in the coordinates from that in the parameters.
    pub fn slopes(&self, natural: &[f64], slopes: &mut [f64]) {
        slopes.fill(0.0);
        self.moved
            .iter()
            .for_each(|&(j, b)| slopes[b] += natural[j] * self.first[j]);
    }

    /// The same, zero where a bound is in the way.
    pub fn gradient(&self, natural: &[f64], gradient: &mut [f64]) {
        self.slopes(natural, gradient);
        let at_free = gradient.iter_mut().zip(&self.free);
        at_free
            .filter(|(_, j)| self.is_blocked(**j, natural))
            .for_each(|(out, _)| *out = 0.0);
    }

    /// The Hessian in the coordinates from gradient and Hessian in the parameters.
    pub fn hessian(&self, gradient: &[f64], natural: &[f64], hessian: &mut [f64]) {
        let (n, size) = (self.parameters.len(), self.free.len());
        hessian.fill(0.0);
        for &(j, b) in &self.moved {
            for &(i, a) in &self.moved {
                hessian[b * size + a] += natural[j * n + i] * self.first[i] * self.first[j];
            }
            hessian[b * size + b] += gradient[j] * self.second[j];
        }
        self.part_blocked(gradient, hessian);
    }

    /// Cuts what is blocked off the rest of a Hessian in the coordinates.
    pub fn part_blocked(&self, gradient: &[f64], hessian: &mut [f64]) {
        let n = self.free.len();
        for (b, _) in self
            .free
            .iter()
            .enumerate()
            .filter(|(_, j)| self.is_blocked(**j, gradient))
        {
            for a in (0..n).filter(|&a| a != b) {
                (hessian[b * n + a], hessian[a * n + b]) = (0.0, 0.0);
            }
            hessian[b * n + b] = hessian[b * n + b].abs();
        }
    }

    // On the bound of zero, or as good as there, with the objective rising: the parameter stays.
    fn is_blocked(&self, j: usize, gradient: &[f64]) -> bool {
        self.is_bounded[j] && gradient[j] > 0.0 && self.parameters[j] * gradient[j] < NO_GAIN
    }

    /// The same with another start.
    pub fn starting_at(&self, parameters: &[f64]) -> Self {
        Self::new(&self.covs, &self.is_held, &self.absolute, parameters)
    }

    /// The start at other correlations of parts with several standard deviations, where the objective may have several
    /// minima.
    pub fn other_starts(&self) -> Vec<Vec<f64>> {
        self.with_correlations(&self.start)
    }

    // None, where no such correlation is free.
    fn with_correlations(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let parts = self
            .covs
            .iter()
            .flat_map(RelCov::parts)
            .filter(|part| self.is_bounded[part.theta_start]);
        let rhos: Vec<usize> = parts
            .map(|part| part.range().end - 1)
            .filter(|&j| !self.is_held[j])
            .collect();
        if rhos.is_empty() {
            return Vec::new();
        }
        let at = |share: f64| {
            let mut x = self.of(parameters);
            let coordinates = self
                .free
                .iter()
                .zip(&mut x)
                .filter(|(j, _)| rhos.contains(j));
            coordinates.for_each(|(_, x)| *x = (2.0 * share - 1.0).asin());
            self.natural(&x)
        };
        SHARES.into_iter().map(at).collect()
    }

    /// `parameters` without one of the standard deviations beside correlations, each in turn, at several correlations: they
    /// all change where one that kept them from it is gone.
    pub fn smaller(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let positive = (0..parameters.len())
            .filter(|&j| self.is_bounded[j] && !self.is_held[j] && parameters[j] > 0.0);
        let without = |j: usize| {
            let point: Vec<f64> = parameters
                .iter()
                .enumerate()
                .map(|(i, p)| if i == j { 0.0 } else { *p })
                .collect();
            let mut points = self.with_correlations(&point);
            points.push(point);
            points
        };
        positive.flat_map(without).collect()
    }

    /// Whether coordinate `b` is one of the covariances.
    pub fn is_covariance(&self, b: usize) -> bool {
        self.covs
            .iter()
            .flat_map(RelCov::parts)
            .any(|part| part.range().contains(&self.free[b]))
    }

    /// The largest coordinate of a covariance, in its unit.
    pub fn extent(&self, x: &[f64], step_sizes: &[f64]) -> f64 {
        let of = |b: usize| {
            if self.is_covariance(b) {
                (x[b] / step_sizes[b]).abs()
            } else {
                0.0
            }
        };
        (0..x.len()).map(of).fold(0.0, f64::max)
    }

    /// Whether a small step along `direction` changes a covariance: along redundant elements of a factor it doesn't.
    pub fn changes_covariances(&self, x: &[f64], direction: &[f64]) -> bool {
        let at = |by: f64| {
            let point: Vec<f64> = x.iter().zip(direction).map(|(x, d)| x + by * d).collect();
            self.covariances(&self.natural(&point))
        };
        let largest = |values: &[f64]| values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let mut terms = at(0.0)
            .into_iter()
            .zip(at(OMEGA_STEP).into_iter().zip(at(-OMEGA_STEP)));
        terms.any(|(here, (up, down))| {
            let change: Vec<f64> = up.iter().zip(&down).map(|(up, down)| up - down).collect();
            // From zero there is no slope.
            let is_new = largest(&here) == 0.0 && largest(&up) > OMEGA_STEP.powi(3);
            is_new || largest(&change) > OMEGA_CHANGE * OMEGA_STEP * largest(&here)
        })
    }

    // Omega of each term.
    fn covariances(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let of = |cov: &RelCov| {
            let k = cov.vsize();
            let mut lambda = vec![0.0; k * k];
            cov.fill_lambda(parameters, &mut lambda);
            let product = |at: usize| {
                (0..k)
                    .map(|c| lambda[c * k + at % k] * lambda[c * k + at / k])
                    .sum()
            };
            (0..k * k).map(product).collect()
        };
        self.covs.iter().map(of).collect()
    }

    /// Points to try from `x`, a stationary one: those of [`Self::exchanges`], and along the ways out that promise more
    /// than `gain`, best first.
    pub fn beyond(
        &self,
        x: &[f64],
        gradient: &[f64],
        mut ways: Vec<WayOut>,
        gain: f64,
    ) -> Vec<Vec<f64>> {
        ways.retain(|way| way.gain > gain);
        ways.sort_by(|a, b| b.gain.total_cmp(&a.gain));
        let here = self.natural(x);
        let exchanges = self.exchanges(&here, gradient).into_iter();
        let displaced = |way: &WayOut, share: f64| {
            let mut point = here.clone();
            self.covs[way.term].displace(
                way.part,
                share * way.step,
                &way.direction,
                way.rho,
                &mut point,
            );
            self.of(&point)
        };
        exchanges
            .chain(
                ways.iter()
                    .flat_map(|way| [1.0, 0.1, 0.01].map(|share| displaced(way, share))),
            )
            .collect()
    }

    // Where some standard deviations of a part keep others at zero, there may be a better optimum with one of these
    // beside them, or in their place.
    fn exchanges(&self, parameters: &[f64], gradient: &[f64]) -> Vec<Vec<f64>> {
        let mut points = Vec::new();
        for part in self.covs.iter().flat_map(|cov| cov.parts()) {
            let sds: Vec<usize> = part.range().filter(|&j| self.is_bounded[j]).collect();
            let largest = sds.iter().map(|&j| parameters[j]).fold(0.0, f64::max);
            for &j in sds
                .iter()
                .filter(|&&j| largest > 0.0 && self.is_blocked(j, gradient))
            {
                for share in [1.0, 0.0] {
                    let mut point = parameters.to_vec();
                    sds.iter().for_each(|&i| {
                        point[i] = if i == j {
                            largest
                        } else {
                            share * parameters[i]
                        }
                    });
                    points.push(self.of(&point));
                }
            }
        }
        points
    }

    /// Minimises `objective` from the start. Initial steps, the points that are seen and those that come back are of the
    /// parameters.
    ///
    /// # Errors
    /// Those of [`optimize::minimize`].
    pub fn minimize(
        &self,
        settings: &Settings,
        objective: &mut dyn Geometry,
        observe: &mut Observer,
    ) -> Result<OptSummary> {
        let x = self.start();
        let mut settings = settings.clone();
        if settings.initial_step.len() == self.start.len() {
            settings.initial_step = self.free_of(&settings.initial_step);
        }
        let mut see = |count: usize, value: f64, x: &[f64]| observe(count, value, &self.natural(x));
        let summary = if x.is_empty() {
            OptSummary::of_constant(objective.value(&x)?)
        } else {
            optimize::minimize(&settings, &x, &self.lower(), objective, &mut see)?
        };
        Ok(OptSummary {
            initial: self.start.clone(),
            ..summary.mapped(|x| self.natural(x))
        })
    }
}
