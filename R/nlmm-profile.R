# Profile likelihood of nonlinear mixed models: the other parameters are optimized for each value of
# one.

#' @rdname rnlmm
#' @export
profile.rlmm_nlmm <- function(
  fitted,
  which = NULL,
  alphamax = 0.01,
  maxpts = 100L,
  delta.cutoff = 1 / 8,
  signames = TRUE,
  ...
) {
  refuse_dots(...)
  check_flag(signames, "signames")
  check_pace(alphamax, delta.cutoff, maxpts)
  problem <- nonlinear_profile_problem(fitted, signames)
  labels <- names(problem$values)
  wanted <- select_parameters(
    which,
    labels,
    problem$n_variance,
    "which"
  )
  limit <- sqrt(stats::qchisq(1 - alphamax, length(labels)))
  profile_of(
    problem,
    wanted,
    limit,
    delta.cutoff,
    maxpts
  )
}

#' @rdname rnlmm
#' @export
confint.rlmm_nlmm <- function(
  object,
  parm = NULL,
  level = 0.95,
  method = c("Wald", "profile"),
  ...
) {
  refuse_dots(...)
  check_confidence(level)
  method <- one_of(method, c("Wald", "profile"), "method")
  if (method == "profile") {
    made <- profile.rlmm_nlmm(
      object,
      parm,
      alphamax = (1 - level) / 2
    )
    return(confint.profile.rlmm(made, level = level))
  }
  nonlinear_wald(object, parm, level)
}

nonlinear_wald <- function(object, parm, level) {
  beta <- object$beta
  errors <- sqrt(diag(vcov.rlmm_nlmm(object)))
  errors <- stats::setNames(errors, names(beta))
  parm <- select_parameters(parm, names(beta), 0L)
  limits <- wald_limits(
    beta[parm],
    errors[parm],
    level,
    Inf
  )
  colnames(limits) <- limit_names(level)
  limits
}

#' The problem for [profile_of()] of a nonlinear fit
#' @noRd
nonlinear_profile_problem <- function(fit, signames) {
  check_likelihood(fit)
  shell <- stacked_shell(fit)
  variances <- profiled_variances(shell, signames)
  pieces <- profile_pieces(shell, length(variances))
  problem <- profiled_parameters(
    shell,
    variances,
    pieces,
    fit$beta
  )
  problem$deviance <- fit$dev$objective
  problem$nonlinear <- fitted_problem(fit)
  names <- names(problem$values)
  problem$scale <- vapply(
    names,
    first_step,
    0,
    problem = problem
  )
  problem$plan <- \(problem, name) {
    list(search = nonlinear_refitter(problem, name))
  }
  problem
}

check_likelihood <- function(fit) {
  if (fit$nAGQ == 0) {
    abort_rlmm(
      c(
        "Can't profile this fit.",
        x = "With `nAGQ = 0` there is no likelihood to profile."
      ),
      "rlmm_error_profile"
    )
  }
}

#' The result of [nonlinear_problem()] for a fit
#' @noRd
fitted_problem <- function(fit) {
  shell <- stacked_shell(fit)
  problem <- new_problem(
    y = as.double(fit$frame[[1L]]),
    weights = fit$weights %||% rep(1, length(fit$fitted)),
    x = fixed_matrix(shell),
    random = fit$random,
    shell = shell,
    mean = fitted_mean_function(fit, fit$frame),
    s = length(fit$parameters)
  )
  problem$u <- stacked_modes(fit)
  problem
}

# The spherical effects as one vector.
stacked_modes <- function(fit) {
  by_level <- lapply(fit$u, \(u) as.vector(t(u)))
  unlist(by_level, use.names = FALSE)
}

