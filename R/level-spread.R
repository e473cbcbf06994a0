# Covariances of the coefficients of the levels of large factors.

#' Conditional variances of the levels' coefficients and their derivatives in the other coefficients
#'
#' Given the other coefficients beta, the levels have the conditional covariance C. With
#' D = d levels / d beta and V = cov(beta), their marginal covariance is C + D V D'.
#' @return A list: `within`, for each block the diagonal blocks of C / sigma^2, an array of columns
#'   by columns by levels; `variance`, the diagonal of C / sigma^2; and `shift`, D with a column for
#'   each free coefficient. All are zero for levels without a column.
#' @noRd
conditional_level_covariances <- function(fit, spec) {
  large <- fit$fixed$large
  # The working response of a generalized model may have no residual, so that sigma is set to one.
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
  shift <- level_derivatives(fit, spec)
  shift[!large$is_column, ] <- 0
  list(within = within, variance = unlist(variances), shift = shift)
}

# D is minus the levels' coefficients when the columns of X take the place of the response.
level_derivatives <- function(fit, spec) {
  if (!is.null(spec$sums)) {
    return(level_derivatives_of_sums(fit, spec))
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

# D of a fit of sums: the normal equations with unit vectors for beta as right-hand sides have the
# solutions D V for the levels and V for beta.
level_derivatives_of_sums <- function(fit, spec) {
  system <- normal_equations(spec)
  large <- fit$fixed$large
  levels <- seq_along(fit$levels)
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  z <- rep(list(none), length(spec$terms))
  zeros <- numeric(length(levels))
  z <- with_level_values(z, large, levels, zeros)
  p <- length(fit$beta)
  found <- lapply(seq_len(p), \(j) {
    x <- replace(numeric(p), j, 1)
    solve_normal_equations(system, fit$theta, x, z)
  })
  of_levels <- vapply(found, \(one) solved_levels(one$b, large), zeros)
  covariance <- vapply(found, `[[`, numeric(p), "beta")
  covariance <- matrix(covariance, p)
  of_levels <- matrix(of_levels, ncol = p)
  t(solve(covariance, t(of_levels)))
}
