//! The average information matrix `Q = [a_d'Z'PZ a_d']` over the directions d of Omega, with
//! `a_d = (I kron E_d) v` (Gilmour, Thompson and Cullis 1995).
//!
//! The quadratic forms follow the block elimination: the levels of the leading term one by one,
//! then `c = Z_R'V_0^-1Z a` for the trailing system (`V_0` is the part of V from the leading term),
//! then the border; the elimination of the latter two subtracts Gram matrices.

use std::ops::Range;

use crate::derivatives::many_effects::{
    add_information, are_many, LevelBlocks,
};
use crate::derivatives::scores::LevelScores;
use crate::derivatives::{
    Directions, FactorDerivatives, OmegaDerivatives, Profile,
};
use crate::factor::Factor;
use crate::kernels::chunks::chunks;
use crate::kernels::gemm::add_rows_product;
use crate::kernels::small::{self, for_size, set_zeros};

/// Number of levels of the leading term that share a matrix product.
const AT_ONCE: usize = 64;

/// Working memory of [`FactorDerivatives::update_information`], for `n` directions.
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
    /// Working memory of one level of the leading term.
    level: LevelMemory,
    /// `c a'`, `n x n`.
    forms: Vec<f64>,
}

/// Working memory of one level of the leading term.
#[derive(Debug, Default)]
struct LevelMemory {
    /// `V_i`, then `S_i`, `k x k`.
    block: Vec<f64>,
    /// `S_i a_d` for the directions of the leading term, `k` values each.
    z: Vec<f64>,
    /// `V t`, `n x k`.
    product: Vec<f64>,
}

/// The vector `E_rq v` of a direction of Omega: `v_q` in element r and `v_r` in element q.
struct DirectionVector {
    r: usize,
    q: usize,
    /// `v_q`.
    at_r: f64,
    /// `v_r`, or zero if q = r.
    at_q: f64,
}

impl DirectionVector {
    #[inline(always)]
    fn new((r, q): (usize, usize), scores: LevelScores) -> Self {
        Self {
            r,
            q,
            at_r: scores.v(q),
            at_q: if r == q { 0.0 } else { scores.v(r) },
        }
    }
}

impl FactorDerivatives {
    /// `H = (Q - s s' / r^2) / sigma^2` with `s_d = v'(I kron E_d)v`; without the second term if
    /// sigma is known.
    pub(super) fn update_information(
        &mut self,
        factor: &Factor,
        profile: Profile,
        omega: &mut OmegaDerivatives,
    ) {
        omega.h.fill(0.0);
        let mut w = std::mem::take(&mut self.information);
        w.reset(factor, &omega.directions);
        self.start_trailing(factor, omega, &mut w);
        for_size!(factor.leading.k, k => self.add_leading(factor, k, &mut w, omega));
        subtract_eliminated(factor, &mut w, omega);
        self.fill_quadratic_scores(
            factor,
            &omega.directions,
            &mut omega.squares,
        );
        self.information = w;
        scale_information(profile, omega);
    }

    // Initialises c and its border with the contributions `a A_RR` and `a A_RX` of the trailing
    // directions.
    fn start_trailing(
        &self,
        factor: &Factor,
        omega: &OmegaDerivatives,
        w: &mut Workspace,
    ) {
        let n = omega.directions.len();
        let m = factor.layout.m;
        if m == 0 {
            return;
        }
        self.fill_trailing_directions(factor, &omega.directions, &mut w.a);
        factor.trailing.times_cross_products(n, &w.a, &mut w.c);
        let a_xr = factor.trailing.border_cross_products();
        add_rows_product(n, m, factor.p(), 1.0, &w.a, a_xr, &mut w.c_x);
    }

    // Fills a: element (r, s) of Omega puts v_s into effect r and v_r into effect s.
    fn fill_trailing_directions(
        &self,
        factor: &Factor,
        directions: &Directions,
        a: &mut [f64],
    ) {
        let n = directions.len();
        for block in &factor.layout.blocks {
            let places = block.places(n);
            for (place, scores) in
                places.zip(self.scores.trailing_levels(block))
            {
                let a = &mut a[place];
                for (d, (r, s)) in directions.elements(block.term) {
                    a[r * n + d] = scores.v(s);
                    a[s * n + d] = scores.v(r);
                }
            }
        }
    }

