# rglmm(): the user's function for generalized linear mixed models.

#' Fit a generalized linear mixed model
#'
#' `rglmm()` fits a generalized linear model with random effects, of counts, proportions and other
#' responses that aren't normal, by the Laplace approximation of the likelihood or by adaptive
#' Gauss-Hermite quadrature. Formula and arguments are those of `lme4::glmer()`.
#'
#' @inheritParams rlmm
#' @param formula As in lme4: `y ~ x + (x | g)`; see [rlmm()]. For `binomial` the response is 0 or
#'   1, logical, a factor (its first level is a failure), proportions with the numbers of trials as
#'   `weights`, or `cbind(successes, failures)`.
#' @param data A data frame (or tibble, data.table, list, environment) with the variables. Without
#'   it they are looked up where the formula was written. Or a table that isn't in R's memory: see
#'   Tables and equal rows.
#' @param family A family object of R, a function that makes one, or its name: `binomial`,
#'   `poisson`, `Gamma`, `inverse.gaussian`, `gaussian` with another link than the identity,
#'   [nbinom1()], [nbinom2()], or `MASS::negative.binomial(theta)`. Links are logit, probit,
#'   cloglog, cauchit, log, sqrt, identity, inverse and 1/mu^2. [rglmm_nb()] is
#'   `lme4::glmer.nb()`'s form of [nbinom2()].
#' @param weights Prior weights, as in [glm()]. For `binomial` with proportions the numbers of
#'   trials. Of `gaussian` they are precisions, as in [rlmm()]: a row has the dispersion phi / w.
#'   Otherwise a row with weight w has w times the log-likelihood, as w equal rows have, and there
#'   are as many observations as the weights sum up to; of `Gamma` and `inverse.gaussian` what is
#'   drawn for the row has the dispersion phi / w, as a mean of w.
#' @param offset A known part of the linear predictor, with a coefficient of 1, on the scale of the
#'   link: the logarithm of the exposure for rates with a log link. It is added to the `offset()`
#'   terms of the formula. `predict(newdata = )` needs its variables in the new data.
#' @param start Where to start: theta, or a list with any of the elements `theta` and `fixef` (or
#'   `beta`).
#' @param verbose 1 or 2: print each evaluation of the objective. 3: print also the course of each
#'   search for the conditional modes (PIRLS): whether the fixed effects are varied, the Laplace
#'   deviance and the fixed effects at its start, and the deviance after each iteration.
#' @param nAGQ 1: the Laplace approximation. More, up to 100: that many nodes per random effect of
#'   adaptive Gauss-Hermite quadrature, for models with a single grouping factor and up to a million
#'   nodes per level. 0: the Laplace approximation with `fast = TRUE`.
#' @param mustart,etastart Means, or linear predictors, to start from: the fixed effects start at
#'   their projection. The estimates don't depend on where the optimizer starts, but for local
#'   minima.
#' @param dispersion For the families `Gamma`, `inverse.gaussian` and `gaussian`: `"profiled"`,
#'   `"moment"` or `"estimated"`; see below.
#' @param information Which information of the linear predictors stands in the determinant of the
#'   Laplace approximation, `"expected"` or `"observed"`; see below. For [nbinom1()] it is always
#'   the observed one.
#' @param fast Find the fixed effects together with the conditional modes, at each theta, instead of
#'   maximising the likelihood over them? Faster and less exact: MixedModels.jl's `fast`, also with
#'   quadrature.
#'
#' @section Which likelihood: The random effects are integrated out by the Laplace approximation, or
#' by quadrature around the same conditional modes. Its determinant has the second derivative of the
#' log-likelihood in each linear predictor. By default this is replaced by its expectation, as lme4
#' and MixedModels.jl do (they find the modes by Fisher scoring). `information = "observed"` keeps
#' it, as glmmTMB and TMB do. For canonical links (logit, Poisson with log, Gamma with inverse) they
#' are the same; otherwise the estimates differ a little, and less with more observations per level.
#' With many quadrature nodes the choice doesn't matter.
#'
#' The dispersion phi of `Gamma`, `inverse.gaussian` and `gaussian` is treated in one of three ways:
#'
#' * `"profiled"`, as lme4 does since version 2.0: phi is the deviance over n minus the rank of `[X
#'   Z]`, and the likelihood is taken at the deviance over n. The modes and phi depend on each
#'   other, and are brought to agree. lme4 2.1 does that by a fixed-point iteration of at most 100
#'   steps by default (`glmerControl(maxPhiIter = )`): where the random effects are small beside the
#'   dispersion it stops early. Its log-likelihood is then off, by 0.04 for example for
#'   `imps79 ~ TxDrug * Week + (1 | id)` of its data `schizophrenia` with `Gamma("log")`. With
#'   `maxPhiIter = 1000` it has the values of here, but for a `gaussian` family with weights, whose
#'   sum it takes for n.
#' * `"moment"`, as lme4 did before: the random effects' standard deviations are relative to
#'   `sigma()`, which is estimated from the Pearson residuals and the random effects. Its estimates
#'   depend on the units of the response, but for `Gamma`. Those of the other two don't: a response
#'   times k has the same estimates in its units, and a log-likelihood that is less by n log(k).
#' * `"estimated"`: by maximum likelihood, as any other parameter. With `information = "observed"`
#'   it is glmmTMB's fit. It is the only one that quadrature knows, and the one to choose for a
#'   likelihood in the strict sense.
#'
#' `sigma()` is the square root of phi. Standard errors and conditional variances of lme4 2.1 for
#' these families are too small by the factor sigma where they come from its factor `RX` or `L`: phi
#' is in its weights already. Those here have it once.
#'
#' Where the responses of most levels are alike, or effects are too many for them, the standard
#' deviations of a binomial model have no upper limit that the data tell, and the Laplace
#' approximation has several maxima: in one of them probabilities are 0 or 1. `rglmm()` warns of a
#' term whose standard deviation is that large (beyond 11.5 with the links logit and cloglog, 4.3
#' with probit), and of one that is large where the fixed effects alone are as far out in most rows
#' (2.4 with cloglog, whose probabilities approach 1 fast). `nAGQ = 25` tells what the approximation
#' is worth; `vignette("convergence")` has an example.
#'
#' The criterion is minimised over theta, the fixed effects and, where it is estimated, the
#' logarithm of the dispersion, with its exact gradient. [certificate()] says whether an optimum was
#' reached.
#'
#' `logLik()` has all constants of the density, so that fits with different `nAGQ` can be compared.
#' lme4 1.1 leaves some of them out when `nAGQ` is greater than 1, and is lower by 1 for families
#' with a dispersion.
#'
#' @section Tables and equal rows:
#' A table in a database, an Arrow table or data set, or a function that reads chunks (all as in
#' [rlmm_sums()]) may be given as data. The distinct rows of the model's variables are read, each
#' with the number of its equals, which a database counts by `GROUP BY`. The fit is that of all
#' rows, with their log-likelihood, `nobs()`, tests and predictions, for every family, also with
#' weights, trials and offsets. Its model frame has the distinct rows and a column `(counts)`, and
#' residuals and fitted values are theirs; what is about single rows (`simulate()`, `bootstrap()`,
#' [influence()][influence.rlmm]) repeats them. More distinct rows than fit into the memory
#' (`rlmm_control(memory_limit = )`) are refused: this is for covariates that are classes or
#' rounded. Variables are computed row by row, but for bases such as `poly(x, 2)`; rows with missing
#' values are left out.
#'
#' A data frame of 5,000 rows and more is treated likewise: the fit works through the distinct rows,
#' where these are at most half of them; nothing else of it shows that.
#'
#' @section Fixed factors with many levels:
#' As in [rlmm()], such a factor takes no dummy columns, nor do its slopes: the levels are found
#' with the modes of the random effects, and where Laplace's approximation is largest. That is so
#' for fewer levels and rows than in a linear model, as each step of a search for the modes
#' multiplies the columns, and standard errors take as long as the fit: from 100 levels on if rows
#' times the squared number of levels exceed 1e8, as 10,000 rows with 100 levels or 400 with 500.
#' [fixed_levels()] has their coefficients and standard errors, [anova()][anova.rlmm] a Wald test of
#' all of them; `options(rlmm.large_factor = Inf)` makes them columns, with rows in `summary()`.
#' With `nAGQ > 1`, `dispersion = "moment"` or `rlmm_control(engine = "iterative")` they are
#' columns, which take long where there are many.
#'
#' @section Separation: Where all responses of a cell of the fixed effects are alike (all zero,
#' say), a fixed effect may have no finite estimate: the likelihood keeps rising as it grows. Such a
#' fit ends where nothing is left to gain, with a warning that names the effect. Levels of a
#' grouping factor whose responses are alike do no harm.
#'
#' @return A list of class `rlmm_glmm`; a function with `devFunOnly`.
#' @seealso [rlmm()] for linear models, and for formulas; [rglmm_nb()] for negative binomial models,
#'   [nbinom1()], [nbinom2()]. Of a fit: [summary()][summary.rlmm], [anova()][anova.rlmm],
#'   [confint()][confint.rlmm], [ranef()][ranef.rlmm], [predict()][predict.rlmm] (`marginal = TRUE`
#'   for means over the groups), [residuals()][residuals.rlmm], [bootstrap()], [certificate()].
#'   [rlmm_conditions] has what its messages and warnings mean.
#'   `vignette("generalized-models", "rlmm")`.
#' @examples
#' fit <- rglmm(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, family = binomial)
#' summary(fit)
#' ranef(fit)
#' predict(fit, data.frame(period = "2", herd = "1"), type = "response")
#'
#' # The same from proportions, with the numbers of trials as weights
#' rglmm(incidence / size ~ period + (1 | herd), cbpp, family = binomial, weights = size)
#'
#' # Counts, by quadrature; and overdispersed: an effect of each row, or a negative binomial
#' rglmm(TICKS ~ YEAR + (1 | LOCATION), grouseticks, family = "poisson", nAGQ = 9)
#' rglmm(TICKS ~ YEAR + (1 | LOCATION) + (1 | INDEX), grouseticks, family = poisson)
#' rglmm_nb(TICKS ~ YEAR + (1 | LOCATION), grouseticks)
#'
#' # Rates: the logarithm of the exposure (invented here) is an offset
#' cbpp$weeks <- rep(c(2, 4), 28)
#' rglmm(incidence ~ period + (1 | herd), cbpp, family = poisson, offset = log(size * weeks))
#'
#' # Rows where they are: 284 of the 403 rows are distinct in these variables.
#' at <- new.env()
#' chunks <- function(reset) {
#'   at$last <- if (reset) 0 else at$last + 100
#'   rows <- seq_len(nrow(grouseticks))
#'   rows <- rows[rows > at$last - 100 & rows <= at$last]
#'   if (length(rows) > 0) grouseticks[rows, ]
#' }
#' rglmm(TICKS ~ YEAR + (1 | LOCATION), chunks, family = poisson)
#'
#' # A dispersion, estimated by maximum likelihood with the Laplace approximation that glmmTMB uses:
#' grouseticks$share <- (grouseticks$TICKS + 1) / 10
#' rglmm(
#'   share ~ YEAR + (1 | LOCATION), grouseticks, family = Gamma("log"),
#'   dispersion = "estimated", information = "observed"
#' )
#' @export
rglmm <- function(
  formula,
  data = NULL,
  family,
  control = rlmm_control(),
  start = NULL,
  verbose = 0L,
  nAGQ = 1L,
  subset,
  weights,
  na.action,
  offset,
  mustart,
  etastart,
  contrasts = NULL,
  devFunOnly = FALSE,
  dispersion = c("profiled", "moment", "estimated"),
  information = c("expected", "observed"),
  fast = FALSE,
  ...,
  weights_type = c("precision", "frequency")
) {
  call <- match.call()
  check_dots(..., fitter = "rglmm", known = names(formals(rglmm)))
  control <- as_control(control)
  env <- parent.frame()
  formula <- read_formula(if (missing(formula)) NULL else formula, env)
  family <- read_family(if (missing(family)) NULL else family, env, call)
  check_verbose(verbose)
  likelihood <- glmm_approximation(family, nAGQ, fast, dispersion, information)
  extras <- given_expressions(generalized_extras, call)
  data <- rows_in_memory(formula, data, extras, control, call)
  design <- model_design(
    formula,
    data,
    REML = FALSE,
    control = control,
    extras = with_counts(extras, data),
    na_action = if (missing(na.action)) default_na_action(data) else na.action,
    contrasts = contrasts,
    approximation = likelihood,
    weights_type = read_weights_type(weights_type),
    may_be_large = may_have_levels(likelihood, control)
  )
  if (check_flag(devFunOnly, "devFunOnly")) {
    return(glmm_function(design$spec, n_arguments(design$spec)))
  }
  fit_generalized(design, glmm_start(start, design), call, verbose)
}

