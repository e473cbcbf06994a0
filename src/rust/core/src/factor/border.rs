//! The border of the factor: the fixed effects, which are eliminated last.
//!
//! The border holds the Cholesky factor of the Schur complement `X'V^-1X = X'WX - B B'`, where
//! `B B'` is subtracted by the elimination of the random effects.

use crate::error::{Error, Result};
use crate::kernels::gemm::subtract_gram;
use crate::kernels::small;
use crate::tolerances::{
    CENTRED_PIVOT, INDEFINITE, KEPT_PIVOT, RANK_PIVOT, ROUNDED_PIVOT,
};

/// The cross-products of X and, after [`Border::factor`], the Cholesky factor of `X'V^-1X` at one
/// theta.
#[derive(Debug, Clone)]
pub(crate) struct Border {
    p: usize,
    /// `X'WX`, lower triangle, `p x p`.
    a: Vec<f64>,
    /// `L_XX`, lower triangle, `p x p`.
    l: Vec<f64>,
    /// Multiples of the first column of X that centring has subtracted from the columns.
    pub(crate) shift: Vec<f64>,
    /// Values (for centred X) at which fixed effects are kept where the equations do not determine
    /// them; if empty, undetermined effects are an error.
    pub(crate) anchor: Vec<f64>,
    /// The fixed effects that the last factorization kept at the anchor.
    held: Vec<usize>,
}

impl Border {
    /// A border with the lower triangle of `X'WX`; `shift` has the multiples of the first column of
    /// X that were subtracted.
    pub fn new(a: Vec<f64>, shift: Vec<f64>) -> Self {
        Self {
            p: shift.len(),
            l: a.clone(),
            a,
            held: Vec::with_capacity(shift.len()),
            shift,
            anchor: Vec::new(),
        }
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.p
    }

    /// The smallest share of a column of X's sum of squares that is orthogonal to the preceding
    /// columns, from the factor of `X'WX`; one without columns.
    pub(crate) fn least_share(&self) -> f64 {
        let p = self.p();
        let share = |j: usize| {
            let place = j * (p + 1);
            self.l[place] * self.l[place] / self.a[place]
        };
        (0..p).map(share).fold(1.0, f64::min)
    }

    /// `X'WX`, lower triangle.
    pub(crate) fn cross_products(&self) -> &[f64] {
        &self.a
    }

    /// `X'WX`, lower triangle, mutably.
    pub(crate) fn cross_products_mut(&mut self) -> &mut [f64] {
        &mut self.a
    }

    /// Starts an evaluation with `X'WX`.
    pub(crate) fn reset(&mut self) {
        self.l.copy_from_slice(&self.a);
    }

    /// Subtracts `B B'`, the contribution of some random effects; `b` has `p` rows.
    pub(crate) fn subtract_gram(&mut self, b: &[f64]) {
        subtract_gram(self.p, b, &mut self.l);
    }

    /// Factors the Schur complement. Pivots in errors are numbered after the `before` pivots of
    /// random effects.
    ///
    /// # Errors
    /// `NotPositiveDefinite` if a column of X is linearly dependent on the others and there is no
    /// [`Self::anchor`] for its coefficient, or if negative weights make the matrix indefinite.
    pub(crate) fn factor(&mut self, before: usize) -> Result<()> {
        let p = self.p;
        self.held.clear();
        for j in 0..p {
            self.subtract_earlier(j);
            let pivot = self.l[j * p + j];
            if !pivot.is_finite() {
                return Err(Error::NotPositiveDefinite { pivot: before + j });
            }
            if pivot <= self.least_pivot(j) {
                if self.anchor.is_empty() || self.is_indefinite(j, pivot) {
                    return Err(Error::NotPositiveDefinite {
                        pivot: before + j,
                    });
                }
                self.hold(j);
            }
            let column = &mut self.l[j * p + j..(j + 1) * p];
            let root = column[0].sqrt();
            for value in column.iter_mut() {
                *value /= root;
            }
            column[0] = root;
        }
        Ok(())
    }

    // Subtracts the contributions of the preceding columns of the factor from column `j`.
    fn subtract_earlier(&mut self, j: usize) {
        let p = self.p;
        let (left, right) = self.l.split_at_mut(j * p);
        for column in left.chunks_exact(p) {
            small::axpy(-column[j], &column[j..], &mut right[j..p]);
        }
    }

    // The pivot below which column `j` is linearly dependent on the others: a smaller share of x'Wx
    // is rounding error.
    fn least_pivot(&self, j: usize) -> f64 {
        let whole = self.a[j * self.p + j];
        if !self.anchor.is_empty() {
            return ROUNDED_PIVOT * whole;
        }
        let subtracted = self.shift[j].powi(2) * self.a[0];
        (RANK_PIVOT * whole).max(CENTRED_PIVOT * subtracted)
    }

