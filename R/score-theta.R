# Derivatives in theta with the residual variance profiled out. If a covariate is far from zero they
# are derived in orthogonal columns, as in score-columns.R: in the given ones their rounding errors
# exceed their values.

#' The derivatives of the objective in theta
#' @param point The result of [parameter_point()].
#' @return A list: `gradient`, and with `exact` the `hessian`.
#' @noRd
theta_derivatives <- function(object, point, exact = FALSE) {
  point$kind <- "profile"
  near <- in_columns_of_score(object, point)
  found <- profiled_derivatives(near$fit, near$point, exact)
  if (is.null(near$map)) {
    return(found)
  }
  moved <- moved_theta(object, near)
  change <- list(
    moved = moved,
    slopes = slopes_of_moved(near, found),
    jacobian = jacobian_of_moved(object, point, near, moved)
  )
  list(
    gradient = drop(crossprod(change$jacobian, change$slopes)),
    hessian = if (exact) theta_hessian(object, point, near, found, change)
  )
}

# The elements of theta of terms whose columns are replaced by orthogonal ones.
moved_theta <- function(object, near) {
  is_moved <- lengths(near$fit$basis$random) > 0L
  unlist(lapply(object$random[is_moved], `[[`, "theta"))
}

# The derivatives in theta and, where a structure has correlations, those of absolute_derivatives()
# with sigma at its optimum.
profiled_derivatives <- function(object, point, exact) {
  spec <- fitted_spec(object)
  if (!has_correlations(object)) {
    return(core_derivatives(spec, point$theta, exact = exact))
  }
  if (is.null(point$sigma)) {
    point$sigma <- profiled_sigma(object, spec, point$theta)
  }
  found <- absolute_derivatives(object, spec, point, exact = TRUE)
  if (object$known_sigma) found else without_sigma(found)
}

# Derivatives in (theta, sigma) with sigma profiled out.
without_sigma <- function(found) {
  last <- length(found$gradient)
  cross <- found$hessian[-last, last]
  bend <- tcrossprod(cross) / found$hessian[last, last]
  found$hessian <- found$hessian[-last, -last, drop = FALSE] - bend
  found$gradient <- found$gradient[-last]
  found
}

# The derivatives in theta and sigma. Those of a structure with correlations are by way of
# orthogonal effects, which keep the parameters of the given ones.
absolute_derivatives <- function(object, spec, point, exact = FALSE) {
  derive <- function(independent) {
    joint_derivatives(
      spec,
      point$theta,
      point$sigma,
      object$known_sigma,
      exact = exact,
      independent = independent
    )
  }
  found <- derive(FALSE)
  if (!has_correlations(object)) {
    return(found)
  }
  near <- derive(n_held(object) == 0L)
  own <- c("gradient", "hessian")
  if (length(near$roots) == 0L) {
    found[own] <- near[own]
  }
  found
}

# Whether a structure of the fit has a correlation parameter.
has_correlations <- function(object) {
  any(vapply(object$random, \(term) has_rho(term$structure), NA))
}

# The best sigma at a theta. Apart from terms without sigma the objective is d log(sigma^2) + r^2 /
# sigma^2: at sigma = 1 its derivatives are 2 d - 2 r^2 and 6 r^2 - 2 d.
profiled_sigma <- function(object, spec, theta) {
  if (object$known_sigma) {
    return(object$sigma)
  }
  found <- joint_derivatives(spec, theta, 1, FALSE, exact = TRUE)
  last <- length(theta) + 1L
  slope <- found$gradient[last]
  squares <- (slope + found$hessian[last, last]) / 4
  sqrt(squares / (slope / 2 + squares))
}

# The slopes of the objective in the covariances of orthogonal effects and in the other elements of
# theta.
slopes_of_moved <- function(near, found) {
  slopes <- found$gradient
  random <- near$fit$random
  roles <- core_structures(random)
  for (i in which(lengths(near$fit$basis$random) > 0L)) {
    own <- random[[i]]$core_cols
    g <- found$g[[random[[i]]$core_term]][own, own]
    slopes[random[[i]]$theta] <- cell_gradient(random[[i]], roles[[i]], g)
  }
  slopes
}

# The derivative of the covariances of orthogonal effects and of the other elements of theta in the
# given theta.
jacobian_of_moved <- function(object, point, near, moved) {
  jacobian <- diag(length(point$theta))
  own <- omega_jacobian(object, point$theta, moved)
  jacobian[moved, moved] <- near$map[moved, moved] %*% own
  jacobian
}

