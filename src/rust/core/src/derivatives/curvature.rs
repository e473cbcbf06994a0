//! The exact Hessian in Omega, `2 H_average + s s' / (sigma^2 r^2) - Tr`, with
//! `Tr_dd' = sum_ll' tr(E_d W_ll' E_d' W_l'l)` over all pairs of levels.
//!
//! With one grouping factor `W` is block diagonal, plus a low-rank term for the restricted
//! likelihood. With several grouping factors `W` is formed as a dense matrix, which is affordable
//! for few random effects only.

use crate::covariance::RelCov;
use crate::derivatives::many_effects::LevelTraces;
use crate::derivatives::moments::{weight, Element, Moments};
use crate::derivatives::scores::{LevelScores, Scores};
use crate::derivatives::{FactorDerivatives, OmegaDerivatives, Profile};
use crate::factor::Factor;
use crate::kernels::gemm::subtract_gram;
use crate::kernels::small::{self, set_zeros};

/// Working memory of [`FactorDerivatives::add_curvature`].
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// `W`, `q x q`; lower triangle.
    w: Vec<f64>,
    /// `[N K]'`, `q x m`.
    rows: Vec<f64>,
    /// `T'`, `q x (columns - 1)`.
    t: Vec<f64>,
    /// The rows of W that belong to each term of the design.
    levels: Vec<LevelsInW>,
    /// The blocks of W in one column of levels, for a pair of terms.
    blocks: Vec<f64>,
    /// Second moments of the blocks of a pair of terms.
    moments: Moments,
    /// `N_E` of all directions.
    n_e: Vec<f64>,
}

/// The rows of W that belong to one term.
#[derive(Debug)]
struct LevelsInW {
    /// Number of effects per level.
    k: usize,
    /// First row of each level.
    rows: Vec<usize>,
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
        small::mirror_upper(omega.directions.len(), &mut omega.expected);
        small::axpy(-1.0, &omega.expected, &mut omega.h);
    }

    // One grouping factor: W_ll' = delta_ll' W_l - T_l'T_l', so that with B_l = T_l'T_l and N_E =
    // sum_l T_l E T_l', Tr = sum_l tr(E W_l E' W_l) - 2 sum_l tr(E W_l E' B_l) + <N_E, N_E'>.
    fn add_blockwise(&mut self, factor: &Factor, omega: &mut OmegaDerivatives) {
        let k = factor.leading.k;
        let p = self.scores.columns - 1;
        let pairs = omega.directions.pairs(factor.layout.leading_term);
        let w = &mut self.scratch.a[..k * k];
        let b = &mut self.scratch.b[..k * k];
        let n_e = &mut self.curvature.n_e;
        set_zeros(n_e, pairs.len() * p * p);
        let mut many = LevelTraces::of(k, pairs, p > 0);
        for (level, t) in self.scores.leading_levels(k).enumerate() {
            let p_level = self.p_leading.square(k, level);
            small::multiply(k, p_level, factor.leading.a00.square(k, level), w);
            let fixed = fill_gram(k, t, b);
            match &mut many {
                Some(many) => many.add(w, fixed, &mut omega.expected),
                None => {
                    add_level_forms(k, pairs, w, fixed, &mut omega.expected)
                }
            }
            add_level_products(pairs, t, n_e);
        }
        if let Some(many) = &mut many {
            many.flush(&mut omega.expected);
        }
        add_inner_products(pairs.len(), n_e, &mut omega.expected);
    }

    // Several grouping factors: forms all of W, and sums the second moments of its level blocks for
    // each pair of terms.
    fn add_dense(&mut self, factor: &Factor, omega: &mut OmegaDerivatives) {
        let mut work = std::mem::take(&mut self.curvature);
        self.fill_w(factor, &mut work);
        if work.levels.is_empty() {
            work.levels = levels_in_w(factor);
        }
        for t in 0..work.levels.len() {
            for u in 0..=t {
                work.fill_moments(factor.q(), t, u);
                work.moments.add_forms(t, u, omega);
            }
        }
        self.curvature = work;
    }

    // Forms W = Z'V^-1Z or Z'PZ, q x q, with the leading term's effects first: [P A00, N'; N, K],
    // with N = A_R0 P' and the reduced trailing system K, minus E'E with E = L_RR^-1 D' [N K], and
    // minus T'T for the restricted likelihood.
    fn fill_w(&mut self, factor: &Factor, work: &mut Workspace) {
        let q = factor.q();
        let m = factor.layout.m;
        set_zeros(&mut work.w, q * q);
        set_zeros(&mut work.rows, q * m);
        self.fill_leading_columns(factor, work);
        self.fill_trailing_columns(factor, work);
        factor.scale_columns(q, &mut work.rows);
        factor.trailing.right_solve(q, &mut work.rows);
        subtract_gram(q, &work.rows, &mut work.w);
        work.subtract_fixed(q, &self.scores);
    }

    // Fills the columns [P A00; N] of the leading term's effects.
    fn fill_leading_columns(&mut self, factor: &Factor, work: &mut Workspace) {
        let k = factor.leading.k;
        let q = factor.q();
        let q0 = k * factor.leading.n_levels;
        let block = &mut self.scratch.a[..k * k];
        for level in 0..factor.leading.n_levels {
            let first = level * k;
            let p = self.p_leading.square(k, level);
            small::multiply(k, p, factor.leading.a00.square(k, level), block);
            for (j, column) in block.chunks_exact(k).enumerate() {
                let at = (first + j) * q + first;
                work.w[at..at + k].copy_from_slice(column);
            }
            let (rows, vals) = factor.leading.coupled(level);
            for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
                let row = row as usize;
                for c in 0..k {
                    let n = (0..k).map(|l| v[l] * p[l * k + c]).sum();
                    work.rows[row * q + first + c] = n;
                    work.w[(first + c) * q + q0 + row] = n;
                }
            }
        }
    }

    // Fills the columns K of the trailing effects.
    fn fill_trailing_columns(&mut self, factor: &Factor, work: &mut Workspace) {
        let q = factor.q();
        let q0 = q - factor.layout.m;
        let reduced = &mut self.reduced;
        reduced.update(&factor.trailing, &factor.leading, &factor.m);
        reduced.for_each_element(&factor.trailing, |row, col, value| {
            work.rows[row * q + q0 + col] = value;
            work.rows[col * q + q0 + row] = value;
            work.w[(q0 + col) * q + q0 + row] = value;
        });
    }
}