    // Whether a negative pivot exceeds rounding error, which happens with negative weights.
    fn is_indefinite(&self, j: usize, pivot: f64) -> bool {
        pivot < -INDEFINITE * self.a[j * self.p + j].abs()
    }

    // Replaces equation `j`, which is rounding error only, by one of small weight that keeps the
    // coefficient.
    fn hold(&mut self, j: usize) {
        let p = self.p;
        let weight =
            (KEPT_PIVOT * self.a[j * p + j]).max(f64::MIN_POSITIVE.sqrt());
        self.l[j * p + j..(j + 1) * p].fill(0.0);
        self.l[j * p + j] = weight;
        self.held.push(j);
    }

    /// Sets the right-hand side of the replaced equations so that their coefficients keep the
    /// values of the anchor; `x` comes from [`Self::forward_solve`].
    pub(crate) fn keep_anchored(&self, x: &mut [f64]) {
        for &j in &self.held {
            x[j] = self.l[j * self.p + j] * self.anchor[j];
        }
    }

    /// `x := L_XX^-1 x`.
    #[inline]
    pub(crate) fn forward_solve(&self, x: &mut [f64]) {
        for (j, column) in self.l.chunks_exact(self.p.max(1)).enumerate() {
            let (done, rest) = x.split_at_mut(j + 1);
            done[j] /= column[j];
            small::axpy(-done[j], &column[j + 1..], rest);
        }
    }

    /// `x := L_XX'^-1 x`.
    #[inline]
    pub(crate) fn backward_solve(&self, x: &mut [f64]) {
        let columns = self.l.chunks_exact(self.p.max(1)).enumerate();
        for (j, column) in columns.rev() {
            let (left, done) = x.split_at_mut(j + 1);
            left[j] =
                (left[j] - small::dot(&column[j + 1..], done)) / column[j];
        }
    }

    /// `Y := Y L_XX'^-1`; `y` is `rows x p`, column by column.
    pub(crate) fn right_solve(&self, rows: usize, y: &mut [f64]) {
        for (j, column) in self.l.chunks_exact(self.p.max(1)).enumerate() {
            let (done, rest) = y.split_at_mut((j + 1) * rows);
            let yj = &mut done[j * rows..];
            for v in yj.iter_mut() {
                *v /= column[j];
            }
            let below = column[j + 1..].iter().zip(rest.chunks_exact_mut(rows));
            for (l, y) in below {
                small::axpy(-l, yj, y);
            }
        }
    }

    /// `log |L_XX|^2`, the log-determinant of `X'V^-1X`.
    pub(crate) fn log_det(&self) -> f64 {
        let diagonal = self.l.iter().step_by(self.p + 1);
        2.0 * diagonal.map(|l| l.ln()).sum::<f64>()
    }

    /// `(X'V^-1X)^-1` for the centred columns, `p x p`, symmetric.
    pub(crate) fn inverse(&self) -> Vec<f64> {
        let p = self.p;
        let mut inverse = vec![0.0; p * p];
        for (c, x) in inverse.chunks_exact_mut(p.max(1)).enumerate() {
            x[c] = 1.0;
            self.forward_solve(x);
            self.backward_solve(x);
        }
        inverse
    }

    /// `R_X`, upper triangular `p x p`, for the original columns: `R_X'R_X = X'V^-1X`.
    pub(crate) fn upper(&self) -> Vec<f64> {
        upper(&self.l, &self.shift)
    }

    /// Transforms fixed effects of the centred columns to those of the original columns.
    pub(crate) fn restore(&self, beta: &mut [f64]) {
        let subtracted = small::dot(beta, &self.shift);
        if let Some(first) = beta.first_mut() {
            *first -= subtracted;
        }
    }

    /// Least-squares coefficients without random effects, from `X'Wy`, in place; zero if X does not
    /// have full rank. `l` is working memory, `p x p`.
    pub(crate) fn least_squares(&self, l: &mut Vec<f64>, xy: &mut [f64]) {
        l.clone_from(&self.a);
        if small::cholesky(self.p, l).is_none() {
            return xy.fill(0.0);
        }
        small::forward_solve(self.p, l, xy);
        small::backward_solve(self.p, l, xy);
    }
}

/// `R_X`, upper triangular `p x p`, for the original columns, from `L_XX` of the centred ones;
/// `shift` has the subtracted multiples of the first column.
pub(crate) fn upper(l: &[f64], shift: &[f64]) -> Vec<f64> {
    let p = shift.len();
    let mut upper = vec![0.0; p * p];
    for j in 0..p {
        for i in j..p {
            upper[i * p + j] = l[j * p + i];
        }
    }
    for i in 1..p {
        upper[i * p] += shift[i] * upper[0];
    }
    upper
}
