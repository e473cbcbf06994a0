//! `Z'V^-1 [X, y - X beta]`: the rows are those of X (restricted likelihood only) and, last, `v' = (Z'Py)'`.

use crate::derivatives::FactorDerivatives;
use crate::factor::Pls;
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
    /// Solves backwards through the factor: `u' = l L^-1`, `b = Lambda u`, then `Z'V^-1 x = Z'W (x - Z b)` unit by
    /// unit; for the trailing terms `v = Lambda^-T u`, or again from the residuals if Lambda is singular.
    /// With the restricted likelihood the rows of X are turned into `T = L_XX^-1 X'V^-1Z`.
    pub(super) fn update_scores(&mut self, pls: &Pls, reml: bool) {
        let (p, m) = (pls.p(), pls.layout.m);
        let singular = self.is_singular();
        let scores = &mut self.scores;
        let mut delta = std::mem::take(&mut scores.delta);
        pls.solve_border_into(&mut delta);
        scores.columns = if reml { p + 1 } else { 1 };
        let columns = scores.columns;
        scores.effects.resize(columns * m, 0.0);
        scores.trailing.resize(columns * m, 0.0);
        scores
            .leading
            .resize(columns * pls.leading.k * pls.leading.n_levels, 0.0);
        if m > 0 {
            border_rows(columns, &delta, &pls.trailing.s_xr, &mut scores.effects);
            pls.trailing
                .right_solve_transposed(columns, &mut scores.effects);
        }
        for ((block, lambda), inverse) in pls
            .layout
            .blocks
            .iter()
            .zip(&pls.trailing_lambdas)
            .zip(&self.inverses)
        {
            let kt = block.vsize;
            for &first in &block.first {
                let range = first as usize * columns..(first as usize + kt) * columns;
                let u = &mut scores.effects[range.clone()];
                if let Some(inverse) = inverse.get() {
                    times_lower(kt, columns, u, inverse, &mut scores.trailing[range]);
                }
                times_lower_transposed(kt, columns, lambda, u);
            }
        }
        if singular {
            scores.residuals.resize(columns * m, 0.0);
            border_rows(columns, &delta, &pls.trailing.a_xr, &mut scores.residuals);
            scores.residuals.iter_mut().for_each(|v| *v = -*v);
            pls.trailing
                .times_cross_products(columns, &scores.effects, &mut scores.residuals);
        }
        for_size!(pls.leading.k, k => scores.update_leading(pls, k, &self.p_leading, &delta, singular));
        for (block, _) in pls
            .layout
            .blocks
            .iter()
            .zip(&self.inverses)
            .filter(|(_, inverse)| inverse.get().is_none())
        {
            for &first in &block.first {
                let range = first as usize * columns..(first as usize + block.vsize) * columns;
                scores.trailing[range.clone()]
                    .iter_mut()
                    .zip(&scores.residuals[range])
                    .for_each(|(v, r)| *v = -r);
            }
        }
        if reml {
            forward_solve_border(pls, columns, &mut scores.leading);
            forward_solve_border(pls, columns, &mut scores.trailing);
        }
        scores.delta = delta;
    }
}

impl Scores {
    // e_i = P_i (A_0,[X y] - A_R0' b_R); adds A_R0 b_0i to the residuals, b_0i = V_i (A_0,[X y] - A_R0' b_R).
    #[inline(always)]
    fn update_leading(
        &mut self,
        pls: &Pls,
        k: usize,
        p_leading: &[f64],
        delta: &[f64],
        singular: bool,
    ) {
        let (columns, width) = (self.columns, pls.layout.width);
        self.unit.resize((AT_ONCE + 1) * columns * k, 0.0);
        for first in (0..pls.leading.n_levels).step_by(AT_ONCE) {
            let leading = first..(first + AT_ONCE).min(pls.leading.n_levels);
            let (b0, rest) = self.unit.split_at_mut(columns * k);
            let rest = &mut rest[..leading.len() * columns * k];
            border_rows(
                columns,
                delta,
                &pls.leading.ax0[leading.start * width * k..leading.end * width * k],
                rest,
            );
            pls.trailing.times_leading(
                k,
                &pls.leading,
                leading.clone(),
                columns,
                -1.0,
                &self.effects,
                rest,
            );
            for (unit, rest) in leading.clone().zip(rest.chunks_exact_mut(columns * k)) {
                let score = &mut self.leading[unit * columns * k..(unit + 1) * columns * k];
                times_transposed(
                    k,
                    columns,
                    rest,
                    &p_leading[unit * k * k..(unit + 1) * k * k],
                    score,
                );
                if singular {
                    let m = &pls.m[unit * k * k..(unit + 1) * k * k];
                    small::multiply_rows(k, columns, rest, m, b0);
                    times_transposed(k, columns, b0, m, rest);
                }
            }
            if singular {
                pls.trailing.times_leading_transposed(
                    k,
                    &pls.leading,
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

// Rows X (unless only one is wanted) and y - X beta of a `width x n` block of the border.
fn border_rows(columns: usize, delta: &[f64], from: &[f64], to: &mut [f64]) {
    let p = delta.len();
    for (from, to) in from.chunks_exact(p + 1).zip(to.chunks_exact_mut(columns)) {
        to[..columns - 1].copy_from_slice(&from[..columns - 1]);
        to[columns - 1] = from[p] - small::dot(delta, from);
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

// The rows of X: U' becomes L_XX^-1 U'.
fn forward_solve_border(pls: &Pls, columns: usize, values: &mut [f64]) {
    let (p, width, l) = (pls.p(), pls.layout.width, &pls.l_xx);
    for x in values.chunks_exact_mut(columns) {
        for j in 0..p {
            let (done, rest) = x.split_at_mut(j + 1);
            done[j] /= l[j * width + j];
            small::axpy(-done[j], &l[j * width + j + 1..j * width + p], rest);
        }
    }
}
