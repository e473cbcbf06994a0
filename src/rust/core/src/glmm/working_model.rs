//! The working model of a generalized one: the linear mixed model with the working weights and the
//! working response at the modes, and a residual variance of one.
//!
//! The average information of the working model, with the exact gradient of the generalized one, is
//! nearly the Hessian of the fast stage's objective: only the change of the weights is missing.

use super::stages::set_block_of;
use super::GeneralizedLinearMixedModel;
use crate::derivatives::OmegaDerivatives;
use crate::error::Result;
use crate::glmm::vary::Vary;
use crate::tolerances::LOG_SHAPE_STEP;

impl GeneralizedLinearMixedModel {
    /// The Hessian of the working model in theta and, if the shape is estimated, that of the
    /// likelihood of the rows in its logarithm, after PIRLS has found the fixed effects; `None`
    /// where it is not available.
    pub(super) fn working_hessian(&mut self, vary: Vary) -> Option<Vec<f64>> {
        if !vary.fixed() {
            return None;
        }
        let of_theta = self.hessian_in_theta().ok()?;
        if !self.shape_is_estimated() {
            return Some(of_theta);
        }
        let places: Vec<usize> = (0..self.n_theta()).collect();
        let n = places.len() + 1;
        let mut hessian = vec![0.0; n * n];
        set_block_of(n, &mut hessian, &places, &of_theta);
        hessian[n * n - 1] = self.shape_curvature();
        Some(hessian)
    }

    // The average information of the working model in theta.
    fn hessian_in_theta(&mut self) -> Result<Vec<f64>> {
        let pirls = &mut self.pirls;
        let scores = pirls.rows.transposed(&pirls.response.score, false).0;
        let mut omega = OmegaDerivatives::new(&self.covs);
        pirls.engine.fill_information(&scores, &mut omega)?;
        let theta = pirls.theta();
        let mut hessian = vec![0.0; theta.len() * theta.len()];
        omega.hessian(&self.covs, theta, &mut hessian);
        Ok(hessian)
    }

    // The second derivative of -2 log-likelihood of the rows in the logarithm of the shape, at
    // fixed linear predictors.
    fn shape_curvature(&self) -> f64 {
        let response = &self.pirls.response;
        let slope = |shape: f64| {
            let one = |i: usize| {
                let eta = response.eta[i];
                response.shape_derivatives(i, eta, shape).log_lik
            };
            -2.0 * (0..response.n()).map(one).sum::<f64>()
        };
        let ratio = LOG_SHAPE_STEP.exp();
        let (up, down) = (response.shape * ratio, response.shape / ratio);
        (slope(up) - slope(down)) / (2.0 * LOG_SHAPE_STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::covariance::Structure;
    use crate::derivatives::tests::{largest_error, part, us, Data, Levels};
    use crate::derivatives::HessianKind;
    use crate::glmm::families::{Family, Link};
    use crate::glmm::{Options, Shape};
    use crate::{Criterion, LinearMixedModel};

    fn counts(n: usize) -> Vec<f64> {
        (0..n).map(|i| (i * i % 9) as f64).collect()
    }

    // Compares with the linear mixed model of the working response. The rows are sorted by the
    // levels of the leading term, as the model does.
    fn check(data: &Data, n: usize, singular: bool) {
        let mut design = data.design();
        let counts = counts(n);
        design.y = &counts;
        let mut model = GeneralizedLinearMixedModel::new(
            &design,
            Family::Poisson,
            Link::Log,
            Options::default(),
        )
        .unwrap();
        let n_theta = model.n_theta();
        let mut theta: Vec<f64> =
            (0..n_theta).map(|j| 0.2 + 0.05 * j as f64).collect();
        if singular {
            theta[n_theta - 1] = 0.0;
        }
        model.objective(Vary::Jointly, &theta).unwrap();
        let found = model.working_hessian(Vary::Jointly).unwrap();

        let response = &model.pirls.response;
        let working =
            |i: usize| response.eta[i] + response.score[i] / response.weight[i];
        let working: Vec<f64> = (0..n).map(working).collect();
        design.y = &working;
        design.weights = Some(&response.weight);
        let mut linear =
            LinearMixedModel::new(&design, Criterion::Ml, Some(1.0)).unwrap();
        let mut expected = vec![0.0; n_theta * n_theta];
        let slopes = linear.at(&theta).unwrap().slopes();
        slopes.hessian(HessianKind::Average).fill(&mut expected);
        assert!(largest_error(&found, &expected) < 1e-6);
    }

    #[test]
    fn it_is_the_linear_model_of_the_working_response() {
        let levels = || Box::new(|i: usize| i / 4) as Levels;
        let one = Data::new(160, 3, vec![(levels(), vec![us(2, 0)])]);
        let crossed = Data::new(
            160,
            2,
            vec![
                (levels(), vec![us(2, 0)]),
                (
                    Box::new(|i| i % 16),
                    vec![part(Structure::CompoundSymmetry, 3, 3)],
                ),
                (Box::new(|i| (i * i + i / 7) % 11), vec![us(1, 7)]),
            ],
        );
        for data in [one, crossed] {
            check(&data, 160, false);
            check(&data, 160, true);
        }
    }

    #[test]
    fn the_curvature_in_the_shape_is_that_of_the_likelihood_of_the_rows() {
        let data =
            Data::new(60, 1, vec![(Box::new(|i| i % 6), vec![us(1, 0)])]);
        let counts = counts(60);
        let mut design = data.design();
        design.y = &counts;
        let options = Options {
            shape: Shape::Estimated(1.5),
            ..Options::default()
        };
        let mut model = GeneralizedLinearMixedModel::new(
            &design,
            Family::NegativeBinomial,
            Link::Log,
            options,
        )
        .unwrap();
        model.objective(Vary::Jointly, &[0.5, 1.5f64.ln()]).unwrap();
        let found = model.working_hessian(Vary::Jointly).unwrap()[3];
        let response = &mut model.pirls.response;
        let mut deviance = |log_shape: f64| {
            response.shape = log_shape.exp();
            -2.0 * (response.update() + response.constant())
        };
        let (at, step) = (1.5f64.ln(), 1e-3);
        let second =
            deviance(at + step) - 2.0 * deviance(at) + deviance(at - step);
        let expected = second / step.powi(2);
        assert!((found / expected - 1.0).abs() < 1e-4);
    }
}
