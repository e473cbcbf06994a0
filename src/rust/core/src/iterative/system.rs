//! The cross-products of the iterative engine, stored by level, and independent of theta.

use std::ops::Range;

use crate::factor::blocks::Blocks;
use crate::factor::layout::leading_term;
use crate::factor::sums::{PairSums, Sums};
use crate::kernels::chunks::cumulate;
use crate::kernels::small;

/// Largest number of pieces of the leading levels.
const MOST_PIECES: usize = 8;
/// Least number of coupled rows of a piece: fewer are processed faster than a thread starts.
const LEAST: usize = 1 << 16;
/// Least number of coupled rows of a piece, relative to the number of trailing rows.
const SHARE: usize = 8;

/// The levels of one trailing term.
#[derive(Debug, Clone)]
pub struct Trailing {
    /// The index of the term in the model.
    pub term: usize,
    /// Number of effects per level.
    pub k: usize,
    /// Number of levels.
    pub n_levels: usize,
    /// Row of the first effect of the first level, followed by the others.
    pub first: usize,
    /// `Z'WZ`, `k x k` per level.
    pub zz: Blocks,
}

/// A level that occurs with only one level of another term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nested {
    /// The level's row.
    pub row: usize,
    /// The row of that level of the other term.
    pub around: usize,
    /// The index of the product of both levels among those of trailing terms.
    pub at: usize,
}

/// The cross-products, which do not depend on theta.
#[derive(Debug, Clone)]
pub struct System {
    /// The index in the model of the leading term, which is eliminated.
    pub leading: usize,
    /// Number of effects per level of the leading term.
    pub k0: usize,
    /// `Z_0'WZ_0`, `k0 x k0` per level.
    pub a00: Blocks,
    /// The start of each leading level's coupled rows, and the total number at the end.
    pub ptr: Vec<usize>,
    /// The trailing rows coupled with each leading level, ascending within a level.
    pub rows: Vec<u32>,
    /// `Z_t'WZ_0`: `k0` values per coupled row.
    pub vals: Vec<f64>,
    /// The trailing terms.
    pub trailing: Vec<Trailing>,
    /// Number of random effects of the trailing terms.
    pub m: usize,
    /// Number of fixed effects.
    pub p: usize,
    /// Products of two trailing terms: the start of each row's elements.
    pub cross_ptr: Vec<usize>,
    /// Column indices of these elements.
    pub cross_rows: Vec<u32>,
    /// Values of these elements.
    pub cross_vals: Vec<f64>,
    /// Nested levels, grouped by the level that contains them.
    pub nested: Vec<Nested>,
    /// `[X r]'WZ_0`, `p + 1` values per leading effect.
    pub border_leading: Vec<f64>,
    /// `[X r]'WZ_t`, `p + 1` values per row.
    pub border_trailing: Vec<f64>,
    /// `[X r]'W[X r]`.
    pub gram: Vec<f64>,
    /// `y'Wy` of the response itself.
    pub total_ss: f64,
    /// The least-squares coefficients whose fit was subtracted from the response.
    pub beta0: Vec<f64>,
    /// The multiples of the first column of X that were subtracted from its columns.
    pub shift: Vec<f64>,
}

impl System {
    /// Sets up the system of these sums; the term with the most effects leads.
    pub fn new(sums: &Sums) -> Self {
        let leading = leading_term(&sums.shapes());
        let trailing = trailing_terms(sums, leading);
        let m = trailing.last().map_or(0, |block| block.rows().end);
        let of_leading = &sums.terms[leading];
        let mut system = Self {
            leading,
            k0: of_leading.k,
            a00: of_leading.zz.clone(),
            ptr: Vec::new(),
            rows: Vec::new(),
            vals: Vec::new(),
            trailing,
            m,
            p: sums.p(),
            cross_ptr: vec![0; m + 1],
            cross_rows: Vec::new(),
            cross_vals: Vec::new(),
            nested: Vec::new(),
            border_leading: border_rows(sums, leading),
            border_trailing: Vec::new(),
            gram: gram(sums),
            total_ss: sums.yy,
            beta0: sums.beta0.clone(),
            shift: sums.shift.clone(),
        };
        let rows = system
            .trailing
            .iter()
            .map(|block| border_rows(sums, block.term));
        system.border_trailing = rows.collect::<Vec<_>>().concat();
        system.fill_coupling(sums, of_leading.n_levels);
        system.fill_cross(sums);
        system.nested = system.find_nested();
        system
    }

