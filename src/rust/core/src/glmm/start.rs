//! Start values, from the generalized linear model without random effects.

use super::{GeneralizedLinearMixedModel, Shape};
use crate::error::Result;
use crate::factor::column_scales::step_sizes_of;
use crate::glmm::families::Response;
use crate::kernels::small;
use crate::tolerances::{SMALL_MEAN, START_GAIN, START_NOISE};

const MAX_ITERATIONS: usize = 25;
/// The first standard deviation of the random effects, relative to the linear predictor.
const RELATIVE_SD: f64 = 0.3;

impl GeneralizedLinearMixedModel {
    /// The fixed effects of the generalized linear model without random effects, by iteratively
    /// reweighted least squares. It starts from means near the responses or, if that is better,
    /// from one common mean, as a few responses near zero may mislead the former. Also sets a
    /// suitable dispersion and scale of the random effects.
    pub(super) fn start_fixed(&mut self) -> Result<()> {
        self.pirls.set_theta(&self.start_theta.clone());
        // The dispersion has the units of the response, which may be arbitrary.
        self.set_dispersion(self.null_dispersion());
        start_eta(&mut self.pirls.response);
        let near = self.iterate_fixed(false);
        let beta = self.pirls.beta.clone();
        let is_better =
            self.start_constant(near) && self.iterate_fixed(true) > near;
        if !is_better {
            self.pirls.beta = beta;
        }
        self.pirls.response.eta = self.fixed_eta(&self.pirls.beta.clone());
        self.start_dispersion();
        self.scale_start_theta();
        Ok(())
    }

    // Iterates, and returns the log-likelihood, or minus infinity if the linear predictors are not
    // yet of the form X beta, as they are from the first full step on.
    fn iterate_fixed(&mut self, mut is_linear: bool) -> f64 {
        let mut log_lik = f64::NEG_INFINITY;
        for _ in 0..MAX_ITERATIONS {
            self.set_expected_weights();
            let Some(target) = self.least_squares() else {
                break;
            };
            let from = self.pirls.response.eta.clone();
            let to = self.fixed_eta(&target);
            let Some((reached, length)) =
                self.halve_towards(&from, &to, log_lik)
            else {
                break;
            };
            is_linear |= length == 1.0;
            if is_linear {
                for (b, to) in self.pirls.beta.iter_mut().zip(&target) {
                    *b += length * (to - *b);
                }
            }
            let gain = reached - log_lik;
            log_lik = reached;
            if is_linear && gain <= START_GAIN * (1.0 + reached.abs()) {
                break;
            }
        }
        if is_linear {
            log_lik
        } else {
            f64::NEG_INFINITY
        }
    }

    // Sets all linear predictors, apart from offsets, to that of the mean response, if its
    // log-likelihood exceeds `floor`. Requires a constant first column of X.
    fn start_constant(&mut self, floor: f64) -> bool {
        let p = self.pirls.rows.p;
        let first = self.pirls.rows.x.first().copied().unwrap_or(0.0);
        let eta = constant_eta(&self.pirls.response);
        if first == 0.0
            || !eta.is_finite()
            || self.pirls.rows.x.iter().step_by(p).any(|x| *x != first)
        {
            return false;
        }
        self.pirls.beta.fill(0.0);
        self.pirls.beta[0] = eta / first;
        self.pirls.response.eta = self.fixed_eta(&self.pirls.beta.clone());
        let log_lik = self.pirls.response.update();
        log_lik.is_finite() && log_lik > floor
    }

    // Scales the start of theta: random effects are as large as the linear predictor if that is a
    // power of the mean; on a logarithmic scale their standard deviation is about one. For random
    // slopes it is divided by the size of the covariate.
    fn scale_start_theta(&mut self) {
        let response = &self.pirls.response;
        let mut scale = if response.link.is_power() {
            RELATIVE_SD * constant_eta(response).abs()
        } else {
            1.0
        };
        if self.options.shape == Shape::Moment
            && response.family.has_dispersion()
        {
            // Lambda is relative to the residual standard deviation.
            scale /= self.pirls.unit.sqrt();
        }
        if !scale.is_normal() {
            scale = 1.0;
        }
        let sizes = self.pirls.rows.root_mean_squares();
        let steps = step_sizes_of(&self.covs, &sizes, self.start_theta.len());
        for (theta, step) in self.start_theta.iter_mut().zip(steps) {
            *theta *= scale * step;
        }
        self.theta_scale = scale;
    }

