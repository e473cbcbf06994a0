# Steps of finite differences in the parameters, and directions in which estimates are uncorrelated.

# Steps of forward differences, towards the interior of each parameter's range.
theta_steps <- function(fit) {
  unlist(lapply(fit$random, \(term) {
    roles <- term_roles(term)
    theta <- fit$theta[term$theta]
    step <- 1e-5 * pmax(abs(theta), roles$step_size)
    ifelse(theta + step >= roles$upper, -step, step)
  }))
}

#' Directions of the parameters in which estimates are uncorrelated with unit standard errors
#' @param covariance The covariance of the free parameters; those with variance zero are constant.
#' @return A matrix M with MM' the covariance, with a column for each direction; `NULL` if rounding
#'   errors are too large.
#' @noRd
parameter_directions <- function(fit, covariance) {
  is_known <- diag(covariance) > 0
  root <- root_of_covariance(covariance[is_known, is_known, drop = FALSE])
  if (is.null(root)) {
    return(NULL)
  }
  free <- setdiff(seq_along(fit$parameters), held_index(fit))
  directions <- matrix(0, length(fit$parameters), ncol(root))
  directions[free[is_known], ] <- root
  directions
}

# A root of the covariance; `NULL` if rounding errors are too large.
root_of_covariance <- function(covariance) {
  unit <- sqrt(diag(covariance))
  root <- tryCatch(
    chol(covariance / outer(unit, unit)),
    error = \(cnd) NULL
  )
  # The square of the smallest pivot is the relative accuracy of the covariance.
  has_digits <- !is.null(root) && min(diag(root), 1)^2 >= 1e-13
  if (has_digits) unit * t(root)
}

abort_lost_covariance <- function() {
  abort_rlmm(
    c(
      "The uncertainty of these predictions can't be computed.",
      x = "Estimates are so correlated that their covariance has lost its digits.",
      i = "Is a covariate far from zero? Then centre it, or use `theta_uncertainty = FALSE`."
    ),
    "rlmm_error_not_available",
    arg = "theta_uncertainty"
  )
}

# The step of central differences in standard errors: modes are accurate to about 1e-8. It is
# shorter if theta has a large standard error.
direction_step <- function(fit, direction) {
  of_theta <- direction[seq_along(fit$theta)]
  is_moved <- of_theta != 0
  most <- 100 * abs(theta_steps(fit)) / abs(of_theta)
  min(1e-3, most[is_moved])
}
