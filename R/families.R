# The families of rglmm(), with one row for each. The core, which uses the same names, computes with
# their densities; what a user reads or simulates is defined here. The elements of a row are:
#
# * `label`: the name of the family in messages; by default its name with parentheses.
# * `range`: the row of `response_ranges` with the possible values of the response.
# * `whole`: the values that must be integers: "successes", "counts" or none.
# * `shape`: `NULL`, or a list: `name` of the shape, `words` for it, and `dispersion`, whether it
#   divides the log-likelihood. Unless it is a dispersion also `start`, a function of the response;
#   `make`, the family object for a shape and a link; `no_overdispersion`, the shapes and mean
#   responses at which a Poisson model fits as well, and the limit of the shape (`NULL` if none);
#   and `read`, the shape of a family object that isn't in its element `name`.
# * `information`: the possible types of information for the Laplace approximation, the default
#   first; `NULL` for both.
# * `draw`: simulates responses with means `mu`, for a binomial proportions. `mu` and `weights` vary
#   along rows first; `dispersion` is that of each observation.
# * `slope`: the derivative of the log-density in the mean, if it isn't (y - mu) over the variance.
# * `probability`: the probability of a response up to y (`lower`) or above.
# * `density`: the log-density of a response.

response_ranges <- list(
  real = list(
    holds = \(y) rep(TRUE, length(y)),
    must = "be a number",
    wrong = "no numbers"
  ),
  positive = list(
    holds = \(y) y > 0,
    must = "be positive",
    wrong = "not positive"
  ),
  nonnegative = list(
    holds = \(y) y >= 0,
    must = "not be negative",
    wrong = "negative"
  ),
  proportion = list(
    holds = \(y) y >= 0 & y <= 1,
    must = "be between 0 and 1",
    wrong = "out of this range"
  )
)

dispersion_shape <- list(
  name = "dispersion",
  words = "Dispersion, by maximum likelihood",
  dispersion = TRUE
)

