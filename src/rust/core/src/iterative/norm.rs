//! The squared norm of E, exactly: one pass over the rows of K.

use crate::iterative::gradients::Solver;
use crate::kernels::small;

/// `||E||_F^2 = sum over l != l' of ||F_l^-1 S_ll' F_l'^-T||^2`.
pub fn squared_norm(solver: &Solver) -> f64 {
    let system = solver.system();
    let leading = leading_of_rows(solver);
    let widest = system
        .trailing
        .iter()
        .map(|block| block.k)
        .max()
        .unwrap_or(1);
    let mut rows = RowsOfK {
        values: vec![0.0; system.m * widest],
        touched: Vec::new(),
        is_touched: vec![false; system.m],
        widest,
    };
    let mut total = 0.0;
    for (t, block) in system.trailing.iter().enumerate() {
        for level in 0..block.n_levels {
            let first = block.first + level * block.k;
            for j in 0..block.k {
                rows.add(solver, &leading, first + j, j);
            }
            total += rows.scaled_norm(solver, (t, level));
            rows.clear();
        }
    }
    total
}

// The places in the leading term's lists of each trailing row: (leading level, place).
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
    (0..system.m).for_each(|i| ptr[i + 1] += ptr[i]);
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

// The rows of K of one level, dense.
struct RowsOfK {
    // `widest` values per column of K, one per row of the level.
    values: Vec<f64>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    widest: usize,
}

impl RowsOfK {
    // Row r of K off the diagonal blocks, as row j of the level.
    fn add(&mut self, solver: &Solver, leading: &Places, r: usize, j: usize) {
        let (reduced, system) = (&solver.reduced, solver.system());
        let k0 = system.k0;
        for at in system.cross_ptr[r]..system.cross_ptr[r + 1] {
            self.add_to(
                system.cross_rows[at] as usize,
                j,
                system.cross_vals[at],
            );
        }
        let mut factor = vec![0.0; k0];
        for &(i, at) in &leading.places[leading.ptr[r]..leading.ptr[r + 1]] {
            let (v, at) = (reduced.v.block(i as usize), at as usize);
            let own = &system.vals[at * k0..(at + 1) * k0];
            for (c, factor) in factor.iter_mut().enumerate() {
                *factor = -small::dot(&v[c * k0..(c + 1) * k0], own);
            }
            let range = system.ptr[i as usize]..system.ptr[i as usize + 1];
            let vals = &system.vals[range.start * k0..range.end * k0];
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
        if !self.is_touched[column] {
            self.is_touched[column] = true;
            self.touched.push(column as u32);
        }
        self.values[column * self.widest + j] += value;
    }

    // The sum over the other levels of the squares of `F_l^-1 D_l' K_ll' D_l' F_l'^-T`.
    fn scaled_norm(&mut self, solver: &Solver, own: (usize, usize)) -> f64 {
        let system = solver.system();
        if system.trailing.iter().all(|block| block.k == 1) {
            return self.scaled_norm_of_intercepts(solver, own);
        }
        let mut total = 0.0;
        self.touched.sort_unstable();
        let mut at = 0;
        while at < self.touched.len() {
            let row = self.touched[at] as usize;
            let t = system.block_of_row(row);
            let block = &system.trailing[t];
            let level = (row - block.first) / block.k;
            let first = block.first + level * block.k;
            while at < self.touched.len()
                && (self.touched[at] as usize) < first + block.k
            {
                at += 1;
            }
            if (t, level) != own {
                total += self.block_norm(solver, own, (t, level), first);
            }
        }
        total
    }

    // The norm where all levels have one effect: no blocks are put together.
    fn scaled_norm_of_intercepts(
        &self,
        solver: &Solver,
        (own, own_level): (usize, usize),
    ) -> f64 {
        let system = solver.system();
        let scale = |t: usize, level: usize| {
            let l = solver.preconditioner.factor(t, level)[0];
            (solver.reduced.lambdas[t][0] / l).powi(2)
        };
        let own_row = system.trailing[own].first + own_level;
        let mut total = 0.0;
        for &row in &self.touched {
            let row = row as usize;
            if row != own_row {
                let t = system.block_of_row(row);
                let level = row - system.trailing[t].first;
                total += self.values[row].powi(2) * scale(t, level);
            }
        }
        total * scale(own, own_level)
    }

    fn block_norm(
        &self,
        solver: &Solver,
        (own, own_level): (usize, usize),
        (other, level): (usize, usize),
        first: usize,
    ) -> f64 {
        let (reduced, system) = (&solver.reduced, solver.system());
        let (k, l) = (system.trailing[own].k, system.trailing[other].k);
        // Columns of the other level, each with the rows of the own one.
        let mut block: Vec<f64> = (0..l)
            .flat_map(|c| {
                self.values[(first + c) * self.widest..][..k].to_vec()
            })
            .collect();
        for column in block.chunks_exact_mut(k) {
            small::lambda_transposed_in_place(k, &reduced.lambdas[own], column);
            small::forward_solve(
                k,
                solver.preconditioner.factor(own, own_level),
                column,
            );
        }
        let mut total = 0.0;
        for j in 0..k {
            let mut row: Vec<f64> = (0..l).map(|c| block[c * k + j]).collect();
            small::lambda_transposed_in_place(
                l,
                &reduced.lambdas[other],
                &mut row,
            );
            small::forward_solve(
                l,
                solver.preconditioner.factor(other, level),
                &mut row,
            );
            total += small::dot(&row, &row);
        }
        total
    }

    fn clear(&mut self) {
        for &column in &self.touched {
            let at = column as usize * self.widest;
            self.values[at..at + self.widest].fill(0.0);
            self.is_touched[column as usize] = false;
        }
        self.touched.clear();
    }
}
