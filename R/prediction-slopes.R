# Derivatives of predictions and their variances in the variance parameters, by finite differences,
# for degrees of freedom and for the uncertainty of theta.

#' Variances of predictions, with degrees of freedom
#'
#' @param rows The result of [prediction_rows()].
#' @param residual The residual variance of an observation over sigma^2, or 0.
#' @param ddf `"satterthwaite"` for finite degrees of freedom.
#' @return A list: `variance`, and `df` (`Inf` for a normal distribution).
#' @noRd
prediction_errors <- function(
  fit,
  rows,
  residual = 0,
  ddf = "asymptotic",
  theta_uncertainty = FALSE
) {
  UseMethod("prediction_errors")
}

#' @export
prediction_errors.rlmm_lmm <- function(
  fit,
  rows,
  residual = 0,
  ddf = "asymptotic",
  theta_uncertainty = FALSE
) {
  wants_df <- ddf == "satterthwaite"
  shared <- shared_parts(fit, rows, wants_df || theta_uncertainty)
  parts <- parts_at(fit, rows, shared)
  variance <- fit$sigma^2 * (prediction_variance(rows, parts) + residual)
  if (!wants_df && !theta_uncertainty) {
    return(list(variance = variance, df = Inf))
  }
  at <- slope_coordinates(fit)
  slopes <- theta_slopes(fit, rows, residual, variance, at, wants_df, shared)
  added <- if (theta_uncertainty) quadratic(slopes$eta, at$covariance) else 0
  spread <- if (wants_df) quadratic(slopes$variance, at$covariance)
  list(
    variance = variance + added,
    df = if (wants_df) 2 * variance^2 / spread else Inf
  )
}

#' The quantities of predictions from the data of the fit that don't depend on theta
#' @param spec Whether the spec is needed even if no terms are in use.
#' @noRd
shared_parts <- function(fit, rows, spec) {
  has_effects <- length(rows$effects) > 0L
  list(
    spec = if (spec || has_effects || has_large(fit)) fit_spec(fit),
    design = if (has_effects && !has_large(fit)) sparse_design(fit)
  )
}

parts_at <- function(fit, rows, shared) {
  prediction_parts(fit, rows$effects, shared$spec, shared$design)
}

#' The coordinates of theta for finite differences of predictions
#'
#' The effects are orthogonalized first: if a covariate is far from zero, steps in the original
#' theta would change too much at once.
#' @return A list: `theta`, its `steps`, the `covariance` of (theta, sigma), and `to_given`, a
#'   function that returns the original theta.
#' @noRd
slope_coordinates <- function(fit) {
  found <- fit_joint(fit)
  there <- in_independent_effects(fit, found)
  is_given <- is.null(there$given)
  covariance <- if (is_given) {
    variance_vcov.rlmm_lmm(fit, "theta")
  } else {
    joint_vcov(there, found)
  }
  list(
    theta = there$theta,
    steps = theta_steps(there),
    covariance = known_covariance(covariance),
    to_given = if (is_given) identity else \(theta) given_theta(there, theta)
  )
}

# Parameters without a variance (held or at a boundary) count as known.
known_covariance <- function(covariance) {
  replace(covariance, is.na(covariance), 0)
}

# The variances r' V r of the rows r.
quadratic <- function(rows, covariance) {
  rowSums((rows %*% covariance) * rows)
}

#' The derivatives of predictions and of their variances in (theta, sigma), with a column for each
#' @param at The result of [slope_coordinates()].
#' @noRd
theta_slopes <- function(
  fit,
  rows,
  residual,
  variance,
  at,
  wants_df,
  shared
) {
  free <- diag(at$covariance) > 0
  n <- length(at$theta)
  eta <- matrix(0, rows$n, length(free))
  slopes <- eta
  if (length(free) > n) {
    slopes[, n + 1L] <- 2 * variance / fit$sigma
  }
  steps <- at$steps
  for (j in which(free[seq_len(n)])) {
    moved <- replace(
      at$theta,
      j,
      at$theta[j] + steps[j]
    )
    shifted <- fit_at_theta(fit, at$to_given(moved), shared$spec)
    eta[, j] <- moved_predictor(rows, fit, shifted) / steps[j]
    if (wants_df) {
      parts <- parts_at(shifted, rows, shared)
      there <- prediction_variance(rows, parts) + residual
      change <- fit$sigma^2 * there - variance
      slopes[, j] <- change / steps[j]
    }
  }
  list(eta = eta, variance = slopes)
}

# The difference of predictions between two sets of parameters.
moved_predictor <- function(rows, from, to) {
  difference <- Map(`-`, to$b, from$b)
  moved <- drop(rows$x %*% (to$beta - from$beta)) +
    random_part(rows, difference)
  if (is.null(rows$levels)) {
    return(moved)
  }
  moved + sum_of_levels(rows$levels, to$levels - from$levels)
}

#' The fit at another theta, without updating other fields
#' @noRd
fit_at_theta <- function(fit, theta, spec = fit_spec(fit)) {
  est <- core_estimates(spec, theta)
  fit$theta <- theta
  fit$rx <- est$rx
  fit$b <- by_term(est$b, fit$random)
  with_coefficients_of(fit, est, fit$fixed, fit$held)
}

# Generalized models --------------------------------------------------------

