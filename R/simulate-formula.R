# Simulates responses of a model that is given by its formula, data and parameters, without a fit.

#' Simulate responses of a model without a fit
#'
#' Simulates responses of a linear or generalized linear mixed model that is given by its formula,
#' the data of its covariates and its parameters, for example to plan a study.
#'
#' R's generic `simulate()` calls this function for a formula, unless lme4 (or another package with
#' a method for formulas) is loaded: then its method is called, which has the same arguments and,
#' with the same seed, simulates the same responses. `simulate_formula()` is always the function of
#' this package.
#'
#' @param object A one-sided formula, `~ x + (1 | g)`; a response on the left side is ignored.
#' @param nsim The number of replicates.
#' @param seed `NULL`, or a seed for [set.seed()], after which the state of the generator is
#'   restored.
#' @param newdata A data frame with the covariates and grouping factors.
#' @param newparams A list: `beta`, the fixed effects (if named, in any order); `theta`, named as by
#'   [getME()] (without correlations, the standard deviations of the random effects divided by
#'   sigma); `sigma` (1 by default); and `shape` for a negative binomial model without a known
#'   shape.
#' @param family A family or its name; negative binomial families are
#'   `MASS::negative.binomial(theta)`, [nbinom1()] and [nbinom2()]. A dispersion is the square of
#'   `sigma`.
#' @param weights,offset Vectors of prior weights (for a binomial the numbers of trials) and an
#'   offset.
#' @param data Another name for `newdata`.
#' @param cluster.rand See [simulate()][simulate.rlmm].
#' @param contrasts The contrasts of factors, as in [rlmm()].
#' @param ... Not used.
#' @return A data frame with the columns `sim_1`, `sim_2`, ..., a row for each row of the data (`NA`
#'   where covariates are missing), and the attribute `"seed"`. For a binomial with trials the
#'   responses are proportions.
#' @examples
#' plan <- expand.grid(time = 0:3, id = factor(1:10))
#' parameters <- list(beta = c(`(Intercept)` = 2, time = 0.3), theta = 0.5, sigma = 1)
#' draws <- simulate_formula(~ time + (1 | id), 2, 1, newdata = plan, newparams = parameters)
#' head(draws)
#' plan$y <- draws$sim_1
#' rlmm(y ~ time + (1 | id), plan)
#'
#' # Counts, by R's generic function
#' counts <- simulate(
#'   ~ time + (1 | id),
#'   seed = 1,
#'   newdata = plan,
#'   newparams = list(beta = c(1, 0.2), theta = 0.5),
#'   family = poisson
#' )
#' table(counts$sim_1)
#' @export
simulate_formula <- function(
  object,
  nsim = 1,
  seed = NULL,
  family = "gaussian",
  weights = NULL,
  data = NULL,
  cluster.rand = stats::rnorm,
  ...,
  newdata = data,
  newparams = NULL,
  offset = NULL,
  contrasts = NULL
) {
  refuse_dots(...)
  force_formula(object)
  model <- unfitted_model(
    object,
    newdata,
    newparams,
    family,
    list(weights = weights, offset = offset),
    contrasts,
    parent.frame()
  )
  simulate.rlmm(model, nsim, seed, cluster.rand = cluster.rand)
}

#' A model without a fit, in the form that simulate() needs
#' @noRd
unfitted_model <- function(
  formula,
  data,
  newparams,
  family,
  given,
  contrasts,
  env
) {
  check_simulation_data(formula, data)
  family <- simulation_family(family, newparams, env)
  design <- model_design(
    with_dummy_response(formula),
    with_dummy_column(data, family),
    REML = FALSE,
    control = unchecked_control(),
    extras = lapply(drop_null(given), rlang::as_quosure, env = baseenv()),
    na_action = stats::na.exclude,
    contrasts = contrasts,
    approximation = if (!is.null(family)) unfitted_likelihood(family)
  )
  new_unfitted(design, check_simulation_parameters(newparams, design))
}

unfitted_likelihood <- function(family) {
  list(
    family = family,
    nodes = 1,
    fast = FALSE,
    dispersion = "moment",
    information = "observed"
  )
}

new_unfitted <- function(design, parameters) {
  effects <- lapply(design$random, zero_effects)
  is_linear <- is.null(design$family)
  fields <- c(
    design[c("formula", "frame", "fixed", "random", "family")],
    parameters,
    list(
      u = effects,
      b = effects,
      fitted = numeric(nrow(design$frame)),
      na_action = attr(design$frame, "na.action"),
      glmm = design$spec$glmm,
      relative = if (!is_linear) FALSE
    )
  )
  structure(
    fields,
    class = c(if (is_linear) "rlmm_lmm" else "rlmm_glmm", "rlmm")
  )
}

