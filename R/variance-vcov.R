#' Covariance matrix of the variance parameters
#'
#' From the exact Hessian of the log-likelihood in theta and sigma, by the delta method. The square roots of the
#' diagonal are standard errors; [confint()] makes intervals of them.
#'
#' The estimates of standard deviations and correlations are far from normal in small samples: judge intervals from
#' these standard errors as what they are. For a term whose covariance is singular there are none: its rows and columns are
#' `NA`, and the attribute `"singular"` names the term. The other rows are then conditional on its zero variances.
#'
#' @param object A fit of [rlmm()].
#' @param scale `"sd"`: standard deviations and correlations; `"variance"`: variances and covariances; `"theta"`: theta
#'   and sigma.
#' @return A matrix with the names of the parameters, the residuals' last. (`vcov(fit, full = TRUE)` is another
#'   matrix: that of the random and fixed effects.)
#' @seealso [hessian()], [confint.rlmm()], `as.data.frame(VarCorr(fit))`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' variance_vcov(fit)
#' sqrt(diag(variance_vcov(fit, "variance")))
#' @export
variance_vcov <- function(object, scale = c("sd", "variance", "theta")) {
  check_linear(object)
  scale <- one_of(scale, c("sd", "variance", "theta"), "scale")
  joint <- joint_vcov(object)
  if (scale == "theta") return(joint)
  map <- variance_map(object, scale)
  n <- length(map$value)
  kept <- if (object$known_sigma) -n else seq_len(n)
  free <- seq_len(ncol(joint))
  jacobian <- map$jacobian[kept, free, drop = FALSE]
  lost <- singular_rows(object, rownames(jacobian))
  # Nothing of a singular term's parameters is used: 0 for `NA`, `NaN` and what is undefined.
  joint[is.na(joint)] <- 0
  jacobian[lost, ] <- 0
  out <- jacobian %*% joint %*% t(jacobian)
  out[lost, ] <- NA
  out[, lost] <- NA
  structure(out, singular = attr(joint, "singular"))
}

#' Covariance matrix of (theta, sigma); `NA` for parameters held at the boundary
#' @noRd
joint_vcov <- function(object) {
  found <- joint_derivatives(fit_spec(object), object$theta, object$sigma, object$known_sigma)
  labels <- c(theta_names(object$random), if (!object$known_sigma) "sigma")
  singular <- is_singular(object)
  held <- seq_along(labels) %in% which(theta_lower(object$random) == 0 & abs(object$theta) < 1e-4)
  out <- matrix(NA_real_, length(labels), length(labels), dimnames = list(labels, labels))
  out[!held, !held] <- 2 * inverse_curvature(found$hessian[!held, !held, drop = FALSE])
  structure(out, singular = if (any(singular$singular)) singular$term[singular$singular])
}

# The inverse, without the flat directions of a redundant factor; a direction that curves down makes it `NA`.
inverse_curvature <- function(hessian) {
  if (length(hessian) == 0) return(hessian)
  unit <- 1 / sqrt(pmax(abs(diag(hessian)), .Machine$double.xmin))
  parts <- eigen((hessian + t(hessian)) / 2 * outer(unit, unit), symmetric = TRUE)
  limit <- 1e-9 * max(abs(parts$values))
  if (any(parts$values < -limit)) return(NA_real_ * hessian)
  steep <- parts$values > limit
  half <- unit * parts$vectors[, steep, drop = FALSE]
  half %*% (t(half) / parts$values[steep])
}

# Rows of the parameters of singular terms.
singular_rows <- function(object, labels) {
  n_cells <- vapply(object$random, \(entry) nrow(covariance_cells(entry)), 1L)
  singular <- rep(is_singular(object)$singular, n_cells)
  which(c(singular, rep(FALSE, length(labels) - length(singular))))
}

#' Standard errors of the variance parameters, by name; `NA` where there are none
#' @noRd
variance_errors <- function(object, scale = "sd") {
  variance <- diag(variance_vcov(object, scale))
  sqrt(ifelse(variance > 0, variance, NA))
}
