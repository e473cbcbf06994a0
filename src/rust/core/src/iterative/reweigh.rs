//! Recomputation of the cross-products of rows whose weights change from step to step, as in
//! generalized models: the sparsity pattern is determined once.

use std::ops::Range;

use crate::factor::blocks::Blocks;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::rows::Rows;
use crate::iterative::fixed_sums;
use crate::iterative::system::{System, Trailing};
use crate::kernels::chunks::cumulate;
use crate::kernels::small;
use crate::parallel::team::share;

/// The positions of the sums of the rows in the system.
#[derive(Debug, Clone)]
pub(crate) struct Reweigh {
    /// For each element of the products of two trailing terms, its index among the sums over cells,
    /// one pair of terms after the other.
    sources: Vec<u32>,
    sums: Vec<f64>,
    scratch: Vec<f64>,
}

/// An element of the products of two trailing terms: row, column, and index of its sum.
type Element = (u32, u32, u32);

impl Reweigh {
    /// Determines the pattern of the rows, and makes a system of zeros with it.
    pub fn new(
        layout: &Layout,
        leading: Leading,
        rows: &Rows,
    ) -> (Self, System) {
        let mut elements = cross_elements(rows);
        elements.sort_unstable_by_key(|element| (element.0, element.1));
        let mut cross_ptr = vec![0; layout.m + 1];
        for element in &elements {
            cross_ptr[element.0 as usize + 1] += 1;
        }
        cumulate(&mut cross_ptr);
        let mut system = System {
            leading: layout.leading_term,
            k0: leading.k,
            a00: leading.a00,
            ptr: leading.ptr,
            rows: leading.rows,
            vals: leading.vals,
            trailing: trailing_terms(layout),
            m: layout.m,
            p: 0,
            cross_ptr,
            cross_rows: elements.iter().map(|element| element.1).collect(),
            cross_vals: vec![0.0; elements.len()],
            nested: Vec::new(),
            border_leading: Vec::new(),
            border_trailing: Vec::new(),
            gram: Vec::new(),
            total_ss: f64::NAN,
            beta0: Vec::new(),
            shift: Vec::new(),
        };
        if rows.are_ones() {
            system.nested = system.find_nested();
        }
        let reweigh = Self {
            sources: elements.iter().map(|element| element.2).collect(),
            sums: Vec::new(),
            scratch: Vec::new(),
        };
        (reweigh, system)
    }

    /// Fills the system with `[Z X]'W[Z X]`, or without fixed effects with `Z'WZ`. The products
    /// with the response remain zero.
    pub fn fill(
        &mut self,
        rows: &Rows,
        w: &[f64],
        with_fixed: bool,
        system: &mut System,
    ) {
        fill_leading(rows, w, system);
        self.fill_pairs(rows, w, system);
        fixed_sums::fill(rows, w, with_fixed, system);
    }

    // Fills Z_t'WZ_t of the trailing terms, and Z_t'WZ_s.
    fn fill_pairs(&mut self, rows: &Rows, w: &[f64], system: &mut System) {
        self.sums.clear();
        for cells in &rows.pairs {
            let a = &rows.terms[cells.a];
            let b = &rows.terms[cells.b];
            cells.sum(a, b, w, &mut self.scratch);
            if cells.a == cells.b {
                let zz = &mut system.trailing[cells.a - 1].zz;
                zz.values_mut().copy_from_slice(&self.scratch);
            } else {
                self.sums.extend_from_slice(&self.scratch);
            }
        }
        let values = system.cross_vals.iter_mut().zip(&self.sources);
        values.for_each(|(value, &at)| *value = self.sums[at as usize]);
    }
}

// A range of leading levels with their parts of `Z_0'WZ_0` and `Z_t'WZ_0`.
struct Piece<'a> {
    levels: Range<usize>,
    a00: &'a mut [f64],
    vals: &'a mut [f64],
    /// The start of each level's values, and their number at the end.
    ptr: &'a [usize],
}

// Fills Z_0'WZ_0 and Z_t'WZ_0.
fn fill_leading(rows: &Rows, w: &[f64], system: &mut System) {
    let pieces = system.pieces();
    let k = system.k0;
    let mut a00 = system.a00.values_mut();
    let mut vals = &mut system.vals[..];
    let mut jobs = Vec::new();
    for levels in pieces {
        let ptr = &system.ptr[levels.start..=levels.end];
        let coupled = (ptr[levels.len()] - ptr[0]) * k;
        let (own_a00, rest) = a00.split_at_mut(levels.len() * k * k);
        let (own_vals, others) = vals.split_at_mut(coupled);
        (a00, vals) = (rest, others);
        jobs.push(Piece {
            levels,
            a00: own_a00,
            vals: own_vals,
            ptr,
        });
    }
    let is_plain = rows.are_ones();
    share(jobs.into_iter(), |piece| match is_plain {
        true => piece.count(rows, w),
        false => piece.sum(rows, w),
    });
}

impl Piece<'_> {
    // The sums if all columns of Z are ones.
    fn count(self, rows: &Rows, w: &[f64]) {
        self.vals.fill(0.0);
        let bounds = self.ptr.windows(2);
        for ((level, a00), at) in self.levels.zip(self.a00).zip(bounds) {
            let own = rows.of_level(level);
            *a00 = w[own.clone()].iter().sum();
            let vals = &mut self.vals[at[0] - self.ptr[0]..];
            for term in &rows.terms[1..] {
                let slots = &term.slot[own.clone()];
                for (&slot, w) in slots.iter().zip(&w[own.clone()]) {
                    vals[slot as usize] += w;
                }
            }
        }
    }

    fn sum(self, rows: &Rows, w: &[f64]) {
        let leading = &rows.terms[0];
        let k = leading.k;
        self.vals.fill(0.0);
        self.a00.fill(0.0);
        let bounds = self.ptr.windows(2);
        let levels = self.levels.zip(self.a00.chunks_exact_mut(k * k));
        for ((level, a00), at) in levels.zip(bounds) {
            let vals = &mut self.vals[(at[0] - self.ptr[0]) * k..];
            for i in rows.of_level(level) {
                let z0 = leading.z(i);
                for (column, z) in a00.chunks_exact_mut(k).zip(z0) {
                    small::axpy(w[i] * z, z0, column);
                }
                for term in &rows.terms[1..] {
                    let own = &mut vals[term.slot[i] as usize * k..];
                    for (value, z) in own.chunks_exact_mut(k).zip(term.z(i)) {
                        small::axpy(w[i] * z, z0, value);
                    }
                }
            }
        }
    }
}

fn trailing_terms(layout: &Layout) -> Vec<Trailing> {
    let mut first = 0;
    let mut trailing = Vec::new();
    for block in &layout.blocks {
        let n_levels = block.first.len();
        trailing.push(Trailing {
            term: block.term,
            k: block.vsize,
            n_levels,
            first,
            zz: Blocks::squares(block.vsize, n_levels),
        });
        first += n_levels * block.vsize;
    }
    trailing
}

// The elements of the products of different trailing terms, in both triangles.
fn cross_elements(rows: &Rows) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut at = 0;
    for cells in rows.pairs.iter().filter(|cells| cells.a != cells.b) {
        let ka = rows.terms[cells.a].k as u32;
        let kb = rows.terms[cells.b].k as u32;
        for &(row, column) in &cells.first {
            for l in 0..kb {
                for j in 0..ka {
                    elements.push((row + j, column + l, at));
                    elements.push((column + l, row + j, at));
                    at += 1;
                }
            }
        }
    }
    elements
}
