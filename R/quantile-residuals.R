# Quantile residuals: the normal quantile of each observation's probability under the fitted
# distribution.

#' Quantile residuals of a fit, given its random effects
#'
#' Above the median the upper tail probability is used, since the lower one loses its digits near
#' one.
#' @noRd
quantile_residuals <- function(
  fit,
  seed = NULL,
  observed = fit_response(fit)
) {
  y <- observed$y
  weights <- observed$weights %||% rep(1, length(y))
  row <- family_row(fit$glmm$family %||% "gaussian")
  tail <- tail_probability(fit, row, weights)
  below <- tail(y, TRUE)
  above <- tail(y, FALSE)
  if (!is.null(row$whole)) {
    before <- y - if (row$whole == "successes") 1 / weights else 1
    share <- uniform_shares(length(y), seed)
    first <- tail(before, TRUE)
    below <- first + share * (below - first)
    above <- above + (1 - share) * (tail(before, FALSE) - above)
  }
  r <- normal_quantiles(below, above)
  r[weights == 0] <- NA
  r
}

# A function of responses and of whether the lower tail is wanted.
tail_probability <- function(fit, row, weights) {
  dispersion <- fit$sigma^2 / ifelse(weights == 0, 1, weights)
  shape <- fit$glmm$shape
  \(y, lower) {
    row$probability(
      y,
      fit$fitted,
      weights,
      dispersion,
      shape,
      lower
    )
  }
}

# Normal quantiles from the smaller tail probability, which has more digits.
normal_quantiles <- function(below, above) {
  lower <- stats::qnorm(below)
  upper <- stats::qnorm(above, lower.tail = FALSE)
  ifelse(below < above, lower, upper)
}

#' Uniform random numbers; with a seed, the state of the generator is restored
#' @noRd
uniform_shares <- function(n, seed) {
  check_seed(seed)
  with_seed(seed, \(start) stats::runif(n))
}
