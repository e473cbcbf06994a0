//! The fit of a generalized model from a spec and a control, and its result for R.

use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use extendr_api::prelude::*;
use rlmm_core::factor::memory::{EngineKind, Room};
use rlmm_core::glmm::bootstrap::ManySettings;
use rlmm_core::glmm::families::response::Information;
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::pirls::Tolerance;
use rlmm_core::glmm::Vary;
use rlmm_core::glmm::{
    FitSettings, GeneralizedLinearMixedModel, GlmmEstimates, GlmmFit, Options,
    Shape,
};
use rlmm_core::judge::Certificate;
use rlmm_core::lmm::Held;
use rlmm_core::optimize::{bfgs, until, Observer, StopRequest};
use rlmm_core::{Basis, Design, Error, Result};

use crate::convert::{
    engine_and_room, held, settings, shapes, take_threads, Spec,
};
use crate::fields::{missing, Fields};
use crate::optsum::{course, remarks, verdict};
use crate::progress::{print_course, Interrupt};
use crate::threads::n_threads;
use crate::values::{array, count, effects, list, Pairs};

/// The element `glmm` of a spec, see SPEC.md.
#[derive(Clone, Copy)]
pub(crate) struct GlmmSpec {
    family: Family,
    link: Link,
    options: Options,
    vary: Vary,
    engine: EngineKind,
    room: Room,
}

impl GlmmSpec {
    // A spec with the engine and the memory limit of a control.
    fn new(spec: &Fields, control: &Fields) -> Result<Self> {
        let (engine, room) = engine_and_room(spec, control);
        let list = spec.fields("glmm")?;
        let text = |name| {
            list.element(name)
                .as_str()
                .map(ToString::to_string)
                .ok_or_else(|| missing(name))
        };
        let shape = list.number("shape").unwrap_or(1.0);
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
        let nodes = list.number("nodes").unwrap_or(1.0).max(1.0) as usize;
        Ok(Self {
            family: Family::from_name(&text("family")?)?,
            link: Link::from_name(&text("link")?)?,
            options: Options {
                information,
                shape,
                nodes,
            },
            vary: if list.is_set("fast") {
                Vary::Jointly
            } else {
                Vary::Modes
            },
            engine,
            room,
        })
    }

    fn model(&self, design: &Design) -> Result<GeneralizedLinearMixedModel> {
        GeneralizedLinearMixedModel::with_engine(
            (self.engine, &self.room),
            design,
            self.family,
            self.link,
            self.options,
        )
    }
}

// A model with its design, its basis, and the variables of PIRLS.
pub(crate) struct Prepared<'a> {
    pub model: GeneralizedLinearMixedModel,
    pub design: &'a Design<'a>,
    pub basis: &'a Basis,
    pub vary: Vary,
}

impl Prepared<'_> {
    // Transforms original parameters to those of the model: in the basis, and with centred X.
    pub fn parameters(&self, given: &[f64]) -> Result<Vec<f64>> {
        self.model.centred(self.vary, &self.basis.from_given(given))
    }

    // The weights of all effects in sums of coefficients of fixed factors, in the basis, from those
    // of the fixed terms' effects, one sum after the other.
    pub fn level_weights(&self, given: &[f64]) -> Vec<Vec<Vec<f64>>> {
        let terms = &self.design.terms;
        let zeros = terms.iter().map(|term| vec![0.0; term.n_effects()]);
        let zeros: Vec<Vec<f64>> = zeros.collect();
        let fixed = |t: &usize| terms[*t].cov.is_fixed();
        let fixed: Vec<usize> = (0..terms.len()).filter(fixed).collect();
        let n = fixed.iter().map(|&t| zeros[t].len()).sum::<usize>();
        let one = |given: &[f64]| {
            let mut weights = zeros.clone();
            let mut rest = given;
            for &t in &fixed {
                let (own, others) = rest.split_at(weights[t].len());
                weights[t].copy_from_slice(own);
                let vsize = terms[t].vsize();
                self.basis.weights_from_given(t, vsize, &mut weights[t]);
                rest = others;
            }
            weights
        };
        given.chunks_exact(n.max(1)).map(one).collect()
    }
}

