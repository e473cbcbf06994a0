//! Average information: `Q = [a_d'Z'PZ a_d']` over the directions d of Omega, `a_d = (I kron E_d) v`.
//!
//! The forms are evaluated block by block of the elimination: the units on their own, `c = Z_R'V_0^-1Z a` for the
//! trailing system (`V_0`: the units' part of V), and the border; each step takes a Gram matrix off.

use faer::{MatMut, MatRef};

use crate::blocks::gemm::add_product;

use crate::blocks::small::{self, for_size};
use crate::derivatives::reduced::scale_columns;
use crate::derivatives::{Derivatives, Profile};
use crate::pls::Pls;

/// Memory of [`Derivatives::update_information`]; `n` directions.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// `a` of the trailing terms, `n x m`.
    a: Vec<f64>,
    /// `c`, `n x m`.
    c: Vec<f64>,
    /// Its border, `n x width`.
    c_x: Vec<f64>,
    /// Of one unit: `k` values per direction.
    t: Vec<f64>,
}

impl Derivatives {
    /// `H = (Q - s s' / r^2) / sigma^2`, `s_d = v'(I kron E_d)v`; without the second part if sigma is known.
    pub(super) fn update_information(&mut self, pls: &Pls, profile: Profile) {
        let (n, m, width) = (self.directions.len(), pls.layout.m, pls.layout.width);
        self.h.fill(0.0);
        let mut w = std::mem::take(&mut self.information);
        for (buffer, length) in [(&mut w.a, n * m), (&mut w.c, n * m), (&mut w.c_x, n * width), (&mut w.t, 0)] {
            buffer.clear();
            buffer.resize(length, 0.0);
        }
        self.fill_trailing_directions(pls, &mut w.a);
        if m > 0 {
            pls.trailing.times_cross_products(n, &w.a, &mut w.c);
            multiply_add(n, m, width, 1.0, &w.a, &pls.trailing.a_xr, &mut w.c_x);
        }
        for_size!(pls.units.k, k => self.add_units(pls, k, &mut w));
        if m > 0 {
            self.add_trailing_forms(pls, &w);
            scale_columns(pls, n, &mut w.c);
            pls.trailing.right_solve(n, &mut w.c);
            multiply_add(n, m, n, -1.0, &w.c, &w.c, &mut self.h);
            multiply_add(n, m, width, -1.0, &w.c, &pls.trailing.s_xr, &mut w.c_x);
        }
        right_solve_border(pls, n, &mut w.c_x);
        multiply_add(n, pls.p(), n, -1.0, &w.c_x, &w.c_x, &mut self.h);
        self.information = w;
        self.scale_information(pls, profile);
    }

    // a: element (r, s) of Omega puts v_s into effect r and v_r into effect s.
    fn fill_trailing_directions(&self, pls: &Pls, a: &mut [f64]) {
        let (n, columns) = (self.directions.len(), self.scores.columns);
        for block in &pls.layout.blocks {
            let pairs = self.directions.of_term(block.term).zip(self.directions.pairs(block.term));
            for (d, &(r, s)) in pairs {
                for &first in &block.first {
                    let v = |effect: usize| self.scores.trailing[(first as usize + effect + 1) * columns - 1];
                    a[(first as usize + r) * n + d] = v(s);
                    a[(first as usize + s) * n + d] = v(r);
                }
            }
        }
    }

