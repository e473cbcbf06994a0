#' The log-likelihood by groups or rows, and cross-validation
#'
#' `group_loglik()` splits the log-likelihood into the contributions of groups that share no random
#' effects, or returns the density of each row given the random effects. `leave_group_out()`
#' estimates how well the model predicts a new group.
#' @details
#' With `by = "group"` the random effects are integrated out, and the contributions add up to the
#' (not restricted) log-likelihood at the estimates, which is `logLik(fit)` for a fit by maximum
#' likelihood. The groups are the levels of the factor in which all others are nested; connected
#' crossed factors form a single group. With `by = "row"` the density is conditional on the modes of
#' the random effects: it shows how well rows of the same groups are fitted, and its sum is larger.
#'
#' The out-of-sample log-likelihood of each group is evaluated at the estimates without it. These
#' are computed as by [influence()]: for a linear model, fixed effects and sigma exactly, and theta
#' by one Newton step with the exact derivatives of the remaining rows; for a generalized model, all
#' parameters by one Newton step. `refit = TRUE` refits the model each time.
#'
#' @param object A fitted model.
#' @param by The units: `"group"` or `"row"`.
#' @param groups The sets that are left out: names of grouping factors, variables, or a factor, as
#'   in [influence()], whose levels must contain whole groups of shared random effects; by default
#'   these groups.
#' @param refit Whether to refit the model each time.
#' @param x The result of `leave_group_out()`.
#' @param digits The number of significant digits.
#' @param ... Not used.
#' @return `group_loglik()`: a named vector. `leave_group_out()`: a list of class `"rlmm_left_out"`:
#'   `table`, a data frame with the columns `group`, `size`, `loglik` (in sample) and `elpd` (out of
#'   sample); the sum `elpd`, its standard error `se`, and `p`, the effective number of parameters,
#'   that is the difference between the log-likelihood and `elpd`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
#' group_loglik(fit)
#' sum(group_loglik(fit)) - as.numeric(logLik(fit))
#' head(group_loglik(fit, by = "row"))
#'
#' # Which model predicts a new subject better?
#' leave_group_out(fit)
#' leave_group_out(update(fit, . ~ . - (Days | Subject) + (1 | Subject)))
#' @export
group_loglik <- function(object, by = c("group", "row"), ...) {
  check_fit(object, "object")
  refuse_dots(...)
  by <- one_of(by, c("group", "row"), "by")
  object <- with_all_rows(object)
  if (by == "row") {
    return(row_named(object, row_loglik(object)))
  }
  check_separable(object)
  groups <- named_groups(object)
  at <- own_parameters(object)
  parts <- split(seq_along(groups), groups)
  spec <- fit_spec(object)
  vapply(parts, \(rows) marginal_loglik(object, spec, rows, at), 0)
}

#' @rdname group_loglik
#' @export
leave_group_out <- function(object, groups = NULL, refit = FALSE, ...) {
  check_fit(object, "object")
  refuse_dots(...)
  check_flag(refit, "refit")
  check_separable(object)
  object <- in_orthogonal_columns(with_all_rows(object))
  sets <- left_out_sets(object, groups)
  rows <- sets$rows
  of_others <- if (refit) refitted_parameters else stepped_parameters
  without <- lapply(rows, \(rows) of_others(object, rows))
  loglik <- group_logliks(object, rows, list(own_parameters(object)))
  elpd <- group_logliks(object, rows, without)
  warn_of_lost_groups(sets$labels[is.na(elpd)])
  new_left_out(sets, loglik, elpd, refit)
}

# The log-likelihood of each group at its parameters.
group_logliks <- function(fit, rows, at) {
  spec <- fit_spec(fit)
  of_group <- \(rows, at) marginal_loglik(fit, spec, rows, at)
  as.double(mapply(of_group, rows, at))
}

