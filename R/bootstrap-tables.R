# What is read off a bootstrap: parameters, tables, intervals, plots.

#' Tables and intervals of a bootstrap
#'
#' `summary()` compares the replicates with the estimates: their bias, standard error and interval.
#' `confint()` makes intervals of them. `as.data.frame()` has the replicates themselves, one value a
#' row or (`wide = TRUE`) one replicate a row. `plot()` and lattice's `densityplot()` draw their
#' densities, with the estimates.
#'
#' The parameters are the standard deviations and correlations of the random effects, the residual
#' standard deviation (of a generalized model its other parameter, if it is estimated), and the
#' fixed effects, as in [confint.rlmm()]. A correlation with an effect that has no variance is
#' missing, and left out.
#'
#' Intervals of type `"percentile"` lie between two quantiles of the replicates, `"basic"` ones are
#' these reflected at the estimate, `"normal"` ones are symmetric around the estimate less the bias.
#' `"shortest"` ones are the shortest that contain a share of `level` of the replicates
#' (MixedModels.jl's `shortestcovint()`); they suit variances near zero.
#'
#' @param object,x What [bootstrap()] returned.
#' @param parm,level,signames See [confint.rlmm()].
#' @param type `"percentile"`, `"basic"`, `"normal"` or `"shortest"`; lme4's `"perc"` and `"norm"`
#'   are understood. Of `plot()`: `"density"`, a panel for each parameter, or `"ridges"`, all of
#'   them above each other, on the scale of their standard deviations.
#' @param scale `"sdcor"`: standard deviations and correlations, or `"vcov"`: variances and
#'   covariances.
#' @param digits Significant digits.
#' @param what Which values: `"all"` parameters; `"coef"`: the fixed effects with their standard
#'   errors, z values and p-values, a row each; or any of `"beta"`, `"sd"`, `"cor"`, `"sigma"`,
#'   `"shape"`, `"theta"`, `"objective"`.
#' @param wide One row for each replicate, with a column for each parameter?
#' @param row.names,optional Not used.
#' @param data Not used: lattice's generics have it.
#' @param ... Passed to lattice; otherwise not used.
#' @return `summary()`: a data frame of class `"summary.rlmm_bootstrap"` with a row for each
#'   parameter. `confint()`: a matrix of limits. `as.data.frame()`: a data frame with the columns
#'   `replicate`, `type`, `group`, `name` and `value`. `as.matrix()`: a row for each replicate, a
#'   column for each parameter. `plot()`: an object of class `"trellis"`.
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

# The replicates compared with the estimates: a row for each parameter.
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

# The columns as texts; that of the counts only where replicates are missing.
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

#' What stands above the numbers of a bootstrap
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

# How many replicates have which problem, where any have it.
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

# Parameters -----------------------------------------------------------------

#' @rdname summary.rlmm_bootstrap
#' @export
as.matrix.rlmm_bootstrap <- function(x, signames = TRUE, ...) {
  refuse_dots(...)
  check_flag(signames, "signames")
  all <- cbind(bootstrap_variances(x), x$beta)
  if (signames) {
    colnames(all) <- bootstrap_labels(x)
  }
  all
}

# lme4's names of the variance parameters, and those of the fixed effects.
bootstrap_labels <- function(x) {
  variances <- bootstrap_variances(x)
  labels <- stats::setNames(nm = colnames(variances))
  c(
    ifelse(
      labels %in% c("sigma", "shape"),
      lme4_scale_names(labels),
      lme4_names(labels)
    ),
    colnames(x$beta)
  )
}

lme4_scale_names <- function(labels) paste0(".", labels)

#' Standard deviations and correlations of each replicate, with sigma or the shape if it is
#' estimated
#' @noRd
bootstrap_variances <- function(x) {
  fit <- x$fit
  terms <- Map(
    \(term, roles) {
      term_sdcor(x$theta[, term$theta, drop = FALSE], term, roles)
    },
    fit$random,
    core_structures(fit$random)
  )
  scale <- effects_scale(x)
  terms <- lapply(terms, \(term) {
    term$value[, term$is_sd] <- term$value[, term$is_sd] * scale
    term$value
  })
  cbind(do.call(cbind, terms), scale_columns(x))
}

