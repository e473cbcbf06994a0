# Profiles of covariances of effects whose covariate is far from zero. Its intercepts and slopes are
# almost perfectly correlated there, and a search with one of their standard deviations held moves
# along a ridge that becomes narrower with the distance: it may end before the optimum. Unstructured
# covariances are searched for in other effects, or by other steps, that have no such ridge.

# Up to these distances from zero, in standard deviations of the covariate, profiles of structures,
# and of sums, which have no orthogonal columns to search in, are those of the centred covariate.
far_of_structures <- 1e3
far_of_sums <- 1e4
# From this distance on the limits from sums are wrong, after minutes.
wrong_of_sums <- 5e4

#' Warns of limits of covariances that may be wrong, and refuses those that would be
#' @param wanted The names of the parameters to profile.
#' @noRd
check_far_profile <- function(problem, wanted) {
  pieces <- problem$pieces[intersect(wanted, names(problem$pieces))]
  for (own in pieces[lengths(lapply(pieces, `[[`, "term")) > 0L]) {
    term <- problem$fit$random[[own$term]]
    distance <- distances_from_zero(problem$spec, term)
    if (!is.null(problem$spec$sums) && any(distance > wrong_of_sums)) {
      abort_far_profile(term, distance)
    }
    if (any(distance > far_of_piece(term, problem$spec))) {
      return(warn_of_distance(term, distance))
    }
  }
}

# The distance from which a profile may be wrong: with rows, never for unstructured terms.
far_of_piece <- function(term, spec) {
  if (!is_unstructured(term$structure)) {
    far_of_structures
  } else if (!is.null(spec$sums)) {
    far_of_sums
  } else {
    Inf
  }
}

# The absolute mean of each covariate of a term with several effects, in standard deviations.
distances_from_zero <- function(spec, own) {
  if (length(own$columns) == 1L) {
    return(numeric())
  }
  if (!is.null(spec$sums)) {
    return(distances_in_sums(spec$sums, own))
  }
  z <- effects_of_rows(own, spec$terms, TRUE)$z
  spread <- apply(z, 2L, stats::sd)
  distance <- abs(colMeans(z)) / spread
  names(distance) <- own$columns
  distance[spread > 0]
}

# The absolute mean of each covariate of a term, in standard deviations, from sums of the covariates
# minus their origins, beside an intercept of the term.
distances_in_sums <- function(sums, own) {
  intercept <- intercept_places(list(own))
  if (is.na(intercept)) {
    return(numeric())
  }
  at <- own$core_cols
  sums_of_term <- sums$terms[[own$core_term]]
  products <- rowSums(sums_of_term$zz, dims = 2L)[at, at]
  first <- match(intercept, at)
  products <- products / products[first, first]
  spread <- diag(products) - products[first, ]^2
  mean <- products[first, ] + term_origins_in(sums$summed, own, intercept)
  distance <- abs(mean) / sqrt(pmax(spread, 0))
  names(distance) <- own$columns
  distance[spread > 0]
}

warn_of_distance <- function(own, distance) {
  warn_rlmm(
    c(
      sprintf(
        "The profile limits of the covariance of `%s` may be wrong.",
        term_text(own)
      ),
      distance_lines(distance)
    ),
    "rlmm_warning_profile"
  )
}

abort_far_profile <- function(own, distance) {
  abort_rlmm(
    c(
      sprintf(
        "From sums, the covariance of `%s` has no profile.",
        term_text(own)
      ),
      distance_lines(distance),
      i = "Or name other parameters by `parm`, such as \"beta_\"."
    ),
    "rlmm_error_origin",
    term = term_text(own)
  )
}

# The lines of a message on the covariate that is farthest from zero.
distance_lines <- function(distance) {
  farthest <- which.max(distance)
  name <- names(distance)[farthest]
  rounded <- signif(distance[[farthest]], 2L)
  c(
    x = sprintf(
      "The mean of `%s` is %s of its standard deviations from zero.",
      name,
      format(rounded, big.mark = ",", scientific = FALSE)
    ),
    i = sprintf("Centre it: `%s - mean(%s)`.", name, name)
  )
}

# Straight ways --------------------------------------------------------------

# The matrix of effects with the `n` first ones of the given effects, and others whose columns are
# orthogonal to theirs; the identity if the columns are far from collinear.
orthogonal_moves <- function(z, n) {
  k <- ncol(z)
  kept <- seq_len(n)
  last <- c(setdiff(seq_len(k), kept), kept)
  root <- root_of_rows(z[, last], nrow(z))
  if (is.null(root)) {
    return(diag(k))
  }
  moves <- diag(k)
  moves[-kept, ] <- root[seq_len(k - n), order(last)]
  moves
}

#' The arguments of the criterion for orthogonal columns of a term, if its columns are nearly
#' collinear
#' @param tied Two elements of theta of the term.
#' @param n The number of arguments.
#' @return A list: `spec`, with these columns; `map`, the matrix by which the arguments for the
#'   given columns are multiplied; `own`, the theta of the term. `NULL` if columns are far from
#'   collinear.
#' @noRd
orthogonal_arguments <- function(problem, spec, tied, n) {
  fit <- problem$fit
  term <- which(vapply(fit$random, \(term) all(tied %in% term$theta), NA))
  own <- fit$random[[term]]
  if (!is.null(spec$sums) || is_near_zero(fit, own)) {
    return(NULL)
  }
  moves <- lower_root(effects_of_rows(own, spec$terms, TRUE)$z)
  cells <- which(lower.tri(moves, diag = TRUE))
  map <- diag(n)
  map[own$theta, own$theta] <- kronecker(diag(nrow(moves)), moves)[cells, cells]
  list(
    spec = spec_of_effects(replace(problem, "spec", list(spec)), term, moves),
    map = map,
    own = own$theta
  )
}

# Whether the columns of a term are far from collinear.
is_near_zero <- function(fit, term) {
  given <- effects_of_rows(term, fit_terms(fit), TRUE)$z
  is.null(root_of_columns(given))
}

# The lower triangular M of columns Z = Q M, where Q has a mean square of one.
lower_root <- function(z) {
  last <- rev(seq_len(ncol(z)))
  root <- qr.R(qr(z[, last] / sqrt(nrow(z)), tol = 0))
  root <- root * sign(diag(root))
  root[last, last]
}

#' Estimates for the given columns
#' @param basis The result of [orthogonal_arguments()], for whose columns `found` is.
#' @noRd
in_given_arguments <- function(found, basis) {
  if (!is.null(basis)) {
    theta <- seq_along(found$theta)
    found$theta <- solve(
      basis$map[theta, theta],
      found$theta,
      tol = 0
    )
  }
  found
}

#' Steps of the parameters of a search that change Z Lambda by about as much each
#' @param steps The derivatives of the arguments, for orthogonal columns, in the parameters.
#' @param own The theta of the term with these columns.
#' @return A matrix: the derivatives of the parameters in such steps.
#' @noRd
straight_steps <- function(steps, own) {
  unit <- diag(ncol(steps))
  of_lambda <- steps[own, , drop = FALSE]
  changed <- which(colSums(abs(of_lambda)) > 0)
  root <- qr.R(qr(of_lambda[, changed, drop = FALSE], tol = 0))
  size <- abs(diag(root))
  if (min(size) > 1e-12 * max(size)) {
    unit[changed, changed] <- inverse_of(root)
  }
  unit
}
