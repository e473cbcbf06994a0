# rlmm_control(): options of the optimizer, the engine and the checks.

#' Control of the fit
#'
#' Makes the argument `control` of [rlmm()] and [rglmm()]: the optimizer and its stopping rules, the
#' number of threads, limits of time and memory, the engine, held parameters, and the checks of the
#' model.
#'
#' @param optimizer The optimizer. The default `NULL` is `"newton"` for linear models, a
#'   trust-region Newton method with exact derivatives, and `"bfgs"` for generalized ones, a
#'   quasi-Newton method with exact gradients; for generalized models `"newton"` computes second
#'   derivatives from differences of gradients and is more expensive. Or the name of an NLopt
#'   algorithm: without derivatives `"LN_BOBYQA"`, `"LN_NELDERMEAD"`, `"LN_NEWUOA"`, `"LN_COBYLA"`,
#'   `"LN_SBPLX"`, `"LN_PRAXIS"`; with exact gradients `"LD_LBFGS"`, `"LD_SLSQP"`, `"LD_MMA"`,
#'   `"LD_CCSAQ"`, `"LD_VAR1"`, `"LD_VAR2"`, `"LD_TNEWTON"`. The names `"bobyqa"`, `"Nelder_Mead"`
#'   and `"nloptwrap"` of lme4 are also accepted.
#' @param ftol_rel,ftol_abs Stop if an iteration lowers the objective by less than this, relative to
#'   it or in absolute terms.
#' @param xtol_rel,xtol_abs Stop if an iteration changes theta by less than this, in relative or
#'   absolute terms.
#' @param initial_step The first step in theta, one number or one for each element; by default
#'   chosen by the optimizer.
#' @param max_eval,max_time The largest number of evaluations of the objective, and of seconds. A
#'   fit that reaches a limit keeps the best theta so far, with a warning, or with a message if this
#'   is an optimum.
#' @param pirls_tol,pirls_max_iter,pirls_max_halvings For generalized models, PIRLS (the search for
#'   the conditional modes) ends if its next step would lower the penalized deviance by less than
#'   `pirls_tol`. It fails, and with it the evaluation of the objective, after this number of
#'   iterations, or of halvings of one step.
#' @param progress Whether to show progress of long fits: `TRUE`, `FALSE`, or `NULL` for interactive
#'   sessions only.
#' @param threads The largest number of threads, for functions that fit many models ([bootstrap()],
#'   [rlmm_many()], [rglmm_many()], [refit()] to several responses, [simulate_power()]), one model
#'   in each, and for the dense matrices of a single fit with large crossed factors. `NULL` stands
#'   for the option `rlmm.threads`, then the environment variable `RLMM_THREADS`, and otherwise the
#'   number of processors; but one thread in a worker of a cluster of package parallel or of mirai,
#'   and in a forked process (`parallel::mclapply()`; also those of future, foreach and furrr),
#'   which share the processors. Results are bit for bit the same for any number. No thread outlives
#'   a call, so that the process may be forked.
#' @param slim Whether to drop the components of the fit that grow with the number of observations,
#'   that is the model frame and the fitted values. Estimates, tables, `ranef()`, `certificate()`
#'   and similar functions still work; those that need the data, such as `residuals()` and
#'   `predict()`, are errors.
#' @param engine The algorithm for linear and generalized models: `"exact"`, a Cholesky
#'   factorization; `"iterative"`, conjugate gradients, for crossed factors with so many levels that
#'   a factorization takes too long or doesn't fit into memory (see the section Engines); or
#'   `"auto"`, which is iterative if the exact engine is predicted to take more than about two
#'   seconds, or more memory than is available.
#' @param memory_limit The largest amount of memory, in GiB, for a factorization or for the sums of
#'   a table ([rlmm_sums()]). The memory that is available is a limit in any case.
#' @param fixed Parameters to hold at given values: a list with any of
#'
#'   * `beta`: a numeric vector named by coefficients;
#'   * `sigma`: the residual standard deviation (as the argument `sigma` of [rlmm()]);
#'   * `theta`: a vector of relative covariance parameters, named as in `getME(fit, "theta")`;
#'   * `cov`: a list of covariance matrices of whole terms, on the scale of the response, named by
#'     the terms, such as `"1 + Days | Subject"` (or by the grouping factor, if it has one term).
#'
#'   Generalized models can only hold `theta` (to hold a fixed effect, use an offset).
#'
#'   Held parameters don't count as parameters in `logLik()`, AIC, BIC or `anova()`. They have a
#'   standard error of zero, and [confint()][confint.rlmm] returns their value as both limits.
#'   [refit()], [update()][update.rlmm] and `drop1()` keep them held, except those that a changed
#'   formula no longer has. `list()` holds nothing.
#' @param ... What to do if a check of the model fails: `"ignore"`, `"message"`, `"warning"` or
#'   `"stop"`. The checks have the names of lme4 or these:
#'
#'   * `check_nobs_vs_nlev` (by default `"stop"`): each grouping factor has fewer levels than there
#'     are observations;
#'   * `check_nobs_vs_nre` (`"stop"`): each term has fewer random effects than there are
#'     observations;
#'   * `check_nobs_vs_rankz` (`"ignore"`): the rank of Z is less than the number of observations;
#'   * `check_nlev_gtr_1` (`"stop"`), `check_nlev_gtreq_5` (`"ignore"`): each grouping factor has at
#'     least two, or five levels;
#'   * `check_response_not_const` (`"stop"`): the response isn't constant;
#'   * `check_scalex` (`"ignore"`): the columns of X are on similar scales;
#'   * `check_conv_singular` (`"message"`): the fit isn't singular, and its
#'     optimum is the only one that is likely;
#'   * `check_rankx`: the columns of X are linearly independent; `"message+drop.cols"` (the
#'     default), `"silent.drop.cols"`, `"warn+drop.cols"`, `"stop.deficient"` or `"ignore"`;
#'   * `check_formula_lhs`: has no effect, as a response is always needed.
#' @section Engines:
#' Models with one grouping factor or with nested ones are always computed exactly. With crossed
#' factors, the exact engine factorizes a system with the levels of all factors but the largest,
#' which takes long beyond a few thousand levels, and eventually too much memory. The iterative
#' engine never forms that system. The engine is chosen before any cross-products are computed, from
#' the numbers of levels and from a sample of the pairs of levels that occur together; [preview()]
#' and `verbose = 1` show it. The iterative engine solves for fixed effects, predicted random
#' effects, their scores and standard errors as accurately as a factorization; only a
#' log-determinant and its derivatives in theta are unbiased estimates from random vectors. These
#' vectors are the same in every call, whatever `set.seed()` is, so that results are reproducible,
#' and their number is increased until estimates are accurate to about a thousandth of their
#' standard errors.
#'
#' For generalized models ([rglmm()], by the Laplace approximation, with any family and dispersion)
#' it solves for the conditional modes and estimates the log-determinant of their precision in the
#' same way. Estimates are accurate to about a hundredth of their standard errors.
#'
#' The remaining uncertainty is reported: `certificate(fit)$noise` has `excess` (the expected excess
#' of -2 log-likelihood over its minimum), `loglik_se` (the standard error of the log-likelihood,
#' also the attribute `"se"` of `logLik()`), the number of random vectors (`probes`), and
#' `iterations` (the largest number in a solve). [anova()][anova.rlmm] for such fits shows the
#' standard error of the differences.
#'
#' Leverages, influence, [diagnose()], [cAIC()], the exact Hessian and fits to many responses
#' ([rlmm_many()], [bootstrap()], [simulate_power()]) need a factorization and are errors for such a
#' fit; `update(fit, control = rlmm_control(engine = "exact"))` computes it. `ranef()` only computes
#' conditional variances if `condVar = TRUE` is given, since they need a solve for each level.
#' @return A list of class `rlmm_control`.
#' @examples
#' rlmm_control(optimizer = "LN_NELDERMEAD", max_eval = 1000)
#' rlmm_control(check_nobs_vs_nlev = "ignore")
#'
#' # The effect of Days and the variances between subjects are known from another study
#' known <- list(beta = c(Days = 10), cov = list("Days | Subject" = diag(c(600, 35))))
#' rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, control = rlmm_control(fixed = known))
#'
#' # Crossed factors without a factorization
#' by_iterations <- rlmm_control(engine = "iterative")
#' fit <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, control = by_iterations)
#' logLik(fit)
#' certificate(fit)$noise
#' @export
rlmm_control <- function(
  optimizer = NULL,
  ...,
  ftol_rel = 1e-12,
  ftol_abs = 1e-8,
  xtol_rel = 0,
  xtol_abs = 1e-10,
  initial_step = NULL,
  max_eval = Inf,
  max_time = Inf,
  progress = NULL,
  threads = NULL,
  slim = FALSE,
  engine = c("auto", "exact", "iterative"),
  memory_limit = Inf,
  fixed = NULL,
  pirls_tol = 1e-9,
  pirls_max_iter = 100,
  pirls_max_halvings = 30
) {
  structure(
    list(
      optimizer = check_optimizer(optimizer),
      ftol_rel = check_tolerance(ftol_rel),
      ftol_abs = check_tolerance(ftol_abs),
      xtol_rel = check_tolerance(xtol_rel),
      xtol_abs = check_tolerance(xtol_abs),
      initial_step = check_step(initial_step),
      max_eval = check_limit(max_eval),
      max_time = check_limit(max_time),
      progress = if (!is.null(progress)) check_flag(progress, "progress"),
      threads = if (!is.null(threads)) check_threads(threads),
      slim = check_flag(slim, "slim"),
      engine = check_engine(engine),
      memory_limit = check_limit(memory_limit),
      fixed = check_held(fixed),
      pirls_tol = check_limit(pirls_tol),
      pirls_max_iter = check_count(pirls_max_iter),
      pirls_max_halvings = check_count(pirls_max_halvings),
      checks = if (...length() == 0L) default_checks else read_checks(list(...))
    ),
    class = "rlmm_control"
  )
}

