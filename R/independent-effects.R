# Second derivatives where columns of Z nearly depend on each other. Their rounding errors grow with
# the fourth power of a covariate's mean over its standard deviation: for a year hardly a digit is
# left. With C C' the mean products of a term's columns, Z C^-T has independent ones, whose effects
# C'b have the covariance C' Omega C. Derivatives are taken there, as the core does in its search
# (lmm/independent.rs), and reach what is asked for by the chain rule.

#' The fit in terms of independent effects, where a term has columns that nearly depend on each
#' other
#' @return The fit, with its `spec` if that had to be looked at. Where columns depend on each other:
#'   with another `theta` and spec; `given`, the fit it was made of; and, in the terms concerned,
#'   `scale`, and `root`, C^-T, by which Lambda is to be multiplied.
#' @noRd
independent_effects <- function(fit) {
  held <- fit_held(fit)
  is_candidate <- \(term) {
    is_unstructured(term$structure) && length(term$columns) > 1L
  }
  candidates <- which(vapply(fit$random, is_candidate, NA))
  if (length(candidates) == 0L || length(c(held$index, held$absolute)) > 0L) {
    return(fit)
  }
  out <- fit
  out$spec <- fit_spec(fit)
  for (i in candidates) {
    out <- with_independent_effects(out, i)
  }
  if (!identical(out$theta, fit$theta)) {
    out$given <- fit
  }
  out
}

with_independent_effects <- function(fit, i) {
  term <- fit$random[[i]]
  n <- length(fit$spec$y)
  z <- column_matrix(fit$spec$terms[[term$core_term]]$z, n)
  weights <- fit$spec$weights %||% rep(1, n)
  own <- z[, term$core_cols]
  products <- crossprod(own * sqrt(weights)) / n
  upper <- tryCatch(chol(products), error = \(e) NULL)
  if (is.null(upper) || !is_dependent(upper, products)) {
    return(fit)
  }
  root <- backsolve(upper, diag(ncol(upper)))
  z[, term$core_cols] <- own %*% root
  fit$spec$terms[[term$core_term]]$z <- list(z)
  fit$theta[term$theta] <- structured_theta(
    term,
    tcrossprod(upper %*% lambda_block(term, fit$theta))
  )
  fit$random[[i]]$root <- root
  fit$random[[i]]$scale <- rep(1, ncol(upper))
  fit
}

# Whether the columns before it explain more than 99 % of a column, as the core asks too; of exact
# dependence nothing is left to tell.
is_dependent <- function(upper, products) {
  share <- min(diag(upper)^2 / diag(products))
  share < 1e-2 && share > 1e-10
}

#' Derivative of theta in the theta of independent effects
#' @noRd
theta_jacobian <- function(there) {
  of <- function(theta) {
    for (term in there$random) {
      if (is.null(term$root)) {
        next
      }
      theta[term$theta] <- structured_theta(
        term,
        tcrossprod(lambda_block(term, theta))
      )
    }
    theta
  }
  step <- 2^-17
  vapply(
    seq_along(there$theta),
    \(j) {
      shift <- replace(0 * there$theta, j, step)
      (of(there$theta + shift) - of(there$theta - shift)) / (2 * step)
    },
    there$theta
  )
}
