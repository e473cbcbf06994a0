//! Standard deviations times a correlation matrix with one parameter: `Omega_ij = s_i s_j R_ij(rho)`.
//!
//! Theta is `(s_1, ..., s_k, rho)`, or `(s, rho)` with one common standard deviation. Among the working coordinates the
//! angle `x` stands for `rho = middle + half sin(x)`: smooth, without bounds, and with both ends of the range (where R
//! is singular) at finite `x`. There the slope in `x` vanishes as the one in the diagonal of Lambda does at zero, and
//! the second derivative tells whether the end is an optimum.

use super::definition::{Covariance, VisitElement, VisitFirst, VisitSecond};

/// A correlation matrix of `k` effects with one parameter.
pub(super) trait Correlation: Sync {
    /// Where it is positive semi-definite.
    fn range(&self, k: usize) -> (f64, f64);

    /// Elements with `|i - j| = distance > 0`: the value and its first and second derivatives in rho.
    fn at(&self, distance: usize, rho: f64) -> [f64; 3];

    /// Its Cholesky factor.
    fn factor(&self, k: usize, rho: f64, visit: VisitElement);

    /// Whether `-rho` belongs to the effects with signs `+ - + -`; of two effects it always does.
    fn alternates(&self) -> bool;
}

#[derive(Debug)]
pub(super) struct Correlated<C> {
    pub(super) correlation: C,
    pub(super) is_homogeneous: bool,
}

impl<C: Correlation> Correlated<C> {
    // Index of the standard deviation of effect i, and of rho.
    fn sd(&self, i: usize) -> usize {
        if self.is_homogeneous {
            0
        } else {
            i
        }
    }

    fn rho(&self, k: usize) -> usize {
        self.n_theta(k) - 1
    }

    fn middle_and_half(&self, k: usize) -> (f64, f64) {
        let (low, high) = self.correlation.range(k);
        (0.5 * (low + high), 0.5 * (high - low))
    }
}

impl<C: Correlation> Covariance for Correlated<C> {
    fn n_theta(&self, k: usize) -> usize {
        1 + if self.is_homogeneous { 1 } else { k }
    }

    fn is_diagonal(&self, k: usize) -> bool {
        k == 1
    }

    fn is_filled(&self) -> bool {
        false
    }

