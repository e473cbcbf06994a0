#' Conditional AIC
#'
#' The AIC of predictions for the groups of the data, where the random effects are what the model is
#' about: `-2 log f(y | b) + 2 df`, with the density given the modes of the random effects and the
#' effective degrees of freedom. (That of [AIC()] is about groups that are new.)
#'
#' The degrees of freedom are the sum of the derivatives of the fitted values in their observations,
#' and one for sigma, if it is estimated. At fixed theta the sum is the trace of the hat matrix,
#' `sum(hatvalues(fit))` (Vaida and Blanchard 2005): `theta = "known"`. With `theta = "estimated"`,
#' the default, theta moves with each observation as well, of which the exact derivatives take
#' account (Greven and Kneib 2010): with the trace alone a model with a random effect that isn't
#' there would always win. Variances of zero, and what is held, count as known.
#'
#' For a generalized model there is the trace at fixed theta, that of the working linear model, and
#' one for a dispersion or another shape that is estimated.
#'
#' @param object A fit.
#' @param theta `"estimated"` or `"known"`; see Details.
#' @param x What `cAIC()` returned.
#' @param digits Significant digits.
#' @param ... Not used.
#' @return A list of class `"rlmm_caic"`, with the names of package cAIC4: `loglikelihood`
#'   (conditional), `df` and `caic`.
#' @references
#' Greven, S. and Kneib, T. (2010) On the behaviour of marginal and conditional AIC in linear mixed
#' models. Biometrika 97, 773-789.
#'
#' Vaida, F. and Blanchard, S. (2005) Conditional Akaike information for mixed-effects models.
#' Biometrika 92, 351-370.
#' @examples
#' slopes <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' cAIC(slopes)
#' cAIC(update(slopes, . ~ . - (Days | Subject) + (1 | Subject)))$caic
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
  is_known <- !missing(theta) &&
    one_of(theta, c("estimated", "known"), "theta") == "known"
  loglik <- sum(row_loglik(object))
  trace <- sum(fit_leverage(object))
  more <- if (is_known) 0 else theta_freedom(object)
  n_scale <- (has_scale(object) && !object$known_sigma) ||
    estimates_parameter(object$glmm)
  df <- trace + more + n_scale
  structure(
    list(loglikelihood = loglik, df = df, caic = -2 * loglik + 2 * df),
    class = "rlmm_caic"
  )
}

#' @rdname cAIC
#' @export
print.rlmm_caic <- function(x, digits = max(5, getOption("digits") - 2), ...) {
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

#' What is added to the degrees of freedom as theta is estimated
#' @noRd
theta_freedom <- function(fit) UseMethod("theta_freedom")

#' @export
theta_freedom.rlmm_glmm <- function(fit) 0

#' The fitted values are y - W^-1 P y, where P = V^-1 - V^-1X Phi X'V^-1 has the derivatives P_k =
#' -P V_k P in theta; theta has the derivatives -H^-1 D in y, with H and D those of the objective's
#' gradient. The trace of the product is the sum of H^-1_kl (W^-1 P_k y)' D_l.
#' @noRd
#' @export
theta_freedom.rlmm_lmm <- function(fit) {
  known <- c(held_index(fit), fit_held(fit)$absolute, boundary_theta(fit))
  free <- setdiff(seq_along(fit$theta), known)
  if (length(free) == 0L) {
    return(0)
  }
  weights <- working_weights(fit)
  e <- scores_by_row(fit)
  moved <- projector_slopes(fit, e)[, free, drop = FALSE]
  slopes <- criterion_slopes(fit, e, moved, free)
  hessian <- core_derivatives(fit_spec(fit), fit$theta, exact = TRUE)$hessian
  inverse <- inverse_curvature(hessian[free, free, drop = FALSE])$matrix
  used <- weights > 0
  by_weight <- moved[used, , drop = FALSE] / weights[used]
  sum(inverse * crossprod(by_weight, slopes[used, , drop = FALSE]))
}

# The derivatives of the criterion's gradient in the free elements of theta, in each response.
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

#' V_k e for each element of theta: columns
#' @noRd
theta_directions <- function(fit, e) {
  found <- core_covariances(fit$random, fit$theta)
  columns <- Map(
    \(design, term, found) {
      z <- zt_block(design, term, seq_along(term$columns))
      modes <- matrix(as.double(z %*% e), length(term$columns))
      apply(found$jacobian, 2L, \(slope) {
        slope <- matrix(slope, nrow(modes))
        as.double(Matrix::crossprod(z, as.double(slope %*% modes)))
      })
    },
    term_designs(fit),
    fit$random,
    found
  )
  do.call(cbind, columns)
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
  -(solved - through %*% (chol2inv(fit$rx) %*% crossprod(x, solved)))
}
