# Separated data: fixed effects without a finite estimate.

#' Names of the fixed effects that tend to infinity
#'
#' The likelihood keeps rising along such an effect, ever more slowly: at the end it is large (on the scale of the
#' linear predictor) and yet small beside its standard error. Effects that the data know have never both.
#' @noRd
separated_effects <- function(fit, spec) {
  unbounded <- c("logit", "probit", "cloglog", "cauchit", "log")
  if (length(fit$beta) == 0L || !fit$glmm$link %in% unbounded || has_dispersion(fit$family)) return(character())
  # At fixed theta; infinite where even the factor is singular.
  std_error <- tryCatch(sqrt(diag(chol2inv(fit$rx))), error = \(cnd) Inf)
  reach <- apply(abs(column_matrix(spec$x, length(spec$y))), 2L, max)
  size <- abs(fit$beta) * reach
  # Beyond any data, where even the standard error has no digits left.
  names(fit$beta)[size > 1e5 | (size > 3 & abs(fit$beta) < 0.05 * std_error)]
}

report_separation <- function(fit) {
  if (length(fit$separated) == 0L) return(invisible())
  lines <- separation_lines(fit$separated)
  warn_rlmm(
    c(lines[1L], x = lines[2L],
      i = "Is the response the same in all observations of a level, or beyond a value of a covariate?",
      i = "Leave the effect out, or merge levels? Its standard error means nothing."),
    "rlmm_warning_separation", effects = fit$separated
  )
}

separation_lines <- function(effects) {
  c(
    "The data are separated: the likelihood has no maximum at finite fixed effects.",
    paste0(enumerate(tick(effects)), if (length(effects) == 1L) " tends" else " tend", " to infinity.")
  )
}
