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
  estimate <- bootstrap_estimates(object)
  mean <- colMeans(values, na.rm = TRUE)
  limits <- bootstrap_limits(values, estimate, level, "percentile")
  structure(
    data.frame(
      estimate = estimate,
      bias = mean - estimate,
      std.error = apply(values, 2L, stats::sd, na.rm = TRUE),
      lower = limits[, 1L],
      upper = limits[, 2L],
      n = colSums(!is.na(values)),
      row.names = colnames(values)
    ),
    header = bootstrap_header(object),
    level = level,
    class = c("summary.rlmm_bootstrap", "data.frame")
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
  limits <- limit_names(attr(x, "level"))
  columns <- lapply(
    x[c("estimate", "bias", "std.error", "lower", "upper")],
    \(column) {
      format(column, digits = digits)
    }
  )
  columns <- lapply(columns, \(text) formatC(text, width = max(nchar(text))))
  names(columns)[4:5] <- limits
  if (any(x$n < max(x$n, 0))) {
    columns$n <- format_count(x$n)
  }
  table <- c(list(format(rownames(x))), columns)
  heads <- c("", names(columns))
  width <- vapply(table, \(column) max(nchar(column)), 0L)
  width <- pmax(width, nchar(heads))
  lines <- Map(
    \(head, column, width) formatC(c(head, column), width = width),
    heads,
    table,
    width
  )
  c(attr(x, "header"), "", do.call(paste, unname(lines)))
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
  fit <- object$fit
  n <- length(object$replicate)
  is_failed <- !is.na(object$error)
  is_doubtful <- !is_failed & !object$verdict %in% final_verdicts
  counts <- c(
    failed = sum(is_failed),
    singular = sum(is_singular_replicate(object))
  )
  counts[["separated"]] <- sum(is_separated_replicate(object))
  counts[["not converged"]] <- sum(is_doubtful)
  counts <- counts[counts > 0]
  notes <- if (length(counts) > 0L) {
    paste0(": ", paste(format_count(counts), names(counts), collapse = ", "))
  }
  seeds <- unique(object$seed)
  c(
    paste(
      if (isTRUE(object$resampled)) "Semiparametric" else "Parametric",
      "bootstrap of a",
      sub("^G", "g", sub("^L", "l", model_title(fit)))
    ),
    formula_lines(fit$formula),
    paste0(
      plural(n, "replicate"),
      notes,
      "; seed ",
      enumerate(format_seed(seeds)),
      "."
    ),
    if (object$use.u) "The random effects are held at their conditional modes.",
    if (any(counts[names(counts) == "separated"] > 0)) {
      "Where the data are separated, fixed effects tend to infinity: look at quantiles only."
    }
  )
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
effects_scale <- function(x) if (isFALSE(x$fit$relative)) 1 else x$sigma

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
      if (held) rep(Inf, nrow(x$theta)) else smallest_values(term, x$theta)
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
  fit <- x$fit
  if (!can_separate(fit) || ncol(x$beta) == 0L) {
    return(logical(nrow(x$beta)))
  }
  columns <- abs(column_matrix(fixed_columns(fit), nrow(fit$frame)))
  size <- sweep(abs(x$beta), 2L, apply(columns, 2L, max), "*")
  is_uncertain <- abs(x$beta) < 0.05 * x$std_error
  # Beside a covariate far from zero the intercept is large and uncertain anyway.
  is_uncertain[, colnames(x$beta) == "(Intercept)"] <- FALSE
  found <- rowSums((size > 3 & is_uncertain) | size > 1e3) > 0
  !is.na(found) & found
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
  if (scale == "vcov") {
    return(boot_covariances(object, parm, level, type))
  }
  values <- as.matrix(object, signames = signames)
  parm <- called_here(parm, object$fit, signames)
  estimate <- stats::setNames(bootstrap_estimates(object), colnames(values))
  n_variance <- ncol(values) - ncol(object$beta)
  wanted <- select_parameters(parm, colnames(values), n_variance)
  limits <- bootstrap_limits(
    values[, wanted, drop = FALSE],
    estimate[wanted],
    level,
    type
  )
  dimnames(limits) <- list(wanted, limit_names(level))
  limits
}

#' Limits of variances and covariances, named as they are in
#' `as.data.frame(VarCorr(fit))`, and of the fixed effects
#' @noRd
boot_covariances <- function(object, parm, level, type) {
  values <- cbind(bootstrap_covariances(object), object$beta)
  at <- estimates_as_replicate(object)
  estimate <- cbind(bootstrap_covariances(at), at$beta)[1L, ]
  n_variance <- ncol(values) - ncol(object$beta)
  wanted <- select_parameters(parm, colnames(values), n_variance)
  own <- values[, wanted, drop = FALSE]
  limits <- bootstrap_limits(own, estimate[wanted], level, type)
  dimnames(limits) <- list(wanted, limit_names(level))
  limits
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
  colnames(out)[is_sd] <- sub("^sd_", "var_", labels[is_sd])
  colnames(out) <- sub("^cor_", "cov_", colnames(out))
  out[is.nan(out)] <- 0
  out
}

