//! The chain rule from Omega to theta: `d d/d theta_j = <G, dOmega_j>` and
//! `d2 d/d theta_i d theta_j = <dOmega_i, H dOmega_j> + <G, d2 Omega_ij>`, with the derivatives of
//! Omega from the covariance structure. The last term is exact even if `H` is an approximation; it
//! dominates at singular Lambda.

use faer::{MatMut, MatRef};

use crate::covariance::RelCov;
use crate::derivatives::OmegaDerivatives;
use crate::kernels::gemm::{add_product, set_product};
use crate::kernels::small::{self, set_zeros};

/// Up to this number of directions of Omega loops over the elements of J are faster than matrix
/// products.
const FEW_DIRECTIONS: usize = 16;
/// Up to this share of elements that aren't zero they are, too.
const SPARSE: f64 = 0.15;

/// An element of the Jacobian: parameter, direction, and value.
pub(crate) type Element = (usize, usize, f64);

/// The Jacobian J of the elements of Omega in theta, which is sparse.
#[derive(Debug, Default)]
pub(super) struct Jacobian {
    elements: Vec<Element>,
    /// `H J`.
    product: Vec<f64>,
    /// J, if it is dense.
    dense: Vec<f64>,
}

impl Jacobian {
    /// The cleared memory of the elements, which [`OmegaDerivatives::add_sandwich`] takes back.
    pub fn start(&mut self) -> Vec<Element> {
        self.elements.clear();
        std::mem::take(&mut self.elements)
    }

    // Adds `J'H J`, element by element of J, for `n` directions and `n_theta` parameters.
    fn add_sparse(
        &mut self,
        elements: &[Element],
        (n, n_theta): (usize, usize),
        h: &[f64],
        hessian: &mut [f64],
    ) {
        let product = &mut self.product;
        set_zeros(product, n * n_theta);
        for &(j, direction, value) in elements {
            let h = &h[direction * n..(direction + 1) * n];
            small::axpy(value, h, &mut product[j * n..(j + 1) * n]);
        }
        let columns = hessian.chunks_exact_mut(n_theta.max(1));
        for (out, product) in columns.zip(product.chunks_exact(n.max(1))) {
            for &(i, direction, value) in elements {
                out[i] += value * product[direction];
            }
        }
    }

    // Adds `J'H J` by matrix products.
    fn add_dense(
        &mut self,
        elements: &[Element],
        (n, n_theta): (usize, usize),
        h: &[f64],
        hessian: &mut [f64],
    ) {
        set_zeros(&mut self.dense, n * n_theta);
        set_zeros(&mut self.product, n * n_theta);
        for &(j, direction, value) in elements {
            self.dense[j * n + direction] += value;
        }
        let j = MatRef::from_column_major_slice(&self.dense, n, n_theta);
        let h = MatRef::from_column_major_slice(h, n, n);
        let product = &mut self.product;
        let hj = MatMut::from_column_major_slice_mut(product, n, n_theta);
        set_product(hj, h, j);
        let hj = MatRef::from_column_major_slice(product, n, n_theta);
        let out =
            MatMut::from_column_major_slice_mut(hessian, n_theta, n_theta);
        add_product(out, j.transpose(), hj, 1.0);
    }
}

impl OmegaDerivatives {
    /// Writes the gradient in theta.
    pub fn gradient(
        &self,
        covs: &[RelCov],
        theta: &[f64],
        gradient: &mut [f64],
    ) {
        gradient.fill(0.0);
        for (term, cov) in covs.iter().enumerate() {
            cov.for_each_first_derivative(theta, |j, r, s, value| {
                gradient[j] += value * self.slope(term, r, s)
            });
        }
    }

    /// Derivatives in theta of a function with the derivatives `slopes` along the directions of
    /// Omega.
    pub(crate) fn chain(
        &self,
        covs: &[RelCov],
        theta: &[f64],
        slopes: &[f64],
    ) -> Vec<f64> {
        let mut gradient = vec![0.0; theta.len()];
        for (term, cov) in covs.iter().enumerate() {
            let k = cov.vsize();
            cov.for_each_first_derivative(theta, |j, r, s, value| {
                gradient[j] +=
                    value * slopes[self.directions.index(term, k, r, s)];
            });
        }
        gradient
    }

    /// Writes the Hessian in theta, symmetric, column by column.
    pub fn hessian(
        &mut self,
        covs: &[RelCov],
        theta: &[f64],
        hessian: &mut [f64],
    ) {
        let n_theta = theta.len();
        hessian.fill(0.0);
        let mut jacobian = self.jacobian.start();
        for (term, cov) in covs.iter().enumerate() {
            let k = cov.vsize();
            cov.for_each_first_derivative(theta, |j, r, s, value| {
                jacobian.push((j, self.directions.index(term, k, r, s), value));
            });
            cov.for_each_second_derivative(theta, |i, j, r, s, value| {
                let value = value * self.slope(term, r, s);
                small::add_symmetric(n_theta, (i, j), value, hessian);
            });
        }
        self.add_sandwich(jacobian, n_theta, hessian);
    }

    /// Adds `J'H J`.
    pub(crate) fn add_sandwich(
        &mut self,
        elements: Vec<Element>,
        n_theta: usize,
        hessian: &mut [f64],
    ) {
        let (n, h) = (self.directions.len(), &self.h);
        let jacobian = &mut self.jacobian;
        let most = SPARSE * (n * n_theta) as f64;
        if n > FEW_DIRECTIONS && elements.len() as f64 > most {
            jacobian.add_dense(&elements, (n, n_theta), h, hessian);
        } else {
            jacobian.add_sparse(&elements, (n, n_theta), h, hessian);
        }
        self.jacobian.elements = elements;
    }

    /// Writes the derivative along each direction of Omega.
    pub(super) fn fill_slopes(&self, slopes: &mut Vec<f64>) {
        slopes.clear();
        for term in 0..self.g.len() {
            let pairs = self.directions.pairs(term).iter();
            slopes.extend(pairs.map(|&(r, s)| self.slope(term, r, s)));
        }
    }

    /// The derivative along the direction of element (r, s) of a term's Omega.
    pub(crate) fn slope(&self, term: usize, r: usize, s: usize) -> f64 {
        let g = &self.g[term];
        let k = self.directions.size(term);
        if r == s {
            g[s * k + r]
        } else {
            2.0 * g[s * k + r]
        }
    }
}
