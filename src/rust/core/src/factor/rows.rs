//! The rows of a design sorted by level of the leading term, with their positions in every block of
//! the cross-products, which then can be recomputed with other weights in one pass for each block,
//! without searching or allocating.

use std::ops::Range;

use crate::design::Design;
use crate::factor::cells::Cells;
use crate::factor::layout::Layout;
use crate::factor::leading::{sort_by_level, Leading};
use crate::factor::rows_of_term::RowsOfTerm;
use crate::factor::sparse_rows::SparseRows;
use crate::kernels::small;
use crate::parallel::team::{share, share_pass, PASS};

/// Least number of rows in a piece of work for a thread.
const PIECE: usize = 1 << 14;

/// The rows of a design, sorted by level of the leading term.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Index in the design of each row.
    pub order: Vec<u32>,
    /// The start of each level's rows, and the number of rows at the end.
    level_ptr: Vec<usize>,
    /// The leading term, then the trailing terms in the order of the layout.
    pub terms: Vec<RowsOfTerm>,
    /// Rows of X, `p x n`, centred.
    pub x: Vec<f64>,
    /// Rows of X without their zeros, if many elements are zero and [`Rows::make_sparse`] has
    /// been called.
    pub(crate) sparse: Option<SparseRows>,
    /// Number of fixed effects.
    pub p: usize,
    /// The pairs of trailing terms, including each with itself.
    pub(crate) pairs: Vec<Cells>,
    pub(super) scratch: Vec<f64>,
}

impl Rows {
    /// Sorts the rows of a design; layout and leading term must have been made from it. `shift` has
    /// the multiples of the first column of X to subtract from the columns.
    pub fn new(
        design: &Design,
        (layout, leading): (&Layout, &Leading),
        shift: &[f64],
    ) -> Self {
        let leading_term = &design.terms[layout.leading_term];
        let (level_ptr, order) =
            sort_by_level(leading_term.refs, leading_term.n_levels);
        let mut terms =
            vec![RowsOfTerm::new(design, layout.leading_term, &order)];
        for block in &layout.blocks {
            let mut rows = RowsOfTerm::new(design, block.term, &order);
            rows.first.clone_from(&block.first);
            terms.push(rows);
        }
        let mut pairs = Vec::new();
        for a in 1..terms.len() {
            pairs.extend((1..=a).map(|b| Cells::new(&terms, a, b)));
        }
        let mut rows = Self {
            x: centred_rows(design, &order, shift),
            sparse: None,
            p: design.p(),
            order,
            level_ptr,
            terms,
            pairs,
            scratch: Vec::new(),
        };
        rows.find_slots(layout.m, leading);
        rows
    }

    /// The value of the first column of X, if that column is constant and not zero.
    pub(crate) fn constant(&self) -> Option<f64> {
        let mut column = self.x.iter().step_by(self.p.max(1));
        let value = *column.next()?;
        let is_constant = value != 0.0 && column.all(|x| *x == value);
        is_constant.then_some(value)
    }

    /// The root mean square of each column of Z of each term; 1 for a column of zeros.
    pub(crate) fn root_mean_squares(&self) -> Vec<Vec<f64>> {
        let mut sizes = vec![Vec::new(); self.terms.len()];
        for term in &self.terms {
            sizes[term.term] = term.root_mean_squares(self.n());
        }
        sizes
    }

    /// Values of the design's rows in the sorted order.
    pub(crate) fn sorted(&self, values: &[f64]) -> Vec<f64> {
        self.order.iter().map(|&i| values[i as usize]).collect()
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.order.len()
    }

    /// Whether all columns of Z consist of ones.
    pub(crate) fn are_ones(&self) -> bool {
        self.terms.iter().all(|term| term.z.is_empty())
    }

    /// The rows of a level of the leading term.
    #[inline(always)]
    pub(crate) fn of_level(&self, level: usize) -> Range<usize> {
        self.level_ptr[level]..self.level_ptr[level + 1]
    }

    /// Ranges of levels of the leading term as pieces of work, which do not depend on the number of
    /// threads.
    pub(crate) fn pieces(&self) -> Vec<Range<usize>> {
        let n_levels = self.level_ptr.len() - 1;
        let mut pieces = Vec::new();
        let mut start = 0;
        for end in 1..=n_levels {
            let rows = self.level_ptr[end] - self.level_ptr[start];
            if rows >= PIECE || end == n_levels {
                pieces.push(start..end);
                start = end;
            }
        }
        pieces
    }

    /// The number of rows of a range of levels of the leading term.
    pub(crate) fn count(&self, levels: &Range<usize>) -> usize {
        self.level_ptr[levels.end] - self.level_ptr[levels.start]
    }

    fn find_slots(&mut self, m: usize, leading: &Leading) {
        let mut slot = vec![0u32; m];
        for term in &mut self.terms[1..] {
            term.slot = vec![0; term.level.len()];
            for level in 0..leading.n_levels {
                let coupled = leading.coupled(level).0;
                for (s, &row) in coupled.iter().enumerate() {
                    slot[row as usize] = s as u32;
                }
                for i in self.level_ptr[level]..self.level_ptr[level + 1] {
                    term.slot[i] = slot[term.first_row(i)];
                }
            }
        }
    }

