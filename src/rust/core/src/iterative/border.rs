//! The fixed effects at one theta: the products `[X r]'V^-1[X r]`, by one solve for each column of
//! X and r.

use crate::error::{Error, Result};
use crate::factor::border;
use crate::factor::response::check_residual;
use crate::iterative::gradients::{Solved, Solver};
use crate::iterative::system::System;
use crate::iterative::wide::{add_multiple, Row, WIDTH};
use crate::kernels::simd::vectorized;
use crate::kernels::small;
use crate::parallel::team::share;

/// The fixed effects and `r^2`, with the solutions behind them.
#[derive(Debug, Clone)]
pub struct Border {
    /// `D'Z_t'V_0^-1[X r]` in blocks of eight columns (`V_0` is the part of V from the leading
    /// term).
    pub right: Vec<Vec<Row>>,
    /// `S^-1` times these columns.
    pub solved: Vec<Vec<Row>>,
    /// `L_XX`, lower triangle, `p x p`.
    pub l: Vec<f64>,
    /// The fixed effects, for the centred columns of X, of the residual response.
    pub delta: Vec<f64>,
    /// `r^2`.
    pub pwrss: f64,
    /// `log |R_X|^2`.
    pub log_det: f64,
    /// Largest number of iterations of a solve.
    pub iterations: usize,
    /// Further vectors that were solved for in the last block of columns.
    pub extra: ExtraColumns,
}

/// Further vectors in those of the last eight columns that X and r leave unused.
#[derive(Debug, Clone)]
pub struct ExtraColumns {
    /// Index of the first of these columns.
    pub first: usize,
    /// The number of these columns.
    pub count: usize,
    /// Step lengths of the last block of columns, per iteration.
    pub alpha: Vec<Row>,
    /// Ratios of successive squared residuals of that block, per iteration.
    pub beta: Vec<Row>,
    /// `S P^-1` times the right-hand sides of that block.
    pub product: Vec<Row>,
}

impl ExtraColumns {
    /// The elements of the further vectors in a row, moved to the front.
    pub fn of_row(&self, row: &Row) -> Row {
        let mut own = [0.0; WIDTH];
        let from = &row[self.first..self.first + self.count];
        own[..self.count].copy_from_slice(from);
        own
    }
}

impl Border {
    /// Solves until residuals are below `tolerance`. As many vectors z of `extra` as fit into the
    /// last block are also solved for, with right-hand sides `F z`. `near` has the solutions with
    /// other weights as starting points, or is empty.
    ///
    /// # Errors
    /// `NotPositiveDefinite` if columns of X are linearly dependent.
    pub fn new(
        solver: &Solver,
        tolerance: f64,
        extra: &[Vec<f64>],
        near: &[Vec<Row>],
    ) -> Result<Self> {
        let system = solver.system();
        let width = system.p + 1;
        let columns = (0..width).step_by(WIDTH);
        let right: Vec<Vec<Row>> = match system.has_border() {
            true => border_columns(solver, columns.collect()),
            // Without X and r there are only the further vectors.
            false => vec![vec![[0.0; WIDTH]; system.m]],
        };
        let first = width - (right.len() - 1) * WIDTH;
        let count = extra.len().min(WIDTH - first);
        let mut shared = right[right.len() - 1].clone();
        put_extra(solver, first, &extra[..count], &mut shared);
        let mut all = solve_all(solver, &right, shared, near, tolerance);
        let most = all.iter().map(|found| found.alpha.len()).max();
        let iterations = most.unwrap_or(0);
        let last = all.pop().unwrap_or_default();
        let mut solved: Vec<Vec<Row>> =
            all.into_iter().map(|found| found.x).collect();
        solved.push(last.x);
        let mut gram = solver.reduced.leading_gram();
        subtract_products(width, &right, &solved, &mut gram);
        let mut border = Self {
            right,
            solved,
            l: Vec::new(),
            delta: Vec::new(),
            pwrss: f64::NAN,
            log_det: 0.0,
            iterations,
            extra: ExtraColumns {
                first,
                count,
                alpha: last.alpha,
                beta: last.beta,
                product: last.first,
            },
        };
        border.eliminate(system.p, &gram)?;
        Ok(border)
    }

    /// The solutions for X and r, if any, as starting points for a model with other weights.
    pub fn into_near(mut self) -> Vec<Vec<Row>> {
        let first = self.extra.first;
        for row in self.solved.iter_mut().skip(self.right.len() - 1).flatten() {
            row[first..].fill(0.0);
        }
        self.solved
    }

    /// `R_X`, upper triangular, for the original columns, from which `shift` multiples of the first
    /// one were subtracted.
    pub fn upper(&self, shift: &[f64]) -> Vec<f64> {
        border::upper(&self.l, &shift[..self.delta.len()])
    }

    // `L_XX`, the fixed effects and `r^2`, from `[X r]'V^-1[X r]`.
    fn eliminate(&mut self, p: usize, gram: &[f64]) -> Result<()> {
        let width = p + 1;
        let element = |at: usize| gram[at / p * width + at % p];
        self.l = (0..p * p).map(element).collect();
        let xr: Vec<f64> = (0..p).map(|i| gram[i * width + p]).collect();
        if p > 0 && small::cholesky(p, &mut self.l).is_none() {
            return Err(Error::NotPositiveDefinite { pivot: 0 });
        }
        self.delta.clone_from(&xr);
        small::forward_solve(p, &self.l, &mut self.delta);
        small::backward_solve(p, &self.l, &mut self.delta);
        let diagonal = self.l.iter().step_by(width);
        self.log_det = diagonal.map(|l| 2.0 * l.ln()).sum();
        self.pwrss = gram[p * width + p] - small::dot(&xr, &self.delta);
        Ok(())
    }

