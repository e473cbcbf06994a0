//! Solutions of the complete system, including the fixed effects, for general right-hand sides.

use crate::iterative::border::{all_products, Border};
use crate::iterative::gradients::Solver;
use crate::iterative::wide::{
    add_multiple, add_rows, add_square, column, set_column, Row, WIDTH,
};
use crate::kernels::simd::vectorized;
use crate::kernels::small;

/// A block of one or eight vectors with an element per effect.
#[derive(Debug, Clone, Default)]
pub struct Sides<const W: usize = WIDTH> {
    /// Elements for the leading term's effects, level after level.
    pub leading: Vec<[f64; W]>,
    /// Elements for the trailing effects.
    pub trailing: Vec<[f64; W]>,
    /// Elements for the fixed effects.
    pub fixed: Vec<[f64; W]>,
}

/// The solutions for a block of right-hand sides.
#[derive(Debug, Clone)]
pub struct Solutions<const W: usize = WIDTH> {
    /// Spherical random effects, with the fixed effects.
    pub u: Sides<W>,
    /// Random effects `b = Lambda u`, with the fixed effects.
    pub b: Sides<W>,
}

impl<const W: usize> Sides<W> {
    /// A block of zero vectors.
    pub fn zeros(solver: &Solver) -> Self {
        let system = solver.system();
        let n_leading = system.n_leading() * system.k0;
        Self {
            leading: vec![[0.0; W]; n_leading],
            trailing: vec![[0.0; W]; system.m],
            fixed: vec![[0.0; W]; system.p],
        }
    }

    /// Writes the elements for each term of the model, and for the fixed effects, into column `c`.
    pub fn put(
        &mut self,
        solver: &Solver,
        c: usize,
        (terms, fixed): (&[Vec<f64>], &[f64]),
    ) {
        let system = solver.system();
        set_column(&mut self.leading, c, &terms[system.leading]);
        for block in &system.trailing {
            let own = &mut self.trailing[block.rows()];
            set_column(own, c, &terms[block.term]);
        }
        set_column(&mut self.fixed, c, fixed);
    }

    /// The elements for each term of the model in column `c`.
    pub fn terms(&self, solver: &Solver, c: usize) -> Vec<Vec<f64>> {
        let system = solver.system();
        let mut terms = vec![Vec::new(); system.trailing.len() + 1];
        terms[system.leading] = column(&self.leading, c);
        for block in &system.trailing {
            terms[block.term] = column(&self.trailing[block.rows()], c);
        }
        terms
    }

    /// The elements for the fixed effects in column `c`.
    pub fn fixed(&self, c: usize) -> Vec<f64> {
        column(&self.fixed, c)
    }
}

fn negative<const W: usize>(row: &[f64; W]) -> [f64; W] {
    row.map(|value| -value)
}

/// Solves `[H ..; .. X'WX] [u; beta] = [Lambda'r_Z; r_X]` for a block of right-hand sides; the
/// border must have the same weights. `start` approximates `S^-1` times the reduced right-hand
/// side; the solve ends at `tolerance` times its residual.
pub fn solve<const W: usize>(
    solver: &Solver,
    border: &Border,
    rhs: &Sides<W>,
    start: Option<&[[f64; W]]>,
    tolerance: f64,
) -> Solutions<W> {
    let explained = times_v(solver, &rhs.leading);
    let right = reduced_right(solver, rhs, &explained);
    let x = solve_near(solver, &right, start, tolerance);
    let fixed = fixed_effects(solver, border, rhs, &explained, &x);
    let mut by: Vec<[f64; W]> = fixed.iter().map(negative).collect();
    by.push([0.0; W]);
    let mut u = border.combined(&by);
    add_rows(&x, &mut u);
    let mut b = u.clone();
    solver.reduced.scale(&mut b, false);
    let (u0, b0) = leading_effects(solver, rhs, &by, &b);
    let of = |leading, trailing, fixed| Sides {
        leading,
        trailing,
        fixed,
    };
    Solutions {
        u: of(u0, u, fixed.clone()),
        b: of(b0, b, fixed),
    }
}

/// Computes `[Z X]'W(Z b + X beta)`.
pub fn weighted_products(solver: &Solver, b: &Sides) -> Sides {
    let system = solver.system();
    let reduced = &solver.reduced;
    let k = system.k0;
    let mut out = Sides::zeros(solver);
    reduced.times_a(&b.trailing, &mut out.trailing);
    for level in 0..system.n_leading() {
        let at = level * k..(level + 1) * k;
        let own = &b.leading[at.clone()];
        let products = &mut out.leading[at];
        reduced.gather(level, &b.trailing, products);
        add_square(system.a00.block(level), own, products);
        reduced.scatter(level, 1.0, own, &mut out.trailing);
    }
    let width = system.p + 1;
    let mut fixed = vec![[0.0; WIDTH]; system.p];
    for (column, beta) in system.gram.chunks_exact(width).zip(&b.fixed) {
        add_column(column, beta, &mut fixed);
    }
    let leading = (&system.border_leading, &b.leading, &mut out.leading);
    let trailing = (&system.border_trailing, &b.trailing, &mut out.trailing);
    for (border, effects, products) in [leading, trailing] {
        let rows = border.chunks_exact(width).zip(effects);
        for ((row, effect), product) in rows.zip(products) {
            add_column(row, effect, &mut fixed);
            for (x, beta) in row.iter().zip(&b.fixed) {
                add_multiple(*x, beta, product);
            }
        }
    }
    out.fixed = fixed;
    out
}

