//! Orthogonalisation `Z = Q C'` of the columns of a design, and the measures that decide whether it
//! is needed: near collinearity, and distance from zero.

use crate::design::{Column, Columns, Design};
use crate::kernels::chunks::chunks;
use crate::kernels::small;
use crate::tolerances::{CONTAINED, FAR, LOST_ORIGIN, REMAINDER};

/// Number of rows that are processed at a time, a multiple of four.
const CHUNK: usize = 256;

/// Number of projections of a column that is nearly in the column space of X.
const REFINEMENTS: usize = 4;

/// Orthogonal columns Q, and C.
pub(super) type Orthogonal = (Vec<f64>, Vec<f64>);

/// Number of rows of a first comparison of two columns.
const FEW_ROWS: usize = 16;

/// Weighted cross-products of shifted columns, `k x k`, upper triangle.
pub(super) fn products(
    design: &Design,
    columns: &[Column],
    shifts: &[f64],
) -> Vec<f64> {
    let k = columns.len();
    let mut products = vec![0.0; k * k];
    let mut rows = vec![0.0; k * CHUNK];
    let mut weighted = vec![0.0; CHUNK];
    for range in chunks(design.n(), CHUNK) {
        let count = range.len();
        let shifted = columns.iter().zip(shifts);
        for ((column, shift), values) in
            shifted.zip(rows.chunks_exact_mut(CHUNK))
        {
            column.copy(range.start, &mut values[..count]);
            for value in &mut values[..count] {
                *value -= shift;
            }
            values[count..].fill(0.0);
        }
        for (j, values) in rows.chunks_exact(CHUNK).enumerate() {
            weighted.copy_from_slice(values);
            if let Some(weights) = design.weights {
                for (value, weight) in
                    weighted.iter_mut().zip(&weights[range.clone()])
                {
                    *value *= weight;
                }
            }
            for (i, other) in rows.chunks_exact(CHUNK).enumerate().skip(j) {
                products[j * k + i] += inner(&weighted, other, count);
            }
        }
    }
    products
}

// The inner product of `count` values in four interleaved sums; the values after them are zero.
fn inner(a: &[f64], b: &[f64], count: usize) -> f64 {
    let mut sums = [0.0; 4];
    let fours = a.chunks_exact(4).zip(b.chunks_exact(4));
    for (a, b) in fours.take(count.div_ceil(4)) {
        for l in 0..4 {
            sums[l] += a[l] * b[l];
        }
    }
    sums.iter().sum()
}

/// Whether the residual sum of squares of a column on the preceding ones is a share below `limit`
/// of its own, as computed from cross-products.
pub(super) fn depend(k: usize, mut products: Vec<f64>, limit: f64) -> bool {
    let squares: Vec<f64> = (0..k).map(|j| products[j * (k + 1)]).collect();
    for j in 0..k {
        let pivot = products[j * (k + 1)];
        if squares[j] > 0.0 && pivot < limit * squares[j] {
            return true;
        }
        for c in j + 1..k {
            let factor = if pivot > 0.0 {
                products[j * k + c] / pivot
            } else {
                0.0
            };
            for i in c..k {
                products[c * k + i] -= factor * products[j * k + i];
            }
        }
    }
    false
}

/// Q and C with ones on the diagonal of C and `Z = Q C'`, by Gram-Schmidt orthogonalisation applied
/// twice, which is accurate to rounding.
pub(super) fn orthogonal(design: &Design, columns: &[Column]) -> Orthogonal {
    orthogonal_beside(design, columns, &vec![false; columns.len()])
}

/// As [`orthogonal`], where columns that are `kept` are in Q as they are and the others are
/// orthogonal to each other only.
pub(super) fn orthogonal_beside(
    design: &Design,
    columns: &[Column],
    kept: &[bool],
) -> Orthogonal {
    let n = design.n();
    let k = columns.len();
    let mut q = vec![0.0; n * k];
    let mut c = vec![0.0; k * k];
    for (j, column) in columns.iter().enumerate() {
        let (before, own) = q.split_at_mut(j * n);
        let own = &mut own[..n];
        column.copy(0, own);
        c[j * (k + 1)] = 1.0;
        if kept[j] {
            continue;
        }
        let whole = square(design, own);
        for _ in 0..2 {
            let before = before.chunks_exact(n).enumerate();
            for (l, other) in before.filter(|(l, _)| !kept[*l]) {
                c[l * k + j] += take_off(design, other, own);
            }
        }
        if square(design, own) <= REMAINDER * whole {
            column.copy(0, own);
            for l in 0..j {
                c[l * k + j] = 0.0;
            }
        }
    }
    (q, c)
}

/// Scales the columns of Q to a mean square of one.
pub(super) fn standardize(
    design: &Design,
    k: usize,
    q: &mut [f64],
    c: &mut [f64],
) {
    let columns = q.chunks_exact_mut(design.n()).zip(c.chunks_exact_mut(k));
    for (own, multiples) in columns {
        let size = normalize(design, own);
        for multiple in multiples {
            *multiple *= size;
        }
    }
}

// The weighted inner product of two columns.
fn weighted_product(design: &Design, a: &[f64], b: &[f64]) -> f64 {
    let rows = a.iter().zip(b).enumerate();
    let products = rows.map(|(i, (a, b))| design.weight(i) * a * b);
    products.sum()
}

