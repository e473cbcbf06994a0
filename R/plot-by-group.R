# plot_by_group(): the data and predictions of each group.

#' Predictions over the data, group by group
#'
#' Draws a panel for each group with its data, the predictions with the random effects of the group,
#' and those without random effects (dashed). Covariates other than the one on the x axis are held
#' at the mean of the group, or at the most frequent value.
#'
#' If there are many groups, those are drawn whose random effects are at evenly spaced ranks from
#' the lowest to the highest.
#'
#' @param object A fitted model.
#' @param x The name of the variable on the x axis: a numeric one, or a factor of the fixed part. By
#'   default the first numeric variable of the fixed part, or its first factor.
#' @param group The name of the grouping factor; by default the first one.
#' @param max_groups The largest number of groups drawn.
#' @param type For generalized models, the scale: `"response"`, or `"link"`, which shows no data.
#' @param ... Passed to lattice.
#' @return An object of class `"trellis"`.
#' @seealso [predict.rlmm()], [plot_shrinkage()].
#' @examplesIf requireNamespace("lattice", quietly = TRUE)
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' plot_by_group(fit)
#' @export
plot_by_group <- function(
  object,
  x = NULL,
  group = NULL,
  max_groups = 24,
  type = c("response", "link"),
  ...
) {
  need_package("lattice", "plot_by_group()")
  type <- one_of(type, c("response", "link"), "type")
  curves <- group_curves(object, x, group, max_groups, type)
  defaults <- list(
    x = y ~ x | group,
    data = curves$data,
    lines = curves$lines,
    panel = group_panel,
    prepanel = group_prepanel,
    xlab = curves$x,
    ylab = curves$y,
    scales = level_ticks(curves$levels),
    strip = fitting_strip(levels(curves$data$group), 0.8),
    as.table = TRUE,
    key = group_key()
  )
  draw_with(lattice::xyplot, defaults, ...)
}

group_key <- function() {
  list(
    text = list(group_lines),
    lines = list(col = c(plot_blue, plot_red), lty = c(1, 2)),
    columns = 2
  )
}

# The labels of the two lines of a panel.
group_lines <- c("with the group's effects", "without")

#' Data and predictions of the groups that are drawn
#' @return A list: the data frames `data` and `lines`; the names `x` and `y`; and `levels` of `x`,
#'   if it is a factor, which is then replaced by level numbers.
#' @noRd
group_curves <- function(fit, x, group, max_groups, type) {
  check_fit(fit, "object")
  max_groups <- check_replicates(max_groups, "max_groups")
  data <- frame_data_for_plot(fit)
  x <- plotted_covariate(fit, x, data)
  factors <- grouping_factors(fit)
  group <- check_one_group(group, names(factors))
  levels <- spread_levels(fit, group, max_groups)
  shown <- factors[[group]] %in% levels
  of_group <- factor(as.character(factors[[group]])[shown], levels)
  rows <- data[shown, , drop = FALSE]
  of_x <- known_levels(fit, x, data)
  list(
    data = data.frame(
      y = plotted_response(fit, type)[shown],
      x = numbered(rows[[x]], of_x),
      group = of_group
    ),
    lines = predicted_lines(fit, rows, x, of_group, type),
    x = x,
    y = if (type == "link") "Linear predictor" else names(fit_frame(fit))[1L],
    levels = of_x
  )
}

plotted_response <- function(fit, type) {
  if (type == "link") {
    return(as.vector(fit$eta %||% fit$fitted))
  }
  as.vector(unname(model_response(fit)))
}

# The levels of a factor or another categorical variable; `NULL` for numbers.
known_levels <- function(fit, x, data) {
  values <- data[[x]]
  if (!is.numeric(values)) {
    fit$fixed$xlevels[[x]] %||% as.character(sort(unique(values)))
  }
}

# The position of each value of a factor on the x axis.
numbered <- function(values, levels) {
  if (is.null(levels)) values else match(as.character(values), levels)
}

#' The levels of a factor as lattice's ticks of the x axis
#' @noRd
level_ticks <- function(levels) {
  if (is.null(levels)) {
    return(list())
  }
  is_long <- sum(nchar(levels)) > 12L
  list(
    x = list(
      at = seq_along(levels),
      labels = levels,
      rot = if (is_long) 90 else 0
    )
  )
}

#' The data of the fit for its rows: the original data, or the variables of the frame
#' @noRd
frame_data_for_plot <- function(fit) {
  frame <- fit_frame(fit)
  data <- nlme::getData(fit)
  data[match(row.names(frame), row.names(data)), , drop = FALSE]
}

