//! `z_i' Lambda H^-1 Lambda' z_i` of each row of the data: exact for the diagonal blocks of S, a
//! mean over random vectors for the rest.
//!
//! With `c_i = D'(z_ti - A_t0 V z_0i)` that is `z_0i'V z_0i + c_i'S^-1 c_i`. The blocks `P^-1` of
//! the inverse are known; what is left of it is the mean of `(x - x0) x0'`, as in
//! [`traces`](crate::iterative::traces).

use crate::factor::rows::Rows;
use crate::iterative::gradients::Solver;
use crate::iterative::log_det::Kept;
use crate::iterative::system::{add_multiple, Reduced, Row, WIDTH};
use crate::kernels::simd::vectorized;
use crate::kernels::small;

/// Eight vectors `D x`, with what the leading term takes off one of its levels.
struct Scaled {
    effects: Vec<Row>,
    /// `V A_0t D x` of the level.
    taken: Vec<Row>,
    work: Vec<Row>,
}

/// The diagonal blocks of the inverse as one leading level sees them.
struct OwnBlocks<'a> {
    solver: &'a Solver,
    /// The trailing term of each of the rows' terms but the leading one.
    terms: Vec<usize>,
    /// `F^-1 D'A_t0`, `k0` values for each row that the level touches.
    explained: Vec<f64>,
    /// Sum of the squares of these, `k0 x k0`.
    squares: Vec<f64>,
}

/// Leverages of the rows with these vectors.
pub(crate) fn leverages(
    solver: &Solver,
    rows: &Rows,
    kept: &[Kept],
) -> Vec<f64> {
    let mut h = of_blocks(solver, rows);
    let n_random = kept.iter().filter(|kept| kept.is_random).count();
    let share = 1.0 / (WIDTH * n_random.max(1)) as f64;
    for kept in kept {
        let by = if kept.is_random { share } else { 1.0 };
        each_row(solver, rows, kept, |i, products| {
            h[i] += by * products.iter().sum::<f64>();
        });
    }
    h
}

/// Visits each row with the products `(c_i'(x - x0)) (c_i'x0)` of the eight vectors.
pub(crate) fn each_row(
    solver: &Solver,
    rows: &Rows,
    kept: &Kept,
    mut visit: impl FnMut(usize, &Row),
) {
    let mut x0 = kept.z.clone();
    solver.preconditioner.solve_transposed(&mut x0);
    let mut x = kept.x.clone();
    for (x, x0) in x.iter_mut().zip(&x0) {
        add_multiple(-1.0, x0, x);
    }
    let mut change = Scaled::new(solver, x);
    let mut start = Scaled::new(solver, x0);
    vectorized(|| {
        for level in 0..solver.system().n_leading() {
            change.go_to(&solver.reduced, level);
            start.go_to(&solver.reduced, level);
            for i in rows.of_level(level) {
                let mut products = change.of_row(rows, i);
                let starts = start.of_row(rows, i);
                (0..WIDTH).for_each(|c| products[c] *= starts[c]);
                visit(i, &products);
            }
        }
    });
}

impl Scaled {
    fn new(solver: &Solver, mut x: Vec<Row>) -> Self {
        solver.reduced.scale(&mut x, false);
        let k = solver.system().k0;
        Self {
            effects: x,
            taken: vec![[0.0; WIDTH]; k],
            work: vec![[0.0; WIDTH]; k],
        }
    }

    #[inline(always)]
    fn go_to(&mut self, reduced: &Reduced, level: usize) {
        reduced.gather(level, &self.effects, &mut self.work);
        reduced.times_v(level, &self.work, &mut self.taken);
    }

    // `c_i'x`.
    #[inline(always)]
    fn of_row(&self, rows: &Rows, i: usize) -> Row {
        let mut product = [0.0; WIDTH];
        for term in &rows.terms[1..] {
            let effects = &self.effects[term.first_row(i)..];
            for (z, effect) in term.z(i).iter().zip(effects) {
                add_multiple(*z, effect, &mut product);
            }
        }
        for (z, taken) in rows.terms[0].z(i).iter().zip(&self.taken) {
            add_multiple(-z, taken, &mut product);
        }
        product
    }
}

