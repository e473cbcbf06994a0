#' Conditional AIC
#'
#' The AIC for predictions in the groups of the data, where the random effects are of interest: `-2
#' log f(y | b) + 2 df`, with the density given the modes of the random effects and the effective
#' degrees of freedom. ([AIC()] is about new groups.)
#'
#' The degrees of freedom are the sum of the derivatives of the fitted values in their observations,
#' plus one for an estimated sigma. At fixed theta the sum is the trace of the hat matrix,
#' `sum(hatvalues(fit))` (Vaida and Blanchard 2005): `theta = "known"`. With `theta = "estimated"`,
#' the default, the exact derivatives account for the dependence of theta on the observations
#' (Greven and Kneib 2010); the trace alone would always favour a model with a superfluous random
#' effect. Variances of zero and held parameters count as known.
#'
#' For a generalized model the trace is that of the working linear model, and one is added for an
#' estimated dispersion or shape. For Poisson and binomial models with `theta = "estimated"`, the
#' degrees of freedom come from refits to data in which one count is changed by one, as a difference
#' replaces the derivative. For Poisson models the sum over rows of `y_i` times the change of the
#' log fitted mean when `y_i` is reduced by one is unbiased, whatever is estimated (Lian 2012); the
#' corresponding sum for binomial models is unbiased for given fitted probabilities only (Saefken et
#' al. 2014). This takes a refit for each row, two minutes for the 7,584 answers of [VerbAgg].
#' `theta = "known"` needs no refits, and is the only choice for other families and for weighted
#' Poisson models.
#'
#' @param object A fitted model.
#' @param theta `"estimated"` or `"known"`; see Details.
#' @param x The result of `cAIC()`.
#' @param digits The number of significant digits.
#' @param ... Not used.
#' @return A list of class `"rlmm_caic"` with the components of package cAIC4: `loglikelihood`
#'   (conditional), `df` and `caic`.
#' @references
#' Greven, S. and Kneib, T. (2010) On the behaviour of marginal and conditional AIC in linear mixed
#' models. Biometrika 97, 773-789.
#'
#' Lian, H. (2012) A note on conditional Akaike information for Poisson regression with random
#' effects. Electronic Journal of Statistics 6, 1-9.
#'
#' Saefken, B., Kneib, T., van Waveren, C.-S. and Greven, S. (2014) A unifying approach to the
#' estimation of the conditional Akaike information in generalized linear mixed models. Electronic
#' Journal of Statistics 8, 201-225.
#'
#' Vaida, F. and Blanchard, S. (2005) Conditional Akaike information for mixed-effects models.
#' Biometrika 92, 351-370.
#' @examples
#' slopes <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' cAIC(slopes)
#' cAIC(update(slopes, . ~ . - (Days | Subject) + (1 | Subject)))$caic
#' herds <- rglmm(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, family = binomial)
#' cAIC(herds)
#' @export
cAIC <- function(object, ...) {
  check_fit(object, "object")
  UseMethod("cAIC")
}

#' @rdname cAIC
#' @export
cAIC.rlmm <- function(object, theta = c("estimated", "known"), ...) {
  refuse_dots(...)
  if (!is.null(object$strata)) {
    abort_with_strata("`cAIC()`")
  }
  theta <- one_of(theta, c("estimated", "known"), "theta")
  object <- with_all_rows(object)
  loglik <- sum(row_loglik(object))
  of_fitted <- if (theta == "known") {
    sum(fit_leverage(object))
  } else {
    fitted_freedom(object)
  }
  df <- of_fitted + n_scale_parameters(object)
  structure(
    list(
      loglikelihood = loglik,
      df = df,
      caic = 2 * (df - loglik)
    ),
    class = "rlmm_caic"
  )
}

# One if sigma, a dispersion or a shape is estimated.
n_scale_parameters <- function(fit) {
  has_sigma <- has_scale(fit) && !fit$known_sigma
  as.integer(has_sigma || estimates_parameter(fit$glmm))
}

#' @rdname cAIC
#' @export
print.rlmm_caic <- function(
  x,
  digits = max(5, getOption("digits") - 2),
  ...
) {
  warn_of_dots(...)
  values <- c(
    "Conditional log-likelihood" = x$loglikelihood,
    "Effective degrees of freedom" = x$df,
    "Conditional AIC" = x$caic
  )
  text <- vapply(values, format, "", digits = digits)
  writeLines(paste0(
    format(paste0(names(values), ": ")),
    format(text, justify = "right")
  ))
  invisible(x)
}

#' The degrees of freedom of the fitted values with theta estimated
#' @noRd
fitted_freedom <- function(fit) UseMethod("fitted_freedom")

#' @export
fitted_freedom.rlmm_lmm <- function(fit) {
  sum(fit_leverage(fit)) + theta_freedom(fit)
}

#' The sum of the covariances of each response with its fitted natural parameter, estimated from
#' refits to changed responses
#' @noRd
#' @export
fitted_freedom.rlmm_glmm <- function(fit) {
  estimate <- covariance_estimate(fit)
  if (is.null(estimate)) {
    return(sum(fit_leverage(fit)))
  }
  response <- fit_response(fit)
  trials <- response$weights %||% rep(1, length(response$y))
  rows <- which(trials > 0)
  counts <- response$y * trials
  report <- progress_reporter(length(rows), "Fits", fit$control$progress)
  parts <- vapply(
    seq_along(rows),
    \(at) {
      if (!is.null(report)) {
        report(at)
      }
      covariance_part(fit, estimate, rows[at], counts, trials)
    },
    0
  )
  sum(parts)
}

