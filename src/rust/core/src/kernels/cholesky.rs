//! The Cholesky factor of a large matrix, and the inverse, by blocks that several threads share.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{
    cholesky_in_place, cholesky_in_place_scratch, LltError,
};
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Mat, MatMut, MatRef, Par};

use crate::kernels::chunks::chunks;
use crate::kernels::gemm::{add_lower_product, add_product};
use crate::kernels::simd::leave_wide_registers;
use crate::parallel::team::share;

/// Columns of a block.
const BLOCK: usize = 192;

/// What the factor of one block is computed in, beside cross-products above the diagonal.
pub(crate) struct Workspace {
    block: Mat<f64>,
    memory: MemBuffer,
}

impl Workspace {
    /// For matrices of an order.
    pub fn new(m: usize) -> Self {
        let order = m.min(BLOCK);
        let of_order = cholesky_in_place_scratch::<f64>;
        let scratch = of_order(order, Par::Seq, Default::default());
        Self {
            block: Mat::zeros(order, order),
            memory: MemBuffer::new(scratch),
        }
    }

    // Overwrites the lower triangle of one block with its factor, and returns a copy of that.
    fn factor(
        &mut self,
        mut block: MatMut<'_, f64>,
    ) -> Result<MatRef<'_, f64>, usize> {
        let order = block.nrows();
        let whole = self.block.as_mut();
        let mut l = whole.submatrix_mut(0, 0, order, order);
        copy_lower(l.as_mut(), block.as_ref());
        let factored = cholesky_in_place(
            l.as_mut(),
            Default::default(),
            Par::Seq,
            MemStack::new(&mut self.memory),
            Default::default(),
        );
        leave_wide_registers();
        factored.map_err(pivot)?;
        copy_lower(block.as_mut(), l.as_ref());
        Ok(self.block.as_ref().submatrix(0, 0, order, order))
    }
}

fn pivot(LltError::NonPositivePivot { index }: LltError) -> usize {
    index
}

fn copy_lower(mut to: MatMut<'_, f64>, from: MatRef<'_, f64>) {
    for j in 0..from.ncols() {
        for i in j..from.nrows() {
            to[(i, j)] = from[(i, j)];
        }
    }
}

/// Overwrites the lower triangle of `a`, `m x m`, with its factor; the upper one is left as it is.
///
/// # Errors
/// The index of a pivot that isn't positive.
pub(crate) fn factor_lower(
    m: usize,
    a: &mut [f64],
    workspace: &mut Workspace,
) -> Result<(), usize> {
    for columns in chunks(m, BLOCK) {
        let (start, width) = (columns.start, columns.len());
        let order = m - start;
        let whole = MatMut::from_column_major_slice_mut(a, m, m);
        let here = whole.submatrix_mut(start, start, order, order);
        let (diagonal, _, mut below, rest) = here.split_at_mut(width, width);
        let l = workspace.factor(diagonal).map_err(|index| start + index)?;
        if order > width {
            solve_below(below.as_mut(), l);
            subtract_squares(rest, below.as_ref());
        }
    }
    Ok(())
}

// `x := x L^-T`, some rows at a time.
fn solve_below(x: MatMut<'_, f64>, l: MatRef<'_, f64>) {
    share(row_blocks(x).into_iter(), |rows| {
        solve_lower_triangular_in_place(l, rows.transpose_mut(), Par::Seq);
        leave_wide_registers();
    });
}

// The lower triangle of `rest -= b b'`, some columns at a time.
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

// Columns of a square matrix from the diagonal on, each block with the number of its first one.
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

/// Fills some columns of the inverse of `L L'` from the diagonal on: of columns `first..` the rows
/// `first..`.
pub(crate) fn inverse_columns(
    l: MatRef<'_, f64>,
    first: usize,
    mut out: MatMut<'_, f64>,
) {
    let order = l.nrows() - first;
    let l = l.submatrix(first, first, order, order);
    out.fill(0.0);
    for j in 0..out.ncols() {
        out[(j, j)] = 1.0;
    }
    solve_lower_triangular_in_place(l, out.as_mut(), Par::Seq);
    solve_upper_triangular_in_place(l.transpose(), out, Par::Seq);
    leave_wide_registers();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::team::set_threads;

    // A positive definite matrix, with something else above the diagonal.
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
        for m in [1, 30, 192, 193, 400] {
            let a = matrix(m);
            let mut l = a.clone();
            factor_lower(m, &mut l, &mut Workspace::new(m)).unwrap();
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
            factor_lower(m, &mut l, &mut Workspace::new(m)).unwrap();
            l
        });
        assert_eq!(factors[0], factors[1]);
        assert_eq!(factors[0], factors[2]);
    }

    #[test]
    fn a_pivot_that_is_not_positive_is_told() {
        let m = 300;
        let mut a = matrix(m);
        a[250 * (m + 1)] = -1.0;
        assert_eq!(factor_lower(m, &mut a, &mut Workspace::new(m)), Err(250));
    }

    #[test]
    fn columns_of_the_inverse_solve_for_units() {
        let m = 150;
        let a = matrix(m);
        let mut l = a.clone();
        factor_lower(m, &mut l, &mut Workspace::new(m)).unwrap();
        let mut inverse = vec![0.0; m * m];
        for columns in chunks(m, 64) {
            let (first, width) = (columns.start, columns.len());
            let mut found = vec![0.0; width * (m - first)];
            let l = MatRef::from_column_major_slice(&l, m, m);
            let out = MatMut::from_column_major_slice_mut(
                &mut found,
                m - first,
                width,
            );
            inverse_columns(l, first, out);
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