new_left_out <- function(sets, loglik, elpd, refit) {
  table <- data.frame(
    group = sets$labels,
    size = lengths(sets$rows),
    loglik = loglik,
    elpd = elpd
  )
  known <- elpd[!is.na(elpd)]
  structure(
    list(
      table = table,
      elpd = sum(known),
      se = sqrt(length(known)) * stats::sd(known),
      p = sum(loglik - elpd, na.rm = TRUE),
      refit = refit
    ),
    class = "rlmm_left_out"
  )
}

#' @rdname group_loglik
#' @export
print.rlmm_left_out <- function(
  x,
  digits = max(3, getOption("digits") - 3),
  ...
) {
  warn_of_dots(...)
  n <- nrow(x$table)
  how <- if (x$refit) "fits" else "one Newton step each"
  cat(
    "Leave-one-group-out cross-validation, ",
    plural(n, "group"),
    ", by ",
    how,
    "\n\n",
    sep = ""
  )
  print(
    data.frame(
      Estimate = c(x$elpd, x$p),
      `Std. Error` = c(x$se, NA),
      row.names = c("out-of-sample log-likelihood", "effective parameters"),
      check.names = FALSE
    ),
    digits = digits
  )
  invisible(x)
}

warn_of_lost_groups <- function(labels) {
  if (length(labels) == 0L) {
    return(invisible())
  }
  warn_rlmm(
    c(
      "Without some groups the model can't be fitted; they are left out of the sum.",
      x = paste0("They are ", enumerate(in_quotes(labels)), ".")
    ),
    "rlmm_warning_influence"
  )
}

# Groups --------------------------------------------------------------------------------

#' The independent groups, named by the levels of a grouping factor if they are its levels
#' @noRd
named_groups <- function(fit) {
  groups <- independent_groups(fit)
  for (factor in grouping_factors(fit)) {
    if (is_same_grouping(as.integer(groups), as.integer(factor))) {
      return(droplevels(factor))
    }
  }
  groups
}

left_out_sets <- function(fit, groups) {
  factor <- if (is.null(groups)) {
    named_groups(fit)
  } else {
    set_factor(fit, groups)
  }
  rows <- split(seq_along(factor), factor)
  if (length(rows) < 2L) {
    abort_one_group()
  }
  list(labels = names(rows), rows = unname(rows))
}

# The sets of rows for the argument `groups`, as a factor; each contains whole independent groups.
set_factor <- function(fit, groups) {
  sets <- deletion_sets(fit, groups)
  factor <- factor(rep(seq_along(sets$rows), lengths(sets$rows)))
  factor[unlist(sets$rows)] <- factor
  levels(factor) <- as.character(sets$deleted)
  check_whole_groups(independent_groups(fit), factor, sets$name)
  factor
}

check_whole_groups <- function(groups, factor, name) {
  if (is_nested(groups, factor)) {
    return(invisible())
  }
  abort_argument(
    "What is left out together must hold each random effect as a whole.",
    x = sprintf(
      "Rows of several levels of %s share random effects.",
      tick(name)
    ),
    arg = "groups"
  )
}

abort_one_group <- function() {
  abort_rlmm(
    c(
      "There must be groups that share no random effects.",
      x = "All rows are joined by the grouping factors of the model.",
      i = "`influence()` leaves out levels of one of them."
    ),
    "rlmm_error_not_available"
  )
}

#' Raises an error about fits whose criterion isn't a sum over groups
#' @noRd
check_separable <- function(fit) UseMethod("check_separable")

#' @export
check_separable.rlmm_lmm <- function(fit) {
  abort_if_large(fit, "The log-likelihood by groups")
  invisible(fit_frame(fit))
}

#' @export
check_separable.rlmm_glmm <- function(fit) {
  fit_frame(fit)
  if (fit$glmm$fast) {
    abort_glmm("The log-likelihood by groups of a fit with `nAGQ = 0`")
  }
  if (has_scale(fit) && !estimates_shape(fit$glmm)) {
    abort_glmm(
      "The log-likelihood by groups with a dispersion that isn't estimated by maximum likelihood",
      "Fit with `dispersion = \"estimated\"`."
    )
  }
}

