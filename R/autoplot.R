# The plots of plot() by ggplot2, if it is installed.

#' Plots by ggplot2
#'
#' Methods of ggplot2's `autoplot()` draw the plots of `plot()` as ggplot2 objects, to which layers,
#' scales and themes can be added. To build other plots see [fortify.rlmm()].
#'
#' | object | plot |
#' |---|---|
#' | fit, `type = "residuals"` | scaled residuals against fitted values |
#' | fit, `type = "qq"` | normal quantiles of these residuals |
#' | fit, `type = "spread"` | absolute scaled residuals against fitted values |
#' | fit, `type = "groups"` | data and predictions, group by group: see [plot_by_group()] |
#' | fit, `type = "shrinkage"` | shrinkage of the groups' effects: see [plot_shrinkage()] |
#' | `ranef(fit)` | random effects with intervals |
#' | `coef(fit)` | coefficients by group, with intervals for `coef(fit, se = TRUE)` |
#' | `lmList()` | coefficients of separate fits, with confidence limits |
#' | `bootstrap(fit)`, `type = "density"` or `"ridges"` | densities of the replicates |
#' | `profile(fit)`, `type = "zeta"` | profile zeta, with confidence limits at several levels |
#' | `profile(fit)`, `type = "density"` | densities |
#' | `profile(fit)`, `type = "pairs"` | contours of the likelihood: [splom()][splom.profile.rlmm] |
#' | `diagnose(fit)` | the plots of [plot()][plot.rlmm_diagnosis], a panel for each |
#' | `influence(fit, groups)` | Cook's distances |
#' | `allFit(fit)` | estimates of each optimizer |
#' | `opt_summary(fit)` | the objective at each evaluation |
#' | `simulate_power(fit, extend = )` | a power curve |
#'
#' The residuals of a generalized model are quantile residuals.
#'
#' @param object One of the objects in the table below.
#' @param type The type of plot, see the table.
#' @param level The confidence level of the intervals.
#' @param group,x The names of a grouping factor and of the covariate on the x axis.
#' @param max_groups The largest number of groups drawn.
#' @param n The number of cases to label.
#' @param levels The confidence levels of the contours.
#' @param parm The names or numbers of parameters; for pairs, by default the first six.
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
  switch(
    type,
    groups = group_ggplot(object, x, group, max_groups),
    shrinkage = shrinkage_ggplot(shrinkage_table(object, group, NULL)),
    residual_ggplot(object, type)
  )
}

residual_ggplot <- function(fit, type) {
  r <- diagnostic_residuals(fit)
  name <- if (isGLMM.rlmm(fit)) "Quantile residuals" else "Scaled residuals"
  if (type == "qq") {
    return(quantile_ggplot(r, name))
  }
  at <- predictor_values(fit)
  if (type == "residuals") {
    return(cloud_ggplot(at$value, r, at$label, name, zero = TRUE))
  }
  name <- paste("Root of the size of", tolower(name))
  cloud_ggplot(
    at$value,
    sqrt(abs(r)),
    at$label,
    name,
    zero = FALSE
  )
}

# Fits --------------------------------------------------------------------

cloud_ggplot <- function(x, y, xlab, ylab, zero) {
  data <- data.frame(
    x = as.vector(x),
    y = as.vector(y)
  )
  data <- data[is.finite(data$y), ]
  ggplot2::ggplot(data, ggplot2::aes(.data$x, .data$y)) +
    points_layer(nrow(data)) +
    ggplot2::labs(x = xlab, y = ylab) +
    (if (zero) ggplot2::geom_hline(yintercept = 0, colour = plot_grey)) +
    smooth_layer(smooth_line(data))
}

smooth_layer <- function(smooth) {
  if (!is.null(smooth)) {
    ggplot2::geom_line(data = smooth, colour = plot_red)
  }
}