impl Workspace {
    // W -= T'T.
    fn subtract_fixed(&mut self, q: usize, scores: &Scores) {
        let p = scores.columns - 1;
        if p == 0 {
            return;
        }
        self.t.clear();
        for c in 0..p {
            for effects in [&scores.leading, &scores.trailing] {
                let row = effects[c..].iter().step_by(scores.columns);
                self.t.extend(row);
            }
        }
        subtract_gram(q, &self.t, &mut self.w);
    }

    // Sums the second moments of the blocks of W for the levels of terms t and u.
    fn fill_moments(&mut self, q: usize, t: usize, u: usize) {
        let (k, l) = (self.levels[t].k, self.levels[u].k);
        let rows = &self.levels[t].rows;
        self.moments.reset(k, l);
        if k * l == 1 {
            return self.fill_square_sum(q, t, u);
        }
        self.blocks.resize(k * l * rows.len(), 0.0);
        for &col in &self.levels[u].rows {
            let blocks = self.blocks.chunks_exact_mut(k * l);
            for (block, &row) in blocks.zip(rows) {
                copy_block((q, &self.w), (row, col), k, block);
            }
            self.moments.add(&self.blocks);
        }
    }

    // Fills the moment of terms t and u with one effect per level each, a sum of squares.
    fn fill_square_sum(&mut self, q: usize, t: usize, u: usize) {
        self.blocks.clear();
        for &col in &self.levels[u].rows {
            let rows = self.levels[t].rows.iter();
            let element =
                |&row: &usize| self.w[row.min(col) * q + row.max(col)];
            self.blocks.extend(rows.map(element));
        }
        self.moments.add(&self.blocks);
    }
}

// Copies a block with `k` rows, at a given row and column, of a symmetric `q x q` matrix whose
// lower triangle is stored.
fn copy_block(
    (q, w): (usize, &[f64]),
    (row, col): (usize, usize),
    k: usize,
    block: &mut [f64],
) {
    for (b, column) in block.chunks_exact_mut(k).enumerate() {
        for (a, value) in column.iter_mut().enumerate() {
            let (i, j) = (row + a, col + b);
            *value = w[i.min(j) * q + i.max(j)];
        }
    }
}