// `z_0i'V z_0i + c_i'P^-1 c_i`.
fn of_blocks(solver: &Solver, rows: &Rows) -> Vec<f64> {
    let system = solver.system();
    let mut h = vec![0.0; rows.n()];
    let mut own = OwnBlocks::new(solver, rows);
    let mut vz = vec![0.0; system.k0];
    let widest = rows.terms.iter().map(|term| term.k).max().unwrap_or(1);
    let mut work = vec![0.0; widest];
    for level in 0..system.n_leading() {
        own.go_to(level);
        for i in rows.of_level(level) {
            h[i] = own.of_row(rows, (i, level), &mut vz, &mut work);
        }
    }
    h
}

impl<'a> OwnBlocks<'a> {
    fn new(solver: &'a Solver, rows: &Rows) -> Self {
        let system = solver.system();
        let terms = rows.terms[1..].iter();
        Self {
            solver,
            terms: terms
                .filter_map(|term| system.place_of(term.term))
                .collect(),
            explained: Vec::new(),
            squares: vec![0.0; solver.system().k0.pow(2)],
        }
    }

    fn go_to(&mut self, level: usize) {
        let system = self.solver.system();
        let k0 = system.k0;
        let (touched, vals) = system.touched(level);
        self.explained.clear();
        self.squares.fill(0.0);
        let mut at = 0;
        while at < touched.len() {
            let row = touched[at] as usize;
            let t = system.block_of_row(row);
            let block = &system.trailing[t];
            let of_level = (row - block.first) / block.k;
            let own = &vals[at * k0..(at + block.k) * k0];
            self.add_block((t, of_level), own);
            at += block.k;
        }
        for row in self.explained.chunks_exact(k0) {
            for (column, x) in self.squares.chunks_exact_mut(k0).zip(row) {
                small::axpy(*x, row, column);
            }
        }
    }

    // `F^-1 D'A_t0` of one trailing level.
    fn add_block(&mut self, (t, level): (usize, usize), vals: &[f64]) {
        let k0 = self.solver.system().k0;
        let k = vals.len() / k0;
        let first = self.explained.len();
        self.explained.resize(first + vals.len(), 0.0);
        let mut column = vec![0.0; k];
        for c in 0..k0 {
            let values = vals.iter().skip(c).step_by(k0);
            column.iter_mut().zip(values).for_each(|(x, v)| *x = *v);
            self.scale(t, level, &mut column);
            let out = self.explained[first + c..].iter_mut().step_by(k0);
            out.zip(&column).for_each(|(out, x)| *out = *x);
        }
    }

    // `x := F^-1 D'x` of one trailing level.
    #[inline(always)]
    fn scale(&self, t: usize, level: usize, x: &mut [f64]) {
        let lambda = &self.solver.reduced.lambdas[t];
        let l = self.solver.preconditioner.factor(t, level);
        small::lambda_transposed_in_place(x.len(), lambda, x);
        small::forward_solve(x.len(), l, x);
    }

    #[inline(always)]
    fn of_row(
        &self,
        rows: &Rows,
        (i, level): (usize, usize),
        vz: &mut [f64],
        work: &mut [f64],
    ) -> f64 {
        let k0 = vz.len();
        let z0 = rows.terms[0].z(i);
        vz.fill(0.0);
        let v = self.solver.reduced.v.block(level);
        for (column, z) in v.chunks_exact(k0).zip(z0) {
            small::axpy(*z, column, vz);
        }
        let mut h = small::dot(z0, vz);
        for (column, x) in self.squares.chunks_exact(k0).zip(&*vz) {
            h += x * small::dot(column, vz);
        }
        for (term, &t) in rows.terms[1..].iter().zip(&self.terms) {
            let own = &mut work[..term.k];
            own.copy_from_slice(term.z(i));
            self.scale(t, term.level[i] as usize, own);
            let explained = &self.explained[term.slot[i] as usize * k0..];
            let pairs = own.iter().zip(explained.chunks_exact(k0));
            for (own, explained) in pairs {
                h += own * (own - 2.0 * small::dot(explained, vz));
            }
        }
        h
    }
}