    // Adds the leading term's levels: Q of its directions, and the contributions `t A_R0'` and
    // `t A_X0'` to c and its border.
    #[inline(always)]
    fn add_leading(
        &self,
        factor: &Factor,
        k: usize,
        w: &mut Workspace,
        omega: &mut OmegaDerivatives,
    ) {
        let n = omega.directions.len();
        let n_levels = factor.leading.n_levels;
        w.t.resize(n * k * AT_ONCE.min(n_levels), 0.0);
        w.level.resize(n, k);
        for range in chunks(n_levels, AT_ONCE) {
            let levels = factor.leading.levels(k, range.clone());
            let columns = k * range.len();
            let t = &mut w.t[..n * columns];
            t.fill(0.0);
            factor.trailing.times_leading(&levels, n, 1.0, &w.a, t);
            for (level, t) in range.clone().zip(t.chunks_exact_mut(n * k)) {
                self.add_level(factor, (k, level), t, &mut w.level, omega);
            }
            self.add_many(factor, range.clone(), omega);
            factor
                .trailing
                .times_leading_transposed(&levels, n, t, &mut w.c);
            let ax0 = factor.leading.ax0.span(range);
            add_rows_product(n, columns, factor.p(), 1.0, t, ax0, &mut w.c_x);
        }
    }

    // Q += a_d' S a_e with S = P A00, for one level. On entry t = A_0R a for the trailing
    // directions; on return t is -V t for these, and P'a_d for the leading term's directions.
    #[inline(always)]
    fn add_level(
        &self,
        factor: &Factor,
        (k, level): (usize, usize),
        t: &mut [f64],
        memory: &mut LevelMemory,
        omega: &mut OmegaDerivatives,
    ) {
        let directions = &omega.directions;
        let n = directions.len();
        let term = factor.layout.leading_term;
        let own = directions.of_term(term);
        let pairs = directions.pairs(term);
        let scores = self.scores.leading_level(k, level);
        let p = self.p_leading.square(k, level);
        if own.len() < n {
            memory.eliminate(k, n, factor.m.square(k, level), t);
        }
        for (d, &pair) in own.clone().zip(pairs) {
            let a = DirectionVector::new(pair, scores);
            for l in 0..k {
                t[l * n + d] =
                    p[l * k + a.r] * a.at_r + p[l * k + a.q] * a.at_q;
            }
        }
        if are_many(k, pairs.len()) {
            return;
        }
        let s = &mut memory.block[..k * k];
        small::multiply(k, p, factor.leading.a00.square(k, level), s);
        for (&pair, z) in pairs.iter().zip(memory.z.chunks_exact_mut(k)) {
            let a = DirectionVector::new(pair, scores);
            for l in 0..k {
                z[l] = s[a.r * k + l] * a.at_r + s[a.q * k + l] * a.at_q;
            }
        }
        for (e, &pair) in pairs.iter().enumerate() {
            let a = DirectionVector::new(pair, scores);
            let column = &mut omega.h[(own.start + e) * n + own.start..][..=e];
            for (h, z) in column.iter_mut().zip(memory.z.chunks_exact(k)) {
                *h += a.at_r * z[a.r] + a.at_q * z[a.q];
            }
        }
    }

    // Q += a_d' S a_e with S = P A00, summed over some levels of a leading term with many effects.
    fn add_many(
        &self,
        factor: &Factor,
        range: Range<usize>,
        omega: &mut OmegaDerivatives,
    ) {
        let k = factor.leading.k;
        let term = factor.layout.leading_term;
        let directions = &omega.directions;
        let (own, n) = (directions.of_term(term), directions.len());
        if !are_many(k, own.len()) {
            return;
        }
        let mut s = vec![0.0; k * k];
        let mut blocks = LevelBlocks::new(k, range.len());
        let mut v = Vec::with_capacity(k * range.len());
        for (at, level) in range.enumerate() {
            let p = self.p_leading.square(k, level);
            small::multiply(k, p, factor.leading.a00.square(k, level), &mut s);
            blocks.set(at, &s);
            let scores = self.scores.leading_level(k, level);
            v.extend((0..k).map(|effect| scores.v(effect)));
        }
        let out = &mut omega.h[own.start * (n + 1)..];
        add_information(directions.pairs(term), (&blocks, &v), n, out);
    }

