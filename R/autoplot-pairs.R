# Contours of the likelihood of two parameters at a time, by ggplot2.

#' Contours for each pair of parameters, on their own scales, below the diagonal
#' @noRd
pairs_ggplot <- function(profile, levels, which) {
  shown <- pair_parameters(profile, which)
  data <- pairs_of_curves(profile, levels, shown)
  ggplot2::ggplot(data, ggplot2::aes(.data$x, .data$y, group = .data$curve)) +
    pair_layers(data) +
    ggplot2::facet_grid(
      ggplot2::vars(.data$up),
      ggplot2::vars(.data$right),
      scales = "free"
    ) +
    ggplot2::labs(x = NULL, y = NULL)
}

# Layers of grey profile traces and blue contours.
pair_layers <- function(data) {
  is_trace <- is.na(data$level)
  list(
    ggplot2::geom_path(
      data = data[is_trace, ],
      colour = plot_grey,
      na.rm = TRUE
    ),
    ggplot2::geom_path(
      data = data[!is_trace, ],
      colour = plot_blue
    )
  )
}

# The traces and contours of each pair of parameters.
pairs_of_curves <- function(profile, levels, shown) {
  traces <- lapply(stats::setNames(nm = shown), parameter_trace, x = profile)
  pairs <- utils::combn(shown, 2L, simplify = FALSE)
  curves <- lapply(pairs, \(pair) {
    pair_curves(traces[[pair[1L]]], traces[[pair[2L]]], levels)
  })
  data <- do.call(rbind, curves)
  data$right <- factor(data$right, shown)
  data$up <- factor(data$up, shown)
  data
}

#' The contours and profile traces of two parameters, as rows of a table
#' @noRd
pair_curves <- function(right, up, levels) {
  place <- place_in_units(right, up)
  contours <- lapply(levels, \(level) contour_rows(right, up, level, place))
  of_up <- trace_points(up, right)[, 2:1, drop = FALSE]
  rows <- rbind(
    do.call(rbind, contours),
    curve_rows(place(trace_points(right, up)), right$name, NA_real_),
    curve_rows(place(of_up), up$name, NA_real_)
  )
  cbind(rows, right = right$name, up = up$name)
}

# The points of a contour; none if it isn't closed within the profiles.
contour_rows <- function(right, up, level, place) {
  found <- zeta_contour(right, up, sqrt(stats::qchisq(level, 2)))
  if (!is.null(found)) {
    curve_rows(place(found), paste("contour", level), level)
  }
}

curve_rows <- function(points, curve, level) {
  data.frame(
    x = points[, 1L],
    y = points[, 2L],
    curve = curve,
    level = level
  )
}