    // Q of the units' directions; what the units contribute to c and its border.
    #[inline(always)]
    fn add_units(&mut self, pls: &Pls, k: usize, w: &mut Workspace) {
        let n = self.directions.len();
        let of_units = self.directions.of_term(pls.layout.unit_term);
        let mut block = vec![0.0; 4 * k * k];
        let (s, rest) = block.split_at_mut(k * k);
        let (v_unit, row_buffer) = rest.split_at_mut(k * k);
        w.t.resize(2 * k * n, 0.0);
        let (t, z) = w.t.split_at_mut(k * n);
        for unit in 0..pls.units.n_units {
            let p = &self.p_units[unit * k * k..(unit + 1) * k * k];
            let columns = self.scores.columns;
            let v = |effect: usize| self.scores.units[(unit * k + effect + 1) * columns - 1];
            small::multiply(k, p, pls.units.a00(unit), s);
            // t = a_d, z = S a_d for the units' directions.
            let pairs = self.directions.pairs(pls.layout.unit_term);
            for (e, &(r, q)) in pairs.iter().enumerate() {
                let (t, z) = (&mut t[e * k..(e + 1) * k], &mut z[e * k..(e + 1) * k]);
                t.fill(0.0);
                (t[r], t[q]) = (v(q), v(r));
                for (i, z) in z.iter_mut().enumerate() {
                    *z = if r == q { s[r * k + i] * t[r] } else { s[r * k + i] * t[r] + s[q * k + i] * t[q] };
                }
            }
            for (e, &(r, q)) in pairs.iter().enumerate() {
                let d = of_units.start + e;
                for f in 0..=e {
                    let z = &z[f * k..(f + 1) * k];
                    let form = if r == q { t[e * k + r] * z[r] } else { t[e * k + r] * z[r] + t[e * k + q] * z[q] };
                    self.h[d * n + of_units.start + f] += form;
                }
            }
            let row_p = &mut row_buffer[..k];
            let mut add_row = |values: &[f64], stride: usize, out: &mut [f64]| {
                for (c, x) in row_p.iter_mut().enumerate() {
                    *x = (0..k).map(|l| values[l * stride] * p[l * k + c]).sum();
                }
                for ((out, &(r, q)), t) in out[of_units.clone()].iter_mut().zip(pairs).zip(t.chunks_exact(k)) {
                    *out += if r == q { row_p[r] * t[r] } else { row_p[r] * t[r] + row_p[q] * t[q] };
                }
            };
            let (rows, vals) = pls.units.touched(unit);
            for (&row, values) in rows.iter().zip(vals.chunks_exact(k)) {
                add_row(values, 1, &mut w.c[row as usize * n..(row as usize + 1) * n]);
            }
            let width = pls.layout.width;
            for j in 0..width - 1 {
                add_row(&pls.units.ax0(unit)[j..], width, &mut w.c_x[j * n..(j + 1) * n]);
            }
            if rows.is_empty() {
                continue;
            }
            let m = &pls.m[unit * k * k..(unit + 1) * k * k];
            small::multiply_transposed(k, m, m, v_unit);
            subtract_trailing(
                pls,
                &self.directions,
                &self.block_of_row,
                k,
                unit,
                v_unit,
                (&w.a, &mut w.c, &mut w.c_x),
                t,
                z,
            );
        }
    }

    // Q += c a' where a direction of a trailing term is involved; only the upper triangle is filled in.
    fn add_trailing_forms(&mut self, pls: &Pls, w: &Workspace) {
        let (n, m) = (self.directions.len(), pls.layout.m);
        let units = self.directions.of_term(pls.layout.unit_term);
        let mut forms = vec![0.0; n * n];
        multiply_add(n, m, n, 1.0, &w.c, &w.a, &mut forms);
        for j in 0..n {
            for i in 0..=j {
                // c of a unit's direction with a of a trailing one; a of the units' directions is zero.
                let mixed = units.contains(&i) != units.contains(&j);
                self.h[j * n + i] += forms[j * n + i] + if mixed { forms[i * n + j] } else { 0.0 };
            }
        }
    }

    fn scale_information(&mut self, pls: &Pls, profile: Profile) {
        let n = self.directions.len();
        let s = self.quadratic_scores(pls);
        let rank_one = if profile.sigma_profiled { 1.0 / pls.pwrss() } else { 0.0 };
        for j in 0..n {
            for i in 0..=j {
                let value = profile.precision * (self.h[j * n + i] - rank_one * s[i] * s[j]);
                self.h[j * n + i] = value;
                self.h[i * n + j] = value;
            }
        }
    }

