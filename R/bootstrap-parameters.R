# The parameters of bootstrap replicates: standard deviations, correlations and fixed effects, and
# whether a replicate is singular or separated.

#' @rdname summary.rlmm_bootstrap
#' @export
as.matrix.rlmm_bootstrap <- function(x, signames = TRUE, ...) {
  refuse_dots(...)
  check_flag(signames, "signames")
  all <- cbind(bootstrap_variances(x), x$beta)
  if (signames) {
    colnames(all) <- bootstrap_labels(x)
  }
  all
}

# The names of the variance parameters, as in lme4, and of the fixed effects.
bootstrap_labels <- function(x) {
  variances <- bootstrap_variances(x)
  labels <- stats::setNames(nm = colnames(variances))
  c(
    ifelse(
      labels %in% c("sigma", "shape"),
      lme4_scale_names(labels),
      lme4_names(labels)
    ),
    colnames(x$beta)
  )
}

lme4_scale_names <- function(labels) paste0(".", labels)

#' Standard deviations and correlations of each replicate, with sigma or the shape if it is
#' estimated
#' @noRd
bootstrap_variances <- function(x) {
  fit <- x$fit
  terms <- Map(
    \(term, roles) {
      term_sdcor(x$theta[, term$theta, drop = FALSE], term, roles)
    },
    fit$random,
    core_structures(fit$random)
  )
  scale <- effects_scale(x)
  terms <- lapply(terms, \(term) {
    term$value[, term$is_sd] <- term$value[, term$is_sd] * scale
    term$value
  })
  cbind(do.call(cbind, terms), scale_columns(x))
}

# The standard deviation that scales Lambda in each replicate.
effects_scale <- function(x) {
  if (isFALSE(x$fit$relative)) 1 else x$sigma
}

# Sigma for a linear model; for a generalized one the square root of the dispersion, or another
# shape.
scale_columns <- function(x) {
  fit <- x$fit
  if (has_scale(fit) && !fit$known_sigma) {
    cbind(sigma = x$sigma)
  } else if (estimates_parameter(fit$glmm)) {
    cbind(shape = x$shape)
  }
}

#' The estimates of the fit, for comparison with the replicates
#' @noRd
bootstrap_estimates <- function(x) as.matrix(estimates_as_replicate(x))[1L, ]

# The estimates of the fit in the form of one replicate.
estimates_as_replicate <- function(x) {
  fit <- x$fit
  x$theta <- matrix(fit$theta, 1L)
  x$beta <- t(fit$beta[colnames(x$beta)])
  x$sigma <- fit$sigma
  x$shape <- drawn_shape(fit)
  x
}

#' Whether each replicate is singular, by the rule of isSingular()
#' @noRd
is_singular_replicate <- function(x, tol = 1e-4) {
  fit <- x$fit
  smallest <- core_smallest_singular_values(fit$random, t(x$theta))
  is_below <- lapply(smallest[!held_terms(fit)], `<`, tol)
  found <- Reduce(`|`, is_below, logical(nrow(x$theta)))
  !is.na(found) & found
}

#' Whether each replicate has a fixed effect that tends to infinity, by the rule of
#' `separated_effects()` for covariates near zero
#' @noRd
is_separated_replicate <- function(x) {
  if (!can_separate(x$fit) || ncol(x$beta) == 0L) {
    return(logical(nrow(x$beta)))
  }
  size <- largest_contributions(x)
  is_uncertain <- abs(x$beta) < 0.05 * x$std_error
  # With a covariate far from zero the intercept is always large and uncertain.
  is_uncertain[, colnames(x$beta) == "(Intercept)"] <- FALSE
  found <- rowSums((size > 3 & is_uncertain) | size > 1e3) > 0
  !is.na(found) & found
}

# The largest contribution of each fixed effect to the linear predictor, for each replicate.
largest_contributions <- function(x) {
  fit <- x$fit
  columns <- abs(column_matrix(fixed_columns(fit), nrow(fit$frame)))
  colnames(columns) <- names(fit$beta)
  columns <- columns[, colnames(x$beta), drop = FALSE]
  largest <- apply(columns, 2L, max)
  sweep(abs(x$beta), 2L, largest, "*")
}

#' The replicates of the selected parameters
#' @return A list: `values` (a matrix with a column for each parameter), and `estimate`.
#' @noRd
drawn_parameters <- function(x, parm, signames = FALSE) {
  values <- as.matrix(x, signames = signames)
  estimate <- stats::setNames(bootstrap_estimates(x), colnames(values))
  select_drawn(values, estimate, parm, ncol(x$beta))
}

# Selects parameters; variance parameters come before the fixed effects.
select_drawn <- function(values, estimate, parm, n_fixed) {
  n_variance <- ncol(values) - n_fixed
  wanted <- select_parameters(parm, colnames(values), n_variance)
  list(
    values = values[, wanted, drop = FALSE],
    estimate = estimate[wanted]
  )
}