# By which Lambda is multiplied in each replicate.
effects_scale <- function(x) {
  if (isFALSE(x$fit$relative)) 1 else x$sigma
}

# Sigma of a linear model; the dispersion's root, or the other parameter, of a generalized one.
scale_columns <- function(x) {
  fit <- x$fit
  if (has_scale(fit) && !fit$known_sigma) {
    cbind(sigma = x$sigma)
  } else if (estimates_parameter(fit$glmm)) {
    cbind(shape = x$shape)
  }
}

#' The estimates of the fit that the replicates are compared with
#' @noRd
bootstrap_estimates <- function(x) as.matrix(estimates_as_replicate(x))[1L, ]

# The estimates of the fit in the form of one replicate.
estimates_as_replicate <- function(x) {
  fit <- x$fit
  x$theta <- matrix(fit$theta, 1L)
  x$beta <- matrix(fit$beta, 1L, dimnames = list(NULL, names(fit$beta)))
  x$sigma <- fit$sigma
  x$shape <- drawn_shape(fit)
  x
}

#' Which replicates are singular, by the rule of isSingular()
#' @noRd
is_singular_replicate <- function(x, tol = 1e-4) {
  fit <- x$fit
  smallest <- Map(
    \(term, held) {
      if (held) {
        rep(Inf, nrow(x$theta))
      } else {
        smallest_values(term, x$theta)
      }
    },
    fit$random,
    held_terms(fit)
  )
  found <- Reduce(`|`, lapply(smallest, `<`, tol))
  !is.na(found) & found
}

# The smallest singular value of a term's Lambda in each replicate, each effect in units of its
# column of Z.
smallest_values <- function(term, theta) {
  if (length(term$columns) == 1L) {
    return(abs(theta[, term$theta]) * (term$scale %||% 1))
  }
  is_fitted <- !is.na(theta[, 1L])
  out <- rep(NA_real_, nrow(theta))
  # Equal ones, such as those at zero, are common.
  out[is_fitted] <- apply(theta[is_fitted, , drop = FALSE], 1L, \(theta) {
    smallest_singular_value(term, theta)
  })
  out
}

#' Which replicates have a fixed effect that tends to infinity, by the rule of `separated_effects()`
#' for covariates that aren't far from zero
#' @noRd
is_separated_replicate <- function(x) {
  if (!can_separate(x$fit) || ncol(x$beta) == 0L) {
    return(logical(nrow(x$beta)))
  }
  size <- largest_contributions(x)
  is_uncertain <- abs(x$beta) < 0.05 * x$std_error
  # Beside a covariate far from zero the intercept is large and uncertain anyway.
  is_uncertain[, colnames(x$beta) == "(Intercept)"] <- FALSE
  found <- rowSums((size > 3 & is_uncertain) | size > 1e3) > 0
  !is.na(found) & found
}

# By how much each fixed effect of each replicate moves the linear predictor at most.
largest_contributions <- function(x) {
  fit <- x$fit
  columns <- abs(column_matrix(fixed_columns(fit), nrow(fit$frame)))
  sweep(abs(x$beta), 2L, apply(columns, 2L, max), "*")
}

# Intervals ------------------------------------------------------------------

interval_types <- c("percentile", "basic", "normal", "shortest")

#' @rdname summary.rlmm_bootstrap
#' @export
confint.rlmm_bootstrap <- function(
  object,
  parm = NULL,
  level = 0.95,
  type = c("percentile", "basic", "normal", "shortest"),
  signames = TRUE,
  scale = c("sdcor", "vcov"),
  ...
) {
  refuse_dots(...)
  check_confidence(level)
  type <- one_of(type, interval_types, "type")
  scale <- one_of(scale, c("sdcor", "vcov"), "scale")
  drawn <- if (scale == "vcov") {
    drawn_covariances(object, parm)
  } else {
    parm <- called_here(parm, object$fit, signames)
    drawn_parameters(object, parm, signames)
  }
  limits_of_drawn(drawn, level, type)
}