    /// Checks that `r^2` exceeds rounding error.
    ///
    /// # Errors
    /// `ZeroResidual`.
    pub fn check(&self, system: &System) -> Result<()> {
        let width = system.p + 1;
        let whole = system.gram[width * width - 1];
        check_residual(system.total_ss, whole, self.pwrss)
    }

    /// The coefficients of the linear combination `r - X delta` of the columns of `[X r]`.
    pub fn residual(&self) -> Vec<Row> {
        let of_x = self.delta.iter().map(|delta| first_of(-delta));
        of_x.chain([first_of(1.0)]).collect()
    }

    /// The coefficients of eight columns of `X L_XX^-T`, from `first` on, as combinations of the
    /// columns of `[X r]`.
    pub fn whitened(&self, first: usize) -> Vec<Row> {
        let p = self.delta.len();
        let mut rows = vec![[0.0; WIDTH]; p + 1];
        for c in 0..WIDTH.min(p - first) {
            let mut column = vec![0.0; p];
            column[first + c] = 1.0;
            small::backward_solve(p, &self.l, &mut column);
            rows.iter_mut()
                .zip(&column)
                .for_each(|(row, x)| row[c] = *x);
        }
        rows
    }

    /// Linear combinations of the solutions.
    pub fn combined<const W: usize>(
        &self,
        coefficients: &[[f64; W]],
    ) -> Vec<[f64; W]> {
        let m = self.solved[0].len();
        let mut combined = vec![[0.0; W]; m];
        for (block, columns) in self.solved.iter().enumerate() {
            let first = block * WIDTH;
            let last = coefficients.len().min(first + WIDTH);
            for (j, by) in coefficients[first..last].iter().enumerate() {
                for (out, row) in combined.iter_mut().zip(columns) {
                    add_multiple(row[j], by, out);
                }
            }
        }
        combined
    }
}

// Blocks of eight columns of the right-hand side, from each index in `first`, in several threads.
fn border_columns(solver: &Solver, first: Vec<usize>) -> Vec<Vec<Row>> {
    let mut right = vec![Vec::new(); first.len()];
    share(right.iter_mut().zip(first), |(right, first)| {
        *right = solver.reduced.border_columns(first);
    });
    right
}

// The solutions for all blocks of columns, with `last` replacing the last one, in several threads.
fn solve_all(
    solver: &Solver,
    right: &[Vec<Row>],
    last: Vec<Row>,
    near: &[Vec<Row>],
    tolerance: f64,
) -> Vec<Solved> {
    let mut sides: Vec<&[Row]> = right.iter().map(Vec::as_slice).collect();
    sides.pop();
    sides.push(&last);
    let starts = match near.len() == sides.len() {
        true => near.iter().map(|near| Some(&near[..])).collect(),
        false => vec![None; sides.len()],
    };
    let sides: Vec<_> = sides.into_iter().zip(starts).collect();
    let mut solved = vec![Solved::default(); sides.len()];
    let some = solver.at_once();
    for (solved, sides) in solved.chunks_mut(some).zip(sides.chunks(some)) {
        share(solved.iter_mut().zip(sides), |(solved, (side, start))| {
            *solved = match start {
                Some(start) => solver.solve_from(start, side, tolerance),
                None => solver.solve(side, tolerance),
            };
        });
    }
    solved
}

// Writes `F z` for some vectors z into the columns from `first` on.
fn put_extra(
    solver: &Solver,
    first: usize,
    vectors: &[Vec<f64>],
    columns: &mut [Row],
) {
    let mut scaled = vec![[0.0; WIDTH]; columns.len()];
    for (c, vector) in vectors.iter().enumerate() {
        let rows = scaled.iter_mut().zip(vector);
        rows.for_each(|(row, z)| row[first + c] = *z);
    }
    solver.preconditioner.times(&mut scaled);
    for (column, scaled) in columns.iter_mut().zip(&scaled) {
        add_multiple(1.0, scaled, column);
    }
}

fn first_of(value: f64) -> Row {
    let mut row = [0.0; WIDTH];
    row[0] = value;
    row
}

// `gram -= right'solved`, lower triangle, in several threads, each with a range of columns.
fn subtract_products(
    width: usize,
    right: &[Vec<Row>],
    solved: &[Vec<Row>],
    gram: &mut [f64],
) {
    let columns = gram.chunks_mut(width * WIDTH).zip(solved);
    share(columns.enumerate(), |(first, (gram, solved))| {
        for (a, right) in right.iter().enumerate().skip(first) {
            let products = all_products(right, solved);
            let columns = gram.chunks_exact_mut(width).zip(&products);
            for (column, products) in columns {
                let own = column[a * WIDTH..].iter_mut().zip(products);
                own.for_each(|(value, product)| *value -= product);
            }
        }
    });
}

/// `A'B` of two blocks of columns, with a row of the result per column of B.
pub fn all_products<const W: usize>(
    a: &[[f64; W]],
    b: &[Row],
) -> [[f64; W]; WIDTH] {
    vectorized(|| {
        let mut products = [[0.0; W]; WIDTH];
        for (a, b) in a.iter().zip(b) {
            for (product, b) in products.iter_mut().zip(b) {
                add_multiple(*b, a, product);
            }
        }
        products
    })
}
