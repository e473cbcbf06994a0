# Uncorrelated contrasts of estimates.

#' Contrasts with the span of the rows of `L` whose estimates are uncorrelated
#'
#' The degrees of freedom of the F test depend slightly on the choice of these rows, which are the
#' principal axes of their covariance matrix, as in lmerTest.
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

#' Uncorrelated rows with unit variance in terms of the coefficients `root %*% beta`
#'
#' The rank of `L` is judged in these coefficients, since the covariances of estimates far from the
#' data are nearly singular.
#' @param root R with `(R'R)^-1` the covariance matrix of the coefficients.
#' @noRd
uncorrelated_by_root <- function(L, rhs, root) {
  unit <- sqrt(diag(chol2inv(root)))
  rows <- qr(t(L) * unit, tol = 1e-7)
  kept <- sort(rows$pivot[seq_len(rows$rank)])
  across <- t(backsolve(root, t(L[kept, , drop = FALSE]), transpose = TRUE))
  axes <- svd(across)
  list(
    L = t(axes$v),
    rhs = drop(crossprod(axes$u, rhs[kept])) / axes$d
  )
}

#' The rank of a covariance matrix after scaling its rows
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
