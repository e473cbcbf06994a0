# The page of diagnostic plots.

#' Diagnostic plots
#'
#' Draws on one page: residuals, and their absolute values, against fitted values (or the linear
#' predictor); normal quantile plots of the residuals and of the random effects; Cook's distances of
#' deleting each level; and for counts the observed and expected frequencies, otherwise residuals
#' against leverage. Residuals are scaled ones for linear models and quantile residuals for
#' generalized ones.
#' @param x The result of [diagnose()].
#' @param which The numbers of the plots, in the order above.
#' @param ... Not used.
#' @return A list of objects of class `"trellis"`, which are drawn on one page when it is printed.
#' @examplesIf requireNamespace("lattice", quietly = TRUE)
#' plot(diagnose(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)))
#' @export
plot.rlmm_diagnosis <- function(x, which = 1:6, ...) {
  refuse_dots(...)
  need_package("lattice", "plot(diagnose(fit))")
  panels <- pictures(x)[which]
  structure(panels[lengths(panels) > 0L], class = "rlmm_page")
}

# For a fit without rows, only the plots of random effects.
pictures <- function(x) {
  has_rows <- !is.null(x$residuals)
  list(
    if (has_rows) residual_picture(x),
    if (has_rows) spread_picture(x),
    if (has_rows) quantile_picture(x$residuals, "Residuals"),
    modes_picture(x$modes),
    if (has_rows) distance_picture(x$influence),
    if (has_rows) last_picture(x)
  )
}

# The font size for six plots on a page.
page_text <- list(fontsize = list(text = 9, points = 6))

#' @export
print.rlmm_page <- function(x, ...) {
  n <- length(x)
  columns <- min(n, if (n > 4L) 3L else 2L)
  rows <- ceiling(n / columns)
  for (i in seq_len(n)) {
    picture <- stats::update(unclass(x)[[i]], par.settings = page_text)
    print(
      picture,
      split = page_place(i, rows, columns),
      more = i < n
    )
  }
  invisible(x)
}

# The position of the i-th plot on a page in lattice's form: column, row, and the numbers of both.
page_place <- function(i, rows, columns) {
  column <- (i - 1L) %% columns + 1L
  row <- (i - 1L) %/% columns + 1L
  c(column, row, columns, rows)
}

residual_picture <- function(x) {
  at <- predictor_values(x$fit)
  cloud(
    at$value,
    x$residuals,
    at$label,
    "Residuals",
    line = 0
  )
}

#' The fitted values, or the linear predictor of a generalized model
#' @noRd
predictor_values <- function(fit) {
  if (is.null(fit$eta)) {
    return(list(value = fit$fitted, label = "Fitted values"))
  }
  list(value = fit$eta, label = "Linear predictor")
}

spread_picture <- function(x) {
  at <- predictor_values(x$fit)
  cloud(
    at$value,
    sqrt(abs(x$residuals)),
    at$label,
    "Root of |residuals|"
  )
}

#' A scatter plot with a smooth line
#' @noRd
cloud <- function(x, y, xlab, ylab, line = NULL) {
  data <- data.frame(x = as.vector(x), y = as.vector(y))
  labels <- rep(NA_character_, nrow(data))
  settings <- c(
    list(
      x = y ~ x,
      data = data,
      xlab = xlab,
      ylab = ylab
    ),
    scatter_defaults(line, labels, TRUE, nrow(data))
  )
  do.call(lattice::xyplot, settings)
}

quantile_picture <- function(values, label) qq_plot(values, ylab = label)

#' Normal quantiles of the modes of up to six effects
#' @noRd
modes_picture <- function(modes) {
  modes <- utils::head(modes, 6L)
  if (length(modes) == 0L) {
    return(NULL)
  }
  data <- normal_table(modes)
  are_many <- nrow(data) > 500L
  lattice::xyplot(
    value ~ quantile | effect,
    data,
    xlab = "Standard normal quantiles",
    ylab = "Random effects, scaled",
    col = plot_blue,
    pch = if (are_many) 16 else 1,
    cex = if (are_many) 0.4 else 0.7,
    strip = lattice::strip.custom(
      bg = "grey92",
      par.strip.text = list(cex = 0.7)
    ),
    as.table = TRUE,
    panel = qq_panel(c(0, 1))
  )
}