# The product of the two standard deviations that belong to a correlation, named
# "cor_b.a|g".
sds_of_correlation <- function(label, values) {
  group <- sub("^.*[|]", "", label)
  pair <- sub("^cor_(.*)[|][^|]*$", "\\1", label)
  sds <- grep("^sd_", colnames(values), value = TRUE)
  sds <- sds[sub("^.*[|]", "", sds) == group]
  effects <- sub("^sd_(.*)[|][^|]*$", "\\1", sds)
  pairs <- outer(effects, effects, paste, sep = ".")
  at <- which(pairs == pair, arr.ind = TRUE)[1L, ]
  values[, sds[at[[1L]]]] * values[, sds[at[[2L]]]]
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
  switch(
    type,
    percentile = stats::quantile(values, tails, names = FALSE, type = 6L),
    basic = 2 *
      estimate -
      stats::quantile(values, rev(tails), names = FALSE, type = 6L),
    normal = 2 *
      estimate -
      mean(values) +
      stats::qnorm(tails) * stats::sd(values),
    shortest = shortest_interval(sort(values), level)
  )
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
  if (identical(what, "coef")) {
    return(what)
  }
  if (
    is.character(what) && length(what) > 0L && all(what %in% parameter_types)
  ) {
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
  blocks <- list(
    labelled(x$beta, "beta", NA_character_, colnames(x$beta)),
    variance_block(x),
    labelled(x$theta, "theta", NA_character_, colnames(x$theta)),
    labelled(cbind(x$objective), "objective", NA_character_, "objective")
  )
  labels <- do.call(rbind, lapply(blocks, `[[`, "labels"))
  values <- do.call(cbind, lapply(blocks, `[[`, "values"))
  chosen <- labels$type %in% what
  labels <- labels[chosen, , drop = FALSE]
  n <- length(x$replicate)
  repeated <- labels[rep(seq_len(nrow(labels)), each = n), , drop = FALSE]
  data.frame(
    replicate = rep(x$replicate, nrow(labels)),
    repeated,
    value = as.vector(values[, chosen]),
    row.names = NULL
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
  type <- ifelse(is_scale, label, ifelse(startsWith(label, "sd_"), "sd", "cor"))
  group <- ifelse(
    is_scale,
    ifelse(label == "sigma", "Residual", NA),
    sub("^.*[|]", "", label)
  )
  name <- ifelse(is_scale, label, sub("^(sd|cor)_(.*)[|][^|]*$", "\\2", label))
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
drawn_parameters <- function(x, parm) {
  values <- as.matrix(x, signames = FALSE)
  n_variance <- ncol(values) - ncol(x$beta)
  wanted <- select_parameters(parm, colnames(values), n_variance)
  estimates <- stats::setNames(bootstrap_estimates(x), colnames(values))
  list(
    values = values[, wanted, drop = FALSE],
    estimate = estimates[wanted]
  )
}

density_plot <- function(drawn, ...) {
  data <- replicate_table(drawn)
  panel <- function(x, ..., subscripts) {
    lattice::panel.grid(h = 0, v = -1)
    estimate <- drawn$estimate[[lattice::packet.number()]]
    lattice::panel.abline(v = estimate, col = plot_red)
    lattice::panel.densityplot(x, ...)
  }
  defaults <- list(
    x = ~ value | parameter,
    data = data,
    panel = panel,
    plot.points = FALSE
  )
  settings <- density_settings(levels(data$parameter))
  all <- replace_named(c(defaults, settings), list(...))
  do.call(lattice::densityplot, all)
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
  ridge_curves(sweep(centred, 2L, ifelse(spread > 0, spread, 1), `/`))
}

ridge_label <- "Standard deviations from the estimate"

ridge_plot <- function(drawn, ...) {
  curves <- bootstrap_ridges(drawn)
  curves$top <- curves$base + curves$height
  names <- colnames(drawn$values)
  defaults <- list(
    x = top ~ value,
    data = curves,
    base = curves$base,
    panel = ridge_panel,
    ylim = c(0.8, length(names) + 1.1),
    xlab = ridge_label,
    ylab = NULL,
    scales = list(y = list(at = rev(seq_along(names)), labels = names))
  )
  do.call(lattice::xyplot, replace_named(defaults, list(...)))
}

# From the top down, so that each curve stands before the one above it.
ridge_panel <- function(x, y, base, subscripts, ...) {
  lattice::panel.grid(h = 0, v = -1)
  lattice::panel.abline(v = 0, col = plot_red)
  for (level in sort(unique(base), decreasing = TRUE)) {
    own <- base == level
    lattice::panel.polygon(
      c(x[own], rev(x[own])),
      c(y[own], rep(level, sum(own))),
      col = plot_blue,
      alpha = 0.3,
      border = NA
    )
    lattice::panel.lines(x[own], y[own], col = plot_blue)
  }
}

#' @rdname summary.rlmm_bootstrap
#' @rawNamespace S3method(lattice::densityplot, rlmm_bootstrap)
densityplot.rlmm_bootstrap <- function(x, data = NULL, ...) {
  plot.rlmm_bootstrap(x, ...)
}
