# Covariance matrices of coefficients that depend on the contrasts of large factors.

#' The covariance over sigma^2 of the coefficients under the user's contrasts, as a function of
#' theta
#' @noRd
coded_covariance <- function(fit) {
  moves <- coding_transformation(fit)
  covariance_at <- level_mean_covariance(
    fit,
    coded_factors(fit$fixed$large),
    coded_weights(fit$fixed$large)
  )
  \(theta) moves %*% covariance_at(theta) %*% t(moves)
}

# The matrix of the linear map from the free coefficients of the core and the weighted mean of the
# levels of each coded factor to the coefficients under the user's contrasts.
coding_transformation <- function(fit) {
  names <- names(fit$beta)[free_beta(fit)]
  margins <- vapply(coded_factors(fit$fixed$large), `[[`, "", "margin")
  cbind(diag(length(names)), outer(names, margins, `==`) + 0)
}

# The weights w of the levels in the intercept of their factor; zero for factors in the core's
# coding.
coded_weights <- function(large) {
  weights <- numeric(length(large$levels))
  for (own in coded_factors(large)) {
    weights[own$at] <- own$coding$weights
  }
  weights
}

#' Transforms a covariance matrix of the core's coefficients to the user's contrasts
#' @param sigma The standard deviation that scales the conditional covariance of the levels.
#' @param by_hessian Whether `covariance` comes from the Hessian in all parameters of a generalized
#'   model.
#' @noRd
covariance_in_coding <- function(fit, covariance, sigma, by_hessian) {
  # Without the data, the covariances of the levels can't be computed.
  if (!has_spec(fit)) {
    is_moved <- rownames(covariance) %in% coding_dependent_coefficients(fit)
    covariance[is_moved, ] <- covariance[, is_moved] <- NA
    return(covariance)
  }
  free <- free_beta(fit)
  large <- fit$fixed$large
  coded <- coded_factors(large)
  weights <- coded_weights(large)
  all <- sigma^2 * level_mean_covariance(fit, coded, weights)(fit$theta)
  if (by_hessian) {
    means <- \(levels) means_by_factor(levels, coded, weights)
    all <- with_estimated_theta(
      all,
      fit,
      means,
      level_means_within(fit, coded, weights)
    )
  }
  moves <- coding_transformation(fit)
  covariance[free, free] <- moves %*% all %*% t(moves)
  covariance
}
