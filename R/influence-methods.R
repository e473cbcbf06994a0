# Methods for the result of influence(): Cook's distances, tables and plots.

without_case <- function(x, part) {
  x[[paste0(part, "[-", x$groups, "]")]]
}

#' @rdname influence.rlmm
#' @importFrom stats dfbeta
#' @export
dfbeta.influence.rlmm <- function(model, which = c("fixed", "var.cov"), ...) {
  refuse_dots(...)
  which <- one_of(which, c("fixed", "var.cov"), "which")
  part <- c(fixed = "fixed.effects", var.cov = "var.cov.comps")[[which]]
  sweep(without_case(model, part), 2, model[[part]])
}

#' @rdname influence.rlmm
#' @importFrom stats dfbetas
#' @export
dfbetas.influence.rlmm <- function(model, ...) {
  refuse_dots(...)
  dfbeta.influence.rlmm(model) / without_case(model, "std.error")
}

#' @rdname influence.rlmm
#' @export
cooks.distance.influence.rlmm <- function(model, ...) {
  refuse_dots(...)
  free <- diag(model$vcov) > 0
  change <- dfbeta.influence.rlmm(model)[, free, drop = FALSE]
  m <- nrow(change)
  p <- sum(free)
  # As in lme4, the number of deletions takes the place of the number of observations.
  share <- if (p > 0L) {
    (m - p) / (m * p)
  } else {
    0
  }
  root <- attr(model, "root") %||%
    root_of_inverse(model$vcov[free, free, drop = FALSE])
  size <- colSums((root %*% t(change))^2)
  stats::setNames(share * size, rownames(change))
}

# A matrix R with R'R = V^-1.
root_of_inverse <- function(v) {
  if (length(v) == 0L) {
    return(v)
  }
  backsolve(
    safe_chol(v) %||% abort_rounded_factor(),
    diag(nrow(v)),
    transpose = TRUE
  )
}

#' @rdname influence.rlmm
#' @export
hatvalues.influence.rlmm <- function(model, ...) {
  refuse_dots(...)
  model$hat
}

#' @rdname influence.rlmm
#' @export
dfbeta.rlmm <- function(model, infl = influence.rlmm(model), ...) {
  refuse_dots(...)
  check_influence(infl)
  dfbeta.influence.rlmm(infl)
}

#' @rdname influence.rlmm
#' @export
dfbetas.rlmm <- function(model, infl = influence.rlmm(model), ...) {
  refuse_dots(...)
  check_influence(infl)
  dfbetas.influence.rlmm(infl)
}

check_influence <- function(infl) {
  if (!inherits(infl, "influence.rlmm")) {
    abort_argument(
      "`infl` must be the result of `influence()`.",
      x = it_is(infl),
      arg = "infl"
    )
  }
}

#' @rdname influence.rlmm
#' @export
as.data.frame.influence.rlmm <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  ...
) {
  warn_of_dots(..., also = data_frame_arguments)
  out <- data.frame(
    deleted = x$deleted,
    size = unname(x$size),
    hat = unname(x$hat),
    cooks.distance = unname(cooks.distance.influence.rlmm(x)),
    covratio = unname(x$covratio)
  )
  out$dfbetas <- unname_rows(dfbetas.influence.rlmm(x))
  out
}

unname_rows <- function(x) {
  rownames(x) <- NULL
  x
}

influence_ways <- c(
  refit = "fitted again",
  one_step = "theta by one Newton step",
  fixed = "theta fixed"
)

#' @rdname influence.rlmm
#' @param digits The number of significant digits.
#' @export
format.influence.rlmm <- function(x, digits = 3, n = 10, ...) {
  warn_of_dots(...)
  table <- as.data.frame.influence.rlmm(x)
  n_cases <- nrow(table)
  largest <- utils::head(order(-table$cooks.distance), n)
  what <- if (x$groups == "case") "observation" else "group"
  way <- influence_ways[[x$method]]
  c(
    sprintf("Influence of %s (%s)", plural(n_cases, what), way),
    if (n_cases > n) sprintf("The %s largest Cook's distances:", n),
    columns_under_names(influence_columns(table[largest, ], x$groups, digits))
  )
}

# The columns of the printed table, as text.
influence_columns <- function(table, groups, digits) {
  betas <- as.data.frame(table$dfbetas)
  names(betas) <- paste("dfbetas", names(betas))
  shown <- c(
    list(as.character(table$deleted), table$size),
    lapply(table[3:5], format, digits = digits),
    lapply(betas, format, digits = digits)
  )
  names(shown)[1:5] <- c(groups, "rows", "leverage", "Cook's D", "covratio")
  shown
}

#' @rdname influence.rlmm
#' @export
print.influence.rlmm <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @rdname influence.rlmm
#' @export
plot.influence.rlmm <- function(x, n = 5, ...) {
  need_package("lattice", "plot(influence(fit))")
  distance <- cooks.distance.influence.rlmm(x)
  highest <- max(distance, 1e-10, na.rm = TRUE)
  defaults <- list(
    x = distance ~ case,
    data = data.frame(distance = distance, case = seq_along(distance)),
    xlab = deletion_label(x$groups),
    ylab = "Cook's distance",
    ylim = c(-0.04, 1.12) * highest,
    panel = index_panel(largest_labels(distance, x$deleted, n))
  )
  draw_with(lattice::xyplot, defaults, ...)
}

# Labels for the `n` largest distances.
largest_labels <- function(distance, labels, n) {
  is_shown <- rank(-distance, ties.method = "first") <= n
  ifelse(is_shown, as.character(labels), NA)
}

deletion_label <- function(groups) {
  if (groups == "case") "Observation" else groups
}

index_panel <- function(labels) {
  function(x, y, ...) {
    lattice::panel.grid(h = -1, v = 0)
    lattice::panel.abline(h = 0, col = plot_grey)
    many <- length(x) > 500L
    alpha <- if (many) 0.4 else 1
    lattice::panel.segments(
      x,
      0,
      x,
      y,
      col = plot_blue,
      alpha = alpha
    )
    if (!many) {
      lattice::panel.points(
        x,
        y,
        pch = 16,
        cex = 0.6,
        col = plot_blue
      )
    }
    draw_labels(x, y, labels)
  }
}