families <- list(
  binomial = list(
    range = "proportion",
    whole = "successes",
    probability = \(y, mu, weights, dispersion, shape, lower) {
      stats::pbinom(round(y * weights), round(weights), mu, lower)
    },
    density = \(y, mu, weights, dispersion, shape) {
      trials <- round(weights)
      stats::dbinom(round(y * weights), trials, mu, log = TRUE)
    },
    draw = \(mu, weights, dispersion, shape) draw_binomial(mu, weights)
  ),
  poisson = list(
    range = "nonnegative",
    whole = "counts",
    probability = \(y, mu, weights, dispersion, shape, lower) {
      stats::ppois(y, mu, lower)
    },
    density = \(y, mu, weights, dispersion, shape) {
      weights * stats::dpois(y, mu, log = TRUE)
    },
    draw = \(mu, weights, dispersion, shape) {
      stats::rpois(length(mu), mu)
    }
  ),
  Gamma = list(
    range = "positive",
    shape = dispersion_shape,
    probability = \(y, mu, weights, dispersion, shape, lower) {
      stats::pgamma(
        y,
        1 / dispersion,
        scale = mu * dispersion,
        lower.tail = lower
      )
    },
    density = \(y, mu, weights, dispersion, shape) {
      stats::dgamma(
        y,
        1 / dispersion,
        scale = mu * dispersion,
        log = TRUE
      )
    },
    draw = \(mu, weights, dispersion, shape) {
      stats::rgamma(length(mu), 1 / dispersion, scale = mu * dispersion)
    }
  ),
  inverse.gaussian = list(
    range = "positive",
    shape = dispersion_shape,
    probability = \(y, mu, weights, dispersion, shape, lower) {
      inverse_gaussian_probability(y, mu, dispersion, lower)
    },
    density = \(y, mu, weights, dispersion, shape) {
      spread <- dispersion * y * mu^2
      -(log(2 * pi * dispersion * y^3) + (y - mu)^2 / spread) / 2
    },
    draw = \(mu, weights, dispersion, shape) {
      draw_inverse_gaussian(mu, dispersion)
    }
  ),
  gaussian = list(
    range = "real",
    shape = dispersion_shape,
    probability = \(y, mu, weights, dispersion, shape, lower) {
      stats::pnorm(y, mu, sqrt(dispersion), lower)
    },
    density = \(y, mu, weights, dispersion, shape) {
      stats::dnorm(y, mu, sqrt(dispersion), log = TRUE)
    },
    draw = \(mu, weights, dispersion, shape) {
      stats::rnorm(length(mu), mu, sqrt(dispersion))
    }
  ),
  nbinom1 = list(
    range = "nonnegative",
    whole = "counts",
    shape = list(
      name = "phi",
      words = "Phi of the negative binomial (nbinom1)",
      dispersion = FALSE,
      start = \(y) start_phi(y),
      make = \(shape, link) nbinom1_family(shape, link),
      no_overdispersion = list(
        at = \(shape, mean) shape < 1e-3,
        limit = "phi tends to zero"
      )
    ),
    information = "observed",
    slope = \(y, mu, shape) {
      size <- mu / shape
      (digamma(y + size) - digamma(size) - log1p(shape)) / shape
    },
    probability = \(y, mu, weights, dispersion, shape, lower) {
      stats::pnbinom(
        y,
        size = mu / shape,
        mu = mu,
        lower.tail = lower
      )
    },
    density = \(y, mu, weights, dispersion, shape) {
      weights *
        stats::dnbinom(
          y,
          size = mu / shape,
          mu = mu,
          log = TRUE
        )
    },
    draw = \(mu, weights, dispersion, shape) {
      stats::rnbinom(
        length(mu),
        size = mu / shape,
        mu = mu
      )
    }
  ),
  negative.binomial = list(
    label = "a negative binomial model",
    range = "nonnegative",
    whole = "counts",
    shape = list(
      name = "theta",
      words = "Theta of the negative binomial",
      dispersion = FALSE,
      start = \(y) start_theta(y),
      make = \(shape, link) nb_family(shape, link),
      read = \(family) family_theta(family),
      no_overdispersion = list(
        at = \(shape, mean) shape >= 1e3 * mean,
        limit = "theta tends to infinity"
      )
    ),
    probability = \(y, mu, weights, dispersion, shape, lower) {
      stats::pnbinom(
        y,
        size = shape,
        mu = mu,
        lower.tail = lower
      )
    },
    density = \(y, mu, weights, dispersion, shape) {
      weights *
        stats::dnbinom(
          y,
          size = shape,
          mu = mu,
          log = TRUE
        )
    },
    draw = \(mu, weights, dispersion, shape) {
      stats::rnbinom(
        length(mu),
        size = shape,
        mu = mu
      )
    }
  )
)

#' The row of a family, by its name in the core
#' @noRd
family_row <- function(name) families[[name]]

#' The families that a user can name, without `MASS::negative.binomial()`
#' @noRd
named_families <- function() {
  c(setdiff(names(families), "negative.binomial"), "nbinom2")
}

family_label <- function(name) {
  family_row(name)$label %||% paste0("`", name, "()`")
}

#' Whether the response of a family, given by its name in the core, is a proportion of trials
#' @noRd
has_trials <- function(name) identical(family_row(name)$whole, "successes")

#' Whether a family, given by its name in the core, has a dispersion
#' @noRd
is_dispersed <- function(name) isTRUE(family_row(name)$shape$dispersion)

# Start values --------------------------------------------------------------

#' The starting value of theta from the variance of the response, as if all means were equal
#' @noRd
start_theta <- function(y) {
  excess <- stats::var(y) - mean(y)
  if (is.na(excess) || excess <= 0) {
    10
  } else {
    min(max(mean(y)^2 / excess, 0.1), 100)
  }
}

#' The starting value of phi of nbinom1 from the variance of the response, as if all means were
#' equal
#' @noRd
start_phi <- function(y) {
  phi <- stats::var(y) / mean(y) - 1
  if (is.na(phi)) {
    1
  } else {
    min(max(phi, 0.1), 100)
  }
}

#' The means at linear predictors; missing, with a warning, where the link has none
#' @noRd
means_at <- function(family, eta) {
  means <- suppressWarnings(family$linkinv(eta))
  warn_without_mean(eta[is.nan(means) & !is.na(eta)], length(eta), family$link)
  means
}

