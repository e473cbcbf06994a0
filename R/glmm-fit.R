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

#' Whether it is a negative binomial whose theta is estimated
#' @noRd
is_nb <- function(glmm) {
  glmm$family == "negative.binomial" && estimates_shape(glmm)
}

glmm_fit_spec <- function(fit) {
  response <- fit_response(fit)
  frame <- fit_frame(fit)
  list(
    x = fixed_columns(fit),
    y = response$y,
    weights = response$weights,
    offset = total_offset(frame),
    terms = fit_terms(fit),
    reml = FALSE,
    sigma = NULL,
    glmm = fit$glmm
  )
}

is_glmm <- function(fit) !is.null(fit$glmm)

#' Standard deviation by which Lambda is multiplied: not that of a residual, where the random effects aren't relative to
#' it
#' @noRd
effects_sigma <- function(fit) if (isFALSE(fit$relative)) 1 else fit$sigma

#' Covariance of the estimates that aren't held: theta (a correlation by its angle), beta, log(shape)
#'
#' `NULL` if the Hessian has a negative eigenvalue. The last one is kept: it costs nearly as much as the fit, and
#' `print()`, `summary()` and `confint()` of one fit ask for it again and again.
#' @noRd
hessian_covariance <- function(fit) {
  if ("covariance" %in% names(fit)) {
    return(fit$covariance)
  }
  # Equal to the last bit in all of these: the same fit.
  key <- list(fit$parameters, fit$dev, fit$glmm, held_index(fit))
  if (!identical(key, last_covariance$key)) {
    last_covariance$value <- core_glmm_covariance(
      fit_spec(fit),
      fit$parameters,
      held_index(fit)
    )
    last_covariance$key <- key
  }
  last_covariance$value
}

last_covariance <- new.env(parent = emptyenv())

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

#' For what has no meaning, or isn't there yet, for a generalized model
#' @noRd
abort_glmm <- function(what, hint = NULL) {
  abort_rlmm(
    c(
      paste0(what, " isn't available for a generalized linear mixed model."),
      i = hint
    ),
    "rlmm_error_not_available"
  )
}