#' Whether the levels of a factor may be no columns of X: quadrature has one term, conjugate
#' gradients have random effects only, and a dispersion by moment depends on the levels in a way
#' that the search for them doesn't know
#' @noRd
may_have_levels <- function(likelihood, control) {
  by_moment <- has_dispersion(likelihood$family) &&
    likelihood$dispersion == "moment"
  likelihood$nodes == 1 &&
    !by_moment &&
    !identical(control$engine, "iterative")
}

# The arguments that are evaluated in the data.
generalized_extras <- c("subset", "weights", "offset", "mustart", "etastart")

# The data, or the distinct rows of data that aren't in R's memory.
rows_in_memory <- function(formula, data, extras, control, call) {
  if (!is_summed_up(data)) {
    return(data)
  }
  check_summed_call(call, c("subset", "na.action"))
  distinct_rows(formula, data, extras, control$memory_limit)
}

#' Fit a generalized model, once its design is known, and report what must be known of the fit
#' @noRd
fit_generalized <- function(design, start, call, verbose) {
  control <- design$control
  held <- held_theta(control, design$random)
  own <- with_own_environment(design, call)
  make <- \(est) new_glmm_fit(own, est, call, control)
  control_of_core <- core_control(control, verbose, design, held)
  if (control_of_core$verbose > 0L) {
    tell_engine(design$spec, control_of_core)
  }
  est <- with_terms_named(
    core_glmm_fit(design$spec, start, control_of_core, make),
    design$random,
    if (has_large(design)) more_memory else without_factor,
    control$memory_limit,
    design$fixed$large
  )
  fit <- make(est)
  report_fit(fit, design$spec)
  report_poisson(fit)
  fit
}

