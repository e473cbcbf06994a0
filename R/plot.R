# Diagnostic plots of a fit by lattice, from a formula in quantities of the fit.

#' Diagnostic plots of a fit
#'
#' `plot()` draws residuals against fitted values, or the variables of a formula; `qqnorm()` and
#' lattice's `qqmath()` draw normal quantile plots of the residuals.
#'
#' In `form` the dot stands for the fit: `resid(., type = "pearson")`, `fitted(.)`, `hatvalues(.)`
#' or `cooks.distance(.)` are evaluated with it. Other names are variables of the model frame, or of
#' the data if these still exist.
#'
#' | formula | plot |
#' |---|---|
#' | `y ~ x` | scatter plot with a smooth line |
#' | `y ~ f`, with `f` a factor, or `f ~ x` | box plots |
#' | `~ x` | histogram |
#' | any of them with a bar and a factor `g` on the right | a panel for each level of `g` |
#'
#' @param x,y A fitted model; for `qqnorm()` it is `y`.
#' @param form A formula, see Details.
#' @param abline Lines as for [graphics::abline()]: `0` is a horizontal line at zero, `c(0, 1)` a
#'   line with intercept 0 and slope 1. By default there is a line at zero if residuals are on the
#'   left side.
#' @param id The observations to label: a fraction, for those whose scaled residual is in the outer
#'   `id` of a normal distribution; or a one-sided formula or a logical vector.
#' @param idLabels The labels: a vector or a one-sided formula; by default the levels of the
#'   grouping factors.
#' @param grid Whether to draw a grid.
#' @param data Not used; an argument of lattice's generic.
#' @param type The type of residuals, as in [residuals.rlmm()].
#' @param ... Passed to lattice: `xlab`, `layout`, `type`, `groups`, ...
#' @return An object of class `"trellis"`, which is drawn when it is printed.
#' @seealso [plot.ranef.rlmm()] for random effects,
#'   [hatvalues.rlmm()].
#' @examplesIf requireNamespace("lattice", quietly = TRUE)
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' plot(fit)
#' plot(fit, resid(., type = "pearson") ~ Days | Subject, id = 0.01)
#' plot(fit, Subject ~ resid(.))
#' plot(fit, Reaction ~ fitted(.), abline = c(0, 1))
#' qqnorm(fit, id = 0.01)
#' @export
plot.rlmm <- function(
  x,
  form = resid(., type = "pearson") ~ fitted(.),
  abline = NULL,
  id = NULL,
  ...,
  idLabels = NULL,
  grid = TRUE
) {
  need_package("lattice", "plot()")
  check_flag(grid, "grid")
  read <- read_plot_formula(form)
  data <- plot_data(lapply(read, plot_values, fit = x))
  labels <- plotted_labels(x, id, idLabels, nrow(data))
  lines <- abline %||% zero_line(read$y)
  kind <- plot_kind(data)
  own <- switch(
    kind,
    scatter = scatter_defaults(lines, labels, grid, nrow(data)),
    boxes = list(panel = box_panel(grid), par.settings = box_colours),
    histogram = list(
      col = plot_blue,
      border = "white",
      nint = bins(data$x)
    )
  )
  defaults <- c(common_defaults(read, data), own)
  draw_with(drawing_function(kind), defaults, ...)
}

common_defaults <- function(read, data) {
  list(
    x = plot_layout(data),
    data = data,
    xlab = plot_label(read$x),
    strip = grey_strip(),
    ylab = if (is.null(read$y)) "Per cent" else plot_label(read$y)
  )
}

drawing_function <- function(kind) {
  switch(
    kind,
    scatter = lattice::xyplot,
    boxes = lattice::bwplot,
    histogram = lattice::histogram
  )
}

# From the formula to values ----------------------------------------------

read_plot_formula <- function(form) {
  if (!inherits(form, "formula")) {
    abort_rlmm(
      c(
        "`form` must be a formula.",
        x = it_is(form),
        i = "For example `resid(.) ~ fitted(.) | Subject`."
      ),
      "rlmm_error_plot_formula"
    )
  }
  env <- environment(form)
  as_side <- \(expression) list(expression = expression, env = env)
  lapply(drop_null(plot_sides(form)), as_side)
}

# The expressions of y, x and the panels; `NULL` for missing ones.
plot_sides <- function(form) {
  right <- form[[length(form)]]
  is_conditioned <- is.call(right) && identical(right[[1L]], quote(`|`))
  list(
    y = if (length(form) == 3L) form[[2L]],
    x = if (is_conditioned) right[[2L]] else right,
    panel = if (is_conditioned) right[[3L]]
  )
}

plot_values <- function(side, fit) {
  frame <- fit_frame(fit)
  values <- unpad(plotted_values(side, fit), fit)
  if (NROW(values) == nrow(frame) && is.null(dim(values))) {
    return(values)
  }
  found <- sprintf(
    "%s has %s rows, the fit %s.",
    tick(deparse_one(side$expression)),
    NROW(values),
    nrow(frame)
  )
  abort_rlmm(
    c("Each side of `form` must have a value for each observation.", x = found),
    "rlmm_error_plot_formula"
  )
}

