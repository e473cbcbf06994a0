#' Fit a nonlinear mixed model
#'
#' Fits models with a nonlinear mean function and random effects on its parameters by maximum
#' likelihood, in the notation of lme4's `nlmer()`.
#'
#' @details
#' The formula has three parts, `y ~ f(x, a, b) ~ a | group`: the response; the mean, any expression
#' in variables and parameters; and the random effects of the parameters, in the notation of
#' [rlmm()] without an intercept: `(a + b | group)` for correlated effects, `(a || group)` or
#' `diag(a + b | group)` for uncorrelated ones, with several terms and several grouping factors. The
#' third part may also contain fixed effects, such as `a + b + a:treatment + (a | group)`; by
#' default each parameter has one.
#'
#' The attribute `"gradient"` of the mean is used if there is one, as for R's self-starting
#' functions (`SSlogis()`, ...) and [deriv()]. Otherwise the expression is derived as by [deriv()]
#' or, where it calls functions that [deriv()] doesn't know, by finite differences (`nlmer()` does
#' neither). `start` may be omitted for a self-starting function.
#'
#' The likelihood is the Laplace approximation, as in lme4: the modes of the random effects minimize
#' the penalized sum of squares, by Gauss-Newton steps, and sigma is profiled out. With `nAGQ = 0`
#' the fixed effects are found together with the modes, which is faster and less accurate. Standard
#' errors, also of predictions, are those of the linearized model at the estimates. Profiles are
#' those of the Laplace approximation, so that profile limits (`confint(method = "profile")`)
#' include standard deviations and correlations.
#'
#' @param formula The three-part formula.
#' @param data A data frame with the variables.
#' @param start Named starting values of the parameters, a vector or list, or a list with the
#'   element `nlpars`. Fixed effects other than the parameters themselves start at zero unless named
#'   here.
#' @param nAGQ 1 for the Laplace approximation, 0 for the faster approximation.
#' @param max_eval The largest number of evaluations of the objective in each stage.
#' @param verbose If positive, the progress of the optimization is printed.
#' @param subset,weights,na.action As in [rlmm()], with weights that are precisions.
#' @param object,x A fitted model.
#' @param newdata The data to predict or simulate for.
#' @param re.form `NULL` to include the random effects, `NA` to exclude them (in `simulate()`, to
#'   simulate new ones); new levels have effects of zero.
#' @param se.fit Whether to return standard errors.
#' @param interval The type of limits: of the mean (`"confidence"`) or of a new observation
#'   (`"prediction"`).
#' @param nsim,seed The number of simulated responses, and `NULL` or a seed for [set.seed()].
#' @param use.u Whether to hold the random effects at their modes, like `re.form = NULL`.
#' @param type The type of residuals.
#' @param parm,level The parameters (numbers, names, `"theta_"` or `"beta_"`) and the confidence
#'   level.
#' @param method The method of limits: from standard errors, for the fixed effects only, or by
#'   profile.
#' @param fitted A fitted model.
#' @param newresp,newweights For `refit()`, a new response and new weights, see
#'   [refit()][refit.rlmm].
#' @param model.names The names of the models; by default the expressions in the call.
#' @param n,progress The number of replicates, and whether to show progress, see [bootstrap()].
#'   Replicates are fitted sequentially; `update(b, n = )` continues.
#' @param FUN For `bootMer()`, a function of a fit, see [bootMer()][bootMer.rlmm].
#' @param which,alphamax,maxpts,delta.cutoff,signames As in [profile()][profile.rlmm].
#' @param condVar Whether to attach conditional variances.
#' @param digits The number of significant digits.
#' @param ... Not used.
#' @return A fitted model, a list of class `"rlmm_nlmm"`. It has methods of `fixef()`, `ranef()`,
#'   `coef()`, `VarCorr()`, `sigma()`, `vcov()`, `confint()`, `profile()`, `logLik()` (and thereby
#'   `AIC()` and `BIC()`), `deviance()`, `fitted()`, `residuals()`, `predict()`, `simulate()`,
#'   `nobs()`, `formula()`, `model.frame()`, `update()`, `refit()`, `anova()` (likelihood-ratio
#'   tests of several fits), `bootstrap()`, `bootMer()`, `ngrps()`, `isNLMM()`, `summary()` and
#'   `plot()`. `predict()` returns a vector, with `interval` a matrix, and with `se.fit` a list, as
#'   [predict.lm()] does.
#' @references Lindstrom, M. J. and Bates, D. M. (1990). Nonlinear mixed effects models for repeated
#'   measures data. *Biometrics*, 46, 673-687.
#' @examples
#' fit <- rnlmm(
#'   circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
#'   Orange
#' )
#' fit
#' predict(fit, data.frame(age = c(500, 1000), Tree = "3"), interval = "prediction")
#' head(simulate(fit, 2, seed = 1))
#' if (interactive()) {
#'   confint(fit, "xmid", method = "profile")
#'   confint(bootstrap(fit, n = 100, seed = 1))
#' }
#' two <- rnlmm(
#'   circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym + xmid | Tree),
#'   Orange
#' )
#' anova(fit, two)
#' # A user-defined mean function
#' rnlmm(
#'   circumference ~ Asym / (1 + exp((xmid - age) / scal)) ~ Asym | Tree,
#'   Orange,
#'   start = c(Asym = 200, xmid = 700, scal = 350)
#' )
#' @export
rnlmm <- function(
  formula,
  data,
  start = NULL,
  nAGQ = 1L,
  max_eval = 2000L,
  verbose = 0L,
  subset,
  weights,
  na.action,
  ...
) {
  refuse_dots(...)
  call <- match.call()
  check_nonlinear_nagq(nAGQ)
  check_verbose(verbose)
  max_eval <- check_replicates(max_eval, "max_eval")
  check_nonlinear_data(data)
  parts <- nonlinear_parts(if (!missing(formula)) force_formula(formula))
  start <- nonlinear_start(parts, start, data)
  rows <- list(
    extras = given_expressions(c("subset", "weights"), call),
    na_action = if (missing(na.action)) default_na_action(data) else na.action
  )
  model <- nonlinear_design(parts, start, data, rows)
  problem <- nonlinear_problem(parts, model)
  begin <- start_of_columns(start, model$design$fixed$names)
  est <- search_nonlinear(
    problem,
    begin,
    nAGQ == 0,
    max_eval,
    verbose
  )
  fit <- new_nonlinear_fit(
    formula,
    parts,
    model,
    problem,
    est,
    call,
    nAGQ
  )
  fit <- in_nonlinear_environment(fit, data)
  report_nonlinear(fit)
  fit
}

