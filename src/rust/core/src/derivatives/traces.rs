//! `G_t`: the traces `sum_l W_t,ll` minus the outer products of the scores.

use crate::derivatives::by_columns::ByColumns;
use crate::derivatives::{
    FactorDerivatives, OmegaDerivatives, Profile, Scratch,
};
use crate::factor::coupling::scale_rows;
use crate::factor::leading::Coupled;
use crate::factor::Factor;
use crate::kernels::chunks::chunks;
use crate::kernels::gemm::add_gram;
use crate::kernels::small::{self, for_size};

/// Number of columns of the leading term that are solved for at a time.
const CHUNK: usize = 512;

impl FactorDerivatives {
    /// Adds the leading term's traces, `W_ii = P_i A00_i - P_i A_R0' D C D' A_R0 P_i'`.
    pub(super) fn add_leading_traces(
        &mut self,
        factor: &Factor,
        pairs: bool,
        omega: &mut OmegaDerivatives,
    ) {
        let g = &mut omega.g[factor.layout.leading_term];
        match ByColumns::suits(factor) {
            true => {
                let blocks = &self.block_of_row;
                self.by_columns.update(factor, blocks, pairs);
            }
            false => factor.trailing.invert(&mut self.c),
        }
        if factor.trailing.has_full() {
            return self.add_full_leading_traces(factor, g);
        }
        for_size!(factor.leading.k, k => self.add_leading_traces_of_size(factor, k, g));
    }

    #[inline(always)]
    fn add_leading_traces_of_size(
        &mut self,
        factor: &Factor,
        k: usize,
        g: &mut [f64],
    ) {
        let Scratch {
            a: y,
            b: work,
            scaled,
            product,
        } = &mut self.scratch;
        let y = &mut y[..k * k];
        let work = &mut work[..k * k];
        let by_columns = ByColumns::suits(factor);
        for level in 0..factor.leading.n_levels {
            let p = self.p_leading.square(k, level);
            let a00 = factor.leading.a00.square(k, level);
            add_level_trace(k, p, a00, work, g);
            let (rows, vals) = factor.leading.coupled(level);
            if rows.is_empty() {
                continue;
            }
            if by_columns {
                let y = self.by_columns.form_mut(k, level);
                subtract_explained(k, p, y, work, g);
                continue;
            }
            scaled.clear();
            scaled.extend_from_slice(vals);
            scale_rows(k, rows, factor, &self.block_of_row, scaled);
            y.fill(0.0);
            let coupled = Coupled {
                level,
                rows,
                values: scaled,
            };
            factor
                .trailing
                .quadratic_form(k, &coupled, &self.c, product, y);
            subtract_explained(k, p, y, work, g);
        }
    }

    // Adds the leading term's traces where its levels are stored as dense matrices:
    // `W_ii = P_i A00_i - P_i E_i'E_i P_i'` with `E = L^-1 D'A_R0`.
    fn add_full_leading_traces(&mut self, factor: &Factor, g: &mut [f64]) {
        let k = factor.leading.k;
        let size = k * factor.layout.m;
        let y = &mut self.scratch.a[..k * k];
        let work = &mut self.scratch.b[..k * k];
        for range in chunks(factor.leading.n_levels, (CHUNK / k).max(1)) {
            let levels = factor.leading.levels(k, range.clone());
            let d = factor.scaling();
            factor.trailing.whiten_full(d, &levels, &mut self.e);
            for (level, e) in range.zip(self.e.chunks_exact(size)) {
                let p = self.p_leading.square(k, level);
                let a00 = factor.leading.a00.square(k, level);
                add_level_trace(k, p, a00, work, g);
                y.fill(0.0);
                add_gram(k, e, y);
                subtract_explained(k, p, y, work, g);
            }
        }
    }

    /// Adds the trailing terms' traces, `sum_l W_ll = Lambda^-T (q I - sum_l C_ll) Lambda^-1`.
    pub(super) fn add_trailing_traces(
        &mut self,
        factor: &Factor,
        omega: &mut OmegaDerivatives,
    ) {
        let mut is_reduced = false;
        for (b, block) in factor.layout.blocks.iter().enumerate() {
            let k = block.vsize;
            let g = &mut omega.g[block.term];
            if let Some(inverse) = self.inverses[b].get() {
                let sum = &mut self.scratch.a[..k * k];
                sum.fill(0.0);
                for j in 0..k {
                    sum[j * k + j] = block.first.len() as f64;
                }
                match ByColumns::suits(factor) {
                    true => self.by_columns.subtract_level_blocks(b, sum),
                    false => {
                        let trailing = &factor.trailing;
                        trailing.subtract_level_blocks(&self.c, block, sum);
                    }
                }
                add_congruence(k, inverse, sum, g);
                continue;
            }
            // K is the same for all singular blocks: the first of them computes it.
            if !is_reduced {
                is_reduced = true;
                self.reduced.update(
                    &factor.trailing,
                    &factor.leading,
                    &factor.m,
                );
            }
            self.reduced.add_traces(
                &factor.trailing,
                factor.scaling(),
                block,
                g,
            );
        }
    }

    /// `G_t -= sum_l T_l'T_l + v_l v_l' / sigma^2`; the first term for the restricted likelihood
    /// only.
    pub(super) fn subtract_outer_products(
        &self,
        factor: &Factor,
        profile: Profile,
        omega: &mut OmegaDerivatives,
    ) {
        self.scores.for_each_level(factor, |term, level| {
            let k = omega.directions.size(term);
            for (j, column) in omega.g[term].chunks_exact_mut(k).enumerate() {
                for (i, g) in column.iter_mut().enumerate() {
                    let fixed = small::dot(level.fixed(i), level.fixed(j));
                    *g -= fixed + profile.precision * level.v(i) * level.v(j);
                }
            }
        });
    }
}

// g += P_i A00_i; `work` is working memory.
#[inline(always)]
fn add_level_trace(
    k: usize,
    p: &[f64],
    a00: &[f64],
    work: &mut [f64],
    g: &mut [f64],
) {
    small::multiply(k, p, a00, work);
    small::axpy(1.0, work, g);
}

// g -= P_i Y P_i'; overwrites y, and `work` is working memory.
#[inline(always)]
fn subtract_explained(
    k: usize,
    p: &[f64],
    y: &mut [f64],
    work: &mut [f64],
    g: &mut [f64],
) {
    small::multiply(k, p, y, work);
    small::multiply_transposed(k, work, p, y);
    small::axpy(-1.0, y, g);
}

// g += Lambda^-T S Lambda^-1, given the lower triangular inverse of Lambda.
fn add_congruence(k: usize, inverse: &[f64], s: &[f64], g: &mut [f64]) {
    for j in 0..k {
        for i in 0..k {
            for b in j..k {
                for a in i..k {
                    g[j * k + i] +=
                        inverse[i * k + a] * s[b * k + a] * inverse[j * k + b];
                }
            }
        }
    }
}
