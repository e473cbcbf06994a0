# What the core computes of a fit at its parameters: a generic for each quantity, a method for each
# kind of model.

#' Conditional covariances of the random effects, not scaled: per core term an array k x k x levels
#' @noRd
fit_cond_var <- function(fit, spec = fit_spec(fit)) UseMethod("fit_cond_var")

#' @export
fit_cond_var.rlmm_lmm <- function(fit, spec = fit_spec(fit)) {
  # Given all fixed effects, the levels of large factors among them.
  spec <- spec_without_terms(spec, fixed_term_numbers(spec))
  core_cond_var(spec, fit$theta)
}

#' @export
fit_cond_var.rlmm_glmm <- function(fit, spec = fit_spec(fit)) {
  core_glmm_cond_var(spec, fit$parameters)
}

#' Diagonal of the hat matrix
#' @noRd
fit_leverage <- function(fit) UseMethod("fit_leverage")

#' @export
fit_leverage.rlmm_lmm <- function(fit) core_leverage(fit_spec(fit), fit$theta)

#' @export
fit_leverage.rlmm_glmm <- function(fit) {
  leverage <- core_glmm_leverage(fit_spec(fit), fit$parameters)
  leverage / (frame_counts(fit$frame) %||% 1)
}

#' Optimize the criterion of a fit again
#' @param theta Where to start, or `NULL` for the default.
#' @param control What [core_control()] returns.
#' @param keep Of the estimates, what `last_rlmm()` returns if the search is interrupted.
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
  start <- if (is.null(theta)) {
    list()
  } else {
    list(beta = in_core_coding(fit)$beta)
  }
  start$theta <- theta
  core_glmm_fit(spec, start, control, keep)
}
