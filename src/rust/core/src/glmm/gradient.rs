//! The exact gradient of the Laplace deviance, by the implicit function theorem.
//!
//! The modes solve `Lambda'Z'g = u` with the scores g. The derivative of the deviance F in a
//! parameter has a direct part, at fixed modes, and a part from the change of the modes:
//! `dF = F_par + s' d(Lambda'Z'g - u)_par` with `H_obs s = F_u`, where
//! `H_obs = Lambda'Z'W_obs Z Lambda + I` is half the exact Hessian of the penalized problem. With
//! the leverages `h_i = z_i' Lambda H^-1 Lambda' z_i`, `tau_i = h_i dW_i/d eta_i`, and
//! `xi = Z Lambda s (+ X s_beta)`,
//!
//! - `F_u = Lambda'Z'(tau + 2 (1 - kappa) g)` at the modes, `rho = tau - 2 kappa g - W_obs xi`,
//! - `d F / d beta = X' rho`,
//! - `d F / d Lambda_t = sum_l ( 2 [Z'WZ Lambda H^-1]_ll + (Z'rho)_l u_l' + (Z'g)_l s_l' )`,
//! - `d F / d log(shape) = sum_i ( -2 dlogp_i + h_i dW_i + xi_i dg_i )`.
//!
//! `kappa = 1`, except for the moment estimate of the dispersion, whose dependence on eta it
//! represents. There is no division by Lambda. With quadrature the scores and the modes in F are
//! replaced by their expectations over the nodes, and `H^-1` by the derivative in H. Where beta is
//! found by PIRLS it is treated like the modes: s has a part for it, and it has no gradient.

use super::leverage::Leverage;
use super::quadrature::{self, Expectations};
use super::{GeneralizedLinearMixedModel, Shape};
use crate::covariance::RelCov;
use crate::derivatives::OmegaDerivatives;
use crate::error::Result;
use crate::factor::Solution;
use crate::glmm::families::response::{Derivatives, Information};
use crate::glmm::pirls::Pirls;
use crate::glmm::vary::Vary;
use crate::kernels::small;

/// Working memory of gradients, with an element per row, reused from one gradient to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    pub derivatives: Derivatives,
    leverages: Vec<f64>,
    rho: Vec<f64>,
    xi: Vec<f64>,
}

/// The quantities in the derivative of F at fixed modes.
struct AtModes {
    /// The derivatives of the log-likelihood in eta.
    derivatives: Derivatives,
    leverage: Leverage,
    /// Expectations over the nodes, with quadrature.
    nodes: Option<Expectations>,
}

/// The part of the derivative from the change of the modes.
struct ModeShift {
    /// The derivative of F in eta.
    rho: Vec<f64>,
    /// `H_obs^-1 F_u`.
    s: Solution,
    /// The change `Z Lambda s (+ X s_beta)` of the linear predictor.
    xi: Vec<f64>,
}

impl AtModes {
    fn new(
        model: &mut GeneralizedLinearMixedModel,
        vary: Vary,
    ) -> Result<Self> {
        let with_shape = model.shape_is_estimated();
        let pirls = &mut model.pirls;
        let nodes = match &model.rule {
            Some(rule) => {
                Some(quadrature::expectations(pirls, rule, vary, with_shape)?)
            }
            None => None,
        };
        let own = nodes.as_ref().map(|nodes| nodes.t.as_slice());
        let Pirls {
            engine,
            rows,
            response,
            ..
        } = pirls;
        let mut derivatives = std::mem::take(&mut model.memory.derivatives);
        response.derivatives(model.options.information, &mut derivatives);
        let mut leverage = Leverage {
            rows: std::mem::take(&mut model.memory.leverages),
            terms: Vec::new(),
        };
        let weight = &response.weight;
        engine.leverage((vary, own), rows, weight, &mut leverage)?;
        Ok(Self {
            derivatives,
            leverage,
            nodes,
        })
    }

    // `2 E v`, with quadrature.
    fn expected_modes(&self) -> &[f64] {
        self.nodes.as_ref().map_or(&[], |nodes| &nodes.v)
    }
}

