//! A generalized linear mixed model as an objective for the optimizers: a function of its free
//! coordinates.

use super::GeneralizedLinearMixedModel;
use crate::coordinates::Coordinates;
use crate::covariance::DescentDirection;
use crate::derivatives::HessianKind;
use crate::error::Result;
use crate::factor::column_scales::step_sizes_of;
use crate::glmm::families::response::Information;
use crate::glmm::vary::Vary;
use crate::judge::Judged;
use crate::kernels::small;
use crate::optimize::{Geometry, Objective};
use crate::tolerances::{DIFFERENCE_STEP, FINE_DECREMENT};

/// A model with the coordinates of its free parameters.
pub(super) struct Search<'a> {
    model: &'a mut GeneralizedLinearMixedModel,
    vary: Vary,
    pub at: Coordinates,
    x: Vec<f64>,
    // The fixed effects at the previous point.
    beta: Vec<f64>,
    // The gradient in all parameters.
    gradient: Vec<f64>,
}

impl<'a> Search<'a> {
    /// A search that starts at `parameters`, which also hold the values of the parameters that are
    /// not free.
    pub fn new(
        model: &'a mut GeneralizedLinearMixedModel,
        vary: Vary,
        parameters: &[f64],
    ) -> Self {
        let at = Coordinates::new(&model.covs, &model.held, &[], parameters);
        let gradient = vec![0.0; parameters.len()];
        Self {
            model,
            vary,
            x: at.start(),
            at,
            beta: Vec::new(),
            gradient,
        }
    }

    // The gradient at another point, for differences.
    fn slopes_at(&mut self, x: &[f64]) -> Result<Vec<f64>> {
        self.at.go_to(x);
        self.model.objective(self.vary, &self.at.parameters)?;
        let mut in_parameters = vec![0.0; self.gradient.len()];
        self.model.gradient(self.vary, &mut in_parameters)?;
        let mut slopes = vec![0.0; x.len()];
        self.at.slopes(&in_parameters, &mut slopes);
        Ok(slopes)
    }

    fn differences(&mut self, steps: &[f64], hessian: &mut [f64]) {
        let x = self.x.clone();
        let n = x.len();
        for (j, &step) in steps.iter().enumerate() {
            let column = &mut hessian[j * n..(j + 1) * n];
            let is_known = !self.model.must_stop()
                && self.central_difference(&x, j, step, column).is_ok();
            if !is_known {
                column.fill(f64::NAN);
            }
        }
        self.at.go_to(&x);
        for j in 0..n {
            for i in 0..j {
                let mean = 0.5 * (hessian[j * n + i] + hessian[i * n + j]);
                hessian[j * n + i] = mean;
                hessian[i * n + j] = mean;
            }
        }
    }

    // The central difference of the gradient in coordinate `j`.
    fn central_difference(
        &mut self,
        x: &[f64],
        j: usize,
        step: f64,
        out: &mut [f64],
    ) -> Result<()> {
        let mut point = x.to_vec();
        point[j] = x[j] + step;
        let up = self.slopes_at(&point)?;
        point[j] = x[j] - step;
        let down = self.slopes_at(&point)?;
        for (out, (up, down)) in out.iter_mut().zip(up.iter().zip(&down)) {
            *out = (up - down) / (2.0 * step);
        }
        Ok(())
    }
}

impl Objective for Search<'_> {
    fn noise(&self) -> f64 {
        self.model.search_noise()
    }

    fn is_spent(&self) -> bool {
        self.model.effort() >= self.model.most_steps || self.model.must_stop()
    }

    fn value(&mut self, x: &[f64]) -> Result<f64> {
        self.x.copy_from_slice(x);
        self.at.go_to(x);
        self.beta.clone_from(&self.model.pirls.beta);
        let value = self.model.objective(self.vary, &self.at.parameters);
        if !value.as_ref().is_ok_and(|v| v.is_finite()) {
            // The next point must not start from the modes of a failed search.
            if !self.model.has_fixed_levels() {
                self.model.reset_modes();
            }
            self.model.pirls.beta.clone_from(&self.beta);
        }
        value
    }

    fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
        self.model.gradient(self.vary, &mut self.gradient)?;
        self.at.gradient(&self.gradient, gradient);
        Ok(())
    }

    // The inverse Hessian of the working model at the modes, if that is positive definite.
    fn metric(&mut self) -> Option<Vec<f64>> {
        let working = self.model.working_hessian(self.vary)?;
        let n = self.at.free().len();
        let mut hessian = vec![0.0; n * n];
        self.at.hessian(&self.gradient, &working, &mut hessian);
        small::cholesky(n, &mut hessian)?;
        Some(small::symmetric_inverse(n, &hessian))
    }

    // Central differences of the exact gradient; `NaN` where the objective has none.
    fn hessian(&mut self, hessian: &mut [f64]) -> Result<()> {
        let guess = self.model.inverse_guess(self.vary);
        let n = self.at.parameters.len();
        let steps: Vec<f64> = (0..n)
            .map(|j| DIFFERENCE_STEP * (2.0 * guess[j * n + j]).sqrt())
            .collect();
        let tolerance = self.model.pirls.tolerance;
        self.model.pirls.tolerance.decrement =
            tolerance.decrement.min(FINE_DECREMENT);
        self.differences(&self.at.free_of(&steps), hessian);
        self.model.pirls.tolerance = tolerance;
        self.at.decouple_blocked(&self.gradient, hessian);
        Ok(())
    }
}

