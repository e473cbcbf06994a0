#' Residual standard deviations by stratum
#'
#' The residual standard deviation of each stratum of a fit with `rlmm(dispersion = ~ g)`, and its
#' ratio to that of the first stratum.
#'
#' Standard errors are those of the logarithm of the ratio, from the Hessian of the criterion in all
#' variance parameters (by differences of its exact gradient). Limits are computed on the log scale.
#'
#' @param object A fitted model.
#' @param level The confidence level.
#' @param ... Not used; any argument here is an error.
#' @return A data frame with the columns `stratum`, `n` (the number of observations), `sigma`,
#'   `ratio`, `std.error` (of log `ratio`), `lwr` and `upr` (limits of `ratio`).
#' @examples
#' fit <- rlmm(
#'   distance ~ age * Sex + (1 | Subject),
#'   nlme::Orthodont,
#'   dispersion = ~ Sex
#' )
#' residual_strata(fit)
#' @export
residual_strata <- function(object, level = 0.95, ...) {
  check_fit(object, "object")
  refuse_dots(...)
  check_confidence(level)
  check_has_strata(object)
  log_ratio <- object$strata$log_ratio
  std_error <- c(0, sqrt(diag(strata_covariance(object))))
  limits <- exp(wald_limits(log_ratio, std_error, level))
  data.frame(
    stratum = object$strata$levels,
    n = as.vector(table(strata_of(fit_frame(object)))),
    sigma = object$sigma * exp(log_ratio),
    ratio = exp(log_ratio),
    std.error = std_error,
    lwr = limits[, 1L],
    upr = limits[, 2L]
  )
}

check_has_strata <- function(fit) {
  if (is.null(fit$strata)) {
    abort_rlmm(
      c(
        "The fit has one residual variance.",
        i = "`rlmm(dispersion = ~ g)` has one for each level of `g`."
      ),
      "rlmm_error_not_available"
    )
  }
}

# The covariance of the log ratios gamma, from differences of the gradient.
strata_covariance <- function(fit) {
  design <- fit_design(fit)
  control <- refit_control(fit, design)
  gradient <- \(gamma) strata_point(design, gamma, fit$theta, control)$gradient
  gamma <- fit$strata$log_ratio[-1L]
  step <- 1e-3
  columns <- lapply(seq_along(gamma), \(k) {
    shift <- replace(0 * gamma, k, step)
    (gradient(gamma + shift) - gradient(gamma - shift)) / (2 * step)
  })
  2 * solve(symmetric_part(do.call(cbind, columns)))
}
