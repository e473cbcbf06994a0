//! Forward and backward solves with the factor: `y = L^-1 [Lambda'r_Z; r_X]` and
//! `[u; beta] = L^-T y`.

use crate::factor::Factor;
use crate::kernels::small::{self, for_size};

/// A vector of the system, or several side by side: column after column in each part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vectors {
    /// Elements of the leading term's effects, level after level.
    pub(crate) leading: Vec<f64>,
    /// Elements of the trailing effects, by row of the layout.
    pub(crate) trailing: Vec<f64>,
    /// Elements of the fixed effects.
    pub(crate) fixed: Vec<f64>,
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

impl Vectors {
    /// Makes `columns` zero vectors of the system of `factor`.
    pub(crate) fn zeros(factor: &Factor, columns: usize) -> Self {
        let (k, n_levels) = (factor.leading.k, factor.leading.n_levels);
        Self {
            leading: vec![0.0; columns * k * n_levels],
            trailing: vec![0.0; columns * factor.layout.m],
            fixed: vec![0.0; columns * factor.p()],
        }
    }

    /// Puts the vectors of the terms of the design, `vsize x n_levels`, and that of the fixed
    /// effects in the order of elimination.
    pub(crate) fn gather(factor: &Factor, terms: &[Vec<f64>], fixed: &[f64]) -> Self {
        let mut trailing = vec![0.0; factor.layout.m];
        for block in &factor.layout.blocks {
            let levels = terms[block.term].chunks_exact(block.vsize);
            for (&first, r) in block.first.iter().zip(levels) {
                trailing[first as usize..first as usize + block.vsize].copy_from_slice(r);
            }
        }
        Self {
            leading: terms[factor.layout.leading_term].clone(),
            trailing,
            fixed: fixed.to_vec(),
        }
    }

    /// The effects of each term of the design, `vsize x n_levels`.
    fn scatter(&self, factor: &Factor) -> Vec<Vec<f64>> {
        let mut terms = vec![Vec::new(); factor.covs().len()];
        for block in &factor.layout.blocks {
            let level = |&first: &u32| &self.trailing[first as usize..first as usize + block.vsize];
            terms[block.term] = block.first.iter().flat_map(level).copied().collect();
        }
        terms[factor.layout.leading_term].clone_from(&self.leading);
        terms
    }

    /// What is left of `whole` when the squares of column `c` of `columns` are taken off, one after
    /// the other in the order of elimination: where they leave next to nothing, a sum of them would
    /// end on either side of `whole`.
    pub(crate) fn take_squares_off(&self, whole: f64, c: usize, columns: usize) -> f64 {
        let column = |part: &[f64]| {
            let length = part.len() / columns;
            c * length..(c + 1) * length
        };
        let random = [&self.leading, &self.trailing];
        let random = random.into_iter().flat_map(|part| &part[column(part)]);
        let left = random.fold(whole, |left, y| left - y * y);
        let fixed = &self.fixed[column(&self.fixed)];
        left - small::dot(fixed, fixed)
    }

    /// Column `c` of `columns`.
    pub(crate) fn column(&self, c: usize, columns: usize) -> Self {
        let of = |part: &[f64]| {
            let length = part.len() / columns;
            part[c * length..(c + 1) * length].to_vec()
        };
        Self {
            leading: of(&self.leading),
            trailing: of(&self.trailing),
            fixed: of(&self.fixed),
        }
    }
}

impl Factor {
    /// Solves the system for one right-hand side `[Lambda' r_Z; r_X]`: `rz` holds
    /// `vsize x n_levels` values per term of the design, `rx` one per fixed effect; `spherical` is
    /// added to the leading term's part of it, unless empty.
    pub(crate) fn solve(&self, rz: &[Vec<f64>], rx: &[f64], spherical: &[f64]) -> Solution {
        let r = Vectors::gather(self, rz, rx);
        let mut y = Vectors::zeros(self, 1);
        self.forward_solve_with(1, &r, spherical, &mut y);
        self.solution(y)
    }

    /// `y = L^-1 [Lambda' r_Z; r_X]` for `columns` right-hand sides r.
    #[inline]
    pub(crate) fn forward_solve(&self, columns: usize, r: &Vectors, y: &mut Vectors) {
        self.forward_solve_with(columns, r, &[], y);
    }

    fn forward_solve_with(&self, columns: usize, r: &Vectors, spherical: &[f64], y: &mut Vectors) {
        let m = self.layout.m;
        y.trailing.copy_from_slice(&r.trailing);
        y.fixed.copy_from_slice(&r.fixed);
        for c in 0..columns {
            for_size!(self.leading.k, k => self.forward_leading(k, c, r, spherical, y));
        }
        if m > 0 {
            self.trailing
                .subtract_full(columns, &y.leading, &mut y.trailing);
            let trailing = y.trailing.chunks_exact_mut(m);
            trailing.for_each(|y| self.scale_trailing(y, small::lambda_transposed_in_place));
            self.trailing.forward_solve(columns, &mut y.trailing);
        }
        let p = self.p();
        for (c, fixed) in y.fixed.chunks_exact_mut(p.max(1)).enumerate() {
            let trailing = &y.trailing[c * m..(c + 1) * m];
            subtract_product(self.trailing.border(), trailing, fixed);
            self.border.forward_solve(fixed);
        }
    }

