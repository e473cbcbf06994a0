# Computes the points of profiles from the estimate to both sides, with step lengths from the
# previous points. All parameters proceed together, by one point on each side at a time.

#' The points of all profiles
#' @param names The parameters.
#' @param pace A list about zeta: its `limit`, the `step` between points, the largest number of
#'   points on a side (`maxpts`), and the `mark`, a value near which a point is wanted.
#' @return A list of walks with the fields of `start_walk()`: two for each parameter, below and
#'   above the estimate.
#' @noRd
walk_all <- function(problem, names, pace) {
  plan_of <- problem$plan %||% refit_plan
  plans <- lapply(rlang::set_names(names), \(name) plan_of(problem, name))
  problem$without <- lapply(rlang::set_names(names), \(name) {
    without_correlation(problem, plan_of, name)
  })
  walks <- start_walks(problem, names, pace)
  report <- progress_reporter(length(walks), "Profiles")
  repeat {
    going <- which(!vapply(walks, `[[`, NA, "is_over"))
    if (!is.null(report)) {
      report(length(walks) - length(going))
    }
    if (length(going) == 0L) {
      return(unname(with_marks(problem, plans, walks, pace)))
    }
    walks[going] <- walk_on(problem, plans, walks[going], pace)
  }
}

start_walks <- function(problem, names, pace) {
  sides <- expand.grid(
    side = c(-1, 1),
    name = names,
    stringsAsFactors = FALSE
  )
  start <- \(name, side) start_walk(problem, name, side, pace)
  Map(start, sides$name, sides$side)
}

walk_on <- function(problem, plans, walks, pace) {
  walks <- lapply(walks, with_next_value)
  found <- fit_points(problem, plans, walks)
  Map(
    \(walk, found) after_fit(problem, walk, found, pace),
    walks,
    found
  )
}

#' A new walk: its `centre`, its `last` point, the next step (`stride`), and its `points`
#' @noRd
start_walk <- function(problem, name, side, pace) {
  range <- if (side < 0) problem$lower else problem$upper
  bound <- range[[name]]
  last <- profile_centre(problem, name)
  list(
    name = name,
    side = side,
    bound = bound,
    centre = last,
    last = last,
    stride = first_step(problem, name) * pace$step,
    attempt = 0L,
    points = list(),
    is_over = side * (bound - last$value) <= 0
  )
}

profile_centre <- function(problem, name) {
  state <- problem$fit
  state$sigma <- effects_sigma(state)
  list(
    value = problem$values[[name]],
    zeta = 0,
    state = state
  )
}

# An initial guess of the distance that changes zeta by one: the standard error, or a fraction of
# the estimate.
first_step <- function(problem, name) {
  fit <- problem$fit
  guess <- switch(
    problem$kinds[[name]],
    beta = standard_errors(fit)[[name]],
    sigma = fit$sigma / sqrt(2 * fit$dev$n_eff),
    variance = max(0.5 * problem$values[[name]], (0.1 * effects_sigma(fit))^2),
    covariance = covariance_step(problem, name),
    residual = fit$sigma^2 * sqrt(2 / fit$dev$n_eff),
    sd = max(0.25 * problem$values[[name]], 0.02 * effects_sigma(fit)),
    cor = 0.3 * max(1 - problem$values[[name]]^2, 0.05)
  )
  if (is.finite(guess) && guess > 0) guess else 1
}

# A fraction of the covariance at a correlation of one.
covariance_step <- function(problem, name) {
  piece <- problem$pieces[[name]]
  is_own <- vapply(
    problem$pieces,
    \(other) {
      identical(other$term, piece$term) && other$kind == "variance"
    },
    NA
  )
  variances <- problem$values[names(problem$pieces)[is_own]][piece$effects]
  least <- 0.01 * effects_sigma(problem$fit)^2
  0.3 * max(sqrt(prod(variances)), least)
}

# The next value, which is the bound if it is beyond the bound or close to it.
with_next_value <- function(walk) {
  value <- walk$last$value + walk$side * walk$stride
  left <- walk$side * (walk$bound - value)
  walk$value <- if (left < 1e-3 * walk$stride) walk$bound else value
  walk
}

# Points at the limits --------------------------------------------------------

#' Adds a point near each confidence limit
#'
#' Limits are interpolated between points, which is inaccurate where zeta bends, as next to a bound.
#' A point at the interpolated limit makes it accurate; more points are rarely needed.
#' @noRd
with_marks <- function(problem, plans, walks, pace) {
  for (round in 1:3) {
    marked <- Map(\(walk) marked_walk(problem, walks, walk, pace), walks)
    lacking <- which(!vapply(marked, is.null, NA))
    if (length(lacking) == 0L) {
      break
    }
    found <- fit_points(problem, plans, marked[lacking])
    walks[lacking] <- Map(
      \(walk, found) with_point_between(problem, walk, found),
      marked[lacking],
      found
    )
  }
  walks
}

