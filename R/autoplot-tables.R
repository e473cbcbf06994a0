# Plots of coefficients, bootstrap replicates and power by ggplot2.

shrinkage_ggplot <- function(shrinkage) {
  ends <- shrinkage_ends(shrinkage)
  points <- shrinkage_points(ends, shrinkage$centre)
  ggplot2::ggplot(points, ggplot2::aes(.data$x, .data$y)) +
    segment_layer(ends) +
    ggplot2::geom_point(
      ggplot2::aes(colour = .data$kind, shape = .data$kind),
      na.rm = TRUE
    ) +
    shrinkage_scales() +
    ggplot2::labs(
      x = shrinkage$effects[[1L]],
      y = shrinkage$effects[[2L]],
      colour = NULL,
      shape = NULL
    ) +
    ggplot2::theme(legend.position = "top")
}

shrinkage_scales <- function() {
  kinds <- shrinkage_key$text[[1L]]
  look <- shrinkage_key$points
  colours <- stats::setNames(look$col, kinds)
  shapes <- stats::setNames(look$pch, kinds)
  list(
    ggplot2::scale_colour_manual(values = colours),
    ggplot2::scale_shape_manual(values = shapes)
  )
}

# The start (within-group estimate) and the end (conditional mode) of the arrows of a shrinkage
# plot.
shrinkage_ends <- function(shrinkage) {
  data.frame(
    x = shrinkage$alone[, 1L],
    y = shrinkage$alone[, 2L],
    xend = shrinkage$mixed[, 1L],
    yend = shrinkage$mixed[, 2L]
  )
}

shrinkage_points <- function(ends, centre) {
  kinds <- shrinkage_key$text[[1L]]
  n <- nrow(ends)
  data.frame(
    x = c(ends$xend, ends$x, centre[[1L]]),
    y = c(ends$yend, ends$y, centre[[2L]]),
    kind = factor(rep(kinds, c(n, n, 1L)), kinds)
  )
}

segment_layer <- function(ends) {
  ggplot2::geom_segment(
    ggplot2::aes(xend = .data$xend, yend = .data$yend),
    ends,
    colour = plot_grey,
    na.rm = TRUE
  )
}

# Coefficients ------------------------------------------------------------

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, coef.rlmm)
autoplot.coef.rlmm <- function(object, level = 0.95, group = NULL, ...) {
  refuse_dots(...)
  group <- check_one_group(group, names(object))
  data <- as.data.frame.coef.rlmm(object, level = level)
  data <- data[data$grpvar == group, ]
  has_several <- \(x) length(unique(x)) > 1L
  varies <- tapply(data$estimate, data$term, has_several)
  if (any(varies, na.rm = TRUE)) {
    data <- data[varies[as.character(data$term)], ]
  }
  coefficient_ggplot(data)
}

#' Plots coefficients by group, with groups ordered by the first coefficient
#' @param data A data frame with the columns `term`, `grp`, `estimate` and optionally `lwr` and
#'   `upr`.
#' @noRd
coefficient_ggplot <- function(data) {
  data$term <- factor(data$term, unique(data$term))
  first <- data[data$term == levels(data$term)[1L], ]
  levels <- as.character(first$grp)[order(first$estimate)]
  data$place <- match(as.character(data$grp), levels)
  coefficient_panels(data, levels)
}

coefficient_panels <- function(data, levels) {
  ggplot2::ggplot(data, ggplot2::aes(.data$estimate, .data$place)) +
    (if (!is.null(data$lwr)) interval_layer(length(levels))) +
    points_layer(nrow(data), na.rm = TRUE) +
    ggplot2::facet_wrap("term", scales = "free_x", labeller = wrapped) +
    ggplot2::labs(x = "Coefficient", y = NULL) +
    level_places(levels)
}

# Intervals are paler if there are so many levels that they touch.
interval_layer <- function(n_levels) {
  ggplot2::geom_segment(
    ggplot2::aes(x = .data$lwr, xend = .data$upr, yend = .data$place),
    colour = if (n_levels > 200L) "grey80" else plot_grey,
    na.rm = TRUE
  )
}

