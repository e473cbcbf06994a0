# The covariance matrix of the fixed effects as the model has it.

standard_errors <- function(fit) sqrt(diag(fixed_covariance(fit)))

#' Covariance of the fixed effects, those of the contrasts of large factors
#' @inheritParams core_covariance
#' @noRd
fixed_covariance <- function(
  fit,
  sigma = effects_sigma(fit),
  use_hessian = NULL
) {
  covariance <- core_covariance(fit, sigma, use_hessian)
  if (is_coded(fit)) {
    covariance_in_coding(fit, covariance, sigma)
  } else {
    covariance
  }
}

#' Covariance of the fixed effects that the core has
#' @param use_hessian `NULL`: where there is one, that is, for a generalized model that isn't fast.
#' @noRd
core_covariance <- function(
  fit,
  sigma = effects_sigma(fit),
  use_hessian = NULL
) {
  has_hessian <- has_hessian(fit)
  if (isTRUE(use_hessian) && !has_hessian) {
    abort_no_hessian(fit)
  }
  if (has_hessian && (use_hessian %||% (!has_separated_coefficient(fit)))) {
    covariance <- hessian_fixed_covariance(fit)
    if (!is.null(covariance)) {
      return(covariance)
    }
    warn_rlmm(
      c(
        "The Hessian of the deviance is not positive definite.",
        i = paste(
          "Standard errors are those at fixed theta instead,",
          "as with `vcov(fit, use.hessian = FALSE)`."
        )
      ),
      "rlmm_warning_hessian"
    )
  }
  sigma^2 * unscaled_covariance(fit)
}

#' Whether the fixed effects are among the arguments of the objective
#' @noRd
has_hessian <- function(fit) UseMethod("has_hessian")

#' @export
has_hessian.rlmm_lmm <- function(fit) FALSE

#' @export
has_hessian.rlmm_glmm <- function(fit) {
  !fit$glmm$fast && length(fit$beta) > 0L
}

abort_no_hessian <- function(fit) {
  abort_rlmm(
    c(
      "There is no Hessian of the fixed effects.",
      i = no_hessian_reason(fit)
    ),
    "rlmm_error_not_available",
    arg = "use.hessian"
  )
}

no_hessian_reason <- function(fit) UseMethod("no_hessian_reason")

#' @export
no_hessian_reason.rlmm_lmm <- function(fit) {
  "It is for generalized linear mixed models."
}

#' @export
no_hessian_reason.rlmm_glmm <- function(fit) {
  "The model was fitted with `nAGQ = 0`."
}

unscaled_covariance <- function(fit) {
  free <- free_beta(fit)
  # A coefficient that is held has no variance.
  out <- matrix(
    0,
    length(free),
    length(free),
    dimnames = list(names(fit$beta), names(fit$beta))
  )
  if (any(free)) {
    out[free, free] <- chol2inv(fit$rx)
  }
  out
}

#' The variances over sigma^2 of combinations of the coefficients at fixed theta
#'
#' Sums of squares, as |R^-T c|^2 has digits where c'Vc is a difference of large numbers: beside a
#' covariate far from zero.
#' @param contrasts A matrix with a column for each of them.
#' @noRd
unscaled_variances <- function(fit, contrasts) {
  free <- free_beta(fit)
  if (!any(free)) {
    return(numeric(ncol(contrasts)))
  }
  own <- contrasts[free, , drop = FALSE]
  colSums(backsolve(fit$rx, own, transpose = TRUE)^2)
}

#' R_X over sigma, where a covariate is so far from zero that combinations of the coefficients have
#' to be told by it, not by their covariance; `NULL` elsewhere, and of other covariances
#' @param covariance That of the coefficients.
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
