//! The coordinates in which optimizers see the parameters of a generalized model: its covariance parameters theta and,
//! behind them, fixed effects and shape. (Those of linear models are in `search`.)
//!
//! The working coordinates have no bounds but zero for the standard deviations (see `terms::structure`); held
//! parameters aren't among them.

use crate::terms::RelCov;

/// A parameter is as good as zero where the way there lowers the objective by no more.
const NEGLIGIBLE: f64 = 1e-9;

/// The way from coordinates to parameters, with its derivatives at the last point.
#[derive(Debug, Clone)]
pub(crate) struct Coordinates {
    covs: Vec<RelCov>,
    is_held: Vec<bool>,
    // Indices into the parameters.
    free: Vec<usize>,
    // Those of the start hold the values of the held ones.
    start: Vec<f64>,
    /// All parameters at the last point.
    pub parameters: Vec<f64>,
    first: Vec<f64>,
}

impl Coordinates {
    /// Around `parameters`; the first of them are held where `held` says so.
    pub fn new(covs: &[RelCov], held: &[bool], parameters: &[f64]) -> Self {
        let n = parameters.len();
        let is_held: Vec<bool> = (0..n).map(|j| held.get(j).copied().unwrap_or(false)).collect();
        Self {
            covs: covs.to_vec(),
            free: (0..n).filter(|&j| !is_held[j]).collect(),
            is_held,
            start: parameters.to_vec(),
            parameters: parameters.to_vec(),
            first: vec![1.0; n],
        }
    }

    /// Indices of the free parameters.
    pub fn free(&self) -> &[usize] {
        &self.free
    }

    /// The free ones of a vector with an element for each parameter.
    pub fn free_of(&self, values: &[f64]) -> Vec<f64> {
        self.free.iter().map(|&j| values[j]).collect()
    }

    /// The coordinates of `parameters`.
    pub fn of(&self, parameters: &[f64]) -> Vec<f64> {
        self.free_of(&self.working(parameters))
    }

    fn working(&self, parameters: &[f64]) -> Vec<f64> {
        let mut working = parameters.to_vec();
        self.covs.iter().for_each(|cov| cov.working(&mut working));
        working
    }

    /// Goes to the point `x`.
    pub fn set(&mut self, x: &[f64]) {
        self.parameters = self.working(&self.start);
        self.free.iter().zip(x).for_each(|(&j, x)| self.parameters[j] = *x);
        self.first.fill(1.0);
        let mut second = vec![0.0; self.start.len()];
        self.covs.iter().for_each(|cov| cov.natural(&mut self.parameters, &mut self.first, &mut second));
        // Held values as given, without a rounding error from the way there and back.
        (0..self.start.len()).filter(|&j| self.is_held[j]).for_each(|j| self.parameters[j] = self.start[j]);
    }

    /// The parameters at `x`.
    pub fn natural(&self, x: &[f64]) -> Vec<f64> {
        let mut there = self.clone();
        there.set(x);
        there.parameters
    }

    /// Whether a coordinate has no equivalent beyond its bound of zero.
    pub fn is_bounded(&self) -> Vec<bool> {
        let mut bounded = vec![false; self.parameters.len()];
        self.covs.iter().for_each(|cov| cov.for_each_kink(|j| bounded[j] = true));
        self.free.iter().map(|&j| bounded[j]).collect()
    }

    /// Chooses among the points with the same covariances the one within the bounds, or the nearest one within them.
    pub fn make_canonical(&self, x: &mut [f64]) {
        let mut working = self.working(&self.start);
        self.free.iter().zip(x.iter()).for_each(|(&j, x)| working[j] = *x);
        for cov in &self.covs {
            // A part some of whose parameters are held has no other form.
            cov.make_canonical_where(&mut working, |part| part.range().all(|j| !self.is_held[j]));
        }
        self.free.iter().zip(x).for_each(|(&j, x)| *x = working[j]);
    }

    /// The derivatives in the coordinates from those in the parameters.
    pub fn slopes(&self, natural: &[f64]) -> Vec<f64> {
        self.free.iter().map(|&j| natural[j] * self.first[j]).collect()
    }

    /// The same, zero where a bound is in the way.
    pub fn gradient(&self, natural: &[f64], gradient: &mut [f64]) {
        let blocked = self.is_blocked(natural);
        gradient.copy_from_slice(&self.slopes(natural));
        gradient.iter_mut().zip(&self.free).filter(|(_, j)| blocked[**j]).for_each(|(out, _)| *out = 0.0);
    }

    /// Cuts what is blocked off the rest of a Hessian in the coordinates.
    pub fn part_blocked(&self, gradient: &[f64], hessian: &mut [f64]) {
        let (blocked, n) = (self.is_blocked(gradient), self.free.len());
        for (b, _) in self.free.iter().enumerate().filter(|(_, j)| blocked[**j]) {
            for a in (0..n).filter(|&a| a != b) {
                (hessian[b * n + a], hessian[a * n + b]) = (0.0, 0.0);
            }
            hessian[b * n + b] = hessian[b * n + b].abs();
        }
    }

    // On the bound of zero, or as good as there, with the objective rising: the parameter stays.
    fn is_blocked(&self, gradient: &[f64]) -> Vec<bool> {
        let mut blocked = vec![false; self.parameters.len()];
        let holds = |j: usize| gradient[j] > 0.0 && self.parameters[j] * gradient[j] < NEGLIGIBLE;
        self.covs.iter().for_each(|cov| cov.for_each_kink(|j| blocked[j] = holds(j)));
        blocked
    }
}
