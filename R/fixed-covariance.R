# The covariance matrix of the fixed effects under the model.

standard_errors <- function(fit) sqrt(diag(fixed_covariance(fit)))

#' The covariance matrix of the fixed effects under the user's contrasts of large factors
#' @inheritParams core_covariance
#' @noRd
fixed_covariance <- function(
  fit,
  sigma = effects_sigma(fit),
  use_hessian = NULL
) {
  if (!is_coded(fit)) {
    return(core_covariance(fit, sigma, use_hessian))
  }
  by_hessian <- takes_hessian(fit, use_hessian)
  if (by_hessian) {
    fit <- with_covariance(fit)
  }
  covariance <- core_covariance(fit, sigma, use_hessian)
  covariance_in_coding(fit, covariance, sigma, by_hessian)
}

#' The variances over sigma^2 of contrasts of the coefficients at fixed theta
#'
#' Sums of squares |R^-T c|^2 give these variances, and keep their digits if c'Vc is a
#' difference of large numbers, as with a covariate far from zero.
#' @param contrasts A matrix with a column for each contrast.
#' @noRd
unscaled_variances <- function(fit, contrasts) {
  free <- free_beta(fit)
  if (!any(free)) {
    return(numeric(ncol(contrasts)))
  }
  own <- contrasts[free, , drop = FALSE]
  colSums(backsolve(fit$rx, own, transpose = TRUE)^2)
}

#' A root R of the inverse covariance matrix, R'R, if a covariate is so far from zero that variances
#' of contrasts must be computed from it; otherwise, and for other covariances, `NULL`
#' @param covariance The covariance matrix of the coefficients.
#' @noRd
root_of_precision <- function(fit, covariance) {
  if (length(fit$held) > 0L || !has_far_columns(fit)) {
    return(NULL)
  }
  is_own <- identical(unname(covariance), unname(core_covariance(fit)))
  if (is_own) root_of_own_precision(fit)
}

# Whether a free column has only a small part that is independent of the others.
has_far_columns <- function(fit) {
  rx <- fit$rx
  if (length(rx) == 0L) {
    return(FALSE)
  }
  independent <- 1 / sqrt(diag(chol2inv(rx)) * colSums(rx^2))
  min(independent) <= 1e-4
}

# The root for the covariance matrix of the free coefficients that the core estimates.
root_of_own_precision <- function(fit) {
  if (isLMM.rlmm(fit)) {
    return(fit$rx / fit$sigma)
  }
  near <- in_orthogonal_columns(fit)
  root <- near$basis$fixed
  if (!is.null(root)) {
    chol(chol2inv(chol(covariance_of_free(near)))) %*% root
  }
}
