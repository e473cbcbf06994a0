//! Cross-products of a model without one column of X, whose coefficient is held, computed from the
//! cross-products with that column instead of from the rows.
//!
//! With the least-squares fits `y = X beta0 + r` and `x_j = X_-j gamma + e`, the residual of
//! `y - x_j b` on the other columns is `r + (beta0_j - b) e`. Its products with Z and its sum of
//! squares are linear combinations of those of `[Z X r]`. The columns of X are centred, so that
//! large means cancel no digits; but if the other columns explain nearly all of `x_j`, too few
//! correct digits of e remain.

use crate::design::Design;
use crate::factor::blocks::Blocks;
use crate::factor::border::Border;
use crate::factor::cross_products::CrossProducts;
use crate::factor::response_sums::ResponseSums;
use crate::factor::solve::Vectors;
use crate::factor::Factor;
use crate::kernels::small;
use crate::tolerances::HELD_COLUMN_SHARE;

/// A column of X with its held coefficient, in terms of the original columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldColumn {
    /// Index of the column.
    pub at: usize,
    /// The coefficient.
    pub value: f64,
}

impl HeldColumn {
    /// The offset of each row that includes the held coefficient's part of the linear predictor.
    pub fn offset(&self, design: &Design) -> Vec<f64> {
        let of_row = |i: usize| {
            design.offset(i) + self.value * design.x.value(i, self.at)
        };
        (0..design.n()).map(of_row).collect()
    }

    /// The design without the column, with this offset.
    pub fn design<'a>(
        &self,
        given: &Design<'a>,
        offset: &'a [f64],
    ) -> Design<'a> {
        Design {
            x: given.x.without(self.at),
            offset: Some(offset),
            ..given.clone()
        }
    }
}

/// The remaining columns as linear combinations of all centred columns. Without the first column,
/// whose multiples centring has subtracted, the others are restored to their original values.
struct RemainingColumns {
    at: usize,
    /// Multiples of the held column to add to each column.
    lift: Vec<f64>,
}

impl RemainingColumns {
    fn new(border: &Border, at: usize) -> Self {
        let lift = match at {
            0 => border.shift.clone(),
            _ => vec![0.0; border.p()],
        };
        Self { at, lift }
    }

    // The elements for the remaining columns, of a vector over all columns.
    fn among<'a>(
        &'a self,
        values: &'a [f64],
    ) -> impl Iterator<Item = f64> + 'a {
        let indices = 0..self.lift.len();
        let kept = indices.filter(|&j| j != self.at);
        kept.map(|j| values[j])
    }

    // Products with the remaining columns, from products with all columns.
    fn products<'a>(
        &'a self,
        products: &'a [f64],
    ) -> impl Iterator<Item = f64> + 'a {
        let own = products[self.at];
        let pairs = self.among(products).zip(self.among(&self.lift));
        pairs.map(move |(product, lift)| product + lift * own)
    }

    // Products with the remaining columns, for several vectors of `p` products each.
    fn all_products(&self, products: &[f64]) -> Vec<f64> {
        let columns = products.chunks_exact(self.lift.len());
        columns.flat_map(|column| self.products(column)).collect()
    }

    fn border(&self, given: &Border) -> Border {
        let p = self.lift.len();
        let mut xx = given.cross_products().to_vec();
        small::mirror_lower(p, &mut xx);
        let half = self.all_products(&xx);
        let left = p - 1;
        let turned: Vec<f64> =
            (0..left * p).map(|i| half[i % p * left + i / p]).collect();
        let shift = match self.at {
            0 => vec![0.0; left],
            _ => self.among(&given.shift).collect(),
        };
        Border::new(self.all_products(&turned), shift)
    }
}

/// The residual e of the held column on the others, by its cross-products.
struct HeldResidual<'a> {
    at: usize,
    remaining: &'a RemainingColumns,
    /// `gamma`.
    coefficients: Vec<f64>,
    /// `X_-j'We`: rounding errors, unless these columns are linearly dependent.
    fixed: Vec<f64>,
    /// `e'We`.
    square: f64,
}

impl<'a> HeldResidual<'a> {
    // The residual of the held column; `None` if its rounding errors are relatively too large.
    fn new(
        remaining: &'a RemainingColumns,
        border: &Border,
        xx: &[f64],
    ) -> Option<Self> {
        let at = remaining.at;
        let p = remaining.lift.len();
        let column = &xx[at * p..(at + 1) * p];
        let products: Vec<f64> = remaining.products(column).collect();
        let mut coefficients = products.clone();
        border.least_squares(&mut Vec::new(), &mut coefficients);
        let mut residual = Self {
            at,
            remaining,
            fixed: Vec::new(),
            square: column[at] - small::dot(&coefficients, &products),
            coefficients,
        };
        if residual.square <= HELD_COLUMN_SHARE * column[at] {
            return None;
        }
        let mut whole = border.cross_products().to_vec();
        small::mirror_lower(p - 1, &mut whole);
        residual.fixed = products;
        for (column, c) in
            whole.chunks_exact(p.max(2) - 1).zip(&residual.coefficients)
        {
            small::axpy(-c, column, &mut residual.fixed);
        }
        Some(residual)
    }

