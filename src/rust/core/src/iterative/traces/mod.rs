//! `sum_l (Z'V^-1Z)_ll` of each term, what the gradient takes of the inverse: exact for the
//! diagonal blocks of S, a mean over random vectors for the rest.
//!
//! With `S x = F z` and `x0 = F^-T z`, `x x0'` has the mean `S^-1`, and `x0 x0'` the known mean
//! `P^-1`: their difference has little noise. To the first order it is `x1 x0'` with `x1 = -F^-T E
//! z`, whose diagonal blocks have the mean zero, too: these are taken off.
//!
//! | quantity | file |
//! |---|---|
//! | the sum of the leading term | `leading` |
//! | how `D'WD`, `WD` and W tell of the sum of a trailing term | `division` |
//! | `WD` and W, where some directions of Lambda aren't divided by | `undivided` |
//! | what a level adds | `levels` |
//! | x, x1 and x0 | `vectors` |
//! | `D'WD = I - S^-1`; all of them together | here |

mod division;
mod leading;
mod levels;
mod undivided;
mod vectors;

use crate::iterative::gradients::Solver;
use crate::iterative::system::{System, Trailing};
use crate::iterative::wide::{add_symmetric, column, Row, WIDTH};
use crate::kernels::simd::vectorized;
use crate::kernels::small;
use crate::tolerances::{WEAK_DIRECTION, WEAK_NESTED};

pub(super) use division::form;
use division::{Division, Ways};
use leading::Leading;
pub(super) use levels::{add_form, for_each_touched};
use undivided::Undivided;
pub use vectors::Found;
use vectors::Vectors;

/// A sum of `k x k` matrices for each term, in the order of the model.
pub type OfTerms = Vec<Vec<f64>>;

/// `sum_l (Z'V^-1Z)_ll` of each term, with what each random vector says otherwise.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// The mean over the random vectors.
    pub mean: OfTerms,
    /// What each of them deviates from it.
    pub deviations: Vec<OfTerms>,
}

/// Sums of numbers, or of eight side by side.
struct Sums<T> {
    /// The sum of the leading term's W.
    leading: Vec<T>,
    /// The sums of each trailing term.
    trailing: Vec<Ways<T>>,
}

/// The sums at work.
pub struct Tally<'a> {
    solver: &'a Solver,
    leading: Leading<'a>,
    divisions: Vec<Division>,
    undivided: Undivided<'a>,
    exact: OfTerms,
    random: Vec<OfTerms>,
}

impl<T: Copy> Sums<T> {
    fn of(zero: T, system: &System) -> Self {
        let of = |block: &Trailing| Ways::of(zero, block.k);
        Self {
            leading: vec![zero; system.k0 * system.k0],
            trailing: system.trailing.iter().map(of).collect(),
        }
    }
}

impl Sums<Row> {
    // One of the eight.
    fn column(&self, c: usize) -> Sums<f64> {
        let of = |ways: &Ways<Row>| Ways {
            both: column(&ways.both, c),
            one: column(&ways.one, c),
            none: column(&ways.none, c),
        };
        Sums {
            leading: column(&self.leading, c),
            trailing: self.trailing.iter().map(of).collect(),
        }
    }
}

impl<'a> Tally<'a> {
    /// Starts with what the diagonal blocks say.
    pub fn new(solver: &'a Solver) -> Self {
        let system = solver.system();
        let mut exact = Sums::of(0.0, system);
        let leading = Leading::new(solver, &mut exact.leading);
        // Where levels are nested, sums that aren't divided have more noise than those that are.
        let share = match solver.preconditioner.basis.is_empty() {
            true => WEAK_DIRECTION,
            false => WEAK_NESTED,
        };
        let mut divisions = Vec::new();
        for (t, block) in system.trailing.iter().enumerate() {
            let told = &mut exact.trailing[t].both;
            add_diagonal_blocks(solver, t, told);
            let lambda = &solver.reduced.lambdas[t];
            let least = share * block.n_levels as f64;
            divisions.push(Division::new(lambda, told, least));
        }
        let undivided = Undivided::new(solver, &divisions, &mut exact.trailing);
        let mut tally = Self {
            solver,
            leading,
            divisions,
            undivided,
            exact: Vec::new(),
            random: Vec::new(),
        };
        tally.exact = tally.whole(exact);
        tally
    }

    /// Adds what the first `count` columns of z say, each a direction that is taken exactly, with
    /// `x = S^-1 F z` and `S F^-T z`.
    pub fn add_exact(&mut self, z: &[Row], found: Found, count: usize) {
        let found = self.columns(z, found);
        for column in &found[..count] {
            for (sum, value) in self.exact.iter_mut().zip(column) {
                small::axpy(1.0, value, sum);
            }
        }
    }

    /// Adds what each of eight random vectors says.
    pub fn add_random(&mut self, sums: Vec<OfTerms>) {
        self.random.extend(sums);
    }

