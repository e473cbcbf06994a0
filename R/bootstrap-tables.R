# The summary and the tables of a bootstrap.

#' Tables and intervals of a bootstrap
#'
#' `summary()` compares the replicates with the estimates: bias, standard error and interval of each
#' parameter. `confint()` computes intervals. `as.data.frame()` returns the replicates themselves,
#' with a row for each value or (`wide = TRUE`) for each replicate. `plot()` and lattice's
#' `densityplot()` draw their densities together with the estimates.
#'
#' The parameters are the standard deviations and correlations of the random effects, the residual
#' standard deviation (for a generalized model an estimated dispersion or shape), and the fixed
#' effects, as in [confint.rlmm()]. A correlation of an effect with zero variance is missing and
#' left out of statistics.
#'
#' Intervals of type `"percentile"` are quantiles of the replicates, `"basic"` ones are these
#' reflected about the estimate, and `"normal"` ones are symmetric around the bias-corrected
#' estimate. `"shortest"` ones are the shortest intervals that contain a fraction `level` of the
#' replicates (`shortestcovint()` in MixedModels.jl), which suit variances near zero.
#'
#' @param object,x The result of [bootstrap()].
#' @param parm,level,signames See [confint.rlmm()].
#' @param type For intervals: `"percentile"`, `"basic"`, `"normal"` or `"shortest"`; `"perc"` and
#'   `"norm"` as in lme4 are accepted. For `plot()`: `"density"`, a panel for each parameter, or
#'   `"ridges"`, all parameters above each other, scaled by their standard deviations.
#' @param scale `"sdcor"` for standard deviations and correlations, or `"vcov"` for variances and
#'   covariances.
#' @param digits The number of significant digits.
#' @param what The values to return: `"all"` parameters; `"coef"`, the fixed effects with their
#'   standard errors, z values and p-values, with a row for each; or any of `"beta"`, `"sd"`,
#'   `"cor"`, `"sigma"`, `"shape"`, `"theta"`, `"objective"`.
#' @param wide Whether to return a row for each replicate and a column for each parameter.
#' @param row.names,optional Not used.
#' @param data Not used; an argument of lattice's generics.
#' @param ... Passed to lattice; otherwise not used.
#' @return `summary()`: a data frame of class `"summary.rlmm_bootstrap"` with a row for each
#'   parameter. `confint()`: a matrix of limits. `as.data.frame()`: a data frame with the columns
#'   `replicate`, `type`, `group`, `name` and `value`. `as.matrix()`: a matrix with a row for each
#'   replicate and a column for each parameter. `plot()`: an object of class `"trellis"`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' b <- bootstrap(fit, n = 200, seed = 1)
#' summary(b)
#' confint(b, "theta_", type = "shortest")
#' head(as.data.frame(b, what = "coef"))
#' if (requireNamespace("lattice", quietly = TRUE)) plot(b, type = "ridges")
#' @export
summary.rlmm_bootstrap <- function(object, level = 0.95, ...) {
  refuse_dots(...)
  check_confidence(level)
  values <- as.matrix(object)
  structure(
    replicate_statistics(values, bootstrap_estimates(object), level),
    header = bootstrap_header(object),
    level = level,
    class = c("summary.rlmm_bootstrap", "data.frame")
  )
}

# Compares the replicates with the estimates, with a row for each parameter.
replicate_statistics <- function(values, estimate, level) {
  mean <- colMeans(values, na.rm = TRUE)
  limits <- bootstrap_limits(values, estimate, level, "percentile")
  data.frame(
    estimate = estimate,
    bias = mean - estimate,
    std.error = apply(values, 2L, stats::sd, na.rm = TRUE),
    lower = limits[, 1L],
    upper = limits[, 2L],
    n = colSums(!is.na(values)),
    row.names = colnames(values)
  )
}

#' @export
format.summary.rlmm_bootstrap <- function(
  x,
  digits = max(3, getOption("digits") - 3),
  ...
) {
  warn_of_dots(...)
  check_digits(digits)
  columns <- format_statistics(x, digits)
  table <- cbind(rownames(x), do.call(cbind, columns))
  c(attr(x, "header"), "", format_table(table))
}

# The formatted columns; counts are only shown if replicates are missing.
format_statistics <- function(x, digits) {
  statistics <- x[c("estimate", "bias", "std.error", "lower", "upper")]
  columns <- lapply(statistics, format, digits = digits)
  names(columns)[4:5] <- limit_names(attr(x, "level"))
  if (any(x$n < max(x$n, 0))) {
    columns$n <- format_count(x$n)
  }
  columns
}

#' @export
print.summary.rlmm_bootstrap <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @rdname summary.rlmm_bootstrap
#' @export
print.rlmm_bootstrap <- function(
  x,
  digits = max(3, getOption("digits") - 3),
  ...
) {
  refuse_dots(...)
  writeLines(format(summary(x), digits = digits))
  invisible(x)
}

