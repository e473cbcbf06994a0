# The pictures of plot() by ggplot2, where it is installed.

#' Plots by ggplot2
#'
#' Methods of ggplot2's `autoplot()` draw what `plot()` draws by lattice, as objects to which
#' layers, scales and themes can be added. For pictures of one's own see [fortify.rlmm()].
#'
#' | object | picture |
#' |---|---|
#' | fit, `type = "residuals"` | scaled residuals (quantile residuals of a generalized model)
#' against fitted values |
#' | fit, `type = "qq"` | normal quantiles of these residuals |
#' | fit, `type = "spread"` | their size against fitted values |
#' | fit, `type = "groups"` | predictions over the data, group by group: see [plot_by_group()] |
#' | fit, `type = "shrinkage"` | how far groups are drawn in: see [plot_shrinkage()] |
#' | `ranef(fit)` | random effects with intervals |
#' | `coef(fit)` | coefficients by group; with intervals those of `coef(fit, se = TRUE)` |
#' | `lmList()` | coefficients of each group alone, with limits |
#' | `bootstrap(fit)`, `type = "density"` or `"ridges"` | densities of the replicates |
#' | `profile(fit)`, `type = "zeta"` or `"density"` | profiles, with the limits of several levels,
#' or densities |
#' | `influence(fit, groups)` | Cook's distances |
#' | `allFit(fit)` | estimates of each optimizer |
#' | `opt_summary(fit)` | the objective at each evaluation |
#' | `simulate_power(fit, extend = )` | a power curve |
#'
#' @param object What is drawn.
#' @param type Which picture; see the table.
#' @param level Probability of the intervals.
#' @param group,x Names of a grouping factor, and of the covariate on the x axis.
#' @param max_groups The largest number of groups drawn.
#' @param n The number of cases that are labelled.
#' @param parm Names or numbers of parameters.
#' @param ... Not used.
#' @return An object of class `"ggplot"`.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' ggplot2::autoplot(fit)
#' ggplot2::autoplot(fit, type = "groups")
#' ggplot2::autoplot(ranef(fit)) + ggplot2::theme_minimal()
#' @name autoplot.rlmm
NULL

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, rlmm)
autoplot.rlmm <- function(
  object,
  type = c("residuals", "qq", "spread", "groups", "shrinkage"),
  x = NULL,
  group = NULL,
  max_groups = 24,
  ...
) {
  refuse_dots(...)
  kinds <- c("residuals", "qq", "spread", "groups", "shrinkage")
  type <- one_of(type, kinds, "type")
  if (type == "groups") {
    return(group_ggplot(object, x, group, max_groups))
  }
  if (type == "shrinkage") {
    return(shrinkage_ggplot(shrinkage_table(object, group, NULL)))
  }
  r <- diagnostic_residuals(object)
  name <- if (isGLMM.rlmm(object)) "Quantile residuals" else "Scaled residuals"
  at <- predictor_values(object)
  switch(
    type,
    residuals = cloud_ggplot(at$value, r, at$label, name, zero = TRUE),
    spread = cloud_ggplot(
      at$value,
      sqrt(abs(r)),
      at$label,
      paste("Root of the size of", tolower(name)),
      zero = FALSE
    ),
    qq = quantile_ggplot(r, name)
  )
}

# Fits --------------------------------------------------------------------

cloud_ggplot <- function(x, y, xlab, ylab, zero) {
  data <- data.frame(x = as.vector(x), y = as.vector(y))
  data <- data[is.finite(data$y), ]
  picture <- ggplot2::ggplot(data, ggplot2::aes(.data$x, .data$y)) +
    points_layer(nrow(data)) +
    ggplot2::labs(x = xlab, y = ylab)
  if (zero) {
    picture <- picture +
      ggplot2::geom_hline(yintercept = 0, colour = plot_grey)
  }
  smooth <- smooth_line(data)
  if (is.null(smooth)) {
    return(picture)
  }
  picture + ggplot2::geom_line(data = smooth, colour = plot_red)
}

#' The smooth line of a scatter plot, where there are enough distinct values
#' @noRd
smooth_line <- function(data) {
  if (nrow(data) < 20L || length(unique(data$x)) < 6L) {
    return(NULL)
  }
  as.data.frame(stats::lowess(data$x, data$y))
}