#' A function (value, state) that optimizes the other parameters, starting from an extrapolation of
#' the last two points
#' @noRd
nonlinear_refitter <- function(problem, name) {
  free <- names(problem$values) != name
  memory <- rlang::new_environment(list(u = problem$nonlinear$u))
  scale <- problem$scale[free]
  function(value, state) {
    memory$u <- state$modes %||% problem$nonlinear$u
    at <- state$natural %||% problem$values
    place <- \(x) replace(replace(at, name, value), free, x * scale)
    objective <- \(x) natural_deviance(problem, place(x), memory)
    start <- start_ahead(
      problem,
      at,
      value - at[[name]],
      state$slope
    )
    start <- start[free] / scale
    found <- stats::nlminb(
      if (is.finite(objective(start))) start else at[free] / scale,
      objective,
      lower = problem$lower[free] / scale,
      upper = problem$upper[free] / scale,
      control = profile_tolerances
    )
    reached <- place(found$par)
    slope <- (reached - at) / (value - at[[name]])
    point <- nonlinear_state(
      problem,
      reached,
      slope,
      found$objective
    )
    if (!is.null(point)) c(point, list(modes = memory$u))
  }
}

# Extrapolates the parameters along their slope, except those that would leave their range.
start_ahead <- function(problem, at, step, slope) {
  ahead <- at + step * (slope %||% 0)
  is_inside <- ahead > problem$lower & ahead < problem$upper
  ifelse(is_inside, ahead, at)
}

# Tolerances far below what limits from a profile need.
profile_tolerances <- list(
  rel.tol = 1e-9,
  x.tol = 1e-7,
  iter.max = 200L
)

nonlinear_state <- function(problem, natural, slope, objective) {
  point <- from_natural(problem, natural)
  if (is.null(point) || !is.finite(objective)) {
    return(NULL)
  }
  c(point, list(objective = objective, natural = natural, slope = slope))
}

#' -2 log-likelihood, by the Laplace approximation, as a function of standard deviations,
#' correlations and fixed effects
#'
#' The search for modes starts from those of the last evaluation.
#' @noRd
natural_deviance <- function(problem, natural, memory) {
  point <- from_natural(problem, natural)
  if (is.null(point) || point$sigma <= 0) {
    return(Inf)
  }
  inner <- problem$nonlinear
  at <- nonlinear_modes(
    inner,
    point$theta,
    point$beta,
    memory$u
  )
  if (is.null(at)) {
    return(Inf)
  }
  memory$u <- at$u
  at$linear$k$log_det +
    inner$n * log(2 * pi * point$sigma^2) +
    at$pwrss / point$sigma^2 -
    inner$log_weights
}

#' Converts standard deviations, correlations and fixed effects to theta, sigma and beta
#' @return A list; `NULL` if the correlation matrix isn't positive semidefinite.
#' @noRd
from_natural <- function(problem, natural) {
  kinds <- problem$kinds
  sigma <- natural[kinds == "sigma"][[1L]]
  theta <- problem$fit$theta
  for (i in seq_along(problem$fit$random)) {
    is_own <- \(piece) identical(piece$term, i)
    own <- vapply(problem$pieces, is_own, NA)
    of_term <- term_theta(problem$pieces[own], natural, sigma)
    if (is.null(of_term)) {
      return(NULL)
    }
    theta[problem$fit$random[[i]]$theta] <- of_term
  }
  list(
    theta = theta,
    sigma = sigma,
    beta = natural[kinds == "beta"]
  )
}

# The elements of theta of one term.
term_theta <- function(pieces, natural, sigma) {
  values <- natural[names(pieces)]
  kinds <- vapply(
    pieces,
    `[[`,
    "",
    "kind"
  )
  if (is.null(pieces[[1L]]$effects)) {
    return(ifelse(kinds == "sd", values / sigma, values))
  }
  is_cor <- kinds == "cor"
  sd <- values[kinds == "sd"] / sigma
  root <- safe_chol(
    piece_correlations(pieces[is_cor], values[is_cor], length(sd))
  )
  if (is.null(root)) {
    return(NULL)
  }
  lambda <- sd * t(root)
  lambda[lower.tri(lambda, TRUE)]
}

piece_correlations <- function(pieces, values, k) {
  correlation <- diag(k)
  for (j in seq_along(pieces)) {
    effects <- pieces[[j]]$effects
    correlation[effects[1L], effects[2L]] <- values[[j]]
    correlation[effects[2L], effects[1L]] <- values[[j]]
  }
  correlation
}