    fn set_expected_weights(&mut self) {
        let response = &mut self.pirls.response;
        if response.family.is_canonical(response.link) {
            // The weights of the Newton step are the expected ones.
            response.update();
            return;
        }
        for i in 0..response.n() {
            let at = response.contribution(i);
            (response.score[i], response.weight[i]) = (at.score, at.expected);
        }
    }

    /// The linear predictors without random effects.
    pub(super) fn fixed_eta(&self, beta: &[f64]) -> Vec<f64> {
        let mut eta = self.pirls.response.offset.clone();
        self.pirls.rows.add_fixed(beta, &mut eta);
        eta
    }

    // The log-likelihood after the first step length that does not lower it, and that length.
    fn halve_towards(
        &mut self,
        from: &[f64],
        to: &[f64],
        floor: f64,
    ) -> Option<(f64, f64)> {
        let mut length = 1.0;
        for _ in 0..20 {
            let response = &mut self.pirls.response;
            for (e, (a, b)) in response.eta.iter_mut().zip(from.iter().zip(to))
            {
                *e = a + length * (b - a);
            }
            let log_lik = response.update();
            if log_lik.is_finite()
                && log_lik >= floor - START_NOISE * floor.abs()
            {
                return Some((log_lik, length));
            }
            length *= 0.5;
        }
        None
    }

    /// The fixed effects whose linear predictors are nearest to `eta` by least squares. The
    /// response is left at these values, without weights.
    pub(super) fn unweighted_effects(
        &mut self,
        eta: &[f64],
    ) -> Option<Vec<f64>> {
        let response = &mut self.pirls.response;
        response.eta.copy_from_slice(eta);
        response.weight.fill(1.0);
        response.score.fill(0.0);
        self.least_squares()
    }

    // Solves X'WX beta = X'(W (eta - offset) + score).
    fn least_squares(&self) -> Option<Vec<f64>> {
        let rows = &self.pirls.rows;
        let response = &self.pirls.response;
        let p = rows.p;
        let mut xwx = vec![0.0; p * p];
        let mut beta = vec![0.0; p];
        let working = |i: usize| {
            let linear = response.eta[i] - response.offset[i];
            response.weight[i] * linear + response.score[i]
        };
        if let Some(sparse) = &rows.sparse {
            let working: Vec<f64> = (0..rows.n()).map(working).collect();
            xwx = sparse.weighted_squares(&response.weight);
            beta = sparse.transposed_product(&working);
        } else {
            for (i, x) in rows.x.chunks_exact(p.max(1)).enumerate() {
                let w = response.weight[i];
                for j in 0..p {
                    let column = &mut xwx[j * p + j..(j + 1) * p];
                    small::axpy(w * x[j], &x[j..], column);
                }
                small::axpy(working(i), x, &mut beta);
            }
        }
        small::cholesky(p, &mut xwx)?;
        small::forward_solve(p, &xwx, &mut beta);
        small::backward_solve(p, &xwx, &mut beta);
        beta.iter().all(|b| b.is_finite()).then_some(beta)
    }
}

// The linear predictors of means near the responses or, where these are infinite, of the mean
// response.
fn start_eta(response: &mut Response) {
    let fallback = constant_eta(response);
    for i in 0..response.n() {
        let mean = response.family.start_mean(response.y[i], response.w[i]);
        let eta = response.link.eta(mean);
        response.eta[i] = eta;
        if !eta.is_finite() || !response.contribution(i).log_lik.is_finite() {
            response.eta[i] = fallback;
        }
    }
}

// The linear predictor of the mean response or, where it is infinite, of a mean that is small
// relative to the responses.
fn constant_eta(response: &Response) -> f64 {
    let n = response.n() as f64;
    let mean_of = |size: &dyn Fn(f64) -> f64| {
        let one = |i: usize| {
            size(response.family.start_mean(response.y[i], response.w[i]))
        };
        (0..response.n()).map(one).sum::<f64>() / n
    };
    let eta = response.link.eta(mean_of(&|y| y));
    if eta.is_finite() {
        eta
    } else {
        response.link.eta(SMALL_MEAN * mean_of(&f64::abs))
    }
}