#' A walk to the value where zeta is expected to equal the mark; `NULL` if there is a point already,
#' or none is expected
#' @noRd
marked_walk <- function(problem, walks, walk, pace) {
  own <- Filter(\(other) other$name == walk$name, unname(walks))
  points <- walk_points(problem, own)
  zeta <- vapply(points, `[[`, 0, "zeta")
  value <- vapply(points, `[[`, 0, "value")
  mark <- walk$side * pace$mark
  is_inside <- min(zeta) <= mark && mark <= max(zeta)
  if (!is_inside || min(abs(zeta - mark)) < 1e-4) {
    return(NULL)
  }
  kind <- problem$kinds[[walk$name]]
  walk$value <- value_at(zeta, value, mark, kind)
  is_between <- is.finite(walk$value) &&
    walk$value > min(value) &&
    walk$value < max(value)
  walk$last <- points[[which.min(abs(value - walk$value))]]
  if (is_between) walk
}

with_point_between <- function(problem, walk, found) {
  point <- if (!is.null(found)) profile_point(problem, walk, found)
  points <- c(walk$points, list(point)[!is.null(point)])
  distance <- vapply(points, \(point) walk$side * point$value, 0)
  walk$points <- points[order(distance)]
  walk
}

# The points of both walks of a parameter and its estimate, in ascending order.
walk_points <- function(problem, own) {
  centre <- list(profile_centre(problem, own[[1L]]$name))
  c(rev(own[[1L]]$points), centre, own[[2L]]$points)
}

# Fits ------------------------------------------------------------------------

#' The fits at the values of walks; `NULL` for walks without a value
#' @noRd
fit_points <- function(problem, plans, walks) {
  plans <- lapply(walks, \(walk) plans[[walk$name]])
  has_job <- !vapply(plans, \(plan) is.null(plan$job), NA)
  found <- vector("list", length(walks))
  found[!has_job] <- Map(searched_point, plans[!has_job], walks[!has_job])
  found[has_job] <- fitted_points(problem, plans[has_job], walks[has_job])
  found
}

searched_point <- function(plan, walk) {
  state <- walk$last$state
  or_nothing(plan$search(walk$value, state))
}

# The points of plans with a job for the core, which are fitted in parallel.
fitted_points <- function(problem, plans, walks) {
  job <- \(plan, walk) plan$job(walk$value, start_state(problem, walk))
  fits <- core_fit_each(Map(job, plans, walks), isLMM.rlmm(problem$fit))
  end_if_interrupted(lapply(fits, `[[`, "status"), NULL)
  finish <- \(fit, plan, walk) {
    if (!inherits(fit, "condition")) {
      plan$finish(with_shape_apart(fit, problem$fit), walk$value)
    }
  }
  Map(finish, fits, plans, walks)
}

# The state from which the search for a point starts. Along a fixed effect theta is smooth.
start_state <- function(problem, walk) {
  is_smooth <- problem$kinds[[walk$name]] == "beta" &&
    all(vapply(problem$fit$random, has_any_theta, NA))
  if (is_smooth) state_ahead(walk) else walk$last$state
}

# Whether every value of theta corresponds to a covariance.
has_any_theta <- function(term) {
  is_unstructured(term$structure) || all(is_scale(term))
}

# The number of points for extrapolation by a polynomial, of degree three.
max_extrapolation_nodes <- 4L

#' The theta at the next value of a walk, by polynomial extrapolation of the last points
#'
#' A search that starts there needs hardly any steps. Elements that would change sign, or change
#' much more than in the last step, are kept.
#' @noRd
state_ahead <- function(walk) {
  state <- walk$last$state
  nodes <- c(list(walk$centre), walk$points)
  nodes <- utils::tail(nodes, max_extrapolation_nodes)
  values <- vapply(nodes, `[[`, 1, "value")
  if (length(nodes) < 2L || anyDuplicated(values) > 0L) {
    return(state)
  }
  thetas <- vapply(nodes, \(node) node$state$theta, state$theta)
  thetas <- matrix(thetas, ncol = length(nodes))
  ahead <- drop(thetas %*% lagrange_weights(values, walk$value))
  before <- thetas[, length(nodes) - 1L]
  is_far <- abs(ahead - state$theta) > 3 * abs(state$theta - before)
  is_odd <- is_far | ahead * state$theta <= 0
  state$theta <- ifelse(is_odd, state$theta, ahead)
  state
}

