//! Fits of many responses of one design from the model's default start: simulated responses of a
//! parametric bootstrap, or any others.

use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use crate::design::Design;
use crate::error::{Error, Result};
use crate::glmm::families::{Family, Link};
use crate::glmm::vary::Vary;
use crate::glmm::{FitSettings, GeneralizedLinearMixedModel, GlmmEstimates};
use crate::judge::Verdict;
use crate::kernels::small::{dot, inverse_square};
use crate::optimize::{until, Status};
use crate::parallel::{in_threads, Watch};
use crate::simulate::{Simulation, Truth};

/// A simulator of responses of a generalized model.
#[derive(Debug, Clone)]
pub struct Draws<'a> {
    simulation: Simulation<'a>,
    design: &'a Design<'a>,
    family: Family,
    link: Link,
    shape: f64,
}

/// Settings of the fits of many responses.
#[derive(Debug, Clone, PartialEq)]
pub struct ManySettings {
    /// Settings of each fit.
    pub fit: FitSettings,
    /// The settings of each fit where they differ in their starts; those of a response for which
    /// there are none are `fit`.
    pub starts: Vec<Option<FitSettings>>,
    /// Elements of theta that are held fixed, with their values.
    pub held: Vec<(usize, f64)>,
    /// Number of threads, at least one.
    pub threads: usize,
    /// Combinations of the fixed effects, one after the other, whose standard errors are computed.
    pub contrasts: Vec<f64>,
    /// Whether standard errors include the uncertainty of theta, at the cost
    /// of a Hessian.
    pub exact_errors: bool,
}

/// The fit of one of many responses.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOfMany {
    /// Estimates at the optimum.
    pub estimates: GlmmEstimates,
    /// Why the optimizer stopped.
    pub status: Status,
    /// The verdict of the certificate; `None` if the fit was stopped.
    pub verdict: Option<Verdict>,
    /// Standard errors of the contrasts, at the estimated theta unless exact ones were requested
    /// and the Hessian has no negative eigenvalue.
    pub std_error: Vec<f64>,
    /// Number of evaluations of the objective, including those of a fast stage.
    pub evaluations: usize,
}

// Standard errors of combinations of the fixed effects at the estimated theta.
fn errors_at_theta(estimates: &GlmmEstimates, contrasts: &[f64]) -> Vec<f64> {
    let scale = match estimates.sigma.is_relative {
        true => estimates.sigma.value,
        false => 1.0,
    };
    let error = |c: &[f64]| scale * inverse_square(&estimates.rx, c).sqrt();
    let each = contrasts.chunks_exact(estimates.beta.len().max(1));
    each.map(error).collect()
}

impl<'a> Draws<'a> {
    /// Checks the parameters to simulate from. `shape` is the dispersion for weight one, or the
    /// family's other parameter.
    ///
    /// # Errors
    /// Fails as [`Simulation::new`] does.
    pub fn new(
        design: &'a Design<'a>,
        family: Family,
        link: Link,
        shape: f64,
        truth: &Truth<'a>,
    ) -> Result<Self> {
        Ok(Self {
            simulation: Simulation::new(design, truth)?,
            design,
            family,
            link,
            shape,
        })
    }

    /// Writes the simulated response of one replicate into `y`.
    pub fn draw(&self, replicate: u64, y: &mut [f64]) {
        let mut stream = self.simulation.predictor(replicate, y);
        for (i, y) in y.iter_mut().enumerate() {
            let mean = self.link.mean(*y);
            let weight = self.design.weight(i);
            *y = self.family.draw(&mut stream, mean, weight, self.shape);
        }
    }
}

impl GeneralizedLinearMixedModel {
    /// Fits the simulated responses of these replicates. An element is `None` if its fit had not
    /// begun when the watch asked to stop; a failed fit is an `Err`.
    pub fn bootstrap(
        &self,
        draws: &Draws,
        replicates: &[u64],
        settings: &ManySettings,
        watch: &mut Watch,
    ) -> Vec<Option<Result<OneOfMany>>> {
        let fill = |c: usize, y: &mut [f64]| draws.draw(replicates[c], y);
        self.fit_each(replicates.len(), &fill, settings, watch)
    }

