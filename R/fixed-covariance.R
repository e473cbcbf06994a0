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

#' R_X over sigma, if a covariate is so far from zero that variances of contrasts must be computed
#' from it instead of the covariance matrix; otherwise, and for other covariances, `NULL`
#' @param covariance The covariance matrix of the coefficients.
#' @noRd
root_of_precision <- function(fit, covariance) {
  is_own <- isLMM.rlmm(fit) &&
    length(fit$beta) > 0L &&
    all(free_beta(fit)) &&
    identical(covariance, fit$sigma^2 * unscaled_covariance(fit))
  if (!is_own) {
    return(NULL)
  }
  root <- fit$rx / fit$sigma
  independent <- 1 / sqrt(diag(covariance) * colSums(root^2))
  if (min(independent) <= 1e-4) root
}
