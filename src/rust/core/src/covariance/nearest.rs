//! From a covariance back to theta: the inverse of the way from theta to Omega, for matrices of the
//! structure and, as near as that goes, for others.

use super::part::Part;
use super::rel_cov::RelCov;
use super::role::Role;
use super::unstructured::place;
use crate::tolerances::{LARGEST_EXPLAINED, LEAST_VARIANCE, ROUNDED_PIVOT};

/// Values over the range of a correlation that are compared.
const VALUES: usize = 200;
/// Halvings of the distance between two of them.
const HALVINGS: usize = 40;

impl RelCov {
    /// Adds `step` times `change` (`vsize x vsize`) to Omega of one part, as far as the part's
    /// structure can follow.
    pub fn displace(&self, part: usize, step: f64, change: &[f64], theta: &mut [f64]) {
        let Some((first, part)) = self.placed().nth(part) else {
            return;
        };
        let own = &mut theta[part.range()];
        let mut omega = part.omega(own);
        let added = part_block(self.vsize(), first, part.size, change);
        omega
            .iter_mut()
            .zip(added)
            .for_each(|(o, added)| *o += step * added);
        part.nearest(&omega, own);
    }

    /// Theta of a positive definite covariance near `omega` (`vsize x vsize`), for a search to go
    /// on from: no standard deviation shrinks below a tenth. Parts with correlations of their own,
    /// and those that aren't free, stay.
    pub fn approach(&self, omega: &[f64], theta: &mut [f64], is_free: impl Fn(&Part) -> bool) {
        for (first, part) in self.placed().filter(|(_, part)| is_free(part)) {
            let omega = part_block(self.vsize(), first, part.size, omega);
            part.approach(&omega, &mut theta[part.range()]);
        }
    }
}

// The rows and columns of one part.
fn part_block(vsize: usize, first: usize, k: usize, matrix: &[f64]) -> Vec<f64> {
    let element = |at: usize| matrix[(first + at / k) * vsize + first + at % k];
    (0..k * k).map(element).collect()
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

    // By the pair of each correlation, or else by all pairs that have variances.
    fn nearest_correlations(&self, omega: &[f64], theta: &mut [f64]) {
        let wanted = correlations(self.size, omega);
        for j in self.correlations() {
            let (row, column) = self.roles()[j].cell();
            match wanted.iter().find(|pair| (pair.0, pair.1) == (row, column)) {
                Some(pair) => theta[j] = pair.2,
                None => self.fit_correlation(j, &wanted, theta),
            }
        }
        // As near as the structure has it.
        let all = vec![false; theta.len()];
        self.from_correlations(theta, &all);
        self.to_correlations(theta, &all);
    }

    // The value under which the pairs are as near to what is wanted as they can be; of equals the
    // largest.
    fn fit_correlation(&self, j: usize, wanted: &[(usize, usize, f64)], theta: &mut [f64]) {
        let k = self.size;
        let (kept, (low, high)) = (theta[j], self.roles()[j].bounds());
        let mut distance = |value: f64| {
            theta[j] = value;
            let r = self.correlation_matrix(theta);
            let squares = wanted
                .iter()
                .map(|(i, j, wanted)| (r[j * k + i] - wanted).powi(2));
            squares.sum::<f64>()
        };
        let before = distance(kept);
        let mut step = (high - low) / VALUES as f64;
        let (mut best, mut least) = (high, distance(high));
        for value in (0..VALUES).rev().map(|i| low + step * i as f64) {
            let found = distance(value);
            if found < least - ROUNDED_PIVOT {
                (best, least) = (value, found);
            }
        }
        for _ in 0..HALVINGS {
            step *= 0.5;
            for value in [best - step, best + step].map(|value| value.clamp(low, high)) {
                let found = distance(value);
                if found < least {
                    (best, least) = (value, found);
                }
            }
        }
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
        let mean = (0..k).map(|effect| omega[effect * (k + 1)]).sum::<f64>() / k as f64;
        for (role, value) in self.roles().iter().zip(theta) {
            let wanted = match *role {
                Role::Scale { effect } => omega[effect * (k + 1)],
                _ => mean,
            };
            *value = wanted.max(LEAST_VARIANCE * value.powi(2)).sqrt();
        }
    }
}

// `(row, column, correlation)` of the pairs that have variances.
fn correlations(k: usize, omega: &[f64]) -> Vec<(usize, usize, f64)> {
    let size = |i: usize, j: usize| (omega[i * (k + 1)] * omega[j * (k + 1)]).sqrt();
    let below = |j: usize| (j + 1..k).map(move |i| (i, j));
    let pairs = (0..k).flat_map(below);
    let with_variances = pairs.filter(|&(i, j)| size(i, j) > 0.0);
    with_variances
        .map(|(i, j)| (i, j, omega[j * k + i] / size(i, j)))
        .collect()
}

// The Cholesky factor row by row. A row that promises more than its diagonal element holds is
// shortened.
fn approach_factor(k: usize, omega: &[f64], theta: &mut [f64]) {
    for i in 0..k {
        let before: f64 = (0..=i).map(|j| theta[place(k, i, j)].powi(2)).sum();
        let variance = omega[i * k + i].max(LEAST_VARIANCE * before);
        let mut explained = 0.0;
        for j in 0..i {
            let inner: f64 = (0..j)
                .map(|c| theta[place(k, i, c)] * theta[place(k, j, c)])
                .sum();
            let pivot = theta[place(k, j, j)];
            let value = if pivot > 0.0 {
                (omega[j * k + i] - inner) / pivot
            } else {
                0.0
            };
            theta[place(k, i, j)] = value;
            explained += value * value;
        }
        let most = LARGEST_EXPLAINED * variance;
        if explained > most {
            (0..i).for_each(|j| theta[place(k, i, j)] *= (most / explained).sqrt());
        }
        theta[place(k, i, i)] = (variance - explained.min(most)).sqrt();
    }
}

// Cholesky factor of a positive semi-definite matrix; a pivot of rounding size gives zeros.
fn factor(k: usize, omega: &mut [f64], theta: &mut [f64]) {
    let scale: Vec<f64> = (0..k).map(|j| omega[j * k + j]).collect();
    for j in 0..k {
        let pivot = omega[j * k + j];
        let root = if pivot > ROUNDED_PIVOT * scale[j] {
            pivot.sqrt()
        } else {
            0.0
        };
        for i in j..k {
            let value = if root > 0.0 {
                omega[j * k + i] / root
            } else {
                0.0
            };
            omega[j * k + i] = value;
            theta[place(k, i, j)] = value;
        }
        for c in j + 1..k {
            (c..k).for_each(|i| omega[c * k + i] -= omega[j * k + i] * omega[j * k + c]);
        }
    }
}
