# Common elements of several plots: strips whose labels fit, and settings of densities.

#' The strip above each panel, with a smaller font for longer labels
#' @param labels The labels of the panels.
#' @noRd
fitting_strip <- function(labels, largest = 1) {
  longest <- max(nchar(as.character(labels)), 1L)
  room <- 45 / ceiling(sqrt(length(labels)))
  lattice::strip.custom(
    bg = "grey92",
    par.strip.text = list(cex = max(min(largest, room / longest), 0.5))
  )
}

# Settings of lattice for densities with a panel for each parameter.
density_settings <- function(labels) {
  list(
    col = plot_blue,
    xlab = NULL,
    ylab = "Density",
    strip = fitting_strip(labels),
    scales = list(relation = "free", y = list(rot = 0)),
    as.table = TRUE
  )
}

# Ridges: densities of standardized values above each other, one unit apart, with the first at the
# top.
ridge_curves <- function(values) {
  n <- ncol(values)
  curves <- lapply(seq_len(n), \(j) {
    value <- values[is.finite(values[, j]), j]
    density <- stats::density(value, n = 201L)
    data.frame(
      value = density$x,
      base = n + 1 - j,
      height = 0.9 * density$y / max(density$y),
      parameter = colnames(values)[j]
    )
  })
  do.call(rbind, curves)
}

# ggplot2 -----------------------------------------------------------------

# Points are smaller and more transparent if there are many.
point_style <- function(n) {
  list(
    colour = plot_blue,
    size = if (n > 2000L) 0.4 else 1.5,
    alpha = if (n > 2000L) 0.3 else 0.8
  )
}

points_layer <- function(n, ...) {
  do.call(ggplot2::geom_point, c(list(...), point_style(n)))
}

# Wraps labels of panels, also at places without blanks.
wrapped <- function(labels) {
  in_lines <- \(text) {
    parts <- strsplit(text, "(?<=[|])", perl = TRUE)[[1L]]
    paste(strwrap(parts, 22L), collapse = "\n")
  }
  lapply(labels, \(text) vapply(as.character(text), in_lines, ""))
}
