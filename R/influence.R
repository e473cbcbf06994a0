#' Influence of observations and groups
#'
#' Computes the estimates without each observation, or without each level of a grouping factor. The
#' result has the elements and the class of the one in lme4, so that `cooks.distance()`, `dfbeta()`
#' and `dfbetas()` have methods for it, and car can plot it.
#'
#' @details
#' There are three methods, from fast to exact:
#'
#' * Fixed theta (`one_step = FALSE`): fixed effects and residual variance are exactly those of the
#'   remaining rows, at the theta of all rows. They are computed from the hat matrix without
#'   refitting: the 2,972 students of [InstEval] take seconds.
#' * One Newton step in theta from its estimate, with the exact gradient and Hessian of the
#'   remaining rows (the average information in place of a Hessian that would take long); the other
#'   estimates are those at this theta. This is the default for linear models as long as the number
#'   of deletions times the number of rows is below 20 million.
#' * `refit = TRUE`: a refit without each case, as in lme4.
#'
#' For a generalized model without `refit`, cases are deleted from the working linear model, as for
#' [glm()]: one PIRLS step at fixed theta.
#'
#' In an interactive session a progress bar is shown if package cli is installed.
#'
#' If the remaining rows don't identify the fixed effects, the result is `NA`, with a warning.
#'
#' `dfbeta()` and `dfbetas()` are the estimates without a case minus those of all cases, as in lme4
#' (for [lm()] the sign is the opposite); `dfbetas()` divides by the standard errors without the
#' case. `cooks.distance()` is the squared change of the fixed effects in the metric of their
#' inverse covariance matrix, divided by their number p and, as in lme4, multiplied by (m - p) / m
#' for m deletions. With `which = "var.cov"` the changes are those of variances and covariances.
#'
#' `covratio(fit)`, `dffits(fit)`, `lm.influence(fit)` and `influence.measures(fit)` of the stats
#' package are for fits of [lm()] and not generic: they are errors, `covratio()` with R's own
#' message. `as.data.frame(influence(fit))` has a column `covratio`.
#'
#' @param model A fitted model, or for the methods of the result that result.
#' @param groups The cases to delete: `NULL` for observations; the name of a grouping factor of the
#'   model or of a variable of the data, or several names, whose combinations are deleted; or a
#'   factor with a value for each row of the model frame.
#' @param refit Whether to refit the model without each case.
#' @param one_step Whether to take a Newton step in theta, by default if it is cheap; see Details.
#' @param which The estimates: `"fixed"` effects, or `"var.cov"` for variances and covariances.
#' @param x,row.names,optional,n For printing (`n` is the number of lines), and for
#'   `as.data.frame()`.
#' @param infl For the methods of fits, the result of `influence()`, by default for single
#'   observations.
#' @param ... For `plot()`, passed to lattice. Arguments of lme4's method that control its refits,
#'   such as `maxfun` or `ncores`, have no effect and give a message; other arguments are errors.
#' @return `influence()`: a list of class `"influence.merMod"`. With `g` the name of the groups, or
#'   `case`, its elements are `fixed.effects`, `fixed.effects[-g]` (a row for each deletion),
#'   `var.cov.comps`, `var.cov.comps[-g]`, `vcov`, `vcov[-g]` (a list; `NULL` if it would have more
#'   than ten million numbers), `groups`, `deleted`, `converged` and `function.evals`, as in lme4;
#'   and in addition `std.error[-g]`, `theta`, `theta[-g]`, `covratio` (the determinant of the
#'   covariance matrix of the fixed effects relative to that of all rows), `hat` (the leverage of
#'   the deleted rows), `size` (their number) and `method`.
#'
#'   `as.data.frame()`: a data frame with a row for each deletion and the columns `deleted`, `size`,
#'   `hat`, `cooks.distance`,
#'   `covratio`, and the `dfbetas` of the fixed effects. `plot()`: Cook's distances in their order,
#'   an object of class `"trellis"`.
#' @seealso [hatvalues.rlmm()] for diagnostics of the conditional fit.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' by_subject <- influence(fit, "Subject")
#' by_subject
#' head(cooks.distance(by_subject))
#' head(dfbetas(by_subject))
#' head(as.data.frame(influence(fit)))
#' @importFrom stats influence
#' @export
influence.rlmm <- function(
  model,
  groups = NULL,
  refit = FALSE,
  one_step = NULL,
  ...
) {
  refuse_dots(..., lme4_only = lme4_influence_arguments)
  abort_if_large(model, "Influence")
  check_flag(refit, "refit")
  if (!is.null(one_step)) {
    check_flag(one_step, "one_step")
  }
  model <- with_all_rows(model)
  sets <- deletion_sets(model, groups)
  way <- deletion_way(model, length(sets$rows), refit, one_step)
  found <- estimates_of_cases(model, sets$rows, way)
  warn_of_undetermined(found, sets)
  new_influence(model, sets, found, way)
}

# The estimates without each set of rows.
estimates_of_cases <- function(fit, rows, way) {
  report <- progress_reporter(length(rows), "Deletions", fit$control$progress)
  found <- if (way == "refit") {
    lapply_reported(rows, refitted_case, report, fit = fit)
  } else {
    cases_by_formula(fit, rows, way, report)
  }
  with_leverages(found, fit, rows)
}

