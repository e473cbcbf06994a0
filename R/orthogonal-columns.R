# A fit in orthogonal columns of X and of unstructured random-effects terms. The likelihood is the
# same, and matrices that lose their digits if a covariate is far from zero keep them.

# Columns stay as they are if each has at least this share of its norm left after projection on the
# others. For a covariate beside an intercept it is standard deviation over root mean square.
clear_independence <- 0.1

# Columns stay as they are if one has no larger share of its norm left after projection on those
# before it: they are dependent, up to rounding errors.
least_independence <- 1e-12

#' A fit with orthogonal columns in the place of its own
#'
#' The free columns of X = Q R are replaced by Q, with coefficients R beta; those of a term Z = Q R
#' by Q, with random effects R b. Only `theta`, `beta`, `rx` and `parameters` of the result are for
#' these columns. Structured terms, terms with held parameters, and fits without rows or with large
#' factors stay as they are.
#' @return The fit, with `basis`: `fixed` and the list `random` have the matrices R, or `NULL`.
#' @noRd
in_orthogonal_columns <- function(fit) {
  if (!is.null(fit$sums) || has_large(fit)) {
    return(fit)
  }
  basis <- list(
    fixed = root_of_columns(free_matrix(fit)),
    random = lapply(fit$random, root_of_term, fit, new_data(fit, NULL))
  )
  given <- fit
  fit$theta <- theta_in_columns(given, basis$random, `%*%`)
  fit <- with_fixed_basis(fit, basis$fixed)
  fit$basis <- basis
  fit$parameters <- parameters_of(given, fit)
  fit$covariance <- NULL
  fit
}

with_fixed_basis <- function(fit, root) {
  if (is.null(root)) {
    return(fit)
  }
  free <- free_beta(fit)
  fit$beta[free] <- root %*% fit$beta[free]
  inverse <- inverse_of(root)
  fit$rx <- t(triangular(t(fit$rx %*% inverse)))
  fit
}

# R of the columns of an unstructured term; `NULL` if they stay as they are.
root_of_term <- function(term, fit, new) {
  held <- fit_held(fit)
  is_held <- any(term$theta %in% c(held$index, held$absolute))
  owners <- vapply(fit$random, `[[`, 1L, "core_term")
  is_shared <- sum(owners == term$core_term) > 1L
  if (!is_unstructured(term$structure) || is_held || is_shared) {
    return(NULL)
  }
  root_of_columns(effects_matrix(term, new))
}

root_of_columns <- function(x) {
  if (ncol(x) < 2L) {
    return(NULL)
  }
  root <- qr.R(qr(x, tol = 0))
  size <- sqrt(colSums(root^2))
  if (any(abs(diag(root)) <= least_independence * size)) {
    return(NULL)
  }
  if (independence_in(root) < clear_independence) root
}

# The smallest share of the norm of a column of X = Q R left after projection on the others.
independence_in <- function(root) {
  size <- sqrt(colSums(root^2))
  min(1 / (size * sqrt(rowSums(inverse_of(root)^2))))
}

# R of columns for which Q has a mean square of one in `n` rows.
root_of_rows <- function(x, n) {
  root <- root_of_columns(x)
  if (!is.null(root)) root / sqrt(n)
}

inverse_of <- function(root) backsolve(root, diag(nrow(root)))

#' Theta for other columns
#' @param by A function of R and Lambda of a term with R: the new square factor.
#' @noRd
theta_in_columns <- function(fit, roots, by) {
  theta <- fit$theta
  lambdas <- lambda_blocks(fit$random, theta)
  for (i in which(lengths(roots) > 0L)) {
    lambda <- triangular(by(roots[[i]], lambdas[[i]]))
    own <- fit$random[[i]]$theta
    theta[own] <- lambda[lower.tri(lambda, diag = TRUE)]
  }
  theta
}

#' Estimates for the original columns
#' @param fit The result of [in_orthogonal_columns()].
#' @param case A list of estimates for its columns: the free `beta`, `vcov` and `theta`.
#' @return The list for the original columns, with `log_det`, the logarithm of `vcov`'s determinant.
#' @noRd
in_original_columns <- function(case, fit) {
  root <- fit$basis$fixed
  case$log_det <- log_det(case$vcov) - log_size(root)
  if (!is.null(root)) {
    case$beta <- backsolve(root, case$beta)
    case$vcov <- original_covariance(case$vcov, root)
  }
  if (!anyNA(case$theta)) {
    fit$theta <- case$theta
    case$theta <- theta_in_columns(fit, fit$basis$random, backsolve)
  }
  case
}

# The covariance matrix of the free coefficients of the original columns.
original_covariance <- function(covariance, root) {
  if (is.null(root)) {
    return(covariance)
  }
  inverse <- inverse_of(root)
  inverse %*% tcrossprod(covariance, inverse)
}

#' The logarithm of the determinant of the covariance matrix of the free coefficients
#'
#' Far from zero the matrix itself has too few digits.
#' @noRd
log_det_of_fixed <- function(fit) {
  near <- in_orthogonal_columns(fit)
  log_det(covariance_of_free(near)) - log_size(near$basis$fixed)
}

covariance_of_free <- function(fit) {
  free <- free_beta(fit)
  core_covariance(fit)[free, free, drop = FALSE]
}

log_det <- function(x) {
  if (anyNA(x)) NA_real_ else as.double(determinant(x)$modulus)
}

# log |R|^2, which is zero for columns that stay as they are.
log_size <- function(root) 2 * sum(log(abs(diag(root %||% diag(1)))))