warn_without_mean <- function(eta, n, link) {
  if (length(eta) == 0L) {
    return(invisible())
  }
  warn_rlmm(
    c(
      "Some means don't exist, and are missing: the link has none for these linear predictors.",
      x = sprintf(
        "%s of %s linear predictors are outside of the range of the link `%s`, such as %s.",
        format_count(length(eta)),
        format_count(n),
        link,
        signif(eta[which.max(abs(eta))], 3L)
      )
    ),
    "rlmm_warning_mean"
  )
}

# Simulation ----------------------------------------------------------------

draw_binomial <- function(mu, weights) {
  n <- length(mu)
  drawn <- stats::rbinom(n, round(weights), mu) / weights
  drawn[rep(weights == 0, length.out = n)] <- 0
  drawn
}

#' Simulates the inverse Gaussian distribution with variance dispersion mu^3: x is a root of a
#' quadratic equation in a chi-squared variable, or mu^2 / x (Michael, Schucany and Haas, 1976)
#' @noRd
draw_inverse_gaussian <- function(mu, dispersion) {
  v <- dispersion * mu * stats::rnorm(length(mu))^2
  # The root is mu (1 + v/2 - sqrt(v + v^2/4)), written without cancellation.
  root <- mu / (1 + v / 2 + sqrt(v + v^2 / 4))
  is_small <- stats::runif(length(mu)) <= mu / (mu + root)
  ifelse(is_small, root, mu^2 / root)
}

#' The distribution function of the inverse Gaussian: the sum of two normal tail probabilities, the
#' second times exp(2 / (dispersion mu)), which is computed on the log scale as it may overflow
#' @noRd
inverse_gaussian_probability <- function(y, mu, dispersion, lower) {
  root <- sqrt(1 / (dispersion * y))
  near <- stats::pnorm(root * (y / mu - 1), lower.tail = lower)
  tail <- stats::pnorm(-root * (y / mu + 1), log.p = TRUE)
  far <- exp(2 / (dispersion * mu) + tail)
  if (lower) near + far else pmax(near - far, 0)
}

# Family objects ------------------------------------------------------------

#' Negative binomial family with a variance that is linear in the mean
#'
#' A family for [rglmm()] in which the variance of a response with mean mu is `mu (1 + phi)`, as in
#' the family of this name in glmmTMB. Phi is estimated by maximum likelihood together with the
#' other parameters. For the variance `mu + mu^2 / theta` see [nbinom2()].
#'
#' The Laplace approximation uses the observed information, as in glmmTMB, so that log-likelihoods
#' agree: `information = "observed"` is the default and the only choice, since the expected
#' information of this family has no known closed form. The argument `dispersion` has no effect
#' either: phi doesn't divide the log-likelihood, but is a parameter of the distribution. Therefore
#' `sigma()` is 1, as for other families without a dispersion (in glmmTMB `sigma()` is phi);
#' `family(fit)$phi` is phi, and `summary(fit)$shape` includes its standard error.
#'
#' Without overdispersion, phi tends to zero and the model tends to the Poisson model, which a
#' message reports.
#'
#' @param link The link: `"log"`, `"sqrt"` or `"identity"`.
#' @return A family object with the element `phi`, the estimate if the object comes from a fit and
#'   otherwise `NA`. If this element is set to a number, phi is known and not estimated.
#' @examples
#' fit <- rglmm(TICKS ~ YEAR + scale(HEIGHT) + (1 | BROOD), grouseticks, family = nbinom1())
#' fit
#' family(fit)$phi
#' summary(fit)$shape
#' @export
nbinom1 <- function(link = "log") {
  check_nb_link(link)
  nbinom1_family(NA_real_, link)
}

