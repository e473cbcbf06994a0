//! Average information: `Q = [a_d'Z'PZ a_d']` over the directions d of Omega,
//! `a_d = (I kron E_d) v`.
//!
//! The forms are evaluated block by block of the elimination: the units on their own,
//! `c = Z_R'V_0^-1Z a` for the trailing system (`V_0`: the units' part of V), and the border; each
//! step takes a Gram matrix off.

use faer::{MatMut, MatRef};

use crate::kernels::gemm::add_product;

use crate::derivatives::{Directions, FactorDerivatives, OmegaDerivatives, Profile};
use crate::factor::Factor;
use crate::kernels::small::{self, for_size};

/// Levels of the leading term that share a matrix product.
const AT_ONCE: usize = 64;

/// Memory of [`FactorDerivatives::update_information`]; `n` directions.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// `a` of the trailing terms, `n x m`.
    a: Vec<f64>,
    /// `c`, `n x m`.
    c: Vec<f64>,
    /// The border of `c`, `n x p`.
    c_x: Vec<f64>,
    /// `t` of some levels of the leading term, `n x k` each.
    t: Vec<f64>,
    /// `S a_d` of one level of the leading term, for its directions, and small blocks.
    unit: Vec<f64>,
    /// `c a'`, `n x n`.
    forms: Vec<f64>,
}

impl FactorDerivatives {
    /// `H = (Q - s s' / r^2) / sigma^2`, `s_d = v'(I kron E_d)v`; without the second part if sigma
    /// is known.
    pub(super) fn update_information(
        &mut self,
        factor: &Factor,
        profile: Profile,
        omega: &mut OmegaDerivatives,
    ) {
        let n = omega.directions.len();
        let (m, p) = (factor.layout.m, factor.p());
        omega.h.fill(0.0);
        let mut w = std::mem::take(&mut self.information);
        for (buffer, length) in [
            (&mut w.a, n * m),
            (&mut w.c, n * m),
            (&mut w.c_x, n * p),
            (&mut w.forms, n * n),
        ] {
            buffer.clear();
            buffer.resize(length, 0.0);
        }
        self.fill_trailing_directions(factor, &omega.directions, &mut w.a);
        if m > 0 {
            factor.trailing.times_cross_products(n, &w.a, &mut w.c);
            let a_xr = factor.trailing.border_cross_products();
            multiply_add(n, m, p, 1.0, &w.a, a_xr, &mut w.c_x);
        }
        for_size!(factor.leading.k, k => self.add_leading(factor, k, &mut w, omega));
        if m > 0 {
            add_trailing_forms(factor, &mut w, omega);
            factor.scale_columns(n, &mut w.c);
            factor.trailing.right_solve(n, &mut w.c);
            multiply_add(n, m, n, -1.0, &w.c, &w.c, &mut omega.h);
            let l_xr = factor.trailing.border();
            multiply_add(n, m, p, -1.0, &w.c, l_xr, &mut w.c_x);
        }
        factor.border.right_solve(n, &mut w.c_x);
        multiply_add(n, factor.p(), n, -1.0, &w.c_x, &w.c_x, &mut omega.h);
        self.fill_quadratic_scores(factor, &omega.directions, &mut omega.squares);
        self.information = w;
        scale_information(profile, omega);
    }

    // a: element (r, s) of Omega puts v_s into effect r and v_r into effect s.
    fn fill_trailing_directions(&self, factor: &Factor, directions: &Directions, a: &mut [f64]) {
        let (n, columns) = (directions.len(), self.scores.columns);
        for block in &factor.layout.blocks {
            let pairs = directions
                .of_term(block.term)
                .zip(directions.pairs(block.term));
            for (d, &(r, s)) in pairs {
                for &first in &block.first {
                    let v = |effect: usize| {
                        self.scores.trailing[(first as usize + effect + 1) * columns - 1]
                    };
                    a[(first as usize + r) * n + d] = v(s);
                    a[(first as usize + s) * n + d] = v(r);
                }
            }
        }
    }

    // Q of the units' directions; what the units contribute to c and its border: `t A_R0'` and
    // `t A_X0'`.
    #[inline(always)]
    fn add_leading(
        &self,
        factor: &Factor,
        k: usize,
        w: &mut Workspace,
        omega: &mut OmegaDerivatives,
    ) {
        let (n, p) = (omega.directions.len(), factor.p());
        w.t.resize(n * k * AT_ONCE.min(factor.leading.n_levels), 0.0);
        w.unit.resize(n * k + 2 * k * k, 0.0);
        for first in (0..factor.leading.n_levels).step_by(AT_ONCE) {
            let leading = first..(first + AT_ONCE).min(factor.leading.n_levels);
            let columns = k * leading.len();
            let t = &mut w.t[..n * columns];
            t.fill(0.0);
            factor
                .trailing
                .times_leading(k, &factor.leading, leading.clone(), n, 1.0, &w.a, t);
            for (unit, t) in leading.clone().zip(t.chunks_exact_mut(n * k)) {
                self.add_unit(factor, k, unit, t, &mut w.unit, omega);
            }
            factor.trailing.times_leading_transposed(
                k,
                &factor.leading,
                leading.clone(),
                n,
                t,
                &mut w.c,
            );
            let ax0 = factor.leading.ax0.span(leading);
            multiply_add(n, columns, p, 1.0, t, ax0, &mut w.c_x);
        }
    }

