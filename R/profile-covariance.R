# Profiles of variances and covariances, for `prof.scale = "varcov"`.

#' The parameters that are profiled instead of standard deviations and correlations
#'
#' These are the variances and covariances of unstructured terms; correlations that are parameters
#' of a structure are kept.
#' @param pieces The result of [profile_pieces()].
#' @return `pieces` with their kinds, in the order of lme4 (the variances of a term before its
#'   covariances); and `order`, their positions among the standard deviations and correlations.
#' @noRd
covariance_pieces <- function(pieces) {
  kinds <- vapply(
    pieces,
    `[[`,
    "",
    "kind"
  )
  is_cell <- !vapply(pieces, \(piece) is.null(piece$effects), NA)
  kinds[kinds == "sd"] <- "variance"
  kinds[kinds == "cor" & is_cell] <- "covariance"
  kinds[kinds == "sigma"] <- "residual"
  term <- vapply(pieces, \(piece) as.double(piece$term %||% Inf), 0)
  order <- order(term, kinds %in% c("covariance", "cor"))
  list(
    pieces = Map(replace, pieces, "kind", kinds)[order],
    order = order
  )
}

#' The values of the variance parameters at theta and sigma, in the order in which they are profiled
#' @noRd
profiled_values <- function(problem, theta, sigma) {
  values <- variance_map(problem$fit, "sd", theta, sigma)$value
  if (is.null(problem$order)) {
    return(values[seq_len(problem$n_variance)])
  }
  values <- values[problem$order]
  kinds <- vapply(
    problem$pieces,
    `[[`,
    "",
    "kind"
  )
  variances <- variance_map(problem$fit, "variance", theta, sigma)$value
  is_moved <- kinds != "cor"
  values[is_moved] <- variances[problem$order][is_moved]
  is_renamed <- is_moved & kinds != "residual"
  names(values)[is_renamed] <- names(variances)[problem$order][is_renamed]
  values
}

# The plan of a variance, which is that of its square root.
of_root <- function(plan) {
  inner <- plan$job
  plan$job <- \(value, state) inner(sqrt(value), state)
  plan
}

covariance_plan <- function(problem, piece) {
  own <- problem$fit$random[[piece$term]]
  cell <- own$theta[1:2]
  in_order(problem, piece, \(spec) {
    list(search = \(value, state) {
      search_covariance(
        problem,
        spec,
        state,
        cell,
        value
      )
    })
  })
}

#' Minimizes the criterion with the covariance of the first two effects of a term at a given value
#'
#' The covariance is sigma^2 a b, with a > 0 and b the elements (1, 1) and (2, 1) of Lambda: b is a
#' function of the standard deviation sigma a, of sigma and of the value. An estimated sigma is
#' optimized on the log scale.
#' @param cell The positions of a and b in theta.
#' @noRd
search_covariance <- function(problem, spec, state, cell, covariance) {
  fit <- problem$fit
  tie <- covariance_tie(
    problem,
    spec,
    state,
    cell,
    covariance
  )
  value <- function(x) {
    at <- tie$place(x)
    is_proper <- at$tied[1L] > 0
    if (is_proper) criterion_at(fit, at$spec, at$arguments) else Inf
  }
  found <- stats::nlminb(
    tie$start,
    value,
    \(x) tied_slope(fit, tie, tie$place(x)),
    lower = tie$lower,
    control = tied_tolerances
  )
  at <- tie$place(found$par)
  in_given_arguments(finish_tied(fit, at$spec, at$arguments), tie$basis)
}