# The Lagrange weights at x for the nodes.
lagrange_weights <- function(nodes, x) {
  weight <- \(i) {
    others <- nodes[-i]
    prod((x - others) / (nodes[i] - others))
  }
  vapply(seq_along(nodes), weight, 1)
}

# Separates the logarithm of an estimated shape, which is the last of the core's coefficients.
with_shape_apart <- function(found, fit) {
  if (!estimates_shape(fit$glmm)) {
    return(found)
  }
  last <- length(found$beta)
  found$shape <- exp(found$beta[[last]])
  found$beta <- found$beta[-last]
  found
}

or_nothing <- function(expr) {
  tryCatch(expr, rlmm_error = \(cnd) NULL)
}

#' A walk after the fit at its next value: with one more point, or with a smaller step to try if
#' zeta increased by much more than a step
#' @noRd
after_fit <- function(problem, walk, found, pace) {
  point <- profile_point(problem, walk, found)
  last <- walk$last
  rise <- if (is.null(point)) Inf else abs(point$zeta) - abs(last$zeta)
  walk$attempt <- walk$attempt + 1L
  if (rise > 2 * pace$step && walk$attempt < 8L) {
    share <- max(pace$step / rise, 0.1)
    walk$stride <- abs(walk$value - last$value) * share
  } else if (is.null(point)) {
    walk$is_over <- TRUE
  } else {
    walk <- with_point(walk, point, pace)
  }
  walk
}

with_point <- function(walk, point, pace) {
  walk$attempt <- 0L
  walk$points <- c(walk$points, list(point))
  walk$stride <- next_stride(walk$last, point, pace$step)
  walk$last <- point
  walk$is_over <- abs(point$zeta) > pace$limit ||
    length(walk$points) >= pace$maxpts ||
    walk$side * (walk$bound - point$value) <= 0
  walk
}

#' The better of the two fits in which one of two correlated effects has no variance
#'
#' Their correlation is then arbitrary, so that no point of its profile has a larger deviance: far
#' from the estimate this may be the optimum, while the continuation of earlier points is only a
#' local one.
#' @return The fit; `NULL` for other parameters, and if variances aren't parameters.
#' @noRd
without_correlation <- function(problem, plan_of, name) {
  piece <- problem$pieces[[name]]
  if (!identical(piece$kind, "cor") || is.null(piece$effects)) {
    return(NULL)
  }
  is_sd <- vapply(problem$pieces, is_sd_of, NA, piece)
  sds <- setdiff(names(problem$pieces)[is_sd], problem$held)
  at_zero <- \(sd) fit_at_zero(problem, plan_of(problem, sd), sd)
  fits <- lapply(sds, at_zero)
  fits <- drop_null(fits)
  objectives <- vapply(fits, `[[`, 0, "objective")
  if (length(fits) > 0L) fits[[which.min(objectives)]]
}

# Whether a piece is the standard deviation of one of the effects of a correlation.
is_sd_of <- function(piece, correlation) {
  identical(piece$term, correlation$term) &&
    piece$kind == "sd" &&
    all(piece$effects %in% correlation$effects)
}

fit_at_zero <- function(problem, plan, name) {
  walk <- start_walk(problem, name, -1, list(step = 1))
  walk$value <- 0
  plans <- rlang::set_names(list(plan), name)
  fit_points(problem, plans, list(walk))[[1L]]
}

#' The point of a fit
#' @noRd
profile_point <- function(problem, walk, found) {
  bound <- problem$without[[walk$name]]
  if (!is.null(bound) && !is.null(found)) {
    found <- if (found$objective > bound$objective) bound else found
  }
  if (is.null(found)) {
    # At a bound this is the limit of fits, such as those with a residual variance of zero.
    is_limit <- walk$value == walk$bound
    return(if (is_limit) replace(walk$last, "value", list(walk$bound)))
  }
  excess <- found$objective - problem$deviance
  if (excess < -1e-4) {
    warn_better_fit(-excess)
  }
  zeta <- walk$side * sqrt(max(excess, 0))
  list(
    value = walk$value,
    zeta = zeta,
    state = found
  )
}

warn_better_fit <- function(gain) {
  warn_rlmm(
    c(
      "The profile found a better fit than the one that is profiled.",
      x = paste0("Its deviance is lower by ", format(gain, digits = 3), "."),
      i = "Fit again, from other starts?"
    ),
    "rlmm_warning_profile"
  )
}

# The distance for the next step in zeta, from the slope between the last two points.
next_stride <- function(last, point, step) {
  rise <- abs(point$zeta) - abs(last$zeta)
  ratio <- if (rise > 0) step / rise else 2
  times <- min(max(ratio, 0.2), 3)
  abs(point$value - last$value) * times
}
