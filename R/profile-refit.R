# The points of a profile: fits with one parameter at a given value and the others optimized.

estimates_sigma <- function(fit) isLMM.rlmm(fit) && !fit$known_sigma

#' The job of fitting a spec from the theta of a state, with elements of theta held at given values
#' @param absolute Whether these are standard deviations of a linear model, that is theta times
#'   sigma.
#' @return A list: `spec`, `start`, `control`.
#' @noRd
point_job <- function(
  problem,
  spec,
  state,
  index = integer(),
  value = double(),
  absolute = FALSE
) {
  fit <- problem$fit
  held <- held_also(fit_held(fit), index, value, absolute)
  own <- list(
    optimizer = NULL,
    initial_step = NULL,
    progress = FALSE
  )
  control <- utils::modifyList(fit$control, own)
  control$ftol_abs <- max(control$ftol_abs, points_tolerance)
  theta <- replace(state$theta, held$index, held$value)
  list(
    spec = spec,
    start = job_start(fit, spec, theta, state),
    control = core_control(control, 0L, list(spec = spec), held)
  )
}

# The core stops if a step would gain less than a thousandth of this: zeta then has eight digits.
points_tolerance <- 1e-5

# The held elements of the fit and those of a point of the profile.
held_also <- function(held, index, value, absolute) {
  if (absolute) {
    absolute_held <- list(absolute = index, absolute_value = value)
    return(c(held[c("index", "value")], absolute_held))
  }
  list(
    index = c(held$index, index),
    value = c(held$value, value),
    absolute = integer(),
    absolute_value = double()
  )
}

#' The starting value of a search
#' @noRd
job_start <- function(fit, spec, theta, state) UseMethod("job_start")

#' @export
job_start.rlmm_lmm <- function(fit, spec, theta, state) theta

#' @export
job_start.rlmm_glmm <- function(fit, spec, theta, state) {
  start <- list(theta = theta)
  beta <- state$start_beta %||% state$beta
  if (length(beta) == length(spec$x)) {
    start$beta <- as.double(beta)
  }
  start
}

beta_plan <- function(problem, name) {
  beta <- problem$fit$beta
  free <- names(beta)[free_beta(problem$fit)]
  at <- match(name, free)
  hold <- coefficient_holder(problem, at, length(free))
  list(
    job = \(value, state) {
      state$start_beta <- state$beta[free][-at]
      hold(value, state)
    },
    finish = \(found, value) {
      beta[free[-at]] <- found$beta
      beta[[name]] <- value
      replace(found, "beta", list(beta))
    }
  )
}

# A function of a value and a state that returns the job of fitting the other parameters with
# coefficient `at` of `p` held at the value.
coefficient_holder <- function(problem, at, p) {
  spec <- problem$spec
  if (!is.null(spec$sums)) {
    with_value <- \(value) {
      replace(spec, "sums", list(hold_column(spec$sums, at, value)))
    }
  } else if (isLMM.rlmm(problem$fit)) {
    # The core removes the column from cross-products that all points share.
    return(\(value, state) {
      job <- point_job(problem, spec, state)
      c(job, list(column = at, value = value))
    })
  } else {
    with_value <- column_holder(spec, at, p)
  }
  \(value, state) point_job(problem, with_value(value), state)
}

# A function of a value that returns the spec without column `at` of X, whose coefficient is held.
column_holder <- function(spec, at, p) {
  own <- select_columns(spec$x, at)
  column <- column_matrix(own, length(spec$y))[, 1L]
  offset <- spec$offset %||% 0
  spec$x <- select_columns(spec$x, seq_len(p)[-at])
  function(value) {
    spec$offset <- offset + value * column
    spec
  }
}

sigma_plan <- function(problem) {
  spec <- problem$spec
  list(
    job = \(value, state) {
      spec$sigma <- value
      point_job(problem, spec, state)
    },
    finish = \(found, value) with_all_beta(problem, found)
  )
}

sd_plan <- function(problem, piece) {
  absolute <- estimates_sigma(problem$fit)
  unit <- if (absolute) 1 else effects_sigma(problem$fit)
  index <- piece$theta %||% problem$fit$random[[piece$term]]$theta[[1L]]
  in_order(problem, piece, \(spec) {
    list(job = \(value, state) {
      point_job(
        problem,
        spec,
        state,
        index,
        value / unit,
        absolute
      )
    })
  })
}

