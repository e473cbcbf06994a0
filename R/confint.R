#' Confidence limits
#'
#' Wald limits for the fixed effects: estimate plus and minus a normal quantile times the standard error. As in lme4
#' the table has a row for each variance parameter too (`.sig01`, ..., `.sigma`), with `NA`: Wald limits of
#' variances can't be trusted, so none are given.
#'
#' @param object A fit.
#' @param parm Names or numbers of the parameters; `"beta_"` for all fixed effects, `"theta_"` for all variance
#'   parameters. All, by default.
#' @param level Confidence level.
#' @param method Only `"Wald"` so far.
#' @param ... Not used.
#' @return A matrix with a row per parameter and columns for the lower and the upper limit.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' confint(fit, parm = "beta_")
#' confint(fit, "Days", level = 0.9)
#' @importFrom stats confint
#' @export
confint.rlmm <- function(object, parm = NULL, level = 0.95, method = "Wald", ...) {
  check_confidence(level)
  check_interval_method(method)
  variance_rows <- c(sprintf(".sig%02d", seq_along(object$theta)), if (!object$known_sigma) ".sigma")
  limits <- rbind(
    matrix(NA_real_, length(variance_rows), 2, dimnames = list(variance_rows, NULL)),
    wald_limits(object$beta, standard_errors(object), level)
  )
  colnames(limits) <- limit_names(level)
  limits[select_parameters(parm, rownames(limits), length(variance_rows)), , drop = FALSE]
}

wald_limits <- function(estimate, std_error, level) {
  half_width <- stats::qnorm((1 + level) / 2) * std_error
  cbind(estimate - half_width, estimate + half_width)
}

limit_names <- function(level) {
  paste(format(100 * c((1 - level) / 2, (1 + level) / 2), trim = TRUE, scientific = FALSE, digits = 3), "%")
}

select_parameters <- function(parm, labels, n_variance) {
  is_variance <- seq_along(labels) <= n_variance
  if (is.null(parm)) {
    return(labels)
  }
  if (identical(parm, "beta_")) {
    return(labels[!is_variance])
  }
  if (identical(parm, "theta_")) {
    return(labels[is_variance])
  }
  if (is.numeric(parm)) parm <- labels[parm]
  unknown <- setdiff(parm, labels)
  if (length(unknown) == 0) {
    return(parm)
  }
  abort_rlmm(
    c(
      "`parm` must name parameters of the model.",
      x = paste0("Can't find ", enumerate(dQuote(unknown, FALSE)), "."),
      i = paste0("They are ", enumerate(dQuote(labels, FALSE), max = 10L), ".")
    ),
    "rlmm_error_unknown_parameter"
  )
}

check_confidence <- function(level) {
  if (is_number(level) && level > 0 && level < 1) {
    return(invisible(level))
  }
  abort_rlmm(
    c("`level` must be one number between 0 and 1.", x = paste0("It is ", describe_type(level), ".")),
    "rlmm_error_argument", arg = "level"
  )
}

check_interval_method <- function(method) {
  if (identical(tolower(method), "wald")) {
    return(invisible(method))
  }
  abort_rlmm(
    c(
      '`method` must be "Wald".',
      x = paste0(describe_type(method), " isn't available yet."),
      i = "Wald limits are for the fixed effects only: limits of variances need a profile or a bootstrap."
    ),
    "rlmm_error_not_available", arg = "method"
  )
}
