# How uncertain the coefficients of the levels of large factors are.

#' Variances of the levels' coefficients, and how they move with the others
#'
#' Given the other coefficients beta the levels have the conditional covariance C, and they move
#' with beta by D = d levels / d beta: their covariance is C + D V D', with V that of beta.
#' @return A list: `variance`, the diagonal of C over sigma^2, and `shift`, D with a column for each
#'   coefficient that isn't held; both zero for levels without a column.
#' @noRd
level_spread <- function(fit, spec) {
  variances <- core_cond_var(spec, fit$theta)
  variance <- unlist(variances[fixed_term_numbers(spec)])
  shift <- level_shifts(fit, spec)
  without <- !fit$fixed$large$is_column
  variance[without] <- 0
  shift[without, ] <- 0
  list(variance = variance, shift = shift)
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
    b <- core_estimates(replace(spec, "y", list(x[, j])), fit$theta)$b
    -unlist(b[at])
  })
  matrix(unlist(shifts), length(fit$levels), ncol(x))
}

# D of a fit of sums: for one coefficient after the other as a right-hand side, the solutions for
# the levels are D V, and those for the coefficients V.
level_shifts_of_sums <- function(fit, spec) {
  system <- normal_equations(spec)
  levels <- seq_along(fit$levels)
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  z <- rep(list(none), length(spec$terms))
  zeros <- numeric(length(levels))
  z[[length(z)]] <- list(at = cbind(1L, levels), values = zeros)
  p <- length(fit$beta)
  found <- lapply(seq_len(p), \(j) {
    x <- replace(numeric(p), j, 1)
    solve_normal_equations(system, fit$theta, x, z)
  })
  of_levels <- vapply(found, \(one) one$b[[length(z)]], zeros)
  covariance <- vapply(found, `[[`, numeric(p), "beta")
  t(solve(matrix(covariance, p), t(matrix(of_levels, ncol = p))))
}
