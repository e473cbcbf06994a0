//! The exact Hessian: `2 H_average + s s' / (sigma^2 r^2) - Tr` in Omega, with
//! `Tr_dd' = sum_ll' tr(E_d W_ll' E_d' W_l'l)` over all pairs of levels.
//!
//! With one grouping factor `W` is block diagonal (and of low rank beside it for the restricted
//! likelihood); with several it is formed as a whole, so that this is for few random effects only.

use faer::{MatMut, MatRef};

use crate::kernels::gemm::add_lower_product;

use crate::derivatives::{FactorDerivatives, OmegaDerivatives, Profile};
use crate::factor::Factor;
use crate::kernels::small;

/// Memory of [`FactorDerivatives::add_curvature`].
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// `W`, `q x q`; lower triangle.
    w: Vec<f64>,
    /// `[N K]'`, `q x m`.
    rows: Vec<f64>,
    /// `T`, `(columns - 1) x q`.
    t: Vec<f64>,
    /// Effects per level and first row of each level in W, per term of the design.
    levels: Vec<(usize, Vec<usize>)>,
    /// The blocks of one column of levels of a pair of terms, and their moments.
    blocks: Vec<f64>,
    moments: Vec<f64>,
    /// `N_E` of all directions.
    n_e: Vec<f64>,
}

impl FactorDerivatives {
    /// Turns the average information in `h` into the exact Hessian.
    pub(super) fn add_curvature(
        &mut self,
        factor: &Factor,
        profile: Profile,
        omega: &mut OmegaDerivatives,
    ) {
        double_information(profile, omega);
        omega.expected.fill(0.0);
        if factor.layout.m == 0 {
            self.add_blockwise(factor, omega)
        } else {
            self.add_dense(factor, omega)
        }
        let (n, expected) = (omega.directions.len(), &mut omega.expected);
        for j in 0..n {
            (0..j).for_each(|i| expected[i * n + j] = expected[j * n + i]);
        }
        small::axpy(-1.0, expected, &mut omega.h);
    }

    // One factor: W_ll' = delta W_l - T_l'T_l', so that with B_l = T_l'T_l
    // Tr = sum_l tr(E W_l E' W_l) - 2 tr(E W_l E' B_l), + <N_E, N_E'>, N_E = sum_l T_l E T_l'.
    fn add_blockwise(&mut self, factor: &Factor, omega: &mut OmegaDerivatives) {
        let (k, n) = (factor.leading.k, omega.directions.len());
        let columns = self.scores.columns;
        let pairs = omega.directions.pairs(factor.layout.leading_term);
        let p = columns - 1;
        let w = &mut self.scratch.a[..k * k];
        let b = &mut self.scratch.b[..k * k];
        let n_e = &mut self.curvature.n_e;
        n_e.clear();
        n_e.resize(n * p * p, 0.0);
        for (unit, t) in self.scores.leading.chunks_exact(k * columns).enumerate() {
            let (p_unit, a00) = (&self.p_leading, &factor.leading.a00);
            small::multiply(k, p_unit.square(k, unit), a00.square(k, unit), w);
            for (j, b) in b.chunks_exact_mut(k).enumerate() {
                let tj = &t[j * columns..j * columns + p];
                b.iter_mut()
                    .zip(t.chunks_exact(columns))
                    .for_each(|(b, ti)| *b = small::dot(tj, ti));
            }
            for (j, &e) in pairs.iter().enumerate() {
                for (i, &f) in pairs[..=j].iter().enumerate() {
                    let mut form = trace_form(k, e, f, w, w);
                    if p > 0 {
                        form -= 2.0 * trace_form(k, e, f, w, b);
                    }
                    omega.expected[j * n + i] += form;
                }
            }
            let products = n_e.chunks_exact_mut((p * p).max(1));
            for (n_e, &(r, s)) in products.zip(pairs) {
                let tr = &t[r * columns..r * columns + p];
                let ts = &t[s * columns..s * columns + p];
                add_products(p, r != s, tr, ts, n_e);
            }
        }
        for j in 0..n * p.min(1) {
            for i in 0..=j {
                let a = &n_e[i * p * p..(i + 1) * p * p];
                let b = &n_e[j * p * p..(j + 1) * p * p];
                omega.expected[j * n + i] += small::dot(a, b);
            }
        }
    }

    // Several factors: all of W, and for each pair of terms the moments of its level blocks.
    fn add_dense(&mut self, factor: &Factor, omega: &mut OmegaDerivatives) {
        let OmegaDerivatives {
            directions,
            expected,
            ..
        } = omega;
        let (n, q) = (
            directions.len(),
            factor.leading.k * factor.leading.n_levels + factor.layout.m,
        );
        let mut work = std::mem::take(&mut self.curvature);
        self.fill_whole_w(factor, &mut work);
        if work.levels.is_empty() {
            work.levels = levels_in_w(factor);
        }
        let Workspace {
            w,
            levels,
            blocks,
            moments,
            ..
        } = &mut work;
        for (t, (k, rows)) in levels.iter().enumerate() {
            for (u, (l, columns)) in levels.iter().enumerate().take(t + 1) {
                fill_moments(q, w, (*k, rows), (*l, columns), blocks, moments);
                let at = |a: usize, b: usize, c: usize, d: usize| {
                    moments[(d * k + c) * k * l + b * k + a]
                };
                for (i, &(r, s)) in directions.of_term(t).zip(directions.pairs(t)) {
                    for (j, &(x, y)) in directions.of_term(u).zip(directions.pairs(u)) {
                        let form =
                            weight(r, s) * weight(x, y) * 2.0 * (at(r, x, s, y) + at(r, y, s, x));
                        if i <= j || t != u {
                            expected[i.max(j) * n + i.min(j)] += form;
                        }
                    }
                }
            }
        }
        self.curvature = work;
    }