#' The smooth line of a scatter plot, if there are enough distinct values
#' @noRd
smooth_line <- function(data) {
  if (nrow(data) < 20L || length(unique(data$x)) < 6L) {
    return(NULL)
  }
  as.data.frame(stats::lowess(data$x, data$y))
}

quantile_ggplot <- function(values, ylab) {
  data <- quantile_pairs(values)
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

# The sorted values with normal quantiles.
quantile_pairs <- function(values) {
  values <- sort(values[is.finite(values)])
  data.frame(
    quantile = stats::qnorm(stats::ppoints(length(values))),
    value = unname(values)
  )
}

group_ggplot <- function(fit, x, group, max_groups) {
  curves <- group_curves(fit, x, group, max_groups, "response")
  ggplot2::ggplot(curves$data, ggplot2::aes(.data$x, .data$y)) +
    ggplot2::geom_point(colour = "grey50", size = 1) +
    effects_layers(curves_by_effects(curves$lines)) +
    level_axis(curves$levels) +
    ggplot2::facet_wrap("group", labeller = wrapped) +
    ggplot2::labs(x = curves$x, y = curves$y) +
    ggplot2::theme(legend.position = "top")
}

# The levels of a factor on the x axis.
level_axis <- function(levels) {
  if (!is.null(levels)) {
    ggplot2::scale_x_continuous(
      breaks = seq_along(levels),
      labels = levels,
      minor_breaks = NULL
    )
  }
}

# Stacks the curves with and without the random effects.
curves_by_effects <- function(lines) {
  data.frame(
    x = rep(lines$x, 2L),
    y = c(lines$conditional, lines$population),
    group = rep(lines$group, 2L),
    effects = rep(group_lines, each = nrow(lines))
  )
}

effects_layers <- function(lines) {
  colours <- stats::setNames(c(plot_blue, plot_red), group_lines)
  types <- stats::setNames(c("solid", "dashed"), group_lines)
  list(
    ggplot2::geom_line(
      ggplot2::aes(colour = .data$effects, linetype = .data$effects),
      lines
    ),
    ggplot2::scale_colour_manual(values = colours),
    ggplot2::scale_linetype_manual(values = types),
    ggplot2::labs(colour = NULL, linetype = NULL)
  )
}

# Random effects ----------------------------------------------------------

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, ranef.rlmm)
autoplot.ranef.rlmm <- function(object, level = 0.95, group = NULL, ...) {
  refuse_dots(...)
  check_confidence(level)
  groups <- check_groups(group, names(object), "group")
  tables <- lapply(groups, \(group) effects_table(object, group))
  most <- max(vapply(tables, \(table) nlevels(table$grp), 1L))
  effects_ggplot(effect_intervals(tables, level), most)
}

# Plots effects with intervals, in a panel for each factor and effect.
effects_ggplot <- function(data, most) {
  ggplot2::ggplot(data, ggplot2::aes(.data$condval, .data$place)) +
    ggplot2::geom_vline(xintercept = 0, colour = plot_grey) +
    interval_layer(most) +
    points_layer(nrow(data)) +
    ggplot2::facet_wrap(
      c("grpvar", "term"),
      scales = "free",
      labeller = ggplot2::label_wrap_gen(multi_line = FALSE)
    ) +
    ggplot2::labs(x = "Random effect", y = NULL) +
    level_scale(data, most)
}

effect_intervals <- function(tables, level) {
  data <- do.call(rbind, lapply(tables, ranked_effects))
  half <- stats::qnorm((1 + level) / 2) * (data$condsd %||% 0)
  data$lwr <- data$condval - half
  data$upr <- data$condval + half
  data
}

#' The effects with the rank of each level in the order of the first effect
#' @noRd
ranked_effects <- function(table) {
  table$place <- as.numeric(table$grp)
  table$level <- as.character(table$grp)
  table$grp <- NULL
  table$term <- as.character(table$term)
  table
}

