//! The scores `Z'V^-1 [X, y - X beta]`, stored transposed: the rows are those of X (restricted
//! likelihood only) and, last, `v' = (Z'Py)'`.

use crate::derivatives::{FactorDerivatives, LambdaInverse};
use crate::factor::blocks::Blocks;
use crate::factor::layout::TrailingTerm;
use crate::factor::solve::Vectors;
use crate::factor::{Factor, Response};
use crate::kernels::chunks::chunks;
use crate::kernels::small::{self, for_size};

/// Number of levels of the leading term that share a matrix product.
const AT_ONCE: usize = 64;

/// `columns x q`, separately for the effects of the leading term and of the trailing terms.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// Number of rows: `p + 1` for the restricted likelihood, or 1.
    pub columns: usize,
    pub leading: Vec<f64>,
    pub trailing: Vec<f64>,
    /// Predicted effects `Omega Z'V^-1 [X, y - X beta]` of the trailing terms.
    effects: Vec<f64>,
    residuals: Vec<f64>,
    /// The fixed effects of the residual response.
    delta: Vec<f64>,
    /// Residuals and effects of a range of levels of the leading term.
    work: Vec<f64>,
}

/// The scores of one level.
#[derive(Clone, Copy)]
pub(super) struct LevelScores<'a> {
    columns: usize,
    values: &'a [f64],
}

impl<'a> LevelScores<'a> {
    /// The number of rows of `T`.
    pub(crate) fn n_fixed(self) -> usize {
        self.columns - 1
    }

    /// All rows for one effect.
    pub fn effect(self, effect: usize) -> &'a [f64] {
        &self.values[effect * self.columns..(effect + 1) * self.columns]
    }

    /// The rows of `T` for one effect.
    pub fn fixed(self, effect: usize) -> &'a [f64] {
        &self.effect(effect)[..self.columns - 1]
    }

    /// `v` for one effect.
    #[inline(always)]
    pub fn v(self, effect: usize) -> f64 {
        self.values[(effect + 1) * self.columns - 1]
    }
}

/// The generalized least-squares coefficients `delta` of the residual response, and the number of
/// rows of scores to compute.
struct Residual<'a> {
    columns: usize,
    delta: &'a [f64],
    response: &'a Response,
}

impl Residual<'_> {
    // Copies the rows of X (unless there is only one row of scores) and y - X beta for a range of
    // effects, of which `x` holds `p` values each and `y` one.
    fn border_rows(&self, x: &[f64], y: &[f64], to: &mut [f64]) {
        let p = self.delta.len();
        let n_fixed = self.columns - 1;
        for (i, (y, to)) in
            y.iter().zip(to.chunks_exact_mut(self.columns)).enumerate()
        {
            let x = &x[i * p..(i + 1) * p];
            to[..n_fixed].copy_from_slice(&x[..n_fixed]);
            to[n_fixed] = y - small::dot(self.delta, x);
        }
    }
}

impl FactorDerivatives {
    /// Computes the scores by backward solves with the factor: `u' = l L^-1` and `b = Lambda u`,
    /// then `Z'V^-1 x = Z'W (x - Z b)` level by level. For the trailing terms `v = Lambda^-T u`, or
    /// the residuals as well if Lambda is singular. For the restricted likelihood the rows of X
    /// become `T = L_XX^-1 X'V^-1Z`.
    pub(super) fn update_scores(
        &mut self,
        factor: &Factor,
        response: &Response,
        reml: bool,
    ) {
        let mut delta = std::mem::take(&mut self.scores.delta);
        response.fixed_of_residual(factor, &mut delta);
        let residual = Residual {
            columns: if reml { factor.p() + 1 } else { 1 },
            delta: &delta,
            response,
        };
        self.scores.resize(residual.columns, factor);
        self.predict(factor, &residual);
        if reml {
            self.scores.whiten_fixed(factor);
        }
        self.scores.delta = delta;
    }

