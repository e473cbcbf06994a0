# Common elements of lattice plots: colours, panels, strips and defaults.

# Blue and vermilion of Okabe and Ito's palette, which is safe for colour-blind readers.
plot_blue <- "#0072B2"
plot_red <- "#D55E00"
plot_grey <- "#999999"

scatter_defaults <- function(line, labels, grid, n) {
  many <- n > 2000
  list(
    panel = scatter_panel(line, labels, grid),
    pch = if (many) 16 else 1,
    cex = if (many) 0.4 else 0.8,
    alpha = if (many) 0.4 else 1,
    col = plot_blue
  )
}

scatter_panel <- function(line, labels, grid) {
  function(x, y, subscripts, ...) {
    if (grid) {
      lattice::panel.grid(h = -1, v = -1)
    }
    draw_line(line)
    lattice::panel.xyplot(
      x,
      y,
      subscripts = subscripts,
      ...
    )
    draw_smooth(x, y)
    draw_labels(x, y, labels[subscripts])
  }
}

draw_line <- function(line) {
  if (length(line) == 1L) {
    lattice::panel.abline(h = line, col = plot_grey)
  } else if (length(line) == 2L) {
    lattice::panel.abline(
      a = line[[1L]],
      b = line[[2L]],
      col = plot_grey
    )
  }
}

#' Draws a smooth line, if there are enough distinct values
#' @noRd
draw_smooth <- function(x, y) {
  ok <- is.finite(x) & is.finite(y)
  if (sum(ok) < 20L || length(unique(x[ok])) < 6L) {
    return(invisible())
  }
  smooth <- stats::lowess(
    x[ok],
    y[ok],
    f = 2 / 3
  )
  lattice::panel.lines(
    smooth$x,
    smooth$y,
    col = plot_red
  )
}

# Labels above points; of two points so near that their labels would overlap, the labels are at the
# outer sides.
draw_labels <- function(x, y, labels) {
  shown <- which(!is.na(labels))
  shown <- shown[order(x[shown])]
  n <- length(shown)
  if (n == 0L) {
    return(invisible())
  }
  is_tight <- labels_overlap(x[shown], y[shown], labels[shown])
  left <- c(is_tight, FALSE)
  right <- c(FALSE, is_tight)
  lattice::panel.text(
    x[shown],
    y[shown],
    labels[shown],
    pos = ifelse(left == right, 3L, ifelse(left, 2L, 4L)),
    cex = 0.7
  )
}

# Whether each label, ordered by `x`, would overlap the next one.
labels_overlap <- function(x, y, labels) {
  units <- lattice::current.panel.limits("native")
  size <- lattice::current.panel.limits("cm")
  in_cm <- \(differences, side) {
    differences * diff(size[[side]]) / diff(units[[side]])
  }
  width <- 0.16 * nchar(labels)
  needed <- (width[-1L] + width[-length(width)]) / 2
  in_cm(diff(x), "xlim") < needed & abs(in_cm(diff(y), "ylim")) < 0.3
}

box_colours <- list(
  box.rectangle = list(col = plot_blue),
  box.umbrella = list(col = plot_blue),
  plot.symbol = list(col = plot_blue)
)

box_panel <- function(grid) {
  function(...) {
    if (grid) {
      lattice::panel.grid(h = -1, v = -1)
    }
    lattice::panel.bwplot(
      ...,
      pch = "|",
      do.out = TRUE
    )
  }
}

#' Raises an error if a suggested package isn't installed
#' @param version The oldest version that suffices.
#' @noRd
need_package <- function(package, what, version = NULL) {
  if (rlang::is_installed(package, version = version)) {
    return(invisible())
  }
  abort_rlmm(
    c(
      paste0(
        sprintf("`%s` needs the package %s", what, package),
        if (!is.null(version)) sprintf(", version %s at least", version),
        "."
      ),
      i = paste0("Install it with `install.packages(\"", package, "\")`.")
    ),
    "rlmm_error_package"
  )
}

# Raises an error about a plot of no parameter.
check_some_shown <- function(names) {
  if (length(names) == 0L) {
    problem <- "There must be at least one parameter to be plotted."
    abort_argument(problem, x = "None is chosen.", arg = "parm")
  }
}

grey_strip <- function() lattice::strip.custom(bg = "grey92")
