//! Generalized linear mixed models: one exported function per entry point of the core.

use extendr_api::prelude::*;
use rlmm_core::glm::response::Information;
use rlmm_core::glm::{Family, Link};
use rlmm_core::glmm::{FitSettings, GeneralizedLinearMixedModel, GlmmEstimates, GlmmFit, Options, Shape};
use rlmm_core::inference::{cond_var, leverage};
use rlmm_core::optimize::{bfgs, OptSummary};
use rlmm_core::pirls::Vary;
use rlmm_core::{Design, Result};

use crate::convert::{array, element, is_set, missing, number, numbers, settings, Spec};
use crate::error::guard;
use crate::progress::Watch;

type Pairs = Vec<(&'static str, Robj)>;

/// The `glmm` element of a spec, see ARCHITECTURE.md.
struct GlmmSpec {
    family: Family,
    link: Link,
    options: Options,
    vary: Vary,
}

impl GlmmSpec {
    fn new(spec: &List) -> Result<Self> {
        let list = element(spec, "glmm").as_list().ok_or_else(|| missing("glmm"))?;
        let text = |name| element(&list, name).as_str().map(ToString::to_string).ok_or_else(|| missing(name));
        let shape = number(&list, "shape").unwrap_or(1.0);
        let shape = match text("shape_kind")?.as_str() {
            "estimated" => Shape::Estimated(shape),
            "moment" => Shape::Moment,
            "profiled" => Shape::Profiled(shape),
            _ => Shape::Known(shape),
        };
        let observed = text("information")? == "observed";
        let information = if observed { Information::Observed } else { Information::Expected };
        let nodes = number(&list, "nodes").unwrap_or(1.0).max(1.0) as usize;
        Ok(Self {
            family: Family::from_name(&text("family")?)?,
            link: Link::from_name(&text("link")?)?,
            options: Options { information, shape, nodes },
            vary: if is_set(&list, "fast") { Vary::Jointly } else { Vary::Modes },
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

/// Fits a spec; `start` may hold `theta` and `beta`. See ARCHITECTURE.md for what comes back.
/// @noRd
#[extendr]
fn rust_glmm_fit(spec: List, start: List, control: List) -> Robj {
    guard(|| {
        with_model(&spec, |model, design, vary| {
            let mut settings = settings(&control);
            // The linear models' default has no counterpart here: BFGS is what a second-order method becomes.
            if matches!(element(&control, "optimizer").as_str(), None | Some("newton")) {
                settings.optimizer = bfgs::NAME.into();
            }
            pirls_tolerance(model, &control);
            let fit = FitSettings { settings, vary, theta: numbers(&start, "theta"), beta: numbers(&start, "beta") };
            let mut watch = Watch::new(is_set(&control, "verbose"), is_set(&control, "progress"));
            let result = model.fit(&fit, &mut |count, value, x| watch.see(count, value, x));
            watch.finish();
            let result = result?;
            let mut pairs = estimates(model, design, vary, &result.parameters)?;
            pairs.push(("optsum", opt_summary(&result, &fit.settings.optimizer)));
            Ok(List::from_pairs(pairs).into_robj())
        })
    })
}

/// Estimates of a spec at given parameters.
/// @noRd
#[extendr]
fn rust_glmm_estimates(spec: List, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, design, vary| {
            Ok(List::from_pairs(estimates(model, design, vary, parameters)?).into_robj())
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
            let values: Result<Vec<f64>> = parameters.chunks(n).map(|x| model.objective(vary, x)).collect();
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
            model.objective(vary, parameters)?;
            model.gradient(vary, &mut gradient)?;
            Ok(Robj::from(gradient))
        })
    })
}

/// Hessian of the objective in all parameters.
/// @noRd
#[extendr]
fn rust_glmm_hessian(spec: List, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, _, _| {
            let n = parameters.len();
            Ok(array(&model.hessian(parameters)?, &[n, n]))
        })
    })
}

/// Conditional variances of the random effects given the fixed ones, an array per core term.
/// @noRd
#[extendr]
fn rust_glmm_cond_var(spec: List, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, design, vary| {
            model.objective(vary, parameters)?;
            let arrays = design.terms.iter().zip(cond_var::cond_var(model.pirls().pls(vary))).map(|(term, values)| {
                let k = term.vsize();
                array(&values, &[k, k, term.n_levels])
            });
            Ok(List::from_values(arrays).into_robj())
        })
    })
}

/// Leverage of each observation in the working linear model.
/// @noRd
#[extendr]
fn rust_glmm_leverage(spec: List, parameters: &[f64]) -> Robj {
    guard(|| {
        with_model(&spec, |model, design, vary| {
            let weights = model.estimates(vary, parameters)?.weights;
            let working = Design { weights: Some(&weights), ..design.clone() };
            Ok(Robj::from(leverage::leverage(&working, model.pirls().pls(Vary::Jointly))))
        })
    })
}

