# Methods for profiles: confidence limits and other scales.

#' @rdname profile.rlmm
#' @param object,x A profile.
#' @param parm The names or numbers of parameters, `"theta_"` or `"beta_"`; by default all profiled
#'   ones.
#' @param level The confidence level.
#' @export
confint.profile.rlmm <- function(object, parm = NULL, level = 0.95, ...) {
  refuse_dots(...)
  check_confidence(level)
  labels <- levels(object$.par)
  kinds <- attr(object, "kinds")[labels]
  chosen <- select_profiled(parm, labels, kinds != "beta")
  limits <- t(vapply(
    chosen,
    \(name) profile_limits(object, name, level),
    c(0, 0)
  ))
  dimnames(limits) <- list(chosen, limit_names(level))
  limits
}

select_profiled <- function(parm, labels, is_variance) {
  if (identical(parm, "beta_")) {
    labels[!is_variance]
  } else if (identical(parm, "theta_")) {
    labels[is_variance]
  } else {
    select_parameters(parm, labels, sum(is_variance))
  }
}

#' The parameter values where zeta equals the normal quantiles, or the bound of the parameter if
#' zeta doesn't reach them
#' @noRd
profile_limits <- function(profile, name, level) {
  rows <- profile[profile$.par == name, ]
  value <- rows[[name]]
  zeta <- rows$.zeta
  wanted <- stats::qnorm((1 + level) / 2) * c(-1, 1)
  kind <- attr(profile, "kinds")[[name]]
  limits <- value_at(zeta, value, wanted, kind)
  beyond <- c(wanted[1L] < min(zeta), wanted[2L] > max(zeta))
  ifelse(beyond, reached_bounds(profile, name, value), limits)
}

#' The parameter at given values of zeta, by interpolation
#'
#' Zeta is closer to linear in a standard deviation than in its square, except next to zero, where
#' the likelihood is a smooth function of the square.
#' @noRd
value_at <- function(zeta, value, wanted, kind) {
  if (!kind %in% c("sd", "sigma", "variance", "residual")) {
    return(monotone_inverse(zeta, value)(wanted))
  }
  is_square <- kind %in% c("variance", "residual")
  sd <- if (is_square) sqrt(value) else value
  found <- monotone_inverse(zeta, sd)(wanted)
  third <- sort(zeta)[min(3L, length(zeta))]
  is_near_zero <- min(sd) == 0 & wanted < third
  square <- monotone_inverse(zeta, sd^2)(wanted[is_near_zero])
  found[is_near_zero] <- sqrt(pmax(square, 0))
  if (is_square) found^2 else found
}

# The bounds of a parameter, `NA` for a bound that the profile doesn't reach.
reached_bounds <- function(profile, name, value) {
  lower <- attr(profile, "lower")[[name]]
  upper <- attr(profile, "upper")[[name]]
  reached <- c(min(value) <= lower, max(value) >= upper)
  ifelse(reached, c(lower, upper), NA)
}

#' The parameter as a function of zeta, over the points where zeta is monotone
#' @noRd
monotone_inverse <- function(zeta, value) {
  zeta[!is.finite(value)] <- NA
  rising <- rising_points(zeta)
  if (length(rising) < 2L) {
    return(\(z) rep(NA_real_, length(z)))
  }
  rising_spline(zeta[rising], value[rising])
}

# The points on each side at which zeta is further from zero than at all points closer to the
# estimate.
rising_points <- function(zeta) {
  centre <- which.min(abs(zeta))
  above <- if (length(centre) > 0L) seq(centre, length(zeta))
  n_below <- length(zeta) - length(above) + length(centre)
  below <- rev(seq_len(n_below))
  lower <- below[is_record(-zeta[below])]
  upper <- above[is_record(zeta[above])]
  unique(c(rev(lower), upper))
}

is_record <- function(x) {
  x[!is.finite(x)] <- -Inf
  highest <- cummax(x)
  is.finite(x) & x == highest & !duplicated(highest)
}

# An interpolating cubic spline is more accurate, but may not be monotone next to a bound.
rising_spline <- function(zeta, value) {
  smooth <- stats::splinefun(zeta, value, method = "fmm")
  between <- seq(
    zeta[1L],
    zeta[length(zeta)],
    length.out = 200L
  )
  if (all(diff(smooth(between)) > 0)) {
    smooth
  } else {
    stats::splinefun(zeta, value, method = "monoH.FC")
  }
}

#' @rdname profile.rlmm
#' @export
as.data.frame.profile.rlmm <- function(x, ...) {
  warn_of_dots(..., also = data_frame_arguments)
  structure(
    x,
    class = "data.frame",
    estimates = NULL,
    lower = NULL,
    upper = NULL,
    kinds = NULL
  )
}

#' @rdname profile.rlmm
#' @param base The base of the logarithm.
#' @export
logProf <- function(x, base = exp(1), ...) UseMethod("logProf")

#' @rdname profile.rlmm
#' @export
varianceProf <- function(x, ...) UseMethod("varianceProf")

#' @export
logProf.default <- function(x, base = exp(1), ...) {
  pass_profile_to_lme4("logProf", x, base = base)
}

#' @export
varianceProf.default <- function(x, ...) {
  pass_profile_to_lme4("varianceProf", x, ...)
}

pass_profile_to_lme4 <- function(name, x, ...) {
  if (!inherits(x, "thpr")) {
    abort_rlmm(
      c(
        paste0("`", name, "()` needs a profile."),
        x = paste0("It was given ", describe_type(x), ".")
      ),
      "rlmm_error_argument"
    )
  }
  getExportedValue("lme4", name)(x, ...)
}

#' @export
logProf.profile.rlmm <- function(x, base = exp(1), ...) {
  refuse_dots(...)
  if (!is_number(base) || base <= 0 || base == 1) {
    problem <- "`base` must be a positive number other than 1."
    abort_argument(problem, x = it_is(base), arg = "base")
  }
  transformed_profile(x, \(sd) log(sd, base), "log(%s)")
}

#' @export
varianceProf.profile.rlmm <- function(x, ...) {
  refuse_dots(...)
  transformed_profile(x, \(sd) sd^2, "%s^2")
}

#' The profile with its standard deviations transformed and renamed
#' @noRd
transformed_profile <- function(x, transform, pattern) {
  kinds <- attr(x, "kinds")
  sds <- names(kinds)[kinds %in% c("sd", "sigma")]
  rename <- \(names) ifelse(names %in% sds, sprintf(pattern, names), names)
  moved <- \(values) {
    values[sds] <- lapply(values[sds], transform)
    stats::setNames(values, rename(names(values)))
  }
  table <- moved(as.data.frame(x))
  levels(table$.par) <- rename(levels(table$.par))
  ranges <- attributes(x)[c("estimates", "lower", "upper")]
  ranges <- lapply(ranges, \(range) unlist(moved(as.list(range))))
  kinds <- stats::setNames(kinds, rename(names(kinds)))
  kinds <- list(kinds = kinds)
  do.call(structure, c(list(table, class = class(x)), ranges, kinds))
}
