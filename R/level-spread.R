# How uncertain the coefficients of the levels of large factors are.

#' Variances of the levels' coefficients, and how they move with the others
#'
#' Given the other coefficients beta the levels have the conditional covariance C, and they move
#' with beta by D = d levels / d beta: their covariance is C + D V D', with V that of beta.
#' @return A list: `within`, of each block of factors the part of C over sigma^2 that each level
#'   has, as an array of columns, columns and levels; `variance`, the diagonal of it; and `shift`, D
#'   with a column for each coefficient that isn't held; all zero for levels without a column.
#' @noRd
level_spread <- function(fit, spec) {
  large <- fit$fixed$large
  # The working response of a generalized model without variance leaves no residual.
  system <- normal_equations(spec)
  within <- core_cond_var(system, fit$theta)[fixed_term_numbers(spec)]
  for (own in large$factors) {
    without <- !large$is_column[own$at]
    within[[own$block]][own$column, , without] <- 0
    within[[own$block]][, own$column, without] <- 0
  }
  variances <- lapply(large$factors, \(own) {
    within[[own$block]][own$column, own$column, ]
  })
  shift <- level_shifts(fit, spec)
  shift[!large$is_column, ] <- 0
  list(within = within, variance = unlist(variances), shift = shift)
}

# D: minus the levels' coefficients of the columns of X, taken for responses.
level_shifts <- function(fit, spec) {
  if (!is.null(spec$sums)) {
    return(level_shifts_of_sums(fit, spec))
  }
  x <- column_matrix(spec$x, length(spec$y))
  at <- fixed_term_numbers(spec)
  spec$x <- list()
  spec["offset"] <- list(NULL)
  spec$sigma <- 1
  shifts <- lapply(seq_len(ncol(x)), \(j) {
    system <- replace(spec, "y", list(x[, j]))
    b <- core_estimates(system, fit$theta)$b
    -by_factor(b[at], fit$fixed$large)
  })
  matrix(as.double(unlist(shifts)), length(fit$levels), ncol(x))
}

# D of a fit of sums: for one coefficient after the other as a right-hand side, the solutions for
# the levels are D V, and those for the coefficients V.
level_shifts_of_sums <- function(fit, spec) {
  system <- normal_equations(spec)
  levels <- seq_along(fit$levels)
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  z <- rep(list(none), length(spec$terms))
  zeros <- numeric(length(levels))
  term <- length(z)
  z[[term]] <- list(at = cbind(1L, levels), values = zeros)
  p <- length(fit$beta)
  found <- lapply(seq_len(p), \(j) {
    x <- replace(numeric(p), j, 1)
    solve_normal_equations(system, fit$theta, x, z)
  })
  of_levels <- vapply(found, \(one) one$b[[term]], zeros)
  covariance <- vapply(found, `[[`, numeric(p), "beta")
  covariance <- matrix(covariance, p)
  of_levels <- matrix(of_levels, ncol = p)
  t(solve(covariance, t(of_levels)))
}
