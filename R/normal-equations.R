# Columns of the inverse of a fit's penalized cross-products, for fits with a large factor, whose
# levels no matrix has a row and a column for: solutions of the normal equations for right-hand
# sides of one's own.

#' The system of a fit, over sigma^2
#' @return A list: `spec`, with `sums` that have zeros for a right-hand side.
#' @noRd
normal_equations <- function(spec) {
  sums <- spec$sums %||% core_sums(spec)
  sums$xr[] <- 0
  sums$beta0[] <- 0
  # The sum of squares is none of this: it has to be no less than what is explained of it.
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
#' @param x Its elements for the columns of X.
#' @param z Per core term a list: `at`, where its elements that aren't zero are, a matrix of effects
#'   and levels, and their `values`.
#' @return A list: `beta`, `b` (per core term those elements of the solution), `rx`.
#' @noRd
solve_normal_equations <- function(system, theta, x, z) {
  sums <- system$sums
  # The columns of X are centred.
  if (length(x) > 0L) {
    sums$xr <- x - sums$shift * x[1L]
  }
  for (i in seq_along(z)) {
    own <- z[[i]]
    sums$terms[[i]]$zr[own$at] <- own$values
  }
  system$sums <- sums
  found <- core_estimates(system, theta)
  list(
    beta = found$beta,
    b = Map(\(b, own) b[own$at], found$b, z),
    rx = found$rx
  )
}

# The sum of the elements of the solution times those of x and z.
sum_with_solution <- function(found, x, z) {
  of_terms <- Map(\(b, own) sum(b * own$values), found$b, z)
  sum(x * found$beta) + sum(unlist(of_terms))
}
