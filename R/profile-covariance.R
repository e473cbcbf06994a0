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
  kinds <- vapply(pieces, `[[`, "", "kind")
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
  kinds <- vapply(problem$pieces, `[[`, "", "kind")
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
      search_covariance(problem, spec, state, cell, value)
    })
  })
}

#' Minimizes the criterion with the covariance of the first two effects of a term at a given value
#'
#' The covariance is sigma^2 a b, with a > 0 and b the elements (1, 1) and (2, 1) of Lambda: b is a
#' function of a, sigma and the value. An estimated sigma is optimized on the log scale.
#' @param cell The positions of a and b in theta.
#' @noRd
search_covariance <- function(problem, spec, state, cell, covariance) {
  fit <- problem$fit
  tie <- covariance_tie(fit, spec, state, cell, covariance)
  value <- function(x) {
    at <- tie$place(x)
    criterion_at(fit, at$spec, at$arguments)
  }
  found <- stats::nlminb(
    tie$start,
    value,
    \(x) tied_slope(fit, tie, tie$place(x)),
    lower = c(1e-6, rep(-Inf, length(tie$start) - 1L)),
    control = tied_tolerances
  )
  at <- tie$place(found$par)
  finish_tied(fit, at$spec, at$arguments)
}

#' The parameters of the search: a, the logarithm of an estimated sigma, and the `free` arguments of
#' the criterion
#' @return A list of `start`, and `place`, a function of these parameters that returns the
#'   `arguments`, the `spec`, and a and b.
#' @noRd
covariance_tie <- function(fit, spec, state, cell, covariance) {
  arguments <- c(state$theta, free_arguments(fit, state))
  free <- setdiff(seq_along(arguments), c(cell, held_index(fit)))
  with_sigma <- estimates_sigma(fit)
  place <- function(x) {
    sigma <- effects_sigma(fit)
    if (with_sigma) {
      sigma <- exp(x[[2L]])
      spec$sigma <- sigma
    }
    second <- covariance / (sigma^2 * x[[1L]])
    tied <- c(x[[1L]], second)
    arguments[cell] <- tied
    arguments[free] <- x[seq_along(free) + 1L + with_sigma]
    list(
      arguments = arguments,
      spec = spec,
      tied = tied
    )
  }
  size <- max(abs(state$theta[cell[1L]]), 0.1)
  start <- c(size, if (with_sigma) log(state$sigma), arguments[free])
  list(
    start = start,
    place = place,
    free = free,
    cell = cell
  )
}

#' The gradient of the criterion in the parameters of the search
#' @noRd
tied_slope <- function(fit, tie, at) {
  gradient <- criterion_gradient(fit, at$spec, at$arguments)
  of_b <- gradient[tie$cell[2L]] * at$tied[2L]
  of_a <- gradient[tie$cell[1L]] - of_b / at$tied[1L]
  of_sigma <- if (estimates_sigma(fit)) sigma_slope(fit, at) - 2 * of_b
  c(of_a, of_sigma, gradient[tie$free])
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
