//! Theta with the variance of effects of one term moved to those of another one.

use super::other_thetas::OtherThetas;
use crate::covariance::{part_block, RelCov};

/// Effects of one term, and those of another one that take over their variances.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    /// The term that gives, and the one that takes.
    pub terms: [usize; 2],
    /// Pairs of an effect of each.
    pub effects: Vec<[usize; 2]>,
}

impl OtherThetas<'_> {
    /// Theta with the standard deviations of the effects that give multiplied by `share`, and the
    /// rest of their covariances added to those of the effects that take, as closely as the
    /// structure allows.
    pub fn transferred(
        &self,
        theta: &[f64],
        transfer: &Transfer,
        share: f64,
    ) -> Vec<f64> {
        let [giver, taker] = transfer.terms.map(|term| &self.covs[term]);
        let (mut from, mut to) = (omega(giver, theta), omega(taker, theta));
        let (k, l) = (giver.vsize(), taker.vsize());
        for &[i, a] in &transfer.effects {
            for &[j, b] in &transfer.effects {
                to[a * l + b] += (1.0 - share * share) * from[i * k + j];
            }
        }
        for &[i, _] in &transfer.effects {
            (0..k).for_each(|j| from[i * k + j] *= share);
            (0..k).for_each(|j| from[j * k + i] *= share);
        }
        let mut changed = theta.to_vec();
        self.write(giver, &from, &mut changed);
        self.write(taker, &to, &mut changed);
        changed
    }

    // Writes the free parameters of the covariance `omega` of a term, or of a nearby one.
    fn write(&self, cov: &RelCov, omega: &[f64], theta: &mut [f64]) {
        for (first, part) in cov.placed() {
            let own = part.range();
            let mut values = theta[own.clone()].to_vec();
            part.nearest(&part_block(first, part.size, omega), &mut values);
            for (j, value) in own.zip(values) {
                if !self.held[j] {
                    theta[j] = value;
                }
            }
        }
    }
}

// Omega of a term, all parts together.
fn omega(cov: &RelCov, theta: &[f64]) -> Vec<f64> {
    let k = cov.vsize();
    let mut all = vec![0.0; k * k];
    for (first, part) in cov.placed() {
        let own = part.omega(&theta[part.range()]);
        for (at, value) in own.into_iter().enumerate() {
            let (i, j) = (first + at / part.size, first + at % part.size);
            all[i * k + j] = value;
        }
    }
    all
}