#' Tell of counts without overdispersion
#' @noRd
report_poisson <- function(fit) {
  poisson <- family_row(fit$glmm$family)$shape$no_overdispersion
  if (is.null(poisson) || !estimates_parameter(fit$glmm)) {
    return(invisible())
  }
  shape <- fit$glmm$shape
  if (!poisson$at(shape, mean(fit$fitted %||% 1))) {
    return(invisible())
  }
  inform_rlmm(
    c(
      paste0(
        "The counts show no overdispersion: ",
        poisson$limit,
        "."
      ),
      i = paste0(
        "It is ",
        format(shape, digits = 3L),
        "; `rglmm(family = poisson)` fits as well with a parameter less."
      )
    ),
    "rlmm_message_poisson",
    theta = shape
  )
}

# Start ---------------------------------------------------------------------

#' Where to start, from the argument `start` and the frame's `(etastart)` or `(mustart)`
#' @return A list with any of `theta` and `beta`.
#' @noRd
glmm_start <- function(start, design) {
  beta <- NULL
  if (is.list(start)) {
    names(start)[names(start) == "fixef"] <- "beta"
    beta <- start$beta
    start <- start[names(start) != "beta"]
  }
  if (!is.null(beta)) {
    check_start_beta(beta, design$fixed$names)
  }
  beta <- beta %||% projected_start(design)
  drop_null(list(
    theta = if (length(start) > 0L) check_start(start, design$random),
    beta = if (!is.null(beta)) as.double(beta)
  ))
}

