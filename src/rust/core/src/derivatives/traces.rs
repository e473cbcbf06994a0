//! `G_t`: the sums over levels of `W_t,ll`, and what the outer products of the scores take off.

use crate::blocks::small::{self, for_size};
use crate::derivatives::reduced::scale_columns;
use crate::derivatives::{Derivatives, Profile};
use crate::inference::scale_rows;
use crate::pls::Pls;

/// Columns of units that are multiplied by C at a time.
const CHUNK: usize = 512;

impl Derivatives {
    /// Units: `W_ii = P_i A00_i - P_i A_R0' D C D' A_R0 P_i'`.
    pub(super) fn add_unit_traces(&mut self, pls: &Pls) {
        pls.trailing.invert(&mut self.c);
        let pairs: usize = pls.units.ptr.windows(2).map(|w| (w[1] - w[0]).pow(2)).sum();
        if pls.trailing.is_dense() && pls.units.k > 1 && 8 * pairs > pls.units.n_units * pls.layout.m.pow(2) {
            return self.add_full_unit_traces(pls);
        }
        for_size!(pls.units.k, k => self.add_unit_traces_of_size(pls, k));
    }

    #[inline(always)]
    fn add_unit_traces_of_size(&mut self, pls: &Pls, k: usize) {
        let g = &mut self.g[pls.layout.unit_term];
        let mut buffer = vec![0.0; 2 * k * k];
        let (y, work) = buffer.split_at_mut(k * k);
        let (mut scaled, mut ca) = (Vec::new(), Vec::new());
        for unit in 0..pls.units.n_units {
            let p = &self.p_units[unit * k * k..(unit + 1) * k * k];
            small::multiply(k, p, pls.units.a00(unit), work);
            small::axpy(1.0, work, g);
            let (rows, vals) = pls.units.touched(unit);
            if rows.is_empty() {
                continue;
            }
            scaled.clear();
            scaled.extend_from_slice(vals);
            scale_rows(k, rows, &pls.layout, &pls.trailing_lambdas, &self.block_of_row, &mut scaled);
            y.fill(0.0);
            pls.trailing.quadratic_form(k, unit, rows, &scaled, &self.c, &mut ca, y);
            small::multiply(k, p, y, work);
            small::multiply_transposed(k, work, p, y);
            small::axpy(-1.0, y, g);
        }
    }

    // The same where units touch so many rows that products with all of C pay.
    fn add_full_unit_traces(&mut self, pls: &Pls) {
        let (k, m) = (pls.units.k, pls.layout.m);
        let g = &mut self.g[pls.layout.unit_term];
        let (mut y, mut work) = (vec![0.0; k * k], vec![0.0; k * k]);
        let at_once = (CHUNK / k).max(1);
        let (mut scaled, mut scaled_c) = (vec![0.0; at_once * k * m], vec![0.0; at_once * k * m]);
        for start in (0..pls.units.n_units).step_by(at_once) {
            let units = start..(start + at_once).min(pls.units.n_units);
            let rows = units.len() * k;
            let (scaled, scaled_c) = (&mut scaled[..rows * m], &mut scaled_c[..rows * m]);
            scaled.fill(0.0);
            scaled_c.fill(0.0);
            for (slot, unit) in units.clone().enumerate() {
                let (touched, vals) = pls.units.touched(unit);
                for (&row, v) in touched.iter().zip(vals.chunks_exact(k)) {
                    scaled[row as usize * rows + slot * k..][..k].copy_from_slice(v);
                }
            }
            scale_columns(pls, rows, scaled);
            pls.trailing.times_symmetric(&self.c, rows, scaled, scaled_c);
            for (slot, unit) in units.enumerate() {
                let p = &self.p_units[unit * k * k..(unit + 1) * k * k];
                small::multiply(k, p, pls.units.a00(unit), &mut work);
                small::axpy(1.0, &work, g);
                y.fill(0.0);
                for (a, b) in scaled.chunks_exact(rows).zip(scaled_c.chunks_exact(rows)) {
                    let (a, b) = (&a[slot * k..(slot + 1) * k], &b[slot * k..(slot + 1) * k]);
                    y.chunks_exact_mut(k).zip(b).for_each(|(y, b)| small::axpy(*b, a, y));
                }
                small::multiply(k, p, &y, &mut work);
                small::multiply_transposed(k, &work, p, &mut y);
                small::axpy(-1.0, &y, g);
            }
        }
    }

    /// Trailing terms: `sum_l W_ll = Lambda^-T (q I - sum_l C_ll) Lambda^-1`.
    pub(super) fn add_trailing_traces(&mut self, pls: &Pls) {
        for (b, block) in pls.layout.blocks.iter().enumerate() {
            let k = block.vsize;
            let Some(inverse) = &self.inverses[b] else {
                self.add_singular_trace(pls, b);
                continue;
            };
            let mut sum = vec![0.0; k * k];
            for j in 0..k {
                sum[j * k + j] = block.first.len() as f64;
                for i in 0..k {
                    for &first in &block.first {
                        sum[j * k + i] -= pls.trailing.element(&self.c, first as usize + i, first as usize + j);
                    }
                }
            }
            let g = &mut self.g[block.term];
            for j in 0..k {
                for i in 0..k {
                    for b in j..k {
                        for a in i..k {
                            g[j * k + i] += inverse[i * k + a] * sum[b * k + a] * inverse[j * k + b];
                        }
                    }
                }
            }
        }
    }

    /// `G_t -= sum_l T_l'T_l + v_l v_l' / sigma^2` (the first for the restricted likelihood only).
    pub(super) fn subtract_outer_products(&mut self, pls: &Pls, profile: Profile) {
        let columns = self.scores.columns;
        let mut subtract = |term: usize, k: usize, level: &[f64]| {
            let g = &mut self.g[term];
            for j in 0..k {
                let b = &level[j * columns..(j + 1) * columns];
                for i in 0..k {
                    let a = &level[i * columns..(i + 1) * columns];
                    let fixed = small::dot(&a[..columns - 1], &b[..columns - 1]);
                    g[j * k + i] -= fixed + profile.precision * a[columns - 1] * b[columns - 1];
                }
            }
        };
        let k = pls.units.k;
        for level in self.scores.units.chunks_exact(k * columns) {
            subtract(pls.layout.unit_term, k, level);
        }
        for block in &pls.layout.blocks {
            for &first in &block.first {
                let range = first as usize * columns..(first as usize + block.vsize) * columns;
                subtract(block.term, block.vsize, &self.scores.trailing[range]);
            }
        }
    }
}
