# Satterthwaite degrees of freedom of contrasts that involve levels of large factors.

#' Satterthwaite's degrees of freedom, from finite differences of the covariance in theta
#' @noRd
satterthwaite_beside_levels <- function(fit, covariance, covariance_at) {
  at <- slope_coordinates(fit)
  free <- which(diag(at$covariance) > 0)
  slopes <- lapply(free, \(j) {
    if (j > length(at$theta)) {
      return(2 * covariance / fit$sigma)
    }
    moved <- replace(at$theta, j, at$theta[j] + at$steps[j])
    there <- fit$sigma^2 * covariance_at(at$to_given(moved))
    (there - covariance) / at$steps[j]
  })
  spread <- at$covariance[free, free, drop = FALSE]
  # emmeans resets the environment of `dffun`, but not that of a function in `dfargs`, where this
  # closure is passed.
  function(k) {
    variance <- sum(k * (covariance %*% k))
    gradient <- vapply(slopes, \(slope) sum(k * (slope %*% k)), 1)
    2 * variance^2 / sum(gradient * (spread %*% gradient))
  }
}

#' Satterthwaite's degrees of freedom of contrasts of coefficients that depend on the coding
#' @param contrasts A matrix with a column for each contrast.
#' @noRd
satterthwaite_of_coded <- function(fit, contrasts) {
  free <- free_beta(fit)
  covariance_at <- coded_covariance(fit)
  covariance <- fit$sigma^2 * covariance_at(fit$theta)
  df <- satterthwaite_beside_levels(fit, covariance, covariance_at)
  apply(contrasts[free, , drop = FALSE], 2L, df)
}

#' As [satterthwaite_df()], also for coefficients that depend on the coding of large factors
#' @noRd
satterthwaite_of_any <- function(fit, contrasts) {
  is_coded <- names(fit$beta) %in% coding_dependent_coefficients(fit)
  moves <- colSums(contrasts[is_coded, , drop = FALSE] != 0) > 0
  if (!any(moves)) {
    return(satterthwaite_df(fit, contrasts))
  }
  df <- numeric(ncol(contrasts))
  df[moves] <- satterthwaite_of_coded(fit, contrasts[, moves, drop = FALSE])
  df[!moves] <- satterthwaite_df(fit, contrasts[, !moves, drop = FALSE])
  df
}