# Gives a fit made in a function its own environment.
in_nonlinear_environment <- function(fit, data) {
  made_in <- fit$parts$env
  own <- environment(in_own_environment(fit$formula, fit$call, data))
  if (is.null(own)) {
    return(fit)
  }
  fit <- with_environment(fit, own)
  fit$parts$env <- own
  attr(attr(fit$stacked, "terms"), ".Environment") <- own
  fit$call <- with_call_moved(fit$call, made_in, own)
  fit
}

check_nonlinear_data <- function(data) {
  if (!missing(data) && is_remote_table(data)) {
    abort_remote_table(data)
  }
  if (missing(data) || !is.data.frame(data)) {
    abort_argument(
      "`data` must be a data frame.",
      x = if (missing(data)) "It is missing." else it_is(data),
      arg = "data"
    )
  }
}

check_nonlinear_nagq <- function(nAGQ) {
  if (is_number(nAGQ) && nAGQ %in% 0:1) {
    return(invisible())
  }
  abort_argument(
    "`nAGQ` must be 0 or 1 for a nonlinear model.",
    x = it_is(nAGQ),
    arg = "nAGQ"
  )
}

start_of_columns <- function(start, names) {
  begin <- stats::setNames(numeric(length(names)), names)
  known <- intersect(names, names(start))
  begin[known] <- start[known]
  begin
}

