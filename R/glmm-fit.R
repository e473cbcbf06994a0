# The fit of a generalized model: the fields of a linear one, and `family`, `glmm`, `eta` and `working_weights`.

new_glmm_fit <- function(design, est, call, control) {
  est$scales <- lapply(design$spec$terms, \(term) sqrt(colMeans(column_matrix(term$z, length(term$refs))^2)))
  fit <- unclass(new_fit(design, est, call, control))
  fit$known_sigma <- !has_dispersion(design$family)
  fit$family <- design$family
  fit$glmm <- design$spec$glmm
  fit$parameters <- est$parameters
  fit$dev <- c(fit$dev, est[c("conditional", "deviance")])
  if (control$slim) {
    # Later there are no data to take the second derivatives from.
    fit$hessian <- if (!fit$glmm$fast) core_glmm_hessian(design$spec, est$parameters)
  } else {
    fit[c("eta", "working_weights")] <- est[c("eta", "working_weights")]
  }
  fit <- structure(fit, class = c("rlmm_glmm", "rlmm"))
  fit$optsum <- opt_summary(fit)
  fit
}

glmm_fit_spec <- function(fit) {
  response <- fit_response(fit)
  frame <- fit_frame(fit)
  list(
    x = fixed_columns(fit), y = response$y, weights = response$weights, offset = total_offset(frame),
    terms = fit_terms(fit), reml = FALSE, sigma = NULL, glmm = fit$glmm
  )
}

is_glmm <- function(fit) !is.null(fit$glmm)

#' Second derivatives of the objective in theta and beta
#' @noRd
glmm_hessian <- function(fit) fit$hessian %||% core_glmm_hessian(fit_spec(fit), fit$parameters)

#' Covariance of the fixed effects from the Hessian, or `NULL` if it has no inverse there
#' @noRd
hessian_covariance <- function(fit) {
  inverse <- tryCatch(chol2inv(chol(glmm_hessian(fit))), error = function(cnd) NULL)
  if (is.null(inverse)) return(NULL)
  at <- length(fit$theta) + seq_along(fit$beta)
  out <- 2 * inverse[at, at, drop = FALSE]
  dimnames(out) <- list(names(fit$beta), names(fit$beta))
  out
}

#' For what has no meaning, or isn't there yet, for a generalized model
#' @noRd
abort_glmm <- function(what, hint = NULL) {
  abort_rlmm(
    c(paste0(what, " isn't available for a generalized linear mixed model."), i = hint),
    "rlmm_error_not_available"
  )
}