default_checks <- list(
  nobs_vs_rankz = "ignore",
  nobs_vs_nlev = "stop",
  nlev_gtreq_5 = "ignore",
  nlev_gtr_1 = "stop",
  nobs_vs_nre = "stop",
  rankx = "message+drop.cols",
  scalex = "ignore",
  formula_lhs = "stop",
  response_not_const = "stop",
  conv_singular = "message"
)

policies <- c("ignore", "message", "warning", "stop")

check_policies <- list(
  nobs_vs_rankz = c(policies, paste0(policies[-1L], "Small")),
  rankx = c(
    "message+drop.cols",
    "silent.drop.cols",
    "warn+drop.cols",
    "stop.deficient",
    "ignore"
  ),
  scalex = c(policies, "silent.rescale", "message+rescale", "warn+rescale")
)

# Reads the policies of checks; lme4's names of the checks are ours with dots and capitals.
read_checks <- function(given) {
  names <- names(given) %||% character(length(given))
  plain <- gsub(".", "_", tolower(names), fixed = TRUE)
  short <- sub("^check_", "", plain)
  is_known <- short %in% names(default_checks) & short != plain
  if (!all(is_known)) {
    abort_unknown_control(names[!is_known][1L])
  }
  Map(check_policy, given, short, names)
  utils::modifyList(default_checks, stats::setNames(given, short))
}

