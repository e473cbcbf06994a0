//! Leverages of the random effects, from the selected inverse of the penalized system.

use crate::factor::coupling::scale_rows;
use crate::factor::inverse::SelectedInverse;
use crate::factor::rows::Rows;
use crate::factor::Factor;
use crate::kernels::small::{self, for_size};

/// Traces of `H^-1`, with `H = Lambda'Z'WZ Lambda + I` as last factored.
#[derive(Debug)]
pub(super) struct Leverage {
    /// `z_i' Lambda H^-1 Lambda' z_i` of each row: the derivative of `log |H|` in its weight.
    pub rows: Vec<f64>,
    /// Per term of the design the sum of the diagonal blocks of `Z'WZ Lambda H^-1`, `k x k`: half
    /// the derivative of
    /// `log |H|` in Lambda at fixed weights.
    pub terms: Vec<Vec<f64>>,
}

/// Blocks of `H^-1` of one leading level, in spherical coordinates.
#[derive(Default)]
struct Unit {
    // H^-1 of the unit itself, k x k.
    own: Vec<f64>,
    // D'A_R0 Lambda0 T^-1 on the touched rows, k values per row, and C times it: minus H^-1 of
    // those rows and the unit.
    e: Vec<f64>,
    ce: Vec<f64>,
}

impl Leverage {
    /// One pass over the rows; `w` are the weights of the factor. `own` stands in for the diagonal
    /// blocks of `H^-1` in models without trailing terms.
    pub fn new(rows: &Rows, factor: &Factor, w: &[f64], own: Option<&[f64]>) -> Self {
        for_size!(factor.leading.k, k => Self::of_size(k, rows, factor, w, own))
    }

    #[inline(always)]
    fn of_size(k: usize, rows: &Rows, factor: &Factor, w: &[f64], own: Option<&[f64]>) -> Self {
        let inverse = SelectedInverse::new(factor);
        let block_of_row = factor.layout.block_of_row();
        let sizes: Vec<usize> = rows.terms.iter().map(|term| term.k).collect();
        let total = sizes.iter().sum();
        let (mut q, mut a) = (vec![0.0; total], vec![0.0; total]);
        let mut sums: Vec<Vec<f64>> = sizes.iter().map(|k| vec![0.0; k * k]).collect();
        let mut leverage = vec![0.0; rows.n()];
        let mut unit = Unit::default();
        let mut span: Vec<usize> = vec![0; sizes.len()];
        for index in 0..factor.leading.n_levels {
            unit.update(k, factor, &inverse, &block_of_row, index);
            if let Some(own) = own {
                let size = unit.own.len();
                unit.own
                    .copy_from_slice(&own[index * size..(index + 1) * size]);
            }
            for i in rows.unit_ptr[index]..rows.unit_ptr[index + 1] {
                spherical_row(rows, factor, i, &mut q, &mut span);
                unit.solve_row(k, rows, &inverse, i, &span, &q, &mut a);
                leverage[i] = small::dot(&q, &a);
                add_row(rows, i, w[i], &a, &mut sums);
            }
        }
        let mut terms = vec![Vec::new(); sums.len()];
        rows.terms
            .iter()
            .zip(sums)
            .for_each(|(term, sum)| terms[term.term] = sum);
        Self {
            rows: leverage,
            terms,
        }
    }
}

// `q = Lambda'z_i`, term after term, and the first row of each trailing term's level.
#[inline(always)]
fn spherical_row(rows: &Rows, factor: &Factor, i: usize, q: &mut [f64], first: &mut [usize]) {
    let mut at = 0;
    for (t, term) in rows.terms.iter().enumerate() {
        let lambda = &factor.lambdas[term.term];
        small::lambda_transposed_times(term.k, lambda, term.z(i), &mut q[at..at + term.k]);
        first[t] = if t == 0 {
            0
        } else {
            term.first[term.level[i] as usize] as usize
        };
        at += term.k;
    }
}

// Adds `w z_i a'` to the sums of each term.
#[inline(always)]
fn add_row(rows: &Rows, i: usize, w: f64, a: &[f64], sums: &mut [Vec<f64>]) {
    let mut at = 0;
    for (term, sum) in rows.terms.iter().zip(sums) {
        for (c, column) in sum.chunks_exact_mut(term.k).enumerate() {
            small::axpy(w * a[at + c], term.z(i), column);
        }
        at += term.k;
    }
}

impl Unit {
    #[inline(always)]
    fn update(
        &mut self,
        k: usize,
        factor: &Factor,
        inverse: &SelectedInverse,
        block_of_row: &[u32],
        unit: usize,
    ) {
        let (l, m) = (factor.l00.square(k, unit), factor.m.square(k, unit));
        self.own.clear();
        self.own.resize(k * k, 0.0);
        for (j, column) in self.own.chunks_exact_mut(k).enumerate() {
            column[j] = 1.0;
            small::forward_solve(k, l, column);
            small::backward_solve(k, l, column);
        }
        let (rows, vals) = factor.leading.touched(unit);
        self.e.clear();
        for v in vals.chunks_exact(k) {
            // e' L' = (M' v)', from L^-T: e = L^-T M' v
            let start = self.e.len();
            self.e
                .extend(m.chunks_exact(k).map(|column| small::dot(column, v)));
            small::backward_solve(k, l, &mut self.e[start..]);
        }
        scale_rows(k, rows, factor, block_of_row, &mut self.e);
        self.ce.clear();
        self.ce.resize(self.e.len(), 0.0);
        // Rows ascend, so that (row, col) is in the lower triangle.
        for (i, &row) in rows.iter().enumerate() {
            let (done, rest) = self.ce.split_at_mut(i * k);
            let (e, ce) = (&self.e[i * k..(i + 1) * k], &mut rest[..k]);
            for (j, &col) in rows[..i].iter().enumerate() {
                let c = inverse.rr(row as usize, col as usize);
                small::axpy(c, &self.e[j * k..(j + 1) * k], ce);
                small::axpy(c, e, &mut done[j * k..(j + 1) * k]);
            }
            small::axpy(inverse.rr(row as usize, row as usize), e, ce);
        }
        for (e, ce) in self.e.chunks_exact(k).zip(self.ce.chunks_exact(k)) {
            (0..k).for_each(|j| small::axpy(ce[j], e, &mut self.own[j * k..(j + 1) * k]));
        }
    }

    // a = H^-1 q on the levels of row i.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // k is a literal, the rest one row's
    fn solve_row(
        &self,
        k: usize,
        rows: &Rows,
        inverse: &SelectedInverse,
        i: usize,
        first: &[usize],
        q: &[f64],
        a: &mut [f64],
    ) {
        let (q0, q_rest) = q.split_at(k);
        let (a0, a_rest) = a.split_at_mut(k);
        for (a, column) in a0.iter_mut().zip(self.own.chunks_exact(k)) {
            *a = small::dot(column, q0);
        }
        let mut at = 0;
        for (term, &row) in rows.terms.iter().zip(first).skip(1) {
            let slot = term.slot[i] as usize;
            for j in 0..term.k {
                let ce = &self.ce[(slot + j) * k..(slot + j + 1) * k];
                small::axpy(-q_rest[at + j], ce, a0);
                a_rest[at + j] = -small::dot(ce, q0);
                let mut other_at = 0;
                for (other, &other_row) in rows.terms.iter().zip(first).skip(1) {
                    for c in 0..other.k {
                        a_rest[at + j] += inverse.rr(row + j, other_row + c) * q_rest[other_at + c];
                    }
                    other_at += other.k;
                }
            }
            at += term.k;
        }
    }
}