quantile_ggplot <- function(values, ylab) {
  values <- sort(values[is.finite(values)])
  data <- data.frame(
    quantile = stats::qnorm(stats::ppoints(length(values))),
    value = unname(values)
  )
  line <- quartile_line(data)
  ggplot2::ggplot(data, ggplot2::aes(.data$quantile, .data$value)) +
    ggplot2::geom_abline(
      intercept = line[[1L]],
      slope = line[[2L]],
      colour = plot_grey
    ) +
    points_layer(nrow(data)) +
    ggplot2::labs(x = "Standard normal quantiles", y = ylab)
}

group_ggplot <- function(fit, x, group, max_groups) {
  curves <- group_curves(fit, x, group, max_groups, "response")
  lines <- data.frame(
    x = rep(curves$lines$x, 2L),
    y = c(curves$lines$conditional, curves$lines$population),
    group = rep(curves$lines$group, 2L),
    effects = rep(group_lines, each = nrow(curves$lines))
  )
  ggplot2::ggplot(curves$data, ggplot2::aes(.data$x, .data$y)) +
    ggplot2::geom_point(colour = "grey50", size = 1) +
    ggplot2::geom_line(
      ggplot2::aes(colour = .data$effects, linetype = .data$effects),
      lines
    ) +
    ggplot2::scale_colour_manual(
      values = stats::setNames(c(plot_blue, plot_red), group_lines)
    ) +
    ggplot2::scale_linetype_manual(
      values = stats::setNames(c("solid", "dashed"), group_lines)
    ) +
    ggplot2::facet_wrap(ggplot2::vars(.data$group), labeller = wrapped) +
    ggplot2::labs(x = curves$x, y = curves$y, colour = NULL, linetype = NULL) +
    ggplot2::theme(legend.position = "top")
}

# Random effects ----------------------------------------------------------

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, ranef.rlmm)
autoplot.ranef.rlmm <- function(object, level = 0.95, group = NULL, ...) {
  refuse_dots(...)
  check_confidence(level)
  groups <- check_groups(group, names(object))
  tables <- lapply(groups, \(group) effects_table(object, group))
  data <- do.call(rbind, lapply(tables, ranked_effects))
  half <- stats::qnorm((1 + level) / 2) * (data$condsd %||% 0)
  data$low <- data$condval - half
  data$high <- data$condval + half
  most <- max(vapply(tables, \(table) nlevels(table$grp), 1L))
  picture <- ggplot2::ggplot(data, ggplot2::aes(.data$condval, .data$place)) +
    ggplot2::geom_vline(xintercept = 0, colour = plot_grey) +
    ggplot2::geom_segment(
      ggplot2::aes(
        x = .data$low,
        xend = .data$high,
        yend = .data$place
      ),
      colour = if (most > 200L) "grey80" else plot_grey
    ) +
    points_layer(nrow(data)) +
    ggplot2::facet_wrap(
      ggplot2::vars(.data$grpvar, .data$term),
      scales = "free",
      labeller = ggplot2::label_wrap_gen(multi_line = FALSE)
    ) +
    ggplot2::labs(x = "Random effect", y = NULL)
  picture + level_scale(data, most)
}

#' The effects with the place of each level, in the order of the first effect
#' @noRd
ranked_effects <- function(table) {
  table$place <- as.numeric(table$grp)
  table$level <- as.character(table$grp)
  table$grp <- NULL
  table$term <- as.character(table$term)
  table
}

#' The names of the levels on the axis, of one factor and where there is room
#' @noRd
level_scale <- function(data, most) {
  if (most > 60L || length(unique(data$grpvar)) > 1L) {
    return(ggplot2::theme(
      axis.text.y = ggplot2::element_blank(),
      axis.ticks.y = ggplot2::element_blank()
    ))
  }
  first <- data[!duplicated(data$place), ]
  ggplot2::scale_y_continuous(
    breaks = first$place,
    labels = first$level,
    minor_breaks = NULL
  )
}