check_policy <- function(x, check, arg) {
  allowed <- check_policies[[check]] %||% policies
  is_text <- is.character(x) && length(x) == 1L
  if (is_text && x %in% allowed) {
    return(invisible())
  }
  choices <- enumerate(dQuote(allowed, FALSE), max = 10L, last = "or")
  hint <- if (is_text) did_you_mean(x, allowed, in_quotes)
  abort_control(
    sprintf("`%s` must be %s.", arg, choices),
    it_is(x),
    hint,
    arg = arg
  )
}

abort_unknown_control <- function(name) {
  known <- c(
    setdiff(names(formals(rlmm_control)), "..."),
    paste0("check_", names(default_checks))
  )
  abort_rlmm(
    c(
      "`rlmm_control()` was given an argument that it doesn't have.",
      x = paste0(
        "It is ",
        if (nzchar(name)) tick(name) else "an unnamed argument",
        "."
      ),
      if (nzchar(name)) did_you_mean(name, known) %||% control_hint(name)
    ),
    c("rlmm_error_control", "rlmm_error_unknown_argument"),
    arg = name
  )
}

# The hint for an argument under its name in the controls of lme4 or nlme.
control_hint <- function(name) {
  if (name %in% names(tuning_aliases)) {
    return(c(
      i = paste0("Here it is called ", tick(tuning_aliases[[name]]), ".")
    ))
  }
  switch(
    name,
    optCtrl = c(
      i = "Its elements are arguments themselves: `rlmm_control(max_eval = , ftol_abs = )`."
    ),
    maxit = ,
    maxIter = ,
    max_iter = ,
    max_evaluations = ,
    msMaxIter = c(i = "Here it is called `max_eval`."),
    calc.derivs = ,
    check.conv.grad = ,
    check.conv.hess = c(
      i = "Leave it out: `certificate()` judges the derivatives."
    ),
    autoscale = c(i = "Leave it out: covariates may have any scale."),
    sparseX = c(i = "Leave it out: factors with many levels take no columns."),
    fitter_hint(name)
  )
}

