# Pairs plots of profiles: likelihood contours of two parameters.

#' Contours of the likelihood for two parameters at a time
#'
#' The method of lattice's `splom()` for a [profile][profile.rlmm] draws, for each pair of
#' parameters, the region in which the likelihood, profiled over the other parameters, is above a
#' limit: below the diagonal on the scales of the parameters, above it on the scale of zeta, where
#' ellipses about the origin indicate a normal distribution. Lines are profile traces: the optimum
#' of one parameter for each value of the other.
#'
#' Contours are interpolated between the two profiles as in Bates and Watts (1988, appendix A.6).
#' Contours that extend beyond the profiles, for example at a variance of zero, are left out.
#'
#' @param x A profile.
#' @param data Not used; an argument of lattice's generic.
#' @param levels The confidence levels of the regions.
#' @param which The names or numbers of the parameters; by default the first six.
#' @param ... Passed to lattice.
#' @return An object of class `"trellis"`.
#' @examplesIf requireNamespace("lattice", quietly = TRUE)
#' pr <- profile(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE))
#' lattice::splom(pr)
#' @rawNamespace S3method(lattice::splom, profile.rlmm)
splom.profile.rlmm <- function(
  x,
  data = NULL,
  levels = c(0.5, 0.8, 0.95),
  which = NULL,
  ...
) {
  shown <- pair_parameters(x, which)
  traces <- lapply(stats::setNames(nm = shown), parameter_trace, x = x)
  cuts <- sqrt(stats::qchisq(levels, 2))
  values <- as.data.frame(
    lapply(traces, \(trace) trace$limits),
    optional = TRUE
  )
  defaults <- list(
    x = ~values,
    data = list(values = values),
    varnames = shown,
    xlab = NULL,
    lower.panel = pair_panel(traces, cuts, in_zeta = FALSE),
    upper.panel = pair_panel(traces, cuts, in_zeta = TRUE),
    pscales = 4,
    varname.cex = 0.9,
    axis.text.cex = 0.6
  )
  draw_with(lattice::splom, defaults, ...)
}

pair_parameters <- function(x, which) {
  known <- levels(x$.par)
  shown <- if (is.null(which)) utils::head(known, 6L) else which
  if (is.numeric(shown)) {
    shown <- known[shown]
  }
  if (length(shown) >= 2L && all(shown %in% known)) {
    return(shown)
  }
  abort_argument(
    "`which` must name at least two of the parameters of the profile.",
    i = paste0("They are ", enumerate(in_quotes(known), max = 20L), "."),
    arg = "which"
  )
}

#' The profile of one parameter: its values, zeta, and functions that convert between them
#' @noRd
parameter_trace <- function(name, x) {
  rows <- as.data.frame.profile.rlmm(x)[x$.par == name, ]
  zeta <- rows$.zeta
  value <- rows[[name]]
  rising <- !duplicated(value) & is.finite(zeta)
  list(
    name = name,
    rows = rows,
    limits = range(value),
    zeta = stats::splinefun(value[rising], zeta[rising], "monoH.FC"),
    value = monotone_inverse(zeta, value),
    ends = range(zeta, finite = TRUE)
  )
}

#' The zeta of another parameter along a profile, as a function of the profile's own zeta
#' @noRd
along_trace <- function(trace, other) {
  at <- trace$rows[[other$name]]
  inside <- at >= other$limits[1L] & at <= other$limits[2L]
  zeta <- trace$rows$.zeta[inside]
  if (sum(inside) < 4L) {
    return(\(z) rep(NA_real_, length(z)))
  }
  spline <- stats::splinefun(zeta, other$zeta(at[inside]), "natural")
  within_range(spline, zeta)
}

# Restricts a function to the range of some values, with `NA` outside.
within_range <- function(f, values) {
  \(z) {
    is_beyond <- z < min(values) | z > max(values)
    ifelse(is_beyond, NA, f(z))
  }
}

#' A contour on the scale of zeta: a matrix with two columns, or `NULL` if it leaves the profiles
#'
#' Zeta is L (cos(a + d / 2), cos(a - d / 2)). The four points where the profiles cross the contour
#' give d at four values of a, and a periodic spline interpolates them.
#' @noRd
zeta_contour <- function(first, second, limit) {
  ends <- c(-limit, limit)
  of_second <- along_trace(first, second)(ends) / limit
  of_first <- along_trace(second, first)(ends) / limit
  cosines <- c(of_second, of_first)
  if (anyNA(cosines) || any(abs(cosines) > 1)) {
    return(NULL)
  }
  width <- contour_width(acos(cosines))
  t <- seq(-pi, pi, length.out = 101L)
  half <- width(t) / 2
  limit * cbind(cos(t + half), cos(t - half))
}

# d as a function of a, from the angles at the four points.
contour_width <- function(angle) {
  half <- angle / 2
  turn <- c(pi / 2, 0, -pi / 2, 0)
  a <- turn + c(1, -1, -1, 1) * half
  d <- c(pi, 0, pi, 0) + c(-1, 1, -1, 1) * angle
  periodic_spline(a, d)
}

# A periodic spline with period 2 pi.
periodic_spline <- function(x, y) {
  order <- order(x)
  x <- x[order]
  y <- y[order]
  stats::splinefun(
    c(x, x[1L] + 2 * pi),
    c(y, y[1L]),
    "periodic"
  )
}

pair_panel <- function(traces, cuts, in_zeta) {
  function(x, y, i, j, ...) {
    # The panel in row i and column j has the j-th parameter on the x axis.
    right <- traces[[j]]
    up <- traces[[i]]
    place <- if (in_zeta) {
      place_in_zeta(right, up, cuts)
    } else {
      place_in_units(right, up)
    }
    draw_trace(right, up, place)
    draw_trace(
      up,
      right,
      \(zeta) place(zeta[, 2:1, drop = FALSE])
    )
    for (limit in cuts) {
      draw_contour(zeta_contour(right, up, limit), place)
    }
  }
}

draw_contour <- function(contour, place) {
  if (!is.null(contour)) {
    at <- place(contour)
    lattice::panel.lines(
      at[, 1L],
      at[, 2L],
      col = plot_blue
    )
  }
}

#' Maps pairs of zeta to a panel on the scales of the parameters
#' @noRd
place_in_units <- function(right, up) {
  \(zeta) cbind(right$value(zeta[, 1L]), up$value(zeta[, 2L]))
}

#' Maps pairs of zeta to a panel on the scale of zeta
#' @noRd
place_in_zeta <- function(right, up, cuts) {
  half <- 1.15 * max(cuts)
  spread <- \(zeta, trace) {
    middle <- mean(trace$limits)
    middle + zeta / half * diff(trace$limits) / 2
  }
  \(zeta) cbind(spread(zeta[, 1L], right), spread(zeta[, 2L], up))
}

draw_trace <- function(trace, other, place) {
  at <- place(trace_points(trace, other))
  lattice::panel.lines(
    at[, 1L],
    at[, 2L],
    col = plot_grey
  )
}

#' The zeta of a parameter and of another one along the profile of the first
#' @noRd
trace_points <- function(trace, other) {
  zeta <- seq(
    trace$ends[1L],
    trace$ends[2L],
    length.out = 61L
  )
  cbind(zeta, along_trace(trace, other)(zeta))
}
