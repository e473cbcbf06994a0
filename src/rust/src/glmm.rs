//! Generalized linear mixed models: one exported function per entry point of the core.

use extendr_api::prelude::*;
use rlmm_core::factor::{cond_var, leverage};
use rlmm_core::glmm::families::response::Information;
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::pirls::{Tolerance, Vary};
use rlmm_core::glmm::{
    FitSettings, GeneralizedLinearMixedModel, GlmmEstimates, GlmmFit, Options, Shape,
};
use rlmm_core::optimize::{bfgs, Observer};
use rlmm_core::{Design, Result};

use crate::convert::{
    array, covariances, effects, element, held, is_set, list, missing, number, numbers, settings,
    Pairs, Spec,
};
use crate::error::guard;
use crate::optsum::{course, verdict};
use crate::progress::{print_course, Watch};

/// The `glmm` element of a spec, see SPEC.md.
#[derive(Clone, Copy)]
struct GlmmSpec {
    family: Family,
    link: Link,
    options: Options,
    vary: Vary,
}

impl GlmmSpec {
    fn new(spec: &List) -> Result<Self> {
        let list = element(spec, "glmm")
            .as_list()
            .ok_or_else(|| missing("glmm"))?;
        let text = |name| {
            element(&list, name)
                .as_str()
                .map(ToString::to_string)
                .ok_or_else(|| missing(name))
        };
        let shape = number(&list, "shape").unwrap_or(1.0);
        let shape = match text("shape_kind")?.as_str() {
            "estimated" => Shape::Estimated(shape),
            "moment" => Shape::Moment,
            "profiled" => Shape::Profiled(shape),
            _ => Shape::Known(shape),
        };
        let observed = text("information")? == "observed";
        let information = if observed {
            Information::Observed
        } else {
            Information::Expected
        };
        let nodes = number(&list, "nodes").unwrap_or(1.0).max(1.0) as usize;
        Ok(Self {
            family: Family::from_name(&text("family")?)?,
            link: Link::from_name(&text("link")?)?,
            options: Options {
                information,
                shape,
                nodes,
            },
            vary: if is_set(&list, "fast") {
                Vary::Jointly
            } else {
                Vary::Modes
            },
        })
    }

    fn model(&self, design: &Design) -> Result<GeneralizedLinearMixedModel> {
        GeneralizedLinearMixedModel::new(design, self.family, self.link, self.options)
    }
}

// The model of a spec, its design and what is varied, handed to `body`.
fn with_model(
    spec: &List,
    body: impl FnOnce(&mut GeneralizedLinearMixedModel, &Design, Vary) -> Result<Robj>,
) -> Result<Robj> {
    let glmm = GlmmSpec::new(spec)?;
    let spec = Spec::new(spec)?;
    let design = spec.design()?;
    body(&mut glmm.model(&design)?, &design, glmm.vary)
}

/// A model and how to fit it, from the spec and the control.
pub struct GlmmJob {
    glmm: GlmmSpec,
    fit: FitSettings,
    tolerance: Tolerance,
    held: Vec<(usize, f64)>,
    is_traced: bool,
}

impl GlmmJob {
    /// `start` may hold `theta` and `beta`.
    pub fn new(spec: &List, start: &List, control: &List) -> Result<Self> {
        let glmm = GlmmSpec::new(spec)?;
        let mut settings = settings(control);
        if element(control, "optimizer").as_str().is_none() {
            settings.optimizer = bfgs::NAME.into();
        }
        let (theta, beta) = (numbers(start, "theta"), numbers(start, "beta"));
        let fit = FitSettings {
            settings,
            vary: glmm.vary,
            theta,
            beta,
        };
        let is_traced = number(control, "verbose").is_some_and(|level| level > 2.0);
        Ok(Self {
            glmm,
            fit,
            tolerance: pirls_tolerance(control),
            held: held(control).relative,
            is_traced,
        })
    }

