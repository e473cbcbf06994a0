//! Sums over the elements of the inverse of a large dense system, accumulated while blocks of its
//! columns pass through memory: the whole inverse would take as much memory as the factor.

use crate::derivatives::moments::Moments;
use crate::derivatives::OmegaDerivatives;
use crate::factor::blocks::Blocks;
use crate::factor::coupling::scale_rows;
use crate::factor::layout::TrailingTerm;
use crate::factor::leading::{rows_among, Leading};
use crate::factor::trailing::InverseColumns;
use crate::factor::Factor;
use crate::kernels::chunks::chunks;
use crate::parallel::team::share;

/// Number of levels of the leading term that a thread processes at a time.
const LEVELS: usize = 256;

/// Sums over the elements of `C = S_RR^-1`.
#[derive(Debug, Default)]
pub(super) struct ByColumns {
    /// `a' C a` of each level of the leading term with `a = D'A_R0`, `k x k`.
    forms: Blocks,
    /// `sum_l C_ll` of each layout block.
    level_blocks: Vec<Vec<f64>>,
    /// Second moments of the blocks of `I - C` of each pair of layout blocks, the later one first;
    /// empty unless requested.
    moments: Vec<Moments>,
    /// `a` of all levels.
    scaled: Vec<f64>,
}

impl ByColumns {
    /// Whether the inverse of the factor's trailing system is computed by blocks of columns.
    pub fn suits(factor: &Factor) -> bool {
        factor.trailing.is_large()
    }

    /// Accumulates the sums over the inverse; with `pairs` also those for
    /// [`Self::add_forms_of_pairs`].
    pub fn update(
        &mut self,
        factor: &Factor,
        block_of_row: &[u32],
        pairs: bool,
    ) {
        let blocks = &factor.layout.blocks;
        self.level_blocks = blocks
            .iter()
            .map(|block| vec![0.0; block.vsize * block.vsize])
            .collect();
        if pairs {
            self.reset_moments(blocks);
        }
        let with_forms = !factor.trailing.has_full();
        if with_forms {
            self.scale(factor, block_of_row);
        }
        factor
            .trailing
            .for_inverse_columns(&factor.layout, |columns| {
                if pairs {
                    self.add_moments(blocks, columns);
                }
                for (sum, block) in self.level_blocks.iter_mut().zip(blocks) {
                    columns.add_level_blocks(block, sum);
                }
                if with_forms {
                    self.add_forms(&factor.leading, columns);
                }
            });
    }

    /// `a' C a` of a level of the leading term, which the caller may overwrite.
    pub fn form_mut(&mut self, k: usize, level: usize) -> &mut [f64] {
        self.forms.square_mut(k, level)
    }

    /// `out -= sum_l C_ll` of a layout block.
    pub fn subtract_level_blocks(&self, block: usize, out: &mut [f64]) {
        for (out, sum) in out.iter_mut().zip(&self.level_blocks[block]) {
            *out -= sum;
        }
    }

    /// Adds the contribution of pairs of trailing levels to the expected information at known fixed
    /// effects; `inverses` are `Lambda^-1` of the layout blocks.
    pub fn add_forms_of_pairs(
        &self,
        blocks: &[TrailingTerm],
        inverses: &[&[f64]],
        omega: &mut OmegaDerivatives,
    ) {
        for t in 0..blocks.len() {
            for u in 0..=t {
                let mut moments = self.moments[place_of_pair(t, u)].clone();
                if t == u {
                    moments.add_transposed();
                }
                moments.transform_back(inverses[t], inverses[u]);
                moments.add_forms(blocks[t].term, blocks[u].term, omega);
            }
        }
    }

    fn reset_moments(&mut self, blocks: &[TrailingTerm]) {
        self.moments.clear();
        for (t, later) in blocks.iter().enumerate() {
            for other in &blocks[..=t] {
                let mut moments = Moments::default();
                moments.reset(later.vsize, other.vsize);
                self.moments.push(moments);
            }
        }
    }