    // Writes s_d = sum_l v_l' E_d v_l.
    pub(super) fn fill_quadratic_scores(
        &self,
        factor: &Factor,
        directions: &Directions,
        sums: &mut [f64],
    ) {
        let last = self.scores.columns - 1;
        self.fill_quadratic_sums(
            factor,
            directions,
            |effect| effect[last],
            sums,
        );
    }

    // Writes s_d with another function of each effect's scores in the place of v.
    pub(super) fn fill_quadratic_sums(
        &self,
        factor: &Factor,
        directions: &Directions,
        value: impl Fn(&[f64]) -> f64,
        sums: &mut [f64],
    ) {
        sums.fill(0.0);
        self.scores.for_each_level(factor, |term, level| {
            for (d, (r, q)) in directions.elements(term) {
                let counts = if r == q { 1.0 } else { 2.0 };
                sums[d] +=
                    counts * value(level.effect(r)) * value(level.effect(q));
            }
        });
    }
}

impl Workspace {
    // Resizes the memory for these directions, and fills it with zeros.
    fn reset(&mut self, factor: &Factor, directions: &Directions) {
        let n = directions.len();
        let m = factor.layout.m;
        set_zeros(&mut self.a, n * m);
        set_zeros(&mut self.c, n * m);
        set_zeros(&mut self.c_x, n * factor.p());
        set_zeros(&mut self.forms, n * n);
    }
}

impl LevelMemory {
    fn resize(&mut self, n: usize, k: usize) {
        self.block.resize(k * k, 0.0);
        self.z.resize(n * k, 0.0);
        self.product.resize(n * k, 0.0);
    }

    // t := -V t with V = M M'.
    #[inline(always)]
    fn eliminate(&mut self, k: usize, n: usize, m: &[f64], t: &mut [f64]) {
        let v = &mut self.block[..k * k];
        small::multiply_transposed(k, m, m, v);
        small::multiply_rows(k, n, t, v, &mut self.product);
        for (t, product) in t.iter_mut().zip(&self.product) {
            *t = -product;
        }
    }
}

// Q += c a', minus the Gram matrices of the elimination of the trailing effects and of X.
fn subtract_eliminated(
    factor: &Factor,
    w: &mut Workspace,
    omega: &mut OmegaDerivatives,
) {
    let n = omega.directions.len();
    let m = factor.layout.m;
    let p = factor.p();
    if m > 0 {
        add_trailing_forms(factor, w, omega);
        factor.scale_columns(n, &mut w.c);
        factor.trailing.right_solve(n, &mut w.c);
        add_rows_product(n, m, n, -1.0, &w.c, &w.c, &mut omega.h);
        add_rows_product(
            n,
            m,
            p,
            -1.0,
            &w.c,
            factor.trailing.border(),
            &mut w.c_x,
        );
    }
    factor.border.right_solve(n, &mut w.c_x);
    add_rows_product(n, p, n, -1.0, &w.c_x, &w.c_x, &mut omega.h);
}

// Adds c a' to Q for pairs with a direction of a trailing term; only the upper triangle is filled.
fn add_trailing_forms(
    factor: &Factor,
    w: &mut Workspace,
    omega: &mut OmegaDerivatives,
) {
    let n = omega.directions.len();
    let leading = omega.directions.of_term(factor.layout.leading_term);
    add_rows_product(n, factor.layout.m, n, 1.0, &w.c, &w.a, &mut w.forms);
    for j in 0..n {
        for i in 0..=j {
            // A mixed pair is c of the leading direction times a of the trailing one, as a of the
            // leading directions is zero.
            let is_mixed = leading.contains(&i) != leading.contains(&j);
            let transposed = if is_mixed { w.forms[i * n + j] } else { 0.0 };
            omega.h[j * n + i] += w.forms[j * n + i] + transposed;
        }
    }
}

// Turns Q, whose upper triangle is stored, into the average information.
fn scale_information(profile: Profile, omega: &mut OmegaDerivatives) {
    let n = omega.directions.len();
    let s = &omega.squares;
    let h = &mut omega.h;
    let rank_one = if profile.sigma_profiled {
        1.0 / profile.r2
    } else {
        0.0
    };
    for j in 0..n {
        for i in 0..=j {
            let value =
                profile.precision * (h[j * n + i] - rank_one * s[i] * s[j]);
            h[j * n + i] = value;
            h[i * n + j] = value;
        }
    }
}