    /// The fit and the model at its end.
    pub fn run(
        &self,
        design: &Design,
        observe: &mut Observer,
    ) -> Result<(GlmmFit, GeneralizedLinearMixedModel)> {
        let mut model = self.glmm.model(design)?;
        model.hold_at(&self.held);
        model.pirls_mut().tolerance = self.tolerance;
        model.pirls_mut().report = self.is_traced.then_some(print_course);
        let fit = model.fit(&self.fit, observe)?;
        Ok((fit, model))
    }

    /// What R gets of it.
    pub fn list(
        &self,
        fit: &GlmmFit,
        model: &mut GeneralizedLinearMixedModel,
        design: &Design,
    ) -> Result<Pairs> {
        let mut pairs = estimates(model, design, self.fit.vary, &fit.parameters)?;
        pairs.push(("optsum", opt_summary(fit, model.lower_bounds())));
        Ok(pairs)
    }
}

/// Families and links, by R's names for them.
/// @noRd
#[extendr]
fn rust_families() -> Robj {
    let families: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
    let links: Vec<&str> = Link::ALL.iter().map(|(_, name)| *name).collect();
    list(vec![
        ("families", Robj::from(families)),
        ("links", Robj::from(links)),
    ])
}

/// Fits a spec; `start` may hold `theta` and `beta`. See SPEC.md for what comes back.
/// @noRd
#[extendr]
fn rust_glmm_fit(spec: List, start: List, control: List) -> Robj {
    guard(|| {
        let job = GlmmJob::new(&spec, &start, &control)?;
        let spec = Spec::new(&spec)?;
        let design = spec.design()?;
        let mut watch = Watch::new(is_set(&control, "verbose"), is_set(&control, "progress"));
        let result = job.run(&design, &mut |count, value, x| watch.see(count, value, x));
        watch.finish();
        let (fit, mut model) = result?;
        Ok(list(job.list(&fit, &mut model, &design)?))
    })
}

/// Estimates of a spec at given parameters.
/// @noRd
#[extendr]
fn rust_glmm_estimates(spec: List, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, design, vary| {
            Ok(list(estimates(model, design, vary, parameters)?))
        })
    })
}

/// The objective at each column of `parameters` (one set of parameters after the other).
/// @noRd
#[extendr]
fn rust_glmm_objective(spec: List, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, _, vary| {
            let n = model.n_parameters(vary).max(1);
            let mut value = |x| {
                model
                    .centred(vary, x)
                    .and_then(|x| model.objective(vary, &x))
            };
            let values: Result<Vec<f64>> = parameters.chunks(n).map(&mut value).collect();
            Ok(Robj::from(values?))
        })
    })
}

/// Exact gradient of the objective.
/// @noRd
#[extendr]
fn rust_glmm_gradient(spec: List, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, _, vary| {
            let mut gradient = vec![0.0; parameters.len()];
            model.objective(vary, &model.centred(vary, parameters)?)?;
            model.gradient(vary, &mut gradient)?;
            Ok(Robj::from(model.natural_gradient(vary, &gradient)))
        })
    })
}

/// Covariance of all estimates but the held ones (0-based), or `NULL`.
/// @noRd
#[extendr]
fn rust_glmm_covariance(spec: List, parameters: &[f64], held: &[i32]) -> Robj {
    guard(|| {
        with_model(&spec, |model, _, _| {
            model.hold(&indices(held));
            let parameters = model.centred(Vary::Modes, parameters)?;
            Ok(square_or_null(model.covariance(&parameters)?))
        })
    })
}

/// The verdict on parameters, and the covariance that follows from its Hessian.
/// @noRd
#[extendr]
fn rust_glmm_certificate(spec: List, parameters: &[f64], held: &[i32]) -> Robj {
    guard(|| {
        with_model(&spec, |model, _, vary| {
            model.hold(&indices(held));
            let parameters = model.centred(vary, parameters)?;
            let (mut certificate, hessian) = model.certificate(vary, &parameters)?;
            certificate.gradient = model.natural_gradient(vary, &certificate.gradient);
            let mut pairs = verdict(&certificate);
            let covariance = if vary == Vary::Modes {
                model.covariance_of(&parameters, &hessian)
            } else {
                None
            };
            pairs.push(("covariance", square_or_null(covariance)));
            Ok(list(pairs))
        })
    })
}

