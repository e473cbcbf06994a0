//! Penalized least squares at one theta (Bates et al. 2015, section 3): the blocked Cholesky factor
//! of the system of random and fixed effects, and its solution for a response.
//!
//! The system for `[u; beta]` is `[Lambda'Z'WZ Lambda + I, Lambda'Z'WX; X'WZ Lambda, X'WX]` with
//! the right-hand side `[Lambda'Z'Wy; X'Wy]`. Its Cholesky factor L is computed by block
//! elimination in three steps:
//!
//! 1. each level `i` of the leading term, the one with the most random effects, by itself:
//!    `T_i = Lambda0' A00_i Lambda0 + I = L_i L_i'` and `B_i = A_t0,i M_i`, with
//!    `M_i = Lambda0 L_i^-T`;
//! 2. the Schur complement `S = D' (A_tt - sum_i B_i B_i') D + I` of the trailing terms, with `D`
//!    their Lambdas, and its factor `L_RR`;
//! 3. the border: the Schur complement of the fixed effects, `X'V^-1X`, and its factor `L_XX`.
//!
//! For a response, `l = L^-1 [Lambda'Z'Wy; X'Wy]`, `r^2 = y'Wy - l'l`, and `[u; beta] = L^-T l`.
//! The blocks of `A = [Z X y]'W[Z X y]` are summed up once, from rows or from given sums; later
//! computations have no vectors of length n.
//!
//! | contents | file |
//! |---|---|
//! | A, from the rows of a design | [`cross_products`] |
//! | chunks of rows of X and Z | [`chunk`] |
//! | cross-products of responses | [`response_sums`] |
//! | given sums in the place of rows | [`sums`] |
//! | A, from given sums | `from_sums` |
//! | the sums of the rows of a design | [`sums_of_rows`] |
//! | the sums behind a dense factor | [`sums_of_factor`] |
//! | A without a column of X whose coefficient is held | [`held_column`] |
//! | rows of X and Z, sorted by a term's levels | [`rows`], [`rows_of_term`], `cells` |
//! | A of sorted rows with other weights | `refill` |
//! | sparse rows of X | `sparse_rows` |
//! | the leading term, and the rows of the trailing ones | [`layout`] |
//! | blocks of the leading term | [`leading`] |
//! | blocks of the leading term as dense matrices, where they are nearly full | [`full`] |
//! | `S` and `L_RR`, dense or sparse, and products with them | [`trailing`] |
//! | the storage of `S`, determined in advance | [`storage`] |
//! | `X'WX`, `L_XX` | [`border`] |
//! | `L`, `log\|L\|^2` | [`Factor::update`], here |
//! | `l` and `r^2` of one or several responses | [`response`] |
//! | forward and backward solves with L, `[u; beta]` | [`solve`] |
//! | the selected inverse, for inference | [`inverse`], [`coupling`] |
//! | conditional variances of b; leverages | [`cond_var`], [`leverage`] |
//! | available memory, fallible allocation | `memory` |
//! | root mean squares of the columns of Z | [`column_scales`] |
//! | random effects in the column space of X | [`contained`] |
//! | factors that share a coarser one | `common_groups` |
//! | small matrices of equal size | [`blocks`] |

pub mod blocks;
pub mod border;
pub(crate) mod cells;
mod chunk;
pub(crate) mod column_scales;
pub(crate) mod common_groups;
pub mod cond_var;
pub(crate) mod contained;
pub(crate) mod coupling;
pub mod cross_products;
mod from_sums;
pub mod full;
pub mod held_column;
pub mod inverse;
pub mod layout;
pub mod leading;
pub mod leverage;
pub mod memory;
mod refill;
pub mod response;
pub mod response_sums;
pub mod rows;
pub mod rows_of_term;
pub mod solve;
pub(crate) mod sparse_rows;
pub mod storage;
pub mod sums;
mod sums_of_factor;
pub mod sums_of_rows;
pub mod trailing;

