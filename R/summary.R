#' Summary of a fit
#'
#' The fitted model with its criterion, quantiles of the scaled residuals, variances and
#' correlations of the random effects, and a table of the fixed effects.
#'
#' `coef(summary(fit))` is the table of the fixed effects, a matrix. With `ddf = "satterthwaite"`,
#' the default for linear models, its columns are `Estimate`, `Std. Error`, `df`, `t value` and
#' `Pr(>|t|)`: a t distribution with Satterthwaite's degrees of freedom, from exact derivatives in
#' (theta, sigma), as in package lmerTest. With `ddf = "asymptotic"` they are `Estimate`, `Std.
#' Error`, `z value` and `Pr(>|z|)`, the p-value being that of a standard normal, which is too small
#' when there are few levels; this is the default for generalized models, and for fits without their
#' data. With `ddf = "none"` they are lme4's: `Estimate`, `Std. Error` and `t value`.
#'
#' Further than lme4's goes that summaries show AICc, confidence limits (`conf.int = TRUE`),
#' p-values, columns that were dropped, and for singular fits which term is singular and why.
#'
#' @section Degrees of freedom: The names may be abbreviated, and written with capitals.
#'
#' `"Satterthwaite"`: variances that are estimated as zero, and parameters that are held by
#' [rlmm_control()], count as known. For models with very many crossed effects they come from the
#' average information, as the exact Hessian would cost too much, and the summary says so; there the
#' degrees of freedom are large anyway.
#'
#' `"Kenward-Roger"`, for linear fits by REML: standard errors are enlarged too, by what is lost as
#' the variances are estimated (Kenward and Roger 1997). The numbers are pbkrtest's, but no matrix
#' of n rows is needed: thousands of crossed effects take seconds. A variance that is estimated as
#' zero counts as estimated, as in pbkrtest; what is held counts as known. Of a structure that isn't
#' linear in its parameters, such as `ar1()`, the second derivatives are left out, as by SAS's `DDFM
#' = KENWARDROGER(FIRSTORDER)`, and its parameters on which nothing depends at the estimate count as
#' known.
#'
#' Three rules of analysis of variance take the design alone, and are exact for balanced data. A
#' combination of coefficients has the least of their degrees of freedom.
#'
#' * `"between-within"`, for nested grouping factors: those of `nlme::lme()`. A term that changes
#'   within the levels of a factor, but not within those of the next finer one, is tested against
#'   the number of the latter.
#' * `"containment"`, the default of SAS's `PROC MIXED`: a term has what the random effects that
#'   contain it (`Days:Subject`, the slopes of `(Days | Subject)`, contains `Days`) add to the rank
#'   of X and Z, each after those with fewer columns, and the least of them; without any, what is
#'   left of the observations.
#' * `"residual"`: n less the number of coefficients.
#'
#' @param object A fit.
#' @param correlation Print the correlations of the fixed effects? By default for up to 20
#'   coefficients.
#' @param ddf How p-values are computed: `"Satterthwaite"`, `"Kenward-Roger"`, `"between-within"`,
#'   `"containment"`, `"residual"`, `"asymptotic"`, or `"none"`; see below.
#' @param vcov,cluster Robust standard errors: `vcov = "CR2"` and so on, with their clusters; see
#'   [robust]. Or a covariance matrix of the fixed effects, or a function of the fit that returns
#'   one.
#' @param conf.int Include confidence limits in the table of the fixed effects?
#' @param level Confidence level.
#' @param ... Not used.
#' @return An object of class `"summary.rlmm"`: a list with the elements of lme4's summary,
#'   `coefficients`, `varcor`, `AICtab`, `logLik`, `ngrps`, `sigma`, `vcov`, `residuals` (scaled),
#'   `call` and others; `shape`: an estimated theta of the negative binomial, or dispersion, and its
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

# Whether the summary prints the correlations; `NA` where there are so many that they are only
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

# The table with confidence limits: they stand beside the estimate they belong to, and p-values stay
# last.
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
#' @param x What `summary()` returned.
#' @inheritParams print.rlmm
#' @param show.resids Show the quantiles of the scaled residuals?
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
