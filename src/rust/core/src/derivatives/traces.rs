//! `G_t`: the sums over levels of `W_t,ll`, and what the outer products of the scores take off.

use crate::derivatives::{FactorDerivatives, OmegaDerivatives, Profile, Scratch};
use crate::factor::coupling::scale_rows;
use crate::factor::Factor;
use crate::kernels::gemm::add_gram;
use crate::kernels::small::{self, for_size};

/// Columns of the leading term that are solved for at a time.
const CHUNK: usize = 512;

impl FactorDerivatives {
    /// Adds the leading term's traces, `W_ii = P_i A00_i - P_i A_R0' D C D' A_R0 P_i'`.
    pub(super) fn add_leading_traces(&mut self, factor: &Factor, omega: &mut OmegaDerivatives) {
        let g = &mut omega.g[factor.layout.leading_term];
        factor.trailing.invert(&mut self.c);
        if factor.trailing.has_full() {
            return self.add_full_leading_traces(factor, g);
        }
        for_size!(factor.leading.k, k => self.add_leading_traces_of_size(factor, k, g));
    }

    #[inline(always)]
    fn add_leading_traces_of_size(&mut self, factor: &Factor, k: usize, g: &mut [f64]) {
        let Scratch {
            a: y,
            b: work,
            scaled,
            product,
        } = &mut self.scratch;
        let (y, work) = (&mut y[..k * k], &mut work[..k * k]);
        for unit in 0..factor.leading.n_levels {
            let p = self.p_leading.square(k, unit);
            small::multiply(k, p, factor.leading.a00.square(k, unit), work);
            small::axpy(1.0, work, g);
            let (rows, vals) = factor.leading.touched(unit);
            if rows.is_empty() {
                continue;
            }
            scaled.clear();
            scaled.extend_from_slice(vals);
            scale_rows(
                k,
                rows,
                &factor.layout,
                &factor.trailing_lambdas,
                &self.block_of_row,
                scaled,
            );
            y.fill(0.0);
            factor
                .trailing
                .quadratic_form(k, unit, rows, scaled, &self.c, product, y);
            small::multiply(k, p, y, work);
            small::multiply_transposed(k, work, p, y);
            small::axpy(-1.0, y, g);
        }
    }

    // The leading term's traces where its levels are full: `W_ii = P_i A00_i - P_i E_i'E_i P_i'`
    // with `E = L^-1 D'A_R0`.
    fn add_full_leading_traces(&mut self, factor: &Factor, g: &mut [f64]) {
        let (k, m) = (factor.leading.k, factor.layout.m);
        let (y, work) = (&mut self.scratch.a[..k * k], &mut self.scratch.b[..k * k]);
        let at_once = (CHUNK / k).max(1);
        for first in (0..factor.leading.n_levels).step_by(at_once) {
            let leading = first..(first + at_once).min(factor.leading.n_levels);
            let columns = k * leading.start..k * leading.end;
            let (layout, lambdas) = (&factor.layout, &factor.trailing_lambdas);
            let trailing = &factor.trailing;
            trailing.whiten_full(layout, lambdas, columns, &mut self.e);
            for (unit, e) in leading.zip(self.e.chunks_exact(k * m)) {
                let p = self.p_leading.square(k, unit);
                small::multiply(k, p, factor.leading.a00.square(k, unit), work);
                small::axpy(1.0, work, g);
                y.fill(0.0);
                add_gram(k, e, y);
                small::multiply(k, p, y, work);
                small::multiply_transposed(k, work, p, y);
                small::axpy(-1.0, y, g);
            }
        }
    }

    /// Adds the trailing terms' traces, `sum_l W_ll = Lambda^-T (q I - sum_l C_ll) Lambda^-1`.
    pub(super) fn add_trailing_traces(&mut self, factor: &Factor, omega: &mut OmegaDerivatives) {
        for (b, block) in factor.layout.blocks.iter().enumerate() {
            let k = block.vsize;
            let g = &mut omega.g[block.term];
            let Some(inverse) = self.inverses[b].get() else {
                // One K serves all singular blocks: the first of them computes it.
                let before = &self.inverses[..b];
                if before.iter().all(|inverse| inverse.get().is_some()) {
                    self.reduced
                        .update(&factor.trailing, &factor.leading, &factor.m);
                }
                let (layout, lambdas) = (&factor.layout, &factor.trailing_lambdas);
                self.reduced
                    .add_traces(&factor.trailing, layout, lambdas, block, g);
                continue;
            };
            let sum = &mut self.scratch.a[..k * k];
            sum.fill(0.0);
            (0..k).for_each(|j| sum[j * k + j] = block.first.len() as f64);
            factor.trailing.subtract_level_blocks(&self.c, block, sum);
            for j in 0..k {
                for i in 0..k {
                    for b in j..k {
                        for a in i..k {
                            g[j * k + i] +=
                                inverse[i * k + a] * sum[b * k + a] * inverse[j * k + b];
                        }
                    }
                }
            }
        }
    }

    /// `G_t -= sum_l T_l'T_l + v_l v_l' / sigma^2` (the first for the restricted likelihood only).
    pub(super) fn subtract_outer_products(
        &self,
        factor: &Factor,
        profile: Profile,
        omega: &mut OmegaDerivatives,
    ) {
        let columns = self.scores.columns;
        let mut subtract = |term: usize, k: usize, level: &[f64]| {
            let g = &mut omega.g[term];
            for j in 0..k {
                let b = &level[j * columns..(j + 1) * columns];
                for i in 0..k {
                    let a = &level[i * columns..(i + 1) * columns];
                    let fixed = small::dot(&a[..columns - 1], &b[..columns - 1]);
                    g[j * k + i] -= fixed + profile.precision * a[columns - 1] * b[columns - 1];
                }
            }
        };
        let k = factor.leading.k;
        for level in self.scores.leading.chunks_exact(k * columns) {
            subtract(factor.layout.leading_term, k, level);
        }
        for block in &factor.layout.blocks {
            for &first in &block.first {
                let range = first as usize * columns..(first as usize + block.vsize) * columns;
                subtract(block.term, block.vsize, &self.scores.trailing[range]);
            }
        }
    }
}