use crate::covariance::RelCov;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::factor::blocks::Blocks;
use crate::factor::border::Border;
use crate::factor::cross_products::CrossProducts;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::memory::Room;
use crate::factor::trailing::{Scaling, Trailing};
use crate::kernels::log_product::LogProduct;
use crate::kernels::small::{self, for_size};

pub use response::Response;
pub use solve::Solution;

/// The cross-products of Z and X, and their factor L at the theta of the last [`Factor::update`].
#[derive(Debug, Clone)]
pub struct Factor {
    pub(crate) layout: Layout,
    pub(crate) leading: Leading,
    pub(crate) trailing: Trailing,
    /// The fixed effects, which are eliminated last.
    pub(crate) border: Border,
    covs: Vec<RelCov>,
    /// Lambda of each term, in the order of the design.
    pub(crate) lambdas: Vec<Vec<f64>>,
    /// The theta of the last update.
    pub(crate) theta: Vec<f64>,
    /// Lambda of each trailing term, in the order of the layout.
    pub(crate) trailing_lambdas: Vec<Vec<f64>>,
    /// `M_i`: per level `k x k`.
    pub(crate) m: Blocks,
    /// `L_i`: per level `k x k`, lower triangle.
    pub(crate) l00: Blocks,
    /// `X'WZ0 M`: per level `p x k`.
    pub(crate) bx: Blocks,
    /// `B_i` of one level, or of all levels where these are subtracted at once.
    b: Vec<f64>,
    work: Vec<f64>,
    log_det_re: f64,
}

impl Factor {
    /// A factor of these cross-products, not yet computed at any theta.
    pub fn new(products: CrossProducts, covs: Vec<RelCov>) -> Self {
        let CrossProducts {
            layout,
            leading,
            trailing,
            border,
        } = products;
        let k = leading.k;
        let squares = Blocks::squares(k, leading.n_levels);
        let lambdas = squares_of(&covs);
        let blocks = layout.blocks.iter();
        let coupled = match trailing.is_updated_at_once() {
            true => leading.rows.len(),
            false => most_coupled(&leading),
        };
        let n_theta = covs.iter().map(RelCov::theta_end);
        Self {
            trailing_lambdas: blocks
                .map(|block| lambdas[block.term].clone())
                .collect(),
            m: squares.clone(),
            l00: squares,
            bx: Blocks::zeros(border.p(), k, leading.n_levels),
            b: vec![0.0; coupled * k],
            work: vec![0.0; k * k],
            theta: vec![0.0; n_theta.max().unwrap_or(0)],
            layout,
            leading,
            trailing,
            border,
            covs,
            lambdas,
            log_det_re: f64::NAN,
        }
    }

    /// Allocates the cross-products of a design, to be filled by [`rows::Rows::refill`]; `None` if
    /// a factor would take too long.
    ///
    /// # Errors
    /// `TooLarge` if the crossed terms don't fit in memory.
    pub fn empty(design: &Design, room: &Room) -> Result<Option<Self>> {
        let found = CrossProducts::places(design, room)?;
        Ok(found.map(|products| Self::new(products, design.covs())))
    }

    /// The relative covariance factor of each term, as a function of theta.
    pub(crate) fn covs(&self) -> &[RelCov] {
        &self.covs
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.border.p()
    }

    /// Number of random effects.
    pub(crate) fn q(&self) -> usize {
        self.leading.k * self.leading.n_levels + self.layout.m
    }

    /// Whether the trailing random effects are stored sparse.
    pub fn is_sparse(&self) -> bool {
        !self.trailing.is_dense()
    }

    /// Factors the system at `theta`.
    ///
    /// # Errors
    /// `NotPositiveDefinite` if rounding errors or a huge theta make a block indefinite.
    pub(crate) fn update(&mut self, theta: &[f64]) -> Result<()> {
        self.set_theta(theta);
        self.refactor()
    }