/// The Laplace deviance before and after each iteration of PIRLS from zero modes; fixed effects vary if `joint`, from
/// those of the model without random effects or from those in `parameters`.
/// @noRd
#[extendr]
fn rust_glmm_trace(spec: List, parameters: &[f64], joint: bool) -> Robj {
    guard(|| {
        with_model(&spec, |model, design, _| {
            let beta = model.parameters(Vary::Modes)[model.n_theta()..][..design.p()].to_vec();
            let mut at = parameters.to_vec();
            if at.len() == model.n_parameters(Vary::Jointly) {
                at.splice(model.n_theta()..model.n_theta(), beta.iter().copied());
            }
            let beta = at[model.n_theta().min(at.len())..].iter().take(design.p()).copied().collect::<Vec<f64>>();
            let trace = model.trace(if joint { Vary::Jointly } else { Vary::Modes }, &at)?;
            let pairs: Pairs = vec![("beta", Robj::from(beta)), ("objective", Robj::from(trace))];
            Ok(List::from_pairs(pairs).into_robj())
        })
    })
}

fn pirls_tolerance(model: &mut GeneralizedLinearMixedModel, control: &List) {
    let tolerance = &mut model.pirls_mut().tolerance;
    tolerance.decrement = number(control, "pirls_tol").unwrap_or(tolerance.decrement);
    tolerance.max_iterations = number(control, "pirls_max_iter").map_or(tolerance.max_iterations, |v| v as usize);
    tolerance.max_halvings = number(control, "pirls_max_halvings").map_or(tolerance.max_halvings, |v| v as usize);
}

fn estimates(
    model: &mut GeneralizedLinearMixedModel,
    design: &Design,
    vary: Vary,
    parameters: &[f64],
) -> Result<Pairs> {
    let GlmmEstimates { parts, theta, beta, u, b, rx, log_det_fe, eta, mu, weights, deviance, pearson, sigma } =
        model.estimates(vary, parameters)?;
    let p = design.p();
    let matrices = |effects: &[Vec<f64>]| {
        let terms = design.terms.iter().zip(effects);
        List::from_values(terms.map(|(term, u)| array(u, &[term.vsize(), term.n_levels]))).into_robj()
    };
    Ok(vec![
        ("parameters", Robj::from(parameters)),
        ("theta", Robj::from(theta)),
        ("objective", Robj::from(parts.objective)),
        ("beta", Robj::from(beta)),
        ("sigma", Robj::from(sigma.value)),
        ("relative", Robj::from(sigma.is_relative)),
        ("shape", Robj::from(parts.shape)),
        ("u", matrices(&u)),
        ("b", matrices(&b)),
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

fn opt_summary(fit: &GlmmFit, optimizer: &str) -> Robj {
    let fast =
        fit.fast.as_ref().map_or(Robj::from(()), |stage| List::from_pairs(course(stage, bfgs::NAME)).into_robj());
    let mut pairs = course(&fit.summary, optimizer);
    pairs.extend([
        ("gradient", Robj::from(&fit.gradient)),
        ("pirls_iterations", Robj::from(fit.iterations as i32)),
        ("fast", fast),
    ]);
    List::from_pairs(pairs).into_robj()
}

fn course(summary: &OptSummary, optimizer: &str) -> Pairs {
    let (rows, columns) = (summary.log.len(), summary.initial.len() + 1);
    let mut log = vec![0.0; rows * columns];
    for (i, (value, x)) in summary.log.iter().enumerate() {
        log[i] = *value;
        x.iter().enumerate().for_each(|(j, v)| log[(j + 1) * rows + i] = *v);
    }
    vec![
        ("initial", Robj::from(&summary.initial)),
        ("finitial", Robj::from(summary.initial_value)),
        ("final", Robj::from(&summary.best)),
        ("fmin", Robj::from(summary.best_value)),
        ("feval", Robj::from(rows as i32)),
        ("optimizer", Robj::from(optimizer)),
        ("backend", Robj::from(if optimizer == bfgs::NAME { "rlmm" } else { "NLopt" })),
        ("status", Robj::from(summary.status.name())),
        ("initial_step", Robj::from(&summary.initial_step)),
        ("fitlog", array(&log, &[rows, columns])),
    ]
}

extendr_module! {
    mod glmm;
    fn rust_glmm_fit;
    fn rust_glmm_estimates;
    fn rust_glmm_objective;
    fn rust_glmm_gradient;
    fn rust_glmm_hessian;
    fn rust_glmm_cond_var;
    fn rust_glmm_leverage;
    fn rust_glmm_trace;
}
