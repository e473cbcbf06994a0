//! Dense kernels for the blocks of one level: `k x k`, column by column, with small `k`.
//!
//! All kernels are `inline(always)`, so that a caller that passes a literal `k` gets unrolled code
//! ([`for_size!`]).

/// Calls `$body` with a literal `$k` for the common sizes, and with the runtime value otherwise.
macro_rules! for_size {
    ($size:expr, $k:ident => $body:expr) => {
        match $size {
            1 => {
                let $k = 1usize;
                $body
            }
            2 => {
                let $k = 2usize;
                $body
            }
            3 => {
                let $k = 3usize;
                $body
            }
            other => {
                let $k: usize = other;
                $body
            }
        }
    };
}
pub(crate) use for_size;

/// `T = Lambda' A Lambda + I`; reads the lower triangle of `lambda` and fills that of `t`.
#[inline(always)]
pub fn scale_inflate(
    k: usize,
    a: &[f64],
    lambda: &[f64],
    work: &mut [f64],
    t: &mut [f64],
) {
    // work = A Lambda
    for (j, column) in work.chunks_exact_mut(k).enumerate().take(k) {
        column.fill(0.0);
        for l in j..k {
            axpy(lambda[j * k + l], &a[l * k..(l + 1) * k], column);
        }
    }
    for (j, column) in work.chunks_exact(k).enumerate().take(k) {
        for i in j..k {
            let pairs = lambda[i * k + i..(i + 1) * k].iter().zip(&column[i..]);
            let unit = if i == j { 1.0 } else { 0.0 };
            t[j * k + i] = pairs.fold(unit, |sum, (l, w)| sum + l * w);
        }
    }
}

/// Overwrites the lower triangle of `t` with its Cholesky factor; returns the product of the
/// diagonal, or `None` if `t` is not positive definite.
#[inline(always)]
pub fn cholesky(k: usize, t: &mut [f64]) -> Option<f64> {
    let mut product = 1.0;
    for j in 0..k {
        let (done, rest) = t.split_at_mut(j * k);
        let column = &mut rest[j..k];
        for done in done.chunks_exact(k) {
            axpy(-done[j], &done[j..], column);
        }
        let pivot = column[0];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        let root = pivot.sqrt();
        product *= root;
        column[0] = root;
        for below in &mut column[1..] {
            *below /= root;
        }
    }
    Some(product)
}

/// `M = Lambda L^-T`: solves `M L' = Lambda`.
#[inline(always)]
pub fn right_solve_transposed(
    k: usize,
    lambda: &[f64],
    l: &[f64],
    m: &mut [f64],
) {
    for j in 0..k {
        let (done, rest) = m.split_at_mut(j * k);
        let column = &mut rest[..k];
        column[..j].fill(0.0);
        column[j..].copy_from_slice(&lambda[j * k + j..(j + 1) * k]);
        for (c, done) in done.chunks_exact(k).enumerate() {
            axpy(-l[c * k + j], done, column);
        }
        for value in column {
            *value /= l[j * k + j];
        }
    }
}

/// `x := L^-1 x` for a lower triangle `l`, `k x k`.
#[inline(always)]
pub fn forward_solve(k: usize, l: &[f64], x: &mut [f64]) {
    for j in 0..k {
        x[j] /= l[j * k + j];
        for i in j + 1..k {
            x[i] -= l[j * k + i] * x[j];
        }
    }
}

/// `x := L'^-1 x` for a lower triangle `l`, `k x k`.
#[inline(always)]
pub fn backward_solve(k: usize, l: &[f64], x: &mut [f64]) {
    for j in (0..k).rev() {
        for i in j + 1..k {
            x[j] -= l[j * k + i] * x[i];
        }
        x[j] /= l[j * k + j];
    }
}

/// `out = Lambda x` for lower triangular `lambda`.
#[inline(always)]
pub fn lambda_times(k: usize, lambda: &[f64], x: &[f64], out: &mut [f64]) {
    for i in 0..k {
        out[i] = (0..=i).map(|j| lambda[j * k + i] * x[j]).sum();
    }
}

/// `out = Lambda' x` for lower triangular `lambda`.
#[inline(always)]
pub fn lambda_transposed_times(
    k: usize,
    lambda: &[f64],
    x: &[f64],
    out: &mut [f64],
) {
    for j in 0..k {
        out[j] = (j..k).map(|i| lambda[j * k + i] * x[i]).sum();
    }
}

/// `x := Lambda x` for lower triangular `lambda`.
#[inline(always)]
pub fn lambda_in_place(k: usize, lambda: &[f64], x: &mut [f64]) {
    for i in (0..k).rev() {
        x[i] = (0..=i).map(|j| lambda[j * k + i] * x[j]).sum();
    }
}