impl GeneralizedLinearMixedModel {
    /// Writes the gradient of the objective at the parameters of the last [`Self::evaluate`].
    ///
    /// # Errors
    /// `NotPositiveDefinite` if the observed information is not positive definite.
    pub fn gradient(&mut self, vary: Vary, gradient: &mut [f64]) -> Result<()> {
        if self.is_filled() {
            self.gradient_with(vary, gradient, None)?;
        } else {
            let mut omega = OmegaDerivatives::new(&self.covs);
            self.gradient_in_omega(vary, gradient, &mut omega)?;
        }
        Ok(())
    }

    fn is_filled(&self) -> bool {
        self.covs.iter().all(RelCov::is_filled)
    }

    // Writes the gradients in the parameters, by way of Omega where elements of Lambda are not
    // parameters, and in Omega; returns `sum_l W_ll`.
    pub(super) fn gradient_in_omega(
        &mut self,
        vary: Vary,
        gradient: &mut [f64],
        omega: &mut OmegaDerivatives,
    ) -> Result<Vec<Vec<f64>>> {
        let traces = self.gradient_with(vary, gradient, Some(omega))?;
        if !self.is_filled() {
            let n_theta = self.n_theta();
            let theta = self.pirls.theta();
            omega.gradient(&self.covs, theta, &mut gradient[..n_theta]);
        }
        Ok(traces)
    }

    // Writes the gradient; with `omega` also that in each `Omega_t = Lambda_t Lambda_t'`, and
    // returns `sum_l W_ll`.
    fn gradient_with(
        &mut self,
        vary: Vary,
        gradient: &mut [f64],
        mut omega: Option<&mut OmegaDerivatives>,
    ) -> Result<Vec<Vec<f64>>> {
        self.gradients += 1;
        let mut traces = Vec::new();
        if let Some(omega) = omega.as_mut() {
            self.pirls.engine.traces(vary, omega)?;
            traces = omega.g().to_vec();
        }
        let at = AtModes::new(self, vary)?;
        let moved = self.with_modes(vary, &at)?;
        let ModeShift { rho, s, xi } = &moved;
        if let Some(omega) = omega {
            self.add_scores(rho, omega.g_mut());
        }
        self.theta_gradient(&at, rho, s, gradient);
        if vary == Vary::Modes {
            let x_rho = self.pirls.rows.transposed_fixed(rho);
            gradient[self.n_theta()..][..x_rho.len()].copy_from_slice(&x_rho);
        }
        if self.shape_is_estimated() {
            gradient[gradient.len() - 1] = self.shape_gradient(&at, xi);
        }
        self.keep(at, moved);
        Ok(traces)
    }

    // The derivative of F in eta at the modes, with beta and the coefficients of fixed factors
    // held.
    pub(super) fn slope_in_eta(&mut self) -> Result<Vec<f64>> {
        let vary = Vary::WithoutLevels;
        let at = AtModes::new(self, vary)?;
        let moved = self.with_modes(vary, &at)?;
        let rho = moved.rho.clone();
        self.keep(at, moved);
        Ok(rho)
    }

    // Keeps the working memory of a gradient.
    fn keep(&mut self, at: AtModes, moved: ModeShift) {
        self.memory.derivatives = at.derivatives;
        self.memory.leverages = at.leverage.rows;
        self.memory.rho = moved.rho;
        self.memory.xi = moved.xi;
    }

