//! Stochastic estimation of the traces `sum_l (Z'V^-1Z)_ll` of each term, for the gradient: exact
//! for the diagonal blocks of S, a mean over probe vectors for the remainder.
//!
//! With `S x = F z` and `x0 = F^-T z`, the expectation of `x x0'` is `S^-1`, and that of `x0 x0'`
//! is the known `P^-1`, so that their difference, with little noise, estimates the remainder. To
//! first order it is `x1 x0'` with `x1 = -F^-T E z`, whose diagonal blocks have expectation zero:
//! these are subtracted as control variates.
//!
//! | contents | file |
//! |---|---|
//! | the sum of the leading term | `leading` |
//! | the sum of a trailing term from those of `D'WD`, `WD` and W | `division` |
//! | `WD` and W, for weak directions of Lambda | `undivided` |
//! | contributions of single levels | `levels` |
//! | x, x1 and x0 | `vectors` |
//! | `D'WD = I - S^-1`, and all sums together | here |

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
use division::{Division, ScaledSums};
use leading::Leading;
pub(super) use levels::{add_form, for_each_coupled};
use undivided::Undivided;
pub use vectors::Found;
use vectors::Vectors;

/// A sum of `k x k` matrices for each term, in the order of the model.
pub type OfTerms = Vec<Vec<f64>>;

/// The estimate of `sum_l (Z'V^-1Z)_ll` of each term, with the deviation of each probe vector.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// The mean over the probe vectors.
    pub mean: OfTerms,
    /// The deviation of each probe vector's estimate from the mean.
    pub deviations: Vec<OfTerms>,
}

/// Sums whose elements are numbers, or blocks of eight.
struct Sums<T> {
    /// The sum of W of the leading term.
    leading: Vec<T>,
    /// The sums of each trailing term.
    trailing: Vec<ScaledSums<T>>,
}

/// The accumulation of all sums.
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
        let of = |block: &Trailing| ScaledSums::of(zero, block.k);
        Self {
            leading: vec![zero; system.k0 * system.k0],
            trailing: system.trailing.iter().map(of).collect(),
        }
    }
}

impl Sums<Row> {
    // The sums of one of the eight vectors.
    fn column(&self, c: usize) -> Sums<f64> {
        let of = |scaled: &ScaledSums<Row>| ScaledSums {
            dwd: column(&scaled.dwd, c),
            wd: column(&scaled.wd, c),
            w: column(&scaled.w, c),
        };
        Sums {
            leading: column(&self.leading, c),
            trailing: self.trailing.iter().map(of).collect(),
        }
    }
}

