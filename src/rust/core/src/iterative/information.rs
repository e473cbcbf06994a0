//! The average information matrix `Q = [f_d'P f_e]` with `f_d = Z (I kron E_d) v`, for the unit
//! directions `E_d` of the covariances. Each `f_d` is a further right-hand side like the columns of
//! X and r, so that no probe vectors are needed.

use crate::iterative::border::{all_products, Border};
use crate::iterative::gradients::{Solved, Solver};
use crate::iterative::scores::Scores;
use crate::iterative::wide::{add_multiple, times_square, Row, WIDTH};
use crate::kernels::simd::vectorized;
use crate::kernels::small;
use crate::parallel::team::share;
use crate::tolerances::HESSIAN_SOLVE;

/// Term, row and column of an element of Omega that is not always zero; row >= column.
pub type Direction = (usize, usize, usize);

/// Up to eight directions.
struct DirectionBlock {
    /// `(I kron E_d) v` for the leading and for the trailing effects.
    leading: Vec<Row>,
    trailing: Vec<Row>,
    /// `Z_0'f`, and `V Z_0'f`.
    products: Vec<Row>,
    explained: Vec<Row>,
    /// `Z_t'f`.
    trailing_products: Vec<Row>,
    /// `D'Z_t'V_0^-1 f`, and `S^-1` times it.
    right: Vec<Row>,
    solved: Vec<Row>,
    /// `L_XX^-1 X'V^-1 f`, `p` rows.
    border: Vec<Row>,
}

/// `Q`, symmetric, in the order of the directions; v is the first column of `scores`.
pub fn information(
    solver: &Solver,
    border: &Border,
    scores: &Scores,
    directions: &[Direction],
) -> Vec<f64> {
    let n = directions.len();
    let blocks: Vec<DirectionBlock> = directions
        .chunks(WIDTH)
        .map(|some| DirectionBlock::new(solver, border, scores, some))
        .collect();
    let mut q = vec![0.0; n * n];
    for (b, right) in blocks.iter().enumerate() {
        for (a, left) in blocks.iter().enumerate().take(b + 1) {
            let forms = left.forms(right);
            for (j, column) in forms.iter().enumerate() {
                for (i, value) in column.iter().enumerate() {
                    let row = a * WIDTH + i;
                    let col = b * WIDTH + j;
                    if row < n && col < n {
                        q[col * n + row] = *value;
                        q[row * n + col] = *value;
                    }
                }
            }
        }
    }
    q
}

impl DirectionBlock {
    fn new(
        solver: &Solver,
        border: &Border,
        scores: &Scores,
        directions: &[Direction],
    ) -> Self {
        let system = solver.system();
        let mut turned = Self {
            leading: vec![[0.0; WIDTH]; scores.leading.len()],
            trailing: vec![[0.0; WIDTH]; system.m],
            products: vec![[0.0; WIDTH]; scores.leading.len()],
            explained: vec![[0.0; WIDTH]; scores.leading.len()],
            trailing_products: vec![[0.0; WIDTH]; system.m],
            right: Vec::new(),
            solved: Vec::new(),
            border: vec![[0.0; WIDTH]; system.p],
        };
        for (c, direction) in directions.iter().enumerate() {
            turned.fill_directions(solver, scores, c, *direction);
        }
        turned.multiply(solver);
        let Solved { x, .. } = solver.solve(&turned.right, HESSIAN_SOLVE);
        turned.solved = x;
        turned.eliminate_fixed(solver, border);
        turned
    }

    // Column c: element (r, s) of Omega puts v_s into effect r and v_r into effect s.
    fn fill_directions(
        &mut self,
        solver: &Solver,
        scores: &Scores,
        c: usize,
        (term, r, s): Direction,
    ) {
        let system = solver.system();
        let (k, from, to) = match system.block_of(term) {
            Some(block) => (
                block.k,
                &scores.trailing[block.rows()],
                &mut self.trailing[block.rows()],
            ),
            None => (system.k0, &scores.leading[..], &mut self.leading[..]),
        };
        for (v, a) in from.chunks_exact(k).zip(to.chunks_exact_mut(k)) {
            a[r][c] = v[s][0];
            a[s][c] = v[r][0];
        }
    }

