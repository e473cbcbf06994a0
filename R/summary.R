#' Summary of a fit
#'
#' Summarizes a fit: the model and its criterion, quantiles of the scaled residuals, variances and
#' correlations of the random effects, and a table of the fixed effects.
#'
#' `coef(summary(fit))` is the table of the fixed effects, a matrix. With `ddf = "satterthwaite"`,
#' the default for linear models, its columns are `Estimate`, `Std. Error`, `df`, `t value` and
#' `Pr(>|t|)`: t tests with Satterthwaite's degrees of freedom, from exact derivatives in (theta,
#' sigma), as in package lmerTest. With `ddf = "asymptotic"`, the default for generalized models and
#' for fits without their data, they are `Estimate`, `Std. Error`, `z value` and `Pr(>|z|)`: z
#' tests, whose p-values are too small if there are few levels. With `ddf = "none"` they are those
#' of lme4: `Estimate`, `Std. Error` and `t value`.
#'
#' In addition to lme4's summary, it shows AICc, confidence limits (`conf.int = TRUE`), p-values,
#' dropped columns, and for singular fits which term is singular and why.
#'
#' @section Degrees of freedom: The names of methods may be abbreviated and in upper or lower case.
#'
#' `"Satterthwaite"`: variances that are estimated as zero and parameters held by [rlmm_control()]
#' count as known. For models with very many crossed effects the average information replaces the
#' exact Hessian, which would be too expensive, and the summary says so; the degrees of freedom are
#' then large anyway.
#'
#' `"Kenward-Roger"`, for linear REML fits: standard errors are also increased to account for the
#' estimation of the variances (Kenward and Roger 1997). The results are those of pbkrtest, but no n
#' x n matrix is needed, so that thousands of crossed effects take seconds. As in pbkrtest, a
#' variance estimated as zero counts as estimated; held parameters count as known. For structures
#' that are not linear in their parameters, such as `ar1()`, second derivatives are omitted, as by
#' `DDFM = KENWARDROGER(FIRSTORDER)` in SAS, and parameters with derivative zero at the estimate
#' count as known.
#'
#' Three further methods depend on the design alone and are exact for balanced data. A contrast has
#' the smallest degrees of freedom of its coefficients.
#'
#' * `"between-within"`, for nested grouping factors, as in `nlme::lme()`: a term that varies within
#'   the levels of one factor, but is constant within those of the next finer factor, has degrees of
#'   freedom that derive from the number of levels of the finer one.
#' * `"containment"`, the default of `PROC MIXED` in SAS: a term has the degrees of freedom of the
#'   random effects that contain it, as the slopes `Days:Subject` of `(Days | Subject)` contain
#'   `Days`. These are the ranks that they add to X and Z, where random effects with fewer columns
#'   come first; the smallest rank counts. A term without such random effects has the residual
#'   degrees of freedom.
#' * `"residual"`: n minus the number of coefficients.
#'
#' @param object A fitted model.
#' @param correlation Whether to print the correlations of the fixed effects, by default for up to
#'   20 coefficients.
#' @param ddf The method for p-values: `"Satterthwaite"`, `"Kenward-Roger"`, `"between-within"`,
#'   `"containment"`, `"residual"`, `"asymptotic"`, or `"none"`; see the section Degrees of freedom.
#' @param vcov,cluster A type of robust standard errors, such as `vcov = "CR2"`, and their clusters,
#'   see [robust]; or a covariance matrix of the fixed effects, or a function of the fit that
#'   returns one.
#' @param conf.int Whether to include confidence limits in the table of the fixed effects.
#' @param level The confidence level.
#' @param ... Not used.
#' @return A list of class `"summary.rlmm"` with the elements of lme4's summary, `coefficients`,
#'   `varcor`, `AICtab`, `logLik`, `ngrps`, `sigma`, `vcov`, `residuals` (scaled), `call` and
#'   others; and `shape`, an estimated shape (theta of the negative binomial, or dispersion) and its
#'   standard error.
#' @references
#' Kenward, M. G. and Roger, J. H. (1997) Small sample inference for fixed effects from restricted
#' maximum likelihood. Biometrics 53, 983-997.
#'
#' Halekoh, U. and Hojsgaard, S. (2014) A Kenward-Roger approximation and parametric bootstrap
#' methods for tests in linear mixed models: the R package pbkrtest. Journal of Statistical Software
#' 59(9).
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' summary(fit)
#' coef(summary(fit))
#' coef(summary(fit), conf.int = TRUE, level = 0.9)
#' coef(summary(fit, ddf = "Kenward-Roger"))
#' coef(summary(fit, ddf = "none"))
#' coef(summary(fit, vcov = "CR2"))
#' @export
summary.rlmm <- function(
  object,
  correlation = NULL,
  ddf = NULL,
  level = 0.95,
  vcov = NULL,
  ...,
  conf.int = FALSE,
  cluster = NULL
) {
  refuse_dots(...)
  ddf <- choose_ddf(object, ddf, vcov)
  check_confidence(level)
  check_flag(conf.int, "conf.int")
  if (!is.null(correlation)) {
    check_flag(correlation, "correlation")
  }
  object <- with_covariance(object)
  structure(
    c(
      summary_head(object),
      summary_tables(object, fixed_tests(object, ddf, vcov, cluster)),
      list(
        optinfo = opt_summary(object),
        na.action = object$na_action,
        correlation = correlation %||% shown_correlation(object),
        ddf = ddf,
        conf.int = conf.int,
        level = level
      )
    ),
    class = "summary.rlmm"
  )
}

