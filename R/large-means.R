# Means of the levels of large factors, and how they vary with the other coefficients.

#' The mean of each factor's levels
#' @param effects Of all levels; a matrix has a row for each of them.
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

# The weight of each level in the mean of its factor.
level_weights <- function(large) {
  sizes <- lengths(lapply(large$factors, `[[`, "levels"))
  rep(1 / sizes, sizes)
}

#' The covariance over sigma^2 as a function of theta: solutions of the normal equations, for each
#' factor with the weight of each level in the mean as the right-hand side
#' @param factors Those whose means are meant.
#' @param weights Of all levels, each in the mean of its factor.
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
    rbind(
      cbind(chol2inv(found[[1L]]$rx), cross),
      cbind(t(cross), do.call(rbind, among))
    )
  }
}

# The right-hand side that has the weights of one factor's levels, and zeros for those of others.
weights_of_factor <- function(own, large, weights, n_terms) {
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  all <- seq_along(large$levels)
  weights <- weights * all %in% own$at
  with_level_values(rep(list(none), n_terms), large, all, weights)
}

# The levels in a solution with an element for every one.
solved_levels <- function(b, large) {
  blocks <- utils::tail(b, n_blocks(large))
  blocks <- lapply(seq_along(blocks), \(block) {
    matrix(blocks[[block]], length(of_block(large, block)), byrow = TRUE)
  })
  by_factor(blocks, large)
}