// Calls `body` with the model of a spec, in the basis of the fit: its held elements of theta, the
// element `held` of the spec, have no orthogonal columns. Where parameters are large, as if
// responses are separated, PIRLS may find the modes in one basis alone; an orthogonal one is tried
// then.
pub(crate) fn with_model(
    spec: &Fields,
    held: &[i32],
    body: impl Fn(&mut Prepared) -> Result<Robj>,
) -> Result<Robj> {
    let of_fit = spec.integers("held").unwrap_or_default();
    let held = indices(held);
    let found = in_basis(spec, &[&of_fit[..], &held].concat(), &held, &body);
    let has_another = held.is_empty() && !of_fit.is_empty();
    match found {
        Err(Error::PirlsDiverged { .. }) if has_another => {
            in_basis(spec, &[], &[], &body)
        }
        found => found,
    }
}

// Calls `body` with the model of a spec, in which some elements of theta are held, in the basis
// that has no orthogonal columns for the effects of those of `kept`.
fn in_basis(
    spec: &Fields,
    kept: &[usize],
    held: &[usize],
    body: impl Fn(&mut Prepared) -> Result<Robj>,
) -> Result<Robj> {
    let glmm = GlmmSpec::new(spec, &Fields::none())?;
    let eta = spec.numbers("eta");
    let spec = Spec::new(spec)?;
    let given = spec.design()?;
    let basis = spec.basis(&given, kept)?;
    let design = basis.design(&given);
    let mut model = glmm.model(&design)?;
    model.hold(held);
    model.heed(Interrupt::new());
    if !eta.is_empty() {
        model.start_near(&eta)?;
    }
    body(&mut Prepared {
        model,
        design: &design,
        basis: &basis,
        vary: glmm.vary,
    })
}

/// A model and the settings of its fit, from the spec and the control.
#[derive(Clone)]
pub struct GlmmJob {
    glmm: GlmmSpec,
    fit: FitSettings,
    tolerance: Tolerance,
    pub held: Held,
    is_traced: bool,
    // The user's interrupt, for fits on R's main thread.
    interrupt: Option<Arc<dyn StopRequest>>,
}

impl GlmmJob {
    /// Reads spec and control; `start` may have `theta` and `beta`.
    pub fn new(
        spec: &Fields,
        start: &Fields,
        control: &Fields,
    ) -> Result<Self> {
        take_threads(control);
        let glmm = GlmmSpec::new(spec, control)?;
        let mut settings = settings(control);
        if control.element("optimizer").as_str().is_none() {
            settings.optimizer = bfgs::NAME.into();
        }
        let (theta, beta) = (start.numbers("theta"), start.numbers("beta"));
        let fit = FitSettings {
            settings,
            vary: glmm.vary,
            theta,
            beta,
            log_shape: None,
            x_coefficients: Vec::new(),
        };
        let is_traced =
            control.number("verbose").is_some_and(|level| level > 2.0);
        Ok(Self {
            glmm,
            fit,
            tolerance: pirls_tolerance(control),
            held: held(control),
            is_traced,
            interrupt: None,
        })
    }

    /// Makes fits end early when the user interrupts.
    pub fn heed(&mut self, interrupt: Arc<dyn StopRequest>) {
        self.interrupt = Some(interrupt);
    }

    /// The model of a design, not yet fitted.
    pub fn model(
        &self,
        design: &Design,
    ) -> Result<GeneralizedLinearMixedModel> {
        let mut model = self.glmm.model(design)?;
        model.hold_at(&self.held.relative);
        model.pirls_mut().tolerance = self.tolerance;
        self.interrupt.iter().for_each(|it| model.heed(it.clone()));
        Ok(model)
    }

    /// Family and link.
    pub fn family(&self) -> (Family, Link) {
        (self.glmm.family, self.glmm.link)
    }

