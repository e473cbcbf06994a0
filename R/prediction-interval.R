# Limits of predictions: of the mean (confidence) and of a new observation (prediction).

#' @param eta Predictions on the scale of the linear predictor.
#' @param errors The result of [prediction_errors()].
#' @return A matrix of lower and upper limits on the scale of the linear predictor.
#' @noRd
normal_limits <- function(eta, errors, level) {
  quantile <- stats::qt((1 + level) / 2, errors$df)
  half_width <- quantile * sqrt(errors$variance)
  # A prediction without error has no degrees of freedom.
  half_width[which(errors$variance == 0)] <- 0
  cbind(lwr = eta - half_width, upr = eta + half_width)
}

#' Transforms limits to another scale; a decreasing link reverses their order
#' @param eta The predictions between the limits.
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

# Links whose inverse isn't monotone across a linear predictor of zero.
one_sided_links <- c("inverse", "1/mu^2", "sqrt")

# Truncates limits at zero; 1 / -0 is -Inf.
on_side_of <- function(limits, eta) {
  below <- which(eta < 0)
  limits[below, ] <- pmin(limits[below, ], -0)
  above <- which(eta >= 0)
  limits[above, ] <- pmax(limits[above, ], 0)
  limits
}

#' Limits for a new observation
#'
#' In terms that the prediction leaves out, the observation has the random effects of an unknown
#' level.
#' @param rows The prediction rows, with such terms in `left_out`.
#' @param request The arguments of predict().
#' @noRd
observation_limits <- function(fit, eta, rows, new, request) {
  UseMethod("observation_limits")
}

#' @export
observation_limits.rlmm_lmm <- function(fit, eta, rows, new, request) {
  weights <- new_weights(fit, new) %||% 1
  rows$drawn <- rows$left_out
  errors <- requested_errors(fit, rows, request, residual_sd(1, weights)^2)
  normal_limits(eta, errors, request$level)
}

#' @export
observation_limits.rlmm_glmm <- function(fit, eta, rows, new, request) {
  rows$drawn <- rows$left_out
  errors <- requested_errors(fit, rows, request)
  if (request$type == "link") {
    return(normal_limits(eta, errors, request$level))
  }
  sd <- sqrt(errors$variance)
  weights <- simulation_weights(fit, new) %||% rep(1, new$n)
  tails <- c(lwr = 1 - request$level, upr = 1 + request$level) / 2
  quantiles <- \(p) predictive_quantiles(fit, p, eta, sd, weights)
  do.call(cbind, lapply(tails, quantiles))
}

requested_errors <- function(fit, rows, request, residual = 0) {
  ddf <- prediction_ddf(fit, request$ddf)
  # Standard errors alone don't need degrees of freedom, which are more expensive.
  ddf <- if (request$interval == "none") "asymptotic" else ddf
  prediction_errors(fit, rows, residual, ddf, request$theta_uncertainty)
}

prediction_ddf <- function(fit, ddf) {
  if (is.null(ddf)) {
    return(default_ddf(fit))
  }
  one_of_words(ddf, c("satterthwaite", "asymptotic", "none"), "ddf")
}
