//! Conversion of R's lists to the types of the core: data, models and settings. Slices borrow R's
//! memory, so that nothing of length n is copied.

use std::sync::Arc;

use extendr_api::prelude::*;
use rlmm_core::covariance::{Part, RelCov, Structure};
use rlmm_core::design::ReTerm;
use rlmm_core::factor::memory::Room;
use rlmm_core::factor::sums::Sums;
use rlmm_core::glmm::possible_engine;
use rlmm_core::lmm::{EngineKind, EnginePlan, Held};
use rlmm_core::optimize::Settings;
use rlmm_core::parallel::team;
use rlmm_core::{
    confirm_contained, confirm_contained_in_sums, confirm_distinct,
    confirm_distinct_in_sums, Basis, Criterion, Design, Error,
    LinearMixedModel, Result,
};

use crate::fields::{missing, Fields};
use crate::sums::{summed_columns, sums};
use crate::threads::n_threads;
use crate::values::{columns, columns_of, Shapes};

/// Confirms that random effects (term and column of each) are in the column space of X, and that
/// the others can be told from each other; the design is in a basis, of the columns of `given`.
///
/// # Errors
/// `Origin` if the covariate of one is too far from zero.
pub fn confirm_rows(
    design: &Design,
    given: &Design,
    redundant: &[(usize, usize)],
) -> Result<()> {
    confirm_contained(design, &given.x, redundant)?;
    confirm_distinct(design, &given.x, redundant)
}

/// The spec described in SPEC.md. It protects R's objects while a [`Design`] borrows from them.
pub struct Spec {
    x: Vec<Robj>,
    y: Robj,
    weights: Robj,
    counts: Robj,
    offset: Robj,
    terms: Vec<TermSpec>,
    /// The sums that replace the rows, or `NULL`.
    sums: Robj,
    is_generalized: bool,
    // Whether the likelihood is computed by quadrature, with several nodes.
    has_nodes: bool,
    criterion: Criterion,
    sigma: Option<f64>,
    engine: EngineKind,
    room: Room,
}

/// The data of a model: rows, or their sums with the covariance of each term.
pub enum Data<'a> {
    Rows(Design<'a>),
    Sums(Arc<Sums>, Summed, Arc<Vec<RelCov>>),
}

/// The matrix M of each term, with which the given columns of Z are `Q M'` for the columns Q of the
/// sums.
pub type Summed = Arc<Vec<Vec<f64>>>;

impl Data<'_> {
    /// The rows.
    ///
    /// # Errors
    /// `Dimension` if there are only sums.
    pub fn rows(&self) -> Result<&Design<'_>> {
        match self {
            Self::Rows(design) => Ok(design),
            Self::Sums(..) => Err(missing("y")),
        }
    }

    /// The covariance of each term.
    pub fn covs(&self) -> Vec<RelCov> {
        match self {
            Self::Rows(design) => design.covs(),
            Self::Sums(_, _, covs) => covs.to_vec(),
        }
    }

    /// These rows or sums with other covariances of the terms.
    pub fn with_covs(&self, covs: Vec<RelCov>) -> Self {
        match self {
            Self::Rows(design) => {
                let mut design = design.clone();
                for (term, cov) in design.terms.iter_mut().zip(covs) {
                    term.cov = cov;
                }
                Self::Rows(design)
            }
            Self::Sums(sums, summed, _) => {
                Self::Sums(sums.clone(), summed.clone(), Arc::new(covs))
            }
        }
    }

    /// The data with the columns of Z in a basis.
    pub fn in_basis<'a>(&'a self, basis: &'a Basis) -> Data<'a> {
        match self {
            Self::Rows(design) => Data::Rows(basis.design(design)),
            Self::Sums(sums, summed, covs) => {
                let changed = basis.sums(sums, summed).map(Arc::new);
                let sums = changed.unwrap_or_else(|| sums.clone());
                let covs = Arc::new(basis.covs(covs));
                Data::Sums(sums, Summed::default(), covs)
            }
        }
    }

    /// Confirms that these random effects (term and column of each) are in the column space of X,
    /// and that the others can be told from each other. These data are those `given` in the basis.
    ///
    /// # Errors
    /// `Origin` if the covariate of one is too far from zero.
    pub fn confirm(
        &self,
        given: &Self,
        basis: &Basis,
        redundant: &[(usize, usize)],
    ) -> Result<()> {
        match self {
            Self::Rows(design) => {
                confirm_rows(design, given.rows()?, redundant)
            }
            Self::Sums(sums, ..) => {
                confirm_contained_in_sums(sums, redundant)?;
                confirm_distinct_in_sums(sums, basis, redundant)
            }
        }
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        match self {
            Self::Rows(design) => design.p(),
            Self::Sums(sums, ..) => sums.p(),
        }
    }

    pub fn shapes(&self) -> Shapes {
        match self {
            Self::Rows(design) => shapes(design),
            Self::Sums(sums, ..) => sums
                .terms
                .iter()
                .map(|term| (term.k, term.n_levels))
                .collect(),
        }
    }
}