    /// Fits each of the responses `y`, of `n` values each. A failed fit is an `Err` in the result;
    /// a fit that had not begun when the watch asked to stop is `Interrupted`.
    ///
    /// # Errors
    /// `Dimension`, unless `y` holds whole responses.
    pub fn fit_many(
        &self,
        y: &[f64],
        settings: &ManySettings,
        watch: &mut Watch,
    ) -> Result<Vec<Result<OneOfMany>>> {
        let n = self.pirls.rows.n();
        if y.len() % n != 0 {
            return Err(Error::Dimension {
                what: "y",
                expected: n,
                found: y.len(),
            });
        }
        let fill = |c: usize, out: &mut [f64]| {
            out.copy_from_slice(&y[c * n..(c + 1) * n])
        };
        let found = self.fit_each(y.len() / n, &fill, settings, watch);
        let fits = found.into_iter();
        Ok(fits
            .map(|fit| fit.unwrap_or(Err(Error::Interrupted)))
            .collect())
    }

    fn fit_each(
        &self,
        count: usize,
        fill: &(dyn Fn(usize, &mut [f64]) + Sync),
        settings: &ManySettings,
        watch: &mut Watch,
    ) -> Vec<Option<Result<OneOfMany>>> {
        let n = self.pirls.rows.n();
        let job = |(model, y): &mut (Self, Vec<f64>),
                   c: usize,
                   stop: &Arc<AtomicBool>| {
            fill(c, y);
            let own = settings.starts.get(c).and_then(Option::as_ref);
            model.fit_one(y, own.unwrap_or(&settings.fit), settings, stop)
        };
        let hire = || (self.clone(), vec![0.0; n]);
        in_threads(count, settings.threads, hire, job, watch)
    }

    fn fit_one(
        &mut self,
        y: &[f64],
        fit: &FitSettings,
        settings: &ManySettings,
        stop: &Arc<AtomicBool>,
    ) -> Result<OneOfMany> {
        self.heed(stop.clone());
        self.set_response(y)?;
        self.hold_at(&settings.held);
        let vary = fit.vary;
        let fit = self.fit(fit, &mut until(stop))?;
        let parameters = self.centred(vary, &fit.parameters)?;
        let estimates = self.estimates(vary, &parameters)?;
        let std_error = match settings.exact_errors && vary == Vary::Modes {
            true => self.exact_errors(&parameters, &settings.contrasts)?,
            false => None,
        };
        let contrasts = &settings.contrasts;
        let at_theta = || errors_at_theta(&estimates, contrasts);
        let fast = fit.fast.map_or(0, |stage| stage.log.len());
        Ok(OneOfMany {
            std_error: std_error.unwrap_or_else(at_theta),
            estimates,
            status: fit.summary.status,
            verdict: fit.certificate.map(|certificate| certificate.verdict),
            evaluations: fast + fit.summary.log.len(),
        })
    }

    // Standard errors of combinations of the fixed effects from the Hessian in all parameters.
    fn exact_errors(
        &mut self,
        parameters: &[f64],
        contrasts: &[f64],
    ) -> Result<Option<Vec<f64>>> {
        let Some(covariance) = self.covariance(parameters)? else {
            return Ok(None);
        };
        let n = covariance.len().isqrt();
        let first = self.held.iter().filter(|held| !**held).count();
        let p = self.pirls.beta.len();
        let column = |j: usize| &covariance[(first + j) * n + first..][..p];
        let error = |c: &[f64]| {
            let products =
                c.iter().enumerate().map(|(j, c_j)| c_j * dot(column(j), c));
            products.sum::<f64>().sqrt()
        };
        let each = contrasts.chunks_exact(p.max(1));
        Ok(Some(each.map(error).collect()))
    }
}
