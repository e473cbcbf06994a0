# Methods for package lmtest.

#' @rawNamespace S3method(lmtest::coeftest, rlmm)
coeftest.rlmm <- function(x, vcov. = NULL, df = NULL, ...) {
  if (!is.function(vcov.)) {
    warn_of_dots(...)
  }
  covariance <- requested_covariance(x, vcov., ...)
  found <- wald_table(fixef.rlmm(x), covariance, df)
  structure(
    found,
    class = "coeftest",
    method = paste(if (is.null(df)) "z" else "t", "test of coefficients"),
    df = df %||% 0,
    nobs = nobs.rlmm(x),
    logLik = logLik.rlmm(x)
  )
}

#' @rawNamespace S3method(lmtest::coefci, rlmm)
coefci.rlmm <- function(
  x,
  parm = NULL,
  level = 0.95,
  vcov. = NULL,
  df = NULL,
  ...
) {
  check_confidence(level)
  if (!is.function(vcov.)) {
    warn_of_dots(...)
  }
  beta <- fixef.rlmm(x)
  parm <- parm %||% names(beta)
  std_error <- sqrt(diag(as.matrix(requested_covariance(x, vcov., ...))))
  names(std_error) <- names(beta)
  limits <- wald_limits(
    beta[parm],
    std_error[parm],
    level,
    df %||% Inf
  )
  colnames(limits) <- limit_names(level)
  limits
}

#' The covariance matrix of the fixed effects: given as a matrix, computed by a function of the fit,
#' or that of the fit
#' @noRd
requested_covariance <- function(fit, covariance, ...) {
  if (is.null(covariance)) {
    vcov.rlmm(fit)
  } else if (is.function(covariance)) {
    as.matrix(covariance(fit, ...))
  } else {
    as.matrix(covariance)
  }
}

wald_table <- function(estimate, covariance, df) {
  std_error <- sqrt(diag(covariance))
  ratio <- estimate / std_error
  tests <- if (is.null(df)) {
    z_tests(ratio)
  } else {
    t_tests(ratio, df)[, -1L, drop = FALSE]
  }
  cbind(Estimate = estimate, `Std. Error` = std_error, tests)
}
