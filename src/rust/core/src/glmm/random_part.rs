//! The model of the random effects without fixed factors that are stored as terms: its `log |H|` is
//! the log-determinant in Laplace's approximation.

use super::leverage::Leverage;
use crate::derivatives::{FactorDerivatives, OmegaDerivatives};
use crate::design::columns::Columns;
use crate::design::Design;
use crate::error::Result;
use crate::factor::cond_var::cond_var;
use crate::factor::memory::{too_large, Room};
use crate::factor::rows::Rows;
use crate::factor::solve::Vectors;
use crate::factor::{Factor, Solution};

/// The random effects without the fixed factors.
#[derive(Debug, Clone)]
pub(super) struct RandomPart {
    factor: Factor,
    rhs: Vectors,
    rows: Rows,
    /// The random terms, by their index in the model.
    terms: Vec<usize>,
    /// The index of each row among the rows of the model.
    model_rows: Vec<usize>,
    weights: Vec<f64>,
    is_factored: bool,
}

impl RandomPart {
    /// The random effects of a design; `rows` has the order of the model's rows. `None` without a
    /// fixed factor.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn new(
        design: &Design,
        rows: &Rows,
        room: &Room,
    ) -> Result<Option<Self>> {
        let Some((design, terms)) = design.without_fixed() else {
            return Ok(None);
        };
        let design = Design {
            x: Columns::default(),
            ..design
        };
        let factor = Factor::empty(&design, room)?
            .ok_or_else(|| too_large(f64::NAN, None))?;
        let own = Rows::new(&design, (&factor.layout, &factor.leading), &[]);
        let mut place = vec![0; rows.n()];
        for (at, &i) in rows.order.iter().enumerate() {
            place[i as usize] = at;
        }
        Ok(Some(Self {
            rhs: Vectors::zeros(&factor, 1),
            model_rows: own.order.iter().map(|&i| place[i as usize]).collect(),
            weights: vec![0.0; rows.n()],
            is_factored: false,
            rows: own,
            factor,
            terms,
        }))
    }

    /// Sets the covariance parameters.
    pub fn set_theta(&mut self, theta: &[f64]) {
        self.factor.set_theta(theta);
        self.is_factored = false;
    }

    /// Sets up the problem with these weights and this vector multiplied by Z' on the right-hand
    /// side, both in the order of the model's rows, and factors it.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn refactor(&mut self, weights: &[f64], working: &[f64]) -> Result<()> {
        self.reweigh(weights);
        let own = self.model_rows.iter().map(|&from| working[from]);
        let own: Vec<f64> = own.collect();
        self.factor_with(&own)
    }

    /// The solution of the problem that was last set up; the elements of terms that are not random
    /// are those of `u`.
    pub fn solution(&self, u: &[Vec<f64>], b: &[Vec<f64>]) -> Solution {
        let found = self.factor.solve_anchored(&self.rhs);
        let mut solution = Solution {
            beta: Vec::new(),
            u: u.to_vec(),
            b: b.to_vec(),
        };
        self.scatter(found.u, &mut solution.u);
        self.scatter(found.b, &mut solution.b);
        solution
    }

    /// Sets the weights, in the order of the model's rows.
    pub fn reweigh(&mut self, weights: &[f64]) {
        for (own, &from) in self.weights.iter_mut().zip(&self.model_rows) {
            *own = weights[from];
        }
        self.is_factored = false;
    }

    fn factored(&mut self) -> Result<&Factor> {
        if !self.is_factored {
            self.factor_with(&vec![0.0; self.rows.n()])?;
        }
        Ok(&self.factor)
    }

    // Factors the system with the current weights; `working` is in the order of its own rows.
    fn factor_with(&mut self, working: &[f64]) -> Result<()> {
        self.rows.refill(
            &mut self.factor,
            &mut self.rhs,
            &self.weights,
            working,
        );
        self.factor.refactor()?;
        self.is_factored = true;
        Ok(())
    }

    /// `log |H|`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn log_det_re(&mut self) -> Result<f64> {
        Ok(self.factored()?.log_det_re())
    }

    /// Solves for `Lambda'r_Z` of the random terms; the elements of other terms are zero.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn solve(&mut self, rz: &[Vec<f64>]) -> Result<Solution> {
        self.factored()?;
        let own: Vec<_> = self.terms.iter().map(|&t| rz[t].clone()).collect();
        let found = self.factor.solve(&own, &[], &[]);
        let zeros: Vec<_> = rz.iter().map(|r| vec![0.0; r.len()]).collect();
        let mut solution = Solution {
            beta: Vec::new(),
            u: zeros.clone(),
            b: zeros,
        };
        self.scatter(found.u, &mut solution.u);
        self.scatter(found.b, &mut solution.b);
        Ok(solution)
    }

    fn scatter(&self, own: Vec<Vec<f64>>, out: &mut [Vec<f64>]) {
        for (own, &term) in own.into_iter().zip(&self.terms) {
            out[term] = own;
        }
    }

    /// Writes the leverages, in the order of the model's rows.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn leverage(&mut self, found: &mut Leverage) -> Result<()> {
        self.factored()?;
        let mut own = Leverage::default();
        own.set_zeros(&self.rows);
        own.add(&self.rows, &self.factor, &self.weights, None);
        for (leverage, &from) in own.rows.iter().zip(&self.model_rows) {
            found.rows[from] = *leverage;
        }
        self.scatter(own.terms, &mut found.terms);
        Ok(())
    }

    /// Writes `sum_l W_ll` of each random term.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn traces(&mut self, omega: &mut OmegaDerivatives) -> Result<()> {
        let factor = self.factored()?;
        let mut own = OmegaDerivatives::new(factor.covs());
        FactorDerivatives::new(factor).update_traces(factor, &mut own);
        for (own, &term) in own.g().iter().zip(&self.terms) {
            omega.g_mut()[term].copy_from_slice(own);
        }
        Ok(())
    }

    /// Replaces the conditional variances of the random effects in `all`.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn fill_cond_var(&mut self, all: &mut [Vec<f64>]) -> Result<()> {
        let own = cond_var(self.factored()?);
        self.scatter(own, all);
        Ok(())
    }
}
