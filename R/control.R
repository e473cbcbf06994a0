# rlmm_control(): how to optimize and what to check; and lme4's control objects translated to it.

#' Control of the fit
#'
#' @param optimizer `NULL` for the default: of linear models `"newton"`, a trust-region Newton method with exact
#'   derivatives; of generalized ones `"bfgs"`, a quasi-Newton method with exact gradients, for which `"newton"`
#'   takes its second derivatives from differences of these and costs more. Or the name of an NLopt algorithm, such as
#'   `"LN_BOBYQA"`, `"LN_NELDERMEAD"`, `"LN_NEWUOA"`, `"LN_COBYLA"`, `"LN_SBPLX"`, `"LN_PRAXIS"`; with exact gradients
#'   `"LD_LBFGS"`, `"LD_SLSQP"`, `"LD_MMA"`, `"LD_CCSAQ"`, `"LD_VAR1"`, `"LD_VAR2"`, `"LD_TNEWTON"`. lme4's names
#'   `"bobyqa"`, `"Nelder_Mead"` and `"nloptwrap"` are understood.
#' @param ftol_rel,ftol_abs Stop when an iteration lowers the objective by less, relative to it or absolute.
#' @param xtol_rel,xtol_abs Stop when an iteration moves theta by less.
#' @param initial_step First step in theta, one number or one for each element; `NULL` leaves it to the optimizer.
#' @param max_eval,max_time Most evaluations of the objective and most seconds. A fit that ends so keeps the best
#'   theta so far, and warns.
#' @param pirls_tol,pirls_max_iter,pirls_max_halvings Of generalized models: the search for the conditional modes ends
#'   when its next step would lower the penalized deviance by less than `pirls_tol`; it fails (and with it the
#'   evaluation of the objective) after so many iterations, or halvings of one step.
#' @param progress Show progress of long fits: `TRUE`, `FALSE`, or `NULL` for interactive sessions only.
#' @param threads Most threads; `NULL` takes the option `rlmm.threads`.
#' @param slim Drop the parts of the fit that grow with the number of observations: the model frame and the fitted
#'   values. Estimates, tables, `ranef()`, `certificate()` and the like answer as before; what needs the data, such as
#'   `residuals()` and `predict()`, refuses. (As with [lm()], the formula keeps the environment that it was written in.)
#' @param fixed Parameters to hold at given values: a list with any of
#'
#'   * `beta`: a numeric vector named by coefficients;
#'   * `sigma`: the residual standard deviation (as the argument `sigma` of [rlmm()]);
#'   * `theta`: a numeric vector named as `getME(fit, "theta")` is: relative covariance parameters;
#'   * `cov`: a list of covariance matrices of whole terms, on the scale of the response, named by the terms, such as
#'     `"1 + Days | Subject"` (or by the grouping factor, if it has one term).
#'
#'   Of generalized models only `theta` can be held (a fixed effect: by an offset).
#'
#'   What is held doesn't count as a parameter: not in `logLik()`, AIC, BIC or `anova()`. It has a standard error of
#'   zero, and [confint()][confint.rlmm] gives its value as both limits. [refit()], [update()][update.rlmm] and
#'   `drop1()` hold the same, but for what a changed formula no longer has. `list()` holds nothing.
#' @param ... Checks, each `"ignore"`, `"message"`, `"warning"` or `"stop"`, under lme4's names or these:
#'   `check_nobs_vs_nlev` (fewer levels than observations for each grouping factor), `check_nobs_vs_nre` (fewer random
#'   effects than observations for each term), `check_nobs_vs_rankz` (the same of the rank of Z), `check_nlev_gtr_1`
#'   and `check_nlev_gtreq_5` (at least two, five levels), `check_response_not_const`, `check_scalex` (columns of X on
#'   very different scales), `check_conv_singular` (tell of singular fits), `check_formula_lhs` (without effect: a
#'   response is always needed), and `check_rankx` (`"message+drop.cols"`, `"silent.drop.cols"`, `"warn+drop.cols"`,
#'   `"stop.deficient"` or `"ignore"`).
#' @return A list of class `rlmm_control`.
#' @examples
#' rlmm_control(optimizer = "LN_NELDERMEAD", max_eval = 1000)
#' rlmm_control(check_nobs_vs_nlev = "ignore")
#'
#' # The effect of Days, and the variances between subjects, known from another study
#' known <- list(beta = c(Days = 10), cov = list("Days | Subject" = diag(c(600, 35))))
#' rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, control = rlmm_control(fixed = known))
#' @export
rlmm_control <- function(
  optimizer = NULL,
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
  fixed = NULL,
  pirls_tol = 1e-9,
  pirls_max_iter = 100,
  pirls_max_halvings = 30,
  ...
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
      threads = if (!is.null(threads)) check_limit(threads),
      slim = check_flag(slim, "slim"),
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

# lme4's names are ours with dots and capitals.
read_checks <- function(given) {
  names <- names(given) %||% character(length(given))
  plain <- gsub(".", "_", tolower(names), fixed = TRUE)
  short <- sub("^check_", "", plain)
  unknown <- which(
    !(startsWith(plain, "check_") & short %in% names(default_checks))
  )
  if (length(unknown) > 0L) {
    abort_unknown_control(names[unknown[1L]])
  }
  for (i in seq_along(given)) {
    check_policy(given[[i]], short[i], names[i])
  }
  checks <- default_checks
  checks[short] <- given
  checks
}

check_policy <- function(x, check, arg) {
  allowed <- check_policies[[check]] %||% policies
  if (is.character(x) && length(x) == 1L && x %in% allowed) {
    return(invisible())
  }
  abort_control(
    paste0(
      "`",
      arg,
      "` must be ",
      enumerate(dQuote(allowed, FALSE), max = 10L, last = "or"),
      "."
    ),
    paste0("It is ", describe_type(x), "."),
    if (is.character(x) && length(x) == 1L) {
      did_you_mean(x, allowed, function(s) dQuote(s, FALSE))
    },
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
      if (nzchar(name)) did_you_mean(name, known)
    ),
    c("rlmm_error_control", "rlmm_error_unknown_argument"),
    arg = name
  )
}