summary_head <- function(fit) {
  title <- model_header(fit)
  list(
    methTitle = title$methTitle,
    objClass = class(fit)[1],
    isLmer = isLMM.rlmm(fit),
    useScale = has_scale(fit),
    call = title$call,
    formula = title$formula,
    family = title$family,
    link = title$link,
    AICtab = criterion_table(fit),
    stopped = stopped_early(fit),
    logLik = logLik.rlmm(fit),
    REML = isREML.rlmm(fit),
    devcomp = list(cmp = deviance_components(fit), dims = dimensions(fit))
  )
}

summary_tables <- function(fit, tests) {
  df <- tests$row_df(diag(length(fit$beta)))
  list(
    coefficients = fixed_effects_table(fit, tests, df),
    sigma = fit$sigma,
    vcov = tests$covariance,
    varcor = VarCorr.rlmm(fit),
    nobs = nobs.rlmm(fit),
    ngrps = ngrps.rlmm(fit),
    residuals = scaled_residuals(fit),
    shape = shape_estimate(fit),
    notes = c(fit_notes(fit), average_note(df), ddf_note(tests$ddf), tests$note)
  )
}

scaled_residuals <- function(fit) {
  if (!is.null(fit$frame)) residuals.rlmm(fit, type = "scaled")
}

# Whether the summary prints the correlations; `NA` if there are so many that they are only
# mentioned.
shown_correlation <- function(fit) {
  is_many <- length(fit$beta) > getOption("lme4.summary.cor.max", 20)
  if (is_many) NA else TRUE
}

average_note <- function(df) {
  if (identical(attr(df, "hessian"), "average")) {
    "Degrees of freedom from the average information."
  }
}

#' @rdname summary.rlmm
#' @export
coef.summary.rlmm <- function(
  object,
  conf.int = object$conf.int,
  level = object$level,
  ...
) {
  refuse_dots(...)
  check_confidence(level)
  table <- object$coefficients
  if (conf.int) with_limits(table, level) else table
}

# Adds confidence limits to the table, next to the estimates, with p-values last.
with_limits <- function(table, level) {
  df <- if ("df" %in% colnames(table)) table[, "df"] else Inf
  limits <- wald_limits(
    table[, "Estimate"],
    table[, "Std. Error"],
    level,
    df
  )
  colnames(limits) <- limit_names(level)
  first <- table[, 1:2, drop = FALSE]
  others <- table[, -(1:2), drop = FALSE]
  cbind(first, limits, others)
}

#' @export
vcov.summary.rlmm <- function(object, ...) {
  refuse_dots(...)
  object$vcov
}

#' @export
logLik.summary.rlmm <- function(object, ...) {
  refuse_dots(...)
  object$logLik
}

#' @export
VarCorr.summary.rlmm <- function(x, sigma = x$sigma, ...) {
  refuse_dots(...)
  x$varcor
}

#' @rdname summary.rlmm
#' @param x The result of `summary()`.
#' @inheritParams print.rlmm
#' @param show.resids Whether to show the quantiles of the scaled residuals.
#' @export
format.summary.rlmm <- function(
  x,
  digits = max(3, getOption("digits") - 3),
  correlation = x$correlation,
  ...,
  symbolic.cor = FALSE,
  signif.stars = getOption("show.signif.stars"),
  ranef.comp = c("Variance", "Std.Dev."),
  ranef.corr = TRUE,
  show.resids = TRUE
) {
  warn_of_dots(...)
  check_digits(digits)
  check_flag(show.resids, "show.resids")
  c(
    format_header(x),
    "",
    format_criterion(x$AICtab, x$stopped),
    "",
    if (show.resids && !is.null(x$residuals)) {
      c(format_residuals(x$residuals, digits), "")
    },
    format_random_effects(
      x$varcor,
      x$nobs,
      x$ngrps,
      digits,
      ranef.comp,
      ranef.corr
    ),
    omitted_note(x$na.action),
    "",
    format_fixed_effects(coef.summary.rlmm(x), digits, signif.stars),
    correlation_lines(x$vcov, correlation, symbolic.cor),
    if (length(x$notes) > 0) c("", x$notes)
  )
}

#' @rdname summary.rlmm
#' @export
print.summary.rlmm <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

format_residuals <- function(residuals, digits) {
  if (sum(!is.na(residuals)) <= 5) {
    return(c("Scaled residuals:", format_named(residuals, digits)))
  }
  quantiles <- stats::quantile(
    residuals,
    na.rm = TRUE,
    names = FALSE
  )
  names(quantiles) <- c("Min", "1Q", "Median", "3Q", "Max")
  c("Scaled residuals:", format_named(zapsmall(quantiles, digits + 1L), digits))
}

format_named <- function(values, digits) {
  trimws(utils::capture.output(print(values, digits = digits)), "right")
}

omitted_note <- function(na_action) {
  if (length(na_action) > 0) {
    paste0("(", stats::naprint(na_action), ")")
  }
}