# The derivative of the covariances of some terms in their theta.
omega_jacobian <- function(object, theta, own) {
  jacobian <- variance_map(object, "profile", theta)$jacobian
  jacobian[own, own, drop = FALSE]
}

# The Hessian in the given theta, by that in the covariances of orthogonal effects.
theta_hessian <- function(object, point, near, found, change) {
  moved <- change$moved
  there <- hessian_of_moved(near, found, change)
  if (is.null(there)) {
    return(singular_hessian(object, point, near$fit$basis$random))
  }
  given <- drop(crossprod(near$map[moved, moved], change$slopes[moved]))
  given <- replace(change$slopes, moved, given)
  crossprod(change$jacobian, there %*% change$jacobian) +
    moved_bend(object, point$theta, given, moved)
}

# The Hessian in the covariances of orthogonal effects and in the other elements of theta; `NULL` at
# a singular covariance.
hessian_of_moved <- function(near, found, change) {
  theta <- near$point$theta
  moved <- change$moved
  inner <- diag(length(theta))
  inner[moved, moved] <- omega_jacobian(near$fit, theta, moved)
  if (is_singular_jacobian(inner)) {
    return(NULL)
  }
  bend <- moved_bend(near$fit, theta, change$slopes, moved)
  half <- solve_transposed(inner, t(found$hessian - bend))
  solve_transposed(inner, t(half))
}

# The Hessian in theta at a singular covariance, which is derived in the given columns.
singular_hessian <- function(object, point, roots) {
  is_far <- \(root) length(root) > 0L && independence_in(root) < 1e-3
  far <- vapply(roots, is_far, NA)
  if (any(far)) {
    abort_digits(object, object$random[[which(far)[1L]]])
  }
  core_derivatives(fitted_spec(object), point$theta, exact = TRUE)$hessian
}

# Second derivatives for a structure whose correlations are within 1e-11 of a singular matrix have
# relative errors of about 1e-2.
least_regularity <- 1e-11

# From this distance of a covariate from zero on, in its standard deviations, it may be the cause of
# an almost perfect correlation.
noticeable_distance <- 30

# Raises an error for a structure with correlations that is regular, but with few digits.
check_digits_of_correlations <- function(object, theta) {
  lambdas <- lambda_blocks(object$random, theta)
  for (i in seq_along(object$random)) {
    term <- object$random[[i]]
    size <- sqrt(rowSums(lambdas[[i]]^2))
    if (!has_rho(term$structure) || any(size == 0)) {
      next
    }
    least <- rcond(tcrossprod(lambdas[[i]] / size))
    if (least > .Machine$double.eps && least < least_regularity) {
      abort_digits(object, term)
    }
  }
}

abort_digits <- function(object, term) {
  distance <- distances_from_zero(fit_spec(object), term)
  advice <- c(
    i = "At a perfect correlation they don't exist: use fewer random effects, or `||`?"
  )
  abort_rlmm(
    c(
      sprintf(
        "The second derivatives in the covariances of %s have too few digits.",
        tick(term_text(term))
      ),
      x = "Its effects are almost perfectly correlated, or exactly so.",
      if (any(distance > noticeable_distance)) {
        distance_lines(distance)
      } else {
        advice
      }
    ),
    "rlmm_error_origin",
    term = term_text(term)
  )
}

# Up to these distances of a covariate from zero, in its standard deviations, derivatives from sums
# have about three correct digits: sums have no orthogonal columns for unstructured terms.
far_in_sums <- list(
  score = c(user = 2e3, profile = 2e5, sqrt = 2e3),
  hessian = c(user = 200, profile = 2e5, sqrt = 2e3)
)

# Raises an error for unstructured terms of sums that are farther from zero.
check_far_in_sums <- function(object, limit) {
  if (is.null(object$sums)) {
    return(invisible())
  }
  for (term in object$random) {
    distance <- distances_from_zero(fitted_spec(object), term)
    if (is_unstructured(term$structure) && any(distance > limit)) {
      abort_far_in_sums(term, distance)
    }
  }
}

abort_far_in_sums <- function(term, distance) {
  abort_rlmm(
    c(
      sprintf(
        "From sums, derivatives in the covariances of %s have too few digits.",
        tick(term_text(term))
      ),
      distance_lines(distance)
    ),
    "rlmm_error_origin",
    term = term_text(term)
  )
}

# The second derivatives of Omega, weighted by slopes, of some terms.
moved_bend <- function(object, theta, slopes, moved) {
  bend <- omega_bend(object$random, theta, slopes)
  bend[-moved, ] <- bend[, -moved] <- 0
  bend
}