/// `x := Lambda' x` for lower triangular `lambda`.
#[inline(always)]
pub fn lambda_transposed_in_place(k: usize, lambda: &[f64], x: &mut [f64]) {
    for j in 0..k {
        x[j] = (j..k).map(|i| lambda[j * k + i] * x[i]).sum();
    }
}

/// `x := x L` for a `rows x k` matrix x and lower triangular `l`, in the rows from `from` on.
#[inline(always)]
pub(crate) fn times_lower(
    k: usize,
    rows: usize,
    from: usize,
    l: &[f64],
    x: &mut [f64],
) {
    for j in 0..k {
        let (left, right) = x.split_at_mut((j + 1) * rows);
        let target = &mut left[j * rows + from..];
        for value in target.iter_mut() {
            *value *= l[j * k + j];
        }
        for (x, factor) in right
            .chunks_exact(rows.max(1))
            .zip(&l[j * k + j + 1..(j + 1) * k])
        {
            axpy(*factor, &x[from..], target);
        }
    }
}

/// `x := Lambda' x` for lower triangular `lambda` and a matrix x stored by rows of `columns`
/// values.
#[inline(always)]
pub(crate) fn lambda_transposed_rows(
    k: usize,
    columns: usize,
    lambda: &[f64],
    x: &mut [f64],
) {
    for c in 0..columns {
        for j in 0..k {
            let products =
                (j..k).map(|i| lambda[j * k + i] * x[i * columns + c]);
            x[j * columns + c] = products.sum();
        }
    }
}

/// Copies the lower triangle of the symmetric matrix `a`, `n x n`, to the upper one.
pub(crate) fn mirror_lower(n: usize, a: &mut [f64]) {
    for j in 0..n {
        for i in j + 1..n {
            a[i * n + j] = a[j * n + i];
        }
    }
}

/// Copies the upper triangle of the symmetric matrix `a`, `n x n`, to the lower one.
pub(crate) fn mirror_upper(n: usize, a: &mut [f64]) {
    for j in 0..n {
        for i in 0..j {
            a[i * n + j] = a[j * n + i];
        }
    }
}

/// Adds `value` to element `(i, j)` of a symmetric matrix, `n x n`.
pub fn add_symmetric(
    n: usize,
    (i, j): (usize, usize),
    value: f64,
    matrix: &mut [f64],
) {
    matrix[j * n + i] += value;
    if i != j {
        matrix[i * n + j] += value;
    }
}

/// Fills `buffer` with `length` zeros, reusing its memory.
pub(crate) fn set_zeros(buffer: &mut Vec<f64>, length: usize) {
    buffer.clear();
    buffer.resize(length, 0.0);
}

/// The identity matrix, `k x k`.
pub fn identity(k: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; k * k];
    matrix.iter_mut().step_by(k + 1).for_each(|one| *one = 1.0);
    matrix
}

/// `out = a b`.
#[inline(always)]
pub fn multiply(k: usize, a: &[f64], b: &[f64], out: &mut [f64]) {
    for j in 0..k {
        for i in 0..k {
            out[j * k + i] = (0..k).map(|l| a[l * k + i] * b[j * k + l]).sum();
        }
    }
}

/// `out = a b'`.
#[inline(always)]
pub fn multiply_transposed(k: usize, a: &[f64], b: &[f64], out: &mut [f64]) {
    for j in 0..k {
        for i in 0..k {
            out[j * k + i] = (0..k).map(|l| a[l * k + i] * b[l * k + j]).sum();
        }
    }
}

/// `a b`.
pub fn product(k: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; k * k];
    multiply(k, a, b, &mut out);
    out
}

/// `a b'`.
pub fn product_transposed(k: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; k * k];
    multiply_transposed(k, a, b, &mut out);
    out
}

/// `out = a b` for `rows x k` matrices `a` and `out`.
#[inline(always)]
pub fn multiply_rows(
    k: usize,
    rows: usize,
    a: &[f64],
    b: &[f64],
    out: &mut [f64],
) {
    for (j, out) in out.chunks_exact_mut(rows).enumerate() {
        out.fill(0.0);
        for (l, a) in a.chunks_exact(rows).enumerate().take(k) {
            axpy(b[j * k + l], a, out);
        }
    }
}

/// The lengths of the rows of the inverse of an upper triangular `r` (`k x k`): the square roots of
/// the diagonal of `(R'R)^-1`.
pub fn inverse_row_lengths(k: usize, r: &[f64]) -> Vec<f64> {
    let (mut squares, mut x) = (vec![0.0; k], vec![0.0; k]);
    for j in 0..k {
        x.fill(0.0);
        x[j] = 1.0;
        for i in (0..=j).rev() {
            x[i] /= r[i * k + i];
            let solved = x[i];
            axpy(-solved, &r[i * k..i * k + i], &mut x[..i]);
            squares[i] += solved * solved;
        }
    }
    squares.iter().map(|square| square.sqrt()).collect()
}

