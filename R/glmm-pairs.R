# The covariance of the estimates of a generalized model, from the Hessian in all parameters.

#' The covariance of free estimates
#'
#' Two effects that are almost perfectly correlated, as an intercept and the slope of a covariate
#' far from zero, are unstructured in the Hessian: their columns can be made orthogonal then, while
#' differences in two standard deviations and a correlation would lose its digits.
#' @param parameters Those of `spec`: theta, beta, and the logarithm of an estimated shape.
#' @return A matrix; `NULL` if the Hessian has a negative eigenvalue.
#' @noRd
covariance_of_estimates <- function(fit, spec, parameters = fit$parameters) {
  pairs <- far_pairs(fit)
  jacobian <- diag(length(parameters))
  for (term in pairs) {
    own <- term$theta
    lambda <- lambda_block(term, fit$theta)
    parameters[own] <- lambda[lower.tri(lambda, diag = TRUE)]
    jacobian[own, own] <- pair_jacobian(lambda)
    spec$terms <- with_unstructured(spec$terms, term)
  }
  held <- held_index(fit)
  covariance <- core_glmm_covariance(spec, parameters, held)
  if (length(pairs) == 0L || is.null(covariance)) {
    return(covariance)
  }
  free <- setdiff(seq_along(parameters), held)
  jacobian <- jacobian[free, free, drop = FALSE]
  jacobian %*% covariance %*% t(jacobian)
}

#' The terms of two effects whose correlation is near a limit, but not there
#' @noRd
far_pairs <- function(fit) {
  Filter(
    \(term) is_far_pair(term, fit) && room_of_pair(term, fit) > 0,
    fit$random
  )
}

#' A fit in which terms of two effects whose correlation is near a limit, or there, are unstructured
#' @noRd
with_unstructured_pairs <- function(fit) {
  given <- fit
  for (i in which(vapply(fit$random, is_far_pair, NA, fit = given))) {
    term <- fit$random[[i]]
    lambda <- lambda_block(term, given$theta)
    fit$theta[term$theta] <- lambda[lower.tri(lambda, diag = TRUE)]
    fit$random[[i]]$structure <- "us"
  }
  fit$parameters <- parameters_of(given, fit)
  fit
}

is_far_pair <- function(term, fit) {
  is_pair <- length(term$theta) == 3L &&
    length(term$columns) == 2L &&
    has_rho(term$structure)
  is_pair &&
    !any(term$theta %in% held_index(fit)) &&
    all(fit$theta[term$theta[1:2]] > 0) &&
    room_of_pair(term, fit) < near_limit
}

# The distance of the correlation of a pair from the nearest limit.
room_of_pair <- function(term, fit) 1 - abs(fit$theta[term$theta[3L]])

# Nearer than this to a limit of a correlation, standard errors by differences in it have less than
# five digits.
near_limit <- 1e-3

# Terms of a spec of which one is unstructured.
with_unstructured <- function(terms, term) {
  own <- terms[[term$core_term]]
  is_own <- own$part_theta == term$theta[1L] - 1L
  own$part_kind[is_own] <- "us"
  replace(terms, term$core_term, list(own))
}

# The derivatives of two standard deviations and their correlation in the elements of Lambda.
pair_jacobian <- function(lambda) {
  sd <- sqrt(sum(lambda[2L, ]^2))
  cos <- lambda[2L, 1L] / sd
  sin <- lambda[2L, 2L] / sd
  rbind(
    c(1, 0, 0),
    c(0, cos, sin),
    c(0, sin^2 / sd, -cos * sin / sd)
  )
}