impl<'a> Tally<'a> {
    /// Starts with the contributions of the diagonal blocks.
    pub fn new(solver: &'a Solver) -> Self {
        let system = solver.system();
        let mut exact = Sums::of(0.0, system);
        let leading = Leading::new(solver, &mut exact.leading);
        // Where levels are nested, the undivided sums have more noise than the divided ones.
        let share = match solver.preconditioner.basis.is_empty() {
            true => WEAK_DIRECTION,
            false => WEAK_NESTED,
        };
        let mut divisions = Vec::new();
        for (t, block) in system.trailing.iter().enumerate() {
            let information = &mut exact.trailing[t].dwd;
            add_diagonal_blocks(solver, t, information);
            let lambda = &solver.reduced.lambdas[t];
            let least = share * block.n_levels as f64;
            divisions.push(Division::new(lambda, information, least));
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

    /// Adds the contributions of the first `count` columns of z, which are in the deflation
    /// subspace, with `x = S^-1 F z` and `S F^-T z`.
    pub fn add_exact(&mut self, z: &[Row], found: Found, count: usize) {
        let found = self.columns(z, found);
        for column in &found[..count] {
            for (sum, value) in self.exact.iter_mut().zip(column) {
                small::axpy(1.0, value, sum);
            }
        }
    }

    /// Adds the estimates of eight probe vectors.
    pub fn add_random(&mut self, sums: Vec<OfTerms>) {
        self.random.extend(sums);
    }

    /// The mean, and the deviations of the probe vectors.
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

    /// The contribution of each of eight vectors z, with `x = S^-1 F z` and `S F^-T z`, to the sum
    /// of each term.
    pub fn columns(&self, z: &[Row], found: Found) -> Vec<OfTerms> {
        let sides = self.sides(Vectors::new(self.solver, z, found));
        (0..WIDTH).map(|c| self.whole(sides.column(c))).collect()
    }

    // The sums of W, from those scaled by Lambda.
    fn whole(&self, sums: Sums<f64>) -> OfTerms {
        let system = self.solver.system();
        let mut whole = vec![Vec::new(); system.trailing.len() + 1];
        whole[system.leading] = sums.leading;
        let of_terms = self.divisions.iter().zip(&sums.trailing);
        for (block, (division, scaled)) in system.trailing.iter().zip(of_terms)
        {
            whole[block.term] = division.whole(scaled);
        }
        whole
    }

    fn sides(&self, mut found: Vectors) -> Sums<Row> {
        let reduced = &self.solver.reduced;
        let mut sides = Sums::of([0.0; WIDTH], self.solver.system());
        self.subtract_products(&found.change, &found.start, &mut sides);
        let mut change = std::mem::take(&mut found.change);
        let mut start = found.start.clone();
        reduced.scale(&mut change, false);
        reduced.scale(&mut start, false);
        self.leading
            .subtract_difference(&change, &start, &mut sides.leading);
        let scaled = (&change[..], &start[..]);
        self.undivided.add(&found, scaled, &mut sides.trailing);
        drop((change, start));
        self.subtract_first_order(found, &mut sides);
        sides
    }

    // Subtracts the first-order terms with expectation zero, as the diagonal blocks of E are zero:
    // products of x1 and x0 in the basis Q.
    fn subtract_first_order(&self, found: Vectors, sides: &mut Sums<Row>) {
        let basis = &self.solver.preconditioner.basis;
        let (mut x1, mut x0) = (found.first, found.start);
        basis.apply_inverse(1.0, &mut x1);
        basis.apply_inverse(1.0, &mut x0);
        self.subtract_products(&x1, &x0, sides);
        self.subtract_containing(&x1, &x0, sides);
        let reduced = &self.solver.reduced;
        reduced.scale(&mut x1, false);
        reduced.scale(&mut x0, false);
        self.leading.subtract_own(&x1, &x0, &mut sides.leading);
    }

    // Subtracts the contribution of levels that contain others to the products of these others.
    fn subtract_containing(
        &self,
        x1: &[Row],
        x0: &[Row],
        sides: &mut Sums<Row>,
    ) {
        let system = self.solver.system();
        let basis = &self.solver.preconditioner.basis;
        for (row, around, weight) in basis.members() {
            let own = &mut sides.trailing[system.block_of_row(row)].dwd[0];
            let both = (&x1[around], &x0[around]);
            (0..WIDTH).for_each(|c| {
                own[c] -= weight * weight * both.0[c] * both.1[c]
            });
        }
    }

    // Subtracts symmetric products of the levels of each term from the sums of `D'WD`.
    fn subtract_products(&self, x: &[Row], x0: &[Row], sides: &mut Sums<Row>) {
        let blocks = self.solver.system().trailing.iter();
        for (block, scaled) in blocks.zip(&mut sides.trailing) {
            let x = x[block.rows()].chunks_exact(block.k);
            let levels = x.zip(x0[block.rows()].chunks_exact(block.k));
            vectorized(|| {
                levels.for_each(|(x, x0)| {
                    add_symmetric(-1.0, x, x0, &mut scaled.dwd)
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
    sum[0] -= share_of_containing_levels(solver, t);
}

// `sum_c w_c^2 / S_pp` over the levels c of a trailing term that are nested in a level p: the part
// of the diagonal of `P^-1` that its blocks do not have.
fn share_of_containing_levels(solver: &Solver, t: usize) -> f64 {
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
