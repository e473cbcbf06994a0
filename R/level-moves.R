# How the levels of large factors move with all parameters of a model.

#' How the levels vary as the other estimates do
#'
#' All estimates but the levels are split into directions that are uncorrelated and have standard
#' errors of one: the variance of a sum of levels, beside its variance given these, is the sum of
#' its squared moves. Those of a generalized model are theta, beta and the shape, as in `vcov()`.
#' @param shift What [level_spread()] has, of the coefficients alone.
#' @return A list: `levels`, a matrix of levels and directions; and `unit`, what variances of the
#'   working linear model are multiplied by.
#' @noRd
level_moves <- function(fit, shift) {
  moves <- parameter_moves(fit)
  if (!is.null(moves)) {
    unit <- effects_sigma(fit)^2 * likelihood_share(fit)
    return(list(levels = moves$levels, unit = unit))
  }
  root <- inverse_root(fit)
  sigma <- effects_sigma(fit)
  list(levels = sigma * shift %*% root, unit = sigma^2)
}

#' The moves of the core's coefficients and of the levels along uncorrelated directions of all
#' parameters
#' @return A list of matrices: `beta` and `levels`, a column for each direction. `NULL` if the
#'   covariance of the coefficients isn't that of all parameters.
#' @noRd
parameter_moves <- function(fit) {
  covariance <- if (takes_hessian(fit)) hessian_covariance(fit)
  if (is.null(covariance)) {
    return(NULL)
  }
  is_known <- diag(covariance) > 0
  root <- root_of_covariance(covariance[is_known, is_known, drop = FALSE])
  if (is.null(root)) {
    return(NULL)
  }
  free <- setdiff(seq_along(fit$parameters), held_index(fit))
  directions <- matrix(0, length(fit$parameters), ncol(root))
  directions[free[is_known], ] <- root
  spec <- fit_spec(fit)
  moves <- apply(directions, 2L, moves_along, fit, spec)
  of_beta <- length(fit$theta) + seq_along(fit$beta)
  list(
    beta = directions[of_beta, , drop = FALSE],
    levels = matrix(moves, length(fit$levels))
  )
}

# The derivative of the core's levels along a direction of the parameters, by central differences.
moves_along <- function(direction, fit, spec) {
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

#' The covariance of the coefficients and of sums of levels, where theta is estimated too
#'
#' That of a generalized model takes into account that theta is estimated: the sums vary given all
#' parameters, and move with these.
#' @param covariance The one given theta.
#' @param sums A function that takes a matrix with a row for each level to one with a row for each
#'   sum.
#' @noRd
with_estimated_theta <- function(covariance, fit, sums) {
  moves <- parameter_moves(fit)
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
