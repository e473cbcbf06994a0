# Plots of random effects and of coefficients by group.

#' Plots of random effects and coefficients
#'
#' `dotplot()` and `plot()` draw caterpillar plots of the random effects, and `qqmath()` normal
#' quantile plots, with intervals. `plot()` of `coef()` draws the coefficients of each group.
#' `plot_shrinkage()` draws two effects of each group in the mixed model and in a separate
#' least-squares fit, joined by an arrow.
#'
#' The functions need lattice, but not lme4. With more than 60 levels the names of the levels are
#' omitted.
#'
#' @param x The result of [ranef()][ranef.rlmm] or [coef()]; for `plot_shrinkage()` a fitted model.
#' @param data Not used; an argument of lattice's generics.
#' @param main Whether to add the name of the grouping factor as a title.
#' @param transf A function that transforms effects and limits, such as `exp` for odds ratios.
#' @param level The confidence level of the intervals.
#' @param whichel The names of the grouping factors; by default all.
#' @param group,effects For `plot_shrinkage()`: the grouping factor and the names of two of its
#'   effects; by default the first of each.
#' @param ... Passed to lattice.
#' @return `dotplot()`, `qqmath()` and `plot()`: a list of objects of class `"trellis"`, one for
#'   each grouping factor, which are drawn when it is printed. `plot_shrinkage()`: one such object.
#' @examplesIf requireNamespace("lattice", quietly = TRUE)
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' plot(ranef(fit))
#' lattice::qqmath(ranef(fit))
#' plot(coef(fit))
#' plot_shrinkage(fit)
#' @export
plot.ranef.rlmm <- function(
  x,
  main = TRUE,
  level = 0.95,
  whichel = NULL,
  transf = identity,
  ...
) {
  caterpillars(x, main, transf, level, whichel, ...)
}

#' @rdname plot.ranef.rlmm
#' @rawNamespace S3method(lattice::dotplot, ranef.rlmm)
dotplot.ranef.rlmm <- function(
  x,
  data = NULL,
  main = TRUE,
  transf = identity,
  level = 0.95,
  whichel = NULL,
  ...
) {
  caterpillars(x, main, transf, level, whichel, ...)
}

caterpillars <- function(x, main, transf, level, whichel, ...) {
  need_package("lattice", "plot(ranef(fit))")
  check_confidence(level)
  check_flag(main, "main")
  check_transformation(transf)
  new_plots(lapply(wanted_groups(x, whichel), \(group) {
    caterpillar(group, effects_table(x, group), main, transf, level, ...)
  }))
}

check_transformation <- function(transf) {
  if (is.function(transf)) {
    return(invisible())
  }
  abort_argument(
    "`transf` must be a function such as `exp`.",
    x = it_is(transf),
    arg = "transf"
  )
}

wanted_groups <- function(x, whichel) {
  stats::setNames(nm = check_groups(whichel, names(x)))
}

#' The random effects of one factor in long form, with levels ordered by the first effect
#' @noRd
effects_table <- function(x, group) {
  table <- as.data.frame.ranef.rlmm(x)
  table <- table[table$grpvar == group, ]
  first <- table[table$term == table$term[[1L]], ]
  sorted <- as.character(first$grp[order(first$condval)])
  table$grp <- factor(as.character(table$grp), levels = sorted)
  table$term <- droplevels(table$term)
  table
}

caterpillar <- function(group, table, main, transf, level, ...) {
  data <- data.frame(
    level = table$grp,
    term = table$term,
    value = table$condval
  )
  half <- half_width(table$condsd, level)
  defaults <- interval_defaults(level ~ value | term, data, half)
  defaults <- transformed(defaults, transf)
  layout <- level_layout(nlevels(data$level), if (main) group)
  draw_with(lattice::dotplot, c(defaults, layout), ...)
}

# Transforms the values, their limits and the line at zero.
transformed <- function(defaults, transf) {
  defaults$data$value <- transf(defaults$data$value)
  of_line <- c("low", "high", "zero")
  defaults[of_line] <- lapply(defaults[of_line], transf)
  defaults
}

# The half widths of normal intervals; zero without standard errors.
half_width <- function(errors, level) {
  stats::qnorm(1 - (1 - level) / 2) * (errors %||% 0)
}

interval_defaults <- function(formula, data, half) {
  list(
    x = formula,
    data = data,
    low = data$value - half,
    high = data$value + half,
    zero = 0,
    panel = interval_panel,
    prepanel = interval_prepanel
  )
}

# The font size of the names of levels, which decreases with their number.
level_size <- function(n_levels) min(0.8, 24 / n_levels)