    // The part of the derivative from the change of the modes.
    fn with_modes(&mut self, vary: Vary, at: &AtModes) -> Result<ModeShift> {
        let mut rho = std::mem::take(&mut self.memory.rho);
        self.fill_right(at, &mut rho);
        let mut s = self.solve_observed(vary, &rho, at.expected_modes())?;
        let multiplier = self.profile_multiplier(vary, at, &mut s)?;
        // With quadrature the scores in F are those at the nodes.
        let of_modes = if at.nodes.is_some() { 0.0 } else { -2.0 };
        let by = of_modes + multiplier.unwrap_or(0.0);
        if by != 0.0 {
            let score = at.derivatives.score(&self.pirls.response);
            small::axpy(by, score, &mut rho);
        }
        let mut xi = std::mem::take(&mut self.memory.xi);
        self.linear_predictor_of(vary, &s, &mut xi);
        let observed = at.derivatives.observed(&self.pirls.response);
        let rows = rho.iter_mut().zip(observed).zip(&xi);
        rows.for_each(|((rho, observed), xi)| *rho -= observed * xi);
        Ok(ModeShift { rho, s, xi })
    }

    // Writes the vector whose product with Lambda'Z' is the part of F_u that depends on u through
    // eta. For the penalized deviance itself F_u is zero: its derivative in eta at fixed modes is
    // the negative of twice the score.
    fn fill_right(&self, at: &AtModes, right: &mut Vec<f64>) {
        let slopes = at.derivatives.slope.iter().zip(&at.leverage.rows);
        right.clear();
        right.extend(slopes.map(|(slope, h)| slope * h));
        if let Some(nodes) = &at.nodes {
            return small::axpy(1.0, &nodes.score, right);
        }
        let kappa = self.kappa();
        if kappa != 1.0 {
            let score = at.derivatives.score(&self.pirls.response);
            small::axpy(2.0 * (1.0 - kappa), score, right);
        }
    }

    // Adds the contribution of the scores to each `G_t`. With v = Z'g and r = Z'rho,
    // `G = sum_l ( W_ll + v_l v_l' + (r_l v_l' + v_l r_l') / 2 )` and `dF / dLambda = 2 G Lambda`,
    // which is the gradient in the module's description, as `u = Lambda'v` and
    // `s = Lambda'(r + 2 v)`, without a division by Lambda.
    fn add_scores(&self, rho: &[f64], g: &mut [Vec<f64>]) {
        let rows = &self.pirls.rows;
        let z_rho = rows.transposed(rho, false).0;
        let z_score = rows.transposed(&self.pirls.response.score, false).0;
        for term in &rows.terms {
            let k = term.k;
            let g = &mut g[term.term];
            let (r, v) = (&z_rho[term.term], &z_score[term.term]);
            for (r, v) in r.chunks_exact(k).zip(v.chunks_exact(k)) {
                for j in 0..k {
                    for i in 0..k {
                        let symmetric = r[i] * v[j] + r[j] * v[i];
                        g[j * k + i] += v[i] * v[j] + 0.5 * symmetric;
                    }
                }
            }
        }
    }

    // `xi = Z Lambda s (+ X s_beta)`, the change of the linear predictor by `s`.
    fn linear_predictor_of(&self, vary: Vary, s: &Solution, xi: &mut Vec<f64>) {
        let rows = &self.pirls.rows;
        small::set_zeros(xi, rows.n());
        let beta: &[f64] = match vary {
            Vary::Jointly => &s.beta,
            Vary::Modes | Vary::WithoutLevels => &[],
        };
        rows.add_predictor(beta, &s.b, xi);
    }

    // Solves H_obs s = [Lambda'Z' r; X' r]; factors H_obs if the current factor is not that of the
    // observed information.
    fn solve_observed(
        &mut self,
        vary: Vary,
        r: &[f64],
        spherical: &[f64],
    ) -> Result<Solution> {
        if !self.is_canonical() {
            self.reached = None;
            self.pirls.factor_at_modes(vary, Information::Observed)?;
        }
        self.solve_factored(vary, r, spherical)
    }

    // Solves with the current factor, whatever its information.
    fn solve_factored(
        &mut self,
        vary: Vary,
        r: &[f64],
        spherical: &[f64],
    ) -> Result<Solution> {
        let (rz, rx) = self.pirls.rows.transposed(r, vary.fixed());
        self.pirls.engine.solve(vary, (&rz, &rx), spherical)
    }