    /// Sets the Lambdas to those of theta.
    pub(crate) fn set_theta(&mut self, theta: &[f64]) {
        self.theta.clear();
        self.theta.extend_from_slice(theta);
        for (cov, lambda) in self.covs.iter().zip(&mut self.lambdas) {
            cov.fill_lambda(theta, lambda);
        }
        for (block, lambda) in
            self.layout.blocks.iter().zip(&mut self.trailing_lambdas)
        {
            lambda.copy_from_slice(&self.lambdas[block.term]);
        }
    }

    /// Factors the system with the current Lambdas and cross-products.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub(crate) fn refactor(&mut self) -> Result<()> {
        self.trailing.reset();
        let log_det_leading =
            for_size!(self.leading.k, k => self.eliminate_leading(k))?;
        let mut log_det_rest = 0.0;
        if self.layout.m > 0 {
            let d = Scaling {
                layout: &self.layout,
                lambdas: &self.trailing_lambdas,
            };
            if !d.is_zero() {
                self.trailing.full_rank_update(self.bx.values());
                self.trailing.rank_updates(&self.leading, &self.b);
            }
            log_det_rest = self.trailing.factor(d)?;
        }
        self.log_det_re = log_det_leading + log_det_rest;
        self.border.reset();
        self.border.subtract_gram(self.bx.values());
        self.border.subtract_gram(self.trailing.border());
        self.border.factor(self.layout.m)
    }

    // Step 1: fills `m` and `bx`, subtracts B B' from the trailing system; returns sum_i log |T_i|.
    #[inline(always)]
    fn eliminate_leading(&mut self, k: usize) -> Result<f64> {
        let leading = &self.leading;
        let lambda = &self.lambdas[self.layout.leading_term];
        let p = self.border.p();
        let at_once = self.trailing.is_updated_at_once();
        let mut log_det = LogProduct::default();
        for level in 0..leading.n_levels {
            let t = self.l00.square_mut(k, level);
            let a00 = leading.a00.square(k, level);
            small::scale_inflate(k, a00, lambda, &mut self.work, t);
            let root = small::cholesky(k, t);
            log_det
                .push(root.ok_or(Error::NotPositiveDefinite { pivot: level })?);
            let m = self.m.square_mut(k, level);
            small::right_solve_transposed(k, lambda, t, m);
            let bx = self.bx.block_mut(level);
            if p > 0 {
                small::multiply_rows(k, p, leading.ax0.block(level), m, bx);
            }
            let (rows, vals) = leading.coupled(level);
            if !rows.is_empty()
                && !self.trailing.set_full(k, level, rows, vals, m)
            {
                let first = match at_once {
                    true => leading.ptr[level] * k,
                    false => 0,
                };
                let b = &mut self.b[first..first + vals.len()];
                multiply_coupled(k, vals, m, b);
                self.trailing.rank_update(k, level, rows, b, bx);
            }
        }
        Ok(2.0 * log_det.ln())
    }

    /// Number of levels of a term.
    pub(crate) fn level_count(&self, term: usize) -> usize {
        let block = self.layout.block_of_term(term);
        block.map_or(self.leading.n_levels, |block| block.first.len())
    }

    /// `Z'WZ` summed over the levels of each term, lower triangle `k x k`.
    pub(crate) fn level_products(&self) -> Vec<Vec<f64>> {
        let mut products = squares_of(&self.covs);
        for a00 in self.leading.a00.iter() {
            small::axpy(1.0, a00, &mut products[self.layout.leading_term]);
        }
        for block in &self.layout.blocks {
            let products = &mut products[block.term];
            self.trailing.add_level_products(block, products);
        }
        products
    }

    /// The Lambdas of the trailing terms.
    pub(crate) fn scaling(&self) -> Scaling<'_> {
        Scaling {
            layout: &self.layout,
            lambdas: &self.trailing_lambdas,
        }
    }

    /// `x := x D` for the `rows x m` matrix x, with `D` the Lambdas of the trailing terms.
    pub(crate) fn scale_columns(&self, rows: usize, x: &mut [f64]) {
        for (block, lambda) in self.scaling().terms() {
            for place in block.places(rows) {
                small::times_lower(block.vsize, rows, 0, lambda, &mut x[place]);
            }
        }
    }

    /// Zeroes all products with X, to be filled anew with the same centring.
    pub(crate) fn clear_fixed(&mut self) {
        self.leading.ax0.values_mut().fill(0.0);
        self.trailing.border_cross_products_mut().fill(0.0);
        self.border.cross_products_mut().fill(0.0);
    }

    /// The approximate number of operations of a factorization from cross-products, and the
    /// derivatives there.
    pub(crate) fn cost(&self) -> f64 {
        let k = self.leading.k as f64;
        let width = (self.p() + 1) as f64;
        let per_level = k * k * (k + width) + 10.0 * k + width * width * k;
        let coupled = self.leading.rows.len() as f64 * k * (k + width);
        let trailing = (self.layout.m as f64).powi(3) / 3.0;
        100.0
            + self.leading.n_levels as f64 * per_level
            + coupled
            + trailing
            + width.powi(3)
    }

    /// `log |L|^2`, the log-determinant of `Lambda' Z'WZ Lambda + I`.
    pub fn log_det_re(&self) -> f64 {
        self.log_det_re
    }

    /// `log |R_X|^2`, the log-determinant of `X' V^-1 X`.
    pub fn log_det_fe(&self) -> f64 {
        self.border.log_det()
    }

    /// Upper triangular `R_X` with `R_X' R_X = X' V^-1 X`, `p x p`.
    pub fn rx(&self) -> Vec<f64> {
        self.border.upper()
    }

    /// The element of X, with its column centred as in the cross-products.
    pub(crate) fn centred(
        &self,
        design: &Design,
        row: usize,
        column: usize,
    ) -> f64 {
        design.x.value(row, column)
            - self.border.shift[column] * design.x.value(row, 0)
    }

    /// The coefficients of the contrast `c'beta` in terms of the fixed effects of the centred
    /// columns.
    pub(crate) fn centred_contrast(&self, c: &[f64]) -> Vec<f64> {
        let mut centred = c.to_vec();
        let others = centred.iter_mut().zip(&self.border.shift).skip(1);
        for (c_j, shift) in others {
            *c_j -= shift * c[0];
        }
        centred
    }

    /// `Lambda u` of one term of the design.
    pub(crate) fn times_lambda(&self, term: usize, u: &[f64]) -> Vec<f64> {
        let k = self.covs[term].vsize();
        let lambda = &self.lambdas[term];
        let mut b = vec![0.0; u.len()];
        for (b, u) in b.chunks_exact_mut(k).zip(u.chunks_exact(k)) {
            small::lambda_times(k, lambda, u, b);
        }
        b
    }
}

// The largest number of trailing rows coupled with a level of the leading term.
fn most_coupled(leading: &Leading) -> usize {
    let coupled = leading.ptr.windows(2).map(|w| w[1] - w[0]);
    coupled.max().unwrap_or(0)
}

// A `k x k` matrix of zeros for each term.
fn squares_of(covs: &[RelCov]) -> Vec<Vec<f64>> {
    let sizes = covs.iter().map(RelCov::vsize);
    sizes.map(|k| vec![0.0; k * k]).collect()
}

// B = A_R0 M of one level, `k` values for each coupled row.
#[inline(always)]
fn multiply_coupled(k: usize, vals: &[f64], m: &[f64], b: &mut [f64]) {
    for (b, v) in b.chunks_exact_mut(k).zip(vals.chunks_exact(k)) {
        for j in 0..k {
            b[j] = (0..k).map(|l| v[l] * m[j * k + l]).sum();
        }
    }
}