interval_prepanel <- function(x, y, low, high, subscripts, ...) {
  list(xlim = range(low[subscripts], high[subscripts], finite = TRUE))
}

interval_panel <- function(x, y, low, high, subscripts, zero = 0, ...) {
  lattice::panel.grid(h = 0, v = -1)
  lattice::panel.abline(v = zero, col = plot_grey)
  at <- as.numeric(y)
  lattice::panel.segments(
    low[subscripts],
    at,
    high[subscripts],
    at,
    col = plot_grey
  )
  size <- if (length(x) > 200L) 0.3 else 0.7
  lattice::panel.points(
    x,
    at,
    pch = 16,
    cex = size,
    col = plot_blue
  )
}

#' @rdname plot.ranef.rlmm
#' @rawNamespace S3method(lattice::qqmath, ranef.rlmm)
qqmath.ranef.rlmm <- function(
  x,
  data = NULL,
  main = TRUE,
  level = 0.95,
  whichel = NULL,
  ...
) {
  check_confidence(level)
  check_flag(main, "main")
  new_plots(lapply(wanted_groups(x, whichel), \(group) {
    quantile_plot(group, effects_table(x, group), main, level, ...)
  }))
}

quantile_plot <- function(group, table, main, level, ...) {
  data <- data.frame(
    term = table$term,
    value = table$condval,
    quantile = stats::ave(
      table$condval,
      table$term,
      FUN = normal_scores
    )
  )
  half <- half_width(table$condsd, level)
  defaults <- interval_defaults(quantile ~ value | term, data, half)
  look <- list(
    xlab = NULL,
    ylab = "Standard normal quantiles",
    main = if (main) group,
    strip = grey_strip(),
    scales = list(x = list(relation = "free"))
  )
  draw_with(lattice::xyplot, c(defaults, look), ...)
}

normal_scores <- function(values) {
  order <- rank(values, ties.method = "first")
  stats::qnorm(stats::ppoints(length(values)))[order]
}

#' @rdname plot.ranef.rlmm
#' @export
plot.coef.rlmm <- function(x, main = TRUE, whichel = NULL, ...) {
  need_package("lattice", "plot(coef(fit))")
  check_flag(main, "main")
  new_plots(lapply(wanted_groups(x, whichel), \(group) {
    table <- x[[group]]
    attr(table, "errors") <- attr(x, "std.error")[[group]]
    coefficient_plot(group, table, main, ...)
  }))
}

coefficient_plot <- function(group, table, main, ...) {
  shown <- varying_columns(table)
  errors <- unlist(attr(table, "errors")[shown], use.names = FALSE)
  data <- coefficient_data(table, shown)
  half <- half_width(errors, 0.95)
  defaults <- interval_defaults(level ~ value | term, data, half)
  if (is.null(errors)) {
    defaults$panel <- points_panel
  }
  layout <- level_layout(nrow(table), if (main) group)
  draw_with(lattice::dotplot, c(defaults, layout), ...)
}

# The columns that vary between levels; all columns if none does.
varying_columns <- function(table) {
  is_varied <- \(column) length(unique(column)) > 1L
  varies <- vapply(table, is_varied, NA)
  if (any(varies)) names(table)[varies] else names(table)
}

coefficient_data <- function(table, shown) {
  levels <- rownames(table)
  sorted <- levels[order(table[[shown[[1L]]]])]
  data.frame(
    level = factor(rep(levels, length(shown)), levels = sorted),
    term = column_factor(shown, length(levels)),
    value = unlist(table[shown], use.names = FALSE)
  )
}

# The column of each value of a table in long form.
column_factor <- function(columns, n_rows) {
  factor(rep(columns, each = n_rows), columns)
}

# Draws points in rows, smaller if there are many.
points_panel <- function(x, y, low, high, subscripts, ...) {
  has_lines <- length(x) <= 60L
  lattice::panel.grid(h = if (has_lines) -1 else 0, v = -1)
  size <- if (length(x) > 500L) 0.3 else 0.8
  lattice::panel.points(
    x,
    y,
    pch = 16L,
    cex = size,
    col = plot_blue
  )
}

# The layout of plots with a row for each level; labels are omitted if there are too many.
level_layout <- function(n_levels, main) {
  labels <- if (n_levels > 60L) {
    list(draw = FALSE)
  } else {
    list(cex = level_size(n_levels))
  }
  list(
    xlab = NULL,
    ylab = NULL,
    main = main,
    col = plot_blue,
    strip = grey_strip(),
    scales = list(x = list(relation = "free"), y = labels)
  )
}

# A list of plots ---------------------------------------------------------

new_plots <- function(plots) structure(plots, class = "rlmm_plots")