#' @export
prediction_errors.rlmm_glmm <- function(
  fit,
  rows,
  residual = 0,
  ddf = "asymptotic",
  theta_uncertainty = FALSE
) {
  if (ddf == "satterthwaite") {
    abort_glmm(
      "Degrees of freedom by Satterthwaite's method",
      "Leave `ddf` out?",
      verb = "aren't"
    )
  }
  parts <- prediction_parts(fit, rows$effects)
  variance <- prediction_variance(rows, parts, !theta_uncertainty)
  if (theta_uncertainty && has_large(fit)) {
    variance <- with_levels_of_likelihood(fit, rows, variance)
  }
  variance <- effects_sigma(fit)^2 * variance
  if (theta_uncertainty) {
    variance <- variance + parameter_variance(fit, rows)
  }
  list(variance = variance, df = Inf)
}

# The variances given the parameters. Those of levels use the dispersion of the likelihood, like
# those of coefficients; the variance of the random effects alone, given all fixed ones, uses
# another one.
with_levels_of_likelihood <- function(fit, rows, variance) {
  of_effects <- variance_of_effects(fit, rows)
  of_effects + likelihood_share(fit) * (variance - of_effects)
}

#' The variances of the errors of z' b over sigma^2, given all coefficients including those of
#' levels
#' @noRd
variance_of_effects <- function(fit, rows) {
  parts <- list(lambda = lambda_blocks(fit$random, fit$theta))
  if (length(rows$effects) > 0L) {
    spec <- linear_spec(fit)
    spec <- spec_without_terms(spec, fixed_term_numbers(spec))
    parts$free <- free_beta(fit)
    parts$theta <- fit$theta
    parts$n_terms <- length(spec$terms)
    parts$system <- normal_equations(spec)
  }
  rows$x[] <- 0
  rows["levels"] <- list(NULL)
  prediction_variance(rows, parts, FALSE)
}

parameter_variance <- function(fit, rows) {
  slopes <- parameter_slopes(fit, rows)
  quadratic(slopes$eta, slopes$covariance)
}

#' The total derivatives of the predictions in the parameters, including the change of the modes,
#' and the covariance of the parameters
#'
#' The parameters of a linear model are theta and sigma, on which beta depends. Those of a
#' generalized model are uncorrelated combinations of theta, beta and the shape: if a covariate is
#' far from zero, a step of one coefficient alone would change the linear predictors too much.
#' @return A list: `eta`, a matrix with a column for each parameter, and `covariance`.
#' @noRd
parameter_slopes <- function(fit, rows) UseMethod("parameter_slopes")

#' @export
parameter_slopes.rlmm_lmm <- function(fit, rows) {
  at <- slope_coordinates(fit)
  shared <- shared_parts(fit, rows, TRUE)
  slopes <- theta_slopes(fit, rows, 0, 0, at, FALSE, shared)
  list(eta = slopes$eta, covariance = at$covariance)
}

#' @export
parameter_slopes.rlmm_glmm <- function(fit, rows) {
  check_theta_uncertainty(fit)
  covariance <- hessian_covariance(fit) %||% abort_no_curvature()
  directions <- parameter_directions(fit, covariance) %||%
    abort_lost_covariance()
  spec <- fit_spec(fit)
  slope <- \(j) parameter_slope(fit, spec, rows, directions[, j])
  slopes <- vapply(seq_len(ncol(directions)), slope, numeric(rows$n))
  list(
    eta = matrix(slopes, rows$n),
    covariance = diag(ncol(directions))
  )
}

parameter_slope <- function(fit, spec, rows, direction) {
  at <- fit$parameters
  step <- direction_step(fit, direction)
  up <- glmm_modes_at(fit, spec, at + step * direction)
  down <- glmm_modes_at(fit, spec, at - step * direction)
  moved_predictor(rows, down, up) / (2 * step)
}

#' The covariance matrix of predictions, on the scale of the linear predictor
#' @noRd
error_covariance <- function(fit, rows, theta_uncertainty) {
  abort_if_large(fit, "The covariance matrix of predictions")
  check_joint_size(rows$n)
  parts <- prediction_parts(fit, rows$effects)
  given_beta <- theta_uncertainty && isGLMM.rlmm(fit)
  out <- effects_sigma(fit)^2 * prediction_covariance(rows, parts, !given_beta)
  if (!theta_uncertainty) {
    return(out)
  }
  slopes <- parameter_slopes(fit, rows)
  out + slopes$eta %*% slopes$covariance %*% t(slopes$eta)
}

glmm_modes_at <- function(fit, spec, parameters) {
  est <- core_glmm_estimates(spec, parameters)
  found <- list(b = by_term(est$b, fit$random))
  with_coefficients_of(found, est, fit$fixed, fit$held)
}

#' Whether intervals include the uncertainty of theta by default
#' @param use The effects in use; in a linear model the uncertainty of theta mainly affects random
#'   effects.
#' @noRd
adds_theta <- function(fit, use) UseMethod("adds_theta")

#' @export
adds_theta.rlmm_lmm <- function(fit, use) {
  any(lengths(use) > 0L) && has_spec(fit)
}

#' @export
adds_theta.rlmm_glmm <- function(fit, use) {
  is.null(no_variance_errors(fit)) && !is.null(hessian_covariance(fit))
}

check_theta_uncertainty <- function(fit) {
  reason <- no_variance_errors(fit)
  if (!is.null(reason)) {
    abort_no_variance_errors(reason)
  }
}

abort_no_curvature <- function() {
  abort_rlmm(
    c(
      "There is no covariance of the parameters.",
      x = "The Hessian of the deviance is not positive definite."
    ),
    "rlmm_error_not_available",
    arg = "theta_uncertainty"
  )
}
