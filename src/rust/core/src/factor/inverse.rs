//! The selected inverse of the penalized system: the elements that inference needs.

use crate::factor::trailing::Inverse;
use crate::factor::Factor;

/// The inverse of the system after elimination of the leading term, in the spherical coordinates of
/// the factor: `C = S_RR^-1` (complete, or on the sparsity pattern of the factor),
/// `G = S_RR^-1 S_RX` and `C_XX = (X'V^-1X)^-1`. With X included the random-effects block is
/// `C + G C_XX G'`.
#[derive(Debug)]
pub(crate) struct SelectedInverse<'a> {
    factor: &'a Factor,
    inverse: Inverse,
    // Both triangles of the inverse of a dense system.
    full: Vec<f64>,
    /// `m x p`, column by column.
    g: Vec<f64>,
    /// `p x p`, symmetric.
    pub c_xx: Vec<f64>,
}

impl<'a> SelectedInverse<'a> {
    /// Computes the inverse at the theta of the last update.
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

    /// The element of `G` for a trailing row and a fixed effect.
    #[inline]
    pub(crate) fn g_element(&self, row: u32, fixed: usize) -> f64 {
        self.g[fixed * self.factor.layout.m + row as usize]
    }

    /// The element `(row, col)` of `C`; both must be coupled with a common level of the leading
    /// term.
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
