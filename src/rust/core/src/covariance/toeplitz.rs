//! The Toeplitz structure `toep()`, with a correlation parameter for each distance of two effects.
//!
//! A symmetric Toeplitz matrix with unit diagonal is a correlation matrix if and only if all
//! partial autocorrelations are in [-1, 1], and these vary independently: they are the shares. The
//! Durbin-Levinson recursion maps them to autocorrelations: `rho_m = c_m + v_(m-1) p_m`, with `c_m`
//! the best linear prediction from the effects in between and `v_(m-1)` its error variance
//! (Brockwell and Davis 1991, section 5.2; Barndorff-Nielsen and Schou 1973).

use super::correlated::Correlation;
use super::definition::{Shares, VisitElement};
use super::role::Role;
use crate::kernels::jet::{Jet, Number};
use crate::tolerances::{NOTHING_LEFT, ROUNDED_CORRELATION};

/// Largest number of effects for which working memory is on the stack.
const FEW: usize = 32;

#[derive(Debug)]
pub(super) struct Toeplitz;

impl Correlation for Toeplitz {
    fn parameters(&self, k: usize) -> Vec<Role> {
        let at_distance = |row: usize| Role::Correlation {
            row,
            column: 0,
            low: -1.0,
            high: 1.0,
        };
        (1..k).map(at_distance).collect()
    }

    fn index(&self, distance: usize) -> usize {
        distance - 1
    }

    fn at(&self, _distance: usize, rho: f64) -> [f64; 3] {
        [rho, 1.0, 0.0]
    }

    // Cholesky factor by Schur's algorithm: `u` is column j of the factor, `v` the other generator.
    fn factor(&self, k: usize, rho: &[f64], visit: VisitElement) {
        with_memory(2 * k, |memory| {
            let (u, v) = memory.split_at_mut(k);
            u[0] = 1.0;
            u[1..].copy_from_slice(&rho[..k - 1]);
            v.copy_from_slice(u);
            for column in 0..k {
                if column > 0 && !next_column(column, u, v) {
                    return;
                }
                for row in column..k {
                    visit(row, column, u[row]);
                }
            }
        });
    }

    fn shares(&self) -> Option<&dyn Shares> {
        Some(self)
    }
}

// Annihilates `v[column]` by a hyperbolic rotation; returns `false` where no variance remains.
fn next_column(column: usize, u: &mut [f64], v: &mut [f64]) -> bool {
    u.copy_within(column - 1..u.len() - 1, column);
    let partial = v[column] / u[column];
    let left = (1.0 - partial) * (1.0 + partial);
    if left.is_nan() || left <= NOTHING_LEFT {
        return false;
    }
    let root = left.sqrt();
    for (u, v) in u.iter_mut().zip(v.iter_mut()).skip(column) {
        *u = (*u - partial * *v) / root;
        *v = root * *v - partial * *u;
    }
    true
}

fn with_memory(length: usize, work: impl FnOnce(&mut [f64])) {
    if length <= 2 * FEW {
        work(&mut [0.0; 2 * FEW][..length]);
    } else {
        work(&mut vec![0.0; length]);
    }
}

// The Durbin-Levinson recursion over the correlations `values`: `partial(m, values, c, v)` returns
// the partial autocorrelation, given the prediction c and its error variance v, and may write the
// correlation. `phi` is working memory for the coefficients of the prediction.
fn durbin_levinson<T: Number>(
    values: &mut [T],
    phi: &mut [T],
    mut partial: impl FnMut(usize, &mut T, &T, &T) -> T,
) {
    let Some(zero) = values.first().map(|first| first.constant(0.0)) else {
        return;
    };
    let mut left = zero.constant(1.0);
    for m in 0..values.len() {
        let mut prediction = zero.clone();
        for j in 0..m {
            prediction = prediction.plus(&phi[j].times(&values[m - 1 - j]));
        }
        let p = partial(m, &mut values[m], &prediction, &left);
        left = left.minus(&left.times(&p.times(&p)));
        add_predictor(&mut phi[..m], &p);
        phi[m] = p;
    }
}