with_all_beta <- function(problem, found) {
  beta <- problem$fit$beta
  beta[free_beta(problem$fit)] <- found$beta
  found$beta <- beta
  found
}

# The order of effects --------------------------------------------------------
#
# The standard deviation of the first effect of an unstructured term is one element of theta times
# sigma, and the correlation of the first two depends on two elements. So the effects of the term
# are put in an order in which those that are profiled come first.

#' A plan with the effects of a term in the order that its parameter requires
#' @param plan A function of the spec with these effects that returns its `job` or `search`.
#' @noRd
in_order <- function(problem, piece, plan) {
  moves <- effect_moves(problem, piece)
  move <- \(theta, by) theta_of_effects(problem, piece$term, by, theta)
  inner <- plan(spec_of_effects(problem, piece$term, moves))
  there <- \(f) {
    \(value, state) {
      state$theta <- move(state$theta, moves)
      f(value, state)
    }
  }
  finish <- \(found, value) {
    found$theta <- move(found$theta, solve(moves))
    with_all_beta(problem, found)
  }
  if (!is.null(inner$job)) {
    return(list(job = there(inner$job), finish = finish))
  }
  search <- there(inner$search)
  list(search = \(value, state) {
    finish(search(value, state), value)
  })
}

#' The matrix M of the effects M b of a term in the place of b
#'
#' M permutes the effects. If a covariate is far from zero, M also makes the columns of the others
#' orthogonal to those of the profiled ones, which come first: a search with a standard deviation
#' held would otherwise follow a narrow ridge.
#' @noRd
effect_moves <- function(problem, piece) {
  own <- problem$fit$random[[piece$term]]
  order <- union(piece$effects, seq_along(own$columns))
  moves <- diag(length(order))[order, , drop = FALSE]
  if (!is_moved(own) || !is.null(problem$spec$sums)) {
    return(moves)
  }
  z <- effects_of_rows(own, problem$spec$terms, TRUE)$z
  orthogonal_moves(z[, order], length(piece$effects)) %*% moves
}

# Correlations ----------------------------------------------------------------

cor_plan <- function(problem, piece) {
  if (!is.null(piece$theta)) {
    return(element_plan(problem, piece))
  }
  own <- problem$fit$random[[piece$term]]
  # Elements (2, 1) and (2, 2) of Lambda are r rho and r sqrt(1 - rho^2); the sign of element (1, 1)
  # is that of the covariance.
  tied <- own$theta[c(2L, length(own$columns) + 1L)]
  first <- own$theta[[1L]]
  in_order(problem, piece, \(spec) {
    list(search = \(value, state) {
      search_tied(
        problem,
        spec,
        state,
        tied,
        first,
        value
      )
    })
  })
}

# The plan of a correlation that is an element of theta, which is held.
element_plan <- function(problem, piece) {
  term <- problem$fit$random[[piece$term]]
  rhos <- term$theta[!is_scale(term)]
  lag <- match(piece$theta, rhos)
  list(
    job = \(value, state) {
      state$theta[rhos] <- with_correlation_at(state$theta[rhos], lag, value)
      point_job(
        problem,
        problem$spec,
        state,
        piece$theta,
        value
      )
    },
    finish = \(found, value) with_all_beta(problem, found)
  )
}

#' Correlations by lag, with that of one lag set to a value, such that the matrix stays positive
#' semidefinite
#'
#' The correlation matrix is mixed with that of cos(omega j) at lag j, which is positive
#' semidefinite and has 1 (omega = 0) or -1 at the lag.
#' @noRd
with_correlation_at <- function(rho, lag, value) {
  omega <- if (value < rho[lag]) pi / lag else 0
  extreme <- cos(omega * seq_along(rho))
  room <- extreme[lag] - rho[lag]
  share <- if (room == 0) 0 else (value - rho[lag]) / room
  rho + share * (extreme - rho)
}