# Likelihood -----------------------------------------------------------------------------

#' The log-likelihood of some rows at given parameters; `NA` if the parameters are missing
#' @param spec The result of `fit_spec()`.
#' @param at The parameters: for a linear model a list of `theta`, `beta` (free coefficients) and
#'   `sigma`; for a generalized one the arguments of its objective.
#' @noRd
marginal_loglik <- function(fit, spec, rows, at) UseMethod("marginal_loglik")

#' @export
marginal_loglik.rlmm_lmm <- function(fit, spec, rows, at) {
  if (anyNA(unlist(at))) {
    return(NA_real_)
  }
  spec <- spec_of_rows(spec, rows)
  x <- column_matrix(spec$x, length(rows))
  spec$y <- spec$y - drop(x %*% at$beta)
  spec$x <- list()
  spec$reml <- FALSE
  spec$sigma <- at$sigma
  -core_objective(spec, at$theta) / 2
}

#' @export
marginal_loglik.rlmm_glmm <- function(fit, spec, rows, at) {
  if (anyNA(at)) {
    return(NA_real_)
  }
  -core_glmm_objective(spec_of_rows(spec, rows), at) / 2
}

#' The density of each row given the random effects
#' @noRd
row_loglik <- function(fit) UseMethod("row_loglik")

#' @export
row_loglik.rlmm_lmm <- function(fit) {
  weights <- working_weights(fit)
  sd <- fit$sigma / sqrt(weights)
  y <- fit_response(fit)$y
  density <- stats::dnorm(y, fit$fitted, sd, log = TRUE)
  # Rows of weight zero don't contribute to the likelihood.
  ifelse(weights > 0, density, 0)
}

#' @export
row_loglik.rlmm_glmm <- function(fit) {
  density <- family_row(fit$glmm$family)$density
  if (is.null(density)) {
    abort_glmm("The density of each row of this family")
  }
  response <- fit_response(fit)
  weights <- response$weights %||% rep(1, length(response$y))
  dispersion <- fit$sigma^2 / weights
  density(
    response$y,
    fit$fitted,
    weights,
    dispersion,
    fit$glmm$shape
  )
}

# Parameters ------------------------------------------------------------------------------

own_parameters <- function(fit) UseMethod("own_parameters")

#' @export
own_parameters.rlmm_lmm <- function(fit) {
  list(
    theta = fit$theta,
    beta = fit$beta[free_beta(fit)],
    sigma = fit$sigma
  )
}

#' @export
own_parameters.rlmm_glmm <- function(fit) fit$parameters

#' The parameters without some rows, by one Newton step
#' @noRd
stepped_parameters <- function(fit, rows) UseMethod("stepped_parameters")

#' @export
stepped_parameters.rlmm_lmm <- function(fit, rows) {
  stepped_case(fit, rows)[c("theta", "beta", "sigma")]
}

#' @export
stepped_parameters.rlmm_glmm <- function(fit, rows) {
  spec <- spec_of_rows(fit_spec(fit), -rows)
  at <- fit$parameters
  free <- setdiff(seq_along(at), held_index(fit))
  gradient_at <- \(values) {
    core_glmm_gradient(spec, replace(at, free, values))[free]
  }
  start <- at[free]
  steps <- difference_steps(fit, at)[free]
  hessian <- central_differences(gradient_at, start, steps)
  step <- newton_step(gradient_at(start), symmetric_part(hessian))
  replace(at, free, start - step)
}

#' The parameters of a refit without some rows
#' @noRd
refitted_parameters <- function(fit, rows) UseMethod("refitted_parameters")

#' @export
refitted_parameters.rlmm_lmm <- function(fit, rows) {
  refitted_case(fit, rows)[c("theta", "beta", "sigma")]
}

#' @export
refitted_parameters.rlmm_glmm <- function(fit, rows) {
  tryCatch(
    fit_quietly(fit_to_remaining_rows(fit, rows))$parameters,
    rlmm_error = \(cnd) NA_real_
  )
}