    /// The levels of a term; `None` for the leading term.
    pub fn block_of(&self, term: usize) -> Option<&Trailing> {
        self.trailing.iter().find(|block| block.term == term)
    }

    /// The index of a term among the trailing ones.
    pub fn place_of(&self, term: usize) -> Option<usize> {
        self.trailing.iter().position(|block| block.term == term)
    }

    // Fills Z_t'WZ_0, leading level after leading level.
    fn fill_coupling(&mut self, sums: &Sums, n_levels: usize) {
        let k0 = self.k0;
        let mut leading_pairs: Vec<LeadingPair> = sums
            .pairs
            .iter()
            .filter_map(|pair| self.leading_pair(pair))
            .collect();
        leading_pairs.sort_by_key(|leading_pair| leading_pair.first);
        let mut ptr = vec![0; n_levels + 1];
        for leading_pair in &leading_pairs {
            for i in 0..leading_pair.pair.levels.len() {
                ptr[leading_pair.levels(i).0 + 1] += leading_pair.k;
            }
        }
        cumulate(&mut ptr);
        let mut next = ptr.clone();
        let mut rows = vec![0u32; ptr[n_levels]];
        let mut vals = vec![0.0; ptr[n_levels] * k0];
        for leading_pair in &leading_pairs {
            let k = leading_pair.k;
            for i in leading_pair.ascending(n_levels) {
                let (level, other) = leading_pair.levels(i);
                let at = next[level];
                next[level] += k;
                for j in 0..k {
                    rows[at + j] = (leading_pair.first + other * k + j) as u32;
                }
                let place = &mut vals[at * k0..(at + k) * k0];
                leading_pair.copy_block(i, k0, place);
            }
        }
        (self.ptr, self.rows, self.vals) = (ptr, rows, vals);
    }

    // The sums of a pair of terms one of which is the leading term; `None` for other pairs.
    fn leading_pair<'a>(&self, pair: &'a PairSums) -> Option<LeadingPair<'a>> {
        let (a, b) = pair.terms;
        let other = match self.leading {
            leading if leading == a => b,
            leading if leading == b => a,
            _ => return None,
        };
        let block = self.block_of(other)?;
        Some(LeadingPair {
            pair,
            k: block.k,
            first: block.first,
            leads: a == self.leading,
        })
    }

    // Fills Z_a'WZ_b of two trailing terms, both triangles, row after row.
    fn fill_cross(&mut self, sums: &Sums) {
        let mut elements: Vec<(u32, u32, f64)> = Vec::new();
        for pair in &sums.pairs {
            let of_pair =
                (self.block_of(pair.terms.0), self.block_of(pair.terms.1));
            let (Some(a), Some(b)) = of_pair else {
                continue;
            };
            for (i, &(la, lb)) in pair.levels.iter().enumerate() {
                let (row, col) =
                    (a.first + la as usize * a.k, b.first + lb as usize * b.k);
                for (at, &value) in pair.zz.block(i).iter().enumerate() {
                    let (row, col) =
                        ((row + at % a.k) as u32, (col + at / a.k) as u32);
                    elements.push((row, col, value));
                    elements.push((col, row, value));
                }
            }
        }
        elements.sort_unstable_by_key(|element| (element.0, element.1));
        elements
            .iter()
            .for_each(|element| self.cross_ptr[element.0 as usize + 1] += 1);
        cumulate(&mut self.cross_ptr);
        self.cross_rows = elements.iter().map(|element| element.1).collect();
        self.cross_vals = elements.iter().map(|element| element.2).collect();
    }
}