# Values --------------------------------------------------------------------

check_tolerance <- function(x, arg = rlang::caller_arg(x)) {
  if (is_number(x) && x >= 0) {
    return(as.double(x))
  }
  abort_control(
    paste0("`", arg, "` must be one number, zero or greater."),
    paste0("It is ", describe_type(x), "."),
    arg = arg
  )
}

check_limit <- function(x, arg = rlang::caller_arg(x)) {
  if (is_number(x) && x > 0) {
    return(as.double(x))
  }
  abort_control(
    paste0("`", arg, "` must be one positive number."),
    paste0("It is ", describe_type(x), "."),
    arg = arg
  )
}

check_count <- function(x, arg = rlang::caller_arg(x)) {
  if (is_number(x) && x >= 1 && x <= 1e6 && x == round(x)) {
    return(as.double(x))
  }
  abort_control(
    paste0("`", arg, "` must be one whole number from 1 to 1,000,000."),
    paste0("It is ", describe_type(x), "."),
    arg = arg
  )
}

check_step <- function(x) {
  if (is.null(x)) {
    return(NULL)
  }
  if (is.numeric(x) && length(x) > 0L && all(is.finite(x)) && all(x > 0)) {
    return(as.double(x))
  }
  abort_control(
    "`initial_step` must be `NULL` or positive numbers.",
    paste0("It is ", describe_type(x), "."),
    arg = "initial_step"
  )
}

# Optimizers ----------------------------------------------------------------

# The variants of truncated Newton differ in their preconditioning only: `allFit()` takes one of them.
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
  if (is.character(x) && length(x) == 1L) {
    name <- sub("^NLOPT_", "", x)
    if (name %in% names(optimizer_aliases)) {
      return(optimizer_aliases[[name]])
    }
    if (name %in% optimizers) return(name)
  }
  known <- c(optimizers, names(optimizer_aliases))
  abort_control(
    "`optimizer` must be `NULL` or the name of an optimizer.",
    paste0("It is ", describe_type(x), "."),
    optimizer_hint(x, known),
    arg = "optimizer"
  )
}

