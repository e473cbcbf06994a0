# Weighted means of the levels of large factors and their covariances with the other coefficients.

#' The weighted mean of the levels of each factor
#' @param effects The effects of all levels, a vector or a matrix with a row for each level.
#' @return A matrix with a row for each factor.
#' @noRd
means_by_factor <- function(effects, factors, weights) {
  effects <- as.matrix(effects)
  do.call(
    rbind,
    lapply(factors, \(own) {
      colSums(weights[own$at] * effects[own$at, , drop = FALSE])
    })
  )
}

# Equal weights for the levels in the mean of their factor.
level_weights <- function(large) {
  sizes <- lengths(lapply(large$factors, `[[`, "levels"))
  rep(1 / sizes, sizes)
}

#' The covariance over sigma^2 of the free coefficients and the means of factors, as a function of
#' theta
#'
#' The columns for the means are solutions of the normal equations whose right-hand side has the
#' weights of a factor's levels.
#' @param factors The factors whose means are wanted.
#' @param weights The weight of each level in the mean of its factor.
#' @noRd
level_mean_covariance <- function(
  fit,
  factors = fit$fixed$large$factors,
  weights = level_weights(fit$fixed$large)
) {
  spec <- linear_spec(fit)
  large <- fit$fixed$large
  system <- normal_equations(spec)
  zero <- numeric(n_free_beta(fit))
  n_terms <- length(spec$terms)
  sides <- lapply(factors, weights_of_factor, large, weights, n_terms)
  function(theta) {
    found <- lapply(sides, \(z) {
      solve_normal_equations(system, theta, zero, z)
    })
    cross <- lapply(found, `[[`, "beta")
    cross <- matrix(unlist(cross), length(zero), length(found))
    among <- lapply(found, \(one) {
      drop(means_by_factor(solved_levels(one$b, large), factors, weights))
    })
    own <- diag(length(zero))
    if (length(zero) > 0L) {
      own <- chol2inv(found[[1L]]$rx)
    }
    rbind(
      cbind(own, cross),
      cbind(t(cross), do.call(rbind, among))
    )
  }
}

# The right-hand side with the weights of one factor's levels, and zeros elsewhere.
weights_of_factor <- function(own, large, weights, n_terms) {
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  all <- seq_along(large$levels)
  weights <- weights * all %in% own$at
  with_level_values(rep(list(none), n_terms), large, all, weights)
}

# The elements of a solution `b` of the normal equations that belong to levels of large factors.
solved_levels <- function(b, large) {
  blocks <- utils::tail(b, n_blocks(large))
  blocks <- lapply(seq_along(blocks), \(block) {
    matrix(
      blocks[[block]],
      length(factors_of_block(large, block)),
      byrow = TRUE
    )
  })
  by_factor(blocks, large)
}
