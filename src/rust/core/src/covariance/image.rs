//! The covariance of the combinations `C'b` of the effects b of a term, for a covariance structure
//! of b that such combinations do not have.
//!
//! If a covariate is far from zero, the columns of Z are nearly collinear, and their cross-products
//! lose digits. With `Z = Q C'` a model can have the columns Q instead, whatever the structure of
//! Omega: the effects of Q are `C'b`, of covariance `C'Omega C`. Parameters and structure remain
//! those of b.

use crate::kernels::rotations::lower_factor;
use crate::kernels::small;
use crate::tolerances::UNIT_SCALE;

/// The map from effects b to `C'b`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Image {
    k: usize,
    /// The lower triangle of C, column by column.
    c: Vec<f64>,
}

impl Image {
    pub fn new(k: usize, c: &[f64]) -> Self {
        Self { k, c: c.to_vec() }
    }

    /// Replaces Lambda of b by that of `C'b`, the triangular factor of `C'Lambda Lambda'C`.
    pub fn map_lambda(&self, lambda: &mut [f64]) {
        let k = self.k;
        let mut rows = self.rows(lambda);
        lower_factor(k, &mut rows);
        for j in 0..k {
            for i in 0..k {
                lambda[j * k + i] = if i < j { 0.0 } else { rows[i * k + j] };
            }
        }
    }

    /// The rotation R that makes `C'Lambda` triangular, by rows.
    pub fn rotation(&self, lambda: &[f64]) -> Vec<f64> {
        let k = self.k;
        let mut rows = self.rows(lambda);
        rows.extend(small::identity(k));
        lower_factor(k, &mut rows);
        rows.split_off(k * k)
    }

    // `C'Lambda` by rows.
    fn rows(&self, lambda: &[f64]) -> Vec<f64> {
        let k = self.k;
        let mut rows = vec![0.0; k * k];
        for (j, column) in lambda.chunks_exact(k).enumerate() {
            for i in 0..k {
                let c = &self.c[i * k..(i + 1) * k];
                rows[i * k + j] = small::dot(&c[i..], &column[i..]);
            }
        }
        rows
    }

    /// Calls `visit` for the elements of `C'E C`, where E is symmetric and zero but for `value` at
    /// `(r, s)` and `(s, r)`.
    pub fn for_each_element(
        &self,
        (r, s): (usize, usize),
        value: f64,
        mut visit: impl FnMut(usize, usize, f64),
    ) {
        let c = |i: usize, a: usize| self.c[a * self.k + i];
        for b in 0..=r.max(s) {
            for a in b..=r.max(s) {
                let mut product = c(r, a) * c(s, b);
                if r != s {
                    product += c(s, a) * c(r, b);
                }
                visit(a, b, value * product);
            }
        }
    }

    /// The derivative `C G C'` in Omega of b, from G in that of `C'b`.
    pub fn slope_of_given(&self, g: &[f64]) -> Vec<f64> {
        let half = small::product(self.k, &self.c, g);
        small::product_transposed(self.k, &half, &self.c)
    }

    /// The change `C'E C` of the covariance of `C'b`, from the change E of Omega.
    pub fn change(&self, change: &[f64]) -> Vec<f64> {
        let k = self.k;
        let mut mapped = vec![0.0; k * k];
        for s in 0..k {
            for r in s..k {
                let value = change[s * k + r];
                self.for_each_element((r, s), value, |a, b, value| {
                    mapped[b * k + a] += value;
                });
            }
        }
        small::mirror_lower(k, &mut mapped);
        mapped
    }

    /// The root mean square of each column of `Z = Q C'`, from those of the orthogonal columns Q.
    pub fn scales_of_given(&self, rms: &[f64]) -> Vec<f64> {
        let of_row = |i: usize| {
            let squares =
                (0..=i).map(|l| (self.c[l * self.k + i] * rms[l]).powi(2));
            squares.sum::<f64>().sqrt()
        };
        (0..self.k).map(of_row).collect()
    }