// Updates the coefficients of the prediction for one more effect in between, with partial
// autocorrelation `p`.
fn add_predictor<T: Number>(phi: &mut [T], p: &T) {
    let m = phi.len();
    for j in 0..m.div_ceil(2) {
        let a = phi[j].clone();
        let b = phi[m - 1 - j].clone();
        phi[j] = a.minus(&p.times(&b));
        phi[m - 1 - j] = b.minus(&p.times(&a));
    }
}

// The partial autocorrelation that belongs to an autocorrelation.
fn partial_of<T: Number>(value: &T, prediction: &T, left: &T) -> T {
    if left.value() > NOTHING_LEFT {
        value.minus(prediction).times(&left.reciprocal())
    } else {
        value.constant(0.0)
    }
}

fn to_correlations<T: Number>(values: &mut [T], phi: &mut [T], held: &[bool]) {
    durbin_levinson(values, phi, |m, value, prediction, left| {
        if held[m] {
            return partial_of(value, prediction, left);
        }
        let p = value.clone();
        *value = prediction.plus(&left.times(&p));
        p
    });
}

impl Shares for Toeplitz {
    fn to_correlations(&self, values: &mut [f64], held: &[bool]) {
        with_memory(values.len(), |phi| to_correlations(values, phi, held));
    }

    fn jets_to_correlations(&self, values: &mut [Jet], held: &[bool]) {
        let mut phi = values.to_vec();
        to_correlations(values, &mut phi, held);
    }

    fn from_correlations(&self, values: &mut [f64]) {
        let mut shares = vec![0.0; values.len()];
        with_memory(values.len(), |phi| {
            durbin_levinson(values, phi, |m, value, prediction, left| {
                shares[m] =
                    partial_of(value, prediction, left).clamp(-1.0, 1.0);
                *value = prediction + left * shares[m];
                shares[m]
            });
        });
        values.copy_from_slice(&shares);
    }

    // A Toeplitz correlation matrix is a mean of cosine sequences (Caratheodory).
    fn extreme(&self, angle: f64, correlations: &mut [f64]) {
        for (j, value) in correlations.iter_mut().enumerate() {
            *value = (angle * (j + 1) as f64).cos();
        }
    }

