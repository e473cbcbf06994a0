//! Forward and backward solves with the factor: `y = L^-1 [Lambda'r_Z; r_X]` and
//! `[u; beta] = L^-T y`.

use crate::design::Design;
use crate::factor::chunk::Row;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::Factor;
use crate::kernels::small::{self, for_size};

/// One or several vectors of the system, stored column after column in each of three parts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Vectors {
    /// Elements for the leading term's effects, level after level.
    pub(crate) leading: Vec<f64>,
    /// Elements for the trailing effects, by row of the layout.
    pub(crate) trailing: Vec<f64>,
    /// Elements for the fixed effects.
    pub(crate) fixed: Vec<f64>,
}

/// The solution of the penalized least-squares problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// Fixed effects.
    pub beta: Vec<f64>,
    /// Spherical random effects of each term: `vsize x n_levels`.
    pub u: Vec<Vec<f64>>,
    /// Random effects `b = Lambda u` of each term: `vsize x n_levels`.
    pub b: Vec<Vec<f64>>,
}

impl Vectors {
    /// `columns` zero vectors of the system of `factor`.
    pub(crate) fn zeros(factor: &Factor, columns: usize) -> Self {
        Self {
            fixed: vec![0.0; columns * factor.p()],
            ..Self::of_layout(&factor.layout, &factor.leading, columns)
        }
    }

    /// `columns` zero vectors of a system with this layout.
    pub(super) fn of_layout(
        layout: &Layout,
        leading: &Leading,
        columns: usize,
    ) -> Self {
        Self {
            leading: vec![0.0; columns * leading.k * leading.n_levels],
            trailing: vec![0.0; columns * layout.m],
            fixed: vec![0.0; columns * layout.p],
        }
    }

    /// Arranges vectors of the terms of the design, `vsize x n_levels`, and of the fixed effects in
    /// the order of elimination.
    pub(crate) fn gather(
        factor: &Factor,
        terms: &[Vec<f64>],
        fixed: &[f64],
    ) -> Self {
        let mut trailing = vec![0.0; factor.layout.m];
        for block in &factor.layout.blocks {
            let levels = terms[block.term].chunks_exact(block.vsize);
            for (place, r) in block.places(1).zip(levels) {
                trailing[place].copy_from_slice(r);
            }
        }
        Self {
            leading: terms[factor.layout.leading_term].clone(),
            trailing,
            fixed: fixed.to_vec(),
        }
    }

    /// Adds multiples of values to the elements of one term of the design.
    pub(crate) fn add_to_term(
        &mut self,
        factor: &Factor,
        (term, multiple): (usize, f64),
        values: &[f64],
    ) {
        if term == factor.layout.leading_term {
            small::axpy(multiple, values, &mut self.leading);
        }
        let mut blocks = factor.layout.blocks.iter();
        if let Some(block) = blocks.find(|block| block.term == term) {
            let levels = values.chunks_exact(block.vsize);
            for (place, values) in block.places(1).zip(levels) {
                small::axpy(multiple, values, &mut self.trailing[place]);
            }
        }
    }

    /// The elements for the effects of each term of the design, `vsize x n_levels`.
    fn scatter(&self, factor: &Factor) -> Vec<Vec<f64>> {
        let mut terms = vec![Vec::new(); factor.covs().len()];
        for block in &factor.layout.blocks {
            for place in block.places(1) {
                terms[block.term].extend_from_slice(&self.trailing[place]);
            }
        }
        terms[factor.layout.leading_term].clone_from(&self.leading);
        terms
    }

    /// Subtracts the squares of column `c` of `columns` from `whole`, four at a time in the order
    /// of elimination: if the result is near zero, subtracting their sum would be less accurate.
    pub(crate) fn subtract_squares(
        &self,
        whole: f64,
        c: usize,
        columns: usize,
    ) -> f64 {
        let column = |part: &[f64]| {
            let length = part.len() / columns;
            c * length..(c + 1) * length
        };
        let parts = [&self.leading, &self.trailing, &self.fixed];
        let parts = parts.into_iter().map(|part| &part[column(part)]);
        parts.fold(whole, small::subtract_squares)
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

    /// Column `c` of `columns`, mutably.
    #[inline(always)]
    pub(super) fn column_mut(
        &mut self,
        c: usize,
        columns: usize,
    ) -> VectorMut<'_> {
        #[inline(always)]
        fn of(part: &mut [f64], c: usize, columns: usize) -> &mut [f64] {
            let length = part.len() / columns;
            &mut part[c * length..(c + 1) * length]
        }
        VectorMut {
            leading: of(&mut self.leading, c, columns),
            trailing: of(&mut self.trailing, c, columns),
            fixed: of(&mut self.fixed, c, columns),
        }
    }
}