    // Q += a_d' S a_e with S = P A00. On entry t = A_0R a for the trailing directions; on return it
    // has -V t there, and P'a_d for the unit's own directions.
    #[inline(always)]
    fn add_unit(
        &self,
        factor: &Factor,
        k: usize,
        unit: usize,
        t: &mut [f64],
        buffer: &mut [f64],
        omega: &mut OmegaDerivatives,
    ) {
        let OmegaDerivatives { directions, h, .. } = omega;
        let n = directions.len();
        let (own, pairs) = (
            directions.of_term(factor.layout.leading_term),
            directions.pairs(factor.layout.leading_term),
        );
        let (block, z) = buffer.split_at_mut(k * k);
        let (p, m) = (self.p_leading.square(k, unit), factor.m.square(k, unit));
        if own.len() < n {
            small::multiply_transposed(k, m, m, block);
            let product = &mut z[..n * k];
            small::multiply_rows(k, n, t, block, product);
            t.iter_mut()
                .zip(product)
                .for_each(|(t, product)| *t = -*product);
        }
        small::multiply(k, p, factor.leading.a00.square(k, unit), block);
        let columns = self.scores.columns;
        let v = |effect: usize| self.scores.leading[(unit * k + effect + 1) * columns - 1];
        for (e, (&(r, q), z)) in pairs.iter().zip(z.chunks_exact_mut(k)).enumerate() {
            let (at_r, at_q) = (v(q), if r == q { 0.0 } else { v(r) });
            for l in 0..k {
                t[l * n + own.start + e] = p[l * k + r] * at_r + p[l * k + q] * at_q;
                z[l] = block[r * k + l] * at_r + block[q * k + l] * at_q;
            }
        }
        for (e, &(r, q)) in pairs.iter().enumerate() {
            let (at_r, at_q) = (v(q), if r == q { 0.0 } else { v(r) });
            let column = &mut h[(own.start + e) * n + own.start..][..=e];
            for (h, z) in column.iter_mut().zip(z.chunks_exact(k)) {
                *h += at_r * z[r] + at_q * z[q];
            }
        }
    }

    // s_d = sum_l v_l' E_d v_l.
    pub(super) fn fill_quadratic_scores(
        &self,
        factor: &Factor,
        directions: &Directions,
        sums: &mut [f64],
    ) {
        let last = self.scores.columns - 1;
        self.fill_quadratic_sums(factor, directions, |effect| effect[last], sums);
    }

    // Sums s_d with any number made of the scores of each effect in the place of v.
    pub(super) fn fill_quadratic_sums(
        &self,
        factor: &Factor,
        directions: &Directions,
        value: impl Fn(&[f64]) -> f64,
        sums: &mut [f64],
    ) {
        let columns = self.scores.columns;
        sums.fill(0.0);
        let mut add = |term: usize, level: &[f64]| {
            let value = |effect: usize| value(&level[effect * columns..(effect + 1) * columns]);
            for (d, &(r, q)) in directions.of_term(term).zip(directions.pairs(term)) {
                sums[d] += if r == q {
                    value(r).powi(2)
                } else {
                    2.0 * value(r) * value(q)
                };
            }
        };
        self.scores
            .leading
            .chunks_exact(factor.leading.k * columns)
            .for_each(|level| add(factor.layout.leading_term, level));
        for block in &factor.layout.blocks {
            for &first in &block.first {
                add(
                    block.term,
                    &self.scores.trailing[first as usize * columns..][..block.vsize * columns],
                );
            }
        }
    }
}

// Q += c a' where a direction of a trailing term is involved; only the upper triangle is filled in.
fn add_trailing_forms(factor: &Factor, w: &mut Workspace, omega: &mut OmegaDerivatives) {
    let (n, m) = (omega.directions.len(), factor.layout.m);
    let leading = omega.directions.of_term(factor.layout.leading_term);
    multiply_add(n, m, n, 1.0, &w.c, &w.a, &mut w.forms);
    for j in 0..n {
        for i in 0..=j {
            // c of a unit's direction with a of a trailing one; a of the units' directions is zero.
            let is_mixed = leading.contains(&i) != leading.contains(&j);
            let transposed = if is_mixed { w.forms[i * n + j] } else { 0.0 };
            omega.h[j * n + i] += w.forms[j * n + i] + transposed;
        }
    }
}

// From Q, of which the upper triangle is known, to the average information.
fn scale_information(profile: Profile, omega: &mut OmegaDerivatives) {
    let (n, s, h) = (omega.directions.len(), &omega.squares, &mut omega.h);
    let rank_one = if profile.sigma_profiled {
        1.0 / profile.r2
    } else {
        0.0
    };
    for j in 0..n {
        for i in 0..=j {
            let value = profile.precision * (h[j * n + i] - rank_one * s[i] * s[j]);
            h[j * n + i] = value;
            h[i * n + j] = value;
        }
    }
}

// out (n x rows) += alpha x (n x inner) y' with y (rows x inner).
pub(super) fn multiply_add(
    n: usize,
    inner: usize,
    rows: usize,
    alpha: f64,
    x: &[f64],
    y: &[f64],
    out: &mut [f64],
) {
    let x = MatRef::from_column_major_slice(&x[..n * inner], n, inner);
    let y = MatRef::from_column_major_slice(&y[..rows * inner], rows, inner);
    let out = MatMut::from_column_major_slice_mut(&mut out[..n * rows], n, rows);
    add_product(out, x, y.transpose(), alpha);
}
