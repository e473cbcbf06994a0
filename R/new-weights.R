# Prior weights of observations to simulate, or to predict with their residuals.

#' Prior weights for the rows to simulate: for the binomial, numbers of trials
#' @noRd
simulation_weights <- function(fit, new) UseMethod("simulation_weights")

#' @export
simulation_weights.rlmm_lmm <- function(fit, new) new_weights(fit, new)

#' @export
simulation_weights.rlmm_glmm <- function(fit, new) {
  if (new$stored) {
    return(fit_response(fit)$weights)
  }
  if (!is.matrix(fit$frame[[1]])) {
    return(new_weights(fit, new))
  }
  counts <- eval_variables(
    call("list", fit$formula[[2]]),
    new,
    environment(fit$formula)
  )[[1]]
  rowSums(counts) * (new_weights(fit, new) %||% 1)
}

residual_sd <- function(sigma, weights) {
  if (is.null(weights)) {
    return(sigma)
  }
  # What is drawn for an observation of weight 0 doesn't count, but must be a number.
  sigma / sqrt(ifelse(weights == 0, 1, weights))
}
