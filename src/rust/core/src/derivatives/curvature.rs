//! The exact Hessian: `2 H_average + s s' / (sigma^2 r^2) - Tr` in Omega, with
//! `Tr_dd' = sum_ll' tr(E_d W_ll' E_d' W_l'l)` over all pairs of levels.
//!
//! With one grouping factor `W` is block diagonal (and of low rank beside it for the restricted likelihood); with
//! several it is formed as a whole, so that this is for few random effects only.

use faer::{MatMut, MatRef};

use crate::blocks::gemm::add_lower_product;

use crate::blocks::small;
use crate::derivatives::reduced::scale_columns;
use crate::derivatives::{Derivatives, Profile};
use crate::pls::Pls;

impl Derivatives {
    /// Turns the average information in `h` into the exact Hessian.
    pub(super) fn add_curvature(&mut self, pls: &Pls, profile: Profile) {
        let n = self.directions.len();
        // H_average = kappa Q - (kappa/r^2) s s'; wanted: 2 kappa Q - (kappa/r^2) s s' - Tr.
        let s = self.quadratic_scores(pls);
        let rank_one = if profile.sigma_profiled { profile.precision / pls.pwrss() } else { 0.0 };
        for j in 0..n {
            for i in 0..n {
                self.h[j * n + i] = 2.0 * self.h[j * n + i] + rank_one * s[i] * s[j];
            }
        }
        self.expected.fill(0.0);
        if pls.layout.m == 0 {
            self.add_blockwise(pls)
        } else {
            self.add_dense(pls)
        }
        for j in 0..n {
            (0..j).for_each(|i| self.expected[i * n + j] = self.expected[j * n + i]);
        }
        small::axpy(-1.0, &self.expected, &mut self.h);
    }

    // One factor: W_ll' = delta W_l - T_l'T_l', so that with B_l = T_l'T_l
    // Tr = sum_l tr(E W_l E' W_l) - 2 tr(E W_l E' B_l), + <N_E, N_E'>, N_E = sum_l T_l E T_l'.
    fn add_blockwise(&mut self, pls: &Pls) {
        let (k, n, columns) = (pls.units.k, self.directions.len(), self.scores.columns);
        let pairs = self.directions.pairs(pls.layout.unit_term);
        let p = columns - 1;
        let (mut w, mut b, mut n_e) = (vec![0.0; k * k], vec![0.0; k * k], vec![0.0; n * p * p]);
        for (unit, t) in self.scores.units.chunks_exact(k * columns).enumerate() {
            small::multiply(k, &self.p_units[unit * k * k..(unit + 1) * k * k], pls.units.a00(unit), &mut w);
            for (j, b) in b.chunks_exact_mut(k).enumerate() {
                let tj = &t[j * columns..j * columns + p];
                b.iter_mut().zip(t.chunks_exact(columns)).for_each(|(b, ti)| *b = small::dot(tj, ti));
            }
            for (j, &e) in pairs.iter().enumerate() {
                for (i, &f) in pairs[..=j].iter().enumerate() {
                    let form =
                        trace_form(k, e, f, &w, &w) - if p > 0 { 2.0 * trace_form(k, e, f, &w, &b) } else { 0.0 };
                    self.expected[j * n + i] += form;
                }
            }
            for (n_e, &(r, s)) in n_e.chunks_exact_mut((p * p).max(1)).zip(pairs) {
                let (tr, ts) = (&t[r * columns..r * columns + p], &t[s * columns..s * columns + p]);
                for (c, column) in n_e.chunks_exact_mut(p.max(1)).enumerate() {
                    small::axpy(ts[c], tr, column);
                    if r != s {
                        small::axpy(tr[c], ts, column);
                    }
                }
            }
        }
        for j in 0..n * p.min(1) {
            for i in 0..=j {
                let (a, b) = (&n_e[i * p * p..(i + 1) * p * p], &n_e[j * p * p..(j + 1) * p * p]);
                self.expected[j * n + i] += small::dot(a, b);
            }
        }
    }

    // Several factors: all of W, and for each pair of terms the moments of its level blocks.
    fn add_dense(&mut self, pls: &Pls) {
        let n = self.directions.len();
        let w = self.whole_w(pls);
        let terms = term_rows(pls);
        for (t, (k, rows)) in terms.iter().enumerate() {
            for (u, (l, columns)) in terms.iter().enumerate().take(t + 1) {
                let moments = block_moments(&w, *k, rows, *l, columns);
                let at = |a: usize, b: usize, c: usize, d: usize| moments[(d * k + c) * k * l + b * k + a];
                for (i, &(r, s)) in self.directions.of_term(t).zip(self.directions.pairs(t)) {
                    for (j, &(x, y)) in self.directions.of_term(u).zip(self.directions.pairs(u)) {
                        let form = weight(r, s) * weight(x, y) * 2.0 * (at(r, x, s, y) + at(r, y, s, x));
                        if i <= j || t != u {
                            self.expected[i.max(j) * n + i.min(j)] += form;
                        }
                    }
                }
            }
        }
    }