# The sorted modes of each effect and their normal quantiles.
normal_table <- function(modes) {
  parts <- Map(
    function(mode, name) {
      data.frame(
        value = sort(unname(mode)),
        quantile = stats::qnorm(stats::ppoints(length(mode))),
        effect = name
      )
    },
    modes,
    names(modes)
  )
  data <- do.call(rbind, unname(parts))
  data$effect <- factor(data$effect, names(modes))
  data
}

#' Cook's distances of the levels of each factor
#' @noRd
distance_picture <- function(influence) {
  parts <- Map(distance_table, influence, names(influence))
  data <- do.call(rbind, unname(parts))
  if (is.null(data) || all(is.na(data$distance))) {
    return(NULL)
  }
  data$group <- factor(data$group, names(influence))
  lattice::xyplot(
    distance ~ level | group,
    data,
    xlab = "Level",
    ylab = "Cook's distance",
    ylim = c(-0.04, 1.15) * max(data$distance, 1e-10, na.rm = TRUE),
    scales = list(x = list(relation = "free", tick.number = 3)),
    strip = grey_strip(),
    labels = data$label,
    panel = function(x, y, labels, subscripts, ...) {
      index_panel(labels[subscripts])(x, y, ...)
    }
  )
}

# The levels of one factor, with labels for the three largest distances.
distance_table <- function(influence, group) {
  distance <- cooks.distance.influence.rlmm(influence)
  shown <- rank(-distance, ties.method = "first") <= 3
  data.frame(
    level = seq_along(distance),
    distance = distance,
    label = ifelse(shown, names(distance), NA),
    group = group
  )
}

last_picture <- function(x) {
  fit <- x$fit
  counts <- count_table(fit)
  if (!is.null(counts)) {
    return(counts_picture(fit, counts))
  }
  cloud(
    fit_leverage(fit),
    x$residuals,
    "Leverage",
    "Residuals",
    line = 0
  )
}

#' The observed and expected frequencies of each count; `NULL` if the response isn't a count
#' @noRd
count_table <- function(fit) {
  is_count <- isGLMM.rlmm(fit) &&
    identical(family_row(fit$glmm$family)$whole, "counts")
  if (!is_count) {
    return(NULL)
  }
  y <- fit_response(fit)$y
  counts <- 0:min(max(y), 40)
  observed <- \(k) sum(y == k)
  expected <- \(k) sum(count_probability(fit, k))
  data.frame(
    count = counts,
    observed = vapply(counts, observed, 0),
    expected = vapply(counts, expected, 0)
  )
}

#' A rootogram: the observed (bars) and expected (points) frequencies of each count on a square-root
#' scale
#' @noRd
counts_picture <- function(fit, table) {
  counts <- table$count
  expected <- table$expected
  observed <- table$observed
  lattice::xyplot(
    sqrt(observed) ~ counts,
    xlab = names(fit$frame)[1L],
    ylab = "Root of the number of rows",
    ylim = c(0, 1.05 * sqrt(max(observed, expected))),
    key = counts_key(),
    panel = counts_panel(sqrt(expected))
  )
}

counts_key <- function() {
  list(
    text = list(c("observed", "expected")),
    lines = list(
      col = c("grey70", plot_red),
      lwd = c(6, 1.5),
      pch = c(NA, 16),
      type = c("l", "o")
    ),
    corner = c(0.95, 0.95),
    cex = 0.9
  )
}

counts_panel <- function(expected) {
  function(x, y, ...) {
    lattice::panel.segments(
      x,
      0,
      x,
      y,
      col = "grey70",
      lwd = 6,
      lend = 1
    )
    lattice::panel.lines(x, expected, col = plot_red)
    lattice::panel.points(
      x,
      expected,
      col = plot_red,
      pch = 16,
      cex = 0.7
    )
  }
}