/// The square of `|R^-T c|` for an upper triangular `r` (`k x k`): `c'(R'R)^-1 c`.
pub fn inverse_square(r: &[f64], c: &[f64]) -> f64 {
    let mut z = c.to_vec();
    for (j, column) in r.chunks_exact(c.len().max(1)).enumerate() {
        z[j] = (z[j] - dot(&column[..j], &z[..j])) / column[j];
    }
    dot(&z, &z)
}

/// The inner product.
#[inline(always)]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `out += alpha x y'`, summed over the columns of `x`, of `n` elements, and of `y`, of `rows`
/// elements.
pub(crate) fn add_outer_products(
    (n, x): (usize, &[f64]),
    (rows, y): (usize, &[f64]),
    alpha: f64,
    out: &mut [f64],
) {
    for (x, y) in x.chunks_exact(n).zip(y.chunks_exact(rows)) {
        for (y, out) in y.iter().zip(out.chunks_exact_mut(n)) {
            axpy(alpha * y, x, out);
        }
    }
}

/// Column `j` of `L^-1` from the diagonal down.
#[inline(always)]
pub(crate) fn inverse_column(
    k: usize,
    l: &[f64],
    j: usize,
    column: &mut [f64],
) {
    column.fill(0.0);
    column[0] = 1.0;
    let columns = l.chunks_exact(k).enumerate().skip(j);
    for (at, (c, l)) in columns.enumerate() {
        let (done, rest) = column.split_at_mut(at + 1);
        done[at] /= l[c];
        axpy(-done[at], &l[c + 1..], rest);
    }
}

/// The inverse of `L L'`, `k x k`, both triangles.
pub(crate) fn symmetric_inverse(k: usize, l: &[f64]) -> Vec<f64> {
    let mut inverse = identity(k);
    for column in inverse.chunks_exact_mut(k.max(1)) {
        forward_solve(k, l, column);
        backward_solve(k, l, column);
    }
    inverse
}

/// The lower triangle of the inverse of `L L'`, `k x k`.
pub(crate) fn inverse_of_square(k: usize, l: &[f64], inverse: &mut [f64]) {
    for (j, column) in inverse.chunks_exact_mut(k.max(1)).enumerate() {
        inverse_column(k, l, j, &mut column[j..]);
    }
    // Forms L^-T L^-1 column by column; the columns to the right still hold L^-1.
    for j in 0..k {
        let (left, right) = inverse.split_at_mut((j + 1) * k);
        let column = &mut left[j * k..];
        column[j] = dot(&column[j..], &column[j..]);
        for (i, other) in (j + 1..k).zip(right.chunks_exact(k)) {
            column[i] = dot(&other[i..], &column[i..]);
        }
    }
}

/// Subtracts squares from `whole`, four at a time: if the result is near zero, subtracting their
/// sum would be less accurate.
pub(crate) fn subtract_squares(whole: f64, values: &[f64]) -> f64 {
    let fours = values.chunks_exact(4);
    let rest = fours.remainder();
    let square =
        |y: &[f64]| (y[0] * y[0] + y[1] * y[1]) + (y[2] * y[2] + y[3] * y[3]);
    let left = fours.fold(whole, |left, y| left - square(y));
    left - dot(rest, rest)
}

/// `out -= a x` for a matrix `a` with as many rows as `out`. Four columns are subtracted at a time,
/// as with few rows one sum would wait for the previous one.
#[inline(always)]
pub(crate) fn subtract_product(a: &[f64], x: &[f64], out: &mut [f64]) {
    let rows = out.len().max(1);
    let (fours, x_fours) = (a.chunks_exact(4 * rows), x.chunks_exact(4));
    let rest = fours.remainder().chunks_exact(rows);
    let x_rest = x_fours.remainder();
    for (a, x) in fours.zip(x_fours) {
        for (i, out) in out.iter_mut().enumerate() {
            let early = a[i] * x[0] + a[rows + i] * x[1];
            let late = a[2 * rows + i] * x[2] + a[3 * rows + i] * x[3];
            *out -= early + late;
        }
    }
    for (a, x) in rest.zip(x_rest) {
        axpy(-x, a, out);
    }
}

/// `out -= b b'`, lower triangle `rows x rows`, with four columns at a time as in
/// [`subtract_product`].
#[inline(always)]
pub(crate) fn subtract_gram(rows: usize, b: &[f64], out: &mut [f64]) {
    let fours = b.chunks_exact(4 * rows.max(1));
    let rest = fours.remainder();
    for b in fours {
        for j in 0..rows {
            for i in j..rows {
                let product = |c: usize| b[c * rows + i] * b[c * rows + j];
                let early = product(0) + product(1);
                let late = product(2) + product(3);
                out[j * rows + i] -= early + late;
            }
        }
    }
    for b in rest.chunks_exact(rows.max(1)) {
        for (j, out) in out.chunks_exact_mut(rows).enumerate() {
            axpy(-b[j], &b[j..], &mut out[j..]);
        }
    }
}

