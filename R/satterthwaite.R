#' Satterthwaite's degrees of freedom of the fixed effects
#'
#' With f = c' V(theta, sigma) c the estimated variance of c' beta, g its gradient and A the
#' covariance matrix of (theta, sigma): df = 2 f^2 / (g' A g).
#' @param contrasts Matrix with a column per combination of the fixed effects.
#' @return A number per column; `NA` where the variance parameters have no covariance matrix. The
#'   attribute `hessian` is "average" if the average information stands for the Hessian.
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
  # With the variance parameters known the test is that of a normal distribution.
  df[which(spread == 0)] <- Inf
  # A combination of held coefficients has no variance.
  df[variance == 0] <- NA
  df
}

#' The variances g' A g of the estimated variances of combinations of the fixed effects
#' @param variance The variances themselves, over sigma^2.
#' @return Zero where all variance parameters are held, which are then known; `NA` where none has a
#'   variance.
#' @noRd
variance_spread <- function(object, found, variance) {
  covariance <- joint_vcov(object, found)
  if (attr(covariance, "known")) {
    return(0 * variance)
  }
  # A parameter that is held counts as known.
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
