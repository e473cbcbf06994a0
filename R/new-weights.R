# Prior weights of new observations, for simulation or prediction intervals.

#' Prior weights of the rows to simulate, for the binomial the numbers of trials
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
  # The simulated value of an observation with weight 0 doesn't matter, but must be finite.
  sigma / sqrt(ifelse(weights == 0, 1, weights))
}

new_weights <- function(fit, new) {
  if (new$stored) {
    return(fit$frame[["(weights)"]])
  }
  prior <- new_argument(fit, "weights", new)
  if (is.null(fit$strata)) {
    return(prior)
  }
  (prior %||% 1) * new_strata_weights(fit, new)
}

#' The weights of strata in new data, relative to the first stratum
#' @noRd
new_strata_weights <- function(fit, new) {
  env <- environment(fit$formula)
  given <- rlang::new_quosure(fit$call$dispersion, env)
  shown <- named_strata(fit)
  labels <- new_strata(strata_quosure(given), new, env, shown)
  levels <- fit$strata$levels
  unseen <- setdiff(labels, c(levels, NA))
  if (length(unseen) > 0L) {
    abort_unknown_level(deparse_one(shown), unseen, levels)
  }
  exp(-2 * fit$strata$log_ratio)[match(labels, levels)]
}

# The strata of new data, as text.
new_strata <- function(quosure, new, env, shown) {
  expr <- rlang::quo_get_expr(quosure)
  as_list <- \(expr) call("list", expr)
  values <- eval_variables(
    as_list(expr),
    new,
    env,
    shown = as_list(shown)
  )
  as.character(values[[1L]])
}

# The expression of the argument `dispersion`, without its tilde.
named_strata <- function(fit) {
  given <- fit$call$dispersion
  if (call_name(given) == "~") given[[length(given)]] else given
}
