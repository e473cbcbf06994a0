//! Tangent coordinates of an unstructured covariance around one theta, which treat all effects
//! alike.
//!
//! The elements of a triangular Lambda are poor coordinates near a singular covariance: where a
//! pivot is small relative to the elements below it, a small change of Omega rotates the column by
//! a large angle, and Newton's method has to follow a curved valley. With `R Omega R = Q S^2 Q'`, R
//! the scales of the effects, the coordinates `w` are instead defined by
//!
//! `R Omega(w) R = Q (S + E)(S + E)' Q'`, `E_ij = w s_j / n_ij`, `E_ji = w s_i / n_ij`,
//! `n_ij^2 = s_i^2 + s_j^2`, `E_ii = w`.
//!
//! Among all E with the same first-order effect on Omega this is the shortest one (`S E` is
//! symmetric; see Absil, Mahony and Sepulchre 2008, chapter 3.5, on quotients by the orthogonal
//! group). Theta at `w` is the triangular factor of `Omega(w)`.

use std::ops::Range;

use crate::covariance::unstructured::place;
use crate::covariance::RelCov;
use crate::derivatives::OmegaDerivatives;
use crate::kernels::eigen::Eigen;
use crate::kernels::rotations::lower_factor;
use crate::kernels::small;

/// The tangent coordinates of one unstructured part; `w` of the pair `(i, j)` is stored in the
/// place of element `(i, j)` of Lambda.
#[derive(Debug, Clone)]
pub(crate) struct Tangent {
    term: usize,
    first: usize,
    k: usize,
    /// The range of theta that holds the part's parameters.
    pub range: Range<usize>,
    rms: Vec<f64>,
    /// `Q`, column by column.
    q: Vec<f64>,
    s: Vec<f64>,
}

