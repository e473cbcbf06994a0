//! Errors of the core: numbers and indices without advice, which the R package adds.

/// The columns that differ from those of a covariate far from zero by less than rounding errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// The intercept of the same term.
    Intercept,
    /// Effects that are told from it by a correlation parameter only.
    Correlation,
    /// The category in which it is summed up.
    Sums,
    /// Fixed effects that have a coefficient for every level.
    Levels,
    /// Fixed effects that have a slope for every level.
    Slopes,
    /// Fixed effects of another covariate, with which it is multiplied.
    Products,
    /// Other random effects of the same levels, or of levels within them.
    Effects,
    /// Other random effects of which the likelihood can't tell slopes that are large.
    Likelihood,
}

impl Beside {
    /// The name of these columns for R.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intercept => "intercept",
            Self::Correlation => "correlation",
            Self::Sums => "sums",
            Self::Levels => "levels",
            Self::Slopes => "slopes",
            Self::Products => "products",
            Self::Effects => "effects",
            Self::Likelihood => "likelihood",
        }
    }
}

/// An error of the core.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// An argument has the wrong length.
    #[error("{what} has length {found}, expected {expected}")]
    Dimension {
        /// Which argument.
        what: &'static str,
        /// The length it should have.
        expected: usize,
        /// The length it has.
        found: usize,
    },
    /// An argument holds a value that isn't finite.
    #[error("{what} is not finite at index {index}")]
    NonFinite {
        /// Which argument.
        what: &'static str,
        /// Index (0-based) of the first culprit.
        index: usize,
    },
    /// A level index is out of range.
    #[error(
        "term {term}: level {level} at row {row} is not within 1..={n_levels}"
    )]
    Level {
        /// Core term (0-based).
        term: usize,
        /// Row (0-based).
        row: usize,
        /// The level found (1-based).
        level: i32,
        /// The number of levels of the term.
        n_levels: usize,
    },
    /// The mean of a covariate is so large beside its standard deviation, or beside that within the
    /// levels of a term, that its digits are lost.
    #[error("term {term}: column {column} is too far from zero")]
    Origin {
        /// Core term (0-based).
        term: usize,
        /// Column of its model matrix (0-based).
        column: usize,
        /// What its digits are lost beside.
        beside: Beside,
    },
    /// A weight is negative.
    #[error("weight at index {index} is negative")]
    NegativeWeight {
        /// Index (0-based) of the first culprit.
        index: usize,
    },
    /// There are fewer observations of positive weight than the criterion needs.
    #[error("{n} observations of positive weight for {p} fixed effects")]
    TooFewObservations {
        /// Observations of positive weight.
        n: usize,
        /// Columns of X.
        p: usize,
    },
    /// A covariance structure that the core doesn't know.
    #[error("unknown covariance structure {name}")]
    UnknownStructure {
        /// The name given.
        name: String,
    },
    /// The covariance parameter is outside the range in which a covariance matrix exists.
    #[error("theta is {value} at index {index}, not within {lower}..={upper}")]
    Parameter {
        /// Index (0-based) into theta.
        index: usize,
        /// Value of that element.
        value: f64,
        /// Smallest value.
        lower: f64,
        /// Largest value.
        upper: f64,
    },
    /// An optimizer that the core doesn't know.
    #[error("unknown optimizer {name}")]
    UnknownOptimizer {
        /// The name given.
        name: String,
    },
    /// A family that the core doesn't know.
    #[error("unknown family {name}")]
    UnknownFamily {
        /// The name given.
        name: String,
    },
    /// The link is unknown, or unavailable for this family.
    #[error("unknown link {name}")]
    UnknownLink {
        /// The name given.
        name: String,
    },
    /// The response is outside the support of the family.
    #[error(
        "the response at index {index} is outside the range of the family: {value}"
    )]
    Response {
        /// Index (0-based) of the first culprit.
        index: usize,
        /// Value of the first culprit.
        value: f64,
    },
    /// The conditional modes were not found: PIRLS diverged.
    #[error(
        "PIRLS failed at iteration {iteration} after {halvings} step halvings"
    )]
    PirlsDiverged {
        /// Iteration (1-based); 0: the log-likelihood is not finite at the start.
        iteration: usize,
        /// Step halvings in that iteration.
        halvings: usize,
        /// The covariance parameters.
        theta: Vec<f64>,
        /// The fixed effects.
        beta: Vec<f64>,
    },
    /// Adaptive quadrature was requested for a model with more than one term, or with too many
    /// nodes.
    #[error(
        "no quadrature with {nodes} nodes for {n_terms} terms of {vsize} effects"
    )]
    Quadrature {
        /// Nodes per dimension.
        nodes: usize,
        /// Random-effects terms, one per grouping factor.
        n_terms: usize,
        /// Effects per level of the first.
        vsize: usize,
    },
    /// A diagonal block of the penalized system is not positive definite.
    #[error("the penalized system is not positive definite at pivot {pivot}")]
    NotPositiveDefinite {
        /// Row (0-based) of the reduced system.
        pivot: usize,
    },
    /// The linear predictor reproduces the response exactly, so that the residual variance is zero.
    #[error("the residual sum of squares is zero")]
    ZeroResidual,
    /// The factor of the trailing (crossed) terms would not fit in memory.
    #[error("the factor needs {gib:.1} GiB")]
    TooLarge {
        /// Size of the factor and what comes with it, in GiB.
        gib: f64,
        /// The available memory, in GiB; `None` where the operating system does not report it.
        free: Option<f64>,
    },
    /// The requested quantity needs a Cholesky factor, which the iterative engine does not compute.
    #[error("this needs the exact engine")]
    NeedsFactor,
    /// `Z'V^-1Z`, which the exact Hessian needs, would not fit in memory.
    #[error("the exact Hessian needs {gib:.1} GiB")]
    HessianTooLarge {
        /// Size of `Z'V^-1Z` in GiB.
        gib: f64,
    },
    /// The user interrupted the computation before it had a result.
    #[error("interrupted before there was a result")]
    Interrupted,
    /// The optimizer failed before it had evaluated a usable point.
    #[error("optimizer failed: {status}")]
    Optimizer {
        /// The optimizer's own message.
        status: String,
    },
}

/// `Result` with the core's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Checks the length of an argument.
///
/// # Errors
/// `Dimension` if the length is not the `expected` one.
pub(crate) fn check_length(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Dimension {
        what,
        expected,
        found,
    })
}
