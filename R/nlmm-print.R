# Print and plot methods of nonlinear fits.

#' @rdname rnlmm
#' @export
format.rlmm_nlmm <- function(
  x,
  digits = max(3, getOption("digits") - 3),
  ...
) {
  warn_of_dots(...)
  check_digits(digits)
  loglik <- logLik.rlmm_nlmm(x)
  estimates <- c(
    AIC = stats::AIC(loglik),
    BIC = stats::BIC(loglik),
    logLik = as.double(loglik)
  )
  c(
    nonlinear_title(x),
    formula_lines(x$formula),
    argument_lines(x$call),
    paste(
      names(estimates),
      format(estimates, digits = digits + 3),
      collapse = "  "
    ),
    "",
    format_random_effects(
      VarCorr.rlmm_nlmm(x),
      nobs.rlmm_nlmm(x),
      ngrps.rlmm_nlmm(x),
      digits,
      c("Variance", "Std.Dev."),
      TRUE
    ),
    "",
    "Fixed effects:",
    utils::capture.output(print(nonlinear_table(x), digits = digits))
  )
}

nonlinear_title <- function(x) {
  kind <- if (x$nAGQ == 0) "nAGQ = 0" else "Laplace approximation"
  sprintf("Nonlinear mixed model fit by maximum likelihood (%s)", kind)
}

nonlinear_table <- function(x) {
  errors <- sqrt(diag(vcov.rlmm_nlmm(x)))
  cbind(
    Estimate = x$beta,
    `Std. Error` = errors,
    `z value` = x$beta / errors
  )
}

#' @rdname rnlmm
#' @export
print.rlmm_nlmm <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @rdname rnlmm
#' @export
summary.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  structure(
    list(
      fit = object,
      coefficients = nonlinear_table(object),
      residuals = residuals.rlmm_nlmm(object, "scaled"),
      sigma = object$sigma,
      vcov = vcov.rlmm_nlmm(object),
      varcor = VarCorr.rlmm_nlmm(object)
    ),
    class = "summary.rlmm_nlmm"
  )
}

#' @export
print.summary.rlmm_nlmm <- function(x, ...) {
  lines <- format.rlmm_nlmm(x$fit, ...)
  random <- match("Random effects:", lines)
  quantiles <- stats::quantile(
    x$residuals,
    na.rm = TRUE,
    names = FALSE
  )
  names(quantiles) <- c("Min", "1Q", "Median", "3Q", "Max")
  shown <- utils::capture.output(print(quantiles, digits = 4))
  writeLines(append(lines, c("Scaled residuals:", shown, ""), random - 1L))
  invisible(x)
}

#' @rdname rnlmm
#' @export
plot.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  need_package("lattice", "plot()")
  r <- residuals.rlmm_nlmm(x, "scaled")
  fitted <- fitted.rlmm_nlmm(x)
  cloud(
    fitted,
    r,
    "Fitted values",
    "Scaled residuals",
    line = 0
  )
}

#' @export
coef.summary.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  object$coefficients
}
