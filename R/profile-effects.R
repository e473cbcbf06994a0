# Profiles with other effects M b of a term in the place of b: their spec, and theta of the same
# covariance.

# Whether a term can have other effects.
is_moved <- function(term) {
  is_unstructured(term$structure) && length(term$columns) > 1L
}

#' The spec with effects M b of one term
#' @noRd
spec_of_effects <- function(problem, term, moves) {
  spec <- problem$spec
  own <- problem$fit$random[[term]]
  if (!is_moved(own) || identical(moves, diag(nrow(moves)))) {
    return(spec)
  }
  core <- own$core_term
  if (!is.null(spec$sums)) {
    columns <- seq_len(sum(spec$terms[[core]]$part_size))
    columns[own$core_cols] <- own$core_cols[max.col(moves)]
    spec$sums <- permute_sums(spec$sums, core, columns)
    return(spec)
  }
  z <- column_matrix(spec$terms[[core]]$z, length(spec$y))
  z[, own$core_cols] <- z[, own$core_cols] %*% solve(moves)
  spec$terms[[core]]$z <- list(z)
  spec
}

#' The theta of the same covariance for effects M b of one term
#' @noRd
theta_of_effects <- function(problem, term, moves, theta) {
  own <- problem$fit$random[[term]]
  if (!is_moved(own)) {
    return(theta)
  }
  k <- length(own$columns)
  lambda <- matrix(0, k, k)
  lambda[lower.tri(lambda, TRUE)] <- theta[own$theta]
  turned <- triangular(moves %*% lambda)
  theta[own$theta] <- turned[lower.tri(turned, TRUE)]
  theta
}