    // Adds the moments of the blocks of `I - C` in a range of columns of C, each pair of levels
    // once.
    fn add_moments(
        &mut self,
        blocks: &[TrailingTerm],
        columns: &InverseColumns,
    ) {
        let start = columns.columns.start;
        let is_later = |block: &TrailingTerm| block.first[0] as usize > start;
        let u = blocks.partition_point(|block| !is_later(block)) - 1;
        let l = blocks[u].vsize;
        for first in columns.columns.clone().step_by(l) {
            let of_level = (first, l);
            let own = &mut self.moments[place_of_pair(u, u)];
            own.add(&columns.half_of_explained(of_level));
            for (t, later) in blocks.iter().enumerate().skip(u) {
                let rows = later.rows_from(first + l);
                let moments = &mut self.moments[place_of_pair(t, u)];
                moments.add_level(|b| columns.rows_of(first + b, rows.clone()));
            }
        }
    }

    fn scale(&mut self, factor: &Factor, block_of_row: &[u32]) {
        let leading = &factor.leading;
        let k = leading.k;
        self.scaled.clone_from(&leading.vals);
        for level in 0..leading.n_levels {
            let range = leading.ptr[level]..leading.ptr[level + 1];
            let a = &mut self.scaled[range.start * k..range.end * k];
            scale_rows(k, &leading.rows[range], factor, block_of_row, a);
        }
        self.forms.resize_like(&factor.m);
        self.forms.values_mut().fill(0.0);
    }

    // Adds the contribution of a range of columns of C to `a' C a`.
    fn add_forms(&mut self, leading: &Leading, columns: &InverseColumns) {
        let k = leading.k;
        let scaled = &self.scaled;
        let levels = chunks(leading.n_levels, LEVELS);
        let forms = self.forms.values_mut().chunks_mut(LEVELS * k * k);
        share(levels.zip(forms), |(levels, forms)| {
            let mut ca = vec![0.0; k];
            for (level, form) in levels.zip(forms.chunks_exact_mut(k * k)) {
                let range = leading.ptr[level]..leading.ptr[level + 1];
                let a = &scaled[range.start * k..range.end * k];
                let rows = &leading.rows[range];
                match k {
                    1 => form[0] += scalar_form(rows, a, columns),
                    _ => add_form(rows, a, columns, &mut ca, form),
                }
            }
        });
    }
}

// The index of the moments of the layout blocks t and u <= t.
fn place_of_pair(t: usize, u: usize) -> usize {
    t * (t + 1) / 2 + u
}

// The contribution of a range of columns of C to `a' C a`, with each pair of rows counted twice.
#[inline(always)]
fn scalar_form(rows: &[u32], a: &[f64], columns: &InverseColumns) -> f64 {
    let first = columns.columns.start;
    let mut sum = 0.0;
    for j in rows_among(rows, &columns.columns) {
        let column = columns.column(rows[j] as usize);
        let below = rows[j + 1..].iter().zip(&a[j + 1..]);
        let products = below.map(|(&row, a)| column[row as usize - first] * a);
        let half = 0.5 * column[rows[j] as usize - first] * a[j];
        sum += 2.0 * a[j] * (half + products.sum::<f64>());
    }
    sum
}

// Adds the contribution of a range of columns of C to `a' C a`, `k x k`; `ca` is working memory.
fn add_form(
    rows: &[u32],
    a: &[f64],
    columns: &InverseColumns,
    ca: &mut [f64],
    form: &mut [f64],
) {
    let k = ca.len();
    let first = columns.columns.start;
    for j in rows_among(rows, &columns.columns) {
        let column = columns.column(rows[j] as usize);
        let own = &a[j * k..(j + 1) * k];
        ca.fill(0.0);
        for (i, a) in (j..rows.len()).zip(a[j * k..].chunks_exact(k)) {
            let share = if i == j { 0.5 } else { 1.0 };
            let value = share * column[rows[i] as usize - first];
            ca.iter_mut().zip(a).for_each(|(ca, a)| *ca += value * a);
        }
        for (c, column) in form.chunks_exact_mut(k).enumerate() {
            for (r, form) in column.iter_mut().enumerate() {
                *form += own[r] * ca[c] + ca[r] * own[c];
            }
        }
    }
}
