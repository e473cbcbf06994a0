#' Satterthwaite's degrees of freedom of contrasts of the fixed effects
#'
#' With f = c' V(theta, sigma) c the estimated variance of c' beta, g its gradient and A the
#' covariance matrix of (theta, sigma), df = 2 f^2 / (g' A g).
#' @param contrasts A matrix with a column for each contrast of the fixed effects.
#' @return A number for each column; `NA` if the variance parameters have no covariance matrix. The
#'   attribute `hessian` is "average" if the average information replaces the Hessian.
#' @noRd
satterthwaite_df <- function(object, contrasts = diag(length(object$beta))) {
  check_linear(object)
  if (ncol(contrasts) == 0) {
    return(numeric())
  }
  free <- free_beta(object)
  if (!any(free)) {
    return(rep(NA_real_, ncol(contrasts)))
  }
  found <- fit_joint(object, contrasts[free, , drop = FALSE])
  object <- in_independent_effects(object, found)
  df <- df_of_contrasts(object, found, contrasts)
  structure(df, hessian = if (found$curvature == "average") "average")
}

df_of_contrasts <- function(object, found, contrasts) {
  variance <- unscaled_variances(object, contrasts)
  spread <- variance_spread(object, found, variance)
  df <- 2 * (object$sigma^2 * variance)^2 / spread
  # With known variance parameters, tests use the normal distribution.
  df[which(spread == 0)] <- Inf
  # A contrast of held coefficients has variance zero.
  df[variance == 0] <- NA
  df
}

#' The variances g' A g of the estimated variances of contrasts
#' @param variance The variances themselves, over sigma^2.
#' @return The variances; zero if all variance parameters are held and therefore known; `NA` if none
#'   has a variance.
#' @noRd
variance_spread <- function(object, found, variance) {
  covariance <- joint_vcov(object, found)
  if (attr(covariance, "known")) {
    return(0 * variance)
  }
  # Held parameters count as known.
  free <- which(!is.na(diag(covariance)))
  if (length(free) == 0L) {
    return(NA_real_ * variance)
  }
  sigma <- object$sigma
  in_sigma <- if (!object$known_sigma) 2 * sigma * variance
  gradient <- rbind(sigma^2 * found$slopes, in_sigma)
  gradient <- gradient[free, , drop = FALSE]
  colSums(gradient * (covariance[free, free] %*% gradient))
}