// `[X r]'WZ` of a term, `p + 1` values per effect.
fn border_rows(sums: &Sums, term: usize) -> Vec<f64> {
    let (of_term, p) = (&sums.terms[term], sums.p());
    let mut rows = vec![0.0; of_term.zr.len() * (p + 1)];
    for (i, row) in rows.chunks_exact_mut(p + 1).enumerate() {
        row[..p].copy_from_slice(&of_term.xz.values()[i * p..(i + 1) * p]);
        row[p] = of_term.zr[i];
    }
    rows
}

fn gram(sums: &Sums) -> Vec<f64> {
    let (p, width) = (sums.p(), sums.p() + 1);
    let mut gram = vec![0.0; width * width];
    for j in 0..p {
        for i in 0..p {
            gram[j * width + i] = sums.xx[i.min(j) * p + i.max(j)];
        }
        gram[j * width + p] = sums.xr[j];
        gram[p * width + j] = sums.xr[j];
    }
    gram[p * width + p] = sums.rr;
    gram
}

impl Trailing {
    /// The rows of all its effects.
    pub fn rows(&self) -> Range<usize> {
        self.first..self.first + self.k * self.n_levels
    }
}

impl System {
    /// The index of the trailing term of a row.
    #[inline(always)]
    pub fn block_of_row(&self, row: usize) -> usize {
        if self.trailing.len() == 1 {
            return 0;
        }
        self.trailing.partition_point(|block| block.first <= row) - 1
    }

    /// `Z'WZ` summed over the levels of each term, `k x k`.
    pub fn level_products(&self) -> Vec<Vec<f64>> {
        let mut products = vec![Vec::new(); self.trailing.len() + 1];
        products[self.leading] = vec![0.0; self.k0 * self.k0];
        for a00 in self.a00.iter() {
            small::axpy(1.0, a00, &mut products[self.leading]);
        }
        for block in &self.trailing {
            products[block.term] = vec![0.0; block.k * block.k];
            for zz in block.zz.iter() {
                small::axpy(1.0, zz, &mut products[block.term]);
            }
        }
        products
    }

    /// Ranges of leading levels with about equal numbers of coupled rows, as pieces of work. They
    /// are so few that adding up their results costs little, and do not depend on the number of
    /// threads.
    pub fn pieces(&self) -> Vec<Range<usize>> {
        let coupled = self.rows.len();
        let most = (coupled / (SHARE * self.m.max(1))).min(coupled / LEAST);
        let count = most.clamp(1, MOST_PIECES);
        let end = |piece: usize| {
            let coupled = coupled * piece / count;
            self.ptr.partition_point(|&at| at < coupled)
        };
        let mut first = 0;
        let piece = |piece: usize| {
            let last = match piece + 1 == count {
                true => self.n_leading(),
                false => end(piece + 1),
            };
            let levels = first..last.max(first);
            first = levels.end;
            levels
        };
        (0..count).map(piece).collect()
    }

    /// Whether every term has one effect per level.
    pub fn is_scalar(&self) -> bool {
        self.k0 == 1 && self.trailing.iter().all(|block| block.k == 1)
    }

    /// The levels nested in those of another trailing term, if every term has one effect per level.
    /// Among the terms that contain it, a term is nested in the one with the most levels, which is
    /// then not itself nested.
    pub(super) fn find_nested(&self) -> Vec<Nested> {
        if !self.is_scalar() {
            return Vec::new();
        }
        let mut order: Vec<usize> = (0..self.trailing.len()).collect();
        order.sort_by_key(|&t| std::cmp::Reverse(self.trailing[t].n_levels));
        let mut is_free = vec![true; order.len()];
        let mut all = Vec::new();
        for (place, &inner) in order.iter().enumerate() {
            for &outer in &order[place + 1..] {
                if is_free[inner] && is_free[outer] {
                    let found = self.nested_in(inner, outer);
                    is_free[inner] = found.is_none();
                    is_free[outer] = found.is_none();
                    all.extend(found.into_iter().flatten());
                }
            }
        }
        all.sort_by_key(|nested| nested.around);
        all
    }