    // W = Z'V^-1Z or Z'PZ, q x q: the units first.
    fn fill_whole_w(&mut self, factor: &Factor, work: &mut Workspace) {
        let (k, m, n_levels) = (factor.leading.k, factor.layout.m, factor.leading.n_levels);
        let q0 = k * n_levels;
        let q = q0 + m;
        let reduced = &mut self.reduced;
        reduced.update(&factor.trailing, &factor.leading, &factor.m);
        // Rows of [N K]' with N = A_R0 P', K the reduced trailing system.
        let Workspace {
            w,
            rows: rows_of_r,
            t,
            ..
        } = work;
        for (buffer, length) in [(&mut *w, q * q), (&mut *rows_of_r, q * m)] {
            buffer.clear();
            buffer.resize(length, 0.0);
        }
        let block = &mut self.scratch.a[..k * k];
        for unit in 0..n_levels {
            let p = self.p_leading.square(k, unit);
            small::multiply(k, p, factor.leading.a00.square(k, unit), block);
            for j in 0..k {
                let at = (unit * k + j) * q + unit * k;
                w[at..at + k].copy_from_slice(&block[j * k..(j + 1) * k]);
            }
            let (rows, vals) = factor.leading.touched(unit);
            for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
                for c in 0..k {
                    let value = (0..k).map(|l| v[l] * p[l * k + c]).sum();
                    rows_of_r[row as usize * q + unit * k + c] = value;
                    w[(unit * k + c) * q + q0 + row as usize] = value;
                }
            }
        }
        self.reduced
            .for_each_element(&factor.trailing, |row, col, value| {
                (rows_of_r[row * q + q0 + col], rows_of_r[col * q + q0 + row]) = (value, value);
                w[(q0 + col) * q + q0 + row] = value;
            });
        factor.scale_columns(q, rows_of_r);
        factor.trailing.right_solve(q, rows_of_r);
        subtract_gram(q, m, rows_of_r, w);
        let columns = self.scores.columns;
        if columns > 1 {
            let trailing = self.scores.trailing.chunks_exact(columns);
            let levels = self.scores.leading.chunks_exact(columns).chain(trailing);
            t.clear();
            levels.for_each(|level| t.extend_from_slice(&level[..columns - 1]));
            let t = MatRef::from_column_major_slice(t, columns - 1, q);
            let out = MatMut::from_column_major_slice_mut(w, q, q);
            add_lower_product(out, t.transpose(), t, -1.0);
        }
    }
}

// H_average = kappa Q - (kappa/r^2) s s'; wanted: 2 kappa Q - (kappa/r^2) s s' - Tr, here without
// the last.
fn double_information(profile: Profile, omega: &mut OmegaDerivatives) {
    let (n, s, h) = (omega.directions.len(), &omega.squares, &mut omega.h);
    let rank_one = if profile.sigma_profiled {
        profile.precision / profile.r2
    } else {
        0.0
    };
    for j in 0..n {
        for i in 0..n {
            h[j * n + i] = 2.0 * h[j * n + i] + rank_one * s[i] * s[j];
        }
    }
}

fn subtract_gram(q: usize, inner: usize, x: &[f64], out: &mut [f64]) {
    let x = MatRef::from_column_major_slice(x, q, inner);
    let out = MatMut::from_column_major_slice_mut(out, q, q);
    add_lower_product(out, x, x.transpose(), -1.0);
}

fn levels_in_w(factor: &Factor) -> Vec<(usize, Vec<usize>)> {
    let mut terms: Vec<(usize, Vec<usize>)> = factor
        .covs()
        .iter()
        .map(|cov| (cov.vsize(), Vec::new()))
        .collect();
    let k = factor.leading.k;
    terms[factor.layout.leading_term].1 =
        (0..factor.leading.n_levels).map(|unit| unit * k).collect();
    let q0 = k * factor.leading.n_levels;
    for block in &factor.layout.blocks {
        terms[block.term].1 = block
            .first
            .iter()
            .map(|&first| q0 + first as usize)
            .collect();
    }
    terms
}

// moments = sum over level pairs of vec(W_ll') vec(W_ll')', with the k x l blocks W_ll' column by
// column.
fn fill_moments(
    q: usize,
    w: &[f64],
    (k, rows): (usize, &[usize]),
    (l, columns): (usize, &[usize]),
    blocks: &mut Vec<f64>,
    moments: &mut Vec<f64>,
) {
    let size = k * l;
    let at = |row: usize, col: usize| w[row.min(col) * q + row.max(col)];
    moments.clear();
    moments.resize(size * size, 0.0);
    blocks.resize(size * rows.len(), 0.0);
    for &col in columns {
        for (block, &row) in blocks.chunks_exact_mut(size).zip(rows) {
            for b in 0..l {
                (0..k).for_each(|a| block[b * k + a] = at(row + a, col + b));
            }
        }
        super::information::multiply_add(size, rows.len(), size, 1.0, blocks, blocks, moments);
    }
}

// tr(E W E' B) for E = E_rs, E' = E_xy and symmetric W, B.
fn trace_form(
    k: usize,
    (r, s): (usize, usize),
    (x, y): (usize, usize),
    w: &[f64],
    b: &[f64],
) -> f64 {
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

// Adds `t_r t_s'` to `n_e`, and `t_s t_r'` for a direction of two different effects.
fn add_products(p: usize, is_pair: bool, tr: &[f64], ts: &[f64], n_e: &mut [f64]) {
    for (c, column) in n_e.chunks_exact_mut(p.max(1)).enumerate() {
        small::axpy(ts[c], tr, column);
        if is_pair {
            small::axpy(tr[c], ts, column);
        }
    }
}
