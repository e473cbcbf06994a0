//! Transformations between a model's parameters and the coordinates of the optimizers. The
//! parameters are theta, followed by the fixed effects and the shape of a generalized model, or by
//! log sigma where a covariance is held on the scale of the response.
//!
//! Held parameters have no coordinate. The only bounds are at zero, for the standard deviations of
//! structures with correlation parameters. Every change of coordinates has the functions `to_theta`
//! and `from_theta`; derivatives are transformed by its Jacobian J: `J'g` and
//! `J'HJ + sum_j g_j d2 theta_j`.
//!
//! | contents | file |
//! |---|---|
//! | angles as coordinates of correlations, with derivatives | `angles` |
//! | the canonical one of equivalent points; genuine bounds | `canonical` |
//! | alternative starts; trial points beyond a stationary point | `escapes` |
//! | random starts | `random_points` |
//! | covariances of lower rank | `ranks` |
//! | tangent coordinates of an unstructured covariance | [`tangent`] |
//! | centred columns of X | [`centring`] |
//! | the basis of orthogonalised columns, for near collinearity | [`basis`] |
//! | effects of covariates far from zero in the column space of X | [`far_effects`] |
//! | slopes of covariates far from zero that are independent of intercepts | [`far_slopes`] |
//! | starting points of restarts; those for such slopes | `other_thetas`, `far_rays` |
//! | the same with variances moved from one term to another | `transfers` |
//! | the same two from sums | [`far_in_sums`] |
//! | orthogonal columns of a part and of X | `orthogonal`, `part_basis`, `fixed_basis` |
//! | the basis of a model given by its sums | [`sums`] |

mod angles;
pub mod basis;
mod canonical;
pub mod centring;
mod escapes;
pub mod far_effects;
pub mod far_in_sums;
pub(crate) mod far_rays;
pub mod far_slopes;
mod fixed_basis;
mod orthogonal;
pub(crate) mod other_thetas;
mod part_basis;
mod random_points;
mod ranks;
pub mod sums;
pub mod tangent;
pub(crate) mod transfers;

use crate::covariance::{Part, RelCov};
use crate::error::Result;
use crate::kernels::small;
use crate::optimize::{self, Geometry, Observer, OptSummary, Settings};
use crate::tolerances::{CLEAR_SD, NO_GAIN, OMEGA_CHANGE, OMEGA_STEP};

/// The transformation between coordinates and parameters, with a start and the last point.
#[derive(Debug, Clone)]
pub(crate) struct Coordinates {
    covs: Vec<RelCov>,
    // The parts with correlation parameters.
    correlated: Vec<Part>,
    is_held: Vec<bool>,
    // Marks the parameters that are correlations.
    is_angle: Vec<bool>,
    // Indices of the free parameters, which have a coordinate.
    free: Vec<usize>,
    // Held elements of theta that are a given standard deviation over sigma; log sigma is then the
    // last parameter.
    absolute: Vec<(usize, f64)>,
    is_bounded: Vec<bool>,
    // Parameters whose coordinate is their difference from another one, for searches without
    // derivatives.
    differences: Vec<(usize, usize)>,
    // The parameters at the start.
    start: Vec<f64>,
    // The coordinate of each parameter at the last point, or the value of a held parameter.
    x: Vec<f64>,
    /// All parameters at the last point.
    pub parameters: Vec<f64>,
}

// The derivatives of the parameters in the coordinates at one point.
struct Jacobian {
    // `(parameter, coordinate, derivative)`.
    first: Vec<(usize, usize, f64)>,
    // `(parameter, coordinate, coordinate, second derivative)`.
    second: Vec<(usize, usize, usize, f64)>,
}

impl Coordinates {
    /// Coordinates with the start `parameters`, the first of which are held where `held` says so;
    /// `absolute` lists those that are a standard deviation over sigma.
    pub fn new(
        covs: &[RelCov],
        held: &[bool],
        absolute: &[(usize, f64)],
        parameters: &[f64],
    ) -> Self {
        let n = parameters.len();
        let mut is_held = held.to_vec();
        is_held.resize(n, false);
        let mut is_bounded = vec![false; n];
        let mut is_angle = vec![false; n];
        let mut correlated = Vec::new();
        for part in covs.iter().flat_map(RelCov::parts) {
            for j in canonical::kinks(part, &is_held[part.range()]) {
                let index = part.theta_start + j;
                is_bounded[index] = !is_held[index];
            }
            for j in part.correlations() {
                is_angle[part.theta_start + j] = true;
            }
            if !part.correlations().is_empty() {
                correlated.push(part.clone());
            }
        }
        let mut at = Self {
            covs: covs.to_vec(),
            correlated,
            free: (0..n).filter(|&j| !is_held[j]).collect(),
            is_held,
            absolute: absolute.to_vec(),
            is_bounded,
            is_angle,
            differences: Vec::new(),
            start: parameters.to_vec(),
            x: parameters.to_vec(),
            parameters: parameters.to_vec(),
        };
        at.x = at.all_from_theta(parameters);
        at
    }

