# Constructs the fit of a generalized model: the fields of a linear one, and `family`, `glmm`,
# `parameters`, `relative`, `separated`, `saturated`, `eta` and `working_weights`; without its data
# also the `covariance` of the estimates.

#' @param design,est See [new_fit()]; `est` is the result of [core_glmm_fit()].
#' @noRd
new_glmm_fit <- function(design, est, call, control) {
  unit <- effects_unit(design, est)
  counts <- design$spec$counts
  est$scales <- lapply(design$spec$terms, column_sizes, unit, counts)
  fit <- unclass(new_fit(design, est, call, control))
  fit$known_sigma <- !has_dispersion(design$family)
  fit$glmm <- fitted_glmm(design$spec$glmm, est)
  fit$family <- fitted_family(fit$glmm, design$family)
  fit[c("parameters", "relative")] <- est[c("parameters", "relative")]
  fit$separated <- separated_coefficients(
    fit,
    design$spec,
    est$working_weights
  )
  fit$saturated <- saturating_terms(fit, design$spec, est$eta)
  fit$dev <- c(fit$dev, est[c("conditional", "deviance")])
  is_doubtful <- is_doubtful(fit)
  if (control$slim || is_doubtful) {
    fit <- with_judgement(fit, near_modes(design$spec, est))
  }
  if (is_doubtful) {
    fit <- with_repeated_effects(fit)
  }
  if (!control$slim) {
    fit[c("eta", "working_weights")] <- est[c("eta", "working_weights")]
  }
  structure(without_empty(fit), class = c("rlmm_glmm", "rlmm"))
}

# The settings of the approximation, with the estimated shape.
fitted_glmm <- function(glmm, est) {
  if (estimates_shape(glmm)) {
    glmm$shape <- est$shape
  }
  glmm
}

# The root mean square of each column of Z, in units of the linear predictor's scale.
column_sizes <- function(core_term, unit, counts = NULL) {
  z <- column_matrix(core_term$z, length(core_term$refs))
  squares <- if (is.null(counts)) {
    colMeans(z^2)
  } else {
    colSums(counts * z^2) / sum(counts)
  }
  sqrt(squares) * unit
}

#' The reciprocal of the standard deviation of a working response
#'
#' With a dispersion the linear predictor may have the units of the response; whether a variance is
#' small is then judged relative to the working weights, as in a linear model relative to the
#' residual variance.
#' @noRd
effects_unit <- function(design, est) {
  if (!has_dispersion(design$family)) {
    return(1)
  }
  n <- sum(design$spec$counts %||% length(est$working_weights))
  weight <- sum(est$working_weights) / n
  if (is.finite(weight) && weight > 0) sqrt(weight) else 1
}

# The family object of a fit, with its estimated shape unless that is a dispersion.
fitted_family <- function(glmm, family) {
  if (!estimates_parameter(glmm)) {
    return(family)
  }
  family_row(glmm$family)$shape$make(glmm$shape, glmm$link)
}

#' The family as given by the user, without the estimated shape and with its information
#' @noRd
unfitted_family <- function(fit) {
  if (!estimates_parameter(fit$glmm)) {
    return(fit$family)
  }
  make <- family_row(fit$glmm$family)$shape$make
  family <- make(NA_real_, fit$glmm$link)
  family$information <- fit$glmm$information
  family
}

# Whether the variances of terms may not be identified separately, which second derivatives show:
# two terms of a grouping factor share an effect, or one has an intercept and the other an effect of
# each level of a factor.
is_doubtful <- function(fit) {
  groups <- vapply(fit$random, `[[`, "", "group")
  if (!anyDuplicated(groups) || !is.null(fit$optsum$noise)) {
    return(FALSE)
  }
  columns <- lapply(fit$random, effects_and_intercept)
  is_repeated <- \(own) anyDuplicated(unlist(own)) > 0L
  any(vapply(split(columns, groups), is_repeated, NA))
}

# Marks a fit as unidentified if an effect is a term of its own and also among the unstructured
# effects of another term, so that their variances are not identified separately. The objective is
# flat along the exchange of variance, but rounding errors of differences may hide that.
with_repeated_effects <- function(fit) {
  which <- unlist(lapply(fit$random, repeated_theta, fit))
  if (
    length(which) > 0L && identical(fit$optsum$certificate$verdict, "optimal")
  ) {
    fit$optsum$certificate$verdict <- "unidentified"
    fit$optsum$certificate$suspects <- which
  }
  fit
}

