#' Confidence limits
#'
#' Wald limits. For the fixed effects: estimate plus and minus a normal quantile times the standard
#' error. For standard deviations the same on the log scale, for correlations on that of Fisher's z,
#' so that the limits never leave the range of the parameter; the standard errors are those of
#' [variance_vcov()].
#'
#' The rows are lme4's: `.sig01`, `.sig02`, ... for the standard deviations and correlations of each
#' term (the lower triangle, column by column), `.sigma`, then the fixed effects. lme4's Wald method
#' has `NA` for the variance parameters, because symmetric limits of variances can't be trusted.
#' Here only those of singular terms are `NA`, and those of generalized fits without a likelihood of
#' all parameters (`nAGQ = 0`, `dispersion = "moment"`). Limits on these scales are better, but
#' approximate when a variance is near zero or there are few levels. A parameter that is held (see
#' [rlmm_control()]) has its value as both limits; a known `sigma` has no row.
#'
#' The limits of the fixed effects are lme4's: by a normal quantile. With few levels they are too
#' narrow; those of `coef(summary(fit), conf.int = TRUE)` take the t distribution with the degrees
#' of freedom of the summary.
#'
#' @param object A fit.
#' @param parm Names or numbers of the parameters; `"beta_"` for all fixed effects, `"theta_"` for
#'   all variance parameters. All, by default.
#' @param level Confidence level.
#' @param method Only `"Wald"` so far.
#' @param signames,oldNames lme4's new and old name of one argument: call the variance parameters
#'   `.sig01` and so on? If `FALSE`: `"sd_Days|Subject"`, as lme4 does.
#' @param quiet Not used, as nothing is printed; an argument of lme4's method.
#' @param ... Not used.
#' @return A matrix with a row per parameter and columns for the lower and the upper limit.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' confint(fit, parm = "beta_")
#' confint(fit, "Days", level = 0.9)
#' confint(fit, parm = "theta_", oldNames = FALSE)
#' @importFrom stats confint
#' @export
confint.rlmm <- function(
  object,
  parm = NULL,
  level = 0.95,
  method = "Wald",
  oldNames = TRUE,
  signames = oldNames,
  quiet = FALSE,
  ...
) {
  refuse_dots(...)
  check_confidence(level)
  check_interval_method(method)
  check_flag(signames, "signames")
  with_variances <- !identical(parm, "beta_")
  variances <- if (with_variances) variance_limits(object, level, signames)
  fixed <- wald_limits(object$beta, standard_errors(object), level)
  limits <- rbind(variances, fixed)
  colnames(limits) <- limit_names(level)
  chosen <- select_parameters(parm, rownames(limits), NROW(variances))
  limits[chosen, , drop = FALSE]
}

#' Limits of standard deviations (log scale) and correlations (Fisher's z)
#' @noRd
variance_limits <- function(object, level, old_names) {
  found <- variance_estimates(object)
  estimate <- found$estimate
  is_cor <- startsWith(names(estimate), "cor_")
  limits <- scaled_limits(estimate, found$std_error, is_cor, level)
  lowest <- lowest_correlations(object)[is_cor]
  limits[is_cor, ] <- pmax(limits[is_cor, ], lowest)
  held <- which(found$std_error == 0)
  limits[held, ] <- estimate[held]
  rownames(limits) <- if (old_names) lme4_names(estimate) else names(estimate)
  limits
}

# The limits are symmetric on the scales on which the estimates are nearly normal.
scaled_limits <- function(estimate, std_error, is_cor, level) {
  slope <- ifelse(is_cor, 1 - estimate^2, estimate)
  z <- estimate
  z[is_cor] <- atanh(pmin(pmax(z[is_cor], -1), 1))
  z[!is_cor] <- log(z[!is_cor])
  limits <- wald_limits(z, std_error / slope, level)
  limits[is_cor, ] <- tanh(limits[is_cor, ])
  limits[!is_cor, ] <- exp(limits[!is_cor, ])
  limits
}

# The least value that the correlation of each variance parameter can have, for all terms: -1, but
# above it in `cs()`.
lowest_correlations <- function(object) {
  unlist(lapply(object$random, \(term) {
    rows <- nrow(covariance_cells(term))
    if (has_rho(term$structure)) {
      theta_range(term)[, "lower"]
    } else {
      rep(-1, rows)
    }
  }))
}

lme4_names <- function(estimate) {
  numbered <- sprintf(".sig%02d", seq_along(estimate))
  ifelse(names(estimate) == "sigma", ".sigma", numbered)
}

#' Standard deviations and correlations, sigma if it is estimated, and their standard errors
#'
#' Without its data a linear fit has no standard errors of these.
#' @noRd
variance_estimates <- function(object) UseMethod("variance_estimates")

#' @export
variance_estimates.rlmm_lmm <- function(object) {
  estimate <- variance_map(object, "sd")$value
  if (object$known_sigma) {
    estimate <- estimate[-length(estimate)]
  }
  has_errors <- !is.null(object$frame)
  std_error <- if (has_errors) variance_errors(object) else NA_real_ * estimate
  list(estimate = estimate, std_error = std_error)
}

wald_limits <- function(estimate, std_error, level, df = Inf) {
  half_width <- stats::qt((1 + level) / 2, df) * std_error
  # A parameter that is held is known exactly, and has no degrees of freedom.
  half_width[which(std_error == 0)] <- 0
  cbind(estimate - half_width, estimate + half_width)
}

limit_names <- function(level) {
  paste(
    format(
      100 * c((1 - level) / 2, (1 + level) / 2),
      trim = TRUE,
      scientific = FALSE,
      digits = 3
    ),
    "%"
  )
}

select_parameters <- function(parm, labels, n_variance) {
  is_variance <- seq_along(labels) <= n_variance
  if (is.null(parm)) {
    return(labels)
  }
  if (identical(parm, "beta_")) {
    return(labels[!is_variance])
  }
  if (identical(parm, "theta_")) {
    return(labels[is_variance])
  }
  if (is.numeric(parm)) {
    parm <- labels[parm]
  }
  unknown <- setdiff(parm, labels)
  if (length(unknown) > 0) {
    abort_unknown_parameter(unknown, labels)
  }
  parm
}

abort_unknown_parameter <- function(unknown, known) {
  abort_rlmm(
    c(
      "`parm` must name parameters of the model.",
      x = sprintf("Can't find %s.", enumerate(in_quotes(unknown))),
      i = sprintf("They are %s.", enumerate(in_quotes(known), max = 10L))
    ),
    "rlmm_error_unknown_parameter"
  )
}

check_confidence <- function(level) {
  if (is_number(level) && level > 0 && level < 1) {
    return(invisible(level))
  }
  abort_rlmm(
    c(
      "`level` must be one number between 0 and 1.",
      x = paste0("It is ", describe_type(level), ".")
    ),
    "rlmm_error_argument",
    arg = "level"
  )
}

check_interval_method <- function(method) {
  if (identical(tolower(method), "wald")) {
    return(invisible(method))
  }
  abort_rlmm(
    c(
      '`method` must be "Wald".',
      x = paste0(describe_type(method), " isn't available yet."),
      i = "Wald limits of standard deviations and correlations are on the log and Fisher-z scales."
    ),
    "rlmm_error_not_available",
    arg = "method"
  )
}
