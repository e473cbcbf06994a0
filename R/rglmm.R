# rglmm(): fits generalized linear mixed models.

#' Fit a generalized linear mixed model
#'
#' Fits a generalized linear model with random effects, for counts, proportions and other non-normal
#' responses, by the Laplace approximation of the likelihood or by adaptive Gauss-Hermite
#' quadrature. The formula and the arguments are those of `lme4::glmer()`.
#'
#' @inheritParams rlmm
#' @param formula A two-sided formula as in lme4, such as `y ~ x + (x | g)`; see [rlmm()]. For
#'   `binomial` the response is 0 or 1, logical, a factor (whose first level is failure), a
#'   proportion with the numbers of trials as `weights`, or `cbind(successes, failures)`.
#' @param data A data frame (or tibble, data.table, list or environment) with the variables. By
#'   default, variables are looked up in the environment of the formula. Or a table outside R's
#'   memory, see the section Tables and equal rows of [rglmm()].
#' @param family A family object, a function that returns one, or its name: `binomial`, `poisson`,
#'   `Gamma`, `inverse.gaussian`, `gaussian` with a link other than the identity, [nbinom1()],
#'   [nbinom2()], or `MASS::negative.binomial(theta)`. Available links are logit, probit, cloglog,
#'   cauchit, log, sqrt, identity, inverse and 1/mu^2. [rglmm_nb()] fits [nbinom2()] with the
#'   interface of `lme4::glmer.nb()`.
#' @param weights Prior weights, as in [glm()]. For `binomial` with proportions they are the numbers
#'   of trials. For `gaussian` they are precisions, as in [rlmm()]: a row with weight w has the
#'   dispersion phi / w. For other families a row with weight w contributes w times its
#'   log-likelihood, as w identical rows would, and it counts w times in the dispersion (unless
#'   `dispersion = "moment"`); `nobs()` is the number of rows. Simulated responses of `Gamma` and
#'   `inverse.gaussian` have the dispersion phi / w, as the mean of w observations has.
#' @param offset A known component of the linear predictor, with coefficient 1, on the scale of the
#'   link: for rates with a log link it is the logarithm of the exposure. It is added to the
#'   `offset()` terms of the formula. `predict(newdata = )` needs its variables in the new data.
#' @param start Starting values: theta, or a list with any of the elements `theta` and `fixef` (or
#'   `beta`).
#' @param verbose 1 or 2: print each evaluation of the objective. 3: print also each PIRLS run (the
#'   search for the conditional modes): whether the fixed effects vary, the Laplace deviance and the
#'   fixed effects at its start, and the deviance after each iteration.
#' @param nAGQ The number of nodes of adaptive Gauss-Hermite quadrature for each random effect. 1
#'   (the default) is the Laplace approximation; up to 100 nodes are available for models with a
#'   single grouping factor and up to a million nodes for each level; 0 is the Laplace approximation
#'   with `fast = TRUE`.
#' @param mustart,etastart Starting values of the means or of the linear predictors, which are
#'   projected on the fixed effects. They don't change the estimates, unless the objective has
#'   several local minima.
#' @param dispersion The treatment of the dispersion of the families `Gamma`, `inverse.gaussian` and
#'   `gaussian`: `"profiled"`, `"moment"` or `"estimated"`; see the section Which likelihood.
#' @param information The information of the linear predictors in the determinant of the Laplace
#'   approximation: `"expected"` or `"observed"`; see the section Which likelihood. For [nbinom1()]
#'   it is always the observed information.
#' @param fast Whether to find the fixed effects together with the conditional modes at each theta,
#'   instead of maximizing the approximate likelihood over them. This is faster and less accurate.
#'   It corresponds to `fast` in MixedModels.jl and is also available with quadrature.
#' @param weights_type The meaning of `weights`. `"precision"`: as described for `weights`.
#'   `"frequency"`: a row with weight w stands for w identical rows, which `nobs()`, `logLik()` and
#'   standard errors count; fitted values and residuals have an element for each of these rows.
#'   (Bases that depend on the data, such as `poly()`, are computed from the rows as given.)
#' @section Which likelihood: The random effects are integrated out by the Laplace approximation, or
#' by quadrature centred at the same conditional modes. The determinant of the Laplace approximation
#' contains the second derivative of the log-likelihood in each linear predictor. By default it is
#' replaced by its expectation, as in lme4 and MixedModels.jl (which find the modes by Fisher
#' scoring). With `information = "observed"` it is kept, as in glmmTMB and TMB. For canonical links
#' (binomial with logit, Poisson with log, Gamma with inverse) both are the same; otherwise the
#' estimates differ slightly, and less with more observations in each level. With many quadrature
#' nodes the choice doesn't matter.
#'
#' The dispersion phi of `Gamma`, `inverse.gaussian` and `gaussian` can be estimated in three ways:
#'
#' * `"profiled"`, as in lme4 since version 2.0: phi is the deviance divided by n minus the rank of
#'   `[X Z]`, and the likelihood is evaluated at the deviance divided by n. The modes and phi depend
#'   on each other and are iterated until they agree. lme4 2.1 uses a fixed-point iteration with at
#'   most 100 steps by default (`glmerControl(maxPhiIter = )`), which stops early if the random
#'   effects are small relative to the dispersion: its log-likelihood of
#'   `imps79 ~ TxDrug * Week + (1 | id)` with `Gamma("log")` for its data `schizophrenia`, for
#'   example, is off by 0.04. With `maxPhiIter = 1000` its values agree with those here, except for
#'   a `gaussian` family with weights, whose sum lme4 uses in place of n.
#' * `"moment"`, as in earlier versions of lme4: the standard deviations of the random effects are
#'   relative to `sigma()`, which is estimated from the Pearson residuals and the random effects.
#'   Except for `Gamma`, the estimates depend on the units of the response. (Under the other two
#'   methods, multiplying the response by k only rescales the estimates and lowers the
#'   log-likelihood by n log(k).)
#' * `"estimated"`: maximum likelihood, as for all other parameters. With `information =
#'   "observed"` this is the fit of glmmTMB. It is the only method that quadrature supports, and the
#'   one to choose if a proper likelihood is needed.
#'
#' `sigma()` is the square root of phi. In lme4 2.1, standard errors and conditional variances for
#' these families are too small by a factor of sigma where they are computed from the factors `RX`
#' or `L`, since its weights already contain phi.
#'
#' If the responses of a binomial model are all equal in most levels, or if it has too many random
#' effects, the data set no upper limit to the standard deviations of the random effects, and the
#' Laplace approximation has several maxima; at one of them probabilities are 0 or 1. `rglmm()`
#' warns about a term whose standard deviation is that large (above 11.5 for the links logit and
#' cloglog, 4.3 for probit), and about a smaller one if the fixed effects alone give most rows
#' linear predictors as extreme as that (above 2.4 for cloglog, whose probabilities approach 1
#' quickly). A fit with `nAGQ = 25` shows how accurate the approximation is;
#' `vignette("convergence")` has an example.
#'
#' The criterion is minimized over theta, the fixed effects and, where it is estimated, the
#' logarithm of the dispersion, with its exact gradient. [certificate()] reports whether an optimum
#' was reached.
#'
#' `logLik()` includes all constants of the density, so that fits with different `nAGQ` can be
#' compared. lme4 1.1 omits some of them if `nAGQ` is greater than 1, and its value is lower by 1
#' for families with a dispersion.
#'
#' @section Edges of the likelihood:
#' The linear predictor has a range with an end for the links identity, inverse and 1/mu^2, and for
#' `binomial("log")`, whose probabilities are at most 1. At that end the density of some responses
#' doesn't vanish: of a count of zero at a mean of zero, of a success at a probability of 1, or of
#' any response of `inverse.gaussian` at an infinite mean. If the conditional modes would lie beyond
#' the end, the Laplace approximation isn't defined, and its maximum may be where they just reach
#' it. If quadrature nodes lie beyond, where the density is zero, the approximate likelihood jumps
#' as a node crosses the end, and it has many maxima. And with `information = "observed"` and a link
#' that isn't canonical, the approximate likelihood tends to infinity where the determinant
#' vanishes, next to parameters at which a mode ceases to be one. Such a point is no maximum,
#' whatever its likelihood: `rglmm()` prefers any maximum to it, unless quadrature with more nodes
#' has a higher likelihood there than at the maximum; if it ends at such a point, it warns, and
#' the verdict of [certificate()] is `"edge"`. Where no modes can be found, the fit is an error.
#' (lme4 1.1 ends in an error at such points; the log-likelihood of glmmTMB 1.1 with the identity
#' link may be infinite there.)
#'
#' @section Tables and equal rows:
#' The data may be a table in a database, an Arrow table or data set, or a function that reads
#' chunks, all as in [rlmm_sums()]. The distinct rows of the model's variables are read with their
#' frequencies, which a database computes by `GROUP BY`. The fit is that of all rows, with their
#' log-likelihood, `nobs()`, tests and predictions, for every family, also with weights, trials and
#' offsets. Its model frame has the distinct rows and a column `(counts)`, and residuals and fitted
#' values refer to these; methods that need single rows (`simulate()`, `bootstrap()`,
#' [influence()][influence.rlmm]) repeat them. It is an error if the distinct rows don't fit into
#' memory (`rlmm_control(memory_limit = )`), so that covariates should be categorical or rounded.
#' Variables are computed row by row, except bases such as `poly(x, 2)`; rows with missing values
#' are left out.
#'
#' For a data frame with 5,000 rows or more, computations also use the distinct rows if these are at
#' most half of the rows; this doesn't change the fit.
#'
#' @section Fixed factors with many levels:
#' As in [rlmm()], such a factor and its slopes have no dummy columns: the levels are found in PIRLS
#' together with the modes of the random effects, and maximize the Laplace approximation. As each
#' PIRLS step needs products of all columns, this is done for fewer levels and rows than in a linear
#' model: from 100 levels on if the number of rows times the squared number of levels exceeds 1e8,
#' for example 10,000 rows with 100 levels or 400 rows with 500. [fixed_levels()] returns their
#' coefficients and standard errors, and [anova()][anova.rlmm] a joint Wald test;
#' `options(rlmm.large_factor = Inf)` makes dummy columns, with rows in `summary()`. With `nAGQ >
#' 1`, `dispersion = "moment"` or `rlmm_control(engine = "iterative")` there are always dummy
#' columns, which take long if they are many.
#'
#' @section Separation: If all responses in a cell of the fixed effects are equal (all zero, say), a
#' fixed effect may have no finite estimate, since the likelihood keeps increasing as it grows. Such
#' a fit ends where the likelihood is flat, with a warning that names the effect. Levels of a
#' grouping factor whose responses are all equal do no harm.
#'
#' @return A fitted model, a list of class `rlmm_glmm`; with `devFunOnly = TRUE` a function.
#' @seealso [rlmm()] for linear models and for formulas; [rglmm_nb()], [nbinom1()] and [nbinom2()]
#'   for negative binomial models. For a fit: [summary()][summary.rlmm], [anova()][anova.rlmm],
#'   [confint()][confint.rlmm], [ranef()][ranef.rlmm], [predict()][predict.rlmm] (`marginal = TRUE`
#'   for population means), [residuals()][residuals.rlmm], [bootstrap()], [certificate()].
#'   [rlmm_conditions] explains messages and warnings. See also
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
#' # Counts, by quadrature; with overdispersion as an effect of each row, or as a negative binomial
#' rglmm(TICKS ~ YEAR + (1 | LOCATION), grouseticks, family = "poisson", nAGQ = 9)
#' rglmm(TICKS ~ YEAR + (1 | LOCATION) + (1 | INDEX), grouseticks, family = poisson)
#' rglmm_nb(TICKS ~ YEAR + (1 | LOCATION), grouseticks)
#'
#' # Rates: the logarithm of the exposure (invented here) is an offset
#' cbpp$weeks <- rep(c(2, 4), 28)
#' rglmm(incidence ~ period + (1 | herd), cbpp, family = poisson, offset = log(size * weeks))
#'
#' # Data in chunks: 284 of the 403 rows are distinct in these variables.
#' at <- new.env()
#' chunks <- function(reset) {
#'   at$last <- if (reset) 0 else at$last + 100
#'   rows <- seq_len(nrow(grouseticks))
#'   rows <- rows[rows > at$last - 100 & rows <= at$last]
#'   if (length(rows) > 0) grouseticks[rows, ]
#' }
#' rglmm(TICKS ~ YEAR + (1 | LOCATION), chunks, family = poisson)
#'
#' # Dispersion by maximum likelihood, with the Laplace approximation of glmmTMB
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
    may_be_large = supports_large_factors(likelihood, control)
  )
  if (check_flag(devFunOnly, "devFunOnly")) {
    return(glmm_function(design$spec, n_arguments(design$spec)))
  }
  fit_generalized(design, glmm_start(start, design), call, verbose)
}