#' The parameters of the search: sigma a in units of the last sigma, the logarithm of an estimated
#' sigma, and the `free` arguments of the criterion; for a covariate far from zero, steps of all of
#' them
#' @return A list: `start`; `lower`, the bounds; `place`, a function of these parameters that
#'   returns the `arguments`, the `spec`, and `tied`, a and b; for a covariate far from zero
#'   `basis`, the result of [orthogonal_arguments()], and `steps`, the derivatives of the parameters
#'   of a covariate near zero in those of the search.
#' @noRd
covariance_tie <- function(problem, spec, state, cell, covariance) {
  fit <- problem$fit
  with_sigma <- estimates_sigma(fit)
  arguments <- c(state$theta, free_arguments(fit, state))
  tie <- list(
    arguments = arguments,
    spec = spec,
    cell = cell,
    free = setdiff(seq_along(arguments), c(cell, held_index(fit))),
    with_sigma = with_sigma,
    before = 1L + with_sigma,
    last = if (with_sigma) state$sigma else effects_sigma(fit),
    covariance = covariance
  )
  tie$place <- \(x) place_tied(tie, x)
  others <- c(if (with_sigma) log(tie$last), arguments[tie$free])
  tie$start <- c(max(abs(state$theta[cell[1L]]), 0.1), others)
  tie$lower <- c(1e-6, rep(-Inf, length(others)))
  basis <- orthogonal_arguments(problem, spec, cell, length(arguments))
  if (is.null(basis)) tie else straight_tie(tie, basis)
}

# The arguments at parameters of a covariate near zero.
place_tied <- function(tie, x) {
  sigma <- tie$last
  if (tie$with_sigma) {
    sigma <- exp(x[2L])
    tie$spec$sigma <- sigma
  }
  a <- x[1L] * tie$last / sigma
  tied <- c(a, tie$covariance / (sigma^2 * a))
  tie$arguments[tie$cell] <- tied
  tie$arguments[tie$free] <- x[tie$before + seq_along(tie$free)]
  list(
    arguments = tie$arguments,
    spec = tie$spec,
    tied = tied
  )
}

#' The parameters of the search as steps from the start, for a covariate far from zero
#'
#' The ratio of a and b is nearly known there, so that a starts where the new covariance leaves the
#' ratio as it was.
#' @noRd
straight_tie <- function(tie, basis) {
  origin <- tie$start
  before <- tie$arguments[tie$cell]
  growth <- tie$covariance / (tie$last^2 * prod(before))
  if (is.finite(growth) && growth > 0) {
    origin[1L] <- before[1L] * sqrt(growth)
  }
  jacobian <- basis$map %*% tied_jacobian(tie, tie$place(origin))
  steps <- straight_steps(jacobian, basis$own)
  near <- tie$place
  tie$place <- \(y) in_basis(near(origin + drop(steps %*% y)), basis)
  tie$start <- 0 * origin
  tie$lower <- -Inf
  tie$steps <- steps
  tie$basis <- basis
  tie
}

in_basis <- function(at, basis) {
  at$arguments <- drop(basis$map %*% at$arguments)
  at$spec <- replace(basis$spec, "sigma", list(at$spec$sigma))
  at
}

# The derivatives of the arguments of the criterion in the parameters of a covariate near zero.
tied_jacobian <- function(tie, at) {
  n <- length(tie$free)
  jacobian <- matrix(0, length(at$arguments), tie$before + n)
  unit <- if (tie$with_sigma) at$spec$sigma / tie$last else 1
  jacobian[tie$cell, 1L] <- c(1, -at$tied[2L] / at$tied[1L]) / unit
  if (tie$with_sigma) {
    jacobian[tie$cell, 2L] <- -at$tied
  }
  jacobian[cbind(tie$free, tie$before + seq_len(n))] <- 1
  jacobian
}

#' The gradient of the criterion in the parameters of the search
#' @noRd
tied_slope <- function(fit, tie, at) {
  gradient <- criterion_gradient(fit, at$spec, at$arguments)
  if (!is.null(tie$basis)) {
    gradient <- drop(crossprod(tie$basis$map, gradient))
  }
  slope <- drop(crossprod(tied_jacobian(tie, at), gradient))
  if (tie$with_sigma) {
    slope[2L] <- slope[2L] + sigma_slope(fit, at)
  }
  if (is.null(tie$steps)) slope else drop(crossprod(tie$steps, slope))
}

#' The derivative of a linear model's criterion in the logarithm of sigma
#'
#' The criterion is a constant plus n log(sigma^2) + r^2 / sigma^2; its values at sigma and sigma
#' sqrt(2) give the last term.
#' @noRd
sigma_slope <- function(fit, at) {
  n <- fit$dev$n_eff
  here <- core_objective(at$spec, at$arguments)
  at$spec$sigma <- sqrt(2) * at$spec$sigma
  there <- core_objective(at$spec, at$arguments)
  of_residuals <- 2 * (here - there + n * log(2))
  2 * n - 2 * of_residuals
}
