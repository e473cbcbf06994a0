# Plots of residuals against normal quantiles.

#' @rdname plot.rlmm
#' @importFrom stats qqnorm
#' @export
qqnorm.rlmm <- function(
  y,
  type = c("pearson", "response", "deviance", "working", "scaled"),
  ...,
  id = NULL,
  idLabels = NULL
) {
  type <- one_of(
    type,
    c("pearson", "response", "deviance", "working", "scaled"),
    "type"
  )
  need_package("lattice", "qqnorm()")
  values <- unpad(residuals.rlmm(y, type = type), y)
  qq_plot(
    values,
    plotted_labels(y, id, idLabels, length(values)),
    ylab = capitalize(paste(type, "residuals")),
    ...
  )
}

#' @rdname plot.rlmm
#' @rawNamespace S3method(lattice::qqmath, rlmm)
qqmath.rlmm <- function(
  x,
  data = NULL,
  id = NULL,
  type = "pearson",
  ...,
  idLabels = NULL
) {
  if (!all(type %in% lattice_types)) {
    return(qqnorm.rlmm(x, type, id = id, idLabels = idLabels, ...))
  }
  need_package("lattice", "qqmath()")
  values <- unpad(residuals.rlmm(x, type = "pearson"), x)
  qq_plot(
    values,
    plotted_labels(x, id, idLabels, length(values)),
    ylab = "Pearson residuals",
    type = type,
    ...
  )
}

# The values of lattice's `type`: points, lines, a regression line and so on.
lattice_types <- c("p", "l", "h", "b", "o", "s", "S", "r", "a", "g", "smooth")

# Draws sorted values against quantiles, with labels that aren't `NA`.
qq_plot <- function(values, labels = NULL, ...) {
  order <- order(values)
  order <- order[is.finite(values[order])]
  values <- values[order]
  data <- data.frame(
    quantile = stats::qnorm(stats::ppoints(length(values))),
    value = unname(values)
  )
  is_many <- length(values) > 2000
  defaults <- list(
    x = value ~ quantile,
    data = data,
    xlab = "Standard normal quantiles",
    col = plot_blue,
    pch = if (is_many) 16 else 1,
    cex = if (is_many) 0.4 else 0.8,
    panel = qq_panel(quartile_line(data), labels[order])
  )
  draw_with(lattice::xyplot, defaults, ...)
}

quartile_line <- function(data) {
  quarters <- c(0.25, 0.75)
  y <- stats::quantile(
    data$value,
    quarters,
    names = FALSE
  )
  x <- stats::qnorm(quarters)
  slope <- diff(y) / diff(x)
  c(y[[1L]] - slope * x[[1L]], slope)
}

qq_panel <- function(line, labels = NULL) {
  # Errors in the labels are raised before drawing.
  force(labels)
  function(x, y, ...) {
    lattice::panel.grid(h = -1, v = -1)
    draw_line(line)
    lattice::panel.xyplot(x, y, ...)
    draw_labels(x, y, labels)
  }
}