# The hint for an argument of the function that fits the model.
fitter_hint <- function(name) {
  fitters <- names(fitter_arguments)[vapply(
    fitter_arguments,
    \(x) name %in% x,
    NA
  )]
  if (length(fitters) > 0L) {
    written <- sprintf("`%s(%s = )`", fitters, name)
    c(
      i = sprintf(
        "It stands outside of the control: %s.",
        enumerate(written, last = "or")
      )
    )
  }
}

# The arguments of the functions that fit a model, without formula and control; written down, as
# these functions call rlmm_control() themselves.
either_fitter <- c(
  "data",
  "start",
  "verbose",
  "subset",
  "weights",
  "na.action",
  "offset",
  "contrasts",
  "devFunOnly",
  "dispersion",
  "weights_type"
)

fitter_arguments <- list(
  rlmm = c(either_fitter, "REML", "sigma"),
  rglmm = c(
    either_fitter,
    c("family", "nAGQ", "mustart", "etastart", "information", "fast")
  )
)

# The names in lme4's optimizers of arguments of rlmm_control().
tuning_aliases <- c(
  maxfun = "max_eval",
  maxeval = "max_eval",
  maxtime = "max_time",
  rhobeg = "initial_step",
  ftol_abs = "ftol_abs",
  ftol_rel = "ftol_rel",
  xtol_abs = "xtol_abs",
  xtol_rel = "xtol_rel",
  FtolAbs = "ftol_abs",
  FtolRel = "ftol_rel",
  XtolRel = "xtol_rel"
)

# Values --------------------------------------------------------------------

check_tolerance <- function(x, arg = rlang::caller_arg(x)) {
  if (is_number(x) && x >= 0) {
    return(as.double(x))
  }
  problem <- sprintf("`%s` must be one number, zero or greater.", arg)
  abort_control(problem, it_is(x), arg = arg)
}

check_limit <- function(x, arg = rlang::caller_arg(x)) {
  if (is_number(x) && x > 0) {
    return(as.double(x))
  }
  problem <- sprintf("`%s` must be one positive number.", arg)
  abort_control(problem, it_is(x), arg = arg)
}