check_start_beta <- function(beta, names) {
  if (
    is.numeric(beta) && length(beta) == length(names) && all(is.finite(beta))
  ) {
    return(invisible())
  }
  abort_rlmm(
    c(
      paste0(
        "`start` must hold ",
        plural(length(names), "finite number"),
        " for the fixed effects."
      ),
      x = paste0("It holds ", describe_type(beta), "."),
      i = paste0("In order: ", enumerate(dQuote(names, FALSE), max = 10L), ".")
    ),
    "rlmm_error_start",
    expected = names
  )
}

# Least squares of the linear predictor that `etastart` or `mustart` gives.
projected_start <- function(design) {
  frame <- design$frame
  eta <- frame[["(etastart)"]]
  if (is.null(eta) && !is.null(frame[["(mustart)"]])) {
    eta <- linked_means(frame[["(mustart)"]], design$family)
  }
  if (is.null(eta)) {
    return(NULL)
  }
  if (!all(is.finite(eta))) {
    abort_rlmm(
      "`mustart` must hold means that can occur in the family.",
      "rlmm_error_start"
    )
  }
  x <- column_matrix(design$spec$x, length(eta))
  stats::lm.fit(x, eta - (design$spec$offset %||% 0))$coefficients
}

# Linear predictors from means; some families stop at means that cannot be.
linked_means <- function(mu, family) {
  suppressWarnings(tryCatch(family$linkfun(mu), error = \(cnd) NaN))
}
