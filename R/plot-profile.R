# Plots of likelihood profiles.

#' Plots of likelihood profiles
#'
#' `plot()` and lattice's `xyplot()` draw zeta against each parameter, with confidence limits at
#' several levels; a straight line indicates that Wald limits are adequate. `densityplot()` draws
#' the density of the parameter if zeta were standard normal.
#'
#' @param x A [profile][profile.rlmm].
#' @param data Not used; an argument of lattice's generics.
#' @param absVal Whether to draw the absolute value of zeta.
#' @param levels The confidence levels of the limits.
#' @param ... Passed to lattice.
#' @return An object of class `"trellis"`.
#' @examplesIf requireNamespace("lattice", quietly = TRUE)
#' pr <- profile(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE))
#' plot(pr)
#' lattice::densityplot(pr)
#' @export
plot.profile.rlmm <- function(
  x,
  absVal = FALSE,
  levels = c(0.5, 0.8, 0.9, 0.95, 0.99),
  ...
) {
  need_package("lattice", "plot(profile(fit))")
  check_flag(absVal, "absVal")
  if (!is.numeric(levels) || length(levels) == 0L) {
    problem <- "`levels` must be confidence levels, numbers between 0 and 1."
    abort_argument(problem, x = it_is(levels), arg = "levels")
  }
  lapply(levels, check_confidence)
  curves <- profile_curves(x)
  quantiles <- stats::qnorm((1 + levels) / 2)
  if (absVal) {
    curves$zeta <- abs(curves$zeta)
  }
  defaults <- list(
    x = zeta ~ value | parameter,
    data = curves,
    panel = zeta_panel(quantiles, absVal),
    xlab = NULL,
    ylab = if (absVal) "|zeta|" else "zeta",
    strip = fitting_strip(levels(curves$parameter)),
    scales = list(x = list(relation = "free")),
    as.table = TRUE
  )
  draw_with(lattice::xyplot, defaults, ...)
}

#' @rdname plot.profile.rlmm
#' @rawNamespace S3method(lattice::xyplot, profile.rlmm)
xyplot.profile.rlmm <- function(x, data = NULL, ...) plot.profile.rlmm(x, ...)

#' @rdname plot.profile.rlmm
#' @rawNamespace S3method(lattice::densityplot, profile.rlmm)
densityplot.profile.rlmm <- function(x, data = NULL, ...) {
  densities <- profile_densities(x)
  defaults <- list(
    x = density ~ value | parameter,
    data = densities,
    type = c("l", "g")
  )
  settings <- density_settings(levels(densities$parameter))
  draw_with(lattice::xyplot, c(defaults, settings), ...)
}

#' Smooth curves of zeta, with a hundred points for each parameter
#' @noRd
profile_curves <- function(x) {
  per_parameter(x, \(zeta, value) {
    at <- seq(
      min(zeta),
      max(zeta),
      length.out = 101L
    )
    data.frame(zeta = at, value = monotone_inverse(zeta, value)(at))
  })
}

#' The density of a parameter for which zeta is standard normal: phi(zeta) d zeta / d value
#' @noRd
profile_densities <- function(x) {
  per_parameter(x, \(zeta, value) {
    at <- seq(
      min(zeta),
      max(zeta),
      length.out = 201L
    )
    inverse <- monotone_inverse(zeta, value)
    data.frame(
      value = inverse(at),
      density = stats::dnorm(at) / inverse(at, deriv = 1L)
    )
  })
}

per_parameter <- function(x, curve) {
  labels <- levels(x$.par)
  check_some_shown(labels)
  curves <- lapply(labels, \(name) {
    rows <- x$.par == name
    values <- curve(x$.zeta[rows], x[[name]][rows])
    cbind(values, parameter = name)
  })
  all <- do.call(rbind, curves)
  all$parameter <- factor(all$parameter, levels = labels)
  all
}

zeta_panel <- function(quantiles, absolute) {
  function(x, y, ...) {
    lattice::panel.grid(h = -1, v = -1)
    lattice::panel.abline(h = 0, col = plot_grey)
    lattice::panel.lines(x, y, col = plot_blue)
    is_below <- absolute & seq_along(y) <= which.min(y)
    signed <- ifelse(is_below, -y, y)
    inside <- quantiles[quantiles < min(max(signed), -min(signed))]
    if (length(inside) > 0L) {
      at <- stats::approx(signed, x, c(-inside, inside))$y
      draw_limits(at, inside, absolute)
    }
  }
}

# Draws the limits of intervals, for absolute zeta as brackets.
draw_limits <- function(at, inside, absolute) {
  segments <- \(...) lattice::panel.segments(..., col = plot_red)
  lower <- seq_along(inside)
  if (absolute) {
    segments(at, 0, at, c(inside, inside))
    segments(at[lower], inside, at[-lower], inside)
  } else {
    segments(at, 0, at, c(-inside, inside))
  }
}
