//! Rows of X with mostly zero elements before centring, such as those of indicator columns:
//! products are computed from the nonzero elements and centred afterwards.

/// Least number of columns for which sparsity is considered.
const MANY: usize = 8;
/// A column with a larger share of nonzero elements is stored as it is, centred.
const MOST: f64 = 0.25;
/// Largest share of stored elements for which the sparse storage is used.
const WORTH: f64 = 1.0 / 3.0;

/// The nonzero elements of X; columns with mostly zeros are not centred.
#[derive(Debug, Clone)]
pub(crate) struct SparseRows {
    /// The start of each row's elements, and the total number at the end.
    ptr: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
    /// Multiples of the first column still to be subtracted; zero for columns that are stored
    /// centred.
    shift: Vec<f64>,
}

impl SparseRows {
    /// The nonzero elements of rows `x`, whose columns have been centred by `shift` multiples of
    /// the first one; `None` if that saves little.
    pub fn new(x: &[f64], shift: &[f64]) -> Option<Self> {
        let p = shift.len();
        if p < MANY {
            return None;
        }
        let counts = counts_of(x, shift);
        let n = x.len() / p;
        let is_sparse = |j: usize| j > 0 && counts[j] as f64 <= MOST * n as f64;
        let left = |j: usize| if is_sparse(j) { shift[j] } else { 0.0 };
        let shift: Vec<f64> = (0..p).map(left).collect();
        let kept = (0..p).map(|j| if is_sparse(j) { counts[j] } else { n });
        if kept.sum::<usize>() as f64 > WORTH * x.len() as f64 {
            return None;
        }
        let mut rows = Self {
            ptr: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
            shift,
        };
        x.chunks_exact(p).for_each(|row| rows.push(row));
        Some(rows)
    }

    fn push(&mut self, row: &[f64]) {
        for (j, (x, shift)) in row.iter().zip(&self.shift).enumerate() {
            let value = x + shift * row[0];
            if value != 0.0 {
                self.columns.push(j as u32);
                self.values.push(value);
            }
        }
        self.ptr.push(self.columns.len());
    }

    /// The nonzero elements of one row, each with its column.
    #[inline(always)]
    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.ptr[i]..self.ptr[i + 1];
        let columns = self.columns[range.clone()].iter();
        let values = self.values[range].iter();
        columns.zip(values).map(|(&j, &value)| (j as usize, value))
    }

    /// Adds a multiple of one row to `out`.
    #[inline(always)]
    pub fn add(&self, i: usize, by: f64, out: &mut [f64]) {
        self.row(i).for_each(|(j, value)| out[j] += by * value);
    }

    /// Adds a multiple of the outer product of one row with itself to a matrix whose columns have
    /// length `width`.
    pub fn add_squares(
        &self,
        i: usize,
        by: f64,
        width: usize,
        out: &mut [f64],
    ) {
        for (j, value) in self.row(i) {
            self.add(i, by * value, &mut out[j * width..(j + 1) * width]);
        }
    }

    /// Centres a vector of products with the columns of X.
    #[inline(always)]
    pub fn centre(&self, products: &mut [f64]) {
        let first = products[0];
        let both = products.iter_mut().zip(&self.shift);
        both.for_each(|(product, shift)| *product -= shift * first);
    }

    /// Centres a matrix of products of the columns of X with each other; its columns have length
    /// `width`.
    pub fn centre_squares(&self, width: usize, products: &mut [f64]) {
        let p = self.shift.len();
        let columns = products.chunks_exact_mut(width);
        columns.take(p).for_each(|column| self.centre(column));
        for i in 0..p {
            let first = products[i];
            for (j, shift) in self.shift.iter().enumerate() {
                products[j * width + i] -= shift * first;
            }
        }
    }

    /// Adds `X beta`, X centred, of the rows from `first` on.
    pub fn add_products(&self, beta: &[f64], first: usize, out: &mut [f64]) {
        let mut own = beta.to_vec();
        let taken = self.shift.iter().zip(beta);
        own[0] -= taken.map(|(shift, beta)| shift * beta).sum::<f64>();
        for (i, out) in out.iter_mut().enumerate() {
            let products = self.row(first + i);
            *out += products.map(|(j, x)| x * own[j]).sum::<f64>();
        }
    }

    /// `X'r`, with X centred.
    pub fn transposed_product(&self, r: &[f64]) -> Vec<f64> {
        let mut products = vec![0.0; self.shift.len()];
        for (i, r) in r.iter().enumerate() {
            self.add(i, *r, &mut products);
        }
        self.centre(&mut products);
        products
    }

    /// `X'WX`, with X centred.
    pub fn weighted_squares(&self, w: &[f64]) -> Vec<f64> {
        let p = self.shift.len();
        let mut squares = vec![0.0; p * p];
        for (i, w) in w.iter().enumerate() {
            self.add_squares(i, *w, p, &mut squares);
        }
        self.centre_squares(p, &mut squares);
        squares
    }
}

// The number of nonzero elements of each column before centring.
fn counts_of(x: &[f64], shift: &[f64]) -> Vec<usize> {
    let mut counts = vec![0; shift.len()];
    for row in x.chunks_exact(shift.len()) {
        let elements = counts.iter_mut().zip(row.iter().zip(shift));
        for (count, (x, shift)) in elements {
            *count += usize::from(x + shift * row[0] != 0.0);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    // An intercept, a covariate and indicators of ten groups; the last two are centred.
    fn rows() -> (Vec<f64>, Vec<f64>) {
        let (p, n) = (11, 70);
        let mut shift = vec![0.1; p];
        (shift[0], shift[1]) = (0.0, 0.45);
        let mut x = Vec::new();
        for i in 0..n {
            x.extend([1.0, (i as f64 * 0.7).sin() - shift[1]]);
            let group = i * i % 10;
            let dummy = |j: usize| f64::from(u8::from(group == j)) - 0.1;
            x.extend((1..10).map(dummy));
        }
        (x, shift)
    }

    fn assert_near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn products_are_those_of_the_whole_rows() {
        let (x, shift) = rows();
        let p = shift.len();
        let sparse = SparseRows::new(&x, &shift).expect("mostly zeros");
        assert!(sparse.values.len() < x.len() / 3);
        let w: Vec<f64> = (0..70).map(|i| 0.5 + (i as f64).cos()).collect();
        let mut squares = vec![0.0; p * p];
        let mut products = vec![0.0; p];
        let mut predicted = Vec::new();
        for (x, w) in x.chunks_exact(p).zip(&w) {
            for (at, square) in squares.iter_mut().enumerate() {
                *square += w * x[at / p] * x[at % p];
            }
            products.iter_mut().zip(x).for_each(|(p, x)| *p += w * x);
            predicted.push(x.iter().zip(&w_of(p)).map(|(x, b)| x * b).sum());
        }
        assert_near(&sparse.weighted_squares(&w), &squares);
        assert_near(&sparse.transposed_product(&w), &products);
        let mut found = vec![0.0; 70];
        sparse.add_products(&w_of(p), 0, &mut found);
        assert_near(&found, &predicted);
    }

    fn w_of(p: usize) -> Vec<f64> {
        (0..p).map(|j| 1.0 - 0.3 * j as f64).collect()
    }

    #[test]
    fn rows_with_few_zeros_stay_whole() {
        let (x, shift) = rows();
        let moved: Vec<f64> = x.iter().map(|x| x + 1e-3).collect();
        assert!(SparseRows::new(&moved, &shift).is_none());
        assert!(SparseRows::new(&x[..10], &[0.0, 0.5]).is_none());
    }
}
