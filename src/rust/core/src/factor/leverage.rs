//! Leverage: the diagonal of the matrix that turns the response into the fitted values.

use crate::design::Design;
use crate::factor::coupling::LeadingCoupling;
use crate::factor::inverse::SelectedInverse;
use crate::factor::leading::sort_by_level;
use crate::factor::Factor;
use crate::kernels::small;

/// `w_i` times the variance of the linear predictor of observation `i` (fixed and random effects
/// jointly, over sigma^2), at the theta of the last update: `n` values between 0 and 1.
///
/// Source: the hat matrix of Bates et al. (2015); computed unit by unit from the selected inverse.
pub fn leverage(design: &Design, factor: &Factor) -> Vec<f64> {
    let inverse = SelectedInverse::new(factor);
    let block_of_row = factor.layout.block_of_row();
    let leading_term = &design.terms[factor.layout.leading_term];
    let (start, order) = sort_by_level(leading_term.refs, leading_term.n_levels);
    let mut coupling = LeadingCoupling::default();
    let mut slot = vec![0u32; factor.layout.m];
    let mut row = Row::new(factor);
    let mut leverage = vec![0.0; design.n()];
    for unit in 0..leading_term.n_levels {
        coupling.update(factor, &inverse, &block_of_row, unit);
        for (s, &r) in factor.leading.touched(unit).0.iter().enumerate() {
            slot[r as usize] = s as u32;
        }
        row.start_unit(factor, &inverse, &coupling, unit);
        for &i in &order[start[unit]..start[unit + 1]] {
            let i = i as usize;
            leverage[i] =
                design.weight(i) * row.variance(design, factor, &inverse, &coupling, &slot, i);
        }
    }
    leverage
}

// Scratch memory of one observation, and what its unit's observations share.
struct Row {
    z0: Vec<f64>,
    zt: Vec<f64>,
    // Rows and values of D'z_R.
    scaled: Vec<(u32, f64)>,
    // (A_X0 V_i - G'E), p x k.
    f: Vec<f64>,
    t: Vec<f64>,
}

impl Row {
    fn new(factor: &Factor) -> Self {
        let (k, p) = (factor.leading.k, factor.p());
        Self {
            z0: vec![0.0; k],
            zt: vec![0.0; factor.layout.max_vsize()],
            scaled: Vec::new(),
            f: vec![0.0; p * k],
            t: vec![0.0; p],
        }
    }

    fn start_unit(
        &mut self,
        factor: &Factor,
        inverse: &SelectedInverse,
        coupling: &LeadingCoupling,
        unit: usize,
    ) {
        let (k, p, m) = (factor.leading.k, factor.p(), factor.layout.m);
        let rows = factor.leading.touched(unit).0;
        for (j, f) in self.f.chunks_exact_mut(p.max(1)).enumerate() {
            f.fill(0.0);
            for (l, column) in factor.leading.ax0.block(unit).chunks_exact(p).enumerate() {
                small::axpy(coupling.v[j * k + l], column, f);
            }
            for (&row, e) in rows.iter().zip(coupling.e.chunks_exact(k)) {
                for (c, f) in f.iter_mut().enumerate() {
                    *f -= inverse.g[c * m + row as usize] * e[j];
                }
            }
        }
    }

    // z0'V z0 + v_R'C v_R + t'C_XX t with v_R = D'z_R - E z0 and t = x - G'v_R - A_X0 V z0.
    fn variance(
        &mut self,
        design: &Design,
        factor: &Factor,
        inverse: &SelectedInverse,
        coupling: &LeadingCoupling,
        slot: &[u32],
        i: usize,
    ) -> f64 {
        let (k, p, m) = (factor.leading.k, factor.p(), factor.layout.m);
        design.terms[factor.layout.leading_term].row(i, &mut self.z0);
        self.scale_trailing(design, factor, i);
        let mut variance = 0.0;
        for j in 0..k {
            let column = |q: &[f64]| small::dot(&q[j * k..(j + 1) * k], &self.z0) * self.z0[j];
            variance += column(&coupling.v) + column(&coupling.ece);
        }
        for &(row, value) in &self.scaled {
            let at = slot[row as usize] as usize * k;
            variance -= 2.0 * value * small::dot(&coupling.ce[at..at + k], &self.z0);
            for &(other, other_value) in &self.scaled {
                variance += value * other_value * inverse.rr(row as usize, other as usize);
            }
        }
        for (c, t) in self.t.iter_mut().enumerate() {
            *t = factor.centred(design, i, c);
            for (j, z0) in self.z0.iter().enumerate() {
                *t -= self.f[j * p + c] * z0;
            }
            for &(row, value) in &self.scaled {
                *t -= inverse.g[c * m + row as usize] * value;
            }
        }
        for (c, column) in inverse.c_xx.chunks_exact(p.max(1)).enumerate() {
            variance += self.t[c] * small::dot(column, &self.t);
        }
        variance
    }

    fn scale_trailing(&mut self, design: &Design, factor: &Factor, i: usize) {
        self.scaled.clear();
        for (block, lambda) in factor.layout.blocks.iter().zip(&factor.trailing_lambdas) {
            let (k, term) = (block.vsize, &design.terms[block.term]);
            term.row(i, &mut self.zt[..k]);
            let first = block.first_row(term.level(i));
            for j in 0..k {
                let value = (j..k).map(|l| lambda[j * k + l] * self.zt[l]).sum();
                self.scaled.push((first + j as u32, value));
            }
        }
    }
}
