#' Satterthwaite's degrees of freedom of the fixed effects
#'
#' With f = c' V(theta, sigma) c the estimated variance of c' beta, g its gradient and A the covariance matrix of
#' (theta, sigma): df = 2 f^2 / (g' A g).
#' @param contrasts Matrix with a column per combination of the fixed effects.
#' @return A number per column; `NA` where the variance parameters have no covariance matrix. Of the average information
#'   the attribute `hessian` is "average".
#' @noRd
satterthwaite_df <- function(object, contrasts = diag(length(object$beta))) {
  check_linear(object)
  if (ncol(contrasts) == 0) {
    return(numeric())
  }
  if (!any(free_beta(object))) {
    return(rep(NA_real_, ncol(contrasts)))
  }
  object <- independent_effects(object)
  found <- fit_joint(object, contrasts[free_beta(object), , drop = FALSE])
  covariance <- joint_vcov(object, found)
  variance <- colSums(contrasts * (unscaled_covariance(object) %*% contrasts))
  gradient <- rbind(
    object$sigma^2 * found$slopes,
    if (!object$known_sigma) 2 * object$sigma * variance
  )
  df <- if (attr(covariance, "known")) {
    rep(Inf, ncol(contrasts))
  } else {
    # Parameters that are held are taken as known.
    free <- !is.na(diag(covariance))
    gradient <- gradient[free, , drop = FALSE]
    spread <- colSums(
      gradient * (covariance[free, free, drop = FALSE] %*% gradient)
    )
    if (any(free)) {
      2 * (object$sigma^2 * variance)^2 / spread
    } else {
      rep(NA_real_, ncol(contrasts))
    }
  }
  # A combination of held coefficients has no variance.
  structure(
    replace(df, variance == 0, NA),
    hessian = if (found$curvature == "average") "average"
  )
}
