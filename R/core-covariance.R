# The covariance matrix of the fixed effects that the core estimates.

#' The covariance matrix of the fixed effects that the core estimates
#' @param use_hessian Whether to use the Hessian in all parameters; by default if there is one, that
#'   is, for a generalized model without `fast`.
#' @noRd
core_covariance <- function(
  fit,
  sigma = effects_sigma(fit),
  use_hessian = NULL
) {
  if (isTRUE(use_hessian) && !has_hessian(fit)) {
    abort_no_hessian(fit)
  }
  if (takes_hessian(fit, use_hessian)) {
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

# Whether the covariance is taken from the Hessian in all parameters.
takes_hessian <- function(fit, use_hessian = NULL) {
  has_hessian(fit) && (use_hessian %||% !has_separated_coefficient(fit))
}

#' Whether the fixed effects are arguments of the objective
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
  # A held coefficient has variance zero.
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
