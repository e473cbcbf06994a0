# Standard errors of the variance parameters of a generalized model, and derivatives of its
# log-likelihood.

#' @export
variance_vcov.rlmm_glmm <- function(
  object,
  scale = c("sd", "variance", "theta"),
  ...
) {
  refuse_dots(...)
  scale <- one_of(scale, c("sd", "variance", "theta"), "scale")
  reason <- no_variance_errors(object)
  if (!is.null(reason)) {
    abort_no_variance_errors(reason)
  }
  map <- glmm_variance_map(object, scale)
  out <- map$jacobian %*%
    glmm_variance_covariance(object) %*%
    t(map$jacobian)
  singular <- is_singular(object)
  structure(
    without_rows(out, map$lost),
    singular = if (any(singular$singular)) singular$term[singular$singular]
  )
}

#' The reason why a generalized fit has no covariance of its variance parameters
#' @return Text; `NULL` if it has one.
#' @noRd
no_variance_errors <- function(fit) {
  if (fit$glmm$fast) {
    return(
      "The fixed effects of a fast fit (`nAGQ = 0`) aren't parameters of its likelihood."
    )
  }
  if (isTRUE(fit$relative)) {
    return(
      "The dispersion by moment, to which the covariances are relative, is no parameter."
    )
  }
  if (is.null(fit$frame) && !"covariance" %in% names(fit)) {
    return("The fit doesn't hold its data.")
  }
}

abort_no_variance_errors <- function(reason) {
  abort_rlmm(
    c("There is no covariance of the variance parameters.", x = reason),
    "rlmm_error_not_available"
  )
}

# The covariance of theta and the logarithm of the shape, with zeros for held elements and a shape
# that isn't estimated.
glmm_variance_covariance <- function(fit) {
  n <- length(fit$theta)
  out <- matrix(0, n + 1L, n + 1L)
  covariance <- hessian_covariance(fit)
  if (is.null(covariance)) {
    return(out * NA_real_)
  }
  free <- setdiff(seq_len(n), held_index(fit))
  from <- seq_along(free)
  if (estimates_shape(fit$glmm)) {
    from <- c(from, nrow(covariance))
    free <- c(free, n + 1L)
  }
  out[free, free] <- covariance[from, from]
  out
}

# The Jacobian of variance parameters on a scale in theta and the logarithm of the shape, and the
# rows without a standard error.
glmm_variance_map <- function(fit, scale) {
  map <- effects_variance_map(fit, scale)
  if (!has_scale(fit)) {
    return(map)
  }
  if (!estimates_shape(fit$glmm)) {
    map$lost <- c(map$lost, nrow(map$jacobian) + 1L)
  }
  map$jacobian <- rbind(map$jacobian, sigma_row(fit, scale))
  map
}

# The row of sigma or its square, with their derivative in the logarithm of the shape.
sigma_row <- function(fit, scale) {
  is_variance <- scale == "variance"
  slope <- if (is_variance) fit$sigma^2 else fit$sigma / 2
  row <- rbind(c(0 * fit$theta, slope))
  dimnames(row) <- list(if (is_variance) "sigma2" else "sigma", NULL)
  row
}

# The rows of the random effects in `glmm_variance_map()`.
effects_variance_map <- function(fit, scale) {
  if (scale == "theta") {
    return(theta_map(fit))
  }
  free <- seq_along(fit$theta)
  in_theta <- variance_map(fit, scale, sigma = effects_sigma(fit))$jacobian
  rows <- seq_len(nrow(in_theta) - 1L)
  jacobian <- cbind(in_theta[rows, free, drop = FALSE], 0)
  lost <- singular_rows(fit)
  # The derivatives of a singular term may not exist.
  jacobian[lost, ] <- 0
  list(jacobian = jacobian, lost = lost)
}

theta_map <- function(fit) {
  jacobian <- cbind(diag(length(fit$theta)), 0)
  rownames(jacobian) <- theta_names(fit$random)
  lost <- setdiff(boundary_theta(fit), held_index(fit))
  list(jacobian = jacobian, lost = lost)
}