#' Negative binomial family with a variance that is quadratic in the mean
#'
#' A family for [rglmm()] in which the variance of a response with mean mu is `mu + mu^2 / theta`.
#' Theta is estimated by maximum likelihood together with the other parameters. The model is that of
#' [rglmm_nb()] with the likelihood of glmmTMB: by default the Laplace approximation uses the
#' observed information, while [rglmm_nb()], like `lme4::glmer.nb()`, uses the expected one.
#' `sigma()` is 1 (in glmmTMB it is theta); `family(fit)$theta` is theta.
#'
#' @inheritParams nbinom1
#' @return A family object with the element `theta`, the estimate if the object comes from a fit and
#'   otherwise `NA`.
#' @seealso [nbinom1()] for a variance that is linear in the mean; `MASS::negative.binomial()` for a
#'   known theta.
#' @examples
#' fit <- rglmm(TICKS ~ YEAR + scale(HEIGHT) + (1 | BROOD), grouseticks, family = nbinom2())
#' fit
#' family(fit)$theta
#' @export
nbinom2 <- function(link = "log") {
  check_nb_link(link)
  family <- nb_family(link = link)
  family$information <- "observed"
  family
}

nbinom1_family <- function(phi, link) {
  functions <- count_functions(
    variance = \(mu) mu * (1 + phi),
    theta = \(mu) mu / phi
  )
  count_family("nbinom1", link, functions, list(phi = phi))
}

#' The negative binomial family with variance mu + mu^2 / theta, named as in MASS
#' @param theta A known theta; `NA` if it is to be estimated.
#' @noRd
nb_family <- function(theta = NA_real_, link = "log") {
  shown <- if (is.na(theta)) {
    "?"
  } else {
    format(round(theta, 4))
  }
  functions <- count_functions(
    variance = \(mu) mu + mu^2 / theta,
    theta = \(mu) theta
  )
  name <- sprintf("Negative Binomial(%s)", shown)
  count_family(name, link, functions, list(theta = theta))
}

count_family <- function(name, link, functions, shape) {
  links <- stats::make.link(link)
  parts <- c("linkfun", "linkinv", "mu.eta", "valideta")
  structure(
    c(
      list(family = name, link = links$name),
      unclass(links)[parts],
      functions,
      shape
    ),
    class = "family"
  )
}

# The elements of a family object that depend on the shape; `theta` is the size of rnbinom() at a
# mean.
count_functions <- function(variance, theta) {
  log_density <- \(y, mu) {
    stats::dnbinom(
      y,
      theta(mu),
      mu = mu,
      log = TRUE
    )
  }
  list(
    variance = variance,
    dev.resids = \(y, mu, wt) nb_deviance(y, mu, wt, theta(mu)),
    aic = \(y, n, mu, wt, dev) -2 * sum(wt * log_density(y, mu)),
    validmu = \(mu) all(mu > 0),
    initialize = count_start,
    simulate = \(object, nsim) {
      mu <- stats::fitted(object)
      stats::rnbinom(nsim * length(mu), theta(mu), mu = mu)
    }
  )
}

# The expression `initialize` of the family, for counts in glm().
count_start <- expression({
  n <- rep(1, nobs)
  mustart <- y + (y == 0) / 6
})

nb_deviance <- function(y, mu, weights, theta) {
  saturated <- y * log(pmax(1, y) / mu)
  mean_ratio <- log((y + theta) / (mu + theta))
  2 * weights * (saturated - (y + theta) * mean_ratio)
}

check_nb_link <- function(link) {
  if (rlang::is_string(link) && link %in% c("log", "sqrt", "identity")) {
    return(invisible())
  }
  abort_argument(
    "`link` must be \"log\", \"sqrt\", or \"identity\".",
    x = it_is(link),
    arg = "link",
    class = "rlmm_error_family"
  )
}

#' Theta of a negative binomial family
#' @noRd
family_theta <- function(family) {
  theta <- family$theta %||%
    get0(".Theta", envir = environment(family$variance), inherits = FALSE) %||%
    suppressWarnings(as.double(gsub("^[^(]*\\(|\\)$", "", family$family)))
  if (is_number(theta) && is.finite(theta) && theta > 0) {
    return(theta)
  }
  abort_rlmm(
    c(
      "The negative binomial family must have a known, positive theta.",
      x = paste0("It is ", family$family, "."),
      i = "For example `MASS::negative.binomial(2)`."
    ),
    "rlmm_error_family"
  )
}
