# Profiles of covariances of effects whose covariate is far from zero. Its intercepts and slopes are
# almost perfectly correlated there, and a search with one of their standard deviations held moves
# along a ridge that becomes narrower with the distance: it may end before the optimum.

# Up to these distances from zero, in standard deviations of the covariate, profiles are those of
# the centred covariate.
far_of_unstructured <- 1e4
far_of_structures <- 1e3

#' Warns of limits of covariances that may be wrong
#' @param wanted The names of the parameters to profile.
#' @noRd
warn_far_profile <- function(problem, wanted) {
  pieces <- problem$pieces[intersect(wanted, names(problem$pieces))]
  terms <- unique(unlist(lapply(pieces, `[[`, "term")))
  for (term in terms) {
    own <- problem$fit$random[[term]]
    distance <- distances_from_zero(problem$spec, own)
    if (any(distance > far_of_term(own))) {
      warn_of_distance(own, distance)
    }
  }
}

far_of_term <- function(own) {
  if (is_unstructured(own$structure)) far_of_unstructured else far_of_structures
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
