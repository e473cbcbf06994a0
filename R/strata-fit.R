# Fits residual variances by stratum: rlmm(dispersion = ~ group).
#
# The residual standard deviation of stratum k is sigma exp(gamma_k), with gamma_1 = 0. Given gamma,
# the model is one with weights w = exp(-2 gamma), which the core fits; gamma is optimized outside
# by a quasi-Newton method. With e the conditional residuals at the optimal theta and beta, and h_i
# the leverage of row i (of the random effects alone for ML, of all effects for REML), the
# derivative of the objective in gamma_k is the sum over the stratum of 2 (1 - h_i - w_i e_i^2 /
# sigma^2).
#
# The frame of such a fit has the strata as `(dispersion)`, prior weights as `(prior)`, and the
# product of prior weights and w as `(weights)`, so that everything else treats it as a weighted
# fit.

#' Adds the weights of the strata at the optimal gamma to a design
#' @param start The starting value of theta, or `NULL`.
#' @param control The result of [core_control()].
#' @return The design with `strata` (`levels`, `log_ratio`) and `theta`; unchanged if there are no
#'   strata.
#' @noRd
with_strata <- function(design, start, control) {
  design$theta <- start
  if (!has_strata(design$frame)) {
    return(design)
  }
  strata <- strata_of(design$frame)
  design <- with_prior_weights(design)
  if (nlevels(strata) == 1L) {
    design <- with_weights(design, design$frame[["(prior)"]])
    design["strata"] <- list(NULL)
    return(design)
  }
  gamma <- known_ratios(design$strata, levels(strata))
  point <- strata_point(design, gamma[-1L], start, control)
  point <- minimize_strata(design, point, control)
  design <- point$design
  design$theta <- point$theta
  log_ratio <- c(0, point$gamma)
  design$strata <- list(levels = levels(strata), log_ratio = log_ratio)
  design
}

# Stores the user's weights, which are multiplied by those of the strata.
with_prior_weights <- function(design) {
  frame <- design$frame
  if (!"(prior)" %in% names(frame)) {
    ones <- rep(1, nrow(frame))
    design$frame[["(prior)"]] <- frame[["(weights)"]] %||% ones
  }
  design
}

with_weights <- function(design, weights) {
  design$frame[["(weights)"]] <- weights
  design$spec$weights <- weights
  design
}

# The starting values of gamma: the log ratios of a fit with all of these levels, or zero.
known_ratios <- function(known, levels) {
  gamma <- known$log_ratio[match(levels, known$levels)]
  if (is.null(known) || anyNA(gamma)) {
    return(numeric(length(levels)))
  }
  gamma - gamma[1L]
}

#' The objective and its gradient at one gamma
#' @noRd
strata_point <- function(design, gamma, theta, control) {
  strata <- as.integer(strata_of(design$frame))
  prior <- design$frame[["(prior)"]]
  weights <- prior * exp(-2 * c(0, gamma))[strata]
  design <- with_weights(design, weights)
  est <- core_fit(design$spec, theta, control)
  left <- design$spec$y - est$fitted
  squares <- weights * left^2 / est$sigma^2
  free <- as.double(prior > 0) - strata_leverage(design$spec, est$theta)
  by_stratum <- \(x) as.vector(rowsum(x, strata))
  list(
    design = design,
    gamma = gamma,
    theta = est$theta,
    objective = est$objective,
    gradient = 2 * by_stratum(free - squares)[-1L],
    free = by_stratum(free)
  )
}

# The leverage, for ML that of the random effects alone.
strata_leverage <- function(spec, theta) {
  if (!spec$reml) {
    spec$x <- select_columns(spec$x, integer())
  }
  core_leverage(spec, theta)
}

#' Minimizes over gamma by BFGS, starting from the curvature without random effects
#' @noRd
minimize_strata <- function(design, point, control) {
  inverse <- solve(strata_curvature(point$free))
  for (iteration in seq_len(100L)) {
    step <- -drop(inverse %*% point$gradient)
    gain <- -sum(step * point$gradient) / 2
    step <- step * min(1, 2 / max(abs(step)))
    nxt <- if (gain >= 1e-10) lower_point(design, point, step, control)
    if (is.null(nxt)) {
      return(point)
    }
    inverse <- updated_inverse(
      inverse,
      nxt$gamma - point$gamma,
      nxt$gradient - point$gradient
    )
    point <- nxt
  }
  warn_strata_search()
  point
}

warn_strata_search <- function() {
  warn_rlmm(
    c(
      "The residual variances of the strata may not be at their optimum.",
      x = "100 steps didn't end the search."
    ),
    "rlmm_warning_convergence"
  )
}

# The Hessian in gamma without random effects, with sigma profiled out.
strata_curvature <- function(free) {
  free <- pmax(free, 0.1)
  others <- free[-1L]
  shared <- tcrossprod(others) / sum(free)
  4 * (diag(others, length(others)) - shared)
}

# The first of successively halved steps that lowers the objective; `NULL` if none does.
lower_point <- function(design, point, step, control) {
  for (halving in 0:20) {
    gamma <- point$gamma + step / 2^halving
    nxt <- strata_point(design, gamma, point$theta, control)
    if (nxt$objective < point$objective) return(nxt)
  }
  NULL
}

#' The BFGS update of an inverse Hessian
#' @noRd
updated_inverse <- function(inverse, step, change) {
  curvature <- sum(step * change)
  lengths <- sqrt(sum(step^2) * sum(change^2))
  if (curvature <= 1e-12 * lengths) {
    return(inverse)
  }
  left <- diag(length(step)) - tcrossprod(step, change) / curvature
  left %*% inverse %*% t(left) + tcrossprod(step) / curvature
}
