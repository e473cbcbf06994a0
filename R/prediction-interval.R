# Limits of predictions: of the mean (confidence) and of a new observation (prediction).

#' @param eta Predictions on the scale of the linear predictor.
#' @param errors What [prediction_errors()] returns.
#' @return A matrix: lower and upper limits on the scale of the linear predictor.
#' @noRd
normal_limits <- function(eta, errors, level) {
  quantile <- stats::qt((1 + level) / 2, errors$df)
  half_width <- quantile * sqrt(errors$variance)
  # What is known exactly has no degrees of freedom.
  half_width[which(errors$variance == 0)] <- 0
  cbind(lwr = eta - half_width, upr = eta + half_width)
}

#' Limits on another scale, whose order a decreasing link turns round
#' @param eta The linear predictors between the limits.
#' @noRd
limits_on_scale <- function(limits, eta, fit, type) {
  if (type == "link") {
    return(limits)
  }
  family <- family.rlmm(fit)
  if (family$link %in% one_sided_links) {
    limits <- on_side_of(limits, eta)
  }
  ends <- family$linkinv(limits)
  cbind(
    lwr = pmin(ends[, 1L], ends[, 2L]),
    upr = pmax(ends[, 1L], ends[, 2L])
  )
}

# Links whose mean doesn't run on one way where the linear predictor passes zero.
one_sided_links <- c("inverse", "1/mu^2", "sqrt")

# Limits that don't pass zero: 1 / -0 is -Inf.
on_side_of <- function(limits, eta) {
  below <- which(eta < 0)
  limits[below, ] <- pmin(limits[below, ], -0)
  above <- which(eta >= 0)
  limits[above, ] <- pmax(limits[above, ], 0)
  limits
}

#' Limits for a new observation
#'
#' The observation's random effects in terms that the prediction leaves out are those of a level
#' that isn't known.
#' @param rows The rows of the predictions, with such terms as `left_out`.
#' @param asked The arguments of predict().
#' @noRd
observation_limits <- function(fit, eta, rows, new, asked) {
  UseMethod("observation_limits")
}

#' @export
observation_limits.rlmm_lmm <- function(fit, eta, rows, new, asked) {
  weights <- new_weights(fit, new) %||% 1
  rows$drawn <- rows$left_out
  errors <- asked_errors(fit, rows, asked, residual_sd(1, weights)^2)
  normal_limits(eta, errors, asked$level)
}

#' @export
observation_limits.rlmm_glmm <- function(fit, eta, rows, new, asked) {
  rows$drawn <- rows$left_out
  errors <- asked_errors(fit, rows, asked)
  if (asked$type == "link") {
    return(normal_limits(eta, errors, asked$level))
  }
  sd <- sqrt(errors$variance)
  weights <- simulation_weights(fit, new) %||% rep(1, new$n)
  tails <- c(lwr = 1 - asked$level, upr = 1 + asked$level) / 2
  quantiles <- \(p) predictive_quantiles(fit, p, eta, sd, weights)
  do.call(cbind, lapply(tails, quantiles))
}

asked_errors <- function(fit, rows, asked, residual = 0) {
  ddf <- prediction_ddf(fit, asked$ddf)
  # Standard errors alone need no degrees of freedom, which cost more than they do.
  ddf <- if (asked$interval == "none") "asymptotic" else ddf
  prediction_errors(fit, rows, residual, ddf, asked$theta_uncertainty)
}

prediction_ddf <- function(fit, ddf) {
  if (is.null(ddf)) {
    return(default_ddf(fit))
  }
  one_of_words(ddf, c("satterthwaite", "asymptotic", "none"), "ddf")
}
