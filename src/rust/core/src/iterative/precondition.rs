//! The block Jacobi preconditioner: the diagonal blocks of S, one for each level, and their
//! Cholesky factor F; or those of `Q'SQ` where levels are nested (see
//! [`nested_basis`](crate::iterative::nested_basis)).

use crate::error::{Error, Result};
use crate::factor::blocks::Blocks;
use crate::iterative::nested_basis::NestedBasis;
use crate::iterative::reduced::Reduced;
use crate::iterative::wide::add_multiple;
use crate::kernels::simd::vectorized;
use crate::kernels::small;

/// `P = FF'`.
#[derive(Debug, Clone)]
pub struct Preconditioner {
    /// First row and number of effects per level of each trailing term.
    blocks: Vec<(usize, usize)>,
    /// Cholesky factors, lower triangles, per trailing term.
    factors: Vec<Blocks>,
    /// The basis for nested levels.
    pub basis: NestedBasis,
}

/// An operation with F.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Action {
    Times,
    Solve,
    SolveTransposed,
    TimesTransposed,
}

impl Preconditioner {
    /// Factors the blocks.
    ///
    /// # Errors
    /// `NotPositiveDefinite`.
    pub fn new(reduced: &Reduced) -> Result<Self> {
        let mut factors = diagonal_of_k(reduced);
        let basis = NestedBasis::new(reduced, &mut factors);
        let system = &*reduced.system;
        let blocks: Vec<(usize, usize)> =
            system.trailing.iter().map(|b| (b.first, b.k)).collect();
        for ((&(first, k), lambda), factors) in
            blocks.iter().zip(&reduced.lambdas).zip(&mut factors)
        {
            let mut work = vec![0.0; k * k];
            for (level, block) in factors.iter_mut().enumerate() {
                let k_ll = block.to_vec();
                small::scale_inflate(k, &k_ll, lambda, &mut work, block);
                if small::cholesky(k, block).is_none() {
                    let pivot = first + level * k;
                    return Err(Error::NotPositiveDefinite { pivot });
                }
            }
        }
        Ok(Self {
            blocks,
            factors,
            basis,
        })
    }

    /// `log |P|`.
    pub fn log_det(&self) -> f64 {
        let diagonal = |(blocks, &(_, k)): (&Blocks, &(usize, usize))| -> f64 {
            let of_block = |block: &[f64]| -> f64 {
                block.iter().step_by(k + 1).map(|d| d.ln()).sum()
            };
            blocks.iter().map(of_block).sum()
        };
        2.0 * self
            .factors
            .iter()
            .zip(&self.blocks)
            .map(diagonal)
            .sum::<f64>()
    }

    /// The factor of the block of a level, in the basis Q.
    pub fn factor(&self, term: usize, level: usize) -> &[f64] {
        self.factors[term].block(level)
    }

    /// `x := F x`.
    pub fn times<const W: usize>(&self, x: &mut [[f64; W]]) {
        self.act(Action::Times, x);
        self.basis.apply_inverse_transposed(1.0, x);
    }

    /// `x := F' x`.
    pub fn times_transposed<const W: usize>(&self, x: &mut [[f64; W]]) {
        self.basis.apply_inverse(1.0, x);
        self.act(Action::TimesTransposed, x);
    }

    /// `x := F^-1 x`.
    pub fn solve_factor<const W: usize>(&self, x: &mut [[f64; W]]) {
        self.basis.apply_inverse_transposed(-1.0, x);
        self.act(Action::Solve, x);
    }

    /// `x := F^-T x`.
    pub fn solve_transposed<const W: usize>(&self, x: &mut [[f64; W]]) {
        self.act(Action::SolveTransposed, x);
        self.basis.apply_inverse(-1.0, x);
    }

    /// `x := P^-1 x`.
    pub fn solve<const W: usize>(&self, x: &mut [[f64; W]]) {
        self.basis.apply_inverse_transposed(-1.0, x);
        self.solve_blocks(x);
        self.basis.apply_inverse(-1.0, x);
    }

    fn solve_blocks<const W: usize>(&self, x: &mut [[f64; W]]) {
        for (&(first, k), factors) in self.blocks.iter().zip(&self.factors) {
            let l = factors.values();
            let rows = &mut x[first..first + l.len() / k];
            if k == 1 {
                vectorized(|| divide_by_squares(l, rows));
                continue;
            }
            vectorized(|| {
                let levels = rows.chunks_exact_mut(k).zip(factors.iter());
                for (rows, l) in levels {
                    act_on_level(Action::Solve, k, l, rows);
                    act_on_level(Action::SolveTransposed, k, l, rows);
                }
            });
        }
    }

    #[inline(always)]
    fn act<const W: usize>(&self, action: Action, x: &mut [[f64; W]]) {
        for (&(first, k), factors) in self.blocks.iter().zip(&self.factors) {
            let n_levels = factors.values().len() / (k * k);
            let rows = &mut x[first..first + k * n_levels];
            vectorized(|| {
                let levels = rows.chunks_exact_mut(k).zip(factors.iter());
                levels.for_each(|(rows, l)| act_on_level(action, k, l, rows));
            });
        }
    }

