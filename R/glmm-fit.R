# The fit of a generalized model: the fields of a linear one, and `family`, `glmm`, `parameters`, `relative`,
# `separated`, `eta` and `working_weights`; without its data the `covariance` of the estimates.

new_glmm_fit <- function(design, est, call, control) {
  est$scales <- lapply(design$spec$terms, \(term) {
    sqrt(colMeans(column_matrix(term$z, length(term$refs))^2))
  })
  fit <- unclass(new_fit(design, est, call, control))
  fit$known_sigma <- !has_dispersion(design$family)
  fit$glmm <- design$spec$glmm
  if (estimates_shape(fit$glmm)) {
    fit$glmm$shape <- est$shape
  }
  fit$family <- if (is_nb(fit$glmm)) {
    nb_family(fit$glmm$shape, fit$glmm$link)
  } else {
    design$family
  }
  fit[c("parameters", "relative")] <- est[c("parameters", "relative")]
  fit$separated <- separated_effects(fit, design$spec)
  fit$dev <- c(fit$dev, est[c("conditional", "deviance")])
  if (!control$slim) {
    fit[c("eta", "working_weights")] <- est[c("eta", "working_weights")]
  }
  if (control$slim) {
    # Later there are no data to take the second derivatives from.
    judged <- core_glmm_certificate(
      design$spec,
      est$parameters,
      held_index(fit)
    )
    fit$optsum[c("gradient", "certificate")] <- judged[c(
      "gradient",
      "certificate"
    )]
    fit["covariance"] <- judged["covariance"]
  }
  fit <- structure(fit, class = c("rlmm_glmm", "rlmm"))
  fit$optsum <- opt_summary(fit)
  fit
}

#' Standard deviation by which Lambda is multiplied: not that of a residual, where the random effects aren't relative to
#' it
#' @noRd
effects_sigma <- function(fit) if (isFALSE(fit$relative)) 1 else fit$sigma

#' Covariance of the estimates that aren't held: theta (a correlation by its angle), beta, log(shape)
#'
#' `NULL` if the Hessian has a negative eigenvalue. Computing it costs nearly as much as the fit: a method that needs it
#' more than once works on `with_covariance(fit)`.
#' @noRd
hessian_covariance <- function(fit) {
  if ("covariance" %in% names(fit)) {
    return(fit$covariance)
  }
  core_glmm_covariance(fit_spec(fit), fit$parameters, held_index(fit))
}

#' The fit with the covariance of its estimates in the field `covariance`, where something is computed from it
#' @noRd
with_covariance <- function(fit) {
  if (needs_hessian(fit)) {
    fit["covariance"] <- list(hessian_covariance(fit))
  }
  fit
}

# Standard errors of the fixed effects, unless separated, and of an estimated shape are those of the Hessian.
needs_hessian <- function(fit) {
  has_errors <- length(fit$beta) > 0L && length(fit$separated) == 0L
  is_glmm(fit) &&
    !fit$glmm$fast &&
    (has_errors || estimates_shape(fit$glmm))
}

#' The block of the fixed effects
#' @noRd
hessian_fixed_covariance <- function(fit) {
  covariance <- hessian_covariance(fit)
  if (is.null(covariance)) {
    return(NULL)
  }
  at <- length(fit$theta) - n_held(fit) + seq_along(fit$beta)
  out <- covariance[at, at, drop = FALSE]
  dimnames(out) <- list(names(fit$beta), names(fit$beta))
  out
}

#' An estimated theta of the negative binomial, or dispersion: the estimate and its standard error
#' @noRd
shape_estimate <- function(fit) {
  if (!is_glmm(fit) || !estimates_shape(fit$glmm)) {
    return(NULL)
  }
  covariance <- if (!fit$glmm$fast) hessian_covariance(fit)
  variance <- if (is.null(covariance)) {
    NA_real_
  } else {
    covariance[nrow(covariance), nrow(covariance)]
  }
  # Of the logarithm, which is the parameter.
  c(estimate = fit$glmm$shape, std_error = fit$glmm$shape * sqrt(variance))
}
