//! Coordinates around one theta in which an unstructured covariance has no preferred order of its
//! effects.
//!
//! The elements of a triangular Lambda are poor coordinates near a singular covariance: where a
//! pivot is small beside the elements below it, a small change of Omega turns the column round, and
//! Newton's steps have to follow a curved valley. With `R Omega R = Q S^2 Q'` (R: the units of the
//! effects) we go instead to
//!
//! `R Omega(w) R = Q (S + E)(S + E)' Q'`,  `E_ij = w s_j / n_ij`, `E_ji = w s_i / n_ij`,
//! `n_ij^2 = s_i^2 + s_j^2`, `E_ii = w`:
//!
//! of all steps E with the same effect on Omega, to first order, the shortest (`S E` is symmetric;
//! see Absil, Mahony and Sepulchre 2008, chapter 3.5, on quotients by the orthogonal group). Theta
//! at `w` is the triangular factor of it.

use std::ops::Range;

use crate::covariance::unstructured::place;
use crate::covariance::RelCov;
use crate::derivatives::OmegaDerivatives;
use crate::factor::Factor;
use crate::kernels::eigen::Eigen;
use crate::kernels::small;

/// The coordinates of one unstructured part; `w` of the pair `(i, j)` has the place of element
/// `(i, j)` of Lambda.
#[derive(Debug, Clone)]
pub struct Tangent {
    term: usize,
    first: usize,
    k: usize,
    /// Range of theta that holds the part's parameters.
    pub range: Range<usize>,
    rms: Vec<f64>,
    /// `Q`, column by column.
    q: Vec<f64>,
    s: Vec<f64>,
}

impl Tangent {
    /// Around the last theta of `factor`: one for each part that has such coordinates and for which
    /// `wanted` says so.
    pub fn of(
        factor: &Factor,
        rms: &[Vec<f64>],
        wanted: impl Fn(Range<usize>) -> bool,
    ) -> Vec<Self> {
        let mut tangents = Vec::new();
        for (term, cov) in factor.covs().iter().enumerate() {
            for (first, part) in cov.placed() {
                if part.is_triangle() && part.size > 1 && wanted(part.range()) {
                    let rms = &rms[term][first..first + part.size];
                    tangents.extend(Self::around(
                        term,
                        first,
                        part.range(),
                        rms,
                        &factor.theta[part.range()],
                    ));
                }
            }
        }
        tangents
    }

    fn around(
        term: usize,
        first: usize,
        range: Range<usize>,
        rms: &[f64],
        theta: &[f64],
    ) -> Option<Self> {
        let k = rms.len();
        let mut lambda = vec![0.0; k * k];
        for_each_place(k, |i, j, at| lambda[j * k + i] = rms[i] * theta[at]);
        let mut omega = vec![0.0; k * k];
        small::multiply_transposed(k, &lambda, &lambda, &mut omega);
        let mut eigen = Eigen::new(k);
        // |Lambda'q| is exact where the root of an eigenvalue is not.
        let norm = |q: &[f64]| {
            lambda
                .chunks_exact(k)
                .map(|column| small::dot(column, q).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        eigen.decompose(&omega).then(|| {
            let s = (0..k).map(|i| norm(eigen.vector(i))).collect();
            Self {
                term,
                first,
                k,
                range,
                rms: rms.to_vec(),
                q: eigen.vectors,
                s,
            }
        })
    }

    // E_ij and E_ji for w = 1.
    fn shares(&self, i: usize, j: usize) -> (f64, f64) {
        if i == j {
            return (1.0, 1.0);
        }
        let norm = self.s[i].hypot(self.s[j]);
        if norm > 0.0 {
            (self.s[j] / norm, self.s[i] / norm)
        } else {
            (0.5f64.sqrt(), 0.5f64.sqrt())
        }
    }

    /// Writes theta at `w` over the part's elements of `theta`.
    pub fn displace(&self, w: &[f64], theta: &mut [f64]) {
        let k = self.k;
        let mut root = vec![0.0; k * k];
        (0..k).for_each(|i| root[i * k + i] = self.s[i]);
        for_each_place(k, |i, j, at| {
            let (below, above) = self.shares(i, j);
            root[j * k + i] += w[at] * below;
            if i != j {
                root[i * k + j] += w[at] * above;
            }
        });
        let mut rows = vec![0.0; k * k];
        for (i, row) in rows.chunks_exact_mut(k).enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                *value = (0..k)
                    .map(|l| self.q[l * k + i] * root[j * k + l])
                    .sum::<f64>()
                    / self.rms[i];
            }
        }
        lower_factor(k, &mut rows);
        for_each_place(k, |i, j, at| theta[self.range.start + at] = rows[i * k + j]);
    }