# Profiles ----------------------------------------------------------------

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, profile.rlmm)
autoplot.profile.rlmm <- function(object, type = c("zeta", "density"), ...) {
  refuse_dots(...)
  type <- one_of(type, c("zeta", "density"), "type")
  if (type == "density") {
    data <- profile_densities(object)
    picture <- ggplot2::ggplot(data, ggplot2::aes(.data$value, .data$density)) +
      ggplot2::geom_area(fill = plot_blue, alpha = 0.15) +
      ggplot2::labs(y = "Density")
    scales <- "free"
  } else {
    data <- profile_curves(object)
    limits <- stats::qnorm(c(0.25, 0.1, 0.05, 0.025, 0.005))
    picture <- ggplot2::ggplot(data, ggplot2::aes(.data$value, .data$zeta)) +
      ggplot2::geom_hline(yintercept = 0, colour = "grey70") +
      ggplot2::geom_hline(
        yintercept = c(limits, -limits),
        colour = "grey70",
        linetype = "dashed"
      )
    scales <- "free_x"
  }
  picture +
    ggplot2::geom_line(colour = plot_blue, na.rm = TRUE) +
    ggplot2::facet_wrap(ggplot2::vars(.data$parameter), scales = scales) +
    ggplot2::labs(x = NULL)
}

# Influence and optima ----------------------------------------------------

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, influence.rlmm)
autoplot.influence.rlmm <- function(object, n = 5, ...) {
  refuse_dots(...)
  distance <- cooks.distance.influence.rlmm(object)
  shown <- rank(-distance, ties.method = "first") <= n
  data <- data.frame(
    case = seq_along(distance),
    distance = unname(distance),
    label = ifelse(shown, names(distance), NA)
  )
  ggplot2::ggplot(data, ggplot2::aes(.data$case, .data$distance)) +
    ggplot2::geom_segment(
      ggplot2::aes(xend = .data$case, yend = 0),
      colour = plot_blue
    ) +
    ggplot2::geom_text(
      ggplot2::aes(label = .data$label),
      vjust = -0.4,
      size = 3,
      na.rm = TRUE
    ) +
    ggplot2::labs(
      x = if (object$groups == "case") "Observation" else object$groups,
      y = "Cook's distance"
    )
}

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, rlmm_allFit)
autoplot.rlmm_allFit <- function(object, ...) {
  refuse_dots(...)
  data <- all_fit_estimates(object)
  ggplot2::ggplot(data, ggplot2::aes(.data$value, .data$optimizer)) +
    ggplot2::geom_point(
      ggplot2::aes(colour = .data$best, shape = .data$best)
    ) +
    ggplot2::geom_blank(data = all_fit_ranges(data)) +
    ggplot2::scale_colour_manual(
      values = c(`TRUE` = plot_blue, `FALSE` = plot_red),
      guide = "none"
    ) +
    ggplot2::scale_shape_manual(
      values = c(`TRUE` = 16, `FALSE` = 4),
      guide = "none"
    ) +
    ggplot2::facet_wrap(
      ggplot2::vars(.data$parameter),
      scales = "free_x",
      labeller = wrapped
    ) +
    ggplot2::scale_x_continuous(n.breaks = 3) +
    ggplot2::labs(x = "Estimate", y = NULL)
}

#' Points that are not drawn, but hold the least range of each panel open
#' @noRd
all_fit_ranges <- function(data) {
  parts <- lapply(split(data, data$parameter), \(part) {
    data.frame(
      value = all_fit_prepanel(part$value)$xlim,
      optimizer = part$optimizer[1:2],
      parameter = part$parameter[1:2],
      best = TRUE
    )
  })
  do.call(rbind, parts)
}

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, rlmm_optsum)
autoplot.rlmm_optsum <- function(object, ...) {
  refuse_dots(...)
  data <- objective_log(object)
  ggplot2::ggplot(data, ggplot2::aes(.data$eval, .data$above)) +
    ggplot2::geom_line(colour = plot_blue) +
    points_layer(nrow(data)) +
    ggplot2::scale_x_continuous(breaks = \(x) unique(floor(pretty(x)))) +
    ggplot2::scale_y_log10() +
    ggplot2::labs(x = "Evaluation", y = "Objective above the lowest")
}

# The pronoun of ggplot2's data, which aes() reads.
utils::globalVariables(".data")