    /// Whether the fit has the default start and optimizer, and no held parameters.
    pub fn is_free(&self) -> bool {
        let FitSettings { theta, beta, .. } = &self.fit;
        let has_start = !theta.is_empty() || !beta.is_empty();
        let is_default = self.fit.settings.optimizer == bfgs::NAME;
        is_default && !has_start && self.held.indices().is_empty()
    }

    /// Whether the shape is a parameter of the objective.
    pub fn has_shape(&self) -> bool {
        matches!(self.glmm.options.shape, Shape::Estimated(_))
    }

    /// The parameters of the objective at the estimates of a fit.
    pub fn parameters_of(&self, found: GlmmEstimates) -> Vec<f64> {
        let mut parameters = found.theta;
        if self.fit.vary == Vary::Modes {
            parameters.extend(found.beta);
        }
        if self.has_shape() {
            parameters.push(found.parts.shape.ln());
        }
        parameters
    }

    /// Starts the fit at parameters of a design's original effects.
    pub fn start_at(&mut self, design: &Design, parameters: &[f64]) {
        let (theta, others) = parameters.split_at(design.n_theta());
        self.fit.theta = theta.to_vec();
        let mut rest = others;
        if self.fit.vary == Vary::Modes {
            let (beta, after) = others.split_at(design.p());
            self.fit.beta = beta.to_vec();
            rest = after;
        }
        if self.has_shape() {
            self.fit.log_shape = rest.first().copied();
        }
    }

    // The settings of the fit, in the basis.
    fn settings(&self, basis: &Basis) -> FitSettings {
        let mut settings = self.fit.clone();
        if !settings.theta.is_empty() {
            settings.theta = basis.from_given(&settings.theta);
        }
        if !settings.beta.is_empty() {
            basis.fixed_from_given(&mut settings.beta);
        }
        settings.x_coefficients = basis.x_coefficients();
        settings
    }

    /// The settings, in the basis, of a fit that starts at parameters of a design's original
    /// effects.
    pub fn settings_from(
        &self,
        design: &Design,
        basis: &Basis,
        parameters: &[f64],
    ) -> FitSettings {
        let mut job = self.clone();
        job.start_at(design, parameters);
        job.settings(basis)
    }

    /// The settings of the fits of many responses of a design with `p` fixed effects.
    pub fn many(
        &self,
        basis: &Basis,
        p: usize,
        threads: i32,
        exact_errors: bool,
    ) -> ManySettings {
        ManySettings {
            fit: self.settings(basis),
            starts: Vec::new(),
            held: self.held.relative.clone(),
            threads: n_threads(threads),
            contrasts: basis.given_coefficients(p),
            exact_errors,
        }
    }

    /// The fit, and the model at its optimum.
    pub fn run(
        &self,
        design: &Design,
        basis: &Basis,
        observe: &mut Observer,
    ) -> Result<(GlmmFit, GeneralizedLinearMixedModel)> {
        let mut model = self.model(design)?;
        model.pirls_mut().report = self.is_traced.then_some(print_course);
        let fit = model
            .fit(&self.settings(basis), &mut |count, value, x| {
                observe(count, value, &basis.to_given(x))
            })?;
        Ok((fit, model))
    }

    /// The fit in a thread other than R's, which ends early when `stop` is set.
    pub fn run_until(
        &self,
        design: &Design,
        basis: &Basis,
        stop: Arc<AtomicBool>,
    ) -> Result<(GlmmFit, GeneralizedLinearMixedModel)> {
        let mut job = self.clone();
        job.heed(stop.clone());
        job.run(design, basis, &mut until(&stop))
    }

