#' Satterthwaite's degrees of freedom of the fixed effects
#'
#' With f = c' V(theta, sigma) c the estimated variance of c' beta, g its gradient and A the covariance matrix of
#' (theta, sigma): df = 2 f^2 / (g' A g).
#' @param contrasts Matrix with a column per combination of the fixed effects.
#' @return A number per column; `NA` where the variance parameters have no covariance matrix.
#' @noRd
satterthwaite_df <- function(object, contrasts = diag(length(object$beta))) {
  check_linear(object)
  if (ncol(contrasts) == 0) return(numeric())
  covariance <- joint_vcov(object)
  gradient <- variance_gradient(object, contrasts)
  # Parameters at the boundary are taken as known.
  free <- !is.na(diag(covariance))
  if (!any(free)) return(rep(NA_real_, ncol(contrasts)))
  gradient <- gradient[free, , drop = FALSE]
  variance <- object$sigma^2 * colSums(contrasts * (chol2inv(object$rx) %*% contrasts))
  spread <- colSums(gradient * (covariance[free, free, drop = FALSE] %*% gradient))
  2 * variance^2 / spread
}

#' Gradient of the variance of each combination in (theta, sigma): a row per parameter
#'
#' In theta by fourth-order central differences of the p x p covariance matrix; it is even in each element that is
#' zero on the diagonal.
#' @noRd
variance_gradient <- function(object, contrasts) {
  spec <- fit_spec(object)
  # The factor alone is wanted: the response plays no part in it.
  variance_at <- \(theta) {
    rx <- core_estimates(spec, theta)$rx
    object$sigma^2 * colSums(backsolve(rx, contrasts, transpose = TRUE)^2)
  }
  theta <- object$theta
  rows <- lapply(seq_along(theta), \(i) {
    step <- 2^-10 * max(abs(theta[i]), 0.1)
    at <- \(m) variance_at(replace(theta, i, theta[i] + m * step))
    (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)
  })
  if (!object$known_sigma) rows <- c(rows, list(2 * variance_at(theta) / object$sigma))
  matrix(unlist(rows), ncol = ncol(contrasts), byrow = TRUE)
}
