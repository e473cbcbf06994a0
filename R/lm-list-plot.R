# Plots of the confidence intervals of the coefficients of each group.

#' @rdname lmList
#' @export
plot.rlmm_lmList <- function(x, level = 0.95, order = 1, ...) {
  need_package("lattice", "plot(lmList())")
  plot.rlmm_lmList_confint(confint.rlmm_lmList(x, level = level), order, ...)
}

#' @rdname lmList
#' @export
plot.rlmm_lmList_confint <- function(x, order = 1, ...) {
  need_package("lattice", "plot(confint())")
  defaults <- list(
    x = level ~ value | term,
    data = interval_middles(x, order),
    low = as.vector(x[, 1L, ]),
    high = as.vector(x[, 2L, ]),
    panel = interval_panel,
    prepanel = interval_prepanel
  )
  layout <- level_layout(dim(x)[1L], NULL)
  draw_with(lattice::dotplot, c(defaults, layout), ...)
}

# The midpoints of the intervals, with groups sorted by coefficient `order`.
interval_middles <- function(x, order) {
  groups <- dimnames(x)[[1L]]
  terms <- dimnames(x)[[3L]]
  middle <- matrix((x[, 1L, ] + x[, 2L, ]) / 2, length(groups))
  places <- if (order > 0) order(middle[, order]) else seq_along(groups)
  data.frame(
    level = factor(groups[row(middle)], groups[places]),
    value = as.vector(middle),
    term = factor(terms[col(middle)], terms)
  )
}
