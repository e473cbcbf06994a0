# Combinations of estimates that are uncorrelated.

#' Independent combinations with the span of the rows of `L` whose estimates are uncorrelated
#'
#' The degrees of freedom of the F test depend a little on the choice of these rows: the principal
#' axes of their covariance matrix, as in lmerTest.
#' @noRd
uncorrelated_rows <- function(L, rhs, covariance) {
  spread <- L %*% covariance %*% t(L)
  axes <- eigen(spread, symmetric = TRUE)
  kept <- seq_len(covariance_rank(spread))
  rotation <- t(axes$vectors[, kept, drop = FALSE])
  list(
    L = rotation %*% L,
    rhs = drop(rotation %*% rhs),
    variance = axes$values[kept]
  )
}

#' Rank of a covariance matrix, whatever the scales of its rows
#' @noRd
covariance_rank <- function(covariance) {
  unit <- sqrt(pmax(diag(covariance), 0))
  unit[unit == 0] <- 1
  values <- eigen(
    covariance / outer(unit, unit),
    symmetric = TRUE,
    only.values = TRUE
  )$values
  sum(values > 1e-8 * max(values, 0))
}