#' Whether a model supports large factors, whose levels are no columns of X
#'
#' Quadrature needs a single term, conjugate gradients treat random effects only, and the moment
#' estimate of the dispersion depends on the levels.
#' @noRd
supports_large_factors <- function(likelihood, control) {
  by_moment <- has_dispersion(likelihood$family) &&
    likelihood$dispersion == "moment"
  likelihood$nodes == 1 &&
    !by_moment &&
    !identical(control$engine, "iterative")
}

# The arguments that are evaluated in the data.
generalized_extras <- c("subset", "weights", "offset", "mustart", "etastart")

# The data, or the distinct rows of data outside R's memory.
rows_in_memory <- function(formula, data, extras, control, call) {
  if (!is_summed_up(data)) {
    return(data)
  }
  check_summed_call(call, c("subset", "na.action"))
  distinct_rows(formula, data, extras, control$memory_limit)
}

#' Fits a generalized model from its design and issues warnings and messages about the fit
#' @noRd
fit_generalized <- function(design, start, call, verbose) {
  control <- design$control
  held <- held_theta(control, design$random)
  own <- with_own_environment(design, call)
  call <- with_call_moved(
    call,
    environment(design$formula),
    environment(own$formula)
  )
  make <- \(est) new_glmm_fit(own, est, call, control)
  control_of_core <- core_control(control, verbose, design, held)
  if (control_of_core$verbose > 0L) {
    print_engine(design$spec, control_of_core)
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

#' Gives a message about a negative binomial fit without overdispersion
#' @noRd
report_poisson <- function(fit) {
  limit <- poisson_limit(fit)
  if (is.null(limit)) {
    return(invisible())
  }
  inform_rlmm(
    c(
      paste0(
        "The counts show no overdispersion: ",
        limit,
        "."
      ),
      i = paste0(
        "It is ",
        format(fit$glmm$shape, digits = 3L),
        "; `rglmm(family = poisson)` fits as well with a parameter less."
      )
    ),
    "rlmm_message_poisson",
    theta = fit$glmm$shape
  )
}

# Start ---------------------------------------------------------------------

#' Starting values, from the argument `start` and the frame's `(etastart)` or `(mustart)`
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

# Starts at the least-squares fit to the linear predictors of `etastart` or `mustart`.
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

# Linear predictors from means; some links raise an error at impossible means.
linked_means <- function(mu, family) {
  suppressWarnings(tryCatch(family$linkfun(mu), error = \(cnd) NaN))
}
