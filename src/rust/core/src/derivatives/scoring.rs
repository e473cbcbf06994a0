//! The step of Fisher scoring, by the expected information. Unlike Newton's step it is a good one
//! from a remote start, whatever the curvature there: for balanced data it reaches the optimum in
//! one step, and from `Omega = I` it gives the minimum-norm quadratic estimates (MINQUE) of the
//! variance components.

use crate::derivatives::{OmegaDerivatives, Profile};
use crate::kernels::eigen::Eigen;
use crate::kernels::small;
use crate::tolerances::LEAST_INFORMATION;

/// Above this number of elements of Omega, the decomposition of their information takes longer than
/// the evaluations that it may save in a model with fewer parameters.
const MANY_ELEMENTS: usize = 400;

impl OmegaDerivatives {
    /// `Omega` of each term after one step, `k x k`; the exact Hessian must have been computed.
    /// `None` if the information is not finite, or if there are many more elements of Omega than
    /// the `n_theta` parameters.
    ///
    /// In the covariances `sigma^2 Omega` and in `sigma^2` the information is `[Tr, t; t', df]`
    /// with `t_d = tr(E_d W)`, and the derivative in sigma is zero. The step in `log sigma^2` is
    /// `d = -t's / df`, where s is the solution of `(Tr - t t' / df) s = -g`; the step in the ratio
    /// Omega is `s / (1 + d)`.
    pub fn scored(
        &self,
        lambdas: &[Vec<f64>],
        (profile, df): (Profile, f64),
        n_theta: usize,
    ) -> Option<Vec<Vec<f64>>> {
        let n = self.directions.len();
        if n > MANY_ELEMENTS && n > n_theta {
            return None;
        }
        let mut g = Vec::new();
        self.fill_slopes(&mut g);
        let traces = g.iter().zip(&self.squares);
        let t: Vec<f64> =
            traces.map(|(g, s)| g + profile.precision * s).collect();
        let unknown = if profile.sigma_profiled {
            1.0 / df
        } else {
            0.0
        };
        let mut information = self.expected.clone();
        for j in 0..n {
            for i in 0..n {
                information[j * n + i] -= unknown * t[i] * t[j];
            }
        }
        let step = solve(&mut information, &g)?;
        // Here `step` is -s, so that d = t'step / df.
        let change = unknown * small::dot(&t, &step);
        let scale = -1.0 / (1.0 + change.max(-0.9));
        let lambdas = lambdas.iter().enumerate();
        let after_step = lambdas
            .map(|(term, lambda)| self.after_step(term, lambda, scale, &step));
        Some(after_step.collect())
    }

    // Omega of a term after `scale` times the step.
    fn after_step(
        &self,
        term: usize,
        lambda: &[f64],
        scale: f64,
        step: &[f64],
    ) -> Vec<f64> {
        let k = self.directions.size(term);
        let mut omega = vec![0.0; k * k];
        small::multiply_transposed(k, lambda, lambda, &mut omega);
        for (d, (r, s)) in self.directions.elements(term) {
            omega[s * k + r] += scale * step[d];
            if r != s {
                omega[r * k + s] += scale * step[d];
            }
        }
        omega
    }
}

// The minimum-norm solution of `a x = b` for a positive semi-definite `a`, after scaling `a` to a
// unit diagonal.
fn solve(a: &mut [f64], b: &[f64]) -> Option<Vec<f64>> {
    let n = b.len();
    let diagonal = a.iter().step_by(n + 1);
    let unit: Vec<f64> = diagonal
        .map(|a| a.max(f64::MIN_POSITIVE).sqrt().recip())
        .collect();
    for j in 0..n {
        for i in 0..n {
            a[j * n + i] *= unit[i] * unit[j];
        }
    }
    let mut eigen = Eigen::new(n);
    if !eigen.decompose(a) {
        return None;
    }
    let b: Vec<f64> = b.iter().zip(&unit).map(|(b, u)| b * u).collect();
    let mut x = shortest_solution(&eigen, &b);
    for (x, u) in x.iter_mut().zip(&unit) {
        *x *= u;
    }
    Some(x)
}

// The sum of `q q'b / value` over the eigenvectors whose eigenvalue exceeds rounding error.
fn shortest_solution(eigen: &Eigen, b: &[f64]) -> Vec<f64> {
    let mut x = vec![0.0; b.len()];
    let largest = eigen.values.last().copied().unwrap_or(0.0);
    for (i, &value) in eigen.values.iter().enumerate() {
        if value > LEAST_INFORMATION * largest {
            let vector = eigen.vector(i);
            small::axpy(small::dot(vector, b) / value, vector, &mut x);
        }
    }
    x
}