    /// Diagonal blocks of `D (Q'PQ)^-1 D'`, per trailing term.
    pub fn scaled_inverse(&self, lambdas: &[Vec<f64>]) -> Vec<Blocks> {
        let mut found = self.factors.clone();
        for (lambda, blocks) in lambdas.iter().zip(&mut found) {
            let k = lambda.len().isqrt();
            let mut half = vec![0.0; k * k];
            for block in blocks.iter_mut() {
                solve_transpose(block, lambda, &mut half);
                for at in 0..k * k {
                    let left = &half[at % k * k..][..k];
                    let right = &half[at / k * k..][..k];
                    block[at] = small::dot(left, right);
                }
            }
        }
        found
    }
}

#[inline(always)]
fn divide_by_squares<const W: usize>(l: &[f64], x: &mut [[f64; W]]) {
    for (x, l) in x.iter_mut().zip(l) {
        let inverse = 1.0 / (l * l);
        x.iter_mut().for_each(|x| *x *= inverse);
    }
}

#[inline(always)]
fn act_on_level<const W: usize>(
    action: Action,
    k: usize,
    l: &[f64],
    x: &mut [[f64; W]],
) {
    let is_forward = matches!(action, Action::Solve | Action::TimesTransposed);
    for step in 0..k {
        let i = if is_forward { step } else { k - 1 - step };
        let mut value = x[i];
        let diagonal = match action {
            Action::Times | Action::TimesTransposed => l[i * k + i],
            Action::Solve | Action::SolveTransposed => 1.0,
        };
        value.iter_mut().for_each(|v| *v *= diagonal);
        let others = match action {
            Action::Times | Action::Solve => 0..i,
            Action::TimesTransposed | Action::SolveTransposed => i + 1..k,
        };
        for j in others {
            let element = if j < i { l[j * k + i] } else { l[i * k + j] };
            let sign = match action {
                Action::Times | Action::TimesTransposed => 1.0,
                Action::Solve | Action::SolveTransposed => -1.0,
            };
            add_multiple(sign * element, &x[j], &mut value);
        }
        if matches!(action, Action::Solve | Action::SolveTransposed) {
            value.iter_mut().for_each(|v| *v /= l[i * k + i]);
        }
        x[i] = value;
    }
}

/// The diagonal blocks of K, per trailing term.
pub(super) fn diagonal_of_k(reduced: &Reduced) -> Vec<Blocks> {
    let system = &*reduced.system;
    let mut blocks: Vec<Blocks> = system
        .trailing
        .iter()
        .map(|block| block.zz.clone())
        .collect();
    if system.is_scalar() {
        subtract_squares(reduced, &mut blocks);
        return blocks;
    }
    let mut place = vec![(0u32, 0u32); system.m];
    for (b, block) in system.trailing.iter().enumerate() {
        for i in 0..block.k * block.n_levels {
            place[block.first + i] = (b as u32, (i / block.k) as u32);
        }
    }
    let k0 = system.k0;
    let mut explained = vec![0.0; k0];
    for (i, range) in system.ptr.windows(2).enumerate() {
        let v = reduced.v.block(i);
        let mut at = range[0];
        while at < range[1] {
            let (b, level) = place[system.rows[at] as usize];
            let k = system.trailing[b as usize].k;
            let block = blocks[b as usize].block_mut(level as usize);
            let vals = &system.vals[at * k0..(at + k) * k0];
            for (j, right) in vals.chunks_exact(k0).enumerate() {
                for (c, e) in explained.iter_mut().enumerate() {
                    *e = small::dot(&v[c * k0..(c + 1) * k0], right);
                }
                for (l, left) in vals.chunks_exact(k0).enumerate() {
                    block[j * k + l] -= small::dot(left, &explained);
                }
            }
            at += k;
        }
    }
    blocks
}

// F^-1 D', column by column, for one block of each.
fn solve_transpose(factor: &[f64], lambda: &[f64], half: &mut [f64]) {
    let k = lambda.len().isqrt();
    for (c, column) in half.chunks_exact_mut(k).enumerate() {
        for (j, value) in column.iter_mut().enumerate() {
            *value = lambda[j * k + c];
        }
        small::forward_solve(k, factor, column);
    }
}

// Subtracts `v_i a_ri^2` from each row r, where every level has one effect.
fn subtract_squares(reduced: &Reduced, blocks: &mut [Blocks]) {
    let system = &*reduced.system;
    let mut explained = vec![0.0; system.m];
    for (level, v) in reduced.v.values().iter().enumerate() {
        let (rows, vals) = system.coupled(level);
        for (&row, a) in rows.iter().zip(vals) {
            explained[row as usize] += v * a * a;
        }
    }
    let diagonal = blocks.iter_mut().flat_map(Blocks::values_mut);
    for (diagonal, explained) in diagonal.zip(&explained) {
        *diagonal -= explained;
    }
}