#' The heading of a printed bootstrap
#' @noRd
bootstrap_header <- function(object) {
  problems <- replicate_problems(object)
  seeds <- enumerate(format_seed(unique(object$seed)))
  size <- plural(length(object$replicate), "replicate")
  c(
    bootstrap_title(object),
    formula_lines(written_formula(object$fit)),
    paste0(size, counts_phrase(problems), "; seed ", seeds, "."),
    if (object$use.u) "The random effects are held at their conditional modes.",
    if ("separated" %in% names(problems)) {
      "Where the data are separated, fixed effects tend to infinity: look at quantiles only."
    }
  )
}

bootstrap_title <- function(object) {
  model <- uncapitalized(model_title(object$fit))
  kind <- if (isTRUE(object$resampled)) "Semiparametric" else "Parametric"
  paste(kind, "bootstrap of a", model)
}

# The numbers of replicates with each problem, if there are any.
replicate_problems <- function(object) {
  is_failed <- !is.na(object$error)
  is_doubtful <- !is_failed & !object$verdict %in% final_verdicts
  counts <- c(
    failed = sum(is_failed),
    singular = sum(is_singular_replicate(object)),
    separated = sum(is_separated_replicate(object)),
    `not converged` = sum(is_doubtful)
  )
  counts[counts > 0]
}

counts_phrase <- function(counts) {
  if (length(counts) > 0L) {
    paste0(": ", paste(format_count(counts), names(counts), collapse = ", "))
  }
}

uncapitalized <- function(text) {
  paste0(tolower(substring(text, 1L, 1L)), substring(text, 2L))
}

format_seed <- function(seed) format(seed, scientific = FALSE, trim = TRUE)

# Data frames ----------------------------------------------------------------

parameter_types <- c(
  "beta",
  "sd",
  "cor",
  "sigma",
  "shape",
  "theta",
  "objective"
)

#' @rdname summary.rlmm_bootstrap
#' @export
as.data.frame.rlmm_bootstrap <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  what = "all",
  ...,
  wide = FALSE
) {
  warn_of_dots(..., also = data_frame_arguments)
  check_flag(wide, "wide")
  what <- check_what(what)
  if (wide) {
    values <- as.matrix(x, signames = FALSE)
    return(data.frame(
      replicate = x$replicate,
      objective = x$objective,
      values,
      check.names = FALSE
    ))
  }
  if (identical(what, "coef")) {
    replicate_coefficients(x)
  } else {
    parameter_rows(x, what)
  }
}

check_what <- function(what) {
  if (identical(what, "all")) {
    return(setdiff(parameter_types, c("theta", "objective")))
  }
  is_known <- is.character(what) &&
    length(what) > 0L &&
    all(what %in% parameter_types)
  if (identical(what, "coef") || is_known) {
    return(what)
  }
  known <- enumerate(in_quotes(c("all", "coef", parameter_types)), max = 20L)
  abort_argument(
    sprintf("`what` must be of %s.", known),
    x = it_is(what),
    arg = "what"
  )
}

# Fixed effects with z values and p-values, as `coefpvalues` in MixedModels.jl.
replicate_coefficients <- function(x) {
  n <- nrow(x$beta)
  z <- x$beta / x$std_error
  data.frame(
    replicate = rep(x$replicate, ncol(x$beta)),
    name = rep(colnames(x$beta), each = n),
    estimate = as.vector(x$beta),
    std.error = as.vector(x$std_error),
    statistic = as.vector(z),
    p.value = as.vector(2 * stats::pnorm(-abs(z)))
  )
}

parameter_rows <- function(x, what) {
  blocks <- parameter_blocks(x)
  labels <- do.call(rbind, lapply(blocks, `[[`, "labels"))
  values <- do.call(cbind, lapply(blocks, `[[`, "values"))
  chosen <- which(labels$type %in% what)
  n <- length(x$replicate)
  data.frame(
    replicate = rep(x$replicate, length(chosen)),
    labels[rep(chosen, each = n), , drop = FALSE],
    value = as.vector(values[, chosen]),
    row.names = NULL
  )
}

parameter_blocks <- function(x) {
  list(
    labelled(x$beta, "beta", NA_character_, colnames(x$beta)),
    variance_block(x),
    labelled(x$theta, "theta", NA_character_, colnames(x$theta)),
    labelled(cbind(x$objective), "objective", NA_character_, "objective")
  )
}

labelled <- function(values, type, group, name) {
  n <- ncol(values)
  labels <- data.frame(
    type = rep(type, length.out = n),
    group = rep(group, length.out = n),
    name = name
  )
  list(values = values, labels = labels)
}

variance_block <- function(x) {
  values <- bootstrap_variances(x)
  label <- colnames(values)
  is_scale <- label %in% c("sigma", "shape")
  of_scale <- ifelse(label == "sigma", "Residual", NA)
  type <- ifelse(is_scale, label, sub("_.*", "", label))
  group <- ifelse(is_scale, of_scale, label_group(label))
  name <- ifelse(is_scale, label, label_effect(label))
  labelled(values, type, group, name)
}
