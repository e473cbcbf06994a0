//! Responses: their right-hand sides, and the solution l and r^2 at one theta.
//!
//! A response is replaced by the residual of its weighted least-squares fit on X alone, which
//! leaves the objective unchanged and avoids cancellation where the mean is large. All responses of
//! one [`Response`] share a factor.

use crate::error::{Error, Result};
use crate::factor::response_sums::ResponseSums;
use crate::factor::solve::{Solution, Vectors};
use crate::factor::Factor;
use crate::tolerances::ZERO_RESIDUAL;

/// One or several responses of one design.
#[derive(Debug, Clone)]
pub struct Response {
    sums: ResponseSums,
    /// `l = L^-1 [Lambda'Z'Wr; X'Wr]` for the residual responses r, by the last
    /// [`Response::update`].
    l: Vectors,
    pwrss: Vec<f64>,
}

impl Response {
    /// Responses with these cross-products, not yet solved at any theta.
    pub fn new(sums: ResponseSums) -> Self {
        Self {
            l: sums.products.clone(),
            pwrss: vec![f64::NAN; sums.columns()],
            sums,
        }
    }

    /// Replaces the cross-products by those of as many other responses of the same design.
    pub fn replace(&mut self, sums: ResponseSums) {
        self.sums = sums;
        self.pwrss.fill(f64::NAN);
    }

    /// The number of responses.
    pub fn columns(&self) -> usize {
        self.pwrss.len()
    }

    /// The cross-products of the responses.
    pub(crate) fn sums(&self) -> &ResponseSums {
        &self.sums
    }

    /// `[Z X]'Wr` of the residual responses.
    pub(crate) fn products(&self) -> &Vectors {
        &self.sums.products
    }

    /// `l = L^-1 [Lambda'Z'Wr; X'Wr]`.
    pub(crate) fn solved(&self) -> &Vectors {
        &self.l
    }

    /// Computes `l` and `r^2` of each response with the factor at its last theta.
    ///
    /// # Errors
    /// `ZeroResidual` if `r^2` of one of the responses is rounding error only.
    pub(crate) fn update(&mut self, factor: &Factor) -> Result<()> {
        let columns = self.columns();
        factor.forward_solve(columns, &self.sums.products, &mut self.l);
        for c in 0..columns {
            let whole = self.sums.residual_ss[c];
            self.pwrss[c] = self.l.subtract_squares(whole, c, columns);
        }
        (0..columns).try_for_each(|c| {
            let ResponseSums {
                total_ss,
                residual_ss,
                ..
            } = &self.sums;
            check_residual(total_ss[c], residual_ss[c], self.pwrss[c])
        })
    }

    /// The penalized weighted residual sum of squares `r^2` of the first response.
    pub fn pwrss(&self) -> f64 {
        self.pwrss[0]
    }

    /// The fixed effects, for the centred columns, of the first residual response.
    pub(crate) fn fixed_of_residual(
        &self,
        factor: &Factor,
        delta: &mut Vec<f64>,
    ) {
        delta.clear();
        delta.extend_from_slice(&self.l.fixed[..factor.p()]);
        factor.border.backward_solve(delta);
    }

    /// The fixed and random effects of response `c`.
    pub fn solution(&self, factor: &Factor, c: usize) -> Solution {
        let p = factor.p();
        let mut solution = factor.solution(self.l.column(c, self.columns()));
        let beta0 = &self.sums.beta0[c * p..(c + 1) * p];
        let beta = solution.beta.iter_mut().zip(beta0);
        for (beta, beta0) in beta {
            *beta += beta0;
        }
        factor.border.restore(&mut solution.beta);
        solution
    }
}

/// Checks that a residual exceeds rounding error: `total` is the sum of squares of the response,
/// `residual` that of its least-squares residual on X, and `pwrss` the penalized one with random
/// effects.
///
/// # Errors
/// `ZeroResidual` if it does not.
pub(crate) fn check_residual(
    total: f64,
    residual: f64,
    pwrss: f64,
) -> Result<()> {
    let is_explained = residual <= ZERO_RESIDUAL.powi(2) * total;
    if is_explained || pwrss <= ZERO_RESIDUAL * residual {
        return Err(Error::ZeroResidual);
    }
    Ok(())
}