# A control without checks, since planned data may be too small for a fit.
unchecked_control <- function() {
  rlmm_control(
    check_nobs_vs_nlev = "ignore",
    check_nobs_vs_nre = "ignore",
    check_nlev_gtr_1 = "ignore",
    check_response_not_const = "ignore",
    check_rankx = "ignore"
  )
}

# The response ---------------------------------------------------------------

dummy_response <- ".response"

with_dummy_response <- function(formula) {
  env <- environment(formula)
  formula <- call(
    "~",
    as.name(dummy_response),
    formula[[length(formula)]]
  )
  stats::as.formula(formula, env)
}

# Adds a valid response of the family, whose values are not used.
with_dummy_column <- function(data, family) {
  range <- if (is.null(family)) {
    "real"
  } else {
    family_row(core_family(family))$range
  }
  values <- if (range == "positive") c(1, 2) else c(0, 1)
  data[[dummy_response]] <- rep_len(values, nrow(data))
  data
}

#' The family to simulate from; `NULL` for a linear model
#' @noRd
simulation_family <- function(family, newparams, env) {
  family <- family_of(family)
  if (is.null(family) || stands_for_linear(family)) {
    return(NULL)
  }
  family <- read_family(family, env)
  row <- family_row(core_family(family))
  if (!has_parameter(family)) {
    return(family)
  }
  shape <- newparams$shape %||% known_shape(family)
  row$shape$make(shape, family$link)
}

stands_for_linear <- function(family) {
  if (!inherits(family, "family")) {
    return(identical(family, "gaussian"))
  }
  family$family == "gaussian" && family$link == "identity"
}

# Arguments -------------------------------------------------------------------

check_simulation_data <- function(formula, data) {
  if (!inherits(formula, "formula")) {
    abort_argument(
      "`object` must be a formula.",
      x = it_is(formula),
      arg = "object"
    )
  }
  right <- formula[[length(formula)]]
  if (length(split_bars(right)$bars) == 0L) {
    abort_formula(
      "`object` must have at least one random-effects term.",
      x = sprintf(
        "%s has no term of the form `(expr | group)`.",
        tick(deparse_one(formula))
      ),
      i = "Is a term such as `(1 | group)` missing?",
      class = "rlmm_error_no_bars"
    )
  }
  if (!is.data.frame(data)) {
    abort_argument(
      "`newdata` must be a data frame with the covariates and grouping factors.",
      x = it_is(data),
      arg = "newdata"
    )
  }
}

#' Checks the parameters of a model
#' @return A list: `beta`, `theta`, `sigma`.
#' @noRd
check_simulation_parameters <- function(newparams, design) {
  known <- c("beta", "theta", "sigma", "shape")
  is_named <- is.list(newparams) &&
    length(names(newparams)) == length(newparams)
  if (!is_named || !all(names(newparams) %in% known)) {
    abort_newparams(
      "It must be a list with the elements `beta`, `theta`, and perhaps `sigma`."
    )
  }
  sigma <- newparams$sigma %||% 1
  check_nonnegative(sigma, "sigma")
  list(
    beta = given_parameters(
      newparams$beta,
      "beta",
      design$fixed$names
    ),
    theta = unname(given_parameters(
      newparams$theta,
      "theta",
      theta_names(design$random)
    )),
    sigma = sigma
  )
}

# The values of all parameters of a kind; named ones are put in the order of the model.
given_parameters <- function(x, name, labels) {
  if (!is.numeric(x) || length(x) != length(labels)) {
    abort_parameters(name, x, labels)
  }
  if (!is.null(names(x))) {
    at <- match(labels, names(x))
    if (anyNA(at)) {
      abort_parameters(name, names(x), labels)
    }
    x <- x[at]
  }
  stats::setNames(as.double(x), labels)
}

abort_parameters <- function(name, found, labels) {
  abort_argument(
    sprintf(
      "`newparams` must have %s in %s.",
      plural(length(labels), "number"),
      tick(name)
    ),
    x = if (is.character(found)) {
      paste0("Its names are ", enumerate(in_quotes(found)), ".")
    } else if (is.null(found)) {
      "It has none."
    } else {
      it_is(found)
    },
    i = paste0("In order: ", enumerate(in_quotes(labels), max = 10L), "."),
    arg = "newparams"
  )
}