    /// Indices of the free parameters.
    pub fn free(&self) -> &[usize] {
        &self.free
    }

    /// The elements of the free parameters of a vector over all parameters.
    pub(crate) fn free_of<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.free.iter().map(|&j| values[j]).collect()
    }

    /// The coordinates of `parameters`.
    pub(crate) fn from_theta(&self, parameters: &[f64]) -> Vec<f64> {
        self.free_of(&self.all_from_theta(parameters))
    }

    /// The parameters at the coordinates `x`.
    pub(crate) fn to_theta(&self, x: &[f64]) -> Vec<f64> {
        let mut parameters = self.x.clone();
        for (&j, x) in self.free.iter().zip(x) {
            parameters[j] = *x;
        }
        self.replace_by_theta(&mut parameters);
        parameters
    }

    /// The coordinates of the start.
    pub fn start(&self) -> Vec<f64> {
        self.from_theta(&self.start)
    }

    // The coordinate, or held value, of each parameter.
    fn all_from_theta(&self, parameters: &[f64]) -> Vec<f64> {
        let mut x = parameters.to_vec();
        for part in &self.correlated {
            let range = part.range();
            angles::from_theta(
                part,
                &mut x[range.clone()],
                &self.is_held[range],
            );
        }
        for &(j, other) in &self.differences {
            x[j] -= parameters[other];
        }
        x
    }

    /// Makes the coordinates of parameters their differences from others, for a search without
    /// derivatives.
    pub(crate) fn set_differences(&mut self, differences: &[(usize, usize)]) {
        self.differences = differences.to_vec();
        self.x = self.all_from_theta(&self.parameters);
    }

    /// Moves to the point `x`.
    pub(crate) fn go_to(&mut self, x: &[f64]) {
        for (&j, x) in self.free.iter().zip(x) {
            self.x[j] = *x;
        }
        let mut parameters = std::mem::take(&mut self.parameters);
        parameters.copy_from_slice(&self.x);
        self.replace_by_theta(&mut parameters);
        self.parameters = parameters;
    }

    // Replaces the coordinate, or held value, of each parameter by the parameter.
    fn replace_by_theta(&self, x: &mut [f64]) {
        for part in &self.correlated {
            let range = part.range();
            let theta = &mut x[range.clone()];
            angles::to_theta(part, theta, &self.is_held[range]);
        }
        for &(j, other) in &self.differences {
            x[j] += x[other];
        }
        for &(j, value) in &self.absolute {
            x[j] = value / x[self.start.len() - 1].exp();
        }
    }

    /// Marks the coordinates without equivalent points beyond their bound of zero.
    pub(crate) fn is_bounded(&self) -> Vec<bool> {
        self.free_of(&self.is_bounded)
    }

    // The lower bounds: zero for standard deviations and the diagonal of Lambda, none for the
    // others.
    fn lower(&self) -> Vec<f64> {
        let mut lower = vec![f64::NEG_INFINITY; self.start.len()];
        for part in self.covs.iter().flat_map(RelCov::parts) {
            for (j, role) in part.range().zip(part.roles()) {
                if role.bounds().0 == 0.0 && !role.is_correlation() {
                    lower[j] = 0.0;
                }
            }
        }
        self.free_of(&lower)
    }

    /// Whether each Lambda at `x` is clearly regular: its standard deviations, or the diagonal of
    /// an unstructured one, aren't nearly zero. Parameters other than these are not known to be.
    pub(crate) fn is_inside(&self, x: &[f64], units: &[f64]) -> bool {
        let is_plain = self.correlated.is_empty() && self.absolute.is_empty();
        let lower = self.lower();
        let mut all = x.iter().zip(units).zip(lower);
        is_plain
            && all
                .all(|((x, unit), lower)| lower != 0.0 || *x > CLEAR_SD * unit)
    }

    /// Replaces `x` by the equivalent point within the bounds or, if there is none, by the nearest
    /// one.
    pub(crate) fn make_canonical(&self, x: &mut [f64]) {
        let mut all = self.x.clone();
        for (&j, x) in self.free.iter().zip(x.iter()) {
            all[j] = *x;
        }
        for part in self.covs.iter().flat_map(RelCov::parts) {
            let range = part.range();
            canonical::make_canonical(
                part,
                &mut all[range.clone()],
                &self.is_held[range],
            );
        }
        for (&j, x) in self.free.iter().zip(x) {
            *x = all[j];
        }
    }

    /// The parameters below their bound of zero at `x` that are zero at the canonical point, as it
    /// isn't equivalent.
    pub(crate) fn below_bounds(&self, x: &[f64]) -> Vec<usize> {
        let mut canonical = x.to_vec();
        self.make_canonical(&mut canonical);
        let is_below = |k: &usize| {
            self.is_bounded[self.free[*k]]
                && x[*k] < 0.0
                && canonical[*k] == 0.0
        };
        let below = (0..x.len()).filter(is_below);
        below.map(|k| self.free[k]).collect()
    }

    // The derivatives of the parameters at the last point.
    fn jacobian(&self) -> Jacobian {
        let mut jacobian = Jacobian {
            first: Vec::new(),
            second: Vec::new(),
        };
        for (b, &j) in self.free.iter().enumerate() {
            if !self.is_angle[j] {
                jacobian.first.push((j, b, 1.0));
            }
        }
        for part in &self.correlated {
            self.add_angles(part, &mut jacobian);
        }
        let last = self.free.len().wrapping_sub(1);
        for &(j, _) in &self.absolute {
            let theta = self.parameters[j];
            jacobian.first.push((j, last, -theta));
            jacobian.second.push((j, last, last, theta));
        }
        jacobian
    }

    // The index of a parameter's coordinate.
    fn place(&self, parameter: usize) -> Option<usize> {
        self.free.binary_search(&parameter).ok()
    }

    // Adds the derivatives of the free correlations of one part in their angles.
    fn add_angles(&self, part: &Part, jacobian: &mut Jacobian) {
        let range = part.range();
        let first = range.start + part.correlations().start;
        let jets =
            angles::jets(part, &self.x[range.clone()], &self.is_held[range]);
        let n = jets.len();
        for (c, jet) in jets.iter().enumerate() {
            let j = first + c;
            for b in 0..n {
                let Some(at_b) = self.place(first + b) else {
                    continue;
                };
                jacobian.first.push((j, at_b, jet.first[b]));
                for a in 0..n {
                    if let Some(at_a) = self.place(first + a) {
                        let second = jet.second[b * n + a];
                        jacobian.second.push((j, at_a, at_b, second));
                    }
                }
            }
        }
    }

    /// Transforms a covariance matrix of the coordinates to that of the free parameters, at the
    /// last point.
    pub(crate) fn covariance_to_theta(&self, covariance: &mut [f64]) {
        let n = self.free.len();
        let mut elements = Vec::new();
        for (j, b, first) in self.jacobian().first {
            if let Some(a) = self.place(j) {
                elements.push((a, b, first));
            }
        }
        // Each pass multiplies by J from one side and writes the product transposed.
        for _ in 0..2 {
            let given = covariance.to_vec();
            covariance.fill(0.0);
            for &(a, b, first) in &elements {
                for i in 0..n {
                    covariance[a * n + i] += first * given[i * n + b];
                }
            }
        }
    }

    /// The gradient in the coordinates from that in the parameters.
    pub fn slopes(&self, in_parameters: &[f64], slopes: &mut [f64]) {
        slopes.fill(0.0);
        for (j, b, first) in self.jacobian().first {
            slopes[b] += in_parameters[j] * first;
        }
    }

    /// The gradient in the coordinates, with zeros for parameters that are blocked by their bound.
    pub fn gradient(&self, in_parameters: &[f64], gradient: &mut [f64]) {
        self.slopes(in_parameters, gradient);
        for (slope, &j) in gradient.iter_mut().zip(&self.free) {
            if self.is_blocked(j, in_parameters) {
                *slope = 0.0;
            }
        }
    }

    /// The Hessian in the coordinates from gradient and Hessian in the parameters.
    pub fn hessian(
        &self,
        gradient: &[f64],
        in_parameters: &[f64],
        hessian: &mut [f64],
    ) {
        let n = self.parameters.len();
        let size = self.free.len();
        let jacobian = self.jacobian();
        hessian.fill(0.0);
        for &(j, b, at_j) in &jacobian.first {
            for &(i, a, at_i) in &jacobian.first {
                hessian[b * size + a] += in_parameters[j * n + i] * at_i * at_j;
            }
        }
        for (j, a, b, second) in jacobian.second {
            hessian[b * size + a] += gradient[j] * second;
        }
        self.decouple_blocked(gradient, hessian);
    }

    /// Removes the coupling of blocked parameters with the others from a Hessian in the
    /// coordinates.
    pub(crate) fn decouple_blocked(
        &self,
        gradient: &[f64],
        hessian: &mut [f64],
    ) {
        let n = self.free.len();
        for (b, &j) in self.free.iter().enumerate() {
            // At an optimum within the bounds the gradient is as small as on a bound of zero, but
            // the curvature matters between the two.
            let change = self.parameters[j].powi(2) * hessian[b * n + b].abs();
            if !self.is_blocked(j, gradient) || change >= NO_GAIN {
                continue;
            }
            for a in (0..n).filter(|&a| a != b) {
                hessian[b * n + a] = 0.0;
                hessian[a * n + b] = 0.0;
            }
            hessian[b * n + b] = hessian[b * n + b].abs();
        }
    }

    // Whether a parameter is (nearly) on its bound of zero and the objective increases away from
    // the bound.
    fn is_blocked(&self, j: usize, gradient: &[f64]) -> bool {
        self.is_bounded[j]
            && gradient[j] > 0.0
            && self.parameters[j] * gradient[j] < NO_GAIN
    }

    /// The coordinates with another start.
    pub(crate) fn starting_at(&self, parameters: &[f64]) -> Self {
        let mut at =
            Self::new(&self.covs, &self.is_held, &self.absolute, parameters);
        at.set_differences(&self.differences);
        at
    }

    /// Whether coordinate `b` is that of a covariance parameter.
    pub(crate) fn is_covariance(&self, b: usize) -> bool {
        self.covs
            .iter()
            .flat_map(RelCov::parts)
            .any(|part| part.range().contains(&self.free[b]))
    }

    /// The largest coordinate of a covariance parameter, in its unit.
    pub(crate) fn extent(&self, x: &[f64], step_sizes: &[f64]) -> f64 {
        let of = |b: usize| {
            if self.is_covariance(b) {
                (x[b] / step_sizes[b]).abs()
            } else {
                0.0
            }
        };
        (0..x.len()).map(of).fold(0.0, f64::max)
    }

    /// Whether a small step along `direction` changes Omega, which it does not along redundant
    /// elements of Lambda.
    pub(crate) fn changes_covariances(
        &self,
        x: &[f64],
        direction: &[f64],
    ) -> bool {
        let at = |by: f64| {
            let mut point = x.to_vec();
            small::axpy(by, direction, &mut point);
            self.covariances(&self.to_theta(&point))
        };
        let above = at(OMEGA_STEP);
        let below = at(-OMEGA_STEP);
        for (here, (up, down)) in at(0.0).iter().zip(above.iter().zip(&below)) {
            let mut change = up.clone();
            small::axpy(-1.0, down, &mut change);
            // At zero, Omega is quadratic in the step.
            let is_new =
                largest(here) == 0.0 && largest(up) > OMEGA_STEP.powi(3);
            if is_new
                || largest(&change) > OMEGA_CHANGE * OMEGA_STEP * largest(here)
            {
                return true;
            }
        }
        false
    }

    // Omega of each part.
    fn covariances(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let parts = self.covs.iter().flat_map(RelCov::parts);
        parts
            .map(|part| part.omega(&parameters[part.range()]))
            .collect()
    }

    /// Minimises `objective` from the start. Initial steps, observed points and results are in
    /// terms of the parameters.
    ///
    /// # Errors
    /// Fails as [`optimize::minimize`] does.
    pub(crate) fn minimize(
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
        let mut see = |count: usize, value: f64, x: &[f64]| {
            let parameters = self.to_theta(x);
            observe(count, value, &parameters)
        };
        let summary = if x.is_empty() {
            OptSummary::of_constant(objective.value(&x)?)
        } else {
            optimize::minimize(
                &settings,
                &x,
                &self.lower(),
                objective,
                &mut see,
            )?
        };
        Ok(OptSummary {
            initial: self.start.clone(),
            ..summary.mapped(|x| self.to_theta(x))
        })
    }
}

// The largest absolute value.
fn largest(values: &[f64]) -> f64 {
    let sizes = values.iter().map(|value| value.abs());
    sizes.fold(0.0, f64::max)
}
