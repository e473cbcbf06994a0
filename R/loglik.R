#' Log-likelihood, deviance and information criteria
#'
#' `logLik()` of a REML fit is the restricted log-likelihood, as in lme4. `REML = FALSE` evaluates
#' the ordinary log-likelihood at the REML estimates of theta, and `REML = TRUE` the restricted one
#' at the ML estimates, without refitting.
#'
#' `deviance()` of a linear mixed model is -2 times the log-likelihood; for a REML fit it is the
#' REML criterion, which `REMLcrit()` returns for any fit. There is no saturated model as a
#' reference, and the deviance may be negative.
#'
#' For a generalized linear mixed model `logLik()` is the approximation by Laplace or adaptive
#' quadrature, including all constants of the density. `deviance()` is, as in lme4, conditional on
#' the random effects, the sum of squared deviance residuals, and not -2 times the log-likelihood;
#' with `nAGQ` it is -2 times the log-likelihood at the estimates, evaluated with that many nodes.
#'
#' `nobs()` is the number of observations with positive weight. `df.residual()` is `nobs()` minus
#' the number of parameters: fixed effects, theta, and sigma (or theta of the negative binomial)
#' unless it is known. As in lme4, `extractAIC()` refits REML fits by maximum likelihood, since REML
#' criteria of models with different fixed effects can't be compared.
#'
#' `AICc()` is the AIC with the small-sample correction, `AIC + 2 k (k + 1) / (n - k - 1)` for k
#' parameters and n observations. Its default method applies to any object with a `logLik()` method.
#' `AIC()` and `BIC()` compare several fits in a table.
#'
#' @param object,fit A fitted model.
#' @param REML `TRUE`, `FALSE`, or `NULL` for the criterion of the fit.
#' @param nAGQ For a generalized model, the number of quadrature nodes, 1 for the Laplace
#'   approximation.
#' @param scale,use.fallback Not used; arguments of R's own methods.
#' @param k The penalty for each parameter; 2 gives the AIC.
#' @param ... For `AIC()` and `BIC()`, further fits; otherwise not used.
#' @return `logLik()`: an object of class `"logLik"` with the attributes `df` and `nobs`; for a fit
#'   by the iterative engine (see [rlmm_control()]) also `se`, the standard error of its estimate.
#'   `extractAIC()`: the number of parameters and the AIC. The others return a number.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
#' logLik(fit)
#' c(AIC(fit), AICc(fit), BIC(fit))
#' deviance(fit)
#' @name logLik.rlmm
NULL

#' @rdname logLik.rlmm
#' @importFrom stats logLik
#' @export
logLik.rlmm <- function(object, REML = NULL, ...) {
  refuse_dots(...)
  n <- nobs.rlmm(object)
  found <- structure(
    -criterion(object, REML) / 2,
    nobs = n,
    nall = n,
    df = n_parameters(object),
    class = "logLik"
  )
  attr(found, "se") <- loglik_se(object)
  found
}

#' The standard error of the log-likelihood of the iterative engine; `NULL` if it is exact
#' @noRd
loglik_se <- function(fit) fit$optsum$noise$loglik_se

#' The log-likelihoods of fits and their numbers of parameters
#' @noRd
log_likelihoods <- function(fits) {
  found <- lapply(unname(fits), stats::logLik)
  df <- \(loglik) as.double(attr(loglik, "df"))
  list(
    value = vapply(found, as.double, 0),
    npar = vapply(found, df, 0)
  )
}

#' @rdname logLik.rlmm
#' @importFrom stats AIC
#' @export
AIC.rlmm <- function(object, ..., k = 2) {
  refuse_no_fits(..., known = "k")
  check_penalty(k)
  NextMethod()
}

#' @rdname logLik.rlmm
#' @importFrom stats BIC
#' @export
BIC.rlmm <- function(object, ...) {
  refuse_no_fits(...)
  NextMethod()
}

#' @rdname logLik.rlmm
#' @importFrom stats deviance
#' @export
deviance.rlmm <- function(object, REML = NULL, ...) {
  refuse_dots(...)
  criterion(object, REML)
}