#' The axis with names of levels, if there is a single factor and enough room
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
autoplot.profile.rlmm <- function(
  object,
  type = c("zeta", "density", "pairs"),
  levels = c(0.5, 0.8, 0.95),
  parm = NULL,
  ...
) {
  refuse_dots(...)
  type <- one_of(type, c("zeta", "density", "pairs"), "type")
  switch(
    type,
    pairs = pairs_ggplot(object, levels, parm),
    density = with_curves(density_areas(shown_profile(object, parm)), "free"),
    zeta = with_curves(zeta_levels(shown_profile(object, parm)), "free_x")
  )
}

# A profile with the parameters that are to be shown.
shown_profile <- function(profile, parm) {
  known <- levels(profile$.par)
  is_variance <- attr(profile, "kinds")[known] != "beta"
  shown <- unique(select_profiled(parm, known, is_variance))
  profile$.par <- factor(profile$.par, levels = shown)
  profile[!is.na(profile$.par), ]
}

# Adds a panel with the curve of each parameter.
with_curves <- function(picture, scales) {
  picture +
    ggplot2::geom_line(colour = plot_blue, na.rm = TRUE) +
    ggplot2::facet_wrap("parameter", scales = scales) +
    ggplot2::labs(x = NULL)
}

density_areas <- function(profile) {
  data <- profile_densities(profile)
  ggplot2::ggplot(data, ggplot2::aes(.data$value, .data$density)) +
    ggplot2::geom_area(fill = plot_blue, alpha = 0.15) +
    ggplot2::labs(y = "Density")
}

# The zeta values of intervals of 50, 80, 90, 95 and 99 percent.
zeta_levels <- function(profile) {
  data <- profile_curves(profile)
  limits <- stats::qnorm(c(0.25, 0.1, 0.05, 0.025, 0.005))
  ggplot2::ggplot(data, ggplot2::aes(.data$value, .data$zeta)) +
    ggplot2::geom_hline(yintercept = 0, colour = "grey70") +
    ggplot2::geom_hline(
      yintercept = c(limits, -limits),
      colour = "grey70",
      linetype = "dashed"
    )
}

# Influence and optima ----------------------------------------------------

#' @rdname autoplot.rlmm
#' @rawNamespace S3method(ggplot2::autoplot, influence.rlmm)
autoplot.influence.rlmm <- function(object, n = 5, ...) {
  refuse_dots(...)
  distance <- cooks.distance.influence.rlmm(object)
  data <- labelled_distances(distance, n)
  what <- deletion_label(object$groups)
  ggplot2::ggplot(data, ggplot2::aes(.data$case, .data$distance)) +
    ggplot2::geom_segment(
      ggplot2::aes(xend = .data$case, yend = 0),
      colour = plot_blue
    ) +
    label_layer() +
    ggplot2::labs(x = what, y = "Cook's distance")
}

label_layer <- function() {
  ggplot2::geom_text(
    ggplot2::aes(label = .data$label),
    vjust = -0.4,
    size = 3,
    na.rm = TRUE
  )
}

# Labels for the `n` largest distances.
labelled_distances <- function(distance, n) {
  shown <- rank(-distance, ties.method = "first") <= n
  data.frame(
    case = seq_along(distance),
    distance = unname(distance),
    label = ifelse(shown, names(distance), NA)
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
    best_scales() +
    ggplot2::facet_wrap("parameter", scales = "free_x", labeller = wrapped) +
    ggplot2::scale_x_continuous(n.breaks = 3) +
    ggplot2::labs(x = "Estimate", y = NULL)
}

# The scales that mark fits other than the best by red crosses.
best_scales <- function() {
  colours <- c(`TRUE` = plot_blue, `FALSE` = plot_red)
  shapes <- c(`TRUE` = 16, `FALSE` = 4)
  list(
    ggplot2::scale_colour_manual(values = colours, guide = "none"),
    ggplot2::scale_shape_manual(values = shapes, guide = "none")
  )
}

#' Invisible points that give each panel a minimum range
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

# Declares the pronoun `.data` of aes() for R CMD check.
utils::globalVariables(".data")
