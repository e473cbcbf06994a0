//! Leverages: the diagonal of the hat matrix, which maps the response to the fitted values.

use crate::design::Design;
use crate::factor::coupling::LeadingCoupling;
use crate::factor::inverse::SelectedInverse;
use crate::factor::leading::sort_by_level;
use crate::factor::Factor;
use crate::kernels::small;

/// `w_i` times the variance of the linear predictor of observation `i` (fixed and random effects
/// jointly, over sigma^2), at the theta of the last update: `n` values between 0 and 1.
///
/// The hat matrix is that of Bates et al. (2015); it is computed level by level of the leading term
/// from the selected inverse.
pub fn leverage(design: &Design, factor: &Factor) -> Vec<f64> {
    let inverse = SelectedInverse::new(factor);
    let block_of_row = factor.layout.block_of_row();
    let leading_term = &design.terms[factor.layout.leading_term];
    let (start, order) =
        sort_by_level(leading_term.refs, leading_term.n_levels);
    let mut coupling = LeadingCoupling::default();
    let mut row = Row::new(design, factor, &inverse);
    let mut leverage = vec![0.0; design.n()];
    for level in 0..leading_term.n_levels {
        coupling.update(factor, &inverse, &block_of_row, level);
        row.start_level(&coupling, level);
        for &i in &order[start[level]..start[level + 1]] {
            let i = i as usize;
            leverage[i] = design.weight(i) * row.variance(&coupling, i);
        }
    }
    leverage
}

/// One observation, with quantities that all observations of its leading level share.
struct Row<'a> {
    design: &'a Design<'a>,
    factor: &'a Factor,
    inverse: &'a SelectedInverse<'a>,
    /// The position of each trailing row among those coupled with the level.
    slot: Vec<u32>,
    z0: Vec<f64>,
    zt: Vec<f64>,
    /// Rows and values of the sparse vector D'z_R.
    scaled: Vec<(u32, f64)>,
    /// `A_X0 V_i - G'E`, `p x k`.
    f: Vec<f64>,
    t: Vec<f64>,
}

impl<'a> Row<'a> {
    fn new(
        design: &'a Design,
        factor: &'a Factor,
        inverse: &'a SelectedInverse,
    ) -> Self {
        let k = factor.leading.k;
        let p = factor.p();
        Self {
            design,
            factor,
            inverse,
            slot: vec![0; factor.layout.m],
            z0: vec![0.0; k],
            zt: vec![0.0; factor.layout.max_vsize()],
            scaled: Vec::new(),
            f: vec![0.0; p * k],
            t: vec![0.0; p],
        }
    }

    fn start_level(&mut self, coupling: &LeadingCoupling, level: usize) {
        let factor = self.factor;
        let k = factor.leading.k;
        let p = factor.p();
        let rows = factor.leading.coupled(level).0;
        for (s, &row) in rows.iter().enumerate() {
            self.slot[row as usize] = s as u32;
        }
        let ax0 = factor.leading.ax0.block(level);
        for (j, f) in self.f.chunks_exact_mut(p.max(1)).enumerate() {
            f.fill(0.0);
            for (l, column) in ax0.chunks_exact(p).enumerate() {
                small::axpy(coupling.v[j * k + l], column, f);
            }
            for (&row, e) in rows.iter().zip(coupling.e.chunks_exact(k)) {
                for (c, f) in f.iter_mut().enumerate() {
                    *f -= self.inverse.g_element(row, c) * e[j];
                }
            }
        }
    }

    // z0'V z0 + v_R'C v_R + t'C_XX t with v_R = D'z_R - E z0 and t = x - G'v_R - A_X0 V z0.
    fn variance(&mut self, coupling: &LeadingCoupling, i: usize) -> f64 {
        let term = self.factor.layout.leading_term;
        self.design.terms[term].row(i, &mut self.z0);
        self.scale_trailing(i);
        self.fill_fixed(i);
        self.variance_of_effects(coupling) + self.variance_of_fixed()
    }

    // z0'V z0 + v_R'C v_R
    fn variance_of_effects(&self, coupling: &LeadingCoupling) -> f64 {
        let k = self.z0.len();
        let mut variance = 0.0;
        for (j, z0) in self.z0.iter().enumerate() {
            let column = j * k..(j + 1) * k;
            let v = small::dot(&coupling.v[column.clone()], &self.z0);
            let ece = small::dot(&coupling.ece[column], &self.z0);
            variance += (v + ece) * z0;
        }
        for &(row, value) in &self.scaled {
            let at = self.slot[row as usize] as usize * k;
            variance -=
                2.0 * value * small::dot(&coupling.ce[at..at + k], &self.z0);
            for &(other, other_value) in &self.scaled {
                let c = self.inverse.rr(row as usize, other as usize);
                variance += value * other_value * c;
            }
        }
        variance
    }

    // t = x - G'v_R - A_X0 V z0
    fn fill_fixed(&mut self, i: usize) {
        let p = self.t.len();
        for (c, t) in self.t.iter_mut().enumerate() {
            *t = self.factor.centred(self.design, i, c);
            for (j, z0) in self.z0.iter().enumerate() {
                *t -= self.f[j * p + c] * z0;
            }
            for &(row, value) in &self.scaled {
                *t -= self.inverse.g_element(row, c) * value;
            }
        }
    }

    // t'C_XX t
    fn variance_of_fixed(&self) -> f64 {
        let columns = self.inverse.c_xx.chunks_exact(self.t.len().max(1));
        let products = columns
            .zip(&self.t)
            .map(|(c, t)| t * small::dot(c, &self.t));
        products.sum()
    }

    // D'z_R
    fn scale_trailing(&mut self, i: usize) {
        self.scaled.clear();
        for (block, lambda) in self.factor.scaling().terms() {
            let term = &self.design.terms[block.term];
            let z = &mut self.zt[..block.vsize];
            term.row(i, z);
            small::lambda_transposed_in_place(block.vsize, lambda, z);
            let first = block.first_row(term.level(i));
            self.scaled.extend((first..).zip(z.iter().copied()));
        }
    }
}
