//! Penalized least squares at one theta: the blocked Cholesky factor of `Lambda' Z'WZ Lambda + I`, bordered by
//! `[X y]`, and what is read off it.
//!
//! Elimination in three steps. (1) Each unit `i` of the largest term on its own:
//! `T_i = Lambda0' A00_i Lambda0 + I = L_i L_i'` and `B_i = A_t0,i M_i` with `M_i = Lambda0 L_i^-T`.
//! (2) `S = D' (A_tt - sum_i B_i B_i') D + I`, `D` the Lambdas of the other terms, and its factor `L_RR`.
//! (3) The border: `[X y]'W[X y]` less what (1) and (2) explain, factored with `y` last, so that the last
//! pivot is the penalized residual sum of squares.
//!
//! Source: Bates et al. (2015), section on the penalized least squares problem; the order of the blocks is ours.

pub(crate) mod column_scales;
pub mod cond_var;
pub(crate) mod coupling;
pub mod cross_products;
pub mod full;
pub mod inverse;
pub mod layout;
pub mod leading;
pub mod leverage;
pub mod rows;
mod solve;
pub mod trailing;

use faer::{MatMut, MatRef};

use crate::kernels::gemm::add_lower_product;

use crate::covariance::RelCov;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::factor::cross_products::CrossProducts;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::trailing::{Storage, Trailing};
use crate::kernels::small::{self, for_size, LogProduct};
use crate::tolerances::{CENTRED_PIVOT, KEPT_PIVOT, RANK_PIVOT, ROUNDED_PIVOT, ZERO_RESIDUAL};

/// The cross-products, and the factor at the theta of the last [`Pls::update`].
#[derive(Debug)]
pub struct Pls {
    pub(crate) layout: Layout,
    pub(crate) leading: Leading,
    pub(crate) trailing: Trailing,
    covs: Vec<RelCov>,
    a_xx: Vec<f64>,
    /// Multiples of the first column of X that were taken off the columns.
    pub(crate) shift: Vec<f64>,
    beta0: Vec<f64>,
    /// Fixed effects (of X centred) to keep where the equations say nothing of them; empty: that is an error.
    pub(crate) anchor: Vec<f64>,
    response_ss: f64,
    /// Lambda of each term, in the order of the design.
    pub(crate) lambdas: Vec<Vec<f64>>,
    /// The theta they were filled from.
    pub(crate) theta: Vec<f64>,
    /// Lambda of the trailing terms, in the order of the layout.
    pub(crate) trailing_lambdas: Vec<Vec<f64>>,
    /// `M_i`: per unit `k x k`.
    pub(crate) m: Vec<f64>,
    /// `L_i`: per unit `k x k`, lower triangle.
    pub(crate) l00: Vec<f64>,
    /// `[X y]'WZ0 M`: `width x (k n_levels)`.
    pub(crate) bx: Vec<f64>,
    b: Vec<f64>,
    work: Vec<f64>,
    /// Border: the lower triangular factor of `X'V^-1X`, and below it the row of y.
    pub(crate) l_xx: Vec<f64>,
    log_det_re: f64,
    pwrss: f64,
}

/// Solution of the penalized least-squares problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// Fixed effects.
    pub beta: Vec<f64>,
    /// Spherical random effects of each term: `vsize x n_levels`.
    pub u: Vec<Vec<f64>>,
    /// Random effects `b = Lambda u`, likewise.
    pub b: Vec<Vec<f64>>,
}

impl Pls {
    /// Sums up the cross-products of a valid design; no theta yet.
    ///
    /// # Errors
    /// `TooLarge` if the crossed terms don't fit in memory.
    pub fn new(design: &Design) -> Result<Self> {
        let CrossProducts {
            layout,
            leading,
            trailing,
            xx,
            shift,
            beta0,
            response_ss,
        } = CrossProducts::new(design)?;
        let covs: Vec<RelCov> = design.terms.iter().map(|term| term.cov.clone()).collect();
        let lambdas: Vec<Vec<f64>> = covs
            .iter()
            .map(|cov| vec![0.0; cov.vsize() * cov.vsize()])
            .collect();
        let most_touched = leading
            .ptr
            .windows(2)
            .map(|w| w[1] - w[0])
            .max()
            .unwrap_or(0);
        Ok(Self {
            trailing_lambdas: layout
                .blocks
                .iter()
                .map(|block| lambdas[block.term].clone())
                .collect(),
            m: vec![0.0; leading.n_levels * leading.k * leading.k],
            l00: vec![0.0; leading.n_levels * leading.k * leading.k],
            bx: vec![0.0; leading.ax0.len()],
            b: vec![0.0; most_touched * leading.k],
            work: vec![0.0; leading.k * leading.k],
            l_xx: xx.clone(),
            a_xx: xx,
            layout,
            leading,
            trailing,
            covs,
            shift,
            beta0,
            anchor: Vec::new(),
            response_ss,
            theta: vec![0.0; design.n_theta()],
            lambdas,
            log_det_re: f64::NAN,
            pwrss: f64::NAN,
        })
    }

