//! The part of the inverse of the penalized system that inference needs.

use crate::factor::trailing::dense::Inverse;
use crate::factor::Pls;

/// Inverse of the system that is left when the units are gone, in the spherical coordinates of the factor:
/// `C = S_RR^-1` (all of it, or its elements on the pattern of the factor), `G = S_RR^-1 S_RX` and
/// `C_XX = (X'V^-1X)^-1`. With X marginal, the random-effects block is `C + G C_XX G'`.
#[derive(Debug)]
pub struct SelectedInverse<'a> {
    pls: &'a Pls,
    values: Vec<f64>,
    // Both triangles, of a dense system.
    full: Vec<f64>,
    /// `m x p`, column by column.
    pub g: Vec<f64>,
    /// `p x p`, symmetric.
    pub c_xx: Vec<f64>,
}

impl<'a> SelectedInverse<'a> {
    /// Inverts at the theta of the last update.
    pub fn new(pls: &'a Pls) -> Self {
        let (m, p, width) = (pls.layout.m, pls.p(), pls.layout.width);
        let mut inverse = Inverse::default();
        pls.trailing.invert(&mut inverse);
        let values = inverse.values;
        let mut g: Vec<f64> = (0..p)
            .flat_map(|j| pls.trailing.s_xr.iter().skip(j).step_by(width).copied())
            .collect();
        if m > 0 && p > 0 {
            pls.trailing.backward_solve(p, &mut g);
        }
        let full = if pls.trailing.is_dense() {
            mirrored(m, &values)
        } else {
            Vec::new()
        };
        Self {
            pls,
            values,
            full,
            g,
            c_xx: inverse_of_border(p, width, &pls.l_xx),
        }
    }

    /// Element of `C`; `(row, col)` must share a unit.
    #[inline(always)]
    pub fn rr(&self, row: usize, col: usize) -> f64 {
        if self.full.is_empty() {
            self.pls.trailing.element(&self.values, row, col)
        } else {
            self.full[col * self.pls.layout.m + row]
        }
    }
}

fn mirrored(m: usize, lower: &[f64]) -> Vec<f64> {
    let mut full = lower.to_vec();
    for j in 0..m {
        (j + 1..m).for_each(|i| full[i * m + j] = lower[j * m + i]);
    }
    full
}

// (L L')^-1 of the leading p x p triangle.
fn inverse_of_border(p: usize, width: usize, l: &[f64]) -> Vec<f64> {
    let mut inverse = vec![0.0; p * p];
    for (c, x) in inverse.chunks_exact_mut(p.max(1)).enumerate() {
        x[c] = 1.0;
        for j in c..p {
            x[j] = (x[j] - (c..j).map(|i| l[i * width + j] * x[i]).sum::<f64>()) / l[j * width + j];
        }
        for j in (0..p).rev() {
            x[j] = (x[j] - (j + 1..p).map(|i| l[j * width + i] * x[i]).sum::<f64>())
                / l[j * width + j];
        }
    }
    inverse
}