/// The shape (effects per level, number of levels) of each term of a design.
pub fn shapes(design: &Design) -> Shapes {
    let terms = design.terms.iter();
    terms.map(|term| (term.vsize(), term.n_levels)).collect()
}

struct TermSpec {
    refs: Robj,
    n_levels: usize,
    z: Vec<Robj>,
    cov: RelCov,
}

impl TermSpec {
    fn new(term: &Fields) -> Result<Self> {
        let (sizes, starts) =
            (term.integers("part_size")?, term.integers("part_theta")?);
        let kinds = term
            .element("part_kind")
            .as_string_vector()
            .ok_or_else(|| missing("part_kind"))?;
        let columns = sizes.iter().sum();
        let parts = kinds.iter().zip(sizes).zip(starts);
        let parts = parts.map(|((kind, size), theta_start)| {
            Structure::from_name(kind)
                .map(|structure| Part::new(structure, size, theta_start))
        });
        let is_fixed = kinds == ["fixed"];
        Ok(Self {
            refs: term.element("refs").clone(),
            n_levels: term
                .number("n_levels")
                .ok_or_else(|| missing("n_levels"))?
                as usize,
            z: columns_of(term.element("z")),
            cov: match is_fixed {
                true => RelCov::fixed(columns),
                false => RelCov::new(parts.collect::<Result<_>>()?),
            },
        })
    }

    fn term(&self, n: usize) -> Result<ReTerm<'_>> {
        Ok(ReTerm {
            refs: self
                .refs
                .as_integer_slice()
                .ok_or_else(|| missing("refs"))?,
            n_levels: self.n_levels,
            z: columns(&self.z, n)?,
            cov: self.cov.clone(),
        })
    }
}

impl Spec {
    /// Reads the list; the core checks the design.
    pub fn new(spec: &Fields) -> Result<Self> {
        take_threads(spec);
        let terms = spec.list_of_fields("terms")?;
        let reml = spec.element("reml").as_bool().unwrap_or(false);
        Ok(Self {
            x: columns_of(spec.element("x")),
            y: spec.element("y").clone(),
            weights: spec.element("weights").clone(),
            counts: spec.element("counts").clone(),
            offset: spec.element("offset").clone(),
            terms: terms.iter().map(TermSpec::new).collect::<Result<_>>()?,
            sums: spec.element("sums").clone(),
            is_generalized: is_generalized(spec),
            has_nodes: has_nodes(spec),
            criterion: if reml { Criterion::Reml } else { Criterion::Ml },
            sigma: spec.number("sigma"),
            engine: engine(spec),
            room: default_room(spec),
        })
    }

    /// The spec with the engine and the memory limit of a control; an engine in the spec takes
    /// precedence.
    pub fn controlled(mut self, control: &Fields) -> Self {
        take_threads(control);
        if self.engine == EngineKind::Auto {
            self.engine = engine(control);
        }
        self.room = Room {
            repeats: self.room.repeats,
            ..room(control)
        };
        self
    }