limits_of_drawn <- function(drawn, level, type) {
  limits <- bootstrap_limits(drawn$values, drawn$estimate, level, type)
  dimnames(limits) <- list(names(drawn$estimate), limit_names(level))
  limits
}

#' The replicates of variances and covariances, named as they are in
#' `as.data.frame(VarCorr(fit))`, and of the fixed effects
#' @noRd
drawn_covariances <- function(object, parm) {
  values <- cbind(bootstrap_covariances(object), object$beta)
  at <- estimates_as_replicate(object)
  estimate <- cbind(bootstrap_covariances(at), at$beta)[1L, ]
  select_drawn(values, estimate, parm, ncol(object$beta))
}

# Standard deviations and correlations as variances and covariances.
bootstrap_covariances <- function(x) {
  values <- bootstrap_variances(x)
  labels <- colnames(values)
  is_sd <- startsWith(labels, "sd_") | labels == "sigma"
  out <- values
  out[, is_sd] <- values[, is_sd]^2
  for (j in which(startsWith(labels, "cor_"))) {
    out[, j] <- values[, j] * sds_of_correlation(labels[j], values)
  }
  colnames(out) <- covariance_labels(labels)
  out[is.nan(out)] <- 0
  out
}

covariance_labels <- function(labels) {
  sub("^cor_", "cov_", sub("^sd_", "var_", labels))
}

# The product of the two standard deviations that belong to a correlation, named
# "cor_b.a|g".
sds_of_correlation <- function(label, values) {
  sds <- grep("^sd_", colnames(values), value = TRUE)
  sds <- sds[label_group(sds) == label_group(label)]
  effects <- label_effect(sds)
  pairs <- outer(effects, effects, paste, sep = ".")
  at <- which(pairs == label_effect(label), arr.ind = TRUE)[1L, ]
  first <- values[, sds[at[[1L]]]]
  second <- values[, sds[at[[2L]]]]
  first * second
}

# The parts of labels such as "sd_a|g" and "cor_b.a|g": the grouping factor, and the effect or the
# pair of effects.
label_group <- function(label) sub("^.*[|]", "", label)

label_effect <- function(label) {
  sub("^(sd|cor)_(.*)[|][^|]*$", "\\2", label)
}

#' Limits from replicates, a row for each column of `values`
#' @noRd
bootstrap_limits <- function(values, estimate, level, type) {
  limits <- vapply(
    seq_len(ncol(values)),
    \(j) {
      interval_of(values[!is.na(values[, j]), j], estimate[[j]], level, type)
    },
    c(0, 0)
  )
  t(matrix(limits, 2L))
}

interval_of <- function(values, estimate, level, type) {
  if (length(values) < 2L) {
    return(c(NA_real_, NA_real_))
  }
  tails <- c((1 - level) / 2, (1 + level) / 2)
  quantiles <- stats::quantile(
    values,
    tails,
    names = FALSE,
    type = 6L
  )
  switch(
    type,
    percentile = quantiles,
    basic = 2 * estimate - rev(quantiles),
    normal = normal_interval(values, estimate, tails),
    shortest = shortest_interval(sort(values), level)
  )
}

# Symmetric around the estimate less the bias.
normal_interval <- function(values, estimate, tails) {
  bias <- mean(values) - estimate
  estimate - bias + stats::qnorm(tails) * stats::sd(values)
}