    /// `d Omega`, element `(r, s)`, for each coordinate: calls `visit(j, r, s, value)` as for
    /// theta.
    pub(super) fn for_each_first_derivative(
        &self,
        mut visit: impl FnMut(usize, usize, usize, f64),
    ) {
        let (k, q) = (self.k, &self.q);
        for_each_place(k, |i, j, at| {
            let (below, above) = self.shares(i, j);
            let size = if i == j {
                self.s[i]
            } else {
                below * self.s[j] + above * self.s[i]
            };
            for c in 0..k {
                for r in c..k {
                    let both = q[i * k + r] * q[j * k + c] + q[j * k + r] * q[i * k + c];
                    let value = size * both / (self.rms[r] * self.rms[c]);
                    visit(self.range.start + at, self.first + r, self.first + c, value);
                }
            }
        });
    }

    // Adds `<G, d2 Omega>`: with `R G R` in the basis Q, `tr(E'G E)` is a sum over the columns of
    // E.
    fn add_second_derivative(&self, g: &[f64], k_term: usize, n_theta: usize, hessian: &mut [f64]) {
        let k = self.k;
        let mut block = vec![0.0; k * k];
        for c in 0..k {
            for r in 0..k {
                let value = g[(self.first + c) * k_term + self.first + r];
                block[c * k + r] = value / (self.rms[r] * self.rms[c]);
            }
        }
        let mut half = vec![0.0; k * k];
        small::multiply(k, &block, &self.q, &mut half);
        let in_basis =
            |i: usize, j: usize| small::dot(&self.q[i * k..(i + 1) * k], &half[j * k..(j + 1) * k]);
        for j in 0..k {
            for i in 0..=j {
                let value = 2.0 * in_basis(i, j);
                for column in 0..k {
                    let (a, b) = (self.element(i, column), self.element(j, column));
                    let value = value * a.1 * b.1;
                    hessian[b.0 * n_theta + a.0] += value;
                    if i != j {
                        hessian[a.0 * n_theta + b.0] += value;
                    }
                }
            }
        }
    }

    // The coordinate of element (row, column) of E, and the element where that is one.
    fn element(&self, row: usize, column: usize) -> (usize, f64) {
        let (i, j) = (row.max(column), row.min(column));
        let (below, above) = self.shares(i, j);
        (
            self.range.start + place(self.k, i, j),
            if row == i { below } else { above },
        )
    }
}

impl OmegaDerivatives {
    /// Gradient and Hessian (symmetric, column by column) in theta, but in `w` for the parts of
    /// `tangents`.
    pub fn in_tangents(
        &mut self,
        covs: &[RelCov],
        theta: &[f64],
        tangents: &[Tangent],
        gradient: &mut [f64],
        hessian: &mut [f64],
    ) {
        let n_theta = theta.len();
        gradient.fill(0.0);
        hessian.fill(0.0);
        let mut jacobian = self.start_jacobian();
        let is_theta = |j: usize| !tangents.iter().any(|tangent| tangent.range.contains(&j));
        for (term, cov) in covs.iter().enumerate() {
            let k = cov.vsize();
            let mut first = |j: usize, r: usize, s: usize, value: f64| {
                gradient[j] += value * self.slope(term, r, s);
                jacobian.push((j, self.directions().index(term, k, r, s), value));
            };
            cov.for_each_first_derivative(theta, |j, r, s, value| {
                if is_theta(j) {
                    first(j, r, s, value);
                }
            });
            for tangent in tangents.iter().filter(|tangent| tangent.term == term) {
                tangent.for_each_first_derivative(&mut first);
                tangent.add_second_derivative(&self.g()[term], k, n_theta, hessian);
            }
            cov.for_each_second_derivative(theta, |i, j, r, s, value| {
                if is_theta(i) {
                    let value = value * self.slope(term, r, s);
                    hessian[j * n_theta + i] += value;
                    if i != j {
                        hessian[i * n_theta + j] += value;
                    }
                }
            });
        }
        self.add_sandwich(jacobian, n_theta, hessian);
    }
}

fn for_each_place(k: usize, mut visit: impl FnMut(usize, usize, usize)) {
    for j in 0..k {
        (j..k).for_each(|i| visit(i, j, place(k, i, j)));
    }
}

// Rotates a matrix from the right until it is lower triangular with a diagonal >= 0; it is given
// and left by rows.
pub(crate) fn lower_factor(k: usize, rows: &mut [f64]) {
    for i in 0..k {
        for j in i + 1..k {
            let (a, b) = (rows[i * k + i], rows[i * k + j]);
            let norm = a.hypot(b);
            if norm > 0.0 && b != 0.0 {
                let (c, s) = (a / norm, b / norm);
                for row in rows.chunks_exact_mut(k).skip(i) {
                    (row[i], row[j]) = (c * row[i] + s * row[j], c * row[j] - s * row[i]);
                }
                (rows[i * k + i], rows[i * k + j]) = (norm, 0.0);
            }
        }
        if rows[i * k + i] < 0.0 {
            rows.chunks_exact_mut(k)
                .skip(i)
                .for_each(|row| row[i] = -row[i]);
        }
    }
}
