//! `Z'V^-1 [X, y - X beta]`: the rows are those of X (restricted likelihood only) and, last,
//! `v' = (Z'Py)'`.

use crate::derivatives::{FactorDerivatives, LambdaInverse};
use crate::factor::blocks::Blocks;
use crate::factor::{Factor, Response};
use crate::kernels::small::{self, for_size};

/// Levels of the leading term that share a matrix product.
const AT_ONCE: usize = 64;

/// `columns x q`, the units' effects and the trailing ones apart.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// Rows: `p + 1` (restricted) or 1.
    pub columns: usize,
    pub leading: Vec<f64>,
    pub trailing: Vec<f64>,
    /// Predicted effects `Omega Z'V^-1 [X, y - X beta]` of the trailing terms.
    effects: Vec<f64>,
    residuals: Vec<f64>,
    /// Fixed effects of the residual response.
    delta: Vec<f64>,
    /// Residuals and effects of some levels of the leading term.
    unit: Vec<f64>,
}

impl FactorDerivatives {
    /// Solves backwards through the factor: `u' = l L^-1`, `b = Lambda u`, then
    /// `Z'V^-1 x = Z'W (x - Z b)` unit by unit; for the trailing terms `v = Lambda^-T u`, or again
    /// from the residuals if Lambda is singular. With the restricted likelihood the rows of X are
    /// turned into `T = L_XX^-1 X'V^-1Z`.
    pub(super) fn update_scores(&mut self, factor: &Factor, response: &Response, reml: bool) {
        let (p, m) = (factor.p(), factor.layout.m);
        let singular = self.is_singular();
        let scores = &mut self.scores;
        let mut delta = std::mem::take(&mut scores.delta);
        response.fixed_of_residual(factor, &mut delta);
        scores.resize(if reml { p + 1 } else { 1 }, factor);
        if m > 0 {
            let (x, y) = (factor.trailing.border(), &response.solved().trailing);
            border_rows(scores.columns, &delta, x, y, &mut scores.effects);
            let effects = &mut scores.effects;
            factor
                .trailing
                .right_solve_transposed(scores.columns, effects);
        }
        scores.predict_trailing(factor, &self.inverses);
        if singular {
            scores.start_residuals(factor, response, &delta);
        }
        let p_leading = &self.p_leading;
        for_size!(factor.leading.k, k => {
            scores.update_leading(factor, response, k, p_leading, &delta, singular)
        });
        if singular {
            scores.take_residuals(factor, &self.inverses);
        }
        if reml {
            let effects = scores.leading.chunks_exact_mut(scores.columns);
            let effects = effects.chain(scores.trailing.chunks_exact_mut(scores.columns));
            effects.for_each(|x| factor.border.forward_solve(x));
        }
        scores.delta = delta;
    }
}

impl Scores {
    // Makes room for this many columns of scores.
    fn resize(&mut self, columns: usize, factor: &Factor) {
        let (leading, m) = (&factor.leading, factor.layout.m);
        self.columns = columns;
        self.effects.resize(columns * m, 0.0);
        self.trailing.resize(columns * m, 0.0);
        self.leading
            .resize(columns * leading.k * leading.n_levels, 0.0);
    }

    // Turns the spherical effects u of the trailing terms into `b = Lambda u`, and sets
    // `v = Lambda^-T u` where Lambda has an inverse.
    fn predict_trailing(&mut self, factor: &Factor, inverses: &[LambdaInverse]) {
        let columns = self.columns;
        let lambdas = factor.trailing_lambdas.iter().zip(inverses);
        for (block, (lambda, inverse)) in factor.layout.blocks.iter().zip(lambdas) {
            let kt = block.vsize;
            for &first in &block.first {
                let range = first as usize * columns..(first as usize + kt) * columns;
                let u = &mut self.effects[range.clone()];
                if let Some(inverse) = inverse.get() {
                    times_lower(kt, columns, u, inverse, &mut self.trailing[range]);
                }
                times_lower_transposed(kt, columns, lambda, u);
            }
        }
    }

    // Starts `-Z'W (x - Z b)` of the trailing terms: the part that doesn't go through the leading
    // term's effects.
    fn start_residuals(&mut self, factor: &Factor, response: &Response, delta: &[f64]) {
        let (columns, trailing) = (self.columns, &factor.trailing);
        self.residuals.resize(columns * factor.layout.m, 0.0);
        let x = trailing.border_cross_products();
        let y = &response.products().trailing;
        border_rows(columns, delta, x, y, &mut self.residuals);
        self.residuals.iter_mut().for_each(|v| *v = -*v);
        trailing.times_cross_products(columns, &self.effects, &mut self.residuals);
    }