#' For a linear model there is nothing that BFGS would do better than Newton's method
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
  did_you_mean(x, known, function(s) dQuote(s, FALSE)) %||%
    c(i = paste0("These are: ", enumerate(optimizers, max = 10L), "."))
}

# lme4's control objects ----------------------------------------------------

#' The control that `rlmm()` uses, from what the user gave
#' @noRd
as_control <- function(control) {
  if (inherits(control, "rlmm_control")) {
    return(control)
  }
  if (inherits(control, "merControl")) {
    return(translate_control(control))
  }
  if (is.list(control) && !is.object(control)) {
    return(do.call(rlmm_control, control))
  }
  abort_control(
    "`control` must be made by `rlmm_control()`.",
    paste0("It is ", describe_type(control), "."),
    arg = "control"
  )
}

# What lmerControl() says when nothing is asked of it, so that only real wishes are reported as ignored.
# Derivatives are computed in any case: to do without them is no wish that costs the user anything.
lme4_defaults <- list(
  restart_edge = c("TRUE", "FALSE"),
  boundary.tol = "1e-05",
  calc.derivs = c("TRUE", "FALSE", "NULL"),
  use.last.params = "FALSE",
  sparseX = "FALSE",
  standardize.X = "FALSE",
  autoscale = "NULL"
)

translate_control <- function(control) {
  checks <- control$checkControl
  known <- gsub(
    ".",
    "_",
    tolower(sub("^check[.]", "", names(checks))),
    fixed = TRUE
  ) %in%
    names(default_checks)
  checks_given <- checks[known]
  others <- names(checks_given) != "check.nobs.vs.rankZ"
  checks_given[others] <- sub("Small$", "", checks_given[others])
  checks_given$check.scaleX <- if (identical(checks$check.scaleX, "warning")) {
    "ignore"
  } else {
    checks$check.scaleX
  }
  singular <- control$checkConv$check.conv.singular$action
  if (!is.null(singular)) {
    checks_given$check.conv.singular <- singular
  }
  tuned <- translate_tuning(control)
  rest <- c(
    control[intersect(names(control), names(lme4_defaults))],
    checks[!known]
  )
  ignored <- c(
    names(rest)[!mapply(is_lme4_default, rest, names(rest))],
    tuned$ignored
  )
  if (length(ignored) > 0L) {
    inform_rlmm(
      paste0(
        "Ignored parts of lme4's control, which have no meaning here: ",
        enumerate(tick(ignored), max = 20L),
        "."
      ),
      "rlmm_message_control",
      ignored = ignored
    )
  }
  do.call(rlmm_control, c(tuned$arguments, checks_given))
}

is_lme4_default <- function(value, name) {
  paste(deparse(value), collapse = "") %in% lme4_defaults[[name]]
}

# What lme4's optimizers call our arguments.
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

# lme4's default optimizer (lmer()'s, or glmer()'s pair) is not a wish for it; named options of it are.
translate_tuning <- function(control) {
  opts <- control$optCtrl
  name <- opts$algorithm %||% control$optimizer
  opts <- opts[names(opts) != "algorithm"]
  understood <- opts[names(opts) %in% names(tuning_aliases)]
  names(understood) <- tuning_aliases[names(understood)]
  ignored <- setdiff(names(opts), names(tuning_aliases))
  if (!is.null(control$tolPwrss) && control$tolPwrss != 1e-7) {
    understood$pirls_tol <- control$tolPwrss
  }
  if (
    !identical(name, "nloptwrap") &&
      !identical(name, c("bobyqa", "Nelder_Mead"))
  ) {
    is_known <- is.character(name) &&
      sub("^NLOPT_", "", name[1L]) %in% c(optimizers, names(optimizer_aliases))
    if (is_known) {
      understood$optimizer <- name[1L]
    } else {
      ignored <- c("optimizer", ignored)
    }
  }
  list(
    arguments = understood[!duplicated(names(understood))],
    ignored = ignored
  )
}
