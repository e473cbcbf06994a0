//! The inverse map, from a covariance matrix to theta. For a matrix that the structure does not
//! contain it gives the theta of a nearby one.

use super::part::{part_block, Part};
use super::rel_cov::RelCov;
use super::role::Role;
use super::unstructured::place;
use crate::tolerances::{LARGEST_EXPLAINED, LEAST_VARIANCE, ROUNDED_PIVOT};

/// Number of grid points over the range of a correlation.
const VALUES: usize = 200;
/// Number of halvings of the grid spacing around the best grid point.
const HALVINGS: usize = 40;

/// The correlation of two effects: row, column, value.
type Pair = (usize, usize, f64);

impl RelCov {
    /// Adds `step` times `change` (`vsize x vsize`) to Omega of one part, as closely as its
    /// structure allows.
    pub fn displace(
        &self,
        part: usize,
        step: f64,
        change: &[f64],
        theta: &mut [f64],
    ) {
        let Some((first, part)) = self.placed().nth(part) else {
            return;
        };
        let own = &mut theta[part.range()];
        let mut omega = part.omega(own);
        let added = part_block(first, part.size, change);
        for (o, added) in omega.iter_mut().zip(added) {
            *o += step * added;
        }
        part.nearest(&omega, own);
    }

    /// Theta of a positive definite covariance near `omega` (`vsize x vsize`), as the next point of
    /// a search: no standard deviation shrinks below a tenth. Parts with correlation parameters,
    /// and parts that are not free, are unchanged.
    pub(crate) fn approach(
        &self,
        omega: &[f64],
        theta: &mut [f64],
        is_free: impl Fn(&Part) -> bool,
    ) {
        for (first, part) in self.placed().filter(|(_, part)| is_free(part)) {
            let omega = part_block(first, part.size, omega);
            part.approach(&omega, &mut theta[part.range()]);
        }
    }
}

impl Part {
    /// Writes theta of the covariance `omega`, `size x size`, or of a nearby one if the structure
    /// does not contain it. The correlations of effects with zero variance are unchanged.
    pub fn nearest(&self, omega: &[f64], theta: &mut [f64]) {
        if self.is_triangle() {
            return factor(self.size, &mut omega.to_vec(), theta);
        }
        let k = self.size;
        let variance = |effect: usize| omega[effect * (k + 1)].max(0.0);
        for (role, value) in self.roles().iter().zip(theta.iter_mut()) {
            if role.is_scale() {
                *value = variance(role.cell().0).sqrt();
            }
        }
        if !self.correlations().is_empty() {
            self.nearest_correlations(omega, theta);
        }
    }

    // Sets each correlation to that of its pair of effects or, where that pair has a zero variance,
    // fits it to all pairs with variances.
    fn nearest_correlations(&self, omega: &[f64], theta: &mut [f64]) {
        let wanted = correlations(self.size, omega);
        for j in self.correlations() {
            let (row, column) = self.roles()[j].cell();
            match wanted.iter().find(|pair| (pair.0, pair.1) == (row, column)) {
                Some(pair) => theta[j] = pair.2,
                None => self.fit_correlation(j, &wanted, theta),
            }
        }
        // The map to shares and back gives the nearest admissible correlations.
        let all = vec![false; theta.len()];
        self.from_correlations(theta, &all);
        self.to_correlations(theta, &all);
    }

    // Sets correlation `j` to the value that is closest to the `wanted` pairs in least squares;
    // among several, to the largest.
    fn fit_correlation(&self, j: usize, wanted: &[Pair], theta: &mut [f64]) {
        let kept = theta[j];
        let bounds = self.roles()[j].bounds();
        let mut distance = |value: f64| {
            theta[j] = value;
            let r = self.correlation_matrix(theta);
            distance_to(self.size, wanted, &r)
        };
        let before = distance(kept);
        let (best, least) = least_on_range(bounds, distance);
        theta[j] = if least < before { best } else { kept };
    }

    fn approach(&self, omega: &[f64], theta: &mut [f64]) {
        let k = self.size;
        if self.is_triangle() {
            return approach_factor(k, omega, theta);
        }
        if !self.correlations().is_empty() {
            return;
        }
        let mean = (0..k).map(|effect| omega[effect * (k + 1)]).sum::<f64>()
            / k as f64;
        for (role, value) in self.roles().iter().zip(theta) {
            let wanted = match *role {
                Role::Scale { effect } => omega[effect * (k + 1)],
                _ => mean,
            };
            *value = wanted.max(LEAST_VARIANCE * value.powi(2)).sqrt();
        }
    }
}