    // `Z'f`, and its reduction by the elimination of the leading term.
    fn multiply(&mut self, solver: &Solver) {
        let reduced = &solver.reduced;
        let system = solver.system();
        let k = system.k0;
        reduced.times_a(&self.trailing, &mut self.trailing_products);
        self.right.clone_from(&self.trailing_products);
        self.multiply_leading(solver);
        let (leading, explained) = (&self.leading, &self.explained);
        // The products of `(I kron E_d) v` itself, and of its residual after elimination by V.
        let sums =
            [(0.0, &mut self.trailing_products), (-1.0, &mut self.right)];
        let scatter = |(by, out): (f64, &mut Vec<Row>)| {
            let mut left = vec![[0.0; WIDTH]; k];
            vectorized(|| {
                for level in 0..system.n_leading() {
                    let at = level * k..(level + 1) * k;
                    left.copy_from_slice(&leading[at.clone()]);
                    for (left, explained) in left.iter_mut().zip(&explained[at])
                    {
                        add_multiple(by, explained, left);
                    }
                    reduced.scatter(level, 1.0, &left, out);
                }
            });
        };
        match system.pieces().len() {
            1 => sums.into_iter().for_each(scatter),
            _ => share(sums.into_iter(), scatter),
        }
        reduced.scale(&mut self.right, true);
    }

    // `Z_0'f` and `V Z_0'f`, for pieces of the leading levels in several threads.
    fn multiply_leading(&mut self, solver: &Solver) {
        let (system, reduced) = (solver.system(), &solver.reduced);
        let k = system.k0;
        let (leading, trailing) = (&self.leading, &self.trailing);
        let mut rest = (&mut self.products[..], &mut self.explained[..]);
        let mut jobs = Vec::new();
        for levels in system.pieces() {
            let (products, others) = rest.0.split_at_mut(levels.len() * k);
            let (explained, more) = rest.1.split_at_mut(levels.len() * k);
            rest = (others, more);
            jobs.push((levels, products, explained));
        }
        share(jobs.into_iter(), |(levels, products, explained)| {
            let products = products.chunks_exact_mut(k);
            let places = products.zip(explained.chunks_exact_mut(k));
            let mut own = vec![[0.0; WIDTH]; k];
            vectorized(|| {
                for (level, (products, explained)) in levels.zip(places) {
                    let a = &leading[level * k..(level + 1) * k];
                    reduced.gather(level, trailing, products);
                    times_square(system.a00.block(level), a, &mut own);
                    for (product, own) in products.iter_mut().zip(&own) {
                        add_multiple(1.0, own, product);
                    }
                    reduced.times_v(level, products, explained);
                }
            });
        });
    }

    // `L_XX^-1 X'V^-1 f`.
    fn eliminate_fixed(&mut self, solver: &Solver, border: &Border) {
        let system = solver.system();
        let p = system.p;
        let width = p + 1;
        let leading = system.border_leading.chunks_exact(width);
        let effects = self.leading.iter().zip(&self.explained);
        for (row, (a, explained)) in leading.zip(effects) {
            for (out, x) in self.border.iter_mut().zip(row) {
                add_multiple(*x, a, out);
                add_multiple(-x, explained, out);
            }
        }
        let trailing = system.border_trailing.chunks_exact(width);
        for (row, a) in trailing.zip(&self.trailing) {
            for (out, x) in self.border.iter_mut().zip(row) {
                add_multiple(*x, a, out);
            }
        }
        for (block, solved) in border.solved.iter().enumerate() {
            let products = all_products(solved, &self.right);
            for (c, product) in products.iter().enumerate() {
                let first = block * WIDTH;
                let rows = self.border.iter_mut().skip(first);
                rows.zip(product).for_each(|(out, x)| out[c] -= x);
            }
        }
        for c in 0..WIDTH {
            let mut column: Vec<f64> =
                self.border.iter().map(|row| row[c]).collect();
            small::forward_solve(p, &border.l, &mut column);
            let rows = self.border.iter_mut().zip(&column);
            rows.for_each(|(row, x)| row[c] = *x);
        }
    }

    // `f_d'P f_e`.
    fn forms(&self, other: &Self) -> [Row; WIDTH] {
        let mut forms = all_products(&self.leading, &other.products);
        let more = [
            (1.0, &self.trailing, &other.trailing_products),
            (-1.0, &self.products, &other.explained),
            (-1.0, &self.right, &other.solved),
            (-1.0, &self.border, &other.border),
        ];
        for (sign, left, right) in more {
            let products = all_products(left, right);
            for (form, product) in forms.iter_mut().zip(&products) {
                add_multiple(sign, product, form);
            }
        }
        forms
    }
}
