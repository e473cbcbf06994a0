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
#' @param within The covariance of the sums given all parameters; by default that of the working
#'   linear model. It is only computed if it is needed.
#' @param covariance The covariance given theta.
#' @param sums A function that maps a matrix with a row for each level to a matrix with a row for
#'   each sum.
#' @noRd
with_estimated_theta <- function(covariance, fit, sums, within = NULL) {
  moves <- parameter_changes(fit)
  if (is.null(moves)) {
    return(covariance)
  }
  n_beta <- nrow(moves$beta)
  is_sum <- seq_len(nrow(covariance)) > n_beta
  within <- within %||% working_sums_covariance(covariance, fit, n_beta)
  total <- tcrossprod(rbind(moves$beta, sums(moves$levels)))
  total[is_sum, is_sum] <- total[is_sum, is_sum] + within
  unname(total)
}

# The covariance of sums of levels given all parameters, in the working linear model.
working_sums_covariance <- function(covariance, fit, n_beta) {
  is_sum <- seq_len(nrow(covariance)) > n_beta
  within <- covariance[is_sum, is_sum, drop = FALSE]
  if (!all(is_sum)) {
    cross <- covariance[!is_sum, is_sum, drop = FALSE]
    known <- covariance[!is_sum, !is_sum, drop = FALSE]
    within <- within - crossprod(cross, solve(known, cross))
  }
  likelihood_share(fit) * within
}

#' The covariance of weighted means of the levels of some factors in a generalized model, given all
#' parameters
#' @param weights The weight of each level in the mean of its factor.
#' @noRd
level_means_within <- function(fit, factors, weights) {
  large <- fit$fixed$large
  weights <- weights * large$is_column
  columns <- vapply(
    factors,
    \(own) among_level_effects(own, weights[own$at], large),
    numeric(n_fixed_effects(large))
  )
  core_glmm_level_covariance(fit_spec(fit), fit$parameters, columns)
}

# The number of effects of each term of the spec that stands for levels.
sizes_of_blocks <- function(large) {
  blocks <- seq_len(n_blocks(large))
  vapply(
    blocks,
    \(block) {
      factors <- factors_of_block(large, block)
      length(factors) * length(factors[[1L]]$levels)
    },
    1L
  )
}

n_fixed_effects <- function(large) sum(sizes_of_blocks(large))

# Values for the levels of one factor among the effects of all terms that stand for levels, in the
# order of the core.
among_level_effects <- function(own, values, large) {
  sizes <- sizes_of_blocks(large)
  k <- length(factors_of_block(large, own$block))
  first <- sum(utils::head(sizes, own$block - 1L))
  places <- first + (seq_along(values) - 1L) * k + own$column
  replace(numeric(sum(sizes)), places, values)
}
