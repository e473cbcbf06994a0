# Quantile residuals: each observation's place in its distribution, as a standard normal number.

#' Quantile residuals of a fit, given its random effects
#'
#' In the upper half the probabilities are those above an observation: near one, those below it have
#' no digits left.
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

# A function of responses, and of whether their lower tail is meant.
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

# Normal quantiles from the smaller of both tails, which has the more digits.
normal_quantiles <- function(below, above) {
  lower <- stats::qnorm(below)
  upper <- stats::qnorm(above, lower.tail = FALSE)
  ifelse(below < above, lower, upper)
}

#' Random numbers between 0 and 1; with a seed, the state of the generator is restored
#' @noRd
uniform_shares <- function(n, seed) {
  check_seed(seed)
  with_seed(seed, \(start) stats::runif(n))
}
