# The plots of a diagnosis by ggplot2: one plot with a panel for each.

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, rlmm_diagnosis)
autoplot.rlmm_diagnosis <- function(object, ...) {
  refuse_dots(...)
  panels <- diagnosis_panels(object)
  names <- vapply(panels, `[[`, "", "name")
  points <- panel_rows(panels, "points", names)
  ggplot2::ggplot(points, ggplot2::aes(.data$x, .data$y)) +
    reference_layer(panel_rows(panels, "reference", names)) +
    points_layer(nrow(points)) +
    smooth_layer(panel_rows(panels, "lines", names)) +
    page_labels(points) +
    # The upper expansion leaves room for labels above the points.
    ggplot2::scale_y_continuous(expand = ggplot2::expansion(c(0.05, 0.12))) +
    ggplot2::facet_wrap("panel", scales = "free", labeller = wrapped) +
    ggplot2::labs(x = NULL, y = NULL)
}

diagnosis_panels <- function(x) {
  panels <- c(
    residual_panels(x),
    Map(quantile_panel, x$modes, paste("Normal quantiles:", names(x$modes))),
    Map(distance_panel, x$influence, names(x$influence)),
    list(last_panel(x))
  )
  unname(panels[!vapply(panels, is.null, NA)])
}

residual_panels <- function(x) {
  at <- predictor_values(x$fit)
  by_fitted <- \(y, what) {
    cloud_panel(at$value, y, paste(what, "by", tolower(at$label)))
  }
  r <- x$residuals
  list(
    with_reference(by_fitted(r, "Residuals"), 0, 0),
    by_fitted(sqrt(abs(r)), "Root of the size of residuals"),
    quantile_panel(r, "Normal quantiles: residuals")
  )
}

#' A panel: its `name`, and data frames of `points`, `lines` and `reference` lines
#' @noRd
new_panel <- function(name, points, lines = NULL, reference = NULL) {
  points$label <- points$label %||% rep(NA_character_, nrow(points))
  list(
    name = name,
    points = points,
    lines = lines,
    reference = reference
  )
}

with_reference <- function(panel, intercept, slope) {
  panel$reference <- data.frame(intercept = intercept, slope = slope)
  panel
}

cloud_panel <- function(x, y, name) {
  points <- data.frame(
    x = as.vector(x),
    y = as.vector(y)
  )
  points <- points[is.finite(points$y), ]
  new_panel(name, points, smooth_line(points))
}

quantile_panel <- function(values, name) {
  pairs <- quantile_pairs(values)
  line <- quartile_line(pairs)
  points <- data.frame(x = pairs$quantile, y = pairs$value)
  with_reference(new_panel(name, points), line[[1L]], line[[2L]])
}

distance_panel <- function(influence, group) {
  distance <- cooks.distance.influence.rlmm(influence)
  if (all(is.na(distance))) {
    return(NULL)
  }
  found <- labelled_distances(distance, 3)
  points <- data.frame(
    x = found$case,
    y = found$distance,
    label = found$label
  )
  new_panel(paste("Cook's distance by", group), points)
}

last_panel <- function(x) {
  counts <- count_table(x$fit)
  if (is.null(counts)) {
    panel <- cloud_panel(
      fit_leverage(x$fit),
      x$residuals,
      "Residuals by leverage"
    )
    return(with_reference(panel, 0, 0))
  }
  points <- data.frame(
    x = counts$count,
    y = sqrt(counts$observed)
  )
  expected <- data.frame(
    x = counts$count,
    y = sqrt(counts$expected)
  )
  new_panel("Root of frequencies, expected as a line", points, expected)
}

#' One component of all panels, stacked, with the name of the panel
#' @noRd
panel_rows <- function(panels, part, names) {
  parts <- lapply(panels, \(panel) {
    rows <- panel[[part]]
    if (NROW(rows) > 0L) cbind(rows, panel = factor(panel$name, names))
  })
  do.call(rbind, parts)
}

reference_layer <- function(lines) {
  ggplot2::geom_abline(
    ggplot2::aes(intercept = .data$intercept, slope = .data$slope),
    lines,
    colour = plot_grey
  )
}

page_labels <- function(points) {
  ggplot2::geom_text(
    ggplot2::aes(label = .data$label),
    points[!is.na(points$label), ],
    vjust = -0.6,
    size = 3
  )
}
