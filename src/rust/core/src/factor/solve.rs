//! Solves the penalized system for a right-hand side other than the response's.

use crate::factor::{Pls, Solution};
use crate::kernels::small;

impl Pls {
    /// Solves `[H, Lambda'Z'WX; X'WZ Lambda, X'WX] [u; beta] = [Lambda' r_Z; r_X]` with the factor of the last
    /// update. `rz`: per term of the design, `vsize x n_levels`; `rx`: one value per fixed effect of this factor; `ru`:
    /// added to the right-hand side of the units, in spherical coordinates, unless empty.
    pub(crate) fn solve_for(&self, rz: &[Vec<f64>], rx: &[f64], ru: &[f64]) -> Solution {
        let (k, p, width) = (self.leading.k, self.p(), self.layout.width);
        let mut y_r = self.gather_trailing(rz);
        let mut beta = rx.to_vec();
        let mut y = vec![0.0; self.leading.n_levels * k];
        let lambda = &self.lambdas[self.layout.leading_term];
        let mut my = vec![0.0; k];
        // Forward: y = L^-1 [Lambda' r_Z; r_X]. The trailing rows are scaled when all units have been taken off.
        for (unit, (y, r)) in y
            .chunks_exact_mut(k)
            .zip(rz[self.layout.leading_term].chunks_exact(k))
            .enumerate()
        {
            small::lambda_transposed_times(k, lambda, r, y);
            if !ru.is_empty() {
                small::axpy(1.0, &ru[unit * k..(unit + 1) * k], y);
            }
            small::forward_solve(k, &self.l00[unit * k * k..(unit + 1) * k * k], y);
            let m = &self.m[unit * k * k..(unit + 1) * k * k];
            my.fill(0.0);
            m.chunks_exact(k)
                .zip(&*y)
                .for_each(|(column, &y)| small::axpy(y, column, &mut my));
            let (rows, vals) = self.leading.touched(unit);
            for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
                y_r[row as usize] -= small::dot(v, &my);
            }
            let bx = &self.bx[unit * width * k..(unit + 1) * width * k];
            bx.chunks_exact(width)
                .zip(&*y)
                .for_each(|(column, &y)| small::axpy(-y, &column[..p], &mut beta));
        }
        self.scale_trailing(&mut y_r, small::lambda_transposed_times);
        if self.layout.m > 0 {
            self.trailing.forward_solve(1, &mut y_r);
        }
        self.trailing
            .s_xr
            .chunks_exact(width)
            .zip(&y_r)
            .for_each(|(c, &y)| small::axpy(-y, &c[..p], &mut beta));
        self.solve_fixed(&mut beta);
        // Backward.
        for (y, column) in y_r.iter_mut().zip(self.trailing.s_xr.chunks_exact(width)) {
            *y -= small::dot(&column[..p], &beta);
        }
        if self.layout.m > 0 {
            self.trailing.backward_solve(1, &mut y_r);
        }
        let mut u = self.scatter_trailing(&y_r);
        self.scale_trailing(&mut y_r, small::lambda_times);
        self.backward_leading(&mut y, &y_r, &beta);
        u[self.layout.leading_term] = y;
        let b = u
            .iter()
            .enumerate()
            .map(|(t, u)| self.times_lambda(t, u))
            .collect();
        Solution { beta, u, b }
    }

    // u_i = L_i^-T (y_i - M_i' A_0R b_R - B_X,i' beta)
    fn backward_leading(&self, y: &mut [f64], b_r: &[f64], beta: &[f64]) {
        let (k, p, width) = (self.leading.k, self.p(), self.layout.width);
        let mut a = vec![0.0; k];
        for (unit, y) in y.chunks_exact_mut(k).enumerate() {
            a.fill(0.0);
            let (rows, vals) = self.leading.touched(unit);
            for (&row, v) in rows.iter().zip(vals.chunks_exact(k)) {
                small::axpy(b_r[row as usize], v, &mut a);
            }
            let m = &self.m[unit * k * k..(unit + 1) * k * k];
            let bx = &self.bx[unit * width * k..(unit + 1) * width * k];
            for ((y, m), bx) in y
                .iter_mut()
                .zip(m.chunks_exact(k))
                .zip(bx.chunks_exact(width))
            {
                *y -= small::dot(m, &a) + small::dot(&bx[..p], beta);
            }
            small::backward_solve(k, &self.l00[unit * k * k..(unit + 1) * k * k], y);
        }
    }

    fn gather_trailing(&self, rz: &[Vec<f64>]) -> Vec<f64> {
        let mut rows = vec![0.0; self.layout.m];
        for block in &self.layout.blocks {
            for (&first, r) in block
                .first
                .iter()
                .zip(rz[block.term].chunks_exact(block.vsize))
            {
                rows[first as usize..first as usize + block.vsize].copy_from_slice(r);
            }
        }
        rows
    }

    fn scatter_trailing(&self, rows: &[f64]) -> Vec<Vec<f64>> {
        let mut u: Vec<Vec<f64>> = vec![Vec::new(); self.lambdas.len()];
        for block in &self.layout.blocks {
            let of_level = |&first: &u32| {
                rows[first as usize..first as usize + block.vsize]
                    .iter()
                    .copied()
            };
            u[block.term] = block.first.iter().flat_map(of_level).collect();
        }
        u
    }

    // Multiplies every trailing level by its Lambda or the transpose.
    fn scale_trailing(
        &self,
        rows: &mut [f64],
        multiply: impl Fn(usize, &[f64], &[f64], &mut [f64]),
    ) {
        let mut level = vec![0.0; self.layout.max_vsize()];
        for (block, lambda) in self.layout.blocks.iter().zip(&self.trailing_lambdas) {
            let k = block.vsize;
            for &first in &block.first {
                let rows = &mut rows[first as usize..first as usize + k];
                multiply(k, lambda, rows, &mut level);
                rows.copy_from_slice(&level[..k]);
            }
        }
    }

    // Both triangular solves with the factor of X'V^-1X.
    fn solve_fixed(&self, x: &mut [f64]) {
        let (p, width) = (self.p(), self.layout.width);
        for j in 0..p {
            x[j] /= self.l_xx[j * width + j];
            let (done, rest) = x.split_at_mut(j + 1);
            small::axpy(-done[j], &self.l_xx[j * width + j + 1..j * width + p], rest);
        }
        for j in (0..p).rev() {
            x[j] -= small::dot(&self.l_xx[j * width + j + 1..j * width + p], &x[j + 1..]);
            x[j] /= self.l_xx[j * width + j];
        }
    }
}
