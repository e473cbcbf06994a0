# diagnose(): the diagnostics of a fit on one page.

#' Diagnosis of a fit
#'
#' The diagnostics that a reviewer would ask for, on one page: convergence, singularity, the numbers
#' of levels, normality of residuals and random effects, influential rows and groups, collinearity
#' of the fixed effects, and for counts overdispersion and the number of zeros. `plot()` of the
#' result draws the plots that go with it.
#'
#' @details Each line is marked `ok`, `look` (should be looked at before the model is relied on) or
#' `bad` (results are invalid), and reports what was measured:
#'
#' * Residuals: scaled residuals of linear models, and quantile residuals of generalized ones (see
#'   [residuals.rlmm()]), both given the random effects. Skewness beyond 1, excess kurtosis beyond 2
#'   and residuals beyond 4.5 are marked `look`.
#' * Spread: Spearman's correlation of the absolute residuals with the fitted values.
#' * Random effects: the Shapiro-Wilk test of the conditional modes of each effect. Modes are
#'   shrunk, and by different amounts if groups differ in size, so that a small p-value is only a
#'   reason to look at the plot.
#' * Influence: the leverage of rows, and Cook's distance of deleting each level at fixed theta (see
#'   [influence.rlmm()]), for grouping factors with up to 3,000 levels.
#' * Overdispersion, for families without a dispersion: the sum of squared Pearson residuals over
#'   the residual degrees of freedom.
#' * Zeros: the number of zeros, and its expectation and standard deviation under the model given
#'   the random effects.
#' * Rows, for a fit of sums ([rlmm_sums()]) only: such a fit has no rows, and the checks that need
#'   them are left out.
#'
#' glmmTMB has a function with this name; for a fit of glmmTMB, that function is called.
#'
#' @param object A fitted model.
#' @param ... Not used.
#' @return A list of class `"rlmm_diagnosis"`: `checks`, a data frame with the columns `check`,
#'   `mark` and `finding`; `residuals`; `modes`, a list of standardized conditional modes;
#'   `influence`, a list of results of [influence.rlmm()] by grouping factor; and `fit`.
#' @seealso [certificate()], [is_singular()], [influence.rlmm()], [variance_inflation()],
#'   [plot.rlmm()]; [preview()] before fitting.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' diagnose(fit)
#' ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
#' diagnose(ticks)
#' @export
diagnose <- function(object, ...) UseMethod("diagnose")

#' @export
diagnose.default <- function(object, ...) {
  if (inherits(object, "glmmTMB") && isNamespaceLoaded("glmmTMB")) {
    return(getExportedValue("glmmTMB", "diagnose")(object, ...))
  }
  check_fit(object, "object")
}

#' @rdname diagnose
#' @export
diagnose.rlmm <- function(object, ...) {
  refuse_dots(...)
  object <- with_all_rows(object)
  facts <- list(fit = object, modes = standardized_modes(object))
  if (is.null(object$sums)) {
    fit_frame(object)
    facts <- c(facts, facts_of_rows(object))
  }
  table <- finding_table(facts)
  facts$leverage <- NULL
  structure(c(list(checks = table), facts), class = "rlmm_diagnosis")
}

facts_of_rows <- function(fit) {
  list(
    residuals = diagnostic_residuals(fit),
    leverage = fit_leverage(fit),
    influence = influence_by_factor(fit)
  )
}

# The findings of all checks in rows; a check may have several findings or none.
finding_table <- function(facts) {
  checks <- lapply(diagnostic_checks, \(check) check(facts))
  checks <- checks[lengths(checks) > 0L]
  data.frame(
    check = rep(names(checks), vapply(checks, nrow, 1L)),
    do.call(rbind, unname(checks))
  )
}

#' Scaled residuals of a linear model, or quantile residuals of a generalized one
#' @noRd
diagnostic_residuals <- function(fit) {
  r <- if (isGLMM.rlmm(fit)) {
    quantile_residuals(fit, seed = 1)
  } else {
    raw_residuals(fit, "pearson") / fit$sigma
  }
  row_named(fit, r)
}

#' The conditional modes of each effect with positive variance, divided by their standard deviation
#' @noRd
standardized_modes <- function(fit) {
  by_term <- Map(modes_by_effect, fit$b, component_names(fit))
  modes <- unlist(unname(by_term), recursive = FALSE)
  spread <- vapply(modes, stats::sd, 0)
  modes <- modes[is.finite(spread) & spread > 0]
  lapply(modes, \(mode) mode / stats::sd(mode))
}

# The conditional modes of each effect of a term, named "<term>: <effect>".
modes_by_effect <- function(b, name) {
  columns <- lapply(colnames(b), \(column) b[, column])
  stats::setNames(columns, paste0(name, ": ", colnames(b)))
}

# The largest number of levels for which influential levels are computed.
max_diagnosed_levels <- 3000L

influence_by_factor <- function(fit) {
  levels <- ngrps.rlmm(fit)
  is_cheap <- levels > 1L & levels <= max_diagnosed_levels
  has_fixed <- n_free_beta(fit) > 0L && !has_large(fit)
  factors <- if (n_rows(fit) <= 2e5 && has_fixed) names(levels)[is_cheap]
  found <- lapply(stats::setNames(nm = factors), \(group) {
    suppressWarnings(influence.rlmm(fit, group, one_step = FALSE))
  })
  found
}

# Printing ----------------------------------------------------------------

#' @rdname diagnose
#' @param x The result of `diagnose()`.
#' @export
format.rlmm_diagnosis <- function(x, ...) {
  warn_of_dots(...)
  rows <- plural(n_rows(x$fit), "observation")
  kind <- model_kind(isGLMM.rlmm(x$fit))
  c(
    sprintf("Diagnosis of a %s of %s", kind, rows),
    "",
    finding_lines(x$checks)
  )
}

# Marks and checks are in a margin of 22 columns, with findings wrapped next to them.
finding_lines <- function(table) {
  label <- ifelse(duplicated(table$check), "", table$check)
  mark <- formatC(table$mark, width = -6)
  margin <- paste0(mark, formatC(label, width = -16))
  width <- max(getOption("width"), 60L) - 24L
  lines <- Map(
    \(margin, text) beside_margin(margin, strwrap(text, width)),
    margin,
    table$finding
  )
  unlist(lines, use.names = FALSE)
}

beside_margin <- function(margin, lines) {
  blank <- strrep(" ", nchar(margin))
  paste0(c(margin, rep(blank, length(lines) - 1L)), lines)
}

#' @rdname diagnose
#' @export
print.rlmm_diagnosis <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @rdname diagnose
#' @param row.names,optional Not used.
#' @export
as.data.frame.rlmm_diagnosis <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  ...
) {
  warn_of_dots(..., also = data_frame_arguments)
  x$checks
}