check_count <- function(x, arg = rlang::caller_arg(x)) {
  if (is_whole_number(x) && x >= 1 && x <= 1e6) {
    return(as.double(x))
  }
  problem <- sprintf("`%s` must be one whole number from 1 to 1,000,000.", arg)
  abort_control(problem, it_is(x), arg = arg)
}

check_step <- function(x) {
  if (is.null(x)) {
    return(NULL)
  }
  is_given <- is.numeric(x) && length(x) > 0L
  if (is_given && all(is.finite(x)) && all(x > 0)) {
    return(as.double(x))
  }
  problem <- "`initial_step` must be `NULL` or positive numbers."
  abort_control(problem, it_is(x), arg = "initial_step")
}

engines <- c("auto", "exact", "iterative")

check_engine <- function(x) {
  if (identical(x, engines)) {
    return("auto")
  }
  if (is.character(x) && length(x) == 1L && x %in% engines) {
    return(x)
  }
  abort_control(
    "`engine` must be \"auto\", \"exact\" or \"iterative\".",
    it_is(x),
    if (is.character(x) && length(x) == 1L) {
      did_you_mean(x, engines, in_quotes)
    },
    arg = "engine"
  )
}

# Optimizers ----------------------------------------------------------------

# The names of the optimizers. The variants of the truncated Newton method differ in preconditioning
# only; `allFit()` runs one of them.
optimizers <- c(
  "newton",
  "bfgs",
  "LN_BOBYQA",
  "LN_NEWUOA",
  "LN_COBYLA",
  "LN_NELDERMEAD",
  "LN_SBPLX",
  "LN_PRAXIS",
  "LD_LBFGS",
  "LD_SLSQP",
  "LD_MMA",
  "LD_CCSAQ",
  "LD_VAR1",
  "LD_VAR2",
  "LD_TNEWTON",
  "LD_TNEWTON_RESTART",
  "LD_TNEWTON_PRECOND",
  "LD_TNEWTON_PRECOND_RESTART"
)

optimizer_aliases <- c(
  bobyqa = "LN_BOBYQA",
  nloptwrap = "LN_BOBYQA",
  Nelder_Mead = "LN_NELDERMEAD",
  neldermead = "LN_NELDERMEAD",
  newuoa = "LN_NEWUOA",
  LN_NEWUOA_BOUND = "LN_NEWUOA"
)

check_optimizer <- function(x) {
  if (is.null(x) || identical(x, "default")) {
    return(NULL)
  }
  name <- optimizer_name(x)
  if (!is.null(name)) {
    return(name)
  }
  abort_control(
    "`optimizer` must be `NULL` or the name of an optimizer.",
    it_is(x),
    optimizer_hint(x, c(optimizers, names(optimizer_aliases))),
    arg = "optimizer"
  )
}

# The name of an optimizer from its name here or in another package; `NULL` if it is unknown.
optimizer_name <- function(x) {
  if (!is.character(x) || length(x) != 1L) {
    return(NULL)
  }
  name <- sub("^NLOPT_", "", x)
  if (name %in% names(optimizer_aliases)) {
    return(optimizer_aliases[[name]])
  }
  if (name %in% optimizers) name
}

#' Raises an error about BFGS for a linear model, for which Newton's method is always better
#' @noRd
check_optimizer_suits <- function(control) {
  if (!identical(control$optimizer, "bfgs")) {
    return(invisible())
  }
  abort_control(
    "`optimizer` must be one for linear models.",
    "\"bfgs\" is for generalized models, fits of `rglmm()`.",
    c(i = "Use the default, or \"LD_LBFGS\"."),
    arg = "optimizer"
  )
}

optimizer_hint <- function(x, known) {
  if (!is.character(x) || length(x) != 1L) {
    return(NULL)
  }
  did_you_mean(x, known, in_quotes) %||%
    c(i = paste0("These are: ", enumerate(optimizers, max = 10L), "."))
}
