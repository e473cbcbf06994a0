//! The squared Frobenius norm of E, exactly: one pass over the rows of K, right of the diagonal
//! blocks.

use crate::factor::blocks::Blocks;
use crate::iterative::gradients::Solver;
use crate::iterative::system::{System, Trailing};
use crate::kernels::chunks::cumulate;
use crate::kernels::small;
use crate::parallel::team::share;

/// Number of parts of the levels of a term, for load balancing between threads.
const PARTS: usize = 8;

/// `||E||_F^2 = sum over l != l' of ||F_l^-1 S_ll' F_l'^-T||^2`, S in the basis Q.
pub fn squared_norm(solver: &Solver) -> f64 {
    let system = solver.system();
    let leading = leading_of_rows(solver);
    let lambdas = &solver.reduced.lambdas;
    let inner = solver.preconditioner.scaled_inverse(lambdas);
    let basis = &solver.preconditioner.basis;
    let (vals, cross) = (basis.couplings(system), basis.products(system));
    let mut parts = Vec::new();
    for (t, block) in system.trailing.iter().enumerate() {
        let size = block.n_levels.div_ceil(PARTS).max(1);
        for first in (0..block.n_levels).step_by(size) {
            let levels = first..block.n_levels.min(first + size);
            parts.push((t, levels, 0.0));
        }
    }
    share(parts.iter_mut(), |(t, levels, norm)| {
        let mut rows = RowsOfK::new(system, (&vals, &cross));
        let (first, k) = (system.trailing[*t].first, system.trailing[*t].k);
        for level in levels.clone() {
            for j in 0..k {
                rows.add(solver, &leading, first + level * k + j, (j, k));
            }
            *norm += 2.0 * rows.scaled_norm(system, &inner, (*t, level));
            rows.clear();
        }
    });
    parts.iter().map(|(.., norm)| norm).sum()
}

// The positions of each trailing row in the lists of coupled rows: (leading level, position).
struct Places {
    ptr: Vec<usize>,
    places: Vec<(u32, u32)>,
}

fn leading_of_rows(solver: &Solver) -> Places {
    let system = solver.system();
    let mut ptr = vec![0; system.m + 1];
    system
        .rows
        .iter()
        .for_each(|&row| ptr[row as usize + 1] += 1);
    cumulate(&mut ptr);
    let (mut next, mut places) = (ptr.clone(), vec![(0, 0); system.rows.len()]);
    for (i, range) in system.ptr.windows(2).enumerate() {
        for at in range[0]..range[1] {
            let row = system.rows[at] as usize;
            places[next[row]] = (i as u32, at as u32);
            next[row] += 1;
        }
    }
    Places { ptr, places }
}

// The rows of K for one level, as a dense array.
struct RowsOfK<'a> {
    // Products of trailing terms with the leading one, and with each other.
    vals: &'a [f64],
    cross: &'a [f64],
    // `widest` values per column of K, one per row of the level.
    values: Vec<f64>,
    coupled: Vec<u32>,
    is_coupled: Vec<bool>,
    widest: usize,
    half: Vec<f64>,
}

impl<'a> RowsOfK<'a> {
    fn new(system: &System, (vals, cross): (&'a [f64], &'a [f64])) -> Self {
        let blocks = system.trailing.iter();
        let widest = blocks.map(|block| block.k).max().unwrap_or(1);
        Self {
            vals,
            cross,
            values: vec![0.0; system.m * widest],
            coupled: Vec::new(),
            is_coupled: vec![false; system.m],
            widest,
            half: vec![0.0; widest * widest],
        }
    }

    // Adds row r of K, right of its diagonal block, as row j of the level's k rows.
    fn add(
        &mut self,
        solver: &Solver,
        leading: &Places,
        r: usize,
        (j, k): (usize, usize),
    ) {
        let (reduced, system) = (&solver.reduced, solver.system());
        let k0 = system.k0;
        for at in system.cross_ptr[r]..system.cross_ptr[r + 1] {
            let column = system.cross_rows[at] as usize;
            if column > r {
                self.add_to(column, j, self.cross[at]);
            }
        }
        let mut factor = vec![0.0; k0];
        for &(i, at) in &leading.places[leading.ptr[r]..leading.ptr[r + 1]] {
            let (v, at) = (reduced.v.block(i as usize), at as usize);
            let own = &self.vals[at * k0..(at + 1) * k0];
            for (c, factor) in factor.iter_mut().enumerate() {
                *factor = -small::dot(&v[c * k0..(c + 1) * k0], own);
            }
            // The rows coupled with a leading level are ascending.
            let range = at + k - j..system.ptr[i as usize + 1];
            let vals = &self.vals[range.start * k0..range.end * k0];
            let columns = system.rows[range].iter();
            if k0 == 1 {
                for (&column, value) in columns.zip(vals) {
                    self.add_to(column as usize, j, factor[0] * value);
                }
            } else {
                for (&column, vals) in columns.zip(vals.chunks_exact(k0)) {
                    self.add_to(column as usize, j, small::dot(&factor, vals));
                }
            }
        }
    }

    #[inline(always)]
    fn add_to(&mut self, column: usize, j: usize, value: f64) {
        if !self.is_coupled[column] {
            self.is_coupled[column] = true;
            self.coupled.push(column as u32);
        }
        self.values[column * self.widest + j] += value;
    }

    // The sum over later levels of
    // `||F_l^-1 D_l' K_ll' D_l' F_l'^-T||^2 = tr(G_l K_ll' G_l' K_l'l)` with `G = D P^-1 D'`.
    fn scaled_norm(
        &mut self,
        system: &System,
        inner: &[Blocks],
        (own, own_level): (usize, usize),
    ) -> f64 {
        let g = inner[own].block(own_level);
        let mut total = 0.0;
        for &row in &self.coupled {
            let row = row as usize;
            let t = system.block_of_row(row);
            let Trailing { first, k, .. } = system.trailing[t];
            let offset = row - first;
            if offset % k != 0 {
                continue;
            }
            let other = inner[t].block(offset / k);
            let values = &self.values[row * self.widest..];
            let k_ll = (values, self.widest);
            total += match (g, other) {
                (&[g], &[other]) => g * other * values[0] * values[0],
                _ => double_form(g, k_ll, other, &mut self.half),
            };
        }
        total
    }

    fn clear(&mut self) {
        for &column in &self.coupled {
            let at = column as usize * self.widest;
            self.values[at..at + self.widest].fill(0.0);
            self.is_coupled[column as usize] = false;
        }
        self.coupled.clear();
    }
}

// `tr(G B H B')` for a matrix B with the column stride given; `half` is working memory.
fn double_form(
    g: &[f64],
    (b, stride): (&[f64], usize),
    h: &[f64],
    half: &mut [f64],
) -> f64 {
    let (k, l) = (g.len().isqrt(), h.len().isqrt());
    let columns = b.chunks(stride).map(|column| &column[..k]);
    // G B.
    for (column, half) in columns.clone().zip(half.chunks_exact_mut(k)).take(l)
    {
        half.fill(0.0);
        for (g, b) in g.chunks_exact(k).zip(column) {
            small::axpy(*b, g, half);
        }
    }
    let mut sum = 0.0;
    for (h, right) in h.chunks_exact(l).zip(columns) {
        for (h, left) in h.iter().zip(half.chunks_exact(k)) {
            sum += h * small::dot(left, right);
        }
    }
    sum
}
