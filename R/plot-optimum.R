# Plots of the course of the optimization, and of the optima of several optimizers.

#' Plots of the course of the optimization
#'
#' `plot()` of [opt_summary()] draws the objective minus its final value against the evaluation
#' number, on a logarithmic scale, and below it the parameters. `plot()` of [allFit()] draws the
#' estimates of each optimizer, with a panel for each parameter and the lowest objective at the top.
#'
#' @param x The result of [opt_summary()] or [allFit()].
#' @param ... Passed to lattice.
#' @return Objects of class `"trellis"`; for [opt_summary()] a list of two, drawn on one page.
#' @examplesIf requireNamespace("lattice", quietly = TRUE)
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' plot(opt_summary(fit))
#' plot(allFit(fit, optimizers = c("newton", "LN_BOBYQA", "LN_NELDERMEAD")))
#' @name plot-optimum
NULL

#' @rdname plot-optimum
#' @export
plot.rlmm_optsum <- function(x, ...) {
  need_package("lattice", "plot(opt_summary(fit))")
  log <- objective_log(x)
  parameters <- as.data.frame.rlmm_optsum(x)
  structure(
    list(objective_trace(log, ...), parameter_traces(parameters, ...)),
    class = "rlmm_stack"
  )
}

# Differences smaller than this are rounding errors of the objective.
smallest_shown <- 1e-10

#' The objective at each evaluation, with its difference `above` from the lowest value
#' @noRd
objective_log <- function(x) {
  log <- as.data.frame.rlmm_optsum(x)
  if (nrow(log) == 0L) {
    abort_rlmm(
      c(
        "There is nothing to draw.",
        x = "The fit has no log of its evaluations."
      ),
      "rlmm_error_not_available"
    )
  }
  lowest <- min(x$fmin, log$objective)
  data.frame(
    eval = log$eval,
    above = pmax(log$objective - lowest, smallest_shown)
  )
}

#' @export
print.rlmm_stack <- function(x, ...) {
  n <- length(x)
  for (i in seq_len(n)) {
    print(
      unclass(x)[[i]],
      split = c(1L, i, 1L, n),
      more = i < n
    )
  }
  invisible(x)
}

objective_trace <- function(log, ...) {
  log$above <- log10(log$above)
  defaults <- list(
    x = above ~ eval,
    data = log,
    scales = list(y = power_scale(log$above)),
    xlab = "Evaluation",
    ylab = "Objective above the lowest",
    type = c("o", "g"),
    pch = 16,
    cex = if (nrow(log) > 60L) 0.3 else 0.6,
    col = plot_blue
  )
  draw_with(lattice::xyplot, defaults, ...)
}

power_scale <- function(exponents) {
  powers <- pretty(exponents, 6)
  powers <- powers[powers == round(powers)]
  list(at = powers, labels = power_labels(powers))
}

# The labels of an axis of powers of ten.
power_labels <- function(powers) {
  as.expression(lapply(powers, \(k) bquote(10^.(k))))
}

parameter_traces <- function(log, ...) {
  names <- names(log)[-(1:2)]
  data <- data.frame(
    eval = rep(log$eval, length(names)),
    value = unlist(log[names], use.names = FALSE),
    parameter = column_factor(names, nrow(log))
  )
  columns <- min(length(names), 4L)
  defaults <- list(
    x = value ~ eval | parameter,
    data = data,
    scales = list(y = list(relation = "free", rot = 0)),
    xlab = "Evaluation",
    ylab = NULL,
    type = c("l", "g"),
    col = plot_blue,
    layout = c(columns, ceiling(length(names) / 4)),
    strip = fitting_strip(names, 0.8),
    as.table = TRUE
  )
  draw_with(lattice::xyplot, defaults, ...)
}

#' @rdname plot-optimum
#' @export
plot.rlmm_allFit <- function(x, ...) {
  need_package("lattice", "plot(allFit(fit))")
  data <- all_fit_estimates(x)
  defaults <- list(
    x = optimizer ~ value | parameter,
    data = data,
    best = data$best,
    scales = list(x = list(relation = "free", tick.number = 3)),
    xlab = "Estimate",
    panel = all_fit_panel,
    prepanel = all_fit_prepanel,
    strip = fitting_strip(levels(factor(data$parameter)), 0.8),
    as.table = TRUE,
    key = all_fit_key()
  )
  draw_with(lattice::dotplot, defaults, ...)
}

all_fit_key <- function() {
  list(
    text = list(c("as low as the lowest", "more than 0.01 above")),
    points = list(pch = c(16, 4), col = c(plot_blue, plot_red)),
    columns = 2
  )
}

#' The estimates by optimizer and parameter, with the lowest objective last
#' @noRd
all_fit_estimates <- function(x) {
  table <- as.data.frame.rlmm_allFit(x)
  found <- summary.rlmm_allFit(x)
  values <- cbind(found$fixef, as.matrix(found$sdcor))
  optimizers <- rownames(values)
  above <- table$above_best[match(optimizers, table$optimizer)]
  data.frame(
    optimizer = factor(
      rep(optimizers, ncol(values)),
      optimizers[order(-above)]
    ),
    value = as.vector(values),
    parameter = column_factor(colnames(values), nrow(values)),
    best = rep(above < 0.01, ncol(values))
  )
}

# The minimum range of a panel, so that rounding errors don't fill it.
all_fit_prepanel <- function(x, y, ...) {
  half <- max(
    1e-3 * max(abs(x)),
    0.6 * diff(range(x)),
    1e-8
  )
  list(xlim = mean(range(x)) + c(-half, half))
}

all_fit_panel <- function(x, y, best, subscripts, ...) {
  lattice::panel.grid(h = 0, v = -1)
  best <- best[subscripts]
  lattice::panel.points(
    x,
    as.numeric(y),
    pch = ifelse(best, 16, 4),
    col = ifelse(best, plot_blue, plot_red)
  )
}
