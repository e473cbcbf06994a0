//! Blocked Cholesky factorization and inversion of a large matrix, in several threads.
//!
//! All operations except those on the triangles on the diagonal are matrix products, which run at
//! the processor's full speed. The inverse uses inverted triangles. The factorization must not: if
//! a triangle is nearly singular, the product of the factor would no longer be the matrix.

use std::ops::Range;

use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{MatMut, MatRef, Par};

use crate::kernels::chunks::chunks;
use crate::kernels::gemm::{add_lower_product, add_product, set_product};
use crate::kernels::small;
use crate::parallel::team::share;

/// From this order on the blocked algorithm is faster than plain loops.
const SMALL_ORDER: usize = 40;
/// Number of columns of a block.
const BLOCK: usize = 192;
/// Order of the triangles on the diagonal: larger ones have slower plain loops, smaller ones have
/// inefficient products.
const TRIANGLE: usize = 32;

/// Whether plain loops are faster for matrices of this order.
pub(crate) fn is_small(m: usize) -> bool {
    m < SMALL_ORDER
}

/// Overwrites the lower triangle of `a`, `m x m`, with its Cholesky factor; the upper one is
/// unchanged.
///
/// # Errors
/// The index of the first pivot that is not positive.
pub(crate) fn factor_lower(m: usize, a: &mut [f64]) -> Result<(), usize> {
    if is_small(m) {
        return factor_plainly(m, a);
    }
    let mut whole = MatMut::from_column_major_slice_mut(a, m, m);
    for block in chunks(m, BLOCK) {
        let (mut own, mut below, rest) = split(whole.as_mut(), &block);
        factor_block(own.as_mut()).map_err(|pivot| block.start + pivot)?;
        let l = own.as_ref();
        let rows = row_blocks(below.as_mut());
        share(rows.into_iter(), |rows| solve_rows(l, rows));
        subtract_squares(rest, below.as_ref());
    }
    Ok(())
}

// Overwrites the lower triangle of one block with its Cholesky factor.
fn factor_block(mut a: MatMut<'_, f64>) -> Result<(), usize> {
    for columns in chunks(a.nrows(), TRIANGLE) {
        let (mut own, mut below, rest) = split(a.as_mut(), &columns);
        factor_triangle(own.as_mut()).map_err(|pivot| columns.start + pivot)?;
        solve_rows(own.as_ref(), below.as_mut());
        let below = below.as_ref();
        add_lower_product(rest, below, below.transpose(), -1.0);
    }
    Ok(())
}

// The diagonal block of a range of columns, the block below it, and the trailing diagonal block.
fn split<'a>(
    a: MatMut<'a, f64>,
    columns: &Range<usize>,
) -> (MatMut<'a, f64>, MatMut<'a, f64>, MatMut<'a, f64>) {
    let start = columns.start;
    let order = a.nrows() - start;
    let here = a.submatrix_mut(start, start, order, order);
    let (own, _, below, rest) = here.split_at_mut(columns.len(), columns.len());
    (own, below, rest)
}

// x := x L^-T.
fn solve_rows(l: MatRef<'_, f64>, mut x: MatMut<'_, f64>) {
    for columns in chunks(l.nrows(), TRIANGLE) {
        let (before, after) = x.as_mut().split_at_col_mut(columns.end);
        let mut own = before.subcols_mut(columns.start, columns.len());
        let triangle = on_diagonal(l, &columns);
        let rows = own.as_mut().transpose_mut();
        solve_lower_triangular_in_place(triangle, rows, Par::Seq);
        let panel = below_diagonal(l, &columns).transpose();
        add_product(after, own.as_ref(), panel, -1.0);
    }
}

// The diagonal block of a range of columns.
fn on_diagonal<'a>(
    l: MatRef<'a, f64>,
    columns: &Range<usize>,
) -> MatRef<'a, f64> {
    let (first, order) = (columns.start, columns.len());
    l.submatrix(first, first, order, order)
}