    // The levels of a trailing term, if each occurs with only one level of another term.
    fn nested_in(&self, inner: usize, outer: usize) -> Option<Vec<Nested>> {
        let outer = self.trailing[outer].rows();
        let mut all = Vec::new();
        for row in self.trailing[inner].rows() {
            let range = self.cross_ptr[row]..self.cross_ptr[row + 1];
            let columns = &self.cross_rows[range.clone()];
            let before = |limit: usize| {
                columns.partition_point(|&column| (column as usize) < limit)
            };
            let (first, end) = (before(outer.start), before(outer.end));
            if end > first + 1 {
                return None;
            }
            if end == first + 1 {
                all.push(Nested {
                    row,
                    around: columns[first] as usize,
                    at: range.start + first,
                });
            }
        }
        Some(all)
    }

    /// Whether there are fixed effects or a response.
    pub fn has_border(&self) -> bool {
        let mut responses =
            self.border_leading.iter().chain(&self.border_trailing);
        self.p > 0 || responses.any(|&value| value != 0.0)
    }

    /// Levels of the leading term.
    pub fn n_leading(&self) -> usize {
        self.ptr.len() - 1
    }

    /// The trailing rows coupled with a leading level, and `k0` values each.
    #[inline(always)]
    pub fn coupled(&self, level: usize) -> (&[u32], &[f64]) {
        let range = self.ptr[level]..self.ptr[level + 1];
        let vals = &self.vals[range.start * self.k0..range.end * self.k0];
        (&self.rows[range], vals)
    }
}

// The sums of a pair of terms one of which is the leading term.
struct LeadingPair<'a> {
    pair: &'a PairSums,
    // The trailing term's number of effects, and its first row.
    k: usize,
    first: usize,
    // Whether the leading term is the first one of the pair.
    leads: bool,
}

impl LeadingPair<'_> {
    // The leading and the trailing level of the `i`-th block.
    fn levels(&self, i: usize) -> (usize, usize) {
        let (a, b) = self.pair.levels[i];
        let (leading, other) = if self.leads { (a, b) } else { (b, a) };
        (leading as usize, other as usize)
    }

    // The indices of the blocks, in an order in which the trailing levels ascend for each leading
    // level.
    fn ascending(&self, n_levels: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.pair.levels.len()).collect();
        let mut next = vec![0; n_levels];
        let is_next = |&i: &usize| {
            let (level, other) = self.levels(i);
            let is_beyond = other >= next[level];
            next[level] = other + 1;
            is_beyond
        };
        if !order.iter().all(is_next) {
            order.sort_by_key(|&i| self.levels(i).1);
        }
        order
    }

    // Copies the `i`-th block, `k0` numbers for each effect of the trailing level.
    fn copy_block(&self, i: usize, k0: usize, place: &mut [f64]) {
        let block = self.pair.zz.block(i);
        if self.leads {
            place.copy_from_slice(block);
            return;
        }
        for j in 0..self.k {
            for c in 0..k0 {
                place[j * k0 + c] = block[c * self.k + j];
            }
        }
    }
}

// The trailing terms, with consecutive rows.
fn trailing_terms(sums: &Sums, leading: usize) -> Vec<Trailing> {
    let mut first = 0;
    let mut trailing = Vec::new();
    for (term, of_term) in sums.terms.iter().enumerate() {
        if term != leading {
            trailing.push(Trailing {
                term,
                k: of_term.k,
                n_levels: of_term.n_levels,
                first,
                zz: of_term.zz.clone(),
            });
            first += of_term.k * of_term.n_levels;
        }
    }
    trailing
}