impl Geometry for Search<'_> {
    fn step_sizes(&self, _n: usize) -> Vec<f64> {
        self.at.free_of(&self.model.step_sizes(self.vary))
    }

    fn extent(&self, x: &[f64]) -> f64 {
        let step_sizes = self.step_sizes(x.len());
        self.at.extent(x, &step_sizes).max(1.0)
    }

    fn is_bounded(&self, _n: usize) -> Vec<bool> {
        self.at.is_bounded()
    }

    fn make_canonical(&self, x: &mut [f64]) {
        self.at.make_canonical(x);
    }

    fn escapes(&mut self, x: &[f64], gain: f64) -> Vec<Vec<f64>> {
        let parameters = self.at.to_theta(x);
        let ways = self
            .model
            .descent_directions(self.vary, &parameters)
            .unwrap_or_default()
            .0;
        self.at.beyond(x, &self.gradient, ways, gain)
    }
}

impl Judged for Search<'_> {
    fn coordinates(&self) -> &Coordinates {
        &self.at
    }

    fn parameter_gradient(&self) -> &[f64] {
        &self.gradient
    }

    fn hessian_kind(&self) -> HessianKind {
        HessianKind::Differences
    }

    fn descent_directions(&mut self) -> Result<Vec<DescentDirection>> {
        Ok(self
            .model
            .descent_directions(self.vary, &self.at.parameters)?
            .0)
    }
}

impl GeneralizedLinearMixedModel {
    /// The unit of each parameter, in which its weighted column of Z or X has a mean square of one.
    pub(super) fn step_sizes(&self, vary: Vary) -> Vec<f64> {
        let n_theta = self.n_theta();
        let mut step_sizes = vec![1.0; self.n_parameters(vary)];
        let of_theta = step_sizes_of(
            &self.covs,
            &self.pirls.root_mean_squares(vary, self.n_eff),
            n_theta,
        );
        step_sizes[..n_theta].copy_from_slice(&of_theta);
        if vary == Vary::Modes {
            let squares = self.fixed_squares();
            for (step_size, square) in
                step_sizes[n_theta..].iter_mut().zip(squares)
            {
                if square > 0.0 {
                    *step_size = (self.n_eff as f64 / square).sqrt();
                }
            }
        }
        step_sizes
    }

    // The weighted sums of squares of the columns of X.
    fn fixed_squares(&self) -> Vec<f64> {
        let p = self.pirls.beta.len();
        let rows = self.pirls.rows.x.chunks_exact(p.max(1));
        let mut squares = vec![0.0; p];
        for (x, w) in rows.zip(&self.pirls.response.weight) {
            for (square, x) in squares.iter_mut().zip(x) {
                *square += w * x * x;
            }
        }
        squares
    }

    // An estimate of the inverse Hessian in theta and the shape: the relative variance of a
    // variance component is about 1 / (2 levels). A component near zero has the size of the default
    // start, in the unit of its column of Z.
    fn guess_of_shapes(&self, theta: &[f64]) -> Vec<f64> {
        // The logarithm of the shape has a variance of about 2 / n.
        let mut guess =
            vec![1.0 / self.n_eff as f64; theta.len() + self.shape_count()];
        let scales = self.pirls.rows.root_mean_squares();
        let units = step_sizes_of(&self.covs, &scales, theta.len());
        for (cov, u) in self.covs.iter().zip(&self.pirls.u) {
            let levels = (u.len() / cov.vsize()) as f64;
            for index in cov.parts().iter().flat_map(|part| part.range()) {
                let least = 0.3 * self.theta_scale * units[index];
                let size = theta[index].abs().max(least);
                guess[index] = 1.5 * size.powi(2) / (4.0 * levels);
            }
        }
        guess
    }

    /// An estimate of the inverse Hessian in all parameters, at the current ones:
    /// `(X'V^-1X)^-1 / 2` for the fixed effects.
    pub(super) fn inverse_guess(&mut self, vary: Vary) -> Vec<f64> {
        let n = self.n_parameters(vary);
        let n_theta = self.n_theta();
        let p = if vary == Vary::Modes {
            self.pirls.beta.len()
        } else {
            0
        };
        let mut inverse = vec![0.0; n * n];
        let guesses = self.guess_of_shapes(self.pirls.theta());
        for (j, guess) in guesses.into_iter().enumerate() {
            let place = self.place(vary, j);
            inverse[place * n + place] = guess;
        }
        if p > 0 {
            let c_xx = self.fixed_covariance();
            for (j, column) in c_xx.chunks_exact(p).enumerate() {
                let first = (n_theta + j) * n + n_theta;
                for (out, c) in inverse[first..first + p].iter_mut().zip(column)
                {
                    *out = 0.5 * c;
                }
            }
        }
        inverse
    }

    /// The index among all parameters of parameter `j` of the fast stage (theta, shape): the shape
    /// comes after beta.
    pub(super) fn place(&self, vary: Vary, j: usize) -> usize {
        match vary {
            Vary::Modes if j >= self.n_theta() => j + self.pirls.beta.len(),
            _ => j,
        }
    }

    // Computes the factor with fixed effects, unless it is current.
    fn factor_for_fixed(&mut self) -> Result<()> {
        let is_expected = self.options.information == Information::Expected
            || self.is_canonical();
        if is_expected && self.is_reached(Vary::Jointly) {
            return Ok(());
        }
        self.reached = None;
        let kind = Information::Expected;
        self.pirls.factor_at_modes(Vary::Jointly, kind)
    }

    fn fixed_covariance(&mut self) -> Vec<f64> {
        let p = self.pirls.beta.len();
        if self.factor_for_fixed().is_ok() {
            let c_xx = self.pirls.engine.fixed_inverse().unwrap_or_default();
            if c_xx.len() == p * p && c_xx.iter().all(|c| c.is_finite()) {
                return c_xx;
            }
        }
        let mut diagonal = vec![0.0; p * p];
        for element in diagonal.iter_mut().step_by(p + 1) {
            *element = 1.0 / self.n_eff as f64;
        }
        diagonal
    }
}