    /// The design that the core borrows.
    pub fn design(&self) -> Result<Design<'_>> {
        let y = self.y.as_real_slice().ok_or_else(|| missing("y"))?;
        Ok(Design {
            x: columns(&self.x, y.len())?,
            y,
            weights: self.weights.as_real_slice(),
            counts: self.counts.as_real_slice(),
            offset: self.offset.as_real_slice(),
            terms: self
                .terms
                .iter()
                .map(|term| term.term(y.len()))
                .collect::<Result<_>>()?,
        })
    }

    /// The settings of a model, without R's objects.
    pub fn recipe(&self) -> Recipe {
        Recipe {
            engine: self.engine,
            room: self.room,
            criterion: self.criterion,
            sigma: self.sigma,
            is_generalized: self.is_generalized,
            has_nodes: self.has_nodes,
        }
    }

    /// The basis in which the model is computed, with these elements of theta held.
    pub fn basis(&self, design: &Design, held: &[usize]) -> Result<Basis> {
        self.recipe().basis_of_rows(design, held)
    }

    /// The rows of the spec, or its sums.
    pub fn data(&self) -> Result<Data<'_>> {
        let given = self.sums.as_list().filter(|list| !list.is_empty());
        match given.map(Fields::from) {
            Some(fields) => {
                let sums = sums(&fields)?;
                let summed = Arc::new(summed_columns(&fields, &sums)?);
                let covs = self.terms.iter().map(|term| term.cov.clone());
                let covs = Arc::new(covs.collect());
                Ok(Data::Sums(Arc::new(sums), summed, covs))
            }
            None => Ok(Data::Rows(self.design()?)),
        }
    }

    /// The basis in which data are computed, with these elements of theta held.
    pub fn basis_of(&self, data: &Data, held: &[usize]) -> Result<Basis> {
        self.recipe().basis_of(data, held)
    }

    /// The model of rows, or of sums.
    pub fn model_of(&self, data: &Data) -> Result<LinearMixedModel> {
        self.recipe().model_of(data)
    }

    /// The engine and storage that rows, or sums, would use.
    pub fn plan_of(&self, data: &Data) -> Result<EnginePlan> {
        match data {
            Data::Rows(design) => {
                let kind = match self.is_generalized {
                    true => possible_engine(self.engine, design),
                    false => self.engine,
                };
                EnginePlan::of(kind, &self.room, design)
            }
            Data::Sums(..) => Err(missing("y")),
        }
    }

    /// The basis of the fixed effects, with the original random effects.
    pub fn fixed_basis_of(&self, data: &Data) -> Result<Basis> {
        match data {
            Data::Rows(design) => {
                design.validate()?;
                Basis::of(design, false, |_| true)
            }
            Data::Sums(..) => Ok(Basis::default()),
        }
    }

    /// The model of a design with the exact engine.
    ///
    /// # Errors
    /// `NeedsFactor` if the iterative engine is requested.
    pub fn factored(&self, design: &Design) -> Result<LinearMixedModel> {
        if self.engine == EngineKind::Iterative && self.terms.len() > 1 {
            return Err(Error::NeedsFactor);
        }
        LinearMixedModel::new(design, self.criterion, self.sigma)
    }
}

/// The settings of a model, which may be sent to threads.
#[derive(Clone)]
pub struct Recipe {
    engine: EngineKind,
    room: Room,
    criterion: Criterion,
    sigma: Option<f64>,
    is_generalized: bool,
    // Whether the likelihood is computed by quadrature, with several nodes.
    has_nodes: bool,
}

impl Recipe {
    /// Whether both make the same kind of model, apart from a known sigma.
    pub fn is_like(&self, other: &Self) -> bool {
        self.engine == other.engine && self.criterion == other.criterion
    }

    /// The residual standard deviation, if it is known.
    pub fn sigma(&self) -> Option<f64> {
        self.sigma
    }

    /// These settings with sigma unknown.
    pub fn without_sigma(&self) -> Self {
        Self {
            sigma: None,
            ..self.clone()
        }
    }

    /// The basis in which data are computed, with these elements of theta held.
    pub fn basis_of(&self, data: &Data, held: &[usize]) -> Result<Basis> {
        match data {
            Data::Rows(design) => self.basis_of_rows(design, held),
            Data::Sums(sums, summed, covs) => {
                sums.validate(covs)?;
                let is_restricted = self.criterion == Criterion::Reml;
                let is_held = |j| held.contains(&j);
                Basis::of_sums(sums, summed, covs, is_restricted, is_held)
            }
        }
    }

    /// The basis in which rows are computed, with these elements of theta held.
    pub fn basis_of_rows(
        &self,
        design: &Design,
        held: &[usize],
    ) -> Result<Basis> {
        design.validate()?;
        let is_restricted = self.criterion == Criterion::Reml;
        let is_held = |j| held.contains(&j);
        match (self.is_generalized, self.has_nodes) {
            (true, false) => Basis::of_generalized(design, is_held),
            // Quadrature needs the elements of Lambda as parameters.
            (true, true) => Basis::of(design, is_restricted, is_held),
            (false, _) => Basis::of_linear(design, is_restricted, is_held),
        }
    }