    // Takes `v` from the residuals for the terms whose Lambda has no inverse.
    fn take_residuals(&mut self, factor: &Factor, inverses: &[LambdaInverse]) {
        let columns = self.columns;
        let blocks = factor.layout.blocks.iter().zip(inverses);
        for (block, _) in blocks.filter(|(_, inverse)| inverse.get().is_none()) {
            for &first in &block.first {
                let range = first as usize * columns..(first as usize + block.vsize) * columns;
                let residuals = &self.residuals[range.clone()];
                let scores = self.trailing[range].iter_mut().zip(residuals);
                scores.for_each(|(v, r)| *v = -r);
            }
        }
    }

    // e_i = P_i (A_0,[X y] - A_R0' b_R); adds A_R0 b_0i to the residuals, b_0i = V_i (A_0,[X y] -
    // A_R0' b_R).
    #[inline(always)]
    fn update_leading(
        &mut self,
        factor: &Factor,
        response: &Response,
        k: usize,
        p_leading: &Blocks,
        delta: &[f64],
        singular: bool,
    ) {
        let columns = self.columns;
        self.unit.resize((AT_ONCE + 1) * columns * k, 0.0);
        for first in (0..factor.leading.n_levels).step_by(AT_ONCE) {
            let leading = first..(first + AT_ONCE).min(factor.leading.n_levels);
            let (b0, rest) = self.unit.split_at_mut(columns * k);
            let rest = &mut rest[..leading.len() * columns * k];
            let x = factor.leading.ax0.span(leading.clone());
            let y = &response.products().leading[k * leading.start..k * leading.end];
            border_rows(columns, delta, x, y, rest);
            factor.trailing.times_leading(
                k,
                &factor.leading,
                leading.clone(),
                columns,
                -1.0,
                &self.effects,
                rest,
            );
            for (unit, rest) in leading.clone().zip(rest.chunks_exact_mut(columns * k)) {
                let score = &mut self.leading[unit * columns * k..(unit + 1) * columns * k];
                times_transposed(k, columns, rest, p_leading.square(k, unit), score);
                if singular {
                    let m = factor.m.square(k, unit);
                    small::multiply_rows(k, columns, rest, m, b0);
                    times_transposed(k, columns, b0, m, rest);
                }
            }
            if singular {
                factor.trailing.times_leading_transposed(
                    k,
                    &factor.leading,
                    leading,
                    columns,
                    rest,
                    &mut self.residuals,
                );
            }
        }
    }
}

// out = x a' for `rows x k` matrices x and out.
#[inline(always)]
fn times_transposed(k: usize, rows: usize, x: &[f64], a: &[f64], out: &mut [f64]) {
    for (j, out) in out.chunks_exact_mut(rows).enumerate() {
        out.fill(0.0);
        for (l, x) in x.chunks_exact(rows).enumerate() {
            small::axpy(a[l * k + j], x, out);
        }
    }
}

// Rows X (unless only one is wanted) and y - X beta for some effects, of which x holds `p` values
// each and y one.
fn border_rows(columns: usize, delta: &[f64], x: &[f64], y: &[f64], to: &mut [f64]) {
    let p = delta.len();
    for (i, (y, to)) in y.iter().zip(to.chunks_exact_mut(columns)).enumerate() {
        let x = &x[i * p..(i + 1) * p];
        to[..columns - 1].copy_from_slice(&x[..columns - 1]);
        to[columns - 1] = y - small::dot(delta, x);
    }
}

// out = x L for `rows x k` x and lower triangular L.
fn times_lower(k: usize, rows: usize, x: &[f64], l: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    for (j, out) in out.chunks_exact_mut(rows).enumerate() {
        for i in j..k {
            small::axpy(l[j * k + i], &x[i * rows..(i + 1) * rows], out);
        }
    }
}

// x = x L' in place.
fn times_lower_transposed(k: usize, rows: usize, l: &[f64], x: &mut [f64]) {
    for i in (0..k).rev() {
        let (left, right) = x.split_at_mut(i * rows);
        let target = &mut right[..rows];
        target.iter_mut().for_each(|v| *v *= l[i * k + i]);
        for (j, x) in left.chunks_exact(rows).enumerate() {
            small::axpy(l[j * k + i], x, target);
        }
    }
}