    fn lambda(&self, k: usize, theta: &[f64], visit: VisitElement) {
        let rho = theta[self.rho(k)];
        self.correlation.factor(k, rho, &mut |row, column, value| {
            visit(row, column, theta[self.sd(row)] * value)
        });
    }

    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst) {
        let at_rho = self.rho(k);
        for j in 0..k {
            let s_j = theta[self.sd(j)];
            visit(self.sd(j), j, j, 2.0 * s_j);
            for i in j + 1..k {
                let s_i = theta[self.sd(i)];
                let [r, dr, _] = self.correlation.at(i - j, theta[at_rho]);
                visit(self.sd(i), i, j, s_j * r);
                visit(self.sd(j), i, j, s_i * r);
                visit(at_rho, i, j, s_i * s_j * dr);
            }
        }
    }

    fn second_derivative(&self, k: usize, theta: &[f64], visit: VisitSecond) {
        let at_rho = self.rho(k);
        for j in 0..k {
            visit(self.sd(j), self.sd(j), j, j, 2.0);
            for i in j + 1..k {
                let (at_i, at_j) = (self.sd(i), self.sd(j));
                let (s_i, s_j) = (theta[at_i], theta[at_j]);
                let [r, dr, ddr] = self.correlation.at(i - j, theta[at_rho]);
                // With a common standard deviation both orders of the pair are the same second derivative.
                visit(at_i, at_j, i, j, if at_i == at_j { 2.0 * r } else { r });
                visit(at_i, at_rho, i, j, s_j * dr);
                visit(at_j, at_rho, i, j, s_i * dr);
                visit(at_rho, at_rho, i, j, s_i * s_j * ddr);
            }
        }
    }

    fn start(&self, k: usize, start: &mut [f64]) {
        start.fill(1.0);
        start[self.rho(k)] = 0.0;
    }

    fn correlation_range(&self, k: usize) -> Option<(f64, f64)> {
        Some(self.correlation.range(k))
    }

    fn bounds(&self, k: usize, lower: &mut [f64], upper: &mut [f64]) {
        lower.fill(0.0);
        upper.fill(f64::INFINITY);
        let rho = self.rho(k);
        (lower[rho], upper[rho]) = self.correlation.range(k);
    }

    fn step_sizes(&self, k: usize, rms: &[f64], step_sizes: &mut [f64]) {
        let mean_square = rms.iter().map(|rms| rms * rms).sum::<f64>() / k as f64;
        step_sizes.fill(1.0 / mean_square.sqrt());
        if !self.is_homogeneous {
            step_sizes
                .iter_mut()
                .zip(rms)
                .for_each(|(step_size, rms)| *step_size = 1.0 / rms);
        }
        step_sizes[self.rho(k)] = 1.0;
    }

    fn natural(&self, k: usize, x: &mut [f64], first: &mut [f64], second: &mut [f64]) {
        first.fill(1.0);
        second.fill(0.0);
        let (middle, half) = self.middle_and_half(k);
        let (low, high) = self.correlation.range(k);
        let rho = self.rho(k);
        let (sin, cos) = x[rho].sin_cos();
        x[rho] = (middle + half * sin).clamp(low, high);
        (first[rho], second[rho]) = (half * cos, -half * sin);
    }

    fn working(&self, k: usize, theta: &mut [f64]) {
        let (middle, half) = self.middle_and_half(k);
        let rho = self.rho(k);
        theta[rho] = ((theta[rho] - middle) / half).clamp(-1.0, 1.0).asin();
    }

    // Other signs of the standard deviations have an equivalent if none of them is held.
    fn project(&self, k: usize, x: &mut [f64], held: &[bool]) {
        let (sds, angle) = x.split_at_mut(self.rho(k));
        let (held_sds, held_angle) = held.split_at(sds.len());
        if !held_angle[0] {
            angle[0] = angle[0].sin().asin();
        }
        let is_free = !held_sds.contains(&true);
        let is_symmetric = !held_angle[0] && (k == 2 || self.correlation.alternates());
        let alternating = |i: usize| if i % 2 == 0 { 1.0 } else { -1.0 };
        if is_free && sds.iter().all(|s| *s <= 0.0) {
            sds.iter_mut().for_each(|s| *s = -*s);
        } else if is_free
            && is_symmetric
            && [1.0, -1.0]
                .iter()
                .any(|side| same_signs(sds, |i| side * alternating(i)))
        {
            sds.iter_mut().for_each(|s| *s = s.abs());
            angle[0] = -angle[0];
        }
        sds.iter_mut()
            .zip(held_sds)
            .filter(|(_, held)| !**held)
            .for_each(|(s, _)| *s = s.max(0.0));
    }

    // One common standard deviation has an equivalent.
    fn kinks(&self, k: usize, _held: &[bool], visit: &mut dyn FnMut(usize)) {
        if !self.is_homogeneous {
            (0..k).for_each(visit);
        }
    }

    fn correlation(&self, distance: usize, rho: f64) -> f64 {
        self.correlation.at(distance, rho)[0]
    }

    // Only asked for where Omega is zero: its correlation means nothing.
    fn displace(&self, k: usize, eps: f64, v: &[f64], rho: f64, theta: &mut [f64]) {
        let (sds, correlation) = theta.split_at_mut(self.rho(k));
        sds.iter_mut()
            .zip(v)
            .for_each(|(s, v)| *s = (*s * *s + eps * v * v).sqrt());
        correlation[0] = rho;
    }
}

// Whether no standard deviation has the other sign, and one of them is negative.
fn same_signs(sds: &[f64], sign: impl Fn(usize) -> f64) -> bool {
    sds.iter().any(|s| *s < 0.0) && sds.iter().enumerate().all(|(i, s)| s * sign(i) >= 0.0)
}