/// `y += alpha x`.
#[inline(always)]
pub fn axpy(alpha: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // a = [4 1; 1 3], lambda = [2 .; 1 0.5]
    const A: [f64; 4] = [4.0, 1.0, 1.0, 3.0];
    const LAMBDA: [f64; 4] = [2.0, 1.0, 0.0, 0.5];

    #[test]
    fn small_kernels_match_hand_calculation() {
        let (mut work, mut t, mut m) = ([0.0; 4], [0.0; 4], [0.0; 4]);
        scale_inflate(2, &A, &LAMBDA, &mut work, &mut t);
        assert_eq!((t[0], t[1], t[3]), (24.0, 2.5, 1.75));
        let product = cholesky(2, &mut t).unwrap();
        assert!((product * product - (24.0 * 1.75 - 6.25)).abs() < 1e-12);
        right_solve_transposed(2, &LAMBDA, &t, &mut m);
        // m l' = lambda
        for (i, j) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let sum: f64 = (0..=j).map(|c| m[c * 2 + i] * t[c * 2 + j]).sum();
            assert!((sum - LAMBDA[j * 2 + i]).abs() < 1e-14);
        }
        let mut x = [1.0, 2.0];
        forward_solve(2, &t, &mut x);
        backward_solve(2, &t, &mut x);
        assert!((24.0 * x[0] + 2.5 * x[1] - 1.0).abs() < 1e-13);
        assert!((2.5 * x[0] + 1.75 * x[1] - 2.0).abs() < 1e-13);
    }

    // R = [2 1 3; . 4 1; . . 5] has the inverse [1/2 -1/8 -11/40; . 1/4 -1/20; . . 1/5].
    #[test]
    fn rows_of_an_inverse() {
        let r = [2.0, 0.0, 0.0, 1.0, 4.0, 0.0, 3.0, 1.0, 5.0];
        let found = inverse_row_lengths(3, &r);
        let first: f64 = 0.5f64.powi(2) + 0.125f64.powi(2) + 0.275f64.powi(2);
        let expected = [first.sqrt(), (0.0625f64 + 0.0025).sqrt(), 0.2];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn products_match_hand_calculation() {
        // x = [1 3; 2 4], y = [5 8; 6 9; 7 10]
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        let mut out = [1.0; 6];
        add_outer_products((2, &x), (3, &y), 2.0, &mut out);
        assert_eq!(out, [59.0, 85.0, 67.0, 97.0, 75.0, 109.0]);
        let mut gram = [0.0; 4];
        subtract_gram(2, &x, &mut gram);
        assert_eq!(gram, [-10.0, -14.0, 0.0, -20.0]);
    }

    #[test]
    fn columns_in_fours_and_the_rest_add_up() {
        // The sum of the squares of five columns [1 2]', [2 4]', ... [5 10]' is 55.
        let b: Vec<f64> =
            (1..6).flat_map(|c| [c as f64, 2.0 * c as f64]).collect();
        let mut gram = [0.0; 4];
        subtract_gram(2, &b, &mut gram);
        assert_eq!(gram, [-55.0, -110.0, 0.0, -220.0]);
        let x = [1.0, 1.0, 1.0, 1.0, 2.0];
        let mut out = [0.0; 2];
        subtract_product(&b, &x, &mut out);
        assert_eq!(out, [-20.0, -40.0]);
        assert_eq!(subtract_squares(60.0, &[1.0, 2.0, 3.0, 4.0, 5.0]), 5.0);
    }

    // The inverse of L = [2 . .; 1 4 .; 3 1 5] is the transpose of the inverse above.
    #[test]
    fn inverse_of_a_square_is_the_square_of_the_inverse() {
        let l = [2.0, 1.0, 3.0, 0.0, 4.0, 1.0, 0.0, 0.0, 5.0];
        let root = [0.5, -0.125, -0.275, 0.0, 0.25, -0.05, 0.0, 0.0, 0.2];
        let mut found = [f64::NAN; 9];
        inverse_of_square(3, &l, &mut found);
        for (i, j) in [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (2, 2)] {
            let expected = dot(&root[i * 3..][..3], &root[j * 3..][..3]);
            assert!((found[j * 3 + i] - expected).abs() < 1e-15);
        }
        inverse_of_square(0, &[], &mut []);
    }

    #[test]
    fn indefinite_block_is_refused() {
        assert_eq!(cholesky(2, &mut [1.0, 2.0, 2.0, 1.0]), None);
        assert_eq!(cholesky(1, &mut [f64::NAN]), None);
    }
}
