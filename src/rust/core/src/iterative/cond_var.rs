//! Conditional variances of the random effects, by solves for unit vectors of all trailing effects,
//! or of those of some terms.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::iterative::gradients::Solver;
use crate::iterative::traces::OfTerms;
use crate::iterative::wide::{Row, WIDTH};
use crate::kernels::chunks::chunks;
use crate::kernels::small;
use crate::parallel::team::share;
use crate::tolerances::{VARIANCE_FORM, VARIANCE_SOLVE};

/// Largest number of multiplications for conditional variances, about a minute.
const MOST_MULTIPLICATIONS: f64 = 1e11;

/// `Var(b | y) / sigma^2` of each level, `k x k`, per term in the order of the model.
///
/// With `C = D S^-1 D'` it is `C_ll` for a trailing level, and `V_i + V_i A_0t C A_t0 V_i` for a
/// leading level, to which eight columns of C are added at a time.
pub fn cond_var(solver: &Solver) -> OfTerms {
    let system = solver.system();
    let mut found = zeros(solver);
    let solve = |rhs: &[Row]| solver.solve(rhs, VARIANCE_SOLVE).x;
    for_columns(solver, 0..system.m, solve, |columns, rows| {
        for (c, row) in rows.clone().enumerate() {
            add_trailing(solver, columns, (c, row), &mut found);
        }
        let own = &mut found[system.leading];
        add_leading(solver, columns, rows.start, own);
    });
    finish_leading(solver, &mut found[system.leading]);
    found
}

/// The same for some terms only, with the accuracy [`VARIANCE_FORM`] that standard errors need.
/// Other terms may have zeros.
pub fn cond_var_of(solver: &Solver, is_wanted: &[bool]) -> OfTerms {
    let system = solver.system();
    let blocks = system.trailing.iter();
    let wanted: Vec<_> = blocks.filter(|b| is_wanted[b.term]).collect();
    // Off-diagonal elements are not of the form `rhs'x`, whose error is quadratic.
    let has_more = wanted.iter().any(|block| block.k > 1);
    if is_wanted[system.leading] || has_more {
        return cond_var(solver);
    }
    let mut found = zeros(solver);
    let solve = |rhs: &[Row]| solver.solve_forms(rhs, VARIANCE_FORM).x;
    for block in wanted {
        for_columns(solver, block.rows(), solve, |columns, rows| {
            for (c, row) in rows.enumerate() {
                add_trailing(solver, columns, (c, row), &mut found);
            }
        });
    }
    found
}

// A matrix of zeros for each level of each term.
fn zeros(solver: &Solver) -> OfTerms {
    let system = solver.system();
    let k0 = system.k0;
    let mut zeros = vec![Vec::new(); system.trailing.len() + 1];
    zeros[system.leading] = vec![0.0; system.n_leading() * k0 * k0];
    for block in &system.trailing {
        zeros[block.term] = vec![0.0; block.n_levels * block.k * block.k];
    }
    zeros
}

// Calls `visit` with blocks of eight columns of `D S^-1 D'` and their indices.
fn for_columns(
    solver: &Solver,
    rows: Range<usize>,
    solve: impl Fn(&[Row]) -> Vec<Row> + Sync,
    mut see: impl FnMut(&[Row], Range<usize>),
) {
    let eights = chunks(rows.len(), WIDTH);
    let all: Vec<Range<usize>> = eights
        .map(|own| rows.start + own.start..rows.start + own.end)
        .collect();
    for some in all.chunks(solver.at_once()) {
        let mut solved = vec![Vec::new(); some.len()];
        share(solved.iter_mut().zip(some), |(columns, rows)| {
            let mut rhs = vec![[0.0; WIDTH]; solver.system().m];
            let own = rhs[rows.clone()].iter_mut().enumerate();
            own.for_each(|(c, row)| row[c] = 1.0);
            solver.reduced.scale(&mut rhs, true);
            *columns = solve(&rhs);
            solver.reduced.scale(columns, false);
        });
        for (columns, rows) in solved.iter().zip(some) {
            see(columns, rows.clone());
        }
    }
}

fn add_trailing(
    solver: &Solver,
    columns: &[Row],
    (c, row): (usize, usize),
    found: &mut OfTerms,
) {
    let system = solver.system();
    let block = &system.trailing[system.block_of_row(row)];
    let k = block.k;
    let level = (row - block.first) / k;
    let effect = (row - block.first) % k;
    let rows = &columns[block.first + level * k..];
    let out = &mut found[block.term][level * k * k + effect * k..];
    for (out, row) in out.iter_mut().zip(&rows[..k]) {
        *out = row[c];
    }
}

// Adds `A_0t C A_t0` of each leading level, for a block of columns of C.
fn add_leading(solver: &Solver, columns: &[Row], first: usize, y: &mut [f64]) {
    let system = solver.system();
    let k0 = system.k0;
    let mut gathered = vec![[0.0; WIDTH]; k0];
    for (level, y) in y.chunks_exact_mut(k0 * k0).enumerate() {
        let (rows, vals) = system.coupled(level);
        let own = first as u32..(first + WIDTH) as u32;
        if !rows.iter().any(|row| own.contains(row)) {
            continue;
        }
        solver.reduced.gather(level, columns, &mut gathered);
        for (&row, vals) in rows.iter().zip(vals.chunks_exact(k0)) {
            if own.contains(&row) {
                let c = row as usize - first;
                for (d, a) in vals.iter().enumerate() {
                    for (e, t) in gathered.iter().enumerate() {
                        y[d * k0 + e] += t[c] * a;
                    }
                }
            }
        }
    }
}

// `V + V Y V` for each leading level.
fn finish_leading(solver: &Solver, y: &mut [f64]) {
    let k = solver.system().k0;
    let mut half = vec![0.0; k * k];
    for (level, y) in y.chunks_exact_mut(k * k).enumerate() {
        let v = solver.reduced.v.block(level);
        small::multiply(k, v, y, &mut half);
        small::multiply(k, &half, v, y);
        small::axpy(1.0, v, y);
    }
}

/// Conditional variances of all terms, or of some, if the solves take a minute at most.
///
/// # Errors
/// `NeedsFactor` if they would take longer.
pub fn affordable(
    solver: &Solver,
    is_wanted: Option<&[bool]>,
) -> Result<OfTerms> {
    if cost(solver) > MOST_MULTIPLICATIONS {
        return Err(Error::NeedsFactor);
    }
    Ok(match is_wanted {
        Some(is_wanted) => cond_var_of(solver, is_wanted),
        None => cond_var(solver),
    })
}

// The approximate number of multiplications of the solves.
fn cost(solver: &Solver) -> f64 {
    let system = solver.system();
    let per_product = system.vals.len() + system.cross_vals.len() + system.m;
    20.0 * system.m as f64 * per_product as f64
}
