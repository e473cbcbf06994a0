# Covariances of the levels of large factors that account for the uncertainty of all parameters.

#' The changes of the levels along uncorrelated directions of the other estimates
#'
#' The other estimates are beta, or in a generalized model theta, beta and the shape as in `vcov()`.
#' Their covariance is split into uncorrelated directions with unit variance. The variance of a sum
#' of levels is its conditional variance plus the sum of its squared changes along the directions.
#' @param shift The derivatives D in beta, see [conditional_level_covariances()].
#' @return A list: `levels`, a matrix of levels by directions; and `unit`, the factor that scales
#'   variances of the working linear model.
#' @noRd
level_changes <- function(fit, shift) {
  moves <- parameter_changes(fit)
  if (!is.null(moves)) {
    unit <- effects_sigma(fit)^2 * likelihood_share(fit)
    return(list(levels = moves$levels, unit = unit))
  }
  root <- inverse_root(fit)
  sigma <- effects_sigma(fit)
  list(levels = sigma * shift %*% root, unit = sigma^2)
}

#' The changes of the core's coefficients and of the levels along uncorrelated directions of all
#' parameters
#' @return A list of matrices `beta` and `levels` with a column for each direction; `NULL` if the
#'   covariance of the coefficients isn't taken from the Hessian in all parameters.
#' @noRd
parameter_changes <- function(fit) {
  covariance <- if (takes_hessian(fit)) hessian_covariance(fit)
  if (is.null(covariance)) {
    return(NULL)
  }
  directions <- parameter_directions(fit, covariance)
  if (is.null(directions)) {
    return(NULL)
  }
  spec <- fit_spec(fit)
  moves <- apply(directions, 2L, level_change_along, fit, spec)
  of_beta <- length(fit$theta) + seq_along(fit$beta)
  list(
    beta = directions[of_beta, , drop = FALSE],
    levels = matrix(moves, length(fit$levels))
  )
}

# The directional derivative of the core's levels in the parameters, by central differences.
level_change_along <- function(direction, fit, spec) {
  large <- fit$fixed$large
  step <- direction_step(fit, direction)
  levels_at <- \(parameters) {
    b <- core_glmm_estimates(spec, parameters)$b
    by_factor(utils::tail(b, n_blocks(large)), large)
  }
  up <- levels_at(fit$parameters + step * direction)
  down <- levels_at(fit$parameters - step * direction)
  large$is_column * (up - down) / (2 * step)
}

#' The covariance of the coefficients and of sums of levels, with the uncertainty of theta
#'
#' In a generalized model it is the covariance of the sums given all parameters, plus their changes
#' along the directions of [parameter_changes()].
#' @param covariance The covariance given theta.
#' @param sums A function that maps a matrix with a row for each level to a matrix with a row for
#'   each sum.
#' @noRd
with_estimated_theta <- function(covariance, fit, sums) {
  moves <- parameter_changes(fit)
  if (is.null(moves)) {
    return(covariance)
  }
  is_sum <- seq_len(nrow(covariance)) > nrow(moves$beta)
  within <- covariance[is_sum, is_sum, drop = FALSE]
  if (!all(is_sum)) {
    cross <- covariance[!is_sum, is_sum, drop = FALSE]
    known <- covariance[!is_sum, !is_sum, drop = FALSE]
    within <- within - crossprod(cross, solve(known, cross))
  }
  total <- tcrossprod(rbind(moves$beta, sums(moves$levels)))
  within <- likelihood_share(fit) * within
  total[is_sum, is_sum] <- total[is_sum, is_sum] + within
  unname(total)
}