    // z'We, from the products z'WX.
    fn product(&self, products: &[f64]) -> f64 {
        let remaining = self.remaining.products(products);
        let explained = remaining.zip(&self.coefficients);
        let explained: f64 = explained.map(|(other, c)| other * c).sum();
        products[self.at] - explained
    }

    // `out += times z'We` for several columns z.
    fn add_products(&self, times: f64, products: &[f64], out: &mut [f64]) {
        let products = products.chunks_exact(self.remaining.lift.len());
        for (out, products) in out.iter_mut().zip(products) {
            *out += times * self.product(products);
        }
    }
}

/// The cross-products of `y - x_j b` and the columns other than `x_j`, from those of a response and
/// a factor; `None` if these have too few correct digits.
pub(crate) fn without_column(
    factor: &Factor,
    sums: &ResponseSums,
    held: HeldColumn,
) -> Option<(CrossProducts, ResponseSums)> {
    let p = factor.p();
    let mut xx = factor.border.cross_products().to_vec();
    small::mirror_lower(p, &mut xx);
    let remaining = RemainingColumns::new(&factor.border, held.at);
    let border = remaining.border(&factor.border);
    let residual = HeldResidual::new(&remaining, &border, &xx)?;
    let response = Given {
        factor,
        sums,
        xx: &xx,
        held,
    };
    let sums = response.without(&residual);
    let mut leading = factor.leading.clone();
    let ax0 = remaining.all_products(leading.ax0.values());
    leading.ax0 = Blocks::zeros(p - 1, leading.k, leading.n_levels);
    leading.ax0.values_mut().copy_from_slice(&ax0);
    let a_xr = remaining.all_products(factor.trailing.border_cross_products());
    let mut layout = factor.layout.clone();
    layout.p = p - 1;
    let products = CrossProducts {
        trailing: factor.trailing.with_border(p - 1, a_xr),
        layout,
        leading,
        border,
    };
    Some((products, sums))
}

/// The cross-products of a response with all columns.
struct Given<'a> {
    factor: &'a Factor,
    sums: &'a ResponseSums,
    /// `X'WX`, both triangles.
    xx: &'a [f64],
    held: HeldColumn,
}

impl Given<'_> {
    fn without(&self, residual: &HeldResidual) -> ResponseSums {
        let times = self.coefficient(residual) - self.held.value;
        let own = &self.sums.products;
        let remaining = residual.remaining;
        let mut products = Vectors {
            leading: own.leading.clone(),
            trailing: own.trailing.clone(),
            fixed: remaining.products(&own.fixed).collect(),
        };
        small::axpy(times, &residual.fixed, &mut products.fixed);
        let ax0 = self.factor.leading.ax0.values();
        residual.add_products(times, ax0, &mut products.leading);
        let a_xr = self.factor.trailing.border_cross_products();
        residual.add_products(times, a_xr, &mut products.trailing);
        let across = residual.product(&own.fixed);
        let residual_ss = self.sums.residual_ss[0]
            + 2.0 * times * across
            + times * times * residual.square;
        ResponseSums {
            products,
            residual_ss: vec![residual_ss],
            total_ss: vec![self.total_ss().max(residual_ss)],
            beta0: self.beta0(residual, times),
        }
    }

    // beta0_j, for the other columns as they are without the held one.
    fn coefficient(&self, residual: &HeldResidual) -> f64 {
        let beta0 = &self.sums.beta0;
        let lifted = small::dot(beta0, &residual.remaining.lift);
        beta0[self.held.at] - lifted
    }

    // The multiple of the first column that centring has subtracted from the held one.
    fn origin(&self) -> f64 {
        let shift = self.factor.border.shift[self.held.at];
        shift * self.held.value
    }

    fn beta0(&self, residual: &HeldResidual, times: f64) -> Vec<f64> {
        let mut beta0: Vec<f64> =
            residual.remaining.among(&self.sums.beta0).collect();
        small::axpy(times, &residual.coefficients, &mut beta0);
        if let Some(first) = beta0.first_mut() {
            *first -= self.origin();
        }
        beta0
    }

    // The weighted sum of squares of `y - x_j b`.
    fn total_ss(&self) -> f64 {
        let p = self.factor.p();
        let mut subtracted = vec![0.0; p];
        subtracted[0] = self.origin();
        subtracted[self.held.at] += self.held.value;
        let mut total = self.sums.total_ss[0]
            - 2.0 * small::dot(&subtracted, &self.sums.products.fixed);
        let columns = self.xx.chunks_exact(p);
        for (column, (taken_off_j, beta0)) in
            columns.zip(subtracted.iter().zip(&self.sums.beta0))
        {
            let along = small::dot(column, &subtracted);
            total += along * (taken_off_j - 2.0 * beta0);
        }
        total
    }
}