#' @export
print.rlmm_plots <- function(x, ...) {
  ask <- length(x) > 1L && grDevices::dev.interactive()
  old <- grDevices::devAskNewPage(ask)
  on.exit(grDevices::devAskNewPage(old))
  for (plot in unclass(x)) {
    print(plot, ...)
  }
  invisible(x)
}

# Shrinkage ---------------------------------------------------------------

#' @rdname plot.ranef.rlmm
#' @export
plot_shrinkage <- function(x, group = NULL, effects = NULL, ...) {
  need_package("lattice", "plot_shrinkage()")
  shrinkage <- shrinkage_table(x, group, effects)
  points <- rbind(shrinkage$mixed, shrinkage$alone)
  defaults <- list(
    x = y ~ x,
    data = data.frame(x = points[, 1L], y = points[, 2L]),
    xlab = shrinkage$effects[[1L]],
    ylab = shrinkage$effects[[2L]],
    main = paste0("Shrinkage by ", shrinkage$group),
    panel = shrinkage_panel(nrow(shrinkage$mixed), shrinkage$centre),
    key = shrinkage_key
  )
  draw_with(lattice::xyplot, defaults, ...)
}

#' The coefficients of two effects by group, in the mixed model and in separate fits
#' @return A list: `group`, `effects`, `mixed` and `alone` (two columns each), and `centre`.
#' @noRd
shrinkage_table <- function(x, group, effects) {
  check_fit(x, "x")
  if (isGLMM.rlmm(x)) {
    abort_rlmm(
      c(
        "A shrinkage plot is of a linear mixed model.",
        x = "A group's own fit of a generalized model may not exist."
      ),
      "rlmm_error_plot_effects"
    )
  }
  tables <- coef(x)
  group <- check_one_group(group, names(tables))
  effects <- shrunken_effects(x, group, effects)
  list(
    group = group,
    effects = effects,
    mixed = as.matrix(tables[[group]][effects]),
    alone = within_group_coefficients(x, group, effects),
    centre = x$beta[effects]
  )
}

shrinkage_key <- list(
  text = list(c("mixed model", "group alone", "fixed effects")),
  points = list(pch = c(16, 1, 3), col = c("#0072B2", "#D55E00", "black")),
  columns = 3
)

shrunken_effects <- function(fit, group, effects) {
  own <- lapply(fit$random[term_groups(fit) == group], `[[`, "columns")
  usable <- intersect(unlist(own), names(fit$beta))
  effects <- effects %||% utils::head(usable, 2L)
  if (length(effects) == 2L && all(effects %in% usable)) {
    return(effects)
  }
  both <- if (length(usable)) enumerate(in_quotes(usable)) else "none"
  abort_rlmm(
    c(
      "A shrinkage plot needs two effects that are fixed and random.",
      x = sprintf("Those of %s that are both: %s.", group, both)
    ),
    "rlmm_error_plot_effects"
  )
}

#' The least-squares coefficients of the effects from the data of each group alone, with all other
#' parts of the fit as an offset; `NA` if the group doesn't identify them
#' @noRd
within_group_coefficients <- function(fit, group, effects) {
  levels <- nlme::getGroups(fit, level = group)
  x <- model.matrix.rlmm(fit)
  design <- x[, effects, drop = FALSE]
  others <- drop(x %*% replace(fit$beta, effects, 0))
  y <- model_response(fit) - others - (total_offset(fit_frame(fit)) %||% 0)
  found <- lapply(split(seq_along(y), levels), \(rows) {
    coefficients_alone(design[rows, , drop = FALSE], y[rows])
  })
  do.call(rbind, found)
}

# Least-squares coefficients; `NA` if there are no residual degrees of freedom.
coefficients_alone <- function(x, y) {
  found <- stats::lm.fit(x, y)$coefficients
  if (nrow(x) <= ncol(x)) NA * found else found
}

shrinkage_panel <- function(n, centre) {
  function(x, y, ...) {
    lattice::panel.grid(h = -1, v = -1)
    mixed <- seq_len(n)
    alone <- n + mixed
    lattice::panel.arrows(
      x[alone],
      y[alone],
      x[mixed],
      y[mixed],
      length = 0.05,
      col = plot_grey
    )
    lattice::panel.points(
      x[alone],
      y[alone],
      pch = 1,
      col = plot_red
    )
    lattice::panel.points(
      x[mixed],
      y[mixed],
      pch = 16,
      col = plot_blue
    )
    lattice::panel.points(
      centre[[1L]],
      centre[[2L]],
      pch = 3,
      col = "black",
      cex = 1.5
    )
  }
}