# The shortest of the intervals between two values that contain the share `level` of them.
shortest_interval <- function(sorted, level) {
  n <- length(sorted)
  inside <- min(ceiling(level * n), n)
  first <- seq_len(n - inside + 1L)
  length <- sorted[first + inside - 1L] - sorted[first]
  at <- which.min(length)
  c(sorted[at], sorted[at + inside - 1L])
}

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
  wide = FALSE,
  ...
) {
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

# Fixed effects with their z values and p-values, as MixedModels.jl's `coefpvalues` has them.
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

# Plots ----------------------------------------------------------------------

#' @rdname summary.rlmm_bootstrap
#' @export
plot.rlmm_bootstrap <- function(
  x,
  parm = NULL,
  type = c("density", "ridges"),
  ...
) {
  need_package("lattice", "plot() of a bootstrap")
  type <- one_of(type, c("density", "ridges"), "type")
  drawn <- drawn_parameters(x, parm)
  if (type == "density") density_plot(drawn, ...) else ridge_plot(drawn, ...)
}

#' The replicates of the parameters that are drawn
#' @return A list: `values` (a matrix with a column for each parameter), and `estimate`.
#' @noRd
drawn_parameters <- function(x, parm, signames = FALSE) {
  values <- as.matrix(x, signames = signames)
  estimate <- stats::setNames(bootstrap_estimates(x), colnames(values))
  select_drawn(values, estimate, parm, ncol(x$beta))
}

# Variance parameters stand before the fixed effects.
select_drawn <- function(values, estimate, parm, n_fixed) {
  n_variance <- ncol(values) - n_fixed
  wanted <- select_parameters(parm, colnames(values), n_variance)
  list(
    values = values[, wanted, drop = FALSE],
    estimate = estimate[wanted]
  )
}

density_plot <- function(drawn, ...) {
  data <- replicate_table(drawn)
  defaults <- list(
    x = ~ value | parameter,
    data = data,
    panel = density_panel(drawn$estimate),
    plot.points = FALSE
  )
  settings <- density_settings(levels(data$parameter))
  all <- replace_named(c(defaults, settings), list(...))
  do.call(lattice::densityplot, all)
}

# The function that draws a panel: the density, and a line at the estimate.
density_panel <- function(estimates) {
  function(x, ..., subscripts) {
    lattice::panel.grid(h = 0, v = -1)
    estimate <- estimates[[lattice::packet.number()]]
    lattice::panel.abline(v = estimate, col = plot_red)
    lattice::panel.densityplot(x, ...)
  }
}

# A row for each replicate of each parameter.
replicate_table <- function(drawn) {
  names <- colnames(drawn$values)
  data <- data.frame(
    value = as.vector(drawn$values),
    parameter = factor(rep(names, each = nrow(drawn$values)), names)
  )
  data[!is.na(data$value), ]
}

#' Densities of all parameters above each other, of their distances from the estimates in standard
#' deviations
#' @noRd
bootstrap_ridges <- function(drawn) {
  centred <- sweep(drawn$values, 2L, drawn$estimate)
  spread <- apply(centred, 2L, stats::sd, na.rm = TRUE)
  unit <- ifelse(spread > 0, spread, 1)
  curves <- ridge_curves(sweep(centred, 2L, unit, `/`))
  curves$top <- curves$base + curves$height
  curves
}

ridge_label <- "Standard deviations from the estimate"

ridge_plot <- function(drawn, ...) {
  curves <- bootstrap_ridges(drawn)
  names <- colnames(drawn$values)
  places <- list(
    at = rev(seq_along(names)),
    labels = names
  )
  defaults <- list(
    x = top ~ value,
    data = curves,
    base = curves$base,
    panel = ridge_panel,
    ylim = c(0.8, length(names) + 1.1),
    xlab = ridge_label,
    ylab = NULL,
    scales = list(y = places)
  )
  draw_with(lattice::xyplot, defaults, ...)
}

# From the top down, so that each curve stands before the one above it.
ridge_panel <- function(x, y, base, subscripts, ...) {
  lattice::panel.grid(h = 0, v = -1)
  lattice::panel.abline(v = 0, col = plot_red)
  for (level in sort(unique(base), decreasing = TRUE)) {
    own <- base == level
    draw_ridge(x[own], y[own], level)
  }
}

draw_ridge <- function(x, y, base) {
  lattice::panel.polygon(
    c(x, rev(x)),
    c(y, rep(base, length(x))),
    col = plot_blue,
    alpha = 0.3,
    border = NA
  )
  lattice::panel.lines(x, y, col = plot_blue)
}

#' @rdname summary.rlmm_bootstrap
#' @rawNamespace S3method(lattice::densityplot, rlmm_bootstrap)
densityplot.rlmm_bootstrap <- function(x, data = NULL, ...) {
  plot.rlmm_bootstrap(x, ...)
}