// The block below the diagonal block of a range of columns.
fn below_diagonal<'a>(
    l: MatRef<'a, f64>,
    columns: &Range<usize>,
) -> MatRef<'a, f64> {
    let height = l.nrows() - columns.end;
    l.submatrix(columns.end, columns.start, height, columns.len())
}

fn factor_triangle(mut a: MatMut<'_, f64>) -> Result<(), usize> {
    let order = a.nrows();
    let mut l = [0.0; TRIANGLE * TRIANGLE];
    let l = &mut l[..order * order];
    copy_lower(a.as_ref(), l);
    factor_plainly(order, l)?;
    a.copy_from_triangular_lower(square(l, order));
    Ok(())
}

fn copy_lower(from: MatRef<'_, f64>, to: &mut [f64]) {
    let order = from.nrows();
    MatMut::from_column_major_slice_mut(to, order, order)
        .copy_from_triangular_lower(from);
}

fn square(values: &[f64], order: usize) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(values, order, order)
}

// The Cholesky factor of a small matrix; the index of the pivot that is not positive on failure.
fn factor_plainly(order: usize, l: &mut [f64]) -> Result<(), usize> {
    for j in 0..order {
        let (before, rest) = l.split_at_mut(j * order);
        let column = &mut rest[j..order];
        for other in before.chunks_exact(order) {
            small::axpy(-other[j], &other[j..], column);
        }
        let pivot = column[0];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err(j);
        }
        let root = pivot.sqrt();
        column[0] = root;
        for value in &mut column[1..] {
            *value /= root;
        }
    }
    Ok(())
}

// A range of rows, and the rows below it.
fn at_rows<'x>(
    x: MatMut<'x, f64>,
    rows: &Range<usize>,
) -> (MatMut<'x, f64>, MatMut<'x, f64>) {
    let (above, below) = x.split_at_row_mut(rows.end);
    (above.subrows_mut(rows.start, rows.len()), below)
}

/// The inverses of the diagonal triangles of a factor, `TRIANGLE x m`, side by side, with zeros
/// above the diagonals.
#[derive(Debug, Default)]
pub(crate) struct Triangles {
    inverses: Vec<f64>,
}

impl Triangles {
    /// Inverts the triangles of a factor.
    pub fn update(&mut self, l: MatRef<'_, f64>) {
        let m = l.nrows();
        self.inverses.resize(TRIANGLE * m, 0.0);
        let triangles = self.inverses.chunks_mut(TRIANGLE * TRIANGLE);
        let mut copy = [0.0; TRIANGLE * TRIANGLE];
        for (columns, inverses) in chunks(m, TRIANGLE).zip(triangles) {
            let order = columns.len();
            let copy = &mut copy[..order * order];
            copy_lower(on_diagonal(l, &columns), copy);
            let columns = inverses.chunks_exact_mut(TRIANGLE);
            for (j, inverse) in columns.enumerate() {
                small::inverse_column(order, copy, j, &mut inverse[j..order]);
            }
        }
    }

    // The inverse of the triangle of a range of columns: a whole triangle, or its last columns.
    fn inverse(&self, columns: Range<usize>) -> MatRef<'_, f64> {
        let (start, order) = (columns.start, columns.len());
        let values = &self.inverses[start * TRIANGLE + start % TRIANGLE..];
        MatRef::from_column_major_slice_with_stride(
            values, order, order, TRIANGLE,
        )
    }
}