    /// The share of each column's root mean square that is orthogonal to the preceding ones, given
    /// those of Q; for a first column other than an intercept, the smallest share of the others.
    pub fn spreads(&self, rms: &[f64]) -> Vec<f64> {
        let own = (0..self.k).map(|i| self.c[i * (self.k + 1)].abs() * rms[i]);
        let whole = self.scales_of_given(rms);
        let mut spreads: Vec<f64> =
            own.zip(&whole).map(|(own, whole)| own / whole).collect();
        if (whole[0] - 1.0).abs() > UNIT_SCALE {
            spreads[0] = spreads.iter().copied().fold(1.0, f64::min);
        }
        spreads
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::covariance::{Part, RelCov, Structure};

    // C of an intercept, a covariate far from zero, and another one.
    const C: [f64; 9] = [1.0, 1e3, 0.5, 0.0, 2.0, -0.3, 0.0, 0.0, 0.7];
    const THETA: [f64; 4] = [0.8, 0.01, 1.3, 0.4];

    fn compound_symmetry() -> RelCov {
        let structure = Structure::from_name("cs").unwrap();
        RelCov::new(vec![Part::new(structure, 3, 0)])
    }

    fn square(lambda: &[f64]) -> Vec<f64> {
        small::product_transposed(3, lambda, lambda)
    }

    // The covariance of the combinations, by its definition.
    fn covariance(theta: &[f64]) -> Vec<f64> {
        let mut lambda = vec![0.0; 9];
        compound_symmetry().fill_lambda(theta, &mut lambda);
        let mut transposed = C.to_vec();
        for j in 0..3 {
            for i in 0..3 {
                transposed[j * 3 + i] = C[i * 3 + j];
            }
        }
        square(&small::product(3, &transposed, &lambda))
    }

    fn assert_near(a: &[f64], b: &[f64], tolerance: f64) {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a} {b}");
        }
    }

    #[test]
    fn lambda_of_combinations_is_the_factor_of_their_covariance() {
        let mut lambda = vec![0.0; 9];
        let cov = compound_symmetry().of_combinations(&C);
        cov.fill_lambda(&THETA, &mut lambda);
        assert_eq!((lambda[3], lambda[6], lambda[7]), (0.0, 0.0, 0.0));
        assert_near(&square(&lambda), &covariance(&THETA), 1e-12);
    }

    #[test]
    fn derivatives_are_those_of_the_covariance_of_combinations() {
        let cov = compound_symmetry().of_combinations(&C);
        let mut slopes = [0.0; 36];
        cov.for_each_first_derivative(&THETA, |j, r, s, value| {
            slopes[j * 9 + s * 3 + r] += value;
        });
        for (j, slopes) in slopes.chunks_exact_mut(9).enumerate() {
            small::mirror_lower(3, slopes);
            let at = |by: f64| {
                let mut theta = THETA;
                theta[j] += by;
                covariance(&theta)
            };
            let (up, down) = (at(1e-5), at(-1e-5));
            let differences = up.iter().zip(&down);
            let expected: Vec<f64> =
                differences.map(|(a, b)| (a - b) / 2e-5).collect();
            assert_near(slopes, &expected, 1e-6);
        }
    }

    #[test]
    fn changes_and_slopes_have_the_same_inner_product() {
        let image = Image::new(3, &C);
        let change = [1.0, 0.2, 0.1, 0.2, 2.0, 0.3, 0.1, 0.3, 0.5];
        let g = [0.4, -0.1, 0.6, -0.1, 0.3, 0.2, 0.6, 0.2, -0.7];
        let there = small::dot(&g, &image.change(&change));
        let given = small::dot(&image.slope_of_given(&g), &change);
        assert_near(&[given], &[there], 1e-12);
    }

    #[test]
    fn a_rotation_leads_to_spherical_effects_of_the_combinations() {
        let image = Image::new(3, &C);
        let mut given = vec![0.0; 9];
        compound_symmetry().fill_lambda(&THETA, &mut given);
        let rotation = image.rotation(&given);
        let mut lambda = given.clone();
        image.map_lambda(&mut lambda);
        // `C'Lambda = Lambda* R'`, with the rows of R given.
        let rows = image.rows(&given);
        for i in 0..3 {
            for (j, turned) in rotation.chunks_exact(3).enumerate() {
                let row: Vec<f64> = (0..3).map(|l| lambda[l * 3 + i]).collect();
                assert_near(
                    &[small::dot(&row, turned)],
                    &[rows[i * 3 + j]],
                    1e-12,
                );
            }
        }
    }
}
