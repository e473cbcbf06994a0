//! Variances of combinations `x'beta + z'b` of the fixed and the random effects, given theta: the
//! prediction errors of rows x and z, over sigma^2.
//!
//! With M the matrix of the penalized normal equations the variance is `c'M^-1 c`, `c = [Lambda'z;
//! x]`. The factor `M = L L'` makes it the sum of squares of `L^-1 c`, of which the last ones, one
//! for each fixed effect, are what the variance owes to the fixed effects. Without a factor it is
//! `c's` with the solution s of `M s = c`.

use crate::error::Result;
use crate::factor::solve::Vectors;
use crate::factor::Factor;
use crate::iterative::solve::{solve, Sides};
use crate::iterative::wide::WIDTH;
use crate::kernels::small;
use crate::lmm::matrix_free::MatrixFree;
use crate::lmm::point::Point;
use crate::tolerances::EXACT_SOLVE;

/// So many combinations are solved for at once.
pub const AT_ONCE: usize = WIDTH;

/// The weights of all effects in a combination.
#[derive(Debug, Clone, PartialEq)]
pub struct Combination {
    /// Weights of the fixed effects.
    pub x: Vec<f64>,
    /// Weights of the random effects of each term, `vsize x n_levels`.
    pub z: Vec<Vec<f64>>,
}

/// The variance of a combination over sigma^2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variance {
    /// That of the combination.
    pub whole: f64,
    /// What it is less where the fixed effects are known.
    pub of_fixed: f64,
}

impl Point<'_> {
    /// The variance of each combination.
    ///
    /// # Errors
    /// None of a model that has a factor or conjugate gradients.
    pub fn variances(&self, all: &[Combination]) -> Result<Vec<Variance>> {
        let engine = &self.model.engine;
        let mut found = Vec::with_capacity(all.len());
        for some in all.chunks(AT_ONCE) {
            found.extend(match engine.as_iterative() {
                Some(iterative) => by_solves(iterative, some),
                None => by_factor(self.factor()?, some),
            });
        }
        Ok(found)
    }
}

fn by_factor(factor: &Factor, some: &[Combination]) -> Vec<Variance> {
    let columns = some.len();
    let mut solved = Vectors::zeros(factor, columns);
    let right = right_hand_sides(factor, some);
    factor.forward_solve(columns, &right, &mut solved);
    let variance = |c| {
        let own = solved.column(c, columns);
        let of_fixed = sum_of_squares(&own.fixed);
        let others = sum_of_squares(&own.leading);
        Variance {
            whole: others + sum_of_squares(&own.trailing) + of_fixed,
            of_fixed,
        }
    };
    (0..columns).map(variance).collect()
}

// The weights of combinations, one after the other, in the order of the factor's blocks.
fn right_hand_sides(factor: &Factor, some: &[Combination]) -> Vectors {
    let mut right = Vectors::default();
    for one in some {
        let x = of_centred(&one.x, &factor.border.shift);
        let own = Vectors::gather(factor, &one.z, &x);
        right.leading.extend(own.leading);
        right.trailing.extend(own.trailing);
        right.fixed.extend(own.fixed);
    }
    right
}

fn by_solves(model: &MatrixFree, some: &[Combination]) -> Vec<Variance> {
    let at = model.here();
    let shift = &at.solver.system().shift;
    let centred = some.iter().map(|one| of_centred(&one.x, shift));
    let centred: Vec<Vec<f64>> = centred.collect();
    let mut right: Sides = Sides::zeros(&at.solver);
    for (c, (one, x)) in some.iter().zip(&centred).enumerate() {
        right.put(&at.solver, c, (&one.z, x));
    }
    let solved = solve(&at.solver, &at.border, &right, None, EXACT_SOLVE);
    let variance = |(c, (one, x)): (usize, (&Combination, &Vec<f64>))| {
        let beta = solved.b.fixed(c);
        let effects = solved.b.terms(&at.solver, c);
        let terms = one.z.iter().zip(&effects);
        let of_effects: f64 = terms.map(|(z, b)| small::dot(z, b)).sum();
        let mut root = beta.clone();
        let p = beta.len();
        small::lambda_transposed_times(p, &at.border.l, &beta, &mut root);
        Variance {
            whole: small::dot(x, &beta) + of_effects,
            of_fixed: sum_of_squares(&root),
        }
    };
    some.iter()
        .zip(&centred)
        .enumerate()
        .map(variance)
        .collect()
}

// The weights of the coefficients of centred columns of X: `shift` times the first column was taken
// off the others.
fn of_centred(x: &[f64], shift: &[f64]) -> Vec<f64> {
    let first = x.first().copied().unwrap_or(0.0);
    let weights = x.iter().zip(shift);
    weights.map(|(x, shift)| x - shift * first).collect()
}

fn sum_of_squares(x: &[f64]) -> f64 {
    small::dot(x, x)
}
