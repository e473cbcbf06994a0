# Quantiles of a new observation of a generalized model: of the family's distribution, averaged over
# the normal distribution of its linear predictor.

#' Quantiles of observations whose linear predictors are normal
#'
#' Each distinct observation is computed once.
#' @param p A probability.
#' @param eta,sd The means and standard deviations of the linear predictors.
#' @param weights Prior weights; for a binomial the numbers of trials.
#' @return A number for each observation; `NA` if the mean or standard deviation is.
#' @noRd
predictive_quantiles <- function(fit, p, eta, sd, weights) {
  weights <- ifelse(weights == 0, 1, weights)
  out <- rep(NA_real_, length(eta))
  known <- which(is.finite(eta) & is.finite(sd) & !is.na(weights))
  if (length(known) == 0L) {
    return(out)
  }
  id <- distinct_id(eta[known], sd[known], weights[known])
  first <- known[!duplicated(id)]
  found <- distinct_quantiles(
    fit,
    p,
    eta[first],
    sd[first],
    weights[first]
  )
  out[known] <- found[match(id, unique(id))]
  out
}

# A number for each distinct triple of numbers.
distinct_id <- function(a, b, c) {
  pairs <- complex(real = a, imaginary = b)
  first <- match(pairs, pairs)
  if (length(unique(c)) == 1L) {
    return(first)
  }
  first + match(c, c) * length(a)
}

distinct_quantiles <- function(fit, p, eta, sd, weights) {
  family <- fit$glmm$family
  row <- family_row(family)
  cumulative <- mixture(fit, row, eta, sd, weights)
  if (is.null(row$whole)) {
    start <- fit$family$linkinv(eta)
    return(continuous_quantile(cumulative, p, start, row$range == "positive"))
  }
  trials <- if (has_trials(family)) round(weights) else rep(1, length(eta))
  counts <- \(q, i) cumulative(q / trials[i], i)
  whole_quantile(counts, p, length(eta)) / trials
}

#' The distribution function of a response, averaged over its linear predictor
#'
#' It is computed by the trapezoidal rule, whose error decreases exponentially once the nodes are as
#' close as the family's standard deviation on the scale of the linear predictor.
#' @return A function of responses and of the observations that they belong to.
#' @noRd
mixture <- function(fit, row, eta, sd, weights) {
  nodes <- mixture_nodes(fit, eta, sd, weights)
  density <- normal_weights(nodes)
  dispersion <- fit$sigma^2 / weights
  shape <- fit$glmm$shape
  function(q, i) {
    total <- numeric(length(q))
    for (k in seq_along(nodes)) {
      mu <- means_in_range(
        fit$family,
        row,
        eta[i] + sd[i] * nodes[k]
      )
      total <- total +
        density[k] *
          row$probability(
            q,
            mu,
            weights[i],
            dispersion[i],
            shape,
            TRUE
          )
    }
    total
  }
}

#' Means at linear predictors; for those outside the range of the link, the end of the range of the
#' mean
#' @noRd
means_in_range <- function(family, row, eta) {
  if (row$range == "real") {
    return(family$linkinv(eta))
  }
  tiny <- 1e-100
  if (family$link %in% reciprocal_links) {
    eta <- pmax(eta, tiny)
  }
  mu <- pmax(family$linkinv(eta), tiny)
  if (row$range == "proportion") pmin(mu, 1) else mu
}

# Links whose mean tends to infinity as the linear predictor tends to zero.
reciprocal_links <- c("inverse", "1/mu^2")

# The weights of the trapezoidal rule for a standard normal variable.
normal_weights <- function(nodes) {
  density <- stats::dnorm(nodes)
  density / sum(density)
}

mixture_nodes <- function(fit, eta, sd, weights) {
  if (all(sd == 0)) {
    return(0)
  }
  family <- fit$family
  dispersion <- if (has_dispersion(family)) fit$sigma^2 else 1
  variance <- family$variance(family$linkinv(eta))
  family_sd <- sqrt(dispersion * variance / weights)
  width <- family_sd / abs(family$mu.eta(eta)) / sd
  spacing <- min(0.5, max(min(width, na.rm = TRUE), 0.015))
  seq(
    -6,
    6,
    length.out = 2 * ceiling(6 / spacing) + 1
  )
}

#' The smallest integers at which distribution functions reach `p`
#' @noRd
whole_quantile <- function(cumulative, p, n) {
  low <- rep(-1, n)
  high <- rep(0, n)
  open <- seq_len(n)
  while (length(open) > 0L) {
    open <- open[which(cumulative(high[open], open) < p)]
    low[open] <- high[open]
    high[open] <- 2 * high[open] + 1
  }
  is_wide <- \(low, high) high - low > 1
  halve(cumulative, p, low, high, is_wide, floor)$high
}

#' Bisects intervals of responses until they are narrow
#' @param round A function that rounds the midpoint of an interval to a possible response.
#' @noRd
halve <- function(cumulative, p, low, high, is_wide, round = identity) {
  while (length(open <- which(is_wide(low, high))) > 0L) {
    middle <- round((low[open] + high[open]) / 2)
    reached <- cumulative(middle, open) >= p
    high[open[reached]] <- middle[reached]
    low[open[!reached]] <- middle[!reached]
  }
  list(low = low, high = high)
}

#' The quantiles of continuous responses, to nine digits
#' @param start Starting values inside the range of the response.
#' @param positive Whether the response is positive.
#' @noRd
continuous_quantile <- function(cumulative, p, start, positive) {
  ends <- quantile_bracket(cumulative, p, start, positive)
  # The mean is infinite with a probability above 1 - p.
  endless <- ends$high > 1e60 * pmax(abs(start), 1e-8)
  inside <- which(!endless)
  out <- rep(Inf, length(start))
  out[inside] <- bisect(
    \(q, i) cumulative(q, inside[i]),
    p,
    ends$low[inside],
    ends$high[inside]
  )
  out
}

quantile_bracket <- function(cumulative, p, start, positive) {
  size <- pmax(abs(start), 1e-8)
  # Lower bounds of a positive response are found by halving, those of other responses by growing
  # steps.
  down <- if (positive) {
    \(i, k) start[i] / 2^k
  } else {
    \(i, k) start[i] - size[i] * 2^(k - 1)
  }
  up <- \(i, k) start[i] + size[i] * 2^(k - 1)
  list(
    low = bracket_end(
      start,
      down,
      \(q, i) cumulative(q, i) > p
    ),
    high = bracket_end(
      start,
      up,
      \(q, i) cumulative(q, i) < p
    )
  )
}

# Moves each value until it is outside.
bracket_end <- function(start, move, is_inside) {
  end <- start
  open <- which(is_inside(end, seq_along(end)))
  k <- 0
  while (length(open) > 0L) {
    k <- k + 1
    end[open] <- move(open, k)
    open <- open[is_inside(end[open], open)]
  }
  end
}

bisect <- function(cumulative, p, low, high) {
  size <- high - low + abs(low) + abs(high)
  is_wide <- \(low, high) high - low > 1e-9 * size
  found <- halve(cumulative, p, low, high, is_wide)
  (found$low + found$high) / 2
}
