//! `G_t`: the sums over levels of `W_t,ll`, and what the outer products of the scores take off.

use crate::derivatives::reduced::{gram, whiten_dense};
use crate::derivatives::{FactorDerivatives, OmegaDerivatives, Profile, Scratch};
use crate::factor::coupling::scale_rows;
use crate::factor::full::FullLeading;
use crate::factor::Pls;
use crate::kernels::small::{self, for_size};

/// Columns of the leading term that are solved for at a time.
const CHUNK: usize = 512;

impl FactorDerivatives {
    /// Adds the leading term's traces, `W_ii = P_i A00_i - P_i A_R0' D C D' A_R0 P_i'`.
    pub(super) fn add_leading_traces(&mut self, pls: &Pls, omega: &mut OmegaDerivatives) {
        let g = &mut omega.g[pls.layout.leading_term];
        pls.trailing.invert(&mut self.c);
        if let Some(full) = &pls.trailing.full {
            return self.add_full_leading_traces(pls, full, g);
        }
        for_size!(pls.leading.k, k => self.add_leading_traces_of_size(pls, k, g));
    }

    #[inline(always)]
    fn add_leading_traces_of_size(&mut self, pls: &Pls, k: usize, g: &mut [f64]) {
        let Scratch {
            a: y,
            b: work,
            scaled,
            product,
        } = &mut self.scratch;
        let (y, work) = (&mut y[..k * k], &mut work[..k * k]);
        for unit in 0..pls.leading.n_levels {
            let p = &self.p_leading[unit * k * k..(unit + 1) * k * k];
            small::multiply(k, p, pls.leading.a00(unit), work);
            small::axpy(1.0, work, g);
            let (rows, vals) = pls.leading.touched(unit);
            if rows.is_empty() {
                continue;
            }
            scaled.clear();
            scaled.extend_from_slice(vals);
            scale_rows(
                k,
                rows,
                &pls.layout,
                &pls.trailing_lambdas,
                &self.block_of_row,
                scaled,
            );
            y.fill(0.0);
            pls.trailing
                .quadratic_form(k, unit, rows, scaled, &self.c.values, product, y);
            small::multiply(k, p, y, work);
            small::multiply_transposed(k, work, p, y);
            small::axpy(-1.0, y, g);
        }
    }

    // The leading term's traces where its levels are full: `W_ii = P_i A00_i - P_i E_i'E_i P_i'` with `E = L^-1 D'A_R0`.
    fn add_full_leading_traces(&mut self, pls: &Pls, full: &FullLeading, g: &mut [f64]) {
        let (k, m) = (pls.leading.k, pls.layout.m);
        let (y, work) = (&mut self.scratch.a[..k * k], &mut self.scratch.b[..k * k]);
        let at_once = (CHUNK / k).max(1);
        for first in (0..pls.leading.n_levels).step_by(at_once) {
            let leading = first..(first + at_once).min(pls.leading.n_levels);
            whiten_dense(
                pls,
                full.a_slice(k * leading.start..k * leading.end),
                &mut self.e,
            );
            for (unit, e) in leading.zip(self.e.chunks_exact(k * m)) {
                let p = &self.p_leading[unit * k * k..(unit + 1) * k * k];
                small::multiply(k, p, pls.leading.a00(unit), work);
                small::axpy(1.0, work, g);
                gram(m, k, e, y);
                small::multiply(k, p, y, work);
                small::multiply_transposed(k, work, p, y);
                small::axpy(-1.0, y, g);
            }
        }
    }

    /// Adds the trailing terms' traces, `sum_l W_ll = Lambda^-T (q I - sum_l C_ll) Lambda^-1`.
    pub(super) fn add_trailing_traces(&mut self, pls: &Pls, omega: &mut OmegaDerivatives) {
        for (b, block) in pls.layout.blocks.iter().enumerate() {
            let k = block.vsize;
            let Some(inverse) = self.inverses[b].get() else {
                self.add_singular_trace(pls, b, &mut omega.g[block.term]);
                continue;
            };
            let sum = &mut self.scratch.a[..k * k];
            sum.fill(0.0);
            for j in 0..k {
                sum[j * k + j] = block.first.len() as f64;
                for i in 0..k {
                    for &first in &block.first {
                        sum[j * k + i] -= pls.trailing.element(
                            &self.c.values,
                            first as usize + i,
                            first as usize + j,
                        );
                    }
                }
            }
            let g = &mut omega.g[block.term];
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
        pls: &Pls,
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
        let k = pls.leading.k;
        for level in self.scores.leading.chunks_exact(k * columns) {
            subtract(pls.layout.leading_term, k, level);
        }
        for block in &pls.layout.blocks {
            for &first in &block.first {
                let range = first as usize * columns..(first as usize + block.vsize) * columns;
                subtract(block.term, block.vsize, &self.scores.trailing[range]);
            }
        }
    }
}