// The minimum of a function on a range and its value: first on a grid, choosing the largest of
// equal points, then by halving the step.
fn least_on_range(
    (low, high): (f64, f64),
    mut function: impl FnMut(f64) -> f64,
) -> (f64, f64) {
    let mut step = (high - low) / VALUES as f64;
    let mut best = high;
    let mut least = function(high);
    for i in (0..VALUES).rev() {
        let point = low + step * i as f64;
        let found = function(point);
        if found < least - ROUNDED_PIVOT {
            (best, least) = (point, found);
        }
    }
    for _ in 0..HALVINGS {
        step *= 0.5;
        for point in [best - step, best + step] {
            let point = point.clamp(low, high);
            let found = function(point);
            if found < least {
                (best, least) = (point, found);
            }
        }
    }
    (best, least)
}

// The sum of squared differences between the correlations of the pairs and those of the matrix `r`.
fn distance_to(k: usize, pairs: &[Pair], r: &[f64]) -> f64 {
    let pairs = pairs.iter();
    let squares = pairs.map(|(i, j, wanted)| (r[j * k + i] - wanted).powi(2));
    squares.sum()
}

// The correlations of all pairs of effects with positive variances.
fn correlations(k: usize, omega: &[f64]) -> Vec<Pair> {
    let size =
        |i: usize, j: usize| (omega[i * (k + 1)] * omega[j * (k + 1)]).sqrt();
    let mut pairs = Vec::new();
    for j in 0..k {
        for i in (j + 1..k).filter(|&i| size(i, j) > 0.0) {
            pairs.push((i, j, omega[j * k + i] / size(i, j)));
        }
    }
    pairs
}

// Computes the Cholesky factor row by row. A row whose sum of squares would exceed the diagonal
// element is shortened.
fn approach_factor(k: usize, omega: &[f64], theta: &mut [f64]) {
    for i in 0..k {
        let squares = (0..=i).map(|j| theta[place(k, i, j)].powi(2));
        let before: f64 = squares.sum();
        let variance = omega[i * k + i].max(LEAST_VARIANCE * before);
        let explained = fill_row(k, i, omega, theta);
        let most = LARGEST_EXPLAINED * variance;
        if explained > most {
            for j in 0..i {
                theta[place(k, i, j)] *= (most / explained).sqrt();
            }
        }
        theta[place(k, i, i)] = (variance - explained.min(most)).sqrt();
    }
}

// Writes row i of the Cholesky factor left of the diagonal; returns its sum of squares.
fn fill_row(k: usize, i: usize, omega: &[f64], theta: &mut [f64]) -> f64 {
    let mut explained = 0.0;
    for j in 0..i {
        let products =
            (0..j).map(|c| theta[place(k, i, c)] * theta[place(k, j, c)]);
        let inner: f64 = products.sum();
        let pivot = theta[place(k, j, j)];
        let value = if pivot > 0.0 {
            (omega[j * k + i] - inner) / pivot
        } else {
            0.0
        };
        theta[place(k, i, j)] = value;
        explained += value * value;
    }
    explained
}

// The Cholesky factor of a positive semi-definite matrix; a pivot within rounding error gives a
// zero column.
fn factor(k: usize, omega: &mut [f64], theta: &mut [f64]) {
    let scale: Vec<f64> = omega.iter().step_by(k + 1).copied().collect();
    for j in 0..k {
        let pivot = omega[j * k + j];
        let is_rounded = pivot.is_nan() || pivot <= ROUNDED_PIVOT * scale[j];
        let root = if is_rounded { 0.0 } else { pivot.sqrt() };
        for i in j..k {
            let value = if is_rounded {
                0.0
            } else {
                omega[j * k + i] / root
            };
            omega[j * k + i] = value;
            theta[place(k, i, j)] = value;
        }
        for c in j + 1..k {
            for i in c..k {
                omega[c * k + i] -= omega[j * k + i] * omega[j * k + c];
            }
        }
    }
}