    // If phi solves `log phi = log(deviance / df)` at the modes, this is one more equation, with
    // the multiplier t df / 2: s becomes s + t H_obs^-1 u. Its partial derivatives are 2 g_i / df
    // in eta_i, and -u for the modes in log phi.
    fn profile_multiplier(
        &mut self,
        vary: Vary,
        at: &AtModes,
        s: &mut Solution,
    ) -> Result<Option<f64>> {
        let Shape::Profiled(df) = self.options.shape else {
            return Ok(None);
        };
        if !self.pirls.response.family.has_dispersion() {
            return Ok(None);
        }
        let response = &self.pirls.response;
        let weight = at.derivatives.weight(response);
        let by_log_shape = -small::dot(weight, &at.leverage.rows);
        let score = at.derivatives.score(response).to_vec();
        let by_u = self.solve_factored(vary, &score, &[])?;
        let share = 2.0 / df;
        let change = share * (self.along_modes(s) - by_log_shape);
        let t = change / (1.0 - share * self.along_modes(&by_u));
        for (to, from) in s.u.iter_mut().zip(&by_u.u) {
            small::axpy(t, from, to);
        }
        for (to, from) in s.b.iter_mut().zip(&by_u.b) {
            small::axpy(t, from, to);
        }
        small::axpy(t, &by_u.beta, &mut s.beta);
        Ok(Some(t))
    }

    // The inner product s'u.
    fn along_modes(&self, s: &Solution) -> f64 {
        let terms = s.u.iter().zip(&self.pirls.u);
        terms.map(|(s, u)| small::dot(s, u)).sum()
    }

    // Writes `d F / d theta`, by way of Lambda, into the first elements of `gradient`.
    fn theta_gradient(
        &self,
        at: &AtModes,
        rho: &[f64],
        s: &Solution,
        gradient: &mut [f64],
    ) {
        gradient[..self.n_theta()].fill(0.0);
        let rows = &self.pirls.rows;
        let z_rho = rows.transposed(rho, false).0;
        let z_score = rows.transposed(&self.pirls.response.score, false).0;
        for term in &rows.terms {
            let t = term.term;
            let k = term.k;
            let (z_rho, z_score) = (&z_rho[t], &z_score[t]);
            let u = &self.pirls.u[t];
            let s = &s.u[t];
            self.covs[t].for_each_parameter(|row, column, index| {
                let place = column * k + row;
                let mut sum = 2.0 * at.leverage.terms[t][place];
                sum +=
                    at.nodes.as_ref().map_or(0.0, |nodes| nodes.lambda[place]);
                for level in (0..u.len()).step_by(k) {
                    sum += z_rho[level + row] * u[level + column];
                    sum += z_score[level + row] * s[level + column];
                }
                gradient[index] += sum;
            });
        }
    }

    // `d F / d log(shape)`.
    fn shape_gradient(&self, at: &AtModes, xi: &[f64]) -> f64 {
        let response = &self.pirls.response;
        let observed = self.options.information == Information::Observed;
        let mut slope = at.nodes.as_ref().map_or(0.0, |nodes| nodes.shape);
        for i in 0..response.n() {
            let d =
                response.shape_derivatives(i, response.eta[i], response.shape);
            let weight = if observed { d.observed } else { d.expected };
            if at.nodes.is_none() {
                slope -= 2.0 * d.log_lik;
            }
            slope += at.leverage.rows[i] * weight + xi[i] * d.score;
        }
        slope
    }

    // The factor by which the dependence of `phi = deviance / count` on eta changes the derivative
    // of the log-likelihood: `d(-2 log p) / d eta_i = -2 kappa g_i`.
    fn kappa(&self) -> f64 {
        let r = &self.pirls.response;
        if !self.dispersion_follows() {
            return 1.0;
        }
        let phi = self.moment();
        let count = r.deviance() / phi;
        let one = |i: usize| r.shape_derivatives(i, r.eta[i], phi).log_lik;
        let slope: f64 = -2.0 * (0..r.n()).map(one).sum::<f64>();
        r.shape * (1.0 + slope / count) / phi
    }
}