    /// Stores X without its zeros if many elements are zero; centring has subtracted `shift`
    /// multiples of the first column.
    pub(crate) fn make_sparse(&mut self, shift: &[f64]) {
        self.sparse = SparseRows::new(&self.x, shift);
    }

    /// One row of X, centred.
    #[inline(always)]
    pub(crate) fn fixed_row(&self, i: usize) -> &[f64] {
        &self.x[i * self.p..(i + 1) * self.p]
    }

    /// Adds `X beta` of each row, X centred, to `out`.
    pub(crate) fn add_fixed(&self, beta: &[f64], out: &mut [f64]) {
        self.add_predictor(beta, &[], out);
    }

    /// Adds `X beta + Z b` of each row, X centred, to `out`; b has the effects of each term of the
    /// design.
    pub(crate) fn add_predictor(
        &self,
        beta: &[f64],
        b: &[Vec<f64>],
        out: &mut [f64],
    ) {
        share_pass(out, |first, out| {
            self.add_predictor_from(first, beta, b, out)
        });
    }

    /// The same for the rows from `first` on.
    pub(crate) fn add_predictor_from(
        &self,
        first: usize,
        beta: &[f64],
        b: &[Vec<f64>],
        out: &mut [f64],
    ) {
        match &self.sparse {
            _ if beta.is_empty() => (),
            Some(sparse) => sparse.add_products(beta, first, out),
            None => add_rows(&self.x[first * self.p..], beta, out),
        }
        for term in &self.terms {
            if let Some(b) = b.get(term.term) {
                term.add_product(b, first, out);
            }
        }
    }

    /// `X' r`, with X centred.
    pub(crate) fn transposed_fixed(&self, r: &[f64]) -> Vec<f64> {
        if let Some(sparse) = &self.sparse {
            return sparse.transposed_product(r);
        }
        match self.p {
            0 => Vec::new(),
            1 => add_columns::<1>(&self.x, r).to_vec(),
            2 => add_columns::<2>(&self.x, r).to_vec(),
            3 => add_columns::<3>(&self.x, r).to_vec(),
            p => {
                let mut out = vec![0.0; p];
                for (x, &r) in self.x.chunks_exact(p).zip(r) {
                    small::axpy(r, x, &mut out);
                }
                out
            }
        }
    }

    /// `Z'r` of each term of the design, and `X'r` if `fixed`; computed in several threads.
    pub(crate) fn transposed(
        &self,
        r: &[f64],
        with_fixed: bool,
    ) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut products = vec![Vec::new(); self.terms.len() + 1];
        let multiply = |(t, product): (usize, &mut Vec<f64>)| {
            *product = match self.terms.get(t) {
                Some(term) => term.transposed_product(r),
                None if with_fixed => self.transposed_fixed(r),
                None => Vec::new(),
            }
        };
        let jobs = products.iter_mut().enumerate();
        match r.len() > PASS {
            true => share(jobs, multiply),
            false => jobs.for_each(multiply),
        }
        let rx = products.pop().unwrap_or_default();
        let mut rz = vec![Vec::new(); self.terms.len()];
        for (term, product) in self.terms.iter().zip(products) {
            rz[term.term] = product;
        }
        (rz, rx)
    }
}

// Adds `X beta`, with X stored row by row.
fn add_rows(x: &[f64], beta: &[f64], out: &mut [f64]) {
    match beta {
        [a] => {
            out.iter_mut().zip(x).for_each(|(o, x)| *o += a * x);
        }
        [a, b] => {
            for (o, x) in out.iter_mut().zip(x.chunks_exact(2)) {
                *o += a * x[0] + b * x[1];
            }
        }
        _ => {
            for (o, x) in out.iter_mut().zip(x.chunks_exact(beta.len())) {
                *o += small::dot(x, beta);
            }
        }
    }
}

// `X'r` for so few columns that a row fits into registers.
fn add_columns<const P: usize>(x: &[f64], r: &[f64]) -> [f64; P] {
    let mut sums = [0.0; P];
    for (x, r) in x.chunks_exact(P).zip(r) {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += r * x;
        }
    }
    sums
}

// Rows of X in the sorted order, centred by `shift` multiples of the first column.
fn centred_rows(design: &Design, order: &[u32], shift: &[f64]) -> Vec<f64> {
    let mut rows = Vec::with_capacity(order.len() * shift.len());
    for i in order.iter().map(|&i| i as usize) {
        let x0 = if shift.is_empty() {
            0.0
        } else {
            design.x.value(i, 0)
        };
        let centred = shift.iter().enumerate();
        rows.extend(
            centred.map(|(j, shift)| design.x.value(i, j) - shift * x0),
        );
    }
    rows
}