impl Tangent {
    /// The tangent coordinates around `theta` of each unstructured part of several effects for
    /// which `wanted` holds.
    pub fn of(
        covs: &[RelCov],
        theta: &[f64],
        rms: &[Vec<f64>],
        wanted: impl Fn(Range<usize>) -> bool,
    ) -> Vec<Self> {
        let mut tangents = Vec::new();
        for (term, cov) in covs.iter().enumerate() {
            if cov.image().is_some() {
                continue;
            }
            for (first, part) in cov.placed() {
                if part.is_triangle() && part.size > 1 && wanted(part.range()) {
                    let rms = &rms[term][first..first + part.size];
                    tangents.extend(Self::around(
                        term,
                        first,
                        part.range(),
                        rms,
                        &theta[part.range()],
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
        if !eigen.decompose(&omega) {
            return None;
        }
        // The norm |Lambda'q| is accurate where the square root of an eigenvalue is not.
        let norm = |i: usize| {
            let columns = lambda.chunks_exact(k);
            let squares = columns
                .map(|column| small::dot(column, eigen.vector(i)).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let s = (0..k).map(norm).collect();
        Some(Self {
            term,
            first,
            k,
            range,
            rms: rms.to_vec(),
            q: eigen.vectors,
            s,
        })
    }

    // `E_ij` and `E_ji` for w = 1.
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

    /// Writes theta at `w` into the part's elements of `theta`.
    pub fn displace(&self, w: &[f64], theta: &mut [f64]) {
        let k = self.k;
        let root = self.root_at(w);
        let mut rows = vec![0.0; k * k];
        for (i, row) in rows.chunks_exact_mut(k).enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                let products =
                    (0..k).map(|l| self.q[l * k + i] * root[j * k + l]);
                *value = products.sum::<f64>() / self.rms[i];
            }
        }
        lower_factor(k, &mut rows);
        for_each_place(k, |i, j, at| {
            theta[self.range.start + at] = rows[i * k + j]
        });
    }

    // `S + E` at `w`.
    fn root_at(&self, w: &[f64]) -> Vec<f64> {
        let k = self.k;
        let mut root = vec![0.0; k * k];
        for i in 0..k {
            root[i * k + i] = self.s[i];
        }
        for_each_place(k, |i, j, at| {
            let (below, above) = self.shares(i, j);
            root[j * k + i] += w[at] * below;
            if i != j {
                root[i * k + j] += w[at] * above;
            }
        });
        root
    }

    /// Calls `visit(j, r, s, value)` for each element `(r, s)` of `d Omega` in each coordinate j.
    pub(super) fn for_each_first_derivative(
        &self,
        mut visit: impl FnMut(usize, usize, usize, f64),
    ) {
        let k = self.k;
        let q = &self.q;
        for_each_place(k, |i, j, at| {
            let (below, above) = self.shares(i, j);
            let size = if i == j {
                self.s[i]
            } else {
                below * self.s[j] + above * self.s[i]
            };
            for c in 0..k {
                for r in c..k {
                    let both = q[i * k + r] * q[j * k + c]
                        + q[j * k + r] * q[i * k + c];
                    let value = size * both / (self.rms[r] * self.rms[c]);
                    visit(
                        self.range.start + at,
                        self.first + r,
                        self.first + c,
                        value,
                    );
                }
            }
        });
    }

    // Adds `<G, d2 Omega>`: with `R^-1 G R^-1` in the basis Q, `tr(E'G E)` is a sum over the
    // columns of E.
    fn add_second_derivative(
        &self,
        g: &[f64],
        k_term: usize,
        n_theta: usize,
        hessian: &mut [f64],
    ) {
        let k = self.k;
        let in_basis = self.in_basis(g, k_term);
        for j in 0..k {
            for i in 0..=j {
                for column in 0..k {
                    let (a, at_a) = self.element(i, column);
                    let (b, at_b) = self.element(j, column);
                    let value = 2.0 * in_basis[j * k + i] * at_a * at_b;
                    hessian[b * n_theta + a] += value;
                    if i != j {
                        hessian[a * n_theta + b] += value;
                    }
                }
            }
        }
    }

    // `Q'R^-1 G R^-1 Q` for the part's block of G.
    fn in_basis(&self, g: &[f64], k_term: usize) -> Vec<f64> {
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
        for (out, half) in block.chunks_exact_mut(k).zip(half.chunks_exact(k)) {
            for (out, q) in out.iter_mut().zip(self.q.chunks_exact(k)) {
                *out = small::dot(q, half);
            }
        }
        block
    }

    // The coordinate of element (row, column) of E, and the value of the element at w = 1.
    fn element(&self, row: usize, column: usize) -> (usize, f64) {
        let i = row.max(column);
        let j = row.min(column);
        let (below, above) = self.shares(i, j);
        let share = if row == i { below } else { above };
        (self.range.start + place(self.k, i, j), share)
    }
}

impl OmegaDerivatives {
    /// Writes gradient and Hessian (symmetric, column by column) in tangent coordinates for the
    /// parts of `tangents`, and in theta for the others.
    pub(crate) fn in_tangents(
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
        let mut is_theta = vec![true; n_theta];
        for tangent in tangents {
            is_theta[tangent.range.clone()].fill(false);
        }
        for (term, cov) in covs.iter().enumerate() {
            let k = cov.vsize();
            let mut first = |j: usize, r: usize, s: usize, value: f64| {
                gradient[j] += value * self.slope(term, r, s);
                jacobian.push((
                    j,
                    self.directions().index(term, k, r, s),
                    value,
                ));
            };
            cov.for_each_first_derivative(theta, |j, r, s, value| {
                if is_theta[j] {
                    first(j, r, s, value);
                }
            });
            let own = tangents.iter().filter(|tangent| tangent.term == term);
            for tangent in own {
                let g = &self.g()[term];
                tangent.for_each_first_derivative(&mut first);
                tangent.add_second_derivative(g, k, n_theta, hessian);
            }
            cov.for_each_second_derivative(theta, |i, j, r, s, value| {
                if is_theta[i] {
                    let value = value * self.slope(term, r, s);
                    small::add_symmetric(n_theta, (i, j), value, hessian);
                }
            });
        }
        self.add_sandwich(jacobian, n_theta, hessian);
    }
}

/// Calls `visit` for each row, column and place in theta of a triangular Lambda.
pub(crate) fn for_each_place(
    k: usize,
    mut visit: impl FnMut(usize, usize, usize),
) {
    for j in 0..k {
        for i in j..k {
            visit(i, j, place(k, i, j));
        }
    }
}