/// One vector of the system, mutably.
pub(super) struct VectorMut<'a> {
    leading: &'a mut [f64],
    trailing: &'a mut [f64],
    fixed: &'a mut [f64],
}

impl VectorMut<'_> {
    /// Adds `[Z X]'Wr` of one observation; `k` is the number of effects of the leading term.
    #[inline(always)]
    pub(super) fn add_row(
        &mut self,
        k: usize,
        layout: &Layout,
        design: &Design,
        row: Row,
    ) {
        let term = layout.leading_term;
        let level = design.terms[term].level(row.i);
        self.add_leading(level, row.z(term, k), row);
        self.add_trailing(layout, design, row);
    }

    /// Adds `X'Wr` and `Z0'Wr` of one observation; `z0` is its row of Z0.
    #[inline(always)]
    pub(super) fn add_leading(&mut self, level: usize, z0: &[f64], row: Row) {
        let k = z0.len();
        let wr = row.w * row.r;
        small::axpy(wr, row.x, self.fixed);
        small::axpy(wr, z0, &mut self.leading[level * k..(level + 1) * k]);
    }

    /// Adds `Z_R'Wr` of one observation.
    #[inline(always)]
    pub(super) fn add_trailing(
        &mut self,
        layout: &Layout,
        design: &Design,
        row: Row,
    ) {
        let wr = row.w * row.r;
        for block in &layout.blocks {
            let level = design.terms[block.term].level(row.i);
            let at = block.first_row(level) as usize;
            let z = row.z(block.term, block.vsize);
            small::axpy(wr, z, &mut self.trailing[at..at + block.vsize]);
        }
    }
}

impl Factor {
    /// Solves the system for the right-hand side `[Lambda' r_Z; r_X]`: `rz` has `vsize x n_levels`
    /// values per term of the design and `rx` one per fixed effect; `spherical`, unless empty, is
    /// added to the leading term's part.
    pub(crate) fn solve(
        &self,
        rz: &[Vec<f64>],
        rx: &[f64],
        spherical: &[f64],
    ) -> Solution {
        let r = Vectors::gather(self, rz, rx);
        let mut y = Vectors::zeros(self, 1);
        self.forward_solve_with(1, &r, spherical, &mut y);
        self.solution(y)
    }

    /// `y = L^-1 [Lambda' r_Z; r_X]` for `columns` right-hand sides r.
    #[inline]
    pub(crate) fn forward_solve(
        &self,
        columns: usize,
        r: &Vectors,
        y: &mut Vectors,
    ) {
        self.forward_solve_with(columns, r, &[], y);
    }

    fn forward_solve_with(
        &self,
        columns: usize,
        r: &Vectors,
        spherical: &[f64],
        y: &mut Vectors,
    ) {
        y.trailing.copy_from_slice(&r.trailing);
        y.fixed.copy_from_slice(&r.fixed);
        let q = self.leading.k * self.leading.n_levels;
        for (c, r) in r.leading.chunks_exact(q).enumerate() {
            let y = y.column_mut(c, columns);
            for_size!(self.leading.k, k => self.forward_leading(k, r, spherical, y));
        }
        if self.layout.m > 0 {
            self.forward_trailing(columns, y);
        }
        for c in 0..columns {
            let y = y.column_mut(c, columns);
            small::subtract_product(
                self.trailing.border(),
                y.trailing,
                y.fixed,
            );
            self.border.forward_solve(y.fixed);
        }
    }

    // The levels of the leading term; trailing rows are scaled after the contributions of all
    // levels.
    #[inline(always)]
    fn forward_leading(
        &self,
        k: usize,
        r: &[f64],
        spherical: &[f64],
        y: VectorMut,
    ) {
        let levels = y.leading.chunks_exact_mut(k).zip(r.chunks_exact(k));
        for (level, (y_level, r)) in levels.enumerate() {
            let columns = self.m.square(k, level).chunks_exact(k);
            for (y, m) in y_level.iter_mut().zip(columns) {
                *y = small::dot(m, r);
            }
            if !spherical.is_empty() {
                self.add_spherical(
                    &spherical[level * k..(level + 1) * k],
                    level,
                    y_level,
                );
            }
            self.subtract_coupled(k, level, y_level, y.trailing);
        }
        small::subtract_product(self.bx.values(), y.leading, y.fixed);
    }

