//! Starts for structures of two standard deviations and a correlation where a covariate is far from
//! zero, found by fits with unstructured covariances in their place: see [`rlmm_core::lmm::pairs`].

use rlmm_core::glmm::bootstrap::{
    ManySettings as GlmmManySettings, OneOfMany as GlmmOneOfMany,
};
use rlmm_core::glmm::{FitSettings, GeneralizedLinearMixedModel};
use rlmm_core::lmm::many::{ManySettings, OneOfMany};
use rlmm_core::lmm::pairs::{
    has_pairs, to_correlation, with_unstructured_pairs,
};
use rlmm_core::optimize::{Flow, Observer, Settings, NEWTON};
use rlmm_core::{Basis, Design, LinearMixedModel, Result};

use crate::convert::{Data, Spec};
use crate::glmm_job::GlmmJob;

/// Many fits; `None` for those that were not begun.
pub type ManyFits = Vec<Option<Result<OneOfMany>>>;
/// Many generalized fits; `None` for those that were not begun.
pub type GlmmManyFits = Vec<Option<Result<GlmmOneOfMany>>>;

/// The start of a fit: theta of the given effects. `None` for data without such structures, in
/// whose pairs of effects `basis` has nothing to make orthogonal.
pub fn start_of_pairs(
    spec: &Spec,
    given: &Data,
    basis: &Basis,
    settings: &Settings,
) -> Option<Vec<f64>> {
    if settings.optimizer != NEWTON {
        return None;
    }
    let other = Unstructured::new(spec, given, basis)?;
    let data = other.data.in_basis(&other.basis);
    let mut model = spec.model_of(&data).ok()?;
    let start = model.start().to_vec();
    let mut see = |_: usize, _: f64, _: &[f64]| Flow::Continue;
    let found = model.fit(&start, settings, &mut see).ok()?;
    Some(other.given_theta(&found.best))
}

/// The start of a generalized fit: all parameters, of the given effects. `None` for rows without
/// such structures, or whose fit with unstructured covariances fails.
pub fn generalized_start_of_pairs(
    job: &GlmmJob,
    spec: &Spec,
    given: &Design,
    observe: &mut Observer,
) -> Option<Vec<f64>> {
    let other = Unstructured::of_rows(job, spec, given)?;
    let design = other.design().ok()?;
    let (found, _) = job.run(&design, &other.basis, observe).ok()?;
    Some(other.given_theta(&found.parameters))
}

/// The starts in `basis` of each of many fits, as [`start_of_pairs`] finds them, empty for fits
/// that fail; `None` without such structures. `fit` fits a model of a design to each response.
pub fn starts_of_pairs(
    spec: &Spec,
    given: &Design,
    basis: &Basis,
    settings: &ManySettings,
    fit: impl FnOnce(&LinearMixedModel, &Design, &ManySettings) -> ManyFits,
) -> Option<Vec<Vec<f64>>> {
    let is_free = settings.held.indices().is_empty();
    if settings.optimizer.optimizer != NEWTON || !is_free {
        return None;
    }
    let given = Data::Rows(given.clone());
    let other = Unstructured::new(spec, &given, basis)?;
    let design = other.basis.design(other.data.rows().ok()?);
    let settings = ManySettings {
        start: Vec::new(),
        df: Vec::new(),
        ..settings.clone()
    };
    let fits = fit(&spec.factored(&design).ok()?, &design, &settings);
    let start = |fit: Option<Result<OneOfMany>>| match fit {
        Some(Ok(found)) => basis.from_given(&other.given_theta(&found.theta)),
        _ => Vec::new(),
    };
    Some(fits.into_iter().map(start).collect())
}

/// The settings of each of many generalized fits that [`generalized_start_of_pairs`] would start,
/// `None` for fits that fail; empty without such structures. `fit` fits a model to each response.
pub fn generalized_starts_of_pairs(
    job: &GlmmJob,
    spec: &Spec,
    given: &Design,
    (basis, threads): (&Basis, i32),
    fit: impl FnOnce(
        &GeneralizedLinearMixedModel,
        &GlmmManySettings,
    ) -> GlmmManyFits,
) -> Vec<Option<FitSettings>> {
    let Some(other) = Unstructured::of_rows(job, spec, given) else {
        return Vec::new();
    };
    let fits = other.design().and_then(|design| {
        let many = job.many(&other.basis, design.p(), threads, false);
        Ok(fit(&job.model(&design)?, &many))
    });
    let start = |found: Option<Result<GlmmOneOfMany>>| {
        let parameters = job.parameters_of(found?.ok()?.estimates);
        let parameters = other.given_theta(&parameters);
        Some(job.settings_from(given, basis, &parameters))
    };
    fits.unwrap_or_default().into_iter().map(start).collect()
}

// Data with unstructured covariances, and the basis in which they are computed.
struct Unstructured<'a> {
    data: Data<'a>,
    basis: Basis,
    // The index into theta of the first parameter of each structure that was replaced.
    pairs: Vec<usize>,
}

impl<'a> Unstructured<'a> {
    // `None` without structures to replace.
    fn new(spec: &Spec, given: &Data<'a>, basis: &Basis) -> Option<Self> {
        let (covs, pairs) = with_unstructured_pairs(&given.covs(), basis)?;
        let data = given.with_covs(covs);
        let basis = spec.basis_of(&data, &[]).ok()?;
        Some(Self { data, basis, pairs })
    }

    // The rows of a generalized fit with unstructured covariances. `None` without structures to
    // replace, and unless start and optimizer are the default.
    fn of_rows(job: &GlmmJob, spec: &Spec, given: &Design<'a>) -> Option<Self> {
        if !job.is_free() || !has_pairs(&given.covs()) {
            return None;
        }
        let linear = Basis::of_linear(given, false, |_| false).ok()?;
        Self::new(spec, &Data::Rows(given.clone()), &linear)
    }

    // The design of rows in the basis.
    fn design(&self) -> Result<Design<'_>> {
        Ok(self.basis.design(self.data.rows()?))
    }

    // Theta of the given structures and effects, and the parameters after it.
    fn given_theta(&self, theta: &[f64]) -> Vec<f64> {
        let mut theta = self.basis.to_given(theta);
        for &first in &self.pairs {
            to_correlation(&mut theta, first);
        }
        theta
    }
}