# The contribution of one row; messages about singular refits are suppressed.
covariance_part <- function(fit, estimate, row, counts, trials) {
  suppressMessages(
    estimate(fit, row, counts, trials),
    classes = "rlmm_message"
  )
}

# The estimator of the covariance of a row; `NULL` for other families and counts that aren't whole.
covariance_estimate <- function(fit) {
  response <- fit_response(fit)
  weights <- response$weights %||% 1
  is_binomial <- fit$glmm$family == "binomial"
  counts <- if (is_binomial) response$y * weights else response$y
  if (any(abs(counts - round(counts)) > 1e-6)) {
    return(NULL)
  }
  switch(
    fit$glmm$family,
    poisson = if (all(weights == 1)) poisson_covariance,
    binomial = binomial_covariance
  )
}

# E (Y - mu) h(Y) = E Y (h(Y) - h(Y - 1)) for every function h of a Poisson variable.
poisson_covariance <- function(fit, row, counts, trials) {
  if (counts[row] == 0) {
    return(0)
  }
  less <- refitted_mean(fit, row, counts, trials, -1)
  counts[row] * log(fit$fitted[row] / less)
}

# E (Y - m p) h(Y) = m p (1 - p) E (h(Z + 1) - h(Z)), where Z are the successes of m - 1 trials:
# with probability Y / m the trial that is left out is a success.
binomial_covariance <- function(fit, row, counts, trials) {
  m <- trials[row]
  successes <- counts[row] / m
  mean <- fit$fitted[row]
  logit <- stats::qlogis(mean)
  step <- \(by) {
    other <- refitted_mean(fit, row, counts, trials, by)
    by * (stats::qlogis(other) - logit)
  }
  lower <- if (successes > 0) successes * step(-1) else 0
  upper <- if (successes < 1) (1 - successes) * step(1) else 0
  m * mean * (1 - mean) * (lower + upper)
}

# The fitted mean of a row after a change of its count.
refitted_mean <- function(fit, row, counts, trials, by) {
  counts[row] <- counts[row] + by
  is_two_columns <- is.matrix(fit$frame[[1L]])
  response <- if (is_two_columns) {
    cbind(counts, trials - counts)
  } else {
    counts / trials
  }
  refit.rlmm(fit, response)$fitted[row]
}

#' The additional degrees of freedom of a linear model for the estimation of theta
#'
#' The fitted values are y - W^-1 P y, with P = V^-1 - V^-1 X Phi X'V^-1 and derivatives P_k = -P
#' V_k P in theta. The derivatives of theta in y are -H^-1 D, with H and D the derivatives of the
#' objective's gradient in theta and y. The trace of the product is the sum of H^-1_kl (W^-1 P_k y)'
#' D_l.
#' @noRd
theta_freedom <- function(fit) {
  fit <- in_orthogonal_columns(fit)
  known <- c(held_index(fit), fit_held(fit)$absolute, boundary_theta(fit))
  free <- setdiff(seq_along(fit$theta), known)
  if (length(free) == 0L) {
    return(0)
  }
  e <- scores_by_row(fit)
  moved <- projector_slopes(fit, e)[, free, drop = FALSE]
  slopes <- criterion_slopes(fit, e, moved, free)
  products <- weighted_cross(moved, slopes, working_weights(fit))
  sum(inverse_hessian(fit, free) * products)
}

# The inverse of the criterion's Hessian in the free elements of theta.
inverse_hessian <- function(fit, free) {
  hessian <- core_derivatives(fit_spec(fit), fit$theta, exact = TRUE)$hessian
  inverse_curvature(hessian[free, free, drop = FALSE])$matrix
}

# M'W^-1 S, without rows of weight zero.
weighted_cross <- function(moved, slopes, weights) {
  used <- weights > 0
  by_weight <- moved[used, , drop = FALSE] / weights[used]
  crossprod(by_weight, slopes[used, , drop = FALSE])
}

# The derivatives in each response of the criterion's gradient in the free elements of theta.
criterion_slopes <- function(fit, e, moved, free) {
  if (fit$known_sigma) {
    return(2 * moved / fit$sigma^2)
  }
  directions <- theta_directions(fit, e)[, free, drop = FALSE]
  quadratic <- -colSums(e * directions)
  df <- nobs.rlmm(fit) - if (isREML.rlmm(fit)) n_free_beta(fit) else 0
  r2 <- fit$dev$pwrss
  2 * df * (moved / r2 - e %*% t(quadratic) / r2^2)
}

#' V_k e, with a column for each element of theta
#' @noRd
theta_directions <- function(fit, e) {
  found <- core_covariances(fit$random, fit$theta)
  jacobians <- lapply(found, `[[`, "jacobian")
  designs <- term_designs(fit)
  columns <- Map(term_directions, designs, fit$random, jacobians, list(e))
  do.call(cbind, columns)
}

term_directions <- function(design, term, jacobian, e) {
  z <- zt_block(design, term, seq_along(term$columns))
  modes <- matrix(as.double(z %*% e), length(term$columns))
  apply(jacobian, 2L, \(slope) {
    slope <- matrix(slope, nrow(modes))
    as.double(Matrix::crossprod(z, as.double(slope %*% modes)))
  })
}

#' P_k y for each element of theta, from e = P y
#' @noRd
projector_slopes <- function(fit, e) {
  directions <- theta_directions(fit, e)
  x <- free_matrix(fit)
  solved <- marginal_solve(fit, lambdat_zt(fit), directions)
  if (ncol(x) == 0L) {
    return(-solved)
  }
  through <- marginal_solve(fit, lambdat_zt(fit), x)
  by_fixed <- chol2inv(fit$rx) %*% crossprod(x, solved)
  -(solved - through %*% by_fixed)
}