/// Computes columns of the inverse of `L L'` from the diagonal down: rows `first..` of columns
/// `first..`. The elements above the diagonal are not meaningful.
pub(crate) fn inverse_columns(
    l: MatRef<'_, f64>,
    triangles: &Triangles,
    first: usize,
    mut out: MatMut<'_, f64>,
) {
    let (m, width) = (l.nrows(), out.ncols());
    let order = m - first;
    let l_here = l.submatrix(first, first, order, order);
    out.fill(0.0);
    for j in 0..width {
        out[(j, j)] = 1.0;
    }
    // Columns beyond the current rows are zero, or not wanted.
    let reached = |rows: &Range<usize>| rows.end.min(width);
    let triangle = |rows: &Range<usize>| {
        triangles.inverse(first + rows.start..first + rows.end)
    };
    let ranges = triangles_from(first, m);
    for rows in ranges.clone() {
        let x = out.as_mut().subcols_mut(0, reached(&rows));
        let (mut own, below) = at_rows(x, &rows);
        multiply_in_place(triangle(&rows), own.as_mut());
        add_product(below, below_diagonal(l_here, &rows), own.as_ref(), -1.0);
    }
    for rows in ranges.rev() {
        let x = out.as_mut().subcols_mut(0, reached(&rows));
        let (mut own, below) = at_rows(x, &rows);
        let panel = below_diagonal(l_here, &rows).transpose();
        add_product(own.as_mut(), panel, below.as_ref(), -1.0);
        multiply_in_place(triangle(&rows).transpose(), own);
    }
}