// `out_j += x_j by` for each fixed effect j.
fn add_column(x: &[f64], by: &Row, out: &mut [Row]) {
    for (x, out) in x.iter().zip(out) {
        add_multiple(*x, by, out);
    }
}

// `V_i b_0` of each leading level.
fn times_v<const W: usize>(solver: &Solver, b: &[[f64; W]]) -> Vec<[f64; W]> {
    let k = solver.system().k0;
    let mut explained = vec![[0.0; W]; b.len()];
    vectorized(|| {
        let levels = explained.chunks_exact_mut(k).zip(b.chunks_exact(k));
        for (level, (explained, b)) in levels.enumerate() {
            solver.reduced.times_v(level, b, explained);
        }
    });
    explained
}

// `D'(r_t - A_t0 V r_0)`.
fn reduced_right<const W: usize>(
    solver: &Solver,
    rhs: &Sides<W>,
    explained: &[[f64; W]],
) -> Vec<[f64; W]> {
    let k = solver.system().k0;
    let reduced = &solver.reduced;
    let mut right = rhs.trailing.clone();
    reduced.add_by_pieces(&mut right, |levels, right| {
        vectorized(|| {
            for level in levels.clone() {
                let explained = &explained[level * k..(level + 1) * k];
                reduced.scatter(level, -1.0, explained, right);
            }
        });
    });
    reduced.scale(&mut right, true);
    right
}

// `S^-1` times the right-hand sides, from a starting point.
fn solve_near<const W: usize>(
    solver: &Solver,
    right: &[[f64; W]],
    start: Option<&[[f64; W]]>,
    tolerance: f64,
) -> Vec<[f64; W]> {
    let Some(start) = start else {
        return solver.solve(right, tolerance).x;
    };
    let residual = solver.residual(start, right);
    let mut x = solver.solve(&residual, tolerance).x;
    add_rows(start, &mut x);
    x
}

// `(X'V^-1X)^-1 (r_X - X'WZ H^-1 r_Z)`.
fn fixed_effects<const W: usize>(
    solver: &Solver,
    border: &Border,
    rhs: &Sides<W>,
    explained: &[[f64; W]],
    x: &[[f64; W]],
) -> Vec<[f64; W]> {
    let system = solver.system();
    let p = system.p;
    let mut left = rhs.fixed.clone();
    let rows = system.border_leading.chunks_exact(p + 1);
    for (row, explained) in rows.zip(explained) {
        for (x, left) in row.iter().zip(left.iter_mut()) {
            add_multiple(-x, explained, left);
        }
    }
    for (block, right) in border.right.iter().enumerate() {
        let products = all_products(x, right);
        let own = left.iter_mut().skip(block * WIDTH);
        for (left, product) in own.zip(&products) {
            add_multiple(-1.0, product, left);
        }
    }
    for c in 0..W {
        let mut column: Vec<f64> = left.iter().map(|row| row[c]).collect();
        small::forward_solve(p, &border.l, &mut column);
        small::backward_solve(p, &border.l, &mut column);
        set_column(&mut left, c, &column);
    }
    left
}

// The leading term's effects, first the spherical ones:
// `Lambda_0 T^-1 Lambda_0' (r_0 + A_0X by - A_0t b)`.
fn leading_effects<const W: usize>(
    solver: &Solver,
    rhs: &Sides<W>,
    by: &[[f64; W]],
    b: &[[f64; W]],
) -> (Vec<[f64; W]>, Vec<[f64; W]>) {
    let system = solver.system();
    let k = system.k0;
    let width = system.p + 1;
    let reduced = &solver.reduced;
    let mut left = rhs.leading.clone();
    reduced.share_levels(&mut left, k, |levels, left| {
        let mut explained = vec![[0.0; W]; k];
        vectorized(|| {
            for (level, left) in levels.zip(left.chunks_exact_mut(k)) {
                reduced.gather(level, b, &mut explained);
                let rows = &system.border_leading[level * k * width..];
                let rows = rows.chunks_exact(width);
                for ((left, row), explained) in
                    left.iter_mut().zip(rows).zip(&explained)
                {
                    add_multiple(-1.0, explained, left);
                    for (x, by) in row.iter().zip(by) {
                        add_multiple(*x, by, left);
                    }
                }
            }
        });
    });
    let effects = times_v(solver, &left);
    reduced.share_levels(&mut left, k, |levels, left| {
        for (level, left) in levels.zip(left.chunks_exact_mut(k)) {
            reduced.solve_leading(level, left);
        }
    });
    (left, effects)
}
