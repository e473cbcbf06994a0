# Pictures by ggplot2 of coefficients, replicates and power.

shrinkage_ggplot <- function(shrinkage) {
  ends <- data.frame(
    x = shrinkage$alone[, 1L],
    y = shrinkage$alone[, 2L],
    xend = shrinkage$mixed[, 1L],
    yend = shrinkage$mixed[, 2L]
  )
  kinds <- shrinkage_key$text[[1L]]
  points <- data.frame(
    x = c(ends$xend, ends$x, shrinkage$centre[[1L]]),
    y = c(ends$yend, ends$y, shrinkage$centre[[2L]]),
    kind = factor(rep(kinds, c(nrow(ends), nrow(ends), 1L)), kinds)
  )
  look <- shrinkage_key$points
  ggplot2::ggplot(points, ggplot2::aes(.data$x, .data$y)) +
    ggplot2::geom_segment(
      ggplot2::aes(xend = .data$xend, yend = .data$yend),
      ends,
      colour = plot_grey,
      na.rm = TRUE
    ) +
    ggplot2::geom_point(
      ggplot2::aes(colour = .data$kind, shape = .data$kind),
      na.rm = TRUE
    ) +
    ggplot2::scale_colour_manual(values = stats::setNames(look$col, kinds)) +
    ggplot2::scale_shape_manual(values = stats::setNames(look$pch, kinds)) +
    ggplot2::labs(
      x = shrinkage$effects[[1L]],
      y = shrinkage$effects[[2L]],
      colour = NULL,
      shape = NULL
    ) +
    ggplot2::theme(legend.position = "top")
}

# Coefficients ------------------------------------------------------------

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, coef.rlmm)
autoplot.coef.rlmm <- function(object, level = 0.95, group = NULL, ...) {
  refuse_dots(...)
  group <- check_groups(group, names(object))[[1L]]
  data <- as.data.frame.coef.rlmm(object, level = level)
  data <- data[data$grpvar == group, ]
  varies <- tapply(data$estimate, data$term, \(x) length(unique(x)) > 1L)
  if (any(varies, na.rm = TRUE)) {
    data <- data[varies[as.character(data$term)], ]
  }
  coefficient_ggplot(data)
}

#' Coefficients in rows, in the order of the first of them
#' @param data Columns `term`, `grp`, `estimate`, and perhaps `lwr` and `upr`.
#' @noRd
coefficient_ggplot <- function(data) {
  data$term <- factor(data$term, unique(data$term))
  first <- data[data$term == levels(data$term)[1L], ]
  levels <- as.character(first$grp)[order(first$estimate)]
  data$place <- match(as.character(data$grp), levels)
  picture <- ggplot2::ggplot(data, ggplot2::aes(.data$estimate, .data$place))
  if (!is.null(data$lwr)) {
    picture <- picture +
      ggplot2::geom_segment(
        ggplot2::aes(x = .data$lwr, xend = .data$upr, yend = .data$place),
        colour = if (length(levels) > 200L) "grey80" else plot_grey,
        na.rm = TRUE
      )
  }
  picture +
    points_layer(nrow(data), na.rm = TRUE) +
    ggplot2::facet_wrap(
      ggplot2::vars(.data$term),
      scales = "free_x",
      labeller = wrapped
    ) +
    ggplot2::labs(x = "Coefficient", y = NULL) +
    level_places(levels)
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
  n <- length(names[[1L]])
  low <- as.vector(limits[, 1L, ])
  high <- as.vector(limits[, 2L, ])
  coefficient_ggplot(data.frame(
    term = rep(names[[3L]], each = n),
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
  drawn <- drawn_parameters(object, parm)
  if (type == "density") density_ggplot(drawn) else ridge_ggplot(drawn)
}

density_ggplot <- function(drawn) {
  data <- replicate_table(drawn)
  estimates <- data.frame(
    estimate = unname(drawn$estimate),
    parameter = factor(names(drawn$estimate), levels(data$parameter))
  )
  ggplot2::ggplot(data, ggplot2::aes(.data$value)) +
    ggplot2::geom_density(fill = plot_blue, colour = plot_blue, alpha = 0.15) +
    ggplot2::geom_vline(
      ggplot2::aes(xintercept = .data$estimate),
      estimates,
      colour = plot_red
    ) +
    ggplot2::facet_wrap(
      ggplot2::vars(.data$parameter),
      scales = "free",
      labeller = wrapped
    ) +
    ggplot2::labs(x = NULL, y = "Density")
}

ridge_ggplot <- function(drawn) {
  curves <- bootstrap_ridges(drawn)
  names <- colnames(drawn$values)
  curves$parameter <- factor(curves$parameter, names)
  ggplot2::ggplot(curves, ggplot2::aes(.data$value)) +
    ggplot2::geom_vline(xintercept = 0, colour = plot_red) +
    ggplot2::geom_ribbon(
      ggplot2::aes(
        ymin = .data$base,
        ymax = .data$base + .data$height,
        group = .data$parameter
      ),
      fill = plot_blue,
      colour = plot_blue,
      alpha = 0.3
    ) +
    ggplot2::scale_y_continuous(
      breaks = rev(seq_along(names)),
      labels = names,
      minor_breaks = NULL
    ) +
    ggplot2::labs(x = ridge_label, y = NULL)
}

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, rlmm_power)
autoplot.rlmm_power <- function(object, ...) {
  refuse_dots(...)
  data <- power_curve(object)
  ggplot2::ggplot(data, ggplot2::aes(.data$size, .data$power)) +
    ggplot2::geom_hline(
      yintercept = c(attr(object, "alpha"), 0.8),
      colour = plot_grey,
      linetype = "dashed"
    ) +
    ggplot2::geom_segment(
      ggplot2::aes(xend = .data$size, y = .data$lwr, yend = .data$upr),
      colour = plot_blue
    ) +
    ggplot2::geom_line(colour = plot_blue) +
    ggplot2::geom_point(colour = plot_blue) +
    ggplot2::facet_wrap(ggplot2::vars(.data$test), labeller = wrapped) +
    ggplot2::ylim(0, 1) +
    ggplot2::labs(x = power_axis(object), y = "Power")
}
