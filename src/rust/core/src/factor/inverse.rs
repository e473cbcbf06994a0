//! The part of the inverse of the penalized system that inference needs.

use crate::factor::trailing::Inverse;
use crate::factor::Factor;

/// Inverse of the system that is left when the leading term is gone, in the spherical coordinates
/// of the factor: `C = S_RR^-1` (all of it, or its elements on the pattern of the factor), `G =
/// S_RR^-1 S_RX` and `C_XX = (X'V^-1X)^-1`. With X marginal, the random-effects block is `C + G
/// C_XX G'`.
#[derive(Debug)]
pub(crate) struct SelectedInverse<'a> {
    factor: &'a Factor,
    inverse: Inverse,
    // The inverse of a dense system, with both triangles.
    full: Vec<f64>,
    /// `m x p`, column by column.
    g: Vec<f64>,
    /// `p x p`, symmetric.
    pub c_xx: Vec<f64>,
}

impl<'a> SelectedInverse<'a> {
    /// Inverts at the theta of the last update.
    pub fn new(factor: &'a Factor) -> Self {
        let m = factor.layout.m;
        let p = factor.p();
        let mut inverse = Inverse::default();
        factor.trailing.invert(&mut inverse);
        let row = |j: usize| factor.trailing.border().iter().skip(j).step_by(p);
        let mut g: Vec<f64> = (0..p).flat_map(row).copied().collect();
        if m > 0 && p > 0 {
            factor.trailing.backward_solve(p, &mut g);
        }
        Self {
            factor,
            full: factor.trailing.mirrored(&mut inverse),
            inverse,
            g,
            c_xx: factor.border.inverse(),
        }
    }

    /// Element of `G`: of a trailing row and a fixed effect.
    #[inline]
    pub(crate) fn g_element(&self, row: u32, fixed: usize) -> f64 {
        self.g[fixed * self.factor.layout.m + row as usize]
    }

    /// Element of `C`; `(row, col)` must share a level of the leading term.
    #[inline(always)]
    pub fn rr(&self, row: usize, col: usize) -> f64 {
        if self.full.is_empty() {
            let trailing = &self.factor.trailing;
            trailing.inverse_element(&self.inverse, row, col)
        } else {
            self.full[col * self.factor.layout.m + row]
        }
    }
}
