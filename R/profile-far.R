# Profiles of covariances of effects whose covariate is far from zero. Its intercepts and slopes are
# almost perfectly correlated there, and a search with one of their standard deviations held moves
# along a ridge that becomes narrower with the distance: it may end before the optimum. Unstructured
# covariances are searched for in other effects, or by other steps, that have no such ridge.

# Up to these distances from zero, in standard deviations of the covariate, profiles are those of
# the centred covariate.
far_of_covariances <- 1e4
far_of_structures <- 1e3

#' Warns of limits of covariances that may be wrong
#' @param wanted The names of the parameters to profile.
#' @noRd
warn_far_profile <- function(problem, wanted) {
  pieces <- problem$pieces[intersect(wanted, names(problem$pieces))]
  for (own in pieces[lengths(lapply(pieces, `[[`, "term")) > 0L]) {
    term <- problem$fit$random[[own$term]]
    distance <- distances_from_zero(problem$spec, term)
    if (any(distance > far_of_piece(term, own$kind))) {
      return(warn_of_distance(term, distance))
    }
  }
}

# The distance from which a profile may be wrong: never for standard deviations and correlations of
# unstructured terms.
far_of_piece <- function(term, kind) {
  if (!is_unstructured(term$structure)) {
    far_of_structures
  } else if (kind == "covariance") {
    far_of_covariances
  } else {
    Inf
  }
}

# The absolute mean of each covariate of a term with several effects, in standard deviations.
distances_from_zero <- function(spec, own) {
  if (!is.null(spec$sums) || length(own$columns) == 1L) {
    return(numeric())
  }
  z <- effects_of_rows(own, spec$terms, TRUE)$z
  spread <- apply(z, 2L, stats::sd)
  distance <- abs(colMeans(z)) / spread
  names(distance) <- own$columns
  distance[spread > 0]
}

warn_of_distance <- function(own, distance) {
  farthest <- which.max(distance)
  name <- names(distance)[farthest]
  rounded <- signif(distance[[farthest]], 2L)
  text <- format(rounded, big.mark = ",", scientific = FALSE)
  warn_rlmm(
    c(
      sprintf(
        "The profile limits of the covariance of `%s` may be wrong.",
        term_text(own)
      ),
      x = sprintf(
        "The mean of `%s` is %s of its standard deviations from zero.",
        name,
        text
      ),
      i = sprintf("Centre it: `%s - mean(%s)`.", name, name)
    ),
    "rlmm_warning_profile"
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

#' Steps of the parameters of a search that change Z Lambda by about as much each, whatever the
#' distance of a covariate from zero
#' @param tied Two elements of theta of the term.
#' @param steps The derivatives of the arguments of the criterion in the parameters.
#' @return The derivatives in parameters with such steps; `NULL` if columns are far from collinear.
#' @noRd
straight_steps <- function(fit, spec, tied, steps) {
  is_own <- vapply(fit$random, \(term) all(tied %in% term$theta), NA)
  own <- fit$random[[which(is_own)]]
  if (!is.null(spec$sums)) {
    return(NULL)
  }
  given <- effects_of_rows(own, fit_terms(fit), TRUE)$z
  if (is.null(root_of_columns(given))) {
    return(NULL)
  }
  z <- effects_of_rows(own, spec$terms, TRUE)$z
  root <- qr.R(qr(z / sqrt(nrow(z)), tol = 0))
  changed <- which(colSums(abs(steps[own$theta, , drop = FALSE])) > 0)
  of_theta <- steps[own$theta, changed, drop = FALSE]
  of_lambda <- matrix(0, ncol(root)^2, length(changed))
  of_lambda[lower.tri(root, diag = TRUE), ] <- of_theta
  scaled <- kronecker(diag(ncol(root)), root) %*% of_lambda
  unit <- inverse_of(qr.R(qr(scaled, tol = 0)))
  steps[, changed] <- steps[, changed] %*% unit
  steps
}
