#' Fit a nonlinear mixed model
#'
#' Nonlinear mean functions with random effects on their parameters, by maximum likelihood, in
#' lme4's notation for `nlmer()`.
#'
#' @details
#' The formula has three parts, `y ~ f(x, a, b) ~ a | group`: the response; the mean, any expression
#' of variables and parameters; and the random effects of the parameters. These have the notation of
#' [rlmm()], without an intercept: `(a + b | group)` correlated, `(a || group)`, `diag(a + b |
#' group)`, several terms, several grouping factors. The third part may name fixed effects, too,
#' such as `a + b + a:treatment + (a | group)`; without any, each parameter has one.
#'
#' A gradient that the mean has as its attribute, such as those of R's self-starting functions
#' (`SSlogis()`, ...) and of [deriv()], is used; of other means it is found by differences, which
#' `nlmer()` doesn't do. `start` may be left out where a self-starting function finds it.
#'
#' The likelihood is that of the Laplace approximation, as lme4's: the modes of the random effects
#' are those of the penalized sum of squares, by Gauss-Newton steps, and sigma is profiled out. With
#' `nAGQ = 0` the fixed effects are found together with the modes, which is faster and less exact.
#' Standard errors, those of predictions too, are those of the linearized model at the estimates.
#' Profiles are of the Laplace approximation, so that limits by profile
#' (`confint(method = "profile")`) say what it does of standard deviations and correlations too;
#' nlmer's fits have none.
#'
#' @param formula The three-part formula.
#' @param data A data frame.
#' @param start Named start values of the parameters, a vector or list, or a list with the element
#'   `nlpars`; fixed effects other than those of the parameters themselves start from zero, unless
#'   named here.
#' @param nAGQ 1 for the Laplace approximation, 0 for the fast one.
#' @param max_eval The largest number of evaluations of the objective in each stage.
#' @param verbose With 1 the course of the optimization is printed.
#' @param subset,weights,na.action As in [lm()].
#' @param object,x A fit.
#' @param newdata Data to predict or to simulate for.
#' @param re.form `NULL` to include the random effects, `NA` to leave them out (in `simulate()`: to
#'   draw them); new levels have effects of zero.
#' @param se.fit Return standard errors too?
#' @param interval Limits of the mean (`"confidence"`), or of a new observation (`"prediction"`).
#' @param nsim,seed Number of simulated responses, and `NULL` or a seed for [set.seed()].
#' @param use.u Hold the random effects at their modes, as `re.form = NULL` does?
#' @param type The type of residuals.
#' @param parm,level Parameters (numbers, names, `"theta_"`, `"beta_"`) and confidence level.
#' @param method Limits from standard errors, of the fixed effects alone, or by profile.
#' @param fitted A fit.
#' @param newresp,newweights Of `refit()`: another response, other weights; see
#'   [refit()][refit.rlmm].
#' @param model.names Names of the models, instead of the expressions in the call.
#' @param n,progress Number of replicates, and whether to count them in the terminal; see
#'   [bootstrap()]. Replicates are fitted one after the other; `update(b, n = )` goes on.
#' @param FUN Of `bootMer()`: a function of a fit; see [bootMer()][bootMer.rlmm].
#' @param which,alphamax,maxpts,delta.cutoff,signames As of [profile()][profile.rlmm].
#' @param condVar Attach conditional variances?
#' @param digits Significant digits.
#' @param ... Not used.
#' @return A list of class `"rlmm_nlmm"`. It answers `fixef()`, `ranef()`, `coef()`, `VarCorr()`,
#'   `sigma()`, `vcov()`, `confint()`, `profile()`, `logLik()` (and so `AIC()` and `BIC()`),
#'   `deviance()`, `fitted()`, `residuals()`, `predict()`, `simulate()`, `nobs()`, `formula()`,
#'   `model.frame()`, `update()`, `refit()`, `anova()` (likelihood-ratio tests of several fits),
#'   `bootstrap()`, `bootMer()`, `ngrps()`, `isNLMM()`, `summary()` and `plot()`. `predict()` has a
#'   vector, with `interval` a matrix, with `se.fit` a list, as [predict.lm()].
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
#' # A mean of one's own
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
  check_nonlinear_data(data)
  parts <- nonlinear_parts(if (missing(formula)) NULL else formula)
  start <- nonlinear_start(parts, start, data)
  asked <- match(
    c("subset", "weights", "na.action"),
    names(call),
    0L
  )
  model <- nonlinear_design(parts, start, data, as.list(call)[asked])
  problem <- nonlinear_problem(parts, model)
  begin <- start_of_columns(start, model$design$fixed$names)
  est <- search_nonlinear(problem, begin, nAGQ == 0, max_eval, verbose)
  fit <- new_nonlinear_fit(formula, parts, model, problem, est, call, nAGQ)
  report_nonlinear(fit)
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
  random <- with_scales(design$random, NULL)
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

#' The long vector of spherical effects as a matrix (levels, columns) for each term
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

#' The conditional covariances Lambda K^-1 Lambda' of the levels, not scaled
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

# The conditional variances of a term's effects, over sigma^2: a block for each level. The spherical
# effects of the term come after `start` others.
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

#' The fit as one of a linear model with its variances, for methods that look at these alone
#' @noRd
linear_shell <- function(fit) {
  class(fit) <- c("rlmm_lmm", "rlmm")
  fit$reml <- FALSE
  fit
}
