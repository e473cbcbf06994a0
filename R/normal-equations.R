# Solutions of the normal equations of a fit with given right-hand sides: columns of the inverse of
# the penalized cross-products, which would be too large as a matrix if there is a large factor.

#' The system of a fit, over sigma^2
#' @return A list: `spec`, whose `sums` have zeros as the right-hand side.
#' @noRd
normal_equations <- function(spec) {
  sums <- spec$sums %||% core_sums(spec)
  sums$xr[] <- 0
  sums$beta0[] <- 0
  # The sum of squares of the response doesn't matter, but must not be less than the explained part.
  sums$rr <- sums$yy <- 1e10
  sums$terms <- lapply(sums$terms, \(term) {
    term$zr[] <- 0
    term
  })
  spec$sums <- sums
  spec$sigma <- 1
  spec
}

#' The solution for one right-hand side
#' @param x The elements of the right-hand side for the columns of X.
#' @param z For each core term a list: `at`, the positions of nonzero elements, a matrix of effects
#'   and levels; and `values`.
#' @return A list: `beta`; `b`, the same elements of the solution for each core term; and `rx`.
#' @noRd
solve_normal_equations <- function(system, theta, x, z) {
  sums <- system$sums
  # The right-hand side is transformed, as the columns of X are centred.
  if (length(x) > 0L) {
    sums$xr <- x - sums$shift * x[1L]
  }
  for (i in seq_along(z)) {
    own <- z[[i]]
    right <- replace(sums$terms[[i]]$zr, own$at, own$values)
    sums$terms[[i]]$zr <- of_summed_columns(right, sums$summed[[i]])
  }
  system$sums <- sums
  found <- core_estimates(system, theta)
  list(
    beta = found$beta,
    b = Map(\(b, own) b[own$at], found$b, z),
    rx = found$rx
  )
}

# Right-hand sides for the columns Q that were summed, from those for the given columns Z = Q M'.
of_summed_columns <- function(right, m) {
  if (is.null(m)) right else solve(m, right)
}

# The inner product of the solution with x and z.
sum_with_solution <- function(found, x, z) {
  of_terms <- Map(\(b, own) sum(b * own$values), found$b, z)
  sum(x * found$beta) + sum(unlist(of_terms))
}