    // s_d = sum_l v_l' E_d v_l.
    pub(super) fn quadratic_scores(&self, pls: &Pls) -> Vec<f64> {
        let last = self.scores.columns - 1;
        self.quadratic_sums(pls, |effect| effect[last])
    }

    // The same with any number made of the scores of each effect in the place of v.
    pub(super) fn quadratic_sums(&self, pls: &Pls, value: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let columns = self.scores.columns;
        let mut sums = vec![0.0; self.directions.len()];
        let mut values = Vec::new();
        let mut add = |term: usize, level: &[f64]| {
            values.clear();
            values.extend(level.chunks_exact(columns).map(&value));
            for (d, &(r, q)) in self.directions.of_term(term).zip(self.directions.pairs(term)) {
                let product = values[r] * values[q];
                sums[d] += if r == q { product } else { 2.0 * product };
            }
        };
        self.scores.units.chunks_exact(pls.units.k * columns).for_each(|level| add(pls.layout.unit_term, level));
        for block in &pls.layout.blocks {
            for &first in &block.first {
                add(block.term, &self.scores.trailing[first as usize * columns..][..block.vsize * columns]);
            }
        }
        sums
    }
}

// c -= A_R0 V_i A_R0' a, and its border, for the directions of the trailing terms.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn subtract_trailing(
    pls: &Pls,
    directions: &super::Directions,
    block_of_row: &[u32],
    k: usize,
    unit: usize,
    v: &[f64],
    (a, c, c_x): (&[f64], &mut [f64], &mut [f64]),
    t: &mut [f64],
    z: &mut [f64],
) {
    let n = directions.len();
    let (rows, vals) = pls.units.touched(unit);
    t.fill(0.0);
    for (&row, values) in rows.iter().zip(vals.chunks_exact(k)) {
        let term = pls.layout.blocks[block_of_row[row as usize] as usize].term;
        for d in directions.of_term(term) {
            small::axpy(a[row as usize * n + d], values, &mut t[d * k..(d + 1) * k]);
        }
    }
    for (t, z) in t.chunks_exact(k).zip(z.chunks_exact_mut(k)) {
        (0..k).for_each(|i| z[i] = (0..k).map(|l| v[l * k + i] * t[l]).sum());
    }
    for (&row, values) in rows.iter().zip(vals.chunks_exact(k)) {
        let c = &mut c[row as usize * n..(row as usize + 1) * n];
        c.iter_mut().zip(z.chunks_exact(k)).for_each(|(c, z)| *c -= small::dot(values, z));
    }
    let width = pls.layout.width;
    for (l, column) in pls.units.ax0(unit).chunks_exact(width).enumerate() {
        for (x, c_x) in column.iter().zip(c_x.chunks_exact_mut(n)) {
            c_x.iter_mut().zip(z.chunks_exact(k)).for_each(|(c, z)| *c -= x * z[l]);
        }
    }
}

// out (n x rows) += alpha x (n x inner) y' with y (rows x inner).
pub(super) fn multiply_add(n: usize, inner: usize, rows: usize, alpha: f64, x: &[f64], y: &[f64], out: &mut [f64]) {
    let x = MatRef::from_column_major_slice(&x[..n * inner], n, inner);
    let y = MatRef::from_column_major_slice(&y[..rows * inner], rows, inner);
    let out = MatMut::from_column_major_slice_mut(&mut out[..n * rows], n, rows);
    add_product(out, x, y.transpose(), alpha);
}

// x := x L_XX^-T on its first p columns; n rows.
fn right_solve_border(pls: &Pls, n: usize, x: &mut [f64]) {
    let (p, width, l) = (pls.p(), pls.layout.width, &pls.l_xx);
    for j in 0..p {
        let (done, rest) = x.split_at_mut((j + 1) * n);
        let xj = &mut done[j * n..];
        xj.iter_mut().for_each(|v| *v /= l[j * width + j]);
        for i in j + 1..p {
            small::axpy(-l[j * width + i], xj, &mut rest[(i - j - 1) * n..(i - j) * n]);
        }
    }
}