// The ranges of rows of the triangles of a factor of order `m` from row `first` on, relative to
// that row; the first range may be the end of a triangle.
fn triangles_from(
    first: usize,
    m: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> + Clone {
    (first / TRIANGLE..m.div_ceil(TRIANGLE)).map(move |at| {
        let start = (at * TRIANGLE).max(first);
        start - first..((at + 1) * TRIANGLE).min(m) - first
    })
}

// Overwrites x by `a x`, where a has at most as many rows as a triangle.
fn multiply_in_place(a: MatRef<'_, f64>, x: MatMut<'_, f64>) {
    let mut copy = [0.0; TRIANGLE * TRIANGLE];
    let rows = x.nrows();
    let mut x = x;
    for columns in chunks(x.ncols(), TRIANGLE) {
        let (first, width) = (columns.start, columns.len());
        let x = x.as_mut().subcols_mut(first, width);
        let copy = &mut copy[..rows * width];
        let mut copy = MatMut::from_column_major_slice_mut(copy, rows, width);
        copy.copy_from(x.as_ref());
        set_product(x, a, copy.as_ref());
    }
}

// The lower triangle of `rest -= b b'`, in blocks of columns.
fn subtract_squares(rest: MatMut<'_, f64>, b: MatRef<'_, f64>) {
    share(column_blocks(rest).into_iter(), |(first, columns)| {
        let (order, width) = (columns.nrows(), columns.ncols());
        let b = b.subrows(first, order);
        let (own, below) = b.split_at_row(width);
        let (triangle, rectangle) = columns.split_at_row_mut(width);
        add_lower_product(triangle, own, own.transpose(), -1.0);
        add_product(rectangle, below, own.transpose(), -1.0);
    });
}

fn row_blocks(x: MatMut<'_, f64>) -> Vec<MatMut<'_, f64>> {
    let mut blocks = Vec::new();
    let mut rest = x;
    while rest.nrows() > 0 {
        let height = BLOCK.min(rest.nrows());
        let (block, others) = rest.split_at_row_mut(height);
        blocks.push(block);
        rest = others;
    }
    blocks
}

// Blocks of columns of a square matrix from the diagonal down, each with the index of its first
// column.
fn column_blocks(x: MatMut<'_, f64>) -> Vec<(usize, MatMut<'_, f64>)> {
    let mut blocks = Vec::new();
    let mut first = 0;
    let mut rest = x;
    while rest.ncols() > 0 {
        let width = BLOCK.min(rest.ncols());
        let (block, others) = rest.split_at_col_mut(width);
        let height = block.nrows() - first;
        blocks.push((first, block.subrows_mut(first, height)));
        first += width;
        rest = others;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::team::set_threads;

    // A positive definite matrix, with unrelated values above the diagonal.
    fn matrix(m: usize) -> Vec<f64> {
        let value = |i: usize, j: usize| {
            let (i, j) = (i as f64, j as f64);
            if i < j {
                return 7.0;
            }
            let diagonal = if i == j { 3.0 } else { 0.0 };
            diagonal + (-(i - j) / 20.0).exp()
        };
        let columns = 0..m;
        columns
            .flat_map(|j| (0..m).map(move |i| value(i, j)))
            .collect()
    }

    #[test]
    fn the_product_of_the_factor_is_the_matrix() {
        for m in [1, 30, 40, 192, 193, 400] {
            let a = matrix(m);
            let mut l = a.clone();
            factor_lower(m, &mut l).unwrap();
            for j in 0..m {
                for i in 0..m {
                    let at = j * m + i;
                    let product: f64 = match i < j {
                        true => l[at],
                        false => {
                            (0..=j).map(|k| l[k * m + i] * l[k * m + j]).sum()
                        }
                    };
                    assert!((product - a[at]).abs() < 1e-12, "{m}: {i}, {j}");
                }
            }
        }
    }

    #[test]
    fn the_factor_is_the_same_for_any_number_of_threads() {
        let m = 400;
        let factors = [1, 2, 3].map(|threads| {
            set_threads(threads);
            let mut l = matrix(m);
            factor_lower(m, &mut l).unwrap();
            l
        });
        assert_eq!(factors[0], factors[1]);
        assert_eq!(factors[0], factors[2]);
    }

    #[test]
    fn nearly_singular_triangles_cost_the_factor_nothing() {
        let m = 100;
        let scale = 1e10;
        let value = |i: usize, j: usize| {
            let distance = (i as f64 - j as f64) / 20.0;
            let unit = if i == j { 1.0 } else { 0.0 };
            scale * (-distance * distance).exp() + unit
        };
        let columns = 0..m;
        let a: Vec<f64> = columns
            .flat_map(|j| (0..m).map(move |i| value(i, j)))
            .collect();
        let mut l = a.clone();
        factor_lower(m, &mut l).unwrap();
        for j in 0..m {
            for i in j..m {
                let product: f64 =
                    (0..=j).map(|k| l[k * m + i] * l[k * m + j]).sum();
                let error = (product - a[j * m + i]).abs() / scale;
                assert!(error < 1e-14, "{i}, {j}: {error}");
            }
        }
    }

    #[test]
    fn a_pivot_that_is_not_positive_is_reported() {
        let m = 300;
        let mut a = matrix(m);
        a[250 * (m + 1)] = -1.0;
        assert_eq!(factor_lower(m, &mut a), Err(250));
    }

    #[test]
    fn columns_of_the_inverse_solve_for_units() {
        let m = 150;
        let a = matrix(m);
        let mut l = a.clone();
        factor_lower(m, &mut l).unwrap();
        let l = MatRef::from_column_major_slice(&l, m, m);
        let mut triangles = Triangles::default();
        triangles.update(l);
        let mut inverse = vec![0.0; m * m];
        for columns in chunks(m, 64) {
            let (first, width) = (columns.start, columns.len());
            let mut found = vec![0.0; width * (m - first)];
            let out = MatMut::from_column_major_slice_mut(
                &mut found,
                m - first,
                width,
            );
            inverse_columns(l, &triangles, first, out);
            for j in 0..width {
                for i in j..m - first {
                    let value = found[j * (m - first) + i];
                    inverse[(first + j) * m + first + i] = value;
                    inverse[(first + i) * m + first + j] = value;
                }
            }
        }
        for i in 0..m {
            for j in 0..m {
                let element = |k: usize| a[i.min(k) * m + i.max(k)];
                let product: f64 =
                    (0..m).map(|k| element(k) * inverse[j * m + k]).sum();
                let unit = if i == j { 1.0 } else { 0.0 };
                assert!((product - unit).abs() < 1e-12);
            }
        }
    }
}