    // Computes the scores, with the rows of X not yet multiplied by `L_XX^-1`.
    fn predict(&mut self, factor: &Factor, residual: &Residual) {
        let singular = self.is_singular();
        let scores = &mut self.scores;
        scores.solve_trailing(factor, residual);
        scores.predict_trailing(factor, &self.inverses);
        if singular {
            scores.start_residuals(factor, residual);
        }
        let p_leading = &self.p_leading;
        for_size!(factor.leading.k, k => {
            scores.update_leading(factor, residual, k, p_leading, singular)
        });
        if singular {
            scores.take_residuals(factor, &self.inverses);
        }
    }
}

impl Scores {
    /// The scores of each level of the leading term, of `k` effects.
    pub(crate) fn leading_levels(
        &self,
        k: usize,
    ) -> impl Iterator<Item = LevelScores<'_>> {
        let levels = self.leading.chunks_exact(k * self.columns);
        levels.map(|values| self.level(values))
    }

    /// The scores of one level of the leading term, of `k` effects.
    #[inline(always)]
    pub(crate) fn leading_level(
        &self,
        k: usize,
        level: usize,
    ) -> LevelScores<'_> {
        let size = k * self.columns;
        self.level(&self.leading[level * size..(level + 1) * size])
    }

    /// The scores of each level of a trailing term.
    pub(crate) fn trailing_levels<'a>(
        &'a self,
        term: &'a TrailingTerm,
    ) -> impl Iterator<Item = LevelScores<'a>> {
        let places = term.places(self.columns);
        places.map(|place| self.level(&self.trailing[place]))
    }

    /// Calls `visit(term, scores)` for each level of each term.
    pub(crate) fn for_each_level(
        &self,
        factor: &Factor,
        mut visit: impl FnMut(usize, LevelScores),
    ) {
        for level in self.leading_levels(factor.leading.k) {
            visit(factor.layout.leading_term, level);
        }
        for block in &factor.layout.blocks {
            for level in self.trailing_levels(block) {
                visit(block.term, level);
            }
        }
    }

    #[inline(always)]
    fn level<'a>(&self, values: &'a [f64]) -> LevelScores<'a> {
        LevelScores {
            columns: self.columns,
            values,
        }
    }

    /// Takes one row of scores, `vsize x n_levels` values per term of the design.
    pub(crate) fn copy_from(&mut self, factor: &Factor, terms: &[Vec<f64>]) {
        let scores = Vectors::gather(factor, terms, &[]);
        self.columns = 1;
        self.leading = scores.leading;
        self.trailing = scores.trailing;
    }

    // Resizes the memory for this number of rows of scores.
    fn resize(&mut self, columns: usize, factor: &Factor) {
        let leading = &factor.leading;
        let m = factor.layout.m;
        self.columns = columns;
        self.effects.resize(columns * m, 0.0);
        self.trailing.resize(columns * m, 0.0);
        self.leading
            .resize(columns * leading.k * leading.n_levels, 0.0);
    }

    // The spherical effects u of the trailing terms.
    fn solve_trailing(&mut self, factor: &Factor, residual: &Residual) {
        if factor.layout.m == 0 {
            return;
        }
        let trailing = &factor.trailing;
        let y = &residual.response.solved().trailing;
        residual.border_rows(trailing.border(), y, &mut self.effects);
        trailing.right_solve_transposed(self.columns, &mut self.effects);
    }

    // Turns the spherical effects u of the trailing terms into `b = Lambda u`, and sets
    // `v = Lambda^-T u` where Lambda is invertible.
    fn predict_trailing(
        &mut self,
        factor: &Factor,
        inverses: &[LambdaInverse],
    ) {
        let columns = self.columns;
        let lambdas = factor.trailing_lambdas.iter().zip(inverses);
        for (block, (lambda, inverse)) in
            factor.layout.blocks.iter().zip(lambdas)
        {
            for place in block.places(columns) {
                let u = &mut self.effects[place.clone()];
                if let Some(inverse) = inverse.get() {
                    let v = &mut self.trailing[place];
                    v.copy_from_slice(u);
                    small::times_lower(block.vsize, columns, 0, inverse, v);
                }
                times_lower_transposed(block.vsize, columns, lambda, u);
            }
        }
    }

    // Initialises `-Z'W (x - Z b)` of the trailing terms with the part that does not involve the
    // leading term's effects.
    fn start_residuals(&mut self, factor: &Factor, residual: &Residual) {
        let columns = self.columns;
        let trailing = &factor.trailing;
        self.residuals.resize(columns * factor.layout.m, 0.0);
        let x = trailing.border_cross_products();
        let y = &residual.response.products().trailing;
        residual.border_rows(x, y, &mut self.residuals);
        for value in &mut self.residuals {
            *value = -*value;
        }
        trailing.times_cross_products(
            columns,
            &self.effects,
            &mut self.residuals,
        );
    }

    // Sets `v` from the residuals for the terms whose Lambda is singular.
    fn take_residuals(&mut self, factor: &Factor, inverses: &[LambdaInverse]) {
        let blocks = factor.layout.blocks.iter().zip(inverses);
        for (block, _) in blocks.filter(|(_, inverse)| inverse.get().is_none())
        {
            for place in block.places(self.columns) {
                let residuals = &self.residuals[place.clone()];
                for (v, residual) in
                    self.trailing[place].iter_mut().zip(residuals)
                {
                    *v = -residual;
                }
            }
        }
    }

    // e_i = P_i (A_0,[X y] - A_R0' b_R) for each level of the leading term; adds A_R0 b_0i to the
    // residuals, with b_0i = V_i (A_0,[X y] - A_R0' b_R).
    #[inline(always)]
    fn update_leading(
        &mut self,
        factor: &Factor,
        residual: &Residual,
        k: usize,
        p_leading: &Blocks,
        singular: bool,
    ) {
        let columns = self.columns;
        let size = columns * k;
        self.work.resize((AT_ONCE + 1) * size, 0.0);
        for range in chunks(factor.leading.n_levels, AT_ONCE) {
            let levels = factor.leading.levels(k, range.clone());
            let (b0, rest) = self.work.split_at_mut(size);
            let rest = &mut rest[..range.len() * size];
            let x = factor.leading.ax0.span(range.clone());
            let y = &residual.response.products().leading
                [k * range.start..k * range.end];
            residual.border_rows(x, y, rest);
            factor.trailing.times_leading(
                &levels,
                columns,
                -1.0,
                &self.effects,
                rest,
            );
            let scores = &mut self.leading[size * range.start..];
            let scores = scores.chunks_exact_mut(size);
            let rests = rest.chunks_exact_mut(size).zip(scores);
            for (level, (rest, score)) in range.zip(rests) {
                let p = p_leading.square(k, level);
                times_transposed(k, columns, rest, p, score);
                if singular {
                    let m = factor.m.square(k, level);
                    small::multiply_rows(k, columns, rest, m, b0);
                    times_transposed(k, columns, b0, m, rest);
                }
            }
            if singular {
                let residuals = &mut self.residuals;
                factor.trailing.times_leading_transposed(
                    &levels, columns, rest, residuals,
                );
            }
        }
    }

    // Turns the rows of X into `T = L_XX^-1 X'V^-1Z`.
    fn whiten_fixed(&mut self, factor: &Factor) {
        let leading = self.leading.chunks_exact_mut(self.columns);
        let trailing = self.trailing.chunks_exact_mut(self.columns);
        for effect in leading.chain(trailing) {
            factor.border.forward_solve(effect);
        }
    }
}

// out = x a' for `rows x k` matrices x and out.
#[inline(always)]
fn times_transposed(
    k: usize,
    rows: usize,
    x: &[f64],
    a: &[f64],
    out: &mut [f64],
) {
    for (j, out) in out.chunks_exact_mut(rows).enumerate() {
        out.fill(0.0);
        for (l, x) in x.chunks_exact(rows).enumerate() {
            small::axpy(a[l * k + j], x, out);
        }
    }
}

/// `x := x L'` in place, `rows x k`.
pub(super) fn times_lower_transposed(
    k: usize,
    rows: usize,
    l: &[f64],
    x: &mut [f64],
) {
    for i in (0..k).rev() {
        let (left, right) = x.split_at_mut(i * rows);
        let target = &mut right[..rows];
        for v in target.iter_mut() {
            *v *= l[i * k + i];
        }
        for (j, x) in left.chunks_exact(rows).enumerate() {
            small::axpy(l[j * k + i], x, target);
        }
    }
}