cases_by_formula <- function(fit, rows, way, report) {
  fit <- in_orthogonal_columns(fit)
  found <- if (way == "one_step") {
    lapply_reported(rows, stepped_case, report, fit = fit)
  } else {
    fixed_cases(fit, rows, report)
  }
  lapply(found, in_original_columns, fit)
}

# The arguments of lme4's method for its refits and parallel processes.
lme4_influence_arguments <- c(
  "data",
  "maxfun",
  "do.coef",
  "parallel",
  "ncpus",
  "cl",
  "ncores",
  "start"
)

deletion_way <- function(fit, n_sets, refit, one_step) {
  if (refit) {
    return("refit")
  }
  is_cheap <- as.double(n_sets) * n_rows(fit) <= 2e7
  is_able <- isLMM.rlmm(fit) && length(fit$theta) > 0L
  if (is_able && (one_step %||% is_cheap)) "one_step" else "fixed"
}

# The estimates without a case --------------------------------------------

#' The estimates at fixed theta
#' @noRd
fixed_cases <- function(fit, sets, report) {
  n <- fit$dev$n_eff
  weighted <- working_weights(fit) != 0
  found <- deleted_estimates(fit, sets, report)
  Map(
    function(left, rows) {
      sigma <- remaining_sigma(fit, left$pwrss, n - sum(weighted[rows]))
      list(
        beta = left$beta,
        vcov = sigma$effects^2 * inverse_or_na(left$information),
        theta = fit$theta,
        sigma = sigma$residual,
        leverage = left$leverage,
        evaluations = 0L,
        converged = TRUE
      )
    },
    found,
    sets
  )
}

#' The residual standard deviation of the remaining rows, and the one that scales Lambda
#' @noRd
remaining_sigma <- function(fit, pwrss, n) {
  if (isGLMM.rlmm(fit)) {
    return(list(
      residual = fit$sigma,
      effects = effects_sigma(fit)
    ))
  }
  df <- n - if (fit$reml) n_free_beta(fit) else 0L
  sigma <- if (fit$known_sigma) fit$sigma else sqrt(pwrss / df)
  list(residual = sigma, effects = sigma)
}

inverse_or_na <- function(x) {
  if (length(x) == 0L || anyNA(x)) {
    x
  } else {
    chol2inv(chol(x))
  }
}

#' The estimates at a theta one Newton step away
#' @noRd
stepped_case <- function(fit, rows) {
  est <- newton_estimates(fit, rows)
  if (is.null(est) || !is_determined(est$rx)) {
    return(undetermined_case(fit))
  }
  list(
    beta = est$beta,
    vcov = est$sigma^2 * inverse_or_na(crossprod(est$rx)),
    theta = est$theta,
    sigma = est$sigma,
    evaluations = 1L,
    converged = TRUE
  )
}

# Whether R_X has full rank: after scaling its columns a pivot of 1e-5 is a rounding error.
is_determined <- function(rx) all(abs(diag(rx)) > 1e-5 * sqrt(colSums(rx^2)))

#' The estimates of a refit
#' @noRd
refitted_case <- function(fit, rows) {
  again <- tryCatch(
    fit_quietly(fit_to_remaining_rows(fit, rows)),
    rlmm_error = \(cnd) NULL
  )
  if (is.null(again)) {
    return(undetermined_case(fit))
  }
  free <- free_beta(fit)
  list(
    beta = again$beta[free],
    vcov = fixed_covariance(again)[free, free, drop = FALSE],
    log_det = log_det_of_fixed(again),
    theta = again$theta,
    sigma = again$sigma,
    evaluations = again$optsum$feval,
    converged = !stopped_early(again)
  )
}

fit_quietly <- function(left) {
  suppressWarnings(suppressMessages(fit_again(left, start = inner_start(left))))
}

undetermined_case <- function(fit) {
  beta <- NA * fit$beta[free_beta(fit)]
  list(
    beta = beta,
    vcov = outer(beta, beta),
    log_det = NA_real_,
    theta = NA * fit$theta,
    sigma = NA_real_,
    evaluations = 0L,
    converged = FALSE
  )
}

#' Adds the leverage of the deleted rows, at the theta of all rows, if it is missing
#' @noRd
with_leverages <- function(found, fit, sets) {
  if (length(found) == 0L || !is.null(found[[1L]]$leverage)) {
    return(found)
  }
  h <- fit_leverage(fit)
  Map(
    function(case, rows) {
      case$leverage <- sum(h[rows])
      case
    },
    found,
    sets
  )
}

warn_of_undetermined <- function(found, sets) {
  lost <- vapply(found, \(case) anyNA(case$beta), NA)
  if (!any(lost)) {
    return(invisible())
  }
  labels <- enumerate(in_quotes(as.character(sets$deleted[lost])))
  warn_rlmm(
    c(
      "The fixed effects can't all be estimated without some cases.",
      x = paste0("The cases of ", tick(sets$name), " are ", labels, ".")
    ),
    "rlmm_warning_influence"
  )
}
