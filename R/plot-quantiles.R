# Plots of residuals against normal quantiles.

#' @rdname plot.rlmm
#' @importFrom stats qqnorm
#' @export
qqnorm.rlmm <- function(
  y,
  type = c("pearson", "response", "deviance", "working", "scaled"),
  ...
) {
  type <- one_of(
    type,
    c("pearson", "response", "deviance", "working", "scaled"),
    "type"
  )
  need_package("lattice", "qqnorm()")
  qq_plot(
    residuals.rlmm(y, type = type),
    ylab = capitalize(paste(type, "residuals")),
    ...
  )
}

#' @rdname plot.rlmm
#' @rawNamespace S3method(lattice::qqmath, rlmm)
qqmath.rlmm <- function(x, data = NULL, type = "pearson", ...) {
  if (!all(type %in% lattice_types)) {
    return(qqnorm.rlmm(x, type = type, ...))
  }
  need_package("lattice", "qqmath()")
  values <- residuals.rlmm(x, type = "pearson")
  qq_plot(
    values,
    ylab = "Pearson residuals",
    type = type,
    ...
  )
}

# What lattice calls a `type`: points, lines, a regression line and so on.
lattice_types <- c("p", "l", "h", "b", "o", "s", "S", "r", "a", "g", "smooth")

qq_plot <- function(values, ...) {
  values <- sort(values[is.finite(values)])
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
    panel = qq_panel(quartile_line(data))
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

qq_panel <- function(line) {
  function(x, y, ...) {
    lattice::panel.grid(h = -1, v = -1)
    draw_line(line)
    lattice::panel.xyplot(x, y, ...)
  }
}