// Turns H_average = kappa Q - (kappa/r^2) s s' into 2 kappa Q - (kappa/r^2) s s', with kappa =
// 1/sigma^2: the exact Hessian without -Tr.
fn double_information(profile: Profile, omega: &mut OmegaDerivatives) {
    let n = omega.directions.len();
    let s = &omega.squares;
    let h = &mut omega.h;
    let rank_one = profile.rank_one();
    for j in 0..n {
        for i in 0..n {
            h[j * n + i] = 2.0 * h[j * n + i] + rank_one * s[i] * s[j];
        }
    }
}

fn levels_in_w(factor: &Factor) -> Vec<LevelsInW> {
    let k = factor.leading.k;
    let n_levels = factor.leading.n_levels;
    let of_cov = |cov: &RelCov| LevelsInW {
        k: cov.vsize(),
        rows: Vec::new(),
    };
    let mut terms: Vec<LevelsInW> = factor.covs().iter().map(of_cov).collect();
    terms[factor.layout.leading_term].rows =
        (0..n_levels).map(|level| level * k).collect();
    for block in &factor.layout.blocks {
        let rows = block
            .first
            .iter()
            .map(|&first| k * n_levels + first as usize);
        terms[block.term].rows = rows.collect();
    }
    terms
}

// `b = T_l'T_l` of one level, `k x k`; `None` for the unrestricted likelihood.
fn fill_gram<'b>(
    k: usize,
    t: LevelScores,
    b: &'b mut [f64],
) -> Option<&'b [f64]> {
    if t.n_fixed() == 0 {
        return None;
    }
    for (j, column) in b.chunks_exact_mut(k).enumerate() {
        for (i, value) in column.iter_mut().enumerate() {
            *value = small::dot(t.fixed(j), t.fixed(i));
        }
    }
    Some(b)
}

// Adds `tr(E W E' W) - 2 tr(E W E' B)` of one level for each pair of directions.
fn add_level_forms(
    k: usize,
    pairs: &[Element],
    w: &[f64],
    b: Option<&[f64]>,
    expected: &mut [f64],
) {
    let columns = expected.chunks_exact_mut(pairs.len().max(1));
    for (j, column) in columns.enumerate() {
        for (out, &f) in column.iter_mut().zip(&pairs[..=j]) {
            let mut form = trace_form(k, pairs[j], f, w, w);
            if let Some(b) = b {
                form -= 2.0 * trace_form(k, pairs[j], f, w, b);
            }
            *out += form;
        }
    }
}

// tr(E W E' B) for E = E_rs, E' = E_xy and symmetric W and B.
fn trace_form(k: usize, e: Element, f: Element, w: &[f64], b: &[f64]) -> f64 {
    let (r, s) = e;
    let (x, y) = f;
    let product =
        |i: usize, j: usize, u: usize, v: usize| w[j * k + i] * b[v * k + u];
    let sum = product(s, x, r, y) + product(s, y, r, x);
    let swapped = product(r, x, s, y) + product(r, y, s, x);
    weight(e) * weight(f) * (sum + swapped)
}

/// Adds `T_l E T_l'` of one level to `N_E` of each direction: `t_r t_s'`, plus `t_s t_r'` if r and
/// s differ.
pub(super) fn add_level_products(
    pairs: &[Element],
    t: LevelScores,
    n_e: &mut [f64],
) {
    let p = t.n_fixed();
    let products = n_e.chunks_exact_mut((p * p).max(1));
    for (n_e, &(r, s)) in products.zip(pairs) {
        for (c, column) in n_e.chunks_exact_mut(p).enumerate() {
            small::axpy(t.fixed(s)[c], t.fixed(r), column);
            if r != s {
                small::axpy(t.fixed(r)[c], t.fixed(s), column);
            }
        }
    }
}

/// Adds `<N_E, N_E'>` for each pair of `n` directions.
pub(super) fn add_inner_products(n: usize, n_e: &[f64], expected: &mut [f64]) {
    let size = n_e.len() / n.max(1);
    let of_direction = |d: usize| &n_e[d * size..(d + 1) * size];
    for j in 0..n {
        for i in 0..=j {
            expected[j * n + i] += small::dot(of_direction(i), of_direction(j));
        }
    }
}