    /// Covariances of the terms.
    pub(crate) fn covs(&self) -> &[RelCov] {
        &self.covs
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.layout.width - 1
    }

    /// Whether the trailing random effects are stored sparse.
    pub fn is_sparse(&self) -> bool {
        matches!(self.trailing.rr, Storage::Sparse(_))
    }

    /// Updates the factor for `theta`.
    ///
    /// # Errors
    /// `NotPositiveDefinite` if rounding or a huge theta spoils a block.
    pub fn update(&mut self, theta: &[f64]) -> Result<()> {
        self.set_theta(theta);
        self.factor()?;
        self.finish_response()
    }

    /// Fills the Lambdas.
    pub(crate) fn set_theta(&mut self, theta: &[f64]) {
        self.theta.clear();
        self.theta.extend_from_slice(theta);
        for (cov, lambda) in self.covs.iter().zip(&mut self.lambdas) {
            cov.fill_lambda(theta, lambda);
        }
        for (block, lambda) in self.layout.blocks.iter().zip(&mut self.trailing_lambdas) {
            lambda.copy_from_slice(&self.lambdas[block.term]);
        }
    }

    /// Updates all of the factor but the last pivot, that of the response.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(crate) fn factor(&mut self) -> Result<()> {
        self.trailing.reset();
        let log_det_leading = for_size!(self.leading.k, k => self.eliminate_leading(k))?;
        let mut log_det_rest = 0.0;
        if self.layout.m > 0 {
            self.trailing.full_rank_update(&self.bx);
            self.trailing
                .scale_inflate(&self.layout, &self.trailing_lambdas);
            log_det_rest = self.trailing.factor()?;
        }
        self.log_det_re = log_det_leading + log_det_rest;
        self.factor_border()
    }

    // Step (1): fills `m` and `bx`, takes B B' off the trailing system; returns sum_i log |T_i|.
    #[inline(always)]
    fn eliminate_leading(&mut self, k: usize) -> Result<f64> {
        let (leading, width) = (&self.leading, self.layout.width);
        let lambda = &self.lambdas[self.layout.leading_term];
        let work = &mut self.work;
        let mut log_det = LogProduct::default();
        for unit in 0..leading.n_levels {
            let t = &mut self.l00[unit * k * k..(unit + 1) * k * k];
            small::scale_inflate(k, leading.a00(unit), lambda, work, t);
            log_det.push(small::cholesky(k, t).ok_or(Error::NotPositiveDefinite { pivot: unit })?);
            let m = &mut self.m[unit * k * k..(unit + 1) * k * k];
            small::right_solve_transposed(k, lambda, t, m);
            let bx = &mut self.bx[unit * width * k..(unit + 1) * width * k];
            small::multiply_rows(k, width, leading.ax0(unit), m, bx);
            let (rows, vals) = leading.touched(unit);
            if let Some(full) = &mut self.trailing.full {
                full.set(k, unit, rows, vals, m);
            } else if !rows.is_empty() {
                let b = &mut self.b[..vals.len()];
                for (b, v) in b.chunks_exact_mut(k).zip(vals.chunks_exact(k)) {
                    for j in 0..k {
                        b[j] = (0..k).map(|l| v[l] * m[j * k + l]).sum();
                    }
                }
                self.trailing.rank_update(k, unit, rows, b, bx);
            }
        }
        Ok(2.0 * log_det.ln())
    }

    // Step (3).
    fn factor_border(&mut self) -> Result<()> {
        let (width, p) = (self.layout.width, self.p());
        self.l_xx.copy_from_slice(&self.a_xx);
        subtract_gram(width, &self.bx, &mut self.l_xx);
        subtract_gram(width, &self.trailing.s_xr, &mut self.l_xx);
        for j in 0..p {
            for c in 0..j {
                let factor = self.l_xx[c * width + j];
                let (left, right) = self.l_xx.split_at_mut(j * width);
                small::axpy(
                    -factor,
                    &left[c * width + j..(c + 1) * width],
                    &mut right[j..width],
                );
            }
            let pivot = self.l_xx[j * width + j];
            // A smaller share of x'Wx is rounding error: the column depends on the others.
            let taken_off = self.shift[j].powi(2) * self.a_xx[0];
            let rounding = (RANK_PIVOT * self.a_xx[j * width + j]).max(CENTRED_PIVOT * taken_off);
            let least = if self.anchor.is_empty() {
                rounding
            } else {
                ROUNDED_PIVOT * self.a_xx[j * width + j]
            };
            if !(pivot > least && pivot.is_finite()) {
                let held = self.anchor.get(j).filter(|_| pivot.is_finite());
                let at = *held.ok_or(Error::NotPositiveDefinite {
                    pivot: self.layout.m + j,
                })?;
                self.hold(j, at);
            }
            let root = self.l_xx[j * width + j].sqrt();
            self.l_xx[j * width + j..(j + 1) * width]
                .iter_mut()
                .for_each(|v| *v /= root);
            self.l_xx[j * width + j] = root;
        }
        Ok(())
    }

    // Replaces equation `j` of the border, of which only rounding error is left, by `beta_j = at`.
    fn hold(&mut self, j: usize, at: f64) {
        let (width, p) = (self.layout.width, self.p());
        let weight = (KEPT_PIVOT * self.a_xx[j * width + j]).max(f64::MIN_POSITIVE.sqrt());
        self.l_xx[j * width + j..(j + 1) * width].fill(0.0);
        self.l_xx[j * width + j] = weight;
        self.l_xx[j * width + p] = weight * at;
    }

    // The last pivot.
    fn finish_response(&mut self) -> Result<()> {
        let (width, p) = (self.layout.width, self.p());
        let explained: f64 = (0..p).map(|j| self.l_xx[j * width + p].powi(2)).sum();
        self.pwrss = self.l_xx[width * width - 1] - explained;
        // What is left of the response is rounding error only.
        if self.pwrss <= ZERO_RESIDUAL * self.a_xx[width * width - 1]
            || self.a_xx[width * width - 1] <= ZERO_RESIDUAL.powi(2) * self.response_ss
        {
            return Err(Error::ZeroResidual);
        }
        Ok(())
    }

    /// `[X y]'W[X y]`, lower triangle, `width x width`, to be filled anew.
    pub(crate) fn xx_mut(&mut self) -> &mut [f64] {
        &mut self.a_xx
    }

    /// Zeroes everything that involves X, to be filled anew, with the same multiples of its first column taken off.
    pub(crate) fn clear_fixed(&mut self) {
        let (width, p) = (self.layout.width, self.p());
        for columns in [&mut self.leading.ax0, &mut self.trailing.a_xr] {
            columns
                .chunks_exact_mut(width)
                .for_each(|column| column[..p].fill(0.0));
        }
        self.a_xx[..width * p].fill(0.0);
    }

    /// `log |L|^2`, the log-determinant of `Lambda' Z'WZ Lambda + I`.
    pub fn log_det_re(&self) -> f64 {
        self.log_det_re
    }

    /// `log |R_X|^2`, the log-determinant of `X' V^-1 X`.
    pub fn log_det_fe(&self) -> f64 {
        let diagonal = (0..self.p()).map(|j| self.l_xx[j * self.layout.width + j]);
        2.0 * diagonal.map(f64::ln).sum::<f64>()
    }

    /// Penalized weighted residual sum of squares `r^2`.
    pub fn pwrss(&self) -> f64 {
        self.pwrss
    }

    /// Upper triangular `R_X` with `R_X' R_X = X' V^-1 X`, `p x p`.
    pub fn rx(&self) -> Vec<f64> {
        let (p, width) = (self.p(), self.layout.width);
        let mut rx = vec![0.0; p * p];
        for j in 0..p {
            (j..p).for_each(|i| rx[i * p + j] = self.l_xx[j * width + i]);
        }
        (1..p).for_each(|i| rx[i * p] += self.shift[i] * rx[0]);
        rx
    }

    /// Element of X, its column centred as in the cross-products.
    pub(crate) fn centred(&self, design: &Design, row: usize, column: usize) -> f64 {
        design.x.value(row, column) - self.shift[column] * design.x.value(row, 0)
    }

    /// The combination of the coefficients of centred columns that is `c'beta`.
    pub(crate) fn centred_contrast(&self, c: &[f64]) -> Vec<f64> {
        c.iter()
            .zip(&self.shift)
            .enumerate()
            .map(|(j, (c_j, s))| if j == 0 { *c_j } else { c_j - s * c[0] })
            .collect()
    }

    /// Solves for the fixed and random effects.
    pub fn solve(&self) -> Solution {
        let mut solution = self.solve_centred();
        let taken_off: f64 = solution
            .beta
            .iter()
            .zip(&self.shift)
            .map(|(b, s)| b * s)
            .sum();
        solution
            .beta
            .iter_mut()
            .take(1)
            .for_each(|b| *b -= taken_off);
        solution
    }

    /// The same with the fixed effects of the centred columns.
    pub(crate) fn solve_centred(&self) -> Solution {
        let delta = self.solve_border();
        let mut u: Vec<Vec<f64>> = self.lambdas.iter().map(|_| Vec::new()).collect();
        let u_r = self.solve_trailing(&delta);
        let mut b_r = vec![0.0; self.layout.m];
        for (block, lambda) in self.layout.blocks.iter().zip(&self.trailing_lambdas) {
            let k = block.vsize;
            let mut term = Vec::with_capacity(k * block.first.len());
            for &first in &block.first {
                let range = first as usize..first as usize + k;
                small::lambda_times(k, lambda, &u_r[range.clone()], &mut b_r[range.clone()]);
                term.extend_from_slice(&u_r[range]);
            }
            u[block.term] = term;
        }
        u[self.layout.leading_term] = self.solve_leading(&delta, &b_r);
        let b = u
            .iter()
            .zip(&self.lambdas)
            .zip(&self.covs)
            .map(|((u, l), cov)| times_lambda(cov.vsize(), l, u));
        let b = b.collect();
        let beta = self
            .beta0
            .iter()
            .zip(&delta)
            .map(|(b0, d)| b0 + d)
            .collect();
        Solution { beta, u, b }
    }

    /// `Lambda u` of one term of the design.
    pub(crate) fn times_lambda(&self, term: usize, u: &[f64]) -> Vec<f64> {
        times_lambda(self.covs[term].vsize(), &self.lambdas[term], u)
    }

    // Fixed effects of the residual response.
    pub(crate) fn solve_border(&self) -> Vec<f64> {
        let mut delta = Vec::new();
        self.solve_border_into(&mut delta);
        delta
    }

    pub(crate) fn solve_border_into(&self, delta: &mut Vec<f64>) {
        let (p, width) = (self.p(), self.layout.width);
        delta.clear();
        delta.extend((0..p).map(|j| self.l_xx[j * width + p]));
        for j in (0..p).rev() {
            for i in j + 1..p {
                delta[j] -= self.l_xx[j * width + i] * delta[i];
            }
            delta[j] /= self.l_xx[j * width + j];
        }
    }

    // u_R = L_RR^-T (l_yR - L_XR' beta).
    fn solve_trailing(&self, delta: &[f64]) -> Vec<f64> {
        let p = self.p();
        let columns = self.trailing.s_xr.chunks_exact(self.layout.width);
        let mut u: Vec<f64> = columns
            .map(|column| column[p] - small::dot(delta, column))
            .collect();
        if self.layout.m > 0 {
            self.trailing.backward_solve(1, &mut u);
        }
        u
    }

    // u_i = L_i^-T M_i' (A_y0,i - A_R0,i' b_R - A_X0,i' beta).
    fn solve_leading(&self, delta: &[f64], b_r: &[f64]) -> Vec<f64> {
        let (k, p, width) = (self.leading.k, self.p(), self.layout.width);
        let lambda = &self.lambdas[self.layout.leading_term];
        let mut u = vec![0.0; self.leading.n_levels * k];
        let mut e = vec![0.0; k];
        for (unit, u) in u.chunks_exact_mut(k).enumerate() {
            for (e, column) in e.iter_mut().zip(self.leading.ax0(unit).chunks_exact(width)) {
                *e = column[p] - small::dot(delta, column);
            }
            let (rows, vals) = self.leading.touched(unit);
            for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
                small::axpy(-b_r[row as usize], v, &mut e);
            }
            let l = &self.l00[unit * k * k..(unit + 1) * k * k];
            small::lambda_transposed_times(k, lambda, &e, u);
            small::forward_solve(k, l, u);
            small::backward_solve(k, l, u);
        }
        u
    }
}

fn times_lambda(k: usize, lambda: &[f64], u: &[f64]) -> Vec<f64> {
    let mut b = vec![0.0; u.len()];
    for (b, u) in b.chunks_exact_mut(k).zip(u.chunks_exact(k)) {
        small::lambda_times(k, lambda, u, b);
    }
    b
}

// lower triangle of out -= y y' for y with `width` rows.
fn subtract_gram(width: usize, y: &[f64], out: &mut [f64]) {
    if width <= 4 {
        for column in y.chunks_exact(width) {
            for j in 0..width {
                (j..width).for_each(|i| out[j * width + i] -= column[j] * column[i]);
            }
        }
        return;
    }
    let y = MatRef::from_column_major_slice(y, width, y.len() / width);
    let out = MatMut::from_column_major_slice_mut(out, width, width);
    add_lower_product(out, y, y.transpose(), -1.0);
}
