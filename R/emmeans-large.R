# Estimated marginal means beside a fixed factor with many levels. Its levels are no columns of a
# grid: the mean of their coefficients stands for them, as one coefficient more.

#' What [emmeans::emm_basis()] wants of a fit with a large factor
#' @param x The columns of the grid.
#' @param ddf How degrees of freedom are found.
#' @param notes What emmeans tells beside its tables.
#' @noRd
large_basis <- function(fit, x, ddf, notes) {
  check_level_mean(fit, colnames(x))
  x <- x[, names(fit$beta), drop = FALSE]
  tests <- level_mean_tests(fit, ddf)
  list(
    X = cbind(x, 1),
    bhat = c(unname(fit$beta), level_mean(fit)),
    nbasis = matrix(NA),
    V = tests$covariance,
    dffun = \(k, dfargs) dfargs$df(k),
    dfargs = list(df = tests$df),
    misc = with_level_note(notes, fit)
  )
}

# The mean of all levels is known if each has a coefficient.
check_level_mean <- function(fit, columns) {
  large <- fit$fixed$large
  has_all <- sum(!large$is_column) == large$has_base
  is_whole <- all(setdiff(columns, "(Intercept)") %in% names(fit$beta))
  if (!has_all || !is_whole || !all(free_beta(fit))) {
    abort_if_large(fit, "A reference grid beside columns that were left out")
  }
}

with_level_note <- function(misc, fit) {
  large <- fit$fixed$large
  levels <- plural(length(large$levels), "level")
  text <- "Averaged over all %s of `%s`"
  misc$initMesg <- c(misc$initMesg, sprintf(text, levels, large$variable))
  misc
}

#' The mean of the levels' coefficients, the base's zero among them
#' @noRd
level_mean <- function(fit) mean(fit$levels)

#' The covariance of the coefficients and the mean of the levels, and degrees of freedom
#' @return A list: `covariance`, and `df`, a function of a combination of these.
#' @noRd
level_mean_tests <- function(fit, ddf) {
  tests <- fixed_tests(fit, ddf)
  covariance_at <- level_mean_covariance(fit)
  covariance <- fit$sigma^2 * covariance_at(fit$theta)
  df <- if (ddf == "satterthwaite") {
    satterthwaite_beside_levels(fit, covariance, covariance_at)
  } else {
    \(k) as.vector(tests$row_df(without_level_mean(k)))
  }
  list(covariance = covariance, df = df)
}

# A combination of the other coefficients, in a row. A combination of none has the degrees of
# freedom of all.
without_level_mean <- function(k) {
  own <- k[-length(k)]
  if (all(own == 0)) {
    own[] <- 1
  }
  matrix(own, 1L)
}

#' The covariance over sigma^2 as a function of theta: the solution of the normal equations whose
#' right-hand side is the weight of each level in their mean
#' @noRd
level_mean_covariance <- function(fit) {
  spec <- fit_spec(fit)
  large <- fit$fixed$large
  weights <- large$is_column / length(large$levels)
  system <- normal_equations(spec)
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  z <- rep(list(none), length(spec$terms))
  levels <- list(at = cbind(1L, seq_along(weights)), values = weights)
  z[[length(z)]] <- levels
  zero <- numeric(length(fit$beta))
  function(theta) {
    found <- solve_normal_equations(system, theta, zero, z)
    variance <- sum(weights * found$b[[length(z)]])
    rbind(
      cbind(chol2inv(found$rx), found$beta),
      c(found$beta, variance)
    )
  }
}

#' Satterthwaite's degrees of freedom, by differences of the covariance in theta
#' @noRd
satterthwaite_beside_levels <- function(fit, covariance, covariance_at) {
  at <- slope_coordinates(fit)
  free <- which(diag(at$covariance) > 0)
  slopes <- lapply(free, \(j) {
    if (j > length(at$theta)) {
      return(2 * covariance / fit$sigma)
    }
    moved <- replace(at$theta, j, at$theta[j] + at$steps[j])
    there <- fit$sigma^2 * covariance_at(at$to_given(moved))
    (there - covariance) / at$steps[j]
  })
  spread <- at$covariance[free, free, drop = FALSE]
  # emmeans takes functions out of their environments.
  function(k) {
    variance <- sum(k * (covariance %*% k))
    gradient <- vapply(slopes, \(slope) sum(k * (slope %*% k)), 1)
    2 * variance^2 / sum(gradient * (spread %*% gradient))
  }
}
