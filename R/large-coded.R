# Covariances of the coefficients that the contrasts of large factors make.

#' The covariance over sigma^2 of the coefficients as the contrasts have them, as a function of
#' theta
#' @noRd
coded_covariance <- function(fit) {
  moves <- coding_moves(fit)
  covariance_at <- level_mean_covariance(
    fit,
    coded_factors(fit$fixed$large),
    coded_weights(fit$fixed$large)
  )
  \(theta) moves %*% covariance_at(theta) %*% t(moves)
}

# The matrix that takes the coefficients of the core that aren't held, and the mean of the levels of
# each coded factor, to the coefficients as the contrasts have them.
coding_moves <- function(fit) {
  names <- names(fit$beta)[free_beta(fit)]
  margins <- vapply(coded_factors(fit$fixed$large), `[[`, "", "margin")
  cbind(diag(length(names)), outer(names, margins, `==`) + 0)
}

# The weight of each level in the mean of its factor that the contrasts are about.
coded_weights <- function(large) {
  weights <- numeric(length(large$levels))
  for (own in coded_factors(large)) {
    weights[own$at] <- own$coding$weights
  }
  weights
}

#' A covariance matrix of the coefficients of the core as one of those that the contrasts have
#' @param sigma By which the levels vary beside the coefficients.
#' @param by_hessian Is it that of all parameters of a generalized model?
#' @noRd
covariance_in_coding <- function(fit, covariance, sigma, by_hessian) {
  # Without data nothing is known of how the levels vary.
  if (!has_spec(fit)) {
    is_moved <- rownames(covariance) %in% moved_coefficients(fit)
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
    all <- with_estimated_theta(all, fit, means)
  }
  moves <- coding_moves(fit)
  covariance[free, free] <- moves %*% all %*% t(moves)
  covariance
}