#' @rdname logLik.rlmm
#' @export
deviance.rlmm_glmm <- function(object, REML = NULL, nAGQ = NULL, ...) {
  refuse_dots(...)
  if (!is.null(REML) && check_flag(REML, "REML")) {
    abort_glmm("The REML criterion")
  }
  if (is.null(nAGQ)) {
    return(object$dev$deviance)
  }
  check_nodes(nAGQ)
  check_quadrature(nAGQ, object$random)
  spec <- fit_spec(object)
  spec$glmm$nodes <- max(nAGQ, 1)
  core_glmm_objective(spec, object$parameters)
}

#' @rdname logLik.rlmm
#' @export
REMLcrit.rlmm <- function(object, ...) {
  refuse_dots(...)
  criterion(object, TRUE)
}

#' @rdname logLik.rlmm
#' @importFrom stats nobs
#' @export
nobs.rlmm <- function(object, use.fallback = FALSE, ...) {
  refuse_dots(...)
  object$dev$n_eff
}

#' @rdname logLik.rlmm
#' @importFrom stats df.residual
#' @export
df.residual.rlmm <- function(object, ...) {
  refuse_dots(...)
  nobs.rlmm(object) - n_parameters(object)
}

#' @rdname logLik.rlmm
#' @importFrom stats extractAIC
#' @export
extractAIC.rlmm <- function(fit, scale = 0, k = 2, ...) {
  refuse_dots(...)
  check_penalty(k)
  log_lik <- logLik.rlmm(if (isREML.rlmm(fit)) refitML(fit) else fit)
  edf <- attr(log_lik, "df")
  c(edf, -2 * as.numeric(log_lik) + k * edf)
}

#' @rdname logLik.rlmm
#' @export
AICc <- function(object, ...) UseMethod("AICc")

#' @rdname logLik.rlmm
#' @export
AICc.default <- function(object, ...) {
  refuse_dots(...)
  log_lik <- stats::logLik(object)
  k <- attr(log_lik, "df")
  n <- stats::nobs(log_lik)
  -2 * as.numeric(log_lik) + 2 * k + small_sample_term(k, n)
}

# The correction term of AICc, which is infinite if there are too few observations, so that the
# criterion doesn't prefer the model. There is a number of observations for each of many responses.
small_sample_term <- function(k, n) {
  term <- 2 * k * (k + 1) / (n - k - 1)
  ifelse(n > k + 1, term, Inf)
}

n_parameters <- function(fit) {
  has_shape <- !fit$known_sigma || estimates_parameter(fit$glmm)
  n_ratios <- max(length(fit$strata$levels) - 1L, 0L)
  n_coefficients(fit) + length(fit$theta) - n_held(fit) + has_shape + n_ratios
}

#' The criterion d(theta, sigma) at the fit's theta, with sigma profiled out unless it is known
#' @noRd
criterion <- function(fit, reml = NULL) {
  if (!is.null(reml)) {
    check_flag(reml, "REML")
  }
  own_criterion(fit, reml)
}

own_criterion <- function(fit, reml) UseMethod("own_criterion")

#' @export
own_criterion.rlmm_lmm <- function(fit, reml) {
  own <- isREML.rlmm(fit)
  if (is.null(reml) || reml == own) {
    return(fit$dev$objective)
  }
  if (has_large(fit)) {
    spec <- replace(fit_spec(fit), "reml", reml)
    added <- if (reml) criterion_of_coding(fit$fixed$large) else 0
    return(core_objective(spec, fit$theta) + added)
  }
  fit$dev$objective + criterion_part(fit, reml) - criterion_part(fit, own)
}

#' @export
own_criterion.rlmm_glmm <- function(fit, reml) {
  if (isTRUE(reml)) {
    abort_glmm("The REML criterion")
  }
  fit$dev$objective
}

# The component of the criterion that differs between ML and REML, without the determinants of L and
# the weights.
criterion_part <- function(fit, reml) {
  dev <- fit$dev
  df <- dev$n_eff - if (reml) n_coefficients(fit) else 0
  sigma2 <- if (fit$known_sigma || has_free_scale(fit)) {
    fit$sigma^2
  } else {
    dev$pwrss / df
  }
  df *
    log(2 * pi * sigma2) +
    dev$pwrss / sigma2 +
    if (reml) dev$log_det_fe else 0
}