fn indices(held: &[i32]) -> Vec<usize> {
    held.iter().map(|&index| index.max(0) as usize).collect()
}

fn square(matrix: &[f64]) -> Robj {
    let n = matrix.len().isqrt();
    array(matrix, &[n, n])
}

fn square_or_null(matrix: Option<Vec<f64>>) -> Robj {
    matrix.map_or_else(|| Robj::from(()), |matrix| square(&matrix))
}

/// Conditional variances of the random effects given the fixed ones, an array per core term.
/// @noRd
#[extendr]
fn rust_glmm_cond_var(spec: List, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, design, vary| {
            model.objective(vary, &model.centred(vary, parameters)?)?;
            Ok(covariances(
                design,
                &cond_var::cond_var(model.pirls().factor(vary)),
            ))
        })
    })
}

/// Leverage of each observation in the working linear model.
/// @noRd
#[extendr]
fn rust_glmm_leverage(spec: List, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, design, vary| {
            let weights = model
                .estimates(vary, &model.centred(vary, parameters)?)?
                .weights;
            let working = Design {
                weights: Some(&weights),
                ..design.clone()
            };
            Ok(Robj::from(leverage::leverage(
                &working,
                model.pirls().factor(Vary::Jointly),
            )))
        })
    })
}

fn pirls_tolerance(control: &List) -> Tolerance {
    let default = Tolerance::default();
    let count = |name, otherwise| number(control, name).map_or(otherwise, |v| v as usize);
    Tolerance {
        decrement: number(control, "pirls_tol").unwrap_or(default.decrement),
        max_iterations: count("pirls_max_iter", default.max_iterations),
        max_halvings: count("pirls_max_halvings", default.max_halvings),
    }
}

fn estimates(
    model: &mut GeneralizedLinearMixedModel,
    design: &Design,
    vary: Vary,
    parameters: &[f64],
) -> Result<Pairs> {
    let GlmmEstimates {
        parts,
        theta,
        beta,
        u,
        b,
        rx,
        log_det_fe,
        eta,
        mu,
        weights,
        deviance,
        pearson,
        sigma,
    } = model.estimates(vary, &model.centred(vary, parameters)?)?;
    let p = design.p();
    Ok(vec![
        ("parameters", Robj::from(parameters)),
        ("theta", Robj::from(theta)),
        ("objective", Robj::from(parts.objective)),
        ("beta", Robj::from(beta)),
        ("sigma", Robj::from(sigma.value)),
        ("relative", Robj::from(sigma.is_relative)),
        ("shape", Robj::from(parts.shape)),
        ("u", effects(design, &u)),
        ("b", effects(design, &b)),
        ("rx", array(&rx, &[p, p])),
        ("log_det_re", Robj::from(parts.log_det_re)),
        ("log_det_fe", Robj::from(log_det_fe)),
        ("conditional", Robj::from(parts.conditional)),
        ("ussq", Robj::from(parts.ussq)),
        ("deviance", Robj::from(deviance)),
        ("wrss", Robj::from(pearson)),
        ("pwrss", Robj::from(pearson + parts.ussq)),
        ("eta", Robj::from(eta)),
        ("fitted", Robj::from(mu)),
        ("working_weights", Robj::from(weights)),
        ("n_eff", Robj::from(model.n_eff() as i32)),
    ])
}

fn opt_summary(fit: &GlmmFit, lower: &[f64]) -> Robj {
    let mut pairs = course(&fit.summary, &fit.optimizer, lower);
    pairs.extend(fit.certificate.as_ref().map_or_else(Vec::new, verdict));
    pairs.push(("pirls_iterations", Robj::from(fit.iterations as i32)));
    if let Some(stage) = &fit.fast {
        pairs.push(("fast", list(course(stage, bfgs::NAME, lower))));
    }
    list(pairs)
}

extendr_module! {
    mod glmm;
    fn rust_families;
    fn rust_glmm_fit;
    fn rust_glmm_estimates;
    fn rust_glmm_objective;
    fn rust_glmm_gradient;
    fn rust_glmm_covariance;
    fn rust_glmm_certificate;
    fn rust_glmm_cond_var;
    fn rust_glmm_leverage;
}
