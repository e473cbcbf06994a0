# Quantities that the core computes at the estimates of a fit: a generic for each, with a method for
# each kind of model.

#' Conditional covariances of the random effects, unscaled: for each core term an array of k x k x
#' levels
#' @noRd
fit_cond_var <- function(fit, spec = fit_spec(fit)) UseMethod("fit_cond_var")

#' @export
fit_cond_var.rlmm_lmm <- function(fit, spec = fit_spec(fit)) {
  # The covariances are conditional on all fixed effects, including the levels of large factors.
  spec <- spec_without_terms(spec, fixed_term_numbers(spec))
  core_cond_var(spec, fit$theta)
}

#' @export
fit_cond_var.rlmm_glmm <- function(fit, spec = fit_spec(fit)) {
  core_glmm_cond_var(spec, fit$parameters)
}

#' The diagonal of the hat matrix
#' @noRd
fit_leverage <- function(fit) UseMethod("fit_leverage")

#' @export
fit_leverage.rlmm_lmm <- function(fit) core_leverage(fit_spec(fit), fit$theta)

#' @export
fit_leverage.rlmm_glmm <- function(fit) {
  leverage <- core_glmm_leverage(fit_spec(fit), fit$parameters)
  leverage / (frame_counts(fit$frame) %||% 1)
}

#' The spec of a search for another response or another model
#'
#' An estimated shape is no start at its Poisson limit, where the likelihood is flat in the shape,
#' nor where theta is no start either.
#' @noRd
spec_to_search <- function(fit, spec = fit_spec(fit)) {
  if (!isGLMM.rlmm(fit)) {
    return(spec)
  }
  is_start <- is.null(poisson_limit(fit)) && !is.null(inner_start(fit))
  if (is_start) spec else with_typical_shape(spec)
}

#' The starting theta for another response
#'
#' That of the fit, unless it is singular, where the objective may be flat and an optimizer may not
#' move; and unless there are often several optima, which are searched for from the default start
#' alone.
#' @noRd
inner_start <- function(fit) {
  diagonal <- theta_lower(fit$random) == 0
  has_several <- vapply(fit$random, has_several_optima, NA)
  is_unique <- !any(has_several) && !is_quickly_searched(fit)
  if (is_unique && all(fit$theta[diagonal] > 1e-3)) fit$theta
}

# Whether other responses may have another optimum than this one, which a search from the default
# start finds as it does in a first fit, at a bearable price.
is_quickly_searched <- function(fit) {
  if (isGLMM.rlmm(fit)) is_small_and_rugged(fit) else has_few_effects(fit)
}

# Whether a linear model has few random effects, so that an evaluation costs less than the call, or
# a term of few levels.
has_few_effects <- function(fit) {
  n_levels <- vapply(fit$random, \(term) length(term$levels), 1L)
  n_columns <- vapply(fit$random, \(term) length(term$columns), 1L)
  sum(n_levels * n_columns) <= 1000 || any(n_levels < 10)
}

# Whether a generalized model has few observations, and a conditional likelihood that may have
# several maxima.
is_small_and_rugged <- function(fit) {
  is_concave <- fit$glmm$link %in%
    c("logit", "probit", "cloglog", "log") &&
    !fit$glmm$family %in% c("gaussian", "inverse.gaussian")
  !is_concave && fit$dev$n_eff <= 400
}

# Whether the likelihood often has several maxima: with correlation parameters, or independent
# standard deviations of which each may be zero or not.
has_several_optima <- function(term) {
  structure <- term$structure
  is_several <- is_diagonal(structure) && length(term$columns) > 1L
  has_rho(structure) || (is_several && !is_homogeneous(structure))
}

#' Optimizes the criterion of a fit again
#' @param theta The starting value, or `NULL` for the default.
#' @param control The result of [core_control()].
#' @param keep A function of the estimates with the result of `last_rlmm()` after an interrupt.
#' @return The estimates, as the core returns them.
#' @noRd
search_again <- function(fit, spec, theta, control, keep = NULL) {
  UseMethod("search_again")
}

#' @export
search_again.rlmm_lmm <- function(fit, spec, theta, control, keep = NULL) {
  core_fit(spec, theta, control, keep)
}

#' @export
search_again.rlmm_glmm <- function(fit, spec, theta, control, keep = NULL) {
  search <- \(start) core_glmm_fit(spec, start, control, keep)
  if (is.null(theta)) {
    return(search(list()))
  }
  # Estimates for another response may have no conditional modes for this one.
  start <- list(beta = in_core_coding(fit)$beta, theta = theta)
  tryCatch(search(start), rlmm_error_pirls = \(cnd) search(list()))
}