level_places <- function(levels) {
  is_named <- length(levels) <= 60L
  ggplot2::scale_y_continuous(
    breaks = if (is_named) seq_along(levels) else NULL,
    labels = if (is_named) levels else NULL,
    minor_breaks = NULL
  )
}

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, rlmm_lmList)
autoplot.rlmm_lmList <- function(object, level = 0.95, ...) {
  refuse_dots(...)
  limits <- unclass(confint.rlmm_lmList(object, level = level))
  names <- dimnames(limits)
  low <- as.vector(limits[, 1L, ])
  high <- as.vector(limits[, 2L, ])
  coefficient_ggplot(data.frame(
    term = rep(names[[3L]], each = nrow(limits)),
    grp = rep(names[[1L]], length(names[[3L]])),
    estimate = (low + high) / 2,
    lwr = low,
    upr = high
  ))
}

# Replicates and power ----------------------------------------------------

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, rlmm_bootstrap)
autoplot.rlmm_bootstrap <- function(
  object,
  type = c("density", "ridges"),
  parm = NULL,
  ...
) {
  refuse_dots(...)
  type <- one_of(type, c("density", "ridges"), "type")
  drawn <- shown_parameters(object, parm)
  if (type == "density") density_ggplot(drawn) else ridge_ggplot(drawn)
}

density_ggplot <- function(drawn) {
  data <- replicate_table(drawn)
  ggplot2::ggplot(data, ggplot2::aes(.data$value)) +
    ggplot2::geom_density(
      fill = plot_blue,
      colour = plot_blue,
      alpha = 0.15
    ) +
    estimate_lines(drawn$estimate, levels(data$parameter)) +
    ggplot2::facet_wrap("parameter", scales = "free", labeller = wrapped) +
    ggplot2::labs(x = NULL, y = "Density")
}

estimate_lines <- function(estimate, parameters) {
  data <- data.frame(
    estimate = unname(estimate),
    parameter = factor(names(estimate), parameters)
  )
  ggplot2::geom_vline(
    ggplot2::aes(xintercept = .data$estimate),
    data,
    colour = plot_red
  )
}

ridge_ggplot <- function(drawn) {
  curves <- bootstrap_ridges(drawn)
  names <- colnames(drawn$values)
  curves$parameter <- factor(curves$parameter, names)
  ggplot2::ggplot(curves, ggplot2::aes(.data$value)) +
    ggplot2::geom_vline(xintercept = 0, colour = plot_red) +
    ridge_layer() +
    ggplot2::scale_y_continuous(
      breaks = rev(seq_along(names)),
      labels = names,
      minor_breaks = NULL
    ) +
    ggplot2::labs(x = ridge_label, y = NULL)
}

ridge_layer <- function() {
  ggplot2::geom_ribbon(
    ggplot2::aes(
      ymin = .data$base,
      ymax = .data$top,
      group = .data$parameter
    ),
    fill = plot_blue,
    colour = plot_blue,
    alpha = 0.3
  )
}

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, rlmm_power)
autoplot.rlmm_power <- function(object, ...) {
  refuse_dots(...)
  data <- power_curve(object)
  marks <- c(attr(object, "alpha"), 0.8)
  ggplot2::ggplot(data, ggplot2::aes(.data$size, .data$power)) +
    ggplot2::geom_hline(
      yintercept = marks,
      colour = plot_grey,
      linetype = "dashed"
    ) +
    power_layers() +
    ggplot2::facet_wrap(ggplot2::vars(.data$test), labeller = wrapped) +
    ggplot2::ylim(0, 1) +
    ggplot2::labs(x = power_axis(object), y = "Power")
}

# Layers of the power at each size, with its interval.
power_layers <- function() {
  list(
    ggplot2::geom_segment(
      ggplot2::aes(xend = .data$size, y = .data$lwr, yend = .data$upr),
      colour = plot_blue
    ),
    ggplot2::geom_line(colour = plot_blue),
    ggplot2::geom_point(colour = plot_blue)
  )
}