    // y_R := L_RR^-1 D' y_R, after subtracting the contributions of leading levels stored as dense
    // matrices.
    fn forward_trailing(&self, columns: usize, y: &mut Vectors) {
        self.trailing
            .subtract_full(columns, &y.leading, &mut y.trailing);
        for y in y.trailing.chunks_exact_mut(self.layout.m) {
            self.scale_trailing(y, small::lambda_transposed_in_place);
        }
        self.trailing.forward_solve(columns, &mut y.trailing);
    }

    // y += L_i^-1 x
    fn add_spherical(&self, x: &[f64], level: usize, y: &mut [f64]) {
        let mut x = x.to_vec();
        small::forward_solve(x.len(), self.l00.block(level), &mut x);
        small::axpy(1.0, &x, y);
    }

    // y_R -= A_R0 M y for one level, unless this is done for all levels at once.
    #[inline(always)]
    fn subtract_coupled(
        &self,
        k: usize,
        level: usize,
        y: &[f64],
        trailing: &mut [f64],
    ) {
        if self.leading.rows.is_empty() || self.trailing.has_full() {
            return;
        }
        let (rows, vals) = self.leading.coupled(level);
        let m = self.m.square(k, level);
        for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
            let b = |j: usize| small::dot(v, &m[j * k..(j + 1) * k]);
            trailing[row as usize] -= (0..k).map(|j| y[j] * b(j)).sum::<f64>();
        }
    }

    /// Solves the system for one right-hand side, whose Z part is in the order of elimination;
    /// fixed effects that the equations do not determine keep the values of the border's anchor.
    pub(crate) fn solve_anchored(&self, r: &Vectors) -> Solution {
        let mut y = Vectors::zeros(self, 1);
        self.forward_solve(1, r, &mut y);
        self.border.keep_anchored(&mut y.fixed);
        self.solution(y)
    }

    /// `[u; beta] = L^-T y` for one vector y.
    pub(crate) fn solution(&self, mut y: Vectors) -> Solution {
        self.border.backward_solve(&mut y.fixed);
        if self.layout.m > 0 {
            self.backward_trailing(&mut y);
        }
        let mut b_r = y.trailing.clone();
        self.scale_trailing(&mut b_r, small::lambda_in_place);
        self.backward_leading(&mut y.leading, &b_r, &y.fixed);
        let u = y.scatter(self);
        let b = u.iter().enumerate();
        Solution {
            b: b.map(|(t, u)| self.times_lambda(t, u)).collect(),
            u,
            beta: y.fixed,
        }
    }

    // u_R = L_RR^-T (y_R - L_XR' beta)
    fn backward_trailing(&self, y: &mut Vectors) {
        let columns = self.trailing.border().chunks_exact(self.p().max(1));
        for (value, column) in y.trailing.iter_mut().zip(columns) {
            *value -= small::dot(column, &y.fixed);
        }
        self.trailing.backward_solve(1, &mut y.trailing);
    }

    // u_i = L_i^-T (y_i - M_i' A_0R b_R - B_X,i' beta)
    fn backward_leading(&self, y: &mut [f64], b_r: &[f64], beta: &[f64]) {
        let k = self.leading.k;
        let mut a = vec![0.0; k];
        for (level, y) in y.chunks_exact_mut(k).enumerate() {
            a.fill(0.0);
            let (rows, vals) = self.leading.coupled(level);
            for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
                small::axpy(b_r[row as usize], v, &mut a);
            }
            subtract_transposed(self.m.block(level), &a, y);
            subtract_transposed(self.bx.block(level), beta, y);
            small::backward_solve(k, self.l00.block(level), y);
        }
    }

    // Multiplies every trailing level by its Lambda or the transpose, in place.
    #[inline(always)]
    fn scale_trailing(
        &self,
        rows: &mut [f64],
        multiply: impl Fn(usize, &[f64], &mut [f64]),
    ) {
        for (block, lambda) in self.scaling().terms() {
            for place in block.places(1) {
                multiply(block.vsize, lambda, &mut rows[place]);
            }
        }
    }
}

// out -= a' x, for a matrix a with as many rows as x has elements.
fn subtract_transposed(a: &[f64], x: &[f64], out: &mut [f64]) {
    let columns = a.chunks_exact(x.len().max(1));
    for (out, a) in out.iter_mut().zip(columns) {
        *out -= small::dot(a, x);
    }
}
