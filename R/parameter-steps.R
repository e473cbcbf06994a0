# Steps of differences in the parameters, and directions in which their estimates are uncorrelated.

# Steps of forward differences, into the range of each parameter.
theta_steps <- function(fit) {
  unlist(lapply(fit$random, \(term) {
    roles <- term_roles(term)
    theta <- fit$theta[term$theta]
    step <- 1e-5 * pmax(abs(theta), roles$step_size)
    ifelse(theta + step >= roles$upper, -step, step)
  }))
}

#' Combinations of parameters whose estimates are uncorrelated, with standard errors of one
#' @return A matrix M with MM' the covariance, a column each.
#' @noRd
uncorrelated_directions <- function(covariance) {
  root_of_covariance(covariance) %||% abort_lost_covariance()
}

# `NULL` where the covariance has lost its digits.
root_of_covariance <- function(covariance) {
  unit <- sqrt(diag(covariance))
  root <- tryCatch(
    chol(covariance / outer(unit, unit)),
    error = \(cnd) NULL
  )
  # The square of the least pivot tells how many digits of the covariance are left.
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

# The step of central differences, in standard errors: modes are found to about 1e-8. Of a theta
# that is hardly known it is shorter.
direction_step <- function(fit, direction) {
  of_theta <- direction[seq_along(fit$theta)]
  is_moved <- of_theta != 0
  most <- 100 * abs(theta_steps(fit)) / abs(of_theta)
  min(1e-3, most[is_moved])
}