    // The trailing rows are scaled when all levels have been taken off.
    #[inline(always)]
    fn forward_leading(&self, k: usize, c: usize, r: &Vectors, spherical: &[f64], y: &mut Vectors) {
        let (q, m, p) = (k * self.leading.n_levels, self.layout.m, self.p());
        let trailing = &mut y.trailing[c * m..(c + 1) * m];
        let fixed = &mut y.fixed[c * p..(c + 1) * p];
        let levels = y.leading[c * q..(c + 1) * q].chunks_exact_mut(k);
        let r = r.leading[c * q..(c + 1) * q].chunks_exact(k);
        for (level, (y, r)) in levels.zip(r).enumerate() {
            let columns = self.m.square(k, level).chunks_exact(k);
            y.iter_mut()
                .zip(columns)
                .for_each(|(y, m)| *y = small::dot(m, r));
            if !spherical.is_empty() {
                self.add_spherical(&spherical[level * k..(level + 1) * k], level, y);
            }
            self.subtract_touched(k, level, y, trailing);
            subtract_product(self.bx.block(level), y, fixed);
        }
    }

    // y += L_i^-1 x
    fn add_spherical(&self, x: &[f64], level: usize, y: &mut [f64]) {
        let mut x = x.to_vec();
        small::forward_solve(x.len(), self.l00.block(level), &mut x);
        small::axpy(1.0, &x, y);
    }

    // y_R -= A_R0 M y, unless that is done for all levels at once.
    #[inline(always)]
    fn subtract_touched(&self, k: usize, level: usize, y: &[f64], trailing: &mut [f64]) {
        if self.leading.rows.is_empty() || self.trailing.has_full() {
            return;
        }
        let (rows, vals) = self.leading.touched(level);
        let m = self.m.square(k, level);
        for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
            let b = |j: usize| small::dot(v, &m[j * k..(j + 1) * k]);
            trailing[row as usize] -= (0..k).map(|j| y[j] * b(j)).sum::<f64>();
        }
    }

    /// Solves the system for one right-hand side, its Z part in the order of elimination; fixed
    /// effects of which the equations say nothing stay at the border's anchor.
    pub(crate) fn solve_anchored(&self, r: &Vectors) -> Solution {
        let mut y = Vectors::zeros(self, 1);
        self.forward_solve(1, r, &mut y);
        self.border.keep_anchored(&mut y.fixed);
        self.solution(y)
    }

    /// `[u; beta] = L^-T y` for one vector y.
    pub(crate) fn solution(&self, mut y: Vectors) -> Solution {
        let Vectors {
            leading,
            trailing,
            fixed,
        } = &mut y;
        self.border.backward_solve(fixed);
        let p = self.p();
        if self.layout.m > 0 {
            let columns = self.trailing.border().chunks_exact(p.max(1));
            let explained = trailing.iter_mut().zip(columns);
            explained.for_each(|(y, column)| *y -= small::dot(column, fixed));
            self.trailing.backward_solve(1, trailing);
        }
        let mut b_r = trailing.clone();
        self.scale_trailing(&mut b_r, small::lambda_in_place);
        self.backward_leading(leading, &b_r, fixed);
        let u = y.scatter(self);
        let b = u.iter().enumerate();
        Solution {
            b: b.map(|(t, u)| self.times_lambda(t, u)).collect(),
            u,
            beta: y.fixed,
        }
    }

    // u_i = L_i^-T (y_i - M_i' A_0R b_R - B_X,i' beta)
    fn backward_leading(&self, y: &mut [f64], b_r: &[f64], beta: &[f64]) {
        let k = self.leading.k;
        let mut a = vec![0.0; k];
        for (level, y) in y.chunks_exact_mut(k).enumerate() {
            a.fill(0.0);
            let (rows, vals) = self.leading.touched(level);
            for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
                small::axpy(b_r[row as usize], v, &mut a);
            }
            let m = self.m.block(level).chunks_exact(k);
            y.iter_mut()
                .zip(m)
                .for_each(|(y, m)| *y -= small::dot(m, &a));
            let bx = self.bx.block(level).chunks_exact(beta.len().max(1));
            y.iter_mut()
                .zip(bx)
                .for_each(|(y, bx)| *y -= small::dot(bx, beta));
            small::backward_solve(k, self.l00.block(level), y);
        }
    }

    // Multiplies every trailing level by its Lambda or the transpose, in place.
    #[inline(always)]
    fn scale_trailing(&self, rows: &mut [f64], multiply: impl Fn(usize, &[f64], &mut [f64])) {
        for (block, lambda) in self.layout.blocks.iter().zip(&self.trailing_lambdas) {
            let k = block.vsize;
            let firsts = block.first.iter().map(|&first| first as usize);
            firsts.for_each(|first| multiply(k, lambda, &mut rows[first..first + k]));
        }
    }
}

// out -= a x for a matrix a with as many rows as `out`.
#[inline(always)]
fn subtract_product(a: &[f64], x: &[f64], out: &mut [f64]) {
    let columns = a.chunks_exact(out.len().max(1));
    x.iter()
        .zip(columns)
        .for_each(|(x, a)| small::axpy(-x, a, out));
}