new_nonlinear_fit <- function(formula, parts, model, problem, est, call, nAGQ) {
  design <- model$design
  random <- with_effect_sizes(design$random, problem, est$gradient)
  structure(
    c(
      list(
        call = call,
        formula = formula,
        parts = parts,
        parameters = model$parameters,
        frame = model$frame,
        stacked = design$frame,
        fixed = design$fixed,
        random = random
      ),
      nonlinear_estimates(est, design$fixed$names, random),
      list(
        weights = if (!is.null(model$frame[["(weights)"]])) model$weights,
        fitted = est$fitted,
        dev = nonlinear_criterion(est, problem),
        optimum = est[c("converged", "message", "evaluations")],
        na_action = attr(model$frame, "na.action"),
        nAGQ = nAGQ,
        relative = TRUE,
        known_sigma = FALSE,
        control = default_control
      )
    ),
    class = "rlmm_nlmm"
  )
}

# Gives each term the sizes of its effects, in whose units is_singular() counts a variance as zero.
with_effect_sizes <- function(random, problem, gradient) {
  sizes <- effect_sizes(problem, gradient)
  Map(\(term, size) replace(term, "scale", list(size)), random, sizes)
}

nonlinear_estimates <- function(est, names, random) {
  lambda <- lambda_blocks(random, est$theta)
  u <- split_modes(est$u, random)
  b <- Map(
    \(u, factor) u %*% t(factor),
    u,
    lambda
  )
  list(
    theta = est$theta,
    beta = stats::setNames(est$beta, names),
    sigma = est$sigma,
    u = Map(named_modes, u, random),
    b = Map(named_modes, b, random),
    rx = est$rx,
    cond_var = nonlinear_cond_var(est, lambda, random)
  )
}

nonlinear_criterion <- function(est, problem) {
  list(
    objective = est$objective,
    log_det_re = est$log_det,
    pwrss = est$pwrss,
    n_eff = problem$n
  )
}

#' Splits the vector of spherical effects into a matrix (levels by columns) for each term
#' @noRd
split_modes <- function(u, random) {
  parts <- split(u, rep(seq_along(random), numbers_of_effects(random)))
  Map(
    \(part, term) {
      k <- length(term$columns)
      matrix(part, ncol = k, byrow = TRUE)
    },
    unname(parts),
    random
  )
}

numbers_of_effects <- function(random) {
  count <- \(term) length(term$levels) * length(term$columns)
  vapply(random, count, 1L)
}

named_modes <- function(values, term) {
  dimnames(values) <- list(term$levels, term$columns)
  values
}

#' The conditional covariances Lambda K^-1 Lambda' of the levels, unscaled
#' @noRd
nonlinear_cond_var <- function(est, lambda, random) {
  sizes <- numbers_of_effects(random)
  starts <- cumsum(sizes) - sizes
  Map(
    term_cond_var,
    starts,
    lambda,
    random,
    MoreArgs = list(est = est)
  )
}

# The conditional covariances of a term's effects over sigma^2, with a block for each level. The
# spherical effects of the term come after `start` others.
term_cond_var <- function(start, factor, term, est) {
  k <- length(term$columns)
  n_levels <- length(term$levels)
  block <- \(level) {
    at <- start + (level - 1L) * k + seq_len(k)
    unit <- matrix(0, length(est$u), k)
    unit[cbind(at, seq_len(k))] <- 1
    inverse <- est$solve(unit)[at, , drop = FALSE]
    factor %*% inverse %*% t(factor)
  }
  blocks <- vapply(seq_len(n_levels), block, matrix(0, k, k))
  names <- list(term$columns, term$columns, term$levels)
  array(blocks, c(k, k, n_levels), names)
}

report_nonlinear <- function(fit) {
  if (!fit$optimum$converged) {
    warn_nonlinear(fit$optimum$message)
  }
  found <- is_singular(linear_shell(fit))
  n <- sum(found$singular)
  if (n > 0L) {
    lines <- stats::setNames(singular_lines(found), rep("i", n))
    inform_rlmm(c(singular_header(n), lines), "rlmm_message_singular")
  }
}

warn_nonlinear <- function(message) {
  warn_rlmm(
    c(
      "The optimizer stopped before converging.",
      x = paste0("It says: ", message, "."),
      i = "Try another `start`, or a larger `max_eval`."
    ),
    "rlmm_warning_convergence"
  )
}

#' The fit in the form of a linear model with its variances, for methods that only use these
#' @noRd
linear_shell <- function(fit) {
  class(fit) <- c("rlmm_lmm", "rlmm")
  fit$reml <- FALSE
  fit
}