fn square(design: &Design, column: &[f64]) -> f64 {
    weighted_product(design, column, column)
}

/// Projects a column on the orthogonal complement of X, and returns the remaining share of its sum
/// of squares. X is given by its columns and their orthogonalisation. That of a covariate far from
/// zero is not exact, so that the residual is computed from the columns, in twice the precision,
/// and projected again.
pub(super) fn exactly_left(
    design: &Design,
    columns: &[Column],
    (q, c): &Orthogonal,
    own: &mut [f64],
) -> f64 {
    let whole = square(design, own);
    let mut low = vec![0.0; own.len()];
    let mut share = 1.0;
    for _ in 0..REFINEMENTS {
        let mut left = own.to_vec();
        let others = q.chunks_exact(design.n());
        let multiples = others.map(|other| take_off(design, other, &mut left));
        let mut beta: Vec<f64> = multiples.collect();
        share = square(design, &left) / whole;
        if !(REMAINDER..CONTAINED).contains(&share) {
            own.copy_from_slice(&left);
            return share;
        }
        small::backward_solve(columns.len(), c, &mut beta);
        for (column, multiple) in columns.iter().zip(beta) {
            subtract(own, &mut low, column, multiple);
        }
    }
    share
}

// Subtracts a multiple of a column from a sum of two columns, of which the second has the digits
// beyond those of the first.
fn subtract(high: &mut [f64], low: &mut [f64], column: &Column, by: f64) {
    for (row, (high, low)) in high.iter_mut().zip(low).enumerate() {
        let value = column.value(row);
        let product = -by * value;
        let of_product = (-by).mul_add(value, -product);
        let sum = *high + product;
        let part = sum - *high;
        let of_sum = (*high - (sum - part)) + (product - part);
        let rest = *low + of_product + of_sum;
        *high = sum + rest;
        *low = rest - (*high - sum);
    }
}

// Subtracts the projection of a column on another one; returns the coefficient.
fn take_off(design: &Design, other: &[f64], own: &mut [f64]) -> f64 {
    let whole = square(design, other);
    if whole <= 0.0 {
        return 0.0;
    }
    let factor = weighted_product(design, own, other) / whole;
    small::axpy(-factor, other, own);
    factor
}

// Scales a nonzero column to a mean square of one; returns the divisor.
fn normalize(design: &Design, column: &mut [f64]) -> f64 {
    let size = (square(design, column) / design.n_eff() as f64).sqrt();
    let size = if size > 0.0 { size } else { 1.0 };
    for value in column.iter_mut() {
        *value /= size;
    }
    size
}

/// The first column that has no correct digits after subtracting a multiple of the constant first
/// column.
pub(super) fn lost_digits(
    design: &Design,
    columns: &[Column],
) -> Option<usize> {
    if !columns[0].is_constant() {
        return None;
    }
    (1..columns.len()).find(|&j| {
        let mut own = vec![0.0; design.n()];
        columns[j].copy(0, &mut own);
        let whole = square(design, &own);
        take_off(design, &vec![1.0; design.n()], &mut own);
        square(design, &own) < LOST_ORIGIN * whole && !columns[j].is_constant()
    })
}

/// Whether the nonzero values of a column vary little relative to their mean.
pub(super) fn is_far(column: &Column, n: usize, limit: f64) -> bool {
    let values = (0..n).map(|row| column.value(row));
    vary_little(values.filter(|value| *value != 0.0), limit)
}

/// Whether X has slopes of a covariate far from zero within some rows only, such as those of a
/// level.
pub(super) fn has_far_slopes(x: &Columns, n: usize) -> bool {
    x.iter().any(|column| {
        let is_partial = (0..n).any(|row| column.value(row) == 0.0);
        is_partial && is_far(column, n, FAR)
    })
}

/// Whether one of two columns is nearly a multiple of the other, because their ratio varies little:
/// such as the product of a variable with a covariate far from zero.
pub(super) fn is_near_multiple(
    (a, b): (&Column, &Column),
    n: usize,
    limit: f64,
) -> bool {
    let ratios = |step: usize| {
        let rows = (0..n).step_by(step);
        let values = rows.map(|row| (a.value(row), b.value(row)));
        let of_both = values.filter(|values| *values != (0.0, 0.0));
        of_both.map(|(a, b)| a / b)
    };
    // For most pairs a few rows already decide that they are not.
    vary_little(ratios((n / FEW_ROWS).max(1)), limit)
        && vary_little(ratios(1), limit)
}

// Whether some values differ, and their variance is below `limit` times their squared mean.
fn vary_little(values: impl Iterator<Item = f64>, limit: f64) -> bool {
    let share = variation(values);
    share.is_some_and(|share| share > 0.0 && share < limit)
}

/// The variance of some values over their squared mean; `None` without a value.
pub(super) fn variation(mut values: impl Iterator<Item = f64>) -> Option<f64> {
    let first = values.next()?;
    let (mut count, mut sum, mut sum_squares) = (1.0, 0.0, 0.0);
    for deviation in values.map(|value| value - first) {
        count += 1.0;
        sum += deviation;
        sum_squares += deviation * deviation;
    }
    let variance = (sum_squares - sum * sum / count) / count;
    Some(variance / (first + sum / count).powi(2))
}
