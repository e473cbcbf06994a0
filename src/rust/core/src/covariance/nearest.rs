//! From a covariance back to theta: the inverse of the way from theta to Omega, for matrices of the
//! structure and, as near as that goes, for others.

use super::part::{part_block, Part};
use super::rel_cov::RelCov;
use super::role::Role;
use super::unstructured::place;
use crate::tolerances::{LARGEST_EXPLAINED, LEAST_VARIANCE, ROUNDED_PIVOT};

/// Values over the range of a correlation that are compared.
const VALUES: usize = 200;
/// Halvings of the distance between two of them.
const HALVINGS: usize = 40;

/// The correlation of two effects: row, column, value.
type Pair = (usize, usize, f64);

impl RelCov {
    /// Adds `step` times `change` (`vsize x vsize`) to Omega of one part, as far as the part's
    /// structure can follow.
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

    /// Theta of a positive definite covariance near `omega` (`vsize x vsize`), for a search to go
    /// on from: no standard deviation shrinks below a tenth. Parts with correlations of their own,
    /// and those that aren't free, stay.
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
    /// Writes theta of a covariance, `size x size`; of one that the structure doesn't have, theta
    /// of one near it. Correlations of effects without a variance stay as they are.
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

    // Each correlation is that of its pair, or else follows from all pairs that have variances.
    fn nearest_correlations(&self, omega: &[f64], theta: &mut [f64]) {
        let wanted = correlations(self.size, omega);
        for j in self.correlations() {
            let (row, column) = self.roles()[j].cell();
            match wanted.iter().find(|pair| (pair.0, pair.1) == (row, column)) {
                Some(pair) => theta[j] = pair.2,
                None => self.fit_correlation(j, &wanted, theta),
            }
        }
        // Shares and back: the nearest correlations that the structure has.
        let all = vec![false; theta.len()];
        self.from_correlations(theta, &all);
        self.to_correlations(theta, &all);
    }

    // The value under which the pairs are as near to what is wanted as they can be; of equals the
    // largest.
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

// Where a function is least on a range, and the value there: on a grid first, of equals the largest
// point, then by halving the steps.
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

// Sum of squared differences between the pairs' correlations and those of the matrix `r`.
fn distance_to(k: usize, pairs: &[Pair], r: &[f64]) -> f64 {
    let pairs = pairs.iter();
    let squares = pairs.map(|(i, j, wanted)| (r[j * k + i] - wanted).powi(2));
    squares.sum()
}

// The pairs that have variances.
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

// The Cholesky factor row by row. A row that promises more than its diagonal element holds is
// shortened.
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

// Row i of the Cholesky factor, left of the diagonal; returns the sum of its squares.
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

// Cholesky factor of a positive semi-definite matrix; a pivot of rounding size gives zeros.
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