#' @export
variance_estimates.rlmm_glmm <- function(object) {
  estimate <- variance_map(object, "sd", sigma = effects_sigma(object))$value
  estimate <- estimate[-length(estimate)]
  if (has_scale(object)) {
    estimate <- c(estimate, sigma = object$sigma)
  }
  std_error <- if (is.null(no_variance_errors(object))) {
    variance_errors(object)
  } else {
    NA_real_ * estimate
  }
  list(estimate = estimate, std_error = std_error)
}

# Derivatives ---------------------------------------------------------------

#' @export
variance_parameters.rlmm_glmm <- function(
  object,
  parameterization = "sqrt",
  ...
) {
  refuse_dots(...)
  check_glmm_parameterization(parameterization)
  stats::setNames(object$parameters, parameter_names(object))
}

#' @export
score.rlmm_glmm <- function(object, at = NULL, parameterization = "sqrt", ...) {
  refuse_dots(...)
  parameters <- glmm_point(object, at, parameterization)
  gradient <- core_glmm_gradient(fit_spec(object), parameters)
  stats::setNames(-gradient / 2, parameter_names(object))
}

#' @export
hessian.rlmm_glmm <- function(
  object,
  at = NULL,
  parameterization = "sqrt",
  ...
) {
  refuse_dots(...)
  parameters <- glmm_point(object, at, parameterization)
  steps <- difference_steps(object, parameters)
  spec <- fit_spec(object)
  gradient_at <- \(point) core_glmm_gradient(spec, point)
  columns <- central_differences(gradient_at, parameters, steps)
  names <- parameter_names(object)
  dimnames(columns) <- list(names, names)
  -(columns + t(columns)) / 4
}

# The derivatives of a function in each element of `at`, with a column for each.
central_differences <- function(f, at, steps) {
  columns <- lapply(seq_along(at), \(j) {
    shift <- replace(0 * at, j, steps[j])
    change <- f(at + shift) - f(at - shift)
    change / (2 * steps[j])
  })
  unname(do.call(cbind, columns))
}

# The steps of central differences, for fixed effects a hundredth of a standard error.
difference_steps <- function(fit, parameters) {
  steps <- 1e-3 * pmax(abs(parameters), 0.1)
  n <- length(fit$theta)
  own <- seq_len(n)
  steps[own] <- pmin(steps[own], correlation_steps(fit, parameters[own]))
  is_beta <- !fit$glmm$fast &
    seq_along(parameters) %in% (n + seq_along(fit$beta))
  steps[is_beta] <- 1e-2 * standard_errors(fit)
  ifelse(is.finite(steps) & steps > 0, steps, 1e-4)
}

# The largest steps of the elements of theta: for a correlation a small share of its distance from a
# limit, at which derivatives grow without bound; any for standard deviations.
correlation_steps <- function(fit, theta) {
  steps <- rep(Inf, length(theta))
  for (term in fit$random) {
    range <- theta_range(term)
    values <- theta[term$theta]
    room <- pmin(values - range[, "lower"], range[, "upper"] - values)
    is_rho <- !is_scale(term)
    if (any(room[is_rho] < least_room)) {
      abort_digits(fit, term)
    }
    steps[term$theta[is_rho]] <- 1e-3 * room[is_rho]
  }
  steps
}

# Nearer than this to a limit of a correlation differences of the gradient have less than three
# correct digits.
least_room <- 1e-4

glmm_point <- function(object, at, parameterization) {
  estimates <- variance_parameters(object, parameterization)
  if (is.null(at)) {
    return(unname(estimates))
  }
  check_parameters(at, estimates)
  as.double(at)
}

check_glmm_parameterization <- function(parameterization) {
  if (identical(parameterization, parameterizations)) {
    return(invisible())
  }
  kind <- one_of(parameterization, parameterizations, "parameterization")
  if (kind == "sqrt") {
    return(invisible())
  }
  abort_argument(
    "`parameterization` must be \"sqrt\" for a generalized model.",
    x = sprintf("It is %s.", in_quotes(kind)),
    i = paste(
      "Its fixed effects are parameters too;",
      "`variance_vcov()` has standard errors of variances."
    ),
    arg = "parameterization",
    class = "rlmm_error_not_available"
  )
}
