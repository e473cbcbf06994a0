//! The scores `Z'V^-1 c` for linear combinations c of the columns of X and r: those of the response
//! for the gradient, and those of X for the restricted likelihood and for standard errors.

use crate::iterative::border::Border;
use crate::iterative::gradients::Solver;
use crate::iterative::selection::Selection;
use crate::iterative::traces::OfTerms;
use crate::iterative::wide::{
    add_multiple, add_square, column, times_square, Row, WIDTH,
};
use crate::kernels::simd::vectorized;
use crate::kernels::small;
use crate::parallel::team::share;
use crate::tolerances::SINGULAR_SOLVE;

/// The scores of eight combinations.
#[derive(Debug, Clone)]
pub struct Scores {
    /// Elements for the leading term's effects, level after level.
    pub leading: Vec<Row>,
    /// Elements for the trailing terms' effects.
    pub trailing: Vec<Row>,
}

/// The random effects of each term, in the order of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    /// Spherical effects, `k x n_levels` per term.
    pub u: OfTerms,
    /// `b = Lambda u`.
    pub b: OfTerms,
}

impl Scores {
    /// The scores of the combinations with coefficients `by`.
    pub fn new(solver: &Solver, border: &Border, by: Vec<Row>) -> Self {
        let mut spherical = border.combined(&by);
        let selection = Selection::from(by);
        let mut effects = spherical.clone();
        solver.reduced.scale(&mut effects, false);
        let leading = leading_scores(solver, &selection, &effects);
        let is_regular = divide_by_lambda(solver, &mut spherical);
        if is_regular.contains(&false) {
            let from_residuals = residual_scores(solver, &selection, &effects);
            let blocks = solver.system().trailing.iter();
            for (block, _) in blocks.zip(is_regular).filter(|(_, is)| !is) {
                let rows = block.rows();
                spherical[rows.clone()].copy_from_slice(&from_residuals[rows]);
            }
        }
        Self {
            leading,
            trailing: spherical,
        }
    }

    /// `sum_l v_l v_l'` of each term, column by column.
    pub fn squares(&self, solver: &Solver) -> Vec<Vec<Row>> {
        let system = solver.system();
        let mut squares = vec![Vec::new(); system.trailing.len() + 1];
        squares[system.leading] = level_squares(system.k0, &self.leading);
        for block in &system.trailing {
            let own = &self.trailing[block.rows()];
            squares[block.term] = level_squares(block.k, own);
        }
        squares
    }
}

impl Effects {
    /// The conditional modes given the response.
    pub fn new(solver: &Solver, border: &Border) -> Self {
        let system = solver.system();
        let by = border.residual();
        let u = border.combined(&by);
        let mut b = u.clone();
        solver.reduced.scale(&mut b, false);
        let (u0, b0) = leading_effects(solver, &Selection::from(by), &b);
        let mut found = Self {
            u: vec![Vec::new(); system.trailing.len() + 1],
            b: vec![Vec::new(); system.trailing.len() + 1],
        };
        for block in &system.trailing {
            found.u[block.term] = column(&u[block.rows()], 0);
            found.b[block.term] = column(&b[block.rows()], 0);
        }
        found.u[system.leading] = u0;
        found.b[system.leading] = b0;
        found
    }
}

// `P_i (A_0c - A_0t b)` of each leading level.
fn leading_scores(
    solver: &Solver,
    selection: &Selection,
    b: &[Row],
) -> Vec<Row> {
    let k = solver.system().k0;
    let mut scores = vec![[0.0; WIDTH]; solver.system().n_leading() * k];
    let mut rest = &mut scores[..];
    let mut jobs = Vec::new();
    for levels in solver.system().pieces() {
        let (own, others) = rest.split_at_mut(levels.len() * k);
        rest = others;
        jobs.push((levels, own));
    }
    let a00 = &solver.system().a00;
    share(jobs.into_iter(), |(levels, scores)| {
        let mut left = vec![[0.0; WIDTH]; k];
        let mut explained = left.clone();
        vectorized(|| {
            for (level, v) in levels.zip(scores.chunks_exact_mut(k)) {
                let both = (&mut left[..], &mut explained[..]);
                unexplained(solver, selection, b, level, both);
                // P_i t = t - A00_i V_i t.
                solver.reduced.times_v(level, &left, &mut explained);
                times_square(a00.block(level), &explained, v);
                let values = v.iter_mut().flatten();
                for (v, left) in values.zip(left.as_flattened()) {
                    *v = left - *v;
                }
            }
        });
    });
    scores
}