# The elements of theta of a term with one effect and of another term with the same effect.
repeated_theta <- function(term, fit) {
  other <- if (length(term$columns) == 1L) {
    Find(\(other) repeats_effect(other, term), fit$random)
  }
  theta <- c(term$theta, other$theta)
  if (is.null(other) || any(theta %in% held_index(fit))) {
    return(NULL)
  }
  smallest <- core_smallest_singular_values(list(other), fit$theta)
  if (unlist(smallest) >= singular_tolerance) theta
}

# Whether the effect of a term is one of several effects of another term.
repeats_effect <- function(other, term) {
  other$group == term$group &&
    length(other$columns) > 1L &&
    term$columns %in% free_effects(other)
}

# The effects of a term whose variance is free given those of the others.
free_effects <- function(term) {
  switch(
    term$structure,
    us = effects_and_intercept(term),
    diag = term$columns
  )
}

# Adds the fields that need second derivatives, while the data are available.
with_judgement <- function(fit, spec) {
  judged <- core_glmm_certificate(spec, fit$parameters, held_index(fit))
  from_hessian <- c("gradient", "certificate")
  fit$optsum[from_hessian] <- judged[from_hessian]
  covariance <- if (!is.null(poisson_limit(fit))) {
    covariance_given_shape(fit, spec)
  } else if (length(far_pairs(fit)) > 0L && needs_hessian(fit)) {
    covariance_of_estimates(fit, spec)
  } else {
    judged$covariance
  }
  fit["covariance"] <- list(covariance)
  fit
}

#' The covariance of the free estimates: theta (a correlation by its angle), beta, log(shape)
#'
#' `NULL` if the Hessian has a negative eigenvalue. As it costs nearly as much as the fit, a method
#' that needs it more than once works on `with_covariance(fit)`.
#' @noRd
hessian_covariance <- function(fit) {
  if ("covariance" %in% names(fit)) {
    return(fit$covariance)
  }
  spec <- fit_spec(fit)
  if (is.null(poisson_limit(fit))) {
    covariance_of_estimates(fit, spec)
  } else {
    covariance_given_shape(fit, spec)
  }
}

# The covariance of the estimates at the Poisson limit, where the Hessian is zero along log(shape):
# that of the other parameters at the estimated shape, with zeros for log(shape).
covariance_given_shape <- function(fit, spec) {
  spec$glmm$shape <- fit$glmm$shape
  spec$glmm$shape_kind <- "known"
  others <- utils::head(fit$parameters, -1L)
  covariance <- covariance_of_estimates(fit, spec, others)
  if (!is.null(covariance)) {
    rbind(cbind(covariance, 0), 0)
  }
}

#' The fit with the covariance of its estimates in the field `covariance`, if it will be needed
#' @noRd
with_covariance <- function(fit) {
  if (needs_hessian(fit)) {
    fit["covariance"] <- list(hessian_covariance(fit))
  }
  fit
}

#' Whether printed results need the covariance of the estimates: standard errors of the fixed
#' effects, unless they are separated, and of an estimated shape
#' @noRd
needs_hessian <- function(fit) UseMethod("needs_hessian")

#' @export
needs_hessian.rlmm_lmm <- function(fit) FALSE

#' @export
needs_hessian.rlmm_glmm <- function(fit) {
  has_errors <- length(fit$beta) > 0L && !has_separated_coefficient(fit)
  !fit$glmm$fast && (has_errors || estimates_shape(fit$glmm))
}

#' The block of the fixed effects in the covariance of the estimates
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

#' An estimated shape (theta of the negative binomial, or dispersion) and its standard error
#' @return `NULL` if no shape is estimated.
#' @noRd
shape_estimate <- function(fit) UseMethod("shape_estimate")

#' @export
shape_estimate.rlmm_lmm <- function(fit) NULL

#' @export
shape_estimate.rlmm_glmm <- function(fit) {
  if (!estimates_shape(fit$glmm)) {
    return(NULL)
  }
  covariance <- if (!fit$glmm$fast) hessian_covariance(fit)
  variance <- if (is.null(covariance) || !is.null(poisson_limit(fit))) {
    NA_real_
  } else {
    covariance[nrow(covariance), nrow(covariance)]
  }
  # The parameter of the objective is the logarithm of the shape.
  c(
    estimate = fit$glmm$shape,
    std_error = fit$glmm$shape * sqrt(variance)
  )
}

#' @export
fit_like.rlmm_glmm <- function(fit, design, est, control = fit$control) {
  new_glmm_fit(design, est, fit$call, control)
}