plotted_covariate <- function(fit, x, data) {
  variables <- all.vars(stats::delete.response(fit$fixed$terms))
  is_number <- vapply(variables, \(name) is.numeric(data[[name]]), NA)
  is_level <- vapply(variables, \(name) is_levelled(data[[name]]), NA)
  known <- variables[is_number | is_level]
  x <- x %||% c(variables[is_number], variables[is_level])[1L]
  is_name <- is.character(x) && length(x) == 1L
  if (is_name && (is.numeric(data[[x]]) || x %in% known)) {
    return(x)
  }
  abort_argument(
    "`x` must name a numeric variable of the model, or a factor of its fixed part.",
    x = if (length(x) == 1L && is.na(x)) {
      "The fixed part has none."
    } else {
      it_is(x)
    },
    arg = "x"
  )
}

is_levelled <- function(x) is.factor(x) || is.character(x) || is.logical(x)

#' Levels at evenly spaced ranks of their first random effect
#' @noRd
spread_levels <- function(fit, group, n) {
  term <- which(term_groups(fit) == group)[1L]
  levels <- fit$random[[term]]$levels
  if (length(levels) <= n) {
    return(levels)
  }
  order <- order(fit$b[[term]][, 1L])
  at <- round(seq(1, length(levels), length.out = n))
  levels[order[at]]
}

predicted_lines <- function(fit, data, x, group, type) {
  is_factor <- !is.numeric(data[[x]])
  all <- \(values) if (is_factor) sort(unique(values)) else range(values)
  ends <- all(data[[x]][!is.na(data[[x]])])
  grids <- lapply(split(data, group), grid_of_group, x = x, ends = ends)
  new <- do.call(rbind, unname(grids))
  predicted <- \(...) {
    unname(stats::predict(fit, new, type = type, ...))
  }
  sizes <- vapply(grids, nrow, 1L)
  data.frame(
    x = numbered(new[[x]], known_levels(fit, x, data)),
    group = factor(rep(levels(group), sizes), levels(group)),
    conditional = predicted(allow.new.levels = TRUE),
    population = predicted(re.form = NA)
  )
}

#' Forty values of x over the range of a group (or of all groups, `ends`, if it has a single value),
#' or the levels that occur; other variables are at their mean or most frequent value
#' @noRd
grid_of_group <- function(data, x, ends = NULL) {
  typical <- lapply(data, typical_value)
  at <- values_over(data[[x]], ends)
  rows <- data[rep(1L, length(at)), , drop = FALSE]
  for (name in setdiff(names(data), x)) {
    rows[[name]] <- rep(typical[[name]], length(at))
  }
  rows[[x]] <- at
  rows
}

typical_value <- function(column) {
  if (is.numeric(column) && is.null(dim(column))) {
    mean(column, na.rm = TRUE)
  } else {
    commonest(column)
  }
}

# Forty values over the range of numbers; the distinct values of a factor.
values_over <- function(values, ends) {
  if (!is.numeric(values)) {
    levels <- sort(unique(values))
    return(if (length(levels) < 2L) ends %||% levels else levels)
  }
  range <- range(values, na.rm = TRUE)
  if (range[1L] == range[2L] && !is.null(ends)) {
    range <- ends
  }
  unique(seq(range[1L], range[2L], length.out = 40L))
}

commonest <- function(column) {
  if (is.matrix(column) || is.data.frame(column)) {
    return(NA)
  }
  distinct <- unique(column)
  distinct[which.max(tabulate(match(column, distinct)))]
}

group_prepanel <- function(x, y, lines, ...) {
  list(ylim = range(y, lines$conditional, lines$population, finite = TRUE))
}

group_panel <- function(x, y, lines, ...) {
  lattice::panel.grid(h = -1, v = -1)
  group <- levels(lines$group)[lattice::packet.number()]
  own <- lines[lines$group == group, ]
  lattice::panel.points(
    x,
    y,
    col = "grey50",
    pch = 1,
    cex = 0.7
  )
  own <- own[order(own$x), ]
  # Predictions for the levels of a factor are marked.
  type <- if (nrow(own) < 40L) "b" else "l"
  curve <- \(y, ...) {
    lattice::panel.lines(own$x, y, type = type, pch = 4, ...)
  }
  curve(
    own$population,
    col = plot_red,
    lty = 2
  )
  curve(
    own$conditional,
    col = plot_blue,
    lwd = 1.5
  )
}