    fn first_inadmissible(
        &self,
        correlations: &[f64],
    ) -> Option<(usize, f64, f64)> {
        let mut found = None;
        let n = correlations.len();
        with_memory(2 * n, |memory| {
            let (values, phi) = memory.split_at_mut(n);
            values.copy_from_slice(correlations);
            durbin_levinson(values, phi, |m, value, prediction, left| {
                let low = prediction - left;
                let high = prediction + left;
                let is_below = *value < low - ROUNDED_CORRELATION;
                let is_above = *value > high + ROUNDED_CORRELATION;
                if found.is_none() && (is_below || is_above) {
                    found = Some((m, low, high));
                }
                partial_of(value, prediction, left).clamp(-1.0, 1.0)
            });
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: [f64; 4] = [0.6, -0.3, 0.5, 0.2];

    fn correlations(shares: &[f64]) -> Vec<f64> {
        let mut values = shares.to_vec();
        Shares::to_correlations(
            &Toeplitz,
            &mut values,
            &vec![false; shares.len()],
        );
        values
    }

    // The second autocorrelation has the closed form rho_2 = p_1^2 + p_2 (1 - p_1^2).
    #[test]
    fn second_correlation() {
        let rho = correlations(&SHARES);
        assert!((rho[1] - (0.36 - 0.3 * 0.64)).abs() < 1e-15);
        let mut shares = rho.clone();
        Toeplitz.from_correlations(&mut shares);
        for (found, share) in shares.iter().zip(SHARES) {
            assert!((found - share).abs() < 1e-14);
        }
    }

    // The factor L of k effects, column by column, after checking that R = L L'.
    fn checked_factor(k: usize, rho: &[f64], tolerance: f64) -> Vec<f64> {
        let mut factor = vec![0.0; k * k];
        Toeplitz.factor(k, rho, &mut |row, column, value| {
            factor[column * k + row] = value
        });
        for at in 0..k * k {
            let (i, j) = (at % k, at / k);
            let product = (0..k)
                .map(|c| factor[c * k + i] * factor[c * k + j])
                .sum::<f64>();
            let exact = if i == j { 1.0 } else { rho[i.abs_diff(j) - 1] };
            assert!(
                (product - exact).abs() < tolerance,
                "({i}, {j}): {product} {exact}"
            );
        }
        factor
    }

    // Checks log |R| = sum_m (k - m) log(1 - p_m^2) and R = L L'.
    #[test]
    fn factor_is_that_of_the_matrix() {
        let (k, rho) = (5, correlations(&SHARES));
        let factor = checked_factor(k, &rho, 1e-14);
        let log_det: f64 = (0..k).map(|j| 2.0 * factor[j * (k + 1)].ln()).sum();
        let terms = SHARES.iter().enumerate();
        let exact: f64 = terms
            .map(|(m, p)| (k - 1 - m) as f64 * (1.0 - p * p).ln())
            .sum();
        assert!((log_det - exact).abs() < 1e-13);
    }

    #[test]
    fn singular_matrices_have_a_factor() {
        // An alternating sequence and a cosine have matrices of rank one and two.
        let cosine: Vec<f64> =
            (1..5).map(|d| (0.7 * f64::from(d)).cos()).collect();
        for rho in [vec![-1.0, 1.0, -1.0, 1.0], cosine] {
            checked_factor(5, &rho, 1e-7);
            assert_eq!(Toeplitz.first_inadmissible(&rho), None);
        }
    }

    // The second autocorrelation has the range rho_2 >= 2 rho_1^2 - 1.
    #[test]
    fn ranges_depend_on_the_correlations_before() {
        let (index, low, high) =
            Toeplitz.first_inadmissible(&[0.8, 0.2]).unwrap();
        assert_eq!(index, 1);
        assert!((low - 0.28).abs() < 1e-15 && (high - 1.0).abs() < 1e-15);
        assert_eq!(Toeplitz.first_inadmissible(&[0.8, 0.3]), None);
    }

    // Compares the derivatives with differences of the map; the second correlation is held.
    #[test]
    fn derivatives_are_those_of_differences() {
        let at = [0.5, -0.1, 0.4, -0.6];
        for held in [[false; 4], [false, true, false, false]] {
            let n = at.len();
            let variable = |j: usize| match held[j] {
                true => Jet::constant(n, at[j]),
                false => Jet::function(n, j, [at[j], 1.0, 0.0]),
            };
            let mut jets: Vec<Jet> = (0..n).map(variable).collect();
            Toeplitz.jets_to_correlations(&mut jets, &held);
            let map = |at: [f64; 4]| {
                let mut values = at;
                Shares::to_correlations(&Toeplitz, &mut values, &held);
                values
            };
            let h = 1e-4;
            for (i, j) in (0..n).flat_map(|j| (0..n).map(move |i| (i, j))) {
                if held[i] || held[j] {
                    continue;
                }
                let shifted = |a: f64, b: f64| {
                    let mut point = at;
                    point[i] += a * h;
                    point[j] += b * h;
                    map(point)
                };
                let corners = [
                    shifted(1.0, 1.0),
                    shifted(1.0, -1.0),
                    shifted(-1.0, 1.0),
                    shifted(-1.0, -1.0),
                ];
                let (up, down) = (shifted(0.05, 0.0), shifted(-0.05, 0.0));
                for (c, jet) in jets.iter().enumerate() {
                    let first = (up[c] - down[c]) / (0.1 * h);
                    assert!(
                        (first - jet.first[i]).abs()
                            < 1e-8 * (1.0 + first.abs()),
                        "{c}: {i}"
                    );
                    let [a, b, c_, d] = corners.map(|corner| corner[c]);
                    let second = (a - b - c_ + d) / (4.0 * h * h);
                    assert!(
                        (second - jet.second[j * n + i]).abs()
                            < 1e-6 * (1.0 + second.abs()),
                        "{c}: {i}, {j}"
                    );
                }
            }
        }
    }
}