    /// The sum, and what the random vectors deviate.
    pub fn finish(self) -> Estimate {
        let share = 1.0 / self.random.len().max(1) as f64;
        let mut random = self.exact.clone();
        random.iter_mut().for_each(|sum| sum.fill(0.0));
        for column in &self.random {
            for (mean, value) in random.iter_mut().zip(column) {
                small::axpy(share, value, mean);
            }
        }
        let mut deviations = self.random;
        for column in &mut deviations {
            for (value, mean) in column.iter_mut().zip(&random) {
                small::axpy(-1.0, mean, value);
            }
        }
        let mut mean = self.exact;
        for (sum, random) in mean.iter_mut().zip(&random) {
            small::axpy(1.0, random, sum);
        }
        Estimate { mean, deviations }
    }

    /// What each of eight vectors z, with `x = S^-1 F z` and `S F^-T z`, adds to the sum of each
    /// term.
    pub fn columns(&self, z: &[Row], found: Found) -> Vec<OfTerms> {
        let sides = self.sides(Vectors::new(self.solver, z, found));
        (0..WIDTH).map(|c| self.whole(sides.column(c))).collect()
    }

    // Sums of W, from those that tell of it.
    fn whole(&self, sums: Sums<f64>) -> OfTerms {
        let system = self.solver.system();
        let mut whole = vec![Vec::new(); system.trailing.len() + 1];
        whole[system.leading] = sums.leading;
        let of_terms = self.divisions.iter().zip(&sums.trailing);
        for (block, (division, ways)) in system.trailing.iter().zip(of_terms) {
            whole[block.term] = division.whole(ways);
        }
        whole
    }

    fn sides(&self, mut found: Vectors) -> Sums<Row> {
        let reduced = &self.solver.reduced;
        let mut sides = Sums::of([0.0; WIDTH], self.solver.system());
        self.take_off(&found.change, &found.start, &mut sides);
        let mut change = std::mem::take(&mut found.change);
        let mut start = found.start.clone();
        reduced.scale(&mut change, false);
        reduced.scale(&mut start, false);
        self.leading
            .take_off_difference(&change, &start, &mut sides.leading);
        let scaled = (&change[..], &start[..]);
        self.undivided.add(&found, scaled, &mut sides.trailing);
        drop((change, start));
        self.take_off_first_order(found, &mut sides);
        sides
    }

    // Takes off what has the mean zero, as the diagonal blocks of E are zero: products of x1 with
    // x0 in the basis Q.
    fn take_off_first_order(&self, found: Vectors, sides: &mut Sums<Row>) {
        let basis = &self.solver.preconditioner.basis;
        let (mut x1, mut x0) = (found.first, found.start);
        basis.hand_down(1.0, &mut x1);
        basis.hand_down(1.0, &mut x0);
        self.take_off(&x1, &x0, sides);
        self.take_off_around(&x1, &x0, sides);
        let reduced = &self.solver.reduced;
        reduced.scale(&mut x1, false);
        reduced.scale(&mut x0, false);
        self.leading.take_off_own(&x1, &x0, &mut sides.leading);
    }

    // What the levels around others add to the products of those.
    fn take_off_around(&self, x1: &[Row], x0: &[Row], sides: &mut Sums<Row>) {
        let system = self.solver.system();
        let basis = &self.solver.preconditioner.basis;
        for (row, around, weight) in basis.members() {
            let own = &mut sides.trailing[system.block_of_row(row)].both[0];
            let both = (&x1[around], &x0[around]);
            (0..WIDTH).for_each(|c| {
                own[c] -= weight * weight * both.0[c] * both.1[c]
            });
        }
    }

    // Symmetric products of the levels of each term less, in what tells of `D'WD`.
    fn take_off(&self, x: &[Row], x0: &[Row], sides: &mut Sums<Row>) {
        let blocks = self.solver.system().trailing.iter();
        for (block, ways) in blocks.zip(&mut sides.trailing) {
            let x = x[block.rows()].chunks_exact(block.k);
            let levels = x.zip(x0[block.rows()].chunks_exact(block.k));
            vectorized(|| {
                levels.for_each(|(x, x0)| {
                    add_symmetric(-1.0, x, x0, &mut ways.both)
                })
            });
        }
    }
}

// Adds `sum_l (I - P^-1)_ll` of a trailing term.
fn add_diagonal_blocks(solver: &Solver, t: usize, sum: &mut [f64]) {
    let block = &solver.system().trailing[t];
    let k = block.k;
    for level in 0..block.n_levels {
        let l = solver.preconditioner.factor(t, level);
        small::axpy(-1.0, &small::symmetric_inverse(k, l), sum);
    }
    sum.iter_mut()
        .step_by(k + 1)
        .for_each(|diagonal| *diagonal += block.n_levels as f64);
    sum[0] -= share_of_levels_around(solver, t);
}

// `sum_c w_c^2 / S_pp` of the levels c of a trailing term, p the level around: what the diagonal of
// `P^-1` has in addition to that of the blocks.
fn share_of_levels_around(solver: &Solver, t: usize) -> f64 {
    let system = solver.system();
    let preconditioner = &solver.preconditioner;
    let mut share = 0.0;
    for (row, around, weight) in preconditioner.basis.members() {
        if system.block_of_row(row) == t {
            let outer = system.block_of_row(around);
            let level = around - system.trailing[outer].first;
            let l = preconditioner.factor(outer, level)[0];
            share += (weight / l).powi(2);
        }
    }
    share
}