    // W = Z'V^-1Z or Z'PZ, q x q: the units first.
    fn whole_w(&mut self, pls: &Pls) -> WholeW {
        let (k, m, n_units) = (pls.units.k, pls.layout.m, pls.units.n_units);
        let q0 = k * n_units;
        let q = q0 + m;
        pls.trailing.reduced(&pls.units, &pls.m, &mut self.scratch.scaled, &mut self.k_rr);
        // Rows of [N K]' with N = A_R0 P', K the reduced trailing system.
        let mut rows_of_r = vec![0.0; q * m];
        let mut w = vec![0.0; q * q];
        let mut block = vec![0.0; k * k];
        for unit in 0..n_units {
            let p = &self.p_units[unit * k * k..(unit + 1) * k * k];
            small::multiply(k, p, pls.units.a00(unit), &mut block);
            for j in 0..k {
                let at = (unit * k + j) * q + unit * k;
                w[at..at + k].copy_from_slice(&block[j * k..(j + 1) * k]);
            }
            let (rows, vals) = pls.units.touched(unit);
            for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
                for c in 0..k {
                    let value = (0..k).map(|l| v[l] * p[l * k + c]).sum();
                    rows_of_r[row as usize * q + unit * k + c] = value;
                    w[(unit * k + c) * q + q0 + row as usize] = value;
                }
            }
        }
        pls.trailing.for_each_element(&self.k_rr, |row, col, value| {
            (rows_of_r[row * q + q0 + col], rows_of_r[col * q + q0 + row]) = (value, value);
            w[(q0 + col) * q + q0 + row] = value;
        });
        scale_columns(pls, q, &mut rows_of_r);
        pls.trailing.right_solve(q, &mut rows_of_r);
        subtract_gram(q, m, &rows_of_r, &mut w);
        let columns = self.scores.columns;
        if columns > 1 {
            let levels = self.scores.units.chunks_exact(columns).chain(self.scores.trailing.chunks_exact(columns));
            let t: Vec<f64> = levels.flat_map(|t| t[..columns - 1].iter().copied()).collect();
            let t = MatRef::from_column_major_slice(&t, columns - 1, q);
            let out = MatMut::from_column_major_slice_mut(&mut w, q, q);
            add_lower_product(out, t.transpose(), t, -1.0);
        }
        WholeW { q, values: w }
    }
}

struct WholeW {
    q: usize,
    // Lower triangle.
    values: Vec<f64>,
}

impl WholeW {
    fn at(&self, row: usize, col: usize) -> f64 {
        self.values[row.min(col) * self.q + row.max(col)]
    }
}

fn subtract_gram(q: usize, inner: usize, x: &[f64], out: &mut [f64]) {
    let x = MatRef::from_column_major_slice(x, q, inner);
    let out = MatMut::from_column_major_slice_mut(out, q, q);
    add_lower_product(out, x, x.transpose(), -1.0);
}

// First row in W of each level, per term of the design.
fn term_rows(pls: &Pls) -> Vec<(usize, Vec<usize>)> {
    let mut terms: Vec<(usize, Vec<usize>)> = pls.covs().iter().map(|cov| (cov.vsize(), Vec::new())).collect();
    let k = pls.units.k;
    terms[pls.layout.unit_term].1 = (0..pls.units.n_units).map(|unit| unit * k).collect();
    let q0 = k * pls.units.n_units;
    for block in &pls.layout.blocks {
        terms[block.term].1 = block.first.iter().map(|&first| q0 + first as usize).collect();
    }
    terms
}

// sum over level pairs of vec(W_ll') vec(W_ll')', with the k x l blocks W_ll' column by column.
fn block_moments(w: &WholeW, k: usize, rows: &[usize], l: usize, columns: &[usize]) -> Vec<f64> {
    let size = k * l;
    let mut moments = vec![0.0; size * size];
    let mut blocks = vec![0.0; size * rows.len()];
    for &col in columns {
        for (block, &row) in blocks.chunks_exact_mut(size).zip(rows) {
            for b in 0..l {
                (0..k).for_each(|a| block[b * k + a] = w.at(row + a, col + b));
            }
        }
        super::information::multiply_add(size, rows.len(), size, 1.0, &blocks, &blocks, &mut moments);
    }
    moments
}

// tr(E W E' B) for E = E_rs, E' = E_xy and symmetric W, B.
fn trace_form(k: usize, (r, s): (usize, usize), (x, y): (usize, usize), w: &[f64], b: &[f64]) -> f64 {
    let product = |i: usize, j: usize, u: usize, v: usize| w[j * k + i] * b[v * k + u];
    weight(r, s)
        * weight(x, y)
        * (product(s, x, r, y) + product(s, y, r, x) + product(r, x, s, y) + product(r, y, s, x))
}

// E_rr counts once what E_rs + E_sr would count twice.
fn weight(r: usize, s: usize) -> f64 {
    if r == s {
        0.5
    } else {
        1.0
    }
}