    /// The model of rows, or of sums.
    pub fn model_of(&self, data: &Data) -> Result<LinearMixedModel> {
        let how = (self.engine, &self.room);
        let (criterion, sigma) = (self.criterion, self.sigma);
        match data {
            Data::Rows(design) => LinearMixedModel::with_engine(
                how.0, how.1, design, criterion, sigma,
            ),
            Data::Sums(sums, _, covs) => LinearMixedModel::from_sums(
                how,
                sums,
                covs.to_vec(),
                criterion,
                sigma,
            ),
        }
    }
}

/// The engine of a spec or else of a control, and the limits on its memory and time.
pub fn engine_and_room(spec: &Fields, control: &Fields) -> (EngineKind, Room) {
    let kind = match engine(spec) {
        EngineKind::Auto => engine(control),
        named => named,
    };
    let room = Room {
        repeats: default_room(spec).repeats,
        ..room(control)
    };
    (kind, room)
}

// The default limits for the factors of a linear model, or of the PIRLS steps of a generalized one.
fn default_room(spec: &Fields) -> Room {
    match is_generalized(spec) {
        true => Room::default().of_steps(),
        false => Room::default(),
    }
}

// Whether the likelihood of a spec is computed by quadrature.
fn has_nodes(spec: &Fields) -> bool {
    let nodes = spec.fields("glmm").ok().and_then(|it| it.number("nodes"));
    nodes.is_some_and(|nodes| nodes > 1.0)
}

// Whether a spec is that of a generalized model.
fn is_generalized(spec: &Fields) -> bool {
    spec.fields("glmm").is_ok_and(|glmm| !glmm.is_empty())
}

// The limits with the memory limit of a control.
fn room(control: &Fields) -> Room {
    let limit = control.number("memory_limit").filter(|v| v.is_finite());
    Room {
        limit: limit.map(|bytes| bytes as u64),
        ..Room::default()
    }
}

/// Sets the number of threads from a list's element, if present; 0 stands for the number of
/// processors.
pub fn take_threads(list: &Fields) {
    if let Some(threads) = list.number("threads") {
        team::set_threads(n_threads(threads as i32));
    }
}

// The engine in a list's element.
fn engine(list: &Fields) -> EngineKind {
    match list.element("engine").as_str() {
        Some("exact") => EngineKind::Exact,
        Some("iterative") => EngineKind::Iterative,
        _ => EngineKind::Auto,
    }
}

/// The default limit on evaluations, as an optimizer with tolerances of zero would never stop.
const MOST_EVALUATIONS: usize = 100_000;

/// Reads an `rlmm_control()` list.
pub fn settings(control: &Fields) -> Settings {
    let default = Settings::default();
    let limit = |name| {
        control
            .number(name)
            .filter(|v| v.is_finite())
            .unwrap_or(0.0)
    };
    let tolerance = |name, value| control.number(name).unwrap_or(value);
    Settings {
        optimizer: control
            .element("optimizer")
            .as_str()
            .map_or(default.optimizer, ToString::to_string),
        ftol_rel: tolerance("ftol_rel", default.ftol_rel),
        ftol_abs: tolerance("ftol_abs", default.ftol_abs),
        xtol_rel: tolerance("xtol_rel", default.xtol_rel),
        xtol_abs: tolerance("xtol_abs", default.xtol_abs),
        initial_step: control
            .element("initial_step")
            .as_real_vector()
            .unwrap_or_default(),
        max_eval: control
            .number("max_eval")
            .filter(|v| v.is_finite())
            .map_or(MOST_EVALUATIONS, |v| v as usize),
        max_time: limit("max_time"),
    }
}

/// The elements of theta that the optimizer must not change; indices in R's lists are 0-based here.
pub fn held(control: &Fields) -> Held {
    let pairs = |indices, values| {
        let indices = control.integers(indices).unwrap_or_default();
        indices.into_iter().zip(control.numbers(values)).collect()
    };
    Held {
        relative: pairs("held", "held_values"),
        absolute: pairs("absolute", "absolute_values"),
    }
}