#' Minimizes the criterion with two elements of theta in a fixed ratio
#' @param first The element of theta that must be positive, like the common length of both:
#'   otherwise their signs could be exchanged with the same correlation.
#' @noRd
search_tied <- function(problem, spec, state, tied, first, rho) {
  fit <- problem$fit
  tie <- correlation_tie(
    problem,
    spec,
    state,
    tied,
    rho
  )
  value <- function(y) {
    given <- tie$given(y)
    is_proper <- min(given[c(first, tied[2L])]) >= 0
    if (is_proper) criterion_at(fit, tie$spec, tie$place(y)) else Inf
  }
  slope <- function(y) {
    gradient <- criterion_gradient(fit, tie$spec, tie$place(y))
    drop(crossprod(tie$steps, gradient))
  }
  found <- stats::nlminb(
    tie$start,
    value,
    slope,
    lower = if (is.null(tie$basis)) tie$lower(first) else -Inf,
    control = tied_tolerances
  )
  there <- finish_tied(fit, tie$spec, tie$place(found$par))
  in_given_arguments(there, tie$basis)
}

#' The parameters of the search: the length of the tied elements, and the free arguments of the
#' criterion; for a covariate far from zero, steps of all of them
#' @return A list: `start`; `given`, a function of the parameters that returns the arguments for the
#'   given columns, and `place`, one that returns those for the `spec`; `steps`, the derivatives of
#'   the latter; `lower`, a function that returns lower bounds; for a covariate far from zero
#'   `basis`, the result of [orthogonal_arguments()].
#' @noRd
correlation_tie <- function(problem, spec, state, tied, rho) {
  fit <- problem$fit
  arguments <- c(state$theta, free_arguments(fit, state))
  free <- setdiff(seq_along(arguments), c(tied, held_index(fit)))
  steps <- diag(length(arguments))[, c(tied[1L], free), drop = FALSE]
  shares <- c(rho, sqrt(max(0, 1 - rho^2)))
  steps[tied, 1L] <- shares
  start <- c(sqrt(sum(state$theta[tied]^2)), arguments[free])
  origin <- replace(arguments, c(tied, free), 0)
  basis <- orthogonal_arguments(problem, spec, tied, length(arguments))
  if (!is.null(basis)) {
    origin <- origin + drop(steps %*% start)
    start <- 0 * start
    steps <- steps %*% straight_steps(basis$map %*% steps, basis$own)
  }
  map <- basis$map %||% diag(length(arguments))
  given <- \(y) origin + drop(steps %*% y)
  list(
    start = start,
    given = given,
    place = \(y) drop(map %*% given(y)),
    spec = basis$spec %||% spec,
    steps = map %*% steps,
    lower = \(first) c(0, ifelse(free == first, 0, -Inf)),
    basis = basis
  )
}

tied_tolerances <- list(
  rel.tol = 1e-12,
  x.tol = 1e-10,
  iter.max = 200L
)

#' The arguments of the criterion in addition to theta
#' @noRd
free_arguments <- function(fit, state) UseMethod("free_arguments")

#' @export
free_arguments.rlmm_lmm <- function(fit, state) NULL

#' @export
free_arguments.rlmm_glmm <- function(fit, state) {
  shape <- if (estimates_shape(fit$glmm)) log(state$shape %||% fit$glmm$shape)
  c(unname(state$beta), shape)
}

criterion_at <- function(fit, spec, arguments) UseMethod("criterion_at")

#' @export
criterion_at.rlmm_lmm <- function(fit, spec, arguments) {
  tryCatch(core_objective(spec, arguments), rlmm_error = \(cnd) Inf)
}

#' @export
criterion_at.rlmm_glmm <- function(fit, spec, arguments) {
  tryCatch(core_glmm_objective(spec, arguments), rlmm_error = \(cnd) Inf)
}

criterion_gradient <- function(fit, spec, arguments) {
  UseMethod("criterion_gradient")
}

#' @export
criterion_gradient.rlmm_lmm <- function(fit, spec, arguments) {
  core_derivatives(spec, arguments)$gradient
}

#' @export
criterion_gradient.rlmm_glmm <- function(fit, spec, arguments) {
  core_glmm_gradient(spec, arguments)
}

finish_tied <- function(fit, spec, arguments) UseMethod("finish_tied")

#' @export
finish_tied.rlmm_lmm <- function(fit, spec, arguments) {
  core_estimates(spec, arguments)[c("objective", "theta", "sigma", "beta")]
}

#' @export
finish_tied.rlmm_glmm <- function(fit, spec, arguments) {
  found <- core_glmm_estimates(spec, arguments)
  found$sigma <- 1
  found[c("objective", "theta", "sigma", "beta", "shape")]
}