# Evaluates an expression in the variables of the fit, or otherwise in its data.
plotted_values <- function(side, fit) {
  expr <- side$expression
  env <- side$env %||% baseenv()
  variables <- as.list(fit_frame(fit))
  inside <- c(list(. = fit), variables, grouping_factors(fit))
  in_data <- \(cnd) {
    tryCatch(
      values_in_data(expr, fit, env),
      error = function(other) abort_plot_value(expr, cnd)
    )
  }
  tryCatch(eval(expr, inside, env), error = in_data)
}

values_in_data <- function(expression, fit, env) {
  data <- nlme::getData(fit)
  rows <- match(row.names(fit_frame(fit)), row.names(data))
  data <- data[rows, , drop = FALSE]
  eval(
    expression,
    c(list(. = fit), as.list(data)),
    env
  )
}

#' Removes the `NA` of omitted rows under `na.exclude`
#' @noRd
unpad <- function(values, fit) {
  omitted <- fit$na_action
  is_padded <- inherits(omitted, "exclude") &&
    length(values) == nrow(fit_frame(fit)) + length(omitted)
  if (is_padded) values[-omitted] else values
}

abort_plot_value <- function(expression, cnd) {
  abort_rlmm(
    c(
      paste0("Can't evaluate `", deparse_one(expression), "` in `form`."),
      x = conditionMessage(cnd),
      i = "The dot is the fit, as in `resid(.)`; other names are variables of the model."
    ),
    "rlmm_error_plot_formula"
  )
}

plot_data <- function(values) {
  values[] <- lapply(values, \(value) {
    if (is.character(value) || is.logical(value)) {
      factor(value)
    } else {
      unname(value)
    }
  })
  if (!is.null(values$panel)) {
    values$panel <- as.factor(values$panel)
  }
  as.data.frame(unclass(values), stringsAsFactors = FALSE)
}

plot_kind <- function(data) {
  if (is.null(data$y)) {
    "histogram"
  } else if (is.factor(data$y) || is.factor(data$x)) {
    "boxes"
  } else {
    "scatter"
  }
}

# The number of bins of a histogram, more than Sturges' rule, which hides long tails.
bins <- function(x) {
  rule <- grDevices::nclass.FD(x[is.finite(x)])
  max(10L, min(50L, rule))
}

plot_layout <- function(data) {
  sides <- if (is.null(data$y)) "~ x" else "y ~ x"
  stats::as.formula(
    if (is.null(data$panel)) sides else paste(sides, "| panel"),
    env = baseenv()
  )
}

plot_label <- function(side) {
  if (is.null(side)) {
    return(NULL)
  }
  expression <- side$expression
  name <- if (is_of_fit(expression)) deparse_one(expression[[1L]]) else ""
  if (name %in% c("resid", "residuals")) {
    type <- if (is.character(expression$type)) expression$type
    return(capitalize(paste(c(type, "residuals"), collapse = " ")))
  }
  if (name == "fitted") "Fitted values" else deparse_one(expression)
}

# Whether an expression is a call whose first argument is `.`, the fit.
is_of_fit <- function(expr) {
  has_argument <- is.call(expr) && length(expr) > 1L
  has_argument && identical(expr[[2L]], quote(.))
}

capitalize <- function(text) {
  paste0(toupper(substring(text, 1L, 1L)), substring(text, 2L))
}

zero_line <- function(side) {
  name <- if (is.call(side$expression)) deparse_one(side$expression[[1L]])
  if (isTRUE(name %in% c("resid", "residuals", "rstandard", "rstudent"))) 0
}

# Labels ------------------------------------------------------------------

#' The label of each observation, `NA` for those without a label
#' @noRd
plotted_labels <- function(fit, id, idLabels, n) {
  if (is.null(id)) {
    return(rep(NA_character_, n))
  }
  labels <- label_text(fit, idLabels, n)
  labels[!is_labelled(fit, id, n)] <- NA
  labels
}

is_labelled <- function(fit, id, n) {
  if (inherits(id, "formula")) {
    side <- list(expression = id[[2L]], env = environment(id))
    id <- plot_values(side, fit)
  }
  if (is.logical(id) && length(id) == n) {
    return(id & !is.na(id))
  }
  if (is_number(id) && id > 0 && id < 1) {
    return(has_large_residual(fit, id))
  }
  abort_rlmm(
    c(
      "`id` must be a share between 0 and 1, a formula or a logical value for each observation.",
      x = it_is(id)
    ),
    "rlmm_error_plot_id"
  )
}

# Whether a residual is in the outer fraction of a normal distribution.
has_large_residual <- function(fit, share) {
  scaled <- unpad(residuals.rlmm(fit, type = "pearson", scaled = TRUE), fit)
  abs(scaled) > stats::qnorm(1 - share / 2)
}

label_text <- function(fit, labels, n) {
  if (is.null(labels)) {
    groups <- lapply(unname(grouping_factors(fit)), as.character)
    return(do.call(paste, c(groups, sep = "/")))
  }
  if (inherits(labels, "formula")) {
    side <- list(expression = labels[[2L]], env = environment(labels))
    labels <- plot_values(side, fit)
  }
  if (length(labels) != n) {
    abort_label_count(length(labels), n)
  }
  as.character(labels)
}

abort_label_count <- function(found, n) {
  text <- "It has %s, the fit has %s observations."
  abort_rlmm(
    c(
      "`idLabels` must have a label for each observation.",
      x = sprintf(text, found, n)
    ),
    "rlmm_error_plot_id"
  )
}