// `A_0c - A_0t b` of one leading level.
#[inline(always)]
fn unexplained(
    solver: &Solver,
    selection: &Selection,
    b: &[Row],
    level: usize,
    (left, explained): (&mut [Row], &mut [Row]),
) {
    solver.reduced.gather(level, b, explained);
    solver.reduced.leading_border(level, selection, left);
    for (left, explained) in left.iter_mut().zip(&*explained) {
        add_multiple(-1.0, explained, left);
    }
}

// The leading term's effects, first the spherical ones.
fn leading_effects(
    solver: &Solver,
    selection: &Selection,
    b: &[Row],
) -> (Vec<f64>, Vec<f64>) {
    let system = solver.system();
    let k = system.k0;
    let lambda = &solver.reduced.leading_lambda;
    let mut left = vec![[0.0; WIDTH]; k];
    let mut explained = left.clone();
    let mut spherical = Vec::with_capacity(k * system.n_leading());
    let mut effects = Vec::with_capacity(k * system.n_leading());
    for level in 0..system.n_leading() {
        let both = (&mut left[..], &mut explained[..]);
        unexplained(solver, selection, b, level, both);
        let mut u: Vec<[f64; 1]> = left.iter().map(|row| [row[0]]).collect();
        solver.reduced.solve_leading(level, &mut u);
        let u = u.as_flattened_mut();
        spherical.extend_from_slice(u);
        small::lambda_in_place(k, lambda, u);
        effects.extend_from_slice(u);
    }
    (spherical, effects)
}

// `v := Lambda^-T u` for the terms whose Lambda is well enough conditioned; returns which terms
// these are.
fn divide_by_lambda(solver: &Solver, u: &mut [Row]) -> Vec<bool> {
    let blocks = solver.system().trailing.iter();
    let mut is_regular = Vec::new();
    for (block, lambda) in blocks.zip(&solver.reduced.lambdas) {
        let k = block.k;
        let mut inverse = vec![0.0; k * k];
        let is_small = is_singular(lambda);
        is_regular.push(!is_small);
        if is_small {
            continue;
        }
        // Column j of Lambda^-T.
        for (j, column) in inverse.chunks_exact_mut(k).enumerate() {
            column[j] = 1.0;
            small::backward_solve(k, lambda, column);
        }
        let mut v = vec![[0.0; WIDTH]; k];
        for level in u[block.rows()].chunks_exact_mut(k) {
            v.fill([0.0; WIDTH]);
            add_square(&inverse, level, &mut v);
            level.copy_from_slice(&v);
        }
    }
    is_regular
}

// Whether Lambda is nearly singular, so that a division by it would be inaccurate.
fn is_singular(lambda: &[f64]) -> bool {
    let k = lambda.len().isqrt();
    let mut least = f64::INFINITY;
    let mut most = 1.0f64;
    for value in lambda.iter().step_by(k + 1) {
        least = least.min(value.abs());
        most = most.max(value.abs());
    }
    least <= SINGULAR_SOLVE * most
}

// `Z_t'V_0^-1 c - K b`, which needs no division by Lambda.
fn residual_scores(
    solver: &Solver,
    selection: &Selection,
    b: &[Row],
) -> Vec<Row> {
    let mut left = solver.reduced.unscaled_border(selection);
    let mut explained = b.to_vec();
    solver.reduced.times_k(b, &mut explained);
    for (left, explained) in left.iter_mut().zip(&explained) {
        add_multiple(-1.0, explained, left);
    }
    left
}

fn level_squares(k: usize, v: &[Row]) -> Vec<Row> {
    let mut squares = vec![[0.0; WIDTH]; k * k];
    for level in v.chunks_exact(k) {
        for j in 0..k {
            for i in 0..k {
                let square = &mut squares[j * k + i];
                (0..WIDTH).for_each(|c| square[c] += level[i][c] * level[j][c]);
            }
        }
    }
    squares
}
