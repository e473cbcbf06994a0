# Plots of a bootstrap: the density of each parameter, or ridges of all parameters.

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
  drawn <- shown_parameters(x, parm)
  if (type == "density") density_plot(drawn, ...) else ridge_plot(drawn, ...)
}

# The replicates of the parameters to be shown, each once.
shown_parameters <- function(x, parm) {
  drawn <- drawn_parameters(x, parm)
  is_first <- !duplicated(colnames(drawn$values))
  check_some_shown(colnames(drawn$values))
  list(
    values = drawn$values[, is_first, drop = FALSE],
    estimate = drawn$estimate[is_first]
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
  draw_with(lattice::densityplot, c(defaults, settings), ...)
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

#' Ridges: densities of all parameters above each other, as deviations from the estimates in
#' standard deviations
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

# A panel of ridges, drawn from the top down, so that each curve overlaps the one above it.
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