    /// The result for R.
    pub fn list(
        &self,
        mut fit: GlmmFit,
        model: GeneralizedLinearMixedModel,
        design: &Design,
        basis: &Basis,
    ) -> Result<Pairs> {
        let parameters = basis.to_given(&fit.parameters);
        let mut prepared = Prepared {
            model,
            design,
            basis,
            vary: self.fit.vary,
        };
        let mut pairs = estimates(&mut prepared, &parameters)?;
        fit.summary = fit.summary.mapped(|x| basis.to_given(x));
        if let Some(fast) = fit.fast.take() {
            fit.fast = Some(fast.mapped(|x| basis.to_given(x)));
        }
        if let Some(certificate) = &mut fit.certificate {
            to_given(basis, &parameters, certificate);
        }
        pairs
            .push(("optsum", opt_summary(&fit, prepared.model.lower_bounds())));
        let model = &prepared.model;
        let n_terms = design.terms.len();
        pairs.extend(remarks(model.noise(), model.redundant(), n_terms));
        Ok(pairs)
    }
}

fn pirls_tolerance(control: &Fields) -> Tolerance {
    let default = Tolerance::default();
    let count = |name, otherwise| match control.number(name) {
        Some(value) => value as usize,
        None => otherwise,
    };
    Tolerance {
        decrement: control.number("pirls_tol").unwrap_or(default.decrement),
        max_iterations: count("pirls_max_iter", default.max_iterations),
        max_halvings: count("pirls_max_halvings", default.max_halvings),
        ..default
    }
}

// The estimates at original parameters.
pub(crate) fn estimates(
    prepared: &mut Prepared,
    parameters: &[f64],
) -> Result<Pairs> {
    let x = prepared.parameters(parameters)?;
    let mut found = prepared.model.estimates(prepared.vary, &x)?;
    let (design, basis) = (prepared.design, prepared.basis);
    found.theta = basis.to_given(&found.theta);
    for (at, term) in design.terms.iter().enumerate() {
        let k = term.vsize();
        basis.effects_to_given(at, k, &mut found.b[at]);
        basis.spherical_to_given(&found.theta, at, k, &mut found.u[at]);
    }
    basis.fixed_to_given(&mut found.beta);
    basis.rx_to_given(&mut found.rx);
    let mut pairs = estimates_in_given(found, design);
    pairs.extend([
        ("parameters", Robj::from(parameters)),
        ("n_eff", count(prepared.model.n_eff())),
        ("engine", Robj::from(prepared.model.engine_name())),
    ]);
    Ok(pairs)
}

// The estimates of the original effects.
fn estimates_in_given(found: GlmmEstimates, design: &Design) -> Pairs {
    let (parts, sigma) = (found.parts, found.sigma);
    vec![
        ("theta", Robj::from(found.theta)),
        ("objective", Robj::from(parts.objective)),
        ("beta", Robj::from(found.beta)),
        ("sigma", Robj::from(sigma.value)),
        ("relative", Robj::from(sigma.is_relative)),
        ("shape", Robj::from(parts.shape)),
        ("u", effects(&shapes(design), &found.u)),
        ("b", effects(&shapes(design), &found.b)),
        ("rx", array(&found.rx, &[design.p(); 2])),
        ("log_det_re", Robj::from(parts.log_det_re)),
        ("log_det_fe", Robj::from(found.log_det_fe)),
        ("conditional", Robj::from(parts.conditional)),
        ("ussq", Robj::from(parts.ussq)),
        ("deviance", Robj::from(found.deviance)),
        ("wrss", Robj::from(found.pearson)),
        ("pwrss", Robj::from(found.pearson + parts.ussq)),
        ("eta", Robj::from(found.eta)),
        ("fitted", Robj::from(found.mu)),
        ("working_weights", Robj::from(found.weights)),
    ]
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

pub(crate) fn indices(held: &[i32]) -> Vec<usize> {
    held.iter().map(|&index| index.max(0) as usize).collect()
}

// Transforms a certificate in the basis back to the original effects.
pub(crate) fn to_given(
    basis: &Basis,
    parameters: &[f64],
    certificate: &mut Certificate,
) {
    basis.parameter_slopes_to_given(parameters, &mut certificate.gradient);
    for way in &mut certificate.descent_directions {
        basis.direction_to_given(way);
    }
}
